/*
 * wolfssl_peer_test: the exceptions of docs/wolfssl.md that are not endings of their own, each with
 * what is told instead; and what wolfSSL by itself does where the stream is right.
 */
#include "against.h"
#include "tests/unit.h"

#include <lastword/wolfssl.h> /* beside OpenSSL's headers: it brings none of wolfSSL's */
#include <signal.h>

static const enum lw_version versions[] = { LW_VERSION_TLS1_1, LW_VERSION_TLS1_2,
	                                    LW_VERSION_TLS1_3 };

#define EACH_VERSION(v)                                                                            \
	for (const enum lw_version *v = versions;                                                  \
	     v < versions + sizeof versions / sizeof versions[0]; v++)

static void begin(struct against *a, enum lw_version version, enum against_attach attach,
                  const struct adversary_script *script)
{
	const struct against_setup setup = {
		.stack = &wolfssl_stack, .version = version, .attach = attach, .small_buffers = true
	};

	assert_true(against_begin(a, &setup, script));
}

#define WARNING_AND_DATA STEP_ALERT(1, 90), STEP_DATA(100)

static const struct adversary_script five_warnings =
    SCRIPT(WARNING_AND_DATA, WARNING_AND_DATA, WARNING_AND_DATA, WARNING_AND_DATA, WARNING_AND_DATA,
           STEP_CLOSE_NOTIFY, STEP_FIN);

static void the_fifth_alert_of_a_connection_is_refused(void **state)
{
	(void)state;
	EACH_VERSION(v)
	{
		struct against a;

		begin(&a, *v, AGAINST_BEFORE, &five_warnings);
		assert_int_equal(against_read(&a), LW_ERROR);
		assert_int_equal(a.bytes, 400);
		assert_int_equal(against_verdict(&a).read, LW_ENDING_FAILED);
		assert_int_equal(against_verdict(&a).write, LW_ENDING_ABORTED);
		assert_int_equal(against_close(&a), LW_ERROR);
		assert_int_equal(against_seen(&a)->fatals, 1);
		assert_int_equal(against_seen(&a)->close_notifies, 0);
		assert_int_equal(against_seen(&a)->last_description,
		                 against_verdict(&a).alert_sent.description);
		against_end(&a);
	}
}

static const struct adversary_script four_warnings =
    SCRIPT(WARNING_AND_DATA, WARNING_AND_DATA, WARNING_AND_DATA, WARNING_AND_DATA,
           STEP_CLOSE_NOTIFY, STEP_GO);

static void a_close_notify_that_is_the_fifth_alert_closes(void **state)
{
	(void)state;
	EACH_VERSION(v)
	{
		struct against a;

		begin(&a, *v, AGAINST_BEFORE, &four_warnings);
		assert_int_equal(against_read(&a), LW_END);
		assert_int_equal(a.bytes, 400);
		assert_int_equal(against_close(&a), LW_END);
		assert_int_equal(against_verdict(&a).read, LW_ENDING_CLOSED);
		assert_int_equal(against_verdict(&a).write, LW_ENDING_CLOSED);
		assert_int_equal(against_seen(&a)->close_notifies, 1);
		assert_int_equal(against_seen(&a)->fatals, 0);
		against_end(&a);
	}
}

static const struct adversary_script same_warnings =
    SCRIPT(STEP_ALERTS(3, 1, 90), STEP_DATA(100), STEP_CLOSE_NOTIFY, STEP_GO);
static const struct adversary_script other_warnings =
    SCRIPT(STEP_ALERT(1, 90), STEP_ALERT(1, 100), STEP_ALERT(1, 90), STEP_CLOSE_NOTIFY, STEP_GO);

static void warnings_that_are_the_same_count_as_one(void **state)
{
	(void)state;
	EACH_VERSION(v)
	{
		struct against a;

		begin(&a, *v, AGAINST_BEFORE, &same_warnings);
		assert_int_equal(against_read(&a), LW_END);
		assert_int_equal(against_verdict(&a).warnings, 1);
		against_end(&a);
		if (*v == LW_VERSION_TLS1_3) /* where no_renegotiation is no warning */
			continue;
		begin(&a, *v, AGAINST_BEFORE, &other_warnings);
		assert_int_equal(against_read(&a), LW_END);
		assert_int_equal(against_verdict(&a).warnings, 3);
		against_end(&a);
	}
}

static const struct adversary_script closes_at_level_fatal =
    SCRIPT(STEP_DATA(100), STEP_ALERT(2, 0), STEP_WAIT_END);

/* rule: level-ignored */
static void after_a_close_notify_at_level_fatal_none_of_ours_can_leave_in_13(void **state)
{
	struct against a;
	size_t n;

	(void)state;
	begin(&a, LW_VERSION_TLS1_3, AGAINST_BEFORE, &closes_at_level_fatal);
	assert_int_equal(against_read(&a), LW_END);
	assert_int_equal(a.bytes, 100);
	assert_int_equal(lw_write(a.stream, "still", 5, &n), LW_OK);
	assert_int_equal(against_close(&a), LW_END);
	assert_int_equal(against_verdict(&a).read, LW_ENDING_CLOSED);
	assert_int_equal(against_verdict(&a).write, LW_ENDING_FAILED);
	assert_int_equal(against_seen(&a)->data_bytes, 5);
	assert_int_equal(against_seen(&a)->close_notifies, 0);
	against_end(&a);
}

/* What wolfSSL does by itself */

static const struct adversary_script key_update_meanwhile =
    SCRIPT(STEP_STOP_READING, STEP_SILENCE, STEP_KEY_UPDATE(1), STEP_DATA(1000), STEP_SILENCE,
           STEP_READ_ON, STEP_GO);

static void wolfssl_answers_a_key_update_over_a_record_that_is_half_out(void **state)
{
	uint8_t rest[16384];
	struct against a;
	uint64_t taken;
	size_t n;

	(void)state;
	begin(&a, LW_VERSION_TLS1_3, AGAINST_BARE, &key_update_meanwhile);
	taken = against_fill(&a);
	adversary_resume(a.adversary);
	(void)against_read_bare(&a);
	assert_int_equal(a.bytes, 1000);
	adversary_resume(a.adversary);
	for (size_t i = 0; i < sizeof rest; i++)
		rest[i] = adversary_pattern(taken + i);
	for (int i = 0; i < 20; i++) {
		(void)wolfssl_stack.write(a.connection, rest, sizeof rest, &n);
		(void)against_spin(&a);
	}
	assert_true(against_seen(&a)->unreadable);
	against_end(&a);
}

static const struct adversary_script warns_of_an_error =
    SCRIPT(STEP_DATA(1000), STEP_ALERT(1, 40), STEP_DATA(500), STEP_CLOSE_NOTIFY, STEP_FIN);

static void wolfssl_passes_over_an_error_alert_at_level_warning_in_13(void **state)
{
	struct against a;

	(void)state;
	begin(&a, LW_VERSION_TLS1_3, AGAINST_BARE, &warns_of_an_error);
	assert_int_equal(against_read_bare(&a), STACK_END);
	assert_int_equal(a.bytes, 1500);
	against_end(&a);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_fifth_alert_of_a_connection_is_refused),
		cmocka_unit_test(a_close_notify_that_is_the_fifth_alert_closes),
		cmocka_unit_test(warnings_that_are_the_same_count_as_one),
		cmocka_unit_test(after_a_close_notify_at_level_fatal_none_of_ours_can_leave_in_13),
		cmocka_unit_test(wolfssl_answers_a_key_update_over_a_record_that_is_half_out),
		cmocka_unit_test(wolfssl_passes_over_an_error_alert_at_level_warning_in_13),
	};

	signal(SIGPIPE, SIG_IGN); /* which bare libraries raise */
	return run_cases(tests);
}
