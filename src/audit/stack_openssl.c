/*
 * stack_openssl: OpenSSL as most programs drive it: SSL_read() until it gives no data, then
 * SSL_get_error(); SSL_shutdown() until it has seen the peer's closure.
 */
#include "adversary/adversary.h"
#include "audit/stack.h"

#include <errno.h>
#include <lastword/openssl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct stack_context {
	SSL_CTX *ctx;
	bool server;
};

struct stack_connection {
	SSL *ssl;
	struct lw_transport transport;
	char reason[128];
};

struct stack_session {
	SSL_SESSION *session;
};

static const char *installed(void)
{
	return OpenSSL_version(OPENSSL_VERSION);
}

static bool speaks(enum lw_version version)
{
	return version >= LW_VERSION_TLS1_0 && version <= LW_VERSION_TLS1_3;
}

/* An application's transport as a BIO */

static int transport_answer(BIO *bio, enum lw_io io, int again_flag, int os_error)
{
	BIO_clear_retry_flags(bio);
	if (io == LW_IO_AGAIN)
		BIO_set_flags(bio, again_flag | BIO_FLAGS_SHOULD_RETRY);
	if (io == LW_IO_RESET)
		errno = ECONNRESET;
	if (io == LW_IO_ERROR)
		errno = os_error;
	return io == LW_IO_OK ? 1 : io == LW_IO_FIN ? 0 : -1;
}

static int transport_read(BIO *bio, char *buf, size_t cap, size_t *n)
{
	const struct lw_transport *t = BIO_get_data(bio);
	int os_error = 0;
	const enum lw_io io = t->recv(t->context, buf, cap, n, &os_error);

	return transport_answer(bio, io, BIO_FLAGS_READ, os_error);
}

static int transport_write(BIO *bio, const char *buf, size_t len, size_t *n)
{
	const struct lw_transport *t = BIO_get_data(bio);
	int os_error = 0;
	const enum lw_io io = t->send(t->context, buf, len, n, &os_error);

	return transport_answer(bio, io, BIO_FLAGS_WRITE, os_error);
}

static long transport_ctrl(BIO *bio, int command, long number, void *pointer)
{
	(void)bio, (void)number, (void)pointer;
	return command == BIO_CTRL_FLUSH;
}

static BIO_METHOD *transport_method(void)
{
	static BIO_METHOD *method;

	if (method != NULL)
		return method;
	method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "own transport");
	if (method == NULL)
		return NULL;
	if (BIO_meth_set_read_ex(method, transport_read) == 1 &&
	    BIO_meth_set_write_ex(method, transport_write) == 1 &&
	    BIO_meth_set_ctrl(method, transport_ctrl) == 1)
		return method;
	BIO_meth_free(method);
	method = NULL;
	return NULL;
}

static bool use_transport(struct stack_connection *c, const struct lw_transport *transport)
{
	BIO_METHOD *method = transport_method();
	BIO *bio = method != NULL ? BIO_new(method) : NULL;

	if (bio == NULL)
		return false;
	c->transport = *transport;
	BIO_set_data(bio, &c->transport);
	BIO_set_init(bio, 1);
	SSL_set_bio(c->ssl, bio, bio);
	return true;
}

/* Contexts */

static bool present(SSL_CTX *ctx, const struct stack_setup *setup)
{
	BIO *certificate = BIO_new_mem_buf(setup->certificate_pem, -1);
	BIO *key = BIO_new_mem_buf(setup->key_pem, -1);
	X509 *x509 = certificate != NULL ? PEM_read_bio_X509(certificate, NULL, NULL, NULL) : NULL;
	EVP_PKEY *pkey = key != NULL ? PEM_read_bio_PrivateKey(key, NULL, NULL, NULL) : NULL;
	const bool presented = x509 != NULL && pkey != NULL &&
	                       SSL_CTX_use_certificate(ctx, x509) == 1 &&
	                       SSL_CTX_use_PrivateKey(ctx, pkey) == 1;

	X509_free(x509);
	EVP_PKEY_free(pkey);
	BIO_free(certificate);
	BIO_free(key);
	return presented;
}

static bool allow_resumption(SSL_CTX *ctx, const struct stack_setup *setup)
{
	static const unsigned char id[] = "stack";

	if (setup->tickets == 0)
		SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	if (setup->tickets == 0 || setup->stateful_tickets)
		(void)SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
	return SSL_CTX_set_num_tickets(ctx, setup->tickets) == 1 &&
	       SSL_CTX_set_session_id_context(ctx, id, sizeof id - 1) == 1;
}

static bool fill(struct stack_context *context, const struct stack_setup *setup)
{
	SSL_CTX *ctx = context->ctx;

	if (ctx == NULL || !adversary_set_version(ctx, setup->version))
		return false;
	return !setup->server || (present(ctx, setup) && allow_resumption(ctx, setup));
}

static void context_free(struct stack_context *context)
{
	if (context == NULL)
		return;
	SSL_CTX_free(context->ctx);
	free(context);
}

static struct stack_context *context_new(const struct stack_setup *setup)
{
	struct stack_context *context = calloc(1, sizeof *context);

	if (context == NULL)
		return NULL;
	context->server = setup->server;
	context->ctx = SSL_CTX_new(setup->server ? TLS_server_method() : TLS_client_method());
	if (fill(context, setup))
		return context;
	ERR_clear_error();
	context_free(context);
	return NULL;
}

/* Connections */

static void connection_free(struct stack_connection *c)
{
	if (c == NULL)
		return;
	SSL_free(c->ssl);
	free(c);
	ERR_clear_error();
}

static struct stack_connection *connection_new(struct stack_context *context,
                                               const struct stack_place *place)
{
	struct stack_connection *c = calloc(1, sizeof *c);

	if (c == NULL)
		return NULL;
	c->ssl = SSL_new(context->ctx);
	if (c->ssl == NULL)
		goto fail;
	if (!(place->fd >= 0 ? SSL_set_fd(c->ssl, place->fd) == 1
	                     : use_transport(c, place->transport)))
		goto fail;
	if (place->resume != NULL && SSL_set_session(c->ssl, place->resume->session) != 1)
		goto fail;
	if (context->server)
		SSL_set_accept_state(c->ssl);
	else
		SSL_set_connect_state(c->ssl);
	return c;
fail:
	connection_free(c);
	return NULL;
}

static void note_reason(struct stack_connection *c, int error)
{
	const char *reason = ERR_reason_error_string(ERR_peek_error());

	if (error == SSL_ERROR_SYSCALL && reason == NULL)
		reason = errno != 0 ? strerror(errno) : "input or output failed";
	snprintf(c->reason, sizeof c->reason, "%s", reason != NULL ? reason : "");
}

static void before_call(struct stack_connection *c)
{
	c->reason[0] = '\0';
	ERR_clear_error();
	errno = 0;
}

/* As most programs tell it: no fatal alert and no cut is a class of its own there. */
static enum stack_did class_of(struct stack_connection *c, int result)
{
	const int error = SSL_get_error(c->ssl, result);

	switch (error) {
	case SSL_ERROR_NONE:
		return STACK_OK;
	case SSL_ERROR_WANT_READ:
	case SSL_ERROR_WANT_WRITE:
		return STACK_WAITS;
	case SSL_ERROR_ZERO_RETURN:
		return STACK_END;
	default:
		note_reason(c, error);
		ERR_clear_error();
		return STACK_ERROR;
	}
}

static enum stack_did handshake(struct stack_connection *c)
{
	before_call(c);
	return class_of(c, SSL_do_handshake(c->ssl));
}

static enum stack_did read_some(struct stack_connection *c, void *buf, size_t cap, size_t *n)
{
	int did;

	before_call(c);
	did = SSL_read(c->ssl, buf, cap < (1u << 30) ? (int)cap : 1 << 30);
	*n = did > 0 ? (size_t)did : 0;
	return class_of(c, did);
}

static enum stack_did write_some(struct stack_connection *c, const void *buf, size_t len, size_t *n)
{
	int did;

	before_call(c);
	did = SSL_write(c->ssl, buf, len < (1u << 30) ? (int)len : 1 << 30);
	*n = did > 0 ? (size_t)did : 0;
	return class_of(c, did);
}

static enum stack_did shut_down(struct stack_connection *c)
{
	int did;

	before_call(c);
	did = SSL_shutdown(c->ssl);
	if (did == 0) /* ours left; the manual says to call again */
		did = SSL_shutdown(c->ssl);
	return did == 0 ? STACK_WAITS : class_of(c, did);
}

static enum stack_did finish(struct stack_connection *c)
{
	int did;

	before_call(c);
	did = SSL_shutdown(c->ssl);
	return did == 0 ? STACK_OK : class_of(c, did);
}

static const char *reason(const struct stack_connection *c)
{
	return c->reason;
}

static struct lw_stream *attach(struct stack_connection *c, const struct lw_options *options,
                                const char **why)
{
	return lw_openssl_attach(c->ssl, options, why);
}

static void give_away(struct stack_connection *c)
{
	c->ssl = NULL;
}

/* Sessions */

static struct stack_session *session(struct stack_connection *c)
{
	SSL_SESSION *got = SSL_get1_session(c->ssl);
	struct stack_session *session;

	if (got == NULL || !SSL_SESSION_is_resumable(got)) {
		SSL_SESSION_free(got);
		return NULL;
	}
	session = malloc(sizeof *session);
	if (session == NULL)
		SSL_SESSION_free(got);
	else
		session->session = got;
	return session;
}

static void session_free(struct stack_session *session)
{
	if (session == NULL)
		return;
	SSL_SESSION_free(session->session);
	free(session);
}

static bool is_resumed(const struct stack_connection *c)
{
	return SSL_session_reused(c->ssl);
}

const struct stack openssl_stack = {
	.name = "openssl",
	.reading = "SSL_read",
	.installed = installed,
	.speaks = speaks,
	.context_new = context_new,
	.context_free = context_free,
	.connection_new = connection_new,
	.connection_free = connection_free,
	.handshake = handshake,
	.read = read_some,
	.write = write_some,
	.shutdown = shut_down,
	.finish = finish,
	.reason = reason,
	.attach = attach,
	.give_away = give_away,
	.session = session,
	.session_free = session_free,
	.is_resumed = is_resumed,
};
