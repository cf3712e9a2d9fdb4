/* context_test: contexts from options, in memory: what verification accepts, what each refusal is
 * told, versions, ALPN and the key log; and the sentences for handshakes that failed.
 */
#include "tests/unit.h"

#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "net/certificate.h"
#include "net/context.h"
#include "net/handshake.h"

/* Both ends of a connection in memory; an end is NULL where no context was given for it. */
struct pair {
	SSL *client, *server;
};

static struct pair meet(SSL_CTX *client_ctx, SSL_CTX *server_ctx, const char *host,
                        const char *servername)
{
	struct failure f;
	struct pair p = { context_connect(client_ctx, 0, host, servername, &f),
		          context_accept(server_ctx, 0, &f) };
	BIO *a = NULL, *b = NULL;

	assert_non_null(p.client);
	assert_non_null(p.server);
	assert_int_equal(BIO_new_bio_pair(&a, 0, &b, 0), 1);
	SSL_set_bio(p.client, a, a);
	SSL_set_bio(p.server, b, b);
	for (int turn = 0; turn < 10; turn++) {
		(void)SSL_do_handshake(p.client);
		(void)SSL_do_handshake(p.server);
	}
	return p;
}

static void part(struct pair p)
{
	SSL_free(p.client);
	SSL_free(p.server);
}

static SSL_CTX *client_of(const struct context_options *o)
{
	struct failure f = { "" };
	SSL_CTX *ctx = context_new_client(o, &f);

	assert_string_equal(f.sentence, "");
	assert_non_null(ctx);
	return ctx;
}

static SSL_CTX *server_of(const struct context_options *o, const struct certificate *c)
{
	struct failure f = { "" };
	SSL_CTX *ctx = context_new_server(o, &f);

	assert_non_null(ctx);
	assert_true(certificate_present(c, ctx));
	return ctx;
}

static const struct naming {
	const char *claim, *alt_names, *host, *servername;
	bool insecure, trusted, accepted;
	const char *sentence;
} namings[] = {
	{ "a trusted name", NULL, "localhost", NULL, false, true, true, NULL },
	{ "a trusted address", NULL, "127.0.0.1", NULL, false, true, true, NULL },
	{ "a trusted IPv6 address", NULL, "::1", NULL, false, true, true, NULL },
	{ "another name", NULL, "other.example", NULL, false, true, false,
	  "is for another name (it names localhost); give the name with --servername" },
	{ "another address", NULL, "127.0.0.2", NULL, false, true, false,
	  "is not for this address (it names localhost)" },
	{ "--servername replaces the host", NULL, "127.0.0.2", "localhost", false, true, true,
	  NULL },
	{ "untrusted", NULL, "localhost", NULL, false, false, false,
	  "self-signed, so nobody vouches for it; give it with --cacert FILE, or -k" },
	{ "-k takes anything", NULL, "other.example", NULL, true, false, true, NULL },
	{ "a wildcard covers one label", "DNS:*.b.example", "a.b.example", NULL, false, true, true,
	  NULL },
	{ "but not two", "DNS:*.b.example", "a.a.b.example", NULL, false, true, false,
	  "another name" },
	{ "nor a part of one", "DNS:a*.b.example", "ab.b.example", NULL, false, true, false,
	  "another name" },
};

enum { NAMINGS = sizeof namings / sizeof *namings };

static void test_naming(void **state)
{
	const struct naming *n = *state;
	struct certificate *c = certificate_new(NULL, n->alt_names);
	struct context_options o = { .insecure = n->insecure };
	SSL_CTX *client = client_of(&o), *server = server_of(&o, c);
	struct lw_verdict verdict = { .read = LW_ENDING_FAILED };
	struct handshake_end end = { .verdict = &verdict, .peer = "peer:1", .name = n->host };
	struct failure f = { "" };
	struct pair p;

	if (n->trusted)
		assert_true(certificate_trust(c, client));
	p = meet(client, server, n->host, n->servername);
	assert_int_equal(SSL_is_init_finished(p.client), n->accepted);
	if (!n->accepted) {
		end.ssl = p.client;
		handshake_explain(&end, &f);
		assert_non_null(strstr(f.sentence, n->sentence));
		assert_non_null(strstr(f.sentence, "peer:1"));
	}
	part(p);
	SSL_CTX_free(client);
	SSL_CTX_free(server);
	certificate_free(c);
}

static void test_versions(void **state)
{
	static const struct {
		const char *client, *server, *agreed;
	} rows[] = {
		{ NULL, NULL, "TLSv1.3" },       { "1.2", NULL, "TLSv1.2" },
		{ "1.3", "1.2-1.3", "TLSv1.3" }, { "1.0-1.3", "1.0", "TLSv1" },
		{ "1.1", "1.0-1.2", "TLSv1.1" }, { "1.0", "1.0-1.3", "TLSv1" },
		{ "1.2", "1.3", NULL },          { NULL, "1.0-1.1", NULL },
	};
	static const char *const bad[] = { "1.4",         "",   "1.3-1.2", "1.2-", "-1.2",
		                           "1.2-1.3-1.3", "tls" };
	struct certificate *c = certificate_new(NULL, NULL);

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct context_options co = { .insecure = true, .versions = rows[i].client };
		struct context_options so = { .versions = rows[i].server };
		SSL_CTX *client = client_of(&co), *server = server_of(&so, c);
		struct pair p = meet(client, server, "localhost", NULL);

		assert_int_equal(SSL_is_init_finished(p.client), rows[i].agreed != NULL);
		if (rows[i].agreed != NULL)
			assert_string_equal(SSL_get_version(p.client), rows[i].agreed);
		part(p);
		SSL_CTX_free(client);
		SSL_CTX_free(server);
	}
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		struct context_options o = { .versions = bad[i] };
		struct failure f;

		assert_null(context_new_client(&o, &f));
		assert_non_null(strstr(f.sentence, "no such range of versions"));
	}
	certificate_free(c);
}

static void test_alpn(void **state)
{
	struct certificate *c = certificate_new(NULL, NULL);
	struct context_options co = { .insecure = true, .alpn = "h2,http/1.1" };
	struct context_options so = { .alpn = "http/1.1,imap" };
	SSL_CTX *client = client_of(&co), *server = server_of(&so, c);
	struct pair p = meet(client, server, "localhost", NULL);
	const unsigned char *chosen;
	unsigned n;

	(void)state;
	SSL_get0_alpn_selected(p.client, &chosen, &n);
	assert_int_equal(n, 8);
	assert_memory_equal(chosen, "http/1.1", 8);
	part(p);
	SSL_CTX_free(client);
	SSL_CTX_free(server);
	certificate_free(c);
}

static void test_refusals(void **state)
{
	static const struct {
		struct context_options options;
		const char *sentence;
	} rows[] = {
		{ { .cacert = "/nowhere" }, "--cacert /nowhere: No such file" },
		{ { .cacert = "/dev/null" }, "--cacert /dev/null: no certificate" },
		{ { .certificate = "/nowhere" }, "could be read: No such file" },
		{ { .key = "/nowhere" }, "--key /nowhere is of no use without --cert" },
		{ { .alpn = "" }, "--alpn : write names" },
		{ { .alpn = "a,,b" }, "--alpn a,,b: write names" },
		{ { .alpn = "a," }, "--alpn a,: write names" },
		{ { .keylog = "/nowhere/keys" },
		  "cannot write the keys to /nowhere/keys: No such" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct failure f = { "" };

		assert_null(context_new_client(&rows[i].options, &f));
		assert_non_null(strstr(f.sentence, rows[i].sentence));
	}
}

static void test_files(void **state)
{
	char folder[] = "/tmp/context_test.XXXXXX", pem[64], key[64], keys[64], line[256] = "";
	struct certificate *c = certificate_new(NULL, NULL), *d = certificate_new(NULL, NULL);
	struct context_options so = { .certificate = pem, .key = key };
	struct context_options co = { .cacert = pem, .keylog = keys };
	struct failure f = { "" };
	SSL_CTX *server, *client;
	FILE *log;

	(void)state;
	assert_non_null(mkdtemp(folder));
	(void)snprintf(pem, sizeof pem, "%s/c.pem", folder);
	(void)snprintf(key, sizeof key, "%s/k.pem", folder);
	(void)snprintf(keys, sizeof keys, "%s/keys", folder);
	assert_true(certificate_write(c, pem, key));
	server = context_new_server(&so, &f);
	assert_non_null(server);
	client = client_of(&co);
	part(meet(client, server, "localhost", NULL));
	SSL_CTX_free(client);
	log = fopen(keys, "r");
	assert_non_null(log);
	assert_non_null(fgets(line, sizeof line, log));
	assert_non_null(strstr(line, "_SECRET "));
	(void)fclose(log);
	assert_true(certificate_write(d, NULL, key));
	assert_null(context_new_server(&so, &f));
	assert_non_null(strstr(f.sentence, "no key in PEM that fits the certificate"));
	so.key = NULL;
	assert_null(context_new_server(&so, &f));
	assert_non_null(strstr(f.sentence, "--cert "));
	assert_non_null(strstr(f.sentence, "give it with --key"));
	SSL_CTX_free(server);
	certificate_free(c);
	certificate_free(d);
	(void)unlink(pem);
	(void)unlink(key);
	(void)unlink(keys);
	(void)rmdir(folder);
}

/* What a handshake's remains are told as; nothing here depends on a certificate. */
static const struct remains {
	const char *claim, *first;
	struct lw_verdict verdict;
	bool timed_out;
	const char *sentence;
} remains[] = {
	{ "a web server", "HTTP/1.1 400", { 0 }, false, "speaks no TLS: it answers plain HTTP" },
	{ "a mail server", "220 mx ESMTP", { 0 }, false, "try --starttls smtp" },
	{ "an IMAP server", "* OK hello", { 0 }, false, "try --starttls imap" },
	{ "something else", "\x05hello", { 0 }, false, "speaks no TLS: check the port" },
	{ "a talker, timed out", "SSH-2.0-x", { 0 }, true, "speaks no TLS: it speaks SSH" },
	{ "silence", "", { 0 }, true, "timed out after 10 s" },
	{ "a reset",
	  "",
	  { .read = LW_ENDING_RESET },
	  false,
	  "reset the connection in the handshake" },
	{ "a reset met by a write",
	  "",
	  { .write = LW_ENDING_RESET },
	  false,
	  "reset the connection" },
	{ "a FIN",
	  "\x16\x03\x03",
	  { .read = LW_ENDING_TRUNCATED },
	  false,
	  "ended the connection in the handshake" },
	{ "close_notify",
	  "\x15\x03\x03",
	  { .read = LW_ENDING_FAILED, .alert_received = { true, 1, 0 } },
	  false,
	  "closed TLS (close_notify) before the handshake was done" },
	{ "handshake_failure",
	  "\x15\x03\x03",
	  { .read = LW_ENDING_ABORTED, .alert_received = { true, 2, 40 } },
	  false,
	  "refused the handshake with the alert handshake_failure; no cipher in common" },
	{ "an alert without advice",
	  "\x15\x03\x03",
	  { .read = LW_ENDING_ABORTED, .alert_received = { true, 2, 80 } },
	  false,
	  "with the alert internal_error; see the server's log" },
	{ "our protocol_version",
	  "\x16\x03\x01",
	  { .read = LW_ENDING_FAILED, .alert_sent = { true, 2, 70 } },
	  false,
	  "speaks none of our versions" },
	{ "our decode_error",
	  "\x16\x03\x01",
	  { .read = LW_ENDING_FAILED, .alert_sent = { true, 2, 50 } },
	  false,
	  "failed, and we sent the alert decode_error" },
};

enum { REMAINS = sizeof remains / sizeof *remains };

static void test_remains(void **state)
{
	const struct remains *r = *state;
	struct context_options o = { .insecure = true };
	SSL_CTX *ctx = client_of(&o);
	struct failure f = { "" };
	struct handshake_end end = { .verdict = &r->verdict,
		                     .peer = "peer:1",
		                     .name = "peer",
		                     .timed_out = r->timed_out,
		                     .timeout_ms = 10000 };
	SSL *ssl = context_connect(ctx, 0, "peer", NULL, &f);

	end.ssl = ssl;
	end.first_bytes = strlen(r->first);
	memcpy(end.first, r->first, end.first_bytes);
	handshake_explain(&end, &f);
	assert_non_null(strstr(f.sentence, r->sentence));
	assert_non_null(strstr(f.sentence, "peer:1"));
	SSL_free(ssl);
	SSL_CTX_free(ctx);
}

int main(void)
{
	struct CMUnitTest tests[4 + NAMINGS + REMAINS] = {
		cmocka_unit_test(test_versions),
		cmocka_unit_test(test_alpn),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_files),
	};

	(void)unsetenv("SSLKEYLOGFILE");
	for (size_t i = 0; i < NAMINGS; i++) {
		tests[4 + i].name = namings[i].claim;
		tests[4 + i].test_func = test_naming;
		tests[4 + i].initial_state = (void *)(uintptr_t)&namings[i];
	}
	for (size_t i = 0; i < REMAINS; i++) {
		tests[4 + NAMINGS + i].name = remains[i].claim;
		tests[4 + NAMINGS + i].test_func = test_remains;
		tests[4 + NAMINGS + i].initial_state = (void *)(uintptr_t)&remains[i];
	}
	return run_cases(tests);
}
