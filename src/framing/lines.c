/*
 * lines: line protocols, octet by octet.
 *
 * A plain row knows that a command is one line: enough for a server, while a client can
 * never tell whether an answer is whole.  A reply row pairs: a command is answered by one
 * reply of three digits (RFC 5321 section 4.2, RFC 959 section 4.2), which may
 * have several lines.  Content is one more request: lines up to a lone dot between two CR LF
 * once 354 asked for them, or counted octets behind BDAT (RFC 3030) where the server offered
 * CHUNKING.  What servers read in two ways (a dot between bare LFs, a count that
 * was not offered) and what leaves the protocol (STARTTLS, TURN) loses track.
 */
#include "framing/lines.h"

#include "closure/cursor.h"
#include "framing/tracker.h"

const struct lw_line_row lw_line_plain = { 0 };

static const char *const smtp_words[] = { "",         "EHLO", "HELO",
	                                  "DATA",     "AUTH", "BDAT", /* RFC 3030 */
	                                  "STARTTLS", /* not inside TLS: RFC 3207 section 4.2 */
	                                  "TURN",     "ATRN", /* client and server change places */
	                                  "XEXCH50" /* 354, then octets counted elsewhere */ };
static const enum lw_line_command smtp_commands[] = {
	LW_COMMAND_PLAIN,    LW_COMMAND_GREETS,   LW_COMMAND_GREETS,   LW_COMMAND_CONTENT,
	LW_COMMAND_PROMPTS,  LW_COMMAND_CHUNK,    LW_COMMAND_SWITCHES, LW_COMMAND_SWITCHES,
	LW_COMMAND_SWITCHES, LW_COMMAND_SWITCHES,
};

const struct lw_line_row lw_line_smtp = {
	.replies = true,
	.greets = true,
	.bare_code_ends = true,
	.content_code = 354,
	.prompt_code = 334,
	.farewell = 421,
	.words = LW_WORD_TABLE(smtp_words, true),
	.commands = smtp_commands,
};

const struct lw_line_row lw_line_ftp = {
	.replies = true,
	.greets = true,
	.preliminary = true,
	.farewell = 421,
};

/* What a server offers that changes how requests are read. */
static const char *const offers[] = { "", "CHUNKING" };
static const struct lw_word_table offered = LW_WORD_TABLE(offers, true);

#define CODE_DIGITS  3u
#define OFFERED_CODE 250

void lw_lines_init(struct lw_tracker *t, const struct lw_line_row *row)
{
	struct lw_lines *l = &t->state.lines;

	l->row = row;
	l->owed = row->greets ? 1 : 0;
}

void lw_lines_greeted(struct lw_tracker *t)
{
	t->state.lines.owed = 0;
}

static const char *owe(struct lw_lines *l)
{
	if (l->owed == UINT32_MAX)
		return "too many requests unanswered";
	l->owed++;
	return NULL;
}

static const char *pass_content(struct lw_lines *l, uint8_t octet)
{
	switch (lw_line_pass_content(&l->requests.line, octet)) {
	case LW_LINE_LAST:
		l->requests.content = false;
		return NULL;
	case LW_LINE_DOUBTFUL:
		return "content with a dot between bare line feeds";
	case LW_LINE_GOES_ON:
	case LW_LINE_ENDED:
		break;
	}
	return NULL;
}

/* BDAT, a space, digits, and what ends them. */
static void pass_number(struct lw_lines *l, uint8_t octet)
{
	switch ((enum lw_line_number)l->number) {
	case LW_NUMBER_SPACE:
	case LW_NUMBER_DIGITS:
		if (lw_number_pass(&l->chunk, octet))
			l->number = LW_NUMBER_DIGITS;
		else if (l->number == LW_NUMBER_DIGITS && (octet == ' ' || octet == '\r'))
			l->number = LW_NUMBER_DONE;
		else
			l->number = LW_NUMBER_NONE;
		break;
	case LW_NUMBER_NONE:
	case LW_NUMBER_DONE:
		break;
	}
}

/* The words of a command, and the number behind the first. */
static void pass_words(struct lw_lines *l, uint8_t octet)
{
	struct lw_line_side *side = &l->requests;
	const struct lw_word_table *words = &l->row->words;

	if (side->line.at == 0) {
		lw_word_start(&side->word, words);
		l->chunk = 0;
		l->number = LW_NUMBER_NONE;
	}
	if (side->word.over) {
		pass_number(l, octet);
	} else if (octet == ' ' || octet == '\r' || octet == '\n') {
		lw_word_end(&side->word, words);
		l->number = octet == ' ' ? LW_NUMBER_SPACE : LW_NUMBER_NONE;
	} else {
		lw_word_pass(&side->word, words, octet);
	}
}

/* A whole command. */
static const char *end_command(struct lw_lines *l)
{
	bool was_prompted = l->prompted;

	l->requests.seen = true;
	l->prompted = false;
	if (!l->row->replies)
		return NULL;
	if (l->row->commands != NULL && !was_prompted)
		l->last = (uint8_t)l->row->commands[lw_word_found(&l->requests.word)];
	if (l->last == LW_COMMAND_SWITCHES)
		return "a command that changes the protocol";
	if (l->last == LW_COMMAND_GREETS)
		l->chunking = false;
	if (l->last == LW_COMMAND_CHUNK &&
	    (!l->chunking || l->number != LW_NUMBER_DONE || !l->requests.line.after_crlf))
		return "a command with content of a length that servers may not take";
	l->counted = l->last == LW_COMMAND_CHUNK && l->chunk > 0;
	return owe(l);
}

static const char *pass_command(struct lw_lines *l, uint8_t octet)
{
	struct lw_line_side *side = &l->requests;

	if (octet == '\0' && l->row->replies)
		return "a command with a zero octet";
	if (l->row->commands != NULL)
		pass_words(l, octet);
	return lw_line_pass(&side->line, octet) == LW_LINE_ENDED ? end_command(l) : NULL;
}

void lw_lines_requests(struct lw_tracker *t, struct lw_cursor *c)
{
	struct lw_lines *l = &t->state.lines;
	uint8_t octet;

	while (t->lost == NULL && c->left > 0) {
		if (l->counted) {
			l->chunk -=
			    lw_take_up_to(c, l->chunk < SIZE_MAX ? (size_t)l->chunk : SIZE_MAX)
				.left;
			l->counted = l->chunk > 0;
		} else if (lw_take_u8(c, &octet)) {
			t->lost =
			    l->requests.content ? pass_content(l, octet) : pass_command(l, octet);
		}
	}
}

/* What a reply asks for: content, or a line. */
static const char *pass_asking(struct lw_lines *l, uint16_t code)
{
	bool content = l->row->content_code != 0 && code == l->row->content_code;
	bool prompt = l->row->prompt_code != 0 && code == l->row->prompt_code;

	/* 353 announces a reply for each recipient; there may be more of its kind. */
	if (!content && !prompt && l->row->content_code != 0 && code / 100 == 3)
		return "a reply that asks for what is not known";
	if (!content && !prompt)
		return NULL;
	if (l->owed > 0 || l->requests.line.at > 0 || l->counted)
		return "content before it was asked for";
	if (l->last != (content ? LW_COMMAND_CONTENT : LW_COMMAND_PROMPTS))
		return "content asked for, but not by a command that has any";
	if (prompt) {
		l->prompted = true;
		return NULL;
	}
	l->requests.content = true;
	return owe(l);
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
	if (l->owed == 0 && l->requests.content) /* whether another follows it, nobody knows */
		return "a reply to half a request";
	return pass_asking(l, code);
}

/* The first four octets of a line: a code, and whether more lines follow. */
static const char *pass_code(struct lw_lines *l, uint8_t octet)
{
	struct lw_line_side *side = &l->answers;
	bool inside = side->opened != 0;
	bool digit = octet >= '0' && octet <= '9';

	if (side->line.at == 0) {
		side->code = 0;
		side->ends = !inside;
		side->digits = 0;
		lw_word_start(&side->word, &offered);
	}
	if (side->line.at < CODE_DIGITS) {
		if (!digit && !inside)
			return "not a reply with a code";
		side->code = (uint16_t)(side->code * 10 + (digit ? octet - '0' : 0));
		side->digits = (uint8_t)(side->digits + (digit ? 1 : 0));
		return NULL;
	}
	if (inside) {
		side->ends = side->digits == CODE_DIGITS && side->code == side->opened &&
		             (octet == ' ' || (l->row->bare_code_ends && octet < ' '));
		return NULL;
	}
	if (octet != ' ' && octet != '-' && octet != '\r' && octet != '\n')
		return "not a reply with a code";
	side->ends = octet != '-';
	return NULL;
}

/* A line behind the code: does the reply to the only command unanswered offer something? */
static void pass_offer(struct lw_lines *l, uint8_t octet)
{
	struct lw_line_side *side = &l->answers;

	if (octet != ' ' && octet != '\r' && octet != '\n') {
		lw_word_pass(&side->word, &offered, octet);
		return;
	}
	lw_word_end(&side->word, &offered);
	if (lw_word_found(&side->word) != 0 && l->last == LW_COMMAND_GREETS && l->owed == 1 &&
	    side->code == OFFERED_CODE)
		l->chunking = true;
}

static const char *pass_reply(struct lw_lines *l, uint8_t octet)
{
	struct lw_line_side *side = &l->answers;
	const char *why = side->line.at <= CODE_DIGITS ? pass_code(l, octet) : NULL;

	if (side->line.at > CODE_DIGITS)
		pass_offer(l, octet);
	if (why != NULL || lw_line_pass(&side->line, octet) == LW_LINE_GOES_ON)
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
			(void)lw_line_pass(&l->answers.line, octet);
	}
}

static bool are_requests_whole(const struct lw_lines *l)
{
	return l->requests.line.at == 0 && !l->requests.content && !l->counted && !l->prompted;
}

/* rule: framed-message-survives */
bool lw_lines_complete(const struct lw_tracker *t)
{
	const struct lw_lines *l = &t->state.lines;

	if (t->role == LW_ROLE_SERVER)
		return l->requests.seen && are_requests_whole(l);
	return l->row->replies && l->answers.seen && l->answers.line.at == 0 &&
	       l->answers.opened == 0 && l->owed == 0 && are_requests_whole(l);
}

static const char *why_requests(const struct lw_lines *l)
{
	if (l->requests.content)
		return "inside content that ends with a lone dot";
	if (l->counted)
		return "inside content of a given length";
	if (l->requests.line.at > 0)
		return "inside a line";
	if (l->prompted)
		return "the answer to a prompt is missing";
	return l->requests.seen ? "whole lines" : "no line yet";
}

const char *lw_lines_why(const struct lw_tracker *t)
{
	const struct lw_lines *l = &t->state.lines;

	if (t->role == LW_ROLE_SERVER)
		return why_requests(l);
	if (l->answers.line.at > 0)
		return "inside a line";
	if (!l->row->replies)
		return "nothing in this protocol tells whether an answer is whole";
	if (l->answers.opened != 0)
		return "inside a reply of several lines";
	if (!are_requests_whole(l))
		return "a request is half sent";
	return l->owed > 0 ? "a request is unanswered" : "every command has its reply";
}
