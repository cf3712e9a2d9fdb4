/* poller: see poller.h.  The loop keeps turning for as long as somebody waits.
 *
 * A descriptor that was left stays in the epoll set: mostly it is closed next, which takes it out,
 * or somebody goes on to wait for it.  Only if it gets ready before, it is taken out by hand.  So
 * nothing is believed of a descriptor that has a new owner: it may be another under the same
 * number.  Invariant: who has left is not called.
 */
#include "pipe/poller.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

enum { BATCH = 128, FIRST_OWNERS = 64 };

struct poller {
	uv_poll_t poll; /* of the epoll descriptor */
	int epoll;
	size_t waiting;         /* for some event */
	struct polled **owners; /* by descriptor */
	size_t cap;
};

static void take_out(struct poller *p, int fd)
{
	(void)epoll_ctl(p->epoll, EPOLL_CTL_DEL, fd, NULL);
}

static void fire(struct poller *p, int fd, uint32_t ready)
{
	struct polled *d = p->owners[fd];
	unsigned events = 0;

	if (d == NULL) {
		take_out(p, fd);
		return;
	}
	if ((ready & (EPOLLERR | EPOLLHUP)) != 0)
		events = LW_EVENT_READABLE | LW_EVENT_WRITABLE;
	if ((ready & EPOLLIN) != 0)
		events |= LW_EVENT_READABLE;
	if ((ready & EPOLLOUT) != 0)
		events |= LW_EVENT_WRITABLE;
	if (d->set != 0) {
		d->fire(d, events);
	} else if ((ready & (EPOLLERR | EPOLLHUP)) != 0) { /* would be told for ever */
		take_out(p, fd);
		d->is_in = false;
	}
}

/* What is not seen now leaves the epoll descriptor ready. */
static void on_ready(uv_poll_t *poll, int status, int events)
{
	struct poller *p = poll->data;
	struct epoll_event batch[BATCH];
	int n;

	(void)status;
	(void)events;
	n = epoll_wait(p->epoll, batch, BATCH, 0);
	for (int i = 0; i < n; i++)
		fire(p, batch[i].data.fd, batch[i].events);
}

struct poller *poller_new(uv_loop_t *loop)
{
	struct poller *p = calloc(1, sizeof *p);

	if (p == NULL)
		return NULL;
	p->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (p->epoll >= 0 && uv_poll_init(loop, &p->poll, p->epoll) == 0) {
		p->poll.data = p;
		uv_unref((uv_handle_t *)&p->poll);
		if (uv_poll_start(&p->poll, UV_READABLE, on_ready) == 0)
			return p;
		poller_free(p);
		return NULL;
	}
	if (p->epoll >= 0)
		(void)close(p->epoll);
	free(p);
	return NULL;
}

static void on_gone(uv_handle_t *handle)
{
	struct poller *p = handle->data;

	(void)close(p->epoll);
	free(p->owners);
	free(p);
}

void poller_free(struct poller *p)
{
	if (p != NULL)
		uv_close((uv_handle_t *)&p->poll, on_gone);
}

void polled_init(struct polled *d, int fd, void (*fire_it)(struct polled *d, unsigned events))
{
	*d = (struct polled){ .fire = fire_it, .fd = fd };
}

static bool make_room(struct poller *p, int fd)
{
	size_t cap = p->cap > 0 ? p->cap : FIRST_OWNERS;
	struct polled **owners;

	if ((size_t)fd < p->cap)
		return true;
	while (cap <= (size_t)fd)
		cap *= 2;
	owners = realloc(p->owners, cap * sizeof(struct polled *));
	if (owners == NULL)
		return false;
	memset(owners + p->cap, 0, (cap - p->cap) * sizeof(struct polled *));
	p->owners = owners;
	p->cap = cap;
	return true;
}

static bool ask(struct poller *p, const struct polled *d, unsigned events)
{
	struct epoll_event wanted = { .data.fd = d->fd };

	if ((events & LW_EVENT_READABLE) != 0)
		wanted.events |= EPOLLIN;
	if ((events & LW_EVENT_WRITABLE) != 0)
		wanted.events |= EPOLLOUT;
	if (!d->is_in && epoll_ctl(p->epoll, EPOLL_CTL_ADD, d->fd, &wanted) == 0)
		return true;
	return (d->is_in || errno == EEXIST) &&
	       epoll_ctl(p->epoll, EPOLL_CTL_MOD, d->fd, &wanted) == 0;
}

/* Events of a descriptor that is asked of nothing keep nobody on the loop. */
static void count(struct poller *p, unsigned before, unsigned after)
{
	if (before == 0 && after != 0 && p->waiting++ == 0)
		uv_ref((uv_handle_t *)&p->poll);
	if (before != 0 && after == 0 && --p->waiting == 0)
		uv_unref((uv_handle_t *)&p->poll);
}

bool poller_set(struct poller *p, struct polled *d, unsigned events)
{
	if (events == d->set)
		return true;
	if (!make_room(p, d->fd) || (p->owners[d->fd] != NULL && p->owners[d->fd] != d))
		return false;
	if (!ask(p, d, events))
		return false;
	p->owners[d->fd] = d;
	d->is_in = true;
	count(p, d->set, events);
	d->set = (uint8_t)events;
	return true;
}

void poller_leave(struct poller *p, struct polled *d)
{
	count(p, d->set, 0);
	d->set = 0;
	d->is_in = false;
	if (d->fd >= 0 && (size_t)d->fd < p->cap && p->owners[d->fd] == d)
		p->owners[d->fd] = NULL;
}
