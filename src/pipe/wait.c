/* wait: see wait.h.  Invariant: no handle of a wait is left on the loop when it returns; a look-up
 * that outlives its wait owns its own memory.
 */
#include "pipe/wait.h"

#include <stdlib.h>

#include "pipe/watch.h"

struct waiting {
	bool is_ready, is_expired;
	unsigned open;
	struct watch watch;
	uv_timer_t timer;
};

struct lookup {
	uv_getaddrinfo_t request;
	struct addrinfo *list;
	int error;
	bool is_done, is_abandoned;
};

uint64_t wait_now_ms(void)
{
	return uv_hrtime() / 1000000;
}

static void on_ready(void *context)
{
	((struct waiting *)context)->is_ready = true;
}

static void on_timer(uv_timer_t *timer)
{
	((struct waiting *)timer->data)->is_expired = true;
	/* libuv up to 1.44 runs timers first and then polls, for ever if none is left. */
	uv_stop(timer->loop);
}

static void on_gone(void *context)
{
	((struct waiting *)context)->open--;
}

static void on_timer_closed(uv_handle_t *handle)
{
	on_gone(handle->data);
}

static void begin(struct waiting *w, uv_loop_t *loop, uint64_t until_ms)
{
	uint64_t now = wait_now_ms();

	*w = (struct waiting){ .open = 1 };
	watch_init(&w->watch, on_ready, w);
	(void)uv_timer_init(loop, &w->timer);
	w->timer.data = w;
	uv_update_time(loop);
	if (until_ms != WAIT_FOR_EVER)
		(void)uv_timer_start(&w->timer, on_timer, until_ms > now ? until_ms - now : 0, 0);
}

static void end(struct waiting *w, uv_loop_t *loop)
{
	w->open += watch_end(&w->watch, on_gone);
	uv_close((uv_handle_t *)&w->timer, on_timer_closed);
	while (w->open > 0)
		(void)uv_run(loop, UV_RUN_NOWAIT);
}

static enum wait_result result_of(const struct waiting *w, const bool *interrupted)
{
	if (*interrupted)
		return WAIT_INTERRUPTED;
	return w->is_ready ? WAIT_READY : WAIT_EXPIRED;
}

enum wait_result wait_descriptor(uv_loop_t *loop, int fd, unsigned events, uint64_t until_ms,
                                 const bool *interrupted)
{
	struct waiting w;
	bool is_set;

	begin(&w, loop, until_ms);
	is_set = watch_set(&w.watch, loop, fd, events, false);
	while (is_set && !w.is_ready && !w.is_expired && !*interrupted)
		(void)uv_run(loop, UV_RUN_ONCE);
	end(&w, loop);
	return is_set ? result_of(&w, interrupted) : WAIT_FAILED;
}

static void on_lookup(uv_getaddrinfo_t *request, int status, struct addrinfo *list)
{
	struct lookup *l = request->data;

	(void)status;
	l->list = list;
	l->error = request->retcode;
	l->is_done = true;
	if (!l->is_abandoned)
		return;
	uv_freeaddrinfo(list);
	free(l);
}

int wait_lookup_error(int uv_error)
{
	switch (uv_error) {
	case 0:
		return 0;
	case UV_EAI_AGAIN:
	case UV_EAI_CANCELED:
		return EAI_AGAIN;
	case UV_EAI_MEMORY:
	case UV_ENOMEM:
		return EAI_MEMORY;
	case UV_EAI_FAIL:
		return EAI_FAIL;
	default:
		return EAI_NONAME;
	}
}

enum wait_result wait_lookup(uv_loop_t *loop, const char *host, const char *port,
                             const struct addrinfo *hints, uint64_t until_ms,
                             const bool *interrupted, struct addrinfo **list, int *error)
{
	struct lookup *l = calloc(1, sizeof *l);
	struct waiting w;

	*list = NULL;
	*error = EAI_MEMORY;
	if (l == NULL)
		return WAIT_READY;
	l->request.data = l;
	if (uv_getaddrinfo(loop, &l->request, on_lookup, host, port, hints) != 0) {
		free(l);
		return WAIT_READY;
	}
	begin(&w, loop, until_ms);
	while (!l->is_done && !w.is_expired && !*interrupted)
		(void)uv_run(loop, UV_RUN_ONCE);
	end(&w, loop);
	w.is_ready = l->is_done;
	if (!l->is_done) {
		l->is_abandoned = true;
		(void)uv_cancel((uv_req_t *)&l->request);
		return result_of(&w, interrupted);
	}
	*list = l->list;
	*error = wait_lookup_error(l->error);
	free(l);
	return WAIT_READY;
}
