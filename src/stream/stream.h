/*
 * stream (private): the struct behind the library's face, and the calls with
 * which its files serve each other.  A stream is an engine, a wire, an adapter
 * and a tracker; it carries the engine's actions out and decides nothing that
 * the engine's tables decide.
 */
#ifndef STREAM_STREAM_H
#define STREAM_STREAM_H

#include "closure/engine.h"
#include "framing/tracker.h"
#include "stream/wire.h"

#include <lastword/profile.h>
#include <stdalign.h>

enum lw_seal { LW_SEAL_NONE, LW_SEAL_CLOSE_NOTIFY, LW_SEAL_FATAL };

struct lw_stream {
	struct lw_engine engine;
	const struct lw_adapter *adapter;
	struct lw_options limits;
	uint8_t due;     /* enum lw_seal: what has to be sealed next */
	bool leaving;    /* an alert of ours is sealed and has not left */
	bool alert_left; /* and it has */
	bool began_end;  /* lw_close() or lw_abort() began the end: no unwrap any more */
	bool asked_abort;
	bool asked_unwrap;
	bool clock_started;  /* the armed deadline counts from `armed_at_ms` */
	bool tracks;         /* a profile's tracker declares completeness */
	bool write_end_told; /* the engine knows of the wire's write error */
	uint8_t read_waits;  /* enum lw_event: what reading waits for */
	uint8_t write_waits; /* enum lw_event: what writing waits for */
	uint64_t armed_at_ms;
	uint64_t bytes_read;
	uint64_t bytes_written;
	uint64_t bytes_ignored;
	uint64_t bytes_drained;
	uint64_t bytes_unacknowledged;
	uint64_t wire_bytes_of_data;  /* that lay in front of the alert which was sealed */
	uint64_t records_at_complete; /* observing: records that had passed, less the explained */
	struct lw_wire wire;
	struct lw_tracker tracker;
	alignas(max_align_t) unsigned char context[];
};

/* One event to the engine, and its actions carried out. */
void lw_stream_step(struct lw_stream *s, const struct lw_engine_event *event);
void lw_stream_tell(struct lw_stream *s, enum lw_event_kind kind);

/* Something waits to be sealed or to leave. */
static inline bool lw_stream_holds_output(const struct lw_stream *s)
{
	return s->engine.pending || s->due != LW_SEAL_NONE || s->leaving || s->wire.stash_bytes > 0;
}

/* Makes what progress can be made on output: half-out records, alerts that are due. */
void lw_stream_push(struct lw_stream *s);

/* Lets the library work on what arrives, and takes nothing from it. */
void lw_stream_look(struct lw_stream *s);

/* Tells the engine what stopped a handshake, read or peek call, if anything ended. */
void lw_stream_note_stop(struct lw_stream *s, enum lw_tls did);

/* Tells the engine, once, that the wire can write no more. */
void lw_stream_note_write_end(struct lw_stream *s);

/* Bytes were delivered, or taken: counts, completeness. */
void lw_stream_note_received(struct lw_stream *s, const void *bytes, size_t len);
void lw_stream_note_sent(struct lw_stream *s, const void *bytes, size_t len);

/* How the endings read as a status; LW_AGAIN while that side is open. */
enum lw_status lw_stream_read_status(const struct lw_stream *s);
enum lw_status lw_stream_bare_read_status(const struct lw_stream *s); /* no policy, no LW_END */
enum lw_status lw_stream_write_status(const struct lw_stream *s);

/* Observing: what the wire and the TLS library saw. */
void lw_stream_observe_read_end(struct lw_stream *s);
void lw_stream_observe_alert_sent(struct lw_stream *s);
bool lw_stream_observe_complete(const struct lw_stream *s);
void lw_stream_observe_mark_complete(struct lw_stream *s);

#endif
