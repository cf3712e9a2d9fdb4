/* record: seals and opens the records of one direction, TLS 1.0 to 1.3.
 *
 * A half is one direction's keys and count.  Without keys it passes records in the clear.  The same
 * half may seal or open, but not both: the count is one.  It is a tool for tests and for those who
 * hold the key log: checks are not constant in time, it must never answer to strangers.
 */
#ifndef RECORD_RECORD_H
#define RECORD_RECORD_H

#include <lastword/verdict.h>

#include "closure/boundary.h"
#include "record/suite.h"

enum {
	RECORD_CONTENT_MAX = 16384,
	RECORD_BODY_MAX = 16384 + 2048,
	RECORD_MAX = 5 + RECORD_BODY_MAX,
	RECORD_SECRET_MAX = 48,
	RECORD_BLOCK = 16,
	RECORD_NONCE = 12
};

struct record_half {
	enum lw_version version;
	const struct suite *suite; /* NULL: in the clear */
	bool encrypt_then_mac;
	uint64_t sequence; /* records sealed or opened under these keys */
	uint8_t key[32];
	uint8_t iv[RECORD_BLOCK]; /* 1.0 CBC: the last block that passed */
	uint8_t mac_key[RECORD_SECRET_MAX];
	uint8_t secret[RECORD_SECRET_MAX]; /* 1.3: the traffic secret, for KeyUpdate */
	size_t secret_bytes;
};

/* A record opened; `bytes` points into the buffer that it was opened into. */
struct record_content {
	uint8_t type; /* the inner type in 1.3 */
	bool sealed;  /* it came under keys */
	const uint8_t *bytes;
	size_t len;
};

/*
 * Gives a half of 1.0 to 1.2 its keys.  `master` has 48 bytes, both randoms 32; `client_writes`
 * names the direction.  False: libcrypto failed, or the suite does not exist in that version.
 */
LW_MUST_CHECK bool record_derive(struct record_half *h, enum lw_version version,
                                 const struct suite *suite, bool encrypt_then_mac,
                                 const uint8_t *master, const uint8_t *client_random,
                                 const uint8_t *server_random, bool client_writes);

/* Gives a half of 1.3 the keys of a traffic secret, and sets its count to 0. */
LW_MUST_CHECK bool record_derive_13(struct record_half *h, const struct suite *suite,
                                    const uint8_t *secret, size_t len);

/* 1.3: the next generation of keys, as behind a KeyUpdate. */
LW_MUST_CHECK bool record_update(struct record_half *h);

/*
 * Seals `len` bytes, at most RECORD_CONTENT_MAX, as one record into `out` of RECORD_MAX bytes;
 * `padding` zeros follow the content in 1.3, and are ignored before.  The length of the record, 0
 * if libcrypto failed or the lengths are too great.
 */
LW_MUST_CHECK size_t record_seal(struct record_half *h, uint8_t type, const void *content,
                                 size_t len, size_t padding, uint8_t *out);

/*
 * Opens one whole record, header included, into `buffer` of RECORD_BODY_MAX bytes.  False: it is
 * malformed or its MAC is wrong; the count does not move.
 */
LW_MUST_CHECK bool record_open(struct record_half *h, const uint8_t *record, size_t len,
                               uint8_t *buffer, struct record_content *out);

/* Overwrites every secret; the half is then one in the clear. */
void record_wipe(struct record_half *h);

#endif
