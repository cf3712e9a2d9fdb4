/* certificate: a throw-away key and its self-signed certificate, in memory or as PEM files.
 * For tests, demos and toy servers only: it proves nothing to anyone who was not handed it.
 */
#ifndef NET_CERTIFICATE_H
#define NET_CERTIFICATE_H

#include <lastword/verdict.h>
#include <openssl/ssl.h>
#include <stdbool.h>

struct certificate; /* a key and a certificate */

/* What a certificate is to be; all zero is the one that certificate_new(NULL, NULL) makes. */
struct certificate_order {
	const char *common_name;          /* NULL: "localhost" */
	const char *alt_names;            /* in OpenSSL's syntax; NULL: localhost's, as below */
	const struct certificate *issuer; /* NULL: signed by itself, and then a CA */
	bool is_ca;                       /* it may issue others */
	bool is_rsa;                      /* RSA with 2048 bits instead of EC P-256 */
	int starts_s, ends_s;             /* from now; both 0: valid from yesterday for 30 days */
};

/* NULL: out of memory, no randomness, or names that OpenSSL refuses.  The caller frees it. */
LW_MUST_CHECK struct certificate *certificate_make(const struct certificate_order *o);

/*
 * Writes the revocation list of a CA as PEM: it names `count` certificates, and is in force
 * from yesterday for 30 days.  False: memory, or errno says why.
 */
LW_MUST_CHECK bool certificate_write_revoked(const struct certificate *issuer,
                                             const struct certificate *const *revoked, size_t count,
                                             const char *path);

/* Its SHA-256 fingerprint: 64 digits in hex. */
LW_MUST_CHECK bool certificate_fingerprint(const struct certificate *c, char hex[65]);

/*
 * A new key and certificate.  `common_name` NULL takes "localhost"; `alt_names` is in OpenSSL's
 * syntax, NULL takes "DNS:localhost,IP:127.0.0.1,IP:::1".  NULL: out of memory, no randomness, or
 * names that OpenSSL refuses.  The caller frees it; what uses it keeps its own references.
 */
LW_MUST_CHECK struct certificate *certificate_new(const char *common_name, const char *alt_names);

/* Lets `ctx` present the certificate.  False: OpenSSL refused it. */
LW_MUST_CHECK bool certificate_present(const struct certificate *c, SSL_CTX *ctx);

/* Lets `ctx` trust the certificate as a root; turns no verification on.  False: out of memory. */
LW_MUST_CHECK bool certificate_trust(const struct certificate *c, SSL_CTX *ctx);

/*
 * Writes the certificate and the key (readable by the owner only) as PEM; either path may be NULL,
 * and both may be the same: the file then holds key and certificate.  Existing files are replaced.
 * False: errno says why; a file half written is left there.
 */
LW_MUST_CHECK bool certificate_write(const struct certificate *c, const char *certificate_path,
                                     const char *key_path);

/* For those who take text: key and certificate as PEM, each ended by NUL. */
struct certificate_pem {
	char certificate[2048];
	char key[512];
};

/* False: out of memory, or no room. */
LW_MUST_CHECK bool certificate_print(const struct certificate *c, struct certificate_pem *pem);

/* NULL is allowed. */
void certificate_free(struct certificate *c);

#endif
