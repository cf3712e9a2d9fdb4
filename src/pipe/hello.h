/*
 * hello: the version that a ServerHello chose, read from the bytes that pass.
 *
 * It is the one thing about a connection that has to be known to count its
 * records and cannot be told from record headers.  It keeps the beginning of the
 * server's first handshake message, at most HELLO_MAX bytes, and judges nothing.
 */
#ifndef PIPE_HELLO_H
#define PIPE_HELLO_H

#include <lastword/verdict.h>

#define HELLO_MAX 2048u

struct hello {
	uint8_t bytes[HELLO_MAX];
	size_t len;
	bool done; /* the version was found, or never will be */
	enum lw_version version;
};

/*
 * Lets payload of the server's handshake records pass.  Sets `version` as soon
 * as the ServerHello (or HelloRetryRequest, which tells as much) is there.
 */
void hello_pass(struct hello *h, const void *payload, size_t len);

/* The version of the ServerHello in `message`, from its type octet on; unknown if it is none. */
enum lw_version hello_version(const void *message, size_t len);

#endif
