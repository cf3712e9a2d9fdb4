/* couple: see couple.h.  This file has the loop's side: watching, time, the calls of others; moving
 * bytes is in couple_move.c, ending in couple_end.c.
 *
 * Nothing is done per turn that a steady stream does not need: a watch changes only when what is
 * waited for does, and one timer, armed for the earliest moment that matters, looks when it fires
 * whether that moment has moved on.
 */
#include "pipe/couple_inside.h"

#include <stddef.h>
#include <stdlib.h>

enum { ROUNDS_A_TURN = 4 };

uint64_t couple_now_ms(const struct couple *c)
{
	return uv_now(c->loop);
}

static void on_event(struct couple *c);

/* ---- watching */

/* What a stream waits for in one direction may be the other's event. */
static void on_poll(struct polled *polled, unsigned events)
{
	struct leg *l = (struct leg *)(void *)((char *)polled - offsetof(struct leg, polled));
	bool is_any = l->e->ops->kind == HALF_TLS;

	l->may_read |= is_any || (events & LW_EVENT_READABLE) != 0;
	l->may_write |= is_any || (events & LW_EVENT_WRITABLE) != 0;
	l->may_push |= (events & LW_EVENT_WRITABLE) != 0;
	on_event(l->couple);
}

static struct poller *poller_of(const struct couple *c)
{
	return c->options.scratch->poller;
}

void leg_end_poll(struct leg *l)
{
	l->is_poll_over = true;
	poller_leave(poller_of(l->couple), &l->polled);
}

static unsigned interest_in(const struct couple *c, const struct leg *l)
{
	unsigned interest = 0;

	if (l->is_done)
		return 0;
	if (c->cause != COUPLE_RUNS) {
		if (is_waiting(l->out))
			interest |= LW_INTEREST_WRITE;
		else if (l->is_ended && l->way != WAY_ABORT)
			interest |= LW_INTEREST_READ;
		return interest;
	}
	if (l->in->phase == MOVING && !is_waiting(l->in) && !(c->closes_front && l == &c->front))
		interest |= LW_INTEREST_READ;
	if (is_waiting(l->out) || l->out->phase == FINISHING)
		interest |= LW_INTEREST_WRITE;
	return interest;
}

/* Waits for what the leg needs now.  `*at_once`: it needs another turn, and no descriptor. */
static bool watch_leg(struct couple *c, struct leg *l, bool *at_once)
{
	unsigned interest = interest_in(c, l);
	struct endpoint_watch w[2];

	if (l->is_poll_over)
		return true;
	l->e->ops->watches(l->e, interest, w);
	*at_once |= (interest & LW_INTEREST_READ) != 0 && l->e->has_more;
	if (!l->polled.is_in)
		l->polled.fd = w[0].fd;
	return poller_set(poller_of(c), &l->polled, l->is_done || w[0].fd < 0 ? 0 : w[0].events);
}

/* ---- time */

static uint64_t idle_at_ms(const struct couple *c)
{
	return c->options.idle_timeout_ms == LW_NO_TIMEOUT
	           ? UINT64_MAX
	           : c->moved_at_ms + c->options.idle_timeout_ms;
}

/* Before a couple counts as idle; and for a leg that nobody watches. */
static void ask(struct leg *l, bool is_idle)
{
	l->may_read |= is_idle || l->is_poll_over;
	l->may_write |= l->is_poll_over;
	l->may_push |= l->is_poll_over;
}

static void on_timer(uv_timer_t *timer)
{
	struct couple *c = timer->data;
	bool is_idle = c->cause == COUPLE_RUNS && couple_now_ms(c) >= idle_at_ms(c);

	c->timer_at_ms = UINT64_MAX;
	ask(&c->front, is_idle);
	ask(&c->back, is_idle);
	on_event(c);
}

static void arm_timer(struct couple *c, uint64_t at_ms)
{
	uint64_t now = couple_now_ms(c);

	if (at_ms >= c->timer_at_ms) /* it will be armed again when it fires */
		return;
	c->timer_at_ms = at_ms;
	(void)uv_timer_start(&c->timer, on_timer, at_ms > now ? at_ms - now : 0, 0);
}

/* ---- turns */

static void stop(struct couple *c)
{
	leg_end_poll(&c->front);
	leg_end_poll(&c->back);
	(void)uv_timer_stop(&c->timer);
	c->timer_at_ms = UINT64_MAX;
	c->over(c, c->context);
}

void leg_push(struct leg *l)
{
	if (l->may_push && !is_waiting(l->out))
		(void)!l->e->ops->flush(l->e);
	l->may_push = false;
}

static bool turn(struct couple *c)
{
	bool moved;

	if (c->cause != COUPLE_RUNS)
		return couple_turn_end(c);
	leg_push(&c->front);
	leg_push(&c->back);
	moved = half_turn(c, &c->up);
	moved |= half_turn(c, &c->down);
	if (c->closes_front)
		moved |= couple_turn_front(c);
	return couple_decide(c) || moved;
}

/* What waits to be done without an event of a descriptor. */
static bool is_unsettled(const struct couple *c)
{
	return c->cause != COUPLE_RUNS || c->closes_front || c->is_draining ||
	       c->up.phase == DELIVERING || c->down.phase == DELIVERING || c->up.outcome == HELD ||
	       c->down.outcome == HELD;
}

static void rest(struct couple *c, bool moved)
{
	bool at_once = moved && is_unsettled(c);
	uint64_t now = couple_now_ms(c);

	if (!watch_leg(c, &c->front, &at_once) || !watch_leg(c, &c->back, &at_once)) {
		leg_end_poll(&c->front);
		leg_end_poll(&c->back);
		c->lacks_memory = at_once = true;
	}
	if (at_once)
		arm_timer(c, now);
	if (c->cause != COUPLE_RUNS || c->closes_front)
		arm_timer(c, couple_end_at_ms(c, now));
	else
		arm_timer(c, idle_at_ms(c));
	if (c->cause == COUPLE_RUNS && couple_fresh_until_ms(c) > now)
		arm_timer(c, couple_fresh_until_ms(c));
}

/* Bounded, so that others on the loop have their turn. */
static void on_event(struct couple *c)
{
	bool moved = true;

	if (c->is_over || c->is_freed)
		return;
	for (unsigned round = 0; moved && round < ROUNDS_A_TURN; round++) {
		moved = turn(c);
		if (c->is_over) {
			stop(c);
			return;
		}
		if (!moved && c->cause == COUPLE_RUNS && couple_now_ms(c) >= idle_at_ms(c)) {
			couple_begin_end(c, COUPLE_IDLE);
			moved = true;
		}
	}
	rest(c, moved);
}

/* ---- the calls */

static void init_leg(struct couple *c, struct leg *l, struct endpoint *e, struct half *in,
                     struct half *out)
{
	l->couple = c;
	l->e = e;
	l->in = in;
	l->out = out;
	l->may_read = l->may_write = true;
	in->source = out->sink = l;
	polled_init(&l->polled, -1, on_poll);
}

struct couple *couple_new(uv_loop_t *loop, struct endpoint *front, struct endpoint *back,
                          const struct couple_options *options,
                          void (*over)(struct couple *c, void *context), void *context)
{
	struct couple *c = calloc(1, sizeof *c);

	if (c == NULL)
		return NULL;
	c->loop = loop;
	c->options = *options;
	c->over = over;
	c->context = context;
	init_leg(c, &c->front, front, &c->up, &c->down);
	init_leg(c, &c->back, back, &c->down, &c->up);
	c->deadline_ms = c->timer_at_ms = c->looked_at = UINT64_MAX;
	c->moved_at_ms = couple_now_ms(c);
	(void)uv_timer_init(loop, &c->timer);
	c->timer.data = c;
	arm_timer(c, couple_now_ms(c));
	return c;
}

/* From the loop, for the caller may be anybody. */
static void look_soon(struct couple *c)
{
	c->front.may_read = c->back.may_read = true;
	arm_timer(c, couple_now_ms(c));
}

void couple_drain(struct couple *c)
{
	if (c->is_over || c->is_draining)
		return;
	c->is_draining = true;
	look_soon(c);
}

void couple_stop(struct couple *c)
{
	if (c->is_over)
		return;
	if (c->cause != COUPLE_RUNS)
		c->deadline_ms = couple_now_ms(c);
	else
		couple_begin_end(c, COUPLE_ABANDONED);
	look_soon(c);
}

static void report_half(const struct half *h, bool is_over, struct couple_half_report *r)
{
	const struct endpoint *source = h->source->e;
	const struct leg *sink = h->sink;
	bool was_closed = sink->way == WAY_CLOSE && h->outcome != BROKEN && !sink->was_unsaid;

	*r = (struct couple_half_report){
		.ending = (enum half_ending)h->ending,
		.was_finished = h->outcome == FINISHED || was_closed,
		.was_mirrored = h->outcome == MIRRORED || sink->way == WAY_LEAVE,
		.was_aborted = sink->way == WAY_ABORT && h->outcome != BROKEN,
		.was_cut = h->outcome == CUT,
		.was_unmarked = sink->was_unmarked,
		.was_reported = h->was_reported,
		.is_complete = is_over ? h->is_complete : source->ops->is_complete(source),
		.moved = h->moved,
		.lost = h->lost + h->unacknowledged,
	};
}

void couple_report(const struct couple *c, struct couple_report *report)
{
	report->cause = (enum couple_cause)c->cause;
	report_half(&c->up, c->is_over, &report->up);
	report_half(&c->down, c->is_over, &report->down);
}

static void on_timer_gone(uv_handle_t *handle)
{
	struct couple *c = handle->data;
	void (*freed)(void *context) = c->freed;
	void *context = c->freed_context;

	free(c->up.rest);
	free(c->down.rest);
	free(c);
	if (freed != NULL)
		freed(context);
}

void couple_free(struct couple *c, void (*freed)(void *context), void *context)
{
	if (c == NULL || c->is_freed)
		return;
	c->is_freed = true;
	c->freed = freed;
	c->freed_context = context;
	leg_end_poll(&c->front);
	leg_end_poll(&c->back);
	uv_close((uv_handle_t *)&c->timer, on_timer_gone);
}
