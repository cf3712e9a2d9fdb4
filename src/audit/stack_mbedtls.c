/*
 * stack_mbedtls: Mbed TLS 2.28 as most programs drive it: mbedtls_ssl_read() until it gives nothing
 * above 0, mbedtls_ssl_close_notify() once, which waits for no answer.
 */
#include "audit/stack.h"

#include <lastword/mbedtls.h>
#include <mbedtls/ctr_drbg.h>
#include <mbedtls/entropy.h>
#include <mbedtls/error.h>
#include <mbedtls/net_sockets.h>
#include <mbedtls/platform_util.h>
#include <mbedtls/ssl_cache.h>
#include <mbedtls/ssl_ticket.h>
#include <mbedtls/version.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TICKET_LIFETIME_S 86400u

struct stack_context {
	mbedtls_ssl_config conf;
	mbedtls_entropy_context entropy;
	mbedtls_ctr_drbg_context random;
	mbedtls_x509_crt certificate;
	mbedtls_pk_context key;
	mbedtls_ssl_cache_context cache;
	mbedtls_ssl_ticket_context tickets;
};

struct stack_connection {
	mbedtls_ssl_context *ssl;
	mbedtls_net_context net;
	struct lw_transport transport;
	unsigned char offered_master[48]; /* what a resumed session would have */
	bool offers;
	char reason[128];
	bool finished; /* close_notify was sent, as far as the library says */
};

struct stack_session {
	mbedtls_ssl_session session;
};

static const char *installed(void)
{
	static char text[32];

	mbedtls_version_get_string_full(text);
	return text;
}

static bool speaks(enum lw_version version)
{
	static const char *const features[] = {
		[LW_VERSION_SSL3] = "MBEDTLS_SSL_PROTO_SSL3",
		[LW_VERSION_TLS1_0] = "MBEDTLS_SSL_PROTO_TLS1",
		[LW_VERSION_TLS1_1] = "MBEDTLS_SSL_PROTO_TLS1_1",
		[LW_VERSION_TLS1_2] = "MBEDTLS_SSL_PROTO_TLS1_2",
	};

	return version < sizeof features / sizeof features[0] && features[version] != NULL &&
	       mbedtls_version_check_feature(features[version]) == 0;
}

/* An application's transport as callbacks */

static int code_of(enum lw_io io, size_t n, int again)
{
	switch (io) {
	case LW_IO_OK:
		return (int)n;
	case LW_IO_AGAIN:
		return again;
	case LW_IO_FIN:
		return 0;
	case LW_IO_RESET:
		return MBEDTLS_ERR_NET_CONN_RESET;
	case LW_IO_ERROR:
	default:
		return again == MBEDTLS_ERR_SSL_WANT_READ ? MBEDTLS_ERR_NET_RECV_FAILED
		                                          : MBEDTLS_ERR_NET_SEND_FAILED;
	}
}

static int transport_recv(void *context, unsigned char *buf, size_t cap)
{
	const struct lw_transport *t = context;
	int os_error = 0;
	size_t n = 0;
	const enum lw_io io = t->recv(t->context, buf, cap, &n, &os_error);

	return code_of(io, n, MBEDTLS_ERR_SSL_WANT_READ);
}

static int transport_send(void *context, const unsigned char *buf, size_t len)
{
	const struct lw_transport *t = context;
	int os_error = 0;
	size_t n = 0;
	const enum lw_io io = t->send(t->context, buf, len, &n, &os_error);

	return code_of(io, n, MBEDTLS_ERR_SSL_WANT_WRITE);
}

/* Contexts */

static bool present(struct stack_context *c, const struct stack_setup *setup)
{
	const unsigned char *pem = (const unsigned char *)setup->certificate_pem;
	const unsigned char *key = (const unsigned char *)setup->key_pem;

	return mbedtls_x509_crt_parse(&c->certificate, pem, strlen(setup->certificate_pem) + 1) ==
	           0 &&
	       mbedtls_pk_parse_key(&c->key, key, strlen(setup->key_pem) + 1, NULL, 0) == 0 &&
	       mbedtls_ssl_conf_own_cert(&c->conf, &c->certificate, &c->key) == 0;
}

static bool allow_resumption(struct stack_context *c, const struct stack_setup *setup)
{
	if (setup->tickets == 0)
		return true;
	if (setup->stateful_tickets) {
		mbedtls_ssl_conf_session_cache(&c->conf, &c->cache, mbedtls_ssl_cache_get,
		                               mbedtls_ssl_cache_set);
		return true;
	}
	if (mbedtls_ssl_ticket_setup(&c->tickets, mbedtls_ctr_drbg_random, &c->random,
	                             MBEDTLS_CIPHER_AES_256_GCM, TICKET_LIFETIME_S) != 0)
		return false;
	mbedtls_ssl_conf_session_tickets_cb(&c->conf, mbedtls_ssl_ticket_write,
	                                    mbedtls_ssl_ticket_parse, &c->tickets);
	return true;
}

static void set_version(mbedtls_ssl_config *conf, enum lw_version version)
{
	const int minor = MBEDTLS_SSL_MINOR_VERSION_0 + ((int)version - LW_VERSION_SSL3);

	mbedtls_ssl_conf_min_version(conf, MBEDTLS_SSL_MAJOR_VERSION_3, minor);
	mbedtls_ssl_conf_max_version(conf, MBEDTLS_SSL_MAJOR_VERSION_3, minor);
}

/* The library's own list begins with the slowest. */
static const mbedtls_ecp_group_id curves[] = { MBEDTLS_ECP_DP_SECP256R1, MBEDTLS_ECP_DP_SECP384R1,
	                                       MBEDTLS_ECP_DP_NONE };

static bool fill(struct stack_context *c, const struct stack_setup *setup)
{
	const int endpoint = setup->server ? MBEDTLS_SSL_IS_SERVER : MBEDTLS_SSL_IS_CLIENT;

	if (!speaks(setup->version) ||
	    mbedtls_ctr_drbg_seed(&c->random, mbedtls_entropy_func, &c->entropy, NULL, 0) != 0 ||
	    mbedtls_ssl_config_defaults(&c->conf, endpoint, MBEDTLS_SSL_TRANSPORT_STREAM,
	                                MBEDTLS_SSL_PRESET_DEFAULT) != 0)
		return false;
	mbedtls_ssl_conf_rng(&c->conf, mbedtls_ctr_drbg_random, &c->random);
	mbedtls_ssl_conf_curves(&c->conf, curves);
	mbedtls_ssl_conf_authmode(&c->conf, MBEDTLS_SSL_VERIFY_NONE);
	set_version(&c->conf, setup->version);
	return !setup->server || (present(c, setup) && allow_resumption(c, setup));
}

static void context_free(struct stack_context *c)
{
	if (c == NULL)
		return;
	mbedtls_ssl_config_free(&c->conf);
	mbedtls_ssl_ticket_free(&c->tickets);
	mbedtls_ssl_cache_free(&c->cache);
	mbedtls_pk_free(&c->key);
	mbedtls_x509_crt_free(&c->certificate);
	mbedtls_ctr_drbg_free(&c->random);
	mbedtls_entropy_free(&c->entropy);
	free(c);
}

/* As mbedtls_net_connect() does: its mbedtls_net_send() is a plain write(). */
static void ignore_sigpipe(void)
{
	struct sigaction action;

	if (sigaction(SIGPIPE, NULL, &action) != 0 || action.sa_handler != SIG_DFL)
		return;
	action.sa_handler = SIG_IGN;
	(void)sigaction(SIGPIPE, &action, NULL);
}

static struct stack_context *context_new(const struct stack_setup *setup)
{
	struct stack_context *c = calloc(1, sizeof *c);

	if (c == NULL)
		return NULL;
	ignore_sigpipe();
	mbedtls_ssl_config_init(&c->conf);
	mbedtls_entropy_init(&c->entropy);
	mbedtls_ctr_drbg_init(&c->random);
	mbedtls_x509_crt_init(&c->certificate);
	mbedtls_pk_init(&c->key);
	mbedtls_ssl_cache_init(&c->cache);
	mbedtls_ssl_ticket_init(&c->tickets);
	if (fill(c, setup))
		return c;
	context_free(c);
	return NULL;
}

/* Connections */

static void connection_free(struct stack_connection *c)
{
	if (c == NULL)
		return;
	if (c->ssl != NULL)
		mbedtls_ssl_free(c->ssl);
	free(c->ssl);
	mbedtls_platform_zeroize(c->offered_master, sizeof c->offered_master);
	free(c);
}

static void use_place(struct stack_connection *c, const struct stack_place *place)
{
	if (place->fd >= 0) {
		c->net.fd = place->fd;
		mbedtls_ssl_set_bio(c->ssl, &c->net, mbedtls_net_send, mbedtls_net_recv, NULL);
		return;
	}
	c->transport = *place->transport;
	mbedtls_ssl_set_bio(c->ssl, &c->transport, transport_send, transport_recv, NULL);
}

static bool offer(struct stack_connection *c, const struct stack_session *session)
{
	if (session == NULL)
		return true;
	c->offers = true;
	memcpy(c->offered_master, session->session.master, sizeof c->offered_master);
	return mbedtls_ssl_set_session(c->ssl, &session->session) == 0;
}

static struct stack_connection *connection_new(struct stack_context *context,
                                               const struct stack_place *place)
{
	struct stack_connection *c = calloc(1, sizeof *c);

	if (c == NULL)
		return NULL;
	c->ssl = malloc(sizeof *c->ssl);
	if (c->ssl == NULL)
		goto fail;
	mbedtls_ssl_init(c->ssl);
	if (mbedtls_ssl_setup(c->ssl, &context->conf) != 0)
		goto fail;
	use_place(c, place);
	if (offer(c, place->resume))
		return c;
fail:
	connection_free(c);
	return NULL;
}

/*
 * 0 is what read(2) gives at the end of a file, and the library's own programs take it for that,
 * like the peer's closure; a program that reads the manual closely can tell a missing alert.
 */
static enum stack_did class_of(struct stack_connection *c, int did)
{
	c->reason[0] = '\0';
	if (did > 0)
		return STACK_OK;
	switch (did) {
	case MBEDTLS_ERR_SSL_WANT_READ:
	case MBEDTLS_ERR_SSL_WANT_WRITE:
		return STACK_WAITS;
	case 0: /* the transport ended; by its value an ordinary end of file */
	case MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY:
		return STACK_END;
	default:
		mbedtls_strerror(did, c->reason, sizeof c->reason);
		return did == MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE ? STACK_ABORTED : STACK_ERROR;
	}
}

static enum stack_did handshake(struct stack_connection *c)
{
	const int did = mbedtls_ssl_handshake(c->ssl);

	return did == 0 ? STACK_OK : class_of(c, did);
}

static enum stack_did read_some(struct stack_connection *c, void *buf, size_t cap, size_t *n)
{
	const int did = mbedtls_ssl_read(c->ssl, buf, cap);

	*n = did > 0 ? (size_t)did : 0;
	return class_of(c, did);
}

static enum stack_did write_some(struct stack_connection *c, const void *buf, size_t len, size_t *n)
{
	const int did = mbedtls_ssl_write(c->ssl, buf, len);

	*n = did > 0 ? (size_t)did : 0;
	return class_of(c, did);
}

static enum stack_did finish(struct stack_connection *c)
{
	const int did = c->finished ? 0 : mbedtls_ssl_close_notify(c->ssl);

	c->finished = did == 0;
	return did == 0 ? STACK_OK : class_of(c, did);
}

/* There is no call that waits for the peer's; who wants it reads on. */
static enum stack_did shut_down(struct stack_connection *c)
{
	unsigned char scratch[1024];
	enum stack_did did = finish(c);
	size_t n;

	while (did == STACK_OK)
		did = read_some(c, scratch, sizeof scratch, &n);
	return did == STACK_END ? STACK_OK : did;
}

static const char *reason(const struct stack_connection *c)
{
	return c->reason;
}

static struct lw_stream *attach(struct stack_connection *c, const struct lw_options *options,
                                const char **why)
{
	return lw_mbedtls_attach(c->ssl, options, why);
}

static void give_away(struct stack_connection *c)
{
	c->ssl = NULL;
}

/* Sessions */

static void session_free(struct stack_session *session)
{
	if (session == NULL)
		return;
	mbedtls_ssl_session_free(&session->session);
	free(session);
}

static struct stack_session *session(struct stack_connection *c)
{
	struct stack_session *session = malloc(sizeof *session);

	if (session == NULL)
		return NULL;
	mbedtls_ssl_session_init(&session->session);
	if (mbedtls_ssl_get_session(c->ssl, &session->session) == 0 &&
	    (session->session.id_len > 0 || session->session.ticket_len > 0))
		return session;
	session_free(session);
	return NULL;
}

/* The library tells nobody; a resumed session has the master secret of the one that was offered. */
static bool is_resumed(const struct stack_connection *c)
{
	return c->offers && c->ssl->session != NULL &&
	       memcmp(c->ssl->session->master, c->offered_master, sizeof c->offered_master) == 0;
}

const struct stack mbedtls_stack = {
	.name = "mbedtls",
	.reading = "mbedtls_ssl_read",
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
