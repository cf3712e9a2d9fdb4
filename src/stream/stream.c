/*
 * stream: making one, reading, writing and the handshake.  Each call into the
 * TLS library is followed by telling the engine what came of it; what to do
 * then is the engine's answer.  Ending a stream is in ending.c.
 */
#include "stream/stream.h"

#include <stdlib.h>
#include <string.h>

/* So that a single call lets the caller breathe. */
#define LW_WRITE_MAX (16u * LW_ADAPTER_WRITE_MAX)

void lw_options_default(struct lw_options *options)
{
	*options = (struct lw_options){ .policy = LW_POLICY_FRAMED,
		                        .close_timeout_ms = LW_DEFAULT_CLOSE_TIMEOUT_MS,
		                        .drain_timeout_ms = LW_DEFAULT_DRAIN_TIMEOUT_MS,
		                        .drain_bytes = LW_DEFAULT_DRAIN_BYTES };
}

struct lw_stream *lw_stream_new(const struct lw_adapter *adapter, size_t context_bytes,
                                const struct lw_options *options, bool observing)
{
	struct lw_stream *s = calloc(1, sizeof *s + context_bytes);

	if (!s)
		return NULL;
	s->adapter = adapter;
	lw_options_default(&s->limits);
	if (options)
		s->limits = *options;
	lw_engine_init(&s->engine, s->limits.policy, s->limits.close_timeout_ms > 0);
	lw_wire_init(&s->wire, s, observing);
	s->wire.reads_ahead = s->limits.reads_ahead;
	return s;
}

void *lw_stream_context(struct lw_stream *s)
{
	return s->context;
}

struct lw_wire *lw_stream_wire(struct lw_stream *s)
{
	return &s->wire;
}

void lw_stream_drop(struct lw_stream *s)
{
	lw_wire_free(&s->wire);
	free(s);
}

void lw_free(struct lw_stream *s)
{
	if (!s)
		return;
	s->adapter->detach(s->context);
	lw_stream_drop(s);
}

/* At most so many of the application's bytes: alert and handshake are nobody's loss. */
static uint64_t count_unacknowledged(const struct lw_stream *s)
{
	uint64_t left = lw_wire_unacknowledged(&s->wire);
	uint64_t behind = s->wire.muted ? s->wire.bytes_sent - s->wire_bytes_of_data : 0;

	left = left > behind ? left - behind : 0;
	return left < s->bytes_written ? left : s->bytes_written;
}

/* Carries the engine's actions out, in their order.  Nothing unsealed is ever held: no discard. */
static void perform(struct lw_stream *s, unsigned actions)
{
	if (actions & LW_DO_SEAL_CLOSE_NOTIFY)
		s->due = LW_SEAL_CLOSE_NOTIFY;
	if (actions & LW_DO_SEAL_FATAL)
		s->due = LW_SEAL_FATAL;
	if (actions & (LW_DO_ARM_ENDING | LW_DO_ARM_DRAIN))
		s->clock_started = false;
	if (s->wire.observing)
		return;
	if (actions & LW_DO_SHUT_WRITE)
		lw_wire_shut_write(&s->wire);
	if (actions & LW_DO_END) {
		if (!s->engine.peer_fin) /* else the system still delivers it */
			s->bytes_unacknowledged = count_unacknowledged(s);
		lw_wire_end(&s->wire);
	}
}

void lw_stream_step(struct lw_stream *s, const struct lw_engine_event *event)
{
	perform(s, lw_engine_step(&lw_tables, &s->engine, event));
}

void lw_stream_tell(struct lw_stream *s, enum lw_event_kind kind)
{
	lw_stream_step(s, &(struct lw_engine_event){ .kind = kind });
}

void lw_stream_note_write_end(struct lw_stream *s)
{
	if (s->wire.write_end == LW_IO_AGAIN || s->write_end_told)
		return;
	s->write_end_told = true;
	lw_stream_step(s, &(struct lw_engine_event){ .kind = s->wire.write_end == LW_IO_ERROR
	                                                         ? LW_EV_WRITE_ERROR
	                                                         : LW_EV_WRITE_RESET,
	                                             .os_error = s->wire.write_error });
}

/* The library stopped: by the peer's alert, by an alert of its own, or without. */
static void note_library_end(struct lw_stream *s, enum lw_tls did)
{
	const bool alerted = did == LW_TLS_FAILED && !s->wire.muted && s->wire.sent.present;
	struct lw_alert alert = s->wire.final;

	if (alerted) {
		s->wire_bytes_of_data = s->wire.bytes_sent + s->wire.stash_bytes;
		s->wire.muted = true;
		s->leaving = true;
		if (s->due == LW_SEAL_CLOSE_NOTIFY) /* the peer hears this alert, and no end */
			lw_engine_recall_close_notify(&s->engine);
		s->due = LW_SEAL_NONE;
	}
	if (s->engine.read & LW_LATCH) { /* that direction has its ending: it was a write */
		lw_stream_tell(s, alerted ? LW_EV_WRITE_ALERTED : LW_EV_WRITE_ERROR);
		return;
	}
	if (!alert.present && did == LW_TLS_ENDED)
		alert = (struct lw_alert){ true, LW_ALERT_WARNING, LW_ALERT_CLOSE_NOTIFY };
	if (alert.present) {
		if (alerted) /* OpenSSL takes a close_notify for a warning too many */
			lw_stream_tell(s, LW_EV_WRITE_ALERTED);
		lw_stream_step(s, &(struct lw_engine_event){ .kind = LW_EV_ALERT,
		                                             .level = alert.level,
		                                             .description = alert.description });
		return;
	}
	lw_stream_tell(s, alerted ? LW_EV_LIBRARY_ALERTED : LW_EV_LIBRARY_FAILED);
}

/* Once the alert has left the transport is shut: both leave in one packet. */
static bool fin_follows(const struct lw_stream *s)
{
	return (s->engine.read & LW_LATCH) &&
	       (s->engine.transport == LW_TRANSPORT_CLOSING ||
	        s->engine.transport == LW_TRANSPORT_CLOSING_PEER_ENDED);
}

static void seal_what_is_due(struct lw_stream *s)
{
	const enum lw_seal due = (enum lw_seal)s->due;
	enum lw_tls did;

	s->wire_bytes_of_data = s->wire.bytes_sent + s->wire.stash_bytes;
	s->wire.more = fin_follows(s);
	did = due == LW_SEAL_FATAL ? s->adapter->seal_fatal(s->context)
	                           : s->adapter->seal_close_notify(s->context);
	s->wire.more = false;
	if (did == LW_TLS_WANTS_READ || did == LW_TLS_WANTS_WRITE) { /* a handshake is in the way */
		s->write_waits = did == LW_TLS_WANTS_WRITE ? LW_EVENT_WRITABLE : LW_EVENT_READABLE;
		return;
	}
	s->due = LW_SEAL_NONE;
	s->wire.muted =
	    true; /* rules: nothing-after-own-closure, no-close-notify-after-own-fatal */
	if (did == LW_TLS_DONE && due == LW_SEAL_CLOSE_NOTIFY) /* rule: level-warning */
		s->wire.sent = (struct lw_alert){ true, LW_ALERT_WARNING, LW_ALERT_CLOSE_NOTIFY };
	if (did == LW_TLS_DONE && s->wire.sent.present)
		s->leaving = true;
	else
		lw_stream_tell(s, LW_EV_WRITE_ERROR);
}

/* Goes on with the record that is half out. */
static void push_record(struct lw_stream *s)
{
	const enum lw_tls did = s->adapter->flush(s->context);

	if (did == LW_TLS_DONE) {
		s->write_waits = 0;
		lw_stream_tell(s, LW_EV_SEALED);
	} else if (did == LW_TLS_ENDED || did == LW_TLS_FAILED) {
		note_library_end(s, LW_TLS_FAILED);
	}
}

static bool has_flushed(struct lw_wire *w)
{
	return w->stash_bytes == 0 || lw_wire_flush(w) == LW_IO_OK;
}

void lw_stream_push(struct lw_stream *s)
{
	if (s->wire.observing)
		return;
	if (s->engine.pending && !(s->engine.write & LW_LATCH))
		push_record(s);
	lw_stream_note_write_end(s);
	if (s->engine.write & LW_LATCH)
		s->due = LW_SEAL_NONE;
	/* An alert must find room in the wire. */
	if (s->due != LW_SEAL_NONE && !s->engine.pending &&
	    (s->wire.stash_bytes == 0 || lw_wire_has_room(&s->wire)))
		seal_what_is_due(s);
	if (has_flushed(&s->wire) && s->wire.write_end == LW_IO_AGAIN && s->leaving) {
		s->leaving = false;
		s->alert_left = true;
		lw_stream_tell(s, LW_EV_FLUSHED);
		if (s->wire.corked && !s->wire.fin_sent)
			lw_wire_uncork(&s->wire);
	}
	lw_stream_note_write_end(s);
}

static enum lw_event_kind event_of_read_end(enum lw_io end)
{
	switch (end) {
	case LW_IO_FIN:
		return LW_EV_FIN;
	case LW_IO_RESET:
		return LW_EV_RESET;
	case LW_IO_OK:
	case LW_IO_AGAIN:
	case LW_IO_ERROR:
	default:
		return LW_EV_READ_ERROR;
	}
}

static void note_read_end(struct lw_stream *s)
{
	const struct lw_wire *w = &s->wire;

	if (w->read_end == LW_IO_AGAIN)
		return;
	lw_stream_step(
	    s, &(struct lw_engine_event){
		   .kind = event_of_read_end(w->read_end),
		   .place = w->boundaries_known ? lw_boundary_place(&w->in) : LW_PLACE_UNKNOWN,
		   .missing = w->boundaries_known ? lw_boundary_missing(&w->in) : 0,
		   .os_error = w->read_error });
}

/* rule: refuse-warning-with-fatal */
static void refuse_floods(struct lw_stream *s)
{
	const uint64_t records = lw_wire_records_without_data(&s->wire);

	if ((s->engine.read & LW_LATCH) || !lw_engine_is_established(&s->engine))
		return;
	if (records > LW_RECORDS_WITHOUT_DATA_MAX)
		s->engine.records_without_data = (uint32_t)records;
	else if (s->engine.warnings_in_a_row <= LW_WARNINGS_IN_A_ROW_MAX)
		return;
	lw_stream_tell(s, LW_EV_WARNING_LIMIT);
}

void lw_stream_note_stop(struct lw_stream *s, enum lw_tls did)
{
	/* First: what reading says after a reset that writing met depends on it. */
	lw_stream_note_write_end(s);
	if (s->engine.read & LW_LATCH)
		return;
	if (did == LW_TLS_WANTS_READ && s->wire.final.present &&
	    lw_engine_is_established(&s->engine))
		did = LW_TLS_ENDED; /* the library took it for a warning */
	switch (did) {
	case LW_TLS_DONE:
		break;
	case LW_TLS_WANTS_READ:
		s->read_waits = LW_EVENT_READABLE;
		note_read_end(s);
		break;
	case LW_TLS_WANTS_WRITE:
		s->read_waits = LW_EVENT_WRITABLE;
		break;
	case LW_TLS_WANTS_CALLER:
		s->read_waits = 0;
		break;
	case LW_TLS_ENDED:
	case LW_TLS_FAILED:
	default:
		note_library_end(s, did);
		break;
	}
	refuse_floods(s);
	if ((s->engine.read & LW_LATCH) && lw_stream_holds_output(s))
		lw_stream_push(s);
}

enum lw_status lw_stream_read_status(const struct lw_stream *s)
{
	const struct lw_engine *e = &s->engine;
	const enum lw_ending ending = lw_engine_read_ending(e);

	if (lw_tolerates((enum lw_policy)e->policy, e->complete, ending, e->place))
		return LW_END; /* rule: end-of-data-on-close-notify */
	return lw_stream_bare_read_status(s);
}

enum lw_status lw_stream_bare_read_status(const struct lw_stream *s)
{
	switch (lw_engine_read_ending(&s->engine)) {
	case LW_ENDING_OPEN:
		return LW_AGAIN;
	case LW_ENDING_TRUNCATED:
	case LW_ENDING_RESET:
		return LW_TRUNCATED;
	case LW_ENDING_ABORTED:
		return LW_ABORTED;
	case LW_ENDING_CLOSED:
	case LW_ENDING_EXPIRED:
	case LW_ENDING_ABANDONED:
	case LW_ENDING_FAILED:
	default:
		return LW_ERROR;
	}
}

enum lw_status lw_stream_write_status(const struct lw_stream *s)
{
	switch (lw_engine_write_ending(&s->engine)) {
	case LW_ENDING_OPEN:
		if (s->engine.write == LW_WRITE_FLUSHING || s->engine.write == LW_WRITE_CLOSING)
			return LW_END;
		return s->engine.write == LW_WRITE_ABORTING ? LW_ABORTED : LW_AGAIN;
	case LW_ENDING_CLOSED:
		return LW_END;
	case LW_ENDING_ABORTED:
		return LW_ABORTED;
	case LW_ENDING_RESET:
		return LW_TRUNCATED;
	case LW_ENDING_TRUNCATED:
	case LW_ENDING_EXPIRED:
	case LW_ENDING_ABANDONED:
	case LW_ENDING_FAILED:
	default:
		return LW_ERROR;
	}
}

/* What stands in the header of a record: TLS 1.3 says 1.2 there. */
static uint8_t record_minor(uint16_t version)
{
	return version < 0x0304 ? (uint8_t)version : 3;
}

enum lw_status lw_handshake(struct lw_stream *s)
{
	enum lw_tls did;

	if (s->wire.observing)
		return LW_UNSUPPORTED;
	if (s->engine.read & LW_LATCH)
		return lw_stream_read_status(s);
	if (lw_engine_is_established(&s->engine))
		return LW_OK;
	lw_stream_push(s);
	did = s->adapter->handshake(s->context);
	if (did == LW_TLS_DONE) {
		s->wire.final.present = false; /* what it passed over was no end */
		lw_wire_note_data(&s->wire);   /* records of the handshake are no flood */
		lw_stream_step(
		    s, &(struct lw_engine_event){
			   .kind = LW_EV_ESTABLISHED,
			   .version = lw_version_of_wire(s->adapter->version(s->context)) });
		s->wire.wire_minor = record_minor(s->adapter->version(s->context));
		s->read_waits = s->write_waits = 0;
		return lw_engine_is_established(&s->engine) ? LW_OK : LW_ERROR;
	}
	lw_stream_note_stop(s, did);
	s->write_waits = s->read_waits;
	return lw_stream_read_status(s);
}

enum lw_status lw_read(struct lw_stream *s, void *buf, size_t cap, size_t *n)
{
	enum lw_status status;
	enum lw_tls did;

	*n = 0;
	if (s->wire.observing)
		return LW_UNSUPPORTED;
	if (!lw_engine_delivers(&s->engine)) {
		if (s->engine.read != LW_READ_SHAKING)
			return lw_stream_read_status(s);
		status = lw_handshake(s);
		if (status != LW_OK)
			return status;
	}
	if (lw_stream_holds_output(s))
		lw_stream_push(s);
	if (cap == 0 || !lw_engine_delivers(&s->engine))
		return lw_stream_read_status(s);
	did = s->adapter->read(s->context, buf, cap, n);
	if (did == LW_TLS_DONE) {
		s->read_waits = 0; /* more may wait inside the library */
		lw_stream_note_received(s, buf, *n);
		return LW_OK;
	}
	lw_stream_note_stop(s, did);
	return lw_stream_read_status(s);
}

/* What came of a write of a sealed or refused record. */
static void note_write_stop(struct lw_stream *s, enum lw_tls did, size_t taken)
{
	switch (did) {
	case LW_TLS_DONE:
		s->write_waits = 0;
		break;
	case LW_TLS_WANTS_WRITE:
		s->write_waits = LW_EVENT_WRITABLE;
		if (taken > 0)
			lw_stream_tell(s, LW_EV_PENDING);
		break;
	case LW_TLS_WANTS_READ:
		s->write_waits = LW_EVENT_READABLE;
		break;
	case LW_TLS_WANTS_CALLER:
		s->write_waits = 0;
		break;
	case LW_TLS_ENDED:
	case LW_TLS_FAILED:
	default:
		note_library_end(s, LW_TLS_FAILED);
		lw_stream_push(s);
		break;
	}
}

bool lw_holds_input(struct lw_stream *s)
{
	return !s->wire.observing &&
	       (lw_wire_holds_input(&s->wire) || s->adapter->unread(s->context) > 0);
}

/* One record, or what of it finds room; true: another may follow. */
static bool write_record(struct lw_stream *s, const uint8_t *buf, size_t len, size_t *n)
{
	enum lw_tls did;

	did = s->adapter->write(s->context, buf, len, n);
	note_write_stop(s, did, *n);
	lw_stream_note_write_end(s);
	if (!lw_engine_may_write(&s->engine)) {
		*n = 0;
		return false;
	}
	if (*n > 0)
		lw_stream_note_sent(s, buf, *n);
	/* What the library adds by itself must find room in the wire, lest it be taken for this. */
	return *n > 0 && did == LW_TLS_DONE && s->wire.stash_bytes == 0;
}

/* Several records leave as if by one send, where the transport is a socket. */
static size_t write_records(struct lw_stream *s, const uint8_t *buf, size_t len)
{
	size_t taken = 0, n;
	bool goes_on = true;

	while (goes_on && len - taken > LW_ADAPTER_WRITE_MAX) {
		s->wire.more = true;
		goes_on = write_record(s, buf + taken, LW_ADAPTER_WRITE_MAX, &n);
		taken += n;
	}
	s->wire.more = false;
	if (goes_on) {
		(void)write_record(s, buf + taken, len - taken, &n);
		taken += n;
	}
	if (s->wire.corked)
		lw_wire_uncork(&s->wire);
	return taken;
}

enum lw_status lw_write(struct lw_stream *s, const void *buf, size_t len, size_t *n)
{
	enum lw_status status;

	*n = 0;
	if (s->wire.observing)
		return LW_UNSUPPORTED;
	if (s->engine.write == LW_WRITE_SHAKING) {
		status = lw_handshake(s);
		if (status != LW_OK)
			return status;
	}
	if (lw_stream_holds_output(s))
		lw_stream_push(s);
	if (!lw_engine_may_write(&s->engine)) /* rule: nothing-after-own-closure */
		return lw_stream_write_status(s);
	if (s->engine.pending || s->wire.stash_bytes > 0 || len == 0)
		return LW_AGAIN;
	*n = write_records(s, buf, len < LW_WRITE_MAX ? len : LW_WRITE_MAX);
	if (*n > 0)
		return LW_OK; /* what ended writing behind it, the next call tells */
	return lw_engine_may_write(&s->engine) ? LW_AGAIN : lw_stream_write_status(s);
}

enum lw_status lw_flush(struct lw_stream *s)
{
	enum lw_status status;

	if (s->wire.observing)
		return LW_UNSUPPORTED;
	lw_stream_push(s);
	status = lw_stream_write_status(s);
	if ((s->engine.write & LW_LATCH) && status != LW_END)
		return status;
	return lw_stream_holds_output(s) ? LW_AGAIN : LW_OK;
}
