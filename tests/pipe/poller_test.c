/* poller: one epoll for many descriptors: who is told what, and who is told nothing any more. */
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "pipe/poller.h"
#include "tests/unit.h"

struct scene {
	uv_loop_t loop;
	struct poller *poller;
};

struct end {
	struct polled polled;
	struct scene *scene;
	int fds[2]; /* ours, theirs */
	unsigned times, events;
	struct end *leaves; /* when it fires */
};

static void on_fire(struct polled *polled, unsigned events)
{
	struct end *e = (struct end *)(void *)polled;

	e->times++;
	e->events = events;
	if (e->leaves != NULL)
		poller_leave(e->scene->poller, &e->leaves->polled);
}

static void open_scene(struct scene *s)
{
	assert_int_equal(uv_loop_init(&s->loop), 0);
	s->poller = poller_new(&s->loop);
	assert_non_null(s->poller);
}

static void close_scene(struct scene *s)
{
	poller_free(s->poller);
	(void)uv_run(&s->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&s->loop), 0);
}

static void open_end(struct scene *s, struct end *e)
{
	*e = (struct end){ .scene = s };
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, e->fds), 0);
	polled_init(&e->polled, e->fds[0], on_fire);
}

static void close_end(struct end *e)
{
	poller_leave(e->scene->poller, &e->polled);
	(void)close(e->fds[0]);
	if (e->fds[1] >= 0)
		(void)close(e->fds[1]);
}

static void turn(struct scene *s)
{
	(void)uv_run(&s->loop, UV_RUN_NOWAIT);
}

static void test_only_what_is_asked_is_told(void **state)
{
	struct scene s;
	struct end e;

	(void)state;
	open_scene(&s);
	open_end(&s, &e);
	assert_true(poller_set(s.poller, &e.polled, LW_EVENT_READABLE));
	turn(&s);
	assert_int_equal(e.times, 0);
	assert_int_equal(write(e.fds[1], "a", 1), 1);
	turn(&s);
	assert_int_equal(e.times, 1);
	assert_int_equal(e.events, LW_EVENT_READABLE);
	turn(&s); /* it is still ready */
	assert_int_equal(e.times, 2);
	assert_true(poller_set(s.poller, &e.polled, LW_EVENT_WRITABLE));
	turn(&s);
	assert_int_equal(e.times, 3);
	assert_int_equal(e.events, LW_EVENT_WRITABLE);
	close_end(&e);
	close_scene(&s);
}

static void test_a_hang_up_is_both_and_nothing_where_nothing_is_asked(void **state)
{
	struct scene s;
	struct end e;

	(void)state;
	open_scene(&s);
	open_end(&s, &e);
	assert_true(poller_set(s.poller, &e.polled, LW_EVENT_READABLE));
	(void)close(e.fds[1]);
	e.fds[1] = -1;
	turn(&s);
	assert_int_equal(e.times, 1);
	assert_int_equal(e.events, LW_EVENT_READABLE | LW_EVENT_WRITABLE);
	assert_true(poller_set(s.poller, &e.polled, 0));
	turn(&s);
	assert_int_equal(e.times, 1);
	close_end(&e);
	close_scene(&s);
}

/* Both are ready in one batch: whichever comes first lets the other go. */
static void test_who_has_left_is_not_called(void **state)
{
	struct scene s;
	struct end a, b;

	(void)state;
	open_scene(&s);
	open_end(&s, &a);
	open_end(&s, &b);
	a.leaves = &b;
	b.leaves = &a;
	assert_true(poller_set(s.poller, &a.polled, LW_EVENT_WRITABLE));
	assert_true(poller_set(s.poller, &b.polled, LW_EVENT_WRITABLE));
	turn(&s);
	assert_int_equal(a.times + b.times, 1);
	close_end(&a);
	close_end(&b);
	close_scene(&s);
}

/* More than fit into one batch. */
static void test_everybody_has_a_turn(void **state)
{
	static struct end ends[300];
	struct scene s;

	(void)state;
	open_scene(&s);
	for (size_t i = 0; i < 300; i++) {
		open_end(&s, &ends[i]);
		assert_true(poller_set(s.poller, &ends[i].polled, LW_EVENT_WRITABLE));
	}
	for (int i = 0; i < 10; i++)
		turn(&s);
	for (size_t i = 0; i < 300; i++) {
		assert_true(ends[i].times >= 1);
		close_end(&ends[i]);
	}
	close_scene(&s);
}

/* The next owner of a descriptor, or of another under its number, is told what it asks for. */
static void test_a_number_may_have_another_owner(void **state)
{
	struct scene s;
	struct end e, next;

	(void)state;
	open_scene(&s);
	for (int is_closed = 0; is_closed < 2; is_closed++) {
		open_end(&s, &e);
		open_end(&s, &next);
		assert_true(poller_set(s.poller, &e.polled, LW_EVENT_READABLE));
		assert_false(poller_set(s.poller, &(struct polled){ on_fire, e.fds[0], 0, false },
		                        LW_EVENT_READABLE));
		poller_leave(s.poller, &e.polled);
		if (is_closed)
			assert_int_equal(dup2(next.fds[0], e.fds[0]), e.fds[0]);
		polled_init(&next.polled, e.fds[0], on_fire);
		assert_true(poller_set(s.poller, &next.polled, LW_EVENT_READABLE));
		assert_int_equal(write(is_closed ? next.fds[1] : e.fds[1], "a", 1), 1);
		turn(&s);
		assert_int_equal(e.times, 0);
		assert_int_equal(next.times, 1);
		close_end(&next);
		close_end(&e);
	}
	close_scene(&s);
}

static void never(uv_timer_t *timer)
{
	(void)timer;
}

/* Left and ready, or hung up where nothing is asked: no turn finds it again. */
static void test_what_nobody_waits_for_is_let_go(void **state)
{
	uv_timer_t other; /* the loop turns for somebody else */
	struct scene s;
	struct pollfd loop;

	(void)state;
	open_scene(&s);
	assert_int_equal(uv_timer_init(&s.loop, &other), 0);
	assert_int_equal(uv_timer_start(&other, never, 3600 * 1000, 0), 0);
	for (int hangs_up = 0; hangs_up < 2; hangs_up++) {
		struct end e;

		open_end(&s, &e);
		assert_true(poller_set(s.poller, &e.polled, LW_EVENT_WRITABLE));
		if (hangs_up) {
			assert_true(poller_set(s.poller, &e.polled, 0));
			(void)close(e.fds[1]);
			e.fds[1] = -1;
		} else {
			poller_leave(s.poller, &e.polled);
		}
		turn(&s);
		loop = (struct pollfd){ .fd = uv_backend_fd(&s.loop), .events = POLLIN };
		assert_int_equal(poll(&loop, 1, 0), 0);
		assert_int_equal(e.times, 0);
		assert_true(poller_set(s.poller, &e.polled, LW_EVENT_WRITABLE)); /* again */
		turn(&s);
		assert_int_equal(e.times, 1);
		close_end(&e);
	}
	uv_close((uv_handle_t *)&other, NULL);
	close_scene(&s);
}

static void on_time(uv_timer_t *timer)
{
	struct end *e = timer->data;

	assert_int_equal(write(e->fds[1], "a", 1), 1);
	uv_close((uv_handle_t *)timer, NULL);
}

static void leave(struct polled *polled, unsigned events)
{
	struct end *e = (struct end *)(void *)polled;

	(void)events;
	e->times++;
	poller_leave(e->scene->poller, polled);
}

/* The loop turns for as long as somebody waits, and no longer. */
static void test_the_loop_stays_for_who_waits(void **state)
{
	uv_timer_t timer;
	struct scene s;
	struct end e;

	(void)state;
	open_scene(&s);
	assert_int_equal(uv_run(&s.loop, UV_RUN_DEFAULT), 0);
	open_end(&s, &e);
	polled_init(&e.polled, e.fds[0], leave);
	assert_int_equal(uv_timer_init(&s.loop, &timer), 0);
	timer.data = &e;
	assert_int_equal(uv_timer_start(&timer, on_time, 1, 0), 0);
	assert_true(poller_set(s.poller, &e.polled, LW_EVENT_READABLE));
	assert_int_equal(uv_run(&s.loop, UV_RUN_DEFAULT), 0);
	assert_int_equal(e.times, 1);
	close_end(&e);
	close_scene(&s);
}

static void test_what_cannot_be_watched_is_refused(void **state)
{
	struct scene s;
	struct end e;
	struct polled other;

	(void)state;
	open_scene(&s);
	open_end(&s, &e);
	polled_init(&other, e.fds[0], on_fire);
	assert_true(poller_set(s.poller, &e.polled, LW_EVENT_READABLE));
	assert_false(poller_set(s.poller, &other, LW_EVENT_READABLE)); /* it is in there already */
	poller_leave(s.poller, &other);                                /* and stays */
	assert_int_equal(write(e.fds[1], "a", 1), 1);
	turn(&s);
	assert_int_equal(e.times, 1);
	close_end(&e);
	close_scene(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_only_what_is_asked_is_told),
		cmocka_unit_test(test_a_hang_up_is_both_and_nothing_where_nothing_is_asked),
		cmocka_unit_test(test_who_has_left_is_not_called),
		cmocka_unit_test(test_everybody_has_a_turn),
		cmocka_unit_test(test_a_number_may_have_another_owner),
		cmocka_unit_test(test_what_nobody_waits_for_is_let_go),
		cmocka_unit_test(test_the_loop_stays_for_who_waits),
		cmocka_unit_test(test_what_cannot_be_watched_is_refused),
	};

	return run_cases(tests);
}
