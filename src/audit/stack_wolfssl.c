/*
 * stack_wolfssl: wolfSSL as most programs drive it: wolfSSL_read() until it gives no data, then
 * wolfSSL_get_error(); wolfSSL_shutdown() until it has seen the peer's closure.
 */
#include "audit/stack.h"

#include <errno.h>
#include <lastword/wolfssl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <wolfssl/options.h>

#include <wolfssl/error-ssl.h>
#include <wolfssl/ssl.h>
#include <wolfssl/version.h>
#include <wolfssl/wolfio.h>

struct stack_context {
	WOLFSSL_CTX *ctx;
};

struct stack_connection {
	WOLFSSL *ssl;
	struct lw_transport transport; /* recv NULL: a descriptor */
	char reason[128];
};

struct stack_session {
	WOLFSSL_SESSION *session;
};

static pthread_once_t once = PTHREAD_ONCE_INIT;

static void set_up(void)
{
	(void)wolfSSL_Init();
}

static const char *installed(void)
{
	return "wolfSSL " LIBWOLFSSL_VERSION_STRING;
}

/* Debian's build has no older one. */
static bool speaks(enum lw_version version)
{
	return version >= LW_VERSION_TLS1_1 && version <= LW_VERSION_TLS1_3;
}

/* An application's transport as callbacks */

static int code_of(enum lw_io io, size_t n)
{
	switch (io) {
	case LW_IO_OK:
		return (int)n;
	case LW_IO_AGAIN:
		return WOLFSSL_CBIO_ERR_WANT_READ; /* to write has the same number */
	case LW_IO_FIN:
		return WOLFSSL_CBIO_ERR_CONN_CLOSE;
	case LW_IO_RESET:
		return WOLFSSL_CBIO_ERR_CONN_RST;
	case LW_IO_ERROR:
	default:
		return WOLFSSL_CBIO_ERR_GENERAL;
	}
}

static int transport_recv(WOLFSSL *ssl, char *buf, int cap, void *context)
{
	const struct lw_transport *t = context;
	int os_error = 0;
	size_t n = 0;
	const enum lw_io io = t->recv(t->context, buf, (size_t)cap, &n, &os_error);

	(void)ssl;
	errno = os_error;
	return code_of(io, n);
}

static int transport_send(WOLFSSL *ssl, char *buf, int len, void *context)
{
	const struct lw_transport *t = context;
	int os_error = 0;
	size_t n = 0;
	const enum lw_io io = t->send(t->context, buf, (size_t)len, &n, &os_error);

	(void)ssl;
	errno = os_error;
	return code_of(io, n);
}

static void use_transport(struct stack_connection *c, const struct lw_transport *transport)
{
	c->transport = *transport;
	wolfSSL_SSLSetIORecv(c->ssl, transport_recv);
	wolfSSL_SSLSetIOSend(c->ssl, transport_send);
	wolfSSL_SetIOReadCtx(c->ssl, &c->transport);
	wolfSSL_SetIOWriteCtx(c->ssl, &c->transport);
}

/* Contexts */

struct methods {
	WOLFSSL_METHOD *(*client)(void);
	WOLFSSL_METHOD *(*server)(void);
};

static const struct methods methods[] = {
	[LW_VERSION_TLS1_1] = { wolfTLSv1_1_client_method, wolfTLSv1_1_server_method },
	[LW_VERSION_TLS1_2] = { wolfTLSv1_2_client_method, wolfTLSv1_2_server_method },
	[LW_VERSION_TLS1_3] = { wolfTLSv1_3_client_method, wolfTLSv1_3_server_method },
};

static bool present(WOLFSSL_CTX *ctx, const struct stack_setup *setup)
{
	return wolfSSL_CTX_use_certificate_chain_buffer(
		   ctx, (const unsigned char *)setup->certificate_pem,
		   (long)strlen(setup->certificate_pem)) == WOLFSSL_SUCCESS &&
	       wolfSSL_CTX_use_PrivateKey_buffer(ctx, (const unsigned char *)setup->key_pem,
	                                         (long)strlen(setup->key_pem),
	                                         WOLFSSL_FILETYPE_PEM) == WOLFSSL_SUCCESS;
}

static void allow_resumption(WOLFSSL_CTX *ctx, const struct stack_setup *setup)
{
	if (setup->tickets == 0)
		(void)wolfSSL_CTX_set_session_cache_mode(ctx, WOLFSSL_SESS_CACHE_OFF);
	if (setup->tickets == 0 || setup->stateful_tickets)
		(void)wolfSSL_CTX_NoTicketTLSv12(ctx);
	/* In 1.3 wolfSSL has no tickets but such as carry the session. */
	if (setup->tickets == 0)
		(void)wolfSSL_CTX_no_ticket_TLSv13(ctx);
	else
		(void)wolfSSL_CTX_set_num_tickets(ctx, setup->tickets);
}

static void context_free(struct stack_context *context)
{
	if (context == NULL)
		return;
	wolfSSL_CTX_free(context->ctx);
	free(context);
}

static struct stack_context *context_new(const struct stack_setup *setup)
{
	struct stack_context *context;
	const struct methods *m;

	if (!speaks(setup->version))
		return NULL;
	(void)pthread_once(&once, set_up);
	context = calloc(1, sizeof *context);
	if (context == NULL)
		return NULL;
	m = &methods[setup->version];
	context->ctx = wolfSSL_CTX_new(setup->server ? m->server() : m->client());
	if (context->ctx == NULL || (setup->server && !present(context->ctx, setup))) {
		context_free(context);
		return NULL;
	}
	wolfSSL_CTX_set_verify(context->ctx, WOLFSSL_VERIFY_NONE, NULL);
	if (setup->server)
		allow_resumption(context->ctx, setup);
	else
		(void)wolfSSL_CTX_UseSessionTicket(context->ctx);
	return context;
}

/* Connections */

static void connection_free(struct stack_connection *c)
{
	if (c == NULL)
		return;
	wolfSSL_free(c->ssl);
	free(c);
}

static struct stack_connection *connection_new(struct stack_context *context,
                                               const struct stack_place *place)
{
	struct stack_connection *c = calloc(1, sizeof *c);

	if (c == NULL)
		return NULL;
	c->ssl = wolfSSL_new(context->ctx);
	if (c->ssl == NULL)
		goto fail;
	if (place->fd < 0)
		use_transport(c, place->transport);
	else if (wolfSSL_set_fd(c->ssl, place->fd) != WOLFSSL_SUCCESS)
		goto fail;
	if (place->resume != NULL &&
	    wolfSSL_set_session(c->ssl, place->resume->session) != WOLFSSL_SUCCESS)
		goto fail;
	wolfSSL_set_using_nonblock(c->ssl, 1);
	return c;
fail:
	connection_free(c);
	return NULL;
}

/* As most programs tell it: a fatal alert is no class of its own there. */
static enum stack_did class_of(struct stack_connection *c, int result)
{
	const int error = wolfSSL_get_error(c->ssl, result);

	c->reason[0] = '\0';
	switch (error) {
	case WOLFSSL_ERROR_NONE:
		return result > 0 ? STACK_OK : STACK_ERROR;
	case WOLFSSL_ERROR_WANT_READ:
	case WOLFSSL_ERROR_WANT_WRITE:
		return STACK_WAITS;
	case WOLFSSL_ERROR_ZERO_RETURN:
		return STACK_END;
	default:
		wolfSSL_ERR_error_string_n((unsigned long)error, c->reason, sizeof c->reason);
		wolfSSL_ERR_clear_error();
		return error == SOCKET_PEER_CLOSED_E ? STACK_TRUNCATED : STACK_ERROR;
	}
}

static int int_length(size_t len)
{
	return len < (1u << 30) ? (int)len : 1 << 30;
}

static enum stack_did handshake(struct stack_connection *c)
{
	return class_of(c, wolfSSL_negotiate(c->ssl));
}

static enum stack_did read_some(struct stack_connection *c, void *buf, size_t cap, size_t *n)
{
	const int did = wolfSSL_read(c->ssl, buf, int_length(cap));

	*n = did > 0 ? (size_t)did : 0;
	return class_of(c, did);
}

static enum stack_did write_some(struct stack_connection *c, const void *buf, size_t len, size_t *n)
{
	const int did = wolfSSL_write(c->ssl, buf, int_length(len));

	*n = did > 0 ? (size_t)did : 0;
	return class_of(c, did);
}

static enum stack_did shut_down(struct stack_connection *c)
{
	int did = wolfSSL_shutdown(c->ssl);

	if (did == WOLFSSL_SHUTDOWN_NOT_DONE) /* ours left; the manual says to call again */
		did = wolfSSL_shutdown(c->ssl);
	return did == WOLFSSL_SHUTDOWN_NOT_DONE ? STACK_WAITS : class_of(c, did);
}

static enum stack_did finish(struct stack_connection *c)
{
	const int did = wolfSSL_shutdown(c->ssl);

	return did == WOLFSSL_SHUTDOWN_NOT_DONE ? STACK_OK : class_of(c, did);
}

static const char *reason(const struct stack_connection *c)
{
	return c->reason;
}

static struct lw_stream *attach(struct stack_connection *c, const struct lw_options *options,
                                const char **why)
{
	static const struct lw_wolfssl_io own = { transport_recv, transport_send };

	return c->transport.recv != NULL ? lw_wolfssl_attach_io(c->ssl, &own, options, why)
	                                 : lw_wolfssl_attach(c->ssl, options, why);
}

static void give_away(struct stack_connection *c)
{
	c->ssl = NULL;
}

/* Sessions */

static struct stack_session *session(struct stack_connection *c)
{
	WOLFSSL_SESSION *got = wolfSSL_get1_session(c->ssl);
	struct stack_session *session;

	if (got == NULL || !wolfSSL_SESSION_is_resumable(got)) {
		wolfSSL_SESSION_free(got);
		return NULL;
	}
	session = malloc(sizeof *session);
	if (session == NULL)
		wolfSSL_SESSION_free(got);
	else
		session->session = got;
	return session;
}

static void session_free(struct stack_session *session)
{
	if (session == NULL)
		return;
	wolfSSL_SESSION_free(session->session);
	free(session);
}

static bool is_resumed(const struct stack_connection *c)
{
	return wolfSSL_session_reused(c->ssl) == 1;
}

const struct stack wolfssl_stack = {
	.name = "wolfssl",
	.reading = "wolfSSL_read",
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
