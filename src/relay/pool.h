/* pool: the backends of one service, as one worker sees them: which is next, which failed lately,
 * what addresses their names have now.  One thread; look-ups run in libuv's pool.  It connects
 * nothing.
 *
 * A backend that failed is passed over for retry_after_ms; then one connection probes it, and
 * others go on passing it over until the probe has worked or the same time is over again.  A name
 * is looked up when it is first needed and again once its addresses are older than resolve_ms (or,
 * behind a failure, than retry_after_ms); meanwhile, and if that fails, the old addresses stand.
 */
#ifndef RELAY_POOL_H
#define RELAY_POOL_H

#include <netdb.h>
#include <uv.h>

#include "relay/config.h"

enum {
	POOL_BACKENDS = 64, /* of a service; more are left unused */
	POOL_ADDRESSES = 64 /* of a name; likewise */
};

struct pool;

/* NULL: out of memory.  The service outlives the pool. */
LW_MUST_CHECK struct pool *pool_new(uv_loop_t *loop, const struct relay_service *s);

/* Another clock than uv_now(), in milliseconds. */
void pool_set_clock(struct pool *p, uint64_t (*now_ms)(void *context), void *context);

/*
 * One pass over the backends, for one connection: each at most once, good ones first.  Begins with
 * all zero; it refers to nothing, and is just forgotten.
 */
struct pool_turn {
	uint64_t tried;  /* a bit a backend: chosen, or found without an address */
	uint64_t asked;  /* whose look-up this turn has waited for */
	uint64_t newest; /* look-ups begun later than this one are not waited for again */
};

/* One backend, looked up. */
struct pool_choice {
	size_t backend; /* index into the service's `connect` */
	const struct relay_place *place;
	/*
	 * Addresses to dial, in order; its own copy: pool_list_free() frees it.  With round robin
	 * each choice begins with the next address of a name.
	 */
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
 * The next backend to try.  POOL_WAIT: a name is being looked up and nothing as good is left to try
 * (with priority: nothing before it); `wait->ready` is called once, never from in here.
 * POOL_NONE: all were tried or have no address; `f` says why the last one has none, and stays as it
 * is where all had been tried.  Where all have failed lately they are tried all the same.
 */
LW_MUST_CHECK enum pool_status pool_next(struct pool *p, struct pool_turn *turn,
                                         struct pool_choice *choice, struct pool_wait *wait,
                                         struct failure *f);

/* Waits no more; nothing happens where nobody waited. */
void pool_forget(struct pool *p, struct pool_wait *wait);

/* What became of a choice: a connection (with its handshake, where there is one) or none. */
void pool_worked(struct pool *p, size_t backend);
void pool_failed(struct pool *p, size_t backend);

/* NULL is allowed. */
void pool_list_free(struct addrinfo *list);

/*
 * Ends it, from a `ready` too; NULL is allowed.  Look-ups under way end on their own, in the loop.
 * Nobody may wait any more.
 */
void pool_free(struct pool *p);

#endif
