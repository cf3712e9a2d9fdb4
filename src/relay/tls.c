/* tls: see tls.h.  Contexts are made here, step by step, each step a group of settings; who may be
 * at the other end is in tls_verify.c and tls_allow.c, the choice by server name in tls_names.c.
 *
 * Invariants.  A context that is returned carries out every setting; what OpenSSL refuses is a
 * sentence, never a silent default.  Where clients are verified no session is ever resumed: an
 * abbreviated handshake would look at no revocation list, no allow-list and no date, and would
 * carry what one service accepted over to the next.
 *
 * A connection costs no memory that lasts but its own SSL: no session cache, no list of tickets, no
 * buffers while it is idle.
 */
#include "relay/tls.h"

#include <ctype.h>
#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "net/context.h"
#include "relay/tls_inside.h"

/* OpenSSL's own, written out: a context that is chosen by name has to be able to restore it. */
static const char usual_curves[] = "X25519:P-256:X448:P-521:P-384";

static CRYPTO_ONCE once = CRYPTO_ONCE_STATIC_INIT;
static int own_index = -1;

static void free_own(void *parent, void *context, CRYPTO_EX_DATA *data, int index, long l, void *p)
{
	struct tls_own *own = context;

	(void)parent, (void)data, (void)index, (void)l, (void)p;
	if (own == NULL)
		return;
	tls_allow_free(own->allow);
	free(own);
}

static void make_index(void)
{
	own_index = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, free_own);
}

struct tls_own *tls_own(const SSL_CTX *ctx)
{
	return SSL_CTX_get_ex_data(ctx, own_index);
}

/* Where both legs speak TLS, keys of the connecting one begin with "backend": "@cert" in a format
 * is written as cert or backendCert. */
static void write_keys(const struct tls_making *m, const char *format, char *buf, size_t cap)
{
	static const char prefix[] = "backend";
	const bool is_prefixed =
	    !m->is_server && (m->service->sni_of != NULL || m->service->accept.kind == RELAY_TLS);
	size_t at = 0;

	for (; *format != '\0' && at + sizeof prefix + 1 < cap; format++) {
		if (*format != '@') {
			buf[at++] = *format;
			continue;
		}
		format++;
		if (is_prefixed) {
			memcpy(buf + at, prefix, sizeof prefix - 1);
			at += sizeof prefix - 1;
		}
		buf[at++] = (char)(is_prefixed ? toupper((unsigned char)*format) : *format);
	}
	buf[at] = '\0';
}

bool tls_refuse(const struct tls_making *m, const char *format, ...)
{
	char words[sizeof m->f->sentence], written[512];
	va_list arguments;

	write_keys(m, format, written, sizeof written);
	va_start(arguments, format);
	(void)vsnprintf(words, sizeof words, written, arguments);
	va_end(arguments);
	if (m->file != NULL)
		failure_set(m->f, "%s:%u: [%s] %s", m->file, m->settings->line, m->service->name,
		            words);
	else
		failure_set(m->f, "%s", words);
	return false;
}

/* Nobody is there to be asked for a pass phrase. */
static int refuse_pass_phrase(char *buf, int cap, int writes, void *context)
{
	(void)buf, (void)cap, (void)writes;
	*(bool *)context = true;
	return -1;
}

static bool set_versions(struct tls_making *m)
{
	const struct relay_tls_settings *t = m->settings;
	const int least = t->version_min != 0 ? t->version_min : TLS1_2_VERSION;
	const int most = t->version_max;

	if (most != 0 && most < least)
		return tls_refuse(m, "@sslVersionMax is below @sslVersionMin%s; lower the latter",
		                  t->version_min != 0 ? "" : ", which is TLSv1.2");
	if (t->security_level >= 0)
		SSL_CTX_set_security_level(m->ctx, t->security_level);
	else if (least < TLS1_2_VERSION) /* nothing else would let them speak */
		SSL_CTX_set_security_level(m->ctx, 0);
	if (SSL_CTX_set_min_proto_version(m->ctx, least) == 1 &&
	    SSL_CTX_set_max_proto_version(m->ctx, most) == 1)
		return true;
	return tls_refuse(m, "@sslVersionMin, @sslVersionMax: this OpenSSL refuses them: %s",
	                  context_reason());
}

const char *tls_curves(const struct relay_tls_settings *t)
{
	return t->curves != NULL ? t->curves : usual_curves;
}

static bool set_ciphers(struct tls_making *m)
{
	const struct relay_tls_settings *t = m->settings;
	const char *curves = tls_curves(t);

	if (t->ciphers != NULL && SSL_CTX_set_cipher_list(m->ctx, t->ciphers) != 1)
		return tls_refuse(m,
		                  "@ciphers = %s: %s; `openssl ciphers -v LIST` shows what a list "
		                  "means",
		                  t->ciphers, context_reason());
	if (t->ciphersuites != NULL && SSL_CTX_set_ciphersuites(m->ctx, t->ciphersuites) != 1)
		return tls_refuse(m,
		                  "@ciphersuites = %s: %s; write names of TLS 1.3 with colons "
		                  "between, as TLS_AES_128_GCM_SHA256",
		                  t->ciphersuites, context_reason());
	if (SSL_CTX_set1_groups_list(m->ctx, curves) == 1)
		return true;
	return tls_refuse(m, "@curves = %s: %s; write names with colons between, as %s", curves,
	                  context_reason(), usual_curves);
}

/* The first one counts. */
static void warn(struct tls_making *m, const char *file, const char *what, const char *next)
{
	struct failure *f = m->f;

	if (m->own->warning.sentence[0] != '\0')
		return;
	m->f = &m->own->warning;
	(void)tls_refuse(m, "%s: %s; %s", file, what, next);
	m->f = f;
}

static void note_date(struct tls_making *m, const char *path, const X509 *x509)
{
	const bool is_early = X509_cmp_current_time(X509_get0_notBefore(x509)) > 0;
	char name[128], what[256];

	if (!is_early && X509_cmp_current_time(X509_get0_notAfter(x509)) > 0)
		return;
	(void)tls_allow_subject(x509, name, sizeof name);
	(void)snprintf(what, sizeof what,
	               "the certificate of %s %s, and peers that look at dates refuse it", name,
	               is_early ? "is not valid yet" : "has expired");
	warn(m, path, what, is_early ? "check this machine's clock" : "get a new one and reload");
}

static void note_readers(struct tls_making *m, const char *path)
{
	struct stat status;

	if (stat(path, &status) == 0 && (status.st_mode & (S_IROTH | S_IWOTH)) != 0)
		warn(m, path, "everybody on this machine may read the key",
		     "take it from them with chmod o= FILE");
}

static bool use_key(struct tls_making *m, const char *certificate, const char *key)
{
	const char *path = key != NULL ? key : certificate;
	bool is_locked = false;
	int used;

	SSL_CTX_set_default_passwd_cb(m->ctx, refuse_pass_phrase);
	SSL_CTX_set_default_passwd_cb_userdata(m->ctx, &is_locked);
	used = SSL_CTX_use_PrivateKey_file(m->ctx, path, SSL_FILETYPE_PEM);
	SSL_CTX_set_default_passwd_cb_userdata(m->ctx, NULL);
	SSL_CTX_set_default_passwd_cb(m->ctx, NULL);
	if (is_locked) {
		ERR_clear_error();
		return tls_refuse(m,
		                  "@key %s is locked by a pass phrase, and nobody is there to give "
		                  "it; write it out with `openssl pkey`, readable by the owner "
		                  "only",
		                  path);
	}
	if (used == 1 && SSL_CTX_check_private_key(m->ctx) == 1) {
		note_readers(m, path);
		return true;
	}
	if (key == NULL)
		return tls_refuse(m,
		                  "@cert %s: no key that fits stands there: %s; name its file with "
		                  "@key",
		                  path, context_reason());
	return tls_refuse(m, "@key %s: no key in PEM that fits @cert %s could be read: %s", path,
	                  certificate, context_reason());
}

/* OpenSSL keeps one certificate of each kind of key, and would let the last one win in silence. */
static bool use_certificate(struct tls_making *m, const char *path, const char *key, int *kind)
{
	STACK_OF(X509) *chain = NULL;
	const X509 *x509;

	if (SSL_CTX_use_certificate_chain_file(m->ctx, path) != 1)
		return tls_refuse(m, "@cert %s: no certificate in PEM could be used: %s", path,
		                  context_reason());
	x509 = SSL_CTX_get0_certificate(m->ctx);
	*kind = EVP_PKEY_get_base_id(X509_get0_pubkey(x509));
	note_date(m, path, x509);
	(void)SSL_CTX_get0_chain_certs(m->ctx, &chain);
	for (int i = 0; i < sk_X509_num(chain); i++)
		note_date(m, path, sk_X509_value(chain, i));
	return use_key(m, path, key);
}

static bool set_certificates(struct tls_making *m)
{
	const struct relay_tls_settings *t = m->settings;
	const char *const *key = t->keys;
	int kinds[8];
	size_t count = 0;

	if (t->certificates == NULL || t->certificates[0] == NULL) {
		if (m->is_server)
			return tls_refuse(m,
			                  "no @cert: who accepts TLS needs a certificate; name a "
			                  "PEM file with @cert (and @key)");
		if (key != NULL && key[0] != NULL)
			return tls_refuse(m, "@key %s is of no use without @cert", key[0]);
		return true;
	}
	for (; t->certificates[count] != NULL; count++) {
		const char *path = t->certificates[count];

		if (count == sizeof kinds / sizeof *kinds)
			return tls_refuse(m, "@cert %s: more than %zu certificates", path, count);
		if (!use_certificate(m, path, key != NULL ? *key : NULL, &kinds[count]))
			return false;
		for (size_t i = 0; i < count; i++)
			if (kinds[i] == kinds[count])
				return tls_refuse(m,
				                  "@cert %s: there is a certificate of the same "
				                  "kind of key (%s) already, %s; give each a "
				                  "service of its own with sni",
				                  path, OBJ_nid2sn(kinds[i]), t->certificates[i]);
		if (key != NULL && *key != NULL)
			key++;
	}
	if (key != NULL && *key != NULL)
		return tls_refuse(m, "@key %s: there are more keys than certificates", *key);
	return true;
}

static bool set_alpn(struct tls_making *m)
{
	const char *list = m->settings->alpn;
	unsigned char wire[512];
	unsigned n;

	if (list == NULL)
		return true;
	n = context_alpn_wire(list, wire, sizeof wire);
	if (n == 0)
		return tls_refuse(m,
		                  "@alpn = %s: write names of 1 to 255 characters with commas "
		                  "between, as h2,http/1.1",
		                  list);
	if (m->is_server)
		context_choose_alpn(m->ctx, list);
	else if (SSL_CTX_set_alpn_protos(m->ctx, wire, n) != 0)
		return tls_refuse(m, "@alpn = %s: %s", list, context_reason());
	return true;
}

/*
 * A session belongs to the service that made it, whatever name or listener a ticket comes back
 * by.
 */
static bool set_tickets(struct tls_making *m, SSL_CTX *old)
{
	unsigned char keys[128], id[EVP_MAX_MD_SIZE];
	const long n = SSL_CTX_get_tlsext_ticket_keys(m->ctx, NULL, 0);
	unsigned id_bytes = 0;
	bool carried = true;

	if (EVP_Digest(m->service->name, strlen(m->service->name), id, &id_bytes, EVP_sha256(),
	               NULL) != 1 ||
	    SSL_CTX_set_session_id_context(m->ctx, id, id_bytes) != 1)
		return tls_refuse(m, "cannot name its sessions: %s", context_reason());
	m->own->resumes = m->settings->tickets && !tls_verifies(m->settings, true);
	if (!m->own->resumes) {
		(void)SSL_CTX_set_options(m->ctx, SSL_OP_NO_TICKET);
		return SSL_CTX_set_num_tickets(m->ctx, 0) == 1;
	}
	if (SSL_CTX_set_num_tickets(m->ctx, 1) != 1)
		return tls_refuse(m, "cannot set up tickets: %s", context_reason());
	if (old != NULL && tls_own(old)->resumes && n > 0 && (size_t)n <= sizeof keys) {
		carried = SSL_CTX_get_tlsext_ticket_keys(old, keys, n) == 1 &&
		          SSL_CTX_set_tlsext_ticket_keys(m->ctx, keys, n) == 1;
		OPENSSL_cleanse(keys, sizeof keys);
	}
	return carried || tls_refuse(m, "cannot take the ticket keys over: %s", context_reason());
}

static bool begin(struct tls_making *m)
{
	uint64_t options = SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION;

	if (!CRYPTO_THREAD_run_once(&once, make_index) || own_index < 0)
		return tls_refuse(m, "cannot make a TLS context: out of memory");
	m->ctx = SSL_CTX_new(m->is_server ? TLS_server_method() : TLS_client_method());
	m->own = calloc(1, sizeof *m->own);
	if (m->ctx == NULL || m->own == NULL ||
	    SSL_CTX_set_ex_data(m->ctx, own_index, m->own) != 1) {
		free(m->own);
		return tls_refuse(m, "cannot make a TLS context: %s", context_reason());
	}
	m->own->service = m->service;
	m->own->settings = m->settings;
	if (m->is_server)
		tls_keep_names(m->ctx);
	if (m->is_server) /* a client without AES in hardware asks for ChaCha first, and gets it */
		options |= SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA;
	else
		options |= SSL_OP_NO_TICKET; /* our connections resume nothing */
	(void)SSL_CTX_set_options(m->ctx, options);
	/* The chain is what the file says: nothing is searched for it at every handshake. */
	(void)SSL_CTX_set_mode(m->ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_NO_AUTO_CHAIN);
	(void)SSL_CTX_set_session_cache_mode(m->ctx, SSL_SESS_CACHE_OFF);
	return true;
}

/* Takes what was made so far apart again where a step fails. */
static SSL_CTX *end(struct tls_making *m, bool is_made)
{
	if (is_made)
		return m->ctx;
	SSL_CTX_free(m->ctx);
	return NULL;
}

SSL_CTX *relay_tls_server(const struct relay_service *s, const char *file, SSL_CTX *old,
                          struct failure *f)
{
	struct tls_making m = {
		.service = s, .settings = &s->front, .file = file, .is_server = true, .f = f
	};

	return end(&m, begin(&m) && set_versions(&m) && set_ciphers(&m) && set_certificates(&m) &&
	                   set_alpn(&m) && tls_set_verification(&m) && set_tickets(&m, old));
}

SSL_CTX *relay_tls_client(const struct relay_service *s, const char *file, struct failure *f)
{
	struct tls_making m = { .service = s, .settings = &s->back, .file = file, .f = f };

	return end(&m, begin(&m) && set_versions(&m) && set_ciphers(&m) && set_certificates(&m) &&
	                   set_alpn(&m) && tls_set_verification(&m));
}

const char *relay_tls_warning(const SSL_CTX *ctx)
{
	const struct tls_own *own = tls_own(ctx);

	return own->warning.sentence[0] != '\0' ? own->warning.sentence : NULL;
}

SSL *relay_tls_accept(SSL_CTX *ctx, int fd, struct failure *f)
{
	return context_accept(ctx, fd, f);
}

SSL *relay_tls_connect(SSL_CTX *ctx, const struct relay_service *s, int fd, const char *host,
                       struct failure *f)
{
	const char *sent = s->back.sni != NULL ? s->back.sni : host;
	const char *checked = s->back.sni != NULL && s->back.sni[0] != '\0' ? s->back.sni : host;
	SSL *ssl = SSL_new(ctx);

	if (ssl != NULL && SSL_set_fd(ssl, fd) == 1 &&
	    (!tls_checks_name(tls_own(ctx)) || context_check_name(ssl, checked)) &&
	    (sent == NULL || sent[0] == '\0' || context_send_name(ssl, sent))) {
		SSL_set_connect_state(ssl);
		return ssl;
	}
	failure_set(f, "cannot prepare TLS for %s: %s", host != NULL ? host : "the backend",
	            context_reason());
	SSL_free(ssl);
	return NULL;
}
