/*
 * seal_fuzz: what record_seal made, record_open of the same keys opens to the same content, whole;
 * with any one bit changed, or any octet cut off, it does not; and no bytes of anybody else's are
 * opened.  Input: octets for version, suite, choices, the record's type, padding, the place and the
 * bit of the change; then the content.
 */
#include <string.h>

#include "record/record.h"
#include "tests/fuzz/fuzz.h"

enum {
	AT_VERSION,
	AT_SUITE,
	AT_CHOICES,
	AT_TYPE,
	AT_PADDING,
	AT_PLACE_HIGH,
	AT_PLACE_LOW,
	AT_BIT,
	AT_CONTENT
};
enum { ENCRYPT_THEN_MAC = 1, CLIENT_WRITES = 2, UPDATED = 4 };

static const uint8_t secret[RECORD_SECRET_MAX] = { 1, 2, 3 };
static const uint8_t client_random[32] = { 4 }, server_random[32] = { 5 };

static const struct suite *suite_from(uint8_t octet)
{
	size_t count = 0;

	while (suite_at(count))
		count++;
	return suite_at(octet % count);
}

/* False: no such suite in that version. */
static bool derive(struct record_half *h, const uint8_t *data)
{
	static const enum lw_version versions[] = { LW_VERSION_TLS1_0, LW_VERSION_TLS1_1,
		                                    LW_VERSION_TLS1_2, LW_VERSION_TLS1_3 };
	const enum lw_version version = versions[data[AT_VERSION] % 4];
	const struct suite *suite = suite_from(data[AT_SUITE]);
	const uint8_t choices = data[AT_CHOICES];

	memset(h, 0, sizeof *h);
	if (version != LW_VERSION_TLS1_3)
		return record_derive(h, version, suite, choices & ENCRYPT_THEN_MAC, secret,
		                     client_random, server_random, choices & CLIENT_WRITES);
	if (!record_derive_13(h, suite, secret, strstr(suite->hash, "384") ? 48 : 32))
		return false;
	return !(choices & UPDATED) || record_update(h);
}

/* Opens exactly `len` bytes, so that a sanitizer sees a step past their end. */
static bool opens(const struct record_half *h, const uint8_t *record, size_t len,
                  struct record_content *out, uint8_t *buffer)
{
	struct record_half copy = *h;
	uint8_t *exact = malloc(len ? len : 1);
	bool opened;

	if (!exact)
		abort();
	memcpy(exact, record, len);
	opened = record_open(&copy, exact, len, buffer, out);
	fuzz_claim(copy.sequence == h->sequence + opened);
	free(exact);
	return opened;
}

static void change(const struct record_half *h, const uint8_t *data, uint8_t *record, size_t len)
{
	const size_t place = (size_t)(data[AT_PLACE_HIGH] << 8 | data[AT_PLACE_LOW]) % len;
	uint8_t buffer[RECORD_BODY_MAX];
	struct record_content content;

	fuzz_claim(!opens(h, record, place, &content, buffer));
	record[place] ^= (uint8_t)(1u << (data[AT_BIT] % 8));
	/* Until 1.2 what is authenticated is the connection's version, not the one in the header.
	 */
	if ((place != 1 && place != 2) || h->version == LW_VERSION_TLS1_3)
		fuzz_claim(!opens(h, record, len, &content, buffer));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t record[RECORD_MAX], buffer[RECORD_BODY_MAX];
	struct record_half sealer, opener;
	struct record_content content;

	if (size < AT_CONTENT || !derive(&sealer, data) || !derive(&opener, data))
		return 0;
	const uint8_t *bytes = data + AT_CONTENT;
	const size_t len =
	    size - AT_CONTENT < RECORD_CONTENT_MAX ? size - AT_CONTENT : (size_t)RECORD_CONTENT_MAX;
	const uint8_t type = (uint8_t)(LW_RECORD_ALERT + data[AT_TYPE] % 3);

	fuzz_claim(!opens(&opener, bytes, len, &content, buffer)); /* anybody else's */
	for (unsigned i = 0; i < 2; i++) {                         /* the count goes on */
		const size_t sealed =
		    record_seal(&sealer, type, bytes, len, data[AT_PADDING], record);

		fuzz_claim(sealed > LW_RECORD_HEADER + len && sealed <= RECORD_MAX);
		fuzz_claim(record_open(&opener, record, sealed, buffer, &content));
		fuzz_claim(content.sealed && content.type == type && content.len == len);
		fuzz_claim(len == 0 || memcmp(content.bytes, bytes, len) == 0);
		fuzz_claim(!opens(&opener, record, sealed, &content, buffer)); /* a second time */
	}
	const size_t sealed = record_seal(&sealer, type, bytes, len, data[AT_PADDING], record);
	fuzz_claim(sealed > 0);
	change(&opener, data, record, sealed);
	record_wipe(&sealer);
	record_wipe(&opener);
	return 0;
}
