/*
 * ends: two streams, each on a TLS library of its own, the two ends of one loopback TCP
 * connection; each follows a list of steps.  One thread drives both, never blocks, and lets a
 * virtual clock go to the next deadline only when neither moves.
 */
#ifndef TESTS_ADAPTER_ENDS_H
#define TESTS_ADAPTER_ENDS_H

#include "audit/stack.h"
#include "net/certificate.h"

enum step_kind {
	STEP_OVER, /* the list's end */
	DO_WRITE,  /* `bytes` of the pattern, and flushes them */
	DO_READ,   /* until `bytes` have come in all */
	DO_BOTH,   /* writes and reads `bytes` at the same time */
	DO_FILL,   /* writes until a record is half out */
	DO_READ_END,
	DO_COMPLETE,
	DO_FINISH,
	DO_CLOSE,
	DO_ABORT,
	DO_UNWRAP,
	DO_PLAIN,      /* below TLS: a line out, and the other's line in, and nothing else */
	DO_SHUT_WRITE, /* below TLS: FIN */
	DO_RESET,      /* below TLS: RST */
	DO_MEET        /* goes on when the other has come to the same place */
};

struct step {
	enum step_kind kind;
	uint64_t bytes;
};

enum { STEPS_MAX = 8, CLIENT = 0, SERVER = 1, ENDS = 2 };

struct end {
	const struct stack *stack;
	struct stack_context *context;
	bool borrows_context;
	struct stack_connection *connection;
	struct lw_stream *stream;
	const struct step *step;
	int fd;
	bool met;
	bool differs;  /* what was read is not the pattern */
	bool overread; /* plaintext was missing or not the other's */
	uint64_t written;
	uint64_t read;
	uint64_t plain_bytes;
	enum lw_status read_status; /* of DO_READ_END */
	enum lw_status over_status; /* of DO_FINISH, DO_CLOSE, DO_ABORT, DO_UNWRAP */
	const char *trouble;        /* a step that cannot be done */
};

struct ends {
	struct end end[ENDS];
	uint64_t now_ms; /* the virtual clock; 0 at first */
	bool stuck;      /* nothing moves, and no deadline is armed */
};

struct ends_setup {
	const struct stack *stack[ENDS];
	enum lw_version version;
	bool small_buffers; /* the sockets' */
	bool reads_ahead;   /* behind records of any length */
	const struct certificate_pem *pem;
	/* For sessions: */
	struct stack_context
	    *context[ENDS]; /* of an earlier connection, still its owner's; or NULL */
	const struct stack_session *resume; /* what the client offers; NULL: nothing */
	unsigned tickets;                   /* the server's, see stack.h; 0: one */
	bool stateful_tickets;
};

/* Two connected TCP sockets with little room, in which records stand half out. */
LW_MUST_CHECK bool ends_small_pair(int fds[ENDS]);

/* Connects, attaches both before the handshake and shakes hands; false: `*why`, static. */
LW_MUST_CHECK bool ends_begin(struct ends *e, const struct ends_setup *setup, const char **why);

/* Both follow their lists to the end, or stick. */
void ends_run(struct ends *e, const struct step *client, const struct step *server);

void ends_finish(struct ends *e);

#endif
