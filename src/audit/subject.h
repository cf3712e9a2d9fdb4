/*
 * subject: what is tested against the adversary: a reader on a connection of
 * some TLS library, and what it concludes about how its peer ended.
 *
 * A subject does what it can without blocking and says whether anything moved;
 * the runner alternates it with the adversary.  When nothing moves any more the
 * runner lets time pass, and a subject may give up waiting.
 */
#ifndef AUDIT_SUBJECT_H
#define AUDIT_SUBJECT_H

#include "audit/stack.h"

/* What a reader says when it has read to the end; the classes that a program can act on. */
enum subject_says {
	SUBJECT_WAITS, /* would wait, for ever */
	SUBJECT_END,   /* the end of the stream */
	SUBJECT_TRUNCATED,
	SUBJECT_ABORTED,
	SUBJECT_ERROR,
	SUBJECT_CLASSES
};

/* What a subject does with its connection. */
enum subject_act {
	SUBJECT_READS,              /* to the end, then closes */
	SUBJECT_SHUTS_DOWN,         /* closes at once, and waits for the peer as far as it does */
	SUBJECT_WRITES_AFTER_OWN,   /* closes its side, then writes */
	SUBJECT_WRITES_AFTER_PEERS, /* reads to the end, then writes */
	SUBJECT_CLOSES_HALF_OUT,    /* writes until a record is half out, then closes */
	SUBJECT_ACTS
};

#define SUBJECT_LATE_BYTES 100u /* what is written where nothing should be any more */

struct conclusion {
	enum subject_says first; /* at the end */
	enum subject_says again; /* on the next read */
	uint64_t bytes;
	uint64_t taken;            /* bytes that a write accepted */
	bool differs;              /* data was not what the adversary sent */
	char reason[128];          /* why it is no end, in the subject's own words, or "" */
	bool has_verdict;          /* only a stream has one */
	struct lw_verdict verdict; /* at the end of everything */
};

struct subject_run {
	const struct stack *stack;
	struct stack_connection *connection;
	int fd;                /* -1: memory */
	enum lw_io memory_end; /* what a memory transport says when it is empty; else LW_IO_AGAIN */
	enum subject_act act;
	bool shaken;         /* the handshake is done */
	bool blocking;       /* the descriptor blocks */
	bool after;          /* the subject comes in after the handshake */
	const char *refusal; /* why it could not attach */
	struct conclusion conclusion;
	struct lw_stream *stream;
	uint64_t now_ms;
	enum { SUBJECT_READING, SUBJECT_CLOSING, SUBJECT_OVER } phase;
};

struct subject {
	/* Begins on the connection, before or after its handshake; false: refused. */
	bool (*attach)(struct subject_run *run);
	/* Does all it can; whether anything moved. */
	bool (*step)(struct subject_run *run);
	/* Nothing moves: it waits, gives up waiting, or lets a deadline run out. */
	void (*idle)(struct subject_run *run);
	/* A memory transport ended. */
	void (*transport_ended)(struct subject_run *run, enum lw_transport_end end);
	void (*leave)(struct subject_run *run);
};

/* The library alone: a loop over its call to read until that gives no data: what most programs
 * have.
 */
extern const struct subject bare_subject;

/* A stream: lw_read() to the end, then lw_close(). */
extern const struct subject stream_subject;

/* What stands in a ladder or a table: "SSL_read", "stream". */
const char *subject_name(const struct subject *subject, const struct stack *stack);

/* "end", "truncated", "aborted", "error", "waits". */
const char *subject_says_name(enum subject_says says);

/* What a subject writes next: `len` bytes of what the adversary expects. */
void subject_fill(const struct subject_run *run, uint8_t *bytes, size_t len);

/* Counts `len` bytes that were read and compares them with what the adversary sends. */
void subject_take(struct subject_run *run, const uint8_t *bytes, size_t len);

#endif
