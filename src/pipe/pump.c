/* pump: see pump.h.  It must not know what its endpoints are made of.  Each direction goes through
 * phases, never back: MOVING, DELIVERING (the source has ended), ENDING (the sink is being told),
 * then HELD (the sink's end is decided elsewhere) or OVER.  Invariants: a sink is told of an end
 * only after every byte before it was delivered; `far` is closed properly only if near has said
 * all, if the peer ended first, or if nothing of near's is left unsent.
 */
#include "pipe/pump.h"

#include <stdlib.h>
#include <string.h>

#include "pipe/watch.h"

enum phase { MOVING, DELIVERING, ENDING, HELD, OVER };
enum { ROUNDS_A_TURN = 64, WATCHES = 4 };
enum way_out { CLOSE, ABORT };

struct half {
	struct endpoint *source, *sink;
	enum phase phase;
	enum half_ending ending;
	bool broken;    /* the sink took no more */
	bool unflushed; /* the sink took bytes that may not have left it */
	size_t begin, end;
	uint64_t moved;
	unsigned char buffer[PUMP_BUFFER_BYTES];
};

struct pump {
	uv_loop_t *loop;
	struct endpoint *near, *far;
	struct pump_options options;
	struct pump_report seen;
	struct half up, down;                   /* near to far, far to near */
	enum way_out far_way_out, near_way_out; /* once seen.cause is set */
	bool far_is_over, near_is_over, is_over, is_freed, was_told;
	uint64_t moved_at_ms;
	struct watch watches[WATCHES]; /* two of near's, two of far's */
	uv_timer_t timer;
	unsigned closing; /* handles that pump_free() waits for */
	void (*over)(struct pump *p, void *context);
	void *context;
};

static uint64_t now_ms(void)
{
	return uv_hrtime() / 1000000;
}

/* ---- one direction */

static size_t waiting(const struct half *h)
{
	return h->end - h->begin;
}

/* Half the buffer at least, so that no source is asked for crumbs. */
static bool has_room(const struct half *h)
{
	return waiting(h) <= PUMP_BUFFER_BYTES / 2;
}

static bool fill(struct half *h)
{
	enum endpoint_status status;
	size_t n;

	if (h->phase != MOVING || !has_room(h))
		return false;
	memmove(h->buffer, h->buffer + h->begin, waiting(h));
	h->end = waiting(h);
	h->begin = 0;
	status = h->source->ops->read(h->source, h->buffer + h->end, sizeof h->buffer - h->end, &n);
	if (status == ENDPOINT_AGAIN)
		return false;
	h->end += n;
	if (status == ENDPOINT_ENDED) {
		h->ending = h->source->ops->ending(h->source);
		h->phase = DELIVERING;
	}
	return true;
}

static void break_sink(struct half *h)
{
	h->broken = true;
	h->unflushed = false;
	h->phase = OVER;
}

static bool deliver(struct half *h)
{
	enum endpoint_status status;
	bool moved = false;
	size_t n;

	while (waiting(h) > 0 && !h->broken) {
		status = h->sink->ops->write(h->sink, h->buffer + h->begin, waiting(h), &n);
		if (status == ENDPOINT_AGAIN)
			break;
		moved = true;
		if (status != ENDPOINT_OK) {
			break_sink(h);
			return true;
		}
		h->begin += n;
		h->moved += n;
		h->unflushed = true;
	}
	if (!h->unflushed)
		return moved;
	status = h->sink->ops->flush(h->sink);
	if (status == ENDPOINT_OK)
		h->unflushed = false;
	else if (status != ENDPOINT_AGAIN)
		break_sink(h);
	return moved || status != ENDPOINT_AGAIN;
}

/* Everything before the source's ending is delivered: does what the table says. */
static bool end_sink(struct pump *p, struct half *h)
{
	enum endpoint_status status;

	switch (half_action(h->ending, h->sink->ops->kind)) {
	case HALF_HOLD:
		h->phase = HELD;
		return true;
	case HALF_REPORT:
	case HALF_MIRROR: /* between two streams only; were there one, it would be no end */
	case HALF_ABORT:  /* the whole endpoint's matter: see choose_cause() */
		h->phase = OVER;
		return true;
	case HALF_FINISH:
		break;
	}
	status = h->sink->ops->finish(h->sink);
	if (status == ENDPOINT_AGAIN) {
		h->phase = ENDING;
		return false;
	}
	h->phase = status == ENDPOINT_UNSUPPORTED ? HELD : OVER;
	p->seen.half_close_unsupported |= status == ENDPOINT_UNSUPPORTED;
	return true;
}

static bool turn_half(struct pump *p, struct half *h)
{
	bool moved = fill(h);

	moved |= deliver(h);
	if ((h->phase == DELIVERING || h->phase == ENDING) && waiting(h) == 0 && !h->unflushed)
		moved |= end_sink(p, h);
	return moved;
}

/* ---- the end of all */

static bool is_no_end(const struct half *h)
{
	enum half_action action = half_action(h->ending, h->sink->ops->kind);

	return action == HALF_ABORT || action == HALF_MIRROR;
}

static bool has_said_all(const struct half *h)
{
	if (h->phase == DELIVERING && waiting(h) == 0 && !h->unflushed)
		return !is_no_end(h);
	return h->phase == HELD || h->phase == OVER;
}

/* Whether a proper end of far would claim nothing that is not so. */
static enum way_out choose_way_out(const struct pump *p, enum pump_cause cause)
{
	bool peer_closed = p->down.ending == HALF_TLS_CLOSED || p->down.ending == HALF_TCP_FIN;

	if (cause == PUMP_CAUSE_NEAR_FAILED)
		return ABORT;
	if (p->up.broken || has_said_all(&p->up) || peer_closed)
		return CLOSE;
	if (p->options.open_input_is_said || cause == PUMP_CAUSE_INTERRUPTED)
		return waiting(&p->up) == 0 && !p->up.unflushed ? CLOSE : ABORT;
	return ABORT;
}

static bool must_abort(const struct half *h)
{
	return h->phase == OVER && !h->broken && h->ending != HALF_OPEN && is_no_end(h);
}

static enum pump_cause choose_cause(const struct pump *p)
{
	if (must_abort(&p->up))
		return PUMP_CAUSE_NEAR_FAILED;
	if (p->down.broken && half_retreat(p->near->ops->kind, p->far->ops->kind) == HALF_END)
		return PUMP_CAUSE_NEAR_BROKEN;
	if (p->down.phase == OVER && p->up.phase == OVER)
		return PUMP_CAUSE_BOTH_ENDED;
	if (p->down.phase == OVER && (p->options.ends_with_far || must_abort(&p->down)))
		return PUMP_CAUSE_FAR_ENDED;
	if (p->options.ends_when_complete && has_said_all(&p->up) && !p->up.broken &&
	    !p->up.unflushed && p->down.phase == MOVING && p->far->ops->is_complete(p->far))
		return PUMP_CAUSE_COMPLETE;
	return PUMP_CAUSE_NONE;
}

static void begin_end(struct pump *p, enum pump_cause cause)
{
	if (cause == PUMP_CAUSE_NONE || p->seen.cause != PUMP_CAUSE_NONE)
		return;
	p->seen.cause = cause;
	if (waiting(&p->up) == 0) /* near may have ended by now, and it matters */
		(void)fill(&p->up);
	p->far_way_out = choose_way_out(p, cause);
	p->near_way_out = p->down.phase == OVER && !must_abort(&p->down) ? CLOSE : ABORT;
	p->seen.was_aborted = p->far_way_out == ABORT;
	if (p->down.phase == MOVING) /* far's input is ignored from here on */
		p->down.phase = DELIVERING;
}

static bool end_endpoint(struct endpoint *e, enum way_out way_out)
{
	return (way_out == CLOSE ? e->ops->close(e) : e->ops->abort(e)) != ENDPOINT_AGAIN;
}

/* Ends far, goes on delivering what near has not taken yet, then ends near. */
static bool turn_end(struct pump *p)
{
	bool moved = false;

	if (!p->down.broken)
		moved |= deliver(&p->down);
	if (!p->far_is_over) {
		p->far_is_over = end_endpoint(p->far, p->far_way_out);
		moved |= p->far_is_over;
	}
	if (waiting(&p->down) > 0 && !p->down.broken && p->seen.cause != PUMP_CAUSE_INTERRUPTED)
		return moved;
	if (!p->near_is_over) {
		p->near_is_over = end_endpoint(p->near, p->near_way_out);
		moved |= p->near_is_over;
	}
	p->is_over = p->far_is_over && p->near_is_over;
	return moved;
}

/* ---- time */

/* Only the far side could move something: near has nothing to say, or cannot be rid of it. */
static bool is_idle_counted(const struct pump *p)
{
	return p->options.idle_timeout_ms != LW_NO_TIMEOUT && p->seen.cause == PUMP_CAUSE_NONE &&
	       (has_said_all(&p->up) || waiting(&p->up) > 0 || p->up.unflushed) &&
	       waiting(&p->down) == 0;
}

static void sooner(int *timeout_ms, int other_ms)
{
	if (other_ms >= 0 && (*timeout_ms < 0 || other_ms < *timeout_ms))
		*timeout_ms = other_ms;
}

/* How long the pump may be left alone, -1 for ever; 0: a deadline has passed, another turn. */
static int next_timeout_ms(struct pump *p)
{
	uint64_t now = now_ms(), idle_ms = now - p->moved_at_ms;
	int timeout_ms = p->far->ops->timeout_ms(p->far, now);

	sooner(&timeout_ms, p->near->ops->timeout_ms(p->near, now));
	if (!is_idle_counted(p))
		return timeout_ms;
	if (idle_ms < p->options.idle_timeout_ms)
		sooner(&timeout_ms, (int)(p->options.idle_timeout_ms - idle_ms));
	else {
		begin_end(p, PUMP_CAUSE_IDLE);
		timeout_ms = 0;
	}
	return timeout_ms;
}

/* ---- the loop */

static void on_event(void *context);

static unsigned interest_in(const struct pump *p, const struct endpoint *e)
{
	const struct half *out = e == p->far ? &p->up : &p->down;
	const struct half *in = e == p->far ? &p->down : &p->up;
	bool ends = p->seen.cause != PUMP_CAUSE_NONE;
	unsigned interest = 0;

	if (in->phase == MOVING && has_room(in) && !ends)
		interest |= LW_INTEREST_READ;
	if ((waiting(out) > 0 || out->unflushed || out->phase == ENDING) && !out->broken &&
	    !(ends && e == p->far))
		interest |= LW_INTEREST_WRITE;
	return interest;
}

static bool watch_endpoint(struct pump *p, struct endpoint *e, struct watch *two)
{
	struct endpoint_watch wanted[2];
	bool is_set = true;

	e->ops->watches(e, interest_in(p, e), wanted);
	for (size_t i = 0; i < 2; i++) {
		unsigned events = e == p->far && p->far_is_over ? 0 : wanted[i].events;

		is_set &= watch_set(&two[i], p->loop, wanted[i].fd, events, wanted[i].is_shared);
	}
	return is_set;
}

static void on_timer(uv_timer_t *timer)
{
	on_event(timer->data);
}

static void stop(struct pump *p)
{
	for (size_t i = 0; i < WATCHES; i++)
		if (p->watches[i].is_open)
			(void)uv_poll_stop(&p->watches[i].poll);
	(void)uv_timer_stop(&p->timer);
	if (p->was_told)
		return;
	p->was_told = true;
	p->over(p, p->context);
}

static void rest(struct pump *p, int timeout_ms)
{
	if (!watch_endpoint(p, p->near, p->watches) || !watch_endpoint(p, p->far, p->watches + 2)) {
		p->seen.cause = PUMP_CAUSE_NO_MEMORY;
		p->is_over = true;
		stop(p);
		return;
	}
	(void)uv_timer_stop(&p->timer);
	if (timeout_ms >= 0) {
		uv_update_time(p->loop);
		(void)uv_timer_start(&p->timer, on_timer, (uint64_t)timeout_ms, 0);
	}
}

static bool turn(struct pump *p)
{
	bool moved = false;

	if (p->seen.cause == PUMP_CAUSE_NONE) {
		moved |= turn_half(p, &p->up);
		moved |= turn_half(p, &p->down);
		begin_end(p, choose_cause(p));
		moved |= p->seen.cause != PUMP_CAUSE_NONE;
	} else {
		moved |= turn_end(p);
	}
	if (moved)
		p->moved_at_ms = now_ms();
	return moved;
}

static void on_event(void *context)
{
	struct pump *p = context;
	int timeout_ms = -1;

	if (p->is_over || p->is_freed)
		return;
	for (unsigned rounds = 0; rounds < ROUNDS_A_TURN; rounds++) {
		bool moved = turn(p);

		if (p->is_over) {
			stop(p);
			return;
		}
		timeout_ms = moved ? 0 : next_timeout_ms(p);
		if (timeout_ms != 0)
			break;
	}
	rest(p, timeout_ms);
}

struct pump *pump_new(uv_loop_t *loop, struct endpoint *near, struct endpoint *far,
                      const struct pump_options *options,
                      void (*over)(struct pump *p, void *context), void *context)
{
	struct pump *p = calloc(1, sizeof *p);

	if (p == NULL)
		return NULL;
	p->loop = loop;
	p->near = near;
	p->far = far;
	p->options = *options;
	p->over = over;
	p->context = context;
	p->up.source = p->down.sink = near;
	p->up.sink = p->down.source = far;
	p->moved_at_ms = now_ms();
	for (size_t i = 0; i < WATCHES; i++)
		watch_init(&p->watches[i], on_event, p);
	(void)uv_timer_init(loop, &p->timer);
	p->timer.data = p;
	(void)uv_timer_start(&p->timer, on_timer, 0, 0);
	return p;
}

void pump_interrupt(struct pump *p)
{
	if (p->is_over)
		return;
	if (p->seen.cause == PUMP_CAUSE_INTERRUPTED) {
		p->is_over = true;
		stop(p);
		return;
	}
	begin_end(p, PUMP_CAUSE_INTERRUPTED);
	p->seen.cause = PUMP_CAUSE_INTERRUPTED; /* and near is waited for no more */
	on_event(p);
}

void pump_report(const struct pump *p, struct pump_report *report)
{
	*report = p->seen;
	report->near_ended = p->up.ending == HALF_STDIO_END ||
	                     p->up.ending == HALF_STDIO_END_HALF_CLOSE ||
	                     p->up.ending == HALF_TCP_FIN || p->up.ending == HALF_TLS_CLOSED;
	report->far_broken = p->up.broken;
	report->near_broken = p->down.broken;
	report->bytes_to_far = p->up.moved;
	report->bytes_to_near = p->down.moved;
	report->bytes_unsent = waiting(&p->up);
	report->bytes_undelivered = waiting(&p->down);
}

static void on_gone(void *context)
{
	struct pump *p = context;

	if (--p->closing == 0)
		free(p);
}

static void on_timer_closed(uv_handle_t *handle)
{
	on_gone(handle->data);
}

void pump_free(struct pump *p)
{
	if (p == NULL || p->is_freed)
		return;
	p->is_freed = true;
	p->closing = 1;
	for (size_t i = 0; i < WATCHES; i++)
		p->closing += watch_end(&p->watches[i], on_gone);
	uv_close((uv_handle_t *)&p->timer, on_timer_closed);
}
