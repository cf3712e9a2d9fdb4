/* starttls_server_test: every row on canned dialogues.  Each case is played three ways: a piece at
 * a time, an octet at a time, and everything at once; all three must say and conclude the same.
 */
#include "tests/unit.h"

#include <stdio.h>
#include <string.h>

#include "net/starttls_server.h"

#define GO   STARTTLS_DONE
#define NO   STARTTLS_REFUSED
#define TALK STARTTLS_TALKING

#define BYTES(literal) literal, sizeof literal - 1
#define NOTHING                                                                                    \
	{                                                                                          \
		NULL, 0                                                                            \
	}

#define SMTP_HI   "220 here.example ESMTP\r\n"
#define SMTP_EHLO "250-here.example\r\n250 STARTTLS\r\n"
#define SMTP_NO   "530 5.7.0 Must issue a STARTTLS command first\r\n"
#define IMAP_HI   "* OK [CAPABILITY IMAP4rev1 STARTTLS LOGINDISABLED] here.example ready\r\n"
#define POP3_HI   "+OK here.example ready\r\n"
#define FTP_HI    "220 here.example ready\r\n"
#define XMPP_HELLO(to, ns)                                                                         \
	"<?xml version='1.0'?><stream:stream" to " version='1.0' xmlns='" ns                       \
	"' xmlns:stream='http://etherx.jabber.org/streams'>"
#define XMPP_STREAM(from, ns)                                                                      \
	"<?xml version='1.0'?><stream:stream from='" from "' id='1' version='1.0' xml:lang='en' "  \
	"xmlns='" ns "' xmlns:stream='http://etherx.jabber.org/streams'><stream:features>"         \
	"<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'><required/></starttls>"                 \
	"</stream:features>"
#define XMPP_ASK     "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"
#define XMPP_PROCEED "<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"
#define XMPP_POLICY                                                                                \
	"<stream:error><policy-violation xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>"            \
	"</stream:error></stream:stream>"
#define LDAP_OID "1.3.6.1.4.1.1466.20037"
#define LDAP_ASK "\x30\x1d\x02\x01\x01\x77\x18\x80\x16" LDAP_OID
#define LDAP_OK  "\x30\x0c\x02\x01\x01\x78\x07\x0a\x01\x00\x04\x00\x04\x00"
#define LDAP_WHY "StartTLS comes first"
#define PG_TLS   "\0\0\0\x08\x04\xd2\x16\x2f"
#define PG_GSS   "\0\0\0\x08\x04\xd2\x16\x30"
#define PG_HELLO "\0\0\0\x12\0\x03\0\0user\0me\0\0"
#define PG_ERROR                                                                                   \
	"E\0\0\0\x51SFATAL\0VFATAL\0C28000\0Mconnections have to be encrypted: set "               \
	"sslmode=require\0\0"

struct text {
	const char *bytes;
	size_t n;
};

static const struct dialogue {
	const char *row, *claim;
	struct text client[4]; /* pieces, in order */
	struct text sent;      /* all that we send */
	enum starttls_status status;
	const char *sentence; /* a part of what is explained when refused */
	bool has_quit;
} dialogues[] = {
	{ "smtp",
	  "go",
	  { { BYTES("EHLO me\r\n") }, { BYTES("STARTTLS\r\n") } },
	  { BYTES(SMTP_HI SMTP_EHLO "220 go ahead\r\n") },
	  GO,
	  NULL,
	  false },
	{ "smtp",
	  "small letters, bare LF, blanks at the end",
	  { { BYTES("ehlo\n") }, { BYTES("starttls  \n") } },
	  { BYTES(SMTP_HI SMTP_EHLO "220 go ahead\r\n") },
	  GO,
	  NULL,
	  false },
	{ "smtp",
	  "the rest of it",
	  { { BYTES("HELO me\r\nNOOP\r\n") }, { BYTES("RSET\r\n") }, { BYTES("QUIT\r\n") } },
	  { BYTES(SMTP_HI "250 here.example\r\n250 ok\r\n250 ok\r\n221 bye\r\n") },
	  NO,
	  "took its leave",
	  true },
	{ "smtp",
	  "mail in the clear",
	  { { BYTES("MAIL FROM:<a@b>\r\n") }, { BYTES("AUTH PLAIN AGEAYg==\r\n") } },
	  { BYTES(SMTP_HI SMTP_NO SMTP_NO) },
	  TALK,
	  NULL,
	  false },
	{ "smtp",
	  "what only begins like a command",
	  { { BYTES("STARTTLSX\r\n") }, { BYTES("STARTTLS now\r\n") }, { BYTES("\r\n") } },
	  { BYTES(SMTP_HI SMTP_NO SMTP_NO SMTP_NO) },
	  TALK,
	  NULL,
	  false },
	{ "smtp",
	  "octets behind the request (CVE-2011-0411)",
	  { { BYTES("EHLO me\r\n") }, { BYTES("STARTTLS\r\nRSET\r\n") } },
	  { BYTES(SMTP_HI SMTP_EHLO) },
	  NO,
	  "behind its request",
	  false },
	{ "smtp",
	  "one octet behind the request",
	  { { BYTES("STARTTLS\r\n\n") } },
	  { BYTES(SMTP_HI) },
	  NO,
	  "behind its request",
	  false },
	{ "smtp",
	  "half a line",
	  { { BYTES("STARTTLS\r") } },
	  { BYTES(SMTP_HI) },
	  TALK,
	  NULL,
	  false },
	{ "smtp",
	  "TLS at once",
	  { { BYTES("\x16\x03\x01\x02\0\x01") } },
	  { BYTES(SMTP_HI) },
	  NO,
	  "begins with TLS at once",
	  false },
	{ "smtp",
	  "a command that ends early for whoever reads it as a string",
	  { { BYTES("STARTTLS\0x\r\n") } },
	  { BYTES(SMTP_HI) },
	  NO,
	  "no text",
	  false },
	{ "imap",
	  "go",
	  { { BYTES("a1 CAPABILITY\r\n") }, { BYTES("a2 STARTTLS\r\n") } },
	  { BYTES(IMAP_HI "* CAPABILITY IMAP4rev1 STARTTLS LOGINDISABLED\r\n"
	                  "a1 OK done\r\na2 OK go ahead\r\n") },
	  GO,
	  NULL,
	  false },
	{ "imap",
	  "log in in the clear",
	  { { BYTES("x.1 login me secret\r\n") }, { BYTES("x.2 AUTHENTICATE PLAIN\r\n") } },
	  { BYTES(IMAP_HI "x.1 NO [PRIVACYREQUIRED] STARTTLS comes first\r\n"
	                  "x.2 NO [PRIVACYREQUIRED] STARTTLS comes first\r\n") },
	  TALK,
	  NULL,
	  false },
	{ "imap",
	  "the rest of it",
	  { { BYTES("1 NOOP\r\n") },
	    { BYTES("2 ID (\"name\" \"x\")\r\n") },
	    { BYTES("3 SELECT INBOX\r\n") },
	    { BYTES("4 LOGOUT\r\n") } },
	  { BYTES(IMAP_HI "1 OK done\r\n* ID NIL\r\n2 OK done\r\n3 BAD STARTTLS comes first\r\n"
	                  "* BYE bye\r\n4 OK done\r\n") },
	  NO,
	  "took its leave",
	  true },
	{ "imap",
	  "no tag, and none that may be one",
	  { { BYTES("STARTTLS\r\n") }, { BYTES("* STARTTLS\r\n") }, { BYTES(" STARTTLS\r\n") } },
	  { BYTES(IMAP_HI "* BAD a tag comes first\r\n* BAD a tag comes first\r\n"
	                  "* BAD a tag comes first\r\n") },
	  TALK,
	  NULL,
	  false },
	{ "imap",
	  "octets behind the request",
	  { { BYTES("a STARTTLS\r\nb LOGIN x y\r\n") } },
	  { BYTES(IMAP_HI) },
	  NO,
	  "behind its request",
	  false },
	{ "pop3",
	  "go",
	  { { BYTES("CAPA\r\n") }, { BYTES("STLS\r\n") } },
	  { BYTES(POP3_HI "+OK\r\nSTLS\r\n.\r\n+OK go ahead\r\n") },
	  GO,
	  NULL,
	  false },
	{ "pop3",
	  "the rest of it",
	  { { BYTES("USER me\r\n") }, { BYTES("NOOP\r\n") }, { BYTES("QUIT\r\n") } },
	  { BYTES(POP3_HI "-ERR STLS comes first\r\n+OK\r\n+OK bye\r\n") },
	  NO,
	  "took its leave",
	  true },
	{ "pop3",
	  "octets behind the request",
	  { { BYTES("STLS\r\nUSER me\r\n") } },
	  { BYTES(POP3_HI) },
	  NO,
	  "behind its request",
	  false },
	{ "ftp",
	  "go",
	  { { BYTES("FEAT\r\n") }, { BYTES("AUTH TLS\r\n") } },
	  { BYTES(FTP_HI "211-Features:\r\n AUTH TLS\r\n211 End\r\n234 go ahead\r\n") },
	  GO,
	  NULL,
	  false },
	{ "ftp",
	  "go, as older clients ask",
	  { { BYTES("AUTH SSL\r\n") } },
	  { BYTES(FTP_HI "234 go ahead\r\n") },
	  GO,
	  NULL,
	  false },
	{ "ftp",
	  "go, in the longer form",
	  { { BYTES("auth tls-c\r\n") } },
	  { BYTES(FTP_HI "234 go ahead\r\n") },
	  GO,
	  NULL,
	  false },
	{ "ftp",
	  "the rest of it",
	  { { BYTES("AUTH GSSAPI\r\n") },
	    { BYTES("USER me\r\n") },
	    { BYTES("NOOP\r\n") },
	    { BYTES("QUIT\r\n") } },
	  { BYTES(FTP_HI "504 AUTH TLS is what there is\r\n530 AUTH TLS comes first\r\n200 ok\r\n"
	                 "221 bye\r\n") },
	  NO,
	  "took its leave",
	  true },
	{ "ftp",
	  "octets behind the request",
	  { { BYTES("AUTH TLS\r\nUSER me\r\n") } },
	  { BYTES(FTP_HI) },
	  NO,
	  "behind its request",
	  false },
	{ "xmpp",
	  "go",
	  { { BYTES(XMPP_HELLO(" to='other.example'", "jabber:client")) }, { BYTES(XMPP_ASK) } },
	  { BYTES(XMPP_STREAM("other.example", "jabber:client") XMPP_PROCEED) },
	  GO,
	  NULL,
	  false },
	{ "xmpp",
	  "go, in two tags, blanks between, another server, no name",
	  { { BYTES(XMPP_HELLO("", "jabber:server")) },
	    { BYTES("\n <starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'>") },
	    { BYTES(" </starttls>") } },
	  { BYTES(XMPP_STREAM("here.example", "jabber:server") XMPP_PROCEED) },
	  GO,
	  NULL,
	  false },
	{ "xmpp",
	  "a name that is none is not said back",
	  { { BYTES(XMPP_HELLO(" to='a&apos;/x'", "jabber:client")) } },
	  { BYTES(XMPP_STREAM("here.example", "jabber:client")) },
	  TALK,
	  NULL,
	  false },
	{ "xmpp",
	  "leave",
	  { { BYTES(XMPP_HELLO(" to=\"o\"", "jabber:client")) }, { BYTES("</stream:stream>") } },
	  { BYTES(XMPP_STREAM("o", "jabber:client") "</stream:stream>") },
	  NO,
	  "took its leave",
	  true },
	{ "xmpp",
	  "a password in the clear",
	  { { BYTES(XMPP_HELLO("", "jabber:client")) }, { BYTES("<auth mechanism='PLAIN'>AGE") } },
	  { BYTES(XMPP_STREAM("here.example", "jabber:client") XMPP_POLICY) },
	  NO,
	  "goes on in the clear",
	  false },
	{ "xmpp",
	  "octets behind the request",
	  { { BYTES(XMPP_HELLO("", "jabber:client")) }, { BYTES(XMPP_ASK "<auth>") } },
	  { BYTES(XMPP_STREAM("here.example", "jabber:client")) },
	  NO,
	  "behind its request",
	  false },
	{ "xmpp", "no XML", { { BYTES("GET / HTTP/1.1\r\n") } }, NOTHING, NO, "no XML", false },
	{ "xmpp",
	  "a tag in a tag",
	  { { BYTES("<a <starttls/>") } },
	  NOTHING,
	  NO,
	  "no text",
	  false },
	{ "ldap", "go", { { BYTES(LDAP_ASK) } }, { BYTES(LDAP_OK) }, GO, NULL, false },
	{ "ldap",
	  "go, long lengths, a long id",
	  { { BYTES("\x30\x84\x00\x00\x00\x25\x02\x04\x7f\xff\xff\xff\x77\x82\x00\x1b\x80\x83\x00"
	            "\x00\x16" LDAP_OID) } },
	  { BYTES("\x30\x0f\x02\x04\x7f\xff\xff\xff\x78\x07\x0a\x01\x00\x04\x00\x04\x00") },
	  GO,
	  NULL,
	  false },
	{ "ldap",
	  "bind in the clear, then go",
	  { { BYTES("\x30\x0c\x02\x01\x01\x60\x07\x02\x01\x03\x04\x00\x80\x00") },
	    { BYTES("\x30\x1d\x02\x01\x02\x77\x18\x80\x16" LDAP_OID) } },
	  { BYTES("\x30\x20\x02\x01\x01\x61\x1b\x0a\x01\x0d\x04\x00\x04\x14" LDAP_WHY
	          "\x30\x0c\x02\x01\x02\x78\x07\x0a\x01\x00\x04\x00\x04\x00") },
	  GO,
	  NULL,
	  false },
	{ "ldap",
	  "another extended request",
	  { { BYTES("\x30\x0a\x02\x01\x05\x77\x05\x80\x03"
	            "1.3") } },
	  { BYTES("\x30\x20\x02\x01\x05\x78\x1b\x0a\x01\x02\x04\x00\x04\x14" LDAP_WHY) },
	  TALK,
	  NULL,
	  false },
	{ "ldap",
	  "StartTLS with a value",
	  { { BYTES("\x30\x1f\x02\x01\x01\x77\x1a\x80\x16" LDAP_OID "\x81\x00") } },
	  { BYTES("\x30\x20\x02\x01\x01\x78\x1b\x0a\x01\x02\x04\x00\x04\x14" LDAP_WHY) },
	  TALK,
	  NULL,
	  false },
	{ "ldap",
	  "abandon has no answer, unbind neither",
	  { { BYTES("\x30\x06\x02\x01\x03\x50\x01\x02") },
	    { BYTES("\x30\x05\x02\x01\x04\x42\x00") } },
	  NOTHING,
	  NO,
	  "took its leave",
	  true },
	{ "ldap",
	  "octets behind the request",
	  { { BYTES(LDAP_ASK "\x30") } },
	  NOTHING,
	  NO,
	  "behind its request",
	  false },
	{ "ldap",
	  "half",
	  { { BYTES("\x30\x1d\x02\x01\x01\x77\x18\x80\x16") } },
	  NOTHING,
	  TALK,
	  NULL,
	  false },
	{ "ldap", "no sequence", { { BYTES("\x31") } }, NOTHING, NO, "no LDAP", false },
	{ "ldap", "no length", { { BYTES("\x30\x80") } }, NOTHING, NO, "no LDAP", false },
	{ "ldap", "a long length", { { BYTES("\x30\x85") } }, NOTHING, NO, "no LDAP", false },
	{ "ldap",
	  "an id of 5 octets",
	  { { BYTES("\x30\x09\x02\x05\x01\x01\x01\x01\x01\x42\x00") } },
	  NOTHING,
	  NO,
	  "no LDAP",
	  false },
	{ "ldap",
	  "an operation that is longer than its message",
	  { { BYTES("\x30\x05\x02\x01\x04\x42\x01") } },
	  NOTHING,
	  NO,
	  "no LDAP",
	  false },
	{ "ldap",
	  "an operation that is none",
	  { { BYTES("\x30\x05\x02\x01\x04\x41\x00") } },
	  NOTHING,
	  NO,
	  "no LDAP",
	  false },
	{ "postgres", "go", { { BYTES(PG_TLS) } }, { BYTES("S") }, GO, NULL, false },
	{ "postgres",
	  "no GSSAPI, then go",
	  { { BYTES(PG_GSS) }, { BYTES(PG_TLS) } },
	  { BYTES("NS") },
	  GO,
	  NULL,
	  false },
	{ "postgres",
	  "octets behind the request (CVE-2021-23214)",
	  { { BYTES(PG_TLS PG_HELLO) } },
	  NOTHING,
	  NO,
	  "behind its request",
	  false },
	{ "postgres",
	  "no TLS wanted",
	  { { BYTES(PG_HELLO) } },
	  { BYTES(PG_ERROR) },
	  NO,
	  "goes on in the clear",
	  false },
	{ "postgres",
	  "cancel in the clear",
	  { { BYTES("\0\0\0\x10\x04\xd2\x16\x2e\0\0\0\x01\0\0\0\x02") } },
	  NOTHING,
	  NO,
	  "cancels",
	  false },
	{ "postgres",
	  "a request of wrong length",
	  { { BYTES("\0\0\0\x09\x04\xd2\x16\x2f") } },
	  NOTHING,
	  NO,
	  "no request of PostgreSQL",
	  false },
	{ "postgres",
	  "HTTP",
	  { { BYTES("GET / HTTP/1.0\r\n") } },
	  NOTHING,
	  NO,
	  "no request of PostgreSQL",
	  false },
	{ "postgres",
	  "TLS at once",
	  { { BYTES("\x16\x03\x01") } },
	  NOTHING,
	  NO,
	  "begins with TLS",
	  false },
	{ "postgres", "half", { { BYTES("\0\0\0\x08\x04\xd2\x16") } }, NOTHING, TALK, NULL, false },
};

enum { DIALOGUES = sizeof dialogues / sizeof *dialogues };
enum way { BY_PIECE, BY_OCTET, AT_ONCE, WAYS };

struct record {
	char sent[8192];
	size_t sent_bytes;
};

static void send_all(struct starttls_server *s, struct record *r)
{
	size_t n;
	const char *output = starttls_server_output(s, &n);

	assert_true(r->sent_bytes + n <= sizeof r->sent);
	memcpy(r->sent + r->sent_bytes, output, n);
	r->sent_bytes += n;
	starttls_server_sent(s, n);
}

/* Feeds; what comes behind a go-ahead is fed before the go-ahead is sent. */
static void feed(struct starttls_server *s, const char *bytes, size_t n, struct record *r)
{
	enum starttls_status status;
	size_t used;

	if (s->status != STARTTLS_DONE)
		send_all(s, r);
	status = starttls_server_feed(s, bytes, n, &used);
	assert_int_equal(status, s->status);
	assert_int_equal(used, n);
}

static void play(const struct dialogue *d, enum way way, struct starttls_server *s,
                 struct record *r)
{
	char all[2048];
	size_t n = 0;

	memset(r, 0, sizeof *r);
	assert_true(starttls_server_begin(s, starttls_find(d->row), "here.example"));
	for (size_t i = 0; i < 4; i++) {
		const struct text *piece = &d->client[i];

		for (size_t at = 0; way == BY_OCTET && at < piece->n; at++)
			feed(s, piece->bytes + at, 1, r);
		if (way == BY_PIECE && piece->n > 0)
			feed(s, piece->bytes, piece->n, r);
		if (piece->n > 0)
			memcpy(all + n, piece->bytes, piece->n);
		n += piece->n;
	}
	if (way == AT_ONCE)
		feed(s, all, n, r);
	send_all(s, r);
}

static void test_dialogue(void **state)
{
	const struct dialogue *d = *state;
	static struct starttls_server s;
	static struct record r;
	struct failure f;

	for (enum way way = BY_PIECE; way < WAYS; way++) {
		play(d, way, &s, &r);
		assert_int_equal(s.status, d->status);
		assert_int_equal(s.has_quit, d->has_quit);
		if (d->sentence != NULL) {
			starttls_server_explain(&s, &f);
			assert_non_null(strstr(f.sentence, d->sentence));
			assert_non_null(strstr(f.sentence, d->row));
		}
		assert_int_equal(r.sent_bytes, way == AT_ONCE && d->sentence != NULL &&
		                                       strstr(d->sentence, "behind") != NULL
		                                   ? r.sent_bytes /* what was not yet sent is not */
		                                   : d->sent.n);
		if (r.sent_bytes > 0)
			assert_memory_equal(r.sent, d->sent.bytes, r.sent_bytes);
	}
}

/* No row goes on for ever, whatever comes, and however it is answered. */
static void test_bounds(void **state)
{
	static const char *const floods[] = {
		"x",       "x\n",  " ",        "<",      "<a>",
		"<?xml?>", "\x30", "EHLO x\n", "a ID\n", "\x30\x06\x02\x01\x03\x50\x01\x02"
	};
	static struct starttls_server s;
	static struct record r;
	struct failure f;

	(void)state;
	for (unsigned i = 0; starttls_name(i) != NULL; i++)
		for (size_t k = 0; k <= sizeof floods / sizeof *floods; k++) {
			bool is_pg = k == sizeof floods / sizeof *floods;
			const char *flood = is_pg ? PG_GSS : floods[k];
			size_t n = is_pg ? 8 : strlen(flood), fed = 0, used;

			memset(&r, 0, sizeof r);
			assert_true(
			    starttls_server_begin(&s, starttls_find(starttls_name(i)), "h"));
			while (starttls_server_feed(&s, flood, n, &used) == STARTTLS_TALKING) {
				send_all(&s, &r);
				fed += n;
				assert_true(fed <= STARTTLS_TOTAL_BYTES);
			}
			assert_int_equal(s.status, STARTTLS_REFUSED);
			assert_true(r.sent_bytes <= STARTTLS_SERVER_SAID);
			starttls_server_explain(&s, &f);
			assert_true(strlen(f.sentence) > 0);
		}
}

static void test_many_commands(void **state)
{
	static struct starttls_server s;
	struct failure f;
	size_t used;

	(void)state;
	for (unsigned too_many = 0; too_many < 2; too_many++) {
		assert_true(starttls_server_begin(&s, starttls_find("pop3"), "h"));
		for (unsigned i = 1; i < STARTTLS_SERVER_COMMANDS + too_many; i++)
			assert_int_equal(starttls_server_feed(&s, "NOOP\n", 5, &used), TALK);
		assert_int_equal(starttls_server_feed(&s, "STLS\n", 5, &used), too_many ? NO : GO);
	}
	starttls_server_explain(&s, &f);
	assert_non_null(strstr(f.sentence, "none of them asks for TLS"));
}

/* A host of any length that DNS allows leaves room for what is usual. */
static void test_long_host(void **state)
{
	static struct starttls_server s;
	char host[256];
	size_t used;

	(void)state;
	memset(host, 'a', sizeof host - 1);
	host[sizeof host - 1] = '\0';
	assert_true(starttls_server_begin(&s, starttls_find("smtp"), host));
	for (int i = 0; i < 8; i++)
		assert_int_equal(starttls_server_feed(&s, "EHLO x\n", 7, &used), TALK);
	assert_int_equal(starttls_server_feed(&s, "STARTTLS\n", 9, &used), GO);
	assert_true(starttls_server_begin(&s, starttls_find("xmpp"), host));
	assert_int_equal(starttls_server_feed(&s, BYTES(XMPP_HELLO("", "x") XMPP_ASK), &used), GO);
}

/* What a client typed in the clear is not kept. */
static void test_passwords_go(void **state)
{
	static struct starttls_server s;
	size_t used;

	(void)state;
	assert_true(starttls_server_begin(&s, starttls_find("pop3"), "h"));
	(void)starttls_server_feed(&s, BYTES("PASS secret\r\n"), &used);
	for (size_t i = 0; i < sizeof s.line; i++)
		assert_int_equal(s.line[i], 0);
}

static void test_end_of_stream(void **state)
{
	static struct starttls_server s;
	struct failure f;
	size_t used;

	(void)state;
	assert_true(starttls_server_begin(&s, starttls_find("smtp"), "h"));
	(void)starttls_server_feed(&s, "EHLO", 4, &used);
	starttls_server_ended(&s);
	assert_int_equal(s.status, STARTTLS_REFUSED);
	starttls_server_explain(&s, &f);
	assert_string_equal(f.sentence, "the client does not start TLS as smtp: it ended the "
	                                "connection without asking for TLS");
}

/* Our client and our server understand each other, row by row. */
static void test_against_the_client(void **state)
{
	static struct starttls client;
	static struct starttls_server server;
	size_t n, used;

	(void)state;
	for (unsigned i = 0; starttls_name(i) != NULL; i++) {
		const struct starttls_row *row = starttls_find(starttls_name(i));
		const char *said;

		starttls_begin(&client, row, "here.example");
		assert_true(starttls_server_begin(&server, row, "here.example"));
		for (int turn = 0; turn < 8; turn++) {
			said = starttls_server_output(&server, &n);
			(void)starttls_feed(&client, said, n);
			starttls_server_sent(&server, n);
			said = starttls_output(&client, &n);
			if (n > 0)
				(void)starttls_server_feed(&server, said, n, &used);
			starttls_sent(&client, n);
		}
		assert_int_equal(client.status, STARTTLS_DONE);
		assert_int_equal(server.status, STARTTLS_DONE);
	}
}

static void test_greeting(void **state)
{
	static const struct {
		const char *row, *bytes;
		size_t n; /* of the greeting */
		bool whole;
	} rows[] = {
		{ "smtp", "220 mx\r\n", 8, true },
		{ "smtp", "220 mx\r", 7, false },
		{ "smtp", "", 0, false },
		{ "smtp", "220-mx\r\n220-mx\r\n220 mx\r\n250", 24, true },
		{ "smtp", "220-mx\r\n", 8, false },
		{ "smtp", "220\n", 4, true },
		{ "smtp", "554 busy\r\n", 0, true },
		{ "smtp", "554 bu", 6, false },
		{ "smtp", "+OK\r\n", 0, true },
		{ "ftp", "220-hi\r\n120 of it\r\n+OK\r\n 220 no\r\n\r\n220 hi\r\n", 43, true },
		{ "ftp", "120 soon\r\n220 hi\r\n", 18, true },
		{ "ftp", "421 full\r\n", 0, true },
		{ "imap", "* OK [CAPABILITY IMAP4rev1] ready\r\n* OK more\r\n", 35, true },
		{ "imap", "* PREAUTH you\r\n", 15, true },
		{ "imap", "* BYE full\r\n", 0, true },
		{ "pop3", "+OK ready <1@x>\r\n", 17, true },
		{ "pop3", "-ERR no\r\n", 0, true },
		{ "ldap", "x", 0, true },
		{ "xmpp", "<x", 0, true },
		{ "postgres", "S", 0, true },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		const struct starttls_row *row = starttls_find(rows[i].row);
		bool whole;

		assert_int_equal(
		    starttls_greeting(row, rows[i].bytes, strlen(rows[i].bytes), &whole),
		    rows[i].n);
		assert_int_equal(whole, rows[i].whole);
	}
	assert_true(starttls_greets(starttls_find("smtp")));
	assert_true(starttls_greets(starttls_find("ftp")));
	assert_false(starttls_greets(starttls_find("ldap")));
	assert_false(starttls_greets(starttls_find("postgres")));
}

/* What a client hears that has TLS already, or wants none: nothing of STARTTLS. */
static void test_welcome(void **state)
{
	static const struct {
		const char *name, *says;
	} rows[] = {
		{ "smtp", "220 h ESMTP\r\n" },
		{ "imap", "* OK h ready\r\n" },
		{ "pop3", "+OK h ready\r\n" },
		{ "ftp", "220 h ready\r\n" },
		{ "ldap", "" },
		{ "xmpp", "" },
		{ "postgres", "" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct starttls_server s;
		const char *output;
		size_t n;
		bool whole;

		assert_true(starttls_server_welcome(&s, starttls_find(rows[i].name), "h"));
		output = starttls_server_output(&s, &n);
		assert_int_equal(n, strlen(rows[i].says));
		assert_memory_equal(output, rows[i].says, n);
		assert_int_equal(n, starttls_greeting(s.row, output, n, &whole));
		assert_true(whole);
	}
}

int main(void)
{
	struct CMUnitTest tests[DIALOGUES + 7] = {
		cmocka_unit_test(test_bounds),        cmocka_unit_test(test_many_commands),
		cmocka_unit_test(test_long_host),     cmocka_unit_test(test_passwords_go),
		cmocka_unit_test(test_end_of_stream), cmocka_unit_test(test_against_the_client),
		cmocka_unit_test(test_greeting),      cmocka_unit_test(test_welcome),
	};
	static char names[DIALOGUES][96];

	for (size_t i = 0; i < DIALOGUES; i++) {
		(void)snprintf(names[i], sizeof names[i], "%s: %s", dialogues[i].row,
		               dialogues[i].claim);
		tests[7 + i].name = names[i];
		tests[7 + i].test_func = test_dialogue;
		tests[7 + i].initial_state = (void *)(uintptr_t)&dialogues[i];
	}
	return run_cases(tests);
}
