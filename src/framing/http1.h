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

/* One direction: a message under way, or the place between two. */
struct lw_http1_side {
	uint64_t
	    length; /* Content-Length; while a body passes, what is left of it or of the chunk */
	uint64_t number;  /* the number being read */
	uint16_t status;  /* of a response */
	uint8_t state;    /* enum state of http1_head.c */
	uint8_t matched;  /* octets of a name or number seen, saturating */
	uint8_t possible; /* a bit for each name that still fits */
	uint8_t field;    /* whose value is being read */
	uint8_t kind;     /* of a request: plain, HEAD, CONNECT */
	uint8_t minor;    /* x of HTTP/1.x */
	uint8_t why;      /* how the last message ended */
	bool has_length : 1;
	bool has_coding : 1;
	bool chunked : 1; /* the last transfer coding is chunked */
	bool in_trailers : 1;
	bool seen : 1; /* at least one whole message */
};

struct lw_http1 {
	struct lw_http1_side requests;
	struct lw_http1_side responses;
	uint64_t queue; /* two bits a request, the oldest lowest */
	uint8_t queued;
	bool websocket; /* a 101 starts frames, not an unknown protocol */
};

void lw_http1_requests(struct lw_tracker *t, struct lw_cursor *c);
void lw_http1_responses(struct lw_tracker *t, struct lw_cursor *c);
bool lw_http1_complete(const struct lw_tracker *t);
bool lw_http1_ended_by_close(const struct lw_tracker *t);
const char *lw_http1_why(const struct lw_tracker *t);

#endif
