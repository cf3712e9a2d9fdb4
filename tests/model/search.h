/*
 * search: breadth-first over packed states, so that the first failure is a shortest one.
 *
 * A state is two words.  All states stay in memory, in the order they were found, each with its
 * parent and the move that led to it; a hash table of indices finds them again.
 */
#ifndef TESTS_MODEL_SEARCH_H
#define TESTS_MODEL_SEARCH_H

#include "tests/model/side.h"

struct packed {
	uint64_t word[2];
};

/* A world of `size` bytes, and what can happen in it. */
struct search_ops {
	size_t size;
	unsigned moves;
	void (*begin)(const struct rig *rig, void *world);
	void (*unpack)(const struct rig *rig, void *world, struct packed packed);
	/* `*swapped`: the two sides changed places, to stand for both orders at once */
	struct packed (*pack)(const struct rig *rig, void *world, bool *swapped);
	/* Does a move, false where it is not possible now. */
	bool (*move)(struct rig *rig, void *world, unsigned move);
	/* Asserts what must hold of every state. */
	void (*check)(struct rig *rig, const void *world);
};

struct search_result {
	size_t states, transitions;
	size_t failed_at;     /* the state the failing move started from */
	unsigned failed_by;   /* the failing move; `moves` when the state itself fails */
	struct exchange tale; /* the way to the failure */
	bool exhausted;       /* no memory, or more states than the limit */
};

/*
 * Visits every state, at most `limit`.  Stops at the first failure, which stands in `rig`;
 * with `wants_tale` the way to it is told.
 */
void search(struct rig *rig, const struct search_ops *ops, size_t limit, bool wants_tale,
            struct search_result *result);

#endif
