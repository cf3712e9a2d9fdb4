/* couple_end: how a couple ends.  Nothing here makes an end look better than it is: a leg is closed
 * properly only if everything that was to be said to it is said, and what is cut off is aborted
 * when the peer's system has everything before it.
 *
 * TCP: RST, once the send queue is acknowledged (asked for at growing intervals, since nothing
 * tells) or the deadline has passed.  TLS: a fatal alert, then FIN or RST, or RST alone.  Unix:
 * there is no RST, see endpoint_unix.c; it is left open and unread until the peer has sent
 * something, and closed at the deadline, which to the peer looks like an end: `was_unmarked` tells.
 */
#include "pipe/couple_inside.h"

enum { PAUSE_MIN_MS = 1, PAUSE_MAX_MS = 50, UNWATCHED_MS = 20, FRESH_MS = 1000, READS_A_TURN = 4 };

static bool is_expired(const struct couple *c)
{
	return couple_now_ms(c) >= c->deadline_ms;
}

static void arm_deadline(struct couple *c)
{
	if (c->deadline_ms == UINT64_MAX && c->options.close_timeout_ms != LW_NO_TIMEOUT)
		c->deadline_ms = couple_now_ms(c) + c->options.close_timeout_ms;
}

/* ---- the decision */

/* The source has said all there was, or at least whole messages. */
static bool is_said(const struct half *h)
{
	if (is_waiting(h))
		return false;
	if (h->outcome == FINISHED || h->outcome == HELD || h->outcome == MIRRORED)
		return true;
	return h->phase == MOVING && h->source->e->ops->is_complete(h->source->e);
}

static bool is_all_said(const struct couple *c)
{
	return is_said(&c->up) && is_said(&c->down);
}

static bool is_unused(const struct couple *c)
{
	const struct half *up = &c->up, *down = &c->down;

	return up->moved == 0 && down->moved == 0 && !is_waiting(up) && !is_waiting(down);
}

bool couple_is_between(const struct couple *c)
{
	return is_unused(c) || is_all_said(c);
}

uint64_t couple_fresh_until_ms(const struct couple *c)
{
	return c->is_draining && is_unused(c) ? c->moved_at_ms + FRESH_MS : 0;
}

static bool is_drained(const struct couple *c)
{
	return c->is_draining && couple_is_between(c) &&
	       couple_now_ms(c) >= couple_fresh_until_ms(c);
}

/* We end of our own accord, and nothing is lost by that.  Silence is nobody's accord: whoever holds
 * the peer's words back makes it.  So where nothing was said it shows nothing to be whole. */
static bool is_harmless(const struct couple *c, enum couple_cause cause)
{
	switch (cause) {
	case COUPLE_IDLE:
		return is_all_said(c);
	case COUPLE_BOTH_ENDED:
	case COUPLE_DRAINED:
	case COUPLE_ABANDONED:
		return couple_is_between(c);
	case COUPLE_RUNS:
	case COUPLE_SOURCE_CUT:
	case COUPLE_SINK_BROKEN:
	case COUPLE_NO_MEMORY:
		break;
	}
	return false;
}

/* Behind silence we have no proof to give, as behind any other end without one. */
static enum way harmless_way(const struct couple *c, const struct half *h)
{
	bool is_mirror = c->cause == COUPLE_IDLE && !c->options.reports_only &&
	                 half_action(HALF_TLS_TOLERATED, h->sink->e->ops->kind) == HALF_MIRROR;

	return is_mirror ? WAY_LEAVE : WAY_CLOSE;
}

/* What may be shown to the sink of `h`. */
static enum way way_out(const struct couple *c, struct half *h, bool is_harmless)
{
	enum half_ending source_ending = h->sink->e->ops->ending(h->sink->e);

	switch ((enum outcome)h->outcome) {
	case FINISHED:
	case HELD:
		return WAY_CLOSE;
	case MIRRORED:
		return WAY_LEAVE;
	case BROKEN: /* to 1.2 a close_notify ends both directions: its sender is owed the rest */
		return source_ending == HALF_TLS_CLOSED ? WAY_CLOSE : WAY_ABORT;
	case GOING:
	case CUT:
	case STOPPED:
	default:
		break;
	}
	if (is_harmless)
		return harmless_way(c, h);
	h->was_reported |= c->options.reports_only && !c->lacks_memory;
	return h->was_reported ? WAY_CLOSE : WAY_ABORT;
}

static void stop_half(struct half *h)
{
	if (h->outcome == GOING)
		h->outcome = STOPPED;
	h->phase = SETTLED;
}

/* Nothing went wrong: what was said is all, where it is complete. */
static bool is_by_choice(enum couple_cause cause)
{
	return cause == COUPLE_BOTH_ENDED || cause == COUPLE_IDLE || cause == COUPLE_DRAINED ||
	       cause == COUPLE_ABANDONED;
}

void couple_begin_end(struct couple *c, enum couple_cause cause)
{
	bool no_harm = is_harmless(c, cause);

	if (c->cause != COUPLE_RUNS)
		return;
	c->cause = (uint8_t)cause;
	arm_deadline(c);
	stop_half(&c->up);
	stop_half(&c->down);
	c->front.way = (uint8_t)way_out(c, &c->down, no_harm);
	c->back.way = (uint8_t)way_out(c, &c->up, no_harm);
	c->front.may_write = c->back.may_write = true;
	c->front.e->gives_up_reading = c->back.e->gives_up_reading = is_by_choice(cause);
}

/* What the peers have said by now is read before we end something of our own accord. */
static bool has_looked(struct couple *c)
{
	uint64_t moved = c->up.moved + c->down.moved;

	if (c->looked_at == moved)
		return true;
	c->looked_at = moved;
	c->front.may_read = c->back.may_read = true;
	return false;
}

/* Nothing that was cut or broke ends it: perhaps it may be ended all the same, or in part. */
static bool decide_by_choice(struct couple *c)
{
	const struct half *up = &c->up, *down = &c->down;
	bool ends_held = up->outcome == HELD && couple_is_between(c); /* no answer can be cut */
	bool ends_drained = is_drained(c);
	bool closes_front =
	    down->outcome == HELD && up->phase == MOVING && !is_waiting(up) && !c->closes_front;

	if (!ends_held && !ends_drained && !closes_front)
		return false;
	if (!has_looked(c))
		return true;
	if (ends_held || ends_drained) {
		couple_begin_end(c, ends_held ? COUPLE_BOTH_ENDED : COUPLE_DRAINED);
	} else {
		c->closes_front = true;
		arm_deadline(c);
	}
	return true;
}

bool couple_decide(struct couple *c)
{
	const struct half *up = &c->up, *down = &c->down;
	bool both = up->outcome != GOING && down->outcome != GOING;

	if (c->lacks_memory)
		couple_begin_end(c, COUPLE_NO_MEMORY);
	else if (up->outcome == CUT || down->outcome == CUT)
		couple_begin_end(c, COUPLE_SOURCE_CUT);
	else if (both && (up->outcome == BROKEN || down->outcome == BROKEN))
		couple_begin_end(c, COUPLE_SINK_BROKEN);
	else if (both)
		couple_begin_end(c, COUPLE_BOTH_ENDED);
	else
		return decide_by_choice(c);
	return true;
}

/* ---- the ways out */

/* True: it is time to ask again.  Else it will be. */
static bool is_time_to_ask(struct leg *l)
{
	uint64_t now = couple_now_ms(l->couple);

	if (now < l->ask_at_ms && !is_expired(l->couple))
		return false;
	l->pause_ms = l->pause_ms == 0 ? PAUSE_MIN_MS : (uint16_t)(l->pause_ms * 2);
	if (l->pause_ms > PAUSE_MAX_MS)
		l->pause_ms = PAUSE_MAX_MS;
	l->ask_at_ms = now + l->pause_ms;
	return true;
}

static void count_lost(struct leg *l)
{
	bool may_change;
	uint64_t left = l->e->ops->unacknowledged(l->e, &may_change);

	l->out->unacknowledged = left < l->out->moved ? left : l->out->moved;
}

/* The peer's system has everything, or nothing more can be done about it. */
static bool is_acknowledged(struct leg *l)
{
	bool may_change;

	if (!is_time_to_ask(l))
		return false;
	(void)l->e->ops->unacknowledged(l->e, &may_change);
	return !may_change || is_expired(l->couple);
}

static bool reset_tls(struct leg *l)
{
	if (!is_acknowledged(l))
		return false;
	count_lost(l);
	l->e->ops->reset(l->e);
	return true;
}

static bool abort_tls(struct leg *l)
{
	enum couple_abort aborts_with = l->couple->options.aborts_with;

	if (aborts_with == COUPLE_RST)
		return reset_tls(l);
	if (!l->is_ended)
		l->is_ended = l->e->ops->abort(l->e) != ENDPOINT_AGAIN;
	if (aborts_with == COUPLE_ALERT_RST)
		return reset_tls(l);
	if (!l->is_ended && !is_expired(l->couple))
		return false;
	count_lost(l);
	if (!l->is_ended) /* the alert may not have left */
		l->e->ops->reset(l->e);
	return true;
}

static bool abort_tcp(struct leg *l)
{
	if (!is_acknowledged(l))
		return false;
	count_lost(l);
	(void)l->e->ops->abort(l->e);
	return true;
}

static bool abort_unix(struct leg *l)
{
	if (!is_time_to_ask(l))
		return false;
	if (l->e->ops->abort(l->e) != ENDPOINT_AGAIN)
		return true;
	l->was_unmarked = is_expired(l->couple);
	return l->was_unmarked;
}

static bool abort_leg(struct leg *l)
{
	switch (l->e->ops->kind) {
	case HALF_TLS:
		return abort_tls(l);
	case HALF_TCP:
		return abort_tcp(l);
	case HALF_UNIX:
		return abort_unix(l);
	case HALF_STDIO:
	case HALF_KINDS:
		break;
	}
	return l->e->ops->abort(l->e) != ENDPOINT_AGAIN || is_expired(l->couple);
}

/* Bytes that meet a closed socket draw a RST, which destroys what we said last: so they are read,
 * and lost, up to the peer's end. */
static bool linger(struct leg *l)
{
	struct couple_scratch *scratch = l->couple->options.scratch;

	for (unsigned i = 0; i < READS_A_TURN; i++) {
		enum endpoint_status status;
		size_t n;

		if (l->e->ops->ending(l->e) != HALF_OPEN || l->drained > LW_DEFAULT_DRAIN_BYTES)
			return true;
		status = l->e->ops->read(l->e, scratch->bytes, scratch->cap, &n);
		if (status == ENDPOINT_AGAIN)
			break;
		l->in->lost += n;
		l->drained += (uint32_t)n;
	}
	return is_expired(l->couple);
}

/* A stream's close does all of that by itself. */
static bool close_leg(struct leg *l)
{
	enum endpoint_status status;
	bool may_change;

	if (!l->is_ended) {
		if (l->e->ops->hands_over(l->e))
			leg_end_poll(l);
		status = l->e->ops->close(l->e);
		l->is_ended = status != ENDPOINT_AGAIN;
		l->was_unsaid = status != ENDPOINT_OK;
	}
	if (!l->is_ended &&
	    is_expired(l->couple)) { /* perhaps it is only the peer that says nothing */
		l->was_unsaid = l->e->ops->unacknowledged(l->e, &may_change) > 0;
		return true;
	}
	if (!l->is_ended)
		return false;
	return l->e->ops->kind == HALF_TLS || linger(l);
}

static bool leave_leg(struct leg *l)
{
	if (!l->is_ended)
		l->is_ended = l->e->ops->leave(l->e) != ENDPOINT_AGAIN;
	return l->is_ended ? linger(l) : is_expired(l->couple);
}

static bool take_way_out(struct leg *l)
{
	switch ((enum way)l->way) {
	case WAY_CLOSE:
		return close_leg(l);
	case WAY_LEAVE:
		return leave_leg(l);
	case WAY_ABORT:
	case WAY_NONE:
	default:
		return abort_leg(l);
	}
}

/* At the deadline what waits is lost.  No leg that something waits for has a proper way out: what
 * it was told is not all. */
static bool turn_leg(struct leg *l)
{
	struct half *out = l->out;
	bool moved = false;

	if (l->is_done)
		return false;
	if (is_waiting(out))
		moved = half_push(out);
	else
		leg_push(l);
	if (is_waiting(out)) {
		if (!is_expired(l->couple))
			return moved;
		half_drop(out);
	}
	l->is_done = take_way_out(l);
	return moved || l->is_done;
}

/* All that the source said is delivered, and it is whole; or complete, and nobody is left to hear
 * more.  What a peer that reset the connection had not acknowledged may be there all the same. */
static bool is_harmless_half(const struct half *h)
{
	enum half_action action = half_action((enum half_ending)h->ending, h->sink->e->ops->kind);

	return h->lost == 0 && (action == HALF_FINISH || action == HALF_MIRROR ||
	                        (h->outcome == BROKEN && h->is_complete));
}

/* What is still to be known of both sources.  If they are whole after all, what broke was a sink
 * that nobody had anything for. */
static void settle(struct couple *c)
{
	c->up.is_complete = c->front.e->ops->is_complete(c->front.e);
	c->down.is_complete = c->back.e->ops->is_complete(c->back.e);
	if (c->up.ending == HALF_OPEN)
		c->up.ending = (uint8_t)half_source_ending(&c->up);
	if (c->down.ending == HALF_OPEN)
		c->down.ending = (uint8_t)half_source_ending(&c->down);
	if (c->cause == COUPLE_SINK_BROKEN && is_harmless_half(&c->up) &&
	    is_harmless_half(&c->down))
		c->cause = COUPLE_BOTH_ENDED;
}

bool couple_turn_end(struct couple *c)
{
	bool moved = turn_leg(&c->front);

	moved |= turn_leg(&c->back);
	if (c->front.is_done && c->back.is_done && !c->is_over) {
		settle(c);
		c->is_over = true;
	}
	return moved;
}

/* Up to 1.2 the client learns of the answer's end by close_notify alone, which ends its own words
 * too: what it said that we had not read by then is ignored, and "up" is not whole. */
bool couple_turn_front(struct couple *c)
{
	struct endpoint *e = c->front.e;

	if (c->up.phase != MOVING)
		return false;
	if (!c->front.is_ended) {
		enum endpoint_status status = e->ops->close(e);

		c->front.is_ended = status != ENDPOINT_AGAIN;
		c->front.was_unsaid = status != ENDPOINT_OK;
	}
	if (c->front.is_ended) {
		c->deadline_ms = UINT64_MAX; /* another, when up is delivered */
		half_end(c, &c->up, half_source_ending(&c->up));
		return true;
	}
	if (is_expired(c)) {
		couple_begin_end(c, COUPLE_SOURCE_CUT);
		return true;
	}
	return false;
}

/* ---- time */

static uint64_t leg_at_ms(struct leg *l, uint64_t now_ms)
{
	bool works = l->couple->closes_front || (!is_waiting(l->out) && !l->is_done);
	uint64_t at_ms = UINT64_MAX;
	int timeout_ms = -1;

	if (l->is_done)
		return UINT64_MAX;
	if (l->is_poll_over)
		return now_ms + UNWATCHED_MS;
	if (works && l->way != WAY_NONE && l->ask_at_ms > 0)
		at_ms = l->ask_at_ms;
	if (works)
		timeout_ms = l->e->ops->timeout_ms(l->e, now_ms);
	if (timeout_ms >= 0 && now_ms + (uint64_t)timeout_ms < at_ms)
		at_ms = now_ms + (uint64_t)timeout_ms;
	return at_ms;
}

uint64_t couple_end_at_ms(struct couple *c, uint64_t now_ms)
{
	uint64_t front = leg_at_ms(&c->front, now_ms), back = leg_at_ms(&c->back, now_ms);
	uint64_t at_ms = front < back ? front : back;

	return c->deadline_ms < at_ms ? c->deadline_ms : at_ms;
}
