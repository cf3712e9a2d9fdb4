/* tls_inside: what the files of tls share, and nobody else sees.
 */
#ifndef RELAY_TLS_INSIDE_H
#define RELAY_TLS_INSIDE_H

#include "relay/tls.h"
#include "relay/tls_allow.h"

/* What a context carries with it; freed with it. */
struct tls_own {
	const struct relay_service *service;
	const struct relay_tls_settings *settings;
	struct tls_allow *allow;            /* NULL: all that verification accepts */
	const struct relay_tls_name *names; /* what a server name chooses from */
	size_t name_count;
	struct failure warning; /* "" or a sentence */
	bool resumes;           /* a server's: tickets are given and taken */
	bool is_named;          /* a name leads here, to the service of this index */
	size_t index;
};

/* Never NULL for a context of ours. */
struct tls_own *tls_own(const SSL_CTX *ctx);

/* A context that is being made, and where a complaint about it points. */
struct tls_making {
	SSL_CTX *ctx;
	struct tls_own *own;
	const struct relay_service *service;
	const struct relay_tls_settings *settings;
	const char *file;
	bool is_server;
	struct failure *f;
};

/*
 * Fills the sentence, behind where it belongs; false, so that a caller can return it.  "@cert" in
 * the format is a key as the operator writes it for this leg.
 */
bool tls_refuse(const struct tls_making *m, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Whether the leg asks its peer for a certificate and looks at it. */
bool tls_verifies(const struct relay_tls_settings *t, bool is_server);

/* Roots, revocation lists, allow-list, names: all that a peer's certificate is held against. */
LW_MUST_CHECK bool tls_set_verification(struct tls_making *m);

/* Whether connections made with it check the server's name, each its own. */
bool tls_checks_name(const struct tls_own *own);

/* What the settings say, or the default. */
const char *tls_curves(const struct relay_tls_settings *t);

/* Lets SSL_get_servername() know the name however the handshake went. */
void tls_keep_names(SSL_CTX *ctx);

#endif
