/*
 * explain_rows: what `lastword explain` knows.  tools/explain.py makes the rows
 * from data/explain.md, data/rules.tsv, and the places where code and tests
 * name a rule.  All is const; strings are ASCII, NULL where there is none.
 */
#ifndef CLI_EXPLAIN_ROWS_H
#define CLI_EXPLAIN_ROWS_H

#include <stddef.h>

enum explain_kind { EXPLAIN_LINE, EXPLAIN_ALERT, EXPLAIN_ENDING, EXPLAIN_EXIT };

struct explain_entry {
	enum explain_kind kind;
	const char *name; /* "OpenSSL: bad write retry", "50 decode_error", "closed", "cut 3" */
	const char *const *signs; /* what gives a line away; closed by a NULL */
	const char *example;
	const char *happened, *harmless, *change;
	const char *ending, *rules, *source;
};

/* Where a rule is named; closed by a row without file. */
struct explain_place {
	const char *file;
	int line;
	const char *text;
};

struct explain_rule {
	const char *id, *source, *level, *versions, *binds, *rule, *observe;
	const char *uncoded;  /* why no code obeys it */
	const char *untested; /* why it has no test */
	const struct explain_place *code, *tests;
};

extern const struct explain_entry explain_entries[];
extern const size_t explain_entry_count;
extern const struct explain_rule explain_rules[];
extern const size_t explain_rule_count;

#endif
