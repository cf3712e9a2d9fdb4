/* bare: OpenSSL without Lastword, in memory, against an adversary; what it makes of an ending. */
#ifndef TESTS_ADVERSARY_BARE_H
#define TESTS_ADVERSARY_BARE_H

#include <openssl/ssl.h>

#include "adversary/adversary.h"

/* What a plain loop over SSL_read() concludes. */
enum bare_end {
	BARE_WAITING, /* would block, for ever */
	BARE_CLOSED,  /* SSL_ERROR_ZERO_RETURN */
	BARE_ERROR,   /* SSL_ERROR_SSL */
	BARE_SYSCALL  /* SSL_ERROR_SYSCALL */
};

struct bare {
	SSL_CTX *ctx;
	SSL *ssl;
	struct adversary *adversary;
	enum adversary_status status;
	bool transport_ended;
	uint64_t data_bytes;  /* that SSL_read() delivered */
	bool data_differs;    /* from the pattern */
	enum bare_end end;    /* the first that was not "would block" */
	enum bare_end second; /* on the next read */
};

/* OpenSSL in the role that the adversary has not; false: it could not be made. */
LW_MUST_CHECK bool bare_begin(struct bare *b, const struct adversary_options *options,
                              const struct adversary_script *script);

/* Alternates both until neither moves; reads all there is. */
void bare_run(struct bare *b);

void bare_free(struct bare *b);

#endif
