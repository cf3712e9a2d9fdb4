/* session: one accepted connection from its first octet to its line in the log: PROXY header,
 * STARTTLS, handshake, backend, handshake there, couple, ending.  One thread, never blocks.
 */
#ifndef RELAY_SESSION_H
#define RELAY_SESSION_H

#include <lastword/closer.h>

#include "relay/log.h"
#include "relay/metrics.h"
#include "relay/pool.h"
#include "relay/setup.h"

struct session;

/* What all sessions of a worker share. */
struct session_host {
	uv_loop_t *loop;
	struct couple_scratch scratch;
	struct lw_closer *closer;
	struct metrics *metrics;
	struct log *log;
	/* The pool of a service of `setup`; NULL: no memory. */
	struct pool *(*pool_of)(struct session_host *h, struct setup *setup, size_t service);
	/* A session that began with `setup` is over, its descriptors are closed. */
	void (*over)(struct session_host *h, struct setup *setup);
	struct session *first; /* all of them */
	size_t count;
	bool is_draining;
};

/* Takes the descriptor.  Where memory lacks it is closed, counted and logged. */
void session_begin(struct session_host *h, struct setup *setup, size_t service, int fd);

/* What the host's closer told of one of its sessions. */
void session_closed(const struct lw_closed *closed);

/* Ends between messages; one whose handshakes are under way goes on to them first. */
void session_drain(struct session *s);

/* Ends now, properly only where all that was said is complete; called again: at once. */
void session_stop(struct session *s);

struct session *session_next(const struct session *s);

#endif
