/*
 * lines: line protocols, octet by octet.
 *
 * A plain row knows that a command is one line: enough for a server, while a client can
 * never tell whether an answer is whole.  A reply row pairs: a command is answered by one
 * reply of three digits (RFC 5321 section 4.2, RFC 959 section 4.2), which may
 * have several lines; the content that a reply such as 354 asks for is one
 * more request, up to a lone dot between two CR LF.  What servers read in two ways
 * (a dot between bare LFs) loses track.
 */
#include "framing/lines.h"

#include "closure/cursor.h"
#include "framing/tracker.h"

#include <string.h>

const struct lw_line_row lw_line_plain = { 0 };

const struct lw_line_row lw_line_smtp = {
	.replies = true,
	.greets = true,
	.bare_code_ends = true,
	.content_code = 354,
	.farewell = 421,
	.refused = "BDAT ", /* RFC 3030: counted content */
};

const struct lw_line_row lw_line_ftp = {
	.replies = true,
	.greets = true,
	.preliminary = true,
	.farewell = 421,
};

#define CODE_DIGITS 3u

void lw_lines_init(struct lw_tracker *t, const struct lw_line_row *row)
{
	struct lw_lines *l = &t->state.lines;

	l->row = row;
	l->owed = row->greets ? 1 : 0;
}

/* Notes an octet's place in its line; true at the end of the line. */
static bool pass_octet(struct lw_line_side *side, uint8_t octet)
{
	bool ends = octet == '\n';

	if (ends) {
		side->after_crlf = side->previous == '\r';
		side->at = 0;
	} else if (side->at < UINT8_MAX) {
		side->at++;
	}
	side->previous = octet;
	return ends;
}

static const char *owe(struct lw_lines *l)
{
	if (l->owed == UINT32_MAX)
		return "too many requests unanswered";
	l->owed++;
	return NULL;
}

/* Content ends with CR LF, a dot, CR LF. */
static const char *pass_content(struct lw_lines *l, uint8_t octet)
{
	struct lw_line_side *side = &l->requests;
	bool after_crlf = side->after_crlf;
	uint8_t at = side->at;

	if (at == 0)
		side->dot = octet == '.';
	else if (octet != '\n' && !(at == 1 && octet == '\r'))
		side->dot = false;
	if (!pass_octet(side, octet) || !side->dot)
		return NULL;
	if (!after_crlf || !side->after_crlf)
		return "content with a dot between bare line feeds";
	side->content = false;
	return NULL;
}

static const char *pass_command(struct lw_lines *l, uint8_t octet)
{
	struct lw_line_side *side = &l->requests;
	const char *refused = l->row->refused;
	uint8_t capital = octet >= 'a' && octet <= 'z' ? (uint8_t)(octet - ('a' - 'A')) : octet;

	if (side->at == 0)
		side->matched = 0;
	if (refused != NULL && side->matched == side->at && refused[side->matched] != '\0' &&
	    (uint8_t)refused[side->matched] == capital)
		side->matched++;
	if (refused != NULL && refused[side->matched] == '\0')
		return "a command with content of its own length";
	if (!pass_octet(side, octet))
		return NULL;
	side->seen = true;
	return l->row->replies ? owe(l) : NULL;
}

void lw_lines_requests(struct lw_tracker *t, struct lw_cursor *c)
{
	struct lw_lines *l = &t->state.lines;
	uint8_t octet;

	while (t->lost == NULL && lw_take_u8(c, &octet))
		t->lost = l->requests.content ? pass_content(l, octet) : pass_command(l, octet);
}

/* A whole reply: what it answers, and whether it asks for content. */
static const char *end_reply(struct lw_lines *l, uint16_t code)
{
	const struct lw_line_row *row = l->row;

	l->answers.seen = true;
	if (row->preliminary && code / 100 == 1)
		return NULL;
	if (l->owed == 0)
		return code == row->farewell ? NULL : "a reply to no command";
	l->owed--;
	if (row->content_code == 0 || code != row->content_code)
		return NULL;
	if (l->owed > 0 || l->requests.at > 0)
		return "content before it was asked for";
	l->requests.content = true;
	return owe(l);
}

/* The first four octets of a line: a code, and whether more lines follow. */
static const char *pass_code(struct lw_lines *l, uint8_t octet)
{
	struct lw_line_side *side = &l->answers;
	bool inside = side->opened != 0;
	bool digit = octet >= '0' && octet <= '9';

	if (side->at == 0) {
		side->code = 0;
		side->more = inside;
		side->ends = !inside;
		side->matched = 0;
	}
	if (side->at < CODE_DIGITS) {
		if (!digit && !inside)
			return "not a reply with a code";
		side->code = (uint16_t)(side->code * 10 + (digit ? octet - '0' : 0));
		side->matched = (uint8_t)(side->matched + (digit ? 1 : 0));
		return NULL;
	}
	if (inside) {
		side->ends = side->matched == CODE_DIGITS && side->code == side->opened &&
		             (octet == ' ' || (l->row->bare_code_ends && octet < ' '));
		return NULL;
	}
	if (octet != ' ' && octet != '-' && octet != '\r' && octet != '\n')
		return "not a reply with a code";
	side->ends = octet != '-';
	return NULL;
}

static const char *pass_reply(struct lw_lines *l, uint8_t octet)
{
	struct lw_line_side *side = &l->answers;
	const char *why = side->at <= CODE_DIGITS ? pass_code(l, octet) : NULL;

	if (why != NULL || !pass_octet(side, octet))
		return why;
	if (!side->ends) {
		side->opened = side->opened != 0 ? side->opened : side->code;
		return NULL;
	}
	side->opened = 0;
	return end_reply(l, side->code);
}

void lw_lines_answers(struct lw_tracker *t, struct lw_cursor *c)
{
	struct lw_lines *l = &t->state.lines;
	uint8_t octet;

	while (t->lost == NULL && lw_take_u8(c, &octet)) {
		if (l->row->replies)
			t->lost = pass_reply(l, octet);
		else
			(void)pass_octet(&l->answers, octet);
	}
}

/* rule: framed-message-survives */
bool lw_lines_complete(const struct lw_tracker *t)
{
	const struct lw_lines *l = &t->state.lines;
	bool requests_whole = l->requests.at == 0 && !l->requests.content;

	if (t->role == LW_ROLE_SERVER)
		return l->requests.seen && requests_whole;
	return l->row->replies && l->answers.seen && l->answers.at == 0 && l->answers.opened == 0 &&
	       l->owed == 0 && requests_whole;
}

static const char *why_requests(const struct lw_line_side *side)
{
	if (side->content)
		return "inside content that ends with a lone dot";
	if (side->at > 0)
		return "inside a line";
	return side->seen ? "whole lines" : "no line yet";
}

const char *lw_lines_why(const struct lw_tracker *t)
{
	const struct lw_lines *l = &t->state.lines;

	if (t->role == LW_ROLE_SERVER)
		return why_requests(&l->requests);
	if (l->answers.at > 0)
		return "inside a line";
	if (!l->row->replies)
		return "nothing in this protocol tells whether an answer is whole";
	if (l->answers.opened != 0)
		return "inside a reply of several lines";
	if (l->requests.at > 0 || l->requests.content)
		return "a request is half sent";
	return l->owed > 0 ? "a request is unanswered" : "every command has its reply";
}
