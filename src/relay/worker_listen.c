/* worker_listen: a worker's listening sockets: taking connections where there is room, waiting
 * where there is none.  It must not know what becomes of a connection.  Invariant: a descriptor
 * that listens is closed only when its queue was emptied.
 */
#define _GNU_SOURCE /* accept4 */
#include "relay/worker_inside.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	ACCEPTS_A_TURN = 64,
	QUEUE_MAX = 65536, /* no queue is longer; who comes meanwhile is not waited for */
	PAUSE_MS = 50,     /* between two looks whether there is room again */
	COMPLAINT_EVERY_MS = 1000
};

static bool is_full(const struct worker *w)
{
	const size_t most = w->current->setup->config->max_connections;

	return most > 0 &&
	       atomic_load_explicit(w->options.open_connections, memory_order_relaxed) >= most;
}

static bool is_service_full(const struct listener *l)
{
	const struct setup_service *s = &l->worker->current->setup->services[l->service];
	const size_t most = s->service->max_connections;

	return most > 0 && atomic_load_explicit(&s->count->open, memory_order_relaxed) >= most;
}

static void watch_listener(struct listener *l, unsigned events)
{
	struct worker *w = l->worker;

	if (!watch_set(&l->watch, &w->loop, l->fd, events, false))
		log_event(w->options.log, "failed", "reason",
		          "a listening socket cannot be watched: out of memory", NULL);
}

/* Listens wherever there is room.  False: somewhere there is none, and it is to be called again. */
static bool listen_on(struct worker *w)
{
	bool is_everywhere = true;

	for (struct listener *l = w->listeners; l != NULL; l = l->next) {
		bool has_room = !w->is_starved && !is_full(w) && !is_service_full(l);

		watch_listener(l, has_room ? LW_EVENT_READABLE : 0);
		is_everywhere &= has_room;
	}
	return is_everywhere;
}

static void on_pause_over(uv_timer_t *timer)
{
	struct worker *w = timer->data;

	w->is_starved = false;
	if (!listen_on(w))
		(void)uv_timer_start(timer, on_pause_over, PAUSE_MS, 0);
}

void worker_look_for_room(struct worker *w)
{
	if (uv_is_active((uv_handle_t *)&w->pause))
		(void)uv_timer_start(&w->pause, on_pause_over, 0, 0);
}

/* Connections stay in the system's queue until there is room again. */
static void pause_accepting(struct worker *w, const char *reason)
{
	uint64_t now = uv_now(&w->loop);

	if (now - w->complained_ms >= COMPLAINT_EVERY_MS || w->complained_ms == 0) {
		log_event(w->options.log, "paused", "reason", reason, NULL);
		w->complained_ms = now;
	}
	if (w->is_draining)
		return;
	(void)listen_on(w);
	if (!uv_is_active((uv_handle_t *)&w->pause))
		(void)uv_timer_start(&w->pause, on_pause_over, PAUSE_MS, 0);
}

static void take_connection(struct worker *w, const struct listener *l, int fd)
{
	const int on = 1;

	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	(void)atomic_fetch_add_explicit(w->options.open_connections, 1, memory_order_relaxed);
	w->current->sessions++;
	session_begin(&w->host, w->current->setup, l->service, fd);
}

/* False: nothing is there now, or nothing can be taken. */
static bool accept_one(struct worker *w, struct listener *l)
{
	int fd;

	if (is_full(w) || is_service_full(l)) {
		pause_accepting(w, "maxConnections is reached");
		return false;
	}
	fd = accept4(l->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd >= 0) {
		take_connection(w, l, fd);
		return true;
	}
	if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
		METRICS_ADD(w->metrics.accept_errors, 1);
		w->is_starved = true;
		pause_accepting(w, "no descriptor or memory for a connection; raise LimitNOFILE, "
		                   "or lower maxConnections");
		return false;
	}
	return errno == ECONNABORTED || errno == EINTR;
}

static void on_connection(void *context)
{
	struct listener *l = context;

	for (unsigned i = 0; i < ACCEPTS_A_TURN && !l->is_leaving; i++)
		if (!accept_one(l->worker, l))
			return;
}

static void on_listener_gone(void *context)
{
	free(context);
}

/* Empties its queue: whoever is in there has a connection; and closes it before another comes. */
static void leave_listener(struct worker *w, struct listener *l)
{
	const bool is_watched = watch_end(&l->watch, on_listener_gone);

	l->is_leaving = true;
	for (unsigned i = 0; i < QUEUE_MAX && accept_one(w, l); i++)
		;
	(void)close(l->fd);
	if (!is_watched)
		on_listener_gone(l);
}

static struct listener *find_listener(const struct worker *w, int fd)
{
	struct listener *l = w->listeners;

	while (l != NULL && l->fd != fd)
		l = l->next;
	return l;
}

static void begin_listener(struct worker *w, int fd, size_t service)
{
	struct listener *l = find_listener(w, fd);

	if (l == NULL) {
		l = calloc(1, sizeof *l);
		if (l == NULL) {
			log_event(w->options.log, "failed", "reason",
			          "a worker does not listen: out of memory", NULL);
			(void)close(fd);
			return;
		}
		l->worker = w;
		l->fd = fd;
		l->next = w->listeners;
		w->listeners = l;
		watch_init(&l->watch, on_connection, l);
	}
	l->service = service;
}

void worker_leave_listeners(struct worker *w, const struct setup *kept)
{
	struct listener **at = &w->listeners;

	w->is_leaving = true;
	while (*at != NULL) {
		struct listener *l = *at;

		if (kept != NULL && setup_has_listener(kept, l->fd)) {
			at = &l->next;
			continue;
		}
		*at = l->next;
		leave_listener(w, l);
	}
	w->is_leaving = false;
}

void worker_begin_listeners(struct worker *w)
{
	struct setup *setup = w->current->setup;

	for (size_t i = 0; i < setup->config->service_count; i++)
		for (size_t d = 0; d < setup->services[i].door_count; d++)
			begin_listener(w, setup->services[i].doors[d].listeners[w->options.index],
			               i);
	(void)listen_on(w);
}
