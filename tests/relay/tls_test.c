/* tls_test: contexts from settings: what a server presents and chooses, and the sentence for every
 * setting that is wrong.
 */
#include "tests/relay/tls_parts.h"

#include <string.h>
#include <sys/stat.h>

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

/* The server's own list decides; with nothing in common there is an alert. */
static void test_alpn(void **state)
{
	static const struct {
		const char *serves;
		const char *offer; /* on the wire */
		const char *agreed;
		int alert;
	} rows[] = {
		{ "h2,http/1.1", "\2h2\10http/1.1", "h2", -1 },
		{ "http/1.1,h2", "\2h2\10http/1.1", "http/1.1", -1 },
		{ "imap,h2", "\2h2\10http/1.1", "h2", -1 },
		{ "imap", "\2h2\10http/1.1", NULL, SSL_AD_NO_APPLICATION_PROTOCOL },
		{ "h2", "", "", -1 },
		{ NULL, "\2h2", "", -1 },
	};
	const char *certificates[] = { ec, NULL };
	struct relay_service s = PLAIN_SERVICE;

	(void)state;
	s.front.certificates = certificates;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		SSL_CTX *server, *client = parts_any_client();
		const unsigned char *chosen;
		struct pair p;
		unsigned n;

		s.front.alpn = rows[i].serves;
		server = parts_server(&s);
		assert_int_equal(SSL_CTX_set_alpn_protos(client,
		                                         (const unsigned char *)rows[i].offer,
		                                         (unsigned)strlen(rows[i].offer)),
		                 0);
		p = parts_visit(client, server, NULL, NULL);
		assert_int_equal(p.server_alert, rows[i].alert);
		assert_int_equal(p.are_done, rows[i].alert == -1);
		SSL_get0_alpn_selected(p.client, &chosen, &n);
		if (rows[i].agreed != NULL) {
			assert_int_equal(n, strlen(rows[i].agreed));
			assert_memory_equal(chosen, rows[i].agreed, n);
		}
		parts_part(&p);
		SSL_CTX_free(client);
		SSL_CTX_free(server);
	}
}

/* A leg that connects offers its list. */
static void test_alpn_is_offered(void **state)
{
	const char *certificates[] = { ec, NULL };
	struct relay_service s = PLAIN_SERVICE;
	SSL_CTX *server, *client;
	const unsigned char *chosen;
	struct failure f = { "" };
	struct pair p;
	unsigned n;

	(void)state;
	s.front.certificates = certificates;
	s.front.alpn = "imap";
	s.back.alpn = "h2,imap";
	s.back.ca_file = ec;
	server = parts_server(&s);
	client = parts_client(&s);
	p = parts_meet(relay_tls_connect(client, &s, 0, "localhost", &f),
	               relay_tls_accept(server, 0, &f));
	assert_true(p.are_done);
	SSL_get0_alpn_selected(p.server, &chosen, &n);
	assert_int_equal(n, 4);
	assert_memory_equal(chosen, "imap", 4);
	parts_part(&p);
	SSL_CTX_free(client);
	SSL_CTX_free(server);
}

/* The certificate and what follows it in the file are sent, and nothing that CAfile holds. */
static void test_chain_is_the_files(void **state)
{
	const struct certificate_order of_root = { .common_name = "root" };
	struct certificate *root = parts_certificate("root", &of_root);
	const struct certificate_order of_leaf = { .common_name = "leaf", .issuer = root };
	const char *certificates[] = { parts_path("leaf.pem"), NULL };
	struct relay_service s = PLAIN_SERVICE;

	(void)state;
	certificate_free(parts_certificate("leaf", &of_leaf));
	s.front.certificates = certificates;
	s.front.verify_chain = true;
	s.front.ca_file = parts_path("root.pem");
	for (int sent = 1; sent <= 2; sent++) {
		SSL_CTX *client = parts_any_client(), *server = parts_server(&s);
		struct pair p = parts_visit(client, server, NULL, NULL);

		assert_true(p.are_done);
		assert_int_equal(sk_X509_num(SSL_get_peer_cert_chain(p.client)), sent);
		parts_part(&p);
		SSL_CTX_free(client);
		SSL_CTX_free(server);
		parts_append(certificates[0], parts_path("root.pem"));
	}
	certificate_free(root);
}

/* What is out of date is served all the same, and said. */
static void test_dates(void **state)
{
	static const struct {
		int starts_s, ends_s;
		const char *sentence;
	} rows[] = {
		{ 0, 0, NULL },
		{ -7200, -60, "the certificate of CN=localhost has expired" },
		{ 3600, 7200, "the certificate of CN=localhost is not valid yet" },
	};
	const char *certificates[] = { parts_path("dated.pem"), NULL };
	struct relay_service s = PLAIN_SERVICE;

	(void)state;
	s.front.certificates = certificates;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		const struct certificate_order o = { .starts_s = rows[i].starts_s,
			                             .ends_s = rows[i].ends_s };
		SSL_CTX *server;

		certificate_free(parts_certificate("dated", &o));
		server = parts_server(&s);
		if (rows[i].sentence == NULL) {
			assert_null(relay_tls_warning(server));
		} else {
			assert_non_null(relay_tls_warning(server));
			assert_non_null(strstr(relay_tls_warning(server), rows[i].sentence));
			assert_non_null(strstr(relay_tls_warning(server), "relay.conf:7: [web] /"));
		}
		SSL_CTX_free(server);
	}
}

static void test_readers(void **state)
{
	const char *certificates[] = { parts_path("open.pem"), NULL };
	struct relay_service s = PLAIN_SERVICE;
	SSL_CTX *server;

	(void)state;
	certificate_free(parts_certificate("open", &(struct certificate_order){ 0 }));
	assert_int_equal(chmod(certificates[0], S_IRUSR | S_IWUSR | S_IRGRP | S_IROTH), 0);
	s.front.certificates = certificates;
	server = parts_server(&s);
	assert_non_null(relay_tls_warning(server));
	assert_non_null(strstr(relay_tls_warning(server), "everybody on this machine may read"));
	SSL_CTX_free(server);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kinds_of_keys),
		cmocka_unit_test(test_versions),
		cmocka_unit_test(test_alpn),
		cmocka_unit_test(test_alpn_is_offered),
		cmocka_unit_test(test_chain_is_the_files),
		cmocka_unit_test(test_dates),
		cmocka_unit_test(test_readers),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, make_files, NULL);
}
