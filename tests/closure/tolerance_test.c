/*
 * tolerance: policy by completeness by ending by place, every cell; and the words of verdict.h.
 *
 * The endings that each policy accepts are listed; every cell that is not listed is refused.
 */
#include "closure/engine.h"
#include "tests/unit.h"

#include <string.h>

enum { ENDINGS = LW_ENDING_FAILED + 1, PLACES = LW_PLACE_UNKNOWN + 1 };

#define ANY_PLACE 0xfu
#define AT(place) (1u << LW_PLACE_##place)

struct accepted {
	const char *rule;
	enum lw_policy policy;
	bool complete;
	enum lw_ending ending;
	unsigned places;
};

static const struct accepted accepted[] = {
	{ "end-of-data-on-close-notify", LW_POLICY_STRICT, false, LW_ENDING_CLOSED, ANY_PLACE },
	{ "end-of-data-on-close-notify", LW_POLICY_STRICT, true, LW_ENDING_CLOSED, ANY_PLACE },
	{ "end-of-data-on-close-notify", LW_POLICY_FRAMED, false, LW_ENDING_CLOSED, ANY_PLACE },
	{ "end-of-data-on-close-notify", LW_POLICY_FRAMED, true, LW_ENDING_CLOSED, ANY_PLACE },
	{ "end-of-data-on-close-notify", LW_POLICY_LAX, false, LW_ENDING_CLOSED, ANY_PLACE },
	{ "end-of-data-on-close-notify", LW_POLICY_LAX, true, LW_ENDING_CLOSED, ANY_PLACE },
	{ "framed-message-survives", LW_POLICY_FRAMED, true, LW_ENDING_TRUNCATED, AT(BOUNDARY) },
	{ "framed-message-survives", LW_POLICY_FRAMED, true, LW_ENDING_RESET, ANY_PLACE },
	{ "framed-message-survives", LW_POLICY_LAX, true, LW_ENDING_TRUNCATED, AT(BOUNDARY) },
	{ "framed-message-survives", LW_POLICY_LAX, true, LW_ENDING_RESET, ANY_PLACE },
	{ "truncation-undecidable", LW_POLICY_LAX, false, LW_ENDING_TRUNCATED, AT(BOUNDARY) },
};

static bool is_accepted(enum lw_policy policy, bool complete, unsigned ending, unsigned place)
{
	for (size_t i = 0; i < sizeof accepted / sizeof accepted[0]; i++)
		if (accepted[i].policy == policy && accepted[i].complete == complete &&
		    accepted[i].ending == (enum lw_ending)ending &&
		    (accepted[i].places & 1u << place))
			return true;
	return false;
}

static void tolerates_exactly(enum lw_policy policy, enum lw_policy like)
{
	for (unsigned cell = 0; cell < 2 * ENDINGS * PLACES; cell++) {
		const bool complete = cell % 2;
		const unsigned ending = cell / 2 % ENDINGS, place = cell / 2 / ENDINGS;

		if (lw_tolerates(policy, complete, (enum lw_ending)ending, (enum lw_place)place) !=
		    is_accepted(like, complete, ending, place))
			fail_msg("%s, %s, %s at %s", lw_policy_name(policy),
			         complete ? "complete" : "incomplete",
			         lw_ending_name((enum lw_ending)ending),
			         lw_place_name((enum lw_place)place));
	}
}

/* rule: close-delimited-needs-alert */
static void framed_demands_close_notify_unless_complete(void **state)
{
	(void)state;
	tolerates_exactly(LW_POLICY_FRAMED, LW_POLICY_FRAMED);
}

/* rule: await-peer-before-end-of-data */
static void strict_demands_close_notify_always(void **state)
{
	(void)state;
	tolerates_exactly(LW_POLICY_STRICT, LW_POLICY_STRICT);
}

static void lax_takes_a_fin_between_records_for_an_end(void **state)
{
	(void)state;
	tolerates_exactly(LW_POLICY_LAX, LW_POLICY_LAX);
}

static void a_policy_out_of_range_is_strict(void **state)
{
	(void)state;
	tolerates_exactly((enum lw_policy)(LW_POLICY_LAX + 1), LW_POLICY_STRICT);
	tolerates_exactly((enum lw_policy)1000, LW_POLICY_STRICT);
}

static void framed_is_the_default(void **state)
{
	(void)state;
	assert_int_equal(LW_POLICY_FRAMED, 0);
}

/* The words, in the order of their enum; one more value is out of range. */
#define SAYS(name, type, ...)                                                                      \
	static void name##_says_its_words(void **state)                                            \
	{                                                                                          \
		static const char *const words[] = { __VA_ARGS__, "unknown" };                     \
                                                                                                   \
		(void)state;                                                                       \
		for (unsigned i = 0; i < sizeof words / sizeof words[0]; i++)                      \
			assert_string_equal(name((enum type)i), words[i]);                         \
		assert_string_equal(name((enum type)1000), "unknown");                             \
	}

SAYS(lw_ending_name, lw_ending, "open", "closed", "aborted", "truncated", "reset", "expired",
     "abandoned", "failed")
SAYS(lw_place_name, lw_place, "none", "boundary", "inside", "unknown")
SAYS(lw_policy_name, lw_policy, "framed", "strict", "lax")
SAYS(lw_session_name, lw_session, "may-resume", "forget")
SAYS(lw_closer_side_name, lw_closer_side, "nobody", "we", "peer")

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(framed_demands_close_notify_unless_complete),
		cmocka_unit_test(strict_demands_close_notify_always),
		cmocka_unit_test(lax_takes_a_fin_between_records_for_an_end),
		cmocka_unit_test(a_policy_out_of_range_is_strict),
		cmocka_unit_test(framed_is_the_default),
		cmocka_unit_test(lw_ending_name_says_its_words),
		cmocka_unit_test(lw_place_name_says_its_words),
		cmocka_unit_test(lw_policy_name_says_its_words),
		cmocka_unit_test(lw_session_name_says_its_words),
		cmocka_unit_test(lw_closer_side_name_says_its_words),
	};
	return run_cases(tests);
}
