/*
 * grudge: a BIO over a socket that lets one octet pass at a time, and refuses every second call.
 *
 * What a program meets on a slow network once a day, the TLS library and the stream
 * meet here at every octet.  Writes can be held back altogether, save a few octets.
 */
#ifndef SHIM_GRUDGE_H
#define SHIM_GRUDGE_H

#include <openssl/bio.h>
#include <stdbool.h>

struct grudge {
	int fd;
	unsigned reads, writes; /* calls so far */
	bool refused;           /* the last refusal was ours: the socket itself may be ready */
	bool holds_writes;      /* nothing leaves, but */
	unsigned writes_let;    /* so many octets */
	unsigned long refusals;
};

/* The BIO borrows `g`, whose `fd` is set; the caller frees the BIO.  NULL: out of memory. */
BIO *grudge_new(struct grudge *g);

#endif
