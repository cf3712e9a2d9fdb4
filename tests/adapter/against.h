/*
 * against: a connection of any TLS library, bare or under a stream, against an adversary over
 * loopback TCP, driven by one thread and a virtual clock.
 */
#ifndef TESTS_ADAPTER_AGAINST_H
#define TESTS_ADAPTER_AGAINST_H

#include "adversary/adversary.h"
#include "audit/stack.h"

enum against_attach { AGAINST_BEFORE, AGAINST_AFTER, AGAINST_BARE };

struct against_setup {
	const struct stack *stack;
	enum lw_version version;
	enum against_attach attach;
	bool serves;        /* the subject is the server */
	bool small_buffers; /* the sockets' */
	bool own_transport; /* the subject's: gives `allowed` bytes and no more */
};

struct against {
	struct against_setup setup;
	struct stack_context *context;
	struct stack_connection *connection;
	struct lw_stream *stream;
	struct lw_transport transport;
	struct adversary *adversary;
	int fd;
	size_t allowed;
	uint64_t now_ms; /* the virtual clock */
	uint64_t bytes;  /* read */
	bool differs;    /* from the adversary's pattern */
	const char *refusal;
};

/* Makes both and shakes hands, as far as the script allows. */
LW_MUST_CHECK bool against_begin(struct against *a, const struct against_setup *setup,
                                 const struct adversary_script *script);
void against_end(struct against *a);

/* Puts a stream on a bare connection. */
LW_MUST_CHECK bool against_attach(struct against *a);

/* The adversary's turn; whether the subject may move now. */
bool against_spin(struct against *a);

/* Reads until it says something else than that there is more, and neither side moves. */
enum lw_status against_read(struct against *a);
enum stack_did against_read_bare(struct against *a);

/* Writes the pattern until the transport stays full; gives the bytes taken. */
uint64_t against_fill(struct against *a);

/* Calls until it is over; when neither side moves, the clock goes to the next deadline. */
enum lw_status against_close(struct against *a);
enum lw_status against_abort(struct against *a);

struct lw_verdict against_verdict(const struct against *a);

/* What the adversary saw of the subject. */
const struct adversary_tally *against_seen(const struct against *a);

#endif
