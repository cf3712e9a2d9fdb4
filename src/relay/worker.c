/* worker: see worker.h.  It must not know what a session does.  What other threads want is left
 * under a lock and taken by the loop; all else belongs to the worker's thread.  Invariant: a
 * descriptor that listens is closed only when its queue was emptied.
 */
#define _GNU_SOURCE /* accept4 */
#include "relay/worker.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "pipe/watch.h"
#include "relay/session.h"

enum {
	SCRATCH_BYTES = 256 * 1024,
	ACCEPTS_A_TURN = 64,
	QUEUE_MAX = 65536,   /* no queue is longer; who comes meanwhile is not waited for */
	PAUSE_MS = 50,       /* between two looks whether there is room again */
	LAST_STOP_MS = 3000, /* from the drain deadline's stop to the last */
	CLOSED_AT_ONCE = 64,
	COMPLAINT_EVERY_MS = 1000
};

/* What runs on one setup. */
struct generation {
	struct generation *next; /* the older ones; or those to adopt behind it */
	struct setup *setup;
	struct pool **pools; /* by service; NULL: not needed yet */
	size_t sessions;
};

struct listener {
	struct listener *next;
	struct worker *worker;
	struct watch watch;
	int fd;
	size_t service; /* of the current setup */
	bool is_leaving;
};

struct worker {
	struct worker_options options;
	pthread_t thread;
	uv_loop_t loop;
	uv_async_t bell;
	uv_timer_t pause, deadline;
	struct watch closer_watch;
	struct session_host host;
	struct metrics metrics;
	struct generation *current, *older;
	struct listener *listeners;
	bool is_starved, is_draining, is_over;
	bool is_leaving; /* listeners are being emptied: more connections may come */
	uint64_t complained_ms;
	atomic_uint_fast64_t turns; /* of the bell, as told to worker_is_alive() */
	uint64_t turns_seen;
	bool is_asked;

	pthread_mutex_t lock;      /* for what follows */
	struct generation *wanted; /* to adopt, in order: each may have brought listeners */
	bool wants_drain;
	uint32_t drain_ms;
};

static void look_for_end(struct worker *w);
static void on_pause_over(uv_timer_t *timer);

/* ---- generations */

static struct generation *generation_new(struct setup *setup)
{
	struct generation *g = calloc(1, sizeof *g);

	if (g == NULL)
		return NULL;
	g->pools = calloc(setup->config->service_count, sizeof(struct pool *));
	if (g->pools == NULL) {
		free(g);
		return NULL;
	}
	g->setup = setup_ref(setup);
	return g;
}

static void generation_free(struct generation *g)
{
	for (size_t i = 0; i < g->setup->config->service_count; i++)
		if (g->pools[i] != NULL)
			pool_free(g->pools[i]);
	free(g->pools);
	setup_unref(g->setup);
	free(g);
}

static struct generation *find_generation(struct worker *w, const struct setup *setup)
{
	struct generation *g = w->current;

	if (g->setup == setup)
		return g;
	for (g = w->older; g != NULL && g->setup != setup; g = g->next)
		;
	return g;
}

/* Those whose last connection is over. */
static void drop_older(struct worker *w)
{
	struct generation **at = &w->older;

	while (*at != NULL) {
		struct generation *g = *at;

		if (g->sessions > 0) {
			at = &g->next;
			continue;
		}
		*at = g->next;
		generation_free(g);
	}
}

static struct worker *worker_of(struct session_host *h)
{
	return (struct worker *)(void *)((char *)h - offsetof(struct worker, host));
}

static struct pool *pool_of(struct session_host *h, struct setup *setup, size_t service)
{
	struct generation *g = find_generation(worker_of(h), setup);

	if (g->pools[service] == NULL)
		g->pools[service] = pool_new(h->loop, setup->services[service].service);
	return g->pools[service];
}

static void on_session_over(struct session_host *h, struct setup *setup)
{
	struct worker *w = worker_of(h);
	struct generation *g = find_generation(w, setup);

	g->sessions--;
	(void)atomic_fetch_sub_explicit(w->options.open_connections, 1, memory_order_relaxed);
	if (g != w->current)
		drop_older(w);
	if (uv_is_active((uv_handle_t *)&w->pause)) /* there is room again: others may not tell */
		(void)uv_timer_start(&w->pause, on_pause_over, 0, 0);
	look_for_end(w);
}

/* ---- listening */

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

static void leave_listeners(struct worker *w, const struct setup *kept)
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

static void begin_listeners(struct worker *w)
{
	struct setup *setup = w->current->setup;

	for (size_t i = 0; i < setup->config->service_count; i++)
		for (size_t d = 0; d < setup->services[i].door_count; d++)
			begin_listener(w, setup->services[i].doors[d].listeners[w->options.index],
			               i);
	(void)listen_on(w);
}

/* ---- messages */

static void adopt(struct worker *w, struct generation *g)
{
	leave_listeners(w, g->setup); /* with the setup they belong to */
	w->current->next = w->older;
	w->older = w->current;
	w->current = g;
	begin_listeners(w);
	drop_older(w);
}

static void for_all_sessions(struct worker *w, void (*call)(struct session *s))
{
	struct session *next;

	for (struct session *s = w->host.first; s != NULL; s = next) {
		next = session_next(s);
		call(s);
	}
}

static void on_deadline(uv_timer_t *timer)
{
	struct worker *w = timer->data;

	for_all_sessions(w, session_stop);
	(void)uv_timer_start(timer, on_deadline, LAST_STOP_MS, 0);
	look_for_end(w);
}

static void begin_drain(struct worker *w)
{
	w->is_draining = true;
	w->host.is_draining = true;
	(void)uv_timer_stop(&w->pause);
	leave_listeners(w, NULL);
	for_all_sessions(w, session_drain);
}

/* Told again, it has another deadline. */
static void drain(struct worker *w, uint32_t drain_ms)
{
	if (w->is_over)
		return;
	if (!w->is_draining)
		begin_drain(w);
	(void)uv_timer_start(&w->deadline, on_deadline, drain_ms, 0);
	look_for_end(w);
}

static void adopt_all(struct worker *w, struct generation *wanted)
{
	struct generation *next;

	for (struct generation *g = wanted; g != NULL; g = next) {
		next = g->next;
		g->next = NULL;
		if (w->is_draining)
			generation_free(g);
		else
			adopt(w, g);
	}
}

static void on_bell(uv_async_t *bell)
{
	struct worker *w = bell->data;
	struct generation *wanted;
	bool wants_drain;
	uint32_t drain_ms;

	(void)pthread_mutex_lock(&w->lock);
	wanted = w->wanted;
	w->wanted = NULL;
	wants_drain = w->wants_drain;
	w->wants_drain = false;
	drain_ms = w->drain_ms;
	(void)pthread_mutex_unlock(&w->lock);
	(void)atomic_fetch_add_explicit(&w->turns, 1, memory_order_relaxed);
	adopt_all(w, wanted);
	if (wants_drain)
		drain(w, drain_ms);
}

/* ---- the closer */

static void on_closer(void *context)
{
	struct worker *w = context;
	struct lw_closed done[CLOSED_AT_ONCE];
	size_t n;

	while (lw_closer_run(w->host.closer, done, CLOSED_AT_ONCE, &n) == LW_OK)
		for (size_t i = 0; i < n; i++)
			session_closed(&done[i]);
}

/* ---- life */

static void on_handle(uv_handle_t *handle, void *context)
{
	(void)context;
	if (!uv_is_closing(handle))
		uv_close(handle, NULL);
}

/* Its memory is the worker's. */
static void on_closer_gone(void *context)
{
	(void)context;
}

static void look_for_end(struct worker *w)
{
	if (!w->is_draining || w->is_leaving || w->host.count > 0 || w->is_over)
		return;
	w->is_over = true;
	uv_close((uv_handle_t *)&w->bell, NULL);
	uv_close((uv_handle_t *)&w->pause, NULL);
	uv_close((uv_handle_t *)&w->deadline, NULL);
	if (!watch_end(&w->closer_watch, on_closer_gone))
		on_closer_gone(w);
	poller_free(w->host.scratch.poller);
	w->host.scratch.poller = NULL;
	uv_stop(&w->loop); /* look-ups may be under way, whose answers nobody waits for */
}

static void *run(void *context)
{
	struct worker *w = context;

	begin_listeners(w);
	(void)uv_run(&w->loop, UV_RUN_DEFAULT);
	w->options.drained(w->options.context);
	return NULL;
}

static bool init_loop(struct worker *w)
{
	if (uv_loop_init(&w->loop) != 0)
		return false;
	if (uv_async_init(&w->loop, &w->bell, on_bell) != 0) {
		(void)uv_loop_close(&w->loop);
		return false;
	}
	(void)uv_timer_init(&w->loop, &w->pause);
	(void)uv_timer_init(&w->loop, &w->deadline);
	w->bell.data = w->pause.data = w->deadline.data = w;
	return true;
}

static void count_handle(uv_handle_t *handle, void *context)
{
	(void)handle;
	(*(size_t *)context)++;
}

/* Lets all handles go, without waiting for look-ups of names. */
static void empty_loop(struct worker *w)
{
	size_t handles;

	uv_walk(&w->loop, on_handle, NULL);
	do {
		(void)uv_run(&w->loop, UV_RUN_NOWAIT); /* and look-ups that were cancelled */
		handles = 0;
		uv_walk(&w->loop, count_handle, &handles);
	} while (handles > 0);
}

/* False: a look-up is under way, and keeps the loop it belongs to. */
static bool free_worker(struct worker *w)
{
	struct generation *current = w->current;

	w->current = NULL;
	drop_older(w);
	if (current != NULL)
		generation_free(current);
	poller_free(w->host.scratch.poller);
	empty_loop(w);
	lw_closer_free(w->host.closer);
	free(w->host.scratch.bytes);
	(void)pthread_mutex_destroy(&w->lock);
	if (uv_loop_close(&w->loop) != 0)
		return false;
	free(w);
	return true;
}

static bool init_host(struct worker *w)
{
	w->host.loop = &w->loop;
	w->host.metrics = &w->metrics;
	w->host.log = w->options.log;
	w->host.pool_of = pool_of;
	w->host.over = on_session_over;
	w->host.scratch.bytes = malloc(SCRATCH_BYTES);
	w->host.scratch.cap = SCRATCH_BYTES;
	w->host.scratch.poller = poller_new(&w->loop);
	w->host.closer = lw_closer_new(NULL);
	w->current = generation_new(w->options.setup);
	watch_init(&w->closer_watch, on_closer, w);
	return w->host.scratch.bytes != NULL && w->host.scratch.poller != NULL &&
	       w->host.closer != NULL && w->current != NULL &&
	       watch_set(&w->closer_watch, &w->loop, lw_closer_fd(w->host.closer),
	                 LW_EVENT_READABLE, false);
}

struct worker *worker_start(const struct worker_options *o, struct failure *f)
{
	struct worker *w = calloc(1, sizeof *w);

	if (w == NULL || (w->options = *o, !init_loop(w))) {
		failure_set(f, "cannot start worker %u: out of memory or descriptors", o->index);
		free(w);
		return NULL;
	}
	(void)pthread_mutex_init(&w->lock, NULL);
	if (init_host(w) && pthread_create(&w->thread, NULL, run, w) == 0)
		return w;
	failure_set(f, "cannot start worker %u: out of memory, descriptors or threads", o->index);
	(void)free_worker(w); /* nothing was looked up yet */
	return NULL;
}

void worker_adopt(struct worker *w, struct setup *setup)
{
	struct generation *g = generation_new(setup), **at = &w->wanted;

	if (g == NULL) {
		log_event(w->options.log, "failed", "reason",
		          "a worker keeps the old configuration: out of memory", NULL);
		return;
	}
	(void)pthread_mutex_lock(&w->lock);
	while (*at != NULL)
		at = &(*at)->next;
	*at = g;
	(void)pthread_mutex_unlock(&w->lock);
	(void)uv_async_send(&w->bell);
}

void worker_drain(struct worker *w, uint32_t drain_ms)
{
	(void)pthread_mutex_lock(&w->lock);
	w->wants_drain = true;
	w->drain_ms = drain_ms;
	(void)pthread_mutex_unlock(&w->lock);
	(void)uv_async_send(&w->bell);
}

const struct metrics *worker_metrics(const struct worker *w)
{
	return &w->metrics;
}

bool worker_is_alive(struct worker *w)
{
	uint64_t turns = atomic_load_explicit(&w->turns, memory_order_relaxed);
	bool is_alive = !w->is_asked || turns != w->turns_seen;

	w->turns_seen = turns;
	w->is_asked = true;
	(void)uv_async_send(&w->bell);
	return is_alive;
}

bool worker_join(struct worker *w)
{
	(void)pthread_join(w->thread, NULL);
	return free_worker(w);
}
