/* certificate: makes a key and a certificate that last for one test or one demo.  It knows nothing
 * of connections.  Invariant: a struct certificate always holds both a key and a certificate that
 * carries its public half.
 */
#include "net/certificate.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { VALID_BEFORE_S = 24 * 3600, VALID_AFTER_S = 30 * 24 * 3600 };

struct certificate {
	EVP_PKEY *key;
	X509 *x509;
};

static bool add_extension(X509 *x509, X509 *issuer, int nid, const char *value)
{
	X509V3_CTX context;
	X509V3_set_ctx_nodb(&context);
	X509V3_set_ctx(&context, issuer, x509, NULL, NULL, 0);
	X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
	if (extension == NULL)
		return false;
	bool added = X509_add_ext(x509, extension, -1) == 1;
	X509_EXTENSION_free(extension);
	return added;
}

/* A random serial: two certificates of one run must not look like one to a client's cache. */
static bool set_serial(X509 *x509)
{
	BIGNUM *serial = BN_new();
	bool set = serial != NULL &&
	           BN_rand(serial, 63, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ANY) == 1 &&
	           BN_to_ASN1_INTEGER(serial, X509_get_serialNumber(x509)) != NULL;
	BN_free(serial);
	return set;
}

static bool set_validity(X509 *x509, const struct certificate_order *o)
{
	const bool is_usual = o->starts_s == 0 && o->ends_s == 0;

	return X509_gmtime_adj(X509_getm_notBefore(x509),
	                       is_usual ? -VALID_BEFORE_S : o->starts_s) != NULL &&
	       X509_gmtime_adj(X509_getm_notAfter(x509), is_usual ? VALID_AFTER_S : o->ends_s) !=
	           NULL;
}

static bool fill(struct certificate *c, const struct certificate_order *o)
{
	const char *common_name = o->common_name != NULL ? o->common_name : "localhost";
	const char *alt_names =
	    o->alt_names != NULL ? o->alt_names : "DNS:localhost,IP:127.0.0.1,IP:::1";
	const struct certificate *issuer = o->issuer != NULL ? o->issuer : c;
	const bool is_ca = o->is_ca || o->issuer == NULL;
	X509_NAME *name = X509_get_subject_name(c->x509);

	return X509_set_version(c->x509, X509_VERSION_3) == 1 && set_serial(c->x509) &&
	       set_validity(c->x509, o) &&
	       X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8,
	                                  (const unsigned char *)common_name, -1, -1, 0) == 1 &&
	       X509_set_issuer_name(c->x509, X509_get_subject_name(issuer->x509)) == 1 &&
	       X509_set_pubkey(c->x509, c->key) == 1 &&
	       add_extension(c->x509, issuer->x509, NID_basic_constraints,
	                     is_ca ? "critical,CA:TRUE" : "critical,CA:FALSE") &&
	       add_extension(c->x509, issuer->x509, NID_subject_alt_name, alt_names) &&
	       add_extension(c->x509, issuer->x509, NID_subject_key_identifier, "hash") &&
	       X509_sign(c->x509, issuer->key, EVP_sha256()) > 0;
}

struct certificate *certificate_make(const struct certificate_order *o)
{
	struct certificate *c = calloc(1, sizeof *c);
	if (c == NULL)
		return NULL;
	c->key = o->is_rsa ? EVP_RSA_gen(2048) : EVP_EC_gen("P-256");
	c->x509 = X509_new();
	if (c->key != NULL && c->x509 != NULL && fill(c, o))
		return c;
	certificate_free(c);
	return NULL;
}

struct certificate *certificate_new(const char *common_name, const char *alt_names)
{
	const struct certificate_order order = { .common_name = common_name,
		                                 .alt_names = alt_names };

	return certificate_make(&order);
}

bool certificate_present(const struct certificate *c, SSL_CTX *ctx)
{
	return SSL_CTX_use_certificate(ctx, c->x509) == 1 &&
	       SSL_CTX_use_PrivateKey(ctx, c->key) == 1 && SSL_CTX_check_private_key(ctx) == 1;
}

bool certificate_trust(const struct certificate *c, SSL_CTX *ctx)
{
	return X509_STORE_add_cert(SSL_CTX_get_cert_store(ctx), c->x509) == 1;
}

static FILE *open_private(const char *path, int flags)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | flags, S_IRUSR | S_IWUSR);
	if (fd < 0)
		return NULL;
	FILE *file = fchmod(fd, S_IRUSR | S_IWUSR) == 0 ? fdopen(fd, "a") : NULL;
	if (file == NULL)
		(void)close(fd);
	return file;
}

static bool close_written(FILE *file, bool written)
{
	if (!written && errno == 0)
		errno = EIO;
	int error = errno;
	if (fclose(file) != 0)
		return false;
	errno = error;
	return written;
}

bool certificate_write(const struct certificate *c, const char *certificate_path,
                       const char *key_path)
{
	if (key_path != NULL) {
		FILE *file = open_private(key_path, O_TRUNC);
		if (file == NULL)
			return false;
		if (!close_written(
			file, PEM_write_PrivateKey(file, c->key, NULL, NULL, 0, NULL, NULL) == 1))
			return false;
	}
	if (certificate_path == NULL)
		return true;
	bool shared = key_path != NULL && strcmp(certificate_path, key_path) == 0;
	FILE *file = open_private(certificate_path, shared ? O_APPEND : O_TRUNC);
	return file != NULL && close_written(file, PEM_write_X509(file, c->x509) == 1);
}

static bool add_revoked(X509_CRL *list, const struct certificate *c, ASN1_TIME *when)
{
	X509_REVOKED *revoked = X509_REVOKED_new();
	if (revoked == NULL)
		return false;
	if (X509_REVOKED_set_serialNumber(revoked, X509_get_serialNumber(c->x509)) == 1 &&
	    X509_REVOKED_set_revocationDate(revoked, when) == 1 &&
	    X509_CRL_add0_revoked(list, revoked) == 1)
		return true;
	X509_REVOKED_free(revoked);
	return false;
}

static bool fill_revoked(X509_CRL *list, const struct certificate *issuer,
                         const struct certificate *const *revoked, size_t count)
{
	ASN1_TIME *from = X509_gmtime_adj(NULL, -VALID_BEFORE_S);
	ASN1_TIME *to = X509_gmtime_adj(NULL, VALID_AFTER_S);
	bool filled = from != NULL && to != NULL && X509_CRL_set_version(list, 1) == 1 &&
	              X509_CRL_set_issuer_name(list, X509_get_subject_name(issuer->x509)) == 1 &&
	              X509_CRL_set1_lastUpdate(list, from) == 1 &&
	              X509_CRL_set1_nextUpdate(list, to) == 1;
	for (size_t i = 0; i < count; i++)
		filled = filled && add_revoked(list, revoked[i], from);
	ASN1_TIME_free(from);
	ASN1_TIME_free(to);
	return filled && X509_CRL_sign(list, issuer->key, EVP_sha256()) > 0;
}

bool certificate_write_revoked(const struct certificate *issuer,
                               const struct certificate *const *revoked, size_t count,
                               const char *path)
{
	X509_CRL *list = X509_CRL_new();
	FILE *file = list != NULL && fill_revoked(list, issuer, revoked, count)
	                 ? open_private(path, O_TRUNC)
	                 : NULL;
	bool written = file != NULL && close_written(file, PEM_write_X509_CRL(file, list) == 1);
	X509_CRL_free(list);
	return written;
}

bool certificate_fingerprint(const struct certificate *c, char hex[65])
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned n = 0;
	if (X509_digest(c->x509, EVP_sha256(), digest, &n) != 1)
		return false;
	for (unsigned i = 0; i < n; i++)
		(void)snprintf(hex + 2 * (size_t)i, 3, "%02x", digest[i]);
	return true;
}

static bool take_text(BIO *bio, bool printed, char *text, size_t cap)
{
	size_t n = 0;
	const bool taken =
	    printed && BIO_read_ex(bio, text, cap - 1, &n) == 1 && BIO_pending(bio) == 0;

	text[n] = '\0';
	BIO_free(bio);
	return taken;
}

bool certificate_print(const struct certificate *c, struct certificate_pem *pem)
{
	BIO *certificate = BIO_new(BIO_s_mem()), *key = BIO_new(BIO_s_mem());
	const bool both = certificate != NULL && key != NULL;
	const bool printed =
	    take_text(certificate, both && PEM_write_bio_X509(certificate, c->x509) == 1,
	              pem->certificate, sizeof pem->certificate);

	return take_text(key,
	                 both &&
	                     PEM_write_bio_PrivateKey(key, c->key, NULL, NULL, 0, NULL, NULL) == 1,
	                 pem->key, sizeof pem->key) &&
	       printed;
}

void certificate_free(struct certificate *c)
{
	if (c == NULL)
		return;
	EVP_PKEY_free(c->key);
	X509_free(c->x509);
	free(c);
}
