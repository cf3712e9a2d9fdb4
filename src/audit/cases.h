/*
 * cases: what a right reader has to conclude from each ending, as const rows,
 * and the judge that holds a conclusion against its row.
 *
 * A row says what the protocol demands, not what any library does.  Where a
 * reader may refuse instead (too many warnings, an unusual alert), that is said
 * too: to fail loudly is right there, to report an end is not.
 */
#ifndef AUDIT_CASES_H
#define AUDIT_CASES_H

#include "adversary/endings.h"
#include "audit/runner.h"

/* What is right in some versions. */
struct audit_expect {
	enum subject_says says;
	enum lw_ending read; /* for those who have a verdict */
	enum lw_place at;
	int alert; /* the alert that ended it, or -1 */
	uint32_t bytes;
	bool may_refuse;
};

struct audit_case {
	const char
	    *ending; /* the adversary's row: an ending, or an answer to one that does not read */
	struct audit_expect to_12, in_13;
	const char *rule; /* id in data/rules.tsv */
	enum subject_act act;
};

/* The rows in turn, one for each ending; NULL past the last. */
const struct audit_case *case_at(unsigned index);

/* The row of an ending, or NULL. */
const struct audit_case *case_of(const char *ending);

/* Likewise the rows of subjects that close, or write where they should not. */
const struct audit_case *closing_case_at(unsigned index);

/* The adversary's row. */
const struct ending *case_ending(const struct audit_case *row);

const struct audit_expect *case_expects(const struct audit_case *row, enum lw_version version);

enum judgement {
	JUDGED_RIGHT,
	JUDGED_REFUSED, /* where it may */
	JUDGED_VAGUE,   /* safe, but it cannot tell this ending from others */
	JUDGED_WRONG    /* would mislead the program; or would wait for ever, or forgets */
};

/* Judges; `why` gets a few words for everything but right, "" else. */
enum judgement judge(const struct audit_expect *expect, const struct conclusion *c,
                     const char **why);

/* The same for any row; where a subject writes, what the adversary saw of it counts. */
enum judgement judge_case(const struct audit_case *row, enum lw_version version,
                          const struct audit_result *result, const char **why);

const char *judgement_name(enum judgement j);

#endif
