/*
 * mbedtls: the adapter for Mbed TLS 2.28.  It includes nothing but installed headers.
 *
 * The callbacks of mbedtls_ssl_set_bio() are ours while the stream lives; through them the wire
 * sees every byte.  Where the application's are mbedtls_net_send() and mbedtls_net_recv() the wire
 * takes the descriptor itself; any others are used as a transport.  Mbed TLS tells neither of the
 * warnings that it passes over nor of the alerts that it sends: the callbacks look at the record
 * that the library has just read, or is about to send.  No policy lives here.
 *
 * Invariant: before a record of ours is sealed, nothing of the library's is half out.  Asked to
 * write while something is, the library sends that, says that all was written, and seals nothing.
 */
#include <errno.h>
#include <lastword/adapter.h>
#include <lastword/mbedtls.h>
#include <mbedtls/net_sockets.h>
#include <mbedtls/platform.h>
#include <mbedtls/platform_util.h>
#include <mbedtls/ssl_cache.h>
#include <mbedtls/ssl_internal.h>
#include <string.h>
#include <sys/socket.h>

#define PLAIN_ALERT_BYTES       7 /* a record header, level and description */
#define WARNINGS_BEFORE_A_PAUSE 5 /* in a row; then the stream may say that it is enough */

/* What was in `ssl` before we came. */
struct callbacks {
	void *context;
	mbedtls_ssl_send_t *send;
	mbedtls_ssl_recv_t *recv;
	mbedtls_ssl_recv_timeout_t *recv_timeout;
};

struct mbedtls {
	mbedtls_ssl_context *ssl;
	struct lw_wire *wire;
	struct callbacks own; /* the application's */
	bool lost;            /* the library holds bytes that the wire has not seen */
	bool looked;          /* at the record that was read last, for a warning */
	bool paused;          /* reading stopped behind a warning, so that the stream can look */
	unsigned warnings;    /* since there was data */
	bool sealing;         /* the alert that leaves is ours */
	bool alerted;         /* the library made an alert, and has read nothing since */
	bool unseen;          /* and it left sealed: nobody can see which it was */
};

/* What differs between builds of the library */

#if defined(MBEDTLS_SSL_RENEGOTIATION)
static bool renegotiates(const mbedtls_ssl_context *ssl)
{
	return ssl->state != MBEDTLS_SSL_HANDSHAKE_OVER &&
	       ssl->renego_status != MBEDTLS_SSL_INITIAL_HANDSHAKE;
}
#else
static bool renegotiates(const mbedtls_ssl_context *ssl)
{
	(void)ssl;
	return false;
}
#endif

/* The library takes the next write for the rest of a split one until it is told otherwise. */
#if defined(MBEDTLS_SSL_CBC_RECORD_SPLITTING)
static void end_split_write(mbedtls_ssl_context *ssl)
{
	ssl->split_done = 0;
}
#else
static void end_split_write(mbedtls_ssl_context *ssl)
{
	(void)ssl;
}
#endif

/* A client's ticket. */
#if defined(MBEDTLS_SSL_SESSION_TICKETS) && defined(MBEDTLS_SSL_CLI_C)
static size_t drop_ticket(mbedtls_ssl_session *session)
{
	const size_t len = session->ticket_len;

	if (session->ticket)
		mbedtls_platform_zeroize(session->ticket, len);
	mbedtls_free(session->ticket);
	session->ticket = NULL;
	session->ticket_len = 0;
	return len;
}
#else
static size_t drop_ticket(mbedtls_ssl_session *session)
{
	(void)session;
	return 0;
}
#endif

#if defined(MBEDTLS_SSL_SESSION_TICKETS) && defined(MBEDTLS_SSL_SRV_C)
static bool gives_tickets(const mbedtls_ssl_config *conf)
{
	return conf->f_ticket_write != NULL;
}
#else
static bool gives_tickets(const mbedtls_ssl_config *conf)
{
	(void)conf;
	return false;
}
#endif

/* A server's cache: what is stored under a name of no length is never found again. */
#if defined(MBEDTLS_SSL_CACHE_C)
static bool drop_from_cache(const mbedtls_ssl_config *conf, const mbedtls_ssl_session *session)
{
	mbedtls_ssl_session cached;
	bool found;

	if (conf->f_set_cache != mbedtls_ssl_cache_set)
		return !conf->f_set_cache;
	mbedtls_ssl_session_init(&cached);
	cached.id_len = session->id_len;
	memcpy(cached.id, session->id, sizeof cached.id);
	found = mbedtls_ssl_cache_get(conf->p_cache, &cached) == 0;
	mbedtls_ssl_session_free(&cached);
	memcpy(cached.id, session->id, sizeof cached.id);
	return !found || mbedtls_ssl_cache_set(conf->p_cache, &cached) == 0;
}
#else
static bool drop_from_cache(const mbedtls_ssl_config *conf, const mbedtls_ssl_session *session)
{
	(void)session;
	return !conf->f_set_cache;
}
#endif

/* What passes below the library */

/* Mbed TLS passes over warnings without a word; between two records the last still stands there. */
static int look_at_last_record(struct mbedtls *m)
{
	const mbedtls_ssl_context *ssl = m->ssl;

	if (m->looked || ssl->in_msgtype != MBEDTLS_SSL_MSG_ALERT)
		return 0;
	m->looked = true;
	if (ssl->in_msg[0] != MBEDTLS_SSL_ALERT_LEVEL_WARNING) /* it takes level 3 for a warning */
		return MBEDTLS_ERR_SSL_INVALID_RECORD;
	lw_wire_alert_received(m->wire, ssl->in_msg[0], ssl->in_msg[1]);
	if (++m->warnings < WARNINGS_BEFORE_A_PAUSE)
		return 0;
	m->paused = true;
	return MBEDTLS_ERR_SSL_WANT_READ;
}

static int on_recv(void *context, unsigned char *buf, size_t len)
{
	struct mbedtls *m = context;
	const bool is_between_records = m->ssl->in_left == 0;
	const int seen = is_between_records ? look_at_last_record(m) : 0;
	size_t n;

	if (seen != 0)
		return seen;
	if (is_between_records && m->lost) {
		m->lost = false;
		lw_wire_find_boundaries(m->wire);
	}
	m->alerted = m->unseen = false; /* it goes on, so that was a warning */
	if (lw_wire_recv(m->wire, buf, len, &n) != LW_IO_OK)
		return MBEDTLS_ERR_SSL_WANT_READ;
	if (is_between_records)
		m->looked = false;
	return (int)n;
}

/* An alert of the library's left: in the clear it can be read, else the error says which it was. */
static void note_alert(struct mbedtls *m, const unsigned char *record, size_t len)
{
	m->unseen = m->ssl->transform_out != NULL;
	if (!m->unseen && len == PLAIN_ALERT_BYTES)
		lw_wire_alert_sent(m->wire, record[PLAIN_ALERT_BYTES - 2],
		                   record[PLAIN_ALERT_BYTES - 1]);
}

static int on_send(void *context, const unsigned char *buf, size_t len)
{
	struct mbedtls *m = context;
	const bool is_its_alert = m->ssl->out_msgtype == MBEDTLS_SSL_MSG_ALERT && !m->sealing;
	size_t n;

	m->alerted |= is_its_alert;
	if (lw_wire_send(m->wire, buf, len, &n) != LW_IO_OK)
		return MBEDTLS_ERR_SSL_WANT_WRITE;
	if (is_its_alert)
		note_alert(m, buf, len);
	return (int)n;
}

/* The application's callbacks as a transport */

static enum lw_io io_of_callback(int did, size_t *n, int *os_error)
{
	const int error = errno;

	*n = 0;
	if (did > 0) {
		*n = (size_t)did;
		return LW_IO_OK;
	}
	switch (did) {
	case 0:
	case MBEDTLS_ERR_SSL_CONN_EOF:
		return LW_IO_FIN;
	case MBEDTLS_ERR_SSL_WANT_READ:
	case MBEDTLS_ERR_SSL_WANT_WRITE:
	case MBEDTLS_ERR_SSL_TIMEOUT:
		return LW_IO_AGAIN;
	case MBEDTLS_ERR_NET_CONN_RESET:
		return LW_IO_RESET;
	default:
		*os_error = error;
		return LW_IO_ERROR;
	}
}

static enum lw_io callback_recv(void *context, void *buf, size_t cap, size_t *n, int *os_error)
{
	const struct mbedtls *m = context;
	int did;

	errno = 0;
	if (m->own.recv_timeout) /* as the library does: this one first */
		did = m->own.recv_timeout(m->own.context, buf, cap, m->ssl->conf->read_timeout);
	else
		did = m->own.recv(m->own.context, buf, cap);
	return io_of_callback(did, n, os_error);
}

static enum lw_io callback_send(void *context, const void *buf, size_t len, size_t *n,
                                int *os_error)
{
	const struct mbedtls *m = context;
	enum lw_io io;

	errno = 0;
	io = io_of_callback(m->own.send(m->own.context, buf, len), n, os_error);
	return io == LW_IO_FIN ? LW_IO_AGAIN : io; /* it took nothing */
}

/* What the library did */

/*
 * The alert that goes with an error: of the library's own, sealed ones only this is known; where
 * it sends none, and leaves the peer waiting, we do.
 */
static const struct {
	int error;
	uint8_t description;
} alerts[] = {
	{ MBEDTLS_ERR_SSL_INVALID_MAC, MBEDTLS_SSL_ALERT_MSG_BAD_RECORD_MAC },
	{ MBEDTLS_ERR_SSL_INVALID_RECORD, MBEDTLS_SSL_ALERT_MSG_DECODE_ERROR },
	{ MBEDTLS_ERR_SSL_UNEXPECTED_MESSAGE, MBEDTLS_SSL_ALERT_MSG_UNEXPECTED_MESSAGE },
	{ MBEDTLS_ERR_SSL_UNEXPECTED_RECORD, MBEDTLS_SSL_ALERT_MSG_UNEXPECTED_MESSAGE },
	{ MBEDTLS_ERR_SSL_BAD_HS_FINISHED, MBEDTLS_SSL_ALERT_MSG_DECRYPT_ERROR },
	{ MBEDTLS_ERR_SSL_BAD_HS_PROTOCOL_VERSION, MBEDTLS_SSL_ALERT_MSG_PROTOCOL_VERSION },
	{ MBEDTLS_ERR_SSL_BAD_HS_CERTIFICATE, MBEDTLS_SSL_ALERT_MSG_DECODE_ERROR },
	{ MBEDTLS_ERR_SSL_BAD_HS_SERVER_KEY_EXCHANGE, MBEDTLS_SSL_ALERT_MSG_ILLEGAL_PARAMETER },
	{ MBEDTLS_ERR_SSL_BAD_HS_SERVER_HELLO, MBEDTLS_SSL_ALERT_MSG_HANDSHAKE_FAILURE },
	{ MBEDTLS_ERR_SSL_BAD_HS_CLIENT_HELLO, MBEDTLS_SSL_ALERT_MSG_HANDSHAKE_FAILURE },
	{ MBEDTLS_ERR_SSL_BAD_HS_NEW_SESSION_TICKET, MBEDTLS_SSL_ALERT_MSG_DECODE_ERROR },
};

static uint8_t alert_of(int error)
{
	for (size_t i = 0; i < sizeof alerts / sizeof alerts[0]; i++)
		if (alerts[i].error == error)
			return alerts[i].description;
	return MBEDTLS_SSL_ALERT_MSG_INTERNAL_ERROR;
}

/* Seals an alert of ours, behind what the library still holds. */
static enum lw_tls seal(struct mbedtls *m, uint8_t level, uint8_t description)
{
	int did = mbedtls_ssl_flush_output(m->ssl);

	if (did == MBEDTLS_ERR_SSL_WANT_WRITE)
		return LW_TLS_WANTS_WRITE;
	if (did != 0)
		return LW_TLS_FAILED;
	m->sealing = true;
	did = mbedtls_ssl_send_alert_message(m->ssl, level, description);
	m->sealing = false;
	if (did != 0)
		return LW_TLS_FAILED;
	lw_wire_alert_sent(m->wire, level, description);
	return LW_TLS_DONE;
}

/* rules: error-alerts-sent-fatal, send-fatal-if-possible */
static void tell_failure(struct mbedtls *m, int error)
{
	if (m->unseen)
		lw_wire_alert_sent(m->wire, MBEDTLS_SSL_ALERT_LEVEL_FATAL, alert_of(error));
	else if (!m->alerted)
		(void)seal(m, MBEDTLS_SSL_ALERT_LEVEL_FATAL, alert_of(error));
}

/* Why a call gave nothing. */
static enum lw_tls why_nothing(struct mbedtls *m, int did)
{
	const unsigned char *alert = m->ssl->in_msg;

	switch (did) {
	case MBEDTLS_ERR_SSL_WANT_READ:
		return m->paused ? LW_TLS_WANTS_CALLER : LW_TLS_WANTS_READ;
	case MBEDTLS_ERR_SSL_WANT_WRITE:
		return LW_TLS_WANTS_WRITE;
	case MBEDTLS_ERR_SSL_ASYNC_IN_PROGRESS:
	case MBEDTLS_ERR_SSL_CRYPTO_IN_PROGRESS:
	case MBEDTLS_ERR_SSL_WAITING_SERVER_HELLO_RENEGO: /* data came first, for read() */
		return LW_TLS_WANTS_CALLER;
	case MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY:
		lw_wire_alert_received(m->wire, alert[0], alert[1]);
		return LW_TLS_ENDED;
	case MBEDTLS_ERR_SSL_FATAL_ALERT_MESSAGE:
		lw_wire_alert_received(m->wire, alert[0], alert[1]);
		return LW_TLS_FAILED;
	default:
		tell_failure(m, did);
		return LW_TLS_FAILED;
	}
}

static void begin_call(struct mbedtls *m)
{
	m->paused = false;
	m->alerted = m->unseen = false;
}

static enum lw_tls mbedtls_handshake(void *context)
{
	struct mbedtls *m = context;
	int did;

	if (m->ssl->state == MBEDTLS_SSL_HANDSHAKE_OVER)
		return LW_TLS_DONE;
	begin_call(m);
	did = mbedtls_ssl_handshake(m->ssl);
	return did == 0 ? LW_TLS_DONE : why_nothing(m, did);
}

/* Empty records, of which the library stands three in a row, look like the end to it: 0. */
static enum lw_tls mbedtls_read(void *context, void *buf, size_t cap, size_t *n)
{
	struct mbedtls *m = context;
	int did;

	begin_call(m);
	do
		did = mbedtls_ssl_read(m->ssl, buf, cap);
	while (did == 0);
	*n = did > 0 ? (size_t)did : 0;
	if (did < 0)
		return why_nothing(m, did);
	m->warnings = 0;
	return LW_TLS_DONE;
}

static enum lw_tls mbedtls_peek(void *context)
{
	struct mbedtls *m = context;
	unsigned char octet;
	int did;

	begin_call(m);
	do
		did = mbedtls_ssl_read(m->ssl, &octet, 0);
	while (did == 0 && mbedtls_ssl_get_bytes_avail(m->ssl) == 0);
	return did == 0 ? LW_TLS_DONE : why_nothing(m, did);
}

static size_t record_limit(const mbedtls_ssl_context *ssl)
{
	const int limit = mbedtls_ssl_get_max_out_record_payload(ssl);

	return limit > 0 && limit < (int)LW_ADAPTER_WRITE_MAX ? (size_t)limit
	                                                      : LW_ADAPTER_WRITE_MAX;
}

/*
 * In TLS 1.0 the library may split: a record of one byte, which the wire takes whole, and the rest
 * behind it.  What waits here is always the last record of the call.
 */
static enum lw_tls mbedtls_write(void *context, const void *buf, size_t len, size_t *n)
{
	struct mbedtls *m = context;
	const size_t limit = record_limit(m->ssl);
	int did;

	*n = 0;
	did = mbedtls_ssl_flush_output(m->ssl); /* an alert or a handshake of the library's */
	begin_call(m);
	if (did != 0)
		return why_nothing(m, did);
	if (len > limit)
		len = limit;
	did = mbedtls_ssl_write(m->ssl, buf, len);
	if (did > 0)
		*n = (size_t)did;
	else if (did == MBEDTLS_ERR_SSL_WANT_WRITE &&
	         m->ssl->out_msgtype == MBEDTLS_SSL_MSG_APPLICATION_DATA)
		*n = len;
	return did > 0 ? LW_TLS_DONE : why_nothing(m, did);
}

/* Not by another write of the same bytes: the library may have sent the record on by itself. */
static enum lw_tls mbedtls_flush(void *context)
{
	struct mbedtls *m = context;
	int did;

	begin_call(m);
	did = mbedtls_ssl_flush_output(m->ssl);
	if (did != 0)
		return why_nothing(m, did);
	end_split_write(m->ssl);
	return LW_TLS_DONE;
}

/* The call for close_notify sends none while the library shakes hands again; this one does. */
static enum lw_tls mbedtls_seal_close_notify(void *context)
{
	return seal(context, MBEDTLS_SSL_ALERT_LEVEL_WARNING, MBEDTLS_SSL_ALERT_MSG_CLOSE_NOTIFY);
}

static enum lw_tls mbedtls_seal_fatal(void *context)
{
	return seal(context, MBEDTLS_SSL_ALERT_LEVEL_FATAL, MBEDTLS_SSL_ALERT_MSG_INTERNAL_ERROR);
}

/*
 * A client's session is emptied here, but copies of it are the application's, and nobody knows how
 * many there are.  A server cannot call back a ticket that carries the session itself; one that was
 * resumed by a ticket has a name as well, the client's.
 */
static bool mbedtls_forget_session(void *context)
{
	const struct mbedtls *m = context;
	mbedtls_ssl_session *session = m->ssl->session;
	bool had_name;

	if (!session)
		return true;
	had_name = session->id_len > 0;
	if (m->ssl->conf->endpoint == MBEDTLS_SSL_IS_SERVER)
		return had_name && drop_from_cache(m->ssl->conf, session) &&
		       !gives_tickets(m->ssl->conf);
	session->id_len = 0;
	return drop_ticket(session) == 0 && !had_name;
}

static uint16_t mbedtls_version(void *context)
{
	const struct mbedtls *m = context;

	if (m->ssl->state != MBEDTLS_SSL_HANDSHAKE_OVER)
		return 0;
	return (uint16_t)(m->ssl->major_ver << 8 | m->ssl->minor_ver);
}

static size_t mbedtls_unread(void *context)
{
	const struct mbedtls *m = context;

	return mbedtls_ssl_get_bytes_avail(m->ssl);
}

static void mbedtls_detach(void *context)
{
	struct mbedtls *m = context;

	mbedtls_ssl_set_bio(m->ssl, m->own.context, m->own.send, m->own.recv, m->own.recv_timeout);
}

/* The context, too, is the closer's: see the header. */
static void mbedtls_release(void *context)
{
	struct mbedtls *m = context;

	mbedtls_ssl_free(m->ssl);
	mbedtls_free(m->ssl);
}

static const struct lw_adapter adapter = {
	.name = "mbedtls",
	.handshake = mbedtls_handshake,
	.read = mbedtls_read,
	.peek = mbedtls_peek,
	.write = mbedtls_write,
	.flush = mbedtls_flush,
	.seal_close_notify = mbedtls_seal_close_notify,
	.seal_fatal = mbedtls_seal_fatal,
	.forget_session = mbedtls_forget_session,
	.version = mbedtls_version,
	.unread = mbedtls_unread,
	.detach = mbedtls_detach,
	.release = mbedtls_release,
};

/* Attaching */

/* The last record each way says so; the library itself does not remember. */
static bool is_shut_down(const mbedtls_ssl_context *ssl)
{
	if (ssl->state != MBEDTLS_SSL_HANDSHAKE_OVER)
		return false;
	if (ssl->out_msgtype == MBEDTLS_SSL_MSG_ALERT)
		return true;
	return ssl->in_msgtype == MBEDTLS_SSL_MSG_ALERT && ssl->in_left == 0 &&
	       (ssl->in_msg[0] == MBEDTLS_SSL_ALERT_LEVEL_FATAL ||
	        ssl->in_msg[1] == MBEDTLS_SSL_ALERT_MSG_CLOSE_NOTIFY);
}

static const char *refusal(const mbedtls_ssl_context *ssl)
{
	if (!ssl->conf)
		return "the SSL context is not set up: call mbedtls_ssl_setup() first";
	if (!ssl->f_send || (!ssl->f_recv && !ssl->f_recv_timeout))
		return "the SSL context has no callbacks: call mbedtls_ssl_set_bio() first";
	if (ssl->f_send == on_send)
		return "a stream is attached to this SSL context already";
	if (ssl->conf->transport == MBEDTLS_SSL_TRANSPORT_DATAGRAM)
		return "DTLS has no stream";
	if (is_shut_down(ssl))
		return "the connection is shut down already";
	if (renegotiates(ssl))
		return "a renegotiation is under way: finish it first";
	if (ssl->state == MBEDTLS_SSL_HANDSHAKE_OVER && ssl->out_left > 0)
		return "a write is under way: finish it first";
	return NULL;
}

/* The descriptor of an mbedtls_net_context that is a stream socket, or -1. */
static int socket_of(const struct callbacks *own)
{
	int fd, type = 0;
	socklen_t len = sizeof type;

	if (own->send != mbedtls_net_send || (own->recv && own->recv != mbedtls_net_recv) ||
	    (own->recv_timeout && own->recv_timeout != mbedtls_net_recv_timeout))
		return -1;
	fd = ((const mbedtls_net_context *)own->context)->fd;
	if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) != 0 || type != SOCK_STREAM)
		return -1;
	return fd;
}

static void choose_transport(struct mbedtls *m)
{
	const struct lw_transport transport = { callback_recv, callback_send, m };
	const int fd = socket_of(&m->own);

	if (fd >= 0)
		lw_wire_use_fd(m->wire, fd);
	else
		lw_wire_use_transport(m->wire, &transport);
}

struct lw_stream *lw_mbedtls_attach(mbedtls_ssl_context *ssl, const struct lw_options *options,
                                    const char **why)
{
	const char *unused;
	struct lw_stream *s;
	struct mbedtls *m;

	if (!why)
		why = &unused;
	*why = refusal(ssl);
	if (*why)
		return NULL;
	*why = "out of memory";
	s = lw_stream_new(&adapter, sizeof *m, options, false);
	if (!s)
		return NULL;
	m = lw_stream_context(s);
	m->ssl = ssl;
	m->wire = lw_stream_wire(s);
	m->own = (struct callbacks){ ssl->p_bio, ssl->f_send, ssl->f_recv, ssl->f_recv_timeout };
	m->looked = true; /* what came before us is not ours to count */
	m->lost = ssl->in_left > 0;
	if (m->lost)
		lw_wire_lose_boundaries(m->wire);
	choose_transport(m);
	mbedtls_ssl_set_bio(ssl, m, on_send, on_recv, NULL);
	*why = NULL;
	if (ssl->state == MBEDTLS_SSL_HANDSHAKE_OVER && lw_handshake(s) != LW_OK)
		*why = "this version of TLS is not known"; /* cannot be: there is no other */
	return s;
}
