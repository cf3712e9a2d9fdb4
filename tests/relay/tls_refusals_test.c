/* tls_refusals_test: the sentence for every setting that is wrong: where it stands, what is wrong
 * and what to do.
 */
#include "tests/relay/tls_parts.h"

#include <openssl/pem.h>
#include <stdio.h>
#include <string.h>

static void lock_key(void)
{
	FILE *in = fopen(parts_path("ec.pem"), "r"), *out = fopen(parts_path("locked.pem"), "w");
	EVP_PKEY *key;

	assert_non_null(in);
	assert_non_null(out);
	key = PEM_read_PrivateKey(in, NULL, NULL, NULL);
	assert_non_null(key);
	assert_int_equal(PEM_write_PrivateKey(out, key, EVP_aes_128_cbc(),
	                                      (const unsigned char *)"secret", 6, NULL, NULL),
	                 1);
	EVP_PKEY_free(key);
	(void)fclose(in);
	(void)fclose(out);
}

static int make_files(void **state)
{
	const struct certificate_order of_rsa = { .is_rsa = true };
	struct certificate *c = parts_certificate("ec", &(struct certificate_order){ 0 });

	(void)state;
	assert_true(certificate_write(c, parts_path("bare.pem"), NULL));
	certificate_free(c);
	certificate_free(parts_certificate("ec2", &(struct certificate_order){ 0 }));
	certificate_free(parts_certificate("rsa", &of_rsa));
	(void)parts_file("empty", "");
	(void)parts_file("text", "Hello\n");
	(void)parts_file("short.list", "# mine\n\n0123\n");
	(void)parts_file("long.list", "CN=a\n"
	                              "00112233445566778899aabbccddeeff00112233445566778899aabbccdd"
	                              "eeff00\n");
	(void)parts_file("comments.list", "# nobody yet\n");
	(void)parts_file("subject.list", "CN=a,O=b\n");
	lock_key();
	return 0;
}

/* Names of files stand for their paths; "" for none. */
static const struct row {
	const char *cert[3], *key[3];
	struct relay_tls_settings rest; /* what is not 0 replaces the default */
	bool connects;
	const char *sentence;
} rows[] = {
	{ .sentence = "no cert: who accepts TLS needs a certificate" },
	{ { "nowhere.pem" },
	  .sentence = "nowhere.pem: no certificate in PEM could be used: No such" },
	{ { "empty" }, .sentence = "empty: no certificate in PEM could be used: no start line" },
	{ { "text" }, .sentence = "text: no certificate in PEM could be used: no start line" },
	{ { "bare.pem" }, .sentence = "bare.pem: no key that fits stands there" },
	{ { "ec.pem" }, { "nowhere.pem" }, .sentence = "nowhere.pem: no key in PEM that fits" },
	{ { "ec.pem" }, { "ec2.pem" }, .sentence = "could be read: key values mismatch" },
	{ { "ec.pem" }, { "rsa.pem" }, .sentence = "rsa.pem: no key in PEM that fits" },
	{ { "bare.pem" }, { "locked.pem" }, .sentence = "locked.pem is locked by a pass phrase" },
	{ { "ec.pem", "rsa.pem", "ec2.pem" },
	  .sentence = "of the same kind of key (id-ecPublicKey)" },
	{ { "ec.pem" }, { "ec.pem", "rsa.pem" }, .sentence = "more keys than certificates" },
	{ { "ec.pem" },
	  .rest.ciphers = "NONE-SUCH",
	  .sentence = "ciphers = NONE-SUCH: no cipher match" },
	{ { "ec.pem" },
	  .rest.ciphersuites = "TLS_NONE",
	  .sentence = "ciphersuites = TLS_NONE: no cipher match" },
	{ { "ec.pem" }, .rest.curves = "P-257", .sentence = "curves = P-257: " },
	{ { "ec.pem" }, .rest.alpn = "a,,b", .sentence = "alpn = a,,b: write names" },
	{ { "ec.pem" },
	  .rest.version_max = TLS1_1_VERSION,
	  .sentence = "sslVersionMax is below sslVersionMin, which is TLSv1.2" },
	{ { "ec.pem" },
	  .rest = { .version_min = TLS1_3_VERSION, .version_max = TLS1_2_VERSION },
	  .sentence = "sslVersionMax is below sslVersionMin; lower" },
	{ { "ec.pem" },
	  .rest.require_certificate = true,
	  .sentence = "nothing says by what; name their roots with CAfile" },
	{ { "ec.pem" }, .rest.verify_peer = true, .sentence = "verifyPeer needs the certificates" },
	{ { "ec.pem" },
	  .rest = { .verify_chain = true, .ca_file = "nowhere.pem" },
	  .sentence = "nowhere.pem: no certificate in PEM could be read: No such" },
	{ { "ec.pem" },
	  .rest = { .verify_chain = true, .ca_file = "text" },
	  .sentence = "text: no certificate in PEM could be read" },
	{ { "ec.pem" },
	  .rest = { .verify_chain = true, .ca_path = "nowhere" },
	  .sentence = "nowhere: No such file or directory; name a folder" },
	{ { "ec.pem" },
	  .rest = { .verify_chain = true, .ca_path = "ec.pem" },
	  .sentence = "ec.pem: Not a directory; name a folder" },
	{ { "ec.pem" },
	  .rest = { .verify_chain = true, .ca_file = "ec.pem", .crl_file = "text" },
	  .sentence = "text: no revocation list in PEM could be read" },
	{ { "ec.pem" },
	  .rest = { .verify_chain = true, .ca_file = "ec.pem", .crl_path = "text" },
	  .sentence = "text: Not a directory; name a folder" },
	{ { "ec.pem" },
	  .rest.crl_file = "text",
	  .sentence = "CRLfile, CRLpath are looked at by nobody without verifyChain" },
	{ { "ec.pem" }, .rest.allow_list = "nowhere.list", .sentence = "nowhere.list: No such" },
	{ { "ec.pem" },
	  .rest.allow_list = "short.list",
	  .sentence = "short.list:3: neither the SHA-256 fingerprint" },
	{ { "ec.pem" },
	  .rest.allow_list = "long.list",
	  .sentence = "long.list:2: neither the SHA-256 fingerprint" },
	{ { "ec.pem" },
	  .rest.allow_list = "comments.list",
	  .sentence = "comments.list: it names nobody" },
	{ { "ec.pem" },
	  .rest.allow_list = "subject.list",
	  .sentence = "a subject in allow says nothing where no root vouches" },
	{ { NULL },
	  { "ec.pem" },
	  .connects = true,
	  .sentence = "ec.pem is of no use without cert" },
	{ { "bare.pem" }, .connects = true, .sentence = "bare.pem: no key that fits stands there" },
	{ { NULL },
	  .rest.ca_file = "text",
	  .connects = true,
	  .sentence = "text: no certificate in PEM could be read" },
};

enum { ROWS = sizeof rows / sizeof *rows };

static void resolve(const char *const *names, const char **paths)
{
	size_t n = 0;

	for (; n < 3 && names[n] != NULL; n++)
		paths[n] = parts_path(names[n]);
	paths[n] = NULL;
}

static void resolve_one(const char **name)
{
	if (*name != NULL)
		*name = parts_path(*name);
}

static void test_row(void **state)
{
	const struct row *r = *state;
	const char *certificates[4], *keys[4];
	struct relay_service s = PLAIN_SERVICE;
	struct relay_tls_settings *t = r->connects ? &s.back : &s.front;
	const bool verifies = t->verify_chain;
	struct failure f = { "" };

	*t = r->rest;
	t->line = 7;
	t->security_level = -1;
	t->verify_chain |= verifies;
	t->certificates = certificates;
	t->keys = keys;
	resolve(r->cert, certificates);
	resolve(r->key, keys);
	resolve_one(&t->ca_file);
	resolve_one(&t->ca_path);
	resolve_one(&t->crl_file);
	resolve_one(&t->crl_path);
	resolve_one(&t->allow_list);
	if (r->connects)
		assert_null(relay_tls_client(&s, "relay.conf", &f));
	else
		assert_null(relay_tls_server(&s, "relay.conf", NULL, &f));
	if (strstr(f.sentence, r->sentence) == NULL)
		assert_string_equal(f.sentence, r->sentence);
	assert_int_equal(strncmp(f.sentence, "relay.conf:7: [web] ", 20), 0);
	assert_true(strlen(f.sentence) + 1 < sizeof f.sentence);
}

/* What a list of names would be held against is not there. */
static void test_names_without_verification(void **state)
{
	const char *hosts[] = { "a.example", NULL };
	struct relay_service s = PLAIN_SERVICE;
	struct failure f = { "" };

	(void)state;
	s.back.verify_chain = false;
	s.back.check_host = hosts;
	assert_null(relay_tls_client(&s, NULL, &f));
	assert_non_null(strstr(
	    f.sentence, "checkHost, checkIP, checkEmail look at nothing without verifyChain"));
}

/* Where both legs speak TLS, the keys of the connecting one have names of their own. */
static void test_keys_of_the_connecting_leg(void **state)
{
	const char *certificates[] = { parts_path("nowhere.pem"), NULL };
	struct relay_service s = PLAIN_SERVICE;
	struct failure f = { "" };

	(void)state;
	s.accept.kind = RELAY_TLS;
	s.back.certificates = certificates;
	assert_null(relay_tls_client(&s, "relay.conf", &f));
	assert_non_null(strstr(f.sentence, "[web] backendCert /"));
	s.back.certificates = NULL;
	s.back.ca_file = parts_path("nowhere.pem");
	assert_null(relay_tls_client(&s, "relay.conf", &f));
	assert_non_null(strstr(f.sentence, "[web] backendCAfile /"));
	s.back.version_max = TLS1_1_VERSION;
	assert_null(relay_tls_client(&s, "relay.conf", &f));
	assert_non_null(strstr(f.sentence, "backendSslVersionMax is below backendSslVersionMin"));
}

int main(void)
{
	struct CMUnitTest tests[ROWS + 2] = {
		cmocka_unit_test(test_names_without_verification),
		cmocka_unit_test(test_keys_of_the_connecting_leg),
	};

	for (size_t i = 0; i < ROWS; i++)
		tests[2 + i] = (struct CMUnitTest){
			.name = rows[i].sentence,
			.test_func = test_row,
			.initial_state = (void *)(uintptr_t)&rows[i],
		};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, make_files, NULL);
}
