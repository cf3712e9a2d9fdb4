/* handshake: why a TLS handshake failed, in one sentence with the next step.  It does no handshake:
 * it looks at what is left of one.
 */
#ifndef NET_HANDSHAKE_H
#define NET_HANDSHAKE_H

#include <lastword/verdict.h>
#include <openssl/ssl.h>
#include <stddef.h>

#include "net/failure.h"

/* What is known about a handshake that failed. */
struct handshake_end {
	const SSL *ssl;
	const struct lw_verdict *verdict; /* of the stream on it */
	const char *peer;                 /* as the person wrote it */
	const char *name;                 /* the name the certificate had to carry */
	unsigned char first[16]; /* the first octets the peer sent, before anything read them */
	size_t first_bytes;
	bool timed_out;      /* the caller's deadline ended it */
	unsigned timeout_ms; /* that deadline */
};

/* True if octets that begin so can be no TLS record of a handshake.  No octets: false. */
bool handshake_is_no_tls(const unsigned char *first, size_t n);

/* Fills the sentence. */
void handshake_explain(const struct handshake_end *end, struct failure *f);

#endif
