/* starttls: see starttls.h.  It must not know sockets or TLS.  A row is a list of steps: what is
 * sent, in what units the reply comes, and which replies mean what.  Octets are taken one by one,
 * so pieces cannot matter; a reply longer than the line buffer, or a dialogue longer than the
 * total, is refused.  Invariant: once the status is not TALKING, only an octet behind the go-ahead
 * changes it.
 */
#include "net/starttls.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

enum unit {
	UNIT_LINE,  /* up to LF */
	UNIT_TAG,   /* XML: from '<' to '>' */
	UNIT_OCTET, /* one octet */
	UNIT_LDAP   /* one LDAP ExtendedResponse */
};

enum meaning {
	END_OF_LIST = 0,
	MORE,   /* this reply goes on, or does not matter */
	OPENS,  /* first line of several: any line until the step's other replies belongs to it */
	OFFERS, /* the peer lists STARTTLS; the reply goes on */
	OFFERS_END, /* it lists STARTTLS, and the reply is over */
	NEXT,       /* what we waited for */
	NEXT_EMPTY, /* the same if the tag closes itself, else the reply goes on */
	REFUSES     /* no */
};

struct answer {
	const char *prefix; /* compared without regard to case */
	enum meaning meaning;
};

struct step {
	const char *send;  /* what is sent before the reply; "%h" stands for the host */
	size_t send_bytes; /* for what is not text; 0: its length as a string */
	enum unit unit;
	bool needs_offer; /* NEXT counts only if STARTTLS was offered */
	enum meaning otherwise;
	struct answer answers[7];
};

struct starttls_row {
	const char *name, *profile, *port;
	struct step steps[4];
	unsigned step_count;
};

#define XMPP_TLS "xmlns='urn:ietf:params:xml:ns:xmpp-tls'"

static const char ldap_request[] = "\x30\x1d\x02\x01\x01\x77\x18\x80\x16"
				   "1.3.6.1.4.1.1466.20037";
static const char postgres_request[] = "\x00\x00\x00\x08\x04\xd2\x16\x2f";

static const struct starttls_row rows[] = {
	{ "smtp",
	  "smtp",
	  "25",
	  { { NULL, 0, UNIT_LINE, false, REFUSES, { { "220-", MORE }, { "220", NEXT } } },
	    { "EHLO [127.0.0.1]\r\n",
	      0,
	      UNIT_LINE,
	      true,
	      REFUSES,
	      { { "250-STARTTLS", OFFERS },
	        { "250 STARTTLS", OFFERS_END },
	        { "250-", MORE },
	        { "250", NEXT } } },
	    { "STARTTLS\r\n", 0, UNIT_LINE, false, REFUSES, { { "220", NEXT } } } },
	  3 },
	{ "imap",
	  "imap",
	  "143",
	  { { NULL, 0, UNIT_LINE, false, REFUSES, { { "* OK", NEXT } } },
	    { "a1 STARTTLS\r\n",
	      0,
	      UNIT_LINE,
	      false,
	      REFUSES,
	      { { "* BYE", REFUSES }, { "* ", MORE }, { "a1 OK", NEXT } } } },
	  2 },
	{ "pop3",
	  "pop3",
	  "110",
	  { { NULL, 0, UNIT_LINE, false, REFUSES, { { "+OK", NEXT } } },
	    { "STLS\r\n", 0, UNIT_LINE, false, REFUSES, { { "+OK", NEXT } } } },
	  2 },
	{ "ldap",
	  "ldap",
	  "389",
	  { { ldap_request, sizeof ldap_request - 1, UNIT_LDAP, false, REFUSES, { { 0 } } } },
	  1 },
	{ "ftp",
	  "ftp-control",
	  "21",
	  { { NULL,
	      0,
	      UNIT_LINE,
	      false,
	      REFUSES,
	      { { "120", MORE }, { "220-", OPENS }, { "220 ", NEXT } } },
	    { "AUTH TLS\r\n",
	      0,
	      UNIT_LINE,
	      false,
	      REFUSES,
	      { { "234-", OPENS }, { "234", NEXT } } } },
	  2 },
	{ "xmpp",
	  "xmpp",
	  "5222",
	  { { "<?xml version='1.0'?><stream:stream to='%h' version='1.0' xmlns='jabber:client' "
	      "xmlns:stream='http://etherx.jabber.org/streams'>",
	      0,
	      UNIT_TAG,
	      true,
	      MORE,
	      { { "<stream:error", REFUSES },
	        { "</stream:stream", REFUSES },
	        { "<starttls", OFFERS },
	        { "<stream:features/>", NEXT },
	        { "</stream:features", NEXT } } },
	    { "<starttls " XMPP_TLS "/>",
	      0,
	      UNIT_TAG,
	      false,
	      REFUSES,
	      { { "<proceed", NEXT_EMPTY }, { "</proceed", NEXT } } } },
	  2 },
	{ "postgres",
	  "postgresql",
	  "5432",
	  { { postgres_request,
	      sizeof postgres_request - 1,
	      UNIT_OCTET,
	      false,
	      REFUSES,
	      { { "S", NEXT } } } },
	  1 },
};

enum { ROWS = sizeof rows / sizeof *rows };

const struct starttls_row *starttls_find(const char *name)
{
	for (unsigned i = 0; i < ROWS; i++)
		if (strcmp(rows[i].name, name) == 0)
			return &rows[i];
	return NULL;
}

const char *starttls_name(unsigned index)
{
	return index < ROWS ? rows[index].name : NULL;
}

const char *starttls_row_name(const struct starttls_row *row)
{
	return row->name;
}

const char *starttls_port(const struct starttls_row *row)
{
	return row->port;
}

const char *starttls_profile(const struct starttls_row *row)
{
	return row->profile;
}

static const struct step *current(const struct starttls *s)
{
	return &s->row->steps[s->step];
}

static void queue(struct starttls *s, const char *bytes, size_t n)
{
	size_t room = sizeof s->output - s->output_bytes;

	if (n > room)
		n = room;
	memcpy(s->output + s->output_bytes, bytes, n);
	s->output_bytes += n;
}

/* Queues what the step says.  A whole dialogue fits into output[], a host of 255 octets included.
 */
static void queue_step(struct starttls *s)
{
	const struct step *step = current(s);
	const char *mark = NULL;

	if (step->send == NULL)
		return;
	if (step->send_bytes == 0)
		mark = strstr(step->send, "%h");
	if (mark == NULL) {
		queue(s, step->send, step->send_bytes > 0 ? step->send_bytes : strlen(step->send));
		return;
	}
	queue(s, step->send, (size_t)(mark - step->send));
	queue(s, s->host, strlen(s->host));
	queue(s, mark + 2, strlen(mark + 2));
}

void starttls_begin(struct starttls *s, const struct starttls_row *row, const char *host)
{
	memset(s, 0, sizeof *s);
	s->row = row;
	s->host = host;
	queue_step(s);
}

const char *starttls_output(const struct starttls *s, size_t *n)
{
	*n = s->status != STARTTLS_REFUSED ? s->output_bytes : 0;
	return s->output;
}

void starttls_sent(struct starttls *s, size_t n)
{
	if (n > s->output_bytes)
		n = s->output_bytes;
	memmove(s->output, s->output + n, s->output_bytes - n);
	s->output_bytes -= n;
}

static void refuse(struct starttls *s, const char *why)
{
	s->status = STARTTLS_REFUSED;
	s->refusal = why;
}

static void go_on(struct starttls *s)
{
	if (current(s)->needs_offer && !s->offered) {
		refuse(s, "it does not offer STARTTLS");
		return;
	}
	s->continued = false;
	s->state = 0;
	s->step++;
	if (s->step == s->row->step_count)
		s->status = STARTTLS_DONE;
	else
		queue_step(s);
}

static enum meaning look_up(const struct starttls *s)
{
	const struct step *step = current(s);
	size_t most = sizeof step->answers / sizeof *step->answers;

	for (size_t i = 0; i < most && step->answers[i].meaning != END_OF_LIST; i++) {
		const struct answer *a = &step->answers[i];

		if (strncasecmp(s->line, a->prefix, strlen(a->prefix)) == 0)
			return a->meaning;
	}
	return s->continued ? MORE : step->otherwise;
}

static void judge_reply(struct starttls *s)
{
	enum meaning meaning = look_up(s);
	bool closes_itself = s->line_bytes >= 2 && s->line[s->line_bytes - 2] == '/';

	switch (meaning) {
	case OFFERS:
		s->offered = true;
		break;
	case OPENS:
		s->continued = true;
		break;
	case OFFERS_END:
		s->offered = true;
		go_on(s);
		break;
	case NEXT:
		go_on(s);
		break;
	case NEXT_EMPTY:
		if (closes_itself)
			go_on(s);
		else
			s->continued = true;
		break;
	case REFUSES:
		refuse(s, NULL);
		break;
	case MORE:
	case END_OF_LIST:
		break;
	}
}

static void take_text(struct starttls *s, unsigned char octet)
{
	enum unit unit = current(s)->unit;
	bool ends = unit == UNIT_OCTET || octet == (unit == UNIT_LINE ? '\n' : '>');

	if (unit == UNIT_TAG && s->line_bytes == 0 && octet != '<')
		return;
	if (s->line_bytes == sizeof s->line - 1) {
		refuse(s, "its reply has a line without end");
		return;
	}
	s->line[s->line_bytes++] = (char)octet;
	s->line[s->line_bytes] = '\0';
	if (!ends)
		return;
	judge_reply(s);
	if (s->status == STARTTLS_TALKING)
		s->line_bytes = 0;
}

/*
 * RFC 4511: SEQUENCE { INTEGER 1, [APPLICATION 24] { ENUMERATED code, ... } }, every length in any
 * of its forms of up to four octets.  Each row: the octet that has to come, or a length, or a
 * value.
 */
static const struct {
	enum { LDAP_OCTET, LDAP_OUTER, LDAP_LENGTH, LDAP_CODE } kind;
	unsigned char octet;
} ldap_parts[] = {
	{ LDAP_OCTET, 0x30 }, { LDAP_OUTER, 0 },    { LDAP_OCTET, 0x02 }, { LDAP_OCTET, 0x01 },
	{ LDAP_OCTET, 0x01 }, { LDAP_OCTET, 0x78 }, { LDAP_LENGTH, 0 },   { LDAP_OCTET, 0x0a },
	{ LDAP_OCTET, 0x01 }, { LDAP_CODE, 0 },
};

/* One octet of a length; true when the length is complete.  line[] gathers it. */
static bool take_length(struct starttls *s, unsigned char octet, size_t *length)
{
	s->line[s->line_bytes++] = (char)octet;
	if (s->line_bytes == 1 && octet < 0x80) {
		*length = octet;
		return true;
	}
	if (octet > 0x84 && s->line_bytes == 1) {
		refuse(s, "its reply is no LDAP message");
		return false;
	}
	if (s->line_bytes <= (size_t)((unsigned char)s->line[0] & 0x7f))
		return false;
	*length = 0;
	for (size_t i = 1; i < s->line_bytes; i++)
		*length = *length << 8 | (unsigned char)s->line[i];
	return true;
}

static void take_ldap_end(struct starttls *s)
{
	if (s->line[0] == 0) {
		go_on(s);
		return;
	}
	(void)snprintf(s->line, sizeof s->line, "result code %u", (unsigned char)s->line[0]);
	refuse(s, NULL);
}

static void take_ldap(struct starttls *s, unsigned char octet)
{
	size_t length = 0;
	bool outer = s->state == 1;

	if (s->state > 1 && s->skip_bytes-- == 0) {
		refuse(s, "its reply is no LDAP message");
		return;
	}
	if (s->state == sizeof ldap_parts / sizeof *ldap_parts) {
		if (s->skip_bytes == 0)
			take_ldap_end(s);
		return;
	}
	switch (ldap_parts[s->state].kind) {
	case LDAP_OCTET:
		if (octet != ldap_parts[s->state].octet) {
			refuse(s, "its reply is no answer to the StartTLS request");
			return;
		}
		break;
	case LDAP_OUTER:
	case LDAP_LENGTH:
		if (!take_length(s, octet, &length))
			return;
		s->line_bytes = 0;
		if (outer)
			s->skip_bytes = length;
		break;
	case LDAP_CODE:
		s->line[0] = (char)octet;
		if (s->skip_bytes == 0)
			take_ldap_end(s);
		break;
	}
	s->state++;
}

enum starttls_status starttls_feed(struct starttls *s, const void *bytes, size_t n)
{
	const unsigned char *octets = bytes;

	for (size_t i = 0; i < n && s->status != STARTTLS_REFUSED; i++) {
		if (s->status == STARTTLS_DONE)
			refuse(s,
			       "it sent octets in the clear behind its go-ahead, which someone may "
			       "have put there");
		else if (++s->total_bytes > STARTTLS_TOTAL_BYTES)
			refuse(s, "it talks without end");
		else if (current(s)->unit == UNIT_LDAP)
			take_ldap(s, octets[i]);
		else
			take_text(s, octets[i]);
	}
	return s->status;
}

void starttls_ended(struct starttls *s)
{
	if (s->status == STARTTLS_TALKING)
		refuse(s, "it ended the connection before its go-ahead");
}

void starttls_explain(const struct starttls *s, const char *peer, struct failure *f)
{
	int words = (int)strcspn(s->line, "\r\n");

	if (s->refusal != NULL)
		failure_set(f, "%s does not start TLS as %s: %s; check the port and --starttls",
		            peer, s->row->name, s->refusal);
	else
		failure_set(f,
		            "%s does not start TLS as %s: it answered '%.*s'; check the port "
		            "and --starttls, or whether the server has TLS turned on",
		            peer, s->row->name, words > 200 ? 200 : words, s->line);
}
