/* starttls_server: see starttls_server.h.  It must not know sockets or TLS.  A row says in what
 * units the client speaks, and which command is answered with what; the two binary protocols have a
 * judge of their own.  Octets are taken one by one, so pieces cannot matter.  Invariants: once the
 * status is not TALKING, only an octet behind the request changes it; a go-ahead is never left to
 * be sent when that happened.
 * Sources: RFC 3207, 3501 and 9051, 2595, 4217, 4511, 6120; PostgreSQL's protocol 3.0.
 */
#include "net/starttls_server.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "closure/cursor.h"
#include "net/starttls_ldap.h"

enum unit { UNIT_LINE, UNIT_TAGGED_LINE, UNIT_XML, UNIT_LDAP, UNIT_POSTGRES };

enum act {
	SAY,      /* answer and go on */
	GO,       /* answer, and TLS begins */
	GO_EMPTY, /* the same if the tag closes itself, else nothing yet */
	QUIT,     /* answer, and all is over */
	END       /* the same, and it is the client's fault */
};

/* In replies: %h is the host, %t the tag of the command, %f whom the client takes us for, %n its
 * namespace. */
struct command {
	const char *verb; /* compared without regard to case; NULL: any other command */
	enum act act;
	const char *reply; /* NULL: nothing */
};

struct starttls_side {
	const char *name;
	enum unit unit;
	const char *greeting;
	const char *welcome;         /* the same where TLS is not to be asked for */
	struct command commands[12]; /* the last one is for any other */
};

#define XMPP_STREAM                                                                                \
	"<?xml version='1.0'?><stream:stream from='%f' id='1' version='1.0' "                      \
	"xml:lang='en' xmlns='%n' xmlns:stream='http://etherx.jabber.org/streams'>"
#define XMPP_TLS "xmlns='urn:ietf:params:xml:ns:xmpp-tls'"

static const struct starttls_side sides[] = {
	{ "smtp",
	  UNIT_LINE,
	  "220 %h ESMTP\r\n",
	  "220 %h ESMTP\r\n",
	  { { "EHLO", SAY, "250-%h\r\n250 STARTTLS\r\n" },
	    { "HELO", SAY, "250 %h\r\n" },
	    { "STARTTLS", GO, "220 go ahead\r\n" },
	    { "NOOP", SAY, "250 ok\r\n" },
	    { "RSET", SAY, "250 ok\r\n" },
	    { "QUIT", QUIT, "221 bye\r\n" },
	    { NULL, SAY, "530 5.7.0 Must issue a STARTTLS command first\r\n" } } },
	{ "imap",
	  UNIT_TAGGED_LINE,
	  "* OK [CAPABILITY IMAP4rev1 STARTTLS LOGINDISABLED] %h ready\r\n",
	  "* OK %h ready\r\n",
	  { { "CAPABILITY", SAY,
	      "* CAPABILITY IMAP4rev1 STARTTLS LOGINDISABLED\r\n%t OK done\r\n" },
	    { "STARTTLS", GO, "%t OK go ahead\r\n" },
	    { "NOOP", SAY, "%t OK done\r\n" },
	    { "ID", SAY, "* ID NIL\r\n%t OK done\r\n" },
	    { "LOGOUT", QUIT, "* BYE bye\r\n%t OK done\r\n" },
	    { "LOGIN", SAY, "%t NO [PRIVACYREQUIRED] STARTTLS comes first\r\n" },
	    { "AUTHENTICATE", SAY, "%t NO [PRIVACYREQUIRED] STARTTLS comes first\r\n" },
	    { NULL, SAY, "%t BAD STARTTLS comes first\r\n" } } },
	{ "pop3",
	  UNIT_LINE,
	  "+OK %h ready\r\n",
	  "+OK %h ready\r\n",
	  { { "CAPA", SAY, "+OK\r\nSTLS\r\n.\r\n" },
	    { "STLS", GO, "+OK go ahead\r\n" },
	    { "NOOP", SAY, "+OK\r\n" },
	    { "QUIT", QUIT, "+OK bye\r\n" },
	    { NULL, SAY, "-ERR STLS comes first\r\n" } } },
	{ "ftp",
	  UNIT_LINE,
	  "220 %h ready\r\n",
	  "220 %h ready\r\n",
	  { { "AUTH TLS", GO, "234 go ahead\r\n" },
	    { "AUTH SSL", GO, "234 go ahead\r\n" }, /* what older clients ask first */
	    { "AUTH TLS-C", GO, "234 go ahead\r\n" },
	    { "AUTH", SAY, "504 AUTH TLS is what there is\r\n" },
	    { "FEAT", SAY, "211-Features:\r\n AUTH TLS\r\n211 End\r\n" },
	    { "NOOP", SAY, "200 ok\r\n" },
	    { "QUIT", QUIT, "221 bye\r\n" },
	    { NULL, SAY, "530 AUTH TLS comes first\r\n" } } },
	{ "xmpp",
	  UNIT_XML,
	  NULL,
	  NULL,
	  { { "<?xml", SAY, NULL },
	    { "<stream:stream", SAY,
	      XMPP_STREAM "<stream:features><starttls " XMPP_TLS "><required/></starttls>"
	                  "</stream:features>" },
	    { "<starttls", GO_EMPTY, "<proceed " XMPP_TLS "/>" },
	    { "</starttls", GO, "<proceed " XMPP_TLS "/>" },
	    { "</stream:stream", QUIT, "</stream:stream>" },
	    { NULL, END,
	      "<stream:error><policy-violation xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>"
	      "</stream:error></stream:stream>" } } },
	{ "ldap", UNIT_LDAP, NULL, NULL, { { 0 } } },
	{ "postgres", UNIT_POSTGRES, NULL, NULL, { { 0 } } },
};

static const struct starttls_side *side_of(const struct starttls_row *row)
{
	for (size_t i = 0; i < sizeof sides / sizeof sides[0]; i++)
		if (strcmp(sides[i].name, starttls_row_name(row)) == 0)
			return &sides[i];
	return NULL;
}

static void refuse(struct starttls_server *s, const char *why)
{
	s->status = STARTTLS_REFUSED;
	s->refusal = why;
}

/* ---- output: bounded by what is said in the whole dialogue, so that pieces cannot matter */

static void queue(struct starttls_server *s, const void *bytes, size_t n)
{
	if (n > sizeof s->output - s->said_bytes) {
		refuse(s, "it asks for more answers than anybody needs");
		return;
	}
	memcpy(s->output + s->output_bytes, bytes, n);
	s->output_bytes += n;
	s->said_bytes += n;
}

/* The octets at `text` that are a tame value: no quotes, blanks or markup. */
static size_t tame_length(const char *text)
{
	size_t n = 0;

	while (isalnum((unsigned char)text[n]) || (text[n] != '\0' && strchr(".-_:[]", text[n])))
		n++;
	return n < 256 ? n : 0;
}

/* XMPP: whom the client calls, in its to='...'; else our own name. */
static void queue_called(struct starttls_server *s)
{
	const char *to = strstr(s->line, " to=");
	size_t n = to != NULL && strchr("'\"", to[4]) != NULL ? tame_length(to + 5) : 0;

	if (n > 0 && to[5 + n] == to[4])
		queue(s, to + 5, n);
	else
		queue(s, s->host, strlen(s->host));
}

static void queue_value(struct starttls_server *s, char which)
{
	const char *namespace =
	    strstr(s->line, "jabber:server") != NULL ? "jabber:server" : "jabber:client";

	switch (which) {
	case 'h':
		queue(s, s->host, strlen(s->host));
		break;
	case 't':
		queue(s, s->line, strcspn(s->line, " "));
		break;
	case 'n':
		queue(s, namespace, strlen(namespace));
		break;
	default: /* 'f' */
		queue_called(s);
		break;
	}
}

static void queue_reply(struct starttls_server *s, const char *reply)
{
	while (reply != NULL && s->status == STARTTLS_TALKING) {
		size_t n = strcspn(reply, "%");

		queue(s, reply, n);
		if (reply[n] == '\0')
			return;
		queue_value(s, reply[n + 1]);
		reply += n + 2;
	}
}

static bool begin(struct starttls_server *s, const struct starttls_row *row, const char *host)
{
	memset(s, 0, sizeof *s);
	s->row = row;
	s->host = host;
	s->side = side_of(row);
	return s->side != NULL;
}

bool starttls_server_begin(struct starttls_server *s, const struct starttls_row *row,
                           const char *host)
{
	if (!begin(s, row, host))
		return false;
	queue_reply(s, s->side->greeting);
	return s->status == STARTTLS_TALKING;
}

bool starttls_server_welcome(struct starttls_server *s, const struct starttls_row *row,
                             const char *host)
{
	if (!begin(s, row, host))
		return false;
	queue_reply(s, s->side->welcome);
	return s->status == STARTTLS_TALKING;
}

const char *starttls_server_output(const struct starttls_server *s, size_t *n)
{
	*n = s->output_bytes;
	return s->output;
}

void starttls_server_sent(struct starttls_server *s, size_t n)
{
	if (n > s->output_bytes)
		n = s->output_bytes;
	memmove(s->output, s->output + n, s->output_bytes - n);
	s->output_bytes -= n;
}

/* ---- commands */

/* The line is free for the next; what stood there, a password perhaps, is not kept. */
static void forget_line(struct starttls_server *s)
{
	memset(s->line, 0, s->line_bytes);
	s->line_bytes = 0;
}

/* Acts when the answer is queued. */
static void act_on(struct starttls_server *s, enum act act)
{
	forget_line(s);
	if (s->status != STARTTLS_TALKING)
		return;
	switch (act) {
	case SAY:
		break;
	case GO:
	case GO_EMPTY:
		s->status = STARTTLS_DONE;
		break;
	case QUIT:
		s->has_quit = true;
		refuse(s, "it took its leave without asking for TLS");
		break;
	case END:
		refuse(s, "it goes on in the clear");
		break;
	}
}

/* False: one command too many. */
static bool count_command(struct starttls_server *s)
{
	if (++s->commands <= STARTTLS_SERVER_COMMANDS)
		return true;
	refuse(s, "it sends commands, and none of them asks for TLS");
	return false;
}

static bool continues_word(char c)
{
	return isalnum((unsigned char)c) || (c != '\0' && strchr("-_:", c) != NULL);
}

/* Whether `text` is this command; what asks for TLS has no arguments. */
static bool is_command(const struct command *c, const char *text)
{
	size_t n = strlen(c->verb);

	if (strncasecmp(text, c->verb, n) != 0 || continues_word(text[n]))
		return false;
	return c->act != GO || *c->verb == '<' || text[n + strspn(text + n, " \t")] == '\0';
}

static void judge_text(struct starttls_server *s, const char *text)
{
	const struct command *c = s->side->commands;
	bool closes_itself = s->line_bytes >= 2 && s->line[s->line_bytes - 2] == '/';

	while (c->verb != NULL && !is_command(c, text))
		c++;
	if (c->act == GO_EMPTY && !closes_itself) {
		forget_line(s);
		return;
	}
	queue_reply(s, c->reply);
	act_on(s, c->act);
}

/* IMAP: what is behind the tag; NULL where there is no tag. */
static const char *behind_tag(const char *line)
{
	size_t n = 0;

	while (isgraph((unsigned char)line[n]) && strchr("(){%*\"\\+", line[n]) == NULL)
		n++;
	return n > 0 && n <= 64 && line[n] == ' ' ? line + n + 1 : NULL;
}

static void judge_line(struct starttls_server *s)
{
	const char *text = s->line;

	while (s->line_bytes > 0 && strchr("\r\n", s->line[s->line_bytes - 1]) != NULL)
		s->line[--s->line_bytes] = '\0';
	if (s->side->unit == UNIT_TAGGED_LINE)
		text = behind_tag(s->line);
	if (text != NULL) {
		judge_text(s, text);
		return;
	}
	queue_reply(s, "* BAD a tag comes first\r\n");
	act_on(s, SAY);
}

static void take_text(struct starttls_server *s, char octet)
{
	bool is_xml = s->side->unit == UNIT_XML;

	if (octet == '\0' || (is_xml && s->line_bytes > 1 && octet == '<')) {
		refuse(s, "what it says is no text");
		return;
	}
	if (octet != (is_xml ? '>' : '\n') || !count_command(s))
		return;
	if (is_xml)
		judge_text(s, s->line);
	else
		judge_line(s);
}

/* ---- LDAP */

static void take_ldap(struct starttls_server *s)
{
	uint8_t reply[STARTTLS_LDAP_ANSWER];
	size_t n;
	enum starttls_ldap said = starttls_ldap_judge(s->line, s->line_bytes, reply, &n);

	if (said == STARTTLS_LDAP_MORE)
		return;
	if (said == STARTTLS_LDAP_BAD) {
		refuse(s, "what it says is no LDAP request");
		return;
	}
	if (!count_command(s))
		return;
	queue(s, reply, n);
	act_on(s, said == STARTTLS_LDAP_STARTS ? GO : said == STARTTLS_LDAP_QUITS ? QUIT : SAY);
}

/* ---- PostgreSQL: a length of 32 bits, and a code */

enum {
	POSTGRES_CANCEL = 80877102,
	POSTGRES_TLS = 80877103,
	POSTGRES_GSS = 80877104,
	POSTGRES_HEAD_BYTES = 8
};

static void take_postgres(struct starttls_server *s)
{
	/* ErrorResponse: severity, the same untranslated, SQLSTATE, message. */
	static const char error[] = "E\0\0\0\x51"
				    "SFATAL\0VFATAL\0C28000\0"
				    "Mconnections have to be encrypted: set sslmode=require\0";
	struct lw_cursor c = lw_cursor_over(s->line, s->line_bytes);
	uint64_t length, code;

	if (!lw_take_uint(&c, 4, &length) || !lw_take_uint(&c, 4, &code) || !count_command(s))
		return;
	if (code == POSTGRES_TLS && length == POSTGRES_HEAD_BYTES) {
		queue(s, "S", 1);
		act_on(s, GO);
	} else if (code == POSTGRES_GSS && length == POSTGRES_HEAD_BYTES) {
		queue(s, "N", 1);
		act_on(s, SAY);
	} else if (code == POSTGRES_CANCEL) {
		refuse(s, "it cancels a query in the clear");
	} else if (code >> 16 == 3 && length > POSTGRES_HEAD_BYTES) {
		queue(s, error, sizeof error);
		act_on(s, END);
	} else {
		refuse(s, "what it says is no request of PostgreSQL's");
	}
}

/* ---- all of them */

static void take_octet(struct starttls_server *s, uint8_t octet)
{
	if (++s->total_bytes == 1 && octet == 0x16) {
		refuse(s, "it begins with TLS at once, and this listener waits to be asked for it");
		return;
	}
	if (s->total_bytes > STARTTLS_TOTAL_BYTES) {
		refuse(s, "it talks without end");
		return;
	}
	if (s->side->unit == UNIT_XML && s->line_bytes == 0 && octet != '<') {
		if (strchr(" \t\r\n", octet) == NULL || octet == 0)
			refuse(s, "what it says is no XML");
		return;
	}
	if (s->line_bytes == sizeof s->line - 1) {
		refuse(s, "its command has no end");
		return;
	}
	s->line[s->line_bytes++] = (char)octet;
	switch (s->side->unit) {
	case UNIT_LINE:
	case UNIT_TAGGED_LINE:
	case UNIT_XML:
		take_text(s, (char)octet);
		break;
	case UNIT_LDAP:
		take_ldap(s);
		break;
	case UNIT_POSTGRES:
		take_postgres(s);
		break;
	}
}

enum starttls_status starttls_server_feed(struct starttls_server *s, const void *bytes, size_t n,
                                          size_t *used)
{
	struct lw_cursor c = lw_cursor_over(bytes, n);
	uint8_t octet;

	*used = n;
	while (s->status == STARTTLS_TALKING && lw_take_u8(&c, &octet))
		take_octet(s, octet);
	if (s->status == STARTTLS_DONE && c.left > 0) {
		s->output_bytes = 0; /* it gets no go-ahead */
		refuse(s, "it sent octets in the clear behind its request, which someone may "
		          "have put there");
	}
	return s->status;
}

void starttls_server_ended(struct starttls_server *s)
{
	if (s->status == STARTTLS_TALKING)
		refuse(s, "it ended the connection without asking for TLS");
}

void starttls_server_explain(const struct starttls_server *s, struct failure *f)
{
	failure_set(f, "the client does not start TLS as %s: %s", s->side->name,
	            s->refusal != NULL ? s->refusal : "it has not said so yet");
}

/* ---- the greeting of the server behind us */

bool starttls_greets(const struct starttls_row *row)
{
	const struct starttls_side *side = side_of(row);

	return side != NULL && side->greeting != NULL;
}

enum greeting { GREETING_MORE, GREETING_OPENS, GREETING_END, GREETING_NONE };

/* What a line means, in protocols whose greeting begins with `kind`; `is_open` inside a greeting of
 * several lines.
 */
static enum greeting judge_greeting(char kind, struct lw_cursor line, bool is_open)
{
	static const struct {
		char kind;
		const char *prefix;
		enum greeting meaning;
	} rows[] = {
		{ '2', "220-", GREETING_OPENS }, { '2', "220", GREETING_END },
		{ '2', "120", GREETING_MORE },   { '*', "* OK", GREETING_END },
		{ '+', "+OK", GREETING_END },    { '*', "* PREAUTH", GREETING_END },
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		size_t n = strlen(rows[i].prefix);

		if (rows[i].kind == kind && line.left >= n &&
		    strncasecmp((const char *)line.at, rows[i].prefix, n) == 0 &&
		    (!is_open || rows[i].meaning != GREETING_MORE))
			return rows[i].meaning;
	}
	return is_open ? GREETING_OPENS : GREETING_NONE;
}

size_t starttls_greeting(const struct starttls_row *row, const void *bytes, size_t n, bool *whole)
{
	struct lw_cursor c = lw_cursor_over(bytes, n), line;
	const uint8_t *end;
	bool is_open = false;

	*whole = !starttls_greets(row);
	while (!*whole && c.left > 0 && (end = memchr(c.at, '\n', c.left)) != NULL) {
		enum greeting meaning;

		if (!lw_take_window(&c, (size_t)(end - c.at) + 1, &line))
			break;
		meaning = judge_greeting(side_of(row)->greeting[0], line, is_open);
		is_open = meaning == GREETING_OPENS;
		*whole = meaning == GREETING_END || meaning == GREETING_NONE;
		if (meaning == GREETING_NONE)
			return 0;
	}
	return *whole ? n - c.left : n;
}
