/*
 * closer: many leavers, one epoll descriptor and one timer within it.
 *
 * All deadlines are equally long, so that the order of adding is the order of
 * deadlines and a list is enough.  Adding threads and the running one meet under
 * the lock only: an adding thread builds its leaver alone, a running one touches
 * none that is being built.  The timer is the bell as well: it rings, and the
 * descriptor stays readable, for whatever the next run must look at.
 *
 * It decides nothing about a connection.
 */
#include "stream/leaver.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define EVENTS_MAX 64
#define ROUNDS_MAX 64 /* of one run, so that it comes to an end under load */

struct list {
	struct lw_leaver *first;
	struct lw_leaver *last;
};

struct lw_closer {
	struct lw_closer_options options;
	pid_t pid;
	int epoll;
	int timer;
	pthread_mutex_t lock; /* for what follows up to the blank line */
	struct list added;    /* and not yet seen by the runner */
	size_t count;
	bool timer_is_set; /* or has rung and was not read */

	struct list waiting; /* the runner's, in the order of deadlines */
	struct list over;    /* and not told, for want of room */
};

void lw_closer_options_default(struct lw_closer_options *options)
{
	*options = (struct lw_closer_options){ .deadline_ms = LW_DEFAULT_CLOSER_DEADLINE_MS,
		                               .drain_bytes = LW_DEFAULT_DRAIN_BYTES };
}

/* Lists */

static void append(struct list *list, struct lw_leaver *l)
{
	l->next = NULL;
	l->previous = list->last;
	if (list->last)
		list->last->next = l;
	else
		list->first = l;
	list->last = l;
}

static void take_out(struct list *list, struct lw_leaver *l)
{
	if (l->previous)
		l->previous->next = l->next;
	else
		list->first = l->next;
	if (l->next)
		l->next->previous = l->previous;
	else
		list->last = l->previous;
}

/* Time */

static uint64_t now_ms(const struct lw_closer *c)
{
	struct timespec t;

	if (c->options.now_ms)
		return c->options.now_ms(c->options.context);
	if (clock_gettime(CLOCK_MONOTONIC, &t) != 0)
		return 0;
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* `at_ms` 0: at once. */
static void set_timer(struct lw_closer *c, uint64_t at_ms)
{
	struct itimerspec when = { .it_value = { .tv_sec = (time_t)(at_ms / 1000),
		                                 .tv_nsec = (long)(at_ms % 1000) * 1000000 } };

	if (at_ms == 0)
		when.it_value.tv_nsec = 1;
	c->timer_is_set = true;
	(void)timerfd_settime(c->timer, TFD_TIMER_ABSTIME, &when, NULL);
}

static void stop_timer(struct lw_closer *c)
{
	const struct itimerspec never = { .it_value = { 0 } };

	c->timer_is_set = false;
	(void)timerfd_settime(c->timer, 0, &never, NULL);
}

/* A deadline of the application's own clock is nothing that a timer could know. */
static void set_timer_for(struct lw_closer *c, const struct lw_leaver *l)
{
	if (lw_leaver_is_over(l))
		set_timer(c, 0);
	else if (!c->timer_is_set && !c->options.now_ms && l->deadline_ms != UINT64_MAX)
		set_timer(c, l->deadline_ms);
}

static uint64_t deadline_from(const struct lw_closer *c, uint64_t now)
{
	return c->options.deadline_ms == LW_NO_TIMEOUT ? UINT64_MAX : now + c->options.deadline_ms;
}

/* Watching */

static uint32_t epoll_events(unsigned events)
{
	uint32_t asked = 0;

	if (events & LW_EVENT_READABLE)
		asked |= EPOLLIN | EPOLLRDHUP;
	if (events & LW_EVENT_WRITABLE)
		asked |= EPOLLOUT;
	return asked;
}

static bool watch(struct lw_closer *c, int operation, struct lw_leaver *l, uint32_t events)
{
	struct epoll_event event = { .events = events, .data.ptr = l };

	return epoll_ctl(c->epoll, operation, l->fd, &event) == 0;
}

static void watch_on(struct lw_closer *c, struct lw_leaver *l)
{
	const unsigned events = lw_leaver_events(l);

	if (events == l->watched)
		return;
	l->watched = (uint8_t)events;
	(void)watch(c, EPOLL_CTL_MOD, l, epoll_events(events)); /* the deadline remains */
}

/* A copy of the descriptor, in a forked child, would keep it in the set. */
static void unwatch(struct lw_closer *c, struct lw_leaver *l)
{
	(void)epoll_ctl(c->epoll, EPOLL_CTL_DEL, l->fd, NULL);
}

/* Making and freeing */

static bool is_forked(const struct lw_closer *c)
{
	return c->pid != getpid();
}

static bool open_descriptors(struct lw_closer *c)
{
	struct epoll_event bell = { .events = EPOLLIN, .data.ptr = NULL };

	c->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (c->epoll < 0)
		return false;
	c->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	return c->timer >= 0 && epoll_ctl(c->epoll, EPOLL_CTL_ADD, c->timer, &bell) == 0;
}

struct lw_closer *lw_closer_new(const struct lw_closer_options *options)
{
	struct lw_closer *c = calloc(1, sizeof *c);
	int error;

	if (!c)
		return NULL;
	c->epoll = c->timer = -1;
	c->pid = getpid();
	lw_closer_options_default(&c->options);
	if (options)
		c->options = *options;
	error = pthread_mutex_init(&c->lock, NULL);
	if (error == 0) {
		if (open_descriptors(c))
			return c;
		error = errno;
		(void)pthread_mutex_destroy(&c->lock);
	}
	if (c->epoll >= 0)
		(void)close(c->epoll);
	if (c->timer >= 0)
		(void)close(c->timer);
	free(c);
	errno = error;
	return NULL;
}

static void free_all(struct lw_closer *c, struct list *list, bool forked)
{
	while (list->first) {
		struct lw_leaver *l = list->first;

		take_out(list, l);
		if (!forked) {
			unwatch(c, l);
			if (!lw_leaver_is_over(l))
				lw_leaver_expire(l);
		}
		lw_leaver_free(l);
	}
}

void lw_closer_free(struct lw_closer *c)
{
	bool forked;

	if (!c)
		return;
	forked = is_forked(c);
	free_all(c, &c->added, forked);
	free_all(c, &c->waiting, forked);
	free_all(c, &c->over, forked);
	(void)close(c->epoll);
	(void)close(c->timer);
	(void)pthread_mutex_destroy(&c->lock);
	free(c);
}

int lw_closer_fd(const struct lw_closer *c)
{
	return c->epoll;
}

size_t lw_closer_count(struct lw_closer *c)
{
	size_t count;

	if (is_forked(c))
		return 0;
	(void)pthread_mutex_lock(&c->lock);
	count = c->count;
	(void)pthread_mutex_unlock(&c->lock);
	return count;
}

/* Adding */

static const char *refusal(const struct lw_closer *c, struct lw_stream *s)
{
	const char *why;

	if (is_forked(c))
		return "this is a forked child: the closer is its parent's";
	why = lw_leaver_refusal(s, c->options.verifies);
	return why || !c->options.verifies ? why : lw_leaver_key_refusal(s);
}

/* From here on the runner may see it. */
static void hand_over(struct lw_closer *c, struct lw_leaver *l)
{
	(void)pthread_mutex_lock(&c->lock);
	l->building = false;
	l->deadline_ms = deadline_from(c, now_ms(c));
	append(&c->added, l);
	c->count++;
	if (l->missed)
		l->watched = 0;
	if (!lw_leaver_is_over(l))
		watch_on(c, l);
	set_timer_for(c, l);
	(void)pthread_mutex_unlock(&c->lock);
}

enum lw_status lw_closer_add(struct lw_closer *c, struct lw_stream *s, void *tag, const char **why)
{
	const char *unused;
	struct lw_leaver *l;

	if (!why)
		why = &unused;
	*why = refusal(c, s);
	if (*why)
		return LW_UNSUPPORTED;
	*why = "out of memory";
	l = lw_leaver_new(s, tag, c->options.verifies, c->options.drain_bytes);
	if (!l)
		return LW_ERROR;
	*why = "the system refuses to watch the descriptor";
	l->building = true;
	l->watched = LW_EVENT_READABLE;
	if (!watch(c, EPOLL_CTL_ADD, l, epoll_events(l->watched))) {
		free(l);
		return LW_ERROR;
	}
	*why = NULL;
	lw_leaver_begin(l);
	hand_over(c, l);
	return LW_OK;
}

/* Running */

struct batch {
	struct lw_closed *done;
	size_t cap;
	size_t n;
	bool rang; /* the bell was seen to ring */
};

static void tell(struct batch *b, struct lw_leaver *l)
{
	b->done[b->n].tag = l->tag;
	lw_leaver_verdict(l, &b->done[b->n].verdict);
	b->n++;
	lw_leaver_free(l);
}

/* It is over: told now if there is room, else by a later run. */
static void part_with(struct lw_closer *c, struct batch *b, struct lw_leaver *l)
{
	take_out(&c->waiting, l);
	unwatch(c, l);
	if (b->n < b->cap)
		tell(b, l);
	else
		append(&c->over, l);
}

/*
 * Under the lock: takes in what was added.  A leaver that is still being built is watched no
 * more until its thread is done with it, and its event is dropped.
 */
static void take_in(struct lw_closer *c, struct epoll_event *events, int count)
{
	(void)pthread_mutex_lock(&c->lock);
	while (c->added.first) {
		struct lw_leaver *l = c->added.first;

		take_out(&c->added, l);
		if (lw_leaver_is_over(l))
			unwatch(c, l);
		append(lw_leaver_is_over(l) ? &c->over : &c->waiting, l);
	}
	for (int i = 0; i < count; i++) {
		struct lw_leaver *l = events[i].data.ptr;

		if (!l || !l->building)
			continue;
		l->missed = true;
		(void)watch(c, EPOLL_CTL_MOD, l, EPOLLONESHOT);
		events[i].events = 0;
	}
	(void)pthread_mutex_unlock(&c->lock);
}

static void look_at(struct lw_closer *c, struct batch *b, const struct epoll_event *event)
{
	struct lw_leaver *l = event->data.ptr;

	if (!l) {
		b->rang = true;
		return;
	}
	if (event->events == 0 || lw_leaver_is_over(l)) /* being built; over when it was added */
		return;
	lw_leaver_go_on(l, event->events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR));
	if (lw_leaver_is_over(l))
		part_with(c, b, l);
	else
		watch_on(c, l);
}

/* One look at the descriptors; false: there is no more to see, or no room for it. */
static bool go_round(struct lw_closer *c, struct batch *b)
{
	const size_t room = b->cap - b->n;
	const int asked = room < EVENTS_MAX ? (int)room : EVENTS_MAX;
	struct epoll_event events[EVENTS_MAX];
	int count;

	if (asked == 0)
		return false;
	count = epoll_wait(c->epoll, events, asked, 0);
	take_in(c, events, count);
	for (int i = 0; i < count; i++)
		look_at(c, b, &events[i]);
	return count == asked;
}

static void tell_what_is_over(struct lw_closer *c, struct batch *b)
{
	while (c->over.first && b->n < b->cap) {
		struct lw_leaver *l = c->over.first;

		take_out(&c->over, l);
		tell(b, l);
	}
}

static void part_with_the_due(struct lw_closer *c, struct batch *b)
{
	const uint64_t now = now_ms(c);
	struct lw_leaver *next;

	for (struct lw_leaver *l = c->waiting.first; l && l->deadline_ms <= now && b->n < b->cap;
	     l = next) {
		next = l->next;
		lw_leaver_expire(l);
		part_with(c, b, l);
	}
}

/* Lets the bell ring again when the next run has something to do. */
static void set_bell(struct lw_closer *c, const struct batch *b)
{
	const struct lw_leaver *next = c->waiting.first;

	(void)pthread_mutex_lock(&c->lock);
	c->count -= b->n;
	if (c->over.first || (next && next->deadline_ms <= now_ms(c)) ||
	    (b->rang && c->added.first)) {
		set_timer(c, 0);
	} else if (b->rang) {
		stop_timer(c);
		if (next)
			set_timer_for(c, next);
	}
	(void)pthread_mutex_unlock(&c->lock);
}

enum lw_status lw_closer_run(struct lw_closer *c, struct lw_closed *done, size_t cap, size_t *n)
{
	struct batch b = { .done = done, .cap = cap };

	*n = 0;
	if (is_forked(c))
		return LW_UNSUPPORTED;
	tell_what_is_over(c, &b);
	for (int round = 0; round < ROUNDS_MAX; round++)
		if (!go_round(c, &b))
			break;
	tell_what_is_over(c, &b);
	part_with_the_due(c, &b);
	set_bell(c, &b);
	*n = b.n;
	return b.n > 0 ? LW_OK : LW_AGAIN;
}
