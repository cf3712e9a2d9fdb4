/* mark: a judgement as it stands in tables, in colour or not, and what its words mean. */
#ifndef AUDIT_MARK_H
#define AUDIT_MARK_H

#include "audit/cases.h"

#include <stdio.h>

#define MARK_LEGEND                                                                                \
	"right: it tells just what happened.  fails: it reports an error, as it may there.\n"      \
	"vague: safe, but other endings read the same.  WRONG: a program that trusts it is\n"      \
	"misled, or waits for ever.\n"

/* The word, padded to `width` columns. */
void mark_put(FILE *out, enum judgement judgement, int width, bool colour);

#endif
