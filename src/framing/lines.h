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

struct lw_line_side {
	uint16_t code;   /* three digits of the line under way */
	uint16_t opened; /* the code of a reply of several lines under way, 0 if none */
	uint8_t at;      /* octets of the line seen, saturating */
	uint8_t matched; /* octets of a forbidden command that fit */
	bool content;    /* lines are content until a lone dot */
	bool dot;        /* the line is a lone dot so far */
	bool more;       /* the line says that another follows */
	bool seen;       /* at least one whole line or reply */
};

struct lw_lines {
	const struct lw_line_row *row;
	struct lw_line_side requests;
	struct lw_line_side answers;
	uint32_t owed; /* commands unanswered */
};

struct lw_line_row;
extern const struct lw_line_row lw_line_row_plain, lw_line_row_smtp, lw_line_row_ftp;

void lw_lines_init(struct lw_tracker *t, const struct lw_line_row *row);
void lw_lines_requests(struct lw_tracker *t, struct lw_cursor *c);
void lw_lines_answers(struct lw_tracker *t, struct lw_cursor *c);
bool lw_lines_complete(const struct lw_tracker *t);
const char *lw_lines_why(const struct lw_tracker *t);

#endif
