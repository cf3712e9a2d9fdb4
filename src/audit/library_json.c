/* library_json: the report for programs, as data/schema/library.json says. */
#include "audit/library_report.h"
#include "report/verdict_json.h"

static json_t *make_libraries(const struct library_report *report)
{
	json_t *list = json_array();

	for (unsigned s = 0; s < report->stacks; s++) {
		const struct stack *stack = report->choice.stacks[s];

		(void)json_array_append_new(list, json_pack("{s:s, s:s, s:s}", "name", stack->name,
		                                            "installed", stack->installed(),
		                                            "reads_with", stack->reading));
	}
	return list;
}

static json_t *make_cell(const struct stack *stack, unsigned kind, const struct library_cell *cell)
{
	static const char *const judgements[] = { "right", "fails", "vague", "wrong" };
	const struct conclusion *c = &cell->conclusion;

	return json_pack("{s:s, s:b, s:s, s:s, s:s, s:s, s:I, s:s, s:o}", "library", stack->name,
	                 "stream", kind == LIBRARY_STREAM, "judgement", judgements[cell->judgement],
	                 "why", cell->why, "says", subject_says_name(c->first), "says_again",
	                 subject_says_name(c->again), "bytes", (json_int_t)c->bytes, "reason",
	                 c->reason, "verdict",
	                 c->has_verdict ? verdict_json_make(&c->verdict) : json_null());
}

static json_t *make_row(const struct library_report *report, const struct library_row *row,
                        unsigned version)
{
	json_t *cells = json_array();

	for (unsigned kind = 0; kind < LIBRARY_KINDS; kind++)
		for (unsigned s = 0; s < report->stacks; s++) {
			const struct library_cell *cell = &row->cells[version][s][kind];

			if (cell->spoken)
				(void)json_array_append_new(
				    cells, make_cell(report->choice.stacks[s], kind, cell));
		}
	return json_pack("{s:s, s:s, s:s, s:s, s:o}", "case", row->row->ending, "peer",
	                 case_ending(row->row)->claim, "version",
	                 lw_version_name((enum lw_version)version), "rule", row->row->rule,
	                 "subjects", cells);
}

json_t *library_json_make(const struct library_report *report)
{
	json_t *rows = json_array();

	for (unsigned i = 0; i < report->rows; i++)
		for (unsigned v = 0; v < LIBRARY_VERSIONS; v++)
			if (report->choice.versions[v])
				(void)json_array_append_new(rows,
				                            make_row(report, &report->row[i], v));
	return json_pack("{s:s, s:b, s:o, s:o}", "schema", LIBRARY_JSON_SCHEMA, "streams_right",
	                 library_streams_are_right(report), "libraries", make_libraries(report),
	                 "cases", rows);
}
