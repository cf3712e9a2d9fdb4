/*
 * fork: in a forked child a closer never speaks, and what the child does with it does not touch the
 * parent's connections.
 */
#include "rig.h"
#include "tests/unit.h"

#include <poll.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define DEADLINE_MS 5000u

static const struct adversary_script scripts[] = { SCRIPT(STEP_STOP_READING, STEP_SILENCE,
	                                                  STEP_READ_ON, STEP_GO),
	                                           SCRIPT(STEP_GO), SCRIPT(STEP_GO) };

static const struct adversary_script polite = SCRIPT(STEP_GO);

enum claim {
	CLAIM_ADD_REFUSED = 1 << 0,
	CLAIM_RUN_REFUSED = 1 << 1,
	CLAIM_COUNTS_NOTHING = 1 << 2,
	CLAIM_ADD_SAYS_WHY = 1 << 3,
	CLAIM_ALL = 15
};

/* All calls in the child; its exit status is what it found. */
static int use_in_child(struct lw_closer *c, struct lw_stream *ours)
{
	struct lw_closed done[4];
	const char *why = NULL;
	int found = 0;
	size_t n = 1;

	if (lw_closer_add(c, ours, NULL, &why) == LW_UNSUPPORTED)
		found |= CLAIM_ADD_REFUSED;
	if (why != NULL)
		found |= CLAIM_ADD_SAYS_WHY;
	clock_ms += DEADLINE_MS; /* even though everything is due there */
	if (lw_closer_run(c, done, 4, &n) == LW_UNSUPPORTED && n == 0)
		found |= CLAIM_RUN_REFUSED;
	if (lw_closer_count(c) == 0)
		found |= CLAIM_COUNTS_NOTHING;
	lw_closer_free(c);
	lw_free(ours);
	return found;
}

/* rule: need-not-wait */
static void a_child_never_speaks(void **state)
{
	const struct guest_options o = { .version = LW_VERSION_TLS1_3 };
	struct lw_closer *c = virtual_closer(DEADLINE_MS, 1u << 20, false);
	struct guest g[3];
	uint64_t taken;
	int status;
	pid_t child;

	(void)state;
	for (int i = 0; i < 3; i++)
		guest_begin(&g[i], &o, &scripts[i]);
	guest_spin(&g[0]);
	taken = guest_fill(&g[0]); /* its alert is still with us when we fork */
	assert_int_equal(guest_give(&g[0], c), LW_OK);
	assert_int_equal(guest_give(&g[1], c), LW_OK);
	child = fork();
	assert_true(child >= 0);
	if (child == 0)
		_exit(use_in_child(c, g[2].stream));
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), CLAIM_ALL);
	/* the parent goes on as if nothing had been */
	assert_int_equal(guest_give(&g[2], c), LW_OK);
	assert_int_equal(lw_closer_count(c), 3);
	adversary_resume(g[0].adversary);
	assert_int_equal(run_guests(c, g, 3), 3);
	for (int i = 0; i < 3; i++) {
		const struct adversary_tally *peer = adversary_subject(g[i].adversary);

		assert_int_equal(g[i].verdict.write, LW_ENDING_CLOSED);
		assert_int_equal(peer->data_bytes, i == 0 ? taken : 0);
		assert_int_equal(peer->records, 1 + (i == 0 ? (taken + 16383) / 16384 : 0));
		assert_int_equal(peer->close_notifies, 1);
		assert_false(peer->unreadable || peer->rst);
		assert_true(peer->fin);
		guest_end(&g[i]);
	}
	lw_closer_free(c);
}

/* A child that lives on holds copies of the descriptors: the set must not keep what is over. */
static void a_child_that_lives_on_keeps_nothing_in_the_set(void **state)
{
	const struct guest_options o = { .version = LW_VERSION_TLS1_3 };
	struct lw_closer *c = virtual_closer(DEADLINE_MS, 1u << 20, false);
	struct pollfd p = { .fd = lw_closer_fd(c), .events = POLLIN };
	int until_told[2], status;
	struct lw_closed done;
	struct guest g;
	pid_t child;
	char octet;
	size_t n;

	(void)state;
	assert_int_equal(pipe(until_told), 0);
	guest_begin(&g, &o, &polite);
	assert_int_equal(guest_give(&g, c), LW_OK);
	child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		close(until_told[1]);
		(void)!read(until_told[0], &octet, 1);
		_exit(0);
	}
	close(until_told[0]);
	assert_int_equal(run_guests(c, &g, 1), 1);
	assert_true(adversary_subject(g.adversary)->fin);
	assert_int_equal(poll(&p, 1, 0), 0);
	assert_int_equal(lw_closer_run(c, &done, 1, &n), LW_AGAIN);
	close(until_told[1]);
	assert_int_equal(waitpid(child, &status, 0), child);
	guest_end(&g);
	lw_closer_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_child_never_speaks),
		cmocka_unit_test(a_child_that_lives_on_keeps_nothing_in_the_set),
	};

	return run_cases(tests);
}
