/* pool_test: which backend is next, and what a failure does to it.  Time is virtual. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "tests/relay/pool_stand.h"

/* ---- which one */

/*
 * What happens, in order: cN a new connection gets backend N, nN the same one asks again and gets N
 * (n-: none is left), fN N failed, wN N worked, tMS time passes.
 */
static const struct order {
	const char *claim, *backends;
	enum relay_balance balance;
	const char *script;
} orders[] = {
#define THREE "192.0.2.1 192.0.2.2 192.0.2.3"
	{ "round robin goes round", THREE, RELAY_ROUND_ROBIN, "c0 c1 c2 c0 c1" },
	{ "priority stays with the first", THREE, RELAY_PRIORITY, "c0 c0 c0" },
	{ "a turn visits each once", THREE, RELAY_ROUND_ROBIN, "c0 c1 n2 n0 n-" },
	{ "a turn by priority too", THREE, RELAY_PRIORITY, "c0 n1 n2 n- n-" },
	{ "one that failed is passed over", THREE, RELAY_ROUND_ROBIN, "c0 f0 c1 c2 c1 c2" },
	{ "one that failed is passed over by priority too", THREE, RELAY_PRIORITY,
	  "c0 f0 c1 c1 f1 c2" },
	{ "within a turn what failed comes last", THREE, RELAY_ROUND_ROBIN, "f0 c1 n2 n0 n-" },
	{ "its time over it is tried again", THREE, RELAY_PRIORITY, "c0 f0 t999 c1 t1 c0" },
	{ "its time over one connection probes it", THREE, RELAY_PRIORITY, "c0 f0 t1000 c0 c1 c1" },
	{ "a probe that works brings it back", THREE, RELAY_PRIORITY, "c0 f0 t1000 c0 w0 c0 c0" },
	{ "a probe that fails passes it over anew", THREE, RELAY_PRIORITY,
	  "f0 t1000 c0 t500 f0 t999 c1 t1 c0" },
	{ "a probe without news gives way to the next", THREE, RELAY_PRIORITY,
	  "f0 t1000 c0 t999 c1 t1 c0 c1" },
	{ "in round robin a probe waits for its turn", THREE, RELAY_ROUND_ROBIN,
	  "c0 c1 f1 t1000 c2 c0 c1 c2 c0 c2" },
	{ "all failed: they are tried all the same", THREE, RELAY_ROUND_ROBIN,
	  "f0 f1 f2 c0 n1 n2 n- c0 c1" },
	{ "the only one is tried all the same", "192.0.2.1", RELAY_PRIORITY,
	  "c0 f0 c0 f0 c0 n- c0" },
	{ "success of one makes it the only good one", THREE, RELAY_ROUND_ROBIN,
	  "f0 f1 f2 c0 c1 w1 c1 c1 n2 n0 n-" },
	{ "Unix paths are backends like others", "/run/a /run/b", RELAY_ROUND_ROBIN,
	  "c0 c1 c0 f1 c0 c0" },
	{ "IPv6 is an address like others", "2001:db8::1 192.0.2.2", RELAY_ROUND_ROBIN,
	  "c0 c1 c0" },
};

static void follow(struct stand *s, const struct order *o, const char *word)
{
	const unsigned number = (unsigned)strtoul(word + 1, NULL, 10);
	enum pool_status status;

	switch (word[0]) {
	case 'c':
	case 'n':
		status = word[0] == 'c' ? begin_turn(s) : go_on(s);
		if (status != (word[1] == '-' ? POOL_NONE : POOL_CHOSEN) ||
		    (status == POOL_CHOSEN && s->choice.backend != number))
			fail_msg("%s: '%s' at %s: status %d, backend %zu", o->claim, o->script,
			         word, (int)status, s->choice.backend);
		if (status == POOL_CHOSEN)
			(void)take_addresses(s);
		return;
	case 'f':
		pool_failed(s->pool, number);
		return;
	case 'w':
		pool_worked(s->pool, number);
		return;
	default:
		s->now_ms += number;
	}
}

static void the_order_of_backends(void **state)
{
	const struct order *o = *state;
	struct stand *s = stand_new(o->backends, o->balance);
	char text[256], *rest = text, *word;

	(void)snprintf(text, sizeof text, "%s", o->script);
	while ((word = strtok_r(rest, " ", &rest)) != NULL)
		follow(s, o, word);
	assert_int_equal(asked(), 0);
	stand_free(s);
}

static void what_was_said_stays_where_all_were_tried(void **state)
{
	struct stand *s = stand_new("192.0.2.1", RELAY_ROUND_ROBIN);

	(void)state;
	assert_int_equal(begin_turn(s), POOL_CHOSEN);
	assert_string_equal(take_addresses(s), "192.0.2.1");
	failure_set(&s->f, "the dial failed");
	assert_int_equal(go_on(s), POOL_NONE);
	assert_string_equal(s->f.sentence, "the dial failed");
	stand_free(s);
}

static void more_backends_than_bits_are_left_unused(void **state)
{
	char text[2048];
	size_t n = 0;
	struct stand *s;

	(void)state;
	for (unsigned i = 0; i < POOL_BACKENDS + 3; i++)
		n += (size_t)snprintf(text + n, sizeof text - n, "192.0.2.%u ", i + 1);
	s = stand_new(text, RELAY_ROUND_ROBIN);
	assert_string_equal(connect_once(s), "192.0.2.1");
	for (unsigned i = 1; i < POOL_BACKENDS; i++) {
		assert_int_equal(go_on(s), POOL_CHOSEN);
		(void)take_addresses(s);
	}
	assert_int_equal(go_on(s), POOL_NONE);
	stand_free(s);
}

static void the_loops_clock_is_the_usual_one(void **state)
{
	struct stand *s = stand_new("192.0.2.1 192.0.2.2", RELAY_PRIORITY);

	(void)state;
	pool_free(s->pool);
	s->service.retry_after_ms = 3600000;
	s->pool = pool_new(&s->loop, &s->service);
	assert_non_null(s->pool);
	pool_failed(s->pool, 0);
	assert_string_equal(connect_once(s), "192.0.2.2");
	stand_free(s);
}

enum { ORDERS = sizeof orders / sizeof *orders };

int main(void)
{
	struct CMUnitTest tests[ORDERS + 3] = {
		cmocka_unit_test(what_was_said_stays_where_all_were_tried),
		cmocka_unit_test(more_backends_than_bits_are_left_unused),
		cmocka_unit_test(the_loops_clock_is_the_usual_one),
	};

	for (size_t i = 0; i < ORDERS; i++)
		tests[3 + i] = (struct CMUnitTest){ .name = orders[i].claim,
			                            .test_func = the_order_of_backends,
			                            .initial_state = (void *)&orders[i] };
	return run_cases(tests);
}
