/* couple: two endpoints joined by two half-pipes, as a relay does it: bytes both ways, and each
 * ending passed on as it was.  Runs on a libuv loop, never blocks, and knows neither TLS nor
 * descriptors.  "front" is the client's leg, "back" the server's; "up" runs front to back.
 *
 * A couple whose sides are idle holds no buffer: bytes go through the loop's common scratch, and
 * only what a sink did not take is kept, in memory that goes when it is delivered.
 */
#ifndef PIPE_COUPLE_H
#define PIPE_COUPLE_H

#include <uv.h>

#include "pipe/endpoint.h"
#include "pipe/poller.h"

/* What a TLS sink is shown of an ending that is no end. */
enum couple_abort {
	COUPLE_ALERT_FIN, /* a fatal alert, then FIN */
	COUPLE_ALERT_RST, /* a fatal alert and FIN, then RST once both are acknowledged */
	COUPLE_RST        /* RST alone, once what was delivered is acknowledged */
};

/* One a loop, shared by all its couples. */
struct couple_scratch {
	unsigned char *bytes;
	size_t cap;
	struct poller *poller; /* of the loop */
};

struct couple_options {
	uint32_t idle_timeout_ms;  /* nothing moved either way; LW_NO_TIMEOUT: for ever */
	uint32_t close_timeout_ms; /* from the moment that all is to end: delivering, acknowledging,
	                              the peers' endings */
	bool reports_only;         /* passes every ending on as a proper one, and says so */
	enum couple_abort aborts_with;
	struct couple_scratch *scratch;
};

/* Why all ended. */
enum couple_cause {
	COUPLE_RUNS,
	COUPLE_BOTH_ENDED,  /* both sources are whole or tolerated, and both sinks know */
	COUPLE_SOURCE_CUT,  /* a source ended so that its sink must not see an end */
	COUPLE_SINK_BROKEN, /* a sink took no more */
	COUPLE_IDLE,
	COUPLE_DRAINED,   /* couple_drain(), between messages */
	COUPLE_ABANDONED, /* couple_stop() */
	COUPLE_NO_MEMORY
};

struct couple_half_report {
	enum half_ending ending; /* of its source */
	bool was_finished;       /* its sink was ended properly */
	bool was_mirrored;       /* its sink was ended without a word, as the source had been */
	bool was_aborted;        /* its sink was ended so that it never looks like an end */
	bool was_cut;            /* its source ended so that its sink must not see an end */
	bool was_unmarked; /* aborted, but a Unix socket's peer could not be shown that in time */
	bool was_reported; /* reports_only: it would have been aborted */
	bool is_complete;  /* what the source said is whole messages, as far as known */
	uint64_t moved;    /* taken by the sink */
	uint64_t lost;     /* read and not delivered: not taken, or not acknowledged */
};

struct couple_report {
	enum couple_cause cause;
	struct couple_half_report up, down;
};

struct couple;

/*
 * Starts moving.  `over` is called once, from the loop, when both endpoints are done with; the
 * caller then frees the couple, and the endpoints' own things.  NULL: out of memory.
 */
LW_MUST_CHECK struct couple *couple_new(uv_loop_t *loop, struct endpoint *front,
                                        struct endpoint *back, const struct couple_options *options,
                                        void (*over)(struct couple *c, void *context),
                                        void *context);

/*
 * Ends as soon as both directions are between messages (at once, where they are), properly; one
 * where nothing was said is that a second after its beginning.  A couple that never is goes on
 * until couple_stop().
 */
void couple_drain(struct couple *c);

/*
 * Ends now: properly where everything said is complete, else by abort.  Where it is ending already,
 * the time for that is over.
 */
void couple_stop(struct couple *c);

/* Valid at any time; of the endpoints nothing is asked once `over` was called. */
void couple_report(const struct couple *c, struct couple_report *report);

/* The memory goes when the loop has run once more; `freed` (or NULL) is called then. */
void couple_free(struct couple *c, void (*freed)(void *context), void *context);

#endif
