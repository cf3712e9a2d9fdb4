/* tls: the SSL_CTX of a service's legs, and the choice among services by server name.  It does
 * no handshake and knows no connection; what OpenSSL refuses is a sentence with file and line.
 */
#ifndef RELAY_TLS_H
#define RELAY_TLS_H

#include <openssl/ssl.h>

#include "relay/config.h"

/*
 * Contexts from the settings of one leg; the caller frees them, and `s` outlives them.  NULL with a
 * sentence.  `file` is the configuration's, for the sentence.  `old` (or NULL) is what they
 * replace: a server's ticket keys go over from it, unless clients are verified, so that a reload
 * costs no full handshakes.
 */
LW_MUST_CHECK SSL_CTX *relay_tls_server(const struct relay_service *s, const char *file,
                                        SSL_CTX *old, struct failure *f);
LW_MUST_CHECK SSL_CTX *relay_tls_client(const struct relay_service *s, const char *file,
                                        struct failure *f);

/*
 * What is wrong with a context that works all the same, a sentence, or NULL: a key that everybody
 * may read, a certificate of our own that is out of date.  Peers that look at dates refuse it,
 * which the operator has to hear; but to refuse it here would take down what still works, and all
 * other services with it.
 */
const char *relay_tls_warning(const SSL_CTX *ctx);

/* One service that may be chosen by server name. */
struct relay_tls_name {
	const char *pattern; /* "example.org", "*.example.org" */
	SSL_CTX *ctx;
	size_t service; /* index into the configuration's services */
};

/*
 * Lets `ctx` hand a connection over to the context whose pattern fits the client's server name.
 * `names` (count of them) outlive the context.
 */
void relay_tls_set_names(SSL_CTX *ctx, const struct relay_tls_name *names, size_t count);

/* The service that was chosen for `ssl`, or `usual` where no name fitted. */
size_t relay_tls_service(const SSL *ssl, size_t usual);

/*
 * An SSL for an accepted connection on `fd`, and one for a connection made to `host` (a name or an
 * address; NULL for none) with the server name and the names to check that the service says.  The
 * descriptor stays the caller's.  NULL: out of memory or a name that OpenSSL refuses, `f` says.
 */
LW_MUST_CHECK SSL *relay_tls_accept(SSL_CTX *ctx, int fd, struct failure *f);
LW_MUST_CHECK SSL *relay_tls_connect(SSL_CTX *ctx, const struct relay_service *s, int fd,
                                     const char *host, struct failure *f);

/* Why a handshake failed, by what is left of it and the verdict of the stream on it: a clause. */
void relay_tls_explain(const SSL *ssl, const struct lw_verdict *v, struct failure *f);

#endif
