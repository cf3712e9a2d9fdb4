/*
 * feed: one row one exchange; every row is fed whole, octet by octet, and with every step split at
 * every place, and must come to the same state and the same answers.
 *
 * `wholes` is the number of octets after which the tracker says complete: it pins every
 * answer on the way, not only the last.
 */
#ifndef TESTS_FRAMING_FEED_H
#define TESTS_FRAMING_FEED_H

#include "framing/tracker.h"
#include "tests/unit.h"

#include <stdlib.h>
#include <string.h>

#define FEED_STEPS 10

struct step {
	bool sent;
	const char *bytes;
	size_t len;
};

#define OUT(text)                                                                                  \
	{                                                                                          \
		true, text, sizeof text - 1                                                        \
	}
#define IN(text)                                                                                   \
	{                                                                                          \
		false, text, sizeof text - 1                                                       \
	}

struct row {
	const char *name; /* a claim; a rule id in front where one applies */
	enum lw_kind kind;
	enum lw_role role;
	struct step steps[FEED_STEPS];
	bool complete;
	bool by_close;
	unsigned wholes;
	const char *why;
};

static void feed(struct lw_tracker *t, const struct step *step, size_t from, size_t to)
{
	(step->sent ? lw_tracker_sent : lw_tracker_received)(t, step->bytes + from, to - from);
}

static void feed_rest(struct lw_tracker *t, const struct row *row, size_t first)
{
	for (size_t i = first; i < FEED_STEPS && row->steps[i].bytes != NULL; i++)
		feed(t, &row->steps[i], 0, row->steps[i].len);
}

static void assert_answers(const struct lw_tracker *t, const struct row *row)
{
	assert_string_equal(lw_tracker_why(t), row->why);
	assert_int_equal(lw_tracker_complete(t), row->complete);
	assert_int_equal(lw_tracker_ended_by_close(t), row->by_close);
}

static void assert_same_state(const struct lw_tracker *a, const struct lw_tracker *b)
{
	assert_memory_equal(a, b, sizeof *a);
}

/* Octet by octet: counts the places where it is complete; what is lost stays lost. */
static void feed_octets(struct lw_tracker *t, const struct row *row)
{
	unsigned wholes = 0;
	const char *lost = NULL;

	for (size_t i = 0; i < FEED_STEPS && row->steps[i].bytes != NULL; i++) {
		for (size_t at = 0; at < row->steps[i].len; at++) {
			feed(t, &row->steps[i], at, at);
			feed(t, &row->steps[i], at, at + 1);
			wholes += lw_tracker_complete(t);
			if (lost != NULL)
				assert_string_equal(lw_tracker_why(t), lost);
			lost = t->lost;
			assert_false(lost != NULL && lw_tracker_complete(t));
			assert_false(lw_tracker_complete(t) && lw_tracker_ended_by_close(t));
		}
	}
	assert_int_equal(wholes, row->wholes);
}

static void start(struct lw_tracker *t, const struct row *row)
{
	memset(t, 0, sizeof *t);
	lw_tracker_init(t, row->kind, row->role);
	assert_false(lw_tracker_complete(t));
}

static void check_row(void **state)
{
	const struct row *row = *state;
	struct lw_tracker whole, other;

	start(&whole, row);
	feed_rest(&whole, row, 0);
	assert_answers(&whole, row);
	start(&other, row);
	feed_octets(&other, row);
	assert_answers(&other, row);
	assert_same_state(&whole, &other);
	for (size_t i = 0; i < FEED_STEPS && row->steps[i].bytes != NULL; i++) {
		for (size_t cut = 1; cut < row->steps[i].len; cut++) {
			start(&other, row);
			for (size_t before = 0; before < i; before++)
				feed(&other, &row->steps[before], 0, row->steps[before].len);
			feed(&other, &row->steps[i], 0, cut);
			feed(&other, &row->steps[i], cut, row->steps[i].len);
			feed_rest(&other, row, i + 1);
			assert_same_state(&whole, &other);
		}
	}
}

/* Every row as a case of its own, and `more` cases, in one run. */
static int run_rows(const struct row *rows, size_t count, const struct CMUnitTest *more,
                    size_t extra)
{
	struct CMUnitTest *tests = calloc(count + extra, sizeof *tests);
	int failed;

	if (tests == NULL)
		return 1;
	for (size_t i = 0; i < count; i++)
		tests[i] = (struct CMUnitTest){ rows[i].name, check_row, NULL, NULL,
			                        (void *)(uintptr_t)&rows[i] };
	for (size_t i = 0; i < extra; i++)
		tests[count + i] = more[i];
	cmocka_set_message_output(CM_OUTPUT_TAP);
	failed = _cmocka_run_group_tests("rows", tests, count + extra, NULL, NULL);
	free(tests);
	return failed;
}

#endif
