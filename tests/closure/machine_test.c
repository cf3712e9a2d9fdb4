/*
 * machine: every cell of the three tables: in range, sensible by itself, and reached by some
 * sequence of events; and, over all of these sequences, an ending that is set never changes.
 *
 * All events come in any order here, those included that no careful caller would send.  An
 * engine's state without its counters fits into 27 bits, so what was seen is a bitmap.
 */
#include "closure/engine.h"
#include "tests/closure/cells.h"
#include "tests/unit.h"

#include <stdlib.h>

#define STATE_BITS 27
#define MARK       0x8000u /* an action that does not exist: the cell was looked up */

/* ---- every state and event */

static const struct lw_engine_event events[] = {
	{ .kind = LW_EV_ESTABLISHED, .version = LW_VERSION_TLS1_0 },
	{ .kind = LW_EV_ESTABLISHED, .version = LW_VERSION_TLS1_2 },
	{ .kind = LW_EV_ESTABLISHED, .version = LW_VERSION_TLS1_3 },
	{ .kind = LW_EV_DATA },
	{ .kind = LW_EV_ALERT, .level = 1, .description = 0 },
	{ .kind = LW_EV_ALERT, .level = 2, .description = 0 },
	{ .kind = LW_EV_ALERT, .level = 3, .description = 0 },
	{ .kind = LW_EV_ALERT, .level = 1, .description = 90 },
	{ .kind = LW_EV_ALERT, .level = 2, .description = 80 },
	{ .kind = LW_EV_FIN, .place = LW_PLACE_BOUNDARY },
	{ .kind = LW_EV_FIN, .place = LW_PLACE_INSIDE },
	{ .kind = LW_EV_RESET },
	{ .kind = LW_EV_READ_ERROR },
	{ .kind = LW_EV_WRITE_RESET },
	{ .kind = LW_EV_WRITE_ERROR },
	{ .kind = LW_EV_PENDING },
	{ .kind = LW_EV_SEALED },
	{ .kind = LW_EV_FLUSHED },
	{ .kind = LW_EV_LIBRARY_FAILED },
	{ .kind = LW_EV_LIBRARY_ALERTED },
	{ .kind = LW_EV_WRITE_ALERTED },
	{ .kind = LW_EV_WARNING_LIMIT },
	{ .kind = LW_EV_DEADLINE },
	{ .kind = LW_EV_DRAINED },
	{ .kind = LW_EV_COMPLETE },
	{ .kind = LW_EV_INCOMPLETE },
	{ .kind = LW_EV_FINISH },
	{ .kind = LW_EV_CLOSE },
	{ .kind = LW_EV_UNWRAP },
	{ .kind = LW_EV_ABORT },
};

#define EVENTS (sizeof events / sizeof events[0])

static uint32_t half(uint8_t state)
{
	return state & LW_LATCH ? (state & 7u) + 5u : state;
}

static uint32_t packed(const struct lw_engine *e)
{
	uint32_t bits = half(e->read) << 4 | half(e->write);

	bits = bits << 4 | e->transport;
	bits = bits << 2 | e->armed;
	bits = bits << 2 | e->closed_first;
	bits = bits << 3 | (uint32_t)e->row->version;
	bits = bits << 2 | (uint32_t)e->place;
	bits = bits << 1 | e->awaits_peer;
	bits = bits << 1 | e->complete;
	bits = bits << 1 | e->pending;
	bits = bits << 1 | e->ignored;
	bits = bits << 1 | e->fatal;
	bits = bits << 1 | e->peer_fin;
	return bits; /* `forgets` follows from the others */
}

static struct lw_engine *seen;
static size_t seen_count;

static void note_state(uint8_t *known, const struct lw_engine *e)
{
	const uint32_t bits = packed(e);

	if (known[bits >> 3] & 1u << (bits & 7))
		return;
	known[bits >> 3] |= (uint8_t)(1u << (bits & 7));
	if ((seen_count & (seen_count - 1)) == 0)
		seen = realloc(seen, (seen_count ? 2 * seen_count : 1) * sizeof *seen);
	assert_non_null(seen);
	seen[seen_count++] = *e;
}

static int explore(void **state)
{
	uint8_t *known = calloc(1, (1u << STATE_BITS) / 8);
	struct lw_engine e;

	(void)state;
	assert_non_null(known);
	for (unsigned awaits = 0; awaits < 2; awaits++) {
		lw_engine_init(&e, LW_POLICY_FRAMED, awaits);
		note_state(known, &e);
	}
	for (size_t i = 0; i < seen_count; i++) {
		for (size_t k = 0; k < EVENTS; k++) {
			e = seen[i];
			(void)lw_engine_step(&lw_tables, &e, &events[k]);
			note_state(known, &e);
		}
	}
	free(known);
	return 0;
}

static int forget(void **state)
{
	(void)state;
	free(seen);
	return 0;
}

/* ---- the cells, one after the other */

static bool is_looked_up(const struct lw_tables *marked)
{
	for (size_t i = 0; i < seen_count; i++) {
		for (size_t k = 0; k < EVENTS; k++) {
			struct lw_engine e = seen[i];

			if (lw_engine_step(marked, &e, &events[k]) & MARK)
				return true;
		}
	}
	return false;
}

static void every_cell_is_reached_or_has_a_reason(void **state)
{
	(void)state;
	for (unsigned i = 0; i < CELLS; i++) {
		struct lw_tables marked = lw_tables;
		const struct cell_place p = cell_at(&marked, i);

		const char *why = why_beyond_reach(&p);

		p.cell->actions |= MARK;
		if (is_looked_up(&marked) == (why != NULL))
			fail_msg("%s, state %u, input %u: %s", machine_name(p.machine), p.state,
			         p.input, why ? why : "never reached");
	}
}

static void every_next_state_exists(void **state)
{
	(void)state;
	for (unsigned i = 0; i < CELLS; i++) {
		struct lw_tables copy = lw_tables;
		const struct cell_place p = cell_at(&copy, i);

		if (!is_next_known(&p))
			fail_msg("%s, state %u, input %u", machine_name(p.machine), p.state,
			         p.input);
	}
}

static void are_sensible(enum machine machine)
{
	for (unsigned i = 0; i < CELLS; i++) {
		struct lw_tables copy = lw_tables;
		const struct cell_place p = cell_at(&copy, i);

		if (p.machine == machine && !is_sensible(&p))
			fail_msg("%s, state %u, input %u", machine_name(machine), p.state, p.input);
	}
}

/* rule: end-of-data-on-close-notify */
static void the_read_machine_reports_exactly_its_ending(void **state)
{
	(void)state;
	are_sensible(MACHINE_READ);
}

/* rules: nothing-after-own-closure, no-close-notify-after-own-fatal */
static void the_write_machine_seals_one_alert_at_most(void **state)
{
	(void)state;
	are_sensible(MACHINE_WRITE);
}

/* rule: transport-delivers-on-close */
static void the_transport_machine_ends_what_it_says(void **state)
{
	(void)state;
	are_sensible(MACHINE_TRANSPORT);
}

static void no_ending_that_is_set_ever_changes(void **state)
{
	(void)state;
	for (size_t i = 0; i < seen_count; i++) {
		for (size_t k = 0; k < EVENTS; k++) {
			const struct lw_engine *was = &seen[i];
			struct lw_engine e = *was;
			const unsigned actions = lw_engine_step(&lw_tables, &e, &events[k]);

			if (lw_engine_read_ending(was) != LW_ENDING_OPEN) {
				assert_int_equal(e.read, was->read);
				assert_int_equal(e.complete, was->complete);
				assert_int_equal(e.place, was->place);
				assert_int_equal(actions & (LW_DO_REPORT | LW_DO_IGNORE_INPUT), 0);
			}
			if (lw_engine_write_ending(was) != LW_ENDING_OPEN)
				assert_int_equal(e.write, was->write);
			if (lw_engine_is_final(was)) {
				assert_int_equal(e.transport, was->transport);
				assert_int_equal(actions, 0);
			}
		}
	}
}

static void a_final_state_has_both_endings_and_no_deadline(void **state)
{
	(void)state;
	for (size_t i = 0; i < seen_count; i++) {
		const struct lw_engine *e = &seen[i];

		if (lw_engine_is_final(e)) {
			assert_int_not_equal(lw_engine_read_ending(e), LW_ENDING_OPEN);
			assert_int_not_equal(lw_engine_write_ending(e), LW_ENDING_OPEN);
			assert_int_equal(e->armed, LW_DEADLINE_NONE);
		} else if (lw_engine_is_closing(e)) {
			assert_int_not_equal(e->armed, LW_DEADLINE_NONE);
		}
	}
}

static void the_session_is_forgotten_once(void **state)
{
	(void)state;
	for (size_t i = 0; i < seen_count; i++) {
		for (size_t k = 0; k < EVENTS; k++) {
			struct lw_engine e = seen[i];
			const unsigned actions = lw_engine_step(&lw_tables, &e, &events[k]);

			assert_int_equal((actions & LW_DO_FORGET) != 0,
			                 e.forgets && !seen[i].forgets);
			assert_true(e.forgets || !seen[i].forgets);
		}
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_next_state_exists),
		cmocka_unit_test(the_read_machine_reports_exactly_its_ending),
		cmocka_unit_test(the_write_machine_seals_one_alert_at_most),
		cmocka_unit_test(the_transport_machine_ends_what_it_says),
		cmocka_unit_test(every_cell_is_reached_or_has_a_reason),
		cmocka_unit_test(no_ending_that_is_set_ever_changes),
		cmocka_unit_test(a_final_state_has_both_endings_and_no_deadline),
		cmocka_unit_test(the_session_is_forgotten_once),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, explore, forget);
}
