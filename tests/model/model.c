/*
 * model: the exhaustive check of closure/, on the code that ships.
 *
 *     model [MESSAGES]      messages each way, 1 to 3 (2)
 *
 * A case is a version's row and a setting: one side against a peer that sends anything in any
 * order, and two sides with a network that delivers, cuts, resets, garbles or stalls.  Output is
 * TAP; a failure draws the shortest way to it as a ladder.
 */
#include "report/ladder.h"
#include "tests/model/lone.h"
#include "tests/model/pair.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define STATES_MAX ((size_t)40 * 1000 * 1000)

#ifdef __SANITIZE_ADDRESS__
#define MESSAGES_DEFAULT 1 /* the sanitizers are slow, and it is the same code */
#else
#define MESSAGES_DEFAULT 2
#endif

static const struct {
	const char *name;
	bool awaits_peer[2];
} settings[] = {
	{ "both wait for the peer", { true, true } },
	{ "one does not wait", { true, false } },
	{ "neither waits", { false, false } },
};

#define SETTINGS (sizeof settings / sizeof settings[0])

struct totals {
	unsigned cases, failed;
	size_t states, transitions;
};

/* Versions whose rows give the engine the same answers are explored once. */
static bool is_distinct(enum lw_version version)
{
	const struct lw_version_row *row = lw_version_row(version);

	for (unsigned v = LW_VERSION_SSL3; v < (unsigned)version; v++) {
		const struct lw_version_row *other = lw_version_row((enum lw_version)v);

		if (row->on_peer_close == other->on_peer_close &&
		    row->half_close == other->half_close &&
		    row->unclean_forbids_resumption == other->unclean_forbids_resumption &&
		    row->fatal_forbids_resumption == other->fatal_forbids_resumption &&
		    row->level_ignored == other->level_ignored &&
		    row->unknown_alert_is_error == other->unknown_alert_is_error)
			return false;
	}
	return true;
}

/* Draws the way to a failure, as TAP's diagnostics. */
static void draw(const struct rig *rig, const struct search_result *result)
{
	char *text = NULL, *line, *rest;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	printf("# invariant %d: %s\n", rig->invariant, rig->why);
	if (out == NULL)
		return;
	ladder_draw(out, &result->tale, &(struct ladder_style){ 0 });
	if (fclose(out) == 0)
		for (line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
			printf("# %s\n", line);
	free(text);
}

static void run_case(struct totals *totals, const struct search_ops *ops, const char *what,
                     struct rig *rig)
{
	static struct search_result result;
	bool holds;

	search(rig, ops, STATES_MAX, true, &result);
	holds = rig->invariant == 0 && !result.exhausted;
	totals->cases++;
	totals->failed += !holds;
	totals->states += result.states;
	totals->transitions += result.transitions;
	printf("%sok %u - %s, %s: %zu states, %zu transitions\n", holds ? "" : "not ",
	       totals->cases, rig->row->name, what, result.states, result.transitions);
	if (rig->invariant != 0)
		draw(rig, &result);
	else if (result.exhausted)
		printf("# no room for more states\n");
	fflush(stdout);
}

static void run_version(struct totals *totals, enum lw_version version, unsigned messages)
{
	struct rig rig = { .tables = &lw_tables,
		           .row = lw_version_row(version),
		           .unknown = lw_version_row(LW_VERSION_UNKNOWN),
		           .messages = messages };
	char what[64];

	for (unsigned awaits = 0; awaits < 2; awaits++) {
		rig.awaits_peer[0] = awaits;
		run_case(totals, &lone_ops,
		         awaits ? "a hostile peer, waiting for it" : "a hostile peer, not waiting",
		         &rig);
	}
	for (size_t i = 0; i < SETTINGS && is_distinct(version); i++) {
		memcpy(rig.awaits_peer, settings[i].awaits_peer, sizeof rig.awaits_peer);
		snprintf(what, sizeof what, "two sides, %s", settings[i].name);
		run_case(totals, &pair_ops, what, &rig);
	}
}

int main(int argc, char **argv)
{
	struct totals totals = { 0 };
	unsigned messages = MESSAGES_DEFAULT;

	if (argc > 2 || (argc == 2 && (strlen(argv[1]) != 1 || !strchr("123", argv[1][0])))) {
		fprintf(stderr, "usage: model [MESSAGES]\nMessages each way: 1 to 3.\n");
		return 2;
	}
	if (argc == 2)
		messages = (unsigned)(argv[1][0] - '0');
	printf("# %u messages each way\n", messages);
	for (unsigned v = LW_VERSION_SSL3; v <= LW_VERSION_DTLS1_3; v++)
		run_version(&totals, (enum lw_version)v, messages);
	printf("1..%u\n", totals.cases);
	printf("# %zu states, %zu transitions, %.1f s\n", totals.states, totals.transitions,
	       (double)clock() / CLOCKS_PER_SEC);
	return totals.failed != 0;
}
