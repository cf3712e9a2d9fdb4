/* cells: see cells.h. */
#include "tests/closure/cells.h"

#include <stddef.h>

struct cell_place cell_at(struct lw_tables *tables, unsigned i)
{
	unsigned state, input;

	if (i < READ_CELLS) {
		state = i / LW_READ_INPUTS, input = i % LW_READ_INPUTS;
		return (struct cell_place){ MACHINE_READ, state, input,
			                    &tables->read[state][input] };
	}
	i -= READ_CELLS;
	if (i < WRITE_CELLS) {
		state = i / LW_WRITE_INPUTS, input = i % LW_WRITE_INPUTS;
		return (struct cell_place){ MACHINE_WRITE, state, input,
			                    &tables->write[state][input] };
	}
	i -= WRITE_CELLS;
	state = i / LW_TRANSPORT_INPUTS, input = i % LW_TRANSPORT_INPUTS;
	return (struct cell_place){ MACHINE_TRANSPORT, state, input,
		                    &tables->transport[state][input] };
}

const char *machine_name(enum machine machine)
{
	static const char *const names[] = { "read", "write", "transport" };

	return names[machine];
}

static unsigned state_count(enum machine machine)
{
	if (machine == MACHINE_READ)
		return LW_READ_STATES;
	return machine == MACHINE_WRITE ? LW_WRITE_STATES : LW_TRANSPORT_STATES;
}

unsigned next_count(enum machine machine)
{
	return state_count(machine) + (machine == MACHINE_TRANSPORT ? 2 : LW_ENDING_FAILED);
}

uint8_t next_at(enum machine machine, unsigned n)
{
	const unsigned states = state_count(machine);

	if (machine == MACHINE_TRANSPORT || n < states)
		return (uint8_t)n;
	return (uint8_t)(LW_LATCH | (n - states + LW_ENDING_CLOSED));
}

/* Cells that no sequence of events looks up, by the sets of their states, and why. */
#define IN(state) (1u << (state))

static const struct {
	enum machine machine;
	unsigned states, input;
	const char *why;
} beyond_reach[] = {
	{ MACHINE_READ, IN(LW_READ_SHAKING), LW_R_EXPIRE,
	  "what arms the deadline ends a handshake" },
	{ MACHINE_WRITE, IN(LW_WRITE_SHAKING) | IN(LW_WRITE_OPEN), LW_W_EXPIRE,
	  "what arms the deadline starts closing" },
	{ MACHINE_WRITE, IN(LW_WRITE_SHAKING), LW_W_ANSWER, "no close_notify is believed there" },
	{ MACHINE_TRANSPORT,
	  IN(LW_TRANSPORT_CLOSING) | IN(LW_TRANSPORT_CLOSING_PEER_ENDED) |
	      IN(LW_TRANSPORT_DRAINING),
	  LW_T_UNWRAP, "unwrap is refused after close" },
	{ MACHINE_TRANSPORT, IN(LW_TRANSPORT_UNWRAPPING), LW_T_OVER,
	  "both closed hands back, anything else has become a close" },
	{ MACHINE_TRANSPORT,
	  IN(LW_TRANSPORT_OPEN) | IN(LW_TRANSPORT_PEER_ENDED) | IN(LW_TRANSPORT_CLOSING) |
	      IN(LW_TRANSPORT_CLOSING_PEER_ENDED) | IN(LW_TRANSPORT_UNWRAPPING),
	  LW_T_DRAINED, "the drain limit is armed only behind our FIN" },
};

const char *why_beyond_reach(const struct cell_place *p)
{
	for (size_t i = 0; i < sizeof beyond_reach / sizeof beyond_reach[0]; i++)
		if (beyond_reach[i].machine == p->machine &&
		    (beyond_reach[i].states & IN(p->state)) && beyond_reach[i].input == p->input)
			return beyond_reach[i].why;
	return NULL;
}

bool is_next_known(const struct cell_place *p)
{
	for (unsigned n = 0; n < next_count(p->machine); n++)
		if (p->cell->next == next_at(p->machine, n))
			return true;
	return false;
}

/* Reads are reported when they end, and ignored only behind our close. */
static bool is_sensible_read(const struct cell_place *p)
{
	const unsigned actions = p->cell->actions;
	const bool ends = (p->cell->next & LW_LATCH) != 0;
	const bool ignores = p->state == LW_READ_DISCARDING && p->input == LW_R_DATA;

	return actions == ((ends ? LW_DO_REPORT : 0u) | (ignores ? LW_DO_IGNORE_INPUT : 0u));
}

/* One alert at most; and only what may still hold unsealed bytes drops them. */
static bool is_sensible_write(const struct cell_place *p)
{
	const unsigned from = p->state, next = p->cell->next;
	const bool sealed = from == LW_WRITE_CLOSING || from == LW_WRITE_ABORTING;
	const bool closes = next == LW_WRITE_CLOSING && from != next;
	const bool aborts = next == LW_WRITE_ABORTING && from != next && p->input != LW_W_ALERTED;
	const unsigned seals =
	    (closes ? LW_DO_SEAL_CLOSE_NOTIFY : 0u) | (aborts ? LW_DO_SEAL_FATAL : 0u);
	const bool drops = (p->cell->actions & LW_DO_DISCARD) != 0;

	if (drops && from != LW_WRITE_OPEN && from != LW_WRITE_FLUSHING)
		return false;
	if (sealed && next != from && !(next & LW_LATCH))
		return false;
	return (p->cell->actions & ~(unsigned)LW_DO_DISCARD) == seals;
}

/* Deadlines, FIN, end and handing back belong each to one kind of step. */
static bool is_sensible_transport(const struct cell_place *p)
{
	const unsigned from = p->state, next = p->cell->next;
	const bool drains = next == LW_TRANSPORT_DRAINING && from != next;
	const bool starts = from <= LW_TRANSPORT_PEER_ENDED && next >= LW_TRANSPORT_CLOSING &&
	                    next < LW_TRANSPORT_DRAINING;
	unsigned expected = starts ? LW_DO_ARM_ENDING : 0;

	if (drains)
		expected |= LW_DO_SHUT_WRITE | LW_DO_ARM_DRAIN;
	if (next == LW_TRANSPORT_CLOSED)
		expected |= LW_DO_END;
	if (next == LW_TRANSPORT_HANDED_BACK)
		expected |= LW_DO_HAND_BACK;
	return p->cell->actions == expected;
}

bool is_sensible(const struct cell_place *p)
{
	switch (p->machine) {
	case MACHINE_READ:
		return is_sensible_read(p);
	case MACHINE_WRITE:
		return is_sensible_write(p);
	case MACHINE_TRANSPORT:
		return is_sensible_transport(p);
	}
	return false;
}
