/* metrics: what the relay counts.  Each worker counts for itself, without locks (relaxed atomics);
 * a reader adds them up.
 */
#ifndef RELAY_METRICS_H
#define RELAY_METRICS_H

#include <lastword/verdict.h>
#include <stdatomic.h>
#include <stdio.h>

#include "relay/log.h"

enum metrics_leg { METRICS_CLIENT, METRICS_SERVER, METRICS_LEGS };
enum { METRICS_ENDINGS = LW_ENDING_FAILED + 1 };

/* Of one worker. */
struct metrics {
	atomic_uint_fast64_t accepted, open; /* open: a gauge */
	atomic_uint_fast64_t outcomes[OUTCOMES];
	atomic_uint_fast64_t bytes_in, bytes_out, bytes_lost;
	atomic_uint_fast64_t endings[METRICS_LEGS][METRICS_ENDINGS];
	/* handshakes: all that were done; resumed: those among them */
	atomic_uint_fast64_t handshakes[METRICS_LEGS], resumed[METRICS_LEGS],
	    handshakes_failed[METRICS_LEGS];
	atomic_uint_fast64_t laundering_prevented;
	atomic_uint_fast64_t backend_failures;
	atomic_uint_fast64_t accept_errors; /* descriptors ran out */
};

#define METRICS_ADD(counter, n)                                                                    \
	((void)atomic_fetch_add_explicit(&(counter), (n), memory_order_relaxed))

/* What concerns the process. */
struct metrics_process {
	uint64_t started_s;               /* Unix time */
	uint64_t reloads, reloads_failed; /* reloads: those that worked */
	bool is_draining;
	const char *version;
};

/* The sum of `workers` in Prometheus' text format (0.0.4). */
void metrics_print(FILE *out, const struct metrics *const *workers, size_t count,
                   const struct metrics_process *process);

#endif
