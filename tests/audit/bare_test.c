/*
 * bare_test: what a plain SSL_read() loop makes of every ending, as the judge sees it: the reason
 * why the library exists, held fast, so that a change in OpenSSL is noticed.
 */
#include "audit/cases.h"
#include "audit/runner.h"
#include "tests/unit.h"

#include <signal.h>

#include <stdio.h>

static struct certificate *certificate;

#define RIGHT JUDGED_RIGHT
#define FAILS JUDGED_REFUSED
#define VAGUE JUDGED_VAGUE
#define WRONG JUDGED_WRONG

static const struct row {
	const char *ending;
	enum judgement in_12, in_13;
} rows[] = {
	{ "close-notify", RIGHT, RIGHT },
	{ "none-at-boundary", VAGUE, VAGUE },
	{ "inside-header", VAGUE, VAGUE },
	{ "inside-record", VAGUE, VAGUE },
	{ "reset", VAGUE, VAGUE },
	{ "fatal-alert", WRONG, WRONG }, /* an error, and on the next read a clean end */
	{ "error-at-warning", VAGUE, VAGUE },
	{ "close-at-fatal", WRONG, RIGHT },
	{ "user-canceled", RIGHT, RIGHT },
	{ "data-after", RIGHT, RIGHT },
	{ "garbage-after", RIGHT, RIGHT },
	{ "plaintext-after", RIGHT, RIGHT },
	{ "four-warnings", FAILS, FAILS }, /* close_notify counts as the fifth */
	{ "many-warnings", FAILS, FAILS },
	{ "close-twice", RIGHT, RIGHT },
	{ "split-alert", FAILS, FAILS },
	{ "joined-alerts", FAILS, FAILS },
	{ "silence", WRONG, WRONG },
	{ "close-in-handshake", WRONG, WRONG }, /* anyone could have sent it */
	{ "close-amid-handshake", WRONG, RIGHT },
};

static void bare_is_judged_so(void **state)
{
	const struct row *row = *state;
	const enum judgement expected[2] = { row->in_12, row->in_13 };
	struct audit_setup setup = { .ending = ending_find(row->ending),
		                     .transport = ADVERSARY_SOCKET,
		                     .subject = &bare_subject,
		                     .certificate = certificate };
	struct audit_result result;
	const char *why;

	assert_non_null(setup.ending);
	for (int i = 0; i < 2; i++) {
		enum judgement judgement;

		setup.version = i == 0 ? LW_VERSION_TLS1_2 : LW_VERSION_TLS1_3;
		audit_run(&setup, &result);
		assert_string_equal(result.ran ? "" : result.trouble, "");
		judgement = judge(case_expects(case_of(row->ending), setup.version),
		                  &result.conclusion, &why);
		assert_string_equal(judgement_name(judgement), judgement_name(expected[i]));
	}
}

static void every_ending_has_a_row(void **state)
{
	(void)state;
	for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++)
		assert_string_equal(rows[i].ending, ending_at(i)->name);
	assert_null(ending_at(sizeof rows / sizeof rows[0]));
}

int main(void)
{
	static struct row states[sizeof rows / sizeof rows[0]];
	static struct CMUnitTest tests[sizeof rows / sizeof rows[0] + 1] = {
		cmocka_unit_test(every_ending_has_a_row),
	};
	size_t count = 1;
	int failed;

	signal(SIGPIPE, SIG_IGN); /* which bare OpenSSL raises on a reset socket */
	certificate = certificate_new(NULL, NULL);
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		states[i] = rows[i];
		tests[count++] = (struct CMUnitTest){ .name = rows[i].ending,
			                              .test_func = bare_is_judged_so,
			                              .initial_state = &states[i] };
	}
	cmocka_set_message_output(CM_OUTPUT_TAP);
	failed = _cmocka_run_group_tests("bare", tests, count, NULL, NULL);
	certificate_free(certificate);
	return failed;
}
