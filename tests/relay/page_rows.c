/* page_rows: prints the rows of docs/relay.md that say what a sink is shown of a source's ending,
 * made from the table of pipe/halfpipe.c.  Exit status 1: a row would have to say two things.
 */
#include <stdio.h>
#include <string.h>

#include "pipe/halfpipe.h"

#define ENDINGS_A_ROW 4

static const struct {
	const char *words;
	enum half_ending endings[ENDINGS_A_ROW]; /* up to HALF_OPEN */
} rows[] = {
	{ "TLS: `close_notify`", { HALF_TLS_CLOSED } },
	{ "TLS: none, but the policy tolerates that", { HALF_TLS_TOLERATED } },
	{ "TLS: FIN or RST inside a message, FIN inside a record", { HALF_TLS_TRUNCATED } },
	{ "TLS: a fatal alert, a broken record", { HALF_TLS_ABORTED, HALF_TLS_FAILED } },
	{ "TLS to 1.2: `close_notify`, behind bytes that came after our own",
	  { HALF_TLS_IGNORED } },
	{ "TCP or Unix: FIN", { HALF_TCP_FIN, HALF_UNIX_END } },
	{ "TCP or Unix: FIN inside a message, with `trustFin = no`",
	  { HALF_TCP_TRUNCATED, HALF_UNIX_TRUNCATED } },
	{ "TCP or Unix: RST, an error",
	  { HALF_TCP_RESET, HALF_TCP_FAILED, HALF_UNIX_RESET, HALF_UNIX_FAILED } },
};

static const enum half_kind sinks[] = { HALF_TLS, HALF_TCP, HALF_UNIX };

static const char *words_of(enum half_action action, enum half_kind sink)
{
	switch (action) {
	case HALF_FINISH:
		return sink == HALF_TLS   ? "`close_notify`, then FIN"
		       : sink == HALF_TCP ? "FIN"
		                          : "end";
	case HALF_MIRROR:
		return "FIN alone, as it came";
	case HALF_ABORT:
		return sink == HALF_TCP ? "RST" : "abort";
	case HALF_HOLD:
	case HALF_REPORT:
		break;
	}
	return "nothing";
}

static bool print_row(const char *words, const enum half_ending *endings)
{
	bool is_one = true;

	(void)printf("| %s |", words);
	for (size_t s = 0; s < sizeof sinks / sizeof sinks[0]; s++) {
		const char *shown = words_of(half_action(endings[0], sinks[s]), sinks[s]);
		for (size_t i = 1; i < ENDINGS_A_ROW && endings[i] != HALF_OPEN; i++) {
			enum half_action other = half_action(endings[i], sinks[s]);
			is_one = is_one && strcmp(words_of(other, sinks[s]), shown) == 0;
		}
		(void)printf(" %s |", shown);
	}
	(void)printf("\n");
	return is_one;
}

int main(void)
{
	bool seen[HALF_ENDINGS] = { [HALF_OPEN] = true };
	bool is_good = true;

	for (size_t r = 0; r < sizeof rows / sizeof rows[0]; r++) {
		is_good = print_row(rows[r].words, rows[r].endings) && is_good;
		for (size_t i = 0; i < ENDINGS_A_ROW; i++)
			seen[rows[r].endings[i]] = true;
	}
	for (int e = 0; e < HALF_ENDINGS; e++) /* standard input is no leg of a relay's */
		is_good = is_good && (seen[e] || half_kind_of((enum half_ending)e) == HALF_STDIO);
	return is_good ? 0 : 1;
}
