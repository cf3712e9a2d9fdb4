/*
 * library_text: the report for people.  A line a case, or one for each version where they differ;
 * a column for each library alone, and one for the streams on all of them.
 */
#include "audit/library_report.h"
#include "audit/mark.h"

#include <string.h>

enum { NAME_WIDTH = 24, VERSION_WIDTH = 4, COLUMN_WIDTH = 9 };

static const struct library_cell *cell_of(const struct library_row *row, unsigned version,
                                          unsigned stack, unsigned kind)
{
	return &row->cells[version][stack][kind];
}

/* The versions that share a line. */
struct span {
	unsigned first, end;
};

/* What a library says in a span: in the first version that it speaks, since all read alike. */
static const struct library_cell *cell_in(const struct library_row *row, struct span span,
                                          unsigned stack, unsigned kind)
{
	const struct library_cell *cell = cell_of(row, span.first, stack, kind);

	for (unsigned v = span.first; v < span.end && !cell->spoken; v++)
		cell = cell_of(row, v, stack, kind);
	return cell;
}

/* A version that a library does not speak, or that was not run, reads like any other. */
static bool all_alike(const struct library_report *report, const struct library_row *row,
                      struct span span)
{
	for (unsigned v = span.first; v < span.end; v++)
		for (unsigned s = 0; s < report->stacks; s++)
			for (unsigned kind = 0; kind < LIBRARY_KINDS; kind++) {
				const struct library_cell *cell = cell_of(row, v, s, kind);

				if (cell->spoken &&
				    cell->judgement != cell_in(row, span, s, kind)->judgement)
					return false;
			}
	return true;
}

static void put_cell(FILE *out, const struct library_cell *cell, bool colour)
{
	if (cell->spoken)
		mark_put(out, cell->judgement, COLUMN_WIDTH, colour);
	else
		fprintf(out, "%-*s", COLUMN_WIDTH, "-");
}

/* The streams share a column: the worst of them, and which they are if not all are right. */
static void put_streams(FILE *out, const struct library_report *report,
                        const struct library_row *row, struct span span, bool colour)
{
	enum judgement worst = JUDGED_RIGHT;
	const char *between = " on ";

	for (unsigned s = 0; s < report->stacks; s++) {
		const struct library_cell *cell = cell_in(row, span, s, LIBRARY_STREAM);

		if (cell->spoken && cell->judgement > worst)
			worst = cell->judgement;
	}
	mark_put(out, worst, 0, colour);
	for (unsigned s = 0; s < report->stacks && worst != JUDGED_RIGHT; s++) {
		const struct library_cell *cell = cell_in(row, span, s, LIBRARY_STREAM);

		if (!cell->spoken || cell->judgement != worst)
			continue;
		fprintf(out, "%s%s", between, report->choice.stacks[s]->name);
		between = ", ";
	}
}

static void draw_line(FILE *out, const struct library_report *report, const struct library_row *row,
                      struct span span, const char *versions, bool colour)
{
	fprintf(out, "%-*s%-*s", NAME_WIDTH, row->row->ending, VERSION_WIDTH, versions);
	for (unsigned s = 0; s < report->stacks; s++)
		put_cell(out, cell_in(row, span, s, LIBRARY_ALONE), colour);
	put_streams(out, report, row, span, colour);
	fputc('\n', out);
}

static void draw_row(FILE *out, const struct library_report *report, const struct library_row *row,
                     bool colour)
{
	const struct span every = { 0, LIBRARY_VERSIONS };
	unsigned count = 0;

	for (unsigned v = 0; v < LIBRARY_VERSIONS; v++)
		count += report->choice.versions[v];
	if (count > 1 && all_alike(report, row, every)) {
		draw_line(out, report, row, every, "any", colour);
		return;
	}
	for (unsigned v = 0; v < LIBRARY_VERSIONS; v++)
		if (report->choice.versions[v])
			draw_line(out, report, row, (struct span){ v, v + 1 },
			          library_version_digits((enum lw_version)v), colour);
}

static void draw_head(FILE *out, const struct library_report *report, const char *what)
{
	fprintf(out, "%-*s%-*s", NAME_WIDTH, what, VERSION_WIDTH, "TLS");
	for (unsigned s = 0; s < report->stacks; s++)
		fprintf(out, "%-*s", COLUMN_WIDTH, report->choice.stacks[s]->name);
	fputs("the stream\n", out);
}

static void draw_tally(FILE *out, const char *name, const unsigned *tally)
{
	fprintf(out, "%-*s%3u right, %2u fails, %2u vague, %2u wrong\n", NAME_WIDTH, name,
	        tally[JUDGED_RIGHT], tally[JUDGED_REFUSED], tally[JUDGED_VAGUE],
	        tally[JUDGED_WRONG]);
}

static void draw_tallies(FILE *out, const struct library_report *report)
{
	char name[64];

	for (unsigned kind = 0; kind < LIBRARY_KINDS; kind++)
		for (unsigned s = 0; s < report->stacks; s++) {
			snprintf(name, sizeof name,
			         "%s%s:", kind == LIBRARY_STREAM ? "stream on " : "",
			         report->choice.stacks[s]->name);
			draw_tally(out, name, report->tally[s][kind]);
		}
}

void library_draw_table(FILE *out, const struct library_report *report, bool colour)
{
	bool reading = true;

	for (unsigned s = 0; s < report->stacks; s++)
		fprintf(out, "%-9s%s\n", report->choice.stacks[s]->name,
		        report->choice.stacks[s]->installed());
	fputc('\n', out);
	draw_head(out, report, "reading");
	for (unsigned i = 0; i < report->rows; i++) {
		if (reading && report->row[i].row->act != SUBJECT_READS) {
			reading = false;
			fputc('\n', out);
			draw_head(out, report, "closing, writing late");
		}
		draw_row(out, report, &report->row[i], colour);
	}
	fputc('\n', out);
	draw_tallies(out, report);
	fputs("\n" MARK_LEGEND, out);
}

/* ---- findings */

/* Whether an earlier cell of the library made the same mistake. */
static bool is_known(const struct library_report *report, unsigned stack, unsigned end_row,
                     unsigned end_version, const struct library_cell *cell)
{
	for (unsigned i = 0; i <= end_row; i++)
		for (unsigned v = 0; v < (i == end_row ? end_version : LIBRARY_VERSIONS); v++) {
			const struct library_cell *other =
			    cell_of(&report->row[i], v, stack, LIBRARY_ALONE);

			if (other->spoken && other->judgement == cell->judgement &&
			    strcmp(other->why, cell->why) == 0)
				return true;
		}
	return false;
}

/* Where else it is made: a case once, its versions behind it where they are not all that ran. */
static void put_places(FILE *out, const struct library_report *report, unsigned stack,
                       const struct library_cell *cell)
{
	for (unsigned i = 0; i < report->rows; i++) {
		const char *between = " (";
		unsigned made = 0, ran = 0;

		for (unsigned v = 0; v < LIBRARY_VERSIONS; v++) {
			const struct library_cell *other =
			    cell_of(&report->row[i], v, stack, LIBRARY_ALONE);

			ran += other->spoken;
			made += other->spoken && other->judgement == cell->judgement &&
			        strcmp(other->why, cell->why) == 0;
		}
		if (made == 0)
			continue;
		fprintf(out, "    %s", report->row[i].row->ending);
		for (unsigned v = 0; made < ran && v < LIBRARY_VERSIONS; v++) {
			const struct library_cell *other =
			    cell_of(&report->row[i], v, stack, LIBRARY_ALONE);

			if (!other->spoken || other->judgement != cell->judgement ||
			    strcmp(other->why, cell->why) != 0)
				continue;
			fprintf(out, "%s%s", between, library_version_digits((enum lw_version)v));
			between = ", ";
		}
		fprintf(out, "%s: the peer %s\n", made < ran ? ")" : "",
		        case_ending(report->row[i].row)->claim);
	}
}

static void draw_finding(FILE *out, const struct library_report *report, unsigned stack,
                         unsigned row, const struct library_cell *cell)
{
	fprintf(out, "  %s: %s\n", judgement_name(cell->judgement), cell->why);
	put_places(out, report, stack, cell);
	fprintf(out, "    next: lastword explain %s\n", report->row[row].row->rule);
}

void library_draw_findings(FILE *out, const struct library_report *report)
{
	for (unsigned s = 0; s < report->stacks; s++) {
		fprintf(out, "\n%s alone\n", report->choice.stacks[s]->name);
		for (unsigned i = 0; i < report->rows; i++)
			for (unsigned v = 0; v < LIBRARY_VERSIONS; v++) {
				const struct library_cell *cell =
				    cell_of(&report->row[i], v, s, LIBRARY_ALONE);

				if (cell->spoken && cell->judgement == JUDGED_WRONG &&
				    !is_known(report, s, i, v, cell))
					draw_finding(out, report, s, i, cell);
			}
	}
}
