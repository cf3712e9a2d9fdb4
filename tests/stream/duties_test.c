/*
 * duties: what an adapter and the wire do because it was measured to be
 * necessary; one case a duty, each fails without it.
 */
#include "rig.h"
#include "tests/unit.h"

#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static const enum lw_version all_versions[] = { LW_VERSION_TLS1_0, LW_VERSION_TLS1_1,
	                                        LW_VERSION_TLS1_2, LW_VERSION_TLS1_3 };
#define EACH_VERSION(v)                                                                            \
	for (const enum lw_version *v = all_versions;                                              \
	     v < all_versions + sizeof all_versions / sizeof all_versions[0]; v++)

static const struct adversary_script reads_late =
    SCRIPT(STEP_STOP_READING, STEP_SILENCE, STEP_READ_ON, STEP_GO);

static void a_half_out_record_leaves_whole_before_close_notify(void **state)
{
	(void)state;
	EACH_VERSION(v)
	{
		const struct rig_options o = { .version = *v, .buffer_bytes = 5000 };
		struct rig r;
		uint64_t taken;

		assert_true(rig_begin(&r, &o, &reads_late));
		rig_spin(&r);
		taken = rig_fill(&r);
		assert_true(taken > 0);
		assert_int_equal(lw_events(r.stream, 0) & LW_EVENT_WRITABLE, LW_EVENT_WRITABLE);
		assert_int_equal(lw_close(r.stream), LW_AGAIN);
		assert_int_equal(rig_verdict(&r).write, LW_ENDING_OPEN);
		adversary_resume(r.adversary);
		assert_int_equal(rig_close(&r), LW_END);
		assert_int_equal(adversary_subject(r.adversary)->data_bytes, taken);
		assert_false(adversary_subject(r.adversary)->data_differs);
		assert_false(adversary_subject(r.adversary)->unreadable);
		assert_int_equal(adversary_subject(r.adversary)->close_notifies, 1);
		assert_int_equal(adversary_subject(r.adversary)->after_closure, 0);
		assert_int_equal(rig_verdict(&r).bytes_written, taken);
		rig_end(&r);
	}
}

/* rules: error-alerts-sent-fatal, send-fatal-if-possible */
static void a_half_out_record_leaves_whole_before_a_fatal_alert(void **state)
{
	(void)state;
	EACH_VERSION(v)
	{
		const struct rig_options o = { .version = *v, .buffer_bytes = 5000 };
		struct rig r;
		uint64_t taken;

		assert_true(rig_begin(&r, &o, &reads_late));
		rig_spin(&r);
		taken = rig_fill(&r);
		assert_int_equal(lw_abort(r.stream), LW_AGAIN);
		adversary_resume(r.adversary);
		assert_int_equal(rig_abort(&r), LW_ABORTED);
		assert_int_equal(adversary_subject(r.adversary)->data_bytes, taken);
		assert_false(adversary_subject(r.adversary)->unreadable);
		assert_int_equal(adversary_subject(r.adversary)->fatals, 1);
		assert_int_equal(adversary_subject(r.adversary)->close_notifies, 0);
		assert_int_equal(adversary_subject(r.adversary)->after_closure, 0);
		rig_end(&r);
	}
}

static const struct adversary_script only_fin = SCRIPT(STEP_DATA(1000), STEP_FIN);

/* rule: send-before-closing-unless-failed */
static void a_fin_does_not_keep_the_library_from_close_notify(void **state)
{
	(void)state;
	EACH_VERSION(v)
	{
		for (int socket = 0; socket < 2; socket++) {
			const struct rig_options o = { .version = *v, .socket = socket };
			struct rig r;
			size_t n;

			assert_true(rig_begin(&r, &o, &only_fin));
			assert_int_equal(rig_read(&r), LW_TRUNCATED);
			assert_int_equal(r.bytes, 1000);
			assert_int_equal(lw_write(r.stream, "last", 4, &n), LW_OK);
			assert_int_equal(rig_close(&r), LW_TRUNCATED);
			assert_int_equal(rig_verdict(&r).write, LW_ENDING_CLOSED);
			assert_int_equal(adversary_subject(r.adversary)->data_bytes, 4);
			assert_int_equal(adversary_subject(r.adversary)->close_notifies, 1);
			assert_int_equal(adversary_subject(r.adversary)->fatals, 0);
			rig_end(&r);
		}
	}
}

static const struct adversary_script closes_then_resets =
    SCRIPT(STEP_DATA(1000), STEP_CLOSE_NOTIFY, STEP_RST);

static void a_write_error_does_not_hide_a_queued_close_notify(void **state)
{
	(void)state;
	EACH_VERSION(v)
	{
		const struct rig_options o = { .version = *v, .socket = true };
		enum lw_status status = LW_OK;
		struct rig r;
		size_t n;

		assert_true(rig_begin(&r, &o, &closes_then_resets));
		rig_spin(&r); /* all of it is queued, and the RST has been met */
		for (int i = 0; i < 3 && status == LW_OK; i++)
			status = lw_write(r.stream, "into the void", 13, &n);
		assert_int_equal(status, LW_TRUNCATED);
		assert_int_equal(rig_verdict(&r).write, LW_ENDING_RESET);
		assert_int_equal(rig_verdict(&r).read, LW_ENDING_OPEN);
		assert_int_equal(rig_read(&r), LW_END);
		assert_int_equal(r.bytes, 1000);
		assert_int_equal(rig_verdict(&r).read, LW_ENDING_CLOSED);
		assert_true(rig_verdict(&r).whole);
		rig_end(&r);
	}
}

static const struct adversary_script only_resets = SCRIPT(STEP_DATA(1000), STEP_RST);

static void after_a_write_error_by_rst_a_zero_read_is_the_reset(void **state)
{
	(void)state;
	EACH_VERSION(v)
	{
		const struct rig_options o = { .version = *v, .socket = true };
		enum lw_status status = LW_OK;
		struct rig r;
		size_t n;

		assert_true(rig_begin(&r, &o, &only_resets));
		rig_spin(&r);
		for (int i = 0; i < 3 && status == LW_OK; i++)
			status = lw_write(r.stream, "into the void", 13, &n);
		assert_int_equal(status, LW_TRUNCATED);
		assert_int_equal(rig_read(&r), LW_TRUNCATED);
		assert_int_equal(r.bytes, 1000);
		assert_int_equal(rig_verdict(&r).read, LW_ENDING_RESET);
		rig_end(&r);
	}
}

/* A reset after FIN is what makes the first write fail with EPIPE. */
static const struct adversary_script fin_then_reset = SCRIPT(STEP_DATA(1000), STEP_FIN, STEP_RST);

static volatile sig_atomic_t pipes;

static void count_pipe(int signal_number)
{
	(void)signal_number;
	pipes++;
}

static void no_write_raises_sigpipe(void **state)
{
	const struct sigaction counted = { .sa_handler = count_pipe };
	struct sigaction before;

	(void)state;
	assert_int_equal(sigaction(SIGPIPE, &counted, &before), 0);
	EACH_VERSION(v)
	{
		const struct rig_options o = { .version = *v, .socket = true };
		struct rig r;
		size_t n;

		assert_true(rig_begin(&r, &o, &fin_then_reset));
		rig_spin(&r);
		for (int i = 0; i < 5; i++)
			(void)!lw_write(r.stream, "into the void", 13, &n);
		(void)rig_close(&r);
		rig_end(&r);
	}
	assert_int_equal(pipes, 0);
	assert_int_equal(sigaction(SIGPIPE, &before, NULL), 0);
}

static const struct adversary_script sends_and_waits = SCRIPT(STEP_DATA(1000), STEP_WAIT_END);

/* rule: no-close-notify-after-own-fatal */
static void an_abort_is_a_fatal_alert_and_nothing_else(void **state)
{
	(void)state;
	EACH_VERSION(v)
	{
		for (int socket = 0; socket < 2; socket++) {
			const struct rig_options o = { .version = *v, .socket = socket };
			const struct adversary_tally *seen;
			struct lw_verdict verdict;
			struct rig r;

			assert_true(rig_begin(&r, &o, &sends_and_waits));
			rig_spin(&r); /* data is on its way, unread */
			assert_int_equal(rig_abort(&r), LW_ABORTED);
			rig_spin(&r);
			seen = adversary_subject(r.adversary);
			verdict = rig_verdict(&r);
			assert_int_equal(seen->fatals, 1);
			assert_int_equal(seen->close_notifies, 0);
			assert_int_equal(seen->after_closure, 0);
			assert_false(seen->rst);
			assert_int_equal(verdict.read, LW_ENDING_ABANDONED);
			assert_int_equal(verdict.write, LW_ENDING_ABORTED);
			assert_true(verdict.alert_sent.present);
			assert_int_equal(verdict.alert_sent.level, seen->last_level);
			assert_int_equal(verdict.alert_sent.description, seen->last_description);
			assert_int_equal(verdict.session, LW_SESSION_FORGET);
			rig_end(&r);
		}
	}
}

static const struct adversary_script cut_record_then_waits =
    SCRIPT(STEP_CUT_RECORD(400, 100), STEP_WAIT_END);

static void an_abort_works_in_the_middle_of_a_record(void **state)
{
	(void)state;
	EACH_VERSION(v)
	{
		const struct rig_options o = { .version = *v };
		struct rig r;

		assert_true(rig_begin(&r, &o, &cut_record_then_waits));
		assert_int_equal(rig_read(&r), LW_AGAIN);
		assert_int_equal(rig_abort(&r), LW_ABORTED);
		assert_int_equal(adversary_subject(r.adversary)->fatals, 1);
		assert_int_equal(adversary_subject(r.adversary)->close_notifies, 0);
		rig_end(&r);
	}
}

static const struct adversary_script closes_then_goes_on =
    SCRIPT(STEP_DATA(1000), STEP_CLOSE_NOTIFY, STEP_DATA(500), STEP_FIN);

/* rule: ignore-after-closure */
static void data_behind_the_peers_closure_is_never_delivered(void **state)
{
	(void)state;
	EACH_VERSION(v)
	{
		for (int socket = 0; socket < 2; socket++) {
			const struct rig_options o = { .version = *v, .socket = socket };
			struct rig r;

			assert_true(rig_begin(&r, &o, &closes_then_goes_on));
			for (int again = 0; again < 3; again++)
				assert_int_equal(rig_read(&r), LW_END);
			assert_int_equal(r.bytes, 1000);
			assert_int_equal(rig_close(&r), LW_END);
			assert_int_equal(r.bytes, 1000);
			rig_end(&r);
		}
	}
}

static const struct adversary_script asks_for_keys = SCRIPT(
    STEP_WAIT_CLOSE_NOTIFY, STEP_KEY_UPDATE(1), STEP_DATA(1000), STEP_CLOSE_NOTIFY, STEP_FIN);

/* rules: nothing-after-own-closure, half-close */
static void what_the_library_would_send_after_our_closure_is_swallowed(void **state)
{
	const struct rig_options o = { .version = LW_VERSION_TLS1_3, .socket = true };
	struct rig r;

	(void)state;
	assert_true(rig_begin(&r, &o, &asks_for_keys));
	assert_int_equal(rig_finish(&r), LW_OK);
	assert_int_equal(rig_read(&r), LW_END);
	assert_int_equal(r.bytes, 1000);
	assert_int_equal(rig_close(&r), LW_END);
	assert_int_equal(adversary_subject(r.adversary)->close_notifies, 1);
	assert_int_equal(adversary_subject(r.adversary)->after_closure, 0);
	rig_end(&r);
}

static const struct adversary_script plaintext_after =
    SCRIPT(STEP_DATA(1000), STEP_CLOSE_NOTIFY, STEP_PLAINTEXT("220 ready\r\n"), STEP_GO);

/* Nothing past the record of the alert is read from the descriptor, with read-ahead or without. */
static void the_bytes_behind_the_alert_stay_in_the_descriptor(void **state)
{
	(void)state;
	EACH_VERSION(v)
	{
		for (int read_ahead = 0; read_ahead < 2; read_ahead++) {
			const struct rig_options o = { .version = *v,
				                       .socket = true,
				                       .read_ahead = read_ahead };
			char rest[32] = "";
			struct rig r;

			assert_true(rig_begin(&r, &o, &plaintext_after));
			assert_int_equal(rig_read(&r), LW_END);
			rig_spin(&r);
			assert_int_equal(recv(r.fd, rest, sizeof rest, MSG_DONTWAIT | MSG_PEEK),
			                 11);
			assert_string_equal(rest, "220 ready\r\n");
			rig_end(&r);
		}
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_half_out_record_leaves_whole_before_close_notify),
		cmocka_unit_test(a_half_out_record_leaves_whole_before_a_fatal_alert),
		cmocka_unit_test(a_fin_does_not_keep_the_library_from_close_notify),
		cmocka_unit_test(a_write_error_does_not_hide_a_queued_close_notify),
		cmocka_unit_test(after_a_write_error_by_rst_a_zero_read_is_the_reset),
		cmocka_unit_test(no_write_raises_sigpipe),
		cmocka_unit_test(an_abort_is_a_fatal_alert_and_nothing_else),
		cmocka_unit_test(an_abort_works_in_the_middle_of_a_record),
		cmocka_unit_test(data_behind_the_peers_closure_is_never_delivered),
		cmocka_unit_test(what_the_library_would_send_after_our_closure_is_swallowed),
		cmocka_unit_test(the_bytes_behind_the_alert_stay_in_the_descriptor),
	};
	return run_cases(tests);
}
