/*
 * library: every row of the cases against the TLS libraries that are built in, each alone and under
 * a stream: what each concludes and what the judge says of it, as a table, as findings, as JSON.
 *
 * It runs cases and lays out; it concludes nothing itself.
 */
#ifndef AUDIT_LIBRARY_H
#define AUDIT_LIBRARY_H

#include "audit/cases.h"

#include <jansson.h>
#include <stdio.h>

#define LIBRARY_JSON_SCHEMA "lastword.library/1"

enum { LIBRARY_STACKS_MAX = 8, LIBRARY_VERSIONS = LW_VERSION_TLS1_3 + 1 };

/* What is run. */
struct library_choice {
	const struct stack *stacks[LIBRARY_STACKS_MAX]; /* up to NULL */
	bool versions[LIBRARY_VERSIONS];
};

struct library_report;

/* Runs all of it; NULL: out of memory, no loopback TCP, or OpenSSL made no certificate. */
LW_MUST_CHECK struct library_report *library_run(const struct library_choice *choice);
void library_free(struct library_report *report);

/* The case that could not be run, as a sentence; NULL when all could. */
const char *library_trouble(const struct library_report *report);

/* Whether the streams were right, or refused where they may, in every case. */
bool library_streams_are_right(const struct library_report *report);

void library_draw_table(FILE *out, const struct library_report *report, bool colour);

/* What the libraries alone get wrong, a line for each kind of mistake. */
void library_draw_findings(FILE *out, const struct library_report *report);

/* A new reference (data/schema/library.json), or NULL: out of memory. */
LW_MUST_CHECK json_t *library_json_make(const struct library_report *report);

#endif
