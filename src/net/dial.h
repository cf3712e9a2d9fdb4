/* dial: a TCP or Unix connection to the first address of a list that takes it, without blocking.
 * It reads no clock and waits for nothing: the caller waits for dial_descriptor() to become
 * writable, or for its own deadline, and steps again.
 */
#ifndef NET_DIAL_H
#define NET_DIAL_H

#include <lastword/verdict.h>
#include <netdb.h>
#include <stdint.h>

#include "net/address.h"
#include "net/failure.h"

enum dial_status { DIAL_WAIT, DIAL_DONE, DIAL_FAILED };

struct dial {
	const struct addrinfo *next; /* the list belongs to the caller, and outlives the dial */
	int fd;                      /* the attempt under way, or -1 */
	unsigned tried, left; /* addresses behind and before us, the one under way in neither */
	int error;            /* errno of the last attempt that failed */
	/*
	 * Addresses to connect from, port 0, one a family; set after dial_begin(), the caller's.
	 * NULL: the system chooses.  An address whose family has none in it fails.
	 */
	const struct addrinfo *local;
};

/*
 * What getaddrinfo() is to be asked for `a`: stream sockets of `family` (AF_UNSPEC, AF_INET,
 * AF_INET6), no look-up for a numeric host.
 */
struct addrinfo dial_hints(const struct address *a, int family);

/* The sentence for a getaddrinfo() that gave `error` (EAI_...). */
void dial_explain_lookup(const struct address *a, int family, int error, struct failure *f);

void dial_begin(struct dial *d, const struct addrinfo *list);

/*
 * Goes as far as it can.  DIAL_WAIT: an attempt is under way.  DIAL_DONE: the connection stands and
 * dial_take() gives it.  DIAL_FAILED: no address is left; d->error is why the last one failed.
 */
LW_MUST_CHECK enum dial_status dial_step(struct dial *d);

/* Gives the attempt under way up as timed out; the next dial_step() tries the next address. */
void dial_expire(struct dial *d);

/*
 * How long the attempt under way may take, in milliseconds, when `left_ms` is left for all: an even
 * share, so that an address that never answers does not use up the others' time.
 */
uint64_t dial_share_ms(const struct dial *d, uint64_t left_ms);

/* The descriptor to wait for until it is writable; -1 when there is none. */
int dial_descriptor(const struct dial *d);

/* Takes the connected descriptor (non-blocking, close-on-exec, no delay); the caller closes it. */
int dial_take(struct dial *d);

/* TCP keepalive for a socket that stands, seconds and number of probes; 0: as the system has it. */
void dial_keep_alive(int fd, unsigned idle_s, unsigned interval_s, unsigned count);

/* Closes what is under way. */
void dial_end(struct dial *d);

/* The sentence for a dial that failed, with the options of `lastword connect`. */
void dial_explain(const struct dial *d, const struct address *a, struct failure *f);

/* The same for a place as text, with the keys of the relay. */
void dial_explain_place(const struct dial *d, const char *place, struct failure *f);

#endif
