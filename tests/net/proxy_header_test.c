/* proxy_header_test: what a PROXY header says, one row a header.  Each is read whole, octet by
 * octet and with octets behind it, which must stay; and what is written is read again.
 */
#include "tests/unit.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/proxy_header.h"

/* ---- what a header says, as text */

static const char *end_text(const struct sockaddr_storage *a, char *buf, size_t cap)
{
	char host[INET6_ADDRSTRLEN] = "?";
	uint16_t port = 0;

	if (a->ss_family == AF_INET) {
		const struct sockaddr_in *in = (const struct sockaddr_in *)a;

		(void)inet_ntop(AF_INET, &in->sin_addr, host, sizeof host);
		port = ntohs(in->sin_port);
	} else if (a->ss_family == AF_INET6) {
		const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)a;

		(void)inet_ntop(AF_INET6, &in6->sin6_addr, host, sizeof host);
		port = ntohs(in6->sin6_port);
	}
	(void)snprintf(buf, cap, "%s %u", host, (unsigned)port);
	return buf;
}

static const char *header_text(const struct proxy_header *h)
{
	static char text[2048];
	char source[64], destination[64];
	const struct {
		const char *name, *value;
	} texts[] = {
		{ "alpn", h->alpn },
		{ "authority", h->authority },
		{ "tls", h->tls_version },
		{ "cn", h->common_name },
		{ "cipher", h->cipher },
		{ "has", h->has_tls ? "tls" : "" },
		{ "certificate", !h->client_certificate     ? ""
		                 : h->in_earlier_connection ? "earlier"
		                                            : "now" },
		{ "it", h->verified ? "verified" : "" },
	};
	size_t n;

	if (h->is_local)
		n = (size_t)snprintf(text, sizeof text, "local");
	else
		n = (size_t)snprintf(text, sizeof text, "%s to %s",
		                     end_text(&h->source, source, sizeof source),
		                     end_text(&h->destination, destination, sizeof destination));
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
		if (texts[i].value[0] != '\0')
			n += (size_t)snprintf(text + n, sizeof text - n, " %s=%s", texts[i].name,
			                      texts[i].value);
	return text;
}

/* ---- reading */

#define RAW(s)    (s), sizeof(s) - 1
#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"
#define V4_ENDS                                                                                    \
	"\xc0\x00\x02\x01"                                                                         \
	"\xc0\x00\x02\x02"                                                                         \
	"\x00\x01"                                                                                 \
	"\x01\xbb"
#define V4_SAYS   "192.0.2.1 1 to 192.0.2.2 443"
#define V6_A      "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01"
#define V6_B      "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x02"
#define TEN       "xxxxxxxxxx"
#define FIFTY     TEN TEN TEN TEN TEN
#define ZEROS_27  "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
#define ZEROS_108 ZEROS_27 ZEROS_27 ZEROS_27 ZEROS_27

/*
 * `start` NULL: `bytes` is all.  Else signature, `start` (two octets), the length, and `bytes`.
 * `says` is what header_text() gives, or, where the header is bad, a part of the sentence; NULL:
 * more is to come.
 */
static const struct row {
	const char *claim, *start, *bytes;
	size_t n;
	enum proxy_header_status status;
	const char *says;
} rows[] = {
#define GOOD PROXY_HEADER_DONE
#define BAD  PROXY_HEADER_BAD
#define LINE(claim, text, status, says)                                                            \
	{                                                                                          \
		claim, NULL, RAW("PROXY " text), status, says                                      \
	}
#define BLOCK(claim, start, bytes, status, says)                                                   \
	{                                                                                          \
		claim, start, RAW(bytes), status, says                                             \
	}
#define TLVS(claim, bytes, status, says) BLOCK(claim, "\x21\x11", V4_ENDS bytes, status, says)
	/* version 1 */
	LINE("1: TCP4", "TCP4 192.0.2.1 192.0.2.2 1 443\r\n", GOOD, V4_SAYS),
	LINE("1: TCP6", "TCP6 2001:db8::1 ::ffff:192.0.2.2 0 65535\r\n", GOOD,
	     "2001:db8::1 0 to ::ffff:192.0.2.2 65535"),
	LINE("1: the longest TCP6",
	     "TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
	     "65535 65535\r\n",
	     GOOD,
	     "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 to "
	     "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535"),
	LINE("1: UNKNOWN", "UNKNOWN\r\n", GOOD, "local"),
	LINE("1: UNKNOWN with anything behind it", "UNKNOWN 192.0.2.1 \x01 what\r\n", GOOD,
	     "local"),
	LINE("1: UNKNOWN, 107 octets long", "UNKNOWN " FIFTY TEN TEN TEN TEN "x\r\n", GOOD,
	     "local"),
	LINE("1: 108 octets are too many", "UNKNOWN " FIFTY TEN TEN TEN TEN "xx\r\n", BAD,
	     "does not end with CR LF within 107 octets"),
	LINE("1: LF alone ends nothing", "UNKNOWN\n", BAD, "does not end with CR LF"),
	LINE("1: CR alone ends nothing", "UNKNOWN\rx\r\n", BAD, "does not end with CR LF"),
	LINE("1: another protocol", "UDP4 192.0.2.1 192.0.2.2 1 443\r\n", BAD,
	     "'UDP4' is no protocol"),
	LINE("1: small letters", "tcp4 192.0.2.1 192.0.2.2 1 443\r\n", BAD,
	     "'tcp4' is no protocol"),
	LINE("1: nothing", "\r\n", BAD, "'' is no protocol"),
	LINE("1: a longer word than any", "UNKNOWNS\r\n", BAD, "is no protocol"),
	LINE("1: the other family", "TCP4 2001:db8::1 192.0.2.2 1 443\r\n", BAD,
	     "'2001:db8::1' is no IPv4 address"),
	LINE("1: IPv4 as TCP6", "TCP6 192.0.2.1 2001:db8::1 1 443\r\n", BAD,
	     "'192.0.2.1' is no IPv6 address"),
	LINE("1: a zero in front of a number", "TCP4 192.0.2.01 192.0.2.2 1 443\r\n", BAD,
	     "'192.0.2.01' is no IPv4 address"),
	LINE("1: a number too large", "TCP4 192.0.2.256 192.0.2.2 1 443\r\n", BAD,
	     "no IPv4 address"),
	LINE("1: two spaces", "TCP4 192.0.2.1  192.0.2.2 1 443\r\n", BAD, "'' is no IPv4 address"),
	LINE("1: NUL behind an address", "TCP4 192.0.2.1\0x 192.0.2.2 1 443\r\n", BAD,
	     "no IPv4 address"),
	LINE("1: a port too large", "TCP4 192.0.2.1 192.0.2.2 65536 443\r\n", BAD,
	     "'65536' is no port"),
	LINE("1: a zero in front of a port", "TCP4 192.0.2.1 192.0.2.2 01 443\r\n", BAD,
	     "'01' is no port"),
	LINE("1: a sign before a port", "TCP4 192.0.2.1 192.0.2.2 +1 443\r\n", BAD,
	     "'+1' is no port"),
	LINE("1: no second port", "TCP4 192.0.2.1 192.0.2.2 1\r\n", BAD, "'' is no port"),
	LINE("1: an empty second port", "TCP4 192.0.2.1 192.0.2.2 1 \r\n", BAD, "'' is no port"),
	LINE("1: something behind it", "TCP4 192.0.2.1 192.0.2.2 1 443 \r\n", BAD,
	     "something follows"),
	LINE("1: not all there", "TCP4 192.0.2.1 192.0.2.2 1 443\r", PROXY_HEADER_MORE, NULL),

	/* no header */
	{ "HTTP is no header", NULL, RAW("GET / HTTP/1.1\r\n"), BAD,
	  "does not begin with a PROXY" },
	{ "TLS is none", NULL, RAW("\x16\x03\x01\x02\x00"), BAD, "does not begin with a PROXY" },
	{ "POST begins like one", NULL, RAW("POST /"), BAD, "does not begin with a PROXY" },
	{ "a tab behind PROXY", NULL, RAW("PROXY\tUNKNOWN\r\n"), BAD,
	  "does not begin with a PROXY" },
	{ "a signature that ends otherwise", NULL, RAW("\r\n\r\n\0\r\nQUIT\r\x21\x11\0\0"), BAD,
	  "does not begin with a PROXY" },
	{ "an empty line begins like one", NULL, RAW("\r\n\r\nGET"), BAD,
	  "does not begin with a PROXY" },

	/* version 2 */
	BLOCK("2: TCP over IPv4", "\x21\x11", V4_ENDS, GOOD, V4_SAYS),
	BLOCK("2: TCP over IPv6", "\x21\x21",
	      V6_A V6_B "\xff\xff"
	                "\x00\x00",
	      GOOD, "2001:db8::1 65535 to 2001:db8::2 0"),
	BLOCK("2: UDP is nobody's connection here", "\x21\x12", V4_ENDS, GOOD, "local"),
	BLOCK("2: UDP over IPv6", "\x21\x22", V6_A V6_B "\0\0\0\0", GOOD, "local"),
	BLOCK("2: Unix", "\x21\x31", ZEROS_108 ZEROS_108, GOOD, "local"),
	BLOCK("2: Unix datagrams", "\x21\x32", ZEROS_108 ZEROS_108, GOOD, "local"),
	BLOCK("2: TLVs behind Unix addresses", "\x21\x31", ZEROS_108 ZEROS_108 "\x01\0\x02h2", GOOD,
	      "local alpn=h2"),
	BLOCK("2: UNSPEC", "\x21\x00", "", GOOD, "local"),
	BLOCK("2: TLVs behind UNSPEC", "\x21\x00", "\x01\0\x02h2", GOOD, "local alpn=h2"),
	BLOCK("2: what UNSPEC has instead is skipped", "\x21\x00", "\x01\0\x02h2\xff\xff", GOOD,
	      "local"),
	BLOCK("2: UNSPEC with a protocol", "\x21\x01", "\xff", GOOD, "local"),
	BLOCK("2: a family with UNSPEC", "\x21\x10", "\xff", GOOD, "local"),
	BLOCK("2: LOCAL", "\x20\x00", "", GOOD, "local"),
	BLOCK("2: LOCAL with addresses, which do not count", "\x20\x11", V4_ENDS "\x01\0\x02h2",
	      GOOD, "local"),
	BLOCK("2: LOCAL without the addresses of its kind", "\x20\x11", "", GOOD, "local"),
	BLOCK("2: LOCAL, whose family does not count", "\x20\xff", "\xff", GOOD, "local"),
	BLOCK("2: version 1 in its place", "\x11\x11", V4_ENDS, BAD, "version and command 0x11"),
	BLOCK("2: version 3", "\x31\x11", V4_ENDS, BAD, "version and command 0x31"),
	BLOCK("2: another command", "\x22\x11", V4_ENDS, BAD, "command 0x22"),
	BLOCK("2: another family", "\x21\x41", V4_ENDS, BAD, "the kind of address 0x41"),
	BLOCK("2: another protocol", "\x21\x13", V4_ENDS, BAD, "the kind of address 0x13"),
	BLOCK("2: too short for IPv4", "\x21\x11", "\xc0\x00\x02\x01\xc0\x00\x02\x02\x00\x01\x01",
	      BAD, "its 11 octets are too few"),
	BLOCK("2: too short for IPv6", "\x21\x21", V4_ENDS, BAD, "its 12 octets are too few"),
	BLOCK("2: too short for Unix", "\x21\x31", ZEROS_108, BAD, "its 108 octets are too few"),
	{ "2: 4097 octets are too many", NULL, RAW(SIGNATURE "\x21\x11\x0f\xf1"), BAD,
	  "would be 4097 octets long; at most 4096" },
	{ "2: for LOCAL too", NULL, RAW(SIGNATURE "\x20\x00\xff\xff"), BAD,
	  "would be 65551 octets long" },
	{ "2: 4096 may come", NULL, RAW(SIGNATURE "\x21\x11\x0f\xf0" V4_ENDS), PROXY_HEADER_MORE,
	  NULL },
	{ "2: not all there", NULL, RAW(SIGNATURE "\x21\x11\x00\x0d" V4_ENDS), PROXY_HEADER_MORE,
	  NULL },
	{ "2: signature alone", NULL, RAW(SIGNATURE), PROXY_HEADER_MORE, NULL },

	/* TLVs */
	TLVS("TLV: ALPN", "\x01\0\x08http/1.1", GOOD, V4_SAYS " alpn=http/1.1"),
	TLVS("TLV: AUTHORITY",
	     "\x02\0\x0c"
	     "example.test",
	     GOOD, V4_SAYS " authority=example.test"),
	TLVS("TLV: AUTHORITY in UTF-8",
	     "\x02\0\x03"
	     "\xc3\xbc"
	     "x",
	     GOOD, V4_SAYS " authority=\xc3\xbcx"),
	TLVS("TLV: an empty text", "\x01\0\0", GOOD, V4_SAYS),
	TLVS("TLV: NOOP", "\x04\0\x02..", GOOD, V4_SAYS),
	TLVS("TLV: NOOP may be there twice", "\x04\0\0\x04\0\0", GOOD, V4_SAYS),
	TLVS("TLV: UNIQUE_ID, NETNS and others are skipped",
	     "\x05\0\x01u\x30\0\x01n\xea\0\x01\0\xff\0\0\x01\0\x01"
	     "a",
	     GOOD, V4_SAYS " alpn=a"),
	TLVS("TLV: those of TLS do not count outside it", "\x21\0\x07TLSv1.3", GOOD, V4_SAYS),
	TLVS("TLV: one reaches past the end", "\x01\0\x03h2", BAD, "TLV 0x01 reaches past the end"),
	TLVS("TLV: half a length", "\x01\0", BAD, "TLV 0x01 reaches past the end"),
	TLVS("TLV: a type alone", "\x04", BAD, "TLV 0x04 reaches past the end"),
	TLVS("TLV: twice",
	     "\x01\0\x01"
	     "a\x01\0\x01"
	     "a",
	     BAD, "TLV 0x01 is there twice"),
	TLVS("TLV: NUL in a name",
	     "\x02\0\x03"
	     "a\0b",
	     BAD, "TLV 0x02 holds a control character"),
	TLVS("TLV: a new line in a name",
	     "\x02\0\x03"
	     "a\nb",
	     BAD, "TLV 0x02 holds a control character"),
	TLVS("TLV: 255 octets of text", "\x02\0\xff" FIFTY FIFTY FIFTY FIFTY FIFTY "xxxxx", GOOD,
	     V4_SAYS " authority=" FIFTY FIFTY FIFTY FIFTY FIFTY "xxxxx"),
	TLVS("TLV: 256 octets", "\x02\x01\0" FIFTY FIFTY FIFTY FIFTY FIFTY "xxxxxx", BAD,
	     "TLV 0x02 is too long"),

	/* the checksum, computed elsewhere */
	TLVS("CRC32C: right", "\x03\0\x04\x0d\xb1\xa6\xc1", GOOD, V4_SAYS),
	TLVS("CRC32C: right, and something behind it", "\x03\0\x04\xa7\xd5\xa4\xfa\x01\0\x02h2",
	     GOOD, V4_SAYS " alpn=h2"),
	TLVS("CRC32C: wrong", "\x03\0\x04\x0d\xb1\xa6\xc0", BAD, "its checksum does not fit"),
	TLVS("CRC32C: twice", "\x03\0\x04\x0d\xb1\xa6\xc1\x03\0\0", BAD, "its checksum does not"),
	TLVS("CRC32C: three octets", "\x03\0\x03\x0d\xb1\xa6", BAD, "is no checksum"),
	TLVS("CRC32C: five octets", "\x03\0\x05\x0d\xb1\xa6\xc1\0", BAD, "is no checksum"),
	BLOCK("CRC32C: right behind UNSPEC", "\x21\x00", "\x03\0\x04\x3e\xc9\x89\x4e", GOOD,
	      "local"),
	BLOCK("CRC32C: wrong behind UNSPEC", "\x21\x00", "\x03\0\x04\x3e\xc9\x89\x4f", BAD,
	      "its checksum does not fit"),

	/* TLS */
	TLVS("SSL: a version", "\x20\0\x0f\x01\0\0\0\x01\x21\0\x07TLSv1.3", GOOD,
	     V4_SAYS " tls=TLSv1.3 has=tls"),
	TLVS("SSL: all of it",
	     "\x20\0\x25\x07\0\0\0\0\x21\0\x07TLSv1.2\x22\0\x06"
	     "client\x23\0\x0a"
	     "AES-CIPHER",
	     GOOD,
	     V4_SAYS
	     " tls=TLSv1.2 cn=client cipher=AES-CIPHER has=tls certificate=now it=verified"),
	TLVS("SSL: a certificate of an earlier connection", "\x20\0\x05\x05\0\0\0\0", GOOD,
	     V4_SAYS " has=tls certificate=earlier it=verified"),
	TLVS("SSL: a certificate that was not verified", "\x20\0\x05\x07\0\0\0\x14", GOOD,
	     V4_SAYS " has=tls certificate=now"),
	TLVS("SSL: nothing verified without a certificate", "\x20\0\x05\x01\0\0\0\0", GOOD,
	     V4_SAYS " has=tls"),
	TLVS("SSL: not over TLS", "\x20\0\x0f\x06\0\0\0\0\x21\0\x07TLSv1.3", GOOD, V4_SAYS),
	TLVS("SSL: others inside are skipped", "\x20\0\x0c\x01\0\0\0\x01\x24\0\x01s\x01\0\0", GOOD,
	     V4_SAYS " has=tls"),
	TLVS("SSL: none inside another", "\x20\0\x0d\x01\0\0\0\x01\x20\0\x05\x07\0\0\0\0", GOOD,
	     V4_SAYS " has=tls"),
	TLVS("SSL: too short", "\x20\0\x04\x01\0\0\0", BAD, "TLV 0x20 is too short"),
	TLVS("SSL: empty", "\x20\0\0", BAD, "TLV 0x20 is too short"),
	TLVS("SSL: twice", "\x20\0\x05\x01\0\0\0\x01\x20\0\x05\x01\0\0\0\x01", BAD,
	     "TLV 0x20 is there twice"),
	TLVS("SSL: one inside reaches past its end", "\x20\0\x0e\x01\0\0\0\x01\x21\0\x07TLSv1.3",
	     BAD, "TLV 0x21 reaches past the end"),
	TLVS("SSL: one inside is there twice",
	     "\x20\0\x0d\x01\0\0\0\x01\x21\0\x01"
	     "1\x21\0\x01"
	     "2",
	     BAD, "TLV 0x21 is there twice"),
	TLVS("SSL: a version too long",
	     "\x20\0\x18\x01\0\0\0\x01\x21\0\x10"
	     "TLSv1.3.........",
	     BAD, "TLV 0x21 is too long"),
	TLVS("SSL: a line in a common name",
	     "\x20\0\x0b\x07\0\0\0\0\x22\0\x03"
	     "a\rb",
	     BAD, "TLV 0x22 holds a control"),
};

enum { ROWS = sizeof rows / sizeof *rows, TAIL = 3 };

/* The octets of a row, and a tail; the caller frees them. */
static unsigned char *row_bytes(const struct row *row, size_t *n)
{
	const size_t fixed = row->start != NULL ? 16 : 0;
	unsigned char *bytes = malloc(fixed + row->n + TAIL);

	assert_non_null(bytes);
	if (row->start != NULL) {
		memcpy(bytes, SIGNATURE, 12);
		memcpy(bytes + 12, row->start, 2);
		bytes[14] = (unsigned char)(row->n >> 8);
		bytes[15] = (unsigned char)row->n;
	}
	memcpy(bytes + fixed, row->bytes, row->n);
	memcpy(bytes + fixed + row->n, "\x16\r\n", TAIL);
	*n = fixed + row->n;
	return bytes;
}

static void says_as_the_row(const struct row *row, enum proxy_header_status status,
                            const struct proxy_header *h, const struct failure *f)
{
	assert_int_equal(status, row->status);
	if (status == PROXY_HEADER_DONE)
		assert_string_equal(header_text(h), row->says);
	if (status == PROXY_HEADER_BAD && strstr(f->sentence, row->says) == NULL)
		fail_msg("'%s' lacks '%s'", f->sentence, row->says);
}

/* Whole, with a tail unless more is wanted: it stays. */
static size_t read_whole(const struct row *row, const unsigned char *bytes, size_t n)
{
	static struct proxy_reader r;
	struct proxy_header h;
	struct failure f = { "" };
	const bool wants_more = row->status == PROXY_HEADER_MORE;
	size_t used;

	proxy_reader_begin(&r);
	says_as_the_row(
	    row, proxy_reader_feed(&r, bytes, n + (wants_more ? 0 : TAIL), &used, &h, &f), &h, &f);
	if (row->status != PROXY_HEADER_BAD)
		assert_int_equal(used, n);
	else
		assert_true(used <= n);
	return used;
}

static void reads_a_header(void **state)
{
	static struct proxy_reader r;
	const struct row *row = *state;
	struct proxy_header h;
	struct failure f = { "" };
	enum proxy_header_status status = PROXY_HEADER_MORE;
	size_t n, taken = 0, used;
	unsigned char *bytes = row_bytes(row, &n);
	const size_t whole = read_whole(row, bytes, n);

	proxy_reader_begin(&r);
	for (size_t i = 0; i < n && status == PROXY_HEADER_MORE; i++) {
		assert_int_equal(proxy_reader_feed(&r, bytes, 0, &used, &h, &f), status);
		status = proxy_reader_feed(&r, bytes + i, 1, &used, &h, &f);
		assert_int_equal(used, 1);
		taken++;
	}
	says_as_the_row(row, status, &h, &f);
	assert_int_equal(taken, whole);
	if (status != PROXY_HEADER_MORE) { /* and that is all it takes */
		memset(&h, 0x55, sizeof h);
		assert_int_equal(proxy_reader_feed(&r, "x", 1, &used, &h, &f), status);
		assert_int_equal(used, 0);
		assert_int_equal(((unsigned char *)&h)[0], 0x55);
	}
	free(bytes);
}

/* ---- writing */

static void set_end(struct sockaddr_storage *a, const char *host, unsigned port)
{
	struct sockaddr_in *in = (struct sockaddr_in *)a;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)a;

	a->ss_family = AF_UNIX;
	if (strcmp(host, "unix") == 0)
		return;
	a->ss_family = strchr(host, ':') != NULL ? AF_INET6 : AF_INET;
	in->sin_port = htons((uint16_t)port); /* where IPv6 has it, too */
	assert_int_equal(
	    inet_pton(a->ss_family, host,
	              a->ss_family == AF_INET ? (void *)&in->sin_addr : (void *)&in6->sin6_addr),
	    1);
}

/* What is written for two ends: the line, and the kind of the block with what it says when read. */
static const struct written {
	const char *source, *destination;
	const char *line, *says;
} written[] = {
	{ "192.0.2.1", "192.0.2.2", "PROXY TCP4 192.0.2.1 192.0.2.2 1 443\r\n", V4_SAYS },
	{ "2001:db8::1", "2001:db8::2", "PROXY TCP6 2001:db8::1 2001:db8::2 1 443\r\n",
	  "2001:db8::1 1 to 2001:db8::2 443" },
	{ "::ffff:192.0.2.1", "::ffff:192.0.2.2", "PROXY TCP4 192.0.2.1 192.0.2.2 1 443\r\n",
	  V4_SAYS },
	{ "192.0.2.1", "::ffff:192.0.2.2", "PROXY TCP4 192.0.2.1 192.0.2.2 1 443\r\n", V4_SAYS },
	{ "192.0.2.1", "2001:db8::2", "PROXY TCP6 ::ffff:192.0.2.1 2001:db8::2 1 443\r\n",
	  "::ffff:192.0.2.1 1 to 2001:db8::2 443" },
	{ "2001:db8::1", "::ffff:192.0.2.2", "PROXY TCP6 2001:db8::1 ::ffff:192.0.2.2 1 443\r\n",
	  "2001:db8::1 1 to ::ffff:192.0.2.2 443" },
	{ "unix", "192.0.2.2", "PROXY UNKNOWN\r\n", "local" },
	{ "192.0.2.1", "unix", "PROXY UNKNOWN\r\n", "local" },
};

/* Reads `bytes`, which must be one header. */
static const char *read_back(const void *bytes, size_t n)
{
	static struct proxy_reader r;
	static struct proxy_header h;
	struct failure f = { "" };
	size_t used;

	proxy_reader_begin(&r);
	if (proxy_reader_feed(&r, bytes, n, &used, &h, &f) != PROXY_HEADER_DONE)
		fail_msg("%s", f.sentence);
	assert_int_equal(used, n);
	return header_text(&h);
}

static void writes_the_ends(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof written / sizeof *written; i++) {
		struct proxy_header h = { 0 };
		char buf[PROXY_HEADER_V1_MAX + 1];
		size_t n;

		set_end(&h.source, written[i].source, 1);
		set_end(&h.destination, written[i].destination, 443);
		n = proxy_header_write(&h, 1, buf, PROXY_HEADER_V1_MAX);
		buf[n] = '\0';
		assert_string_equal(buf, written[i].line);
		n = proxy_header_write(&h, 2, buf, sizeof buf);
		assert_string_equal(read_back(buf, n), written[i].says);
	}
}

/* All that can be said. */
static struct proxy_header full_header(void)
{
	struct proxy_header h = { .has_tls = true,
		                  .client_certificate = true,
		                  .verified = true,
		                  .alpn = "h2",
		                  .authority = "example.test",
		                  .tls_version = "TLSv1.3",
		                  .common_name = "client",
		                  .cipher = "TLS_AES_128_GCM_SHA256" };

	set_end(&h.source, "192.0.2.1", 1);
	set_end(&h.destination, "192.0.2.2", 443);
	return h;
}

static const char *write_and_read(const struct proxy_header *h)
{
	unsigned char buf[1200];

	return read_back(buf, proxy_header_write(h, 2, buf, sizeof buf));
}

static void writes_all_that_is_known(void **state)
{
	struct proxy_header h = full_header();

	(void)state;
	assert_string_equal(write_and_read(&h),
	                    V4_SAYS " alpn=h2 authority=example.test tls=TLSv1.3 cn=client "
	                            "cipher=TLS_AES_128_GCM_SHA256 has=tls certificate=now "
	                            "it=verified");
	h.in_earlier_connection = true;
	assert_non_null(strstr(write_and_read(&h), "certificate=earlier it=verified"));
	h.verified = false;
	assert_null(strstr(write_and_read(&h), "verified"));
	h.client_certificate = false;
	assert_null(strstr(write_and_read(&h), "certificate="));
	h.has_tls = false;
	assert_string_equal(write_and_read(&h), V4_SAYS " alpn=h2 authority=example.test");
	h.is_local = true;
	assert_string_equal(write_and_read(&h), "local");
}

static void the_octets_of_version_2(void **state)
{
	static const char expected[] = SIGNATURE "\x21\x11\x00\x2b" V4_ENDS "\x01\x00\x02h2"
						 "\x20\x00\x17\x07\x00\x00\x00\x00"
						 "\x21\x00\x07TLSv1.3"
						 "\x22\x00\x05"
						 "alice";
	struct proxy_header h = full_header();
	unsigned char buf[1200];

	(void)state;
	h.authority[0] = h.cipher[0] = '\0';
	(void)snprintf(h.common_name, sizeof h.common_name, "alice");
	assert_int_equal(proxy_header_write(&h, 2, buf, sizeof buf), sizeof expected - 1);
	assert_memory_equal(buf, expected, sizeof expected - 1);
	h.is_local = true;
	assert_int_equal(proxy_header_write(&h, 2, buf, sizeof buf), 16);
	assert_memory_equal(buf, SIGNATURE "\x20\x00\x00\x00", 16);
}

/* In a piece of memory of just that size, for the sanitizers. */
static void what_does_not_fit_is_not_written(void **state)
{
	const struct proxy_header h = full_header();

	(void)state;
	for (int version = 1; version <= 2; version++) {
		unsigned char all[1200];
		const size_t n = proxy_header_write(&h, version, all, sizeof all);

		assert_true(n > 30);
		for (size_t cap = 0; cap <= n; cap++) {
			unsigned char *buf = malloc(cap > 0 ? cap : 1);

			assert_non_null(buf);
			assert_int_equal(proxy_header_write(&h, version, buf, cap),
			                 cap < n ? 0 : n);
			free(buf);
		}
	}
}

static void the_longest_texts_fit(void **state)
{
	struct proxy_header h = full_header();
	unsigned char buf[1200];
	size_t n;

	(void)state;
	memset(h.alpn, 'a', sizeof h.alpn - 1);
	memset(h.authority, 'b', sizeof h.authority - 1);
	memset(h.common_name, 'c', sizeof h.common_name - 1);
	memset(h.cipher, 'd', sizeof h.cipher - 1);
	memset(h.tls_version, 'e', sizeof h.tls_version - 1);
	n = proxy_header_write(&h, 2, buf, sizeof buf);
	assert_int_equal(n, 16 + 12 + 3 + 255 + 3 + 255 + 8 + 3 + 15 + 3 + 255 + 3 + 63);
	assert_non_null(strstr(read_back(buf, n), " has=tls certificate=now it=verified"));
}

static void there_is_no_version_3(void **state)
{
	const struct proxy_header h = full_header();
	unsigned char buf[1200];

	(void)state;
	assert_int_equal(proxy_header_write(&h, 3, buf, sizeof buf), 0);
	assert_int_equal(proxy_header_write(&h, 0, buf, sizeof buf), 0);
}

int main(void)
{
	struct CMUnitTest tests[ROWS + 6] = {
		cmocka_unit_test(writes_the_ends),
		cmocka_unit_test(writes_all_that_is_known),
		cmocka_unit_test(the_octets_of_version_2),
		cmocka_unit_test(what_does_not_fit_is_not_written),
		cmocka_unit_test(the_longest_texts_fit),
		cmocka_unit_test(there_is_no_version_3),
	};

	for (size_t i = 0; i < ROWS; i++)
		tests[6 + i] = (struct CMUnitTest){ .name = rows[i].claim,
			                            .test_func = reads_a_header,
			                            .initial_state = (void *)&rows[i] };
	return run_cases(tests);
}
