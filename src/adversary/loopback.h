/* loopback: TCP on 127.0.0.1 for an adversary and its subject: a pair of connected sockets for one
 * thread, a listener for a real program.  Nothing here leaves the machine.
 */
#ifndef ADVERSARY_LOOPBACK_H
#define ADVERSARY_LOOPBACK_H

#include "adversary/adversary.h"

/* Listens on a free port; -1 with errno. */
LW_MUST_CHECK int loopback_listen(uint16_t *port);

/* Takes one connection, at most `limit_ms` from now; -1 with errno (ETIMEDOUT). */
LW_MUST_CHECK int loopback_accept(int listener, int limit_ms);

/* Connects, blocking; -1 with errno. */
LW_MUST_CHECK int loopback_connect(uint16_t port);

/* Two connected TCP sockets, so that FIN and RST are real; false with errno. */
LW_MUST_CHECK bool loopback_pair(int fds[2]);

/*
 * Takes one connection and makes an adversary on it, whatever transport the options name; run it
 * with adversary_run_until().  NULL: nobody came within the limit, or as adversary_new().
 */
LW_MUST_CHECK struct adversary *loopback_adversary(int listener,
                                                   const struct adversary_options *options,
                                                   const struct adversary_script *script,
                                                   int limit_ms);

#endif
