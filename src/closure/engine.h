/*
 * engine: the closure of one connection, sans-I/O.
 *
 * The caller reports events from below (the TLS library, the transport, the
 * clock) and from above (the application); each step answers with a set of
 * actions, to be done in the order of enum lw_action.  Events from below
 * enter only after all earlier data was delivered.  No I/O, no memory, no
 * clock; a struct lw_engine may be copied.
 */
#ifndef CLOSURE_ENGINE_H
#define CLOSURE_ENGINE_H

#include "closure/alert.h"
#include "closure/machine.h"
#include "closure/version.h"

enum lw_event_kind {
	/* from below */
	LW_EV_ESTABLISHED,     /* the handshake is done; `version` says what was agreed */
	LW_EV_DATA,            /* application data was received */
	LW_EV_ALERT,           /* an alert was received: `level`, `description` */
	LW_EV_FIN,             /* the transport ended: `place`, `missing` */
	LW_EV_RESET,           /* the transport was reset; all that was queued has been read */
	LW_EV_READ_ERROR,      /* reading failed for another reason: `os_error` */
	LW_EV_WRITE_RESET,     /* writing met a reset; reading may go on */
	LW_EV_WRITE_ERROR,     /* writing failed for another reason: `os_error` */
	LW_EV_PENDING,         /* writes were accepted that have not left whole */
	LW_EV_SEALED,          /* nothing accepted is pending any more: an alert may be sealed */
	LW_EV_FLUSHED,         /* the alert left */
	LW_EV_LIBRARY_FAILED,  /* the TLS library failed and sends no alert */
	LW_EV_LIBRARY_ALERTED, /* the TLS library failed and sealed a fatal alert: `description` */
	LW_EV_WRITE_ALERTED,   /* the TLS library sealed a fatal alert, for no fault of the peer's
	                          alert */
	LW_EV_WARNING_LIMIT, /* the peer sent more warnings, or records without data, in a row than
	                        we stand */
	LW_EV_DEADLINE,      /* the armed ending deadline ran out */
	LW_EV_DRAINED,       /* the armed drain limit, in time or bytes, was passed */
	/* from above */
	LW_EV_COMPLETE,
	LW_EV_INCOMPLETE,
	LW_EV_FINISH,
	LW_EV_CLOSE,
	LW_EV_UNWRAP,
	LW_EV_ABORT,
	LW_EVENTS
};

struct lw_engine_event {
	enum lw_event_kind kind;
	enum lw_version version;
	uint8_t level;
	uint8_t description;
	enum lw_place place;
	uint32_t missing;
	int os_error;
};

enum lw_deadline { LW_DEADLINE_NONE, LW_DEADLINE_ENDING, LW_DEADLINE_DRAIN };

/* Warnings in a row, without data between, that a peer may send; one more is an attack. */
#define LW_WARNINGS_IN_A_ROW_MAX 4u

/*
 * Records in a row that bring no data, after the handshake: KeyUpdates, refused renegotiations,
 * tickets, empty records.  Each costs far more to take in than to send, and TLS libraries take them
 * without end.
 */
#define LW_RECORDS_WITHOUT_DATA_MAX 64u

struct lw_engine {
	const struct lw_version_row *row;
	uint8_t read; /* a state, or LW_LATCH + ending; likewise the next two */
	uint8_t write;
	uint8_t transport;
	uint8_t policy;       /* enum lw_policy */
	uint8_t armed;        /* enum lw_deadline */
	uint8_t closed_first; /* enum lw_closer_side */
	bool awaits_peer; /* closing waits for the peer's ending (the first limit is not zero) */
	bool complete;
	bool pending;  /* accepted writes have not left whole */
	bool ignored;  /* data was received after our close */
	bool fatal;    /* a fatal alert was sent, due or received */
	bool forgets;  /* the session is to be forgotten */
	bool peer_fin; /* the transport's end was seen */
	enum lw_place place;
	uint32_t missing;
	uint32_t warnings;
	uint32_t warnings_in_a_row;
	uint32_t records_without_data; /* in a row, where they were too many; else 0 */
	int os_error;
	struct lw_alert received;
};

/* Starts before the handshake, with version LW_VERSION_UNKNOWN. */
void lw_engine_init(struct lw_engine *e, enum lw_policy policy, bool awaits_peer);

/* One event; the answer is a set of enum lw_action. */
unsigned lw_engine_step(const struct lw_tables *tables, struct lw_engine *e,
                        const struct lw_engine_event *event);

/*
 * For a caller who seals later than it was told to: close_notify was not sealed, for a handshake
 * or a record was in its way, and an alert of the TLS library's own takes its place.  To be called
 * before that is told.
 */
void lw_engine_recall_close_notify(struct lw_engine *e);

/* The endings so far. */
enum lw_ending lw_engine_read_ending(const struct lw_engine *e);
enum lw_ending lw_engine_write_ending(const struct lw_engine *e);

/* Predicates: what is allowed or awaited now. */
bool lw_engine_is_established(const struct lw_engine *e);
bool lw_engine_wants_read(const struct lw_engine *e); /* input still matters */
bool lw_engine_delivers(const struct lw_engine *e);   /* and goes to the application */
bool lw_engine_may_write(const struct lw_engine *e);
bool lw_engine_may_finish(const struct lw_engine *e); /* rule: half-close */
bool lw_engine_may_unwrap(const struct lw_engine *e);
bool lw_engine_is_closing(
    const struct lw_engine *e); /* close, abort or a failed unwrap is under way */
bool lw_engine_is_final(const struct lw_engine *e);

/* Fills in what the engine knows; counts of bytes and the alert sent are the caller's. */
void lw_engine_verdict(const struct lw_engine *e, struct lw_verdict *verdict);

/* The endings that a policy accepts, as bits, without and with completeness; tolerance.c has them.
 */
#define LW_TOLERANCE_KINDS 3u
struct lw_tolerance {
	uint8_t kinds[LW_POLICY_LAX + 1][2];
};

/* The table that ships; the other call takes one, so that a test can judge broken copies. */
extern const struct lw_tolerance lw_tolerance;
bool lw_tolerates_by(const struct lw_tolerance *table, enum lw_policy policy, bool complete,
                     enum lw_ending ending, enum lw_place place);

/* Whether a policy accepts an ending of the read side as the end of the stream. */
bool lw_tolerates(enum lw_policy policy, bool complete, enum lw_ending ending, enum lw_place place);

#endif
