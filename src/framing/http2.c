/*
 * http2: which streams are still to be answered, or to be asked, and whether a frame is under way.
 *
 * A client's stream is open from its HEADERS until the server ended it, a pushed one from its
 * promise; a server counts the client's half instead.  END_STREAM on a header
 * block counts when the block is whole.  RST_STREAM from either side and a GOAWAY that does not
 * reach a stream end it as well: both were said by the peer, or by us.  It knows nothing of what
 * headers say (interim answers and trailers are told apart by END_STREAM alone), of windows and
 * settings. What RFC 9113 calls a connection error, as far as it is looked at, loses track.
 */
#include "framing/http2.h"

#include "closure/cursor.h"
#include "framing/tracker.h"

static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

#define PREFACE_BYTES (sizeof preface - 1)
#define PAYLOAD_BYTES 5u /* the most that is looked at: padding and a promised stream */
#define STREAMS       (64u * LW_HTTP2_WORDS)
#define STREAM_MASK   0x7fffffffu

enum frame_type {
	FRAME_DATA,
	FRAME_HEADERS,
	FRAME_PRIORITY,
	FRAME_RST_STREAM,
	FRAME_SETTINGS,
	FRAME_PUSH_PROMISE,
	FRAME_PING,
	FRAME_GOAWAY,
	FRAME_WINDOW_UPDATE,
	FRAME_CONTINUATION,
	FRAME_TYPES /* and all others, which are passed over */
};

enum frame_flag { FLAG_END_STREAM = 1, FLAG_ACK = 1, FLAG_END_HEADERS = 4, FLAG_PADDED = 8 };

/* Whether a header block goes on behind the last frame, and whether the stream ends with it. */
enum block { BLOCK_NONE, BLOCK_GOES_ON, BLOCK_ENDS_STREAM };

enum place { ON_STREAM, ON_CONNECTION, ON_EITHER };

static const struct frame_rule {
	enum place place;
	uint32_t least, most; /* octets of payload */
} rules[FRAME_TYPES] = {
	[FRAME_DATA] = { ON_STREAM, 0, UINT32_MAX },
	[FRAME_HEADERS] = { ON_STREAM, 0, UINT32_MAX },
	[FRAME_PRIORITY] = { ON_STREAM, 0, UINT32_MAX },
	[FRAME_RST_STREAM] = { ON_STREAM, 4, 4 },
	[FRAME_SETTINGS] = { ON_CONNECTION, 0, UINT32_MAX },
	[FRAME_PUSH_PROMISE] = { ON_STREAM, 4, UINT32_MAX },
	[FRAME_PING] = { ON_CONNECTION, 8, 8 },
	[FRAME_GOAWAY] = { ON_CONNECTION, 8, UINT32_MAX },
	[FRAME_WINDOW_UPDATE] = { ON_EITHER, 4, 4 },
	[FRAME_CONTINUATION] = { ON_STREAM, 0, UINT32_MAX },
};

static const char idle_stream[] = "a frame on a stream that nobody opened";
static const char no_frame[] = "a malformed HTTP/2 frame";
static const char too_many[] = "too many HTTP/2 streams open at once";

void lw_http2_init(struct lw_tracker *t)
{
	struct lw_http2 *h = &t->state.http2;

	h->last[0] = h->last[1] = STREAM_MASK;
}

static bool is_of_client(uint32_t stream)
{
	return (stream & 1) != 0;
}

/* Room for an open stream that is not in the window. */
static const char *keep(struct lw_http2 *h, uint32_t stream)
{
	for (size_t i = 0; i < LW_HTTP2_OTHER; i++)
		if (h->other[i] == 0) {
			h->other[i] = stream;
			return NULL;
		}
	return too_many;
}

static bool any_recent(const struct lw_http2 *h)
{
	uint64_t any = 0;

	for (size_t i = 0; i < LW_HTTP2_WORDS; i++)
		any |= h->recent[i];
	return any != 0;
}

/* Moves the window on by one stream; what falls out of it open is kept. */
static const char *slide(struct lw_http2 *h)
{
	bool falls = h->recent[LW_HTTP2_WORDS - 1] >> 63 != 0;
	const char *why = falls ? keep(h, h->highest - 2 * (STREAMS - 1)) : NULL;

	for (size_t i = LW_HTTP2_WORDS - 1; i > 0; i--)
		h->recent[i] = h->recent[i] << 1 | h->recent[i - 1] >> 63;
	h->recent[0] <<= 1;
	h->highest += 2;
	return why;
}

static const char *open_stream(struct lw_http2 *h, uint32_t stream)
{
	const char *why = NULL;

	while (why == NULL && h->highest < stream && any_recent(h))
		why = slide(h);
	h->highest = stream;
	if (stream <= h->last[0]) {
		h->recent[0] |= 1;
		h->seen = true;
	}
	return why;
}

/* Nothing happens to a stream that is not open. */
static void end_stream(struct lw_http2 *h, uint32_t stream)
{
	uint32_t behind = (h->highest - stream) / 2;

	if (is_of_client(stream) && stream <= h->highest && behind < STREAMS)
		h->recent[behind / 64] &= ~((uint64_t)1 << behind % 64);
	for (size_t i = 0; i < LW_HTTP2_OTHER; i++)
		if (h->other[i] == stream)
			h->other[i] = 0;
}

/* GOAWAY: the other side's streams above `last` were not looked at, and never will be. */
static void refuse_above(struct lw_http2 *h, bool of_client, uint32_t last)
{
	uint32_t *least = &h->last[of_client ? 0 : 1];

	if (last < *least)
		*least = last;
	for (uint32_t i = 0; of_client && i < STREAMS && h->highest > *least + 2 * i; i++)
		h->recent[i / 64] &= ~((uint64_t)1 << i % 64);
	for (size_t i = 0; i < LW_HTTP2_OTHER; i++)
		if (is_of_client(h->other[i]) == of_client && h->other[i] > *least)
			h->other[i] = 0;
}

static bool is_received(const struct lw_tracker *t, const struct lw_http2_side *side)
{
	const struct lw_http2 *h = &t->state.http2;

	return side == (t->role == LW_ROLE_CLIENT ? &h->answers : &h->requests);
}

/* The frame's stream was opened or promised once, by whoever may do that. */
static bool is_known(const struct lw_http2 *h, uint32_t stream)
{
	return stream <= (is_of_client(stream) ? h->highest : h->promised);
}

/* The header section, or the last of its frames, is whole. */
static void end_block(struct lw_tracker *t, struct lw_http2_side *side, bool ends_stream)
{
	if (!(side->flags & FLAG_END_HEADERS)) {
		side->block = ends_stream ? BLOCK_ENDS_STREAM : BLOCK_GOES_ON;
		return;
	}
	side->block = BLOCK_NONE;
	if (ends_stream && is_received(t, side))
		end_stream(&t->state.http2, side->stream);
}

/* HEADERS: the client's first on a stream opens it, before the block is whole. */
static const char *begin_headers(struct lw_http2 *h, const struct lw_http2_side *side)
{
	if (is_known(h, side->stream))
		return NULL;
	if (side != &h->requests || !is_of_client(side->stream))
		return idle_stream;
	return open_stream(h, side->stream);
}

/* PUSH_PROMISE, as soon as the stream that it promises is read; it is the client's to answer for.
 */
static const char *begin_promise(struct lw_tracker *t, const struct lw_http2_side *side)
{
	struct lw_http2 *h = &t->state.http2;
	struct lw_cursor c = lw_cursor_over(side->head, side->head_bytes), padding;
	uint64_t stream;

	if (!lw_take_window(&c, side->flags & FLAG_PADDED ? 1 : 0, &padding) ||
	    !lw_take_uint(&c, 4, &stream) || c.left > 0)
		return NULL;
	stream &= STREAM_MASK;
	if (is_of_client((uint32_t)stream) || stream <= h->promised || !is_known(h, side->stream))
		return idle_stream;
	h->promised = (uint32_t)stream;
	return t->role == LW_ROLE_CLIENT && stream <= h->last[1] ? keep(h, h->promised) : NULL;
}

static const char *end_goaway(struct lw_http2 *h, const struct lw_http2_side *side)
{
	struct lw_cursor c = lw_cursor_over(side->head, side->head_bytes);
	uint64_t last;

	if (lw_take_uint(&c, 4, &last))
		refuse_above(h, side == &h->answers, (uint32_t)last & STREAM_MASK);
	return NULL;
}

/* A whole frame passed. */
static const char *end_frame(struct lw_tracker *t, struct lw_http2_side *side)
{
	struct lw_http2 *h = &t->state.http2;

	side->settled = true;
	switch (side->type) {
	case FRAME_HEADERS:
		end_block(t, side, (side->flags & FLAG_END_STREAM) != 0);
		return NULL;
	case FRAME_PUSH_PROMISE:
		end_block(t, side, false);
		return NULL;
	case FRAME_CONTINUATION:
		end_block(t, side, side->block == BLOCK_ENDS_STREAM);
		return NULL;
	case FRAME_GOAWAY:
		return end_goaway(h, side);
	case FRAME_DATA:
		if (side->flags & FLAG_END_STREAM && is_received(t, side))
			end_stream(h, side->stream);
		return NULL;
	case FRAME_RST_STREAM:
		end_stream(h, side->stream);
		return NULL;
	default:
		return NULL;
	}
}

/* Whether a frame of this header may stand here; `before` is the stream of the frame before it. */
static const char *check_head(const struct lw_http2_side *side, uint32_t before)
{
	const struct frame_rule *rule = side->type < FRAME_TYPES ? &rules[side->type] : NULL;

	if (!side->settled && (side->type != FRAME_SETTINGS || side->flags & FLAG_ACK))
		return "HTTP/2 without SETTINGS first";
	if ((side->type == FRAME_CONTINUATION) != (side->block != BLOCK_NONE))
		return "an HTTP/2 header block in pieces";
	if (side->type == FRAME_CONTINUATION && side->stream != before)
		return "an HTTP/2 header block in pieces";
	if (rule == NULL)
		return NULL;
	if (side->left < rule->least || side->left > rule->most ||
	    (rule->place == ON_STREAM && side->stream == 0) ||
	    (rule->place == ON_CONNECTION && side->stream != 0))
		return no_frame;
	return side->type == FRAME_PUSH_PROMISE && side->flags & FLAG_PADDED && side->left < 5
	           ? no_frame
	           : NULL;
}

/* What the header alone does to its stream. */
static const char *begin_frame(struct lw_http2 *h, const struct lw_http2_side *side)
{
	switch (side->type) {
	case FRAME_HEADERS:
		return begin_headers(h, side);
	case FRAME_PUSH_PROMISE:
		return side == &h->requests ? "a promise from a client" : NULL;
	case FRAME_DATA:
	case FRAME_RST_STREAM:
		return is_known(h, side->stream) ? NULL : idle_stream;
	default:
		return NULL;
	}
}

static const char *read_head(struct lw_http2 *h, struct lw_http2_side *side)
{
	const char *why;
	struct lw_cursor c = lw_cursor_over(side->head, LW_HTTP2_HEAD);
	uint32_t before = side->stream;
	uint64_t length = 0, stream = 0;

	if (!lw_take_uint(&c, 3, &length) || !lw_take_u8(&c, &side->type) ||
	    !lw_take_u8(&c, &side->flags) || !lw_take_uint(&c, 4, &stream))
		return no_frame;
	side->left = (uint32_t)length;
	side->stream = (uint32_t)stream & STREAM_MASK;
	side->in_payload = true;
	side->head_bytes = 0;
	why = check_head(side, before);
	return why != NULL ? why : begin_frame(h, side);
}

static const char *pass_octet(struct lw_tracker *t, struct lw_http2_side *side, uint8_t octet)
{
	side->head[side->head_bytes++] = octet;
	if (!side->in_payload)
		return side->head_bytes == LW_HTTP2_HEAD ? read_head(&t->state.http2, side) : NULL;
	side->left--;
	return side->type == FRAME_PUSH_PROMISE ? begin_promise(t, side) : NULL;
}

static void pass(struct lw_tracker *t, struct lw_http2_side *side, struct lw_cursor *c)
{
	uint8_t octet;

	while (t->lost == NULL && c->left > 0) {
		if (side->in_payload && side->head_bytes == PAYLOAD_BYTES)
			side->left -= (uint32_t)lw_take_up_to(c, side->left).left;
		else if (lw_take_u8(c, &octet))
			t->lost = pass_octet(t, side, octet);
		if (t->lost != NULL || !side->in_payload || side->left > 0)
			continue;
		t->lost = end_frame(t, side);
		side->in_payload = false;
		side->head_bytes = 0;
	}
}

void lw_http2_requests(struct lw_tracker *t, struct lw_cursor *c)
{
	struct lw_http2 *h = &t->state.http2;
	uint8_t octet;

	while (h->preface < PREFACE_BYTES && t->lost == NULL && lw_take_u8(c, &octet))
		if ((uint8_t)preface[h->preface++] != octet)
			t->lost = "not HTTP/2";
	pass(t, &h->requests, c);
}

void lw_http2_answers(struct lw_tracker *t, struct lw_cursor *c)
{
	pass(t, &t->state.http2.answers, c);
}

static bool is_between(const struct lw_http2_side *side)
{
	return side->settled && !side->in_payload && side->head_bytes == 0 &&
	       side->block == BLOCK_NONE;
}

static bool any_open(const struct lw_http2 *h)
{
	for (size_t i = 0; i < LW_HTTP2_OTHER; i++)
		if (h->other[i] != 0)
			return true;
	return any_recent(h);
}

/* rule: framed-message-survives */
bool lw_http2_complete(const struct lw_tracker *t)
{
	const struct lw_http2 *h = &t->state.http2;

	if (!h->seen || any_open(h) || !is_between(&h->requests))
		return false;
	return t->role == LW_ROLE_SERVER || is_between(&h->answers);
}

const char *lw_http2_why(const struct lw_tracker *t)
{
	const struct lw_http2 *h = &t->state.http2;
	bool is_client = t->role == LW_ROLE_CLIENT;
	const struct lw_http2_side *side = is_client ? &h->answers : &h->requests;

	if (side->settled && !is_between(side))
		return side->block != BLOCK_NONE ? "inside a header block" : "inside a frame";
	if (is_client && h->requests.settled && !is_between(&h->requests))
		return "a request is half sent";
	if (any_open(h))
		return is_client ? "a stream is unanswered" : "a request is half received";
	return lw_http2_complete(t) ? "every stream has ended" : "no message yet";
}
