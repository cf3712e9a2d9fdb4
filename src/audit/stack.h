/*
 * stack: a TLS library as a program uses it, one const row a library: contexts, connections, the
 * library's own read, write and shutdown, sessions, and the stream on top.
 *
 * Whoever tests endings on more than one library goes through these rows.  A row adds nothing to
 * its library and makes nothing worse: it does what the library's manual tells a careful program
 * to do.  Verification is off: who the peer is does not matter here.  No row includes another
 * library's headers, and this header includes none.
 */
#ifndef AUDIT_STACK_H
#define AUDIT_STACK_H

#include <lastword/adapter.h>

/* What a call of the library said, as most programs written from its manual take it. */
enum stack_did {
	STACK_OK,        /* done; for read and write: at least a byte */
	STACK_WAITS,     /* call again when the transport is ready */
	STACK_END,       /* the end of the stream */
	STACK_TRUNCATED, /* the transport ended first */
	STACK_ABORTED,   /* the peer sent a fatal alert */
	STACK_ERROR      /* anything else */
};

/* Zero is a good value of every member but the version. */
struct stack_setup {
	bool server;
	enum lw_version version;     /* the only one spoken, old ones at any security level */
	const char *certificate_pem; /* of a server; a client has none */
	const char *key_pem;
	unsigned tickets; /* server: sessions may be resumed; in 1.3 so many tickets are sent */
	bool
	    stateful_tickets; /* and they are names of sessions which the server keeps, if it can */
};

/* Each row has its own of these. */
struct stack_context;    /* what connections share: certificate, session cache, ticket keys */
struct stack_connection; /* one TLS object, and what it needs */
struct stack_session;    /* what a client needs to resume */

/* Where a connection lives: a connected stream socket, or the application's own calls. */
struct stack_place {
	int fd;                               /* -1: none */
	const struct lw_transport *transport; /* where fd is -1; outlives the connection */
	const struct stack_session *resume;   /* client: offered; NULL: none */
};

struct stack {
	const char *name;    /* "openssl", as in liblastword-openssl */
	const char *reading; /* the library's call to read: "SSL_read" */
	/* The installed version: "OpenSSL 3.0.22 25 Aug 2026".  Static. */
	const char *(*installed)(void);
	/* Whether the library as installed speaks it. */
	bool (*speaks)(enum lw_version version);

	/* NULL: the library refused.  Borrows nothing of the setup. */
	struct stack_context *(*context_new)(const struct stack_setup *setup);
	void (*context_free)(
	    struct stack_context *context); /* after its connections; NULL allowed */

	/* A connection whose handshake has not begun; NULL: the library refused. */
	struct stack_connection *(*connection_new)(struct stack_context *context,
	                                           const struct stack_place *place);
	/* Frees the TLS object and closes nothing.  A stream on it goes first.  NULL is allowed. */
	void (*connection_free)(struct stack_connection *c);

	/*
	 * The library's own calls.  STACK_OK of shutdown: it has the peer's closure as well, or
	 * takes something else for it.  finish() sends ours and does not wait.
	 */
	enum stack_did (*handshake)(struct stack_connection *c);
	enum stack_did (*read)(struct stack_connection *c, void *buf, size_t cap, size_t *n);
	enum stack_did (*write)(struct stack_connection *c, const void *buf, size_t len, size_t *n);
	enum stack_did (*shutdown)(struct stack_connection *c);
	enum stack_did (*finish)(struct stack_connection *c);
	/* The library's words for what the last call said; "" if it has none. */
	const char *(*reason)(const struct stack_connection *c);

	/* A stream on it, by the library's adapter; as lw_NAME_attach(). */
	struct lw_stream *(*attach)(struct stack_connection *c, const struct lw_options *options,
	                            const char **why);
	/*
	 * After the closer took the stream: forgets the TLS object, which is the closer's now.
	 * connection_free() frees the rest.
	 */
	void (*give_away)(struct stack_connection *c);

	/* A client's session as a program would keep it, to be freed; NULL: there is none (yet). */
	struct stack_session *(*session)(struct stack_connection *c);
	void (*session_free)(struct stack_session *session);
	/* Whether a client's handshake, now done, resumed a session; not every library tells a
	 * server. */
	bool (*is_resumed)(const struct stack_connection *c);
};

/* The rows that this build has, in turn, OpenSSL's first; NULL past the last. */
const struct stack *stack_at(unsigned index);

/* By name; NULL: this build has none of that name. */
const struct stack *stack_find(const char *name);

extern const struct stack openssl_stack;
extern const struct stack gnutls_stack;
extern const struct stack wolfssl_stack;
extern const struct stack mbedtls_stack; /* if it was found */

#endif
