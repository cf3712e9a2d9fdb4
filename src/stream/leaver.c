/* leaver: see leaver.h. */
#include "stream/leaver.h"

#include "stream/socket.h"
#include "stream/verifier.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* How much one turn reads, so that one peer that talks does not hold up the others. */
#define TURN_BYTES_MAX (64u * 1024u)
#define SCRATCH_BYTES  4096u

const char *lw_leaver_refusal(struct lw_stream *s, bool verifies)
{
	if (s->wire.observing)
		return "the stream only observes: its application ends the connection itself";
	if (s->engine.transport == LW_TRANSPORT_HANDED_BACK)
		return "the transport was handed back: TLS is over on it";
	if (s->wire.fd < 0)
		return "the stream has no descriptor of a stream socket";
	if (!s->adapter->release)
		return "the adapter cannot free its TLS object";
	if (verifies && lw_engine_wants_read(&s->engine) && !s->adapter->opener)
		return "the TLS library exports no keys: nobody could authenticate without it";
	return NULL;
}

/* Whether the keys can be had at all; they are taken when they are needed. */
static bool exports_keys(struct lw_stream *s)
{
	struct lw_verifier *v = lw_verifier_new(s->adapter->opener, s->context);
	const bool did = v != NULL;

	lw_verifier_free(v);
	return did;
}

const char *lw_leaver_key_refusal(struct lw_stream *s)
{
	if (!lw_engine_wants_read(&s->engine) || exports_keys(s))
		return NULL;
	return "the TLS library exports no keys of this connection: nobody could authenticate "
	       "without it";
}

struct lw_leaver *lw_leaver_new(struct lw_stream *s, void *tag, bool verifies, uint64_t drain_bytes)
{
	struct lw_leaver *l = calloc(1, sizeof *l);

	if (!l)
		return NULL;
	l->stream = s;
	l->fd = s->wire.fd;
	l->tag = tag;
	l->verifies = verifies;
	l->drain_bytes = drain_bytes;
	return l;
}

/* From stream to leaver */

/* A session that our not listening forbids to resume is forgotten while somebody still can. */
static void forget_session(struct lw_stream *s, bool blind)
{
	const bool unclean =
	    blind && lw_engine_wants_read(&s->engine) && s->engine.row->unclean_forbids_resumption;

	if (s->engine.forgets || unclean)
		(void)s->adapter->forget_session(s->context);
}

static void copy_counts(struct lw_leaver *l, const struct lw_stream *s)
{
	const struct lw_wire *w = &s->wire;
	const uint64_t sealed = w->bytes_sent + w->stash_bytes;

	l->engine = s->engine;
	l->bytes_read = s->bytes_read;
	l->bytes_written = s->bytes_written;
	l->bytes_ignored = s->bytes_ignored;
	l->bytes_drained = s->bytes_drained;
	l->bytes_unacknowledged = s->bytes_unacknowledged;
	l->bytes_behind = w->muted ? (uint16_t)(sealed - s->wire_bytes_of_data) : 0;
	l->alert = w->sent;
	l->leaving = s->leaving;
	l->alert_left = s->alert_left;
	l->fin_sent = w->fin_sent;
	l->peer_fin = s->engine.peer_fin;
	l->input_over = w->read_end != LW_IO_AGAIN;
}

/* The TLS object goes, and the stream with it. */
static void let_go(struct lw_leaver *l)
{
	struct lw_stream *s = l->stream;

	forget_session(s, !l->verifier);
	s->adapter->release(s->context);
	l->stream = NULL;
	lw_stream_drop(s);
}

/* Nothing more has to be sealed, and no record is half out inside the library. */
static bool needs_library(const struct lw_stream *s)
{
	const bool writes = !(s->engine.write & LW_LATCH);

	return writes && (s->due != LW_SEAL_NONE || s->engine.pending);
}

static void tell(struct lw_leaver *l, enum lw_event_kind kind);

/* rule: need-not-wait */
static void become_blind(struct lw_leaver *l)
{
	lw_verifier_free(l->verifier);
	l->verifier = NULL;
	l->engine.awaits_peer = false;
	tell(l, LW_EV_CLOSE); /* it asks for nothing new; what need not be waited for is told */
}

/* Goes over to what remains as soon as it is possible; where memory lacks, later. */
static void lighten(struct lw_leaver *l)
{
	struct lw_stream *s = l->stream;

	if (lw_engine_is_final(&s->engine)) {
		copy_counts(l, s);
		let_go(l);
		return;
	}
	if (needs_library(s))
		return;
	if (s->wire.stash_bytes > 0 && !l->unsent)
		l->unsent = calloc(1, s->wire.stash_bytes);
	if (s->wire.stash_bytes > 0 && !l->unsent)
		return;
	if (l->verifies && lw_engine_wants_read(&s->engine)) {
		if (lw_boundary_place(&s->wire.in) == LW_PLACE_BOUNDARY &&
		    !lw_wire_holds_input(&s->wire) && s->adapter->unread(s->context) == 0)
			l->verifier = lw_verifier_new(s->adapter->opener, s->context);
		if (!l->verifier) {
			free(l->unsent);
			l->unsent = NULL;
			return;
		}
	}
	l->unsent_bytes = s->wire.stash_bytes;
	if (l->unsent)
		lw_wire_copy_held(&s->wire, l->unsent);
	copy_counts(l, s);
	let_go(l);
	if (!l->verifier && lw_engine_wants_read(&l->engine))
		become_blind(l);
}

void lw_leaver_begin(struct lw_leaver *l)
{
	struct lw_stream *s = l->stream;
	const bool waits = lw_wire_holds_input(&s->wire) || lw_socket_has_input(l->fd);

	s->limits.drain_bytes = l->drain_bytes; /* the deadline is the closer's */
	s->limits.drain_timeout_ms = LW_NO_TIMEOUT;
	s->engine.awaits_peer = true;
	/* Perhaps the peer has closed already; then it was first.  An unwrap has closed as well. */
	if (waits && s->engine.transport != LW_TRANSPORT_UNWRAPPING)
		lw_stream_look(s);
	if (s->engine.pending)
		(void)!lw_wire_spill(
		    &s->wire); /* without it the library keeps its record until it left */
	if (lw_close(s) == LW_AGAIN && waits)
		(void)!lw_close(s); /* the first call does not look at input */
	lighten(l);
}

/* Light */

static uint64_t count_unacknowledged(const struct lw_leaver *l)
{
	uint64_t left = lw_socket_unacknowledged(l->fd, l->fin_sent) + l->unsent_bytes;

	left = left > l->bytes_behind ? left - l->bytes_behind : 0;
	return left < l->bytes_written ? left : l->bytes_written;
}

static void step(struct lw_leaver *l, const struct lw_engine_event *event)
{
	const unsigned actions = lw_engine_step(&lw_tables, &l->engine, event);

	if (actions & LW_DO_SHUT_WRITE)
		l->fin_sent = lw_socket_shut_write(l->fd);
	if (actions & LW_DO_END) {
		if (!l->peer_fin) /* else the system still delivers it */
			l->bytes_unacknowledged = count_unacknowledged(l);
		if (!l->fin_sent)
			lw_socket_end(l->fd);
	}
}

static void tell(struct lw_leaver *l, enum lw_event_kind kind)
{
	step(l, &(struct lw_engine_event){ .kind = kind });
}

static void drop_unsent(struct lw_leaver *l)
{
	free(l->unsent);
	l->unsent = NULL;
	l->unsent_bytes = 0;
}

static void send_rest(struct lw_leaver *l)
{
	enum lw_io io = LW_IO_OK;
	int os_error = 0;
	size_t n;

	while (l->unsent_bytes > 0 && io == LW_IO_OK) {
		io = lw_socket_send(l->fd, l->unsent + l->unsent_from, l->unsent_bytes, &n,
		                    &os_error);
		l->unsent_from = (uint16_t)(l->unsent_from + n);
		l->unsent_bytes = (uint16_t)(l->unsent_bytes - n);
	}
	if (io == LW_IO_AGAIN)
		return;
	if (io != LW_IO_OK) {
		drop_unsent(l);
		l->leaving = false;
		step(l, &(struct lw_engine_event){ .kind = io == LW_IO_ERROR ? LW_EV_WRITE_ERROR
		                                                             : LW_EV_WRITE_RESET,
		                                   .os_error = os_error });
		return;
	}
	drop_unsent(l);
	if (!l->leaving)
		return;
	l->leaving = false;
	l->alert_left = true;
	tell(l, LW_EV_FLUSHED);
}

static bool is_blind(const struct lw_leaver *l)
{
	return !l->verifier && lw_engine_wants_read(&l->engine);
}

/* What a verifier makes of input. */
static void hear(struct lw_leaver *l, const uint8_t *bytes, size_t len)
{
	struct lw_engine_event event;
	enum lw_heard heard = LW_HEARD_EVENT;
	size_t used = 0;

	while (heard == LW_HEARD_EVENT && lw_engine_wants_read(&l->engine)) {
		heard = lw_verifier_hear(l->verifier, l->engine.row, bytes, len, &used, &event,
		                         &l->bytes_ignored);
		if (heard == LW_HEARD_EVENT)
			step(l, &event);
	}
	if (heard == LW_HEARD_GARBAGE)
		become_blind(l);
}

/* How the input ended, for an engine that can hear it.  rule: tcp-end-kind-reported */
static void tell_input_end(struct lw_leaver *l, enum lw_io end, int os_error)
{
	const struct lw_boundary *b = l->verifier ? lw_verifier_boundary(l->verifier) : NULL;

	step(l, &(struct lw_engine_event){ .kind = end == LW_IO_FIN     ? LW_EV_FIN
	                                           : end == LW_IO_RESET ? LW_EV_RESET
	                                                                : LW_EV_READ_ERROR,
	                                   .os_error = os_error,
	                                   .place = b ? lw_boundary_place(b) : LW_PLACE_UNKNOWN,
	                                   .missing = b ? lw_boundary_missing(b) : 0 });
}

/* Reads what is there; `ended`: on to its end. */
static void read_on(struct lw_leaver *l, bool ended)
{
	uint8_t scratch[SCRATCH_BYTES];
	size_t all = 0, n = sizeof scratch;
	enum lw_io io = LW_IO_OK;
	int os_error = 0;

	while (io == LW_IO_OK && all < TURN_BYTES_MAX && (ended || n == sizeof scratch)) {
		io = lw_socket_recv(l->fd, scratch, sizeof scratch, &n, &os_error);
		all += n;
		if (l->fin_sent)
			l->bytes_drained += n;
		if (n > 0 && l->verifier && lw_engine_wants_read(&l->engine))
			hear(l, scratch, n);
	}
	if (io == LW_IO_OK || io == LW_IO_AGAIN)
		return;
	l->input_over = true;
	l->peer_fin = io == LW_IO_FIN;
	if (!is_blind(l))
		tell_input_end(l, io, os_error);
	else if (!l->peer_fin && l->unsent_bytes > 0)
		send_rest(l); /* it meets the reset as well */
}

/* A limit that would make the system reset what the peer has not acknowledged waits for that. */
static bool is_past_limit(const struct lw_leaver *l)
{
	return l->bytes_drained > l->drain_bytes &&
	       lw_socket_unacknowledged(l->fd, l->fin_sent) == 0;
}

static void go_on_light(struct lw_leaver *l, bool ended)
{
	if (l->unsent_bytes > 0)
		send_rest(l);
	if (!l->input_over && !lw_leaver_is_over(l))
		read_on(l, ended);
	if (lw_leaver_is_over(l) || l->engine.armed != LW_DEADLINE_DRAIN)
		return;
	/* Nobody can say how the peer ended, so it never gets to the engine as an ending. */
	if ((l->input_over && is_blind(l)) || is_past_limit(l))
		tell(l, LW_EV_DRAINED);
}

void lw_leaver_go_on(struct lw_leaver *l, bool ended)
{
	if (l->stream) {
		(void)!lw_close(l->stream);
		lighten(l);
	}
	if (!l->stream && !lw_leaver_is_over(l))
		go_on_light(l, ended);
}

static void expire_heavy(struct lw_leaver *l)
{
	struct lw_stream *s = l->stream;

	lw_stream_tell(s, LW_EV_DEADLINE);
	lw_stream_tell(s, LW_EV_DRAINED);
	if (lw_engine_is_final(&s->engine))
		lighten(l);
}

void lw_leaver_expire(struct lw_leaver *l)
{
	lw_leaver_go_on(l, true); /* what is unread would draw a reset */
	if (l->stream)
		expire_heavy(l);
	if (lw_leaver_is_over(l))
		return;
	tell(l, LW_EV_DEADLINE);
	tell(l, LW_EV_DRAINED);
}

unsigned lw_leaver_events(const struct lw_leaver *l)
{
	unsigned events = 0;

	if (l->stream) {
		/* A turn that ended in the midst of input goes on at once, whatever is ready. */
		events = lw_events(l->stream, 0);
		return events != 0 ? events : LW_EVENT_READABLE | LW_EVENT_WRITABLE;
	}
	if (!l->input_over)
		events |= LW_EVENT_READABLE;
	if (l->unsent_bytes > 0)
		events |= LW_EVENT_WRITABLE;
	return events;
}

bool lw_leaver_is_over(const struct lw_leaver *l)
{
	return !l->stream && lw_engine_is_final(&l->engine);
}

void lw_leaver_verdict(const struct lw_leaver *l, struct lw_verdict *verdict)
{
	lw_engine_verdict(&l->engine, verdict);
	verdict->bytes_read = l->bytes_read;
	verdict->bytes_written = l->bytes_written;
	verdict->bytes_ignored = l->bytes_ignored;
	verdict->bytes_unacknowledged = l->bytes_unacknowledged;
	if (l->alert_left)
		verdict->alert_sent = l->alert;
}

void lw_leaver_free(struct lw_leaver *l)
{
	if (l->stream)
		let_go(l);
	lw_verifier_free(l->verifier);
	free(l->unsent);
	(void)close(l->fd);
	free(l);
}
