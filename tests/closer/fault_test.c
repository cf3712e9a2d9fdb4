/*
 * fault: for every N, the Nth transport call, epoll call or allocation of a closer fails, until a
 * run ends without meeting its fault.
 *
 * Whatever fails: a connection that is refused is as it was, one that is taken is told once and by
 * the deadline, and its verdict is never better than the truth, which the adversary knows.  What
 * POSIX lets happen at any time changes nothing.  Leaks are for the sanitizers to see.
 */
#include "rig.h"
#include "tests/fault/fault.h"
#include "tests/unit.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define DEADLINE_MS         5000u
#define EVERY_N_ENDS_BEFORE 400u

static const struct scenario {
	const char *name;
	struct adversary_script script;
	enum lw_version version;
	bool fills;  /* the transport is full when it is given away; resumed later */
	bool proven; /* the peer had closed before */
	bool late;
} scenarios[] = {
	{ "a polite peer", SCRIPT(STEP_GO), LW_VERSION_TLS1_3, .fills = false },
	{ "a polite peer, 1.2", SCRIPT(STEP_GO), LW_VERSION_TLS1_2, .fills = false },
	{ "a peer that had closed", SCRIPT(STEP_CLOSE_NOTIFY, STEP_FIN), LW_VERSION_TLS1_3,
	  .proven = true },
	{ "a full transport", SCRIPT(STEP_STOP_READING, STEP_SILENCE, STEP_READ_ON, STEP_GO),
	  LW_VERSION_TLS1_3, .fills = true },
	{ "a silent peer", SCRIPT(STEP_SILENCE), LW_VERSION_TLS1_3, .late = true },
};

static const struct kind {
	const char *name;
	struct fault fault;
	bool invisible;
} kinds[] = {
	{ "nothing", { .call = FAULT_NOTHING }, true },
	{ "recv: EINTR", { .call = FAULT_RECV, .how = EINTR }, true },
	{ "recv: EAGAIN", { .call = FAULT_RECV, .how = EAGAIN }, false },
	{ "recv: one byte", { .call = FAULT_RECV, .how = FAULT_SHORT }, true },
	{ "recv: ECONNRESET", { .call = FAULT_RECV, .how = ECONNRESET }, false },
	{ "recv: EIO from then on", { .call = FAULT_RECV, .how = EIO, .and_after = true }, false },
	{ "recv: FIN", { .call = FAULT_RECV, .how = FAULT_FIN }, false },
	{ "send: EINTR", { .call = FAULT_SEND, .how = EINTR }, true },
	{ "send: EAGAIN", { .call = FAULT_SEND, .how = EAGAIN }, true },
	{ "send: one byte", { .call = FAULT_SEND, .how = FAULT_SHORT }, true },
	{ "send: ECONNRESET", { .call = FAULT_SEND, .how = ECONNRESET }, false },
	{ "send: EPIPE from then on",
	  { .call = FAULT_SEND, .how = EPIPE, .and_after = true },
	  false },
	{ "send: EIO", { .call = FAULT_SEND, .how = EIO }, false },
	{ "shutdown: ENOTCONN", { .call = FAULT_SHUTDOWN, .how = ENOTCONN }, false },
	{ "epoll_ctl: ENOMEM", { .call = FAULT_EPOLL, .how = ENOMEM }, false },
	{ "epoll_ctl: ENOSPC from then on",
	  { .call = FAULT_EPOLL, .how = ENOSPC, .and_after = true },
	  false },
	{ "the library's allocation", { .call = FAULT_CALLOC }, false },
	{ "the library's allocations from then on",
	  { .call = FAULT_CALLOC, .and_after = true },
	  false },
	{ "OpenSSL's allocation", { .call = FAULT_LIBRARY }, false },
	{ "OpenSSL's allocations from then on",
	  { .call = FAULT_LIBRARY, .and_after = true },
	  false },
};

#define SCENARIOS (sizeof scenarios / sizeof scenarios[0])
#define KINDS     (sizeof kinds / sizeof kinds[0])

struct test {
	const struct scenario *scenario;
	const struct kind *kind;
	char name[100];
};

static unsigned met[KINDS];

static void set_window(bool inside)
{
	if (inside)
		fault_enter();
	else
		fault_leave();
}

/* It was refused: the peer has heard nothing, and the stream can still be closed. */
static void check_refused(struct guest *g, const struct scenario *s)
{
	enum lw_status status = LW_AGAIN;
	struct lw_verdict v;

	assert_non_null(g->why);
	assert_int_equal(adversary_subject(g->adversary)->alerts, 0);
	if (s->fills)
		adversary_resume(g->adversary);
	for (int i = 0; i < 3000 && status == LW_AGAIN; i++) {
		status = lw_close(g->stream);
		guest_spin(g);
		if (i > 1000) /* a silent one */
			(void)lw_timeout_ms(g->stream, (uint64_t)i * 100);
	}
	assert_int_not_equal(status, LW_AGAIN);
	lw_verdict(g->stream, &v);
	assert_int_equal(v.write, LW_ENDING_CLOSED);
	assert_int_equal(adversary_subject(g->adversary)->close_notifies, 1);
}

/* rules: truncation-undecidable, send-before-closing, nothing-after-own-closure */
static void check_taken(const struct guest *g, const struct test *t)
{
	const struct adversary_tally *peer = adversary_subject(g->adversary);
	const struct lw_verdict *v = &g->verdict;

	assert_true(g->over);
	assert_int_not_equal(v->read, LW_ENDING_OPEN);
	assert_int_not_equal(v->write, LW_ENDING_OPEN);
	assert_int_equal(peer->after_closure, 0);
	assert_true(peer->close_notifies <= 1);
	if (v->read == LW_ENDING_CLOSED)
		assert_true(t->scenario->proven);
	if (v->write == LW_ENDING_CLOSED && !peer->rst)
		assert_int_equal(peer->close_notifies, 1);
	if (v->alert_sent.present && v->write == LW_ENDING_CLOSED)
		assert_int_equal(v->alert_sent.description, 0);
	if (!t->kind->invisible)
		return;
	assert_int_equal(v->read, t->scenario->proven ? LW_ENDING_CLOSED : LW_ENDING_ABANDONED);
	assert_int_equal(v->write, LW_ENDING_CLOSED);
	assert_false(peer->rst);
	assert_true(peer->fin);
}

static bool run_once(const struct test *t, unsigned nth)
{
	const struct scenario *s = t->scenario;
	const struct guest_options o = { .version = s->version };
	struct lw_closer *c = virtual_closer(DEADLINE_MS, 1u << 20, false);
	struct guest g;
	bool fired;

	guest_begin(&g, &o, &s->script);
	guest_spin(&g);
	if (s->fills)
		(void)guest_fill(&g);
	fault_arm(&t->kind->fault, nth);
	if (guest_give(&g, c) != LW_OK) {
		fault_disarm();
		check_refused(&g, s);
	} else {
		if (s->fills) {
			(void)run_guests(c, &g, 1);
			adversary_resume(g.adversary);
		}
		(void)run_guests(c, &g, 1);
		clock_ms += DEADLINE_MS;
		if (!g.over)
			(void)run_guests(c, &g, 1);
		check_taken(&g, t);
	}
	fired = fault_fired();
	fault_disarm();
	lw_closer_free(c);
	guest_end(&g);
	return fired;
}

static void fails_at_every_n(void **state)
{
	const struct test *t = *state;
	unsigned nth = 0;

	while (run_once(t, nth)) {
		met[t->kind - kinds]++;
		assert_true(++nth < EVERY_N_ENDS_BEFORE);
	}
}

/* rule: tcp-end-kind-reported */
static void who_verifies_tells_an_error_from_a_reset(void **state)
{
	const struct adversary_script silent = SCRIPT(STEP_SILENCE, STEP_DATA(10));
	const struct fault fault = { .call = FAULT_RECV, .how = EIO };
	struct guest_options o = { .version = LW_VERSION_TLS1_3 };
	struct lw_closer *c = virtual_closer(DEADLINE_MS, 1u << 20, true);
	const struct stack *stack;
	struct guest g;

	(void)state;
	for (unsigned i = 0; (stack = stack_at(i)) != NULL; i++)
		if (strcmp(stack->name, "gnutls") == 0)
			o.stack = stack;
	if (!o.stack)
		skip();
	guest_begin(&g, &o, &silent);
	assert_int_equal(guest_give(&g, c), LW_OK);
	assert_int_equal(run_guests(c, &g, 1), 0);
	adversary_resume(g.adversary);
	fault_arm(&fault, 0);
	assert_int_equal(run_guests(c, &g, 1), 1);
	fault_disarm();
	assert_int_equal(g.verdict.read, LW_ENDING_FAILED);
	assert_int_equal(g.verdict.os_error, EIO);
	lw_closer_free(c);
	guest_end(&g);
}

static void every_kind_of_fault_was_met(void **state)
{
	(void)state;
	for (size_t k = 1; k < KINDS; k++) {
		if (met[k] == 0)
			print_message("# never met: %s\n", kinds[k].name);
		assert_true(met[k] > 0);
	}
}

int main(void)
{
	static struct test all[SCENARIOS * KINDS];
	static struct CMUnitTest tests[SCENARIOS * KINDS + 2];

	if (!fault_take_openssl())
		return 1;
	closer_window = set_window;
	for (size_t i = 0; i < SCENARIOS * KINDS; i++) {
		struct test *t = &all[i];

		t->scenario = &scenarios[i / KINDS];
		t->kind = &kinds[i % KINDS];
		(void)snprintf(t->name, sizeof t->name, "%s; %s", t->scenario->name, t->kind->name);
		tests[i] = (struct CMUnitTest){ t->name, fails_at_every_n, NULL, NULL, &all[i] };
	}
	tests[SCENARIOS * KINDS] = (struct CMUnitTest)cmocka_unit_test(every_kind_of_fault_was_met);
	tests[SCENARIOS * KINDS + 1] =
	    (struct CMUnitTest)cmocka_unit_test(who_verifies_tells_an_error_from_a_reset);
	return run_cases(tests);
}
