/* address: what a person writes to name a peer, HOST:PORT, [V6]:PORT or PROFILE://HOST[:PORT], as
 * parts.  It looks nothing up: a name stays a name.
 */
#ifndef NET_ADDRESS_H
#define NET_ADDRESS_H

#include <lastword/verdict.h>
#include <stdbool.h>

#include "net/failure.h"

struct address {
	char profile[32]; /* "" when none was written */
	char host[256];   /* a name or an IP address, without brackets */
	char port[6];     /* decimal, 0 to 65535 */
	bool host_is_ip;
};

/*
 * Reads the target of a connection.  A path, a query, user information, an unknown profile or port
 * 0 is refused with a sentence.  Where no port was written it is `usual_port`, unless that is NULL,
 * else the port where the profile speaks TLS; having neither is refused too.
 */
LW_MUST_CHECK bool address_parse_target(const char *text, const char *usual_port, struct address *a,
                                        struct failure *f);

/* Reads a place to listen: HOST:PORT or [V6]:PORT; port 0 lets the system choose. */
LW_MUST_CHECK bool address_parse_listen(const char *text, struct address *a, struct failure *f);

/* "host:port", or "[host]:port"; writes at most `cap` bytes, and returns `buf`. */
const char *address_text(const struct address *a, char *buf, size_t cap);

#endif
