/*
 * matrix_test: client x server of every TLS library that this build has, a stream on each side, x
 * every version that both speak x every way two streams can end: both verdicts are right in every
 * cell, every byte is accounted for, and where nobody is rude no deadline runs out.
 */
#include "ends.h"
#include "tests/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { UNASKED = -1 };

/* What one end has to say; `whole` to 1.2 and in 1.3. */
struct expectation {
	int read_status; /* of DO_READ_END, or UNASKED */
	int over_status;
	enum lw_ending read, write;
	enum lw_place at;
	enum lw_closer_side first;
	bool whole_to_12, whole_in_13;
	bool has_fatal; /* an alert, sent or received */
	bool is_rude;   /* it ended below TLS: what it can say of its writing is not looked at */
};

struct scenario {
	const char *name;
	bool only_13;
	bool small_buffers;
	struct step steps[ENDS][STEPS_MAX];
	struct expectation expect[ENDS];
};

#define CLOSED_BOTH_WAYS(read_said, who, to_12, in_13)                                             \
	{                                                                                          \
		.read_status = (read_said), .over_status = LW_END, .read = LW_ENDING_CLOSED,       \
		.write = LW_ENDING_CLOSED, .first = (who), .whole_to_12 = (to_12),                 \
		.whole_in_13 = (in_13)                                                             \
	}

#define WE     LW_CLOSED_FIRST_WE
#define PEER   LW_CLOSED_FIRST_PEER
#define NOBODY LW_CLOSED_FIRST_NOBODY

enum { FULL_BYTES = 150000 };

/* rules: either-may-start, half-close, close-at-once-on-fatal, truncation-undecidable,
 * await-peer-before-reuse, await-peer-before-end-of-data, answer-at-once, no-forced-answer */
static const struct scenario scenarios[] = {
	{ .name = "the client closes first",
	  .steps = { { { DO_WRITE, 1000 },
	               { DO_READ, 30000 },
	               { DO_COMPLETE, 0 },
	               { DO_CLOSE, 0 } },
	             { { DO_READ, 1000 },
	               { DO_WRITE, 30000 },
	               { DO_READ_END, 0 },
	               { DO_CLOSE, 0 } } },
	  .expect = { CLOSED_BOTH_WAYS(UNASKED, WE, true, true),
	              CLOSED_BOTH_WAYS(LW_END, PEER, true, true) } },
	{ .name = "the server closes first",
	  .steps = { { { DO_WRITE, 1000 },
	               { DO_READ, 30000 },
	               { DO_READ_END, 0 },
	               { DO_CLOSE, 0 } },
	             { { DO_READ, 1000 },
	               { DO_WRITE, 30000 },
	               { DO_COMPLETE, 0 },
	               { DO_CLOSE, 0 } } },
	  .expect = { CLOSED_BOTH_WAYS(LW_END, PEER, true, true),
	              CLOSED_BOTH_WAYS(UNASKED, WE, true, true) } },
	{ .name = "both close at once",
	  .steps = { { { DO_WRITE, 1000 },
	               { DO_READ, 1000 },
	               { DO_COMPLETE, 0 },
	               { DO_MEET, 0 },
	               { DO_CLOSE, 0 } },
	             { { DO_WRITE, 1000 },
	               { DO_READ, 1000 },
	               { DO_COMPLETE, 0 },
	               { DO_MEET, 0 },
	               { DO_CLOSE, 0 } } },
	  .expect = { CLOSED_BOTH_WAYS(UNASKED, WE, true, true),
	              CLOSED_BOTH_WAYS(UNASKED, WE, true, true) } },
	{ .name = "who closes first without a whole message cannot know to 1.2",
	  .steps = { { { DO_WRITE, 1000 }, { DO_READ, 1000 }, { DO_CLOSE, 0 } },
	             { { DO_READ, 1000 },
	               { DO_WRITE, 1000 },
	               { DO_READ_END, 0 },
	               { DO_CLOSE, 0 } } },
	  .expect = { CLOSED_BOTH_WAYS(UNASKED, WE, false, true),
	              CLOSED_BOTH_WAYS(LW_END, PEER, true, true) } },
	{ .name = "the client finishes and reads on",
	  .only_13 = true,
	  .steps = { { { DO_WRITE, 1000 },
	               { DO_FINISH, 0 },
	               { DO_READ, 100000 },
	               { DO_READ_END, 0 },
	               { DO_CLOSE, 0 } },
	             { { DO_READ, 1000 },
	               { DO_READ_END, 0 },
	               { DO_WRITE, 100000 },
	               { DO_CLOSE, 0 } } },
	  .expect = { CLOSED_BOTH_WAYS(LW_END, WE, true, true),
	              CLOSED_BOTH_WAYS(LW_END, PEER, true, true) } },
	{ .name = "the server finishes and reads on",
	  .only_13 = true,
	  .steps = { { { DO_READ, 1000 },
	               { DO_READ_END, 0 },
	               { DO_WRITE, 100000 },
	               { DO_CLOSE, 0 } },
	             { { DO_WRITE, 1000 },
	               { DO_FINISH, 0 },
	               { DO_READ, 100000 },
	               { DO_READ_END, 0 },
	               { DO_CLOSE, 0 } } },
	  .expect = { CLOSED_BOTH_WAYS(LW_END, PEER, true, true),
	              CLOSED_BOTH_WAYS(LW_END, WE, true, true) } },
	{ .name = "both directions are full",
	  .small_buffers = true,
	  .steps = { { { DO_BOTH, FULL_BYTES }, { DO_COMPLETE, 0 }, { DO_CLOSE, 0 } },
	             { { DO_BOTH, FULL_BYTES }, { DO_READ_END, 0 }, { DO_CLOSE, 0 } } },
	  .expect = { CLOSED_BOTH_WAYS(UNASKED, WE, true, true),
	              CLOSED_BOTH_WAYS(LW_END, PEER, true, true) } },
	{ .name = "the client closes behind a record that is half out",
	  .small_buffers = true,
	  .steps = { { { DO_FILL, 0 }, { DO_MEET, 0 }, { DO_CLOSE, 0 } },
	             { { DO_MEET, 0 }, { DO_READ_END, 0 }, { DO_CLOSE, 0 } } },
	  .expect = { CLOSED_BOTH_WAYS(UNASKED, WE, false, true),
	              CLOSED_BOTH_WAYS(LW_END, PEER, true, true) } },
	{ .name = "the server closes while a record of the client is half out",
	  .small_buffers = true,
	  .steps = { { { DO_FILL, 0 }, { DO_MEET, 0 }, { DO_READ_END, 0 }, { DO_CLOSE, 0 } },
	             { { DO_MEET, 0 }, { DO_CLOSE, 0 } } },
	  .expect = { CLOSED_BOTH_WAYS(LW_END, PEER, true, true),
	              CLOSED_BOTH_WAYS(UNASKED, WE, false, false) } },
	{ .name = "the client aborts",
	  .steps = { { { DO_WRITE, 1000 }, { DO_READ, 1000 }, { DO_ABORT, 0 } },
	             { { DO_READ, 1000 },
	               { DO_WRITE, 1000 },
	               { DO_READ_END, 0 },
	               { DO_CLOSE, 0 } } },
	  .expect = { { UNASKED, LW_ABORTED, LW_ENDING_ABANDONED, LW_ENDING_ABORTED,
	                .has_fatal = true },
	              { LW_ABORTED, LW_ABORTED, LW_ENDING_ABORTED, LW_ENDING_ABORTED,
	                .has_fatal = true } } },
	{ .name = "the server aborts",
	  .steps = { { { DO_WRITE, 1000 }, { DO_READ, 1000 }, { DO_READ_END, 0 }, { DO_CLOSE, 0 } },
	             { { DO_READ, 1000 }, { DO_WRITE, 1000 }, { DO_ABORT, 0 } } },
	  .expect = { { LW_ABORTED, LW_ABORTED, LW_ENDING_ABORTED, LW_ENDING_ABORTED,
	                .has_fatal = true },
	              { UNASKED, LW_ABORTED, LW_ENDING_ABANDONED, LW_ENDING_ABORTED,
	                .has_fatal = true } } },
	{ .name = "the server aborts after the client's close_notify",
	  .only_13 = true,
	  .steps = { { { DO_WRITE, 1000 }, { DO_FINISH, 0 }, { DO_READ_END, 0 }, { DO_CLOSE, 0 } },
	             { { DO_READ, 1000 }, { DO_READ_END, 0 }, { DO_ABORT, 0 } } },
	  .expect = { { LW_ABORTED, LW_ABORTED, LW_ENDING_ABORTED, LW_ENDING_CLOSED, .first = WE,
	                .has_fatal = true },
	              { LW_END, LW_ABORTED, LW_ENDING_CLOSED, LW_ENDING_ABORTED, .first = PEER,
	                .whole_in_13 = true, .has_fatal = true } } },
	{ .name = "the client aborts behind a record that is half out",
	  .small_buffers = true,
	  .steps = { { { DO_FILL, 0 }, { DO_MEET, 0 }, { DO_ABORT, 0 } },
	             { { DO_MEET, 0 }, { DO_READ_END, 0 }, { DO_CLOSE, 0 } } },
	  .expect = { { UNASKED, LW_ABORTED, LW_ENDING_ABANDONED, LW_ENDING_ABORTED,
	                .has_fatal = true },
	              { LW_ABORTED, LW_ABORTED, LW_ENDING_ABORTED, LW_ENDING_ABORTED,
	                .has_fatal = true } } },
	{ .name = "the client is cut between two records",
	  .steps = { { { DO_WRITE, 1000 },
	               { DO_SHUT_WRITE, 0 },
	               { DO_READ, 2000 },
	               { DO_READ_END, 0 },
	               { DO_CLOSE, 0 } },
	             { { DO_READ, 1000 },
	               { DO_READ_END, 0 },
	               { DO_WRITE, 2000 },
	               { DO_CLOSE, 0 } } },
	  .expect = { { LW_END, LW_END, LW_ENDING_CLOSED, .first = PEER, .whole_to_12 = true,
	                .whole_in_13 = true, .is_rude = true },
	              { LW_TRUNCATED, LW_TRUNCATED, LW_ENDING_TRUNCATED, LW_ENDING_CLOSED,
	                LW_PLACE_BOUNDARY, .first = WE } } },
	{ .name = "the server is cut between two records",
	  .steps = { { { DO_WRITE, 1000 }, { DO_READ, 2000 }, { DO_READ_END, 0 }, { DO_CLOSE, 0 } },
	             { { DO_READ, 1000 },
	               { DO_WRITE, 2000 },
	               { DO_SHUT_WRITE, 0 },
	               { DO_READ_END, 0 },
	               { DO_CLOSE, 0 } } },
	  .expect = { { LW_TRUNCATED, LW_TRUNCATED, LW_ENDING_TRUNCATED, LW_ENDING_CLOSED,
	                LW_PLACE_BOUNDARY, .first = WE },
	              { LW_END, LW_END, LW_ENDING_CLOSED, .first = PEER, .whole_to_12 = true,
	                .whole_in_13 = true, .is_rude = true } } },
	{ .name = "the client is cut inside a record",
	  .small_buffers = true,
	  .steps = { { { DO_FILL, 0 },
	               { DO_SHUT_WRITE, 0 },
	               { DO_MEET, 0 },
	               { DO_READ_END, 0 },
	               { DO_CLOSE, 0 } },
	             { { DO_MEET, 0 }, { DO_READ_END, 0 }, { DO_CLOSE, 0 } } },
	  .expect = { { LW_END, LW_END, LW_ENDING_CLOSED, .first = PEER, .whole_to_12 = true,
	                .whole_in_13 = true, .is_rude = true },
	              { LW_TRUNCATED, LW_TRUNCATED, LW_ENDING_TRUNCATED, LW_ENDING_CLOSED,
	                LW_PLACE_INSIDE, .first = WE } } },
	{ .name = "the client is reset",
	  .steps = { { { DO_WRITE, 1000 }, { DO_RESET, 0 } },
	             { { DO_READ, 1000 }, { DO_READ_END, 0 }, { DO_CLOSE, 0 } } },
	  .expect = { { .is_rude = true },
	              { LW_TRUNCATED, LW_TRUNCATED, LW_ENDING_RESET, LW_ENDING_RESET,
	                LW_PLACE_BOUNDARY, .first = NOBODY } } },
	{ .name = "the client unwraps, and plaintext follows",
	  .steps = { { { DO_WRITE, 1000 }, { DO_UNWRAP, 0 }, { DO_PLAIN, 0 } },
	             { { DO_READ, 1000 }, { DO_READ_END, 0 }, { DO_UNWRAP, 0 }, { DO_PLAIN, 0 } } },
	  .expect = { { UNASKED, LW_OK, LW_ENDING_CLOSED, LW_ENDING_CLOSED, .first = WE,
	                .whole_in_13 = true },
	              { LW_END, LW_OK, LW_ENDING_CLOSED, LW_ENDING_CLOSED, .first = PEER,
	                .whole_to_12 = true, .whole_in_13 = true } } },
	{ .name = "both unwrap at once, and plaintext follows",
	  .steps = { { { DO_WRITE, 1000 },
	               { DO_READ, 1000 },
	               { DO_COMPLETE, 0 },
	               { DO_MEET, 0 },
	               { DO_UNWRAP, 0 },
	               { DO_PLAIN, 0 } },
	             { { DO_WRITE, 1000 },
	               { DO_READ, 1000 },
	               { DO_COMPLETE, 0 },
	               { DO_MEET, 0 },
	               { DO_UNWRAP, 0 },
	               { DO_PLAIN, 0 } } },
	  .expect = { { UNASKED, LW_OK, LW_ENDING_CLOSED, LW_ENDING_CLOSED, .first = WE,
	                .whole_to_12 = true, .whole_in_13 = true },
	              { UNASKED, LW_OK, LW_ENDING_CLOSED, LW_ENDING_CLOSED, .first = WE,
	                .whole_to_12 = true, .whole_in_13 = true } } },
};

struct cell {
	const struct scenario *scenario;
	const struct stack *stack[ENDS];
	enum lw_version version;
};

static struct certificate_pem pem;
static bool reads_ahead;

/* rules: unclean-end-forbids-resumption, fatal-forbids-resumption, discard-tickets-on-failure */
static enum lw_session advice(const struct cell *cell, const struct expectation *expect)
{
	const bool clean = expect->read == LW_ENDING_CLOSED && expect->write == LW_ENDING_CLOSED;

	return expect->has_fatal || (cell->version == LW_VERSION_TLS1_0 && !clean)
	           ? LW_SESSION_FORGET
	           : LW_SESSION_MAY_RESUME;
}

static void assert_end(const struct cell *cell, const struct end *end,
                       const struct expectation *expect)
{
	struct lw_verdict v;

	assert_false(end->differs);
	assert_false(end->overread);
	if (end->stream == NULL)
		return;
	lw_verdict(end->stream, &v);
	if (expect->read_status != UNASKED)
		assert_int_equal(end->read_status, expect->read_status);
	assert_int_equal(end->over_status, expect->over_status);
	assert_int_equal(v.version, cell->version);
	assert_string_equal(lw_ending_name(v.read), lw_ending_name(expect->read));
	assert_int_equal(v.at, expect->at);
	assert_int_equal(v.closed_first, expect->first);
	assert_int_equal(v.whole, cell->version == LW_VERSION_TLS1_3 ? expect->whole_in_13
	                                                             : expect->whole_to_12);
	assert_int_equal(v.bytes_read, end->read);
	if (expect->is_rude)
		return;
	assert_string_equal(lw_ending_name(v.write), lw_ending_name(expect->write));
	assert_int_equal(v.bytes_written, end->written);
	assert_int_equal(v.session, advice(cell, expect));
}

/* What one says that it sent, the other says that it received. */
static void assert_alerts(const struct end *from, const struct end *to)
{
	struct lw_verdict sent, received;

	if (from->stream == NULL || to->stream == NULL)
		return;
	lw_verdict(from->stream, &sent);
	lw_verdict(to->stream, &received);
	if (received.alert_received.present) {
		assert_true(sent.alert_sent.present);
		assert_int_equal(received.alert_received.level, sent.alert_sent.level);
		assert_int_equal(received.alert_received.description, sent.alert_sent.description);
	}
	if (received.read == LW_ENDING_CLOSED)
		assert_int_equal(to->read + received.bytes_ignored, from->written);
}

static void both_verdicts_are_right(void **state)
{
	const struct cell *cell = *state;
	const struct scenario *s = cell->scenario;
	const struct ends_setup setup = { .stack = { cell->stack[CLIENT], cell->stack[SERVER] },
		                          .version = cell->version,
		                          .small_buffers = s->small_buffers,
		                          .reads_ahead = reads_ahead,
		                          .pem = &pem };
	const char *why = "";
	struct ends e;

	if (!ends_begin(&e, &setup, &why))
		assert_string_equal(why, "");
	ends_run(&e, s->steps[CLIENT], s->steps[SERVER]);
	for (int i = 0; i < ENDS; i++)
		if (e.end[i].trouble != NULL)
			assert_string_equal(e.end[i].trouble, "");
	assert_false(e.stuck);
	for (int i = 0; i < ENDS; i++)
		assert_end(cell, &e.end[i], &s->expect[i]);
	assert_alerts(&e.end[CLIENT], &e.end[SERVER]);
	assert_alerts(&e.end[SERVER], &e.end[CLIENT]);
	assert_int_equal(e.now_ms, 0); /* no deadline ran out */
	ends_finish(&e);
}

/* The table of cells */

enum { SCENARIOS = sizeof scenarios / sizeof scenarios[0], VERSIONS = 4, STACKS_MAX = 8 };
enum { CELLS_MAX = STACKS_MAX * STACKS_MAX * VERSIONS * SCENARIOS };

static struct cell cells[CELLS_MAX];
static char names[CELLS_MAX][128];
static struct CMUnitTest tests[CELLS_MAX];

/* To take TLS off is refused to those who read ahead. */
static bool unwraps(const struct scenario *s)
{
	for (int i = 0; i < ENDS; i++)
		for (size_t k = 0; s->steps[i][k].kind != STEP_OVER; k++)
			if (s->steps[i][k].kind == DO_UNWRAP)
				return true;
	return false;
}

static size_t add_cells(size_t count, const struct stack *client, const struct stack *server,
                        enum lw_version version)
{
	if (!client->speaks(version) || !server->speaks(version))
		return count;
	for (size_t i = 0; i < SCENARIOS; i++) {
		if (scenarios[i].only_13 && version != LW_VERSION_TLS1_3)
			continue;
		if (reads_ahead && unwraps(&scenarios[i]))
			continue;
		cells[count] = (struct cell){ &scenarios[i], { client, server }, version };
		snprintf(names[count], sizeof names[count], "%s to %s, %s: %s", client->name,
		         server->name, lw_version_name(version), scenarios[i].name);
		tests[count] = (struct CMUnitTest){ .name = names[count],
			                            .test_func = both_verdicts_are_right,
			                            .initial_state = &cells[count] };
		count++;
	}
	return count;
}

/* With an argument: reading ahead. */
int main(int argc, char **argv)
{
	struct certificate *certificate = certificate_new(NULL, NULL);
	const struct stack *client, *server;
	size_t count = 0;

	(void)argv;
	reads_ahead = argc > 1;
	if (certificate == NULL || !certificate_print(certificate, &pem))
		return 1;
	certificate_free(certificate);
	for (unsigned c = 0; (client = stack_at(c)) != NULL && c < STACKS_MAX; c++)
		for (unsigned s = 0; (server = stack_at(s)) != NULL && s < STACKS_MAX; s++)
			for (int v = LW_VERSION_TLS1_0; v <= LW_VERSION_TLS1_3; v++)
				count = add_cells(count, client, server, (enum lw_version)v);
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return _cmocka_run_group_tests("matrix", tests, count, NULL, NULL);
}
