/*
 * profile.h: what application protocols lay down on top of TLS about endings.
 *
 * A profile is one const row: how the data of a protocol ends, who closes,
 * which ports, ALPN ids and URL schemes are its own, and how its messages are
 * framed.  Rows come from data/protocols.tsv and data/profiles.tsv.  All are
 * static: never freed, valid for ever, the same for every thread.  Nothing
 * here does I/O, allocates or blocks.
 */
#ifndef LASTWORD_PROFILE_H
#define LASTWORD_PROFILE_H

#include <lastword/stream.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Which side of the application protocol we are. */
enum lw_role { LW_ROLE_CLIENT, LW_ROLE_SERVER };

/* How a connection comes to TLS. */
enum lw_starttls {
	LW_STARTTLS_NO,  /* TLS from the first byte */
	LW_STARTTLS_YES, /* by a command in the clear */
	LW_STARTTLS_BOTH /* either, on different ports */
};

/* How a reader knows that it has everything. */
enum lw_end_of_data {
	LW_END_OF_DATA_SELF,  /* messages tell their own end */
	LW_END_OF_DATA_CLOSE, /* only the end of the connection tells */
	LW_END_OF_DATA_MIXED  /* it depends on the message */
};

/* Who may or has to close first. */
enum lw_first_closer {
	LW_FIRST_CLOSER_UNSTATED,
	LW_FIRST_CLOSER_EITHER,
	LW_FIRST_CLOSER_CLIENT,
	LW_FIRST_CLOSER_SERVER,
	LW_FIRST_CLOSER_SENDER
};

/* What a side that has finished sends, beyond what TLS itself lays down. */
enum lw_on_finish { LW_ON_FINISH_UNSTATED, LW_ON_FINISH_CLOSE_NOTIFY };

/* When a received close_notify is answered. */
enum lw_answer {
	LW_ANSWER_VERSION, /* as the TLS version says */
	LW_ANSWER_AT_ONCE,
	LW_ANSWER_WHEN_DONE
};

/* Whether the first closer waits for the peer's close_notify. */
enum lw_await_peer { LW_AWAIT_PEER_UNSTATED, LW_AWAIT_PEER_MAY, LW_AWAIT_PEER_MUST };

/* Whether one side may close and go on reading. */
enum lw_half_close {
	LW_HALF_CLOSE_UNSTATED,
	LW_HALF_CLOSE_NO,
	LW_HALF_CLOSE_ALLOWED,
	LW_HALF_CLOSE_REQUIRED
};

/* Whether the transport goes on in the clear after TLS. */
enum lw_reuse { LW_REUSE_UNSTATED, LW_REUSE_NO, LW_REUSE_YES, LW_REUSE_FORBIDDEN };

/* What the protocol says about an end without close_notify. */
enum lw_on_truncation {
	LW_ON_TRUNCATION_UNSTATED,
	LW_ON_TRUNCATION_RETRY,
	LW_ON_TRUNCATION_ERROR_UNLESS_COMPLETE,
	LW_ON_TRUNCATION_ERROR
};

/* One protocol.  Strings are never NULL; lists are closed by a NULL. */
struct lw_profile {
	const char *name;
	const char *spec;         /* the text that was read */
	uint16_t port;            /* the registered port, 0 if none */
	uint16_t tls_port;        /* the port where TLS starts with the first byte, 0 if none */
	const char *const *alpn;  /* ALPN ids */
	const char *const *names; /* further names: URL schemes, service names */
	const char *framing;      /* the name of its message tracker; "unsure" if it has none */
	enum lw_starttls starttls;
	enum lw_end_of_data end_of_data;
	enum lw_first_closer first_closer;
	enum lw_on_finish on_finish;
	enum lw_answer answer;
	enum lw_await_peer await_peer;
	enum lw_half_close half_close;
	enum lw_reuse reuse;
	enum lw_on_truncation on_truncation;
	const char *note; /* one sentence */
};

/* The profile named `name`, or with that further name ("imaps"), or NULL.  Letter case counts not.
 */
LW_API const struct lw_profile *lw_profile_by_name(const char *name);

/* The profile that owns the ALPN id of `len` bytes, exactly, or NULL. */
LW_API const struct lw_profile *lw_profile_by_alpn(const void *id, size_t len);

/*
 * The profile for a TCP port: the first row whose tls_port it is, else the first
 * whose port it is, else NULL.  Where rows share a port, the first of the table
 * is the usual one (443: https, 853: dot).
 */
LW_API const struct lw_profile *lw_profile_by_port(uint16_t port);

/* The row after `profile`, the first after NULL; NULL after the last. */
LW_API const struct lw_profile *lw_profile_next(const struct lw_profile *profile);

/* Names of the closed columns, as in the table; "unknown" out of range; never NULL. */
LW_API const char *lw_role_name(enum lw_role role);
LW_API const char *lw_starttls_name(enum lw_starttls starttls);
LW_API const char *lw_end_of_data_name(enum lw_end_of_data end_of_data);
LW_API const char *lw_first_closer_name(enum lw_first_closer first_closer);
LW_API const char *lw_on_finish_name(enum lw_on_finish on_finish);
LW_API const char *lw_answer_name(enum lw_answer answer);
LW_API const char *lw_await_peer_name(enum lw_await_peer await_peer);
LW_API const char *lw_half_close_name(enum lw_half_close half_close);
LW_API const char *lw_reuse_name(enum lw_reuse reuse);
LW_API const char *lw_on_truncation_name(enum lw_on_truncation on_truncation);

/*
 * Lets the stream follow the messages of `profile` itself, as `role`: from now
 * on it knows after every byte whether what was delivered is complete, and
 * calls of lw_complete() are not needed; they are ignored.  A stream that lost
 * track, or a profile whose framing is "unsure", is never complete.  Copies
 * nothing, allocates nothing.  LW_OK, or LW_UNSUPPORTED, and nothing changed:
 * bytes have already been read or written, or the stream only observes.
 * rules: framed-message-survives, close-delimited-needs-alert
 */
LW_API LW_MUST_CHECK enum lw_status lw_use_profile(struct lw_stream *s,
                                                   const struct lw_profile *profile,
                                                   enum lw_role role);

/*
 * Where a protocol's server speaks first: its greeting came before TLS, as
 * with STARTTLS, and does not come again (ManageSieve's does; its profile
 * goes on to expect it).  After lw_use_profile(), before any byte; later, and
 * without a profile, it does nothing.
 */
LW_API void lw_greeted(struct lw_stream *s);

/*
 * Why the bytes delivered so far are, or are not, complete: part of a
 * sentence, such as "Content-Length satisfied" or "no length: only close_notify
 * completes it".  Static; never NULL; "" without a profile.
 */
LW_API const char *lw_complete_why(const struct lw_stream *s);

#ifdef __cplusplus
}
#endif
#endif
