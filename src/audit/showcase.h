/*
 * showcase: every ending against a bare SSL_read() loop and a stream, side by
 * side: a table of what each concludes and what the judge says of it, and ladders
 * of what happened where the bare loop would mislead its program.
 *
 * It runs cases and lays out text; it concludes nothing itself.
 */
#ifndef AUDIT_SHOWCASE_H
#define AUDIT_SHOWCASE_H

#include "report/ladder.h"

#include <stdio.h>

struct showcase;

/* Runs all cases; NULL: out of memory, or OpenSSL made no certificate. */
LW_MUST_CHECK struct showcase *showcase_new(void);

void showcase_draw_table(FILE *out, const struct showcase *show, const struct ladder_style *style);
void showcase_draw_ladders(FILE *out, const struct showcase *show,
                           const struct ladder_style *style);

/* The case that could not be run, as a sentence; NULL when all could. */
const char *showcase_trouble(const struct showcase *show);

/* Whether the stream was right, or refused where it may, in every case. */
bool showcase_stream_is_right(const struct showcase *show);

void showcase_free(struct showcase *show);

#endif
