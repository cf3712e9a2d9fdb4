/*
 * pair: two sides and the network between them, which delivers, cuts, resets, garbles or stalls.
 */
#ifndef TESTS_MODEL_PAIR_H
#define TESTS_MODEL_PAIR_H

#include "tests/model/search.h"

extern const struct search_ops pair_ops;

#endif
