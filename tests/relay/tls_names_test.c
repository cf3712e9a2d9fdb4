/* tls_names_test: which service a server name leads to, and that all of its settings come along:
 * certificate, versions, verification, ALPN, curves, tickets.
 */
#include "tests/relay/tls_parts.h"

#include <openssl/x509v3.h>
#include <string.h>

enum { LISTENER, EXACT, WILD, SERVICES };

/* The house of the table below: each service presents a certificate of its own. */
struct house {
	struct relay_service services[SERVICES];
	SSL_CTX *ctx[SERVICES];
	struct relay_tls_name names[8];
};

static const char *certificates[SERVICES][2];

static int make_files(void **state)
{
	static const char *const names[SERVICES] = { "listener", "exact", "wild" };

	(void)state;
	for (size_t i = 0; i < SERVICES; i++) {
		const struct certificate_order o = { .common_name = names[i] };
		char file[32];

		certificate_free(parts_certificate(names[i], &o));
		(void)snprintf(file, sizeof file, "%s.pem", names[i]);
		certificates[i][0] = parts_path(file);
	}
	return 0;
}

static void furnish(struct house *h)
{
	static const char *const names[SERVICES] = { "listener", "exact", "wild" };

	for (size_t i = 0; i < SERVICES; i++) {
		h->services[i] = (struct relay_service)PLAIN_SERVICE;
		h->services[i].name = names[i];
		h->services[i].front.certificates = certificates[i];
	}
}

static void open_house(struct house *h)
{
	size_t n = 0;

	for (size_t i = 0; i < SERVICES; i++)
		h->ctx[i] = parts_server(&h->services[i]);
	h->names[n++] = (struct relay_tls_name){ "*.b.example", h->ctx[WILD], WILD };
	h->names[n++] = (struct relay_tls_name){ "exact.b.example", h->ctx[EXACT], EXACT };
	h->names[n++] = (struct relay_tls_name){ "*.c.example", h->ctx[EXACT], EXACT };
	h->names[n++] = (struct relay_tls_name){ "b.example", h->ctx[WILD], WILD };
	relay_tls_set_names(h->ctx[LISTENER], h->names, n);
}

static void close_house(struct house *h)
{
	for (size_t i = 0; i < SERVICES; i++)
		SSL_CTX_free(h->ctx[i]);
}

static void assert_serves(const struct pair *p, size_t service)
{
	static const char *const names[SERVICES] = { "listener", "exact", "wild" };
	X509 *x509 = SSL_get0_peer_certificate(p->client);
	char name[32] = "";

	assert_true(p->are_done);
	assert_true(X509_NAME_get_text_by_NID(X509_get_subject_name(x509), NID_commonName, name,
	                                      sizeof name) > 0);
	assert_string_equal(name, names[service]);
	assert_int_equal(relay_tls_service(p->server, LISTENER), service);
}

static const struct row {
	const char *name;
	size_t service;
} rows[] = {
	{ NULL, LISTENER },
	{ "exact.b.example", EXACT },
	{ "EXACT.B.Example", EXACT },
	{ "other.b.example", WILD },
	{ "OTHER.B.EXAMPLE", WILD },
	{ "b.example", WILD },
	{ "a.other.b.example", LISTENER },
	{ ".b.example", LISTENER },
	{ "xb.example", LISTENER },
	{ "x.c.example", EXACT },
	{ "c.example", LISTENER },
	{ "nowhere.example", LISTENER },
	{ "localhost", LISTENER },
};

enum { ROWS = sizeof rows / sizeof *rows };

static void test_row(void **state)
{
	const struct row *r = *state;

	for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
		SSL_CTX *client = parts_any_client();
		struct house h;
		struct pair p;

		assert_int_equal(SSL_CTX_set_max_proto_version(client, version), 1);
		furnish(&h);
		open_house(&h);
		p = parts_visit(client, h.ctx[LISTENER], r->name, NULL);
		assert_serves(&p, r->service);
		parts_part(&p);
		close_house(&h);
		SSL_CTX_free(client);
	}
}

/* A name that leads to a service brings that service's versions, either way. */
static void test_versions_come_along(void **state)
{
	static const struct {
		const char *name;
		int listener_most, exact_most, agreed;
	} cases[] = {
		{ "exact.b.example", 0, TLS1_2_VERSION, TLS1_2_VERSION },
		{ "exact.b.example", TLS1_2_VERSION, 0, TLS1_3_VERSION },
		{ NULL, TLS1_2_VERSION, 0, TLS1_2_VERSION },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		SSL_CTX *client = parts_any_client();
		struct house h;
		struct pair p;

		furnish(&h);
		h.services[LISTENER].front.version_max = cases[i].listener_most;
		h.services[EXACT].front.version_max = cases[i].exact_most;
		open_house(&h);
		p = parts_visit(client, h.ctx[LISTENER], cases[i].name, NULL);
		assert_true(p.are_done);
		assert_int_equal(SSL_version(p.client), cases[i].agreed);
		parts_part(&p);
		close_house(&h);
		SSL_CTX_free(client);
	}
}

/* A service that verifies its clients does so behind a listener that does not, and the reverse. */
static void test_verification_comes_along(void **state)
{
	static const struct {
		const char *name;
		size_t verifies;
		bool are_done;
	} cases[] = {
		{ "exact.b.example", EXACT, false },   { NULL, EXACT, true },
		{ "exact.b.example", LISTENER, true }, { NULL, LISTENER, false },
		{ "x.b.example", EXACT, true },
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		SSL_CTX *client = parts_any_client();
		struct house h;
		struct pair p;

		furnish(&h);
		h.services[cases[i].verifies].front.require_certificate = true;
		h.services[cases[i].verifies].front.ca_file = certificates[LISTENER][0];
		open_house(&h);
		p = parts_visit(client, h.ctx[LISTENER], cases[i].name, NULL);
		assert_int_equal(p.are_done, cases[i].are_done);
		assert_int_equal(p.server_alert,
		                 cases[i].are_done ? -1 : SSL_AD_CERTIFICATE_REQUIRED);
		parts_part(&p);
		close_house(&h);
		SSL_CTX_free(client);
	}
}

static void test_alpn_and_curves_come_along(void **state)
{
	static const unsigned char offer[] = "\2h2\4imap";
	SSL_CTX *client = parts_any_client();
	const unsigned char *chosen;
	struct house h;
	struct pair p;
	unsigned n;

	(void)state;
	assert_int_equal(SSL_CTX_set_alpn_protos(client, offer, sizeof offer - 1), 0);
	furnish(&h);
	h.services[LISTENER].front.alpn = "h2";
	h.services[LISTENER].front.curves = "P-384";
	h.services[EXACT].front.alpn = "imap";
	h.services[WILD].front.curves = "P-521";
	open_house(&h);
	p = parts_visit(client, h.ctx[LISTENER], "exact.b.example", NULL);
	assert_serves(&p, EXACT);
	SSL_get0_alpn_selected(p.client, &chosen, &n);
	assert_int_equal(n, 4);
	assert_memory_equal(chosen, "imap", 4);
	assert_int_equal(SSL_get_negotiated_group(p.client), NID_X25519);
	parts_part(&p);
	p = parts_visit(client, h.ctx[LISTENER], "x.b.example", NULL);
	assert_serves(&p, WILD);
	SSL_get0_alpn_selected(p.client, &chosen, &n);
	assert_int_equal(n, 0);
	assert_int_equal(SSL_get_negotiated_group(p.client), NID_secp521r1);
	parts_part(&p);
	p = parts_visit(client, h.ctx[LISTENER], NULL, NULL);
	assert_serves(&p, LISTENER);
	assert_int_equal(SSL_get_negotiated_group(p.client), NID_secp384r1);
	parts_part(&p);
	close_house(&h);
	SSL_CTX_free(client);
}

/* The ClientHello of a client that sends `name`. */
static size_t client_hello(const char *name, unsigned char *hello, size_t cap)
{
	SSL_CTX *ctx = parts_any_client();
	SSL *ssl = SSL_new(ctx);
	BIO *in = BIO_new(BIO_s_mem()), *out = BIO_new(BIO_s_mem());
	size_t n = 0;

	assert_non_null(ssl);
	SSL_set_bio(ssl, in, out);
	assert_int_equal(SSL_set_tlsext_host_name(ssl, name), 1);
	assert_true(SSL_connect(ssl) < 0);
	assert_int_equal(BIO_read_ex(out, hello, cap, &n), 1);
	SSL_free(ssl);
	SSL_CTX_free(ctx);
	return n;
}

/* The service that a server chooses for a ClientHello. */
static size_t service_of(SSL_CTX *ctx, const unsigned char *hello, size_t n)
{
	struct failure f = { "" };
	SSL *ssl = relay_tls_accept(ctx, 0, &f);
	BIO *in = BIO_new(BIO_s_mem()), *out = BIO_new(BIO_s_mem());
	size_t service;

	assert_non_null(ssl);
	SSL_set_bio(ssl, in, out);
	assert_int_equal(BIO_write(in, hello, (int)n), (int)n);
	(void)SSL_do_handshake(ssl);
	service = relay_tls_service(ssl, LISTENER);
	SSL_free(ssl);
	return service;
}

/* Every octet of the extension wrong in turn: its length, the list's, the type, the name's, the
 * name.  Only another case of letters is the same name. */
static void test_broken_extensions(void **state)
{
	static const char name[] = "exact.b.example";
	enum { BEFORE = 9, NAME = sizeof name - 1 };
	static const unsigned char changes[] = { 0x02, 0x20, 0x80, 0xff };
	unsigned char hello[2048];
	const size_t n = client_hello(name, hello, sizeof hello);
	unsigned char *at = NULL;
	struct house h;

	(void)state;
	for (size_t i = 0; at == NULL && i + NAME <= n; i++)
		if (memcmp(hello + i, name, NAME) == 0)
			at = hello + i;
	assert_non_null(at);
	furnish(&h);
	open_house(&h);
	assert_int_equal(service_of(h.ctx[LISTENER], hello, n), EXACT);
	for (unsigned char *octet = at - BEFORE; octet < at + NAME; octet++)
		for (size_t i = 0; i < sizeof changes; i++) {
			const bool is_letter = octet >= at && *octet != '.';
			size_t service;

			*octet ^= changes[i];
			service = service_of(h.ctx[LISTENER], hello, n);
			assert_int_equal(service == EXACT, is_letter && changes[i] == 0x20);
			*octet ^= changes[i];
		}
	close_house(&h);
}

int main(void)
{
	struct CMUnitTest tests[ROWS + 4] = {
		cmocka_unit_test(test_versions_come_along),
		cmocka_unit_test(test_verification_comes_along),
		cmocka_unit_test(test_alpn_and_curves_come_along),
		cmocka_unit_test(test_broken_extensions),
	};

	for (size_t i = 0; i < ROWS; i++)
		tests[4 + i] = (struct CMUnitTest){
			.name = rows[i].name != NULL ? rows[i].name : "no name",
			.test_func = test_row,
			.initial_state = (void *)(uintptr_t)&rows[i],
		};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, make_files, NULL);
}
