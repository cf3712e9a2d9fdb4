/* lone: one side against a peer that sends anything in any order. */
#ifndef TESTS_MODEL_LONE_H
#define TESTS_MODEL_LONE_H

#include "tests/model/search.h"

extern const struct search_ops lone_ops;

#endif
