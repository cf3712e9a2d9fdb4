/* halfpipe_test: walks every cell of the tables.  The expectations are written down a second time,
 * and the claim that laundering is impossible is checked over all of them.
 */
#include "tests/unit.h"

#include <stdio.h>
#include <string.h>

#include "pipe/halfpipe.h"

static const struct row {
	enum half_ending ending;
	const char *name;
	enum half_kind kind;
	const char *actions; /* on TLS, TCP, Unix, stdio: Hold, Finish, Mirror, Abort, Report */
	bool is_proven;      /* the source said itself that there is no more */
} rows[] = {
	{ HALF_TLS_CLOSED, "TLS closed", HALF_TLS, "FFFF", true },
	{ HALF_TLS_TOLERATED, "TLS tolerated", HALF_TLS, "MFFF", false },
	{ HALF_TLS_IGNORED, "TLS closed, with bytes ignored", HALF_TLS, "AAAR", false },
	{ HALF_TLS_TRUNCATED, "TLS truncated", HALF_TLS, "AAAR", false },
	{ HALF_TLS_ABORTED, "TLS aborted", HALF_TLS, "AAAR", false },
	{ HALF_TLS_FAILED, "TLS failed", HALF_TLS, "AAAR", false },
	{ HALF_TCP_FIN, "TCP FIN", HALF_TCP, "FFFF", true },
	{ HALF_TCP_TRUNCATED, "TCP FIN inside a message", HALF_TCP, "AAAR", false },
	{ HALF_TCP_RESET, "TCP reset", HALF_TCP, "AAAR", false },
	{ HALF_TCP_FAILED, "TCP failed", HALF_TCP, "AAAR", false },
	{ HALF_UNIX_END, "Unix socket's end", HALF_UNIX, "FFFF", true },
	{ HALF_UNIX_TRUNCATED, "Unix socket's end inside a message", HALF_UNIX, "AAAR", false },
	{ HALF_UNIX_RESET, "Unix socket reset", HALF_UNIX, "AAAR", false },
	{ HALF_UNIX_FAILED, "Unix socket failed", HALF_UNIX, "AAAR", false },
	{ HALF_STDIO_END, "input's end", HALF_STDIO, "HHHF", true },
	{ HALF_STDIO_END_HALF_CLOSE, "input's end, told at once", HALF_STDIO, "FFFF", true },
	{ HALF_STDIO_FAILED, "input failed", HALF_STDIO, "AAAR", false },
};

enum { ROWS = sizeof rows / sizeof *rows };

static void test_every_cell(void **state)
{
	const struct row *row = *state;
	static const char letters[] = {
		[HALF_HOLD] = 'H',  [HALF_FINISH] = 'F', [HALF_MIRROR] = 'M',
		[HALF_ABORT] = 'A', [HALF_REPORT] = 'R',
	};

	assert_int_equal(half_kind_of(row->ending), row->kind);
	for (enum half_kind sink = HALF_TLS; sink < HALF_KINDS; sink++) {
		enum half_action action = half_action(row->ending, sink);

		assert_int_equal(letters[action], row->actions[sink]);
		/* Only what is proven may become a proof on a TLS sink; no stdio sink is aborted.
		 */
		if (sink == HALF_TLS && action == HALF_FINISH)
			assert_true(row->is_proven);
		/* An end without a word is for what ended so, and only where there would be one. */
		if (action == HALF_MIRROR)
			assert_true(sink == HALF_TLS && row->kind == HALF_TLS && !row->is_proven);
		if (sink == HALF_STDIO)
			assert_int_not_equal(action, HALF_ABORT);
		else
			assert_int_not_equal(action, HALF_REPORT);
	}
}

static void test_all_endings_have_a_row(void **state)
{
	bool seen[HALF_ENDINGS] = { [HALF_OPEN] = true };

	(void)state;
	for (size_t i = 0; i < ROWS; i++)
		seen[rows[i].ending] = true;
	for (size_t i = 0; i < HALF_ENDINGS; i++)
		assert_true(seen[i]);
}

/* Standard input is told nothing; everyone else whose words nobody takes is told. */
static void test_retreats(void **state)
{
	(void)state;
	for (enum half_kind sink = HALF_TLS; sink < HALF_KINDS; sink++)
		for (enum half_kind source = HALF_TLS; source < HALF_KINDS; source++)
			assert_int_equal(half_retreat(sink, source),
			                 source == HALF_STDIO ? HALF_LEAVE : HALF_END);
}

static void test_a_streams_endings(void **state)
{
	static const struct {
		enum lw_ending read;
		bool tolerated;
		enum half_ending ending;
	} cases[] = {
		{ LW_ENDING_OPEN, false, HALF_OPEN },
		{ LW_ENDING_CLOSED, true, HALF_TLS_CLOSED },
		{ LW_ENDING_CLOSED, false, HALF_TLS_CLOSED },
		{ LW_ENDING_ABORTED, false, HALF_TLS_ABORTED },
		{ LW_ENDING_TRUNCATED, false, HALF_TLS_TRUNCATED },
		{ LW_ENDING_TRUNCATED, true, HALF_TLS_TOLERATED },
		{ LW_ENDING_RESET, false, HALF_TLS_TRUNCATED },
		{ LW_ENDING_RESET, true, HALF_TLS_TOLERATED },
		{ LW_ENDING_EXPIRED, false, HALF_TLS_FAILED },
		{ LW_ENDING_ABANDONED, false, HALF_TLS_FAILED },
		{ LW_ENDING_FAILED, false, HALF_TLS_FAILED },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct lw_verdict verdict = { .read = cases[i].read,
			                      .tolerated = cases[i].tolerated };

		assert_int_equal(half_ending_of(&verdict), cases[i].ending);
		/* What came behind our own close makes a proper end none. */
		verdict.bytes_ignored = 1;
		assert_int_equal(half_ending_of(&verdict), cases[i].ending == HALF_TLS_CLOSED
		                                               ? HALF_TLS_IGNORED
		                                               : cases[i].ending);
	}
}

int main(void)
{
	struct CMUnitTest tests[ROWS + 3] = {
		cmocka_unit_test(test_all_endings_have_a_row),
		cmocka_unit_test(test_retreats),
		cmocka_unit_test(test_a_streams_endings),
	};

	for (size_t i = 0; i < ROWS; i++) {
		tests[3 + i].name = rows[i].name;
		tests[3 + i].test_func = test_every_cell;
		tests[3 + i].initial_state = (void *)(uintptr_t)&rows[i];
	}
	return run_cases(tests);
}
