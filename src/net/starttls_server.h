/* starttls_server: the server's side of the dialogue before TLS, as rows.  Sans-I/O: octets in,
 * octets out.  Bounded as starttls.h is; octets behind the client's request are refused, since
 * they were sent in the clear and TLS would lend them its protection.
 */
#ifndef NET_STARTTLS_SERVER_H
#define NET_STARTTLS_SERVER_H

#include "net/starttls.h"

struct starttls_server {
	const struct starttls_row *row;
	const char *host; /* how we name ourselves */
	enum starttls_status status;
	const char *refusal; /* a clause, when REFUSED */
	char line[STARTTLS_LINE_BYTES];
	size_t line_bytes;
	size_t total_bytes;
	unsigned state;
	char output[1024];
	size_t output_bytes;
};

/* False: this row has no server's side. */
LW_MUST_CHECK bool starttls_server_begin(struct starttls_server *s, const struct starttls_row *row,
                                         const char *host);

const char *starttls_server_output(const struct starttls_server *s, size_t *n);
void starttls_server_sent(struct starttls_server *s, size_t n);

/*
 * Takes what the client sent; `*used` of it belongs to the dialogue and is to be consumed.  DONE:
 * TLS begins once the output is sent.
 */
enum starttls_status starttls_server_feed(struct starttls_server *s, const void *bytes, size_t n,
                                          size_t *used);

void starttls_server_explain(const struct starttls_server *s, struct failure *f);

/*
 * Whether the plain server behind us greets first, though the client had its greeting from us in
 * the clear: the relay then swallows it.
 */
bool starttls_greets(const struct starttls_row *row);

/* The bytes of `bytes` that belong to the greeting; `*whole` once all of it is there. */
size_t starttls_greeting(const struct starttls_row *row, const void *bytes, size_t n, bool *whole);

#endif
