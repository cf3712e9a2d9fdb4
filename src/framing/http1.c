/*
 * http1: pairs requests with responses and decides where each body ends.
 *
 * RFC 9112 section 6.3 in its order.  What it calls an error, and every case that its
 * text leaves to the recipient, loses track: an answer that nobody asked for, both a length and a
 * transfer coding, a transfer coding in HTTP/1.0, a request whose last coding is
 * not chunked.  After CONNECT or 101 nothing is known but that the close ends it.
 */
#include "framing/http1.h"

#include "closure/cursor.h"
#include "framing/tracker.h"

static const char *const lost_texts[LW_HTTP1_STATES] = {
	[LW_HTTP1_NOT_HTTP] = "not HTTP",
	[LW_HTTP1_BAD_FIELD] = "a malformed header line",
	[LW_HTTP1_BAD_LENGTH] = "a Content-Length that is no single number",
	[LW_HTTP1_BAD_CODING] = "a malformed Transfer-Encoding",
	[LW_HTTP1_BAD_CHUNK] = "a malformed chunk",
	[LW_HTTP1_BEHIND_CONNECT] = "bytes behind a CONNECT that has no answer",
};

static const char *const end_texts[] = {
	[LW_HTTP1_BY_LENGTH] = "Content-Length satisfied",
	[LW_HTTP1_BY_CHUNKS] = "last chunk and trailers read",
	[LW_HTTP1_NO_BODY] = "a message without a body",
};

/* Ends the message under way. */
static void end_message(struct lw_http1_side *side, enum lw_http1_end how)
{
	side->seen = true;
	side->ended = (uint8_t)how;
	lw_http1_begin(side);
}

static bool push_request(struct lw_http1 *h, uint8_t asked)
{
	if (h->queued == LW_HTTP1_QUEUE)
		return false;
	h->queue |= (uint64_t)asked << (2 * h->queued);
	h->queued++;
	return true;
}

static enum lw_http1_asked pop_request(struct lw_http1 *h)
{
	uint64_t asked = h->queue & 3;

	h->queue >>= 2;
	h->queued--;
	return (enum lw_http1_asked)asked;
}

/* The body that follows a header section with codings or a length, or with neither. */
static const char *enter_body(struct lw_http1_side *side, enum lw_http1_state otherwise)
{
	if (side->has_coding) {
		if (side->has_length)
			return "both Content-Length and Transfer-Encoding";
		if (side->minor == 0)
			return "Transfer-Encoding in HTTP/1.0";
		if (!side->coded || (!side->chunked && !side->response))
			return "a transfer coding without an end";
		side->state = side->chunked ? LW_HTTP1_CHUNK_SIZE : LW_HTTP1_UNTIL_CLOSE;
		side->matched = 0;
		side->number = 0;
		return NULL;
	}
	if (side->has_length && side->length > 0)
		side->state = LW_HTTP1_BODY;
	else if (side->has_length || otherwise == LW_HTTP1_START)
		end_message(side, side->has_length ? LW_HTTP1_BY_LENGTH : LW_HTTP1_NO_BODY);
	else
		side->state = (uint8_t)otherwise;
	return NULL;
}

static const char *enter_request(struct lw_http1 *h)
{
	struct lw_http1_side *side = &h->requests;
	bool connect = side->asked == LW_HTTP1_CONNECT;
	const char *why;

	if (!push_request(h, side->asked))
		return "too many requests unanswered";
	if (connect && (side->has_coding || (side->has_length && side->length > 0)))
		return "a CONNECT with a body";
	why = enter_body(side, LW_HTTP1_START);
	if (connect)
		side->state = LW_HTTP1_HELD;
	return why;
}

/* Both directions become a tunnel, or the frames of a WebSocket. */
static const char *enter_tunnel(struct lw_tracker *t, bool upgraded)
{
	struct lw_http1 *h = &t->state.http1;
	bool idle = h->requests.state == LW_HTTP1_START && h->queued == 0;

	if (upgraded && t->kind == LW_KIND_WEBSOCKET) {
		if (!idle)
			return "requests behind an upgrade";
		lw_tracker_become(t, LW_KIND_WEBSOCKET_FRAMES);
		return NULL;
	}
	h->requests.state = LW_HTTP1_TUNNEL;
	h->responses.state = LW_HTTP1_TUNNEL;
	return NULL;
}

static const char *enter_response(struct lw_tracker *t)
{
	struct lw_http1 *h = &t->state.http1;
	struct lw_http1_side *side = &h->responses;
	bool success = side->status / 100 == 2;
	enum lw_http1_asked asked;

	if (side->status / 100 == 1 && side->status != 101) {
		lw_http1_begin(side);
		return NULL;
	}
	asked = pop_request(h);
	if (side->status == 101 || (asked == LW_HTTP1_CONNECT && success))
		return enter_tunnel(t, side->status == 101);
	if (asked == LW_HTTP1_CONNECT)
		h->requests.state = LW_HTTP1_START;
	if (asked == LW_HTTP1_HEAD || side->status == 204 || side->status == 304) {
		end_message(side, LW_HTTP1_NO_BODY);
		return NULL;
	}
	/* rule: close-delimited-needs-alert */
	return enter_body(side, LW_HTTP1_UNTIL_CLOSE);
}

void lw_http1_init(struct lw_tracker *t)
{
	struct lw_http1 *h = &t->state.http1;

	h->responses.response = true;
	lw_http1_begin(&h->requests);
	lw_http1_begin(&h->responses);
}

/* Moves a side on until the octets end, track is lost, or the protocol changes. */
static void pass(struct lw_tracker *t, struct lw_http1_side *side, struct lw_cursor *c)
{
	enum lw_kind kind = t->kind;

	while (c->left > 0 && t->lost == NULL && t->kind == kind) {
		enum lw_http1_state state;

		if (side->response && side->state == LW_HTTP1_START && t->state.http1.queued == 0) {
			t->lost = "bytes that answer no request";
			return;
		}
		state = lw_http1_step(side, c);
		if (state == LW_HTTP1_HEAD_DONE)
			t->lost =
			    side->response ? enter_response(t) : enter_request(&t->state.http1);
		else if (state == LW_HTTP1_MESSAGE_DONE)
			end_message(side,
			            side->in_trailers ? LW_HTTP1_BY_CHUNKS : LW_HTTP1_BY_LENGTH);
		else
			t->lost = lost_texts[state];
	}
}

void lw_http1_requests(struct lw_tracker *t, struct lw_cursor *c)
{
	pass(t, &t->state.http1.requests, c);
}

void lw_http1_responses(struct lw_tracker *t, struct lw_cursor *c)
{
	pass(t, &t->state.http1.responses, c);
}

static const struct lw_http1_side *received_side(const struct lw_tracker *t)
{
	const struct lw_http1 *h = &t->state.http1;

	return t->role == LW_ROLE_CLIENT ? &h->responses : &h->requests;
}

/* A request is half sent, so that no answer can be the last: a body may still be, its answer came
 * early. */
static bool in_head(const struct lw_http1_side *side)
{
	return side->state > LW_HTTP1_START && side->state < LW_HTTP1_CHUNK_SIZE &&
	       !side->in_trailers;
}

/* rule: framed-message-survives */
bool lw_http1_complete(const struct lw_tracker *t)
{
	const struct lw_http1_side *side = received_side(t);

	if (!side->seen || (side->state != LW_HTTP1_START && side->state != LW_HTTP1_HELD))
		return false;
	if (t->role == LW_ROLE_SERVER)
		return true;
	return t->state.http1.queued == 0 && !in_head(&t->state.http1.requests);
}

bool lw_http1_ended_by_close(const struct lw_tracker *t)
{
	uint8_t state = received_side(t)->state;

	return state == LW_HTTP1_UNTIL_CLOSE || state == LW_HTTP1_TUNNEL;
}

/* Between two messages: what is still owed, or how the last one ended. */
static const char *why_between(const struct lw_tracker *t)
{
	const struct lw_http1_side *side = received_side(t);

	if (t->role == LW_ROLE_CLIENT && in_head(&t->state.http1.requests))
		return "a request is half sent";
	if (t->role == LW_ROLE_CLIENT && t->state.http1.queued > 0)
		return "a request is unanswered";
	return side->seen ? end_texts[side->ended] : "no message yet";
}

const char *lw_http1_why(const struct lw_tracker *t)
{
	const struct lw_http1_side *side = received_side(t);

	if (side->in_trailers)
		return "inside the trailers";
	if (side->state == LW_HTTP1_START || side->state == LW_HTTP1_HELD)
		return why_between(t);
	if (side->state < LW_HTTP1_LINE_CR)
		return "inside the start line";
	if (side->state < LW_HTTP1_CHUNK_SIZE)
		return "inside the header section";
	if (side->state == LW_HTTP1_BODY)
		return "inside a body with Content-Length";
	if (side->state == LW_HTTP1_UNTIL_CLOSE)
		return "no length: only close_notify completes it";
	if (side->state == LW_HTTP1_TUNNEL)
		return "a tunnel: only close_notify completes it";
	return "inside a chunked body";
}
