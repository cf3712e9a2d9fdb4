/* config: lines of files as values.  One row one fact: a line or a few, and what becomes of them.
 */
#include "tests/relay/config_stand.h"
#include "tests/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What the rows below stand behind. */
#define SERVER    "accept = 443\nconnect = 80\ncert = c\n"
#define AT(place) "accept = " place "\nconnect = 80\ncert = c\n"
#define CLIENT    "client = yes\naccept = 25\nconnect = mx:465\n"
#define BOTH      "accept = tls:1\nconnect = tls:h:2\ncert = c\n"
#define PLAIN     "accept = tcp:1\nconnect = unix:/s\n"

struct row {
	const char *text, *value; /* of the dump; "A;B" for values that follow one another */
};

static void check_rows(const struct row *rows, size_t count)
{
	for (size_t i = 0; i < count; i++)
		config_assert_value(rows[i].text, NULL, 0, rows[i].value);
}

#define CHECK_ROWS(rows) check_rows(rows, sizeof(rows) / sizeof *(rows))

static void places_are_read(void **state)
{
	static const struct row rows[] = {
		{ SERVER, "relay.accept=tls:*:443" },
		{ SERVER, "relay.connect=tcp:localhost:80" },
		{ CLIENT, "relay.accept=tcp:*:25" },
		{ CLIENT, "relay.connect=tls:mx:465" },
		{ AT("127.0.0.1:8443"), "relay.accept=tls:127.0.0.1:8443" },
		{ AT("*:8443"), "relay.accept=tls:*:8443" },
		{ AT(":8443"), "relay.accept=tls:*:8443" },
		{ AT(":::8443"), "relay.accept=tls:[::]:8443" },
		{ AT("::1:8443"), "relay.accept=tls:[::1]:8443" },
		{ AT("[::1]:8443"), "relay.accept=tls:[::1]:8443" },
		{ AT("TLS:[fe80::1%lo]:8443"), "relay.accept=tls:[fe80::1%lo]:8443" },
		{ AT("https"), "relay.accept=tls:*:443" },
		{ AT("localhost:https"), "relay.accept=tls:localhost:443" },
		{ AT("0"), "relay.accept=tls:*:0" },
		{ "ACCEPT=tls:5\nConnect=80\ncert=c\nclient=no", "relay.accept=tls:*:5" },
		{ "accept = 443\nconnect = /run/s\ncert = c", "relay.connect=unix:/run/s" },
		{ PLAIN, "relay.accept=tcp:*:1" },
		{ PLAIN, "relay.connect=unix:/s" },
		{ "accept = unix:/a\nconnect = tls:h:1", "relay.accept=unix:/a" },
		{ "client = yes\naccept = /a\nconnect = h:1", "relay.accept=unix:/a" },
		{ BOTH, "relay.connect=tls:h:2" },
		{ "client = yes\naccept = tls:1\nconnect = 2\ncert = c",
		  "relay.connect=tls:localhost:2" },
		{ SERVER "connect = a:1\nconnect = b:2",
		  "relay.connect=tcp:localhost:80,tcp:a:1,tcp:b:2" },
		{ SERVER "local = 127.0.0.2", "relay.local=127.0.0.2" },
		{ SERVER "local = ::1", "relay.local=::1" },
	};

	(void)state;
	CHECK_ROWS(rows);
}

static void identities_are_read(void **state)
{
	static const struct row rows[] = {
		{ SERVER "cert = d\nkey = k", "relay.front.cert=c,d;relay.front.key=k" },
		{ SERVER, "relay.front.verify=" },
		{ SERVER "verifyChain = yes\nCAfile = r", "relay.front.verify=chain required" },
		{ SERVER "verifyPeer = yes\nCAfile = r", "relay.front.verify=peer required" },
		{ SERVER "verifyChain = yes\nCApath = r", "relay.front.ca_path=r" },
		{ SERVER "verifyChain = yes\nCAfile = r\nrequireCert = no",
		  "relay.front.verify=chain " },
		{ SERVER "verify = 0", "relay.front.verify=" },
		{ SERVER "verify = 1\nCAfile = r", "relay.front.verify=chain " },
		{ SERVER "verify = 2\nCAfile = r", "relay.front.verify=chain required" },
		{ SERVER "verify = 3\nCAfile = r", "relay.front.verify=chain peer required" },
		{ SERVER "verify = 4\nCAfile = r", "relay.front.verify=peer required" },
		{ SERVER "allow = l", "relay.front.allow=l" },
		{ SERVER "verify = 2\nCAfile = r\ncheckHost = a\ncheckHost = b",
		  "relay.front.host=a,b" },
		{ SERVER "verify = 2\nCAfile = r\ncheckIP = ::1\ncheckIP = 127.0.0.1",
		  "relay.front.ip=::1,127.0.0.1" },
		{ SERVER "verify = 2\nCAfile = r\ncheckEmail = a@b", "relay.front.email=a@b" },
		{ SERVER "verify = 2\nCAfile = r\nCRLfile = f\nCRLpath = p",
		  "relay.front.crl_file=f;relay.front.crl_path=p" },
		{ CLIENT, "relay.back.verify=chain required" },
		{ CLIENT "verifyChain = no", "relay.back.verify=" },
		{ CLIENT "verify = 0", "relay.back.verify=" },
		{ CLIENT "verify = 2", "relay.back.verify=chain required" },
		{ CLIENT "verifyPeer = yes\nCAfile = r", "relay.back.verify=peer required" },
		{ CLIENT "verify = 3\nCAfile = r", "relay.back.verify=chain peer required" },
		{ CLIENT "checkHost = a", "relay.back.host=a" },
		{ CLIENT "cert = c\nkey = k", "relay.back.cert=c;relay.back.key=k" },
		{ CLIENT, "relay.back.sni=-" },
		{ CLIENT "sni = n", "relay.back.sni=n" },
		{ CLIENT "sni =", "relay.back.sni=" },
	};

	(void)state;
	CHECK_ROWS(rows);
}

static void both_legs_have_their_own(void **state)
{
	static const struct row rows[] = {
		{ BOTH, "relay.front.verify=" },
		{ BOTH, "relay.back.verify=chain required" },
		{ BOTH, "relay.back.cert=" },
		{ BOTH "CAfile = r", "relay.back.ca_file=-" },
		{ BOTH "backendCAfile = r", "relay.back.ca_file=r" },
		{ BOTH "backendCAfile = r", "relay.front.ca_file=-" },
		{ BOTH "backendCApath = p", "relay.back.ca_path=p" },
		{ BOTH "backendCert = b\nbackendKey = k", "relay.back.cert=b;relay.back.key=k" },
		{ BOTH "backendCRLfile = r", "relay.back.crl_file=r" },
		{ BOTH "backendCRLpath = r", "relay.back.crl_path=r" },
		{ BOTH "backendVerifyChain = no", "relay.back.verify=" },
		{ BOTH "backendVerifyPeer = yes\nbackendCAfile = r",
		  "relay.back.verify=peer required" },
		{ BOTH "backendCheckHost = a\nbackendCheckHost = b", "relay.back.host=a,b" },
		{ BOTH "backendCheckIP = 127.0.0.1", "relay.back.ip=127.0.0.1" },
		{ BOTH "backendSni = n", "relay.back.sni=n" },
		{ BOTH "backendSni =", "relay.back.sni=" },
		{ BOTH "backendProtocol = smtp", "relay.back.starttls=smtp" },
		{ BOTH "backendProtocol = smtp", "relay.front.starttls=-" },
		{ BOTH "backendAlpn = h2", "relay.back.alpn=h2" },
		{ BOTH "alpn = h2", "relay.back.alpn=-" },
		{ BOTH "backendSslVersionMin = TLSv1.3", "relay.back.versions=304-0" },
		{ BOTH "backendSslVersionMax = TLSv1.2", "relay.back.versions=0-303" },
		{ BOTH "backendCiphers = A", "relay.back.ciphers=A" },
		{ BOTH "backendCiphersuites = A", "relay.back.ciphersuites=A" },
		{ BOTH "backendCurves = A", "relay.back.curves=A" },
	};

	(void)state;
	CHECK_ROWS(rows);
}

static void tls_is_read(void **state)
{
	static const struct row rows[] = {
		{ SERVER, "relay.front.versions=0-0" },
		{ SERVER "sslVersion = all", "relay.front.versions=0-0" },
		{ SERVER "sslVersion = TLSv1.2", "relay.front.versions=303-303" },
		{ SERVER "sslVersion = tlsv1", "relay.front.versions=301-301" },
		{ SERVER "sslVersionMin = TLSv1.1", "relay.front.versions=302-0" },
		{ SERVER "sslVersionMin = 1.3", "relay.front.versions=304-0" },
		{ SERVER "sslVersionMax = TLSv1.2", "relay.front.versions=0-303" },
		{ CLIENT "sslVersionMax = TLSv1.2", "relay.back.versions=0-303" },
		{ SERVER "options = NO_SSLv3\noptions = NO_TLSv1\noptions = NO_TLSv1.1",
		  "relay.front.versions=0-0" },
		{ SERVER "options = NO_TLSv1.2", "relay.front.versions=304-0" },
		{ SERVER "options = NO_TLSv1_3", "relay.front.versions=0-303" },
		{ SERVER "options = NO_TLSv1.3\noptions = -NO_TLSv1.3",
		  "relay.front.versions=0-0" },
		{ SERVER "sslVersionMin = TLSv1\noptions = NO_TLSv1",
		  "relay.front.versions=302-0" },
		{ SERVER, "relay.front.tickets=1" },
		{ SERVER "tickets = no", "relay.front.tickets=0" },
		{ SERVER "sessionResume = no", "relay.front.tickets=0" },
		{ SERVER "options = NO_TICKET", "relay.front.tickets=0" },
		{ SERVER "options = -NO_TICKET", "relay.front.tickets=1" },
		{ SERVER "ciphers = A:!B;C", "relay.front.ciphers=A:!B;C" },
		{ SERVER "ciphersuites = A:B", "relay.front.ciphersuites=A:B" },
		{ SERVER "curves = A:B", "relay.front.curves=A:B" },
		{ SERVER, "relay.front.level=-1" },
		{ SERVER "securityLevel = 3", "relay.front.level=3" },
		{ SERVER "alpn = h2,http/1.1", "relay.front.alpn=h2,http/1.1" },
		{ SERVER "protocol = SMTP", "relay.front.starttls=smtp" },
		{ SERVER "protocol = pgsql", "relay.front.starttls=postgresql" },
		{ CLIENT "protocol = imap", "relay.back.starttls=imap" },
	};

	(void)state;
	CHECK_ROWS(rows);
}

static void endings_and_deadlines_are_read(void **state)
{
	static const struct row rows[] = {
		{ SERVER, "relay.profile=-;relay.policy=framed" },
		{ SERVER "profile = https", "relay.profile=https" },
		{ SERVER "profile = IMAPS", "relay.profile=imap" },
		{ SERVER "profile = auto", "relay.profile=-" },
		{ SERVER "protocol = imap", "relay.profile=imap" },
		{ SERVER "protocol = imap\nprofile = smtp", "relay.profile=smtp" },
		{ CLIENT "protocol = pgsql", "relay.profile=postgresql" },
		{ BOTH "backendProtocol = smtp", "relay.profile=smtp" },
		{ SERVER "policy = Strict", "relay.policy=strict" },
		{ SERVER "policy = lax", "relay.policy=lax" },
		{ SERVER, "relay.fin=1;relay.report=0;relay.abort=0" },
		{ SERVER "trustFin = no\nprofile = https", "relay.fin=0" },
		{ SERVER "reportOnly = yes", "relay.report=1" },
		{ SERVER "abortWith = alert-reset", "relay.abort=1" },
		{ SERVER "abortWith = reset", "relay.abort=2" },
		{ SERVER, "relay.ms=300000,10000,43200000,60000" },
		{ SERVER "TIMEOUTbusy = 1\nTIMEOUTconnect = 2\nTIMEOUTidle = 3\nTIMEOUTclose = 4",
		  "relay.ms=1000,2000,3000,4000" },
		{ SERVER "TIMEOUTclose = 0", "relay.ms=300000,10000,43200000,1000" },
		{ SERVER, "relay.pool=prio,10000,60000" },
		{ SERVER "failover = rr\nretryAfter = 0\nresolve = 5", "relay.pool=rr,0,5000" },
		{ SERVER, "relay.proxy=0,0" },
		{ SERVER "proxyIn = yes", "relay.proxy=1,0" },
		{ SERVER "proxyIn = v2\nproxyOut = v2", "relay.proxy=1,2" },
		{ SERVER "proxyOut = v1", "relay.proxy=0,1" },
		{ SERVER "protocol = proxy", "relay.proxy=0,1" },
		{ SERVER "protocol = proxy", "relay.front.starttls=-" },
		{ PLAIN "protocol = proxy", "relay.proxy=0,1" },
		{ SERVER, "relay.keepalive=1,0,0,0" },
		{ SERVER "keepalive = no", "relay.keepalive=0,0,0,0" },
		{ SERVER "socket = r:SO_KEEPALIVE=no", "relay.keepalive=0,0,0,0" },
		{ SERVER "socket = l:SO_KEEPALIVE = 1\nsocket = r:TCP_KEEPIDLE=60\n"
		         "socket = a:TCP_KEEPINTVL=5\nsocket = l:tcp_keepcnt=3",
		  "relay.keepalive=1,60,5,3" },
	};

	(void)state;
	CHECK_ROWS(rows);
}

static void the_process_is_read(void **state)
{
	static const struct row rows[] = {
		{ SERVER, "workers=0;max=0;drain=30000;format=0;connections=1" },
		{ SERVER, "log=-;pid=-;user=-;group=-;metrics=-" },
		{ SERVER "workers = 3\nmaxConnections = 7\ndrain = 0\nlogFormat = json",
		  "workers=3;max=7;drain=0;format=1" },
		{ SERVER "TIMEOUTdrain = 2", "drain=2000" },
		{ SERVER "debug = 4", "connections=0" },
		{ SERVER "debug = daemon.info", "connections=1" },
		{ SERVER "debug = WARNING", "connections=0" },
		{ SERVER "output = /l\npid = /p\nsetuid = u\nsetgid = g",
		  "log=/l;pid=/p;user=u;group=g" },
		{ SERVER "pid =", "pid=-" },
		{ SERVER "metrics = 9180", "metrics=tcp:127.0.0.1:9180" },
		{ SERVER "metrics = [::1]:9180", "metrics=tcp:[::1]:9180" },
		{ SERVER "metrics = unix:/m", "metrics=unix:/m" },
		{ SERVER "metrics = /m", "metrics=unix:/m" },
	};

	(void)state;
	CHECK_ROWS(rows);
}

static void sections_are_services(void **state)
{
	static const struct row rows[] = {
		{ "; nothing\n\n# nothing\n[a]\n" SERVER, "a.line=4" },
		{ "\xef\xbb\xbf[a]\n" SERVER, "a.line=1" },
		{ "\xef\xbb\xbf; text\n[a]\n" SERVER, "a.line=2" },
		{ "[a]\n" SERVER "[b]\n" AT("2"), "b.accept=tls:*:2" },
		{ "TIMEOUTidle = 7\n[a]\n" SERVER, "a.ms=300000,10000,7000,60000" },
		{ "TIMEOUTidle = 7\n[a]\n" SERVER "TIMEOUTidle = 8",
		  "a.ms=300000,10000,8000,60000" },
		{ "cert = g\n[a]\naccept = 1\nconnect = 2", "a.front.cert=g" },
		{ "cert = g\n[a]\n" SERVER, "a.front.cert=c" },
		{ "connect = g:1\n[a]\n" SERVER, "a.connect=tcp:localhost:80" },
		{ "socket = l:SO_KEEPALIVE=0\n[a]\n" SERVER "socket = l:TCP_KEEPIDLE=9",
		  "a.keepalive=0,9,0,0" },
		{ "options = NO_TLSv1.2\n[a]\n" SERVER "options = NO_TICKET",
		  "a.front.versions=304-0" },
		{ "maxConnections = 9\n[a]\n" SERVER, "a.max=0" },
		{ "maxConnections = 9\n[a]\n" SERVER "maxConnections = 3", "a.max=3" },
		{ "maxConnections = 9\n[a]\n" SERVER "maxConnections = 3", "max=9" },
		{ "checkHost = x\nverifyChain = yes\nCAfile = r\n[a]\n" SERVER "verifyChain = no",
		  "a.front.host=" },
		{ "backendCAfile = r\n[a]\n" SERVER, "a.front.ca_file=-" },
		{ "[a]\n" SERVER "[b]\nsni = a:x.org\nSNI = A:*.y.org\nconnect = 1\ncert = d",
		  "b.of=a;b.names=x.org,*.y.org" },
		{ "[b]\nsni = a:x.org\nconnect = 1\ncert = d\n[a]\n" SERVER,
		  "b.of=a;b.names=x.org" },
		{ "[a]\n" AT("tls:0") "[b]\n" AT("tls:0"), "b.accept=tls:*:0" },
		{ "  [a]  \n\t accept=443  \r\n   connect   =   80\r\n\tcert = c c \r\n",
		  "a.front.cert=c c" },
	};

	(void)state;
	CHECK_ROWS(rows);
}

static void flags_stand_behind_global_lines(void **state)
{
	static const struct {
		const char *text;
		struct relay_flag flags[4];
		const char *value;
	} rows[] = {
		{ SERVER, { { "TIMEOUTidle", "9" } }, "relay.ms=300000,10000,9000,60000" },
		{ SERVER,
		  { { "connect", "a:1" }, { "connect", "b:2" } },
		  "relay.connect=tcp:a:1,tcp:b:2" },
		{ SERVER, { { "reportOnly", NULL } }, "relay.report=1" },
		{ SERVER "reportOnly = yes", { { "reportOnly", "no" } }, "relay.report=0" },
		{ "workers = 2\n[a]\n" SERVER, { { "workers", "4" } }, "workers=4" },
		{ "[a]\n" SERVER "TIMEOUTidle = 8",
		  { { "TIMEOUTidle", "9" } },
		  "a.ms=300000,10000,8000,60000" },
		{ "TIMEOUTidle = 7\n[a]\n" SERVER,
		  { { "TIMEOUTidle", "9" } },
		  "a.ms=300000,10000,9000,60000" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		size_t count = 0;

		while (count < 4 && rows[i].flags[count].name != NULL)
			count++;
		config_assert_value(rows[i].text, rows[i].flags, count, rows[i].value);
	}
}

static void flags_alone_are_enough(void **state)
{
	static const struct relay_flag flags[] = { { "accept", "tls:8443" },
		                                   { "connect", "tcp:127.0.0.1:8080" },
		                                   { "cert", "c" } };
	struct failure f;
	struct relay_config *c = relay_config_read(NULL, flags, 3, &f);

	(void)state;
	assert_non_null(c);
	assert_null(c->file);
	assert_string_equal(c->services[0].name, "relay");
	assert_int_equal(c->services[0].line, 0);
	assert_null(c->services[0].file);
	assert_null(c->warnings[0]);
	relay_config_free(c);
}

static void long_lines_are_whole(void **state)
{
	struct failure f;
	struct relay_config *c;
	char text[9000];
	size_t n = (size_t)snprintf(text, sizeof text, SERVER "ciphers = ");

	(void)state;
	memset(text + n, 'A', 8000);
	text[n + 8000] = '\0';
	c = config_of_text(text, NULL, 0, &f);
	if (c == NULL)
		fail_msg("%s", f.sentence);
	assert_int_equal(strlen(c->services[0].front.ciphers), 8000);
	relay_config_free(c);
}

/* Its examples are comments: "; key = value" and "; [name]", between sentences. */
static void the_installed_sample_is_read(void **state)
{
	FILE *in = fopen(ROOT "/dist/relay.conf", "r");
	char line[300], *text = calloc(1, 20000), *dump;
	size_t n = 0;
	struct failure f;
	struct relay_config *c;

	(void)state;
	assert_non_null(text);
	assert_non_null(in);
	while (fgets(line, sizeof line, in) != NULL && n < 19000) {
		size_t word =
		    strspn(line + 2, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ");
		bool is_example =
		    line[0] == ';' && (line[2] == '[' || strncmp(line + 2 + word, " = ", 3) == 0);

		n += (size_t)snprintf(text + n, 20000 - n, "%s", line + (is_example ? 1 : 0));
	}
	assert_int_equal(fclose(in), 0);
	c = config_of_text(text, NULL, 0, &f);
	if (c == NULL)
		fail_msg("%s%s", text, f.sentence);
	dump = config_dump(c);
	assert_int_equal(c->service_count, 2);
	assert_null(c->warnings[0]);
	assert_non_null(strstr(dump, ";web.accept=tls:*:443;"));
	assert_non_null(strstr(dump, ";mail.back.verify=chain required;"));
	free(dump);
	free(text);
	relay_config_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(places_are_read),
		cmocka_unit_test(identities_are_read),
		cmocka_unit_test(both_legs_have_their_own),
		cmocka_unit_test(tls_is_read),
		cmocka_unit_test(endings_and_deadlines_are_read),
		cmocka_unit_test(the_process_is_read),
		cmocka_unit_test(sections_are_services),
		cmocka_unit_test(flags_stand_behind_global_lines),
		cmocka_unit_test(flags_alone_are_enough),
		cmocka_unit_test(long_lines_are_whole),
		cmocka_unit_test(the_installed_sample_is_read),
	};

	return run_cases(tests);
}
