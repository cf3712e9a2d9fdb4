/*
 * openssl.h: streams on OpenSSL (liblastword-openssl).
 */
#ifndef LASTWORD_OPENSSL_H
#define LASTWORD_OPENSSL_H

#include <lastword/stream.h>
#include <openssl/ssl.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Attaches a stream to `ssl`, which the application configured, keeps and
 * frees after the stream: before, during or after its handshake.  `ssl` must
 * have its BIOs (SSL_set_fd(), or any pair, memory BIOs included); before the
 * handshake also its role, by SSL_set_connect_state() or SSL_set_accept_state().  `options` NULL
 * takes the defaults.  Records are sealed with at most 16 KiB each, also after the stream was
 * freed.  The info callback of `ssl` is the stream's until lw_free(), which calls the
 * application's behind it: set none meanwhile.  NULL: refused or out of memory, and `*why` (if
 * `why` is not NULL) is a static sentence.  Refused: no BIOs, attached already,
 * kernel TLS, early data or a write under way, DTLS, a connection that was shut down.
 */
LW_API LW_MUST_CHECK struct lw_stream *lw_openssl_attach(SSL *ssl, const struct lw_options *options,
                                                         const char **why);

/*
 * Observes `ssl`: the application goes on calling SSL_read(), SSL_write() and
 * SSL_shutdown(), which behave as ever, and lw_verdict() tells the truth about
 * the endings.  Only lw_verdict(), lw_complete(), lw_transport_ended(),
 * lw_forget_session() and lw_free() work on such a stream; every other call
 * gives LW_UNSUPPORTED.  bytes_read and bytes_written stay 0: they pass unseen.
 * Arguments and result as for lw_openssl_attach().
 */
LW_API LW_MUST_CHECK struct lw_stream *lw_openssl_observe(SSL *ssl,
                                                          const struct lw_options *options,
                                                          const char **why);

#ifdef __cplusplus
}
#endif
#endif
