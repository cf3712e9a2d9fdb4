/* admin: the loopback or Unix HTTP port: /metrics, and /ready (200, or 503 while draining).  Runs
 * in a thread of libmicrohttpd's; asks its callbacks for everything.
 */
#ifndef RELAY_ADMIN_H
#define RELAY_ADMIN_H

#include <stdio.h>

#include "relay/config.h"

struct admin;

struct admin_options {
	const struct relay_place *place;
	int fd; /* a listening socket to use instead of opening one, or -1; taken over in any case
	         */
	void (*print_metrics)(FILE *out, void *context);
	bool (*is_ready)(void *context);
	void *context;
};

/* NULL with a sentence: a place that is not loopback, a port in use. */
LW_MUST_CHECK struct admin *admin_start(const struct admin_options *o, struct failure *f);

/* Where it listens, as "127.0.0.1:9180" or a path: for port 0, the one chosen. */
const char *admin_place(const struct admin *a);

/* Waits for an answer that is under way.  NULL does nothing. */
void admin_stop(struct admin *a);

#endif
