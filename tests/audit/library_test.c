/*
 * library_test: the run of every row on every TLS library that is built in: the streams are right
 * where their library lets them, closing and writing late included; what OpenSSL alone makes of the
 * closing rows is held fast; the report's JSON fits its schema.
 */
#include "audit/library_report.h"
#include "tests/report/schema.h"
#include "tests/unit.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

static struct library_report *report;

static const struct library_cell *find_cell(const char *ending, enum lw_version version,
                                            unsigned kind)
{
	for (unsigned i = 0; i < report->rows; i++)
		if (strcmp(report->row[i].row->ending, ending) == 0)
			return &report->row[i].cells[version][0][kind];
	fail_msg("no row %s", ending);
	return NULL;
}

static void nothing_is_left_out(void **state)
{
	unsigned spoken = 0, told = 0;

	(void)state;
	assert_string_equal(library_trouble(report) ? library_trouble(report) : "", "");
	for (unsigned s = 0; s < report->stacks; s++)
		for (int v = LW_VERSION_TLS1_0; v <= LW_VERSION_TLS1_3; v++)
			spoken += report->choice.stacks[s]->speaks((enum lw_version)v);
	for (unsigned s = 0; s < report->stacks; s++)
		for (unsigned kind = 0; kind < LIBRARY_KINDS; kind++)
			for (unsigned j = 0; j <= JUDGED_WRONG; j++)
				told += report->tally[s][kind][j];
	assert_true(report->rows > 25);
	assert_int_equal(told, spoken * LIBRARY_KINDS * report->rows);
}

static void every_stream_is_right(void **state)
{
	char told[256];

	(void)state;
	for (unsigned i = 0; i < report->rows; i++)
		for (int v = LW_VERSION_TLS1_0; v <= LW_VERSION_TLS1_3; v++)
			for (unsigned s = 0; s < report->stacks; s++) {
				const struct library_cell *cell =
				    &report->row[i].cells[v][s][LIBRARY_STREAM];

				if (!cell->spoken || cell->judgement <= JUDGED_REFUSED)
					continue;
				snprintf(told, sizeof told, "%s, %s on %s: %s",
				         report->row[i].row->ending,
				         lw_version_name((enum lw_version)v),
				         report->choice.stacks[s]->name, cell->why);
				assert_string_equal(told, "");
			}
	assert_true(library_streams_are_right(report));
}

static void openssl_alone_is_judged_so_when_it_closes(void **state)
{
	static const struct {
		const char *answer;
		enum judgement in_12, in_13;
		const char *why;
	} rows[] = {
		{ "answered", JUDGED_RIGHT, JUDGED_RIGHT, "" },
		{ "answered-by-fin", JUDGED_VAGUE, JUDGED_VAGUE, "cannot tell which" },
		{ "answered-inside-record", JUDGED_VAGUE, JUDGED_VAGUE, "cannot tell which" },
		{ "answered-by-reset", JUDGED_VAGUE, JUDGED_VAGUE, "cannot tell which" },
		{ "answered-by-fatal", JUDGED_WRONG, JUDGED_WRONG, "a false end" },
		{ "unanswered", JUDGED_WRONG, JUDGED_WRONG, "waits for ever" },
		{ "data-too-late", JUDGED_RIGHT, JUDGED_RIGHT, "" },
		{ "data-to-the-closed", JUDGED_WRONG, JUDGED_RIGHT, "sends it" },
		{ "full-pipe", JUDGED_WRONG, JUDGED_WRONG, "breaks the record" },
	};
	const struct library_cell *cell;

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		assert_string_equal(closing_case_at((unsigned)i)->ending, rows[i].answer);
		cell = find_cell(rows[i].answer, LW_VERSION_TLS1_2, LIBRARY_ALONE);
		assert_int_equal(cell->judgement, rows[i].in_12);
		assert_string_equal(cell->why, rows[i].why);
		cell = find_cell(rows[i].answer, LW_VERSION_TLS1_3, LIBRARY_ALONE);
		assert_int_equal(cell->judgement, rows[i].in_13);
	}
	assert_null(closing_case_at(sizeof rows / sizeof rows[0]));
}

/* Each word of the judge of late writes, from what an adversary may have seen. */
static void late_writes_are_judged_by_what_left(void **state)
{
	static const struct audit_case after_own = { .act = SUBJECT_WRITES_AFTER_OWN };
	static const struct audit_case after_peers = { .act = SUBJECT_WRITES_AFTER_PEERS };
	static const struct audit_case half_out = { .act = SUBJECT_CLOSES_HALF_OUT };
	static const struct {
		const struct audit_case *row;
		enum lw_version version;
		uint64_t taken;
		struct adversary_tally tally;
		const char *why;
	} rows[] = {
		{ &after_own, LW_VERSION_TLS1_3, 0, { 0 }, "" },
		{ &after_own, LW_VERSION_TLS1_3, 100, { 0 }, "says it was sent" },
		{ &after_own, LW_VERSION_TLS1_3, 0, { .after_closure = 1 }, "sends it" },
		{ &after_peers, LW_VERSION_TLS1_2, 0, { 0 }, "" },
		{ &after_peers, LW_VERSION_TLS1_2, 100, { 0 }, "says it was sent" },
		{ &after_peers, LW_VERSION_TLS1_2, 100, { .data_bytes = 100 }, "sends it" },
		{ &after_peers, LW_VERSION_TLS1_3, 100, { .data_bytes = 100 }, "" },
		{ &after_peers, LW_VERSION_TLS1_3, 100, { 0 }, "does not send it" },
		{ &half_out, LW_VERSION_TLS1_2, 9, { .data_bytes = 9, .close_notifies = 1 }, "" },
		{ &half_out, LW_VERSION_TLS1_2, 9, { .unreadable = true }, "breaks the record" },
		{ &half_out, LW_VERSION_TLS1_2, 9, { .cut_inside = true }, "breaks the record" },
		{ &half_out, LW_VERSION_TLS1_2, 9, { .data_bytes = 8 }, "loses data" },
		{ &half_out, LW_VERSION_TLS1_2, 9, { .data_bytes = 9 }, "sends none" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		const struct audit_result result = { .conclusion = { .taken = rows[i].taken,
			                                             .first = SUBJECT_ERROR },
			                             .tally = rows[i].tally };
		const char *why;

		assert_int_equal(judge_case(rows[i].row, rows[i].version, &result, &why),
		                 rows[i].why[0] == '\0' ? JUDGED_RIGHT : JUDGED_WRONG);
		assert_string_equal(why, rows[i].why);
	}
}

static void the_json_fits_its_schema(void **state)
{
	json_t *schema = schema_load(SCHEMA_FILE), *json = library_json_make(report);

	(void)state;
	assert_non_null(json);
	assert_true(schema_fits(schema, json));
	assert_int_equal(json_array_size(json_object_get(json, "cases")), 4 * report->rows);
	json_object_set_new(json, "streams_right", json_string("yes"));
	assert_false(schema_fits(schema, json));
	json_decref(json);
	json_decref(schema);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_left_out),
		cmocka_unit_test(every_stream_is_right),
		cmocka_unit_test(openssl_alone_is_judged_so_when_it_closes),
		cmocka_unit_test(late_writes_are_judged_by_what_left),
		cmocka_unit_test(the_json_fits_its_schema),
	};
	struct library_choice choice = { 0 };
	int failed;

	signal(SIGPIPE, SIG_IGN); /* which bare libraries raise on a reset socket */
	for (unsigned i = 0; i < LIBRARY_STACKS_MAX - 1; i++)
		choice.stacks[i] = stack_at(i);
	for (int v = LW_VERSION_TLS1_0; v <= LW_VERSION_TLS1_3; v++)
		choice.versions[v] = true;
	report = library_run(&choice);
	if (report == NULL)
		return 1;
	failed = run_cases(tests);
	library_free(report);
	return failed;
}
