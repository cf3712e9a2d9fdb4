/*
 * http2: the state of the HTTP/2 tracker, and its face to tracker.c.
 *
 * Frames are followed both ways.  Of the streams only one bit is kept, whether the half that we
 * read is still to end: a window over the latest that the client opened, and a few that are
 * older or were pushed.  More than fit lose track.
 */
#ifndef FRAMING_HTTP2_H
#define FRAMING_HTTP2_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct lw_tracker;
struct lw_cursor;

/* So many words of 64 streams are in the window; so many open ones beside it. */
#define LW_HTTP2_WORDS 4u
#define LW_HTTP2_OTHER 6u

/* A frame header, which is longer than the octets of a payload that are looked at. */
#define LW_HTTP2_HEAD 9u

/* One direction: a frame under way, or the place between two. */
struct lw_http2_side {
	uint32_t left;               /* octets of the payload still to come */
	uint32_t stream;             /* of the last frame header */
	uint8_t head[LW_HTTP2_HEAD]; /* the frame header, then the first octets of the payload */
	uint8_t head_bytes;          /* how many are kept */
	uint8_t type;                /* of the last frame header, */
	uint8_t flags;               /* and its flags */
	bool in_payload;
	uint8_t block; /* enum block of http2.c: whether a header block goes on */
	bool settled;  /* its first frame, SETTINGS, has passed */
};

struct lw_http2 {
	uint64_t recent[LW_HTTP2_WORDS]; /* bit i: the stream `highest` - 2 i is open */
	uint32_t other[LW_HTTP2_OTHER];  /* further open streams; 0: free */
	uint32_t highest;                /* the last stream that the client opened */
	uint32_t promised;               /* the last that the server promised */
	uint32_t last[2]; /* GOAWAY: none above is taken; of the client's, of the server's */
	struct lw_http2_side requests;
	struct lw_http2_side answers;
	uint8_t preface; /* octets of the client's preface seen */
	bool seen;       /* at least one stream was opened */
};

/* For tracker.c. */
void lw_http2_init(struct lw_tracker *t);
void lw_http2_requests(struct lw_tracker *t, struct lw_cursor *c);
void lw_http2_answers(struct lw_tracker *t, struct lw_cursor *c);
bool lw_http2_complete(const struct lw_tracker *t);
const char *lw_http2_why(const struct lw_tracker *t);

#endif
