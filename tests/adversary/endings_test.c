/* endings_test: every ending, both roles, TLS 1.0 to 1.3, against bare OpenSSL in memory.  What
 * OpenSSL 3.0 makes of it stands in the rows; the data before the ending always arrives, and what
 * OpenSSL sends in answer is what the adversary saw.
 */
#include "tests/unit.h"

#include <stdio.h>
#include <string.h>

#include "adversary/endings.h"
#include "bare.h"

enum { NONE = -1, UNEXPECTED_MESSAGE = 10, DECODE_ERROR = 50 };
enum { ROLES = 2, VERSIONS = 4 };

/* What OpenSSL concludes, now and on the next read, and the fatal alert that it sends, if any. */
struct conclusion {
	enum bare_end end, second;
	int alert;
};

#define CLOSED                                                                                     \
	{                                                                                          \
		BARE_CLOSED, BARE_CLOSED, NONE                                                     \
	}
#define CUT                                                                                        \
	{                                                                                          \
		BARE_ERROR, BARE_SYSCALL, DECODE_ERROR                                             \
	}
#define REFUSED                                                                                    \
	{                                                                                          \
		BARE_ERROR, BARE_SYSCALL, UNEXPECTED_MESSAGE                                       \
	}
/* A fatal alert: an error, and then a clean end. */
#define FORGOTTEN                                                                                  \
	{                                                                                          \
		BARE_ERROR, BARE_CLOSED, NONE                                                      \
	}
#define WAITING                                                                                    \
	{                                                                                          \
		BARE_WAITING, BARE_WAITING, NONE                                                   \
	}

static const struct row {
	const char *ending;
	struct conclusion to_12, in_13;
} rows[] = {
	{ "close-notify", CLOSED, CLOSED },
	{ "none-at-boundary", CUT, CUT },
	{ "inside-header", CUT, CUT },
	{ "inside-record", CUT, CUT },
	{ "reset", CUT, CUT }, /* memory has no RST: it looks like FIN */
	{ "fatal-alert", FORGOTTEN, FORGOTTEN },
	/* To 1.2 the warning is overlooked, and what OpenSSL dislikes is the FIN. */
	{ "error-at-warning", CUT, { BARE_ERROR, BARE_SYSCALL, NONE } },
	{ "close-at-fatal", FORGOTTEN, CLOSED },
	{ "user-canceled", CLOSED, CLOSED },
	{ "data-after", CLOSED, CLOSED },
	{ "garbage-after", CLOSED, CLOSED },
	{ "plaintext-after", CLOSED, CLOSED },
	/* close_notify counts as the fifth. */
	{ "four-warnings", REFUSED, REFUSED },
	{ "many-warnings", REFUSED, REFUSED },
	{ "close-twice", CLOSED, CLOSED },
	/* Legal to 1.2, and refused all the same. rule: alerts-may-fragment */
	{ "split-alert", REFUSED, REFUSED },
	{ "joined-alerts", REFUSED, REFUSED },
	{ "silence", WAITING, WAITING },
	/* Unauthenticated, and told as a clean end. rule: closure-before-keys-unauthenticated */
	{ "close-in-handshake", CLOSED, CLOSED },
	{ "close-amid-handshake", CLOSED, CLOSED },
};

struct place {
	const struct ending *ending;
	enum lw_version version;
	enum adversary_role role;
};

static const struct row *row_of(const struct ending *ending)
{
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		if (strcmp(rows[i].ending, ending->name) == 0)
			return &rows[i];
	}
	return NULL;
}

static struct conclusion conclusion_of(const struct place *p)
{
	/* A server that gets an alert for a ClientHello says so. */
	static const struct conclusion refused = REFUSED;
	const struct row *row = row_of(p->ending);
	assert_non_null(row);
	if (p->ending->script.start == START_BEFORE_FIRST_FLIGHT && p->role == ADVERSARY_CLIENT)
		return refused;
	return p->version == LW_VERSION_TLS1_3 ? row->in_13 : row->to_12;
}

static void check_transport(const struct bare *b, const struct ending *ending)
{
	bool is_silent = strcmp(ending->name, "silence") == 0;
	bool is_reset = strcmp(ending->name, "reset") == 0;
	assert_int_equal(b->transport_ended, !is_silent);
	assert_int_equal(b->status, is_reset ? ADVERSARY_DONE : ADVERSARY_WAITING);
	assert_true(adversary_is_idle(b->adversary));
}

static void test_ending(void **state)
{
	const struct place *p = *state;
	struct adversary_options options = { .role = p->role, .version = p->version };
	struct conclusion expected = conclusion_of(p);
	struct bare b;

	assert_true(bare_begin(&b, &options, &p->ending->script));
	bare_run(&b);
	const struct adversary_tally *subject = adversary_subject(b.adversary);
	assert_string_equal(adversary_reason(b.adversary), "");
	assert_int_equal(b.data_bytes, p->ending->data_bytes);
	assert_false(b.data_differs);
	assert_int_equal(b.end, expected.end);
	assert_int_equal(b.second, expected.second);
	assert_int_equal(subject->alerts, expected.alert == NONE ? 0 : 1);
	if (expected.alert != NONE) {
		assert_int_equal(subject->last_level, 2);
		assert_int_equal(subject->last_description, expected.alert);
	}
	assert_false(subject->unreadable);
	check_transport(&b, p->ending);
	adversary_give_end(b.adversary, ADVERSARY_ENDED_FIN);
	assert_int_equal(adversary_advance(b.adversary), ADVERSARY_DONE);
	bare_free(&b);
}

static void test_every_row_is_an_ending(void **state)
{
	unsigned n = 0;
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		assert_non_null(ending_find(rows[i].ending));
	while (ending_at(n) != NULL)
		n++;
	assert_int_equal(n, sizeof rows / sizeof rows[0]);
	assert_null(ending_find("no such ending"));
}

int main(void)
{
	enum { ROWS = sizeof rows / sizeof rows[0] };
	static const char *const versions[VERSIONS] = { "1.0", "1.1", "1.2", "1.3" };
	static const char *const roles[ROLES] = { "client", "server" }; /* the subject's */
	static struct place places[ROWS * VERSIONS * ROLES];
	static char names[ROWS * VERSIONS * ROLES][64];
	static struct CMUnitTest tests[ROWS * VERSIONS * ROLES + 1];
	size_t n = 0;
	for (unsigned i = 0; i < ROWS * VERSIONS * ROLES; i++) {
		unsigned v = i % VERSIONS, role = i / VERSIONS % ROLES;
		places[n] = (struct place){ .ending = ending_at(i / VERSIONS / ROLES),
			                    .version = (enum lw_version)(LW_VERSION_TLS1_0 + v),
			                    .role = (enum adversary_role)role };
		(void)snprintf(names[n], sizeof names[n], "%s, TLS %s, bare %s",
		               places[n].ending->name, versions[v], roles[role]);
		tests[n] = (struct CMUnitTest){ .name = names[n],
			                        .test_func = test_ending,
			                        .initial_state = &places[n] };
		n++;
	}
	tests[n++] = (struct CMUnitTest)cmocka_unit_test(test_every_row_is_an_ending);
	return run_cases(tests);
}
