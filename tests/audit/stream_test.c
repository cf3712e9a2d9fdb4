/*
 * stream_test: every ending x TLS 1.0 to 1.3 x {memory, socket} x {attach before, after the
 * handshake} x {not blocking, blocking}: right status, ending, place, bytes and alert, the same on
 * the next read.  Where OpenSSL itself refuses what a reader may refuse, that is told as a failure.
 */
#include "audit/cases.h"
#include "audit/runner.h"
#include "tests/unit.h"

#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { VERSIONS = 4, MEANS = 3, MOMENTS = 2, ENDINGS_MAX = 32 };

struct place {
	const struct ending *ending;
	enum lw_version version;
	enum adversary_transport transport;
	bool blocking;
	bool after;
};

static struct certificate *certificate;

/* What OpenSSL 3.0 refuses although it is an end: more than four warnings in a row, and to 1.2 more
 * or less than one alert in a record. */
static const struct {
	const char *ending;
	bool in_13; /* there it is right to refuse the others */
} refused[] = { { "many-warnings", true }, { "split-alert", false }, { "joined-alerts", false } };

static enum judgement expected_judgement(const struct place *p)
{
	for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++)
		if (strcmp(refused[i].ending, p->ending->name) == 0 &&
		    (p->version < LW_VERSION_TLS1_3 || refused[i].in_13))
			return JUDGED_REFUSED;
	return JUDGED_RIGHT;
}

static bool can_be_attached(const struct place *p)
{
	/* Else there is no "after"; a 1.3 server has no more to say than its first flight. */
	return !p->after || p->ending->data_bytes > 0 ||
	       (p->version == LW_VERSION_TLS1_3 &&
	        p->ending->script.start == START_AFTER_FIRST_FLIGHT);
}

static void assert_refused(const struct place *p, const struct conclusion *c)
{
	assert_int_equal(c->first, SUBJECT_ERROR);
	assert_int_equal(c->again, SUBJECT_ERROR);
	assert_int_equal(c->verdict.read, LW_ENDING_FAILED);
	assert_int_equal(c->bytes, p->ending->data_bytes);
	assert_int_equal(c->verdict.bytes_read, p->ending->data_bytes);
	assert_false(c->verdict.whole);
}

static void stream_is_right(void **state)
{
	const struct place *p = *state;
	const struct audit_setup setup = { .ending = p->ending,
		                           .version = p->version,
		                           .transport = p->transport,
		                           .after = p->after,
		                           .blocking = p->blocking,
		                           .subject = &stream_subject,
		                           .certificate = certificate };
	const struct audit_case *row = case_of(p->ending->name);
	const struct audit_expect *expect = case_expects(row, p->version);
	struct audit_result result;
	const char *why;
	char told[256];
	enum judgement judgement;

	audit_run(&setup, &result);
	if (!can_be_attached(p)) {
		assert_false(result.ran);
		return;
	}
	assert_string_equal(result.ran ? "" : result.trouble, "");
	judgement = judge(expect, &result.conclusion, &why);
	if (judgement == expected_judgement(p)) {
		if (judgement == JUDGED_REFUSED) /* told as one failure, and nothing is lost */
			assert_refused(p, &result.conclusion);
		return;
	}
	snprintf(told, sizeof told, "%s %s: %s after %llu bytes: %s", judgement_name(judgement),
	         why, subject_says_name(result.conclusion.first),
	         (unsigned long long)result.conclusion.bytes, result.conclusion.reason);
	assert_string_equal(told, judgement_name(expected_judgement(p)));
}

static void every_ending_has_a_case(void **state)
{
	const struct ending *ending;
	const struct audit_case *row;

	(void)state;
	for (unsigned i = 0; (ending = ending_at(i)) != NULL; i++)
		assert_non_null(case_of(ending->name));
	for (unsigned i = 0; (row = case_at(i)) != NULL; i++)
		assert_non_null(ending_find(row->ending));
	assert_null(case_of("no such ending"));
}

/* The row and the adversary's own idea of what is proven agree. */
static void cases_agree_with_what_is_proven(void **state)
{
	const struct ending *ending;

	(void)state;
	for (unsigned i = 0; (ending = ending_at(i)) != NULL; i++) {
		const struct audit_case *row = case_of(ending->name);

		if (ending->data_bytes == 0) /* there is nothing to prove */
			continue;
		assert_int_equal(row->to_12.says == SUBJECT_END,
		                 (ending->proof & ENDING_PROVEN_TO_12) != 0);
		assert_int_equal(row->in_13.says == SUBJECT_END,
		                 (ending->proof & ENDING_PROVEN_13) != 0);
		assert_int_equal(row->to_12.bytes, ending->data_bytes);
		assert_int_equal(row->in_13.bytes, ending->data_bytes);
	}
}

static const char *name_place(const struct place *p, char *name, size_t cap)
{
	snprintf(name, cap, "%s, %s, %s, attached %s", p->ending->name, lw_version_name(p->version),
	         p->transport == ADVERSARY_MEMORY ? "memory"
	         : p->blocking                    ? "blocking socket"
	                                          : "socket",
	         p->after ? "after" : "before");
	return name;
}

static struct place place_of(unsigned i)
{
	unsigned means = i / MOMENTS / VERSIONS % MEANS;

	return (struct place){ .ending = ending_at(i / MOMENTS / VERSIONS / MEANS),
		               .version =
		                   (enum lw_version)(LW_VERSION_TLS1_0 + i / MOMENTS % VERSIONS),
		               .transport = means == 0 ? ADVERSARY_MEMORY : ADVERSARY_SOCKET,
		               .blocking = means == 2,
		               .after = i % MOMENTS };
}

int main(void)
{
	enum { ALL = ENDINGS_MAX * VERSIONS * MEANS * MOMENTS };
	static struct place places[ALL];
	static char names[ALL][96];
	static struct CMUnitTest tests[ALL + 2] = {
		cmocka_unit_test(every_ending_has_a_case),
		cmocka_unit_test(cases_agree_with_what_is_proven),
	};
	size_t count = 2;
	int failed;

	certificate = certificate_new(NULL, NULL);
	for (unsigned i = 0; i < ALL; i++) {
		places[i] = place_of(i);
		if (places[i].ending == NULL)
			break;
		tests[count++] = (struct CMUnitTest){
			.name = name_place(&places[i], names[i], sizeof names[i]),
			.test_func = stream_is_right,
			.initial_state = &places[i],
		};
	}
	cmocka_set_message_output(CM_OUTPUT_TAP);
	failed = _cmocka_run_group_tests("stream", tests, count, NULL, NULL);
	certificate_free(certificate);
	return failed;
}
