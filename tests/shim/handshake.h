/*
 * handshake: what the flags say of contexts, certificates, versions, ALPN and sessions, done with
 * OpenSSL alone, and what they expect of the result.  It knows nothing of streams.
 */
#ifndef SHIM_HANDSHAKE_H
#define SHIM_HANDSHAKE_H

#include "flags.h"

#include <openssl/ssl.h>

/* One for all connections, so that tickets stay good.  NULL: said on standard error. */
SSL_CTX *shim_context(const struct shim_flags *flags);

/* An SSL in its role, without BIOs, that resumes the last session if `resumes`.  `flags` outlives
 * it.  NULL: said on standard error. */
SSL *shim_ssl(SSL_CTX *ctx, const struct shim_flags *flags, bool resumes);

/* After the handshake: what was agreed is what was expected.  False: said on standard error. */
bool shim_agreed(const SSL *ssl, const struct shim_flags *flags, bool resumes);

/* The session that the last connection left behind. */
void shim_drop_session(void);

#endif
