/*
 * mbedtls_against_test: what Mbed TLS makes of records that it would never send itself, and what a
 * stream on it tells.
 */
#include "against.h"
#include "tests/unit.h"

enum { BAD_RECORD_MAC = 20, DECODE_ERROR = 50 };

static const enum lw_version versions[] = { LW_VERSION_TLS1_0, LW_VERSION_TLS1_1,
	                                    LW_VERSION_TLS1_2 };

struct told {
	enum lw_status status;
	struct lw_verdict verdict;
	struct adversary_tally peer;
	uint64_t bytes;
};

static struct told hear(enum lw_version version, const struct adversary_script *script)
{
	const struct against_setup setup = { .stack = &mbedtls_stack, .version = version };
	struct against a;
	struct told told;

	assert_true(against_begin(&a, &setup, script));
	told.status = against_read(&a);
	(void)against_close(&a);
	told.verdict = against_verdict(&a);
	told.peer = *against_seen(&a);
	told.bytes = a.bytes;
	assert_false(a.differs);
	against_end(&a);
	return told;
}

static const struct adversary_script warns =
    SCRIPT(STEP_DATA(1000), STEP_ALERTS(2, 1, 90), STEP_DATA(1000), STEP_ALERTS(3, 1, 100),
           STEP_CLOSE_NOTIFY, STEP_FIN);
static const struct adversary_script no_level =
    SCRIPT(STEP_DATA(1000), STEP_RAW_ALERT("\3\132"), STEP_CLOSE_NOTIFY, STEP_FIN);
static const struct adversary_script two_empty =
    SCRIPT(STEP_DATA(1000), STEP_EMPTY_DATA, STEP_EMPTY_DATA, STEP_EMPTY_DATA, STEP_DATA(1000),
           STEP_EMPTY_DATA, STEP_EMPTY_DATA, STEP_CLOSE_NOTIFY, STEP_FIN);
static const struct adversary_script four_empty =
    SCRIPT(STEP_DATA(1000), STEP_EMPTY_DATA, STEP_EMPTY_DATA, STEP_EMPTY_DATA, STEP_EMPTY_DATA,
           STEP_WAIT_END);
static const struct adversary_script broken =
    SCRIPT(STEP_DATA(1000), STEP_BROKEN_RECORD(100), STEP_WAIT_END);
static const struct adversary_script garbled =
    SCRIPT(STEP_DATA(1000), STEP_GARBAGE(100), STEP_WAIT_END);
static const struct adversary_script split =
    SCRIPT(STEP_DATA(1000), STEP_SPLIT_ALERT(1, 0), STEP_WAIT_END);

static void warnings_that_the_library_passes_over_are_counted(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof versions / sizeof versions[0]; i++) {
		const struct told told = hear(versions[i], &warns);

		assert_int_equal(told.status, LW_END);
		assert_int_equal(told.bytes, 2000);
		assert_int_equal(told.verdict.warnings, 5);
		assert_int_equal(told.verdict.read, LW_ENDING_CLOSED);
	}
}

static void empty_records_are_no_end(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof versions / sizeof versions[0]; i++) {
		const struct told told = hear(versions[i], &two_empty);

		assert_int_equal(told.status, LW_END);
		assert_int_equal(told.bytes, 2000);
		assert_true(told.verdict.whole);
	}
}

static void the_library_takes_two_empty_records_for_an_end(void **state)
{
	const struct against_setup setup = { .stack = &mbedtls_stack,
		                             .version = LW_VERSION_TLS1_2,
		                             .attach = AGAINST_BARE };
	struct against a;

	(void)state;
	assert_true(against_begin(&a, &setup, &two_empty));
	assert_int_equal(against_read_bare(&a), STACK_END);
	assert_int_equal(a.bytes, 1000);
	against_end(&a);
}

/* rules: error-alerts-sent-fatal, send-fatal-if-possible */
static void what_is_refused_draws_one_alert_and_the_verdict_names_it(void **state)
{
	static const struct {
		const struct adversary_script *script;
		uint8_t description;
	} rows[] = {
		{ &no_level, DECODE_ERROR }, { &four_empty, BAD_RECORD_MAC },
		{ &broken, BAD_RECORD_MAC }, { &garbled, DECODE_ERROR },
		{ &split, DECODE_ERROR },
	};

	(void)state;
	for (size_t r = 0; r < sizeof rows / sizeof rows[0]; r++) {
		for (size_t i = 0; i < sizeof versions / sizeof versions[0]; i++) {
			const struct told told = hear(versions[i], rows[r].script);

			assert_int_equal(told.status, LW_ERROR);
			assert_int_equal(told.bytes, 1000);
			assert_int_equal(told.verdict.read, LW_ENDING_FAILED);
			assert_int_equal(told.verdict.write, LW_ENDING_ABORTED);
			assert_int_equal(told.verdict.alert_sent.description, rows[r].description);
			assert_int_equal(told.peer.fatals, 1);
			assert_int_equal(told.peer.alerts, 1);
			assert_int_equal(told.peer.last_description, rows[r].description);
			assert_int_equal(told.peer.after_closure, 0);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(warnings_that_the_library_passes_over_are_counted),
		cmocka_unit_test(empty_records_are_no_end),
		cmocka_unit_test(the_library_takes_two_empty_records_for_an_end),
		cmocka_unit_test(what_is_refused_draws_one_alert_and_the_verdict_names_it),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
