/* starttls_server: the server's side of the dialogue before TLS, as rows.  Sans-I/O: octets in,
 * octets out, and how they are cut into pieces makes no difference.  Bounded: a line, the number of
 * commands, all that is said.  Octets behind the client's request are refused, since they were sent
 * in the clear and TLS would lend them its protection.
 */
#ifndef NET_STARTTLS_SERVER_H
#define NET_STARTTLS_SERVER_H

#include "net/starttls.h"

enum {
	STARTTLS_SERVER_COMMANDS = 16, /* a client that knows what it wants needs three */
	STARTTLS_SERVER_SAID = 4096    /* bytes, in the whole dialogue */
};

struct starttls_side;

struct starttls_server {
	const struct starttls_row *row;
	const struct starttls_side *side;
	const char *host; /* how we name ourselves */
	enum starttls_status status;
	const char *refusal; /* a clause, when REFUSED */
	bool has_quit;       /* REFUSED, and nothing is wrong: the client took its leave */
	char line[STARTTLS_LINE_BYTES]; /* the command under way */
	size_t line_bytes;
	size_t total_bytes;
	unsigned commands;
	size_t said_bytes;
	char output[STARTTLS_SERVER_SAID];
	size_t output_bytes;
};

/*
 * Begins; `host` outlives the dialogue, and is text that may stand in any of these protocols: a
 * name or an address.  False: this row has no server's side.
 */
LW_MUST_CHECK bool starttls_server_begin(struct starttls_server *s, const struct starttls_row *row,
                                         const char *host);

/*
 * Says a greeting, for a client that does not ask for TLS, and nothing more: the server behind us
 * greeted in the clear, where anybody could have written it, and greets no second time.  False:
 * this row has no server's side.
 */
LW_MUST_CHECK bool starttls_server_welcome(struct starttls_server *s,
                                           const struct starttls_row *row, const char *host);

/* What is to be sent, in every status: a client that is refused may be told so before the end. */
const char *starttls_server_output(const struct starttls_server *s, size_t *n);
void starttls_server_sent(struct starttls_server *s, size_t n);

/*
 * Takes what the client sent (peeked at, say); `*used` of it belongs to the dialogue and is to be
 * consumed.  DONE: TLS begins once the output is sent.  Whatever is there before it is sent came
 * too early: fed behind DONE it makes it REFUSED.
 */
enum starttls_status starttls_server_feed(struct starttls_server *s, const void *bytes, size_t n,
                                          size_t *used);

/* The client's stream ended before it asked for TLS. */
void starttls_server_ended(struct starttls_server *s);

/* The sentence for REFUSED. */
void starttls_server_explain(const struct starttls_server *s, struct failure *f);

/*
 * Whether the plain server behind us greets first, though the client had its greeting from us in
 * the clear: the relay then swallows it.
 */
bool starttls_greets(const struct starttls_row *row);

/*
 * The bytes of `bytes` that belong to the greeting; `*whole` once all of it is there.  0 and whole:
 * it is none, the server turns the client away ("554 busy"), and the first line says why.
 */
size_t starttls_greeting(const struct starttls_row *row, const void *bytes, size_t n, bool *whole);

#endif
