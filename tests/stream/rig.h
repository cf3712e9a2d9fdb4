/*
 * rig: a stream on OpenSSL against an adversary, on memory or on a real TCP
 * connection, driven by one thread and a virtual clock.
 */
#ifndef TESTS_STREAM_RIG_H
#define TESTS_STREAM_RIG_H

#include "adversary/adversary.h"

#include <lastword/openssl.h>

enum rig_attach { RIG_BEFORE, RIG_DURING, RIG_AFTER, RIG_BARE, RIG_OBSERVE };

struct rig_options {
	enum lw_version version;
	enum rig_attach attach;
	bool serves; /* the subject is the server */
	bool socket;
	bool blocking; /* the subject's descriptor blocks, and it waits by lw_wait() */
	bool read_ahead;
	size_t buffer_bytes; /* memory: what waits for the peer, at most; 0: no bound */
	const char *ciphers;
	const struct lw_options *stream; /* NULL: the defaults */
};

struct rig {
	struct rig_options options;
	SSL_CTX *ctx;
	SSL *ssl;
	BIO *in, *out; /* memory */
	BIO *other_end;
	int fd; /* socket: the subject's end */
	struct adversary *adversary;
	enum adversary_status peer;
	struct lw_stream *stream;
	const char *refusal;
	uint64_t now_ms; /* the virtual clock */
	uint64_t bytes;
	bool differs; /* what was read is not the adversary's pattern */
	bool transport_ended;
};

/* Makes both and shakes hands, as far as the script allows. */
LW_MUST_CHECK bool rig_begin(struct rig *r, const struct rig_options *options,
                             const struct adversary_script *script);
void rig_end(struct rig *r);

/* The adversary's turn: all that it can do now. */
void rig_spin(struct rig *r);

/* Reads until the stream says something else than LW_OK and neither side moves. */
enum lw_status rig_read(struct rig *r);

/* Writes the adversary's pattern until the transport stays full; gives the bytes taken. */
uint64_t rig_fill(struct rig *r);

/* Calls until it is over; when neither side moves, the clock goes to the next deadline. */
enum lw_status rig_close(struct rig *r);
enum lw_status rig_abort(struct rig *r);
enum lw_status rig_finish(struct rig *r);

struct lw_verdict rig_verdict(const struct rig *r);

#endif
