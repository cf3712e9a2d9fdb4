/* handshake: lets OpenSSL do the handshake in memory and leaves it.  Every octet that OpenSSL sends
 * goes to the transport and to the takeover; every octet of the subject goes to both as well.
 * OpenSSL's error queue belongs to the thread, so it is left as clean as it was found.
 */
#include "adversary/inside.h"
#include "closure/version.h"

#include <openssl/err.h>
#include <stdio.h>
#include <string.h>

/* Suites whose records we can seal, whatever the system's configuration thinks of them. */
static const char default_ciphers[] = "AESGCM:CHACHA20:AES:!AESCCM:!aNULL:!PSK:!SRP";
static const char default_suites[] =
    "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256";

static void keep_secret(const SSL *ssl, const char *line)
{
	struct adversary *a = SSL_get_app_data(ssl);
	(void)keylog_add(&a->keylog, line);
}

static int choose_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_len,
                       const unsigned char *in, unsigned in_len, void *arg)
{
	const struct adversary *a = arg;
	unsigned char wanted[256];
	size_t len = strlen(a->options.alpn);
	unsigned char *chosen = NULL;

	(void)ssl;
	wanted[0] = (unsigned char)len;
	memcpy(wanted + 1, a->options.alpn, len);
	if (SSL_select_next_proto(&chosen, out_len, wanted, (unsigned)len + 1, in, in_len) !=
	    OPENSSL_NPN_NEGOTIATED)
		return SSL_TLSEXT_ERR_NOACK;
	*out = chosen;
	/* What it points to must outlive this call: the offer does. */
	for (unsigned at = 0; at < in_len; at += 1u + in[at]) {
		if (in[at] == len && memcmp(in + at + 1, a->options.alpn, len) == 0)
			*out = in + at + 1;
	}
	return SSL_TLSEXT_ERR_OK;
}

bool adversary_set_version(SSL_CTX *ctx, enum lw_version version)
{
	const int wire = lw_version_row(version)->wire;

	if (wire < TLS1_VERSION || wire > TLS1_3_VERSION)
		return false;
	SSL_CTX_set_security_level(ctx, 0);
	return SSL_CTX_set_min_proto_version(ctx, wire) == 1 &&
	       SSL_CTX_set_max_proto_version(ctx, wire) == 1;
}

static bool set_suites(SSL_CTX *ctx, const struct adversary_options *o)
{
	return SSL_CTX_set_cipher_list(ctx, o->ciphers != NULL ? o->ciphers : default_ciphers) ==
	           1 &&
	       SSL_CTX_set_ciphersuites(ctx, o->suites != NULL ? o->suites : default_suites) == 1;
}

static bool set_alpn(struct adversary *a)
{
	unsigned char offer[256];
	if (a->options.alpn == NULL)
		return true;
	size_t len = strlen(a->options.alpn);
	if (len == 0 || len > 255)
		return false;
	offer[0] = (unsigned char)len;
	memcpy(offer + 1, a->options.alpn, len);
	SSL_CTX_set_alpn_select_cb(a->ctx, choose_alpn, a);
	return SSL_CTX_set_alpn_protos(a->ctx, offer, (unsigned)len + 1) == 0;
}

static bool set_certificate(struct adversary *a)
{
	if (a->options.role != ADVERSARY_SERVER)
		return true;
	if (a->options.certificate == NULL) {
		a->own_certificate = certificate_new(NULL, NULL);
		a->options.certificate = a->own_certificate;
	}
	return a->options.certificate != NULL &&
	       certificate_present(a->options.certificate, a->ctx);
}

static bool make_context(struct adversary *a)
{
	const struct adversary_options *o = &a->options;
	bool serves = o->role == ADVERSARY_SERVER;

	a->ctx = SSL_CTX_new(serves ? TLS_server_method() : TLS_client_method());
	if (a->ctx == NULL || !adversary_set_version(a->ctx, o->version) ||
	    !set_suites(a->ctx, o) || !set_alpn(a) || !set_certificate(a) ||
	    SSL_CTX_set_num_tickets(a->ctx, o->tickets) != 1)
		return false;
	(void)SSL_CTX_set_options(a->ctx, SSL_OP_NO_RENEGOTIATION);
	if (o->no_encrypt_then_mac)
		(void)SSL_CTX_set_options(a->ctx, SSL_OP_NO_ENCRYPT_THEN_MAC);
	if (o->tickets == 0)
		(void)SSL_CTX_set_options(a->ctx, SSL_OP_NO_TICKET);
	SSL_CTX_set_keylog_callback(a->ctx, keep_secret);
	return true;
}

static bool make_connection(struct adversary *a)
{
	BIO *in = BIO_new(BIO_s_mem()), *out = BIO_new(BIO_s_mem());
	a->ssl = SSL_new(a->ctx);
	if (in == NULL || out == NULL || a->ssl == NULL) {
		BIO_free(in);
		BIO_free(out);
		return false;
	}
	SSL_set_bio(a->ssl, in, out);
	SSL_set_app_data(a->ssl, a);
	if (a->options.role == ADVERSARY_SERVER) {
		SSL_set_accept_state(a->ssl);
		return true;
	}
	SSL_set_connect_state(a->ssl);
	return a->options.server_name == NULL ||
	       SSL_set_tlsext_host_name(a->ssl, a->options.server_name) == 1;
}

bool handshake_begin(struct adversary *a)
{
	bool begun = make_context(a) && make_connection(a);
	ERR_clear_error();
	return begun;
}

/* What OpenSSL wants sent goes out; true if there was anything. */
static bool collect_output(struct adversary *a)
{
	uint8_t buf[4096];
	int n;
	bool any = false;
	while ((n = BIO_read(SSL_get_wbio(a->ssl), buf, sizeof buf)) > 0) {
		any = true;
		if (!bytes_add(&a->out, buf, (size_t)n) || !bytes_add(&a->own, buf, (size_t)n))
			adversary_fail(a, "out of memory");
	}
	return any;
}

static void fail_handshake(struct adversary *a)
{
	const char *why = ERR_reason_error_string(ERR_peek_error());
	char reason[sizeof a->reason];
	(void)snprintf(reason, sizeof reason, "the handshake failed: %s",
	               why != NULL ? why : "OpenSSL gives no reason");
	adversary_fail(a, reason);
}

static void begin_script(struct adversary *a)
{
	a->phase = PHASE_SCRIPT;
	a->step = a->script->steps;
}

static void run_openssl(struct adversary *a)
{
	ERR_clear_error();
	int result = SSL_do_handshake(a->ssl);
	int error = SSL_get_error(a->ssl, result);
	bool any = collect_output(a);
	if (result != 1 && error != SSL_ERROR_WANT_READ)
		fail_handshake(a);
	else if (result == 1) {
		exchange_add_note(&a->exchange, a->now_ms, SIDE_ADVERSARY, EXCHANGE_HANDSHAKE_DONE,
		                  SSL_get_version(a->ssl));
		begin_script(a);
	} else if (any && a->script->start == START_AFTER_FIRST_FLIGHT) {
		begin_script(a);
	}
	ERR_clear_error();
}

void handshake_continue(struct adversary *a)
{
	if (a->phase != PHASE_HANDSHAKE)
		return;
	if (a->script->start != START_BEFORE_FIRST_FLIGHT)
		run_openssl(a);
	else if (a->options.role == ADVERSARY_CLIENT || a->seen_record)
		begin_script(a);
}

void handshake_end(struct adversary *a)
{
	SSL_free(a->ssl);
	SSL_CTX_free(a->ctx);
	certificate_free(a->own_certificate);
}
