/* worker: one thread with a loop: listeners, sessions, a closer, pools.  Others speak to it by
 * messages alone.
 */
#ifndef RELAY_WORKER_H
#define RELAY_WORKER_H

#include "relay/log.h"
#include "relay/metrics.h"
#include "relay/setup.h"

struct worker;

struct worker_options {
	unsigned index;
	struct setup *setup; /* the worker takes a reference of its own */
	struct log *log;
	atomic_size_t *open_connections; /* of the process, for its limit */
	void (*drained)(void *context);  /* from the worker's thread: its last session is over */
	void *context;
};

/* Starts the thread.  NULL with a sentence. */
LW_MUST_CHECK struct worker *worker_start(const struct worker_options *o, struct failure *f);

/*
 * From here on new connections belong to `setup`; those that are under way keep theirs.  A listener
 * that is not in it any more is emptied and closed.  Any thread, does not wait.
 */
void worker_adopt(struct worker *w, struct setup *setup);

/*
 * Takes no new connections (those in the queue are still taken), ends sessions between messages,
 * and at the deadline the rest; then calls drained().  Any thread, does not wait.
 */
void worker_drain(struct worker *w, uint32_t drain_ms);

const struct metrics *worker_metrics(const struct worker *w);

/* Whether its loop has turned lately: asks, and tells what became of the last asking. */
bool worker_is_alive(struct worker *w);

/*
 * Waits for the thread, which must have drained, and frees it.  False: the look-up of a name is
 * under way, for which nobody waits; it keeps what it needs, and the process is to end.
 */
LW_MUST_CHECK bool worker_join(struct worker *w);

#endif
