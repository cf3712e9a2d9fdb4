/* starttls_test: every row on canned dialogues.  Each case is played three ways: a reply at a time,
 * an octet at a time, and everything at once; all three must say, send and conclude the same.
 */
#include "tests/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/starttls.h"

#define GO   STARTTLS_DONE
#define NO   STARTTLS_REFUSED
#define TALK STARTTLS_TALKING

#define XMPP_HELLO                                                                                 \
	"<?xml version='1.0'?><stream:stream to='host.example' version='1.0' "                     \
	"xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>"
#define XMPP_ASK "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"
#define XMPP_STREAM                                                                                \
	"<?xml version='1.0'?>\n<stream:stream from='host.example' id='1' version='1.0'>"
#define LDAP_ASK                                                                                   \
	"\x30\x1d\x02\x01\x01\x77\x18\x80\x16"                                                     \
	"1.3.6.1.4.1.1466.20037"
#define LDAP_OK "\x30\x0c\x02\x01\x01\x78\x07\x0a\x01\x00\x04\x00\x04\x00"
#define LDAP_OK_LONG                                                                               \
	"\x30\x84\x00\x00\x00\x10\x02\x01\x01\x78\x84\x00\x00\x00\x07\x0a\x01\x00\x04\x00\x04\x00"
#define BYTES(literal) literal, sizeof literal - 1

struct text {
	const char *bytes;
	size_t n;
};

static const struct dialogue {
	const char *row, *claim;
	struct text peer[4]; /* replies, in order */
	struct text sent;    /* all that we send */
	enum starttls_status status;
	const char *sentence; /* a part of what is explained when refused */
} dialogues[] = {
	{ "smtp",
	  "go",
	  { { BYTES("220 mx ESMTP\r\n") },
	    { BYTES("250-mx\r\n250-SIZE\r\n250 STARTTLS\r\n") },
	    { BYTES("220 go\r\n") } },
	  { BYTES("EHLO [127.0.0.1]\r\nSTARTTLS\r\n") },
	  GO,
	  NULL },
	{ "smtp",
	  "lines of a greeting, offer in the middle, bare LF",
	  { { BYTES("220-mx\n220 mx\n") },
	    { BYTES("250-mx\n250-starttls\n250 HELP\n") },
	    { BYTES("220\n") } },
	  { BYTES("EHLO [127.0.0.1]\r\nSTARTTLS\r\n") },
	  GO,
	  NULL },
	{ "smtp",
	  "not offered",
	  { { BYTES("220 mx\r\n") }, { BYTES("250-mx\r\n250 SIZE\r\n") } },
	  { BYTES("EHLO [127.0.0.1]\r\n") },
	  NO,
	  "does not offer STARTTLS" },
	{ "smtp",
	  "refused",
	  { { BYTES("220 mx\r\n") }, { BYTES("250 STARTTLS\r\n") }, { BYTES("454 not now\r\n") } },
	  { BYTES("EHLO [127.0.0.1]\r\nSTARTTLS\r\n") },
	  NO,
	  "'454 not now'" },
	{ "smtp",
	  "busy at once",
	  { { BYTES("554 go away\r\n") } },
	  { NULL, 0 },
	  NO,
	  "'554 go away'" },
	{ "smtp",
	  "octets behind the go-ahead",
	  { { BYTES("220 mx\r\n") },
	    { BYTES("250 STARTTLS\r\n") },
	    { BYTES("220 go\r\n250 injected\r\n") } },
	  { BYTES("EHLO [127.0.0.1]\r\nSTARTTLS\r\n") },
	  NO,
	  "behind its go-ahead" },
	{ "smtp",
	  "half a reply",
	  { { BYTES("220 mx\r\n") }, { BYTES("250-STARTTLS\r\n250") } },
	  { BYTES("EHLO [127.0.0.1]\r\n") },
	  TALK,
	  NULL },
	{ "imap",
	  "go",
	  { { BYTES("* OK ready\r\n") }, { BYTES("* CAPABILITY IMAP4rev1\r\na1 OK begin\r\n") } },
	  { BYTES("a1 STARTTLS\r\n") },
	  GO,
	  NULL },
	{ "imap",
	  "refused",
	  { { BYTES("* OK ready\r\n") }, { BYTES("a1 BAD no TLS\r\n") } },
	  { BYTES("a1 STARTTLS\r\n") },
	  NO,
	  "'a1 BAD no TLS'" },
	{ "imap",
	  "no new sessions",
	  { { BYTES("* BYE full\r\n") } },
	  { NULL, 0 },
	  NO,
	  "'* BYE full'" },
	{ "imap",
	  "bye instead of an answer",
	  { { BYTES("* OK ready\r\n") }, { BYTES("* BYE idle\r\n") } },
	  { BYTES("a1 STARTTLS\r\n") },
	  NO,
	  "'* BYE idle'" },
	{ "imap",
	  "already authenticated, so no way to TLS",
	  { { BYTES("* PREAUTH hello\r\n") } },
	  { NULL, 0 },
	  NO,
	  "PREAUTH" },
	{ "pop3",
	  "go",
	  { { BYTES("+OK hi\r\n") }, { BYTES("+OK begin\r\n") } },
	  { BYTES("STLS\r\n") },
	  GO,
	  NULL },
	{ "pop3",
	  "refused",
	  { { BYTES("+OK hi\r\n") }, { BYTES("-ERR no\r\n") } },
	  { BYTES("STLS\r\n") },
	  NO,
	  "'-ERR no'" },
	{ "pop3",
	  "injected",
	  { { BYTES("+OK hi\r\n") }, { BYTES("+OK begin\r\n+") } },
	  { BYTES("STLS\r\n") },
	  NO,
	  "behind its go-ahead" },
	{ "ftp",
	  "go",
	  { { BYTES("220 hi\r\n") }, { BYTES("234 go\r\n") } },
	  { BYTES("AUTH TLS\r\n") },
	  GO,
	  NULL },
	{ "ftp",
	  "a greeting of free lines",
	  { { BYTES("220-hi\r\nwelcome 220\r\n 220 x\r\n220 ok\r\n") },
	    { BYTES("234-a\r\nb\r\n234 go\r\n") } },
	  { BYTES("AUTH TLS\r\n") },
	  GO,
	  NULL },
	{ "ftp",
	  "refused",
	  { { BYTES("220 hi\r\n") }, { BYTES("530 log in first\r\n") } },
	  { BYTES("AUTH TLS\r\n") },
	  NO,
	  "'530 log in first'" },
	{ "ldap", "go", { { BYTES(LDAP_OK) } }, { BYTES(LDAP_ASK) }, GO, NULL },
	{ "ldap", "go, long lengths", { { BYTES(LDAP_OK_LONG) } }, { BYTES(LDAP_ASK) }, GO, NULL },
	{ "ldap",
	  "refused",
	  { { BYTES("\x30\x0c\x02\x01\x01\x78\x07\x0a\x01\x35\x04\x00\x04\x00") } },
	  { BYTES(LDAP_ASK) },
	  NO,
	  "'result code 53'" },
	{ "ldap",
	  "another message",
	  { { BYTES("\x30\x0c\x02\x01\x02\x78\x07\x0a\x01\x00\x04\x00\x04\x00") } },
	  { BYTES(LDAP_ASK) },
	  NO,
	  "no answer to the StartTLS request" },
	{ "ldap",
	  "an outer length that is too short",
	  { { BYTES("\x30\x05\x02\x01\x01\x78\x07\x0a\x01\x00") } },
	  { BYTES(LDAP_ASK) },
	  NO,
	  "no LDAP message" },
	{ "ldap",
	  "a length of 100 octets",
	  { { BYTES("\x30\xe4\x02\x01\x01") } },
	  { BYTES(LDAP_ASK) },
	  NO,
	  "no LDAP message" },
	{ "ldap",
	  "injected",
	  { { BYTES(LDAP_OK "\x30") } },
	  { BYTES(LDAP_ASK) },
	  NO,
	  "behind its go-ahead" },
	{ "ldap",
	  "half",
	  { { BYTES("\x30\x0c\x02\x01\x01\x78\x07\x0a\x01\x00\x04\x00\x04") } },
	  { BYTES(LDAP_ASK) },
	  TALK,
	  NULL },
	{ "xmpp",
	  "go",
	  { { BYTES(XMPP_STREAM
	            "<stream:features><starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'>"
	            "<required/></starttls><mechanisms/></stream:features>") },
	    { BYTES("<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>") } },
	  { BYTES(XMPP_HELLO XMPP_ASK) },
	  GO,
	  NULL },
	{ "xmpp",
	  "go in two tags",
	  { { BYTES(XMPP_STREAM "<stream:features><starttls/></stream:features>") },
	    { BYTES("<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'></proceed>") } },
	  { BYTES(XMPP_HELLO XMPP_ASK) },
	  GO,
	  NULL },
	{ "xmpp",
	  "not offered",
	  { { BYTES(XMPP_STREAM "<stream:features/>") } },
	  { BYTES(XMPP_HELLO) },
	  NO,
	  "does not offer" },
	{ "xmpp",
	  "failure",
	  { { BYTES(XMPP_STREAM "<stream:features><starttls/></stream:features>") },
	    { BYTES("<failure xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>") } },
	  { BYTES(XMPP_HELLO XMPP_ASK) },
	  NO,
	  "<failure" },
	{ "xmpp",
	  "error",
	  { { BYTES(XMPP_STREAM "<stream:error><host-unknown/></stream:error>") } },
	  { BYTES(XMPP_HELLO) },
	  NO,
	  "<stream:error>" },
	{ "xmpp",
	  "injected",
	  { { BYTES(XMPP_STREAM "<stream:features><starttls/></stream:features>") },
	    { BYTES("<proceed/> ") } },
	  { BYTES(XMPP_HELLO XMPP_ASK) },
	  NO,
	  "behind its go-ahead" },
	{ "postgres", "go", { { BYTES("S") } }, { BYTES("\0\0\0\x08\x04\xd2\x16\x2f") }, GO, NULL },
	{ "postgres",
	  "no TLS there",
	  { { BYTES("N") } },
	  { BYTES("\0\0\0\x08\x04\xd2\x16\x2f") },
	  NO,
	  "'N'" },
	{ "postgres",
	  "octets behind the go-ahead (CVE-2021-23222)",
	  { { BYTES("SE") } },
	  { BYTES("\0\0\0\x08\x04\xd2\x16\x2f") },
	  NO,
	  "behind its go-ahead" },
};

enum { DIALOGUES = sizeof dialogues / sizeof *dialogues };
enum way { BY_REPLY, BY_OCTET, AT_ONCE, WAYS };

struct record {
	char sent[1024];
	size_t sent_bytes;
};

static void send_all(struct starttls *s, struct record *r)
{
	size_t n;
	const char *output = starttls_output(s, &n);

	assert_true(r->sent_bytes + n <= sizeof r->sent);
	memcpy(r->sent + r->sent_bytes, output, n);
	r->sent_bytes += n;
	starttls_sent(s, n);
}

static void play(const struct dialogue *d, enum way way, struct starttls *s, struct record *r)
{
	char all[2048];
	size_t n = 0;

	memset(r, 0, sizeof *r);
	starttls_begin(s, starttls_find(d->row), "host.example");
	send_all(s, r);
	for (size_t i = 0; i < 4; i++) {
		const struct text *reply = &d->peer[i];

		for (size_t at = 0; way == BY_OCTET && at < reply->n; at++) {
			(void)starttls_feed(s, reply->bytes + at, 1);
			send_all(s, r);
		}
		if (way == BY_REPLY && reply->n > 0) {
			(void)starttls_feed(s, reply->bytes, reply->n);
			send_all(s, r);
		}
		if (reply->n > 0)
			memcpy(all + n, reply->bytes, reply->n);
		n += reply->n;
	}
	if (way == AT_ONCE) {
		(void)starttls_feed(s, all, n);
		send_all(s, r);
	}
}

static void test_dialogue(void **state)
{
	const struct dialogue *d = *state;
	static struct starttls s;
	struct record r;
	struct failure f;

	for (enum way way = BY_REPLY; way < WAYS; way++) {
		play(d, way, &s, &r);
		assert_int_equal(s.status, d->status);
		if (d->sentence != NULL) {
			starttls_explain(&s, "host.example:1", &f);
			assert_non_null(strstr(f.sentence, d->sentence));
			assert_non_null(strstr(f.sentence, "host.example:1"));
		}
		if (way == AT_ONCE && d->status == NO) /* what was queued last is never sent */
			continue;
		assert_int_equal(r.sent_bytes, d->sent.n);
		if (d->sent.n > 0)
			assert_memory_equal(r.sent, d->sent.bytes, d->sent.n);
	}
}

static void test_bounds(void **state)
{
	static struct starttls s;
	struct failure f;
	char row[1000];

	(void)state;
	memset(row, 'x', sizeof row);
	for (unsigned i = 0; starttls_name(i) != NULL; i++) {
		const struct starttls_row *r = starttls_find(starttls_name(i));
		size_t fed = 0;

		starttls_begin(&s, r, "h");
		while (starttls_feed(&s, row, sizeof row) == STARTTLS_TALKING && fed < 100000)
			fed += sizeof row;
		assert_int_equal(s.status, STARTTLS_REFUSED);
	}
	starttls_begin(&s, starttls_find("imap"), "h");
	(void)starttls_feed(&s, "* OK\r\n", 6);
	while (starttls_feed(&s, "* more\r\n", 8) == STARTTLS_TALKING)
		assert_true(s.total_bytes <= STARTTLS_TOTAL_BYTES);
	starttls_explain(&s, "p", &f);
	assert_non_null(strstr(f.sentence, "talks without end"));
}

static void test_end_of_stream(void **state)
{
	static struct starttls s;
	struct failure f;

	(void)state;
	starttls_begin(&s, starttls_find("smtp"), "h");
	(void)starttls_feed(&s, "220 x", 5);
	starttls_ended(&s);
	assert_int_equal(s.status, STARTTLS_REFUSED);
	starttls_explain(&s, "p:25", &f);
	assert_non_null(strstr(f.sentence, "ended the connection"));
}

/* What a peer says reaches a terminal: no control character may pass. */
static void test_peer_text_is_tame(void **state)
{
	static struct starttls s;
	struct failure f;

	(void)state;
	starttls_begin(&s, starttls_find("pop3"), "h");
	(void)starttls_feed(&s, "-ERR \033[2J\x07\r\n", 13);
	starttls_explain(&s, "p:110", &f);
	assert_null(strchr(f.sentence, 033));
	assert_null(strchr(f.sentence, 7));
	assert_non_null(strstr(f.sentence, "-ERR ?[2J?"));
}

static void test_rows(void **state)
{
	char longest[256];
	static struct starttls s;
	size_t n;

	(void)state;
	memset(longest, 'a', sizeof longest - 1);
	longest[sizeof longest - 1] = '\0';
	assert_null(starttls_find("gopher"));
	for (unsigned i = 0; starttls_name(i) != NULL; i++) {
		const struct starttls_row *row = starttls_find(starttls_name(i));

		assert_non_null(row);
		assert_true(atoi(starttls_port(row)) > 0);
		assert_true(starttls_profile(row)[0] != '\0');
	}
	starttls_begin(&s, starttls_find("xmpp"), longest);
	(void)starttls_feed(&s, "<starttls/></stream:features>", 29);
	(void)starttls_output(&s, &n);
	assert_true(n == strlen(XMPP_HELLO XMPP_ASK) - strlen("host.example") + 255);
}

int main(void)
{
	struct CMUnitTest tests[DIALOGUES + 4] = {
		cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_end_of_stream),
		cmocka_unit_test(test_peer_text_is_tame),
		cmocka_unit_test(test_rows),
	};
	static char names[DIALOGUES][96];

	for (size_t i = 0; i < DIALOGUES; i++) {
		(void)snprintf(names[i], sizeof names[i], "%s: %s", dialogues[i].row,
		               dialogues[i].claim);
		tests[4 + i].name = names[i];
		tests[4 + i].test_func = test_dialogue;
		tests[4 + i].initial_state = (void *)(uintptr_t)&dialogues[i];
	}
	return run_cases(tests);
}
