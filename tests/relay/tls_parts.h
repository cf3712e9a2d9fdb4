/* tls_parts: what the tests of relay/tls share: certificates as files, services, and a client and a
 * server that meet in memory.
 */
#ifndef TESTS_RELAY_TLS_PARTS_H
#define TESTS_RELAY_TLS_PARTS_H

#include "tests/unit.h"

#include <openssl/ssl.h>

#include "net/certificate.h"
#include "relay/tls.h"

/* A service with nothing but defaults. */
#define PLAIN_SERVICE                                                                              \
	{                                                                                          \
		.name = "web", .accept.kind = RELAY_TCP,                                           \
		.front = { .security_level = -1, .tickets = true, .line = 7 }, .back = {           \
			.security_level = -1,                                                      \
			.tickets = true,                                                           \
			.verify_chain = true,                                                      \
			.line = 7                                                                  \
		}                                                                                  \
	}

/* A folder of the test's own, made at the first call, emptied and removed at exit. */
const char *parts_path(const char *name);

/* A certificate, written to NAME.pem with its key; the caller frees it.  Fails the test. */
struct certificate *parts_certificate(const char *name, const struct certificate_order *o);

/* Text as a file; its path. */
const char *parts_file(const char *name, const char *text);

/* What `from` holds, behind what `to` holds: a chain. */
void parts_append(const char *to, const char *from);

/* Contexts that have to come about. */
SSL_CTX *parts_server(const struct relay_service *s);
SSL_CTX *parts_client(const struct relay_service *s);

/* A client that is OpenSSL's alone and accepts any certificate. */
SSL_CTX *parts_any_client(void);

/* Both ends of a connection. */
struct pair {
	SSL *client, *server;
	int client_alert, server_alert; /* descriptions of fatal alerts that each sent, or -1 */
	bool are_done;
};

/* Joins two SSLs whose roles are set, and shakes hands as far as they go. */
struct pair parts_meet(SSL *client, SSL *server);

/* A client of `ctx` that sends `name` (or NULL) and offers `session` (or NULL) meets the server. */
struct pair parts_visit(SSL_CTX *client, SSL_CTX *server, const char *name, SSL_SESSION *session);

/* Lets what follows a handshake (tickets) arrive; an octet each way. */
void parts_talk(struct pair *p);

void parts_part(struct pair *p);

#endif
