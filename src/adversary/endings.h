/* endings: every way a peer can end a connection that anyone here asks about, as const rows.
 *
 * The rows are the scripts of an adversary for the demo, the tests and the audit: there is no other
 * place where endings are made.
 */
#ifndef ADVERSARY_ENDINGS_H
#define ADVERSARY_ENDINGS_H

#include <stdbool.h>

#include "adversary/steps.h"

enum { ENDING_DATA_BYTES = 1000, ENDING_RECORD_BYTES = 400 };

struct ending {
	const char *name;  /* "inside-header" */
	const char *claim; /* what the peer does, as one line */
	struct adversary_script script;
	uint32_t data_bytes; /* a reader that reads on to the end may have so many */
	bool proven;         /* all of them, and nothing more, are proven by a close_notify */
	bool in_handshake;   /* ends before any data could flow */
};

/* The rows in turn; NULL past the last. */
const struct ending *ending_at(unsigned index);

/* The row of that name, or NULL. */
const struct ending *ending_find(const char *name);

#endif
