/*
 * stream.h: a TLS connection whose end is known.
 *
 * A stream attaches to a TLS object that the application configured (see
 * openssl.h and its kin).  It borrows that object and the descriptor: it shuts
 * the transport down but never closes the descriptor, and lw_free() frees only
 * what the stream made.  Every call is non-blocking, lw_wait() excepted; a
 * blocking program is a loop over lw_wait().  No call reads a clock except
 * lw_wait(): time enters through lw_timeout_ms().  A stream is used by one
 * thread at a time.  SIGPIPE is never raised on sockets.
 *
 * The first ending of a direction is told the same on every later call.
 */
#ifndef LASTWORD_STREAM_H
#define LASTWORD_STREAM_H

#include <lastword/verdict.h>

#ifdef __cplusplus
extern "C" {
#endif

struct lw_stream;

/* What a call did.  "Wait" and "ended" are results, not errors. */
enum lw_status {
	LW_OK,         /* done; for read and write: n > 0 bytes */
	LW_AGAIN,      /* wait for lw_events() or lw_timeout_ms(), then call again */
	LW_END,        /* the end of the stream, proven, or tolerated by the policy */
	LW_TRUNCATED,  /* the transport ended first: what was read may be cut short */
	LW_ABORTED,    /* a fatal alert ended it */
	LW_ERROR,      /* anything else; lw_verdict_sentence() says what */
	LW_UNSUPPORTED /* this version or state has no such thing; nothing was sent */
};

/* What the application waits for, for lw_events(). */
enum lw_interest { LW_INTEREST_READ = 1, LW_INTEREST_WRITE = 2 };

/* What lw_events() and lw_wait() answer. */
enum lw_event { LW_EVENT_READABLE = 1, LW_EVENT_WRITABLE = 2 };

/* How a memory transport ended, for lw_transport_ended(). */
enum lw_transport_end { LW_TRANSPORT_FIN, LW_TRANSPORT_RESET, LW_TRANSPORT_ERROR };

/*
 * The named defaults.  A limit of 0 in struct lw_options is taken as it
 * stands: lw_options_default() fills in the defaults.
 */
#define LW_DEFAULT_CLOSE_TIMEOUT_MS 5000u      /* wait for the peer's close_notify */
#define LW_DEFAULT_DRAIN_TIMEOUT_MS 2000u      /* drain input after our FIN */
#define LW_DEFAULT_DRAIN_BYTES      (1u << 20) /* drain at most so many bytes */
#define LW_NO_TIMEOUT               UINT32_MAX

struct lw_options {
	enum lw_policy policy;
	uint32_t close_timeout_ms; /* 0: do not wait for close_notify, still drain */
	uint32_t drain_timeout_ms; /* 0: do not drain */
	uint64_t drain_bytes;
	/*
	 * Where much comes on a socket, up to 48 KiB behind the record under way are read along
	 * with it: fewer system calls.  lw_unwrap() is then refused, and the TLS object cannot go
	 * on without the stream.
	 */
	bool reads_ahead;
};

/* Fills `options` with the defaults: framed, and the limits above. */
LW_API void lw_options_default(struct lw_options *options);

/*
 * Continues the handshake.  LW_OK when it is done (also on later calls while
 * nothing ended), LW_AGAIN, or how the connection ended.  lw_read() and
 * lw_write() continue it too, so the call is optional.
 */
LW_API LW_MUST_CHECK enum lw_status lw_handshake(struct lw_stream *s);

/*
 * Reads at most `cap` bytes into `buf`; `*n` is their number, 0 unless LW_OK.
 * LW_OK, LW_AGAIN, LW_END, LW_TRUNCATED, LW_ABORTED, LW_ERROR as above.
 * `cap` 0 gives LW_AGAIN, or the ending.  After lw_close() or lw_abort()
 * input is ignored and counted, and no call gives LW_OK.
 * rules: end-of-data-on-close-notify, ignore-after-closure, no-io-after-received-error
 */
LW_API LW_MUST_CHECK enum lw_status lw_read(struct lw_stream *s, void *buf, size_t cap, size_t *n);

/*
 * Whether lw_read() can go on with what is here already, though the descriptor may tell nothing:
 * for a caller that stops reading before LW_AGAIN.
 */
LW_API bool lw_holds_input(struct lw_stream *s);

/*
 * Writes at most `len` bytes of `buf`; `*n` is the number taken, 0 unless
 * LW_OK.  Taken bytes are sealed, in records of 16 KiB at most, and leave in order; the caller
 * forgets them.  Much at once is cheaper than the same in parts.
 * LW_AGAIN: the transport is full, nothing was taken.  After an end of the
 * write side: LW_END (our close_notify, or the peer's up to TLS 1.2),
 * LW_TRUNCATED (the transport was reset), LW_ABORTED, LW_ERROR.
 * rules: nothing-after-own-closure, discard-pending-writes
 */
LW_API LW_MUST_CHECK enum lw_status lw_write(struct lw_stream *s, const void *buf, size_t len,
                                             size_t *n);

/* Sends what is sealed.  LW_OK when nothing is left, LW_AGAIN, or as lw_write(). */
LW_API LW_MUST_CHECK enum lw_status lw_flush(struct lw_stream *s);

/*
 * Declares that the bytes delivered so far are whole messages, and that no
 * request is unanswered: an end here harms nobody.  A further byte received
 * clears it; so does `complete` false.
 * rule: framed-message-survives
 */
LW_API void lw_complete(struct lw_stream *s, bool complete);

/*
 * Sends close_notify and lets reading go on.  LW_OK when the alert left,
 * LW_AGAIN while it has not, LW_UNSUPPORTED (nothing sent) up to TLS 1.2 and
 * before the handshake is done, else as lw_write().
 * rules: half-close, send-before-closing-unless-failed
 */
LW_API LW_MUST_CHECK enum lw_status lw_finish(struct lw_stream *s);

/*
 * Ends the connection: sends close_notify, waits for the peer's ending within
 * the close deadline, then shuts the transport and drains it within the drain
 * limits.  LW_AGAIN until it is over, then how the peer's side ended, as
 * lw_read() tells it.  Never closes the descriptor.
 * rules: either-may-start, send-before-closing, need-not-wait, transport-delivers-on-close
 */
LW_API LW_MUST_CHECK enum lw_status lw_close(struct lw_stream *s);

/*
 * Ends TLS and keeps the transport: LW_OK once both close_notify were
 * exchanged; call again while it gives LW_AGAIN.  A stream reads no further
 * than the record of the peer's alert, so that what follows stands in the
 * transport: `rest` (of `cap` bytes, NULL is allowed) is for bytes read past
 * the alert, and `*n`, their number, is always 0 on the adapters there are.
 * Data still arriving goes to lw_read().  LW_UNSUPPORTED, and nothing was sent,
 * before the handshake is done, after lw_close() or lw_abort(), and while the
 * TLS library holds bytes that it had read before the stream was attached
 * (lw_read() uses them up).  Where the peer's close_notify did not come, or ours
 * could not leave, the unwrap becomes a close: LW_AGAIN until it is over, then
 * LW_TRUNCATED, LW_ABORTED or LW_ERROR, under every policy: never LW_END.
 * rules: await-peer-before-reuse, await-peer-before-end-of-data
 */
LW_API LW_MUST_CHECK enum lw_status lw_unwrap(struct lw_stream *s, void *rest, size_t cap,
                                              size_t *n);

/*
 * Why the transport is not handed back, or cannot be: part of a sentence, such
 * as "the transport ended before the peer's close_notify".  Static; never NULL;
 * "" once it is handed back, and while nothing is in the way.
 */
LW_API const char *lw_unwrap_why(const struct lw_stream *s);

/*
 * Sends a fatal alert and ends the connection: it never looks like an end to
 * the peer.  LW_AGAIN until it is over, then LW_ABORTED when the alert left,
 * LW_ERROR when none could.  After lw_finish() nothing is sent.  Where the TLS
 * library chooses the description itself, the verdict names what left.
 */
LW_API LW_MUST_CHECK enum lw_status lw_abort(struct lw_stream *s);

/* Fills `verdict` with what is known now.  Never blocks, never changes anything. */
LW_API void lw_verdict(const struct lw_stream *s, struct lw_verdict *verdict);

/*
 * What to wait for on the descriptor before calling again: a set of
 * lw_event, given a set of lw_interest.  While closing, the stream's own
 * needs are included.  0: nothing to wait for, call at once or never.
 */
LW_API unsigned lw_events(const struct lw_stream *s, unsigned interest);

/*
 * Tells the stream the time, in milliseconds of any monotonic clock, and asks
 * how long it may be left alone: -1 for ever, 0 call again at once (a deadline
 * ran out, and the ending was set), else milliseconds.
 */
LW_API int lw_timeout_ms(struct lw_stream *s, uint64_t now_ms);

/*
 * Blocks until one of lw_events(s, interest) or a deadline of the stream
 * happened, at most `max_ms` (-1: no bound of its own).  LW_OK something
 * happened, LW_AGAIN `max_ms` passed, LW_UNSUPPORTED the transport has no
 * descriptor.  Reads the monotonic clock.
 */
LW_API LW_MUST_CHECK enum lw_status lw_wait(struct lw_stream *s, unsigned interest, int max_ms);

/* Memory transports: says that nothing more will come, and why.  Sockets need no such call. */
LW_API void lw_transport_ended(struct lw_stream *s, enum lw_transport_end end);

/*
 * Carries out the verdict's session advice where the TLS library allows it.
 * LW_OK done or nothing to do; LW_UNSUPPORTED the library cannot.
 * rules: unclean-end-forbids-resumption, fatal-invalidates-session, discard-tickets-on-failure
 */
LW_API LW_MUST_CHECK enum lw_status lw_forget_session(struct lw_stream *s);

/*
 * Frees the stream and gives the TLS object back as it is.  Sends nothing.
 * NULL is allowed.
 */
LW_API void lw_free(struct lw_stream *s);

#ifdef __cplusplus
}
#endif
#endif
