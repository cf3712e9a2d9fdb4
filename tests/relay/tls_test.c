/* tls_test: contexts from settings: what a server presents and chooses, and the sentence for every
 * setting that is wrong.
 */
#include "tests/relay/tls_parts.h"

#include <string.h>

/* Names of files that these tests share. */
static const char *ec, *rsa;

static int make_files(void **state)
{
	const struct certificate_order of_rsa = { .is_rsa = true };

	(void)state;
	certificate_free(parts_certificate("ec", &(struct certificate_order){ 0 }));
	certificate_free(parts_certificate("rsa", &of_rsa));
	ec = parts_path("ec.pem");
	rsa = parts_path("rsa.pem");
	return 0;
}

/* With both at hand a client gets the kind that it can use. */
static void test_kinds_of_keys(void **state)
{
	static const struct {
		const char *ciphers;
		int kind;
	} rows[] = {
		{ "ECDHE-ECDSA-AES128-GCM-SHA256", EVP_PKEY_EC },
		{ "ECDHE-RSA-AES128-GCM-SHA256", EVP_PKEY_RSA },
	};
	const char *certificates[] = { ec, rsa, NULL };
	struct relay_service s = PLAIN_SERVICE;
	SSL_CTX *server;

	(void)state;
	s.front.certificates = certificates;
	server = parts_server(&s);
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		SSL_CTX *client = parts_any_client();
		struct pair p;

		assert_int_equal(SSL_CTX_set_max_proto_version(client, TLS1_2_VERSION), 1);
		assert_int_equal(SSL_CTX_set_cipher_list(client, rows[i].ciphers), 1);
		p = parts_visit(client, server, NULL, NULL);
		assert_true(p.are_done);
		assert_int_equal(
		    EVP_PKEY_get_base_id(X509_get0_pubkey(SSL_get0_peer_certificate(p.client))),
		    rows[i].kind);
		parts_part(&p);
		SSL_CTX_free(client);
	}
	SSL_CTX_free(server);
}

static void test_versions(void **state)
{
	static const struct {
		int least, most, level; /* of the server */
		int client;             /* the only one it speaks; 0: all */
		int agreed;             /* 0: none */
	} rows[] = {
		{ 0, 0, -1, 0, TLS1_3_VERSION },
		{ 0, 0, -1, TLS1_2_VERSION, TLS1_2_VERSION },
		{ 0, 0, -1, TLS1_1_VERSION, 0 },
		{ 0, TLS1_2_VERSION, -1, 0, TLS1_2_VERSION },
		{ TLS1_3_VERSION, 0, -1, TLS1_2_VERSION, 0 },
		{ TLS1_VERSION, 0, -1, TLS1_VERSION, TLS1_VERSION },
		{ TLS1_VERSION, 0, -1, TLS1_1_VERSION, TLS1_1_VERSION },
		{ TLS1_VERSION, 0, -1, 0, TLS1_3_VERSION },
		{ TLS1_VERSION, 0, 2, TLS1_1_VERSION, 0 },
	};
	const char *certificates[] = { ec, NULL };
	struct relay_service s = PLAIN_SERVICE;

	(void)state;
	s.front.certificates = certificates;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		SSL_CTX *server, *client = parts_any_client();
		struct pair p;

		s.front.version_min = rows[i].least;
		s.front.version_max = rows[i].most;
		s.front.security_level = rows[i].level;
		server = parts_server(&s);
		assert_int_equal(SSL_CTX_set_min_proto_version(client, rows[i].client), 1);
		assert_int_equal(SSL_CTX_set_max_proto_version(client, rows[i].client), 1);
		p = parts_visit(client, server, NULL, NULL);
		assert_int_equal(p.are_done ? SSL_version(p.client) : 0, rows[i].agreed);
		parts_part(&p);
		SSL_CTX_free(client);
		SSL_CTX_free(server);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kinds_of_keys),
		cmocka_unit_test(test_versions),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, make_files, NULL);
}
