/* context: an SSL_CTX, and one SSL of it, from what a person wrote on the command line.
 * Verification is on unless it was turned off; nothing here connects or does a handshake.
 */
#ifndef NET_CONTEXT_H
#define NET_CONTEXT_H

#include <lastword/verdict.h>
#include <openssl/ssl.h>
#include <stdbool.h>

#include "net/failure.h"

struct context_options {
	const char *cacert; /* a file or folder of roots instead of the system's; NULL: system */
	bool insecure;      /* any certificate will do */
	const char *certificate; /* PEM chain of our own, or NULL */
	const char *key;         /* PEM; NULL: in the certificate's file */
	const char *alpn;        /* names with commas between, or NULL */
	const char *versions;    /* "1.2", "1.3" or "MIN-MAX" with 1.0 to 1.3; NULL: 1.2-1.3 */
	const char *keylog;      /* append the keys to this file; NULL: SSLKEYLOGFILE, if set */
};

/*
 * A client's or a server's SSL_CTX; the caller frees it.  NULL with a sentence that names the
 * option. Versions below 1.2 come with security level 0, since nothing else would let them speak.
 */
LW_MUST_CHECK SSL_CTX *context_new_client(const struct context_options *o, struct failure *f);
LW_MUST_CHECK SSL_CTX *context_new_server(const struct context_options *o, struct failure *f);

/*
 * An SSL for one connection to `host` on `fd`, in the client's role: server name (not for IP
 * addresses), the name or address the certificate has to carry.  `servername` replaces both, and
 * may be NULL.  The caller frees it; the descriptor stays the caller's.
 */
LW_MUST_CHECK SSL *context_connect(SSL_CTX *ctx, int fd, const char *host, const char *servername,
                                   struct failure *f);

/* The certificate that verification refused, or NULL; OpenSSL itself forgets it.  Borrowed. */
const X509 *context_refused_certificate(const SSL *ssl);

/* Decides nothing: a verify callback that keeps the certificate for context_refused_certificate().
 */
int context_keep_refused(int accepted, X509_STORE_CTX *store);

/*
 * The name or address that the peer's certificate has to carry, and the server name that is sent,
 * which an address never is.  False: OpenSSL refuses it.
 */
LW_MUST_CHECK bool context_check_name(SSL *ssl, const char *name);
LW_MUST_CHECK bool context_send_name(SSL *ssl, const char *name);

/* "h2,http/1.1" as lengths and names; 0 when it is no such list or too long. */
LW_MUST_CHECK unsigned context_alpn_wire(const char *list, unsigned char *wire, size_t cap);

/*
 * Lets a server choose: the first name of its own list that the client knows, else the alert
 * no_application_protocol.  The list has a wire form of at most 512 bytes, and outlives `ctx`.
 */
void context_choose_alpn(SSL_CTX *ctx, const char *list);

/* Why OpenSSL's last calls failed, a few words; its queue is empty then.  Static. */
const char *context_reason(void);

/* An SSL in the server's role on `fd`. */
LW_MUST_CHECK SSL *context_accept(SSL_CTX *ctx, int fd, struct failure *f);

#endif
