/*
 * exchange: the timed list of what both sides of a connection did.
 *
 * The caller owns the memory and brings the time, in milliseconds since the
 * connection began.  The list is bounded: equal neighbours are one event with
 * a count, and when it is full the events in the middle give way, because the
 * beginning and the end are what a reader needs; `left_out` counts them.
 * Nothing here fails, allocates or reads a clock.
 */
#ifndef REPORT_EXCHANGE_H
#define REPORT_EXCHANGE_H

#include <lastword/verdict.h>

#define EXCHANGE_EVENTS 128u
#define EXCHANGE_HEAD   64u /* events that never give way */
#define EXCHANGE_NAME   24u
#define EXCHANGE_NOTE   64u

/* Who did it: the first of the two columns, or the second. */
enum exchange_side { EXCHANGE_LEFT, EXCHANGE_RIGHT };

enum exchange_what {
	EXCHANGE_HANDSHAKE_DONE, /* note: version, if known */
	EXCHANGE_DATA,           /* bytes of application data, sealed */
	EXCHANGE_ALERT,          /* level, description */
	EXCHANGE_RECORD_CUT,     /* bytes of a record that went out, the rest did not */
	EXCHANGE_PLAINTEXT,      /* bytes in the clear after TLS */
	EXCHANGE_GARBAGE,        /* bytes that are no record */
	EXCHANGE_FIN,
	EXCHANGE_RST,
	EXCHANGE_SILENCE,  /* says nothing more, keeps the transport open */
	EXCHANGE_DEADLINE, /* its own deadline ran out */
	EXCHANGE_NOTE_ONLY /* note */
};

struct exchange_event {
	uint64_t at_ms;
	enum exchange_side side;
	enum exchange_what what;
	uint64_t bytes;
	uint32_t times;      /* equal neighbours; at least 1 */
	uint8_t level;       /* of an alert, as on the wire */
	uint8_t description; /* of an alert, as on the wire */
	char note[EXCHANGE_NOTE];
};

struct exchange {
	char name[2][EXCHANGE_NAME]; /* by side */
	struct exchange_event events[EXCHANGE_EVENTS];
	unsigned count;
	unsigned left_out; /* events that gave way, all right behind the first EXCHANGE_HEAD */
};

/* Empties the list and names the two sides. */
void exchange_begin(struct exchange *x, const char *left, const char *right);

/* Adds an event that is told by its kind and a number of bytes (0 where that says nothing). */
void exchange_add(struct exchange *x, uint64_t at_ms, enum exchange_side side,
                  enum exchange_what what, uint64_t bytes);

void exchange_add_alert(struct exchange *x, uint64_t at_ms, enum exchange_side side, uint8_t level,
                        uint8_t description);

/* Adds an event with a word in its own text; `note` is copied, cut to fit, unprintable octets as ?.
 */
void exchange_add_note(struct exchange *x, uint64_t at_ms, enum exchange_side side,
                       enum exchange_what what, const char *note);

/* "data 512 bytes", "alert fatal unexpected_message", "FIN".  `cap` not 0; returns `buf`. */
const char *exchange_event_text(const struct exchange_event *event, char *buf, size_t cap);

#endif
