/*
 * verdict.h: how a TLS connection ended, as far as anyone can prove it.
 *
 * The words of Lastword live here: endings, policies, versions, and the one
 * struct that says everything about the end of a connection.  Nothing here
 * does I/O, allocates or blocks.
 */
#ifndef LASTWORD_VERDICT_H
#define LASTWORD_VERDICT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define LW_API        __attribute__((visibility("default")))
#define LW_MUST_CHECK __attribute__((warn_unused_result))
#else
#define LW_API
#define LW_MUST_CHECK
#endif

/* How one direction ended.  The first ending sticks; nothing overwrites it. */
enum lw_ending {
	LW_ENDING_OPEN,      /* not ended */
	LW_ENDING_CLOSED,    /* an authenticated close_notify was received, or left us */
	LW_ENDING_ABORTED,   /* a fatal alert was received, or left us */
	LW_ENDING_TRUNCATED, /* the transport ended (FIN) with neither */
	LW_ENDING_RESET,     /* the transport was reset (RST) with neither */
	LW_ENDING_EXPIRED,   /* our own deadline ran out while waiting */
	LW_ENDING_ABANDONED, /* we stopped before the peer had ended */
	LW_ENDING_FAILED     /* I/O error, broken record, handshake */
};

/* Where in the record stream the transport ended. */
enum lw_place {
	LW_PLACE_NONE,     /* it did not end, or that does not matter */
	LW_PLACE_BOUNDARY, /* between two records */
	LW_PLACE_INSIDE,   /* inside a record or its header: bytes are missing */
	LW_PLACE_UNKNOWN   /* nobody looked at the records */
};

/* When a missing close_notify is an error. */
enum lw_policy {
	LW_POLICY_FRAMED, /* unless the message was complete (the default) */
	LW_POLICY_STRICT, /* always */
	LW_POLICY_LAX     /* never; it is still recorded */
};

/* Protocol versions, in the order of their rows in the version table. */
enum lw_version {
	LW_VERSION_UNKNOWN, /* before the version is known */
	LW_VERSION_SSL3,
	LW_VERSION_TLS1_0,
	LW_VERSION_TLS1_1,
	LW_VERSION_TLS1_2,
	LW_VERSION_TLS1_3,
	LW_VERSION_DTLS1_2,
	LW_VERSION_DTLS1_3
};

/* What may be done with the session and every ticket of this connection. */
enum lw_session { LW_SESSION_MAY_RESUME, LW_SESSION_FORGET };

/* Who sent close_notify first. */
enum lw_closer_side { LW_CLOSED_FIRST_NOBODY, LW_CLOSED_FIRST_WE, LW_CLOSED_FIRST_PEER };

/* The alert that ended a direction; absent when none did. */
struct lw_alert {
	bool present;
	uint8_t level;       /* as on the wire: 1 warning, 2 fatal */
	uint8_t description; /* as on the wire: 0 is close_notify */
};

/* Everything there is to know about the end of one connection. */
struct lw_verdict {
	enum lw_version version;
	enum lw_policy policy;
	enum lw_ending read;  /* how the peer's direction ended; rule: shared-knowledge-of-end */
	enum lw_ending write; /* how our direction ended */
	bool whole;           /* the reader has all that the writer meant to send */
	bool complete;        /* what was delivered is whole messages */
	bool tolerated;       /* the policy accepts how the read side ended */
	enum lw_place at;     /* where the transport ended, if it did */
	uint32_t missing; /* bytes missing of the record that was cut; 0 if not inside, or unknown
	                     in a header */
	struct lw_alert alert_received; /* the alert that ended the read side */
	struct lw_alert alert_sent;     /* the alert of ours that left, close_notify included */
	uint32_t warnings;              /* alerts received that ended nothing */
	uint32_t records_without_data;  /* in a row, if we gave up reading for them; else 0 */
	uint64_t bytes_read;            /* delivered to the application */
	uint64_t bytes_written;         /* accepted from the application */
	uint64_t bytes_ignored;         /* received after our own close, not delivered */
	uint64_t bytes_discarded;       /* accepted from the application, never sealed */
	uint64_t bytes_unacknowledged;  /* of those written, at most so many were still in the send
	                                   queue when we stopped (Linux: SIOCOUTQ) */
	enum lw_closer_side closed_first;
	enum lw_session session;
	int os_error; /* errno of the transport's failure, or 0 */
};

/*
 * Names, as in output and JSON: "closed", "boundary", "framed", "TLSv1.3",
 * "may-resume", "peer", "close_notify".  A value out of range gives "unknown";
 * an alert description without a registered name gives "alert".
 * Static strings; never NULL.
 */
LW_API const char *lw_ending_name(enum lw_ending ending);
LW_API const char *lw_place_name(enum lw_place place);
LW_API const char *lw_policy_name(enum lw_policy policy);
LW_API const char *lw_version_name(enum lw_version version);
LW_API const char *lw_session_name(enum lw_session session);
LW_API const char *lw_closer_side_name(enum lw_closer_side side);
LW_API const char *lw_alert_name(uint8_t description);

/*
 * Puts the verdict into one English sentence: what happened, after how many
 * bytes, and whether that harms.  Writes at most `cap` bytes to `buf`, the
 * closing NUL included (256 are enough for every sentence), and returns `buf`.
 * `cap` must not be 0.  Does not block.
 */
LW_API const char *lw_verdict_sentence(const struct lw_verdict *verdict, char *buf, size_t cap);

#ifdef __cplusplus
}
#endif
#endif
