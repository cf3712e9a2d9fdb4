/* worker_inside: what the files of a worker share.  All of it belongs to the worker's thread, but
 * for what stands behind the lock.
 */
#ifndef RELAY_WORKER_INSIDE_H
#define RELAY_WORKER_INSIDE_H

#include <pthread.h>

#include "pipe/watch.h"
#include "relay/session.h"
#include "relay/worker.h"

/* What runs on one setup. */
struct generation {
	struct generation *next; /* the older ones; or those to adopt behind it */
	struct setup *setup;
	struct pool **pools; /* by service; NULL: not needed yet */
	size_t sessions;
};

struct listener {
	struct listener *next;
	struct worker *worker;
	struct watch watch;
	int fd;
	size_t service; /* of the current setup */
	bool is_leaving;
};

struct worker {
	struct worker_options options;
	pthread_t thread;
	uv_loop_t loop;
	uv_async_t bell;
	uv_timer_t pause, deadline;
	struct watch closer_watch;
	struct session_host host;
	struct metrics metrics;
	struct generation *current, *older;
	struct listener *listeners;
	bool is_starved, is_draining, is_over;
	bool is_leaving; /* listeners are being emptied: more connections may come */
	uint64_t complained_ms;
	atomic_uint_fast64_t turns; /* of the bell, as told to worker_is_alive() */
	uint64_t turns_seen;
	bool is_asked;

	pthread_mutex_t lock;      /* for what follows */
	struct generation *wanted; /* to adopt, in order: each may have brought listeners */
	bool wants_drain;
	uint32_t drain_ms;
};

/* Takes connections at every place of the current setup; sockets that are listened on stay. */
void worker_begin_listeners(struct worker *w);

/* Empties and closes those that are not in `kept` (NULL: all). */
void worker_leave_listeners(struct worker *w, const struct setup *kept);

/* A connection is over: there is room again, and nobody else may tell. */
void worker_look_for_room(struct worker *w);

#endif
