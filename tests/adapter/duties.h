/*
 * duties: what an adapter does because it was measured to be necessary, as tables of tests, each to
 * be run on every TLS library in every version that it speaks.
 */
#ifndef TESTS_ADAPTER_DUTIES_H
#define TESTS_ADAPTER_DUTIES_H

#include "stand.h"
#include "tests/unit.h"

struct duty;

/* A duty on one library in one version. */
struct place {
	const struct stack *stack;
	enum lw_version version;
	const struct duty *duty;
};

/*
 * Where a library makes a duty impossible: `instead` is tested in the duty's place, and shows what
 * happens.  docs/ lists each for the application.
 */
struct duty_exception {
	const char *stack; /* NULL: no more of them */
	enum lw_version first, last;
	const char *why;
	void (*instead)(const struct place *p);
};

struct duty {
	const char *name;
	void (*test)(const struct place *p);
	enum lw_version first; /* version that has such a thing */
	const struct duty_exception *exceptions;
};

#define FROM_10 LW_VERSION_TLS1_0
#define IN_13   LW_VERSION_TLS1_3

#define DUTY(test, first) DUTY_BUT(test, first, NULL)
#define DUTY_BUT(test, first, exceptions)                                                          \
	{                                                                                          \
#test, test, first, exceptions                                                     \
	}
#define NO_MORE_DUTIES                                                                             \
	{                                                                                          \
		NULL, NULL, FROM_10, NULL                                                          \
	}
#define NO_MORE_EXCEPTIONS                                                                         \
	{                                                                                          \
		NULL, FROM_10, FROM_10, NULL, NULL                                                 \
	}

/* Options of a stand at a place. */
#define OPTIONS(place, ...)                                                                        \
	{                                                                                          \
		.stack = (place)->stack, .version = (place)->version, __VA_ARGS__                  \
	}

/* Each ended by NO_MORE_DUTIES. */
extern const struct duty writing_duties[];
extern const struct duty ending_duties[];
extern const struct duty attaching_duties[];
extern const struct duty fault_duties[];

#endif
