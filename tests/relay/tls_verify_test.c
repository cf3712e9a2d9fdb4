/* tls_verify_test: whom a leg lets in, by the certificate alone: clients by root, by revocation
 * list, by allow-list; backends by root, date and name.  Each refusal has its alert.
 */
#include "tests/relay/tls_parts.h"

#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char *path_of(const char *name)
{
	return name != NULL ? parts_path(name) : NULL;
}

static void chain(const char *name, const char *issuer)
{
	char of[64], with[64];

	(void)snprintf(of, sizeof of, "%s.pem", name);
	(void)snprintf(with, sizeof with, "%s.pem", issuer);
	parts_append(parts_path(of), parts_path(with));
}

static void make_list(const char *name, const char *one, const char *other, const char *text)
{
	char lines[256];

	(void)snprintf(lines, sizeof lines, "# clients\n\n  %s\n%s%s%s\n", text, one,
	               other[0] != '\0' ? "\n" : "", other);
	(void)parts_file(name, lines);
}

/* root signs inter, good, gone (revoked) and old (expired); inter signs deep. */
static int make_files(void **state)
{
	const struct certificate_order of_root = { .common_name = "root" };
	struct certificate_order o = { .is_ca = true, .common_name = "inter" };
	struct certificate *root = parts_certificate("root", &of_root), *inter, *good, *gone, *deep,
			   *self;
	char hex[65], colons[96] = "";

	(void)state;
	o.issuer = root;
	inter = parts_certificate("inter", &o);
	o.is_ca = false;
	o.common_name = "good";
	good = parts_certificate("good", &o);
	o.common_name = "gone";
	gone = parts_certificate("gone", &o);
	o.common_name = "old";
	o.starts_s = -7200;
	o.ends_s = -3600;
	certificate_free(parts_certificate("old", &o));
	o = (struct certificate_order){ .common_name = "deep", .issuer = inter };
	deep = parts_certificate("deep", &o);
	chain("deep", "inter");
	o = (struct certificate_order){ .common_name = "self" };
	self = parts_certificate("self", &o);
	o = (struct certificate_order){ .common_name = "good" };
	certificate_free(parts_certificate("namesake", &o));
	o = (struct certificate_order){ .common_name = "oldself",
		                        .starts_s = -7200,
		                        .ends_s = -60 };
	certificate_free(parts_certificate("oldself", &o));

	assert_true(certificate_write_revoked(root, (const struct certificate *const[]){ gone }, 1,
	                                      parts_path("root.crl")));
	assert_true(certificate_write_revoked(inter, NULL, 0, parts_path("inter.crl")));
	assert_true(certificate_write_revoked(root, (const struct certificate *const[]){ inter }, 1,
	                                      parts_path("both.crl")));
	parts_append(parts_path("both.crl"), parts_path("inter.crl"));

	assert_true(certificate_fingerprint(good, hex));
	make_list("good.list", hex, "", "");
	make_list("subject.list", "CN=deep", "", "CN=old");
	assert_true(certificate_fingerprint(self, hex));
	for (size_t i = 0; i < 64; i += 2)
		(void)snprintf(colons + strlen(colons), sizeof colons - strlen(colons), "%s%c%c",
		               i > 0 ? ":" : "", hex[i], hex[i + 1]);
	make_list("self.list", colons, "", "");
	certificate_free(root);
	certificate_free(inter);
	certificate_free(good);
	certificate_free(gone);
	certificate_free(deep);
	certificate_free(self);
	return 0;
}

static const struct front {
	const char *claim;
	const char *presents; /* NULL: nothing */
	bool require, chain, peer;
	const char *ca, *crl, *allow;
	int alert; /* the server's; -1: it lets the client in */
} fronts[] = {
	{ "nobody is asked", NULL, false, false, false, NULL, NULL, NULL, -1 },
	{ "whoever is not asked presents nothing", "self.pem", false, false, false, NULL, NULL,
	  NULL, -1 },
	{ "a required certificate", "good.pem", true, false, false, "root.pem", NULL, NULL, -1 },
	{ "is verified", "self.pem", true, false, false, "root.pem", NULL, NULL,
	  SSL_AD_UNKNOWN_CA },
	{ "and missed", NULL, true, false, false, "root.pem", NULL, NULL,
	  SSL_AD_CERTIFICATE_REQUIRED },
	{ "verifyChain alone does without", NULL, false, true, false, "root.pem", NULL, NULL, -1 },
	{ "but verifies what is there", "self.pem", false, true, false, "root.pem", NULL, NULL,
	  SSL_AD_UNKNOWN_CA },
	{ "a chain over another CA", "deep.pem", false, true, false, "root.pem", NULL, NULL, -1 },
	{ "a chain that is not whole", "namesake.pem", false, true, false, "root.pem", NULL, NULL,
	  SSL_AD_UNKNOWN_CA },
	{ "an expired client", "old.pem", false, true, false, "root.pem", NULL, NULL,
	  SSL_AD_CERTIFICATE_EXPIRED },
	{ "verifyPeer: the certificate itself", "good.pem", false, false, true, "good.pem", NULL,
	  NULL, -1 },
	{ "verifyPeer: one of the same name", "namesake.pem", false, false, true, "good.pem", NULL,
	  NULL, SSL_AD_UNKNOWN_CA },
	{ "verifyPeer: not what a CA there signed", "good.pem", false, false, true, "root.pem",
	  NULL, NULL, SSL_AD_BAD_CERTIFICATE },
	{ "verifyPeer and verifyChain: both hold", "root.pem", false, true, true, "root.pem", NULL,
	  NULL, -1 },
	{ "verifyPeer and verifyChain: no chain", "good.pem", false, true, true, "good.pem", NULL,
	  NULL, SSL_AD_UNKNOWN_CA },
	{ "not revoked", "good.pem", false, true, false, "root.pem", "root.crl", NULL, -1 },
	{ "revoked", "gone.pem", false, true, false, "root.pem", "root.crl", NULL,
	  SSL_AD_CERTIFICATE_REVOKED },
	{ "no list of the issuer's", "deep.pem", false, true, false, "root.pem", "root.crl", NULL,
	  SSL_AD_UNKNOWN_CA },
	{ "no list of a CA's", "deep.pem", false, true, false, "root.pem", "inter.crl", NULL, -1 },
	{ "a CA revoked", "deep.pem", false, true, false, "root.pem", "both.crl", NULL,
	  SSL_AD_CERTIFICATE_REVOKED },
	{ "on the allow-list", "good.pem", false, true, false, "root.pem", NULL, "good.list", -1 },
	{ "not on the allow-list", "deep.pem", false, true, false, "root.pem", NULL, "good.list",
	  SSL_AD_BAD_CERTIFICATE },
	{ "a subject on the allow-list", "deep.pem", false, true, false, "root.pem", NULL,
	  "subject.list", -1 },
	{ "no such subject", "good.pem", false, true, false, "root.pem", NULL, "subject.list",
	  SSL_AD_BAD_CERTIFICATE },
	{ "the allow-list replaces no root", "self.pem", false, true, false, "root.pem", NULL,
	  "self.list", SSL_AD_UNKNOWN_CA },
	{ "nor a date", "old.pem", false, true, false, "root.pem", NULL, "subject.list",
	  SSL_AD_CERTIFICATE_EXPIRED },
	{ "fingerprints alone", "self.pem", false, false, false, NULL, NULL, "self.list", -1 },
	{ "fingerprints alone: another", "good.pem", true, false, false, NULL, NULL, "self.list",
	  SSL_AD_BAD_CERTIFICATE },
	{ "fingerprints alone: none", NULL, false, false, false, NULL, NULL, "self.list",
	  SSL_AD_CERTIFICATE_REQUIRED },
};

enum { FRONTS = sizeof fronts / sizeof *fronts };

static SSL_CTX *visitor(const char *presents, int version)
{
	SSL_CTX *ctx = parts_any_client();

	assert_int_equal(SSL_CTX_set_max_proto_version(ctx, version), 1);
	if (presents == NULL)
		return ctx;
	assert_int_equal(SSL_CTX_use_certificate_chain_file(ctx, parts_path(presents)), 1);
	assert_int_equal(SSL_CTX_use_PrivateKey_file(ctx, parts_path(presents), SSL_FILETYPE_PEM),
	                 1);
	return ctx;
}

static void test_front(void **state)
{
	const struct front *r = *state;
	const char *certificates[] = { parts_path("good.pem"), NULL };
	struct relay_service s = PLAIN_SERVICE;

	s.front.certificates = certificates;
	s.front.require_certificate = r->require;
	s.front.verify_chain = r->chain;
	s.front.verify_peer = r->peer;
	s.front.ca_file = path_of(r->ca);
	s.front.crl_file = path_of(r->crl);
	s.front.allow_list = path_of(r->allow);
	for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
		SSL_CTX *client = visitor(r->presents, version), *server = parts_server(&s);
		struct pair p = parts_visit(client, server, NULL, NULL);
		int alert = r->alert;

		if (alert == SSL_AD_CERTIFICATE_REQUIRED && version == TLS1_2_VERSION)
			alert = SSL_AD_HANDSHAKE_FAILURE; /* the older has no word for it */
		assert_int_equal(p.server_alert, alert);
		assert_int_equal(p.are_done, r->alert == -1);
		parts_part(&p);
		SSL_CTX_free(client);
		SSL_CTX_free(server);
	}
}

static const struct back {
	const char *claim, *presents, *host;
	const char *sni;
	const char *ca, *crl;
	bool unverified, peer;
	const char *check_host, *check_ip, *check_email;
	int alert; /* the client's */
} backs[] = {
	{ "a name", "good.pem", "localhost", NULL, "root.pem", NULL, false, false, NULL, NULL, NULL,
	  -1 },
	{ "another", "good.pem", "other.example", NULL, "root.pem", NULL, false, false, NULL, NULL,
	  NULL, SSL_AD_BAD_CERTIFICATE },
	{ "an address", "good.pem", "127.0.0.1", NULL, "root.pem", NULL, false, false, NULL, NULL,
	  NULL, -1 },
	{ "another address", "good.pem", "127.0.0.2", NULL, "root.pem", NULL, false, false, NULL,
	  NULL, NULL, SSL_AD_BAD_CERTIFICATE },
	{ "sni stands for the host", "good.pem", "127.0.0.2", "localhost", "root.pem", NULL, false,
	  false, NULL, NULL, NULL, -1 },
	{ "no sni leaves the host", "good.pem", "localhost", "", "root.pem", NULL, false, false,
	  NULL, NULL, NULL, -1 },
	{ "no sni leaves the host: another", "good.pem", "other.example", "", "root.pem", NULL,
	  false, false, NULL, NULL, NULL, SSL_AD_BAD_CERTIFICATE },
	{ "self-signed", "self.pem", "localhost", NULL, "root.pem", NULL, false, false, NULL, NULL,
	  NULL, SSL_AD_UNKNOWN_CA },
	{ "the system's roots", "good.pem", "localhost", NULL, NULL, NULL, false, false, NULL, NULL,
	  NULL, SSL_AD_UNKNOWN_CA },
	{ "expired", "old.pem", "localhost", NULL, "root.pem", NULL, false, false, NULL, NULL, NULL,
	  SSL_AD_CERTIFICATE_EXPIRED },
	{ "revoked", "gone.pem", "localhost", NULL, "root.pem", "root.crl", false, false, NULL,
	  NULL, NULL, SSL_AD_CERTIFICATE_REVOKED },
	{ "verifyChain = no", "old.pem", "other.example", NULL, NULL, NULL, true, false, NULL, NULL,
	  NULL, -1 },
	{ "verifyPeer needs no name", "self.pem", "other.example", NULL, "self.pem", NULL, true,
	  true, NULL, NULL, NULL, -1 },
	{ "verifyPeer: another", "good.pem", "localhost", NULL, "self.pem", NULL, true, true, NULL,
	  NULL, NULL, SSL_AD_UNKNOWN_CA },
	{ "checkHost stands for the host", "good.pem", "127.0.0.2", NULL, "root.pem", NULL, false,
	  false, "localhost", NULL, NULL, -1 },
	{ "checkHost: another", "good.pem", "localhost", NULL, "root.pem", NULL, false, false,
	  "other.example", NULL, NULL, SSL_AD_BAD_CERTIFICATE },
	{ "checkIP", "good.pem", "other.example", NULL, "root.pem", NULL, false, false, NULL, "::1",
	  NULL, -1 },
	{ "any of them", "good.pem", "other.example", NULL, "root.pem", NULL, false, false,
	  "other.example", "127.0.0.1", "a@other.example", -1 },
	{ "none of them", "good.pem", "localhost", NULL, "root.pem", NULL, false, false,
	  "other.example", "127.0.0.3", "a@other.example", SSL_AD_BAD_CERTIFICATE },
};

enum { BACKS = sizeof backs / sizeof *backs };

static void test_back(void **state)
{
	const struct back *r = *state;
	const char *certificates[] = { parts_path(r->presents), NULL };
	const char *hosts[] = { r->check_host, NULL }, *ips[] = { r->check_ip, NULL },
		   *emails[] = { r->check_email, NULL };
	struct relay_service s = PLAIN_SERVICE;
	SSL_CTX *client, *server;
	struct failure f = { "" };
	struct pair p;
	SSL *ssl;

	s.front.certificates = certificates;
	s.back.verify_chain = !r->unverified;
	s.back.verify_peer = r->peer;
	s.back.ca_file = path_of(r->ca);
	s.back.crl_file = path_of(r->crl);
	s.back.sni = r->sni;
	s.back.check_host = hosts;
	s.back.check_ip = ips;
	s.back.check_email = emails;
	client = parts_client(&s);
	server = parts_server(&s);
	ssl = relay_tls_connect(client, &s, 0, r->host, &f);
	assert_string_equal(f.sentence, "");
	p = parts_meet(ssl, relay_tls_accept(server, 0, &f));
	assert_int_equal(p.client_alert, r->alert);
	assert_int_equal(p.are_done, r->alert == -1);
	if (p.are_done && r->host[0] != '1' && (r->sni == NULL || r->sni[0] != '\0'))
		assert_string_equal(SSL_get_servername(p.server, TLSEXT_NAMETYPE_host_name),
		                    r->sni != NULL ? r->sni : r->host);
	else if (p.are_done && (r->sni == NULL || r->sni[0] == '\0'))
		assert_null(SSL_get_servername(p.server, TLSEXT_NAMETYPE_host_name));
	parts_part(&p);
	SSL_CTX_free(client);
	SSL_CTX_free(server);
}

/* A backend may be known by its fingerprint alone, whatever its name. */
static void test_backend_by_fingerprint(void **state)
{
	static const struct {
		const char *presents;
		int alert;
	} rows[] = {
		{ "self.pem", -1 },
		{ "good.pem", SSL_AD_BAD_CERTIFICATE },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		const char *certificates[] = { parts_path(rows[i].presents), NULL };
		struct relay_service s = PLAIN_SERVICE;
		SSL_CTX *client, *server;
		struct failure f = { "" };
		struct pair p;

		s.front.certificates = certificates;
		s.back.verify_chain = false;
		s.back.allow_list = parts_path("self.list");
		client = parts_client(&s);
		server = parts_server(&s);
		p = parts_meet(relay_tls_connect(client, &s, 0, "other.example", &f),
		               relay_tls_accept(server, 0, &f));
		assert_int_equal(p.client_alert, rows[i].alert);
		assert_int_equal(p.are_done, rows[i].alert == -1);
		parts_part(&p);
		SSL_CTX_free(client);
		SSL_CTX_free(server);
	}
}

/* Clients with several certificates choose by the names of the roots. */
static void test_authorities_are_named(void **state)
{
	const char *certificates[] = { parts_path("good.pem"), NULL };
	struct relay_service s = PLAIN_SERVICE;
	SSL_CTX *client = visitor("good.pem", TLS1_3_VERSION), *server;
	const STACK_OF(X509_NAME) * names;
	char text[64];
	struct pair p;

	(void)state;
	s.front.certificates = certificates;
	s.front.verify_chain = true;
	s.front.ca_file = parts_path("root.pem");
	server = parts_server(&s);
	p = parts_visit(client, server, NULL, NULL);
	assert_true(p.are_done);
	names = SSL_get0_peer_CA_list(p.client);
	assert_int_equal(sk_X509_NAME_num(names), 1);
	assert_non_null(X509_NAME_oneline(sk_X509_NAME_value(names, 0), text, sizeof text));
	assert_string_equal(text, "/CN=root");
	parts_part(&p);
	SSL_CTX_free(client);
	SSL_CTX_free(server);
}

/* Folders hold roots and revocation lists under hashed names, and are looked at when needed. */
static void test_folders(void **state)
{
	static const struct {
		const char *presents;
		int alert;
	} rows[] = {
		{ "good.pem", -1 },
		{ "gone.pem", SSL_AD_CERTIFICATE_REVOKED },
		{ "self.pem", SSL_AD_UNKNOWN_CA },
	};
	const char *certificates[] = { parts_path("good.pem"), NULL };
	char folder[256], name[32];
	struct relay_service s = PLAIN_SERVICE;
	SSL_CTX *server, *root = visitor("root.pem", TLS1_3_VERSION);
	unsigned long hash = X509_NAME_hash_ex(
	    X509_get_subject_name(SSL_CTX_get0_certificate(root)), NULL, NULL, NULL);

	(void)state;
	(void)snprintf(name, sizeof name, "%08lx.0", hash);
	assert_int_equal(symlink(parts_path("root.pem"), parts_path(name)), 0);
	(void)snprintf(name, sizeof name, "%08lx.r0", hash);
	assert_int_equal(symlink(parts_path("root.crl"), parts_path(name)), 0);
	(void)snprintf(folder, sizeof folder, "%s", parts_path("root.pem"));
	*strrchr(folder, '/') = '\0';
	s.front.certificates = certificates;
	s.front.verify_chain = true;
	s.front.ca_path = s.front.crl_path = folder;
	server = parts_server(&s);
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		SSL_CTX *client = visitor(rows[i].presents, TLS1_3_VERSION);
		struct pair p = parts_visit(client, server, NULL, NULL);

		assert_int_equal(p.server_alert, rows[i].alert);
		assert_int_equal(p.are_done, rows[i].alert == -1);
		parts_part(&p);
		SSL_CTX_free(client);
	}
	SSL_CTX_free(server);
	SSL_CTX_free(root);
}

int main(void)
{
	struct CMUnitTest tests[FRONTS + BACKS + 3] = {
		cmocka_unit_test(test_authorities_are_named),
		cmocka_unit_test(test_folders),
		cmocka_unit_test(test_backend_by_fingerprint),
	};

	for (size_t i = 0; i < FRONTS; i++)
		tests[3 + i] = (struct CMUnitTest){
			.name = fronts[i].claim,
			.test_func = test_front,
			.initial_state = (void *)(uintptr_t)&fronts[i],
		};
	for (size_t i = 0; i < BACKS; i++)
		tests[3 + FRONTS + i] = (struct CMUnitTest){
			.name = backs[i].claim,
			.test_func = test_back,
			.initial_state = (void *)(uintptr_t)&backs[i],
		};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, make_files, NULL);
}
