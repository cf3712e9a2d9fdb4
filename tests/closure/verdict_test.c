/* verdict: what the engine notes beside the endings: places, errors, alerts, warnings. */
#include "tests/closure/scenario.h"
#include "tests/unit.h"

#include <string.h>

static struct lw_engine begin(enum lw_version version)
{
	struct lw_engine e;

	lw_engine_init(&e, LW_POLICY_FRAMED, true);
	(void)lw_engine_step(
	    &lw_tables, &e,
	    &(struct lw_engine_event){ .kind = LW_EV_ESTABLISHED, .version = version });
	return e;
}

static void feed(struct lw_engine *e, struct lw_engine_event event)
{
	(void)lw_engine_step(&lw_tables, e, &event);
}

static struct lw_verdict verdict_of(const struct lw_engine *e)
{
	struct lw_verdict v;

	memset(&v, 0xff, sizeof v); /* whatever stood there is overwritten */
	lw_engine_verdict(e, &v);
	return v;
}

static void a_new_engine_knows_nothing(void **state)
{
	struct lw_engine e;
	struct lw_verdict v;

	(void)state;
	lw_engine_init(&e, LW_POLICY_STRICT, true);
	v = verdict_of(&e);
	assert_int_equal(v.version, LW_VERSION_UNKNOWN);
	assert_int_equal(v.policy, LW_POLICY_STRICT);
	assert_int_equal(v.read, LW_ENDING_OPEN);
	assert_int_equal(v.write, LW_ENDING_OPEN);
	assert_false(v.whole || v.complete || v.tolerated);
	assert_false(v.alert_received.present || v.alert_sent.present);
	assert_int_equal(v.session, LW_SESSION_MAY_RESUME);
	assert_int_equal(v.bytes_read + v.bytes_written + v.bytes_ignored + v.bytes_discarded, 0);
	assert_int_equal(v.bytes_unacknowledged, 0);
	assert_false(lw_engine_is_established(&e) || lw_engine_may_write(&e) ||
	             lw_engine_delivers(&e) || lw_engine_may_finish(&e) ||
	             lw_engine_may_unwrap(&e) || lw_engine_is_closing(&e));
	assert_true(lw_engine_wants_read(&e));
}

/* rule: truncation-undecidable */
static void a_cut_inside_a_record_tells_what_is_missing(void **state)
{
	struct lw_engine e = begin(LW_VERSION_TLS1_3);
	struct lw_verdict v;

	(void)state;
	feed(&e, (struct lw_engine_event)FIN_INSIDE);
	feed(&e, (struct lw_engine_event)FIN);
	v = verdict_of(&e);
	assert_int_equal(v.at, LW_PLACE_INSIDE);
	assert_int_equal(v.missing, 7);
}

static void a_fin_behind_close_notify_is_no_place(void **state)
{
	struct lw_engine e = begin(LW_VERSION_TLS1_3);
	struct lw_verdict v;

	(void)state;
	feed(&e, (struct lw_engine_event)CLOSE_NOTIFY);
	feed(&e, (struct lw_engine_event)FIN_INSIDE);
	v = verdict_of(&e);
	assert_int_equal(v.at, LW_PLACE_NONE);
	assert_int_equal(v.missing, 0);
}

static void a_reset_tells_its_place(void **state)
{
	struct lw_engine e = begin(LW_VERSION_TLS1_3);

	(void)state;
	feed(&e, (struct lw_engine_event){ .kind = LW_EV_RESET, .place = LW_PLACE_INSIDE });
	assert_int_equal(verdict_of(&e).at, LW_PLACE_INSIDE);
}

static void the_first_error_of_the_transport_stays(void **state)
{
	struct lw_engine e = begin(LW_VERSION_TLS1_3);

	(void)state;
	feed(&e, (struct lw_engine_event)WRITE_ERROR);
	feed(&e, (struct lw_engine_event)READ_ERROR);
	assert_int_equal(verdict_of(&e).os_error, 5);
	e = begin(LW_VERSION_TLS1_3);
	feed(&e, (struct lw_engine_event)READ_ERROR);
	assert_int_equal(verdict_of(&e).os_error, 110);
}

/* rule: no-io-after-received-error */
static void the_alert_that_ended_the_read_side_is_named(void **state)
{
	struct lw_engine e = begin(LW_VERSION_TLS1_2);
	struct lw_verdict v;

	(void)state;
	feed(&e, (struct lw_engine_event)ALERT(LW_ALERT_WARNING, LW_ALERT_USER_CANCELED));
	assert_false(verdict_of(&e).alert_received.present);
	feed(&e, (struct lw_engine_event)FATAL);
	feed(&e, (struct lw_engine_event)CLOSE_NOTIFY);
	v = verdict_of(&e);
	assert_true(v.alert_received.present);
	assert_int_equal(v.alert_received.level, LW_ALERT_FATAL);
	assert_int_equal(v.alert_received.description, 80);
	assert_int_equal(v.warnings, 1);
}

/* rule: refuse-warning-with-fatal */
static void data_starts_the_count_of_warnings_anew(void **state)
{
	struct lw_engine e = begin(LW_VERSION_TLS1_2);

	(void)state;
	for (unsigned i = 1; i <= LW_WARNINGS_IN_A_ROW_MAX; i++) {
		feed(&e, (struct lw_engine_event)ALERT(LW_ALERT_WARNING, LW_ALERT_USER_CANCELED));
		assert_int_equal(e.warnings_in_a_row, i);
	}
	feed(&e, (struct lw_engine_event)DATA);
	assert_int_equal(e.warnings_in_a_row, 0);
	assert_int_equal(verdict_of(&e).warnings, LW_WARNINGS_IN_A_ROW_MAX);
	feed(&e, (struct lw_engine_event)CLOSE_NOTIFY);
	feed(&e, (struct lw_engine_event)ALERT(LW_ALERT_WARNING, LW_ALERT_USER_CANCELED));
	assert_int_equal(verdict_of(&e).warnings, LW_WARNINGS_IN_A_ROW_MAX);
}

static void the_version_is_told_once_the_handshake_is_done(void **state)
{
	(void)state;
	for (unsigned v = LW_VERSION_SSL3; v <= LW_VERSION_DTLS1_3; v++) {
		struct lw_engine e = begin((enum lw_version)v);

		assert_int_equal(verdict_of(&e).version, v);
		assert_true(lw_engine_is_established(&e) && lw_engine_may_write(&e) &&
		            lw_engine_delivers(&e) && lw_engine_may_unwrap(&e));
	}
}

static void the_row_decides_whether_a_fatal_alert_forbids_resumption(void **state)
{
	struct lw_version_row lenient = *lw_version_row(LW_VERSION_TLS1_2);
	struct lw_engine e = begin(LW_VERSION_TLS1_2);

	(void)state;
	lenient.fatal_forbids_resumption = false;
	e.row = &lenient;
	feed(&e, (struct lw_engine_event)FATAL);
	assert_int_equal(verdict_of(&e).session, LW_SESSION_MAY_RESUME);
}

static void the_predicates_follow_a_close(void **state)
{
	struct lw_engine e = begin(LW_VERSION_TLS1_3);

	(void)state;
	feed(&e, (struct lw_engine_event)COMPLETE);
	assert_true(lw_engine_delivers(&e));
	assert_false(lw_engine_is_closing(&e));
	feed(&e, (struct lw_engine_event)CLOSE);
	assert_true(lw_engine_is_closing(&e) && lw_engine_wants_read(&e));
	assert_false(lw_engine_delivers(&e) || lw_engine_may_write(&e) || lw_engine_may_unwrap(&e));
	feed(&e, (struct lw_engine_event)FLUSHED);
	feed(&e, (struct lw_engine_event)CLOSE_NOTIFY);
	assert_true(lw_engine_is_closing(&e) && !lw_engine_is_final(&e));
	assert_false(lw_engine_wants_read(&e));
	feed(&e, (struct lw_engine_event)FIN);
	assert_true(lw_engine_is_closing(&e) && lw_engine_is_final(&e));
	e = begin(LW_VERSION_TLS1_3);
	feed(&e, (struct lw_engine_event)FIN);
	feed(&e, (struct lw_engine_event)CLOSE);
	assert_true(lw_engine_is_closing(&e));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_new_engine_knows_nothing),
		cmocka_unit_test(a_cut_inside_a_record_tells_what_is_missing),
		cmocka_unit_test(a_fin_behind_close_notify_is_no_place),
		cmocka_unit_test(a_reset_tells_its_place),
		cmocka_unit_test(the_first_error_of_the_transport_stays),
		cmocka_unit_test(the_alert_that_ended_the_read_side_is_named),
		cmocka_unit_test(data_starts_the_count_of_warnings_anew),
		cmocka_unit_test(the_version_is_told_once_the_handshake_is_done),
		cmocka_unit_test(the_row_decides_whether_a_fatal_alert_forbids_resumption),
		cmocka_unit_test(the_predicates_follow_a_close),
	};
	return run_cases(tests);
}
