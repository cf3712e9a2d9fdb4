/* wait: one wait at a time on a libuv loop, for work that goes step by step before there is
 * anything to pump: a look-up, a connection, a handshake.  The loop's other handles, signals above
 * all, go on.
 */
#ifndef PIPE_WAIT_H
#define PIPE_WAIT_H

#include <lastword/stream.h>
#include <netdb.h>
#include <uv.h>

enum wait_result { WAIT_READY, WAIT_EXPIRED, WAIT_INTERRUPTED, WAIT_FAILED };

#define WAIT_FOR_EVER UINT64_MAX

/* Monotonic milliseconds, as every deadline here. */
uint64_t wait_now_ms(void);

/* Waits until `fd` meets one of `events` (a set of lw_event), the deadline, or `*interrupted`. */
LW_MUST_CHECK enum wait_result wait_descriptor(uv_loop_t *loop, int fd, unsigned events,
                                               uint64_t until_ms, const bool *interrupted);

/*
 * Looks a name up in another thread; WAIT_READY with `*error` as getaddrinfo() gives it, and a list
 * that the caller frees with freeaddrinfo() when it is 0.  After any other result the thread may
 * still be under way, and exit() would wait for it.
 */
LW_MUST_CHECK enum wait_result wait_lookup(uv_loop_t *loop, const char *host, const char *port,
                                           const struct addrinfo *hints, uint64_t until_ms,
                                           const bool *interrupted, struct addrinfo **list,
                                           int *error);

/* What getaddrinfo() says (EAI_...), of what libuv calls it (UV_EAI_...). */
int wait_lookup_error(int uv_error);

#endif
