/*
 * cells: the cells of the three tables, one after the other; what each must be by itself; and
 * which of them nothing reaches.  The table tests and the mutants share it.
 */
#ifndef TESTS_CLOSURE_CELLS_H
#define TESTS_CLOSURE_CELLS_H

#include "closure/machine.h"

enum machine { MACHINE_READ, MACHINE_WRITE, MACHINE_TRANSPORT };

enum {
	READ_CELLS = LW_READ_STATES * LW_READ_INPUTS,
	WRITE_CELLS = LW_WRITE_STATES * LW_WRITE_INPUTS,
	TRANSPORT_CELLS = LW_TRANSPORT_STATES * LW_TRANSPORT_INPUTS,
	CELLS = READ_CELLS + WRITE_CELLS + TRANSPORT_CELLS,
	ACTION_BITS = 11
};

struct cell_place {
	enum machine machine;
	unsigned state, input;
	struct lw_cell *cell;
};

/* The cell number `i` of CELLS. */
struct cell_place cell_at(struct lw_tables *tables, unsigned i);

const char *machine_name(enum machine machine);

/* How many next states a machine has, and the nth of them: its states, then what is final. */
unsigned next_count(enum machine machine);
uint8_t next_at(enum machine machine, unsigned n);

/* Why no sequence of events looks a cell up; NULL where one does. */
const char *why_beyond_reach(const struct cell_place *place);

/* What a cell must be by itself: its next state exists, and its actions fit its step. */
bool is_next_known(const struct cell_place *place);
bool is_sensible(const struct cell_place *place);

#endif
