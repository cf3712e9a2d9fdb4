/* poller: see poller.h.  The loop keeps turning for as long as somebody waits.  Invariant: nobody
 * who has left is called, though it was ready in the batch under way.
 */
#include "pipe/poller.h"

#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

enum { BATCH = 128 };

struct poller {
	uv_poll_t poll; /* of the epoll descriptor */
	int epoll;
	size_t waiting;
	struct epoll_event batch[BATCH];
	int next, end; /* of the batch: what is still to fire */
};

static void fire(struct polled *d, uint32_t ready)
{
	unsigned events = 0;

	if ((ready & (EPOLLERR | EPOLLHUP)) != 0)
		events = LW_EVENT_READABLE | LW_EVENT_WRITABLE;
	if ((ready & EPOLLIN) != 0)
		events |= LW_EVENT_READABLE;
	if ((ready & EPOLLOUT) != 0)
		events |= LW_EVENT_WRITABLE;
	d->fire(d, events);
}

/* What is not seen now leaves the epoll descriptor ready. */
static void on_ready(uv_poll_t *poll, int status, int events)
{
	struct poller *p = poll->data;

	(void)status;
	(void)events;
	p->end = epoll_wait(p->epoll, p->batch, BATCH, 0);
	for (p->next = 0; p->next < p->end;) {
		const struct epoll_event *e = &p->batch[p->next++];

		if (e->data.ptr != NULL)
			fire(e->data.ptr, e->events);
	}
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

static bool change(struct poller *p, struct polled *d, unsigned events)
{
	struct epoll_event wanted = { .data.ptr = d };
	int operation = d->set == 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;

	if ((events & LW_EVENT_READABLE) != 0)
		wanted.events |= EPOLLIN;
	if ((events & LW_EVENT_WRITABLE) != 0)
		wanted.events |= EPOLLOUT;
	return epoll_ctl(p->epoll, operation, d->fd, &wanted) == 0;
}

bool poller_set(struct poller *p, struct polled *d, unsigned events)
{
	if (events == d->set)
		return true;
	if (events ==
	    0) { /* hang-ups would be told even of a descriptor that nothing is asked of */
		poller_leave(p, d);
		return true;
	}
	if (!change(p, d, events))
		return false;
	if (d->set == 0 && p->waiting++ == 0)
		uv_ref((uv_handle_t *)&p->poll);
	d->set = (uint8_t)events;
	return true;
}

void poller_leave(struct poller *p, struct polled *d)
{
	if (d->set == 0)
		return;
	d->set = 0;
	(void)epoll_ctl(p->epoll, EPOLL_CTL_DEL, d->fd, NULL);
	if (--p->waiting == 0)
		uv_unref((uv_handle_t *)&p->poll);
	for (int i = p->next; i < p->end; i++)
		if (p->batch[i].data.ptr == d)
			p->batch[i].data.ptr = NULL;
}
