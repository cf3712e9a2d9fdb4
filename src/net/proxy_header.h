/* proxy_header: the PROXY protocol, versions 1 and 2, both ways: who the client behind a proxy is.
 * Sans-I/O.  Octets that arrive go through the cursor; what may come is bounded, and how it is cut
 * into pieces makes no difference.
 * Source: the PROXY protocol specification of HAProxy, 2020-03-05.
 */
#ifndef NET_PROXY_HEADER_H
#define NET_PROXY_HEADER_H

#include <lastword/verdict.h>
#include <sys/socket.h>

#include "net/failure.h"

enum {
	PROXY_HEADER_V1_MAX = 107,
	PROXY_HEADER_V2_MAX = 4096, /* ours; the length field could say 65,551 */
	PROXY_HEADER_TEXT = 256
};

enum proxy_header_status { PROXY_HEADER_MORE, PROXY_HEADER_DONE, PROXY_HEADER_BAD };

/* What a header says; also what to write. */
struct proxy_header {
	bool is_local; /* the addresses are the connection's own, and not here: LOCAL, UNKNOWN,
	                  UNSPEC, or a kind of address that is not known here (Unix, UDP) */
	struct sockaddr_storage source, destination;                /* AF_INET or AF_INET6 */
	char alpn[PROXY_HEADER_TEXT], authority[PROXY_HEADER_TEXT]; /* TLVs; "" for none */
	bool has_tls;                                               /* PP2_TYPE_SSL */
	bool client_certificate;                                    /* it presented one, */
	bool in_earlier_connection; /* which this one's session came from */
	bool verified;
	char tls_version[16], common_name[PROXY_HEADER_TEXT], cipher[64];
};

struct proxy_reader {
	unsigned char bytes[PROXY_HEADER_V2_MAX];
	size_t n;
	enum proxy_header_status status;
};

void proxy_reader_begin(struct proxy_reader *r);

/*
 * Takes what arrived (peeked at, say); `*used` of the `n` bytes belong to the header, and those
 * are to be consumed: the rest is not looked at.  DONE: `header` is filled.  BAD: `f` says why.
 * Afterwards it takes nothing, fills nothing and answers the same.
 */
LW_MUST_CHECK enum proxy_header_status proxy_reader_feed(struct proxy_reader *r, const void *bytes,
                                                         size_t n, size_t *used,
                                                         struct proxy_header *header,
                                                         struct failure *f);

/*
 * Writes version 1 or 2 into `buf`: the bytes, 0 if they do not fit.  TLVs only in version 2.
 * IPv4 addresses in IPv6's clothes are written as IPv4.  Where an end is no IP address or is_local
 * is set, UNKNOWN or LOCAL is written and nothing more: version 2 has UNSPEC for that, but a
 * receiver may refuse it (HAProxy does).
 */
LW_MUST_CHECK size_t proxy_header_write(const struct proxy_header *header, int version, void *buf,
                                        size_t cap);

#endif
