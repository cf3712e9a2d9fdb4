/* endings: every way a peer can end a connection that anyone here asks about, as const rows; and
 * every way it can take it when its subject ends the connection.
 *
 * The rows are the scripts of an adversary for the demo, the tests and the audit: there is no other
 * place where endings are made.
 */
#ifndef ADVERSARY_ENDINGS_H
#define ADVERSARY_ENDINGS_H

#include <stdbool.h>

#include "adversary/steps.h"

enum { ENDING_DATA_BYTES = 1000, ENDING_RECORD_BYTES = 400 };

/* In which versions the data is proven whole by a close_notify. */
enum ending_proof {
	ENDING_UNPROVEN = 0,
	ENDING_PROVEN_TO_12 = 1,
	ENDING_PROVEN_13 = 2,
	ENDING_PROVEN = 3
};

struct ending {
	const char *name;  /* "inside-header" */
	const char *claim; /* what the peer does: "sends close_notify, then FIN" */
	struct adversary_script script;
	uint32_t data_bytes; /* before the closure, or before the end where there is none */
	enum ending_proof proof;
};

/* The rows in turn; NULL past the last. */
const struct ending *ending_at(unsigned index);

/* The row of that name, or NULL. */
const struct ending *ending_find(const char *name);

/* Likewise what a peer does when its subject closes, writes too late, or closes into a full pipe.
 */
const struct ending *answer_at(unsigned index);
const struct ending *answer_find(const char *name);

#endif
