/*
 * mutants: the exhaustive check can fail.
 *
 * Every cell of the three tables gets every other next state and each action bit turned over,
 * every rule of every version row and every entry of the tolerance table is turned over, all
 * of them, no sample; and each mutant must be killed: by the exploration of one side against a
 * hostile peer, or by the unit tables.  A survivor needs a reason why it cannot matter, here or
 * with the cells that nothing reaches; one that is killed in spite of its reason fails too.
 */
#include "tests/closure/cells.h"
#include "tests/closure/version_facts.h"
#include "tests/model/lone.h"

#include <stdio.h>
#include <string.h>

#define STATES_MAX ((size_t)1000 * 1000)

/* ---- killing */

static bool is_refuted(struct rig *rig, const struct search_ops *ops)
{
	static struct search_result result;

	search(rig, ops, STATES_MAX, false, &result);
	return rig->invariant != 0;
}

/* One side against a hostile peer, in each kind of version, waiting and not. */
static bool dies_alone(const struct lw_tables *tables)
{
	static const enum lw_version versions[] = { LW_VERSION_TLS1_3, LW_VERSION_SSL3,
		                                    LW_VERSION_TLS1_2 };

	for (unsigned i = 0; i < 6; i++) {
		struct rig rig = { .tables = tables,
			           .row = lw_version_row(versions[i / 2]),
			           .unknown = lw_version_row(LW_VERSION_UNKNOWN),
			           .awaits_peer = { i % 2 == 0, i % 2 == 0 } };

		if (is_refuted(&rig, &lone_ops))
			return true;
	}
	return false;
}

/* ---- the tables */

struct count {
	unsigned made, explored, tables, reasoned, wrong;
};

/*
 * Mutants that change nothing though their cell is looked up: a FIN that was seen is told as a
 * level, behind the input and in the same step, and leads on to where the cell leads itself.
 */
#define IN(state) (1u << (state))

static const struct {
	unsigned states, input;
	uint8_t next;
} overtaken[] = {
	{ IN(LW_TRANSPORT_PEER_ENDED) | IN(LW_TRANSPORT_CLOSING_PEER_ENDED), LW_T_CLOSE,
	  LW_TRANSPORT_CLOSING },
	{ IN(LW_TRANSPORT_PEER_ENDED) | IN(LW_TRANSPORT_CLOSING_PEER_ENDED), LW_T_ABORT,
	  LW_TRANSPORT_CLOSING },
	{ IN(LW_TRANSPORT_PEER_ENDED), LW_T_SPOILT, LW_TRANSPORT_OPEN },
	{ IN(LW_TRANSPORT_CLOSING_PEER_ENDED), LW_T_SPOILT, LW_TRANSPORT_CLOSING },
};

static bool is_overtaken(const struct cell_place *p)
{
	for (size_t i = 0; i < sizeof overtaken / sizeof overtaken[0]; i++)
		if (p->machine == MACHINE_TRANSPORT && (overtaken[i].states & IN(p->state)) &&
		    overtaken[i].input == p->input && overtaken[i].next == p->cell->next)
			return true;
	return false;
}

static void judge(struct count *count, const struct lw_tables *tables, const struct cell_place *p)
{
	const bool has_reason = why_beyond_reach(p) != NULL || is_overtaken(p);
	const bool explored = dies_alone(tables);
	const bool refused = !explored && !(is_next_known(p) && is_sensible(p));

	count->made++;
	count->explored += explored;
	count->tables += refused;
	if (explored ? !has_reason : refused)
		return;
	if (!explored && has_reason) {
		count->reasoned++;
		return;
	}
	count->wrong++;
	printf("# %s, state %u, input %u, actions 0x%x, next 0x%02x: %s\n",
	       machine_name(p->machine), p->state, p->input, p->cell->actions, p->cell->next,
	       explored ? "killed, though a reason says it cannot be" : "survives");
}

static void mutate_cell(struct count *next, struct count *actions, unsigned i)
{
	struct lw_tables copy = lw_tables;
	const struct cell_place p = cell_at(&copy, i);
	const struct lw_cell ships = *p.cell;

	for (unsigned n = 0; n < next_count(p.machine); n++) {
		if (ships.next == next_at(p.machine, n))
			continue;
		p.cell->next = next_at(p.machine, n);
		judge(next, &copy, &p);
	}
	p.cell->next = ships.next;
	for (unsigned bit = 0; bit < ACTION_BITS; bit++) {
		p.cell->actions = (uint16_t)(ships.actions ^ 1u << bit);
		judge(actions, &copy, &p);
	}
}

/* ---- version rows and tolerance */

/* Turns over one column of a row; false behind the last. */
static bool mutate_row(struct lw_version_row *row, unsigned column)
{
	bool *const columns[] = { &row->half_close,
		                  &row->unclean_forbids_resumption,
		                  &row->fatal_forbids_resumption,
		                  &row->level_ignored,
		                  &row->unknown_alert_is_error,
		                  &row->alert_may_fragment,
		                  &row->alerts_may_share,
		                  &row->empty_alert_is_error };

	if (column == sizeof columns / sizeof columns[0])
		row->on_peer_close =
		    row->on_peer_close == LW_KEEP_WRITING ? LW_ANSWER_AND_DISCARD : LW_KEEP_WRITING;
	else if (column < sizeof columns / sizeof columns[0])
		*columns[column] = !*columns[column];
	else
		return false;
	return true;
}

static bool breaks_a_fact(const struct lw_version_row *row)
{
	for (size_t i = 0; i < version_facts_count; i++)
		if (!version_fact_agrees(&version_facts[i], row))
			return true;
	return false;
}

static bool row_dies_alone(const struct lw_version_row *row)
{
	struct rig rig = { .tables = &lw_tables,
		           .row = row,
		           .unknown = lw_version_row(LW_VERSION_UNKNOWN),
		           .awaits_peer = { true, true } };

	if (row->version == LW_VERSION_UNKNOWN) {
		rig.unknown = row;
		rig.row = lw_version_row(LW_VERSION_TLS1_2);
	}
	return is_refuted(&rig, &lone_ops);
}

static void mutate_rows(struct count *count)
{
	for (unsigned v = 0; v <= LW_VERSION_DTLS1_3; v++) {
		struct lw_version_row row = *lw_version_row((enum lw_version)v);

		for (unsigned column = 0; mutate_row(&row, column); column++) {
			const bool explored = row_dies_alone(&row);
			const bool killed = explored || breaks_a_fact(&row);

			count->made++;
			count->explored += explored;
			count->tables += killed && !explored;
			count->wrong += !killed;
			if (!killed)
				printf("# %s, column %u survives\n", row.name, column);
			row = *lw_version_row((enum lw_version)v);
		}
	}
}

static bool tolerance_differs(const struct lw_tolerance *table)
{
	for (unsigned cell = 0; cell < 3 * 2 * 8 * 4; cell++) {
		const enum lw_policy policy = (enum lw_policy)(cell % 3);
		const struct reference r = { .complete = cell / 3 % 2,
			                     .read = (enum lw_ending)(cell / 6 % 8),
			                     .place = (enum lw_place)(cell / 48) };

		if (lw_tolerates_by(table, policy, r.complete, r.read, r.place) !=
		    reference_tolerates(&r, policy))
			return true;
	}
	return false;
}

static void mutate_tolerance(struct count *count)
{
	for (unsigned i = 0; i < (LW_POLICY_LAX + 1) * 2 * LW_TOLERANCE_KINDS; i++) {
		struct lw_tolerance copy = lw_tolerance;
		uint8_t *entry =
		    &copy.kinds[i / (2 * LW_TOLERANCE_KINDS)][i / LW_TOLERANCE_KINDS % 2];
		bool killed;

		*entry ^= (uint8_t)(1u << i % LW_TOLERANCE_KINDS);
		killed = tolerance_differs(&copy);
		count->made++;
		count->tables += killed;
		count->wrong += !killed;
		if (!killed)
			printf("# tolerance, entry %u survives\n", i);
	}
}

/* ---- the report */

static unsigned cases, failures;

static void report(const char *machine, const char *what, const struct count *count)
{
	cases++;
	failures += count->wrong != 0;
	printf("%sok %u - %s%s: %u mutants, %u killed by exploration, %u by the unit tables alone, "
	       "%u cannot matter\n",
	       count->wrong ? "not " : "", cases, machine, what, count->made, count->explored,
	       count->tables, count->reasoned);
	fflush(stdout);
}

/* A table that takes a bare FIN for an end is refuted in two steps, and the way is told. */
static bool tells_the_shortest_way(void)
{
	static struct search_result result;
	struct lw_tables broken = lw_tables;
	struct rig rig = { .tables = &broken,
		           .row = lw_version_row(LW_VERSION_TLS1_3),
		           .unknown = lw_version_row(LW_VERSION_UNKNOWN),
		           .awaits_peer = { true, true } };

	broken.read[LW_READ_OPEN][LW_R_FIN].next = LW_LATCH | LW_ENDING_CLOSED;
	search(&rig, &lone_ops, STATES_MAX, true, &result);
	return rig.invariant != 0 && result.tale.count == 2 &&
	       result.tale.events[0].what == EXCHANGE_NOTE_ONLY &&
	       strcmp(result.tale.events[0].note, "the handshake is done") == 0 &&
	       strcmp(result.tale.events[1].note, "FIN") == 0;
}

static void report_the_way(void)
{
	const bool told = tells_the_shortest_way();

	cases++;
	failures += !told;
	printf("%sok %u - a failure is told by a shortest way to it\n", told ? "" : "not ", cases);
}

int main(void)
{
	struct count next[3] = { 0 }, actions[3] = { 0 }, rows = { 0 }, tolerance = { 0 };
	struct lw_tables tables = lw_tables;

	for (unsigned i = 0; i < CELLS; i++) {
		const enum machine machine = cell_at(&tables, i).machine;

		mutate_cell(&next[machine], &actions[machine], i);
	}
	for (unsigned i = 0; i < 3; i++) {
		report(machine_name((enum machine)i), ", next states", &next[i]);
		report(machine_name((enum machine)i), ", action bits", &actions[i]);
	}
	mutate_rows(&rows);
	report("version rows", "", &rows);
	mutate_tolerance(&tolerance);
	report("tolerance", "", &tolerance);
	report_the_way();
	printf("1..%u\n", cases);
	return failures != 0;
}
