/* listen: a listening socket: TCP on an address as a person writes it, or Unix at a path. */
#ifndef NET_LISTEN_H
#define NET_LISTEN_H

#include <lastword/verdict.h>
#include <stddef.h>

#include "net/address.h"
#include "net/failure.h"

/*
 * Binds and listens: a non-blocking descriptor that the caller closes, or -1 with a sentence.  A
 * host name is looked up, which may block; numeric hosts are not.
 */
LW_MUST_CHECK int listen_open(const struct address *a, struct failure *f);

/*
 * The same on every address that a name has, at most `cap`; behind port 0 all have the first one's.
 * Host "" is every address of the machine, IPv6 and IPv4, by one socket.  They can be shared, see
 * below; with `is_alone` they are refused where anybody listens already, which the system would
 * allow to programs of one user.  Their number; 0 with a sentence.
 */
LW_MUST_CHECK size_t listen_open_all(const struct address *a, bool is_alone, int *fds, size_t cap,
                                     struct failure *f);

/*
 * Another socket at the place of one from listen_open_all(), by SO_REUSEPORT: the system spreads
 * connections over all of them.  -1 with errno.
 */
LW_MUST_CHECK int listen_open_beside(int fd);

/*
 * The same at a path.  A socket there that nobody listens on is replaced; one that answers, and any
 * other file, is left alone.  The caller unlinks the path when it is done.
 */
LW_MUST_CHECK int listen_open_unix(const char *path, struct failure *f);

/* Where a socket is bound, as "127.0.0.1:4433" or "[::1]:4433": for port 0, the one chosen. */
LW_MUST_CHECK bool listen_text(int fd, char *buf, size_t cap);

/* Takes a connection: non-blocking, close-on-exec, no delay; -1 with errno (EAGAIN: none there). */
LW_MUST_CHECK int listen_accept(int fd);

#endif
