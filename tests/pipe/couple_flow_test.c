/* couple_flow_test: what a couple does besides passing endings on: every byte arrives, memory is
 * bounded while a peer is slow, and nothing is lost before an abort that could still arrive.
 */
#include "tests/pipe/couple_scene.h"

#include "tests/unit.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "adversary/loopback.h"
#include "pipe/couple_inside.h"

enum { LONG = 3 * 1000 * 1000 };

/* ---- peers that most scenes need */

/* ---- every byte */

/* From a plain client to a TLS server and back, with a scratch of any size. */
static void carry_both_ways(size_t scratch_bytes, enum lw_version version)
{
	static const struct adversary_step says[] = { STEP_DATA(LONG), STEP_WAIT_DATA(LONG),
		                                      STEP_GO, STEP_END };
	const struct leg_plan client = { .kind = HALF_TCP, .plain = scene_obeys };
	const struct leg_plan server = { .kind = HALF_TLS,
		                         .version = version,
		                         .tls = { .steps = says } };
	struct scene s;
	size_t sent = 0;

	scene_open(&s, &client, &server);
	s.scratch_bytes = scratch_bytes;
	scene_start(&s);
	while (sent < LONG || s.front.got < LONG ||
	       adversary_subject(s.back.adversary)->data_bytes < LONG) {
		sent = scene_feed(s.front.theirs, sent, LONG);
		scene_turn(&s);
		assert_true(s.couple->up.rest_end - s.couple->up.rest_begin <= scratch_bytes);
		assert_true(s.couple->down.rest_end - s.couple->down.rest_begin <= scratch_bytes);
	}
	assert_null(s.couple->up.rest);
	assert_null(s.couple->down.rest);
	(void)shutdown(s.front.theirs, SHUT_WR);
	if (version == LW_VERSION_TLS1_2) /* which holds the end */
		couple_stop(s.couple);
	scene_run(&s);
	assert_int_equal(s.front.got, LONG);
	assert_false(s.front.differs);
	assert_int_equal(scene_heard(&s.back), LONG);
	assert_false(adversary_subject(s.back.adversary)->data_differs);
	assert_int_equal(s.report.up.moved, LONG);
	assert_int_equal(s.report.down.moved, LONG);
	assert_int_equal(s.report.down.lost, 0);
	scene_close(&s);
}

static void test_every_byte_both_ways(void **state)
{
	(void)state;
	carry_both_ways(64 * 1024, LW_VERSION_TLS1_3);
	carry_both_ways(64 * 1024, LW_VERSION_TLS1_2);
	carry_both_ways(256 * 1024, LW_VERSION_TLS1_3);
}

/* A record does not fit: what is left of it makes no descriptor ready. */
static void test_every_byte_through_a_small_scratch(void **state)
{
	(void)state;
	carry_both_ways(1000, LW_VERSION_TLS1_3);
	carry_both_ways(16 * 1024, LW_VERSION_TLS1_3);
	carry_both_ways(20 * 1000, LW_VERSION_TLS1_2);
}

/* ---- slow peers */

static void test_a_slow_sink_stops_its_source(void **state)
{
	const struct leg_plan client = { .kind = HALF_TCP, .plain = scene_obeys, .is_deaf = true };
	const struct leg_plan server = { .kind = HALF_TCP, .plain = scene_obeys };
	struct scene s;
	size_t sent = 0;
	int quiet = 0;

	(void)state;
	scene_open(&s, &client, &server);
	scene_start(&s);
	while (quiet < 20) {
		size_t before = sent;

		sent = scene_feed(s.back.theirs, sent, SIZE_MAX);
		quiet = sent > before ? 0 : quiet + 1;
		scene_turn(&s);
		assert_true(sent < 100u << 20);
		assert_true(s.couple->down.rest_end <= s.scratch.cap);
	}
	assert_int_equal(s.couple->back.polled.set, 0); /* it is not even watched */
	s.front.is_deaf = false;
	while (s.front.got < sent)
		scene_turn(&s);
	assert_null(s.couple->down.rest);
	(void)shutdown(s.back.theirs, SHUT_WR);
	scene_run(&s);
	assert_false(s.front.differs);
	assert_int_equal(s.report.down.moved, sent);
	assert_int_equal(s.report.cause, COUPLE_BOTH_ENDED);
	scene_close(&s);
}

/* Both sides speak and hear nothing for a while; then they do. */
static void test_two_deaf_peers_that_speak(void **state)
{
	enum { MUCH = 1000 * 1000, BUFFER = 64 * 1024 };
	static const struct adversary_step speaks[] = {
		STEP_STOP_READING,    STEP_DATA(MUCH), STEP_SILENCE, STEP_READ_ON,
		STEP_WAIT_DATA(MUCH), STEP_GO,         STEP_END
	};
	const struct leg_plan peer = { .kind = HALF_TLS,
		                       .version = LW_VERSION_TLS1_3,
		                       .tls = { .steps = speaks },
		                       .receive_buffer = BUFFER,
		                       .our_buffers = BUFFER };
	struct scene s;

	(void)state;
	scene_open(&s, &peer, &peer);
	scene_start(&s);
	while (!adversary_is_idle(s.front.adversary) || !adversary_is_idle(s.back.adversary) ||
	       !is_waiting(&s.couple->up) || !is_waiting(&s.couple->down))
		scene_turn(&s);
	adversary_resume(s.front.adversary);
	adversary_resume(s.back.adversary);
	while (s.couple->up.moved < MUCH || s.couple->down.moved < MUCH)
		scene_turn(&s);
	couple_stop(s.couple);
	scene_run(&s);
	assert_int_equal(scene_heard(&s.front), MUCH);
	assert_int_equal(scene_heard(&s.back), MUCH);
	assert_false(adversary_subject(s.front.adversary)->data_differs);
	scene_close(&s);
}

/* More than a deaf client's system takes, and no more than ours holds for it: the couple gets to
 * the source's end. */
static void stuff_and_reset(struct scene *s)
{
	enum { MUCH = 600 * 1000 };

	assert_int_equal(scene_feed(s->back.theirs, 0, MUCH), MUCH);
	while (s->couple->down.moved < MUCH)
		scene_turn(s);
	scene_reset_peer(&s->back);
	while (s->couple->cause == COUPLE_RUNS)
		scene_turn(s);
}

/* The RST would destroy what the peer's system has not taken yet; so it waits. */
static void test_a_reset_waits_for_what_came_before(void **state)
{
	const struct leg_plan client = { .kind = HALF_TCP,
		                         .plain = scene_obeys,
		                         .is_deaf = true,
		                         .receive_buffer = 128 * 1024 };
	const struct leg_plan server = { .kind = HALF_TCP, .plain = scene_obeys };
	struct scene s;

	(void)state;
	scene_open(&s, &client, &server);
	scene_start(&s);
	stuff_and_reset(&s);
	for (int i = 0; i < 20; i++)
		scene_turn(&s);
	assert_false(s.is_over);
	s.front.is_deaf = false;
	scene_run(&s);
	assert_true(s.front.saw_reset);
	assert_false(s.front.differs);
	assert_int_equal(s.front.got, s.report.down.moved);
	assert_int_equal(s.report.down.lost, 0);
	assert_true(s.report.down.was_aborted);
	assert_int_equal(s.report.down.ending, HALF_TCP_RESET);
	assert_int_equal(s.report.cause, COUPLE_SOURCE_CUT);
	scene_close(&s);
}

/* And no longer than the deadline; what may be lost is told. */
static void test_a_deaf_peer_is_reset_at_the_deadline(void **state)
{
	const struct leg_plan client = { .kind = HALF_TCP,
		                         .plain = scene_obeys,
		                         .is_deaf = true,
		                         .receive_buffer = 128 * 1024 };
	const struct leg_plan server = { .kind = HALF_TCP, .plain = scene_obeys };
	struct scene s;

	(void)state;
	scene_open(&s, &client, &server);
	scene_start(&s);
	stuff_and_reset(&s);
	scene_pass_deadline(&s);
	scene_run(&s);
	assert_true(s.front.saw_reset);
	assert_false(s.front.saw_end);
	assert_true(s.report.down.lost > 0);
	assert_true(s.front.got + s.report.down.lost >= s.report.down.moved);
	assert_true(s.report.down.was_aborted);
	scene_close(&s);
}

/* Nobody is left who could acknowledge. */
static void test_a_peer_that_is_gone_is_not_waited_for(void **state)
{
	const struct leg_plan client = { .kind = HALF_TCP,
		                         .plain = scene_obeys,
		                         .is_deaf = true,
		                         .receive_buffer = 128 * 1024 };
	const struct leg_plan server = { .kind = HALF_TCP, .plain = scene_obeys };
	struct scene s;

	(void)state;
	scene_open(&s, &client, &server);
	s.options.close_timeout_ms = LW_NO_TIMEOUT;
	scene_start(&s);
	stuff_and_reset(&s);
	scene_reset_peer(&s.front);
	scene_run(&s);
	assert_true(s.report.down.lost > 0);
	scene_close(&s);
}

/* ---- costs */

/* While bytes move, the timer stays as it was armed and no watch changes; idle, no memory is held.
 */
static void test_a_steady_couple_touches_nothing(void **state)
{
	struct scene s;
	uint64_t timer_at_ms;
	int front_set, back_set;

	(void)state;
	scene_open(&s, &scene_asking_client, &scene_plain_server);
	scene_start(&s);
	while (s.back.got < LEN_REQUEST)
		scene_turn(&s);
	timer_at_ms = s.couple->timer_at_ms;
	front_set = s.couple->front.polled.set;
	back_set = s.couple->back.polled.set;
	for (size_t i = 1; i <= 20; i++) {
		assert_int_equal(send(s.back.theirs, "octet", 5, MSG_NOSIGNAL), 5);
		scene_turn_until_heard(&s, 5 * i);
		assert_int_equal(s.couple->timer_at_ms, timer_at_ms);
		assert_int_equal(s.couple->front.polled.set, front_set);
		assert_int_equal(s.couple->back.polled.set, back_set);
		assert_null(s.couple->down.rest);
	}
	couple_stop(s.couple);
	scene_run(&s);
	scene_close(&s);
}

static void test_a_couple_is_small(void **state)
{
	(void)state;
	assert_true(sizeof(struct couple) <= 1024);
}

/* Others on the loop have their turn, however fast a source is. */
static void test_an_event_moves_so_much_and_no_more(void **state)
{
	const struct leg_plan client = { .kind = HALF_TCP, .plain = scene_obeys };
	struct scene s;
	size_t sent;

	(void)state;
	scene_open(&s, &client, &scene_plain_server);
	s.scratch_bytes = 1000;
	scene_start(&s);
	sent = scene_feed(s.back.theirs, 0, SIZE_MAX);
	assert_true(sent > 100 * 1000);
	for (int i = 0; i < 10; i++) {
		uint64_t before = s.couple->down.moved;

		(void)uv_run(&s.loop, UV_RUN_NOWAIT); /* a timer and an event at most */
		assert_true(s.couple->down.moved - before <= 2 * 4 * 1000);
	}
	couple_stop(s.couple);
	scene_run(&s);
	scene_close(&s);
}

static void ignore(struct polled *polled, unsigned events)
{
	(void)polled;
	(void)events;
}

/* Each message puts the idle timeout off; silence of just that length ends it. */
static void test_only_silence_is_idle(void **state)
{
	enum { IDLE_MS = 200, MESSAGES = 30 };
	struct scene s;
	uint64_t last_ms;

	(void)state;
	scene_open(&s, &scene_asking_client, &scene_plain_server);
	s.options.idle_timeout_ms = IDLE_MS;
	scene_start(&s);
	last_ms = uv_now(&s.loop);
	for (size_t i = 1; i <= MESSAGES || uv_now(&s.loop) < last_ms + 2 * IDLE_MS; i++) {
		assert_int_equal(send(s.back.theirs, "octet", 5, MSG_NOSIGNAL), 5);
		scene_turn_until_heard(&s, 5 * i);
		scene_turn(&s); /* waits a little */
		assert_false(s.is_over);
	}
	last_ms = s.couple->moved_at_ms;
	scene_run(&s);
	assert_int_equal(s.report.cause, COUPLE_IDLE);
	assert_true(uv_now(&s.loop) >= last_ms + IDLE_MS);
	scene_close(&s);
}

/* A descriptor that cannot be watched, here for somebody else does, ends all, by abort. */
static void test_what_cannot_be_watched_is_aborted(void **state)
{
	struct scene s;
	struct polled other;

	(void)state;
	scene_open(&s, &scene_asking_client, &scene_plain_server);
	polled_init(&other, s.back.ours, ignore);
	assert_true(poller_set(s.scratch.poller, &other, LW_EVENT_READABLE));
	scene_start(&s);
	while (!s.is_over && s.couple->cause == COUPLE_RUNS)
		scene_turn(&s);
	poller_leave(s.scratch.poller, &other);
	scene_run(&s);
	assert_int_equal(s.report.cause, COUPLE_NO_MEMORY);
	assert_int_equal(scene_seen(&s.front), SEEN_ABORT);
	assert_int_equal(scene_seen(&s.back), SEEN_ABORT);
	scene_close(&s);
}

/* ---- a plain endpoint's ends */

/* Linux tells a reset once: to a write, and then reading ends as if by FIN. */
static void test_a_reset_that_a_write_met_is_one(void **state)
{
	struct endpoint_tcp e;
	struct scene_leg peer = { 0 };
	char buf[16];
	int fds[2];
	size_t n;

	(void)state;
	assert_true(loopback_pair(fds));
	endpoint_tcp_init(&e, fds[0]);
	peer.theirs = fds[1];
	assert_int_equal(send(fds[1], "said", 4, MSG_NOSIGNAL), 4);
	scene_reset_peer(&peer);
	assert_int_equal(poll(&(struct pollfd){ .fd = fds[0], .events = POLLHUP }, 1, 1000), 1);
	assert_int_equal(e.base.ops->write(&e.base, "word", 4, &n), ENDPOINT_ENDED);
	assert_int_equal(e.base.ops->read(&e.base, buf, sizeof buf, &n), ENDPOINT_OK);
	assert_int_equal(n, 4);
	assert_int_equal(e.base.ops->read(&e.base, buf, sizeof buf, &n), ENDPOINT_ENDED);
	assert_int_equal(e.base.ops->ending(&e.base), HALF_TCP_RESET);
	(void)close(fds[0]);
}

/* But one that came behind a FIN leaves that end as it was. */
static void test_a_reset_behind_fin_changes_no_end(void **state)
{
	struct endpoint_tcp e;
	char buf[16];
	int fds[2];
	size_t n;

	(void)state;
	assert_true(loopback_pair(fds));
	endpoint_tcp_init(&e, fds[0]);
	assert_int_equal(send(fds[1], "said", 4, MSG_NOSIGNAL), 4);
	(void)close(fds[1]);
	assert_int_equal(e.base.ops->write(&e.base, "word", 4, &n), ENDPOINT_OK);
	assert_int_equal(poll(&(struct pollfd){ .fd = fds[0], .events = POLLHUP }, 1, 1000), 1);
	assert_int_equal(e.base.ops->write(&e.base, "word", 4, &n), ENDPOINT_ENDED);
	assert_int_equal(e.base.ops->read(&e.base, buf, sizeof buf, &n), ENDPOINT_OK);
	assert_int_equal(e.base.ops->read(&e.base, buf, sizeof buf, &n), ENDPOINT_ENDED);
	assert_int_equal(e.base.ops->ending(&e.base), HALF_TCP_FIN);
	(void)close(fds[0]);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_byte_both_ways),
		cmocka_unit_test(test_every_byte_through_a_small_scratch),
		cmocka_unit_test(test_a_slow_sink_stops_its_source),
		cmocka_unit_test(test_a_reset_waits_for_what_came_before),
		cmocka_unit_test(test_a_deaf_peer_is_reset_at_the_deadline),
		cmocka_unit_test(test_a_peer_that_is_gone_is_not_waited_for),
		cmocka_unit_test(test_only_silence_is_idle),
		cmocka_unit_test(test_two_deaf_peers_that_speak),
		cmocka_unit_test(test_a_steady_couple_touches_nothing),
		cmocka_unit_test(test_a_couple_is_small),
		cmocka_unit_test(test_an_event_moves_so_much_and_no_more),
		cmocka_unit_test(test_what_cannot_be_watched_is_aborted),
		cmocka_unit_test(test_a_reset_that_a_write_met_is_one),
		cmocka_unit_test(test_a_reset_behind_fin_changes_no_end),
	};

	if (argc > 1) /* a pattern of names */
		cmocka_set_test_filter(argv[1]);
	return run_cases(tests);
}
