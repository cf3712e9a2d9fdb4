/*
 * http1: the state of the HTTP/1.x tracker, and its face to tracker.c.
 *
 * Two sides, one for requests and one for responses, read the same way in both
 * roles; a queue of what was asked for pairs them, since the length of a
 * response depends on its request (HEAD, CONNECT).  RFC 9112 section 6.3 decides
 * lengths; whatever it calls an error, or leaves open to two readings, loses track.
 */
#ifndef FRAMING_HTTP1_H
#define FRAMING_HTTP1_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct lw_tracker;
struct lw_cursor;

/* At most so many requests may be unanswered at once. */
#define LW_HTTP1_QUEUE 32u

/* Where one direction stands. */
enum lw_http1_state {
	/* between two messages */
	LW_HTTP1_START,
	LW_HTTP1_START_CR,
	/* the start line */
	LW_HTTP1_METHOD,
	LW_HTTP1_TARGET,
	LW_HTTP1_VERSION,
	LW_HTTP1_VERSION_END,
	LW_HTTP1_STATUS,
	LW_HTTP1_STATUS_END,
	LW_HTTP1_REASON,
	/* the header section, and the trailers */
	LW_HTTP1_LINE_CR,
	LW_HTTP1_FIELD,
	LW_HTTP1_HEAD_CR,
	LW_HTTP1_NAME,
	LW_HTTP1_VALUE,
	LW_HTTP1_LENGTH,
	LW_HTTP1_CODING,
	/* a chunked body */
	LW_HTTP1_CHUNK_SIZE,
	LW_HTTP1_CHUNK_PAD,
	LW_HTTP1_CHUNK_EXT,
	LW_HTTP1_CHUNK_CR,
	LW_HTTP1_CHUNK_DATA,
	LW_HTTP1_CHUNK_END,
	LW_HTTP1_CHUNK_END_CR,
	/* other bodies */
	LW_HTTP1_BODY,
	LW_HTTP1_UNTIL_CLOSE,
	LW_HTTP1_TUNNEL,
	LW_HTTP1_HELD, /* behind a CONNECT whose answer is not known yet */
	/* what a step reports: never kept as a state */
	LW_HTTP1_HEAD_DONE,
	LW_HTTP1_MESSAGE_DONE,
	/* and why it lost track */
	LW_HTTP1_NOT_HTTP,
	LW_HTTP1_BAD_FIELD,
	LW_HTTP1_BAD_LENGTH,
	LW_HTTP1_BAD_CODING,
	LW_HTTP1_BAD_CHUNK,
	LW_HTTP1_BEHIND_CONNECT,
	LW_HTTP1_STATES
};

/* What a request asks for, as far as its answer's length depends on it. */
enum lw_http1_asked { LW_HTTP1_PLAIN, LW_HTTP1_HEAD, LW_HTTP1_CONNECT };

/* How a message ended. */
enum lw_http1_end {
	LW_HTTP1_BY_LENGTH,
	LW_HTTP1_BY_CHUNKS,
	LW_HTTP1_NO_BODY,
};

/* One direction: a message under way, or the place between two. */
struct lw_http1_side {
	uint64_t length; /* Content-Length; while a body passes, what is left of it or of a chunk */
	uint64_t number; /* the number being read */
	uint16_t status; /* of a response */
	uint8_t state;   /* enum lw_http1_state */
	uint8_t matched; /* octets of a name or number seen, saturating */
	uint8_t
	    possible;  /* a bit for each name that still fits; in a value: where its list stands */
	uint8_t field; /* whose value is, or was last, read */
	uint8_t asked; /* of a request: enum lw_http1_asked */
	uint8_t minor; /* x of HTTP/1.x */
	uint8_t ended; /* how the last whole message ended: enum lw_http1_end */
	bool response; /* this side carries responses */
	bool has_length;
	bool has_coding;
	bool coded;       /* at least one transfer coding was named */
	bool chunked;     /* the last one named is chunked */
	bool was_chunked; /* one of them is */
	bool in_trailers;
	bool seen; /* at least one whole message, interim ones aside */
};

struct lw_http1 {
	struct lw_http1_side requests;
	struct lw_http1_side responses;
	uint64_t queue; /* two bits a request, the oldest lowest */
	uint8_t queued;
};

/*
 * Moves one direction on by at least one octet of `c`, which must not be empty, and
 * reports where it stands: HEAD_DONE wants lw_http1_enter() next, MESSAGE_DONE wants
 * lw_http1_begin(), anything from NOT_HTTP on is the end of knowing.
 */
enum lw_http1_state lw_http1_step(struct lw_http1_side *side, struct lw_cursor *c);

/* Makes ready for the next message. */
void lw_http1_begin(struct lw_http1_side *side);

/* For tracker.c. */
void lw_http1_init(struct lw_tracker *t);
void lw_http1_requests(struct lw_tracker *t, struct lw_cursor *c);
void lw_http1_responses(struct lw_tracker *t, struct lw_cursor *c);
bool lw_http1_complete(const struct lw_tracker *t);
bool lw_http1_ended_by_close(const struct lw_tracker *t);
const char *lw_http1_why(const struct lw_tracker *t);

#endif
