/*
 * sessions_test: what becomes of the session of a connection that ended properly, was cut, or was
 * aborted, on every TLS library that this build has.  The advice is the version's rule; where the
 * library carries it out, the session is offered again and refused; where nothing is to be
 * forgotten, it is offered again and taken.
 */
#include "ends.h"
#include "tests/unit.h"

#include <stdio.h>
#include <string.h>

enum ending { PROPER, CUT, ABORTED_BY_CLIENT, ABORTED_BY_SERVER, ENDINGS };

#define EXCHANGE                                                                                   \
	{                                                                                          \
		DO_BOTH, 100                                                                       \
	}

static const struct {
	const char *name;
	struct step steps[ENDS][STEPS_MAX];
} endings[ENDINGS] = {
	[PROPER] = { "a proper end",
	             { { EXCHANGE, { DO_COMPLETE, 0 }, { DO_CLOSE, 0 } },
	               { EXCHANGE, { DO_COMPLETE, 0 }, { DO_READ_END, 0 }, { DO_CLOSE, 0 } } } },
	/* by somebody on the way, in both directions */
	[CUT] = { "a cut",
	          { { EXCHANGE, { DO_SHUT_WRITE, 0 }, { DO_READ_END, 0 }, { DO_CLOSE, 0 } },
	            { EXCHANGE, { DO_SHUT_WRITE, 0 }, { DO_READ_END, 0 }, { DO_CLOSE, 0 } } } },
	[ABORTED_BY_CLIENT] = { "a fatal alert of the client",
	                        { { EXCHANGE, { DO_ABORT, 0 } },
	                          { EXCHANGE, { DO_READ_END, 0 }, { DO_CLOSE, 0 } } } },
	[ABORTED_BY_SERVER] = { "a fatal alert of the server",
	                        { { EXCHANGE, { DO_READ_END, 0 }, { DO_CLOSE, 0 } },
	                          { EXCHANGE, { DO_ABORT, 0 } } } },
};

struct cell {
	const struct stack *stack;
	enum lw_version version;
	enum ending ending;
	bool stateful; /* the server keeps sessions; else its tickets carry them */
	unsigned tickets;
};

static struct certificate_pem pem;

/* rules: unclean-end-forbids-resumption, unclean-end-allows-resumption,
 * fatal-invalidates-session, fatal-forbids-resumption, discard-tickets-on-failure */
static bool must_forget(const struct cell *c)
{
	if (c->ending == CUT)
		return c->version == LW_VERSION_TLS1_0;
	return c->ending != PROPER;
}

/* A second connection between the same two, at which the client offers `session`. */
static bool is_taken_again(const struct cell *c, const struct ends *first,
                           const struct stack_session *session)
{
	const struct ends_setup setup = { .stack = { c->stack, c->stack },
		                          .version = c->version,
		                          .pem = &pem,
		                          .context = { first->end[CLIENT].context,
		                                       first->end[SERVER].context },
		                          .resume = session,
		                          .tickets = c->tickets,
		                          .stateful_tickets = c->stateful };
	const struct step close[] = { { DO_CLOSE, 0 }, { STEP_OVER, 0 } };
	const char *why = "";
	struct ends again;
	bool taken;

	if (!ends_begin(&again, &setup, &why))
		assert_string_equal(why, "");
	taken = c->stack->is_resumed(again.end[CLIENT].connection);
	ends_run(&again, close, close); /* else some libraries forget it by themselves */
	ends_finish(&again);
	return taken;
}

static void assert_advice(const struct cell *c, const struct end *end)
{
	struct lw_verdict v;

	lw_verdict(end->stream, &v);
	assert_int_equal(v.session, must_forget(c) ? LW_SESSION_FORGET : LW_SESSION_MAY_RESUME);
}

/* Begins, lets both end, and keeps what the client had before the end. */
static struct stack_session *run(const struct cell *c, struct ends *e)
{
	const struct ends_setup setup = { .stack = { c->stack, c->stack },
		                          .version = c->version,
		                          .pem = &pem,
		                          .tickets = c->tickets,
		                          .stateful_tickets = c->stateful };
	const struct step exchange[] = { EXCHANGE, { STEP_OVER, 0 } };
	struct stack_session *kept;
	const char *why = "";

	if (!ends_begin(e, &setup, &why))
		assert_string_equal(why, "");
	ends_run(e, exchange, exchange);
	kept = c->stack->session(e->end[CLIENT].connection);
	ends_run(e, endings[c->ending].steps[CLIENT] + 1, endings[c->ending].steps[SERVER] + 1);
	assert_false(e->stuck);
	for (int i = 0; i < ENDS; i++)
		assert_advice(c, &e->end[i]);
	return kept;
}

/*
 * Where a library cannot carry the advice out, the call says so, and it is the application's to
 * follow: a client by not offering what it kept.  Of what a library gave away, or sealed into a
 * ticket, it can call nothing back.
 */
static const struct limits {
	const char *stack;
	bool client_cannot;    /* copies are the application's */
	bool server_cannot[2]; /* with tickets; with sessions that it keeps */
} limits[] = {
	{ "openssl", false, { true, false } },
	{ "gnutls", true, { true, true } }, /* it drops what is kept, and does not say */
	{ "wolfssl", false, { true, true } },
	{ "mbedtls", true, { true, false } },
};

static const struct limits *limits_of(const struct cell *c)
{
	for (unsigned i = 0; i < sizeof limits / sizeof limits[0]; i++)
		if (strcmp(limits[i].stack, c->stack->name) == 0)
			return &limits[i];
	assert_string_equal(c->stack->name, "a row of the table above");
	return NULL;
}

/* In 1.3 GnuTLS has no sessions but in tickets. */
static bool is_in_a_ticket(const struct cell *c)
{
	return !c->stateful ||
	       (c->version == LW_VERSION_TLS1_3 && strcmp(c->stack->name, "gnutls") == 0);
}

static void the_session_goes_as_the_rule_says(void **state)
{
	const struct cell *c = *state;
	const struct limits *limit = limits_of(c);
	const bool forgets = must_forget(c);
	struct stack_session *kept, *left;
	struct ends e;

	kept = run(c, &e);
	assert_non_null(kept);
	/* What the library still gives a client that asks it afterwards, by the client's own doing.
	 */
	assert_int_equal(lw_forget_session(e.end[CLIENT].stream),
	                 forgets && limit->client_cannot ? LW_UNSUPPORTED : LW_OK);
	left = c->stack->session(e.end[CLIENT].connection);
	assert_int_equal(left != NULL && is_taken_again(c, &e, left), !forgets);
	assert_int_equal(lw_forget_session(e.end[SERVER].stream),
	                 forgets && limit->server_cannot[c->stateful] ? LW_UNSUPPORTED : LW_OK);
	/* What it had before the end, offered in spite of the advice. */
	assert_int_equal(is_taken_again(c, &e, kept),
	                 !forgets || (limit->client_cannot && is_in_a_ticket(c)));
	c->stack->session_free(left);
	c->stack->session_free(kept);
	ends_finish(&e);
}

/* The table of cells */

enum { CELLS_MAX = 8 * 4 * ENDINGS * 2 };

static struct cell cells[CELLS_MAX];
static char names[CELLS_MAX][128];
static struct CMUnitTest tests[CELLS_MAX];

static size_t add_cells(size_t count, const struct stack *stack, enum lw_version version)
{
	for (int i = 0; i < ENDINGS * 2; i++) {
		const struct cell cell = { stack, version, (enum ending)(i / 2), i % 2,
			                   strcmp(stack->name, "gnutls") == 0 ? 2 : 1 };

		cells[count] = cell;
		snprintf(names[count], sizeof names[count], "%s, %s, %s: after %s", stack->name,
		         lw_version_name(version), cell.stateful ? "kept by the server" : "ticket",
		         endings[cell.ending].name);
		tests[count] = (struct CMUnitTest){ .name = names[count],
			                            .test_func = the_session_goes_as_the_rule_says,
			                            .initial_state = &cells[count] };
		count++;
	}
	return count;
}

int main(void)
{
	struct certificate *certificate = certificate_new(NULL, NULL);
	const struct stack *stack;
	size_t count = 0;

	if (certificate == NULL || !certificate_print(certificate, &pem))
		return 1;
	certificate_free(certificate);
	for (unsigned i = 0; (stack = stack_at(i)) != NULL; i++)
		for (int v = LW_VERSION_TLS1_0; v <= LW_VERSION_TLS1_3; v++)
			if (stack->speaks((enum lw_version)v))
				count = add_cells(count, stack, (enum lw_version)v);
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return _cmocka_run_group_tests("sessions", tests, count, NULL, NULL);
}
