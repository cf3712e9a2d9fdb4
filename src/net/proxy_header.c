/* proxy_header: see proxy_header.h.  It must not know sockets.  The reader takes octet by octet and
 * refuses at the first one that can belong to no header, so pieces cannot matter and nothing behind
 * the header is ever taken; it decodes once, when the last octet is there.  Texts that come are
 * taken whole or refused: a name that was cut short would be another name.
 */
#include "net/proxy_header.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "closure/cursor.h"

static const unsigned char v1_start[] = "PROXY ";
static const unsigned char v2_start[] = "\r\n\r\n\0\r\nQUIT\n";

enum {
	V1_START = sizeof v1_start - 1,
	V2_START = sizeof v2_start - 1,
	V2_FIXED = 16, /* up to the length */
	COMMAND_LOCAL = 0x20,
	COMMAND_PROXY = 0x21,
	TLV_CRC32C = 0x03,
	TLV_SSL = 0x20,
	CLIENT_SSL = 0x01,
	CLIENT_CERT_CONN = 0x02,
	CLIENT_CERT_SESS = 0x04
};

/* What the address block looks like.  A kind without a row has addresses that nobody knows. */
static const struct layout {
	uint8_t kind; /* family and protocol */
	uint8_t address_bytes;
	uint8_t port_bytes;
	bool is_ours; /* the addresses are taken */
} layouts[] = {
	{ 0x11, 4, 2, true },   { 0x12, 4, 2, false },   { 0x21, 16, 2, true },
	{ 0x22, 16, 2, false }, { 0x31, 108, 0, false }, { 0x32, 108, 0, false },
};

/* The TLVs that are texts. */
static const struct text {
	uint8_t type;
	bool is_inside_ssl;
	size_t offset, cap;
} texts[] = {
	{ 0x01, false, offsetof(struct proxy_header, alpn), PROXY_HEADER_TEXT },
	{ 0x02, false, offsetof(struct proxy_header, authority), PROXY_HEADER_TEXT },
	{ 0x21, true, offsetof(struct proxy_header, tls_version),
	  sizeof((struct proxy_header *)0)->tls_version },
	{ 0x22, true, offsetof(struct proxy_header, common_name), PROXY_HEADER_TEXT },
	{ 0x23, true, offsetof(struct proxy_header, cipher),
	  sizeof((struct proxy_header *)0)->cipher },
};

enum { LAYOUTS = sizeof layouts / sizeof *layouts, TEXTS = sizeof texts / sizeof *texts };

static const struct layout *find_layout(uint8_t kind)
{
	for (size_t i = 0; i < LAYOUTS; i++)
		if (layouts[i].kind == kind)
			return &layouts[i];
	return NULL;
}

static size_t layout_bytes(const struct layout *l)
{
	return l == NULL ? 0 : 2u * ((size_t)l->address_bytes + l->port_bytes);
}

/* CRC32C, of one octet more. */
static uint32_t checksum_add(uint32_t crc, uint8_t octet)
{
	crc ^= octet;
	for (int bit = 0; bit < 8; bit++)
		crc = crc >> 1 ^ (0x82f63b78u & (0u - (crc & 1)));
	return crc;
}

/* ---- version 1 */

/* What is left of the line up to a space, or all of it; NUL-terminated, false if it is too long. */
static bool take_word(struct lw_cursor *c, char *word, size_t cap)
{
	const uint8_t *space = memchr(c->at, ' ', c->left);
	struct lw_cursor w = lw_take_up_to(c, space != NULL ? (size_t)(space - c->at) : c->left);

	(void)lw_take_up_to(c, 1); /* the space */
	if (w.left >= cap || memchr(w.at, '\0', w.left) != NULL)
		return false;
	memcpy(word, w.at, w.left);
	word[w.left] = '\0';
	return true;
}

static void *address_in(struct sockaddr_storage *a)
{
	return a->ss_family == AF_INET ? (void *)&((struct sockaddr_in *)a)->sin_addr
	                               : (void *)&((struct sockaddr_in6 *)a)->sin6_addr;
}

static void set_port(struct sockaddr_storage *a, uint16_t port)
{
	if (a->ss_family == AF_INET)
		((struct sockaddr_in *)a)->sin_port = htons(port);
	else
		((struct sockaddr_in6 *)a)->sin6_port = htons(port);
}

static bool bad_line(struct failure *f, const char *what, const char *word)
{
	failure_set(f, "the PROXY header of version 1 is wrong: '%s' is %s", word, what);
	return false;
}

static bool take_line_address(struct lw_cursor *c, int family, struct sockaddr_storage *a,
                              struct failure *f)
{
	char word[INET6_ADDRSTRLEN] = "";

	a->ss_family = (sa_family_t)family;
	if (take_word(c, word, sizeof word) && inet_pton(family, word, address_in(a)) == 1)
		return true;
	return bad_line(f, family == AF_INET ? "no IPv4 address" : "no IPv6 address", word);
}

static bool take_line_port(struct lw_cursor *c, struct sockaddr_storage *a, struct failure *f)
{
	char word[6] = "";
	unsigned long port;

	if (!take_word(c, word, sizeof word) || word[0] == '\0' ||
	    strspn(word, "0123456789") != strlen(word) || (word[0] == '0' && word[1] != '\0'))
		return bad_line(f, "no port", word);
	port = strtoul(word, NULL, 10);
	if (port > 65535)
		return bad_line(f, "no port", word);
	set_port(a, (uint16_t)port);
	return true;
}

/* Reads the line between "PROXY " and CR LF. */
static bool read_line(const struct proxy_reader *r, struct proxy_header *h, struct failure *f)
{
	struct lw_cursor c = lw_cursor_over(r->bytes + V1_START, r->n - V1_START - 2);
	char kind[8] = "";
	int family;

	if (!take_word(&c, kind, sizeof kind))
		return bad_line(f, "no protocol of its", kind);
	if (strcmp(kind, "UNKNOWN") == 0) { /* and nothing behind it counts */
		h->is_local = true;
		return true;
	}
	if (strcmp(kind, "TCP4") != 0 && strcmp(kind, "TCP6") != 0)
		return bad_line(f, "no protocol of its", kind);
	family = kind[3] == '4' ? AF_INET : AF_INET6;
	if (!take_line_address(&c, family, &h->source, f) ||
	    !take_line_address(&c, family, &h->destination, f) ||
	    !take_line_port(&c, &h->source, f))
		return false;
	if (memchr(c.at, ' ', c.left) != NULL) {
		failure_set(f, "the PROXY header of version 1 is wrong: something follows its "
		               "second port");
		return false;
	}
	return take_line_port(&c, &h->destination, f);
}

/* ---- version 2 */

static bool bad_tlv(struct failure *f, unsigned type, const char *what)
{
	failure_set(f, "the PROXY header of version 2 is wrong: its TLV 0x%02x %s", type, what);
	return false;
}

/* What a walk over TLVs needs. */
struct walk {
	const struct proxy_reader *reader;
	struct proxy_header *header;
	struct failure *f;
	bool is_inside_ssl;
	bool is_corrupt; /* the checksum says so */
	uint32_t seen;   /* a bit a row of texts; above them CRC32C and SSL */
};

static bool take_text(const struct walk *w, const struct text *t, const struct lw_cursor *value)
{
	char *out = (char *)w->header + t->offset;

	if (value->left >= t->cap)
		return bad_tlv(w->f, t->type, "is too long");
	for (size_t i = 0; i < value->left; i++)
		if (value->at[i] < 0x20 || value->at[i] == 0x7f)
			return bad_tlv(w->f, t->type, "holds a control character");
	memcpy(out, value->at, value->left);
	out[value->left] = '\0';
	return true;
}

/* The checksum of all octets, its own four taken as zero. */
static bool check_sum(struct walk *w, struct lw_cursor value)
{
	const struct proxy_reader *r = w->reader;
	size_t at = (size_t)(value.at - r->bytes);
	uint64_t said;
	uint32_t crc = UINT32_MAX;

	if (value.left != 4 || !lw_take_uint(&value, 4, &said))
		return bad_tlv(w->f, TLV_CRC32C, "is no checksum of four octets");
	for (size_t i = 0; i < r->n; i++)
		crc = checksum_add(crc, i >= at && i < at + 4 ? 0 : r->bytes[i]);
	if ((crc ^ UINT32_MAX) == said)
		return true;
	w->is_corrupt = true;
	failure_set(w->f, "the PROXY header of version 2 is wrong: its checksum does not fit");
	return false;
}

static bool walk_tlvs(struct walk *w, struct lw_cursor *c);

static bool take_ssl(const struct walk *w, struct lw_cursor value)
{
	struct walk inside = *w;
	struct proxy_header *h = w->header;
	uint8_t client;
	uint64_t verify;

	if (!lw_take_u8(&value, &client) || !lw_take_uint(&value, 4, &verify))
		return bad_tlv(w->f, TLV_SSL, "is too short");
	if ((client & CLIENT_SSL) == 0)
		return true;
	h->has_tls = true;
	h->client_certificate = (client & (CLIENT_CERT_CONN | CLIENT_CERT_SESS)) != 0;
	h->in_earlier_connection = h->client_certificate && (client & CLIENT_CERT_CONN) == 0;
	h->verified = h->client_certificate && verify == 0;
	inside.is_inside_ssl = true;
	return walk_tlvs(&inside, &value);
}

/* The row of a TLV that is a text: an index, TEXTS if there is none. */
static unsigned find_text(unsigned type, bool is_inside_ssl)
{
	unsigned i = 0;

	while (i < TEXTS && (texts[i].type != type || texts[i].is_inside_ssl != is_inside_ssl))
		i++;
	return i;
}

static bool take_tlv(struct walk *w, uint8_t type, const struct lw_cursor *value)
{
	unsigned row = find_text(type, w->is_inside_ssl);

	if (row == TEXTS && !w->is_inside_ssl && type == TLV_CRC32C)
		row = TEXTS + 1;
	if (row == TEXTS && !w->is_inside_ssl && type == TLV_SSL)
		row = TEXTS + 2;
	if (row == TEXTS)
		return true; /* not for us */
	if ((w->seen >> row & 1) != 0)
		return bad_tlv(w->f, type, "is there twice");
	w->seen |= UINT32_C(1) << row;
	if (row < TEXTS)
		return take_text(w, &texts[row], value);
	return type == TLV_SSL ? take_ssl(w, *value) : check_sum(w, *value);
}

static bool walk_tlvs(struct walk *w, struct lw_cursor *c)
{
	while (c->left > 0) {
		struct lw_cursor value;
		uint16_t length;
		uint8_t type;

		(void)lw_take_u8(c, &type);
		if (!lw_take_u16(c, &length) || !lw_take_window(c, length, &value))
			return bad_tlv(w->f, type, "reaches past the end");
		if (!take_tlv(w, type, &value))
			return false;
	}
	return true;
}

static void take_addresses(struct lw_cursor *c, const struct layout *l, struct proxy_header *h)
{
	struct sockaddr_storage *ends[] = { &h->source, &h->destination };

	for (size_t i = 0; i < 2; i++) {
		struct lw_cursor window = lw_take_up_to(c, l->address_bytes);

		ends[i]->ss_family = l->address_bytes == 4 ? AF_INET : AF_INET6;
		memcpy(address_in(ends[i]), window.at, window.left);
	}
	for (size_t i = 0; i < 2; i++) {
		uint16_t port = 0;

		(void)lw_take_u16(c, &port);
		set_port(ends[i], port);
	}
}

/* Reads what stands behind the signature; its first four octets are known to be right. */
static bool read_block(const struct proxy_reader *r, struct proxy_header *h, struct failure *f)
{
	struct lw_cursor c = lw_cursor_over(r->bytes + V2_FIXED, r->n - V2_FIXED);
	const uint8_t kind = r->bytes[V2_START + 1];
	const struct layout *l = find_layout(kind);
	const bool is_command_local = r->bytes[V2_START] == COMMAND_LOCAL;
	struct walk w = { .reader = r, .header = h, .f = f };
	struct failure unheard;

	h->is_local = is_command_local || l == NULL || !l->is_ours;
	if (is_command_local || (l == NULL && kind != 0))
		return true;
	if (l == NULL) { /* UNSPEC: TLVs, or addresses of a kind that has no number */
		w.f = &unheard;
		if (walk_tlvs(&w, &c))
			return true;
		memset(h, 0, sizeof *h);
		h->is_local = true;
		*f = w.is_corrupt ? unheard : *f;
		return !w.is_corrupt;
	}
	if (l->is_ours)
		take_addresses(&c, l, h);
	else
		(void)lw_take_up_to(&c, layout_bytes(l));
	return walk_tlvs(&w, &c);
}

/* ---- octet by octet */

static enum proxy_header_status refuse_block(struct failure *f, const char *what, unsigned value)
{
	failure_set(f, "the PROXY header of version 2 is wrong: %s 0x%02x is not known", what,
	            value);
	return PROXY_HEADER_BAD;
}

static size_t block_bytes(const struct proxy_reader *r)
{
	struct lw_cursor c = lw_cursor_over(r->bytes + V2_FIXED - 2, 2);
	uint16_t length = 0;

	(void)lw_take_u16(&c, &length);
	return length;
}

static enum proxy_header_status judge_block(const struct proxy_reader *r, struct proxy_header *h,
                                            struct failure *f)
{
	const unsigned command = r->bytes[V2_START], kind = r->bytes[V2_START + 1];
	size_t length;

	if (r->n == V2_START + 1 && command >> 4 != 2)
		return refuse_block(f, "version and command", command);
	if (r->n == V2_START + 1 && command != COMMAND_LOCAL && command != COMMAND_PROXY)
		return refuse_block(f, "the command", command);
	if (r->n == V2_START + 2 && command == COMMAND_PROXY && (kind >> 4 > 3 || (kind & 15) > 2))
		return refuse_block(f, "the kind of address", kind);
	if (r->n < V2_FIXED)
		return PROXY_HEADER_MORE;
	length = block_bytes(r);
	if (length > PROXY_HEADER_V2_MAX - V2_FIXED) {
		failure_set(f, "the PROXY header would be %zu octets long; at most %d are taken",
		            length + V2_FIXED, PROXY_HEADER_V2_MAX);
		return PROXY_HEADER_BAD;
	}
	if (command == COMMAND_PROXY && length < layout_bytes(find_layout((uint8_t)kind))) {
		failure_set(f,
		            "the PROXY header of version 2 is wrong: its %zu octets are too few "
		            "for its addresses",
		            length);
		return PROXY_HEADER_BAD;
	}
	if (r->n < V2_FIXED + length)
		return PROXY_HEADER_MORE;
	return read_block(r, h, f) ? PROXY_HEADER_DONE : PROXY_HEADER_BAD;
}

static enum proxy_header_status judge_line(const struct proxy_reader *r, struct proxy_header *h,
                                           struct failure *f)
{
	const bool is_lf = r->bytes[r->n - 1] == '\n', behind_cr = r->bytes[r->n - 2] == '\r';

	if (is_lf && behind_cr)
		return read_line(r, h, f) ? PROXY_HEADER_DONE : PROXY_HEADER_BAD;
	if (!is_lf && !behind_cr && r->n < PROXY_HEADER_V1_MAX)
		return PROXY_HEADER_MORE;
	failure_set(f,
	            "the PROXY header of version 1 is wrong: its line does not end with CR LF "
	            "within %d octets",
	            PROXY_HEADER_V1_MAX);
	return PROXY_HEADER_BAD;
}

/* What the last octet made of it. */
static enum proxy_header_status judge(const struct proxy_reader *r, struct proxy_header *h,
                                      struct failure *f)
{
	const bool is_line = r->bytes[0] == v1_start[0];
	const unsigned char *start = is_line ? v1_start : v2_start;
	const size_t start_bytes = is_line ? V1_START : V2_START;

	if (r->n > start_bytes)
		return is_line ? judge_line(r, h, f) : judge_block(r, h, f);
	if (r->bytes[r->n - 1] == start[r->n - 1])
		return PROXY_HEADER_MORE;
	failure_set(f, "the connection does not begin with a PROXY header; let the proxy in front "
	               "send one, or expect none from it");
	return PROXY_HEADER_BAD;
}

void proxy_reader_begin(struct proxy_reader *r)
{
	r->n = 0;
	r->status = PROXY_HEADER_MORE;
}

enum proxy_header_status proxy_reader_feed(struct proxy_reader *r, const void *bytes, size_t n,
                                           size_t *used, struct proxy_header *header,
                                           struct failure *f)
{
	struct lw_cursor c = lw_cursor_over(bytes, n);

	if (r->status == PROXY_HEADER_MORE)
		memset(header, 0, sizeof *header);
	while (r->status == PROXY_HEADER_MORE && lw_take_u8(&c, &r->bytes[r->n])) {
		r->n++;
		r->status = judge(r, header, f);
	}
	*used = n - c.left;
	return r->status;
}

/* ---- writing */

/* Where the header is written; what does not fit is counted all the same. */
struct out {
	unsigned char *bytes;
	size_t n, cap;
};

static void put(struct out *o, const void *bytes, size_t n)
{
	if (o->n <= o->cap && n <= o->cap - o->n)
		memcpy(o->bytes + o->n, bytes, n);
	o->n += n;
}

static void put_u8(struct out *o, unsigned value)
{
	const unsigned char octet = (unsigned char)value;

	put(o, &octet, 1);
}

static void put_u16(struct out *o, size_t value)
{
	put_u8(o, (unsigned)(value >> 8 & 0xff));
	put_u8(o, (unsigned)(value & 0xff));
}

static void put_u16_at(struct out *o, size_t at, size_t value)
{
	struct out there = { o->bytes, at, o->cap };

	put_u16(&there, value);
}

/* An IP address as four octets if it is one of IPv4, else as sixteen. */
struct plain {
	unsigned char octets[16];
	size_t n;      /* 4, 16; 0: no IP address */
	uint16_t port; /* in the host's order */
};

static const unsigned char mapped[12] = { [10] = 0xff, [11] = 0xff };

static struct plain plain_of(const struct sockaddr_storage *a)
{
	const struct sockaddr_in *in = (const struct sockaddr_in *)a;
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)a;
	struct plain p = { .n = 0 };

	if (a->ss_family == AF_INET) {
		memcpy(p.octets, &in->sin_addr, 4);
		p.n = 4;
		p.port = ntohs(in->sin_port);
	} else if (a->ss_family == AF_INET6) {
		memcpy(p.octets, &in6->sin6_addr, 16);
		p.n = 16;
		p.port = ntohs(in6->sin6_port);
	}
	if (p.n == 16 && memcmp(p.octets, mapped, sizeof mapped) == 0) {
		memmove(p.octets, p.octets + 12, 4);
		p.n = 4;
	}
	return p;
}

static void widen(struct plain *p)
{
	memmove(p->octets + 12, p->octets, 4);
	memcpy(p->octets, mapped, sizeof mapped);
	p->n = 16;
}

/* Both ends in one family; false: their addresses are not to be told. */
static bool plain_ends(const struct proxy_header *h, struct plain ends[2])
{
	ends[0] = plain_of(&h->source);
	ends[1] = plain_of(&h->destination);
	if (h->is_local || ends[0].n == 0 || ends[1].n == 0)
		return false;
	for (size_t i = 0; i < 2; i++)
		if (ends[i].n < ends[1 - i].n)
			widen(&ends[i]);
	return true;
}

static void write_line(const struct proxy_header *h, struct out *o)
{
	char line[2 * INET6_ADDRSTRLEN + 32] = "PROXY UNKNOWN\r\n";
	char source[INET6_ADDRSTRLEN], destination[INET6_ADDRSTRLEN];
	struct plain ends[2];
	int family;

	if (plain_ends(h, ends)) {
		family = ends[0].n == 4 ? AF_INET : AF_INET6;
		(void)inet_ntop(family, ends[0].octets, source, sizeof source);
		(void)inet_ntop(family, ends[1].octets, destination, sizeof destination);
		(void)snprintf(line, sizeof line, "PROXY TCP%c %s %s %u %u\r\n",
		               family == AF_INET ? '4' : '6', source, destination,
		               (unsigned)ends[0].port, (unsigned)ends[1].port);
	}
	put(o, line, strlen(line));
}

static void write_texts(const struct proxy_header *h, bool inside_ssl, struct out *o)
{
	for (size_t i = 0; i < TEXTS; i++) {
		const char *text = (const char *)h + texts[i].offset;
		const size_t n = strnlen(text, texts[i].cap);

		if (texts[i].is_inside_ssl != inside_ssl || n == 0)
			continue;
		put_u8(o, texts[i].type);
		put_u16(o, n);
		put(o, text, n);
	}
}

static void write_ssl(const struct proxy_header *h, struct out *o)
{
	unsigned client = CLIENT_SSL;
	size_t length_at;

	if (h->client_certificate)
		client |= CLIENT_CERT_SESS;
	if (h->client_certificate && !h->in_earlier_connection)
		client |= CLIENT_CERT_CONN;
	put_u8(o, TLV_SSL);
	length_at = o->n;
	put_u16(o, 0);
	put_u8(o, client);
	put_u16(o, 0);
	put_u16(o, h->client_certificate && h->verified ? 0 : 1);
	write_texts(h, true, o);
	put_u16_at(o, length_at, o->n - length_at - 2);
}

static void write_block(const struct proxy_header *h, struct out *o)
{
	struct plain ends[2];
	const bool has_ends = plain_ends(h, ends);

	put(o, v2_start, V2_START);
	put_u8(o, has_ends ? COMMAND_PROXY : COMMAND_LOCAL);
	put_u8(o, !has_ends ? 0x00 : ends[0].n == 4 ? 0x11 : 0x21);
	put_u16(o, 0);
	if (!has_ends)
		return;
	put(o, ends[0].octets, ends[0].n);
	put(o, ends[1].octets, ends[1].n);
	put_u16(o, ends[0].port);
	put_u16(o, ends[1].port);
	write_texts(h, false, o);
	if (h->has_tls)
		write_ssl(h, o);
	put_u16_at(o, V2_FIXED - 2, o->n - V2_FIXED);
}

size_t proxy_header_write(const struct proxy_header *header, int version, void *buf, size_t cap)
{
	struct out o = { buf, 0, cap };

	if (version == 1)
		write_line(header, &o);
	else if (version == 2)
		write_block(header, &o);
	return o.n <= cap ? o.n : 0;
}
