/* machines_dump: the shipping tables as numbers, a cell a line: machine, state, input, actions,
 * next. */
#include <stdio.h>

#include "closure/machine.h"

static void dump(const char *machine, const struct lw_cell *cells, int states, int inputs)
{
	for (int state = 0; state < states; state++)
		for (int input = 0; input < inputs; input++) {
			const struct lw_cell *cell = cells + state * inputs + input;

			printf("%s %d %d %u %u\n", machine, state, input, (unsigned)cell->actions,
			       (unsigned)cell->next);
		}
}

int main(void)
{
	dump("read", lw_tables.read[0], LW_READ_STATES, LW_READ_INPUTS);
	dump("write", lw_tables.write[0], LW_WRITE_STATES, LW_WRITE_INPUTS);
	dump("transport", lw_tables.transport[0], LW_TRANSPORT_STATES, LW_TRANSPORT_INPUTS);
	return 0;
}
