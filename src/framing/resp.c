/*
 * resp: the Redis protocol, RESP2 and RESP3.
 *
 * A request is an array of counted strings, or a line; each has one answer, in order.  In RESP3
 * pushes stand between answers and answer nothing, but for those that confirm subscriptions, which
 * are told by their first word.  In RESP2 messages cannot be told from answers, so a client that
 * subscribes there is never complete again; nor may one go back there that did.  What changes how
 * answers come (MONITOR, CLIENT REPLY, replication), and aggregates deeper than the state can keep,
 * loses track.
 */
#include "framing/resp.h"

#include "closure/cursor.h"
#include "framing/tracker.h"

enum verb {
	VERB_PLAIN,
	VERB_SUBSCRIBE,
	VERB_UNSUBSCRIBE,
	VERB_OTHERWISE, /* its answers come in a way of their own */
	VERB_DETAILED,  /* its second word may change how answers come */
	VERB_VERSION    /* may go back to RESP2, and subscriptions stay */
};

static const char *const verbs[] = { "",
	                             "SUBSCRIBE",
	                             "PSUBSCRIBE",
	                             "SSUBSCRIBE",
	                             "UNSUBSCRIBE",
	                             "PUNSUBSCRIBE",
	                             "SUNSUBSCRIBE",
	                             "MONITOR",
	                             "SYNC",
	                             "PSYNC",
	                             "REPLCONF",
	                             "CLIENT",
	                             "SCRIPT",
	                             "HELLO" };
static const uint8_t verb_of[] = {
	VERB_PLAIN,       VERB_SUBSCRIBE,   VERB_SUBSCRIBE, VERB_SUBSCRIBE,
	VERB_UNSUBSCRIBE, VERB_UNSUBSCRIBE, VERB_OTHERWISE, /* SUNSUBSCRIBE: its confirmation also
	                                                       comes unasked */
	VERB_OTHERWISE,   VERB_OTHERWISE,   VERB_OTHERWISE, VERB_OTHERWISE,
	VERB_DETAILED,    VERB_DETAILED,    VERB_VERSION,
};
_Static_assert(sizeof verbs / sizeof *verbs == sizeof verb_of, "a verb a word");
static const struct lw_word_table verb_table = LW_WORD_TABLE(verbs, true);

static const char *const details[] = { "", "REPLY", "DEBUG" };
static const struct lw_word_table detail_table = LW_WORD_TABLE(details, true);

static const char *const confirmations[] = { "",           "subscribe",   "psubscribe",
	                                     "ssubscribe", "unsubscribe", "punsubscribe" };
static const struct lw_word_table confirmation_table = LW_WORD_TABLE(confirmations, false);

static const char no_value[] = "not a value of this protocol";
static const char no_request[] = "not a request of this protocol";
static const char other_answers[] = "a command that changes how answers come";

/* ---- numbers and the ends of lines */

enum number { NUMBER_GOES_ON, NUMBER_DONE, NUMBER_NULL, NUMBER_BAD };

static void start_number(struct lw_resp_side *side)
{
	side->state = LW_RESP_NUMBER;
	side->number = 0;
	side->digits = 0;
	side->negative = side->after_cr = false;
}

static enum number end_number(const struct lw_resp_side *side)
{
	if (side->digits == 0)
		return NUMBER_BAD;
	if (!side->negative)
		return NUMBER_DONE;
	return side->number == 1 ? NUMBER_NULL : NUMBER_BAD;
}

/* Digits without a leading zero, or -1, and CR LF. */
static enum number pass_number(struct lw_resp_side *side, uint8_t octet)
{
	if (side->after_cr)
		return octet == '\n' ? end_number(side) : NUMBER_BAD;
	if (octet == '\r') {
		side->after_cr = true;
		return NUMBER_GOES_ON;
	}
	if (octet == '-' && side->digits == 0 && !side->negative) {
		side->negative = true;
		return NUMBER_GOES_ON;
	}
	if ((side->digits > 0 && side->number == 0) || !lw_number_pass(&side->number, octet))
		return NUMBER_BAD;
	side->digits = 1;
	return NUMBER_GOES_ON;
}

/* CR LF and nothing else: 1 at its end, 0 before, -1 for another octet. */
static int pass_end(struct lw_resp_side *side, uint8_t octet)
{
	bool fits = octet == (side->after_cr ? '\n' : '\r');
	bool done = fits && side->after_cr;

	side->after_cr = true;
	return fits ? done : -1;
}

/* Counted octets: one by one where they are a word, else in bulk.  Behind them comes their end. */
static void pass_bulk(struct lw_resp_side *side, struct lw_cursor *c,
                      const struct lw_word_table *table)
{
	uint8_t octet;

	if (!side->worded) {
		side->number = lw_text_skip(c, side->number);
	} else if (lw_take_u8(c, &octet)) {
		lw_word_pass(&side->word, table, octet);
		side->number--;
	}
	if (side->number > 0)
		return;
	if (side->worded)
		lw_word_end(&side->word, table);
	side->state = LW_RESP_END;
	side->after_cr = false;
}

static void start_bulk(struct lw_resp_side *side, const struct lw_word_table *table)
{
	bool empty = side->number == 0;

	if (side->worded)
		lw_word_start(&side->word, table);
	if (side->worded && empty)
		lw_word_end(&side->word, table);
	side->state = empty ? LW_RESP_END : LW_RESP_BULK;
	side->after_cr = false;
}

/* ---- requests */

static const struct lw_word_table *request_table(const struct lw_resp *r)
{
	return r->words == 0 ? &verb_table : &detail_table;
}

/* A word of a request has ended: only the first two count. */
static void end_word(struct lw_resp *r)
{
	unsigned found = lw_word_found(&r->requests.word);

	if (r->words == 0)
		r->verb = verb_of[found];
	else if (r->words == 1)
		r->detail = found != 0;
	if (r->words < UINT32_MAX)
		r->words++;
}

static const char *owe(uint32_t *owed, uint32_t count)
{
	if (count > UINT32_MAX - *owed)
		return "too many requests unanswered";
	*owed += count;
	return NULL;
}

static const char *end_request(struct lw_tracker *t)
{
	struct lw_resp *r = &t->state.resp;

	r->requests.state = LW_RESP_TYPE;
	r->requests.seen = true;
	if (t->role == LW_ROLE_SERVER)
		return NULL;
	switch ((enum verb)r->verb) {
	case VERB_SUBSCRIBE:
		if (r->words == 1)
			break;
		r->subscribes = true;
		return owe(&r->unconfirmed, r->words - 1);
	case VERB_UNSUBSCRIBE: /* of all: as many confirmations as there were subscriptions */
		return r->words > 1 ? owe(&r->unconfirmed, r->words - 1) : other_answers;
	case VERB_OTHERWISE:
		return other_answers;
	case VERB_DETAILED:
		if (r->detail)
			return other_answers;
		break;
	case VERB_VERSION:
		if (r->subscribes)
			return other_answers;
		break;
	case VERB_PLAIN:
		break;
	}
	return owe(&r->owed, 1);
}

/* A line: words between spaces.  What quotes make of them is not followed; an empty line asks for
 * nothing. */
static const char *pass_inline(struct lw_tracker *t, uint8_t octet)
{
	struct lw_resp *r = &t->state.resp;
	struct lw_resp_side *side = &r->requests;
	bool space = octet == ' ' || octet == '\t' || octet == '\r' || octet == '\n';

	if (octet == '\0' || octet == '"' || octet == '\'' || octet == '\v' || octet == '\f')
		return no_request;
	if (!space && !side->worded)
		lw_word_start(&side->word, request_table(r));
	if (!space)
		lw_word_pass(&side->word, request_table(r), octet);
	if (space && side->worded) {
		lw_word_end(&side->word, request_table(r));
		end_word(r);
	}
	side->worded = !space;
	if (octet != '\n')
		return NULL;
	if (r->words > 0)
		return end_request(t);
	side->state = LW_RESP_TYPE;
	return NULL;
}

static const char *start_request(struct lw_tracker *t, uint8_t octet)
{
	struct lw_resp *r = &t->state.resp;

	if (r->elements > 0 && octet != '$')
		return no_request;
	r->requests.type = octet;
	if (octet == '$' && r->elements > 0) {
		start_number(&r->requests);
		return NULL;
	}
	r->words = 0;
	r->verb = VERB_PLAIN;
	r->detail = r->requests.worded = false;
	if (octet == '*') {
		start_number(&r->requests);
		return NULL;
	}
	r->requests.state = LW_RESP_LINE;
	return pass_inline(t, octet);
}

static const char *pass_request_number(struct lw_resp *r, uint8_t octet)
{
	struct lw_resp_side *side = &r->requests;
	enum number number = pass_number(side, octet);

	if (number == NUMBER_GOES_ON)
		return NULL;
	if (number != NUMBER_DONE)
		return no_request;
	if (side->type == '$') {
		side->worded = r->words < 2;
		start_bulk(side, request_table(r));
		return NULL;
	}
	if (side->number == 0 || side->number > UINT32_MAX)
		return no_request;
	r->elements = (uint32_t)side->number;
	side->state = LW_RESP_TYPE;
	return NULL;
}

static const char *pass_request_end(struct lw_tracker *t, uint8_t octet)
{
	struct lw_resp *r = &t->state.resp;
	int end = pass_end(&r->requests, octet);

	if (end <= 0)
		return end < 0 ? no_request : NULL;
	end_word(r);
	r->requests.state = LW_RESP_TYPE;
	r->elements--;
	return r->elements == 0 ? end_request(t) : NULL;
}

static const char *pass_request(struct lw_tracker *t, uint8_t octet)
{
	struct lw_resp *r = &t->state.resp;

	switch ((enum lw_resp_state)r->requests.state) {
	case LW_RESP_TYPE:
		return start_request(t, octet);
	case LW_RESP_LINE:
		return pass_inline(t, octet);
	case LW_RESP_NUMBER:
		return pass_request_number(r, octet);
	case LW_RESP_END:
		return pass_request_end(t, octet);
	case LW_RESP_BULK: /* passes elsewhere */
		break;
	}
	return no_request;
}

void lw_resp_requests(struct lw_tracker *t, struct lw_cursor *c)
{
	struct lw_resp *r = &t->state.resp;
	uint8_t octet;

	while (t->lost == NULL && c->left > 0) {
		if (r->requests.state == LW_RESP_BULK)
			pass_bulk(&r->requests, c, request_table(r));
		else if (lw_take_u8(c, &octet))
			t->lost = pass_request(t, octet);
	}
}

/* ---- answers */

/* A whole value that stands in no other. */
static const char *end_answer(struct lw_resp *r)
{
	bool push = r->push;

	r->push = false;
	r->answers.seen = true;
	if (push) {
		if (lw_word_found(&r->answers.word) != 0 && r->unconfirmed > 0)
			r->unconfirmed--;
		return NULL;
	}
	if (r->owed == 0)
		return "an answer to no request";
	r->owed--;
	return NULL;
}

/* A value has ended: so may have what it stands in, and so on.  Behind an attribute its value
 * follows. */
static const char *end_value(struct lw_resp *r)
{
	r->answers.state = LW_RESP_TYPE;
	while (r->depth > 0) {
		if (--r->left[r->depth - 1] > 0)
			return NULL;
		r->depth--;
		if ((r->attributes >> r->depth & 1) != 0) {
			r->attributes &= (uint16_t) ~(1u << r->depth);
			r->described = true;
			return NULL;
		}
	}
	return end_answer(r);
}

static const char *start_aggregate(struct lw_resp *r, uint64_t count)
{
	bool attribute = r->answers.type == '|';

	r->answers.state = LW_RESP_TYPE;
	if (attribute && count == 0) {
		r->described = true;
		return NULL;
	}
	if (count == 0)
		return r->push && r->depth == 0 ? no_value : end_value(r);
	if (r->depth == LW_RESP_DEPTH)
		return "values too deep in one another";
	if (attribute)
		r->attributes |= (uint16_t)(1u << r->depth);
	r->left[r->depth++] = (uint32_t)count;
	return NULL;
}

/* What the first octet of a value says about its rest. */
static const char *start_value(struct lw_resp *r, uint8_t octet)
{
	struct lw_resp_side *side = &r->answers;

	side->type = octet;
	side->after_cr = false;
	r->described = false;
	if (octet == '>' && r->depth > 0)
		return no_value;
	if (r->depth == 0) {
		r->push = octet == '>';
		lw_word_start(&side->word, &confirmation_table);
	}
	side->worded = r->push_starts && r->depth == 1 && octet == '$';
	r->push_starts = octet == '>';
	switch (octet) {
	case '+':
	case '-':
	case ':':
	case ',':
	case '#':
	case '(':
	case '_':
		side->state = LW_RESP_LINE;
		return NULL;
	case '$':
	case '=':
	case '!':
	case '*':
	case '~':
	case '%':
	case '|':
	case '>':
		start_number(side);
		return NULL;
	default:
		return no_value;
	}
}

static bool is_aggregate(uint8_t type)
{
	return type == '*' || type == '~' || type == '%' || type == '|' || type == '>';
}

static const char *pass_answer_number(struct lw_resp *r, uint8_t octet)
{
	struct lw_resp_side *side = &r->answers;
	bool pairs = side->type == '%' || side->type == '|';
	enum number number = pass_number(side, octet);

	if (number == NUMBER_GOES_ON)
		return NULL;
	if (number == NUMBER_NULL && (side->type == '$' || side->type == '*'))
		return end_value(r);
	if (number != NUMBER_DONE)
		return no_value;
	if (!is_aggregate(side->type)) {
		start_bulk(side, &confirmation_table);
		return NULL;
	}
	if (side->number > UINT32_MAX / 2)
		return no_value;
	return start_aggregate(r, pairs ? side->number * 2 : side->number);
}

static const char *pass_answer_line(struct lw_resp *r, uint8_t octet)
{
	struct lw_resp_side *side = &r->answers;

	if (side->after_cr)
		return octet == '\n' ? end_value(r) : no_value;
	side->after_cr = octet == '\r';
	return octet == '\n' ? no_value : NULL;
}

static const char *pass_answer_end(struct lw_resp *r, uint8_t octet)
{
	int end = pass_end(&r->answers, octet);

	if (end < 0)
		return no_value;
	return end > 0 ? end_value(r) : NULL;
}

static const char *pass_answer(struct lw_resp *r, uint8_t octet)
{
	switch ((enum lw_resp_state)r->answers.state) {
	case LW_RESP_TYPE:
		return start_value(r, octet);
	case LW_RESP_LINE:
		return pass_answer_line(r, octet);
	case LW_RESP_NUMBER:
		return pass_answer_number(r, octet);
	case LW_RESP_END:
		return pass_answer_end(r, octet);
	case LW_RESP_BULK: /* passes elsewhere */
		break;
	}
	return no_value;
}

/* A server's own answers say nothing about what it received. */
void lw_resp_answers(struct lw_tracker *t, struct lw_cursor *c)
{
	struct lw_resp *r = &t->state.resp;
	uint8_t octet;

	if (t->role == LW_ROLE_SERVER)
		(void)lw_take_up_to(c, c->left);
	while (t->lost == NULL && c->left > 0) {
		if (r->answers.state == LW_RESP_BULK)
			pass_bulk(&r->answers, c, &confirmation_table);
		else if (lw_take_u8(c, &octet))
			t->lost = pass_answer(r, octet);
	}
}

/* ---- what is known */

static bool are_requests_whole(const struct lw_resp *r)
{
	return r->requests.state == LW_RESP_TYPE && r->elements == 0;
}

static bool are_answers_whole(const struct lw_resp *r)
{
	return r->answers.state == LW_RESP_TYPE && r->depth == 0 && !r->described;
}

/* rule: framed-message-survives */
bool lw_resp_complete(const struct lw_tracker *t)
{
	const struct lw_resp *r = &t->state.resp;

	if (t->role == LW_ROLE_SERVER)
		return r->requests.seen && are_requests_whole(r);
	return r->answers.seen && are_answers_whole(r) && are_requests_whole(r) && r->owed == 0 &&
	       r->unconfirmed == 0;
}

const char *lw_resp_why(const struct lw_tracker *t)
{
	const struct lw_resp *r = &t->state.resp;

	if (t->role == LW_ROLE_SERVER && !are_requests_whole(r))
		return "inside a request";
	if (t->role == LW_ROLE_SERVER)
		return r->requests.seen ? "whole requests" : "no request yet";
	if (!are_answers_whole(r))
		return "inside an answer";
	if (!are_requests_whole(r))
		return "a request is half sent";
	if (r->owed > 0)
		return "a request is unanswered";
	if (r->unconfirmed > 0)
		return "a subscription is not confirmed by a push";
	return r->answers.seen ? "every request has its answer" : "no answer yet";
}
