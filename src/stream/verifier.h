/*
 * verifier: reads the peer's records on with keys alone, for one leaver.
 *
 * It cuts the input into records, lets the adapter's opener open them and says
 * what the engine should hear.  It keeps a record only while that is coming in.
 * Keys are wiped when it goes.
 */
#ifndef STREAM_VERIFIER_H
#define STREAM_VERIFIER_H

#include "closure/boundary.h"
#include "closure/engine.h"

#include <lastword/adapter.h>

struct lw_verifier;

/* NULL: the library gives no keys now, or memory ran out; nothing was changed. */
LW_MUST_CHECK struct lw_verifier *lw_verifier_new(const struct lw_opener *opener, void *context);
void lw_verifier_free(struct lw_verifier *v);

enum lw_heard {
	LW_HEARD_NOTHING, /* all bytes are used up */
	LW_HEARD_EVENT,   /* `*event` is for the engine; call again */
	LW_HEARD_GARBAGE  /* from here on nothing can be opened */
};

/*
 * Reads on in `len` bytes from `*used` on, which it moves.  `*data_bytes` grows by what application
 * data was opened.
 */
LW_MUST_CHECK enum lw_heard lw_verifier_hear(struct lw_verifier *v,
                                             const struct lw_version_row *row, const uint8_t *bytes,
                                             size_t len, size_t *used,
                                             struct lw_engine_event *event, uint64_t *data_bytes);

/* Where the record stream stands. */
const struct lw_boundary *lw_verifier_boundary(const struct lw_verifier *v);

#endif
