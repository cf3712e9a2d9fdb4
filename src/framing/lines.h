/*
 * lines: the state of the trackers of line protocols, and their face to tracker.c.
 *
 * A line ends with LF, a CR before it belongs to the ending.  Rows say what is
 * known about answers: nothing, or one reply with a three-digit code to each command.
 */
#ifndef FRAMING_LINES_H
#define FRAMING_LINES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "framing/text.h"

struct lw_tracker;
struct lw_cursor;

/* What a command does beyond being answered once. */
enum lw_line_command {
	LW_COMMAND_PLAIN,
	LW_COMMAND_GREETS,  /* its reply lists what the server offers */
	LW_COMMAND_CONTENT, /* after `content_code`, lines up to a lone dot are one more request */
	LW_COMMAND_PROMPTS, /* after `prompt_code`, a line of any shape is one more request */
	LW_COMMAND_CHUNK,   /* counted octets follow at once, if that was offered */
	LW_COMMAND_SWITCHES /* what follows is no longer this protocol */
};

/* What is known about one line protocol. */
struct lw_line_row {
	bool replies;          /* answers are replies with a code, one to a command */
	bool greets;           /* the server speaks first */
	bool preliminary;      /* a reply 1yz is followed by another */
	bool bare_code_ends;   /* a code and nothing else ends a reply of several lines */
	uint16_t content_code; /* 0: none */
	uint16_t prompt_code;  /* 0: none */
	uint16_t farewell;     /* a reply that needs no command; 0: none */
	struct lw_word_table words;
	const enum lw_line_command *commands; /* what each word of the table does */
};

struct lw_line_side {
	struct lw_line line;
	struct lw_word word; /* of a command; of a reply's line, what stands behind the code */
	uint16_t code;       /* the digits at the start of the line under way */
	uint16_t opened;     /* the code of a reply of several lines under way, 0 if none */
	uint8_t digits;      /* how many of them are digits */
	bool ends;           /* the line ends a reply */
	bool content;        /* lines are content up to a lone dot */
	bool seen;           /* at least one whole line or reply */
};

/* How far the number behind a command has been read. */
enum lw_line_number { LW_NUMBER_NONE, LW_NUMBER_SPACE, LW_NUMBER_DIGITS, LW_NUMBER_DONE };

struct lw_lines {
	const struct lw_line_row *row;
	struct lw_line_side requests;
	struct lw_line_side answers;
	uint64_t chunk; /* counted octets still to be sent; while a command is read, its number */
	uint32_t owed;  /* commands unanswered */
	uint8_t last;   /* what the last command does, enum lw_line_command */
	uint8_t number; /* enum lw_line_number */
	bool counted;   /* `chunk` octets are content */
	bool prompted;  /* the next line of a request is an answer to a prompt */
	bool chunking;  /* the server offered counted content */
};

extern const struct lw_line_row lw_line_plain, lw_line_smtp, lw_line_ftp;

/* For tracker.c. */
void lw_lines_init(struct lw_tracker *t, const struct lw_line_row *row);
void lw_lines_greeted(struct lw_tracker *t);
void lw_lines_requests(struct lw_tracker *t, struct lw_cursor *c);
void lw_lines_answers(struct lw_tracker *t, struct lw_cursor *c);
bool lw_lines_complete(const struct lw_tracker *t);
const char *lw_lines_why(const struct lw_tracker *t);

#endif
