/* pool: the backends of one service, as one worker sees them: which is next, which failed lately,
 * what addresses their names have now.  One thread; look-ups run in libuv's pool.  It connects
 * nothing.
 */
#ifndef RELAY_POOL_H
#define RELAY_POOL_H

#include <netdb.h>
#include <uv.h>

#include "relay/config.h"

struct pool;

/* NULL: out of memory.  The service outlives the pool. */
LW_MUST_CHECK struct pool *pool_new(uv_loop_t *loop, const struct relay_service *s);

/* One pass over the backends, for one connection: each at most once, good ones first. */
struct pool_turn {
	struct pool *pool;
	uint64_t tried; /* a bit a backend; at most 64 backends a service */
};

/* One backend, looked up. */
struct pool_choice {
	size_t backend; /* index into the service's `connect` */
	const struct relay_place *place;
	/* Addresses to dial, in order; its own copy: pool_list_free() frees it. */
	struct addrinfo *list;
};

enum pool_status { POOL_CHOSEN, POOL_WAIT, POOL_NONE };

/* A look-up that somebody waits for; its memory is the caller's. */
struct pool_wait {
	struct pool_wait *next;
	void (*ready)(void *context); /* from the loop: ask pool_next() again */
	void *context;
};

/*
 * The next backend to try.  POOL_WAIT: a name is being looked up and nothing else is left to try;
 * `wait` is called once.  POOL_NONE: all were tried or have no address, and `f` says why the last
 * one is none.  Where all have failed lately they are tried all the same.
 */
LW_MUST_CHECK enum pool_status pool_next(struct pool *p, struct pool_turn *turn,
                                         struct pool_choice *choice, struct pool_wait *wait,
                                         struct failure *f);

/* Waits no more. */
void pool_forget(struct pool *p, struct pool_wait *wait);

/* What became of a choice: a connection (with its handshake, where there is one) or none. */
void pool_worked(struct pool *p, size_t backend);
void pool_failed(struct pool *p, size_t backend);

void pool_list_free(struct addrinfo *list);

/* Ends it; look-ups under way end on their own.  Nobody may wait any more. */
void pool_free(struct pool *p);

#endif
