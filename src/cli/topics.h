/*
 * topics: finds what `lastword explain` was asked for: rules, profiles, and
 * the entries of data/explain.md.
 *
 * First comes what is meant by name; then log lines that hold the signs of an
 * entry; then, for a hint, the nearest.  It does not print.
 */
#ifndef CLI_TOPICS_H
#define CLI_TOPICS_H

#include <lastword/profile.h>

#include "cli/explain_rows.h"

#define TOPICS_MAX  16u
#define TOPICS_NEAR 3u

/* One of the three is set. */
struct topic {
	const struct explain_rule *rule;
	const struct lw_profile *profile;
	const struct explain_entry *entry;
};

enum topics_how {
	TOPICS_NAMED,   /* what was asked for by name; perhaps several */
	TOPICS_MATCHED, /* the entry of a log line first, then others whose signs it holds */
	TOPICS_NEAREST, /* nothing fits; the nearest three */
	TOPICS_NOTHING  /* there was no word to look for */
};

struct topics {
	enum topics_how how;
	size_t count;
	struct topic found[TOPICS_MAX];
};

void topics_find(const char *query, struct topics *topics);

/* What it is called, for a hint: "answer-at-once", "alert 50 decode_error". */
const char *topic_kind(const struct topic *topic);
const char *topic_name(const struct topic *topic);

#endif
