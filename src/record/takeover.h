/* takeover: follows a connection whose handshake a TLS library does, record by record, and holds
 * the keys of both directions at every moment, so that either direction can go on by hand.
 *
 * It is given the records of both sides in order and the key log as it grows.  It follows hellos,
 * ChangeCipherSpec, Finished and KeyUpdate, and opens everything; it sends nothing by itself.  Not
 * followed: renegotiation, early data, DTLS.
 */
#ifndef RECORD_TAKEOVER_H
#define RECORD_TAKEOVER_H

#include "record/keylog.h"
#include "record/record.h"

enum takeover_side { TAKEOVER_CLIENT, TAKEOVER_SERVER };

enum takeover_result {
	TAKEOVER_OPENED,
	TAKEOVER_NEED_BYTES, /* not a whole record yet */
	TAKEOVER_NEED_KEYS,  /* the key log does not hold its secret yet: nothing changed */
	TAKEOVER_BROKEN      /* no TLS record, wrong MAC, or a suite that is not known */
};

struct takeover;

/*
 * `keylog` is borrowed and read whenever keys are due.  `spoken` is the version that headers sealed
 * before the ServerHello carry; unknown gives that of TLS 1.0.  NULL: out of memory.
 */
LW_MUST_CHECK struct takeover *takeover_new(const struct keylog *keylog, enum lw_version spoken);

/*
 * Opens the first record of `bytes`, which `side` sent.  When opened, `*used` is its length and
 * `*out` its content, good until the next call.
 */
LW_MUST_CHECK enum takeover_result takeover_open(struct takeover *t, enum takeover_side side,
                                                 const uint8_t *bytes, size_t len, size_t *used,
                                                 struct record_content *out);

/*
 * Seals a record as the next one that `side` sends, as record_seal(); before there are keys it
 * leaves in the clear.  What is sealed here must not be shown to takeover_open().
 */
LW_MUST_CHECK size_t takeover_seal(struct takeover *t, enum takeover_side side, uint8_t type,
                                   const void *content, size_t len, size_t padding, uint8_t *out);

/* 1.3: `side`'s next keys; the KeyUpdate message itself is the caller's to seal before. */
LW_MUST_CHECK bool takeover_update(struct takeover *t, enum takeover_side side);

/* Unknown before the ServerHello passed. */
enum lw_version takeover_version(const struct takeover *t);

/* The direction's keys as they are now, for tests and tools. */
const struct record_half *takeover_half(const struct takeover *t, enum takeover_side side);

/* Wipes and frees.  NULL is allowed. */
void takeover_free(struct takeover *t);

#endif
