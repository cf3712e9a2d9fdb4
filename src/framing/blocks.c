/*
 * blocks: POP3 and NNTP, octet by octet: a command is a line, an answer a status line, behind
 * some a block of lines up to a lone dot.
 *
 * What a protocol knows stands in its row; here it is only kept who owes what.  Both
 * directions are read in both roles, since content and answers to prompts in
 * one are asked for in the other.  A dot between bare LFs is read in two ways and loses
 * track, as does an answer whose shape is not known.
 */
#include "framing/blocks.h"

#include "closure/cursor.h"
#include "framing/tracker.h"

static const char *push(struct lw_blocks *b, enum lw_asked asked)
{
	unsigned place = (b->first + b->queued) % LW_BLOCKS_QUEUE;
	unsigned shift = place % 2 * 4;

	if (b->queued == LW_BLOCKS_QUEUE)
		return "too many requests unanswered";
	b->queue[place / 2] =
	    (uint8_t)((b->queue[place / 2] & ~(15u << shift)) | (unsigned)asked << shift);
	b->queued++;
	return NULL;
}

static enum lw_asked oldest(const struct lw_blocks *b)
{
	return (enum lw_asked)(b->queue[b->first / 2] >> (b->first % 2 * 4) & 15u);
}

static void drop(struct lw_blocks *b)
{
	b->first = (uint8_t)((b->first + 1) % LW_BLOCKS_QUEUE);
	b->queued--;
}

void lw_blocks_init(struct lw_tracker *t, const struct lw_block_row *row)
{
	struct lw_blocks *b = &t->state.blocks;

	b->row = row;
	t->lost = push(b, LW_ASKED_NONE);
}

void lw_blocks_greeted(struct lw_tracker *t)
{
	if (t->state.blocks.queued > 0)
		drop(&t->state.blocks);
}

/* Content or a block, up to its lone dot. */
static const char *pass_content(struct lw_line *line, bool *inside, uint8_t octet)
{
	switch (lw_line_pass_content(line, octet)) {
	case LW_LINE_LAST:
		*inside = false;
		return NULL;
	case LW_LINE_DOUBTFUL:
		return "content with a dot between bare line feeds";
	case LW_LINE_GOES_ON:
	case LW_LINE_ENDED:
		break;
	}
	return NULL;
}

/* The first word of a command, and whether anything stands behind it. */
static void pass_words(struct lw_blocks *b, uint8_t octet)
{
	bool ends = octet == '\r' || octet == '\n';

	if (b->request.at == 0) {
		lw_word_start(&b->word, &b->row->words);
		b->space = b->argument = false;
	}
	if (ends || octet == ' ' || octet == '\t') {
		lw_word_end(&b->word, &b->row->words);
		b->space |= !ends;
	} else if (!b->word.over) {
		lw_word_pass(&b->word, &b->row->words, octet);
	} else {
		b->argument = true;
	}
}

static const char *end_command(struct lw_blocks *b)
{
	const struct lw_block_command *command = &b->row->commands[lw_word_found(&b->word)];
	enum lw_asked asked = b->argument ? command->with_argument : command->alone;

	b->asked = true;
	if (b->prompted) { /* the answer to what was asked before is still due */
		b->prompted = false;
		return NULL;
	}
	/* Servers take a space and no argument in two ways. */
	if (b->space && !b->argument && command->alone != command->with_argument)
		asked = LW_ASKED_PLAIN;
	if (asked == LW_ASKED_SWITCH)
		return "a command that changes the protocol";
	b->content = asked == LW_ASKED_TAKETHIS;
	return push(b, asked);
}

static const char *pass_command(struct lw_blocks *b, uint8_t octet)
{
	if (octet == '\0')
		return "a command with a zero octet";
	pass_words(b, octet);
	return lw_line_pass(&b->request, octet) == LW_LINE_ENDED ? end_command(b) : NULL;
}

void lw_blocks_requests(struct lw_tracker *t, struct lw_cursor *c)
{
	struct lw_blocks *b = &t->state.blocks;
	uint8_t octet;

	while (t->lost == NULL && lw_take_u8(c, &octet))
		t->lost = b->content ? pass_content(&b->request, &b->content, octet)
		                     : pass_command(b, octet);
}

/* The answer asks for more before it comes: only from somebody who waits for that. */
static const char *ask(struct lw_blocks *b, bool *what)
{
	if (b->queued > 1 || b->request.at > 0 || b->content || b->prompted)
		return "content before it was asked for";
	*what = true;
	return NULL;
}

static const char *end_status(struct lw_blocks *b)
{
	enum lw_asked asked = b->queued > 0 ? oldest(b) : LW_ASKED_PLAIN;

	b->answered = true;
	if (b->queued == 0)
		return b->code == b->row->farewell ? NULL : "an answer to no request";
	switch (b->row->judge(b->code, asked)) {
	case LW_STATUS_BLOCK:
		b->block = true;
		drop(b);
		return NULL;
	case LW_STATUS_LINE:
		if (b->queued == 1 && (b->content || b->prompted))
			return "an answer to half a request";
		drop(b);
		return NULL;
	case LW_STATUS_CONTENT:
		return ask(b, &b->content);
	case LW_STATUS_PROMPT:
		return ask(b, &b->prompted);
	case LW_STATUS_BAD:
		break;
	}
	return "an answer whose shape is not known";
}

static const char *pass_status(struct lw_blocks *b, uint8_t octet)
{
	if (octet == '\0' || !b->row->read(b, octet))
		return "not a status line of this protocol";
	return lw_line_pass(&b->answer, octet) == LW_LINE_ENDED ? end_status(b) : NULL;
}

void lw_blocks_answers(struct lw_tracker *t, struct lw_cursor *c)
{
	struct lw_blocks *b = &t->state.blocks;
	uint8_t octet;

	while (t->lost == NULL && lw_take_u8(c, &octet))
		t->lost =
		    b->block ? pass_content(&b->answer, &b->block, octet) : pass_status(b, octet);
}

static bool are_requests_whole(const struct lw_blocks *b)
{
	return b->request.at == 0 && !b->content && !b->prompted;
}

/* rule: framed-message-survives */
bool lw_blocks_complete(const struct lw_tracker *t)
{
	const struct lw_blocks *b = &t->state.blocks;

	if (t->role == LW_ROLE_SERVER)
		return b->asked && are_requests_whole(b);
	return b->answered && b->answer.at == 0 && !b->block && b->queued == 0 &&
	       are_requests_whole(b);
}

static const char *why_requests(const struct lw_blocks *b)
{
	if (b->content)
		return "inside content that ends with a lone dot";
	if (b->request.at > 0)
		return "inside a line";
	if (b->prompted)
		return "the answer to a prompt is missing";
	return b->asked ? "whole requests" : "no request yet";
}

const char *lw_blocks_why(const struct lw_tracker *t)
{
	const struct lw_blocks *b = &t->state.blocks;

	if (t->role == LW_ROLE_SERVER)
		return why_requests(b);
	if (b->block)
		return "inside a block that ends with a lone dot";
	if (b->answer.at > 0)
		return "inside a line";
	if (!are_requests_whole(b))
		return "a request is half sent";
	return b->queued > 0 ? "a request is unanswered" : "every request has its answer";
}
