/* worker: see worker.h.  It must not know what a session does; how connections come in is in
 * worker_listen.c.  What other threads want is left under a lock and taken by the loop; all else
 * belongs to the worker's thread.
 */
#include "relay/worker_inside.h"

#include <stddef.h>
#include <stdlib.h>

enum {
	SCRATCH_BYTES = 256 * 1024,
	LAST_STOP_MS = 3000, /* from the drain deadline's stop to the last */
	CLOSED_AT_ONCE = 64
};

static void look_for_end(struct worker *w);

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
	worker_look_for_room(w);
	look_for_end(w);
}

/* ---- messages */

static void adopt(struct worker *w, struct generation *g)
{
	worker_leave_listeners(w, g->setup); /* with the setup they belong to */
	w->current->next = w->older;
	w->older = w->current;
	w->current = g;
	worker_begin_listeners(w);
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
	worker_leave_listeners(w, NULL);
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

	worker_begin_listeners(w);
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
