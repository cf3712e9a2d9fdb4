/*
 * tracker: follows the messages of an application protocol in both directions
 * and answers one question: is what has been received whole messages, with no
 * request of ours unanswered?
 *
 * Sans-I/O: it is told which plaintext bytes went out and came in, in order, and
 * keeps a bounded state (at most 152 bytes) that the caller owns; it allocates
 * nothing and looks at no byte twice.  It knows nothing of TLS, of endings or
 * of the transport.
 *
 * Unsure means not complete, and for ever: once a tracker has lost track, no
 * byte makes it complete again.  How the bytes are split over calls changes no
 * answer.  An empty call changes nothing.
 */
#ifndef FRAMING_TRACKER_H
#define FRAMING_TRACKER_H

#include <lastword/profile.h>

#include "framing/blocks.h"
#include "framing/frames.h"
#include "framing/http1.h"
#include "framing/http2.h"
#include "framing/lines.h"
#include "framing/literals.h"
#include "framing/resp.h"
#include "framing/xmpp.h"

/* The trackers; each is one row of the table in tracker.c, with its name. */
enum lw_kind {
	LW_KIND_UNSURE,    /* none: never complete */
	LW_KIND_BY_CLOSE,  /* the data ends with the connection: only close_notify completes it */
	LW_KIND_HTTP1,     /* HTTP/1.0 and 1.1 */
	LW_KIND_WEBSOCKET, /* HTTP/1.1 up to the 101, then: */
	LW_KIND_WEBSOCKET_FRAMES, /* frames, complete with the peer's Close frame */
	LW_KIND_LINES,            /* commands are single lines, the shape of answers is unknown */
	LW_KIND_SMTP,             /* one reply with a code to a command */
	LW_KIND_FTP,              /* the same, after preliminary ones */
	LW_KIND_DNS,              /* this and the rest: rows of frame_rows.c */
	LW_KIND_POSTGRESQL,
	LW_KIND_LDAP,
	LW_KIND_MQTT,
	LW_KIND_SYSLOG,
	LW_KIND_RADIUS,
	LW_KIND_DIAMETER,
	LW_KIND_EPP,
	LW_KIND_KERBEROS,
	LW_KIND_NTS_KE,
	LW_KIND_SNMP,
	LW_KIND_COPS,
	LW_KIND_MYSQL,
	LW_KIND_HTTP2, /* frames and streams; RFC 9113 */
	LW_KIND_POP3,  /* a status line, behind some a block up to a lone dot */
	LW_KIND_NNTP,  /* the same, with codes */
	LW_KIND_IMAP,  /* tagged commands, literals */
	LW_KIND_SIEVE, /* ManageSieve: literals, answers in order */
	LW_KIND_RESP,  /* Redis */
	LW_KIND_XMPP,  /* streams of XML elements */
	LW_KINDS
};

struct lw_tracker {
	enum lw_kind kind;
	enum lw_role role;
	const char *lost; /* why track was lost, for ever; NULL while it is kept */
	union {
		struct lw_http1 http1;
		struct lw_lines lines;
		struct lw_frames frames;
		struct lw_http2 http2;
		struct lw_blocks blocks;
		struct lw_literals literals;
		struct lw_resp resp;
		struct lw_xmpp xmpp;
	} state;
};

/* Starts afresh.  A kind out of range becomes LW_KIND_UNSURE. */
void lw_tracker_init(struct lw_tracker *t, enum lw_kind kind, enum lw_role role);

/* Before the first byte: a server that speaks first has done so already, before TLS. */
void lw_tracker_greeted(struct lw_tracker *t);

/* `len` bytes of plaintext went out. */
void lw_tracker_sent(struct lw_tracker *t, const void *bytes, size_t len);

/* `len` bytes of plaintext came in. */
void lw_tracker_received(struct lw_tracker *t, const void *bytes, size_t len);

/*
 * What was received is whole messages and, on a client, no request of ours is
 * unanswered or half sent; false before the first message (where nothing is ever
 * answered: the first request).
 * rule: framed-message-survives
 */
bool lw_tracker_complete(const struct lw_tracker *t);

/*
 * Data whose end only the end of the connection tells is under way.
 * rule: close-delimited-needs-alert
 */
bool lw_tracker_ended_by_close(const struct lw_tracker *t);

/* Why it is complete, or is not: part of a sentence, static, never NULL. */
const char *lw_tracker_why(const struct lw_tracker *t);

/* Goes on as another kind, as after an upgrade; what was seen before is forgotten. */
void lw_tracker_become(struct lw_tracker *t, enum lw_kind kind);

/* "http1", "by-close", ...; "unsure" out of range. */
const char *lw_kind_name(enum lw_kind kind);

#endif
