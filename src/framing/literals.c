/*
 * literals: IMAP and ManageSieve, octet by octet but for literals, which pass in bulk.
 *
 * Both directions are read in both roles, since one asks for what comes in the other: literals,
 * answers to SASL prompts, the end of IDLE.  Whoever sends them before they
 * were asked for loses track, and so does what readers take in two ways: a line of free text that
 * ends like a literal, a quoted string that is not closed in its line.  Completions are matched
 * by the sum of their tags: any other tag and the sum cannot come to nothing again.
 */
#include "framing/literals.h"

#include "closure/cursor.h"
#include "framing/tracker.h"

static const char *const commands[] = { "", "AUTHENTICATE", "STARTTLS", "COMPRESS", "IDLE" };
static const char *const statuses[] = { "", "OK", "NO", "BYE", "BAD", "PREAUTH" };

const struct lw_literal_row lw_literal_imap = {
	.tags = true,
	.commands = LW_WORD_TABLE(commands, true),
	.statuses = LW_WORD_TABLE(statuses, true),
};

static const char *const sieve_commands[] = { "", "AUTHENTICATE", "STARTTLS" };
static const char *const sieve_statuses[] = { "", "OK", "NO", "BYE" };

const struct lw_literal_row lw_literal_sieve = {
	.only_unasked = true,
	.commands = LW_WORD_TABLE(sieve_commands, true),
	.statuses = LW_WORD_TABLE(sieve_statuses, true),
};

static const char half_answered[] = "an answer to half a request";
static const char unknown_answer[] = "an answer to no request";

void lw_literals_init(struct lw_tracker *t, const struct lw_literal_row *row)
{
	struct lw_literals *l = &t->state.literals;

	l->row = row;
	l->greeting = row->tags;
	l->owed = row->tags ? 0 : 1;
}

/* A ManageSieve server greets again behind STARTTLS (RFC 5804 section 2.2). */
void lw_literals_greeted(struct lw_tracker *t)
{
	t->state.literals.greeting = false;
}

/* ---- lines */

enum event { GOES_ON, ENDED, LITERAL, MALFORMED };

enum part { TAG, WORD, BEHIND };

static void start_line(const struct lw_literal_row *row, struct lw_literal_side *side,
                       uint8_t octet, const struct lw_word_table *words)
{
	side->tag = LW_TEXT_HASH_START;
	side->part = row->tags ? TAG : WORD;
	side->mark = row->tags ? LW_MARK_NONE : LW_MARK_PLACE;
	side->quoted = side->escaped = side->misplaced = false;
	side->continues = row->tags && octet == '+';
	side->free = side->continues;
	lw_word_start(&side->word, words);
}

/* Is what the line ends with a literal's length?  A { elsewhere is a part of something else. */
static void pass_mark(struct lw_literal_side *side, uint8_t octet)
{
	enum lw_literal_mark mark = (enum lw_literal_mark)side->mark;
	bool inside = mark == LW_MARK_OPENED || mark == LW_MARK_DIGITS;

	if (side->quoted) {
		side->mark = LW_MARK_NONE;
	} else if (inside && octet >= '0' && octet <= '9') {
		side->misplaced |= !lw_number_pass(&side->number, octet);
		side->mark = LW_MARK_DIGITS;
	} else if (mark == LW_MARK_DIGITS && octet == '+') {
		side->unasked = true;
		side->mark = LW_MARK_PLUS;
	} else if ((mark == LW_MARK_DIGITS || mark == LW_MARK_PLUS) && octet == '}') {
		side->mark = LW_MARK_CLOSED;
	} else if (mark == LW_MARK_CLOSED && octet == '\r') {
		side->mark = LW_MARK_CR;
	} else if (octet == '{') {
		side->mark = LW_MARK_OPENED;
		side->misplaced = mark != LW_MARK_PLACE;
		side->unasked = false;
		side->number = 0;
	} else {
		bool place =
		    octet == ' ' || octet == '(' || (octet == '~' && mark == LW_MARK_PLACE);

		side->mark = place ? LW_MARK_PLACE : LW_MARK_NONE;
	}
}

static void pass_quote(struct lw_literal_side *side, uint8_t octet)
{
	if (side->escaped)
		side->escaped = false;
	else if (side->quoted && octet == '\\')
		side->escaped = true;
	else if (octet == '"')
		side->quoted = !side->quoted;
}

static void pass_part(struct lw_literal_side *side, uint8_t octet,
                      const struct lw_word_table *words)
{
	bool ends = octet == ' ' || octet == '\r' || octet == '\n';

	if (side->part == TAG && octet == ' ') {
		side->part = WORD;
	} else if (side->part == TAG && !ends) {
		side->tag = lw_text_hash(side->tag, octet);
	} else if (side->part == WORD && ends) {
		lw_word_end(&side->word, words);
		side->part = BEHIND;
	} else if (side->part == WORD) {
		lw_word_pass(&side->word, words, octet);
	}
}

static enum event end_line(struct lw_literal_side *side, enum lw_literal_mark mark)
{
	if (side->quoted)
		return MALFORMED;
	if (mark != LW_MARK_CR && mark != LW_MARK_CLOSED) {
		side->going_on = false;
		return ENDED;
	}
	if (mark == LW_MARK_CLOSED || side->misplaced || side->free)
		return MALFORMED;
	side->going_on = true;
	return LITERAL;
}

static enum event pass_line(const struct lw_literal_row *row, struct lw_literal_side *side,
                            uint8_t octet, const struct lw_word_table *words, bool answer)
{
	enum lw_literal_mark mark;

	if (octet == '\0')
		return MALFORMED;
	if (side->line.at == 0 && !side->going_on)
		start_line(row, side, octet, words);
	mark = (enum lw_literal_mark)side->mark;
	pass_mark(side, octet);
	if (!side->free)
		pass_quote(side, octet);
	pass_part(side, octet, words);
	if (answer && row->tags && side->part == BEHIND && lw_word_found(&side->word) != 0)
		side->free = true;
	if (lw_line_pass(&side->line, octet) == LW_LINE_GOES_ON)
		return GOES_ON;
	return end_line(side, mark);
}

static bool is_between(const struct lw_literal_side *side)
{
	return side->line.at == 0 && !side->going_on && !side->literal;
}

/* ---- requests */

static const char *end_command(struct lw_literals *l)
{
	struct lw_literal_side *side = &l->requests;

	side->seen = true;
	if (l->turn == LW_TURN_PROMPTED) {
		l->turn = l->command == LW_LITERAL_IDLE ? LW_TURN_FREE : LW_TURN_HELD;
		return NULL;
	}
	if (side->part != BEHIND || side->word.at == 0 || side->continues)
		return "not a command";
	if (l->row->tags && side->tag == LW_TEXT_HASH_START)
		return "not a command";
	l->command = (uint8_t)lw_word_found(&side->word);
	if (l->command == LW_LITERAL_STARTTLS || l->command == LW_LITERAL_COMPRESS)
		return "a command that changes the protocol";
	if (l->command != LW_LITERAL_PLAIN)
		l->turn = LW_TURN_HELD;
	if (l->owed == UINT32_MAX)
		return "too many requests unanswered";
	l->owed++;
	l->current = side->tag;
	l->tags += l->row->tags ? side->tag : 0;
	return NULL;
}

static const char *start_literal(struct lw_literals *l)
{
	struct lw_literal_side *side = &l->requests;

	if (l->turn == LW_TURN_PROMPTED && l->row->tags)
		return "a literal in answer to a prompt";
	if (l->row->only_unasked && !side->unasked)
		return "a literal that nobody will ask for";
	if (side->unasked)
		side->literal = side->number > 0;
	else
		l->turn = LW_TURN_ASKS;
	return NULL;
}

static const char *pass_request(struct lw_literals *l, uint8_t octet)
{
	if (l->turn == LW_TURN_ASKS || l->turn == LW_TURN_HELD)
		return "more of a request before it was asked for";
	switch (pass_line(l->row, &l->requests, octet, &l->row->commands, false)) {
	case GOES_ON:
		return NULL;
	case ENDED:
		return end_command(l);
	case LITERAL:
		return start_literal(l);
	case MALFORMED:
		break;
	}
	return "a line that can be read in two ways";
}

static void pass_literal(struct lw_literal_side *side, struct lw_cursor *c)
{
	side->number = lw_text_skip(c, side->number);
	side->literal = side->number > 0;
}

void lw_literals_requests(struct lw_tracker *t, struct lw_cursor *c)
{
	struct lw_literals *l = &t->state.literals;
	uint8_t octet;

	while (t->lost == NULL && c->left > 0) {
		if (l->requests.literal)
			pass_literal(&l->requests, c);
		else if (lw_take_u8(c, &octet))
			t->lost = pass_request(l, octet);
	}
}

/* ---- answers */

/* The server asks for what the client holds back. */
static const char *end_prompt(struct lw_literals *l)
{
	struct lw_literal_side *side = &l->requests;

	if (l->turn == LW_TURN_ASKS) {
		l->turn = LW_TURN_FREE;
		side->literal = side->number > 0;
		return NULL;
	}
	if (l->turn != LW_TURN_HELD)
		return "content asked for that nobody offered";
	l->turn = LW_TURN_PROMPTED;
	return NULL;
}

/* The last whole command is completed: if it held the client's side back, no longer. */
static const char *release(struct lw_literals *l)
{
	if (l->turn == LW_TURN_ASKS) /* a later command does that */
		return NULL;
	if (l->turn == LW_TURN_PROMPTED && !is_between(&l->requests))
		return half_answered;
	l->turn = LW_TURN_FREE;
	return NULL;
}

static const char *end_tagged(struct lw_literals *l, enum lw_literal_status status)
{
	struct lw_literal_side *side = &l->requests;
	uint64_t tag = l->answers.tag;

	if (status != LW_LITERAL_OK && status != LW_LITERAL_NO && status != LW_LITERAL_BAD)
		return "not an answer of this protocol";
	if (tag == side->tag &&
	    l->turn == LW_TURN_ASKS) { /* the literal is refused, and the command with it */
		side->going_on = false;
		l->turn = LW_TURN_FREE;
		return status == LW_LITERAL_OK ? half_answered : NULL;
	}
	if (l->owed == 0)
		return unknown_answer;
	l->owed--;
	l->tags -= tag;
	if (l->owed == 0 && l->tags != 0)
		return unknown_answer;
	return tag == l->current ? release(l) : NULL;
}

/* A line of IMAP: a prompt, untagged data, or a completion. */
static const char *end_imap(struct lw_literals *l, enum lw_literal_status status)
{
	const struct lw_literal_side *side = &l->answers;
	bool untagged = side->tag == lw_text_hash(LW_TEXT_HASH_START, '*');

	if (side->continues && side->tag != lw_text_hash(LW_TEXT_HASH_START, '+'))
		return "not an answer of this protocol";
	if (l->greeting && (!untagged || (status != LW_LITERAL_OK && status != LW_LITERAL_PREAUTH &&
	                                  status != LW_LITERAL_BYE)))
		return "not a greeting";
	l->greeting = false;
	if (side->continues)
		return end_prompt(l);
	if (side->part != BEHIND)
		return "not an answer of this protocol";
	return untagged ? NULL : end_tagged(l, status);
}

/* A line of ManageSieve: data, in AUTHENTICATE a prompt, or what completes the oldest command. */
static const char *end_sieve(struct lw_literals *l, enum lw_literal_status status)
{
	if (status == LW_LITERAL_BYE && l->owed == 0)
		return NULL;
	if (l->owed == 0)
		return unknown_answer;
	if (status == LW_LITERAL_DATA)
		return l->owed == 1 && l->turn != LW_TURN_FREE ? end_prompt(l) : NULL;
	l->owed--;
	return l->owed == 0 ? release(l) : NULL;
}

static const char *pass_answer(struct lw_literals *l, uint8_t octet)
{
	struct lw_literal_side *side = &l->answers;
	enum lw_literal_status status;

	switch (pass_line(l->row, side, octet, &l->row->statuses, true)) {
	case GOES_ON:
		return NULL;
	case LITERAL:
		side->literal = side->number > 0;
		return side->unasked ? "a literal of the other side's form" : NULL;
	case ENDED:
		side->seen = true;
		status = (enum lw_literal_status)lw_word_found(&side->word);
		return l->row->tags ? end_imap(l, status) : end_sieve(l, status);
	case MALFORMED:
		break;
	}
	return "a line that can be read in two ways";
}

void lw_literals_answers(struct lw_tracker *t, struct lw_cursor *c)
{
	struct lw_literals *l = &t->state.literals;
	uint8_t octet;

	while (t->lost == NULL && c->left > 0) {
		if (l->answers.literal)
			pass_literal(&l->answers, c);
		else if (lw_take_u8(c, &octet))
			t->lost = pass_answer(l, octet);
	}
}

/* ---- what is known */

static bool are_requests_whole(const struct lw_literals *l)
{
	return is_between(&l->requests) && l->turn != LW_TURN_PROMPTED && l->turn != LW_TURN_ASKS;
}

/* rule: framed-message-survives */
bool lw_literals_complete(const struct lw_tracker *t)
{
	const struct lw_literals *l = &t->state.literals;

	if (t->role == LW_ROLE_SERVER)
		return l->requests.seen && are_requests_whole(l);
	return l->answers.seen && is_between(&l->answers) && !l->greeting && l->owed == 0 &&
	       are_requests_whole(l);
}

static const char *why_inside(const struct lw_literal_side *side)
{
	if (side->literal)
		return "inside a literal";
	return is_between(side) ? NULL : "inside a line";
}

static const char *why_requests(const struct lw_literals *l)
{
	const char *why = why_inside(&l->requests);

	if (why != NULL)
		return why;
	if (l->turn == LW_TURN_PROMPTED)
		return "the answer to a prompt is missing";
	return l->requests.seen ? "whole commands" : "no command yet";
}

const char *lw_literals_why(const struct lw_tracker *t)
{
	const struct lw_literals *l = &t->state.literals;
	const char *why;

	if (t->role == LW_ROLE_SERVER)
		return why_requests(l);
	why = why_inside(&l->answers);
	if (why != NULL)
		return why;
	if (!are_requests_whole(l))
		return "a request is half sent";
	if (l->greeting)
		return "the greeting is missing";
	if (l->owed > 0)
		return "a request is unanswered";
	return l->answers.seen ? "every command is completed" : "no message yet";
}
