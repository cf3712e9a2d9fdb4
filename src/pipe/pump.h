/* pump: moves bytes both ways between two endpoints on a libuv loop, with a bounded buffer each
 * way, and carries out what the half-pipe table says when a side ends.  It never blocks and knows
 * neither TLS nor descriptors.  "near" is the person's side, "far" the peer's.
 */
#ifndef PIPE_PUMP_H
#define PIPE_PUMP_H

#include <uv.h>

#include "pipe/endpoint.h"

enum { PUMP_BUFFER_BYTES = 64 * 1024 }; /* each way */

struct pump_options {
	uint32_t idle_timeout_ms; /* nothing moved for so long while only the far side could move
	                             something; LW_NO_TIMEOUT: for ever */
	bool ends_with_far;       /* the far side's end ends all, whatever near still has to say */
	bool ends_when_complete;  /* near has ended and what far said is complete: that is all */
	bool open_input_is_said;  /* near is a person at a terminal: what was typed was all meant */
};

/* Why the pump began to end. */
enum pump_cause {
	PUMP_CAUSE_NONE,
	PUMP_CAUSE_BOTH_ENDED, /* both directions did */
	PUMP_CAUSE_FAR_ENDED,
	PUMP_CAUSE_COMPLETE,
	PUMP_CAUSE_IDLE,
	PUMP_CAUSE_INTERRUPTED, /* pump_interrupt() */
	PUMP_CAUSE_NEAR_BROKEN, /* near takes no more */
	PUMP_CAUSE_NEAR_FAILED, /* near could not be read, and far was aborted */
	PUMP_CAUSE_NO_MEMORY    /* libuv or the system gave no more */
};

/* What was seen; valid at any time. */
struct pump_report {
	enum pump_cause cause;
	bool half_close_unsupported; /* asked for, and the far side has no such thing */
	bool near_ended;             /* near's input was read to its end */
	bool far_broken;             /* far took no more before near had said all */
	bool near_broken;            /* near took no more before far's bytes were delivered */
	bool was_aborted;            /* far was ended by abort, since near had more to say */
	uint64_t bytes_to_far, bytes_to_near;     /* delivered */
	uint64_t bytes_unsent, bytes_undelivered; /* read from near or far, and lost */
};

struct pump;

/*
 * Starts moving.  `over` is called once, from the loop, when both endpoints have ended; the caller
 * then, or at any time, calls pump_free().  NULL: out of memory.  The endpoints are borrowed.
 */
LW_MUST_CHECK struct pump *pump_new(uv_loop_t *loop, struct endpoint *near, struct endpoint *far,
                                    const struct pump_options *options,
                                    void (*over)(struct pump *p, void *context), void *context);

/*
 * Ends by a proper close, unless bytes that near said are still on their way: then by an abort.  A
 * second call ends at once, whatever is under way.
 */
void pump_interrupt(struct pump *p);

void pump_report(const struct pump *p, struct pump_report *report);

/* The memory goes when the loop has run once more. */
void pump_free(struct pump *p);

#endif
