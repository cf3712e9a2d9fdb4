/* couple_inside: what the files of the couple share, and nobody else sees.
 *
 * A couple is two legs, each an endpoint with its watch, and two halves, each a direction from one
 * leg to the other.  A half goes through phases, never back; how it came to its end is its outcome,
 * set once.  When all is to end (`cause`), each leg gets a way out, which follows from the outcome
 * of the half that ends there: what was said to a leg decides how it may be ended.
 */
#ifndef PIPE_COUPLE_INSIDE_H
#define PIPE_COUPLE_INSIDE_H

#include "pipe/couple.h"

enum phase {
	MOVING,
	DELIVERING, /* the source has ended */
	FINISHING,  /* the sink is being told */
	SETTLED
};

enum outcome {
	GOING,
	FINISHED, /* the sink was ended properly, in this direction */
	HELD,     /* it cannot be ended in one direction alone, and will be closed */
	MIRRORED, /* it was ended without a word */
	CUT,      /* the source ended so that the sink must be aborted */
	BROKEN,   /* the sink took no more */
	STOPPED   /* we ended it: the source had not */
};

enum way { WAY_NONE, WAY_CLOSE, WAY_LEAVE, WAY_ABORT };

struct half {
	struct leg *source, *sink;
	unsigned char *rest; /* what the sink did not take, or NULL */
	uint32_t rest_begin, rest_end;
	uint8_t phase, outcome, ending;
	bool unflushed; /* the sink took bytes that may not have left it */
	bool was_reported, is_complete;
	uint64_t moved, lost;
	uint64_t unacknowledged; /* the sink took it, and its peer may not have it */
};

struct leg {
	struct couple *couple;
	struct endpoint *e;
	struct half *in, *out; /* that read from it and write to it */
	struct polled polled;
	bool is_poll_over;
	bool may_read, may_write; /* since nothing said "again" */
	bool may_push;            /* it can take what the endpoint itself holds */
	uint8_t way;
	bool is_ended; /* close, leave or abort came to their end */
	bool is_done;
	bool was_unmarked, was_unsaid; /* the abort, or the end, could not be shown to the peer */
	uint32_t drained;
	uint16_t pause_ms;  /* before it is asked again; grows */
	uint64_t ask_at_ms; /* 0: whenever something happens */
};

struct couple {
	uv_loop_t *loop;
	struct couple_options options;
	uint8_t cause;
	bool closes_front; /* before the client had ended: to 1.2 nothing else tells it of an end */
	bool is_draining, is_over, is_freed, lacks_memory;
	struct leg front, back;
	struct half up, down;
	uint64_t moved_at_ms;
	uint64_t looked_at;   /* how much had moved when we last looked whether more had come */
	uint64_t deadline_ms; /* UINT64_MAX: none, or not yet */
	uint64_t timer_at_ms; /* UINT64_MAX: not armed */
	uv_timer_t timer;
	void (*over)(struct couple *c, void *context);
	void (*freed)(void *context);
	void *context, *freed_context;
};

/* ---- couple_move.c: one direction */

/* Something was read that has not left the sink. */
static inline bool is_waiting(const struct half *h)
{
	return h->rest != NULL || h->unflushed;
}

/* Delivers what waits; true if it got anywhere. */
bool half_push(struct half *h);
void half_drop(struct half *h); /* what waits is lost */

/* All that can be done now in one direction, within bounds. */
bool half_turn(struct couple *c, struct half *h);

/* How its source has ended. */
enum half_ending half_source_ending(const struct half *h);

/* Its source has ended, as `ending` says. */
void half_end(struct couple *c, struct half *h, enum half_ending ending);

/* ---- couple_end.c: the end of all */

/* What was said both ways is complete, and nothing is on its way. */
bool couple_is_between(const struct couple *c);

/* While it drains: whoever has only just come is about to speak, and is waited for.  0: not so. */
uint64_t couple_fresh_until_ms(const struct couple *c);

void couple_begin_end(struct couple *c, enum couple_cause cause);

/* Whether all is to end now; called after every turn.  True: another turn has something to do. */
bool couple_decide(struct couple *c);

/* One turn of ending; true if it got anywhere. */
bool couple_turn_end(struct couple *c);
bool couple_turn_front(struct couple *c); /* while `closes_front` */

/* When to look again, at the latest. */
uint64_t couple_end_at_ms(struct couple *c, uint64_t now_ms);

/* ---- couple.c */

uint64_t couple_now_ms(const struct couple *c);
void leg_end_poll(struct leg *l); /* it will never be watched again, but asked now and then */
void leg_push(struct leg *l);     /* what the endpoint itself holds */

#endif
