/*
 * duet: a stream on OpenSSL against OpenSSL itself, over a pair of buffers of
 * bounded size in memory: for what needs a whole TLS library on the other
 * side (renegotiation, KeyUpdate, certificates), or a transport that is full.
 */
#ifndef TESTS_STREAM_DUET_H
#define TESTS_STREAM_DUET_H

#include <lastword/openssl.h>

struct duet_options {
	int version;         /* TLS1_2_VERSION ...; 0: 1.3 */
	bool serves;         /* the stream is the server */
	size_t buffer_bytes; /* each way; 0: 64 KiB */
	const char *ciphers;
	void (*prepare)(SSL *ours, SSL *peer); /* before attaching; may be NULL */
};

struct duet {
	SSL_CTX *our_ctx, *peer_ctx;
	SSL *ssl, *peer;
	BIO *wire; /* our end of the pair; the SSL owns it */
	struct lw_stream *stream;
	uint64_t peer_bytes; /* the pattern that the peer read */
	bool differs;
	int peer_error; /* SSL_get_error() of the peer's last read */
};

/* Makes both and attaches the stream; no handshake yet. */
LW_MUST_CHECK bool duet_begin(struct duet *d, const struct duet_options *options);
void duet_end(struct duet *d);

/* Shakes hands until both are done, or the stream ended. */
enum lw_status duet_shake_hands(struct duet *d);

/* The peer reads all it can; it makes its handshakes in passing. */
void duet_peer_reads(struct duet *d);

/* The octet at `offset` of what the tests write. */
uint8_t duet_pattern(uint64_t offset);

/* Writes `len` bytes of the pattern from `offset` in one call. */
enum lw_status duet_write(struct duet *d, uint64_t offset, size_t len, size_t *n);

/* What the peer writes at once; it must fit. */
LW_MUST_CHECK bool duet_peer_writes(struct duet *d, size_t len);

struct lw_verdict duet_verdict(const struct duet *d);

#endif
