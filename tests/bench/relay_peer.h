/*
 * relay_peer: one end of a connection through a proxy, a client of it or a backend behind it,
 * that follows a script of steps.  It never blocks and reads no clock but to time an exchange.
 *
 * What is sent is one endless pattern, so that the reader of each side can compare.  Steps that
 * skip spare themselves that, and the opening of records: the load is to cost less than the proxy.
 */
#ifndef TESTS_BENCH_RELAY_PEER_H
#define TESTS_BENCH_RELAY_PEER_H

#include "closure/boundary.h"

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum step_kind {
	STEP_OVER,
	STEP_SEND,     /* so many bytes */
	STEP_READ,     /* so many, compared */
	STEP_SKIP,     /* so many, below TLS, not looked at */
	STEP_FINISH,   /* close_notify and FIN */
	STEP_END,      /* reads until the other's end, and tells how it ended */
	STEP_SKIP_END, /* reads records without opening them until a close_notify, or the end */
	STEP_DRAIN,    /* reads below TLS until the end */
	STEP_FIN,      /* FIN without a close_notify */
	STEP_RESET,    /* RST */
	STEP_HOLD,     /* waits for peer_release() */
	STEP_AGAIN     /* from the first step, until the exchanges are done */
};

enum { THE_BYTES = -1 }; /* as many as the command says */

struct step {
	enum step_kind kind;
	int64_t bytes;
};

/* How the other side ended, as this one sees it. */
enum peer_end { END_OPEN, END_CLOSED, END_FIN, END_RESET, END_ALERT, END_OTHER, END_KINDS };

enum peer_status { PEER_WAITS_TO_READ, PEER_WAITS_TO_WRITE, PEER_HOLDS, PEER_OVER };

struct peer {
	int fd;
	SSL *ssl;              /* NULL: a plain leg */
	BIO *out;              /* records that wait to be sent, of a handshake that is done */
	struct lw_boundary in; /* where records end, for STEP_SKIP_END */
	size_t out_from;
	const struct step *script, *step;
	uint64_t the_bytes, left; /* of the command; of this step */
	uint64_t sent, got;       /* application bytes, or raw ones of the raw steps */
	uint64_t exchanges_left;
	uint64_t began_ns;
	enum peer_end end;
	bool is_client, has_begun, has_shaken, has_failed, differs, was_released;
	unsigned events; /* what epoll waits for */
};

/* Where the times of exchanges go. */
struct peer_times {
	uint64_t *ns;
	size_t count, cap;
};

void peer_begin(struct peer *p, int fd, SSL *ssl, const struct step *script, uint64_t bytes);

/* Goes as far as it can.  PEER_OVER: the descriptor is closed, and everything is freed. */
enum peer_status peer_run(struct peer *p, struct peer_times *times);

void peer_release(struct peer *p);

/* Ends it without a word. */
void peer_drop(struct peer *p);

uint64_t now_ns(void);

#endif
