/*
 * closing: finish, close and abort, on real connections and a virtual
 * clock; one case a decision of the design.
 */
#include "rig.h"
#include "tests/unit.h"

#include <string.h>

static const enum lw_version old_versions[] = { LW_VERSION_TLS1_0, LW_VERSION_TLS1_1,
	                                        LW_VERSION_TLS1_2 };
#define EACH_OLD_VERSION(v) for (unsigned v = 0; v < 3; v++)

static const struct adversary_script proper = SCRIPT(STEP_DATA(1000), STEP_GO);
static const struct adversary_script answers_after_half_close =
    SCRIPT(STEP_WAIT_CLOSE_NOTIFY, STEP_DATA(80000), STEP_CLOSE_NOTIFY, STEP_FIN);
static const struct adversary_script silent = SCRIPT(STEP_DATA(1000), STEP_SILENCE, STEP_GO);
static const struct adversary_script closes_first =
    SCRIPT(STEP_DATA(1000), STEP_CLOSE_NOTIFY, STEP_WAIT_CLOSE_NOTIFY, STEP_FIN);
static const struct adversary_script late_data =
    SCRIPT(STEP_DATA(1000), STEP_WAIT_CLOSE_NOTIFY, STEP_DATA(500), STEP_CLOSE_NOTIFY, STEP_FIN);
static const struct adversary_script fatal_after_ours =
    SCRIPT(STEP_WAIT_CLOSE_NOTIFY, STEP_ALERT(2, 80), STEP_FIN);
static const struct adversary_script deaf = SCRIPT(STEP_STOP_READING, STEP_SILENCE, STEP_GO);
/* rule: half-close */
static void finish_in_13_lets_the_whole_answer_come(void **state)
{
	(void)state;
	for (int socket = 0; socket < 2; socket++) {
		const struct rig_options o = { .version = LW_VERSION_TLS1_3, .socket = socket };
		struct lw_verdict verdict;
		struct rig r;
		size_t n;

		assert_true(rig_begin(&r, &o, &answers_after_half_close));
		assert_int_equal(lw_write(r.stream, "request", 7, &n), LW_OK);
		assert_int_equal(rig_finish(&r), LW_OK);
		assert_int_equal(lw_write(r.stream, "more", 4, &n), LW_END);
		assert_int_equal(rig_read(&r), LW_END);
		assert_int_equal(r.bytes, 80000);
		assert_int_equal(rig_close(&r), LW_END);
		verdict = rig_verdict(&r);
		assert_int_equal(verdict.read, LW_ENDING_CLOSED);
		assert_int_equal(verdict.write, LW_ENDING_CLOSED);
		assert_true(verdict.whole);
		assert_int_equal(verdict.closed_first, LW_CLOSED_FIRST_WE);
		rig_end(&r);
	}
}

static void finish_does_not_exist_up_to_12_and_sends_nothing(void **state)
{
	(void)state;
	EACH_OLD_VERSION(v)
	{
		const struct rig_options o = { .version = old_versions[v] };
		struct rig r;
		size_t n;

		assert_true(rig_begin(&r, &o, &silent));
		assert_int_equal(lw_finish(r.stream), LW_UNSUPPORTED);
		rig_spin(&r);
		assert_int_equal(adversary_subject(r.adversary)->alerts, 0);
		assert_int_equal(lw_write(r.stream, "still open", 10, &n), LW_OK);
		rig_end(&r);
	}
}

static void close_exchanges_both_alerts_and_shuts_the_transport(void **state)
{
	(void)state;
	for (int v = LW_VERSION_TLS1_0; v <= LW_VERSION_TLS1_3; v++) {
		const struct rig_options o = { .version = (enum lw_version)v, .socket = true };
		struct lw_verdict verdict;
		struct rig r;

		assert_true(rig_begin(&r, &o, &proper));
		assert_int_equal(rig_read(&r), LW_AGAIN);
		lw_complete(r.stream, true);
		assert_int_equal(rig_close(&r), LW_END);
		verdict = rig_verdict(&r);
		assert_int_equal(verdict.read, LW_ENDING_CLOSED);
		assert_int_equal(verdict.write, LW_ENDING_CLOSED);
		assert_true(verdict.whole);
		assert_true(adversary_subject(r.adversary)->fin);
		assert_int_equal(adversary_subject(r.adversary)->close_notifies, 1);
		rig_end(&r);
	}
}

/* Up to 1.2 the peer drops its pending writes when our alert comes: an authenticated cut. */
static void who_closes_first_up_to_12_is_whole_only_if_complete(void **state)
{
	(void)state;
	for (int v = LW_VERSION_TLS1_0; v <= LW_VERSION_TLS1_3; v++) {
		for (int complete = 0; complete < 2; complete++) {
			const struct rig_options o = { .version = (enum lw_version)v };
			struct rig r;

			assert_true(rig_begin(&r, &o, &proper));
			assert_int_equal(rig_read(&r), LW_AGAIN);
			lw_complete(r.stream, complete);
			assert_int_equal(rig_close(&r), LW_END);
			assert_int_equal(rig_verdict(&r).closed_first, LW_CLOSED_FIRST_WE);
			assert_int_equal(rig_verdict(&r).whole, complete || v == LW_VERSION_TLS1_3);
			rig_end(&r);
		}
	}
}

/* rules: answer-at-once, discard-pending-writes */
static void the_peers_closure_is_answered_at_once_up_to_12_and_not_in_13(void **state)
{
	(void)state;
	for (int v = LW_VERSION_TLS1_0; v <= LW_VERSION_TLS1_3; v++) {
		const struct rig_options o = { .version = (enum lw_version)v };
		const bool answers = v != LW_VERSION_TLS1_3;
		struct rig r;
		size_t n;

		assert_true(rig_begin(&r, &o, &closes_first));
		assert_int_equal(rig_read(&r), LW_END);
		rig_spin(&r);
		assert_int_equal(adversary_subject(r.adversary)->close_notifies, answers ? 1 : 0);
		assert_int_equal(lw_write(r.stream, "late", 4, &n), answers ? LW_END : LW_OK);
		assert_false(adversary_subject(r.adversary)->fin);
		assert_int_equal(rig_close(&r), LW_END);
		assert_int_equal(rig_verdict(&r).closed_first, LW_CLOSED_FIRST_PEER);
		assert_int_equal(adversary_subject(r.adversary)->data_bytes, answers ? 0 : 4);
		assert_int_equal(adversary_subject(r.adversary)->close_notifies, 1);
		rig_end(&r);
	}
}

static void input_after_our_close_is_ignored_and_counted(void **state)
{
	(void)state;
	for (int v = LW_VERSION_TLS1_0; v <= LW_VERSION_TLS1_3; v++) {
		const struct rig_options o = { .version = (enum lw_version)v, .socket = true };
		struct rig r;

		assert_true(rig_begin(&r, &o, &late_data));
		assert_int_equal(rig_read(&r), LW_AGAIN);
		lw_complete(r.stream, true);
		assert_int_equal(rig_close(&r), LW_END);
		assert_int_equal(r.bytes, 1000);
		assert_int_equal(rig_verdict(&r).bytes_ignored, 500);
		assert_false(rig_verdict(&r).whole);
		assert_false(rig_verdict(&r).complete);
		rig_end(&r);
	}
}

static void a_silent_peer_costs_the_deadlines_and_no_more(void **state)
{
	const struct lw_options limits = { .close_timeout_ms = 700,
		                           .drain_timeout_ms = 300,
		                           .drain_bytes = 1 << 20 };

	(void)state;
	for (int v = LW_VERSION_TLS1_0; v <= LW_VERSION_TLS1_3; v++) {
		const struct rig_options o = { .version = (enum lw_version)v,
			                       .socket = true,
			                       .stream = &limits };
		uint64_t began;
		struct rig r;

		assert_true(rig_begin(&r, &o, &silent));
		assert_int_equal(rig_read(&r), LW_AGAIN);
		began = r.now_ms;
		assert_int_equal(rig_close(&r), LW_ERROR);
		assert_int_equal(r.now_ms - began, 1000);
		assert_int_equal(rig_verdict(&r).read, LW_ENDING_EXPIRED);
		assert_int_equal(rig_verdict(&r).write, LW_ENDING_CLOSED);
		rig_end(&r);
	}
}

/* rules: need-not-wait, close-transport-without-waiting, transport-delivers-on-close */
static void a_zero_close_limit_does_not_wait_and_still_drains(void **state)
{
	const struct lw_options limits = { .close_timeout_ms = 0,
		                           .drain_timeout_ms = 300,
		                           .drain_bytes = 1 << 20 };

	(void)state;
	for (int v = LW_VERSION_TLS1_0; v <= LW_VERSION_TLS1_3; v++) {
		const struct rig_options o = { .version = (enum lw_version)v,
			                       .socket = true,
			                       .stream = &limits };
		uint64_t began;
		struct rig r;

		assert_true(rig_begin(&r, &o, &silent));
		assert_int_equal(rig_read(&r), LW_AGAIN);
		began = r.now_ms;
		assert_int_equal(rig_close(&r), LW_ERROR);
		assert_int_equal(r.now_ms - began, 300);
		assert_int_equal(rig_verdict(&r).read, LW_ENDING_ABANDONED);
		assert_int_equal(adversary_subject(r.adversary)->close_notifies, 1);
		rig_end(&r);

		assert_true(rig_begin(&r, &o, &proper));
		assert_int_equal(rig_read(&r), LW_AGAIN);
		assert_int_equal(rig_close(&r), LW_END);
		assert_int_equal(rig_verdict(&r).read, LW_ENDING_CLOSED);
		assert_false(adversary_subject(r.adversary)->rst);
		rig_end(&r);
	}
}

static void a_deadline_while_flushing_sends_no_close_notify(void **state)
{
	(void)state;
	for (int v = LW_VERSION_TLS1_0; v <= LW_VERSION_TLS1_3; v++) {
		const struct rig_options o = { .version = (enum lw_version)v,
			                       .buffer_bytes = 5000 };
		struct lw_verdict verdict;
		struct rig r;

		assert_true(rig_begin(&r, &o, &deaf));
		rig_spin(&r);
		assert_true(rig_fill(&r) > 0);
		assert_int_equal(rig_close(&r), LW_ERROR);
		verdict = rig_verdict(&r);
		assert_int_equal(verdict.write, LW_ENDING_EXPIRED);
		assert_false(verdict.alert_sent.present);
		rig_end(&r);
	}
}

static void bytes_that_the_peer_never_took_are_counted(void **state)
{
	const struct rig_options o = { .version = LW_VERSION_TLS1_3, .socket = true };
	struct rig r;

	(void)state;
	assert_true(rig_begin(&r, &o, &deaf));
	rig_spin(&r);
	assert_true(rig_fill(&r) > 0);
	assert_int_equal(rig_close(&r), LW_ERROR);
	assert_true(rig_verdict(&r).bytes_unacknowledged > 0);
	rig_end(&r);
}

static void alert_and_fin_are_no_bytes_of_ours(void **state)
{
	(void)state;
	for (int v = LW_VERSION_TLS1_2; v <= LW_VERSION_TLS1_3; v++) {
		const struct rig_options o = { .version = (enum lw_version)v, .socket = true };
		struct rig r;

		assert_true(rig_begin(&r, &o, &deaf));
		assert_int_equal(rig_close(&r), LW_ERROR);
		assert_true(rig_verdict(&r).alert_sent.present);
		assert_int_equal(rig_verdict(&r).bytes_unacknowledged, 0);
		rig_end(&r);
	}
}

static void a_fatal_alert_after_our_close_notify_aborts_reading_only(void **state)
{
	(void)state;
	for (int v = LW_VERSION_TLS1_0; v <= LW_VERSION_TLS1_3; v++) {
		const struct rig_options o = { .version = (enum lw_version)v, .socket = true };
		struct rig r;

		assert_true(rig_begin(&r, &o, &fatal_after_ours));
		assert_int_equal(rig_close(&r), LW_ABORTED);
		assert_int_equal(rig_verdict(&r).read, LW_ENDING_ABORTED);
		assert_int_equal(rig_verdict(&r).write, LW_ENDING_CLOSED);
		assert_int_equal(rig_verdict(&r).session, LW_SESSION_FORGET);
		rig_end(&r);
	}
}

static void abort_after_finish_sends_nothing(void **state)
{
	const struct rig_options o = { .version = LW_VERSION_TLS1_3, .socket = true };
	struct rig r;

	(void)state;
	assert_true(rig_begin(&r, &o, &silent));
	assert_int_equal(rig_finish(&r), LW_OK);
	assert_int_equal(rig_abort(&r), LW_ERROR);
	assert_int_equal(rig_verdict(&r).read, LW_ENDING_ABANDONED);
	assert_int_equal(rig_verdict(&r).write, LW_ENDING_CLOSED);
	assert_int_equal(adversary_subject(r.adversary)->fatals, 0);
	assert_int_equal(adversary_subject(r.adversary)->after_closure, 0);
	rig_end(&r);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(finish_in_13_lets_the_whole_answer_come),
		cmocka_unit_test(finish_does_not_exist_up_to_12_and_sends_nothing),
		cmocka_unit_test(close_exchanges_both_alerts_and_shuts_the_transport),
		cmocka_unit_test(who_closes_first_up_to_12_is_whole_only_if_complete),
		cmocka_unit_test(the_peers_closure_is_answered_at_once_up_to_12_and_not_in_13),
		cmocka_unit_test(input_after_our_close_is_ignored_and_counted),
		cmocka_unit_test(a_silent_peer_costs_the_deadlines_and_no_more),
		cmocka_unit_test(a_zero_close_limit_does_not_wait_and_still_drains),
		cmocka_unit_test(a_deadline_while_flushing_sends_no_close_notify),
		cmocka_unit_test(bytes_that_the_peer_never_took_are_counted),
		cmocka_unit_test(alert_and_fin_are_no_bytes_of_ours),
		cmocka_unit_test(a_fatal_alert_after_our_close_notify_aborts_reading_only),
		cmocka_unit_test(abort_after_finish_sends_nothing),
	};
	return run_cases(tests);
}
