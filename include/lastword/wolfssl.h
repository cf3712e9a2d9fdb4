/*
 * wolfssl.h: streams on wolfSSL (liblastword-wolfssl).
 *
 * It includes no header of wolfSSL, whose macros may bear OpenSSL's names: a
 * program includes <wolfssl/options.h> and <wolfssl/ssl.h> where it uses them.
 */
#ifndef LASTWORD_WOLFSSL_H
#define LASTWORD_WOLFSSL_H

#include <lastword/stream.h>

#ifdef __cplusplus
extern "C" {
#endif

struct WOLFSSL; /* wolfSSL's own: WOLFSSL is its name there */

/*
 * Attaches a stream to `ssl`, which the application configured, keeps and
 * frees after the stream: before, during or after its handshake.  `ssl` must
 * have a descriptor (wolfSSL_set_fd()) of a stream socket, which the stream uses by
 * itself: it never blocks and raises no SIGPIPE; and its role.  `options` NULL
 * takes the defaults.  The I/O callbacks and contexts of `ssl` are the
 * stream's until lw_free(), which gives it wolfSSL's own callbacks and its
 * contexts.  Quiet shutdown is turned off and stays so.  NULL: refused or out of memory,
 * and `*why` (if `why` is not NULL) is a static sentence.  Refused: no descriptor
 * or two, an I/O context of the application's own, BIOs, no role yet, attached
 * already, a write under way, DTLS, a connection that was shut down.
 */
LW_API LW_MUST_CHECK struct lw_stream *lw_wolfssl_attach(struct WOLFSSL *ssl,
                                                         const struct lw_options *options,
                                                         const char **why);

/* Callbacks for I/O, as wolfSSL takes them: CallbackIORecv and CallbackIOSend. */
struct lw_wolfssl_io {
	int (*recv)(struct WOLFSSL *ssl, char *buf, int len, void *context);
	int (*send)(struct WOLFSSL *ssl, char *buf, int len, void *context);
};

/*
 * The same, on callbacks of the application's own.  wolfSSL does not tell which
 * it was given, so they are named here; their contexts are those of `ssl`
 * (wolfSSL_SetIOReadCtx() and its kin), and lw_free() gives back all four.
 * The stream goes through them, and lw_wait() gives LW_UNSUPPORTED.  `io` is copied.
 */
LW_API LW_MUST_CHECK struct lw_stream *lw_wolfssl_attach_io(struct WOLFSSL *ssl,
                                                            const struct lw_wolfssl_io *io,
                                                            const struct lw_options *options,
                                                            const char **why);

#ifdef __cplusplus
}
#endif
#endif
