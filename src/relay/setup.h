/* setup: a configuration made real: contexts, profiles and listening sockets.  Built whole or not
 * at all, never changed afterwards, counted: workers and sessions keep the one they began with.
 */
#ifndef RELAY_SETUP_H
#define RELAY_SETUP_H

#include <netdb.h>
#include <stdatomic.h>

#include "relay/config.h"
#include "relay/tls.h"

/* Connections that came in at one place, of all workers; for all setups that listen there. */
struct setup_count {
	atomic_uint references;
	atomic_size_t open;
};

enum { SETUP_DOORS = 16 }; /* of a service; more addresses are left out */

/* One address that a service listens on. */
struct setup_door {
	int *listeners;  /* a descriptor a worker, shared with the setups before and behind */
	char place[160]; /* with the port that the system chose */
};

/* One service, ready. */
struct setup_service {
	const struct relay_service *service;
	SSL_CTX *front, *back;     /* NULL: a plain leg */
	struct addrinfo *local;    /* where connections are made from; NULL: the system chooses */
	struct setup_count *count; /* NULL: it does not listen */
	struct setup_door *doors;  /* NULL: it does not listen */
	size_t door_count;
	bool owns_path; /* a Unix socket that is not the manager's: unlinked at the end */
};

struct setup {
	atomic_uint references;
	struct relay_config *config;
	struct setup_service *services; /* by index into config->services */
	struct relay_tls_name *names;
	unsigned workers;
};

/*
 * Takes over `config` (and frees it in any case).  `old` (or NULL) is what runs now: listening
 * sockets whose place is the same are used again, so that no connection in their queue is lost.
 * `workers` is the number of threads.  NULL with a sentence; nothing has changed then.
 */
LW_MUST_CHECK struct setup *setup_new(struct relay_config *config, const struct setup *old,
                                      unsigned workers, struct failure *f);

/* Removes the paths of Unix sockets that are not listened on in `kept` (or NULL) any more. */
void setup_unlink_paths(const struct setup *s, const struct setup *kept);

/* Whether `fd` still listens in `s`, so that whoever leaves an older setup keeps it open. */
bool setup_has_listener(const struct setup *s, int fd);

struct setup *setup_ref(struct setup *s);

/* The last one frees; descriptors of listeners are closed by those who accept on them. */
void setup_unref(struct setup *s);

#endif
