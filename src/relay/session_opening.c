/* session_opening: what a session waits for until both its legs stand: one descriptor, one
 * deadline, the pool.  Invariant: whatever is freed, no callback comes to a session that is gone.
 */
#include "relay/session_inside.h"

#include <stddef.h>
#include <stdlib.h>

/* ---- waiting */

uint64_t session_now_ms(void)
{
	return uv_hrtime() / 1000000;
}

static void on_ready(struct polled *polled, unsigned events)
{
	struct opening_state *o = (void *)((char *)polled - offsetof(struct opening_state, polled));

	(void)events;
	session_go_on(o->session);
}

void session_unwatch(struct session *s)
{
	poller_leave(s->host->scratch.poller, &s->opening->polled);
}

static bool watch_for(struct session *s, int fd, unsigned events)
{
	struct polled *polled = &s->opening->polled;

	if (polled->fd != fd)
		session_unwatch(s);
	polled->fd = fd;
	return fd < 0 || poller_set(s->host->scratch.poller, polled, events);
}

static void on_timer(uv_timer_t *timer)
{
	struct session *s = timer->data;

	if (s != NULL)
		session_go_on(s);
}

/* The timer is left alone where it fires early enough: an early one only looks again. */
enum step session_wait(struct session *s, int fd, unsigned events)
{
	struct opening_state *o = s->opening;
	uint64_t now = session_now_ms();

	if (!watch_for(s, fd, events))
		return session_fail(s, OUTCOME_FAILED, "out of memory or descriptors");
	if (!uv_is_active((uv_handle_t *)&o->timer) || o->until_ms < o->timer_ms) {
		uv_update_time(s->host->loop);
		o->timer_ms = o->until_ms;
		(void)uv_timer_start(&o->timer, on_timer, o->until_ms > now ? o->until_ms - now : 0,
		                     0);
	}
	return STEP_WAIT;
}

void session_wait_for_pool(struct session *s, bool waits)
{
	struct opening_state *o = s->opening;

	if (!waits && o->is_waiting_for_pool)
		pool_forget(o->pool, &o->wait);
	o->is_waiting_for_pool = waits;
}

void session_wake(void *context)
{
	struct session *s = context;

	s->opening->is_waiting_for_pool = false;
	session_go_on(s);
}

/* ---- the opening */

static void on_timer_gone(uv_handle_t *handle)
{
	free((char *)handle - offsetof(struct opening_state, timer));
}

void session_free_opening(struct session *s)
{
	struct opening_state *o = s->opening;

	if (o == NULL)
		return;
	session_unwatch(s);
	session_wait_for_pool(s, false);
	dial_end(&o->dial);
	if (o->has_choice)
		pool_list_free(o->choice.list);
	free(o->dialogues);
	s->opening = NULL;
	o->timer.data = NULL;
	uv_close((uv_handle_t *)&o->timer, on_timer_gone);
}

bool session_begin_opening(struct session *s)
{
	struct opening_state *o = calloc(1, sizeof *o);

	s->opening = o;
	if (o == NULL || uv_timer_init(s->host->loop, &o->timer) != 0) {
		s->opening = NULL;
		free(o);
		return false;
	}
	o->timer.data = s;
	o->session = s;
	polled_init(&o->polled, -1, on_ready);
	o->dial.fd = -1;
	o->until_ms = session_now_ms() + session_service(s)->busy_timeout_ms;
	return true;
}

bool session_has_dialogues(struct session *s)
{
	struct opening_state *o = s->opening;

	if (o->dialogues != NULL)
		return true;
	o->dialogues = calloc(1, sizeof *o->dialogues);
	if (o->dialogues == NULL)
		return false;
	proxy_reader_begin(&o->dialogues->proxy);
	return true;
}
