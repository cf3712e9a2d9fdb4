/* watch: see watch.h.  uv_poll_init() makes a descriptor non-blocking; for one that the shell and
 * others share, libuv is therefore given an epoll descriptor of ours that holds it (Linux).
 */
#include "pipe/watch.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

void watch_init(struct watch *w, void (*fire)(void *context), void *context)
{
	memset(w, 0, sizeof *w);
	w->fd = -1;
	w->shared = -1;
	w->fire = fire;
	w->context = context;
}

/* libuv stops a watch that met an error by itself; so it counts as set to nothing. */
static void on_poll(uv_poll_t *poll, int status, int events)
{
	struct watch *w = poll->data;

	(void)events;
	if (status < 0)
		w->set = 0;
	w->fire(w->context);
}

static bool open_shared(struct watch *w)
{
	struct epoll_event none = { .events = 0 };

	w->shared = epoll_create1(EPOLL_CLOEXEC);
	if (w->shared < 0)
		return false;
	if (epoll_ctl(w->shared, EPOLL_CTL_ADD, w->fd, &none) == 0)
		return true;
	w->is_unpollable = errno == EPERM;
	(void)close(w->shared);
	w->shared = -1;
	return w->is_unpollable;
}

static bool open_watch(struct watch *w, uv_loop_t *loop, int fd, bool is_shared)
{
	int error;

	w->fd = fd;
	if (is_shared && !open_shared(w))
		return false;
	if (w->is_unpollable)
		return true;
	error = uv_poll_init(loop, &w->poll, w->shared >= 0 ? w->shared : fd);
	w->is_unpollable = error == UV_EPERM;
	w->is_open = error == 0;
	w->poll.data = w;
	return w->is_open || w->is_unpollable;
}

static bool set_shared(struct watch *w, unsigned events)
{
	struct epoll_event wanted = { .events = 0 };

	if ((events & LW_EVENT_READABLE) != 0)
		wanted.events |= EPOLLIN;
	if ((events & LW_EVENT_WRITABLE) != 0)
		wanted.events |= EPOLLOUT;
	return epoll_ctl(w->shared, EPOLL_CTL_MOD, w->fd, &wanted) == 0;
}

bool watch_set(struct watch *w, uv_loop_t *loop, int fd, unsigned events, bool is_shared)
{
	int wanted = 0;

	if (fd < 0 || (events == 0 && !w->is_open))
		return true;
	if (!w->is_open && !w->is_unpollable && !open_watch(w, loop, fd, is_shared))
		return false;
	if (w->is_unpollable || w->set == events)
		return true;
	w->set = events;
	if (events == 0)
		return uv_poll_stop(&w->poll) == 0;
	if (w->shared >= 0) {
		if (!set_shared(w, events))
			return false;
		wanted = UV_READABLE; /* the epoll descriptor is, when ours is ready */
	} else {
		wanted |= (events & LW_EVENT_READABLE) != 0 ? UV_READABLE : 0;
		wanted |= (events & LW_EVENT_WRITABLE) != 0 ? UV_WRITABLE : 0;
	}
	return uv_poll_start(&w->poll, wanted, on_poll) == 0;
}

static void on_closed(uv_handle_t *handle)
{
	struct watch *w = handle->data;

	if (w->shared >= 0)
		(void)close(w->shared);
	w->shared = -1;
	w->gone(w->context);
}

bool watch_end(struct watch *w, void (*gone)(void *context))
{
	if (!w->is_open)
		return false;
	w->is_open = false;
	w->set = 0;
	w->gone = gone;
	uv_close((uv_handle_t *)&w->poll, on_closed);
	return true;
}
