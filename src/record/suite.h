/* suite: what a cipher suite says about records, one const row a suite; key exchange and
 * signatures are not its business.
 */
#ifndef RECORD_SUITE_H
#define RECORD_SUITE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum suite_kind { SUITE_CBC, SUITE_GCM, SUITE_CHACHA };

struct suite {
	uint16_t id;
	enum suite_kind kind;
	uint8_t key_bytes;
	uint8_t iv_bytes;   /* of the key block: CBC 1.0 block, GCM salt; TLS 1.3 always has 12 */
	const char *cipher; /* libcrypto's name */
	const char *mac;    /* digest of the HMAC of CBC records; NULL for AEAD */
	const char *hash;   /* of the PRF in TLS 1.2, of HKDF in TLS 1.3 */
};

/* The row of a suite by its number, NULL where records of it are not known (CCM, 3DES, RC4, …). */
const struct suite *suite_find(uint16_t id);

/* Every row in turn, for tests: NULL past the last. */
const struct suite *suite_at(size_t index);

#endif
