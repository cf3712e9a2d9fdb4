/*
 * fault: for every N, the Nth read, write, shutdown or allocation fails, the TLS library's own
 * allocations included, until a run ends without meeting its fault.  Where there are thousands of
 * calls (what a handshake allocates), N goes in equal steps.
 *
 * A case is one scenario under one fault, for every N.  Whatever fails, the verdict is never better
 * than the truth, which the adversary knows: what it sent, and what it saw.  A fault that POSIX
 * lets happen any time (EINTR, EAGAIN, a short count) changes nothing at all.
 * The arguments say which calls, "io" or "allocations", and which TLS library.
 */
#include "tests/fault/run.h"
#include "tests/unit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CALLS_MAX  200000u /* no run makes so many */
#define PLACES_MAX 700u    /* of more calls than that, such as a handshake's allocations, a part */

static const struct kind {
	const char *name;
	struct fault fault;
	bool invisible; /* the outcome is that of a run without faults */
} kinds[] = {
	{ "nothing", { .call = FAULT_NOTHING }, true },
	{ "recv: EINTR", { .call = FAULT_RECV, .how = EINTR }, true },
	{ "recv: EAGAIN", { .call = FAULT_RECV, .how = EAGAIN }, true },
	{ "recv: one byte", { .call = FAULT_RECV, .how = FAULT_SHORT }, true },
	{ "recv: one byte from then on",
	  { .call = FAULT_RECV, .how = FAULT_SHORT, .and_after = true },
	  true },
	{ "recv: ECONNRESET", { .call = FAULT_RECV, .how = ECONNRESET }, false },
	{ "recv: ETIMEDOUT from then on",
	  { .call = FAULT_RECV, .how = ETIMEDOUT, .and_after = true },
	  false },
	{ "recv: EIO", { .call = FAULT_RECV, .how = EIO }, false },
	{ "recv: FIN", { .call = FAULT_RECV, .how = FAULT_FIN }, false },
	{ "recv: EAGAIN from then on",
	  { .call = FAULT_RECV, .how = EAGAIN, .and_after = true },
	  false },
	{ "send: EINTR", { .call = FAULT_SEND, .how = EINTR }, true },
	{ "send: EAGAIN", { .call = FAULT_SEND, .how = EAGAIN }, true },
	{ "send: one byte", { .call = FAULT_SEND, .how = FAULT_SHORT }, true },
	{ "send: one byte from then on",
	  { .call = FAULT_SEND, .how = FAULT_SHORT, .and_after = true },
	  true },
	{ "send: ECONNRESET", { .call = FAULT_SEND, .how = ECONNRESET }, false },
	{ "send: EPIPE from then on",
	  { .call = FAULT_SEND, .how = EPIPE, .and_after = true },
	  false },
	{ "send: EIO", { .call = FAULT_SEND, .how = EIO }, false },
	{ "send: EAGAIN from then on",
	  { .call = FAULT_SEND, .how = EAGAIN, .and_after = true },
	  false },
	{ "shutdown: ENOTCONN", { .call = FAULT_SHUTDOWN, .how = ENOTCONN }, false },
	{ "the library's allocation", { .call = FAULT_CALLOC }, false },
	{ "the TLS library's allocation", { .call = FAULT_LIBRARY }, false },
	{ "the TLS library's allocations from then on",
	  { .call = FAULT_LIBRARY, .and_after = true },
	  false },
	{ "the TLS library's allocation after the handshake",
	  { .call = FAULT_LIBRARY, .late = true },
	  false },
	{ "the TLS library's allocations after the handshake from then on",
	  { .call = FAULT_LIBRARY, .and_after = true, .late = true },
	  false },
};

/* Those that are not for every library look at what is the same for all: the wire, the engine. */
static const struct run_row rows[] = {
	{ "close-notify", LW_VERSION_TLS1_3, RUN_CLOSE, true, false, false },
	{ "close-notify", LW_VERSION_TLS1_2, RUN_CLOSE, true, false, true },
	{ "close-notify", LW_VERSION_TLS1_3, RUN_CLOSE, true, true, true },
	{ "close-notify", LW_VERSION_TLS1_3, RUN_CLOSE, false, false, true },
	{ "close-notify", LW_VERSION_TLS1_2, RUN_CLOSE, false, false, true },
	{ "close-notify", LW_VERSION_TLS1_3, RUN_FINISH, false, false, false },
	{ "close-notify", LW_VERSION_TLS1_3, RUN_EARLY, false, false, false },
	{ "close-notify", LW_VERSION_TLS1_2, RUN_EARLY, false, false, true },
	{ "close-notify", LW_VERSION_TLS1_3, RUN_ABORT, false, false, true },
	{ "close-notify", LW_VERSION_TLS1_2, RUN_ABORT, true, false, true },
	{ "close-notify", LW_VERSION_TLS1_3, RUN_UNWRAP, false, false, true },
	{ "close-notify", LW_VERSION_TLS1_2, RUN_UNWRAP, true, false, true },
	{ "after-request", LW_VERSION_TLS1_3, RUN_CLOSE, false, false, false },
	{ "after-request", LW_VERSION_TLS1_2, RUN_CLOSE, false, false, true },
	{ "none-at-boundary", LW_VERSION_TLS1_3, RUN_CLOSE, false, false, false },
	{ "none-at-boundary", LW_VERSION_TLS1_2, RUN_CLOSE, true, true, true },
	{ "inside-record", LW_VERSION_TLS1_3, RUN_CLOSE, false, false, false },
	{ "reset", LW_VERSION_TLS1_3, RUN_CLOSE, false, false, false },
	{ "fatal-alert", LW_VERSION_TLS1_2, RUN_CLOSE, false, false, true },
	{ "user-canceled", LW_VERSION_TLS1_3, RUN_CLOSE, true, false, false },
	{ "data-after", LW_VERSION_TLS1_2, RUN_CLOSE, true, false, false },
	{ "many-warnings", LW_VERSION_TLS1_3, RUN_CLOSE, true, false, true },
	{ "silence", LW_VERSION_TLS1_3, RUN_CLOSE, true, false, false },
	{ "close-in-handshake", LW_VERSION_TLS1_3, RUN_CLOSE, true, false, false },
};

#define ROWS  (sizeof rows / sizeof *rows)
#define KINDS (sizeof kinds / sizeof *kinds)

static const struct stack *stack;
static long blocks_at_rest; /* what a library makes once and keeps for ever is no leak */
static unsigned met[KINDS]; /* how often a fault was met */
static bool tried[KINDS];

struct scenario {
	const struct run_row *row;
	const struct kind *kind;
	char name[120];
};

static struct scenario scenarios[ROWS * KINDS];

static bool is_proven(const struct ending *ending, enum lw_version version)
{
	return (ending->proof &
	        (version == LW_VERSION_TLS1_3 ? ENDING_PROVEN_13 : ENDING_PROVEN_TO_12)) != 0;
}

/* rules: truncation-undecidable, end-of-data-on-close-notify */
static void assert_read_side(const struct run_row *row, const struct run_result *r)
{
	const struct ending *ending = run_ending(row->ending);
	const bool everything = is_proven(ending, row->version) && r->bytes == ending->data_bytes;

	assert_false(r->differs);
	assert_true(r->bytes <= ending->data_bytes);
	assert_int_equal(r->verdict.bytes_read, r->bytes);
	if (r->verdict.read == LW_ENDING_CLOSED)
		assert_true(is_proven(ending, row->version));
	if (r->verdict.read == LW_ENDING_CLOSED && r->verdict.bytes_ignored == 0)
		assert_true(everything);
	if (r->verdict.whole || (r->read_over && r->read_status == LW_END))
		assert_true(everything && r->verdict.read == LW_ENDING_CLOSED);
}

/* rules: nothing-after-own-closure, no-close-notify-after-own-fatal, send-before-closing */
static void assert_write_side(const struct run_row *row, const struct fault *fault,
                              const struct run_result *r)
{
	const struct ending *ending = run_ending(row->ending);
	const struct lw_verdict *v = &r->verdict;

	assert_int_not_equal(v->write, LW_ENDING_OPEN);
	if (ending->script.start != START_AFTER_HANDSHAKE || strcmp(row->ending, "reset") == 0)
		return; /* the adversary did not look */
	if (v->version == LW_VERSION_UNKNOWN)
		return; /* alerts of a handshake are not for its script */
	assert_true(r->peer.close_notifies + r->peer.fatals <= 1);
	assert_int_equal(r->peer.after_closure, 0);
	assert_false(r->peer.data_differs);
	/* OpenSSL counts a record that it failed to seal: its alert then has a number too many. */
	if (fault->call == FAULT_LIBRARY && v->write == LW_ENDING_ABORTED && r->peer.unreadable)
		return;
	assert_false(r->peer.unreadable);
	if (v->write == LW_ENDING_CLOSED)
		assert_int_equal(r->peer.close_notifies, 1);
	if (v->write == LW_ENDING_ABORTED && v->alert_sent.present)
		assert_int_equal(r->peer.fatals, 1);
	if (r->peer.close_notifies == 1)
		assert_int_equal(r->peer.data_bytes, v->bytes_written - v->bytes_discarded);
}

static void assert_truth(const struct run_row *row, const struct fault *fault,
                         const struct run_result *r)
{
	assert_true(r->ran);
	if (!run_keeps_tables(stack))
		assert_int_equal(fault_blocks(), blocks_at_rest);
	if (!r->attached)
		return;
	assert_true(r->over);
	assert_true(r->steady);
	assert_int_not_equal(r->verdict.read, LW_ENDING_OPEN);
	assert_read_side(row, r);
	assert_write_side(row, fault, r);
}

static void assert_same_outcome(const struct run_row *row, const struct run_result *r,
                                const struct run_result *plain)
{
	assert_true(r->attached);
	assert_int_equal(r->bytes, plain->bytes);
	assert_int_equal(r->read_status, plain->read_status);
	assert_int_equal(r->verdict.read, plain->verdict.read);
	assert_int_equal(r->verdict.write, plain->verdict.write);
	assert_int_equal(r->verdict.whole, plain->verdict.whole);
	assert_int_equal(r->verdict.at, plain->verdict.at);
	assert_int_equal(r->verdict.missing, plain->verdict.missing);
	if (strcmp(row->ending, "reset") != 0) /* which may come before or after the request */
		assert_int_equal(r->verdict.bytes_written, plain->verdict.bytes_written);
}

/* How many of the calls there are that may fail. */
static unsigned count_calls(const struct scenario *s)
{
	struct run_result r;

	run_once(stack, s->row, &s->kind->fault, CALLS_MAX, &r);
	return CALLS_MAX - fault_left();
}

static void fails_at_every_n(void **state)
{
	const struct scenario *s = *state;
	const struct fault none = { .call = FAULT_NOTHING };
	struct run_result plain, r;
	unsigned n = 0, step;

	run_once(stack, s->row, &none, 0, &plain);
	step = 1 + count_calls(s) / PLACES_MAX;
	do {
		run_once(stack, s->row, &s->kind->fault, n, &r);
		assert_truth(s->row, &s->kind->fault, &r);
		if (s->kind->invisible)
			assert_same_outcome(s->row, &r, &plain);
		met[s->kind - kinds] += fault_fired();
		n += step;
	} while (fault_fired() && n < CALLS_MAX);
	assert_false(fault_fired());
	/* The last run met no fault. */
	assert_same_outcome(s->row, &r, &plain);
}

/* Mbed TLS allocates nothing once the handshake is done. */
static bool can_be_met(const struct fault *fault)
{
	return fault->call != FAULT_NOTHING &&
	       !(fault->late && strcmp(stack->name, "mbedtls") == 0);
}

static void every_kind_of_fault_was_met(void **state)
{
	(void)state;
	for (size_t i = 0; i < KINDS; i++)
		if (tried[i] && can_be_met(&kinds[i].fault) != (met[i] > 0))
			fail_msg("%s: %s", met[i] > 0 ? "met" : "never met", kinds[i].name);
}

static const char *const way_names[] = {
	[RUN_CLOSE] = "close", [RUN_FINISH] = "finish", [RUN_EARLY] = "close early",
	[RUN_ABORT] = "abort", [RUN_UNWRAP] = "unwrap",
};

/*
 * Memory has no descriptor that could fail.  A handshake allocates two thousand times: two rows
 * meet every one of them.
 */
static bool applies(size_t row, const struct kind *kind, bool allocations)
{
	const enum fault_call call = kind->fault.call;
	const bool allocates = call == FAULT_CALLOC || call == FAULT_LIBRARY;

	if (call == FAULT_LIBRARY && !kind->fault.late)
		return allocations && row < (kind->fault.and_after ? 1 : 2);
	if (allocates)
		return allocations;
	return !allocations && (!rows[row].memory || call == FAULT_NOTHING);
}

static bool is_tried(const struct run_row *row)
{
	return stack->speaks(row->version) && (row->everywhere || stack == stack_at(0));
}

static size_t fill(struct CMUnitTest *tests, bool allocations)
{
	size_t count = 0;

	for (size_t i = 0; i < ROWS * KINDS; i++) {
		const struct run_row *row = &rows[i / KINDS];
		const struct kind *kind = &kinds[i % KINDS];
		struct scenario *s = &scenarios[count];

		if (!is_tried(row) || !applies(i / KINDS, kind, allocations))
			continue;
		s->row = row;
		s->kind = kind;
		tried[kind - kinds] = true;
		(void)snprintf(s->name, sizeof s->name, "%s, %s %s, %s%s; %s", row->ending,
		               row->serves ? "server" : "client", lw_version_name(row->version),
		               row->memory ? "memory, " : "", way_names[row->way], kind->name);
		tests[count++] = (struct CMUnitTest){ s->name, fails_at_every_n, NULL, NULL, s };
	}
	tests[count++] = (struct CMUnitTest)cmocka_unit_test(every_kind_of_fault_was_met);
	return count;
}

int main(int argc, char **argv)
{
	static struct CMUnitTest tests[ROWS * KINDS + 1];
	const struct fault none = { .call = FAULT_NOTHING };
	struct run_result warm;
	int failed;

	stack = argc == 3 ? stack_find(argv[2]) : NULL;
	if (stack == NULL || !run_take_memory(stack) || !run_begin())
		return 1;
	for (size_t i = 0; i < ROWS; i++)
		if (is_tried(&rows[i]))
			run_once(stack, &rows[i], &none, 0, &warm);
	blocks_at_rest = fault_blocks();
	cmocka_set_message_output(CM_OUTPUT_TAP);
	failed = _cmocka_run_group_tests(
	    "fault", tests, fill(tests, strcmp(argv[1], "allocations") == 0), NULL, NULL);
	run_end();
	return failed;
}
