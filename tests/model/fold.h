/*
 * fold: two sides as two words.  States that differ in nothing that can still matter are folded
 * into one, and so are the two orders of the sides where both have the same setting.
 */
#ifndef TESTS_MODEL_FOLD_H
#define TESTS_MODEL_FOLD_H

#include "tests/model/search.h"

struct pair {
	struct side side[2];
	bool dirty; /* a fault, a deadline, an abort, or a close before the handshake was done */
};

/* Drops what is under way, an RST excepted. */
void flow_empty(struct flow *in);

/* The calls of struct search_ops. */
void pair_begin(const struct rig *rig, void *world);
void pair_unpack(const struct rig *rig, void *world, struct packed packed);
struct packed pair_pack(const struct rig *rig, void *world, bool *swapped);

#endif
