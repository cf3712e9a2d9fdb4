/* context: see context.h.  It must not connect or shake hands.  Invariant: an SSL_CTX that is
 * returned carries out every option that was given; what OpenSSL refuses is a sentence, never a
 * silent default.
 */
#include "net/context.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The first error on the queue is the cause; what is behind it only names who passed it on. */
const char *context_reason(void)
{
	unsigned long error = ERR_peek_error();
	const char *text = NULL;

	if (ERR_GET_LIB(error) == ERR_LIB_SYS)
		text = strerror(ERR_GET_REASON(error));
	else if (error != 0)
		text = ERR_reason_error_string(error);
	ERR_clear_error();
	return text != NULL ? text : "out of memory";
}

static const struct {
	const char *name;
	int version;
} versions[] = {
	{ "1.0", TLS1_VERSION },
	{ "1.1", TLS1_1_VERSION },
	{ "1.2", TLS1_2_VERSION },
	{ "1.3", TLS1_3_VERSION },
};

static int version_of(const char *text, size_t n)
{
	for (size_t i = 0; i < sizeof versions / sizeof *versions; i++)
		if (strlen(versions[i].name) == n && memcmp(versions[i].name, text, n) == 0)
			return versions[i].version;
	return 0;
}

static bool set_versions(SSL_CTX *ctx, const char *text, struct failure *f)
{
	const char *range = text != NULL ? text : "1.2-1.3";
	const char *dash = strchr(range, '-');
	size_t n = dash != NULL ? (size_t)(dash - range) : strlen(range);
	int least = version_of(range, n);
	int most = dash != NULL ? version_of(dash + 1, strlen(dash + 1)) : least;

	if (least == 0 || most == 0 || least > most) {
		failure_set(f,
		            "--tls %s: no such range of versions; write 1.2, 1.3 or MIN-MAX, "
		            "with 1.0 to 1.3",
		            range);
		return false;
	}
	if (least < TLS1_2_VERSION) {
		SSL_CTX_set_security_level(ctx, 0);
		if (SSL_CTX_set_cipher_list(ctx, "DEFAULT:@SECLEVEL=0") != 1) {
			failure_set(f, "--tls %s: %s", range, context_reason());
			return false;
		}
	}
	if (SSL_CTX_set_min_proto_version(ctx, least) == 1 &&
	    SSL_CTX_set_max_proto_version(ctx, most) == 1)
		return true;
	failure_set(f, "--tls %s: this OpenSSL refuses these versions: %s", range,
	            context_reason());
	return false;
}

static bool set_roots(SSL_CTX *ctx, const struct context_options *o, struct failure *f)
{
	struct stat status;
	bool loaded;

	if (o->insecure)
		return true;
	if (o->cacert == NULL) {
		loaded = SSL_CTX_set_default_verify_paths(ctx) == 1;
		if (!loaded)
			failure_set(f,
			            "cannot load the system's root certificates: %s; give "
			            "--cacert FILE",
			            context_reason());
		return loaded;
	}
	if (stat(o->cacert, &status) != 0) {
		failure_set(f, "--cacert %s: %s", o->cacert, strerror(errno));
		return false;
	}
	loaded = S_ISDIR(status.st_mode) ? SSL_CTX_load_verify_dir(ctx, o->cacert) == 1
	                                 : SSL_CTX_load_verify_file(ctx, o->cacert) == 1;
	if (!loaded)
		failure_set(f, "--cacert %s: no certificate in PEM could be read: %s", o->cacert,
		            context_reason());
	return loaded;
}

static bool set_certificate(SSL_CTX *ctx, const struct context_options *o, struct failure *f)
{
	const char *key = o->key != NULL ? o->key : o->certificate;

	if (o->certificate == NULL) {
		if (o->key != NULL)
			failure_set(f, "--key %s is of no use without --cert", o->key);
		return o->key == NULL;
	}
	if (SSL_CTX_use_certificate_chain_file(ctx, o->certificate) != 1) {
		failure_set(f, "--cert %s: no certificate in PEM could be read: %s", o->certificate,
		            context_reason());
		return false;
	}
	if (SSL_CTX_use_PrivateKey_file(ctx, key, SSL_FILETYPE_PEM) != 1 ||
	    SSL_CTX_check_private_key(ctx) != 1) {
		if (o->key == NULL)
			failure_set(f,
			            "--cert %s: no key that fits stands there; give it with --key",
			            o->certificate);
		else
			failure_set(
			    f,
			    "--key %s: no key in PEM that fits the certificate could be read: %s",
			    key, context_reason());
		return false;
	}
	return true;
}

unsigned context_alpn_wire(const char *list, unsigned char *wire, size_t cap)
{
	size_t at = 0;

	for (;;) {
		size_t n = strcspn(list, ",");

		if (n == 0 || n > 255 || at + 1 + n > cap)
			return 0;
		wire[at] = (unsigned char)n;
		memcpy(wire + at + 1, list, n);
		at += n + 1;
		if (list[n] == '\0')
			return (unsigned)at;
		list += n + 1;
	}
}

static bool set_alpn(SSL_CTX *ctx, const struct context_options *o, struct failure *f)
{
	unsigned char wire[512];
	unsigned n;

	if (o->alpn == NULL)
		return true;
	n = context_alpn_wire(o->alpn, wire, sizeof wire);
	if (n > 0 && SSL_CTX_set_alpn_protos(ctx, wire, n) == 0)
		return true;
	failure_set(f, "--alpn %s: write names of 1 to 255 characters with commas between",
	            o->alpn);
	return false;
}

static void close_keylog(void *parent, void *file, CRYPTO_EX_DATA *data, int index, long l, void *p)
{
	(void)parent;
	(void)data;
	(void)index;
	(void)l;
	(void)p;
	if (file != NULL)
		(void)fclose(file);
}

static int keylog_index(void)
{
	static int index = -1;

	if (index < 0)
		index = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, close_keylog);
	return index;
}

/* Buffered by the line: two programs may append to one file. */
static void write_keylog(const SSL *ssl, const char *line)
{
	FILE *file = SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), keylog_index());

	if (file != NULL)
		(void)fprintf(file, "%s\n", line);
}

static bool set_keylog(SSL_CTX *ctx, const struct context_options *o, struct failure *f)
{
	const char *path = o->keylog != NULL ? o->keylog : getenv("SSLKEYLOGFILE");
	FILE *file = NULL;
	int fd;

	if (path == NULL || *path == '\0')
		return true;
	fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, S_IRUSR | S_IWUSR);
	if (fd >= 0)
		file = fdopen(fd, "a");
	if (file == NULL) {
		failure_set(f, "cannot write the keys to %s: %s; check SSLKEYLOGFILE", path,
		            strerror(errno));
		if (fd >= 0)
			(void)close(fd);
		return false;
	}
	(void)setvbuf(file, NULL, _IOLBF, BUFSIZ);
	if (keylog_index() < 0 || SSL_CTX_set_ex_data(ctx, keylog_index(), file) != 1) {
		(void)fclose(file);
		failure_set(f, "cannot write the keys to %s: out of memory", path);
		return false;
	}
	SSL_CTX_set_keylog_callback(ctx, write_keylog);
	return true;
}

static void free_refused(void *parent, void *x509, CRYPTO_EX_DATA *data, int index, long l, void *p)
{
	(void)parent;
	(void)data;
	(void)index;
	(void)l;
	(void)p;
	X509_free(x509);
}

static CRYPTO_ONCE refused_once = CRYPTO_ONCE_STATIC_INIT;
static int refused_number = -1;

static void number_refused(void)
{
	refused_number = SSL_get_ex_new_index(0, NULL, NULL, NULL, free_refused);
}

/* Certificates are refused in several threads at a time. */
static int refused_index(void)
{
	(void)CRYPTO_THREAD_run_once(&refused_once, number_refused);
	return refused_number;
}

int context_keep_refused(int accepted, X509_STORE_CTX *store)
{
	SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
	X509 *x509 = X509_STORE_CTX_get0_cert(store);

	if (accepted == 1 || ssl == NULL || x509 == NULL ||
	    SSL_get_ex_data(ssl, refused_index()) != NULL)
		return accepted;
	if (X509_up_ref(x509) == 1 && SSL_set_ex_data(ssl, refused_index(), x509) != 1)
		X509_free(x509);
	return accepted;
}

const X509 *context_refused_certificate(const SSL *ssl)
{
	return SSL_get_ex_data(ssl, refused_index());
}

SSL_CTX *context_new_client(const struct context_options *o, struct failure *f)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());

	if (ctx == NULL) {
		failure_set(f, "cannot make a TLS context: %s", context_reason());
		return NULL;
	}
	SSL_CTX_set_verify(ctx, o->insecure ? SSL_VERIFY_NONE : SSL_VERIFY_PEER,
	                   context_keep_refused);
	if (set_versions(ctx, o->versions, f) && set_roots(ctx, o, f) &&
	    set_certificate(ctx, o, f) && set_alpn(ctx, o, f) && set_keylog(ctx, o, f))
		return ctx;
	SSL_CTX_free(ctx);
	return NULL;
}

static int choose_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_bytes,
                       const unsigned char *in, unsigned in_bytes, void *list)
{
	unsigned char wire[512], *chosen = NULL;
	unsigned n = context_alpn_wire(list, wire, sizeof wire);

	(void)ssl;
	if (SSL_select_next_proto(&chosen, out_bytes, wire, n, in, in_bytes) !=
	    OPENSSL_NPN_NEGOTIATED)
		return SSL_TLSEXT_ERR_ALERT_FATAL;
	/* `chosen` points into our list, which goes; the same name stands in the client's. */
	for (unsigned at = 0; at < in_bytes; at += in[at] + 1u)
		if (in[at] == *out_bytes && memcmp(in + at + 1, chosen, in[at]) == 0)
			*out = in + at + 1;
	return SSL_TLSEXT_ERR_OK;
}

void context_choose_alpn(SSL_CTX *ctx, const char *list)
{
	SSL_CTX_set_alpn_select_cb(ctx, choose_alpn, (void *)(uintptr_t)list);
}

SSL_CTX *context_new_server(const struct context_options *o, struct failure *f)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());

	if (ctx == NULL) {
		failure_set(f, "cannot make a TLS context: %s", context_reason());
		return NULL;
	}
	if (set_versions(ctx, o->versions, f) && set_certificate(ctx, o, f) &&
	    set_alpn(ctx, o, f) && set_keylog(ctx, o, f)) {
		if (o->alpn != NULL)
			context_choose_alpn(ctx, o->alpn);
		return ctx;
	}
	SSL_CTX_free(ctx);
	return NULL;
}

bool context_check_name(SSL *ssl, const char *name)
{
	if (X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), name) == 1)
		return true;
	ERR_clear_error();
	SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	return SSL_set1_host(ssl, name) == 1;
}

bool context_send_name(SSL *ssl, const char *name)
{
	ASN1_OCTET_STRING *address = a2i_IPADDRESS(name);

	if (address != NULL) {
		ASN1_OCTET_STRING_free(address);
		return true;
	}
	ERR_clear_error();
	return SSL_set_tlsext_host_name(ssl, name) == 1;
}

SSL *context_connect(SSL_CTX *ctx, int fd, const char *host, const char *servername,
                     struct failure *f)
{
	const char *name = servername != NULL ? servername : host;
	SSL *ssl = SSL_new(ctx);

	if (ssl != NULL && context_check_name(ssl, name) && context_send_name(ssl, name) &&
	    SSL_set_fd(ssl, fd) == 1) {
		SSL_set_connect_state(ssl);
		return ssl;
	}
	failure_set(f, "cannot prepare TLS for %s: %s", name, context_reason());
	SSL_free(ssl);
	return NULL;
}

SSL *context_accept(SSL_CTX *ctx, int fd, struct failure *f)
{
	SSL *ssl = SSL_new(ctx);

	if (ssl != NULL && SSL_set_fd(ssl, fd) == 1) {
		SSL_set_accept_state(ssl);
		return ssl;
	}
	failure_set(f, "cannot prepare TLS: %s", context_reason());
	SSL_free(ssl);
	return NULL;
}
