/*
 * wire: what passes under the TLS library.
 *
 * It is the transport's only reader and writer.  It latches the transport's
 * endings and shows the TLS library "would block" instead; it follows record
 * boundaries and gives the library no more than the record under way, nor reads
 * more, unless it may read ahead; it takes a small record whole even if the transport takes half of
 * it, so that an alert is never half out inside the library.  It knows no TLS library and decides
 * nothing.
 */
#ifndef STREAM_WIRE_H
#define STREAM_WIRE_H

#include "closure/boundary.h"

#include <lastword/adapter.h>

/* Every alert record of every version and suite is smaller; so are short tails of records. */
#define LW_WIRE_STASH_BYTES 128u

/* The rest of any record and an alert behind it. */
#define LW_WIRE_SPILL_BYTES (24u * 1024u)

/* What is read ahead at most, and behind records of what length: short ones mostly come alone. */
#define LW_WIRE_AHEAD_BYTES (48u * 1024u)
#define LW_WIRE_AHEAD_AT    (4u * 1024u)

struct lw_wire {
	struct lw_transport transport; /* recv NULL: the descriptor */
	int fd;                        /* -1: none */
	bool observing;
	bool boundaries_known;
	bool poisoned;
	bool muted; /* output of the library is swallowed: our closure has been sealed */
	bool fin_sent;
	bool more;            /* what is sent now is followed by more, or by FIN, soon */
	bool corked;          /* the system holds back what it took, for that reason */
	uint8_t wire_minor;   /* for a made-up record where none was seen */
	uint16_t stash_bytes; /* taken from the library and not by the transport */
	enum lw_io read_end;  /* LW_IO_AGAIN: not ended */
	enum lw_io write_end; /* LW_IO_AGAIN: not ended */
	enum lw_io announced; /* lw_transport_ended() said so; counts when nothing is queued */
	int read_error;       /* errno of LW_IO_ERROR */
	int write_error;
	struct lw_boundary in;
	uint64_t records_at_data; /* that had passed when data was last delivered */
	uint8_t stash[LW_WIRE_STASH_BYTES];
	uint8_t *spill; /* NULL: `stash` holds them */
	bool reads_ahead;
	uint16_t ahead_at; /* behind what length of a record */
	uint8_t *ahead;    /* read and not asked for by the library; NULL: there is nothing */
	uint32_t ahead_from, ahead_bytes;
	struct lw_alert final;   /* the alert received that ends the read side */
	struct lw_alert sent;    /* the last alert that the library sealed */
	uint64_t bytes_sent;     /* that the transport took */
	uint64_t explained;      /* observing: records that were no application data */
	uint64_t explained_last; /* observing: the record explained last, to count it once */
	struct lw_stream *stream;
};

void lw_wire_init(struct lw_wire *w, struct lw_stream *stream, bool observing);

/* What was read ahead and the library has not seen: no descriptor tells of it. */
static inline bool lw_wire_holds_input(const struct lw_wire *w)
{
	return w->ahead_bytes > 0;
}

/*
 * For a closer: from now on the wire takes the rest of a record however long it is, so that the
 * library is rid of it.  false: out of memory, and all is as it was.  Who copies what is held gives
 * room for `stash_bytes`.
 */
LW_MUST_CHECK bool lw_wire_spill(struct lw_wire *w);
void lw_wire_copy_held(struct lw_wire *w, uint8_t *bytes);
void lw_wire_free(struct lw_wire *w);

/* Data was delivered; and how many records have come since that brought none, as far as is known.
 */
void lw_wire_note_data(struct lw_wire *w);
uint64_t lw_wire_records_without_data(const struct lw_wire *w);

/* Sends what it can; true: an alert finds room. */
LW_MUST_CHECK bool lw_wire_has_room(struct lw_wire *w);

/* Sends what is stashed.  LW_IO_OK: nothing is left, or nothing can leave any more; LW_IO_AGAIN. */
LW_MUST_CHECK enum lw_io lw_wire_flush(struct lw_wire *w);

/* Lets go what the system holds back, where no FIN has done so: nothing follows. */
void lw_wire_uncork(struct lw_wire *w);

/* Reads and drops at most `cap` bytes below TLS, for draining.  As a transport's recv(). */
LW_MUST_CHECK enum lw_io lw_wire_drain(struct lw_wire *w, size_t cap, size_t *n);

/* FIN; and the end of both directions.  A transport without a descriptor is left alone. */
void lw_wire_shut_write(struct lw_wire *w);
void lw_wire_end(struct lw_wire *w);

/* Bytes of records that the peer has not acknowledged, as far as the system tells. */
uint64_t lw_wire_unacknowledged(const struct lw_wire *w);

#endif
