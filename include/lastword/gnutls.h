/*
 * gnutls.h: streams on GnuTLS (liblastword-gnutls).
 */
#ifndef LASTWORD_GNUTLS_H
#define LASTWORD_GNUTLS_H

#include <gnutls/gnutls.h>
#include <lastword/stream.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Attaches a stream to `session`, which the application configured, keeps and frees after the
 * stream: before, during or after its handshake.  The session must stand on one connected stream
 * socket or two, by gnutls_transport_set_int() or gnutls_transport_set_int2(), and must not have
 * transport functions of the application's own: see lw_gnutls_attach_transport().  `options` NULL
 * takes the defaults.  The transport functions and pointers of the session are the stream's until
 * lw_free(): set none meanwhile.  NULL: refused or out of memory, and `*why` (if `why` is not NULL)
 * is a static sentence.  Refused: no socket, attached already, kernel TLS, early data or a write
 * under way, data that is corked, DTLS, a connection that ended.  Does not block.
 */
LW_API LW_MUST_CHECK struct lw_stream *lw_gnutls_attach(gnutls_session_t session,
                                                        const struct lw_options *options,
                                                        const char **why);

/* What an application set for a session's transport: GnuTLS does not tell what the functions are.
 */
struct lw_gnutls_functions {
	gnutls_transport_ptr_t pull_ptr; /* gnutls_transport_set_ptr(), or ..._ptr2() */
	gnutls_transport_ptr_t push_ptr;
	gnutls_pull_func pull;                 /* gnutls_transport_set_pull_function() */
	gnutls_push_func push;                 /* gnutls_transport_set_push_function(), or NULL */
	gnutls_vec_push_func vec_push;         /* where push is NULL */
	gnutls_pull_timeout_func pull_timeout; /* given back by lw_free(); NULL: the system's */
	gnutls_errno_func error;               /* NULL: they set errno */
};

/*
 * The same on a session whose bytes pass through the application's own functions.  Those that fail
 * have to set errno, or what `functions->error` answers: what gnutls_transport_set_errno() was told
 * cannot be read.  An errno of 0 is taken for EAGAIN.  `functions` is copied; lw_free() sets them
 * again.  Functions that block make the stream's calls block.  Refused too: pointers that are not
 * the session's.
 */
LW_API LW_MUST_CHECK struct lw_stream *lw_gnutls_attach_transport(
    gnutls_session_t session, const struct lw_gnutls_functions *functions,
    const struct lw_options *options, const char **why);

#ifdef __cplusplus
}
#endif
#endif
