/*
 * run: one connection of a stream with an adversary, under one fault, and what came of it.
 *
 * A subject writes, reads to the end, and ends in one of several ways; everything is bounded, and
 * the clock is virtual.  run_once() leaves judging to its caller.
 */
#ifndef TESTS_FAULT_RUN_H
#define TESTS_FAULT_RUN_H

#include "adversary/adversary.h"
#include "adversary/endings.h"
#include "audit/stack.h"
#include "tests/fault/fault.h"

/* How the subject ends. */
enum run_way {
	RUN_CLOSE,  /* reads to the end, then closes */
	RUN_FINISH, /* finishes after its request (1.3), reads to the end, closes */
	RUN_EARLY,  /* closes after its request, unread */
	RUN_ABORT,  /* aborts after its request */
	RUN_UNWRAP  /* reads to the end, then unwraps */
};

struct run_row {
	const char *ending; /* of endings.c, or "after-request": data, close_notify once asked */
	enum lw_version version;
	enum run_way way;
	bool memory;     /* the application's own transport instead of a socket */
	bool serves;     /* the subject is the server */
	bool everywhere; /* on every TLS library, else on the first alone */
};

#define RUN_REQUEST_BYTES 64u

struct run_result {
	bool ran;      /* the test's own side worked */
	bool attached; /* and there was a stream */
	bool over;     /* it ended within its bounds */
	bool steady;   /* a second look at status and verdict told the same */
	bool differs;  /* what was delivered is not what was sent */
	bool read_over;
	enum lw_status read_status; /* the first that was neither LW_OK nor LW_AGAIN */
	uint64_t bytes;
	struct lw_verdict verdict;
	struct adversary_tally peer;
	bool peer_reset; /* the adversary reset the transport: what it saw is not all */
};

/* The row of that name; NULL: none. */
const struct ending *run_ending(const char *name);

/* Things that are made once, outside of every fault. */
LW_MUST_CHECK bool run_begin(void);
void run_end(void);

/* Takes the memory of the TLS library of that row from here; false: nobody knows how. */
LW_MUST_CHECK bool run_take_memory(const struct stack *stack);

/* The library makes and drops memory of its own between runs: a leak is the sanitizer's to tell. */
bool run_keeps_tables(const struct stack *stack);

void run_once(const struct stack *stack, const struct run_row *row, const struct fault *fault,
              unsigned nth, struct run_result *result);

#endif
