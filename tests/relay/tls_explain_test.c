/* tls_explain_test: the clause for a handshake that failed, from the SSL and the alerts. */
#include "tests/relay/tls_parts.h"

#include <openssl/x509v3.h>
#include <string.h>

static int make_files(void **state)
{
	const struct certificate_order old = { .common_name = "old",
		                               .starts_s = -7200,
		                               .ends_s = -60 };

	(void)state;
	certificate_free(parts_certificate("own", &(struct certificate_order){ 0 }));
	certificate_free(parts_certificate("old", &old));
	(void)parts_file("other.list",
	                 "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\n");
	return 0;
}

/* What the server knows when a client has met it; the verdict is made of the alerts that left. */
static const struct row {
	const char *sentence;
	const char *presents;
	const char *ca, *allow;
	const char *alpn;
	int client_most; /* its latest version; 0: all */
	const char *client_ciphers;
	bool client_checks;
} rows[] = {
	{ "the client showed no certificate", NULL, "own.pem", NULL, NULL, 0, NULL, false },
	{ "the client showed no certificate", NULL, "own.pem", NULL, NULL, TLS1_2_VERSION, NULL,
	  false },
	{ "the client's certificate (CN=old) was refused: certificate has expired", "old.pem",
	  "old.pem", NULL, NULL, 0, NULL, false },
	{ "the client's certificate (CN=old) was refused: no root here vouches for it", "old.pem",
	  "own.pem", NULL, NULL, 0, NULL, false },
	{ "the client's certificate (CN=localhost) was refused: it does not stand in the list",
	  "own.pem", "own.pem", "other.list", NULL, 0, NULL, false },
	{ "the client speaks none of the protocols of alpn", NULL, NULL, NULL, "imap", 0, NULL,
	  false },
	{ "the client speaks none of our versions", NULL, NULL, NULL, NULL, TLS1_1_VERSION, NULL,
	  false },
	{ "the client has no cipher, curve or signature in common", NULL, NULL, NULL, NULL,
	  TLS1_2_VERSION, "AES128-SHA", false },
	{ "the client refused the handshake with the alert unknown_ca (it does not trust our "
	  "certificate)",
	  NULL, NULL, NULL, NULL, 0, NULL, true },
};

enum { ROWS = sizeof rows / sizeof *rows };

static struct lw_alert alert_of(int description)
{
	if (description < 0)
		return (struct lw_alert){ .present = false };
	return (struct lw_alert){ true, SSL3_AL_FATAL, (uint8_t)description };
}

static SSL_CTX *client_of(const struct row *r)
{
	SSL_CTX *ctx = parts_any_client();

	if (r->presents != NULL) {
		assert_int_equal(SSL_CTX_use_certificate_chain_file(ctx, parts_path(r->presents)),
		                 1);
		assert_int_equal(
		    SSL_CTX_use_PrivateKey_file(ctx, parts_path(r->presents), SSL_FILETYPE_PEM), 1);
	}
	if (r->alpn != NULL)
		assert_int_equal(SSL_CTX_set_alpn_protos(ctx, (const unsigned char *)"\2h2", 3), 0);
	if (r->client_ciphers != NULL)
		assert_int_equal(SSL_CTX_set_cipher_list(ctx, r->client_ciphers), 1);
	if (r->client_checks)
		SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
	assert_int_equal(SSL_CTX_set_max_proto_version(ctx, r->client_most), 1);
	return ctx;
}

static void test_row(void **state)
{
	const struct row *r = *state;
	const char *certificates[] = { parts_path("own.pem"), NULL };
	struct relay_service s = PLAIN_SERVICE;
	struct lw_verdict v = { .read = LW_ENDING_FAILED };
	SSL_CTX *client = client_of(r), *server;
	struct failure f = { "" };
	struct pair p;

	s.front.certificates = certificates;
	s.front.alpn = r->alpn;
	if (r->ca != NULL) {
		s.front.require_certificate = true;
		s.front.ca_file = parts_path(r->ca);
	}
	if (r->allow != NULL)
		s.front.allow_list = parts_path(r->allow);
	server = parts_server(&s);
	p = parts_visit(client, server, NULL, NULL);
	assert_false(p.are_done);
	v.alert_sent = alert_of(p.server_alert);
	v.alert_received = alert_of(p.client_alert);
	relay_tls_explain(p.server, &v, &f);
	if (strncmp(f.sentence, r->sentence, strlen(r->sentence)) != 0)
		assert_string_equal(f.sentence, r->sentence);
	parts_part(&p);
	SSL_CTX_free(client);
	SSL_CTX_free(server);
}

/* Of a backend that is not verified no certificate is told to have been refused. */
static void test_backends(void **state)
{
	static const struct {
		bool verifies;
		const char *host, *sentence;
	} cases[] = {
		{ true, "localhost", "the server's certificate (CN=old) was refused: certificate" },
		{ false, "localhost", "the server reset the connection in the handshake" },
	};
	const char *certificates[] = { parts_path("old.pem"), NULL };
	struct relay_service s = PLAIN_SERVICE;

	(void)state;
	s.front.certificates = certificates;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct lw_verdict v = { .read = LW_ENDING_RESET };
		struct failure f = { "" };
		SSL_CTX *client, *server = parts_server(&s);
		struct pair p;

		s.back.verify_chain = cases[i].verifies;
		s.back.ca_file = cases[i].verifies ? certificates[0] : NULL;
		client = parts_client(&s);
		p = parts_meet(relay_tls_connect(client, &s, 0, cases[i].host, &f),
		               relay_tls_accept(server, 0, &f));
		relay_tls_explain(p.client, &v, &f);
		assert_int_equal(strncmp(f.sentence, cases[i].sentence, strlen(cases[i].sentence)),
		                 0);
		parts_part(&p);
		SSL_CTX_free(client);
		SSL_CTX_free(server);
	}
}

int main(void)
{
	struct CMUnitTest tests[ROWS + 1] = { cmocka_unit_test(test_backends) };

	for (size_t i = 0; i < ROWS; i++)
		tests[1 + i] = (struct CMUnitTest){
			.name = rows[i].sentence,
			.test_func = test_row,
			.initial_state = (void *)(uintptr_t)&rows[i],
		};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, make_files, NULL);
}
