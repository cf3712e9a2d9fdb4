/*
 * exceptions: where a TLS library makes the right verdict impossible, as const rows: what is told
 * instead, which must never be an end.  docs/ lists each for the application.
 */
#ifndef TESTS_ADAPTER_EXCEPTIONS_H
#define TESTS_ADAPTER_EXCEPTIONS_H

#include "audit/subject.h"

enum exception_versions { EXCEPTION_TO_12 = 1, EXCEPTION_IN_13 = 2, EXCEPTION_ALWAYS = 3 };

struct exception {
	const char *stack;  /* NULL: every one */
	const char *ending; /* the adversary's row */
	enum exception_versions versions;
	enum subject_says says; /* to the reader */
	enum lw_ending read;    /* in the verdict */
	const char *why;
};

/* The row for that, or NULL: there the verdict has to be right. */
const struct exception *exception_find(const char *stack, const char *ending,
                                       enum lw_version version);

/* The rows in turn; NULL past the last. */
const struct exception *exception_at(unsigned index);

#endif
