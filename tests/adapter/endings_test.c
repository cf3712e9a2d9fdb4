/*
 * endings_test: every TLS library x every ending x TLS 1.0 to 1.3 x {an application's own
 * transport, a socket, a blocking socket} x {attach before, after the handshake}: right status,
 * ending, place, bytes and alert, the same on the next read.  Where a library makes that
 * impossible, an exception says what is told instead.
 */
#include "audit/cases.h"
#include "audit/runner.h"
#include "exceptions.h"
#include "tests/unit.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

enum { VERSIONS = 4, MEANS = 3, MOMENTS = 2, ENDINGS_MAX = 32, STACKS_MAX = 4 };

struct place {
	const struct stack *stack;
	const struct ending *ending;
	enum lw_version version;
	enum adversary_transport transport;
	bool blocking;
	bool after;
};

static struct certificate *certificate;

static bool can_be_attached(const struct place *p)
{
	/* Else there is no "after"; a 1.3 server has no more to say than its first flight. */
	return !p->after || p->ending->data_bytes > 0 ||
	       (p->version == LW_VERSION_TLS1_3 &&
	        p->ending->script.start == START_AFTER_FIRST_FLIGHT);
}

/* Told as the row says, with every byte before it, and never as an end. */
static void assert_excepted(const struct exception *row, const struct place *p,
                            const struct conclusion *c)
{
	assert_int_equal(c->first, row->says);
	assert_int_equal(c->again, row->says);
	assert_int_not_equal(row->says, SUBJECT_END);
	assert_int_equal(c->verdict.read, row->read);
	assert_int_equal(c->bytes, p->ending->data_bytes);
	assert_int_equal(c->verdict.bytes_read, p->ending->data_bytes);
	assert_false(c->differs);
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
		                           .stack = p->stack,
		                           .certificate = certificate };
	const struct exception *except =
	    exception_find(p->stack->name, p->ending->name, p->version);
	const struct audit_expect *expect = case_expects(case_of(p->ending->name), p->version);
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
	if (except != NULL) {
		assert_excepted(except, p, &result.conclusion);
		return;
	}
	judgement = judge(expect, &result.conclusion, &why);
	snprintf(told, sizeof told, "%s %s: %s after %llu bytes: %s", judgement_name(judgement),
	         why, subject_says_name(result.conclusion.first),
	         (unsigned long long)result.conclusion.bytes, result.conclusion.reason);
	if (judgement != JUDGED_RIGHT)
		assert_string_equal(told, "right");
}

/* A row of a library that is not here, or of an ending that no more is, hides nothing. */
static void every_exception_is_of_an_ending(void **state)
{
	const struct exception *row;

	(void)state;
	for (unsigned i = 0; (row = exception_at(i)) != NULL; i++) {
		assert_non_null(ending_find(row->ending));
		assert_true(strlen(row->why) > 0);
	}
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
	snprintf(name, cap, "%s, %s, %s, %s, attached %s", p->stack->name, p->ending->name,
	         lw_version_name(p->version),
	         p->transport == ADVERSARY_MEMORY ? "own transport"
	         : p->blocking                    ? "blocking socket"
	                                          : "socket",
	         p->after ? "after" : "before");
	return name;
}

static struct place place_of(const struct stack *stack, unsigned i)
{
	unsigned means = i / MOMENTS / VERSIONS % MEANS;

	return (struct place){ .stack = stack,
		               .ending = ending_at(i / MOMENTS / VERSIONS / MEANS),
		               .version =
		                   (enum lw_version)(LW_VERSION_TLS1_0 + i / MOMENTS % VERSIONS),
		               .transport = means == 0 ? ADVERSARY_MEMORY : ADVERSARY_SOCKET,
		               .blocking = means == 2,
		               .after = i % MOMENTS };
}

enum { PLACES = ENDINGS_MAX * VERSIONS * MEANS * MOMENTS, ALL = STACKS_MAX * PLACES };

static struct CMUnitTest tests[ALL + 3] = {
	cmocka_unit_test(every_ending_has_a_case),
	cmocka_unit_test(cases_agree_with_what_is_proven),
	cmocka_unit_test(every_exception_is_of_an_ending),
};

static size_t add_places(const struct stack *stack, size_t count)
{
	static struct place places[ALL];
	static char names[ALL][96];

	for (unsigned i = 0; i < PLACES && ending_at(i / MOMENTS / VERSIONS / MEANS) != NULL; i++) {
		places[count] = place_of(stack, i);
		if (!stack->speaks(places[count].version))
			continue;
		tests[count] = (struct CMUnitTest){
			.name = name_place(&places[count], names[count], sizeof names[count]),
			.test_func = stream_is_right,
			.initial_state = &places[count],
		};
		count++;
	}
	return count;
}

/* All, or one library: the argument names it. */
int main(int argc, char **argv)
{
	const struct stack *stack;
	size_t count = 3;
	int failed;

	certificate = certificate_new(NULL, NULL);
	signal(SIGPIPE, SIG_IGN); /* which bare libraries raise in the handshake */
	for (unsigned i = 0; (stack = stack_at(i)) != NULL; i++)
		if (argc < 2 || strcmp(argv[1], stack->name) == 0)
			count = add_places(stack, count);
	cmocka_set_message_output(CM_OUTPUT_TAP);
	failed = _cmocka_run_group_tests("endings", tests, count, NULL, NULL);
	certificate_free(certificate);
	return failed;
}
