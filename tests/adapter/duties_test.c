/*
 * duties_test: what every adapter does because it was measured to be necessary, on every TLS
 * library that this build has, in every version that it speaks; one case a duty.
 */
#include "against.h"
#include "tests/unit.h"

#include <signal.h>
#include <string.h>
#include <sys/socket.h>

struct row {
	const struct stack *stack;
	enum lw_version version;
};

enum { ROWS_MAX = 32 };

static struct row rows[ROWS_MAX];
static size_t row_count;

#define EACH_ROW(r)       for (const struct row *r = rows; r < rows + row_count; r++)
#define EACH_ROW_OF_13(r) EACH_ROW(r) if ((r)->version == LW_VERSION_TLS1_3)

#define assert_begun(a, s) assert_true(against_begin(&(a), &setup, &(s)))

static const struct adversary_script key_update_meanwhile =
    SCRIPT(STEP_STOP_READING, STEP_SILENCE, STEP_KEY_UPDATE(1), STEP_DATA(1000), STEP_SILENCE,
           STEP_READ_ON, STEP_GO);

/* rule: key-update-enforced */
static void a_key_update_is_answered_behind_a_record_that_is_half_out(void **state)
{
	(void)state;
	EACH_ROW_OF_13(r)
	{
		const struct against_setup setup = { .stack = r->stack,
			                             .version = r->version,
			                             .small_buffers = true };
		struct against a;
		uint64_t taken;

		assert_begun(a, key_update_meanwhile);
		taken = against_fill(&a);
		assert_int_equal(lw_events(a.stream, 0), LW_EVENT_WRITABLE);
		adversary_resume(a.adversary);
		assert_int_equal(against_read(&a), LW_AGAIN);
		assert_int_equal(a.bytes, 1000);
		adversary_resume(a.adversary);
		assert_int_equal(against_close(&a), LW_END);
		assert_int_equal(against_seen(&a)->data_bytes, taken);
		assert_false(against_seen(&a)->data_differs);
		assert_false(against_seen(&a)->unreadable);
		assert_int_equal(against_seen(&a)->close_notifies, 1);
		assert_int_equal(against_seen(&a)->after_closure, 0);
		against_end(&a);
	}
}

static const struct adversary_script warns_of_an_error =
    SCRIPT(STEP_DATA(1000), STEP_ALERT(1, 40), STEP_DATA(500), STEP_FIN);

/* rules: error-at-any-level, no-io-after-received-error */
static void nothing_is_delivered_behind_an_error_alert_at_level_warning(void **state)
{
	(void)state;
	EACH_ROW_OF_13(r)
	{
		const struct against_setup setup = { .stack = r->stack, .version = r->version };
		struct against a;

		assert_begun(a, warns_of_an_error);
		for (int again = 0; again < 3; again++)
			assert_int_equal(against_read(&a), LW_ABORTED);
		assert_int_equal(a.bytes, 1000);
		assert_int_equal(against_verdict(&a).alert_received.description, 40);
		assert_int_equal(against_verdict(&a).session, LW_SESSION_FORGET);
		against_end(&a);
	}
}

static const struct adversary_script sends_and_waits = SCRIPT(STEP_DATA(1000), STEP_WAIT_END);
static const struct adversary_script only_waits = SCRIPT(STEP_WAIT_END);
static const struct adversary_script cut_record_then_waits =
    SCRIPT(STEP_CUT_RECORD(400, 100), STEP_WAIT_END);

/* An alert of ours, and no other; named as it left. */
static void assert_aborts(struct against *a)
{
	struct lw_verdict verdict;

	assert_int_equal(against_abort(a), LW_ABORTED);
	(void)against_spin(a);
	verdict = against_verdict(a);
	assert_int_equal(against_seen(a)->fatals, 1);
	assert_int_equal(against_seen(a)->close_notifies, 0);
	assert_int_equal(against_seen(a)->after_closure, 0);
	assert_false(against_seen(a)->rst);
	assert_int_equal(verdict.write, LW_ENDING_ABORTED);
	assert_int_equal(verdict.alert_sent.level, against_seen(a)->last_level);
	assert_int_equal(verdict.alert_sent.description, against_seen(a)->last_description);
}

/* rules: no-close-notify-after-own-fatal, error-alerts-sent-fatal, send-fatal-if-possible */
static void an_abort_is_one_fatal_alert(void **state)
{
	static const struct adversary_script *const scripts[] = { &sends_and_waits, &only_waits,
		                                                  &cut_record_then_waits };

	(void)state;
	EACH_ROW(r)
	{
		for (unsigned i = 0; i < 12; i++) {
			const struct against_setup setup = {
				.stack = r->stack,
				.version = r->version,
				.serves = i % 2 != 0,
				.attach = i % 4 < 2 ? AGAINST_BEFORE : AGAINST_AFTER,
			};
			struct against a;

			assert_begun(a, *scripts[i / 4]);
			if (scripts[i / 4] == &cut_record_then_waits)
				assert_int_equal(against_read(&a), LW_AGAIN);
			assert_aborts(&a);
			against_end(&a);
		}
	}
}

static const struct adversary_script data_then_fin =
    SCRIPT(STEP_SILENCE, STEP_DATA(1000), STEP_SILENCE, STEP_FIN);

static void the_place_is_known_once_a_record_held_by_the_library_is_over(void **state)
{
	(void)state;
	EACH_ROW(r)
	{
		const struct against_setup setup = { .stack = r->stack,
			                             .version = r->version,
			                             .attach = AGAINST_BARE,
			                             .own_transport = true };
		struct against a;

		if (strcmp(r->stack->name, "wolfssl") != 0)
			continue;
		assert_begun(a, data_then_fin);
		a.allowed = 200; /* inside the record */
		adversary_resume(a.adversary);
		assert_int_equal(against_read_bare(&a), STACK_WAITS);
		assert_int_equal(a.allowed, 0);
		assert_true(against_attach(&a));
		a.allowed = SIZE_MAX;
		assert_int_equal(against_read(&a), LW_AGAIN);
		assert_int_equal(a.bytes, 1000);
		assert_false(a.differs);
		adversary_resume(a.adversary);
		assert_int_equal(against_read(&a), LW_TRUNCATED);
		assert_int_equal(against_verdict(&a).at, LW_PLACE_BOUNDARY);
		against_end(&a);
	}
}

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
	EACH_ROW(r)
	{
		const struct against_setup setup = { .stack = r->stack, .version = r->version };
		struct against a;
		size_t n;

		assert_begun(a, fin_then_reset);
		(void)against_spin(&a);
		for (int i = 0; i < 5; i++)
			(void)!lw_write(a.stream, "into the void", 13, &n);
		(void)against_close(&a);
		against_end(&a);
	}
	assert_int_equal(pipes, 0);
	assert_int_equal(sigaction(SIGPIPE, &before, NULL), 0);
}

static const struct adversary_script plaintext_after =
    SCRIPT(STEP_DATA(1000), STEP_CLOSE_NOTIFY, STEP_PLAINTEXT("220 ready\r\n"), STEP_GO);

static void the_bytes_behind_the_alert_stay_in_the_descriptor(void **state)
{
	(void)state;
	EACH_ROW(r)
	{
		const struct against_setup setup = { .stack = r->stack, .version = r->version };
		char rest[32] = "";
		struct against a;

		assert_begun(a, plaintext_after);
		for (int again = 0; again < 3; again++)
			assert_int_equal(against_read(&a), LW_END);
		(void)against_spin(&a);
		assert_int_equal(recv(a.fd, rest, sizeof rest, MSG_DONTWAIT | MSG_PEEK), 11);
		assert_string_equal(rest, "220 ready\r\n");
		against_end(&a);
	}
}

static const struct adversary_script asks_for_keys = SCRIPT(
    STEP_WAIT_CLOSE_NOTIFY, STEP_KEY_UPDATE(1), STEP_DATA(1000), STEP_CLOSE_NOTIFY, STEP_FIN);

/* rules: nothing-after-own-closure, half-close */
static void what_the_library_would_send_after_our_closure_is_swallowed(void **state)
{
	(void)state;
	EACH_ROW_OF_13(r)
	{
		const struct against_setup setup = { .stack = r->stack, .version = r->version };
		struct against a;

		assert_begun(a, asks_for_keys);
		assert_int_equal(lw_finish(a.stream), LW_OK);
		assert_int_equal(against_read(&a), LW_END);
		assert_int_equal(a.bytes, 1000);
		assert_int_equal(against_close(&a), LW_END);
		assert_int_equal(against_seen(&a)->close_notifies, 1);
		assert_int_equal(against_seen(&a)->after_closure, 0);
		against_end(&a);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_key_update_is_answered_behind_a_record_that_is_half_out),
		cmocka_unit_test(nothing_is_delivered_behind_an_error_alert_at_level_warning),
		cmocka_unit_test(an_abort_is_one_fatal_alert),
		cmocka_unit_test(the_place_is_known_once_a_record_held_by_the_library_is_over),
		cmocka_unit_test(no_write_raises_sigpipe),
		cmocka_unit_test(the_bytes_behind_the_alert_stay_in_the_descriptor),
		cmocka_unit_test(what_the_library_would_send_after_our_closure_is_swallowed),
	};
	const struct stack *stack;

	for (unsigned i = 0; (stack = stack_at(i)) != NULL; i++)
		for (int v = LW_VERSION_TLS1_0; v <= LW_VERSION_TLS1_3; v++)
			if (stack->speaks((enum lw_version)v))
				rows[row_count++] = (struct row){ stack, (enum lw_version)v };
	return run_cases(tests);
}
