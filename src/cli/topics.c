/* topics: see topics.h. */
#include "cli/topics.h"

#include "cli/match.h"
#include "net/letters.h"

#include <stdlib.h>
#include <string.h>

#define GOOD_PERCENT 80u /* of a sign's weight: it is found */
#define GOOD_WEIGHT  11u /* less tells nothing, found or not */

/* The words that may stand before a name. */
enum asked { ASKED_ANY, ASKED_RULE, ASKED_PROFILE, ASKED_ALERT, ASKED_ENDING, ASKED_EXIT };

static const struct {
	const char *word;
	enum asked asked;
} kind_words[] = {
	{ "rule", ASKED_RULE },        { "rules", ASKED_RULE },  { "profile", ASKED_PROFILE },
	{ "protocol", ASKED_PROFILE }, { "alert", ASKED_ALERT }, { "ending", ASKED_ENDING },
	{ "exit", ASKED_EXIT },        { "status", ASKED_EXIT },
};

static bool keeps(const struct topics *topics, const struct topic *topic)
{
	for (size_t i = 0; i < topics->count; i++)
		if (memcmp(&topics->found[i], topic, sizeof *topic) == 0)
			return true;
	return false;
}

static void add(struct topics *topics, struct topic topic)
{
	if (topics->count < TOPICS_MAX && !keeps(topics, &topic))
		topics->found[topics->count++] = topic;
}

/* Whether the query, from a word on, is these words. */
static bool is_called(const struct match_text *query, size_t from, const char *name)
{
	struct match_text words;

	match_split(&words, name);
	return match_same(query, from, &words);
}

static bool profile_is_called(const struct match_text *query, size_t from,
                              const struct lw_profile *profile)
{
	for (const char *const *name = profile->names; *name != NULL; name++)
		if (is_called(query, from, *name))
			return true;
	return is_called(query, from, profile->name);
}

static bool is_number(const char *word)
{
	return word[0] != '\0' && word[strspn(word, "0123456789")] == '\0';
}

/* "50 decode_error" by either word or both; "connect 1" whole, or as "1". */
static bool entry_is_called(const struct match_text *query, size_t from,
                            const struct explain_entry *entry)
{
	const char *second = strchr(entry->name, ' ');

	if (is_called(query, from, entry->name))
		return true;
	if (second == NULL || entry->kind == EXPLAIN_LINE)
		return false;
	if (entry->kind == EXPLAIN_ALERT && query->count == from + 1 &&
	    strtoul(query->words[from], NULL, 10) == strtoul(entry->name, NULL, 10) &&
	    is_number(query->words[from]))
		return true;
	return is_called(query, from, second + 1);
}

static enum asked kind_of(const struct explain_entry *entry)
{
	switch (entry->kind) {
	case EXPLAIN_ALERT:
		return ASKED_ALERT;
	case EXPLAIN_ENDING:
		return ASKED_ENDING;
	case EXPLAIN_EXIT:
		return ASKED_EXIT;
	case EXPLAIN_LINE:
		break;
	}
	return ASKED_ANY;
}

static void add_named(struct topics *topics, const struct match_text *query, size_t from,
                      enum asked asked)
{
	if (asked == ASKED_ANY || asked == ASKED_RULE)
		for (size_t i = 0; i < explain_rule_count; i++)
			if (is_called(query, from, explain_rules[i].id))
				add(topics, (struct topic){ .rule = &explain_rules[i] });
	for (size_t i = 0; i < explain_entry_count; i++)
		if ((asked == ASKED_ANY || asked == kind_of(&explain_entries[i])) &&
		    entry_is_called(query, from, &explain_entries[i]))
			add(topics, (struct topic){ .entry = &explain_entries[i] });
	if (asked == ASKED_ANY || asked == ASKED_PROFILE)
		for (const struct lw_profile *p = lw_profile_next(NULL); p; p = lw_profile_next(p))
			if (profile_is_called(query, from, p))
				add(topics, (struct topic){ .profile = p });
}

/* "exit status 1", "connect exits with 1" and "connect 1" are the same to ask. */
static void drop_filler(struct match_text *query)
{
	static const char *const fillers[] = { "exit", "exits", "status", "with", "number" };
	size_t kept = 1;

	for (size_t i = 1; i < query->count; i++) {
		bool filler = false;

		for (size_t k = 0; k < sizeof fillers / sizeof *fillers; k++)
			filler = filler || strcmp(query->words[i], fillers[k]) == 0;
		if (!filler)
			memmove(query->words[kept++], query->words[i], sizeof query->words[i]);
	}
	query->count = kept;
}

/* Looks behind a word such as "alert". */
static void add_after_kind(struct topics *topics, const struct match_text *query)
{
	for (size_t k = 0; k < sizeof kind_words / sizeof *kind_words; k++)
		if (query->count > 1 && strcmp(query->words[0], kind_words[k].word) == 0)
			add_named(topics, query, 1, kind_words[k].asked);
}

static void find_named(struct topics *topics, struct match_text query)
{
	add_named(topics, &query, 0, ASKED_ANY);
	if (query.count < 2 || query.count > 8)
		return;
	for (int dropped = 0; dropped < 2 && topics->count == 0; dropped++) {
		add_after_kind(topics, &query);
		drop_filler(&query);
		if (topics->count == 0)
			add_named(topics, &query, 0, ASKED_ANY);
	}
}

/* The heavier first; of two alike the one that is held more nearly whole. */
static unsigned rank_of(struct match_score score)
{
	return 128 * score.weight + score.percent;
}

/* The best of an entry's signs. */
static struct match_score score_entry(const struct explain_entry *entry,
                                      const struct match_text *query, unsigned least_percent)
{
	struct match_score best = { 0, 0 };
	struct match_text sign;

	for (const char *const *text = entry->signs; *text != NULL; text++) {
		struct match_score score;

		match_split(&sign, *text);
		score = match_sign(&sign, query);
		if (score.percent >= least_percent && rank_of(score) > rank_of(best))
			best = score;
	}
	return best;
}

/* Puts a topic among the nearest three by rank; ties keep the order they came in. */
static void rank_in(struct topics *topics, unsigned ranks[TOPICS_NEAR], struct topic topic,
                    unsigned rank)
{
	size_t at = topics->count;

	while (at > 0 && ranks[at - 1] < rank)
		at--;
	if (at == TOPICS_NEAR)
		return;
	if (topics->count < TOPICS_NEAR)
		topics->count++;
	for (size_t i = topics->count - 1; i > at; i--) {
		topics->found[i] = topics->found[i - 1];
		ranks[i] = ranks[i - 1];
	}
	topics->found[at] = topic;
	ranks[at] = rank;
}

static void find_matches(struct topics *topics, const struct match_text *query)
{
	unsigned ranks[TOPICS_NEAR] = { 0 };

	for (size_t i = 0; i < explain_entry_count; i++) {
		struct match_score score = score_entry(&explain_entries[i], query, GOOD_PERCENT);

		if (score.weight >= GOOD_WEIGHT)
			rank_in(topics, ranks, (struct topic){ .entry = &explain_entries[i] },
			        rank_of(score));
	}
}

/* How near a name is to what was asked, in percent. */
static unsigned name_rank(const char *name, const char *query)
{
	unsigned between = letters_between(name, query), len = (unsigned)strlen(name);

	return between >= len ? 0 : 100 * (len - between) / len;
}

static void find_nearest(struct topics *topics, const struct match_text *query, const char *asked)
{
	unsigned ranks[TOPICS_NEAR] = { 0 };

	for (size_t i = 0; i < explain_entry_count; i++) {
		const struct explain_entry *entry = &explain_entries[i];
		const char *name = strchr(entry->name, ' ');
		unsigned rank = score_entry(entry, query, 0).percent;
		unsigned by_name = entry->kind == EXPLAIN_ALERT    ? name_rank(name + 1, asked)
		                   : entry->kind == EXPLAIN_ENDING ? name_rank(entry->name, asked)
		                                                   : 0;

		rank_in(topics, ranks, (struct topic){ .entry = entry },
		        by_name > rank ? by_name : rank);
	}
	for (size_t i = 0; i < explain_rule_count; i++)
		rank_in(topics, ranks, (struct topic){ .rule = &explain_rules[i] },
		        name_rank(explain_rules[i].id, asked));
	for (const struct lw_profile *p = lw_profile_next(NULL); p; p = lw_profile_next(p))
		rank_in(topics, ranks, (struct topic){ .profile = p }, name_rank(p->name, asked));
}

void topics_find(const char *asked, struct topics *topics)
{
	struct match_text query;

	match_split(&query, asked);
	*topics = (struct topics){ .how = TOPICS_NOTHING };
	if (query.count == 0)
		return;
	topics->how = TOPICS_NAMED;
	find_named(topics, query);
	if (topics->count > 0)
		return;
	topics->how = TOPICS_MATCHED;
	find_matches(topics, &query);
	if (topics->count > 0)
		return;
	topics->how = TOPICS_NEAREST;
	find_nearest(topics, &query, asked);
}

const char *topic_kind(const struct topic *topic)
{
	static const char *const kinds[] = { [EXPLAIN_LINE] = "log line",
		                             [EXPLAIN_ALERT] = "alert",
		                             [EXPLAIN_ENDING] = "ending",
		                             [EXPLAIN_EXIT] = "exit status" };

	if (topic->rule != NULL)
		return "rule";
	return topic->profile != NULL ? "profile" : kinds[topic->entry->kind];
}

const char *topic_name(const struct topic *topic)
{
	if (topic->rule != NULL)
		return topic->rule->id;
	return topic->profile != NULL ? topic->profile->name : topic->entry->name;
}
