/*
 * mbedtls.h: streams on Mbed TLS 2.28 (liblastword-mbedtls), up to TLS 1.2.
 */
#ifndef LASTWORD_MBEDTLS_H
#define LASTWORD_MBEDTLS_H

#include <lastword/stream.h>
#include <mbedtls/ssl.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Attaches a stream to `ssl`, which the application configured, keeps and
 * frees after the stream: before, during or after its first handshake.  `ssl`
 * must have been set up, and have its callbacks (mbedtls_ssl_set_bio()).  They
 * are the stream's until lw_free(), which gives the application's back: set
 * none, and call neither mbedtls_ssl_session_reset() nor mbedtls_ssl_free(),
 * meanwhile.  Where they are mbedtls_net_send() and mbedtls_net_recv() the
 * stream uses the descriptor of their mbedtls_net_context itself and never
 * blocks on it; any other callbacks are called.  `options` NULL takes the
 * defaults.  NULL: refused or out of memory, and `*why` (if `why` is not NULL)
 * is a static sentence.  Refused: not set up, no callbacks, attached already,
 * DTLS, a write or a renegotiation under way, a connection that was shut down.
 * A closer that takes the stream frees `ssl` with mbedtls_ssl_free() and then
 * mbedtls_free(): give it only contexts that were allocated by themselves.
 */
LW_API LW_MUST_CHECK struct lw_stream *lw_mbedtls_attach(mbedtls_ssl_context *ssl,
                                                         const struct lw_options *options,
                                                         const char **why);

#ifdef __cplusplus
}
#endif
#endif
