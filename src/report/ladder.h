/*
 * ladder: the drawing of an exchange as text, two columns with arrows between,
 * time on the left.
 *
 * One line an event, never wider than asked (in columns).  Plain ASCII or
 * UTF-8 line drawing; colour only when asked.  It knows nothing of terminals:
 * the caller decides what its output can show.
 */
#ifndef REPORT_LADDER_H
#define REPORT_LADDER_H

#include "report/exchange.h"

#include <stdio.h>

#define LADDER_WIDTH_MIN     48u
#define LADDER_WIDTH_DEFAULT 76u
#define LADDER_WIDTH_MAX     160u

struct ladder_style {
	unsigned width; /* columns, brought within the limits above; 0 takes the default */
	bool utf8;
	bool colour;
};

/* Draws `x` on `out`.  The caller checks ferror(out). */
void ladder_draw(FILE *out, const struct exchange *x, const struct ladder_style *style);

#endif
