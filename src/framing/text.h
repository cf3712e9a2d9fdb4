/*
 * text: what the trackers of line protocols share: words of a table found octet by octet,
 * and content that ends with a lone dot.
 *
 * A line ends with LF, a CR before it belongs to the ending.
 */
#ifndef FRAMING_TEXT_H
#define FRAMING_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct lw_cursor;

/* A table of words has at most so many, the empty one of index 0, "none of them", included. */
#define LW_WORDS_MAX 32u

/* A table of words; with `any_case` they stand in capitals. */
struct lw_word_table {
	const char *const *words;
	uint8_t count;
	bool any_case;
};

#define LW_WORD_TABLE(list, case_counts_not)                                                       \
	{                                                                                          \
		.words = list, .count = sizeof list / sizeof *(list), .any_case = case_counts_not  \
	}

/* A word under way. */
struct lw_word {
	uint32_t possible; /* a bit for each word of the table that still fits */
	uint8_t at;        /* octets seen, saturating */
	bool over;         /* it has ended: what is possible, is it */
};

void lw_word_start(struct lw_word *w, const struct lw_word_table *table);

/* One octet; a word that is over takes no more. */
void lw_word_pass(struct lw_word *w, const struct lw_word_table *table, uint8_t octet);

/* The word has ended. */
void lw_word_end(struct lw_word *w, const struct lw_word_table *table);

/* Its index in the table; 0 while it is not over, and if it is none of the table. */
unsigned lw_word_found(const struct lw_word *w);

/* A line under way, or the place between two. */
struct lw_line {
	uint8_t at;       /* octets of it seen, saturating; 0 between two lines */
	uint8_t previous; /* the octet before */
	bool dot;         /* it is a lone dot so far */
	bool after_crlf;  /* the line before ended with CR LF */
};

enum lw_line_end {
	LW_LINE_GOES_ON,
	LW_LINE_ENDED,
	LW_LINE_LAST,    /* the lone dot behind content */
	LW_LINE_DOUBTFUL /* a lone dot between bare LFs, which readers take in two ways */
};

/* Notes an octet's place in its line: GOES_ON or ENDED. */
enum lw_line_end lw_line_pass(struct lw_line *line, uint8_t octet);

/* The same in content up to a lone dot. */
enum lw_line_end lw_line_pass_content(struct lw_line *line, uint8_t octet);

/* The digit's value is added to a number; false for what is no digit, and past 2^63. */
bool lw_number_pass(uint64_t *number, uint8_t octet);

/* Passes over at most `left` octets, without a look; how many are still to come. */
uint64_t lw_text_skip(struct lw_cursor *c, uint64_t left);

/* One more octet of a text that is told from others by this alone (FNV-1a). */
#define LW_TEXT_HASH_START UINT64_C(0xcbf29ce484222325)
uint64_t lw_text_hash(uint64_t hash, uint8_t octet);

#endif
