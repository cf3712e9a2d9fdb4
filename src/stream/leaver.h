/*
 * leaver: one connection of a closer, from the moment it was taken.
 *
 * At first it is a stream with its TLS object (heavy); as soon as nothing more
 * has to be sealed both go, and an engine, a descriptor and the bytes that have
 * not left remain (light).  The same engine decides before and after.  It
 * knows nothing of other connections, clocks and event loops.
 *
 * A light leaver that does not verify is blind: it cannot tell what the peer
 * sends.  To its engine the end of the input is then the point at which nobody
 * listens any more, never an ending of the peer's.
 */
#ifndef STREAM_LEAVER_H
#define STREAM_LEAVER_H

#include "stream/stream.h"

#include <lastword/closer.h>

struct lw_leaver {
	struct lw_leaver *next; /* in the order of deadlines */
	struct lw_leaver *previous;
	struct lw_stream *stream; /* NULL: light */
	struct lw_engine engine;
	void *tag;
	uint64_t deadline_ms;
	uint64_t drain_bytes;
	uint64_t bytes_drained;
	uint64_t bytes_read;
	uint64_t bytes_written;
	uint64_t bytes_ignored;
	uint64_t bytes_unacknowledged;
	uint8_t *unsent;
	struct lw_verifier *verifier; /* NULL: blind */
	int fd;
	uint16_t unsent_bytes;
	uint16_t unsent_from;
	uint16_t bytes_behind; /* the alert that lies behind the application's bytes */
	struct lw_alert alert;
	uint8_t watched; /* enum lw_event, by the closer */
	bool verifies;
	bool leaving; /* an alert is sealed and has not left */
	bool alert_left;
	bool fin_sent;
	bool input_over; /* FIN or RST was seen: nothing more comes */
	bool peer_fin;   /* and it was FIN */
	bool building;   /* by the closer, under its lock: not to be touched by the runner yet */
	bool missed;     /* and something happened meanwhile */
};

/* Whether a stream may become a leaver; NULL, or a static sentence. */
const char *lw_leaver_refusal(struct lw_stream *s, bool verifies);
const char *lw_leaver_key_refusal(struct lw_stream *s);

/* NULL: out of memory; nothing was changed.  The stream is untouched until lw_leaver_begin(). */
LW_MUST_CHECK struct lw_leaver *lw_leaver_new(struct lw_stream *s, void *tag, bool verifies,
                                              uint64_t drain_bytes);

/* Takes the stream and begins to close. */
void lw_leaver_begin(struct lw_leaver *l);

/* All that can be done now; `ended`: the system says that the peer's side is over. */
void lw_leaver_go_on(struct lw_leaver *l, bool ended);

/* The deadline ran out. */
void lw_leaver_expire(struct lw_leaver *l);

/* A set of enum lw_event to wait for. */
unsigned lw_leaver_events(const struct lw_leaver *l);

bool lw_leaver_is_over(const struct lw_leaver *l);
void lw_leaver_verdict(const struct lw_leaver *l, struct lw_verdict *verdict);

/* Closes the descriptor and frees; what has not left is lost.  Sends nothing. */
void lw_leaver_free(struct lw_leaver *l);

#endif
