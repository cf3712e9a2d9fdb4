/* derive: from secrets to the keys of one direction.  libcrypto does the arithmetic; this file
 * knows only what is derived, under which label, in which order.
 */
#include "record/record.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <string.h>

enum { RANDOM_BYTES = 32, MASTER_BYTES = 48, KEY_BLOCK_MAX = 2 * (48 + 32 + 16) };

static bool run_kdf(const char *name, OSSL_PARAM *params, uint8_t *out, size_t len)
{
	EVP_KDF *kdf = EVP_KDF_fetch(NULL, name, NULL);
	EVP_KDF_CTX *context = kdf != NULL ? EVP_KDF_CTX_new(kdf) : NULL;
	bool derived = context != NULL && EVP_KDF_derive(context, out, len, params) == 1;
	EVP_KDF_CTX_free(context);
	EVP_KDF_free(kdf);
	return derived;
}

/* libcrypto takes non-const pointers, and does not write through them. */
static OSSL_PARAM text_param(const char *key, const char *text)
{
	return OSSL_PARAM_construct_utf8_string(key, (char *)(uintptr_t)text, 0);
}

static OSSL_PARAM octet_param(const char *key, const void *octets, size_t len)
{
	return OSSL_PARAM_construct_octet_string(key, (void *)(uintptr_t)octets, len);
}

/* HKDF-Expand-Label with an empty context (RFC 8446 section 7.1). */
static bool expand_label(const struct suite *suite, const uint8_t *secret, size_t secret_len,
                         const char *label, uint8_t *out, size_t len)
{
	int mode = EVP_KDF_HKDF_MODE_EXPAND_ONLY;
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_int(OSSL_KDF_PARAM_MODE, &mode),
		text_param(OSSL_KDF_PARAM_DIGEST, suite->hash),
		octet_param(OSSL_KDF_PARAM_KEY, secret, secret_len),
		octet_param(OSSL_KDF_PARAM_PREFIX, "tls13 ", 6),
		octet_param(OSSL_KDF_PARAM_LABEL, label, strlen(label)),
		octet_param(OSSL_KDF_PARAM_DATA, "", 0),
		OSSL_PARAM_construct_end(),
	};
	return run_kdf("TLS13-KDF", params, out, len);
}

static bool is_for_13(const struct suite *suite)
{
	return suite->id >> 8 == 0x13;
}

bool record_derive_13(struct record_half *h, const struct suite *suite, const uint8_t *secret,
                      size_t len)
{
	struct record_half next = { .version = LW_VERSION_TLS1_3, .suite = suite };
	if (!is_for_13(suite) || len == 0 || len > sizeof next.secret)
		return false;
	memcpy(next.secret, secret, len);
	next.secret_bytes = len;
	bool derived = expand_label(suite, secret, len, "key", next.key, suite->key_bytes) &&
	               expand_label(suite, secret, len, "iv", next.iv, RECORD_NONCE);
	if (derived)
		*h = next;
	explicit_bzero(&next, sizeof next);
	return derived;
}

bool record_update(struct record_half *h)
{
	uint8_t secret[RECORD_SECRET_MAX];
	bool derived = h->version == LW_VERSION_TLS1_3 && h->suite != NULL &&
	               expand_label(h->suite, h->secret, h->secret_bytes, "traffic upd", secret,
	                            h->secret_bytes) &&
	               record_derive_13(h, h->suite, secret, h->secret_bytes);
	explicit_bzero(secret, sizeof secret);
	return derived;
}

static size_t mac_bytes(const struct suite *suite)
{
	return suite->mac != NULL ? (size_t)EVP_MD_get_size(EVP_get_digestbyname(suite->mac)) : 0;
}

/* The key block of RFC 5246 section 6.3, with the PRF of each version. */
static bool expand_master(const struct suite *suite, enum lw_version version, const uint8_t *master,
                          const uint8_t *client_random, const uint8_t *server_random,
                          uint8_t *block, size_t len)
{
	uint8_t seed[13 + 2 * RANDOM_BYTES] = "key expansion";
	memcpy(seed + 13, server_random, RANDOM_BYTES);
	memcpy(seed + 13 + RANDOM_BYTES, client_random, RANDOM_BYTES);
	OSSL_PARAM params[] = {
		text_param(OSSL_KDF_PARAM_DIGEST,
		           version == LW_VERSION_TLS1_2 ? suite->hash : "MD5-SHA1"),
		octet_param(OSSL_KDF_PARAM_SECRET, master, MASTER_BYTES),
		octet_param(OSSL_KDF_PARAM_SEED, seed, sizeof seed),
		OSSL_PARAM_construct_end(),
	};
	return run_kdf("TLS1-PRF", params, block, len);
}

/* One direction's part of the key block: three lists (MAC keys, keys, IVs), the client's first. */
static void cut_key_block(struct record_half *h, const uint8_t *block, size_t mac,
                          bool client_writes)
{
	size_t key = h->suite->key_bytes, iv = h->suite->iv_bytes;
	memcpy(h->mac_key, block + (client_writes ? 0 : mac), mac);
	block += 2 * mac;
	memcpy(h->key, block + (client_writes ? 0 : key), key);
	block += 2 * key;
	memcpy(h->iv, block + (client_writes ? 0 : iv), iv);
}

bool record_derive(struct record_half *h, enum lw_version version, const struct suite *suite,
                   bool encrypt_then_mac, const uint8_t *master, const uint8_t *client_random,
                   const uint8_t *server_random, bool client_writes)
{
	uint8_t block[KEY_BLOCK_MAX];
	size_t mac = mac_bytes(suite);
	size_t len = 2 * (mac + suite->key_bytes + suite->iv_bytes);
	bool exists = version >= LW_VERSION_TLS1_0 && version <= LW_VERSION_TLS1_2 &&
	              !is_for_13(suite) &&
	              (version == LW_VERSION_TLS1_2 || suite->kind == SUITE_CBC);

	if (!exists || len > sizeof block ||
	    !expand_master(suite, version, master, client_random, server_random, block, len))
		return false;
	record_wipe(h);
	h->version = version;
	h->suite = suite;
	h->encrypt_then_mac = encrypt_then_mac && suite->kind == SUITE_CBC;
	cut_key_block(h, block, mac, client_writes);
	explicit_bzero(block, sizeof block);
	return true;
}

void record_wipe(struct record_half *h)
{
	explicit_bzero(h, sizeof *h);
}
