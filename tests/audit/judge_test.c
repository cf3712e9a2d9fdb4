/*
 * judge_test: the judge can say each of its words, and says right only for what is right in every
 * part; each case names a rule that exists.
 */
#include "audit/cases.h"
#include "tests/unit.h"

#include <stdio.h>
#include <string.h>

#define FULL ENDING_DATA_BYTES

/* A stream that read to a close_notify, and one that was cut inside a record. */
static const struct conclusion closed = {
	.first = SUBJECT_END,
	.again = SUBJECT_END,
	.bytes = FULL,
	.has_verdict = true,
	.verdict = { .read = LW_ENDING_CLOSED,
	             .whole = true,
	             .bytes_read = FULL,
	             .alert_received = { .present = true, .level = 1 } },
};
static const struct conclusion cut = {
	.first = SUBJECT_TRUNCATED,
	.again = SUBJECT_TRUNCATED,
	.bytes = FULL,
	.has_verdict = true,
	.verdict = { .read = LW_ENDING_TRUNCATED, .at = LW_PLACE_INSIDE, .bytes_read = FULL },
};

static enum judgement judged(const char *ending, enum lw_version version, struct conclusion c)
{
	const char *why;
	enum judgement j = judge(case_expects(case_of(ending), version), &c, &why);

	assert_int_equal(why[0] == '\0', j == JUDGED_RIGHT);
	return j;
}

static void what_is_right_is_right(void **state)
{
	(void)state;
	assert_int_equal(judged("close-notify", LW_VERSION_TLS1_3, closed), JUDGED_RIGHT);
	assert_int_equal(judged("inside-record", LW_VERSION_TLS1_2, cut), JUDGED_RIGHT);
	assert_int_equal(judged("split-alert", LW_VERSION_TLS1_2, closed), JUDGED_RIGHT);
}

/* Each part of a right conclusion, changed alone, is noticed. */
static void every_part_counts(void **state)
{
	struct conclusion c;

	(void)state;
	c = cut;
	c.differs = true;
	assert_int_equal(judged("inside-record", LW_VERSION_TLS1_2, c), JUDGED_WRONG);
	c = cut;
	c.bytes--;
	assert_int_equal(judged("inside-record", LW_VERSION_TLS1_2, c), JUDGED_WRONG);
	c = cut;
	c.again = SUBJECT_END;
	assert_int_equal(judged("inside-record", LW_VERSION_TLS1_2, c), JUDGED_WRONG);
	c = cut;
	c.verdict.whole = true;
	assert_int_equal(judged("inside-record", LW_VERSION_TLS1_2, c), JUDGED_WRONG);
	c = cut;
	c.first = c.again = SUBJECT_WAITS;
	assert_int_equal(judged("inside-record", LW_VERSION_TLS1_2, c), JUDGED_WRONG);
	c = cut;
	c.verdict.at = LW_PLACE_BOUNDARY;
	assert_int_equal(judged("inside-record", LW_VERSION_TLS1_2, c), JUDGED_VAGUE);
	c = cut;
	c.verdict.read = LW_ENDING_RESET;
	assert_int_equal(judged("inside-record", LW_VERSION_TLS1_2, c), JUDGED_VAGUE);
	c = cut;
	c.verdict.bytes_read++;
	assert_int_equal(judged("inside-record", LW_VERSION_TLS1_2, c), JUDGED_VAGUE);
	c = cut;
	c.first = c.again = SUBJECT_ABORTED;
	assert_int_equal(judged("inside-record", LW_VERSION_TLS1_2, c), JUDGED_VAGUE);
}

static void a_false_end_is_wrong_and_so_is_no_end(void **state)
{
	(void)state;
	assert_int_equal(judged("none-at-boundary", LW_VERSION_TLS1_3, closed), JUDGED_WRONG);
	assert_int_equal(judged("close-notify", LW_VERSION_TLS1_3, cut), JUDGED_WRONG);
	assert_int_equal(judged("close-in-handshake", LW_VERSION_TLS1_3, closed), JUDGED_WRONG);
}

static void another_alert_is_noticed(void **state)
{
	struct conclusion c = { .first = SUBJECT_ABORTED,
		                .again = SUBJECT_ABORTED,
		                .bytes = FULL,
		                .has_verdict = true,
		                .verdict = { .read = LW_ENDING_ABORTED,
		                             .bytes_read = FULL,
		                             .alert_received = { true, 2, 40 } } };

	(void)state;
	assert_int_equal(judged("fatal-alert", LW_VERSION_TLS1_2, c), JUDGED_RIGHT);
	c.verdict.alert_received.description = 41;
	assert_int_equal(judged("fatal-alert", LW_VERSION_TLS1_2, c), JUDGED_VAGUE);
	c.verdict.alert_received.present = false;
	assert_int_equal(judged("fatal-alert", LW_VERSION_TLS1_2, c), JUDGED_VAGUE);
}

static void to_refuse_is_right_only_where_one_may(void **state)
{
	struct conclusion c = { .first = SUBJECT_ERROR, .again = SUBJECT_ERROR, .bytes = FULL };

	(void)state;
	assert_int_equal(judged("many-warnings", LW_VERSION_TLS1_3, c), JUDGED_REFUSED);
	assert_int_equal(judged("split-alert", LW_VERSION_TLS1_2, c), JUDGED_REFUSED);
	assert_int_equal(judged("close-twice", LW_VERSION_TLS1_3, c), JUDGED_WRONG);
}

static void without_a_verdict_only_an_end_can_be_right(void **state)
{
	struct conclusion c = { .first = SUBJECT_END, .again = SUBJECT_END, .bytes = FULL };

	(void)state;
	assert_int_equal(judged("close-notify", LW_VERSION_TLS1_3, c), JUDGED_RIGHT);
	c.first = c.again = SUBJECT_ERROR;
	assert_int_equal(judged("reset", LW_VERSION_TLS1_3, c), JUDGED_VAGUE);
	c.again = SUBJECT_END;
	assert_int_equal(judged("reset", LW_VERSION_TLS1_3, c), JUDGED_WRONG);
}

static bool rule_exists(const char *id)
{
	char line[4096];
	size_t len = strlen(id);
	bool found = false;
	FILE *in = fopen(RULES_FILE, "r");

	assert_non_null(in);
	while (!found && fgets(line, sizeof line, in) != NULL)
		found = strncmp(line, id, len) == 0 && line[len] == '\t';
	fclose(in);
	return found;
}

static void every_case_names_a_rule_that_exists(void **state)
{
	const struct audit_case *row;

	(void)state;
	for (unsigned i = 0; (row = case_at(i)) != NULL; i++)
		if (!rule_exists(row->rule))
			assert_string_equal(row->rule, "no such rule");
	assert_false(rule_exists("no-such-rule"));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_right_is_right),
		cmocka_unit_test(every_part_counts),
		cmocka_unit_test(a_false_end_is_wrong_and_so_is_no_end),
		cmocka_unit_test(another_alert_is_noticed),
		cmocka_unit_test(to_refuse_is_right_only_where_one_may),
		cmocka_unit_test(without_a_verdict_only_an_end_can_be_right),
		cmocka_unit_test(every_case_names_a_rule_that_exists),
	};
	return run_cases(tests);
}
