/*
 * gnutls: the adapter for GnuTLS 3.7.  It includes nothing but installed headers.
 *
 * The session's push and pull functions lead into the wire, which takes the socket itself, so that
 * no call blocks or raises SIGPIPE, or calls the application's own functions.  GnuTLS tells of an
 * alert by what a call returns, sends none by itself, and asks the transport for a record's header
 * and then for its body, never for more.  No policy lives here.
 */
#include <errno.h>
#include <gnutls/dtls.h>
#include <gnutls/socket.h>
#include <lastword/adapter.h>
#include <lastword/gnutls.h>
#include <string.h>
#include <sys/socket.h>

#define RECORD_HEADER 5
#define WIRE_SSL3     0x0300
/* Records without data that one call works through, before the caller may do something else. */
#define TURNS_A_CALL 32

/* What the session's push function meets: the transport, a full one, none. */
enum gate { GATE_OPEN, GATE_SHUT, GATE_BROKEN };

/* Where the library's input began when it was attached. */
enum place { PLACE_UNSEEN, PLACE_INSIDE, PLACE_DOUBTED, PLACE_KNOWN };

struct gnutls {
	gnutls_session_t session;
	struct lw_wire *wire;
	struct lw_gnutls_functions own; /* the application's, or by descriptor */
	bool half_out;                  /* a record of the stream's is */
	int error;                      /* for which the library goes on no more */
	enum gate gate;
	bool established;
	size_t left; /* of what the library asked for last */
	enum place place;
	bool starved; /* and met none in this call */
	bool stuffed; /* the transport took no output in this call */
	bool behind;  /* the library holds output that the transport did not take */
	bool holds;   /* peeking took an octet */
	uint8_t octet;
};

/* The session's transport */

/* Says it to the session itself: errno may have to pass a function of the application's. */
static ssize_t fail_io(struct gnutls *g, int error)
{
	gnutls_transport_set_errno(g->session, error);
	return -1;
}

/*
 * Between two records the library asks for a header; no sealed record has a body of that length.
 * What it held of a record when it was attached is over once it has got what it asked for and does
 * so.  Five bytes that are asked for first may be either: behind a header no other is asked for.
 */
static void note_request(struct gnutls *g, size_t cap)
{
	const bool begins = g->left == 0 && cap == RECORD_HEADER;

	switch (g->place) {
	case PLACE_UNSEEN:
		if (!begins)
			lw_wire_lose_boundaries(g->wire);
		g->place = !begins ? PLACE_INSIDE : g->established ? PLACE_DOUBTED : PLACE_KNOWN;
		break;
	case PLACE_INSIDE:
	case PLACE_DOUBTED:
		if (begins)
			lw_wire_find_boundaries(g->wire);
		if (begins || (g->place == PLACE_DOUBTED && g->left == 0))
			g->place = PLACE_KNOWN;
		break;
	case PLACE_KNOWN:
	default:
		break;
	}
}

static ssize_t pull(gnutls_transport_ptr_t context, void *buf, size_t cap)
{
	struct gnutls *g = context;
	size_t n;

	note_request(g, cap);
	g->starved = lw_wire_recv(g->wire, buf, cap, &n) != LW_IO_OK;
	g->left = cap - n;
	return g->starved ? fail_io(g, EAGAIN) : (ssize_t)n;
}

static ssize_t push(gnutls_transport_ptr_t context, const void *buf, size_t len)
{
	struct gnutls *g = context;
	size_t n;

	if (g->gate == GATE_BROKEN)
		return fail_io(g, EIO);
	if (g->gate == GATE_OPEN && lw_wire_send(g->wire, buf, len, &n) == LW_IO_OK) {
		g->behind = n < len;
		return (ssize_t)n;
	}
	g->stuffed = g->behind = true;
	return fail_io(g, EAGAIN);
}

/* Nobody waits here: pulling tells that there is nothing. */
static int never_wait(gnutls_transport_ptr_t context, unsigned ms)
{
	(void)context, (void)ms;
	return 1;
}

/* In gnutls_transport.c, which says what they are. */
extern const struct lw_transport lw_gnutls_transport;
extern const struct lw_gnutls_functions lw_gnutls_system, lw_gnutls_now;

static int fd_of(gnutls_transport_ptr_t ptr)
{
	return (int)(intptr_t)ptr;
}

/* What the library said */

/*
 * In TLS 1.3 GnuTLS takes user_canceled for an end, and has broken nothing but its own flag: the
 * record was opened, and the next one can be.  rule: user-canceled-read-on
 */
static bool goes_on_after(const struct gnutls *g, int error)
{
	return error == GNUTLS_E_FATAL_ALERT_RECEIVED && g->established &&
	       gnutls_protocol_get_version(g->session) == GNUTLS_TLS1_3 &&
	       gnutls_alert_get(g->session) == GNUTLS_A_USER_CANCELED;
}

static void tell_of_alert(struct gnutls *g, gnutls_alert_level_t level)
{
	lw_wire_alert_received(g->wire, (uint8_t)level, (uint8_t)gnutls_alert_get(g->session));
}

/*
 * Something that is neither data nor the end of anything.  What the turn waits for; LW_TLS_DONE:
 * for nothing, go on.
 */
static enum lw_tls pass_over(struct gnutls *g, int code)
{
	if (code == GNUTLS_E_WARNING_ALERT_RECEIVED) {
		tell_of_alert(g, GNUTLS_AL_WARNING);
	} else if (code == GNUTLS_E_REHANDSHAKE && !g->half_out) { /* refused */
		(void)gnutls_alert_send_appropriate(g->session, code);
	} else if (code == GNUTLS_E_FATAL_ALERT_RECEIVED) {
		tell_of_alert(g, GNUTLS_AL_WARNING);
		gnutls_session_force_valid(g->session);
	}
	if (g->stuffed)
		return LW_TLS_WANTS_WRITE;
	return g->starved ? LW_TLS_WANTS_READ : LW_TLS_DONE;
}

/* The calls of the table */

/*
 * Whether the library holds nothing of its own, a refusal say: it would send that, take it for what
 * it is asked to send next, and seal nothing.
 */
static bool is_clear(struct gnutls *g)
{
	if (g->behind)
		(void)gnutls_record_send(g->session, NULL, 0);
	return !g->behind;
}

/* GnuTLS leaves it to the program to say why it goes on no more. */
static enum lw_tls seal_fatal(void *context)
{
	struct gnutls *g = context;
	int level;
	const int description = gnutls_error_to_alert(g->error, &level); /* 0: internal_error */

	if (!is_clear(g))
		return LW_TLS_WANTS_WRITE;
	if (gnutls_alert_send(g->session, GNUTLS_AL_FATAL,
	                      (gnutls_alert_description_t)description) != 0)
		return LW_TLS_FAILED;
	lw_wire_alert_sent(g->wire, GNUTLS_AL_FATAL, (uint8_t)description);
	return LW_TLS_DONE;
}

/* rule: send-fatal-if-possible */
static enum lw_tls stop(struct gnutls *g, int error)
{
	g->error = error;
	if (error == GNUTLS_E_SESSION_EOF) { /* close_notify */
		lw_wire_alert_received(g->wire, GNUTLS_AL_WARNING, GNUTLS_A_CLOSE_NOTIFY);
		return LW_TLS_ENDED;
	}
	if (error == GNUTLS_E_FATAL_ALERT_RECEIVED)
		tell_of_alert(g, GNUTLS_AL_FATAL);
	else if (!g->half_out) /* behind half a record an alert would be lost */
		(void)seal_fatal(g);
	return LW_TLS_FAILED;
}

static enum lw_tls shake_hands(void *context)
{
	struct gnutls *g = context;

	for (int turn = 0; !g->established && turn < TURNS_A_CALL; turn++) {
		enum lw_tls waits;
		int did;

		g->starved = g->stuffed = false;
		did = gnutls_handshake(g->session);
		if (did < 0 && gnutls_error_is_fatal(did))
			return stop(g, did);
		g->established = did == GNUTLS_E_SUCCESS;
		waits = g->established ? LW_TLS_DONE : pass_over(g, did);
		if (waits != LW_TLS_DONE)
			return waits;
	}
	/* The system's settings may have switched it on: nobody would see the records. */
	if (g->established && gnutls_transport_is_ktls_enabled(g->session))
		return LW_TLS_FAILED;
	return g->established ? LW_TLS_DONE : LW_TLS_WANTS_CALLER;
}

static enum lw_tls receive(struct gnutls *g, void *buf, size_t cap, size_t *n)
{
	*n = 0;
	for (int turn = 0; turn < TURNS_A_CALL; turn++) {
		enum lw_tls waits;
		ssize_t got;

		g->starved = g->stuffed = false;
		got = gnutls_record_recv(g->session, buf, cap);
		if (got > 0) {
			*n = (size_t)got;
			return LW_TLS_DONE;
		}
		if (got == 0)
			return stop(g, GNUTLS_E_SESSION_EOF);
		if (gnutls_error_is_fatal((int)got) && !goes_on_after(g, (int)got))
			return stop(g, (int)got);
		waits = pass_over(g, (int)got);
		if (waits != LW_TLS_DONE)
			return waits;
	}
	return LW_TLS_WANTS_CALLER;
}

static enum lw_tls read_data(void *context, void *buf, size_t cap, size_t *n)
{
	struct gnutls *g = context;

	if (!g->holds)
		return receive(g, buf, cap, n);
	memcpy(buf, &g->octet, 1);
	g->holds = false;
	*n = 1;
	return LW_TLS_DONE;
}

/* GnuTLS has no call that reads and leaves it there: one octet waits here, the rest inside. */
static enum lw_tls peek_at_data(void *context)
{
	struct gnutls *g = context;
	enum lw_tls did;
	size_t n;

	if (g->holds || gnutls_record_check_pending(g->session) > 0)
		return LW_TLS_DONE;
	did = receive(g, &g->octet, 1, &n);
	g->holds = n > 0;
	return did;
}

/* As much as leaves in one record: what is longer the library cuts, and does not say where. */
static size_t record_limit(const struct gnutls *g)
{
	const gnutls_range_st all = { LW_ADAPTER_WRITE_MAX, LW_ADAPTER_WRITE_MAX };
	gnutls_range_st first, rest;

	return gnutls_range_split(g->session, &all, &first, &rest) == 0 ? first.high
	                                                                : LW_ADAPTER_WRITE_MAX;
}

static enum lw_tls write_data(void *context, const void *buf, size_t len, size_t *n)
{
	struct gnutls *g = context;
	const size_t limit = record_limit(g);
	ssize_t did;

	*n = 0;
	if (!is_clear(g))
		return LW_TLS_WANTS_WRITE;
	if (len > limit)
		len = limit;
	did = gnutls_record_send(g->session, buf, len);
	if (did < 0 && gnutls_error_is_fatal((int)did))
		return stop(g, (int)did);
	/* Sealed, or held behind a KeyUpdate that is. */
	*n = did < 0 ? len : (size_t)did;
	g->half_out = did < 0;
	return did < 0 ? LW_TLS_WANTS_WRITE : LW_TLS_DONE;
}

static enum lw_tls flush_record(void *context)
{
	struct gnutls *g = context;
	ssize_t did;

	if (!g->half_out)
		return LW_TLS_DONE;
	did = gnutls_record_send(g->session, NULL, 0);
	/* A KeyUpdate that was due has left with it: then there is nothing more to send. */
	if (did >= 0 || did == GNUTLS_E_INVALID_REQUEST) {
		g->half_out = false;
		return LW_TLS_DONE;
	}
	return gnutls_error_is_fatal((int)did) ? stop(g, (int)did) : LW_TLS_WANTS_WRITE;
}

static enum lw_tls seal_close_notify(void *context)
{
	const int did = gnutls_bye(((struct gnutls *)context)->session, GNUTLS_SHUT_WR);

	if (did == GNUTLS_E_SUCCESS)
		return LW_TLS_DONE;
	return gnutls_error_is_fatal(did) ? LW_TLS_FAILED : LW_TLS_WANTS_WRITE;
}

/*
 * A client's sessions are copies that the application took, a server's tickets are with the peer,
 * and GnuTLS does not say whether there are any.  What can be done is: the server's store forgets
 * it, and no more copies are given out, as after an output that failed.
 */
static bool forget_session(void *context)
{
	struct gnutls *g = context;

	gnutls_db_remove_session(g->session);
	g->gate = GATE_BROKEN;
	(void)gnutls_alert_send(g->session, GNUTLS_AL_WARNING, GNUTLS_A_CLOSE_NOTIFY);
	g->gate = GATE_OPEN;
	return false;
}

static uint16_t wire_version(void *context)
{
	const int version = (int)gnutls_protocol_get_version(((struct gnutls *)context)->session);

	return version < GNUTLS_SSL3 || version > GNUTLS_TLS1_3
	           ? 0
	           : (uint16_t)(WIRE_SSL3 + (unsigned)version - GNUTLS_SSL3);
}

static size_t count_unread(void *context)
{
	const struct gnutls *g = context;

	return gnutls_record_check_pending(g->session) + g->holds;
}

static void detach(void *context)
{
	struct gnutls *g = context;
	struct lw_gnutls_functions *own = &g->own;

	gnutls_memset(&g->octet, 0, sizeof g->octet);
	if (own->pull ==
	    lw_gnutls_now.pull) { /* a descriptor of the application's may block again */
		own->pull = lw_gnutls_system.pull;
		own->push = lw_gnutls_system.push;
	}
	gnutls_transport_set_ptr2(g->session, own->pull_ptr, own->push_ptr);
	gnutls_transport_set_pull_function(g->session, own->pull);
	if (own->push)
		gnutls_transport_set_push_function(g->session, own->push);
	else
		gnutls_transport_set_vec_push_function(g->session, own->vec_push);
	gnutls_transport_set_pull_timeout_function(
	    g->session, own->pull_timeout ? own->pull_timeout : gnutls_system_recv_timeout);
}

static void release(void *context)
{
	gnutls_deinit(((struct gnutls *)context)->session);
}

/* In gnutls_opener.c, which takes the session for the context's first member. */
extern const struct lw_opener lw_gnutls_opener;

static const struct lw_adapter adapter = {
	.name = "gnutls",
	.handshake = shake_hands,
	.read = read_data,
	.peek = peek_at_data,
	.write = write_data,
	.flush = flush_record,
	.seal_close_notify = seal_close_notify,
	.seal_fatal = seal_fatal,
	.forget_session = forget_session,
	.version = wire_version,
	.unread = count_unread,
	.detach = detach,
	.release = release,
	.opener = &lw_gnutls_opener,
};

/* Attaching */

/* A pointer of an application's is no descriptor, nor is one of ours. */
static bool is_socket_pointer(gnutls_transport_ptr_t ptr)
{
	const int fd = fd_of(ptr);
	int type = 0;
	socklen_t len = sizeof type;

	return (gnutls_transport_ptr_t)(intptr_t)fd == ptr &&
	       getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0 && type == SOCK_STREAM;
}

/* GnuTLS tells its pointers, but not its functions: the application has to say whose they are. */
static const char *refusal(gnutls_session_t session, const struct lw_gnutls_functions *functions)
{
	gnutls_transport_ptr_t in, out;

	gnutls_transport_get_ptr2(session, &in, &out);
	if (!functions && !(is_socket_pointer(in) && is_socket_pointer(out)))
		return "the session has no stream socket, or a stream is attached to it already";
	if (functions && !(functions->pull && (functions->push || functions->vec_push)))
		return "a function to pull or to push is missing";
	if (functions && (in != functions->pull_ptr || out != functions->push_ptr))
		return "the session has other pointers, or a stream is attached to it already";
	if (gnutls_dtls_get_mtu(session) != 0) /* 0 in all others */
		return "DTLS has no stream";
	if (gnutls_transport_is_ktls_enabled(session))
		return "kernel TLS is active: nobody would see the records";
	if (gnutls_record_check_corked(session) > 0)
		return "data is corked: call gnutls_record_uncork() first";
	return NULL;
}

/* While early data is under way GnuTLS sends as if the handshake were done. */
static bool is_early(gnutls_session_t session)
{
	return !(gnutls_session_get_flags(session) & GNUTLS_SFLAGS_EARLY_START) &&
	       (gnutls_handshake_get_last_out(session) == GNUTLS_HANDSHAKE_CLIENT_HELLO ||
	        gnutls_handshake_get_last_in(session) == GNUTLS_HANDSHAKE_CLIENT_HELLO);
}

/*
 * Whether the handshake is done, and nothing is half out.  GnuTLS has no calls that tell; sending
 * nothing at all does, and does nothing else, but for a KeyUpdate that is due.
 */
static const char *find_state(struct gnutls *g)
{
	unsigned char before[8] = { 0 }, behind[8] = { 0 };
	ssize_t did;

	(void)gnutls_record_get_state(g->session, 0, NULL, NULL, NULL, before);
	g->gate = GATE_SHUT;
	did = gnutls_record_send(g->session, "", 0);
	g->gate = GATE_OPEN;
	(void)gnutls_record_get_state(g->session, 0, NULL, NULL, NULL, behind);
	if (did == GNUTLS_E_AGAIN && memcmp(before, behind, sizeof before) != 0)
		did = gnutls_record_send(g->session, "", 0);
	if (did == GNUTLS_E_INVALID_SESSION)
		return "the connection has ended already";
	g->established = did == GNUTLS_E_INVALID_REQUEST;
	if (!g->established && did != GNUTLS_E_UNAVAILABLE_DURING_HANDSHAKE)
		return "a write is under way: finish it first";
	if (g->established && is_early(g->session))
		return "early data is under way: finish the handshake first";
	return NULL;
}

static void take_over(struct gnutls *g, const struct lw_gnutls_functions *functions)
{
	struct lw_transport transport = lw_gnutls_transport;

	transport.context = &g->own;
	g->own = functions ? *functions : lw_gnutls_now;
	gnutls_transport_get_ptr2(g->session, &g->own.pull_ptr, &g->own.push_ptr);
	if (!functions && g->own.pull_ptr == g->own.push_ptr)
		lw_wire_use_fd(g->wire, fd_of(g->own.pull_ptr));
	else
		lw_wire_use_transport(g->wire, &transport);
	gnutls_transport_set_ptr(g->session, g);
	gnutls_transport_set_pull_function(g->session, pull);
	gnutls_transport_set_push_function(g->session, push);
	gnutls_transport_set_pull_timeout_function(g->session, never_wait);
	(void)gnutls_record_uncork(g->session, 0); /* there is nothing: it only ends the state */
}

static struct lw_stream *attach(gnutls_session_t session,
                                const struct lw_gnutls_functions *functions,
                                const struct lw_options *options, const char **why)
{
	const char *unused;
	struct lw_stream *s;
	struct gnutls *g;

	if (!why)
		why = &unused;
	*why = refusal(session, functions);
	if (*why)
		return NULL;
	*why = "out of memory";
	s = lw_stream_new(&adapter, sizeof *g, options, false);
	if (!s)
		return NULL;
	g = lw_stream_context(s);
	g->session = session;
	g->wire = lw_stream_wire(s);
	take_over(g, functions);
	*why = find_state(g);
	if (*why) {
		detach(g);
		lw_stream_drop(s);
		return NULL;
	}
	if (g->established && lw_handshake(s) != LW_OK)
		*why = "this version of TLS is not known"; /* cannot be: GnuTLS has no other */
	return s;
}

struct lw_stream *lw_gnutls_attach(gnutls_session_t session, const struct lw_options *options,
                                   const char **why)
{
	return attach(session, NULL, options, why);
}

struct lw_stream *lw_gnutls_attach_transport(gnutls_session_t session,
                                             const struct lw_gnutls_functions *functions,
                                             const struct lw_options *options, const char **why)
{
	return attach(session, functions, options, why);
}
