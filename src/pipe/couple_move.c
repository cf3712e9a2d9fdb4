/* couple_move: one direction of a couple.  Bytes go through the loop's scratch straight to the
 * sink; only what it does not take is kept, and the source is not read meanwhile.  Invariant: a
 * sink is told of an end only when everything before it has left.
 */
#include <stdlib.h>
#include <string.h>

#include "pipe/couple_inside.h"

static void break_sink(struct half *h, size_t lost)
{
	h->lost += lost;
	half_drop(h);
	h->phase = SETTLED;
	h->outcome = BROKEN;
}

/* Gives what the sink took; a broken one takes all, and it is lost. */
static size_t offer(struct half *h, const unsigned char *bytes, size_t len)
{
	struct endpoint *e = h->sink->e;
	size_t taken = 0, n;

	while (taken < len) {
		enum endpoint_status status = e->ops->write(e, bytes + taken, len - taken, &n);

		if (status == ENDPOINT_AGAIN) {
			h->sink->may_write = false;
			break;
		}
		if (status != ENDPOINT_OK) {
			break_sink(h, len - taken);
			return len;
		}
		taken += n;
		h->moved += n;
		h->unflushed = true;
		h->sink->couple->moved_at_ms = couple_now_ms(h->sink->couple);
	}
	return taken;
}

static bool flush(struct half *h)
{
	enum endpoint_status status = h->sink->e->ops->flush(h->sink->e);

	if (status == ENDPOINT_AGAIN) {
		h->sink->may_write = false;
		return false;
	}
	h->unflushed = false;
	if (status != ENDPOINT_OK)
		break_sink(h, 0);
	return true;
}

void half_drop(struct half *h)
{
	h->lost += h->rest_end - h->rest_begin;
	free(h->rest);
	h->rest = NULL;
	h->rest_begin = h->rest_end = 0;
	h->unflushed = false;
}

bool half_push(struct half *h)
{
	size_t taken;

	if (!h->sink->may_write)
		return false;
	if (h->rest == NULL)
		return h->unflushed && flush(h);
	taken = offer(h, h->rest + h->rest_begin, h->rest_end - h->rest_begin);
	if (h->rest == NULL) /* the sink is broken */
		return true;
	h->rest_begin += (uint32_t)taken;
	if (h->rest_begin < h->rest_end)
		return taken > 0;
	free(h->rest);
	h->rest = NULL;
	h->rest_begin = h->rest_end = 0;
	(void)flush(h);
	return true;
}

static void keep(struct couple *c, struct half *h, const unsigned char *bytes, size_t len)
{
	h->rest = malloc(len);
	if (h->rest == NULL) {
		h->lost += len;
		c->lacks_memory = true;
		return;
	}
	memcpy(h->rest, bytes, len);
	h->rest_begin = 0;
	h->rest_end = (uint32_t)len;
}

static void pass_on(struct couple *c, struct half *h, const unsigned char *bytes, size_t len)
{
	size_t taken = offer(h, bytes, len);

	if (h->outcome == BROKEN)
		return;
	if (taken < len)
		keep(c, h, bytes + taken, len - taken);
	else
		(void)flush(h);
}

/* An endpoint whose reading has ended may have ended both ways, and nothing else would tell. */
static void try_sink(struct half *h)
{
	struct endpoint *e = h->sink->e;
	size_t n;

	if (h->outcome == GOING && e->ops->write(e, "", 0, &n) == ENDPOINT_ENDED)
		break_sink(h, 0);
}

static enum half_action action_of(const struct couple *c, const struct half *h)
{
	enum half_action action = half_action((enum half_ending)h->ending, h->sink->e->ops->kind);

	return c->options.reports_only ? HALF_FINISH : action;
}

/*
 * A peer that we left without a word may answer by an alert, as OpenSSL 3 does: it cannot know that
 * nobody was harmed.  Where all that it said is complete, it has told nothing else than that.
 */
enum half_ending half_source_ending(const struct half *h)
{
	enum half_ending ending = h->source->e->ops->ending(h->source->e);
	bool was_left = h->source->out->outcome == MIRRORED;

	if (ending == HALF_TLS_ABORTED && was_left && h->source->e->ops->is_complete(h->source->e))
		return HALF_TLS_TOLERATED;
	return ending;
}

void half_end(struct couple *c, struct half *h, enum half_ending ending)
{
	h->ending = (uint8_t)ending;
	c->moved_at_ms = couple_now_ms(c);
	if (h->phase == SETTLED)
		return;
	h->phase = DELIVERING;
	h->was_reported =
	    c->options.reports_only && half_action(ending, h->sink->e->ops->kind) == HALF_ABORT;
	if (action_of(c, h) != HALF_ABORT)
		return;
	/* All is to end from now on; what waits is still delivered. */
	h->phase = SETTLED;
	h->outcome = CUT;
}

static bool fill(struct couple *c, struct half *h)
{
	struct couple_scratch *scratch = c->options.scratch;
	struct endpoint *e = h->source->e;
	enum endpoint_status status;
	size_t n;

	status = e->ops->read(e, scratch->bytes, scratch->cap, &n);
	if (status == ENDPOINT_AGAIN) {
		h->source->may_read = false;
		return false;
	}
	if (status == ENDPOINT_OK) {
		h->source->may_read = n == scratch->cap || e->has_more;
		pass_on(c, h, scratch->bytes, n);
		return true;
	}
	half_end(c, h, half_source_ending(h));
	try_sink(h->source->out);
	return true;
}

/* The other direction has ended properly, so that the sink is closed at once. */
static bool is_last(const struct couple *c, const struct half *h)
{
	const struct half *other = h == &c->up ? &c->down : &c->up;

	return other->outcome == FINISHED || other->outcome == HELD || other->outcome == MIRRORED;
}

/* Everything before the source's ending is delivered. */
static bool end_sink(struct couple *c, struct half *h)
{
	struct endpoint *e = h->sink->e;
	bool is_mirror = action_of(c, h) == HALF_MIRROR;
	enum endpoint_status status;

	if (!is_mirror && h->phase == DELIVERING && is_last(c, h)) {
		h->phase = SETTLED;
		h->outcome = FINISHED;
		return true;
	}
	status = is_mirror ? e->ops->leave(e) : e->ops->finish(e);
	if (status == ENDPOINT_AGAIN) {
		h->phase = FINISHING;
		return false;
	}
	h->phase = SETTLED;
	h->outcome = status == ENDPOINT_UNSUPPORTED ? HELD
	             : status != ENDPOINT_OK        ? BROKEN
	             : is_mirror                    ? MIRRORED
	                                            : FINISHED;
	return true;
}

static bool may_fill(const struct couple *c, const struct half *h)
{
	return h->phase == MOVING && h->source->may_read &&
	       !(c->closes_front && h->source == &c->front);
}

bool half_turn(struct couple *c, struct half *h)
{
	bool moved = false;

	if (is_waiting(h))
		moved = half_push(h);
	if (is_waiting(h))
		return moved;
	if (may_fill(c, h))
		moved |= fill(c, h);
	if ((h->phase == DELIVERING || h->phase == FINISHING) && !is_waiting(h))
		moved |= end_sink(c, h);
	return moved;
}
