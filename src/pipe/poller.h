/* poller: many descriptors on one libuv loop, by one epoll descriptor of their own.  A uv_poll_t
 * costs five system calls to begin with and two a change; this costs one each, and none to end.
 * What has left is forgotten at once instead of a turn later.  It must not know what is waited
 * for, or why.
 *
 * It knows sockets and pipes, which can be polled, and of which this process has no duplicate; for
 * whatever else there may be, see watch.h.
 */
#ifndef PIPE_POLLER_H
#define PIPE_POLLER_H

#include <lastword/stream.h>
#include <uv.h>

struct poller;

/* One descriptor; its memory is the owner's, who leaves it before the descriptor is closed. */
struct polled {
	void (*fire)(struct polled *p, unsigned events); /* an error or hang-up is both events */
	int fd;
	uint8_t set; /* the events it waits for */
	bool is_in;
};

/* NULL: out of memory or descriptors. */
LW_MUST_CHECK struct poller *poller_new(uv_loop_t *loop);

/* Nobody waits any more.  The memory goes when the loop has run once more. */
void poller_free(struct poller *p);

void polled_init(struct polled *d, int fd, void (*fire)(struct polled *d, unsigned events));

/*
 * Waits for `events`, a set of lw_event, 0 for none.  False: out of memory, or somebody else has
 * not left the descriptor.
 */
LW_MUST_CHECK bool poller_set(struct poller *p, struct polled *d, unsigned events);

/* It fires no more, even where it is ready already.  Allowed at any time. */
void poller_leave(struct poller *p, struct polled *d);

#endif
