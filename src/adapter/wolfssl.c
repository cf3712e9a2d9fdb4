/*
 * wolfssl: the adapter for wolfSSL 5.  It includes nothing but installed headers.
 *
 * The I/O callbacks of the WOLFSSL lead into the wire.  wolfSSL seals over a record that is half
 * out (a KeyUpdate's answer, an alert), so it never has one: what the wire does not take stays
 * here, and wolfSSL is told that all of it left.  It has no callback for the alerts of an
 * encrypted connection: its history of the last ones is read before each record and after each
 * call.  No policy lives here.
 */
#include <errno.h>
#include <lastword/adapter.h>
#include <lastword/wolfssl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <wolfssl/options.h>

#include <wolfssl/error-ssl.h>
#include <wolfssl/ssl.h>
#include <wolfssl/wolfio.h>

#define FATAL_ALERT  2
#define HEADER_BYTES 5 /* of a record */

/* A record, and what may come behind it: a flight of the handshake, answers to KeyUpdates. */
#define REST_BYTES_MAX (128u * 1024u)

struct wolfssl {
	WOLFSSL *ssl;
	struct lw_wire *wire;
	struct lw_wolfssl_io own; /* what the WOLFSSL is given back */
	void *own_read_context;
	void *own_write_context;
	unsigned char *rest; /* sealed, in the order in which it has to leave */
	size_t rest_bytes;
	size_t rest_capacity;
	WOLFSSL_ALERT_HISTORY told; /* of these alerts the wire knows */
	int asked_bytes;            /* of what wolfSSL asked for last, not given yet */
	bool established;
	bool has_read;
	bool is_lost; /* part of a record may have been in wolfSSL before we came */
	bool
	    fails; /* wolfSSL will not go on, and what it sealed has to leave before that is told */
};

/* Where a stream's context is found again from a WOLFSSL; -1: wolfSSL has no index left. */
static int ssl_index = -1;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void set_up(void)
{
	ssl_index = wolfSSL_get_ex_new_index(0, NULL, NULL, NULL, NULL);
}

/* What was sealed and has not left */

/* Whether all of it left, or can leave no more. */
static bool push_rest(struct wolfssl *o)
{
	while (o->rest_bytes > 0) {
		size_t n;

		if (lw_wire_send(o->wire, o->rest, o->rest_bytes, &n) != LW_IO_OK)
			return false;
		o->rest_bytes -= n;
		memmove(o->rest, o->rest + n, o->rest_bytes);
	}
	free(o->rest);
	o->rest = NULL;
	o->rest_capacity = 0;
	return true;
}

static bool keep_rest(struct wolfssl *o, const char *bytes, size_t len)
{
	if (len > REST_BYTES_MAX - o->rest_bytes)
		return false;
	if (o->rest_bytes + len > o->rest_capacity) {
		unsigned char *grown = realloc(o->rest, o->rest_bytes + len);

		if (!grown)
			return false;
		o->rest = grown;
		o->rest_capacity = o->rest_bytes + len;
	}
	memcpy(o->rest + o->rest_bytes, bytes, len);
	o->rest_bytes += len;
	return true;
}

/* What the library tells */

static bool is_same(const struct WOLFSSL_ALERT *a, const struct WOLFSSL_ALERT *b)
{
	return a->level == b->level && a->code == b->code;
}

static void note_received(struct wolfssl *o)
{
	WOLFSSL_ALERT_HISTORY now;

	if (wolfSSL_get_alert_history(o->ssl, &now) != WOLFSSL_SUCCESS ||
	    is_same(&now.last_rx, &o->told.last_rx))
		return;
	o->told.last_rx = now.last_rx;
	lw_wire_alert_received(o->wire, (uint8_t)now.last_rx.level, (uint8_t)now.last_rx.code);
}

/* Only what reached the wire was sent. */
static void note_sent(struct wolfssl *o)
{
	WOLFSSL_ALERT_HISTORY now;

	if (wolfSSL_get_alert_history(o->ssl, &now) != WOLFSSL_SUCCESS ||
	    is_same(&now.last_tx, &o->told.last_tx))
		return;
	o->told.last_tx = now.last_tx;
	lw_wire_alert_sent(o->wire, (uint8_t)now.last_tx.level, (uint8_t)now.last_tx.code);
}

/*
 * wolfSSL asks for a header, then for what the header says, and for no byte more.  Five bytes that
 * are asked for first may be the rest of a record; then a header is asked for next, while no
 * sealed record has a body of that length.
 */
static void follow_request(struct wolfssl *o, int len)
{
	const bool goes_on = o->asked_bytes == 0; /* it has got what it asked for */

	if (!o->has_read && len != HEADER_BYTES) {
		lw_wire_lose_boundaries(o->wire);
		o->is_lost = true;
	} else if (!o->has_read) {
		o->is_lost = o->established;
	} else if (goes_on && o->is_lost && len == HEADER_BYTES) {
		lw_wire_find_boundaries(o->wire);
		o->is_lost = false;
	}
	o->has_read = true;
	o->asked_bytes = len;
}

static int on_recv(WOLFSSL *ssl, char *buf, int len, void *context)
{
	struct wolfssl *o = context;
	size_t n;

	(void)ssl;
	follow_request(o, len);
	note_received(o);
	if (len <= 0 || lw_wire_recv(o->wire, buf, (size_t)len, &n) != LW_IO_OK)
		return WOLFSSL_CBIO_ERR_WANT_READ;
	o->asked_bytes -= (int)n;
	return (int)n;
}

static int on_send(WOLFSSL *ssl, char *buf, int len, void *context)
{
	struct wolfssl *o = context;
	size_t left = len > 0 ? (size_t)len : 0, n;

	(void)ssl;
	if (push_rest(o)) {
		while (left > 0 &&
		       lw_wire_send(o->wire, buf + (size_t)len - left, left, &n) == LW_IO_OK)
			left -= n;
	}
	if (left > 0 && !keep_rest(o, buf + (size_t)len - left, left))
		return WOLFSSL_CBIO_ERR_GENERAL;
	return len;
}

/* Its own alert may stand behind a record that is half out: both leave before the end is told. */
static enum lw_tls fail(struct wolfssl *o)
{
	o->fails = !push_rest(o);
	if (o->fails)
		return LW_TLS_WANTS_WRITE;
	note_sent(o);
	return LW_TLS_FAILED;
}

static enum lw_tls why_nothing(struct wolfssl *o, int did)
{
	const int error = wolfSSL_get_error(o->ssl, did);

	note_received(o);
	switch (error) {
	case WOLFSSL_ERROR_WANT_READ:
		return LW_TLS_WANTS_READ;
	case WOLFSSL_ERROR_WANT_WRITE:
		return LW_TLS_WANTS_WRITE;
	case WOLFSSL_ERROR_ZERO_RETURN:
		return LW_TLS_ENDED;
	case WC_PENDING_E:
	case OCSP_WANT_READ:
		return LW_TLS_WANTS_CALLER;
	default:
		return fail(o); /* what the error queue says, the verdict says */
	}
}

static enum lw_tls wolfssl_handshake(void *context)
{
	struct wolfssl *o = context;
	enum lw_tls why;
	int did;

	if (o->fails)
		return fail(o);
	if (!push_rest(o))
		return LW_TLS_WANTS_WRITE;
	if (o->established)
		return LW_TLS_DONE;
	did = wolfSSL_negotiate(o->ssl);
	if (did != WOLFSSL_SUCCESS) {
		why = why_nothing(o, did);
		return why == LW_TLS_WANTS_READ && o->rest_bytes > 0 ? LW_TLS_WANTS_WRITE : why;
	}
	o->established = true;
	return push_rest(o) ? LW_TLS_DONE : LW_TLS_WANTS_WRITE;
}

static int int_length(size_t len)
{
	return len < (1u << 30) ? (int)len : 1 << 30;
}

static enum lw_tls wolfssl_read(void *context, void *buf, size_t cap, size_t *n)
{
	struct wolfssl *o = context;
	int did;

	*n = 0;
	if (o->fails)
		return fail(o);
	(void)push_rest(o);
	did = wolfSSL_read(o->ssl, buf, int_length(cap));
	if (did <= 0)
		return why_nothing(o, did);
	*n = (size_t)did;
	return LW_TLS_DONE;
}

static enum lw_tls wolfssl_peek(void *context)
{
	struct wolfssl *o = context;
	unsigned char octet;
	int did;

	if (o->fails)
		return fail(o);
	(void)push_rest(o);
	did = wolfSSL_peek(o->ssl, &octet, 1);
	return did > 0 ? LW_TLS_DONE : why_nothing(o, did);
}

static enum lw_tls wolfssl_write(void *context, const void *buf, size_t len, size_t *n)
{
	struct wolfssl *o = context;
	const int limit = wolfSSL_GetMaxOutputSize(o->ssl); /* less than 16 KiB if so agreed */
	int did;

	*n = 0;
	if (o->fails)
		return fail(o);
	if (!push_rest(o))
		return LW_TLS_WANTS_WRITE;
	if (limit > 0 && len > (size_t)limit)
		len = (size_t)limit;
	did = wolfSSL_write(o->ssl, buf, int_length(len));
	if (did <= 0)
		return why_nothing(o, did);
	*n = (size_t)did;
	return o->rest_bytes > 0 ? LW_TLS_WANTS_WRITE : LW_TLS_DONE;
}

static enum lw_tls wolfssl_flush(void *context)
{
	struct wolfssl *o = context;

	return push_rest(o) ? LW_TLS_DONE : LW_TLS_WANTS_WRITE;
}

static enum lw_tls wolfssl_seal_close_notify(void *context)
{
	struct wolfssl *o = context;
	const int closures = wolfSSL_get_shutdown(o->ssl);
	int did;

	if (!push_rest(o))
		return LW_TLS_WANTS_WRITE;
	if (o->fails) /* its own alert was sealed, which reading tells */
		return LW_TLS_WANTS_READ;
	/* With both closures wolfSSL would clear the object, its session included. */
	wolfSSL_set_shutdown(o->ssl, 0);
	did = wolfSSL_shutdown(o->ssl);
	wolfSSL_set_shutdown(o->ssl, closures | WOLFSSL_SENT_SHUTDOWN);
	note_sent(o);
	return did == WOLFSSL_SHUTDOWN_NOT_DONE ? LW_TLS_DONE : LW_TLS_FAILED;
}

/* wolfSSL has no call for it: a record of impossible length makes it seal one. */
static enum lw_tls wolfssl_seal_fatal(void *context)
{
	struct wolfssl *o = context;
	unsigned char scratch[1024];
	int did;

	if (!push_rest(o))
		return LW_TLS_WANTS_WRITE;
	lw_wire_poison(o->wire);
	if (wolfSSL_get_shutdown(o->ssl) & WOLFSSL_RECEIVED_SHUTDOWN) {
		/* It would read no more; a handshake that is done forgets why. */
		wolfSSL_SetHsDoneCb(o->ssl, NULL, NULL);
		(void)wolfSSL_negotiate(o->ssl);
	}
	do /* ends with what was decrypted and the record under way, at the latest */
		did = wolfSSL_read(o->ssl, scratch, sizeof scratch);
	while (did > 0);
	explicit_bzero(scratch, sizeof scratch);
	note_sent(o);
	return o->told.last_tx.level == FATAL_ALERT ? LW_TLS_DONE : LW_TLS_FAILED;
}

/*
 * A client's session is one object, which each ticket fills anew, and copies of it are out of
 * reach.  A server cannot call back a ticket that carries the session itself.
 */
static bool wolfssl_forget_session(void *context)
{
	struct wolfssl *o = context;
	WOLFSSL_SESSION *session = wolfSSL_get_session(o->ssl);

	if (session == NULL)
		return true;
	return wolfSSL_SSL_CTX_remove_session(wolfSSL_get_SSL_CTX(o->ssl), session) == 0 &&
	       !wolfSSL_is_server(o->ssl);
}

static uint16_t wolfssl_version(void *context)
{
	struct wolfssl *o = context;

	return (uint16_t)wolfSSL_version(o->ssl);
}

static size_t wolfssl_unread(void *context)
{
	struct wolfssl *o = context;

	return (size_t)wolfSSL_pending(o->ssl);
}

static void wolfssl_detach(void *context)
{
	struct wolfssl *o = context;

	free(o->rest);
	if (ssl_index >= 0)
		(void)wolfSSL_set_ex_data(o->ssl, ssl_index, NULL);
	wolfSSL_SSLSetIORecv(o->ssl, o->own.recv);
	wolfSSL_SSLSetIOSend(o->ssl, o->own.send);
	wolfSSL_SetIOReadCtx(o->ssl, o->own_read_context);
	wolfSSL_SetIOWriteCtx(o->ssl, o->own_write_context);
}

static void wolfssl_release(void *context)
{
	struct wolfssl *o = context;

	free(o->rest);
	wolfSSL_free(o->ssl);
}

static const struct lw_adapter adapter = {
	.name = "wolfssl",
	.handshake = wolfssl_handshake,
	.read = wolfssl_read,
	.peek = wolfssl_peek,
	.write = wolfssl_write,
	.flush = wolfssl_flush,
	.seal_close_notify = wolfssl_seal_close_notify,
	.seal_fatal = wolfssl_seal_fatal,
	.forget_session = wolfssl_forget_session,
	.version = wolfssl_version,
	.unread = wolfssl_unread,
	.detach = wolfssl_detach,
	.release = wolfssl_release,
};

/* The application's callbacks as a transport */

static enum lw_io io_of_callback(int did, size_t *n, int *os_error)
{
	*n = 0;
	if (did > 0) {
		*n = (size_t)did;
		return LW_IO_OK;
	}
	switch (did) {
	case WOLFSSL_CBIO_ERR_WANT_READ: /* to write has the same number */
	case WOLFSSL_CBIO_ERR_ISR:
	case WOLFSSL_CBIO_ERR_TIMEOUT:
		return LW_IO_AGAIN;
	case WOLFSSL_CBIO_ERR_CONN_RST:
		return LW_IO_RESET;
	case WOLFSSL_CBIO_ERR_CONN_CLOSE:
	case 0:
		return LW_IO_FIN;
	default:
		*os_error = errno;
		return LW_IO_ERROR;
	}
}

static enum lw_io own_recv(void *context, void *buf, size_t cap, size_t *n, int *os_error)
{
	struct wolfssl *o = context;

	errno = 0;
	return io_of_callback(o->own.recv(o->ssl, buf, int_length(cap), o->own_read_context), n,
	                      os_error);
}

static enum lw_io own_send(void *context, const void *buf, size_t len, size_t *n, int *os_error)
{
	struct wolfssl *o = context;
	char chunk[4096]; /* the callback takes no const */
	enum lw_io io;
	int did;

	if (len > sizeof chunk)
		len = sizeof chunk;
	memcpy(chunk, buf, len);
	errno = 0;
	did = o->own.send(o->ssl, chunk, (int)len, o->own_write_context);
	if (did == 0)
		did = WOLFSSL_CBIO_ERR_WANT_WRITE;
	io = io_of_callback(did, n, os_error);
	return io == LW_IO_FIN ? LW_IO_RESET : io; /* nobody takes it any more */
}

/* Attaching */

static const char *refusal(WOLFSSL *ssl)
{
	if (ssl_index >= 0 && wolfSSL_get_ex_data(ssl, ssl_index))
		return "a stream is attached to this WOLFSSL object already";
	if (wolfSSL_dtls(ssl))
		return "DTLS has no stream";
	if (wolfSSL_GetSide(ssl) != WOLFSSL_CLIENT_END &&
	    wolfSSL_GetSide(ssl) != WOLFSSL_SERVER_END)
		return "the WOLFSSL object has no role yet: call wolfSSL_set_connect_state() or "
		       "wolfSSL_set_accept_state() first";
	if (!wolfSSL_is_init_finished(ssl))
		return NULL;
	if (wolfSSL_get_shutdown(ssl) != 0)
		return "the connection is shut down already";
	if (wolfSSL_want_write(ssl))
		return "a write is under way: finish it first";
	return NULL;
}

/* The descriptor behind a context: wolfSSL keeps its own inside the object.  -1: another's. */
static int fd_of(const WOLFSSL *ssl, const void *context)
{
	const uintptr_t at = (uintptr_t)context, from = (uintptr_t)ssl;
	int fd;

	if (at < from || at - from > (size_t)wolfSSL_GetObjectSize() - sizeof fd)
		return -1;
	memcpy(&fd, context, sizeof fd);
	return fd;
}

static bool is_inside(const WOLFSSL *ssl, const void *context)
{
	return (uintptr_t)context - (uintptr_t)ssl < (size_t)wolfSSL_GetObjectSize();
}

static const char *refusal_of_descriptor(WOLFSSL *ssl)
{
	const void *reading = wolfSSL_GetIOReadCtx(ssl), *writing = wolfSSL_GetIOWriteCtx(ssl);
	socklen_t len = sizeof(int);
	int type = 0;

	if (!is_inside(ssl, reading) || !is_inside(ssl, writing))
		return "the WOLFSSL object has an I/O context of its own: name its callbacks to "
		       "lw_wolfssl_attach_io()";
	if (wolfSSL_SSL_get_rbio(ssl) || wolfSSL_SSL_get_wbio(ssl))
		return "the WOLFSSL object has BIOs: use wolfSSL_set_fd(), or callbacks and "
		       "lw_wolfssl_attach_io()";
	if (fd_of(ssl, reading) < 0 || fd_of(ssl, writing) < 0)
		return "the WOLFSSL object has no descriptor: call wolfSSL_set_fd() first";
	if (fd_of(ssl, reading) != fd_of(ssl, writing))
		return "the WOLFSSL object reads and writes on two descriptors";
	if (getsockopt(fd_of(ssl, reading), SOL_SOCKET, SO_TYPE, &type, &len) != 0 ||
	    type != SOCK_STREAM)
		return "the descriptor is no stream socket";
	return NULL;
}

static struct lw_stream *begin(WOLFSSL *ssl, const struct lw_wolfssl_io *own, int fd,
                               const struct lw_options *options, const char **why)
{
	struct lw_stream *s = lw_stream_new(&adapter, sizeof(struct wolfssl), options, false);
	struct wolfssl *o;

	*why = "out of memory";
	if (!s)
		return NULL;
	o = lw_stream_context(s);
	o->ssl = ssl;
	o->wire = lw_stream_wire(s);
	o->own = *own;
	o->own_read_context = wolfSSL_GetIOReadCtx(ssl);
	o->own_write_context = wolfSSL_GetIOWriteCtx(ssl);
	o->established = wolfSSL_is_init_finished(ssl);
	(void)wolfSSL_get_alert_history(ssl, &o->told);
	if (fd >= 0)
		lw_wire_use_fd(o->wire, fd);
	else
		lw_wire_use_transport(o->wire, &(struct lw_transport){ own_recv, own_send, o });
	if (ssl_index >= 0)
		(void)wolfSSL_set_ex_data(ssl, ssl_index, o);
	wolfSSL_SSLSetIORecv(ssl, on_recv);
	wolfSSL_SSLSetIOSend(ssl, on_send);
	wolfSSL_SetIOReadCtx(ssl, o);
	wolfSSL_SetIOWriteCtx(ssl, o);
	wolfSSL_set_quiet_shutdown(ssl, 0); /* it would drop close_notify */
	*why = NULL;
	if (o->established && lw_handshake(s) != LW_OK)
		*why = "this version of TLS is not known"; /* cannot be: wolfSSL has no other */
	return s;
}

struct lw_stream *lw_wolfssl_attach(struct WOLFSSL *ssl, const struct lw_options *options,
                                    const char **why)
{
	static const struct lw_wolfssl_io sockets = { EmbedReceive, EmbedSend };
	const char *unused;

	if (!why)
		why = &unused;
	(void)pthread_once(&once, set_up);
	*why = refusal(ssl);
	if (!*why)
		*why = refusal_of_descriptor(ssl);
	if (*why)
		return NULL;
	return begin(ssl, &sockets, fd_of(ssl, wolfSSL_GetIOReadCtx(ssl)), options, why);
}

struct lw_stream *lw_wolfssl_attach_io(struct WOLFSSL *ssl, const struct lw_wolfssl_io *io,
                                       const struct lw_options *options, const char **why)
{
	const char *unused;

	if (!why)
		why = &unused;
	(void)pthread_once(&once, set_up);
	*why = refusal(ssl);
	return *why ? NULL : begin(ssl, io, -1, options, why);
}
