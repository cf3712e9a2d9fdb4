/* tls_allow: a list of the clients that may come, from a file: a line each is the SHA-256
 * fingerprint of a certificate in hex (colons allowed) or its subject as RFC 2253 writes it
 * ("CN=client,O=Example"); '#' begins a comment.  It knows no connection.
 */
#ifndef RELAY_TLS_ALLOW_H
#define RELAY_TLS_ALLOW_H

#include <lastword/verdict.h>
#include <openssl/x509.h>
#include <stdbool.h>

#include "net/failure.h"

struct tls_allow;

/* Reads the file, once.  NULL with a sentence that names file and line. */
LW_MUST_CHECK struct tls_allow *tls_allow_read(const char *path, struct failure *f);

/* Whether it holds a subject: that proves something only where the chain is verified. */
bool tls_allow_names_subjects(const struct tls_allow *a);

/* Whether the certificate stands in the list, itself or by its subject. */
bool tls_allow_has(const struct tls_allow *a, const X509 *x509);

/*
 * The subject of a certificate as the list writes it, for the log.  False: it does not fit, and is
 * cut.
 */
bool tls_allow_subject(const X509 *x509, char *buf, size_t cap);

/* NULL is allowed. */
void tls_allow_free(struct tls_allow *a);

#endif
