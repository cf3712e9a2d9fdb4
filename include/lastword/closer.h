/*
 * closer.h: connections that only have their ending left, many thousands at a time.
 *
 * A closer takes over a stream whose application is done with it, seals
 * close_notify, lets the TLS object go, and keeps the descriptor and a few
 * bytes until the peer has ended as well.  It has one descriptor, to be polled
 * by any event loop; no call blocks, nothing is called back.  Linux only.
 *
 * Any number of threads may add while one runs.  Without a clock of the
 * application's own, time is CLOCK_MONOTONIC, and the descriptor becomes ready
 * when a deadline runs out.
 *
 * In a forked child a closer never speaks: every call but lw_closer_free() is
 * refused there and leaves the parent's connections alone.
 */
#ifndef LASTWORD_CLOSER_H
#define LASTWORD_CLOSER_H

#include <lastword/stream.h>

#ifdef __cplusplus
extern "C" {
#endif

struct lw_closer;

/* From adding to the verdict, at most; peers of good will need a round trip. */
#define LW_DEFAULT_CLOSER_DEADLINE_MS 5000u

struct lw_closer_options {
	uint32_t deadline_ms; /* from adding to the verdict, at most */
	uint64_t drain_bytes; /* drain at most so many behind our FIN */
	bool verifies;        /* authenticates the peer's close_notify, with keys alone */
	/*
	 * NULL: the system's monotonic clock.  Any adding thread may call it, so it must not call
	 * the closer; it never goes back.
	 */
	uint64_t (*now_ms)(void *context);
	void *context; /* for now_ms() */
};

/* One connection that is over.  Its descriptor is closed and its memory freed. */
struct lw_closed {
	void *tag; /* as given to lw_closer_add() */
	struct lw_verdict verdict;
};

/* Fills `options` with the defaults: the limits above and of stream.h, not verifying. */
LW_API void lw_closer_options_default(struct lw_closer_options *options);

/*
 * Makes a closer; `options` NULL takes the defaults.  A clock of the
 * application's own has no timer: call lw_closer_run() when it has moved.
 * NULL: out of memory or descriptors, errno says which.
 */
LW_API LW_MUST_CHECK struct lw_closer *lw_closer_new(const struct lw_closer_options *options);

/*
 * Takes the stream, the last reference to its TLS object and the descriptor,
 * all of which are the closer's from LW_OK on, and begins to close as
 * lw_close() does: what was sealed before leaves first, then close_notify.
 * The TLS object goes as soon as nothing more has to be sealed, at once as a
 * rule.  The closer's limits stand in place of the stream's.  No other copy of
 * the descriptor may be used any more, and no event loop watch it.
 *
 * LW_OK: taken, and lw_closer_run() will tell its verdict, once.
 * Else nothing was changed or sent, the stream is the caller's as before, and
 * `*why` (if `why` is not NULL) is a static sentence: LW_UNSUPPORTED: refused,
 * for a stream that observes, has no stream socket of its own, or was handed
 * back by lw_unwrap(); an adapter without release(); a closer that verifies
 * where the TLS library exports no keys of this connection; a forked child.
 * LW_ERROR: out of memory, or the system refuses to watch the descriptor.
 *
 * Does not block.  May be called from any thread, also while another runs the
 * closer; the stream must not be in use by another.
 * rules: need-not-wait, send-before-closing, transport-delivers-on-close
 */
LW_API LW_MUST_CHECK enum lw_status lw_closer_add(struct lw_closer *c, struct lw_stream *s,
                                                  void *tag, const char **why);

/*
 * The descriptor to poll: readable when lw_closer_run() has something to do.
 * It stays the closer's and is valid until lw_closer_free().
 */
LW_API int lw_closer_fd(const struct lw_closer *c);

/*
 * Does what can be done now for all connections, and puts those that are over
 * into `done`, at most `cap` of them; `*n` is their number.  What finds no
 * room is told by the next call, for which the descriptor stays readable.
 * LW_OK: `*n` > 0; LW_AGAIN: none is over now; LW_UNSUPPORTED: a forked
 * child.  Does not block.  One thread at a time.
 *
 * How a verdict reads: up to our close_notify, as for lw_close().  The peer's
 * side afterwards: a closer that does not verify cannot open the peer's
 * records any more and says LW_ENDING_ABANDONED for everything that it did not
 * receive before the TLS object went, whatever the peer then did; one that
 * verifies tells the ending.  LW_ENDING_EXPIRED: our own records had not left
 * by the deadline.  bytes_unacknowledged: at most so many of the application's
 * bytes may be lost.  A session to be forgotten has been forgotten where the
 * library could, if that was known before the TLS object went; a verdict's
 * LW_SESSION_FORGET that comes later is the application's to carry out.
 * rules: transport-delivers-on-close, tcp-reset-on-unread
 */
LW_API LW_MUST_CHECK enum lw_status lw_closer_run(struct lw_closer *c, struct lw_closed *done,
                                                  size_t cap, size_t *n);

/* Connections taken and not yet told by lw_closer_run().  From any thread. */
LW_API size_t lw_closer_count(struct lw_closer *c);

/*
 * Frees the closer.  Connections that are left end as at their deadline: what
 * the system takes at once of what was sealed still leaves, their descriptors
 * are closed, nobody is told.  In a
 * forked child only the child's memory and copies of the descriptors go, and
 * the parent's connections stay as they are.  No other call may be under way.
 * NULL is allowed.
 */
LW_API void lw_closer_free(struct lw_closer *c);

#ifdef __cplusplus
}
#endif
#endif
