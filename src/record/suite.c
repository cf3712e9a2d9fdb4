/* suite: the rows.  A suite that is missing here is one whose records stay closed. */
#include "record/suite.h"

#define AES128_CBC(id, mac, hash)                                                                  \
	{                                                                                          \
		id, SUITE_CBC, 16, 16, "AES-128-CBC", mac, hash                                    \
	}
#define AES256_CBC(id, mac, hash)                                                                  \
	{                                                                                          \
		id, SUITE_CBC, 32, 16, "AES-256-CBC", mac, hash                                    \
	}
#define AES128_GCM(id)                                                                             \
	{                                                                                          \
		id, SUITE_GCM, 16, 4, "AES-128-GCM", NULL, "SHA256"                                \
	}
#define AES256_GCM(id)                                                                             \
	{                                                                                          \
		id, SUITE_GCM, 32, 4, "AES-256-GCM", NULL, "SHA384"                                \
	}
#define CHACHA20_POLY1305(id)                                                                      \
	{                                                                                          \
		id, SUITE_CHACHA, 32, 12, "ChaCha20-Poly1305", NULL, "SHA256"                      \
	}

static const struct suite suites[] = {
	/* TLS 1.3 */
	AES128_GCM(0x1301),
	AES256_GCM(0x1302),
	CHACHA20_POLY1305(0x1303),
	/* ECDHE-ECDSA */
	AES128_GCM(0xC02B),
	AES256_GCM(0xC02C),
	CHACHA20_POLY1305(0xCCA9),
	AES128_CBC(0xC009, "SHA1", "SHA256"),
	AES256_CBC(0xC00A, "SHA1", "SHA256"),
	AES128_CBC(0xC023, "SHA256", "SHA256"),
	AES256_CBC(0xC024, "SHA384", "SHA384"),
	/* ECDHE-RSA */
	AES128_GCM(0xC02F),
	AES256_GCM(0xC030),
	CHACHA20_POLY1305(0xCCA8),
	AES128_CBC(0xC013, "SHA1", "SHA256"),
	AES256_CBC(0xC014, "SHA1", "SHA256"),
	AES128_CBC(0xC027, "SHA256", "SHA256"),
	AES256_CBC(0xC028, "SHA384", "SHA384"),
	/* DHE-RSA */
	AES128_GCM(0x009E),
	AES256_GCM(0x009F),
	CHACHA20_POLY1305(0xCCAA),
	AES128_CBC(0x0033, "SHA1", "SHA256"),
	AES256_CBC(0x0039, "SHA1", "SHA256"),
	AES128_CBC(0x0067, "SHA256", "SHA256"),
	AES256_CBC(0x006B, "SHA256", "SHA256"),
	/* RSA */
	AES128_GCM(0x009C),
	AES256_GCM(0x009D),
	AES128_CBC(0x002F, "SHA1", "SHA256"),
	AES256_CBC(0x0035, "SHA1", "SHA256"),
	AES128_CBC(0x003C, "SHA256", "SHA256"),
	AES256_CBC(0x003D, "SHA256", "SHA256"),
};

const struct suite *suite_at(size_t index)
{
	return index < sizeof suites / sizeof suites[0] ? &suites[index] : NULL;
}

const struct suite *suite_find(uint16_t id)
{
	const struct suite *suite;
	for (size_t i = 0; (suite = suite_at(i)) != NULL; i++) {
		if (suite->id == id)
			return suite;
	}
	return NULL;
}
