/*
 * ending: finish, close, unwrap and abort, and the time they may take.  Each
 * call tells the engine what is wanted once, then works: pushes output, reads
 * what is to be ignored, drains; until the engine is final or nothing moves.
 */
#include "stream/stream.h"

#include <limits.h>
#include <poll.h>
#include <string.h>
#include <time.h>

/* How much a single call ignores or drains before it lets the caller breathe. */
#define WORK_BYTES_MAX (256u * 1024u)

void lw_stream_look(struct lw_stream *s)
{
	enum lw_tls did;

	if (!lw_engine_delivers(&s->engine))
		return;
	did = s->adapter->peek(s->context);
	if (did == LW_TLS_DONE)
		s->read_waits = 0; /* data that waits is for lw_read() */
	else
		lw_stream_note_stop(s, did);
}

enum lw_status lw_finish(struct lw_stream *s)
{
	if (s->wire.observing || !lw_engine_may_finish(&s->engine))
		return LW_UNSUPPORTED;
	lw_stream_tell(s, LW_EV_FINISH);
	lw_stream_push(s);
	if (s->due != LW_SEAL_NONE) {
		lw_stream_look(s);
		lw_stream_push(s);
	}
	switch (lw_engine_write_ending(&s->engine)) {
	case LW_ENDING_OPEN:
		return LW_AGAIN;
	case LW_ENDING_CLOSED:
		return LW_OK;
	case LW_ENDING_ABORTED:
	case LW_ENDING_TRUNCATED:
	case LW_ENDING_RESET:
	case LW_ENDING_EXPIRED:
	case LW_ENDING_ABANDONED:
	case LW_ENDING_FAILED:
	default:
		return lw_stream_write_status(s);
	}
}

/* Reads what arrives and drops it; the peer's alert may be behind it.  Gives the bytes, 0 to wait.
 */
static size_t ignore_input(struct lw_stream *s)
{
	unsigned char scratch[4096];
	size_t n = 0;
	enum lw_tls did = s->adapter->read(s->context, scratch, sizeof scratch, &n);

	if (did != LW_TLS_DONE) {
		lw_stream_note_stop(s, did);
		return 0;
	}
	s->read_waits = 0;
	lw_wire_note_data(&s->wire);
	s->bytes_ignored += n;
	if (s->engine.transport == LW_TRANSPORT_DRAINING)
		s->bytes_drained += n;
	lw_stream_tell(s, LW_EV_DATA); /* rule: ignore-after-closure */
	return n;
}

static bool is_drained(const struct lw_stream *s)
{
	/* Who gave us a transport without a descriptor drains and ends it. */
	return s->wire.fd < 0 || s->limits.drain_timeout_ms == 0 ||
	       s->bytes_drained > s->limits.drain_bytes;
}

/* Reads below TLS until the peer's FIN, so that its last bytes draw no reset from us. */
static size_t drain(struct lw_stream *s)
{
	size_t n;
	const enum lw_io io = lw_wire_drain(&s->wire, WORK_BYTES_MAX, &n);

	s->bytes_drained += n;
	if (io == LW_IO_FIN)
		lw_stream_tell(s, LW_EV_FIN);
	else if (io == LW_IO_RESET || io == LW_IO_ERROR)
		lw_stream_tell(s, LW_EV_RESET);
	return n;
}

/* Pushes what waits.  False: there is nothing to read, for all is over, or an alert has just left
 * to which no answer can be here yet; what else is here will make the descriptor ready. */
static bool push_on(struct lw_stream *s)
{
	const bool had_left = s->alert_left;

	lw_stream_push(s);
	if (lw_engine_is_final(&s->engine))
		return false;
	if (s->alert_left == had_left || s->engine.transport != LW_TRANSPORT_CLOSING ||
	    s->wire.fd < 0 || !s->wire.boundaries_known || lw_wire_holds_input(&s->wire))
		return true;
	s->read_waits = LW_EVENT_READABLE;
	return false;
}

/* One step of what input a stream that is closing takes.  Gives the bytes, 0 to wait. */
static size_t take_input(struct lw_stream *s)
{
	const bool draining = s->engine.transport == LW_TRANSPORT_DRAINING;
	size_t n = 0;

	if (draining && is_drained(s))
		lw_stream_tell(s, LW_EV_DRAINED);
	else if (lw_engine_wants_read(&s->engine) && !lw_engine_delivers(&s->engine))
		n = ignore_input(s);
	else if (draining)
		n = drain(s);
	/* It has just begun. */
	return !draining && s->engine.transport == LW_TRANSPORT_DRAINING ? 1 : n;
}

/* Everything that can be done now for a stream that is closing. */
static void work(struct lw_stream *s)
{
	size_t moved = 0, n = 1;

	while (n > 0 && moved < WORK_BYTES_MAX && !lw_engine_is_final(&s->engine)) {
		if (lw_stream_holds_output(s) && !push_on(s))
			return;
		n = take_input(s);
		moved += n;
	}
	if (s->due != LW_SEAL_NONE) /* a handshake that was in the way may be over */
		lw_stream_push(s);
}

static enum lw_status wind_up(struct lw_stream *s)
{
	work(s);
	return lw_engine_is_final(&s->engine) ? lw_stream_read_status(s) : LW_AGAIN;
}

enum lw_status lw_close(struct lw_stream *s)
{
	if (s->wire.observing || s->engine.transport == LW_TRANSPORT_HANDED_BACK)
		return LW_UNSUPPORTED;
	if (!lw_engine_is_closing(&s->engine)) {
		s->began_end = true;
		lw_stream_tell(s, LW_EV_CLOSE);
	}
	return wind_up(s);
}

enum lw_status lw_abort(struct lw_stream *s)
{
	if (s->wire.observing || s->engine.transport == LW_TRANSPORT_HANDED_BACK)
		return LW_UNSUPPORTED;
	if (!s->asked_abort) {
		s->asked_abort = true;
		s->began_end |= !lw_engine_is_closing(&s->engine);
		lw_stream_tell(s, LW_EV_ABORT);
	}
	work(s);
	if (!lw_engine_is_final(&s->engine))
		return LW_AGAIN;
	return lw_engine_write_ending(&s->engine) == LW_ENDING_ABORTED ? LW_ABORTED : LW_ERROR;
}

/* The wire reads no further than the record of the alert, so nothing was read past it. */
static bool may_unwrap(const struct lw_stream *s)
{
	return !s->wire.observing && s->wire.boundaries_known && !s->wire.reads_ahead &&
	       (lw_engine_may_unwrap(&s->engine) ||
	        s->engine.transport == LW_TRANSPORT_HANDED_BACK);
}

static const char *const no_peer_alert[] = {
	[LW_ENDING_ABORTED] = "the peer sent a fatal alert instead of close_notify",
	[LW_ENDING_TRUNCATED] = "the transport ended before the peer's close_notify",
	[LW_ENDING_RESET] = "the transport was reset before the peer's close_notify",
	[LW_ENDING_EXPIRED] = "the peer's close_notify did not come in time",
	[LW_ENDING_ABANDONED] = "the peer's close_notify was not waited for",
	[LW_ENDING_FAILED] = "something else came instead of the peer's close_notify",
};

const char *lw_unwrap_why(const struct lw_stream *s)
{
	const enum lw_ending read = lw_engine_read_ending(&s->engine);
	const enum lw_ending write = lw_engine_write_ending(&s->engine);

	if (s->wire.observing)
		return "on a stream that observes, the application ends TLS itself";
	if (s->engine.transport == LW_TRANSPORT_HANDED_BACK)
		return "";
	if (s->began_end)
		return "the stream is closed or aborted already";
	if (!lw_engine_is_established(&s->engine))
		return "the handshake is not done";
	if (read != LW_ENDING_OPEN && read != LW_ENDING_CLOSED)
		return no_peer_alert[read];
	if (write != LW_ENDING_OPEN && write != LW_ENDING_CLOSED)
		return "our own close_notify could not leave";
	if (s->wire.reads_ahead)
		return "the stream reads ahead: what follows TLS may have been read already";
	if (!s->wire.boundaries_known)
		return "the TLS library holds bytes that it read before the stream was attached";
	return "";
}

/* Whatever the policy tolerates as the end of data, the transport is not the application's. */
static enum lw_status wind_up_unwrap(struct lw_stream *s)
{
	work(s);
	if (!lw_engine_is_final(&s->engine))
		return LW_AGAIN;
	return lw_engine_read_ending(&s->engine) == LW_ENDING_CLOSED
	           ? lw_stream_write_status(s)
	           : lw_stream_bare_read_status(s);
}

enum lw_status lw_unwrap(struct lw_stream *s, void *rest, size_t cap, size_t *n)
{
	(void)rest;
	(void)cap;
	*n = 0;
	if (s->wire.observing || s->began_end)
		return LW_UNSUPPORTED;
	if (s->engine.transport == LW_TRANSPORT_HANDED_BACK)
		return LW_OK;
	if (lw_engine_is_closing(&s->engine)) /* it failed, and became a close */
		return wind_up_unwrap(s);
	if (!may_unwrap(s))
		return LW_UNSUPPORTED;
	if (!s->asked_unwrap) {
		s->asked_unwrap = true;
		lw_stream_tell(s, LW_EV_UNWRAP);
	}
	lw_stream_push(s);
	lw_stream_look(s);
	if (s->due != LW_SEAL_NONE)
		lw_stream_push(s);
	if (s->engine.transport == LW_TRANSPORT_HANDED_BACK)
		return LW_OK;
	return lw_engine_is_closing(&s->engine) ? wind_up_unwrap(s) : LW_AGAIN;
}

/* The length of the armed deadline; LW_NO_TIMEOUT for none. */
static uint32_t armed_limit_ms(const struct lw_stream *s)
{
	/* Without a wait for the peer, what was written still needs time to leave. */
	if (s->engine.armed == LW_DEADLINE_ENDING && s->limits.close_timeout_ms > 0)
		return s->limits.close_timeout_ms;
	return s->limits.drain_timeout_ms;
}

int lw_timeout_ms(struct lw_stream *s, uint64_t now_ms)
{
	uint32_t limit;
	uint64_t passed;

	if (s->engine.armed == LW_DEADLINE_NONE || s->wire.observing)
		return -1;
	limit = armed_limit_ms(s);
	if (limit == LW_NO_TIMEOUT)
		return -1;
	if (!s->clock_started) {
		s->clock_started = true;
		s->armed_at_ms = now_ms;
	}
	passed = now_ms > s->armed_at_ms ? now_ms - s->armed_at_ms : 0;
	if (passed < limit)
		return limit - passed > INT_MAX ? INT_MAX : (int)(limit - passed);
	lw_stream_tell(s, s->engine.armed == LW_DEADLINE_ENDING ? LW_EV_DEADLINE : LW_EV_DRAINED);
	return 0;
}

/* What output waits for.  What can no longer leave is not waited for: a transport shut for
 * writing is always ready. */
static unsigned output_events(const struct lw_stream *s, unsigned interest)
{
	unsigned events = 0;

	if (s->engine.write & LW_LATCH)
		return 0;
	if (s->engine.pending || s->leaving || s->wire.stash_bytes > 0)
		events |= LW_EVENT_WRITABLE;
	if (interest & LW_INTEREST_WRITE || s->due != LW_SEAL_NONE)
		events |= s->write_waits;
	return events;
}

unsigned lw_events(const struct lw_stream *s, unsigned interest)
{
	const bool closing = s->engine.transport != LW_TRANSPORT_OPEN &&
	                     s->engine.transport != LW_TRANSPORT_PEER_ENDED;
	const bool asked = interest & LW_INTEREST_READ;
	/* What is held already makes no descriptor ready. */
	const unsigned waits = lw_wire_holds_input(&s->wire) ? 0 : s->read_waits;
	unsigned events = output_events(s, interest);

	if (lw_engine_is_final(&s->engine) || s->wire.observing)
		return 0;
	if ((asked || closing) && lw_engine_wants_read(&s->engine)) {
		if (waits == 0 && (asked || !lw_engine_delivers(&s->engine)))
			return 0;
		events |= waits ? waits : LW_EVENT_READABLE;
	}
	if (s->engine.transport == LW_TRANSPORT_DRAINING)
		events |= LW_EVENT_READABLE;
	return events;
}

static uint64_t now_ms(void)
{
	struct timespec t;

	if (clock_gettime(CLOCK_MONOTONIC, &t) != 0)
		return 0;
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static short poll_events(unsigned events)
{
	int asked = 0;

	if (events & LW_EVENT_READABLE)
		asked |= POLLIN;
	if (events & LW_EVENT_WRITABLE)
		asked |= POLLOUT;
	return (short)asked;
}

enum lw_status lw_wait(struct lw_stream *s, unsigned interest, int max_ms)
{
	const unsigned events = lw_events(s, interest);
	struct pollfd p = { .fd = s->wire.fd, .events = poll_events(events) };
	bool ours;
	int limit;

	if (s->wire.fd < 0)
		return LW_UNSUPPORTED;
	limit = lw_timeout_ms(s, now_ms());
	if (limit == 0 || events == 0)
		return LW_OK;
	ours = limit >= 0 && (max_ms < 0 || limit <= max_ms);
	if (poll(&p, 1, ours ? limit : max_ms) != 0) /* ready, or interrupted: the caller looks */
		return LW_OK;
	return ours && lw_timeout_ms(s, now_ms()) == 0 ? LW_OK : LW_AGAIN;
}
