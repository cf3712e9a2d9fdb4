/*
 * verdict_json: a verdict as JSON, "lastword.verdict/1".
 *
 * One object on one line, its fields always all there and always in the same
 * order; data/schema/verdict.json describes it.  An alert is its name, or
 * "alert-200" where it has none; null where there was none.
 */
#ifndef REPORT_VERDICT_JSON_H
#define REPORT_VERDICT_JSON_H

#include <lastword/verdict.h>

#include <jansson.h>
#include <stdio.h>

#define VERDICT_JSON_SCHEMA "lastword.verdict/1"

/* The object, owned by the caller; NULL if memory ran out. */
LW_MUST_CHECK json_t *verdict_json_make(const struct lw_verdict *verdict);

/* Writes the object and a newline.  False: errno says why. */
LW_MUST_CHECK bool verdict_json_write(FILE *out, const struct lw_verdict *verdict);

/* Writes it to the file `path`, replacing it.  False: errno says why. */
LW_MUST_CHECK bool verdict_json_save(const char *path, const struct lw_verdict *verdict);

#endif
