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

struct lw_tracker;
struct lw_cursor;

/* What is known about one line protocol. */
struct lw_line_row {
	bool replies;          /* answers are replies with a code, one to a command */
	bool greets;           /* the server speaks first */
	bool preliminary;      /* a reply 1yz is followed by another */
	bool bare_code_ends;   /* a code and nothing else ends a reply of several lines */
	uint16_t content_code; /* after it, lines up to a lone dot are one request; 0: none */
	uint16_t farewell;     /* a reply that needs no command; 0: none */
	const char *refused;   /* a command, in capitals, that brings content of another shape */
};

struct lw_line_side {
	uint16_t code;    /* the digits at the start of the line under way */
	uint16_t opened;  /* the code of a reply of several lines under way, 0 if none */
	uint8_t at;       /* octets of the line seen, saturating; 0 between two lines */
	uint8_t matched;  /* octets of the refused command that fit */
	uint8_t previous; /* the octet before */
	bool more;        /* the line says that another follows */
	bool ends;        /* the line ends a reply */
	bool content;     /* lines are content up to a lone dot */
	bool dot;         /* the line is a lone dot so far */
	bool after_crlf;  /* the line before ended with CR LF */
	bool seen;        /* at least one whole line or reply */
};

struct lw_lines {
	const struct lw_line_row *row;
	struct lw_line_side requests;
	struct lw_line_side answers;
	uint32_t owed; /* commands unanswered */
};

extern const struct lw_line_row lw_line_plain, lw_line_smtp, lw_line_ftp;

/* For tracker.c. */
void lw_lines_init(struct lw_tracker *t, const struct lw_line_row *row);
void lw_lines_requests(struct lw_tracker *t, struct lw_cursor *c);
void lw_lines_answers(struct lw_tracker *t, struct lw_cursor *c);
bool lw_lines_complete(const struct lw_tracker *t);
const char *lw_lines_why(const struct lw_tracker *t);

#endif
