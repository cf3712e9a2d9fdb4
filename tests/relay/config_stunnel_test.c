/* config: stunnel's files run unchanged; what is lost is told, once. */
#include "tests/relay/config_stand.h"
#include "tests/unit.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SAMPLE    "/usr/share/doc/stunnel4/examples/stunnel.conf-sample"
#define AT(place) "accept = " place "\nconnect = 80\ncert = c\n"
#define SERVER    "accept = 443\nconnect = 80\ncert = c\n"

/* Of Debian's package. */
static char *read_sample(void)
{
	FILE *in = fopen(SAMPLE, "r");
	char *text = calloc(1, 65536);

	assert_non_null(text);
	if (in == NULL)
		fail_msg("no " SAMPLE ": is stunnel4 installed?");
	assert_in_range(fread(text, 1, 65535, in), 1, 65534);
	assert_int_equal(fclose(in), 0);
	return text;
}

/* A sentence a line. */
static char *warnings_of(const struct relay_config *c)
{
	char *text = NULL;
	size_t bytes;
	FILE *out = open_memstream(&text, &bytes);

	for (const char *const *w = c->warnings; *w != NULL; w++)
		fprintf(out, "%s\n", *w);
	(void)fclose(out);
	return text;
}

static void the_sample_of_the_package_is_read(void **state)
{
	struct failure f;
	char *text = read_sample(), place[400];
	struct relay_config *c = config_of_text(text, NULL, 0, &f);
	size_t warnings = 0;

	(void)state;
	if (c == NULL)
		fail_msg("%s", f.sentence);
	assert_int_equal(c->service_count, 3);
	assert_string_equal(c->services[0].name, "gmail-pop3");
	assert_string_equal(relay_place_text(&c->services[0].connect[0], place, sizeof place),
	                    "tls:pop.gmail.com:995");
	assert_string_equal(c->services[2].back.check_host[0], "smtp.gmail.com");
	assert_string_equal(c->services[2].back.ca_path, "/etc/ssl/certs");
	while (c->warnings[warnings] != NULL)
		assert_non_null(strstr(c->warnings[warnings++], ": OCSPaia: "));
	assert_int_equal(warnings, 3);
	relay_config_free(c);
	free(text);
}

/* Lines ";key = value" are examples that are turned off, "; Text" is text. */
static void turn_examples_on(char *text)
{
	static const char *const without[] = { ";fips", ";include", ";exec", ";PSK" };
	char *at = text;

	for (; at != NULL; at = strchr(at, '\n')) {
		bool is_left = false;

		at += at != text;
		for (size_t i = 0; i < sizeof without / sizeof *without; i++)
			is_left |= strncmp(at, without[i], strlen(without[i])) == 0;
		if (at[0] == ';' && (isalpha((unsigned char)at[1]) || at[1] == '[') && !is_left)
			at[0] = ' ';
	}
}

/* All but programs, keys in tokens and what only an administrator can decide. */
static void its_examples_are_read_when_they_are_turned_on(void **state)
{
	struct failure f;
	char *text = read_sample(), *shell, *vim, *dump;
	struct relay_config *c;

	(void)state;
	turn_examples_on(text);
	shell = strstr(text, "[shell]");
	vim = strstr(text, "; Non-standard MySQL");
	assert_true(shell != NULL && vim != NULL && vim > shell);
	memmove(shell, vim, strlen(vim) + 1);
	c = config_of_text(text, NULL, 0, &f);
	if (c == NULL)
		fail_msg("%s", f.sentence);
	assert_int_equal(c->service_count, 9);
	dump = config_dump(c);
	assert_non_null(strstr(dump, ";user=stunnel4;group=stunnel4;"));
	assert_non_null(strstr(dump, ";log=/var/log/stunnel.log;pid=/var/run/stunnel.pid;"));
	assert_non_null(strstr(dump, ";pop3s.accept=tls:*:995;"));
	assert_non_null(strstr(dump, ";pop3s.connect=tcp:localhost:110;"));
	assert_non_null(strstr(dump, ";https.ms=300000,10000,43200000,1000;"));
	assert_non_null(strstr(dump, ";mysql.connect=unix:/run/mysqld/mysqld.sock;"));
	free(dump);
	relay_config_free(c);
	free(text);
}

static void files_in_the_manner_of_its_manual_are_read(void **state)
{
	static const struct {
		const char *text, *value;
	} rows[] = {
		{ "cert = /etc/stunnel/own.pem\nsetuid = nobody\nsetgid = nogroup\n"
		  "chroot = /var/lib/stunnel4/\npid = /stunnel4.pid\n"
		  "socket = l:TCP_NODELAY=1\nsocket = r:TCP_NODELAY=1\n"
		  "debug = 7\noutput = /stunnel.log\nsslVersion = all\noptions = NO_SSLv2\n\n"
		  "[imaps]\naccept  = 993\nconnect = 143\n",
		  "imaps.front.cert=/etc/stunnel/own.pem" },
		{ "[outer]\naccept = 443\ncert = usual.pem\nconnect = usual.internal:8080\n"
		  "[one]\nsni = outer:one.example.org\ncert = one.pem\n"
		  "connect = one.internal:8081\n"
		  "[two]\nsni = outer:two.example.org\ncert = two.pem\n"
		  "connect = two.internal:8082\nverifyPeer = yes\nCAfile = friends.pem\n",
		  "two.front.verify=peer required" },
		{ "[out]\nclient = yes\naccept = 127.0.0.1:1080\nconnect = vpn:9080\n"
		  "verifyPeer = yes\nCAfile = vpn.pem\n",
		  "out.back.verify=peer required" },
		{ "client=yes\nforeground=yes\nsyslog=no\ndelay=yes\n[smtp]\n"
		  "accept=localhost:25\nconnect=mail.example.org:587\nprotocol=smtp\n",
		  "smtp.back.starttls=smtp" },
		{ "fips = no\nlibwrap = no\ncompression = none\n[a]\n" SERVER
		  "transparent = none\nrenegotiation = no\nretry = no\nreset = yes\n",
		  "a.line=4" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		config_assert_value(rows[i].text, NULL, 0, rows[i].value);
}

static void what_is_lost_is_told_once(void **state)
{
	static const struct {
		const char *text, *warnings;
	} rows[] = {
		{ SERVER, "" },
		{ SERVER "foreground = quiet\nsyslog = no\nlog = append\nOCSPaia = no\n"
		         "socket = l:TCP_NODELAY=1\noptions = SINGLE_DH_USE\n"
		         "sessionCacheSize = 5\nRNDfile = /r\noptions = -NO_TLSv1\n",
		  "" },
		{ SERVER "foreground = no\n",
		  ": foreground: the relay stays in the foreground; let the service manager start "
		  "it\n" },
		{ SERVER "syslog = yes\n",
		  ": syslog: the log goes to standard error, which the service manager keeps, or "
		  "to output\n" },
		{ SERVER "TIMEOUTbusy = 1\nTIMEOUTidle = 2\nTIMEOUTbusy = 3\n",
		  ": TIMEOUTbusy: replaces what line 4 says\n" },
		{ "TIMEOUTbusy = 1\n[a]\n" SERVER "TIMEOUTbusy = 3\n", "" },
		{ SERVER "log = overwrite\n", ": log: the log is appended to\n" },
		{ SERVER "compression = zlib\n",
		  ": compression: TLS does not compress here; compression gives secrets away\n" },
		{ SERVER "options = -NO_SSLv3\n", ": options: SSL is spoken nowhere any more\n" },
		{ SERVER "options = ENABLE_KTLS\n",
		  ": options: ENABLE_KTLS changes nothing here\n" },
		{ SERVER "socket = l:SO_LINGER=1:60\n",
		  ": socket: SO_LINGER stays as the relay sets it\n" },
		{ SERVER "TIMEOUTclose = 0\n",
		  ": TIMEOUTclose: taken as 1: what is under way is delivered first, and a "
		  "close_notify that is missing behind a complete message harms nobody here\n" },
		{ "accept = 4444\nconnect = 8081\ncert = c\ntrustFin = no\n",
		  ": trustFin: neither profile nor ALPN nor the port tells where messages end, so "
		  "that no FIN of the plain leg is an end; write profile = NAME\n" },
		{ SERVER "trustFin = no\n", "" },
		{ "accept = 4444\nconnect = 993\ncert = c\ntrustFin = no\n", "" },
		{ "accept = 4444\nconnect = 8081\ncert = c\ntrustFin = no\nalpn = h2\n", "" },
		{ "accept = 4444\nconnect = 8081\ncert = c\ntrustFin = no\nprofile = https\n", "" },
		{ SERVER "requireCert = yes\nCAfile = r\n", "" },
		{ "[a]\n" SERVER "debug = 7\n",
		  ": debug: what is logged is decided before the first [section], for all "
		  "services\n" },
		{ "engine = x\n[a]\n" SERVER "[b]\n" AT("2"), ": engine: keys come from files\n" },
		{ SERVER "ticketKeySecret = 0011\n",
		  ": ticketKeySecret: ticket keys are made anew; sessions are not shared with "
		  "other machines\n" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct failure f;
		struct relay_config *c = config_of_text(rows[i].text, NULL, 0, &f);
		char *warnings;
		const char *from;

		if (c == NULL)
			fail_msg("%s%s", rows[i].text, f.sentence);
		warnings = warnings_of(c);
		from = strstr(warnings, ": "); /* behind file and line */
		if (strcmp(from != NULL ? from : "", rows[i].warnings) != 0)
			fail_msg("%s%s", rows[i].text, warnings);
		free(warnings);
		relay_config_free(c);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_sample_of_the_package_is_read),
		cmocka_unit_test(its_examples_are_read_when_they_are_turned_on),
		cmocka_unit_test(files_in_the_manner_of_its_manual_are_read),
		cmocka_unit_test(what_is_lost_is_told_once),
	};

	return run_cases(tests);
}
