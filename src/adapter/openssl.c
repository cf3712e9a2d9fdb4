/*
 * openssl: the adapter for OpenSSL 3.  It includes nothing but installed headers.
 *
 * A filter BIO is pushed under the SSL's own BIOs; through it the wire sees
 * every byte.  On a plain socket BIO the wire takes the descriptor itself, so
 * that no call blocks or raises SIGPIPE; any other chain is used through its
 * own calls.  Alerts are told by the info callback, behind which the
 * application's own is still called.  No policy lives here.
 */
#include <errno.h>
#include <lastword/adapter.h>
#include <lastword/openssl.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <string.h>
#include <sys/socket.h>

#define FATAL_ALERT 2
/* Without AUTO_RETRY a read may ask for more while a record behind a ticket already waits. */
#define MODES                                                                                      \
	(SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_AUTO_RETRY)

typedef void info_callback(const SSL *ssl, int where, int value);

struct openssl {
	SSL *ssl;
	BIO *rbio; /* the application's, under our filters */
	BIO *wbio;
	BIO *rfilter;
	BIO *wfilter; /* the same as rfilter where the application's are the same */
	struct lw_wire *wire;
	info_callback *info; /* the SSL's own; NULL: its context's is the application's */
	size_t held_bytes;   /* plaintext of a sealed record that is half out */
	uint64_t modes_added;
	unsigned tickets; /* received: each is a session of its own */
	int quiet_shutdown;
	int read_ahead;
	int lost; /* OpenSSL holds bytes that the wire has not seen */
	int observing;
	int direct;    /* the wire uses the descriptor */
	int unflushed; /* the application's BIOs hold back what they took */
};

static const unsigned char zeros[LW_ADAPTER_WRITE_MAX];

/* Where a stream's context is found again from an SSL, and its filter's method. */
static int ssl_index = -1;
static int filter_type;
static BIO_METHOD *filter_method;
static CRYPTO_ONCE once = CRYPTO_ONCE_STATIC_INIT;

/* The filter BIO */

/* As sockets' BIOs answer: 1 for bytes, 0 at the end, -1 otherwise, the retry flags saying why. */
static int answer(BIO *bio, enum lw_io io, int again_flag)
{
	BIO_clear_retry_flags(bio);
	if (io == LW_IO_AGAIN)
		BIO_set_flags(bio, again_flag | BIO_FLAGS_SHOULD_RETRY);
	return io == LW_IO_OK ? 1 : io == LW_IO_FIN ? 0 : -1;
}

static int filter_read(BIO *bio, char *buf, size_t cap, size_t *n)
{
	struct openssl *o = BIO_get_data(bio);

	return answer(bio, lw_wire_recv(o->wire, buf, cap, n), BIO_FLAGS_READ);
}

static int filter_write(BIO *bio, const char *buf, size_t len, size_t *n)
{
	struct openssl *o = BIO_get_data(bio);

	return answer(bio, lw_wire_send(o->wire, buf, len, n), BIO_FLAGS_WRITE);
}

/* The commands of kernel TLS; bio.h names those that set it in a comment only. */
enum { SET_KTLS = 72, SET_KTLS_MESSAGE = 74, CLEAR_KTLS_MESSAGE = 75 };

static void flush_below(struct openssl *o)
{
	o->unflushed = BIO_flush(o->wbio) <= 0;
}

static long filter_flush(BIO *bio, struct openssl *o)
{
	BIO *next;
	long did;

	if (o->direct) /* nothing is held back: the wire uses the descriptor */
		return 1;
	if (!o->observing) {
		flush_below(o);
		return 1;
	}
	next = BIO_next(bio);
	BIO_clear_retry_flags(bio);
	did = next ? BIO_flush(next) : 0;
	BIO_copy_next_retry(bio);
	return did;
}

/* Asked a dozen times a record: in the kernel nobody would see the records. */
static bool is_of_kernel_tls(int command)
{
	switch (command) {
	case BIO_CTRL_GET_KTLS_SEND:
	case BIO_CTRL_GET_KTLS_RECV:
	case SET_KTLS:
	case SET_KTLS_MESSAGE:
	case CLEAR_KTLS_MESSAGE:
		return true;
	default:
		return false;
	}
}

static long pass_on(BIO *bio, int command, long number, void *pointer)
{
	const struct openssl *o = BIO_get_data(bio);
	BIO *next = BIO_next(bio);

	if (command == BIO_CTRL_EOF && !o->observing) /* the ending is not for the library */
		return 0;
	return next ? BIO_ctrl(next, command, number, pointer) : 0;
}

static long filter_ctrl(BIO *bio, int command, long number, void *pointer)
{
	if (is_of_kernel_tls(command))
		return 0;
	if (command == BIO_CTRL_FLUSH)
		return filter_flush(bio, BIO_get_data(bio));
	return pass_on(bio, command, number, pointer);
}

static int filter_create(BIO *bio)
{
	BIO_set_init(bio, 1);
	return 1;
}

/* An application that frees the SSL first leaves nothing to detach from. */
static void on_ssl_free(void *parent, void *context, CRYPTO_EX_DATA *data, int index, long number,
                        void *pointer)
{
	struct openssl *o = context;

	(void)parent, (void)data, (void)index, (void)number, (void)pointer;
	if (!o)
		return;
	o->ssl = NULL;
	/* A shared filter goes once, and takes one reference; the SSL had two. */
	if (o->rfilter == o->wfilter)
		BIO_free(o->rbio);
}

/* A copy of the SSL has no stream. */
static int on_ssl_dup(CRYPTO_EX_DATA *to, const CRYPTO_EX_DATA *from, void **context, int index,
                      long number, void *pointer)
{
	(void)to, (void)from, (void)index, (void)number, (void)pointer;
	*context = NULL;
	return 1;
}

static void set_up(void)
{
	ssl_index = SSL_get_ex_new_index(0, NULL, NULL, on_ssl_dup, on_ssl_free);
	filter_type = BIO_get_new_index() | BIO_TYPE_FILTER;
	filter_method = BIO_meth_new(filter_type, "lastword wire");
	if (!filter_method)
		return;
	if (BIO_meth_set_read_ex(filter_method, filter_read) != 1 ||
	    BIO_meth_set_write_ex(filter_method, filter_write) != 1 ||
	    BIO_meth_set_ctrl(filter_method, filter_ctrl) != 1 ||
	    BIO_meth_set_create(filter_method, filter_create) != 1) {
		BIO_meth_free(filter_method);
		filter_method = NULL;
	}
}

/* The application's BIOs as a transport */

static enum lw_io io_of_bio(BIO *bio, int did, size_t *n, int *os_error)
{
	const int error = errno;

	*n = 0;
	if (did > 0) {
		*n = (size_t)did;
		return LW_IO_OK;
	}
	if (BIO_should_retry(bio))
		return LW_IO_AGAIN;
	if (did == 0)
		return LW_IO_FIN;
	if (error == ECONNRESET || error == EPIPE)
		return LW_IO_RESET;
	*os_error = error;
	return LW_IO_ERROR;
}

static int int_length(size_t len)
{
	return len < (1u << 30) ? (int)len : 1 << 30;
}

static enum lw_io bio_recv(void *context, void *buf, size_t cap, size_t *n, int *os_error)
{
	struct openssl *o = context;

	if (o->unflushed)
		flush_below(o);
	errno = 0;
	return io_of_bio(o->rbio, BIO_read(o->rbio, buf, int_length(cap)), n, os_error);
}

static enum lw_io bio_send(void *context, const void *buf, size_t len, size_t *n, int *os_error)
{
	struct openssl *o = context;
	enum lw_io io;

	errno = 0;
	io = io_of_bio(o->wbio, BIO_write(o->wbio, buf, int_length(len)), n, os_error);
	if (io == LW_IO_OK && !o->observing)
		flush_below(o);
	return io == LW_IO_FIN ? LW_IO_RESET : io; /* nobody takes it any more */
}

/* What the library tells */

static void note_alert(struct openssl *o, int where, int value)
{
	const uint8_t level = (uint8_t)(value >> 8), description = (uint8_t)value;

	if (where & SSL_CB_READ)
		lw_wire_alert_received(o->wire, level, description);
	else
		lw_wire_alert_sent(o->wire, level, description);
}

/* The handshake goes a step on: a state's short name tells reading ("TR...") from writing. */
static void note_step(struct openssl *o)
{
	if (SSL_get_state(o->ssl) == TLS_ST_CR_SESSION_TICKET)
		o->tickets++;
	if (o->observing && strncmp(SSL_state_string(o->ssl), "TR", 2) == 0)
		lw_wire_observe_handshake_message(o->wire);
}

/* Through its filter, which is cheaper, unless the application has put a BIO of its own on it. */
static struct openssl *openssl_of(const SSL *ssl)
{
	BIO *bio = SSL_get_rbio(ssl);

	if (bio && BIO_method_type(bio) == filter_type)
		return BIO_get_data(bio);
	return SSL_get_ex_data(ssl, ssl_index);
}

static void on_info(const SSL *ssl, int where, int value)
{
	struct openssl *o = openssl_of(ssl);
	info_callback *own = o ? o->info : NULL;

	if (o && (where & SSL_CB_ALERT))
		note_alert(o, where, value);
	else if (o && (where & SSL_CB_LOOP))
		note_step(o);
	else if (o && o->observing && (where & SSL_CB_HANDSHAKE_DONE))
		lw_wire_observe_established(o->wire);
	if (!own)
		own = SSL_CTX_get_info_callback(SSL_get_SSL_CTX(ssl));
	if (own)
		own(ssl, where, value);
}

/* A failure puts OpenSSL back among the states of a handshake, so that the dear question is rarely
 * asked. */
static bool has_failed(const SSL *ssl)
{
	return SSL_in_init(ssl) && strcmp(SSL_state_string(ssl), "SSLERR") == 0;
}

/*
 * Why a call gave nothing.  SSL_get_error() would need an error queue that was emptied before the
 * call, which costs as much as a small record; the SSL's own state says the same.
 */
static enum lw_tls why_nothing(const struct openssl *o)
{
	const int want = SSL_want(o->ssl);

	if (!has_failed(o->ssl)) {
		if (want == SSL_READING && BIO_should_read(o->rfilter))
			return LW_TLS_WANTS_READ;
		if (want == SSL_WRITING && BIO_should_write(o->wfilter))
			return LW_TLS_WANTS_WRITE;
		if (want != SSL_NOTHING && want != SSL_READING && want != SSL_WRITING)
			return LW_TLS_WANTS_CALLER;
		if (SSL_get_shutdown(o->ssl) & SSL_RECEIVED_SHUTDOWN)
			return LW_TLS_ENDED;
	}
	ERR_clear_error(); /* what it says, the verdict says */
	return LW_TLS_FAILED;
}

static enum lw_tls openssl_handshake(void *context)
{
	struct openssl *o = context;
	int did;

	if (SSL_is_init_finished(o->ssl))
		return LW_TLS_DONE;
	did = SSL_do_handshake(o->ssl);
	return did == 1 ? LW_TLS_DONE : why_nothing(o);
}

/* OpenSSL holds part of a record that the wire has not seen. */
static bool holds_part_of_a_record(const SSL *ssl, int read_ahead)
{
	if (strcmp(SSL_rstate_string(ssl), "RH") != 0)
		return true;
	if (!SSL_has_pending(ssl))
		return false;
	return SSL_pending(ssl) == 0 || read_ahead;
}

/* It reads no further than it needs, so that one day it holds nothing of that any more. */
static void look_for_boundaries(struct openssl *o)
{
	if (!o->lost || holds_part_of_a_record(o->ssl, o->read_ahead))
		return;
	o->lost = 0;
	lw_wire_find_boundaries(o->wire);
}

static enum lw_tls openssl_read(void *context, void *buf, size_t cap, size_t *n)
{
	struct openssl *o = context;
	int did;

	did = SSL_read_ex(o->ssl, buf, cap, n);
	look_for_boundaries(o);
	if (did == 1)
		return LW_TLS_DONE;
	*n = 0;
	return why_nothing(o);
}

static enum lw_tls openssl_peek(void *context)
{
	struct openssl *o = context;
	unsigned char octet;
	size_t n;
	int did;

	did = SSL_peek_ex(o->ssl, &octet, 1, &n);
	look_for_boundaries(o);
	return did == 1 ? LW_TLS_DONE : why_nothing(o);
}

/* More than one record a call could not be finished without its plaintext. */
static size_t record_limit(const struct openssl *o)
{
	const SSL_SESSION *session = SSL_get0_session(o->ssl);
	const uint8_t code = session ? SSL_SESSION_get_max_fragment_length(session) : 0;

	return code >= TLSEXT_max_fragment_length_512 && code <= TLSEXT_max_fragment_length_4096
	           ? (size_t)256 << code
	           : LW_ADAPTER_WRITE_MAX;
}

static enum lw_tls openssl_write(void *context, const void *buf, size_t len, size_t *n)
{
	struct openssl *o = context;
	const size_t limit = record_limit(o);
	enum lw_tls why;
	int did;

	if (len > limit)
		len = limit;
	did = SSL_write_ex(o->ssl, buf, len, n);
	if (did == 1)
		return LW_TLS_DONE;
	*n = 0;
	why = why_nothing(o);
	/* A handshake in the way (KeyUpdate, renegotiation) is what blocks, and took nothing. */
	if (why == LW_TLS_WANTS_WRITE && !SSL_in_init(o->ssl))
		*n = o->held_bytes = len;
	return why;
}

/* The record is sealed: only its length counts, not what the bytes are. */
static enum lw_tls openssl_flush(void *context)
{
	struct openssl *o = context;
	size_t n;
	int did;

	if (o->held_bytes == 0)
		return LW_TLS_DONE;
	did = SSL_write_ex(o->ssl, zeros, o->held_bytes, &n);
	if (did != 1)
		return why_nothing(o);
	o->held_bytes = 0;
	return LW_TLS_DONE;
}

/* A handshake after the first is under way, in which the library seals no close_notify. */
static bool shakes_again(const SSL *ssl)
{
	return SSL_in_init(ssl) && !(SSL_get_shutdown(ssl) & SSL_RECEIVED_SHUTDOWN) &&
	       !has_failed(ssl);
}

static enum lw_tls openssl_seal_close_notify(void *context)
{
	struct openssl *o = context;
	int did;

	if (shakes_again(o->ssl))
		return SSL_want_write(o->ssl) ? LW_TLS_WANTS_WRITE : LW_TLS_WANTS_READ;
	/* What is sealed is known, and need not be told: the application's own callback hears it.
	 */
	SSL_set_info_callback(o->ssl, o->info);
	did = SSL_shutdown(o->ssl); /* once, and never again: a second call would read */
	SSL_set_info_callback(o->ssl, on_info);
	if (did >= 0)
		return LW_TLS_DONE;
	ERR_clear_error();
	return LW_TLS_FAILED;
}

/* OpenSSL has no call for it: a record of impossible length makes it seal one. */
static enum lw_tls openssl_seal_fatal(void *context)
{
	struct openssl *o = context;
	unsigned char scratch[1024];
	enum lw_tls why;
	int closures = 0;
	size_t n = 0;
	int did;

	lw_wire_poison(o->wire);
	do { /* ends with what was read ahead and the record under way, at the latest */
		/* After the peer's closure the library would read nothing. */
		SSL_set_shutdown(o->ssl, SSL_get_shutdown(o->ssl) & ~SSL_RECEIVED_SHUTDOWN);
		did = SSL_read_ex(o->ssl, scratch, sizeof scratch, &n);
		/* A second one is the first again: in 1.3 OpenSSL keeps one at level fatal. */
		if (did != 1 && (SSL_get_shutdown(o->ssl) & SSL_RECEIVED_SHUTDOWN))
			closures++;
	} while (did == 1 || (closures == 1 && !SSL_in_init(o->ssl) &&
	                      (SSL_get_shutdown(o->ssl) & SSL_RECEIVED_SHUTDOWN)));
	OPENSSL_cleanse(scratch, sizeof scratch);
	why = why_nothing(o);
	if (why == LW_TLS_WANTS_WRITE)
		return why;
	return why == LW_TLS_FAILED ? LW_TLS_DONE : LW_TLS_FAILED;
}

/*
 * A session of TLS 1.3 is a ticket's: OpenSSL keeps hold of the last only.  A server
 * cannot call back a ticket that carries the session itself.
 */
static bool holds_every_session(const SSL *ssl, unsigned tickets)
{
	const bool is_13 = SSL_version(ssl) == TLS1_3_VERSION;

	if (!SSL_is_server(ssl))
		return !is_13 || tickets <= 1;
	return (SSL_get_options(ssl) & SSL_OP_NO_TICKET) &&
	       (!is_13 || SSL_get_num_tickets(ssl) <= 1);
}

static bool openssl_forget_session(void *context)
{
	struct openssl *o = context;
	SSL_SESSION *session;

	if (!o->ssl)
		return false;
	session = SSL_get0_session(o->ssl);
	if (!session)
		return true;
	(void)SSL_CTX_remove_session(SSL_get_SSL_CTX(o->ssl), session);
	return holds_every_session(o->ssl, o->tickets);
}

static uint16_t openssl_version(void *context)
{
	struct openssl *o = context;

	return (uint16_t)SSL_version(o->ssl);
}

static size_t openssl_unread(void *context)
{
	struct openssl *o = context;

	return o->ssl ? (size_t)SSL_pending(o->ssl) : 0;
}

static void openssl_detach(void *context)
{
	struct openssl *o = context;

	if (!o->ssl)
		return;
	SSL_set_info_callback(o->ssl, o->info);
	SSL_set_ex_data(o->ssl, ssl_index, NULL);
	SSL_clear_mode(o->ssl, (long)o->modes_added);
	SSL_set_quiet_shutdown(o->ssl, o->quiet_shutdown);
	if (!o->observing)
		SSL_set_read_ahead(o->ssl, o->read_ahead);
	/* The SSL drops its references to the filters; only then may they leave their chains. */
	if (!BIO_up_ref(o->rfilter) || !BIO_up_ref(o->wfilter))
		return;
	SSL_set0_rbio(o->ssl, o->rbio);
	SSL_set0_wbio(o->ssl, o->wbio);
	(void)BIO_pop(o->rfilter);
	if (o->wfilter != o->rfilter)
		(void)BIO_pop(o->wfilter);
	BIO_free(o->rfilter);
	BIO_free(o->wfilter);
}

/* Only for a stream that uses the descriptor itself: the BIO is a socket's, and may own it. */
static void openssl_release(void *context)
{
	struct openssl *o = context;

	if (!o->ssl)
		return;
	(void)BIO_set_close(o->rbio, BIO_NOCLOSE);
	if (o->wbio != o->rbio)
		(void)BIO_set_close(o->wbio, BIO_NOCLOSE);
	SSL_free(o->ssl); /* on_ssl_free() parts the filters from it */
}

static const struct lw_adapter adapter = {
	.name = "openssl",
	.handshake = openssl_handshake,
	.read = openssl_read,
	.peek = openssl_peek,
	.write = openssl_write,
	.flush = openssl_flush,
	.seal_close_notify = openssl_seal_close_notify,
	.seal_fatal = openssl_seal_fatal,
	.forget_session = openssl_forget_session,
	.version = openssl_version,
	.unread = openssl_unread,
	.detach = openssl_detach,
	.release = openssl_release,
};

/* Attaching */

static const char *refusal(const SSL *ssl, int observing)
{
	if (!SSL_get_rbio(ssl) || !SSL_get_wbio(ssl))
		return "the SSL object has no BIOs: call SSL_set_fd() or SSL_set_bio() first";
	if (SSL_get_ex_data(ssl, ssl_index))
		return "a stream is attached to this SSL object already";
	if (SSL_is_dtls(ssl))
		return "DTLS has no stream";
	if (SSL_get_shutdown(ssl) != 0)
		return "the connection is shut down already";
	if (BIO_get_ktls_send(SSL_get_wbio(ssl)) || BIO_get_ktls_recv(SSL_get_rbio(ssl)))
		return "kernel TLS is active: nobody would see the records";
	if (!SSL_is_init_finished(ssl) && SSL_get_early_data_status(ssl) != SSL_EARLY_DATA_NOT_SENT)
		return "early data is under way: finish the handshake first";
	if (!observing && SSL_is_init_finished(ssl) && SSL_want(ssl) == SSL_WRITING)
		return "a write is under way: finish it first";
	return NULL;
}

/*
 * The descriptor of a BIO that is a stream socket and nothing else, or -1.  A BIO of
 * the application's own kind, or with a callback, may do more than its descriptor shows.
 */
static int socket_of(BIO *bio)
{
	const int kind = BIO_method_type(bio);
	int fd = -1, type = 0;
	socklen_t len = sizeof type;

	if (kind != BIO_TYPE_SOCKET && kind != BIO_TYPE_FD && kind != BIO_TYPE_CONNECT)
		return -1;
	if (BIO_next(bio) || BIO_get_callback_ex(bio))
		return -1;
	if (BIO_get_fd(bio, &fd) < 0 || fd < 0)
		return -1;
	if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) != 0 || type != SOCK_STREAM)
		return -1;
	return fd;
}

static bool push_filters(struct openssl *o)
{
	o->rfilter = BIO_new(filter_method);
	o->wfilter = o->rbio == o->wbio ? o->rfilter : BIO_new(filter_method);
	if (!o->rfilter || !o->wfilter)
		goto fail;
	/* The SSL's two references to its BIOs become ours, and its new ones are to the filters. */
	if (o->rfilter == o->wfilter && !BIO_up_ref(o->rfilter))
		goto fail;
	if (!BIO_up_ref(o->rbio))
		goto fail;
	if (!BIO_up_ref(o->wbio)) {
		BIO_free(o->rbio);
		goto fail;
	}
	BIO_set_data(o->rfilter, o);
	BIO_set_data(o->wfilter, o);
	(void)BIO_push(o->rfilter, o->rbio);
	if (o->wfilter != o->rfilter)
		(void)BIO_push(o->wfilter, o->wbio);
	SSL_set0_rbio(o->ssl, o->rfilter);
	SSL_set0_wbio(o->ssl, o->wfilter);
	return true;
fail:
	if (o->wfilter != o->rfilter)
		BIO_free(o->wfilter);
	BIO_free(o->rfilter);
	return false;
}

static void choose_transport(struct openssl *o)
{
	const struct lw_transport transport = { bio_recv, bio_send, o };
	const int fd = socket_of(o->rbio);

	o->direct = !o->observing && fd >= 0 && fd == socket_of(o->wbio);
	if (o->direct)
		lw_wire_use_fd(o->wire, fd);
	else
		lw_wire_use_transport(o->wire, &transport);
}

static void take_over(struct openssl *o)
{
	SSL *ssl = o->ssl;

	o->info = SSL_get_info_callback(ssl);
	SSL_set_info_callback(ssl, on_info);
	o->quiet_shutdown = SSL_get_quiet_shutdown(ssl);
	if (o->observing)
		return;
	o->modes_added = MODES & ~(uint64_t)SSL_get_mode(ssl);
	SSL_set_mode(ssl, MODES);
	SSL_set_quiet_shutdown(ssl, 0);
	SSL_set_read_ahead(ssl, 0); /* where the wire does not know where records end */
	/* One record a call: see record_limit(). */
	SSL_set_max_send_fragment(ssl, LW_ADAPTER_WRITE_MAX);
	SSL_set_split_send_fragment(ssl, LW_ADAPTER_WRITE_MAX);
}

static struct lw_stream *attach(SSL *ssl, const struct lw_options *options, int observing,
                                const char **why)
{
	const char *unused;
	struct lw_stream *s;
	struct openssl *o;

	if (!why)
		why = &unused;
	*why = "OpenSSL gave no memory";
	if (!CRYPTO_THREAD_run_once(&once, set_up) || ssl_index < 0 || !filter_method)
		return NULL;
	*why = refusal(ssl, observing);
	if (*why)
		return NULL;
	*why = "out of memory";
	s = lw_stream_new(&adapter, sizeof *o, options, observing);
	if (!s)
		return NULL;
	o = lw_stream_context(s);
	o->ssl = ssl;
	o->wire = lw_stream_wire(s);
	o->observing = observing;
	o->rbio = SSL_get_rbio(ssl);
	o->wbio = SSL_get_wbio(ssl);
	o->read_ahead = SSL_get_read_ahead(ssl);
	o->lost = holds_part_of_a_record(ssl, o->read_ahead);
	if (o->lost)
		lw_wire_lose_boundaries(o->wire);
	o->lost &= !observing; /* records that passed unseen cannot be counted any more */
	if (SSL_set_ex_data(ssl, ssl_index, o) != 1)
		goto fail;
	if (!push_filters(o)) {
		SSL_set_ex_data(ssl, ssl_index, NULL);
		goto fail;
	}
	choose_transport(o);
	take_over(o);
	*why = NULL;
	if (SSL_is_init_finished(ssl)) {
		if (observing)
			lw_wire_observe_established(o->wire);
		else if (lw_handshake(s) != LW_OK)
			*why = "this version of TLS is not known"; /* cannot be: OpenSSL has no
			                                              other */
	}
	return s;
fail:
	lw_stream_drop(s);
	return NULL;
}

struct lw_stream *lw_openssl_attach(SSL *ssl, const struct lw_options *options, const char **why)
{
	return attach(ssl, options, 0, why);
}

struct lw_stream *lw_openssl_observe(SSL *ssl, const struct lw_options *options, const char **why)
{
	return attach(ssl, options, 1, why);
}
