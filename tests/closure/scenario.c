/* scenario: see scenario.h. */
#include "tests/closure/scenario.h"

#include "tests/unit.h"

#include <stdio.h>
#include <string.h>

#define ROWS_MAX 64

static void begin(const struct scenario *row, enum lw_version version, struct lw_engine *e)
{
	const struct lw_engine_event established = { .kind = LW_EV_ESTABLISHED,
		                                     .version = version };

	lw_engine_init(e, row->policy, !(row->start & NO_WAIT));
	if (!(row->start & SHAKING))
		assert_int_equal(lw_engine_step(&lw_tables, e, &established), 0);
}

static void run_steps(const struct scenario *row, enum lw_version version, struct lw_engine *e)
{
	for (unsigned i = 0; i < STEPS_MAX && row->steps[i].actions; i++) {
		struct lw_engine_event event = row->steps[i].event;
		const unsigned expected = row->steps[i].actions & ~NOTHING;
		unsigned actions;

		if (event.kind == LW_EV_ESTABLISHED)
			event.version = version;
		actions = lw_engine_step(&lw_tables, e, &event);
		if (actions != expected)
			fail_msg("%s, step %u: actions 0x%x, expected 0x%x",
			         lw_version_name(version), i + 1, actions, expected);
	}
}

static void check_outcome(const struct outcome *end, const struct lw_engine *e)
{
	struct lw_verdict verdict;

	lw_engine_verdict(e, &verdict);
	assert_string_equal(lw_ending_name(verdict.read), lw_ending_name(end->read));
	assert_string_equal(lw_ending_name(verdict.write), lw_ending_name(end->write));
	assert_int_equal(e->transport, end->transport);
	assert_int_equal(verdict.whole, end->whole);
	assert_int_equal(verdict.complete, end->complete);
	assert_int_equal(verdict.tolerated, end->tolerated);
	assert_string_equal(lw_closer_side_name(verdict.closed_first),
	                    lw_closer_side_name(end->first));
	assert_string_equal(lw_session_name(verdict.session), lw_session_name(end->session));
	assert_int_equal(e->armed, end->armed);
	assert_int_equal(verdict.warnings, end->warnings);
}

/* What the predicates say follows from the endings and the transport. */
static void check_predicates(const struct lw_engine *e)
{
	const bool over = e->transport >= LW_TRANSPORT_CLOSED;

	assert_int_equal(lw_engine_is_final(e), over);
	assert_int_equal(lw_engine_wants_read(e),
	                 !over && lw_engine_read_ending(e) == LW_ENDING_OPEN);
	if (over || lw_engine_write_ending(e) != LW_ENDING_OPEN)
		assert_false(lw_engine_may_write(e));
	if (over || lw_engine_read_ending(e) != LW_ENDING_OPEN)
		assert_false(lw_engine_delivers(e));
}

static void holds(void **state)
{
	const struct scenario *row = *state;

	for (unsigned v = LW_VERSION_SSL3; v <= LW_VERSION_TLS1_3; v++) {
		struct lw_engine e;

		if (!(row->versions & 1u << v))
			continue;
		begin(row, (enum lw_version)v, &e);
		run_steps(row, (enum lw_version)v, &e);
		check_outcome(&row->end, &e);
		check_predicates(&e);
	}
}

int run_scenarios(const struct scenario *rows, size_t count)
{
	struct CMUnitTest tests[ROWS_MAX];
	char names[ROWS_MAX][200];

	for (size_t i = 0; i < count; i++) {
		snprintf(names[i], sizeof names[i], "%s%s%s%s", *rows[i].rules ? "rule: " : "",
		         rows[i].rules, *rows[i].rules ? ": " : "", rows[i].claim);
		tests[i] = (struct CMUnitTest){ .name = names[i],
			                        .test_func = holds,
			                        .initial_state = (void *)&rows[i] };
	}
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return _cmocka_run_group_tests("scenarios", tests, count, NULL, NULL);
}
