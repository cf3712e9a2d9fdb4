/* clock: deadlines as numbers, and the one call that waits. */
#include "rig.h"
#include "tests/unit.h"

#include <limits.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

static const struct adversary_script silent = SCRIPT(STEP_SILENCE);

/* Asked at `first_ms`, when the deadline is armed, then at `then_ms`. */
static const struct {
	uint32_t close_ms, drain_ms;
	uint64_t first_ms;
	int first;
	uint64_t then_ms;
	int then;
	enum lw_ending read; /* after both */
} rows[] = {
	{ 5000, 2000, 1000, 5000, 1000, 5000, LW_ENDING_OPEN },
	{ 5000, 2000, 1000, 5000, 1001, 4999, LW_ENDING_OPEN },
	{ 5000, 2000, 1000, 5000, 5999, 1, LW_ENDING_OPEN },
	{ 5000, 2000, 1000, 5000, 6000, 0, LW_ENDING_EXPIRED },
	{ 5000, 2000, 1000, 5000, UINT64_MAX, 0, LW_ENDING_EXPIRED },
	{ 5000, 2000, 1000, 5000, 0, 5000, LW_ENDING_OPEN }, /* a clock that goes back */
	{ 5000, 2000, UINT64_MAX - 10, 5000, UINT64_MAX, 4990, LW_ENDING_OPEN },
	{ 5000, 2000, 0, 5000, 1, 4999, LW_ENDING_OPEN },
	{ 1, 2000, 0, 1, 1, 0, LW_ENDING_EXPIRED },
	{ LW_NO_TIMEOUT, 2000, 0, -1, UINT64_MAX, -1, LW_ENDING_OPEN },
	{ LW_NO_TIMEOUT - 1, 2000, 0, INT_MAX, 1u << 31, INT_MAX - 1, LW_ENDING_OPEN },
	{ LW_NO_TIMEOUT - 1, 2000, 0, INT_MAX, LW_NO_TIMEOUT - 2, 1, LW_ENDING_OPEN },
	{ LW_NO_TIMEOUT - 1, 2000, 0, INT_MAX, LW_NO_TIMEOUT - 1, 0, LW_ENDING_EXPIRED },
};

static void a_deadline_counts_from_the_first_time_it_is_told(void **state)
{
	(void)state;
	for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		const struct lw_options limits = { .close_timeout_ms = rows[i].close_ms,
			                           .drain_timeout_ms = rows[i].drain_ms,
			                           .drain_bytes = 1000 };
		const struct rig_options o = { .socket = true, .stream = &limits };
		struct rig r;

		assert_true(rig_begin(&r, &o, &silent));
		assert_int_equal(lw_timeout_ms(r.stream, 77), -1);
		assert_int_equal(lw_close(r.stream), LW_AGAIN);
		assert_int_equal(lw_timeout_ms(r.stream, rows[i].first_ms), rows[i].first);
		assert_int_equal(lw_timeout_ms(r.stream, rows[i].then_ms), rows[i].then);
		assert_int_equal(rig_verdict(&r).read, rows[i].read);
		rig_end(&r);
	}
}

static void the_drain_has_a_deadline_of_its_own(void **state)
{
	const struct lw_options limits = { .close_timeout_ms = 100,
		                           .drain_timeout_ms = 30,
		                           .drain_bytes = 1000 };
	const struct rig_options o = { .socket = true, .stream = &limits };
	struct rig r;

	(void)state;
	assert_true(rig_begin(&r, &o, &silent));
	assert_int_equal(lw_close(r.stream), LW_AGAIN);
	assert_int_equal(lw_timeout_ms(r.stream, 0), 100);
	assert_int_equal(lw_timeout_ms(r.stream, 1000), 0);
	assert_int_equal(lw_close(r.stream), LW_AGAIN);
	assert_int_equal(lw_timeout_ms(r.stream, 1000), 30);
	assert_int_equal(lw_timeout_ms(r.stream, 1029), 1);
	assert_int_equal(lw_timeout_ms(r.stream, 1030), 0);
	assert_int_equal(lw_close(r.stream), LW_ERROR);
	assert_int_equal(lw_timeout_ms(r.stream, 9999), -1);
	rig_end(&r);
}

static void with_no_limits_at_all_nothing_is_waited_for(void **state)
{
	const struct lw_options limits = { .close_timeout_ms = 0, .drain_timeout_ms = 0 };
	const struct rig_options o = { .socket = true, .stream = &limits };
	struct rig r;

	(void)state;
	assert_true(rig_begin(&r, &o, &silent));
	assert_int_equal(lw_close(r.stream), LW_ERROR);
	assert_int_equal(rig_verdict(&r).read, LW_ENDING_ABANDONED);
	assert_int_equal(rig_verdict(&r).write, LW_ENDING_CLOSED);
	assert_int_equal(lw_timeout_ms(r.stream, 0), -1);
	rig_end(&r);
}

static const struct adversary_script talks =
    SCRIPT(STEP_WAIT_CLOSE_NOTIFY, STEP_DATA(5000), STEP_CLOSE_NOTIFY, STEP_DATA(500), STEP_GO);

/* What came before the peer's alert is no drain. */
static void only_what_is_drained_counts_against_the_drain(void **state)
{
	const struct lw_options limits = { .close_timeout_ms = 100,
		                           .drain_timeout_ms = 100,
		                           .drain_bytes = 1000 };
	const struct rig_options o = { .socket = true, .stream = &limits };
	uint8_t octet;
	struct rig r;

	(void)state;
	assert_true(rig_begin(&r, &o, &talks));
	assert_int_equal(rig_close(&r), LW_END);
	assert_int_equal(rig_verdict(&r).bytes_ignored, 5000);
	assert_true(adversary_subject(r.adversary)->fin);
	assert_false(adversary_subject(r.adversary)->rst);
	assert_int_equal(rig_verdict(&r).bytes_unacknowledged, 0);
	assert_int_equal(recv(r.fd, &octet, 1, MSG_DONTWAIT), 0); /* all was taken, to the FIN */
	rig_end(&r);
}

static void on_alarm(int number)
{
	(void)number;
}

static void a_signal_ends_the_wait(void **state)
{
	const struct sigaction action = { .sa_handler = on_alarm };
	const struct itimerval soon = { .it_value = { .tv_usec = 10000 } };
	const struct rig_options o = { .socket = true };
	uint8_t octet;
	struct rig r;
	size_t n;

	(void)state;
	assert_true(rig_begin(&r, &o, &silent));
	assert_int_equal(lw_read(r.stream, &octet, 1, &n), LW_AGAIN);
	assert_int_equal(lw_wait(r.stream, LW_INTEREST_READ, 0), LW_AGAIN);
	assert_int_equal(sigaction(SIGALRM, &action, NULL), 0);
	assert_int_equal(setitimer(ITIMER_REAL, &soon, NULL), 0);
	assert_int_equal(lw_wait(r.stream, LW_INTEREST_READ, -1), LW_OK);
	rig_end(&r);
}

static void wait_tells_its_own_limit_from_the_streams(void **state)
{
	const struct lw_options limits = { .close_timeout_ms = 20,
		                           .drain_timeout_ms = 20,
		                           .drain_bytes = 1000 };
	const struct rig_options o = { .socket = true, .stream = &limits };
	struct rig r;

	(void)state;
	assert_true(rig_begin(&r, &o, &silent));
	assert_int_equal(lw_close(r.stream), LW_AGAIN);
	assert_int_equal(lw_wait(r.stream, 0, 1), LW_AGAIN);
	assert_int_equal(lw_wait(r.stream, 0, 10000), LW_OK);
	assert_int_equal(rig_verdict(&r).read, LW_ENDING_EXPIRED);
	rig_end(&r);
}

static void wait_on_memory_is_refused_and_tells_no_time(void **state)
{
	const struct lw_options limits = { .close_timeout_ms = 1, .drain_timeout_ms = 1 };
	const struct rig_options o = { .stream = &limits };
	struct rig r;

	(void)state;
	assert_true(rig_begin(&r, &o, &silent));
	assert_int_equal(lw_close(r.stream), LW_AGAIN);
	assert_int_equal(lw_timeout_ms(r.stream, 0), 1);
	assert_int_equal(lw_wait(r.stream, 0, -1), LW_UNSUPPORTED);
	assert_int_equal(rig_verdict(&r).read, LW_ENDING_OPEN);
	rig_end(&r);
}

static const struct adversary_script closes = SCRIPT(STEP_CLOSE_NOTIFY, STEP_SILENCE);

/* Nobody would say "readable" again, until a deadline took the closure for silence. */
static void a_closure_that_waits_in_memory_is_taken_at_once(void **state)
{
	static const enum lw_version versions[] = { LW_VERSION_TLS1_0, LW_VERSION_TLS1_1,
		                                    LW_VERSION_TLS1_2, LW_VERSION_TLS1_3 };

	(void)state;
	for (unsigned v = 0; v < 4; v++) {
		const struct rig_options o = { .version = versions[v] };
		struct rig r;

		assert_true(rig_begin(&r, &o, &closes));
		rig_spin(&r);
		assert_int_equal(lw_close(r.stream), LW_END);
		assert_int_equal(rig_verdict(&r).read, LW_ENDING_CLOSED);
		rig_end(&r);
	}
}

int main(void)
{
	const struct CMUnitTest cases[] = {
		cmocka_unit_test(a_deadline_counts_from_the_first_time_it_is_told),
		cmocka_unit_test(the_drain_has_a_deadline_of_its_own),
		cmocka_unit_test(with_no_limits_at_all_nothing_is_waited_for),
		cmocka_unit_test(only_what_is_drained_counts_against_the_drain),
		cmocka_unit_test(a_closure_that_waits_in_memory_is_taken_at_once),
		cmocka_unit_test(a_signal_ends_the_wait),
		cmocka_unit_test(wait_tells_its_own_limit_from_the_streams),
		cmocka_unit_test(wait_on_memory_is_refused_and_tells_no_time),
	};

	return run_cases(cases);
}
