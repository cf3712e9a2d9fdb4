/*
 * rig: streams on any of the TLS libraries against adversaries, over TCP on loopback, given to a
 * closer with a virtual clock; all driven by one thread.
 */
#ifndef TESTS_CLOSER_RIG_H
#define TESTS_CLOSER_RIG_H

#include "adversary/adversary.h"
#include "audit/stack.h"

#include <lastword/closer.h>

struct guest_options {
	const struct stack *stack; /* NULL: OpenSSL */
	enum lw_version version;   /* unknown: 1.3 */
	bool serves;
	const struct lw_options *stream;
};

/* A connection before and while a closer has it. */
struct guest {
	const struct stack *stack;
	struct stack_context *context;
	struct stack_connection *connection;
	struct lw_stream *stream; /* NULL: the closer's */
	struct adversary *adversary;
	int fd; /* -1: the closer's */
	const char *why;
	bool over;
	struct lw_verdict verdict;
};

/* Makes both ends and shakes hands; asserts that it comes about. */
void guest_begin(struct guest *g, const struct guest_options *options,
                 const struct adversary_script *script);
void guest_end(struct guest *g);

/* Lets the adversary do all it can, until it is quiet. */
void guest_spin(struct guest *g);

/* Writes the pattern until the transport stays full; the bytes taken. */
uint64_t guest_fill(struct guest *g);

/* A closer whose clock stands at `clock_ms` until somebody moves it. */
extern uint64_t clock_ms;
struct lw_closer *virtual_closer(uint32_t deadline_ms, uint64_t drain_bytes, bool verifies);

/* Called around every call of a closer, with true before it; NULL: nobody wants to know. */
extern void (*closer_window)(bool inside);

/* Gives it away; the guest is its own tag. */
enum lw_status guest_give(struct guest *g, struct lw_closer *c);

/* Runs both until all are over, or everything is quiet; the number of those that are over. */
unsigned run_guests(struct lw_closer *c, struct guest *guests, unsigned count);

#endif
