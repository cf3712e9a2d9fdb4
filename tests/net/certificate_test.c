/* certificate_test: a throw-away certificate is one that OpenSSL trusts for the names it was made
 * for and for no other, in memory and through PEM files.
 */
#include "tests/unit.h"

#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "net/certificate.h"

/* A handshake in memory between a server that presents `c` and a client that trusts it. */
static long verify_result_for(const struct certificate *c, const char *host)
{
	SSL_CTX *server_ctx = SSL_CTX_new(TLS_server_method());
	SSL_CTX *client_ctx = SSL_CTX_new(TLS_client_method());
	assert_true(certificate_present(c, server_ctx));
	assert_true(certificate_trust(c, client_ctx));
	SSL *server = SSL_new(server_ctx), *client = SSL_new(client_ctx);
	BIO *a = NULL, *b = NULL;
	assert_int_equal(BIO_new_bio_pair(&a, 0, &b, 0), 1);
	SSL_set_bio(server, a, a);
	SSL_set_bio(client, b, b);
	SSL_set_accept_state(server);
	SSL_set_connect_state(client);
	SSL_set_hostflags(client, 0);
	assert_int_equal(SSL_set1_host(client, host), 1);
	for (int turn = 0; turn < 10; turn++) {
		(void)SSL_do_handshake(client);
		(void)SSL_do_handshake(server);
	}
	assert_true(SSL_is_init_finished(client));
	long result = SSL_get_verify_result(client);
	SSL_free(client);
	SSL_free(server);
	SSL_CTX_free(client_ctx);
	SSL_CTX_free(server_ctx);
	return result;
}

static void test_trusted_for_its_own_names(void **state)
{
	(void)state;
	struct certificate *c = certificate_new(NULL, NULL);
	assert_non_null(c);
	assert_int_equal(verify_result_for(c, "localhost"), X509_V_OK);
	assert_int_equal(verify_result_for(c, "other.example"), X509_V_ERR_HOSTNAME_MISMATCH);
	certificate_free(c);
}

static void test_carries_the_names_given(void **state)
{
	(void)state;
	struct certificate *c = certificate_new("other.example", "DNS:other.example");
	assert_non_null(c);
	assert_int_equal(verify_result_for(c, "other.example"), X509_V_OK);
	assert_int_equal(verify_result_for(c, "localhost"), X509_V_ERR_HOSTNAME_MISMATCH);
	certificate_free(c);
	assert_null(certificate_new("x", "no such kind of name"));
}

static void test_two_are_never_the_same(void **state)
{
	(void)state;
	struct certificate *one = certificate_new(NULL, NULL), *two = certificate_new(NULL, NULL);
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
	assert_true(certificate_present(one, ctx));
	X509 *first = SSL_CTX_get0_certificate(ctx);
	assert_int_equal(X509_up_ref(first), 1);
	assert_true(certificate_present(two, ctx));
	assert_int_not_equal(
	    ASN1_INTEGER_cmp(X509_get0_serialNumber(first),
	                     X509_get0_serialNumber(SSL_CTX_get0_certificate(ctx))),
	    0);
	X509_free(first);
	SSL_CTX_free(ctx);
	certificate_free(one);
	certificate_free(two);
}

static void test_files_serve_a_real_server(void **state)
{
	(void)state;
	char directory[] = "/tmp/certificate_test.XXXXXX";
	assert_non_null(mkdtemp(directory));
	char both[64];
	(void)snprintf(both, sizeof both, "%s/both.pem", directory);
	struct certificate *c = certificate_new(NULL, NULL);
	for (int round = 0; round < 2; round++) /* the second replaces the first */
		assert_true(certificate_write(c, both, both));
	struct stat status;
	assert_int_equal(stat(both, &status), 0);
	assert_int_equal(status.st_mode & 0777, 0600);
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
	assert_int_equal(SSL_CTX_use_certificate_chain_file(ctx, both), 1);
	assert_int_equal(SSL_CTX_use_PrivateKey_file(ctx, both, SSL_FILETYPE_PEM), 1);
	assert_int_equal(SSL_CTX_check_private_key(ctx), 1);
	SSL_CTX_free(ctx);
	assert_false(certificate_write(c, NULL, "/nowhere/at/all.pem"));
	assert_int_equal(unlink(both), 0);
	assert_int_equal(rmdir(directory), 0);
	certificate_free(c);
	certificate_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_trusted_for_its_own_names),
		cmocka_unit_test(test_carries_the_names_given),
		cmocka_unit_test(test_two_are_never_the_same),
		cmocka_unit_test(test_files_serve_a_real_server),
	};
	return run_cases(tests);
}
