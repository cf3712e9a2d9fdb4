/* log: one line a connection, its outcome first, and lines about the relay itself; logfmt or JSON.
 * Any thread; a line is written whole, with one write(2), and nobody waits: a line that a full pipe
 * or disk does not take is lost and counted, and the next one that is taken follows a line
 * `log_lost lines=N`.  The time stands last; where the journal reads standard error, logfmt leaves
 * it to the journal.  SIGPIPE is the caller's to ignore.
 */
#ifndef RELAY_LOG_H
#define RELAY_LOG_H

#include <lastword/profile.h>

#include "relay/config.h"

/* What became of a connection, in order of gravity. */
enum outcome {
	OUTCOME_PROBE,     /* it said nothing: counted, not logged */
	OUTCOME_WHOLE,     /* both directions, proven (or FIN on a plain leg) */
	OUTCOME_TOLERATED, /* an end without proof behind a complete message */
	OUTCOME_REPORTED,  /* reportOnly: it would have been cut */
	OUTCOME_CUT,       /* a source was truncated or reset */
	OUTCOME_ABORTED,   /* a fatal alert came */
	OUTCOME_EXPIRED,   /* a deadline of ours */
	OUTCOME_ABANDONED, /* draining ended it */
	OUTCOME_REFUSED,   /* bad input, a client that may not, no handshake with the client */
	OUTCOME_FAILED,    /* no backend, no handshake with it, memory, descriptors */
	OUTCOMES
};

/* What was done about it. */
enum action { ACTION_FINISHED, ACTION_MIRRORED, ACTION_ABORTED, ACTION_PASSED, ACTIONS };

const char *outcome_name(enum outcome o); /* "whole" ... */
const char *action_name(enum action a);   /* "finished" "mirrored" "aborted" "passed" */

/* Everything a line says; strings may be NULL: the field is left out. */
struct log_record {
	enum outcome outcome;
	enum action action;
	const char *listener, *client, *server; /* service; addresses as text */
	const char *front_tls, *back_tls;       /* "1.3"; NULL: plain */
	const char *sni, *alpn, *profile;
	const char *client_certificate; /* its subject */
	uint64_t bytes_in, bytes_out;   /* client to server and back, delivered */
	uint64_t bytes_lost;            /* read, and not delivered as far as we know */
	double duration_s;
	const char *client_end, *server_end; /* how each leg's read side ended: lw_ending_name() */
	const char *alert_received, *alert_sent;
	int is_complete;    /* 1 yes, 0 no, -1 not known: nothing follows the messages */
	const char *reason; /* a clause or sentence */
};

struct log;

/* Opens standard error or the file (append).  NULL with a sentence. */
LW_MUST_CHECK struct log *log_open(enum relay_log_format format, const char *file,
                                   bool logs_connections, struct failure *f);

/* Opens the file afresh, for rotation; keeps the old one if it cannot.  One thread at a time. */
LW_MUST_CHECK bool log_reopen(struct log *log, struct failure *f);

/* Probes are never logged; without `logs_connections` only what is REPORTED or graver. */
void log_connection(struct log *log, const struct log_record *r);

/*
 * About the relay itself: "started", "reloaded", ... and key, value pairs up to a NULL key, at most
 * 30; a pair whose value is NULL is left out.  Event and keys are plain words.
 */
void log_event(struct log *log, const char *event, ...) __attribute__((sentinel));

void log_close(struct log *log);

#endif
