/*
 * stand: a stream on any TLS library against an adversary, over an application's own transport in
 * memory or a real TCP connection, driven by one thread and a virtual clock.
 */
#ifndef TESTS_ADAPTER_STAND_H
#define TESTS_ADAPTER_STAND_H

#include "adversary/adversary.h"
#include "audit/stack.h"

enum stand_moment {
	STAND_BEFORE, /* the stream is attached before the handshake */
	STAND_DURING, /* after the first flight of it */
	STAND_AFTER,
	STAND_BARE /* never: stand_attach() does */
};

/* What the Nth call of the own transport does instead of what it would. */
struct stand_fault {
	bool armed;
	bool sends;     /* counts send() calls, else recv() calls */
	unsigned nth;   /* the first is 0 */
	bool shortens;  /* at most one byte passes; else: */
	enum lw_io how; /* says so */
	int os_error;
	bool fired;
};

struct stand_options {
	const struct stack *stack;
	enum lw_version version;
	enum stand_moment attach;
	bool serves; /* the subject is the server */
	bool socket;
	size_t buffer_bytes; /* own transport: what waits for the peer, at most; 0: no bound */
	size_t piece_bytes;  /* own transport: at most so many a call; 0: no bound */
	struct stand_fault fault;
	const struct lw_options *stream; /* NULL: the defaults */
};

struct stand {
	struct stand_options options;
	struct stack_context *context;
	struct stack_connection *connection;
	struct lw_transport transport;
	BIO *in, *out; /* own transport: to and from the subject */
	int fd;        /* socket: the subject's end */
	struct adversary *adversary;
	struct lw_stream *stream;
	const char *refusal;
	enum lw_io ended;  /* own transport: what recv() says when it is empty */
	size_t allowed;    /* own transport: so many bytes more reach the subject */
	unsigned calls[2]; /* of the own transport: recv(), send() */
	size_t most_asked; /* the longest recv() */
	uint64_t now_ms;   /* the virtual clock */
	uint64_t bytes;    /* read */
	bool differs;      /* what was read is not the adversary's pattern */
};

/* All streams on sockets read ahead, behind a record of any length. */
extern bool stand_reads_ahead;

/* Makes both and shakes hands, as far as the script allows. */
LW_MUST_CHECK bool stand_begin(struct stand *s, const struct stand_options *options,
                               const struct adversary_script *script);
void stand_end(struct stand *s);

/* Attaches to a bare one; the refusal stands in `refusal`. */
LW_MUST_CHECK bool stand_attach(struct stand *s);

/* The adversary's turn: all that it can do now. */
void stand_spin(struct stand *s);

/* Reads until the stream says something else than LW_OK and neither side moves. */
enum lw_status stand_read(struct stand *s);

/* Writes the adversary's pattern until the transport stays full; gives the bytes taken. */
uint64_t stand_fill(struct stand *s);

/* Calls until it is over; when neither side moves, the clock goes to the next deadline. */
enum lw_status stand_close(struct stand *s);
enum lw_status stand_abort(struct stand *s);
enum lw_status stand_finish(struct stand *s);
enum lw_status stand_unwrap(struct stand *s);

struct lw_verdict stand_verdict(const struct stand *s);

#endif
