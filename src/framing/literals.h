/*
 * literals: the state of the trackers of IMAP and ManageSieve, and their face to tracker.c.
 *
 * A line may end with the length of a literal, {n}: so many octets follow, and
 * then the line goes on.  IMAP (RFC 9051) tags its commands and completes each
 * with its tag; ManageSieve (RFC 5804) answers in order.
 */
#ifndef FRAMING_LITERALS_H
#define FRAMING_LITERALS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "framing/text.h"

struct lw_tracker;
struct lw_cursor;
struct lw_literals;

struct lw_literal_row {
	bool tags;         /* a tag stands before a command and before what completes it */
	bool only_unasked; /* a client's literals do not wait to be asked for */
	struct lw_word_table commands; /* by enum lw_literal_command */
	struct lw_word_table statuses; /* by enum lw_literal_status */
};

/* Commands that do more than being completed. */
enum lw_literal_command {
	LW_LITERAL_PLAIN,
	LW_LITERAL_AUTHENTICATE, /* prompts may come first, each answered by a line */
	LW_LITERAL_STARTTLS,     /* what follows is no longer this protocol */
	LW_LITERAL_COMPRESS,
	LW_LITERAL_IDLE /* asks for one line, DONE */
};

/* What completes a command, or needs none. */
enum lw_literal_status {
	LW_LITERAL_DATA,
	LW_LITERAL_OK,
	LW_LITERAL_NO,
	LW_LITERAL_BYE,
	LW_LITERAL_BAD,
	LW_LITERAL_PREAUTH
};

/* Where a line stands that may end with {n}. */
enum lw_literal_mark {
	LW_MARK_NONE,
	LW_MARK_PLACE,  /* behind a space, a bracket or ~: a literal may start */
	LW_MARK_OPENED, /* { */
	LW_MARK_DIGITS,
	LW_MARK_PLUS, /* {n+ */
	LW_MARK_CLOSED,
	LW_MARK_CR
};

/* What the client's side does. */
enum lw_literal_turn {
	LW_TURN_FREE,    /* commands */
	LW_TURN_ASKS,    /* a literal waits to be asked for */
	LW_TURN_HELD,    /* nothing may come before a prompt or the completion */
	LW_TURN_PROMPTED /* one line, not a command */
};

struct lw_literal_side {
	uint64_t number; /* of a literal, while read; then what is left of it */
	uint64_t tag;    /* of the line under way */
	struct lw_line line;
	struct lw_word word;
	uint8_t part;   /* 0: the tag; 1: the word; 2: what is behind */
	uint8_t mark;   /* enum lw_literal_mark */
	bool misplaced; /* a { where no literal may start: what looks like one is none */
	bool unasked;   /* {n+} */
	bool quoted;    /* inside a quoted string */
	bool escaped;   /* behind a backslash in one */
	bool literal;   /* `number` octets are a literal */
	bool going_on;  /* behind a literal the line has not ended */
	bool free;      /* a status: the rest is text in which quotes mean nothing */
	bool continues; /* the line is a prompt, or asks for a literal */
	bool seen;      /* at least one whole command or line */
};

struct lw_literals {
	const struct lw_literal_row *row;
	struct lw_literal_side requests;
	struct lw_literal_side answers;
	uint64_t tags;    /* the sum of the tags of commands unanswered */
	uint64_t current; /* the tag of the last whole command */
	uint32_t owed;    /* commands unanswered, or the greeting */
	uint8_t turn;     /* enum lw_literal_turn */
	uint8_t command;  /* the last command, enum lw_literal_command */
	bool greeting;    /* it is still due */
};

extern const struct lw_literal_row lw_literal_imap, lw_literal_sieve;

/* For tracker.c. */
void lw_literals_init(struct lw_tracker *t, const struct lw_literal_row *row);
void lw_literals_greeted(struct lw_tracker *t);
void lw_literals_requests(struct lw_tracker *t, struct lw_cursor *c);
void lw_literals_answers(struct lw_tracker *t, struct lw_cursor *c);
bool lw_literals_complete(const struct lw_tracker *t);
const char *lw_literals_why(const struct lw_tracker *t);

#endif
