/* opening: from an address to a TLS stream whose handshake is done: look-up, connection, STARTTLS,
 * handshake, all within one deadline.  What goes wrong is one sentence.
 */
#ifndef PIPE_OPENING_H
#define PIPE_OPENING_H

#include <lastword/openssl.h>
#include <uv.h>

#include "net/address.h"
#include "net/failure.h"
#include "net/starttls.h"

struct opening {
	/* in */
	uv_loop_t *loop;
	const struct address *address;
	int family;                          /* AF_UNSPEC, AF_INET, AF_INET6 */
	uint32_t timeout_ms;                 /* for all of it; LW_NO_TIMEOUT: none */
	const struct starttls_row *starttls; /* or NULL */
	SSL_CTX *ctx;
	const char *servername;    /* or NULL */
	struct lw_options options; /* of the stream */
	const bool *interrupted;   /* becomes true when the person wants no more */
	/* out */
	int fd;
	SSL *ssl;
	struct lw_stream *stream;
	bool lookup_abandoned; /* a look-up still runs, and exit() would wait for it */
	struct failure failure;
	/* its own */
	uint64_t until_ms;
	char peer[300];
};

/* Runs the loop until the stream stands.  False: o->failure says why; opening_end() in any case. */
LW_MUST_CHECK bool opening_run(struct opening *o);

/* Frees what stands, and closes the descriptor. */
void opening_end(struct opening *o);

#endif
