/* suite_test: every row agrees with OpenSSL's own table of suites. */
#include "tests/unit.h"

#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <string.h>

#include "record/suite.h"

static const SSL_CIPHER *cipher_of(SSL *ssl, const struct suite *suite)
{
	const unsigned char id[2] = { (unsigned char)(suite->id >> 8), (unsigned char)suite->id };
	return SSL_CIPHER_find(ssl, id);
}

static void check_cipher(const struct suite *suite, const SSL_CIPHER *openssl)
{
	const EVP_CIPHER *cipher = EVP_get_cipherbyname(suite->cipher);
	assert_non_null(cipher);
	assert_int_equal(EVP_CIPHER_get_nid(cipher), SSL_CIPHER_get_cipher_nid(openssl));
	assert_int_equal(EVP_CIPHER_get_key_length(cipher), suite->key_bytes);
	assert_int_equal(SSL_CIPHER_is_aead(openssl), suite->kind != SUITE_CBC);
	assert_int_equal(EVP_CIPHER_get_mode(cipher) == EVP_CIPH_GCM_MODE,
	                 suite->kind == SUITE_GCM);
}

static void check_digests(const struct suite *suite, const SSL_CIPHER *openssl)
{
	const EVP_MD *hash = EVP_get_digestbyname(suite->hash);
	const EVP_MD *openssl_hash = SSL_CIPHER_get_handshake_digest(openssl);
	assert_non_null(hash);
	/* The SHA1 suites are older than TLS 1.2, whose PRF then takes SHA256. */
	if (EVP_MD_get_type(openssl_hash) == NID_md5_sha1)
		openssl_hash = EVP_sha256();
	assert_int_equal(EVP_MD_get_type(hash), EVP_MD_get_type(openssl_hash));
	assert_int_equal(suite->mac != NULL, suite->kind == SUITE_CBC);
	if (suite->mac != NULL)
		assert_int_equal(EVP_MD_get_type(EVP_get_digestbyname(suite->mac)),
		                 SSL_CIPHER_get_digest_nid(openssl));
}

static void test_rows_agree_with_openssl(void **state)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_method());
	SSL *ssl = SSL_new(ctx);
	const struct suite *suite;
	size_t n = 0;
	(void)state;
	for (; (suite = suite_at(n)) != NULL; n++) {
		const SSL_CIPHER *openssl = cipher_of(ssl, suite);
		assert_non_null(openssl);
		check_cipher(suite, openssl);
		check_digests(suite, openssl);
		assert_ptr_equal(suite_find(suite->id), suite);
	}
	assert_true(n >= 30);
	SSL_free(ssl);
	SSL_CTX_free(ctx);
}

static void test_unknown_suites_are_told(void **state)
{
	(void)state;
	assert_null(suite_find(0x0000)); /* NULL */
	assert_null(suite_find(0x1304)); /* CCM */
	assert_null(suite_find(0x000A)); /* 3DES */
	assert_null(suite_find(0xFFFF));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows_agree_with_openssl),
		cmocka_unit_test(test_unknown_suites_are_told),
	};
	return run_cases(tests);
}
