/* library: the run.  See library.h; library_text.c and library_json.c lay out. */
#include "audit/library_report.h"

#include "adversary/adversary.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct subject *const kinds[LIBRARY_KINDS] = { &bare_subject, &stream_subject };

const char *library_version_digits(enum lw_version version)
{
	return lw_version_name(version) + strlen("TLSv");
}

static void run_cell(struct library_report *report, const struct audit_case *row,
                     struct library_cell *cell, const struct audit_setup *setup)
{
	struct audit_result result;

	cell->spoken = setup->stack->speaks(setup->version);
	if (!cell->spoken)
		return;
	audit_run(setup, &result);
	if (!result.ran)
		snprintf(report->trouble, sizeof report->trouble, "%s, TLS %s, %s on %s: %s",
		         row->ending, library_version_digits(setup->version),
		         subject_name(setup->subject, setup->stack), setup->stack->name,
		         result.trouble != NULL ? result.trouble : "it did not end");
	cell->judgement = judge_case(row, setup->version, &result, &cell->why);
	cell->conclusion = result.conclusion;
}

static void run_row(struct library_report *report, struct library_row *row,
                    struct audit_setup *setup)
{
	setup->ending = case_ending(row->row);
	setup->act = row->row->act;
	for (unsigned s = 0; s < report->stacks; s++)
		for (unsigned kind = 0; kind < LIBRARY_KINDS; kind++) {
			struct library_cell *cell = &row->cells[setup->version][s][kind];

			setup->stack = report->choice.stacks[s];
			setup->subject = kinds[kind];
			run_cell(report, row->row, cell, setup);
			if (cell->spoken)
				report->tally[s][kind][cell->judgement]++;
		}
}

static void run_all(struct library_report *report, const struct certificate *certificate)
{
	struct audit_setup setup = { .transport = ADVERSARY_SOCKET, .certificate = certificate };

	for (unsigned i = 0; i < report->rows; i++)
		for (unsigned v = 0; v < LIBRARY_VERSIONS; v++) {
			setup.version = (enum lw_version)v;
			if (report->choice.versions[v])
				run_row(report, &report->row[i], &setup);
		}
}

static void add_rows(struct library_report *report, const struct audit_case *(*at)(unsigned index))
{
	const struct audit_case *row;

	for (unsigned i = 0; (row = at(i)) != NULL && report->rows < LIBRARY_ROWS_MAX; i++)
		report->row[report->rows++].row = row;
}

struct library_report *library_run(const struct library_choice *choice)
{
	struct certificate *certificate = certificate_new(NULL, NULL);
	struct library_report *report = calloc(1, sizeof *report);

	if (certificate == NULL || report == NULL || !audit_has_sockets()) {
		certificate_free(certificate);
		free(report);
		return NULL;
	}
	report->choice = *choice;
	while (report->stacks < LIBRARY_STACKS_MAX && choice->stacks[report->stacks] != NULL)
		report->stacks++;
	add_rows(report, case_at);
	add_rows(report, closing_case_at);
	run_all(report, certificate);
	certificate_free(certificate);
	return report;
}

void library_free(struct library_report *report)
{
	free(report);
}

const char *library_trouble(const struct library_report *report)
{
	return report->trouble[0] != '\0' ? report->trouble : NULL;
}

bool library_streams_are_right(const struct library_report *report)
{
	for (unsigned s = 0; s < report->stacks; s++)
		if (report->tally[s][LIBRARY_STREAM][JUDGED_WRONG] +
		        report->tally[s][LIBRARY_STREAM][JUDGED_VAGUE] >
		    0)
			return false;
	return true;
}
