/*
 * version_facts: the columns of the version table as sets of versions, each with the rule it
 * comes from, straight from data/rules.tsv and not as the code writes them.
 */
#ifndef TESTS_CLOSURE_VERSION_FACTS_H
#define TESTS_CLOSURE_VERSION_FACTS_H

#include "closure/version.h"

struct version_fact {
	const char *rule;
	const char *column;
	bool (*holds)(const struct lw_version_row *row);
	unsigned versions; /* a bit each */
};

extern const struct version_fact version_facts[];
extern const size_t version_facts_count;

/* Whether a row has the fact exactly where the rule says so. */
bool version_fact_agrees(const struct version_fact *fact, const struct lw_version_row *row);

#endif
