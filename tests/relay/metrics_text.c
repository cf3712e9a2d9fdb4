/* metrics_text: prints the metrics of two workers whose counters all differ, for
 * metrics_text_test.py to hold against Prometheus' own reader.  The n-th counter of a worker is its
 * factor times n.
 */
#include <stdlib.h>
#include <string.h>

#include "relay/metrics.h"

static void fill(struct metrics *m, uint64_t factor)
{
	atomic_uint_fast64_t *counter = (atomic_uint_fast64_t *)(void *)m;

	for (size_t i = 0; i < sizeof *m / sizeof *counter; i++)
		atomic_init(&counter[i], factor * (i + 1));
}

int main(int argc, char **argv)
{
	static struct metrics a, b;
	const struct metrics *const workers[] = { &a, &b };
	struct metrics_process process = { 1700000000, 3, 1, argc > 2, argc > 1 ? argv[1] : "1.0" };

	fill(&a, 1);
	fill(&b, 1000);
	metrics_print(stdout, workers, 2, &process);
	return 0;
}
