/*
 * resp: the state of the tracker of the Redis protocol, RESP2 and RESP3, and its face to tracker.c.
 */
#ifndef FRAMING_RESP_H
#define FRAMING_RESP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "framing/text.h"

struct lw_tracker;
struct lw_cursor;

/* So deep may the aggregates of an answer stand in one another. */
#define LW_RESP_DEPTH 12u

/* Where one direction stands. */
enum lw_resp_state {
	LW_RESP_TYPE,   /* between two values, or two elements of one */
	LW_RESP_LINE,   /* a value that is one line; of a request: inline */
	LW_RESP_NUMBER, /* how many octets or elements follow */
	LW_RESP_BULK,   /* counted octets */
	LW_RESP_END     /* the CR LF behind them */
};

struct lw_resp_side {
	uint64_t number; /* while read; then what is left of counted octets */
	struct lw_word word;
	uint8_t state; /* enum lw_resp_state */
	uint8_t type;  /* the octet that tells what the value is */
	uint8_t digits;
	bool negative;
	bool after_cr;
	bool worded; /* the octets of this value are a word that counts */
	bool seen;   /* at least one whole request or answer */
};

struct lw_resp {
	struct lw_resp_side requests;
	struct lw_resp_side answers;
	uint32_t left[LW_RESP_DEPTH]; /* elements still to come of each aggregate under way */
	uint32_t elements;            /* of a request, still to come */
	uint32_t words;               /* of a request, seen */
	uint32_t owed;                /* requests unanswered */
	uint32_t unconfirmed;         /* subscriptions that no push has confirmed */
	uint16_t attributes; /* a bit for each aggregate: it only describes the next value */
	uint8_t depth;       /* aggregates under way */
	uint8_t verb;        /* of a request */
	bool detail;         /* its second word changes how answers come */
	bool subscribes;     /* a subscription was asked for, ever */
	bool push;           /* the value under way is no answer */
	bool push_starts;    /* and its first word comes next */
	bool described;      /* an attribute was read, its value not yet */
};

/* For tracker.c. */
void lw_resp_requests(struct lw_tracker *t, struct lw_cursor *c);
void lw_resp_answers(struct lw_tracker *t, struct lw_cursor *c);
bool lw_resp_complete(const struct lw_tracker *t);
const char *lw_resp_why(const struct lw_tracker *t);

#endif
