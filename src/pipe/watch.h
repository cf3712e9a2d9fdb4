/* watch: waits for one descriptor on a libuv loop, whatever it is: a socket, a pipe, a terminal, a
 * file.  Files and some devices are always ready and cannot be polled; such a watch never fires,
 * and its owner never has to wait, since their reads and writes never say "again".
 */
#ifndef PIPE_WATCH_H
#define PIPE_WATCH_H

#include <lastword/stream.h>
#include <uv.h>

struct watch {
	uv_poll_t poll;
	int fd;       /* -1 before watch_set() first got one */
	int shared;   /* our own epoll around a descriptor whose flags are not ours; else -1 */
	unsigned set; /* the events it waits for */
	bool is_open, is_unpollable;
	void (*fire)(void *context);
	void (*gone)(void *context);
	void *context;
};

void watch_init(struct watch *w, void (*fire)(void *context), void *context);

/*
 * Waits for `events` (a set of lw_event, 0 for none) on `fd`, the same one on every call.  With
 * `is_shared` its O_NONBLOCK is left as it is.  False: out of memory or descriptors.
 */
LW_MUST_CHECK bool watch_set(struct watch *w, uv_loop_t *loop, int fd, unsigned events,
                             bool is_shared);

/*
 * Closes it, and calls `gone` from the loop when the memory may go.  False: it was not open, and
 * the memory may go at once.
 */
LW_MUST_CHECK bool watch_end(struct watch *w, void (*gone)(void *context));

#endif
