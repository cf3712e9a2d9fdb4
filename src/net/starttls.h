/* starttls: the plaintext dialogue before TLS, as rows: what to wait for, what to send, what is
 * success and what refusal.  Sans-I/O: octets in, octets out, and how they are cut into pieces
 * makes no difference.  Bounded: a line, and the whole dialogue.  Octets that follow the peer's
 * go-ahead are refused: TLS would take them for its own, or the application for protected ones.
 */
#ifndef NET_STARTTLS_H
#define NET_STARTTLS_H

#include <lastword/verdict.h>

#include "net/failure.h"

enum starttls_status {
	STARTTLS_TALKING, /* send starttls_output(), then feed what comes */
	STARTTLS_DONE,    /* the peer said go: TLS begins once starttls_output() is sent */
	STARTTLS_REFUSED  /* starttls_explain() says why */
};

enum { STARTTLS_LINE_BYTES = 4096, STARTTLS_TOTAL_BYTES = 65536 };

struct starttls_row;

struct starttls {
	const struct starttls_row *row;
	const char *host;
	unsigned step; /* index into the row's steps */
	enum starttls_status status;
	const char *refusal;            /* a clause, or NULL: the peer's own words say it */
	char line[STARTTLS_LINE_BYTES]; /* the reply under way; then the last one, NUL-terminated */
	size_t line_bytes;
	size_t total_bytes;
	unsigned state;    /* position in a binary reply */
	size_t skip_bytes; /* what is left of a binary reply */
	bool continued;    /* inside a reply of several lines */
	bool offered;      /* the peer listed STARTTLS */
	char output[640];
	size_t output_bytes;
};

/* The row of a name (smtp imap pop3 ldap ftp xmpp postgres), or NULL. */
const struct starttls_row *starttls_find(const char *name);

/* The names, by index from 0; NULL behind the last. */
const char *starttls_name(unsigned index);

/* The name of a row. */
const char *starttls_row_name(const struct starttls_row *row);

/* The usual port of a row, in decimal. */
const char *starttls_port(const struct starttls_row *row);

/* The profile that belongs to a row, as in data/protocols.tsv. */
const char *starttls_profile(const struct starttls_row *row);

/* Begins; `host` is the peer's name as the dialogue may need it, and outlives the dialogue. */
void starttls_begin(struct starttls *s, const struct starttls_row *row, const char *host);

/* What is to be sent, `*n` bytes; call starttls_sent() with how many of them left. */
const char *starttls_output(const struct starttls *s, size_t *n);
void starttls_sent(struct starttls *s, size_t n);

/* Takes what the peer sent.  Octets behind the go-ahead make it STARTTLS_REFUSED. */
enum starttls_status starttls_feed(struct starttls *s, const void *bytes, size_t n);

/* The peer's stream ended before the go-ahead. */
void starttls_ended(struct starttls *s);

/* The sentence for STARTTLS_REFUSED: names the peer, what it said and the next step. */
void starttls_explain(const struct starttls *s, const char *peer, struct failure *f);

#endif
