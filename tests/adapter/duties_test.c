/*
 * duties_test: each duty on each TLS library, in each version that it speaks.
 */
#include "duties.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

static void duty_is_done(void **state)
{
	const struct place *p = *state;
	const struct duty_exception *e = p->duty->exceptions;

	for (; e != NULL && e->stack != NULL; e++)
		if (strcmp(e->stack, p->stack->name) == 0 && p->version >= e->first &&
		    p->version <= e->last) {
			e->instead(p);
			return;
		}
	p->duty->test(p);
}

enum { STACKS_MAX = 4, VERSIONS = 4, DUTIES_MAX = 64 };
enum { ALL = STACKS_MAX * VERSIONS * DUTIES_MAX };

static struct CMUnitTest tests[ALL];

static size_t add_duties(const struct duty *duty, const struct stack *stack,
                         enum lw_version version, size_t count)
{
	static struct place places[ALL];
	static char names[ALL][128];

	for (; duty->name != NULL && count < ALL; duty++) {
		if (version < duty->first)
			continue;
		places[count] = (struct place){ stack, version, duty };
		snprintf(names[count], sizeof names[count], "%s, %s, %s", stack->name,
		         lw_version_name(version), duty->name);
		tests[count] = (struct CMUnitTest){ .name = names[count],
			                            .test_func = duty_is_done,
			                            .initial_state = &places[count] };
		count++;
	}
	return count;
}

static size_t add_stack(const struct stack *stack, size_t count)
{
	static const struct duty *const tables[] = { writing_duties, ending_duties,
		                                     attaching_duties, fault_duties };

	for (int v = LW_VERSION_TLS1_0; v <= LW_VERSION_TLS1_3; v++)
		for (size_t t = 0; t < sizeof tables / sizeof tables[0]; t++)
			if (stack->speaks((enum lw_version)v))
				count = add_duties(tables[t], stack, (enum lw_version)v, count);
	return count;
}

/* All, or one library: the argument names it; a second one: reading ahead. */
int main(int argc, char **argv)
{
	const struct stack *stack;
	size_t count = 0;

	signal(SIGPIPE, SIG_IGN); /* which bare libraries raise */
	stand_reads_ahead = argc == 3;
	for (unsigned i = 0; (stack = stack_at(i)) != NULL; i++)
		if (argc < 2 || strcmp(argv[1], stack->name) == 0)
			count = add_stack(stack, count);
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return _cmocka_run_group_tests("duties", tests, count, NULL, NULL);
}
