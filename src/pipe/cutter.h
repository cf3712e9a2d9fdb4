/*
 * cutter: decides how many bytes of a TLS connection may pass between two
 * peers, and where one direction is to be ended.
 *
 * Sans-I/O: the caller offers what has arrived in a direction, forwards what the
 * answer lets pass, and ends the connection as the plan says when the answer
 * asks for it.  What counts is the records that carry data:
 *
 *   to TLS 1.2   records of application data (type 23).
 *   TLS 1.3      the protected records behind the handshake, session tickets and
 *                alerts among them, since nobody without the keys can tell them
 *                from data.  To the client these are the records that begin after
 *                the client's own first protected record; to the server, those
 *                behind its first one.
 *
 * Bytes count in the same records, their headers included.  The same bytes in
 * any chunking are cut at the same place.  What passes in the clear before the
 * ClientHello (STARTTLS, in whatever protocol) counts as nothing.  A connection
 * that speaks no TLS, or not the version of the plan, passes whole.
 */
#ifndef PIPE_CUTTER_H
#define PIPE_CUTTER_H

#include "closure/boundary.h"
#include "pipe/hello.h"

enum cutter_how {
	CUTTER_FIN,
	CUTTER_RST,
	CUTTER_STALL,     /* nothing more passes; the transport stays open */
	CUTTER_INSIDE,    /* half of the next record, then FIN */
	CUTTER_DROP_ALERT /* all but a last alert, then FIN */
};

enum cutter_direction { CUTTER_TO_CLIENT, CUTTER_TO_SERVER };

enum cutter_unit { CUTTER_RECORDS, CUTTER_BYTES };

struct cutter_plan {
	enum cutter_how how;
	enum cutter_unit unit;
	uint64_t after;          /* 0: in front of the first record that counts */
	bool cuts[2];            /* by direction */
	enum lw_version version; /* cuts only connections of that version; unknown: any */
};

/* In 1.3 a last record with a body of at most so many bytes is taken for an alert: 19 is the usual.
 */
#define CUTTER_ALERT_BODY 31u

struct cutter_side {
	struct lw_boundary at;
	uint64_t bytes;           /* passed */
	uint64_t counted_records; /* passed whole */
	uint64_t counted_bytes;
	uint32_t inside_left; /* bytes of the record that is to be cut which still pass */
	bool counts;          /* the record under way counts */
	bool protected_begun; /* a protected record (1.3) or ChangeCipherSpec (to 1.2) has begun */
	bool protected_over;  /* and is over */
	bool inside;          /* the record under way is the one to be cut */
	bool ended;           /* cut here; nothing passes any more */
};

struct cutter {
	struct cutter_plan plan;
	struct cutter_side side[2]; /* by direction */
	struct hello hello;
	bool tls; /* the ClientHello has begun */
};

struct cutter_answer {
	size_t pass; /* bytes that may pass, from the first */
	bool cut;    /* then this direction ends as the plan says; the rest is thrown away */
};

void cutter_begin(struct cutter *c, const struct cutter_plan *plan);

/*
 * Offers all `len` bytes of a direction that have arrived and not passed;
 * `is_last` says that its source has ended behind them, or (for a last alert) says
 * nothing more.  Bytes that may neither
 * pass nor be cut yet (fewer than 300) are to be offered again with those that
 * follow; with `is_last` there are none.  After a cut nothing passes.
 */
LW_MUST_CHECK struct cutter_answer cutter_offer(struct cutter *c, enum cutter_direction direction,
                                                const void *bytes, size_t len, bool is_last);

/* The version of the connection, once its ServerHello has passed. */
enum lw_version cutter_version(const struct cutter *c);

#endif
