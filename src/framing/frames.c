/*
 * frames: messages with a length before them.
 *
 * The first octets of a frame are kept until its length is known and its kind can be told; the
 * rest passes in bulk.  A length that is malformed, absurd, or smaller than what it
 * counts loses track.  Pairing concerns a client alone: a server is complete
 * when what it received is whole requests.
 */
#include "framing/frames.h"

#include "closure/cursor.h"
#include "framing/tracker.h"

#include <string.h>

#define NEEDS_MORE UINT64_MAX
#define BAD        (UINT64_MAX - 1)

static const char no_request[] = "an answer to no request";

void lw_frames_init(struct lw_tracker *t, const struct lw_frame_row *row)
{
	struct lw_frames *f = &t->state.frames;

	f->row = row;
	f->owed = row->greets ? 1 : 0;
	f->requests.request = true;
}

void lw_frames_greeted(struct lw_tracker *t)
{
	t->state.frames.owed = 0;
}

/* Spreads a number over 64 bits, so that sums of different ones differ (splitmix64). */
static uint64_t spread(uint32_t key)
{
	uint64_t z = key * 0x9e3779b97f4a7c15u;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

static bool is_abandoned(const struct lw_frames *f, uint32_t key)
{
	for (size_t i = 0; f->row->abandons && key != 0 && i < LW_FRAME_ABANDONED; i++)
		if (f->more.abandoned[i] == key)
			return true;
	return false;
}

const char *lw_frames_owe(struct lw_frames *f, uint32_t key)
{
	if (f->owed == UINT32_MAX)
		return "too many requests unanswered";
	if (is_abandoned(f, key))
		return "the number of an abandoned request, used again";
	f->owed++;
	f->keys += spread(key);
	return NULL;
}

const char *lw_frames_settle(struct lw_frames *f, uint32_t key)
{
	if (f->owed == 0)
		return no_request;
	f->owed--;
	f->keys -= spread(key);
	if (f->owed > 0)
		return NULL;
	if (f->row->abandons)
		memset(f->more.abandoned, 0, sizeof f->more.abandoned);
	return f->keys == 0 ? NULL : no_request;
}

/* Where there is no room it stays unanswered. */
const char *lw_frames_abandon(struct lw_frames *f, uint32_t key)
{
	for (size_t i = 0; f->owed > 0 && !is_abandoned(f, key) && i < LW_FRAME_ABANDONED; i++)
		if (f->more.abandoned[i] == 0) {
			f->more.abandoned[i] = key;
			break;
		}
	return NULL;
}

/* What is unanswered is just these of the abandoned requests. */
static bool is_owed(const struct lw_frames *f, unsigned chosen)
{
	uint32_t owed = 0;
	uint64_t keys = 0;

	for (size_t i = 0; i < LW_FRAME_ABANDONED; i++)
		if ((chosen >> i & 1) != 0) {
			if (f->more.abandoned[i] == 0)
				return false;
			owed++;
			keys += spread(f->more.abandoned[i]);
		}
	return owed == f->owed && keys == f->keys;
}

/* Anything is unanswered but what was abandoned. */
static bool any_owed(const struct lw_frames *f)
{
	if (f->owed == 0 || !f->row->abandons)
		return f->owed > 0;
	for (unsigned chosen = 1; chosen < 1u << LW_FRAME_ABANDONED; chosen++)
		if (is_owed(f, chosen))
			return false;
	return true;
}

static uint64_t read_fixed(const struct lw_frame_row *row, struct lw_cursor c)
{
	uint64_t big, little = 0;

	if (!lw_take_uint(&c, row->width, &big))
		return NEEDS_MORE;
	if (row->shape == LW_FRAME_BIG)
		return big;
	for (size_t i = 0; i < row->width; i++, big >>= 8)
		little = little << 8 | (big & 0xff);
	return little;
}

static uint64_t read_varint(struct lw_cursor c)
{
	uint64_t value = 0;
	uint8_t octet;

	for (unsigned shift = 0; shift < 28; shift += 7) {
		if (!lw_take_u8(&c, &octet))
			return NEEDS_MORE;
		value |= (uint64_t)(octet & 0x7f) << shift;
		if (octet < 0x80)
			return value;
	}
	return BAD;
}

static uint64_t read_ber(struct lw_cursor c)
{
	uint64_t value;
	uint8_t first;

	if (!lw_take_u8(&c, &first))
		return NEEDS_MORE;
	if (first < 0x80)
		return first;
	if (first == 0x80 || first > 0x84)
		return BAD;
	return lw_take_uint(&c, first & 0x7fu, &value) ? value : NEEDS_MORE;
}

static uint64_t read_decimal(struct lw_cursor c)
{
	uint64_t value = 0;
	uint8_t octet;

	for (unsigned digits = 0; digits <= 10; digits++) {
		if (!lw_take_u8(&c, &octet))
			return NEEDS_MORE;
		if (octet == ' ' && value > 0)
			return value;
		if (octet < '0' || octet > '9' || (value == 0 && octet == '0'))
			return BAD;
		value = value * 10 + (octet - (uint64_t)'0');
	}
	return BAD;
}

/* The masking key counts as part of what the length counts. */
static uint64_t read_websocket(struct lw_cursor c)
{
	uint8_t second;
	uint64_t value, key;

	if (!lw_take_u8(&c, &second))
		return NEEDS_MORE;
	key = (second & 0x80) != 0 ? 4 : 0;
	second &= 0x7f;
	if (second < 126)
		return second + key;
	if (!lw_take_uint(&c, second == 126 ? 2 : 8, &value))
		return NEEDS_MORE;
	return value > INT64_MAX ? BAD : value + key;
}

static uint64_t read_length(const struct lw_frame_row *row, struct lw_cursor c)
{
	switch (row->shape) {
	case LW_FRAME_BIG:
	case LW_FRAME_LITTLE:
		return read_fixed(row, c);
	case LW_FRAME_VARINT:
		return read_varint(c);
	case LW_FRAME_BER:
		return read_ber(c);
	case LW_FRAME_DECIMAL:
		return read_decimal(c);
	case LW_FRAME_WEBSOCKET:
		return read_websocket(c);
	}
	return BAD;
}

/* After one more octet of the head: sizes the frame if that can be done now. */
static const char *size_frame(const struct lw_frames *f, struct lw_frame_side *side)
{
	const struct lw_frame_row *row = f->row;
	bool untyped = row->untyped_start && side->request && !f->started;
	struct lw_cursor c = lw_cursor_over(side->head, side->head_bytes), before;
	uint64_t length;

	if (f->bare && !side->request) {
		side->sized = true;
		side->left = 0;
		return NULL;
	}
	if (row->first != 0 && side->head[0] != row->first)
		return "not a message of this protocol";
	if (!lw_take_window(&c, untyped ? 0 : row->offset, &before))
		return NULL;
	length = read_length(row, c);
	if (length == NEEDS_MORE)
		return NULL;
	if (length == BAD || length > row->max ||
	    (row->added < 0 && length < (uint64_t)-row->added))
		return "a length that cannot be";
	side->sized = true;
	side->left = length + (uint64_t)(int64_t)row->added;
	return NULL;
}

/* The octets of a frame that are kept, or read one by one: false when the rest may pass in
 * bulk. */
static bool wants_octets(const struct lw_frame_row *row, const struct lw_frame_side *side)
{
	return !side->sized || side->head_bytes < LW_FRAME_HEAD ||
	       (row->walk != NULL && side->request);
}

static const char *pass_octet(struct lw_frames *f, struct lw_frame_side *side, uint8_t octet)
{
	if (side->head_bytes < LW_FRAME_HEAD)
		side->head[side->head_bytes++] = octet;
	if (f->row->walk != NULL && side->request)
		f->row->walk(f, octet);
	if (!side->sized)
		return size_frame(f, side);
	side->left--;
	return NULL;
}

/* A whole frame passed. */
static const char *end_frame(struct lw_tracker *t, struct lw_frame_side *side)
{
	struct lw_frames *f = &t->state.frames;
	bool counts = t->role == LW_ROLE_CLIENT || f->row->pairing == LW_PAIRING_ENDS;
	const char *why = NULL;

	if (side->ended)
		why = "a message after the last one";
	else if (f->row->pair != NULL)
		why = f->row->pair(f, side);
	side->seen = true;
	side->sized = false;
	side->head_bytes = 0;
	if (side->request)
		f->walk = 0;
	return counts ? why : NULL;
}

static void pass(struct lw_tracker *t, struct lw_frame_side *side, struct lw_cursor *c)
{
	struct lw_frames *f = &t->state.frames;
	struct lw_cursor window;
	uint8_t octet;

	while (t->lost == NULL && c->left > 0) {
		if (wants_octets(f->row, side)) {
			if (lw_take_u8(c, &octet))
				t->lost = pass_octet(f, side, octet);
		} else {
			size_t take = c->left < side->left ? c->left : (size_t)side->left;

			if (lw_take_window(c, take, &window))
				side->left -= take;
		}
		if (t->lost == NULL && side->sized && side->left == 0)
			t->lost = end_frame(t, side);
	}
}

void lw_frames_requests(struct lw_tracker *t, struct lw_cursor *c)
{
	pass(t, &t->state.frames.requests, c);
}

/* A server's own answers say nothing about what it received. */
void lw_frames_answers(struct lw_tracker *t, struct lw_cursor *c)
{
	struct lw_cursor window;

	if (t->role == LW_ROLE_SERVER)
		(void)lw_take_window(c, c->left, &window);
	else if (t->state.frames.row->pairing == LW_PAIRING_ONE_WAY)
		t->lost = "an answer in a protocol without answers";
	else
		pass(t, &t->state.frames.answers, c);
}

static bool is_between(const struct lw_frame_side *side)
{
	return side->head_bytes == 0 && !side->continued;
}

static const struct lw_frame_side *received_side(const struct lw_tracker *t)
{
	const struct lw_frames *f = &t->state.frames;

	return t->role == LW_ROLE_CLIENT ? &f->answers : &f->requests;
}

/* rule: framed-message-survives */
bool lw_frames_complete(const struct lw_tracker *t)
{
	const struct lw_frames *f = &t->state.frames;
	const struct lw_frame_side *side = received_side(t);
	enum lw_frame_pairing pairing = f->row->pairing;

	if (!is_between(side) || !is_between(&f->requests) || f->open != 0)
		return false;
	if (pairing == LW_PAIRING_ENDS)
		return side->ended;
	if (t->role == LW_ROLE_SERVER)
		return side->seen;
	if (pairing == LW_PAIRING_ONE_WAY)
		return f->requests.seen;
	return pairing == LW_PAIRING_KNOWN && side->seen && !any_owed(f);
}

static const char *why_client(const struct lw_frames *f)
{
	if (!is_between(&f->requests) || f->open != 0)
		return "a request is half sent";
	if (f->row->pairing == LW_PAIRING_ONE_WAY)
		return "this protocol has no answers";
	if (f->row->pairing == LW_PAIRING_UNKNOWN)
		return "nothing in this protocol tells whether an answer is whole";
	if (any_owed(f))
		return "a request is unanswered";
	return f->answers.seen ? "every request has its answer" : "no message yet";
}

const char *lw_frames_why(const struct lw_tracker *t)
{
	const struct lw_frames *f = &t->state.frames;
	const struct lw_frame_side *side = received_side(t);

	if (side->head_bytes > 0)
		return "inside a message";
	if (side->continued)
		return "a message goes on";
	if (f->row->pairing == LW_PAIRING_ENDS)
		return side->ended ? "the last message was read" : "the last message is missing";
	if (t->role == LW_ROLE_CLIENT)
		return why_client(f);
	if (f->open != 0)
		return "a request is half received";
	return side->seen ? "whole messages" : "no message yet";
}
