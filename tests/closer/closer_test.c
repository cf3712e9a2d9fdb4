/*
 * closer: what a closer makes of every kind of peer, on every TLS library of this build, in every
 * version that the library speaks, as a client and as a server.
 */
#include "rig.h"
#include "tests/unit.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>

#define DEADLINE_MS 5000u
#define DRAIN_BYTES (1u << 20)

static const enum lw_version versions[] = { LW_VERSION_TLS1_0, LW_VERSION_TLS1_1, LW_VERSION_TLS1_2,
	                                    LW_VERSION_TLS1_3 };
#define VERSIONS (sizeof versions / sizeof versions[0])

#define SAME LW_ENDING_OPEN

static const struct row {
	const char *name;
	struct adversary_script script;
	enum lw_ending read;     /* without verifying */
	enum lw_ending verified; /* with; SAME: the same */
	enum lw_ending write;
	bool late;       /* over at the deadline only */
	bool peer_first; /* by a close_notify that was there before */
	bool cut;        /* the peer does not hear our end */
	unsigned data;   /* bytes that it sends and nobody reads; blind, they are not known */
	unsigned early;  /* and so many of them before we close */
} rows[] = {
	{ "answers and ends", SCRIPT(STEP_GO), LW_ENDING_ABANDONED, LW_ENDING_CLOSED,
	  LW_ENDING_CLOSED, .late = false },
	{ "had closed before", SCRIPT(STEP_CLOSE_NOTIFY, STEP_FIN), LW_ENDING_CLOSED, SAME,
	  LW_ENDING_CLOSED, .peer_first = true },
	{ "had closed before, and waits for us", SCRIPT(STEP_CLOSE_NOTIFY, STEP_GO),
	  LW_ENDING_CLOSED, SAME, LW_ENDING_CLOSED, .peer_first = true },
	{ "had closed behind data that nobody read",
	  SCRIPT(STEP_DATA(1000), STEP_CLOSE_NOTIFY, STEP_FIN), LW_ENDING_CLOSED, SAME,
	  LW_ENDING_CLOSED, .data = 1000 },
	{ "had cut before", SCRIPT(STEP_FIN), LW_ENDING_TRUNCATED, SAME, LW_ENDING_CLOSED,
	  .late = false },
	{ "had aborted before", SCRIPT(STEP_ALERT(2, 80), STEP_FIN), LW_ENDING_ABORTED, SAME,
	  LW_ENDING_ABORTED, .cut = true },
	{ "had reset before", SCRIPT(STEP_RST), LW_ENDING_RESET, SAME, LW_ENDING_RESET,
	  .cut = true },
	{ "is silent", SCRIPT(STEP_SILENCE), LW_ENDING_ABANDONED, LW_ENDING_EXPIRED,
	  LW_ENDING_CLOSED, .late = true },
	{ "cuts", SCRIPT(STEP_WAIT_CLOSE_NOTIFY, STEP_FIN), LW_ENDING_ABANDONED,
	  LW_ENDING_TRUNCATED, LW_ENDING_CLOSED, .late = false },
	{ "resets", SCRIPT(STEP_WAIT_CLOSE_NOTIFY, STEP_RST), LW_ENDING_ABANDONED, LW_ENDING_RESET,
	  LW_ENDING_CLOSED, .late = false },
	{ "aborts", SCRIPT(STEP_WAIT_CLOSE_NOTIFY, STEP_ALERT(2, 80), STEP_FIN),
	  LW_ENDING_ABANDONED, LW_ENDING_ABORTED, LW_ENDING_CLOSED, .late = false },
	{ "answers and never ends", SCRIPT(STEP_WAIT_CLOSE_NOTIFY, STEP_CLOSE_NOTIFY, STEP_SILENCE),
	  LW_ENDING_ABANDONED, LW_ENDING_CLOSED, LW_ENDING_CLOSED, .late = true },
	{ "sends much after our end",
	  SCRIPT(STEP_WAIT_CLOSE_NOTIFY, STEP_DATA(500000), STEP_CLOSE_NOTIFY, STEP_FIN),
	  LW_ENDING_ABANDONED, LW_ENDING_CLOSED, LW_ENDING_CLOSED, .data = 500000 },
	/* More than one turn takes, in records that no turn ends with. */
	{ "had sent much that nobody read", SCRIPT(STEP_DATA_IN(900000, 7000), STEP_GO),
	  LW_ENDING_ABANDONED, LW_ENDING_CLOSED, LW_ENDING_CLOSED, .data = 900000,
	  .early = 900000 },
	{ "sends garbage after our end",
	  SCRIPT(STEP_WAIT_CLOSE_NOTIFY, STEP_BROKEN_RECORD(40), STEP_FIN), LW_ENDING_ABANDONED,
	  SAME, LW_ENDING_CLOSED, .late = false },
};

static void assert_heard(const struct guest *g, const struct row *row)
{
	const struct adversary_tally *peer = adversary_subject(g->adversary);

	assert_int_equal(peer->after_closure, 0); /* rule: nothing-after-own-closure */
	if (row->cut)
		return;
	assert_int_equal(peer->alerts, 1); /* rule: send-before-closing */
	assert_int_equal(peer->close_notifies, 1);
	assert_false(peer->cut_inside);
	assert_false(peer->unreadable);
	assert_false(peer->rst); /* rule: tcp-reset-on-unread */
}

/* rules: need-not-wait, transport-delivers-on-close */
static void check_row(const struct row *row, const struct guest_options *o, bool verifies)
{
	struct lw_closer *c = virtual_closer(DEADLINE_MS, DRAIN_BYTES, verifies);
	const enum lw_ending read = verifies && row->verified != SAME ? row->verified : row->read;
	struct guest g;

	guest_begin(&g, o, &row->script);
	guest_spin(&g);
	assert_int_equal(guest_give(&g, c), LW_OK);
	assert_int_equal(lw_closer_count(c), 1);
	assert_int_equal(run_guests(c, &g, 1), !row->late);
	clock_ms += DEADLINE_MS - 1;
	assert_int_equal(run_guests(c, &g, !row->late), 0);
	clock_ms += 1;
	assert_int_equal(run_guests(c, &g, 1), row->late);
	assert_true(g.over);
	assert_int_equal(lw_closer_count(c), 0);
	assert_int_equal(g.verdict.read, read);
	assert_int_equal(g.verdict.write, row->write);
	assert_int_equal(g.verdict.version, o->version);
	assert_int_equal(g.verdict.closed_first, row->peer_first ? LW_CLOSED_FIRST_PEER
	                                         : row->cut      ? LW_CLOSED_FIRST_NOBODY
	                                                         : LW_CLOSED_FIRST_WE);
	/* Up to 1.2 whom we close may have had to drop something. */
	assert_int_equal(g.verdict.whole,
	                 row->peer_first || (read == LW_ENDING_CLOSED && row->data == 0 &&
	                                     o->version == LW_VERSION_TLS1_3));
	if (read == LW_ENDING_CLOSED)
		assert_int_equal(g.verdict.bytes_ignored, row->peer_first ? 0 : row->data);
	else /* what came while the library was there */
		assert_in_range(g.verdict.bytes_ignored, 0, row->early);
	assert_int_equal(g.verdict.bytes_unacknowledged, 0);
	assert_heard(&g, row);
	guest_end(&g);
	lw_closer_free(c);
}

static bool can_verify(const struct guest_options *o)
{
	return strcmp(o->stack->name, "gnutls") == 0 && o->version >= LW_VERSION_TLS1_2;
}

static void check_all_versions(void **state)
{
	const struct row *row = *state;
	const struct stack *stack;

	for (unsigned i = 0; (stack = stack_at(i)) != NULL; i++)
		for (unsigned v = 0; v < VERSIONS * 2; v++) {
			const struct guest_options o = { .stack = stack,
				                         .version = versions[v / 2],
				                         .serves = v % 2 };

			if (!stack->speaks(o.version))
				continue;
			print_message("# %s %s %s\n", stack->name, lw_version_name(o.version),
			              o.serves ? "server" : "client");
			check_row(row, &o, false);
			if (can_verify(&o))
				check_row(row, &o, true);
		}
}

static const struct adversary_script polite = SCRIPT(STEP_GO);

/* Whatever is refused is as it was. */
static void check_refusal(const struct guest_options *o)
{
	struct lw_closer *c = virtual_closer(DEADLINE_MS, DRAIN_BYTES, true);
	struct guest g;

	guest_begin(&g, o, &polite);
	assert_int_equal(guest_give(&g, c), LW_UNSUPPORTED);
	assert_non_null(g.why);
	assert_non_null(strstr(g.why, "exports no keys"));
	assert_int_equal(lw_closer_count(c), 0);
	assert_int_equal(adversary_subject(g.adversary)->alerts, 0);
	for (int i = 0; i < 1000 && lw_close(g.stream) == LW_AGAIN; i++)
		guest_spin(&g);
	assert_int_equal(lw_close(g.stream), LW_END);
	assert_int_equal(adversary_subject(g.adversary)->close_notifies, 1);
	guest_end(&g);
	lw_closer_free(c);
}

static void a_library_that_exports_no_keys_is_refused_by_a_closer_that_verifies(void **state)
{
	const struct stack *stack;

	(void)state;
	for (unsigned i = 0; (stack = stack_at(i)) != NULL; i++)
		for (unsigned v = 0; v < VERSIONS * 2; v++) {
			const struct guest_options o = { .stack = stack,
				                         .version = versions[v / 2],
				                         .serves = v % 2 };

			if (!stack->speaks(o.version) || can_verify(&o))
				continue;
			print_message("# %s %s\n", stack->name, lw_version_name(o.version));
			check_refusal(&o);
		}
}

int main(void)
{
	static char names[sizeof rows / sizeof rows[0]][100];
	struct CMUnitTest tests[sizeof rows / sizeof rows[0] + 1] = {
		[sizeof rows / sizeof rows[0]] = cmocka_unit_test(
		    a_library_that_exports_no_keys_is_refused_by_a_closer_that_verifies)
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		(void)snprintf(names[i], sizeof names[i], "a peer that %s", rows[i].name);
		tests[i] = (struct CMUnitTest){ .name = names[i],
			                        .test_func = check_all_versions,
			                        .initial_state = (void *)&rows[i] };
	}
	return run_cases(tests);
}
