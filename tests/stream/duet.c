/* duet: see duet.h. */
#include "duet.h"

#include "net/certificate.h"

#include <openssl/err.h>

static SSL_CTX *make_ctx(const struct duet_options *o, bool serves)
{
	const int version = o->version ? o->version : TLS1_3_VERSION;
	SSL_CTX *ctx = SSL_CTX_new(serves ? TLS_server_method() : TLS_client_method());
	struct certificate *c;
	bool presented;

	if (!ctx)
		return NULL;
	SSL_CTX_set_security_level(ctx, 0);
	SSL_CTX_set_options(ctx, SSL_OP_ALLOW_CLIENT_RENEGOTIATION);
	if (SSL_CTX_set_min_proto_version(ctx, version) != 1 ||
	    SSL_CTX_set_max_proto_version(ctx, version) != 1)
		goto fail;
	if (o->ciphers && SSL_CTX_set_cipher_list(ctx, o->ciphers) != 1)
		goto fail;
	if (!serves)
		return ctx;
	c = certificate_new(NULL, NULL);
	presented = c && certificate_present(c, ctx);
	certificate_free(c);
	if (presented)
		return ctx;
fail:
	SSL_CTX_free(ctx);
	return NULL;
}

static SSL *make_ssl(SSL_CTX *ctx, BIO *bio, bool serves)
{
	SSL *ssl = ctx ? SSL_new(ctx) : NULL;

	if (!ssl)
		return NULL;
	SSL_set_bio(ssl, bio, bio);
	if (serves)
		SSL_set_accept_state(ssl);
	else
		SSL_set_connect_state(ssl);
	return ssl;
}

bool duet_begin(struct duet *d, const struct duet_options *options)
{
	const size_t bytes = options->buffer_bytes ? options->buffer_bytes : 1u << 16;
	BIO *other;

	*d = (struct duet){ .peer_error = SSL_ERROR_NONE };
	if (BIO_new_bio_pair(&d->wire, bytes, &other, bytes) != 1)
		return false;
	d->our_ctx = make_ctx(options, options->serves);
	d->peer_ctx = make_ctx(options, !options->serves);
	d->ssl = make_ssl(d->our_ctx, d->wire, options->serves);
	d->peer = make_ssl(d->peer_ctx, other, !options->serves);
	if (!d->ssl || !d->peer)
		return false;
	if (options->prepare)
		options->prepare(d->ssl, d->peer);
	d->stream = lw_openssl_attach(d->ssl, NULL, NULL);
	return d->stream != NULL;
}

void duet_end(struct duet *d)
{
	lw_free(d->stream);
	SSL_free(d->ssl);
	SSL_free(d->peer);
	SSL_CTX_free(d->our_ctx);
	SSL_CTX_free(d->peer_ctx);
	ERR_clear_error();
}

enum lw_status duet_shake_hands(struct duet *d)
{
	enum lw_status status = LW_AGAIN;
	uint8_t octet;
	size_t n;

	for (int i = 0; i < 1000; i++) {
		status = lw_handshake(d->stream);
		if (status != LW_AGAIN && status != LW_OK)
			break;
		if (status == LW_OK && lw_read(d->stream, &octet, 1, &n) != LW_AGAIN)
			break; /* it took the server's tickets, or met its end */
		duet_peer_reads(d);
		if (status == LW_OK && SSL_is_init_finished(d->peer) &&
		    BIO_ctrl_pending(d->wire) == 0)
			break;
	}
	return status;
}

uint8_t duet_pattern(uint64_t offset)
{
	return (uint8_t)(1 + offset % 251); /* never a zero */
}

void duet_peer_reads(struct duet *d)
{
	uint8_t buf[4096];
	size_t n = 0;
	int did;

	do {
		ERR_clear_error();
		did = SSL_read_ex(d->peer, buf, sizeof buf, &n);
		d->peer_error = SSL_get_error(d->peer, did);
		for (size_t i = 0; did == 1 && i < n; i++)
			d->differs |= buf[i] != duet_pattern(d->peer_bytes + i);
		d->peer_bytes += did == 1 ? n : 0;
	} while (did == 1);
	ERR_clear_error();
}

enum lw_status duet_write(struct duet *d, uint64_t offset, size_t len, size_t *n)
{
	uint8_t buf[20000];

	for (size_t i = 0; i < len; i++)
		buf[i] = duet_pattern(offset + i);
	return lw_write(d->stream, buf, len, n);
}

bool duet_peer_writes(struct duet *d, size_t len)
{
	uint8_t buf[20000];
	size_t n;

	for (size_t i = 0; i < len; i++)
		buf[i] = duet_pattern(i);
	return SSL_write_ex(d->peer, buf, len, &n) == 1 && n == len;
}

struct lw_verdict duet_verdict(const struct duet *d)
{
	struct lw_verdict verdict;

	lw_verdict(d->stream, &verdict);
	return verdict;
}
