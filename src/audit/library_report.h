/* library_report (private): what the run of library.c leaves for those who lay it out. */
#ifndef AUDIT_LIBRARY_REPORT_H
#define AUDIT_LIBRARY_REPORT_H

#include "audit/library.h"

enum { LIBRARY_ALONE, LIBRARY_STREAM, LIBRARY_KINDS };
enum { LIBRARY_ROWS_MAX = 64, LIBRARY_WHY_CAP = 32 };

/* One subject's run of a case. */
struct library_cell {
	bool spoken; /* the library speaks the version; else nothing was run */
	enum judgement judgement;
	const char *why;
	struct conclusion conclusion;
};

struct library_row {
	const struct audit_case *row;
	struct library_cell cells[LIBRARY_VERSIONS][LIBRARY_STACKS_MAX][LIBRARY_KINDS];
};

struct library_report {
	struct library_choice choice;
	unsigned stacks;
	unsigned rows;
	char trouble[160];
	unsigned tally[LIBRARY_STACKS_MAX][LIBRARY_KINDS][JUDGED_WRONG + 1];
	struct library_row row[LIBRARY_ROWS_MAX];
};

/* "1.2" */
const char *library_version_digits(enum lw_version version);

#endif
