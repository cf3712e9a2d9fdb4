/* config: what a file or a flag must not say, and the sentence that tells so.  One row one fact;
 * "F" stands for the file's name.
 */
#include "tests/relay/config_stand.h"
#include "tests/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define AT(place) "accept = " place "\nconnect = 80\ncert = c\n"
#define SERVER    "accept = 443\nconnect = 80\ncert = c\n" /* three lines, as all of these */
#define CLIENT    "client = yes\naccept = 25\nconnect = mx:465\n"
#define BOTH      "accept = tls:1\nconnect = tls:h:2\ncert = c\n"

struct row {
	const char *text, *sentence;
};

static void check_rows(const struct row *rows, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct failure f;
		struct relay_config *c = config_of_text(rows[i].text, NULL, 0, &f);

		if (c != NULL)
			fail_msg("taken:\n%s", rows[i].text);
		if (strcmp(f.sentence, rows[i].sentence) != 0)
			fail_msg("%s:\n%s", rows[i].text, f.sentence);
	}
}

#define CHECK_ROWS(rows) check_rows(rows, sizeof(rows) / sizeof *(rows))

static void lines_that_are_none_are_refused(void **state)
{
	static const struct row rows[] = {
		{ SERVER "\nnonsense\n", "F:5: neither KEY = VALUE nor [SECTION]" },
		{ "accept 443\n", "F:1: neither KEY = VALUE nor [SECTION]" },
		{ "accept 443 = 5\n", "F:1: 'accept 443' is no key; a line is KEY = VALUE" },
		{ "= 5\n", "F:1: there is no key ''; next: man lastword-relay" },
		{ "[a\naccept = 1\n",
		  "F:1: '[a': a section begins with a line of its own, [NAME]" },
		{ "[a] accept = 1\n",
		  "F:1: '[a] accept = 1': a section begins with a line of its own, [NAME]" },
		{ "[]\n", "F:1: []: the section has no name" },
		{ "[aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeee]\n",
		  "F:1: the section's name has 50 characters; no name has more than 49" },
		{ "[a]\n" SERVER "[A]\n",
		  "F:5: [A] stands in F:1 already; a service has one section" },
		{ "a\033b\n", "F:1: holds the octet 0x1b; a configuration is text" },
		{ "", "F: nothing to relay; write accept and connect" },
		{ "; a comment\n", "F: nothing to relay; write accept and connect" },
	};

	(void)state;
	CHECK_ROWS(rows);
}

static void unknown_keys_name_their_neighbour(void **state)
{
	static const struct row rows[] = {
		{ SERVER "TIMEOUTidl = 5\n",
		  "F:4: there is no key 'TIMEOUTidl'; did you mean 'TIMEOUTidle'?" },
		{ SERVER "verifychian = yes\n",
		  "F:4: there is no key 'verifychian'; did you mean 'verifyChain'?" },
		{ SERVER "keys = k\n", "F:4: there is no key 'keys'; did you mean 'key'?" },
		{ SERVER "conect = 5\n", "F:4: there is no key 'conect'; did you mean 'connect'?" },
		{ "[x]\n" SERVER "nothing_like_it = 5\n",
		  "F:5: there is no key 'nothing_like_it'; next: man lastword-relay" },
	};

	(void)state;
	CHECK_ROWS(rows);
}

static void values_are_held_to_their_kind(void **state)
{
	static const struct row rows[] = {
		{ "accept =\n",
		  "F:1: accept = : '' is no port; write [HOST:]PORT, with a number up to 65535 "
		  "or the name of a service" },
		{ "accept = 65536\n",
		  "F:1: accept = 65536: '65536' is no port; write [HOST:]PORT, with a number up "
		  "to 65535 or the name of a service" },
		{ "accept = tls:no such\n",
		  "F:1: accept = tls:no such: 'no such' is no port; write [HOST:]PORT, with a "
		  "number up to 65535 or the name of a service" },
		{ "connect = a b:5\n",
		  "F:1: connect = a b:5: 'a b' names no host; write HOST:PORT, [IPV6]:PORT or "
		  "PORT" },
		{ "accept = [::1]\n",
		  "F:1: accept = [::1]: an address in brackets is written [IPV6]:PORT" },
		{ "accept = fe80:x:443\n",
		  "F:1: accept = fe80:x:443: 'fe80:x' names no host; write HOST:PORT, "
		  "[IPV6]:PORT or PORT" },
		{ "accept = unix:\n",
		  "F:1: accept = unix:: names no path; write unix:/run/NAME.sock" },
		{ SERVER "cert =\n", "F:4: cert: has no value; write FILE behind it" },
		{ SERVER "CAfile =\n", "F:4: CAfile: has no value; write FILE behind it" },
		{ SERVER "verifyChain = maybe\n", "F:4: verifyChain = maybe: write yes or no" },
		{ SERVER "TIMEOUTbusy = 0\n",
		  "F:4: TIMEOUTbusy = 0: write a number from 1 to 4000000" },
		{ SERVER "TIMEOUTbusy = 5s\n",
		  "F:4: TIMEOUTbusy = 5s: write a number from 1 to 4000000" },
		{ SERVER "TIMEOUTidle = 99999999999\n",
		  "F:4: TIMEOUTidle = 99999999999: write a number from 1 to 4000000" },
		{ SERVER "policy = sloppy\n",
		  "F:4: policy = sloppy: write one of framed|strict|lax" },
		{ SERVER "verify = 5\n", "F:4: verify = 5: write one of 0|1|2|3|4" },
		{ SERVER "profile = htps\n",
		  "F:4: profile = htps: no profile is called so; did you mean https?" },
		{ SERVER "profile = zzzzzzzz\n",
		  "F:4: profile = zzzzzzzz: no profile is called so; `lastword connect --help` "
		  "lists them, and auto goes by ALPN and port" },
		{ SERVER "local = here\n", "F:4: local = here: write an IP address" },
		{ SERVER "checkIP = here\n", "F:4: checkIP = here: write an IP address" },
		{ SERVER "alpn = h2,,x\n",
		  "F:4: alpn = h2,,x: write names of 1 to 255 characters with commas between, as "
		  "h2,http/1.1" },
		{ SERVER "metrics = tls:9180\n",
		  "F:4: metrics = tls:9180: plain HTTP is spoken there; leave tls: out" },
		{ SERVER "metrics = 192.0.2.1:9180\n",
		  "F:4: metrics = 192.0.2.1:9180: only this machine may ask; write "
		  "127.0.0.1:PORT, [::1]:PORT or unix:PATH" },
		{ SERVER "debug = 8\n",
		  "F:4: debug = 8: write a level from 0 (emerg) to 7 (debug)" },
		{ SERVER "log = elsewhere\n", "F:4: log = elsewhere: write append" },
		{ SERVER "socket = SO_KEEPALIVE=1\n",
		  "F:4: socket = SO_KEEPALIVE=1: write a, l or r, and then OPTION=VALUE, as "
		  "r:SO_KEEPALIVE=1" },
		{ SERVER "socket = r:TCP_KEEPIDLE=0\n",
		  "F:4: socket = r:TCP_KEEPIDLE=0: write a number from 1 to 32767" },
		{ SERVER "socket = a:SO_BINDTODEVICE=lo\n",
		  "F:4: socket = a:SO_BINDTODEVICE=lo: sockets are not bound to devices; write "
		  "the address in accept, or local = IP" },
		{ SERVER "protocol = nntp\n",
		  "F:4: protocol = nntp: that dialogue is not spoken here; write one of smtp, "
		  "imap, pop3, ldap, ftp, xmpp, postgres, proxy" },
	};

	(void)state;
	CHECK_ROWS(rows);
}

static void tls_is_held_to_what_it_can(void **state)
{
	static const struct row rows[] = {
		{ SERVER "sslVersion = SSLv3\n",
		  "F:4: sslVersion = SSLv3: that version is spoken nowhere any more; write "
		  "TLSv1.2 or TLSv1.3" },
		{ SERVER "sslVersionMin = 2\n",
		  "F:4: sslVersionMin = 2: write one of TLSv1.3, TLSv1.2, TLSv1.1, TLSv1 and "
		  "all" },
		{ SERVER "sslVersionMin = TLSv1.3\nsslVersionMax = TLSv1.2\n",
		  "F:5: sslVersionMax = TLSv1.2: is below sslVersionMin; lower that, or leave it "
		  "out" },
		{ BOTH "backendSslVersionMin = TLSv1.3\nbackendSslVersionMax = TLSv1.2\n",
		  "F:5: backendSslVersionMax = TLSv1.2: is below sslVersionMin; lower that, or "
		  "leave it out" },
		{ SERVER "sslVersionMax = TLSv1.1\n",
		  "F:4: sslVersionMax = TLSv1.1: is below sslVersionMin, which is TLSv1.2 where "
		  "nothing is said; lower that" },
		{ SERVER "options = NO_TLSv1.2\noptions = NO_TLSv1.3\n",
		  "F:5: options: leaves no version to speak; TLS 1.0 and 1.1 are only spoken "
		  "where sslVersionMin says so" },
		{ SERVER "sslVersionMin = TLSv1.1\noptions = NO_TLSv1.2\n",
		  "F:5: options: leaves a hole between versions; write sslVersionMin and "
		  "sslVersionMax instead" },
		{ SERVER "options = NO_TICKETS\n",
		  "F:4: options = NO_TICKETS: OpenSSL has no such option; did you mean "
		  "NO_TICKET?" },
		{ SERVER "options = XYZZY\n",
		  "F:4: options = XYZZY: no such option is known here; leave it out" },
		{ SERVER "securityLevel = 6\n",
		  "F:4: securityLevel = 6: write a number from 0 to 5" },
	};

	(void)state;
	CHECK_ROWS(rows);
}

static void what_would_change_the_meaning_is_refused(void **state)
{
	static const struct row rows[] = {
		{ SERVER "exec = /bin/sh\n",
		  "F:4: exec: no program is run; let a socket unit of systemd run it, and "
		  "connect to that" },
		{ SERVER "transparent = source\n",
		  "F:4: transparent: connections come from this machine; proxyOut = v2 tells the "
		  "client's address" },
		{ SERVER "PSKsecrets = /s\n",
		  "F:4: PSKsecrets: pre-shared keys are not spoken; use certificates and "
		  "allow" },
		{ SERVER "protocolPassword = secret\n",
		  "F:4: protocolPassword: nobody is logged in on a client's behalf" },
		{ SERVER "fips = yes\n",
		  "F:4: fips: the library's own configuration turns FIPS mode on (see "
		  "fips_config(5)); leave the key out" },
		{ SERVER "libwrap = yes\n",
		  "F:4: libwrap: hosts.allow is not read; let the firewall or IPAddressAllow= do "
		  "it, and leave the key out" },
		{ SERVER "redirect = 80\n",
		  "F:4: redirect: clients that are not verified are refused; leave it out" },
		{ "accept = /s\nconnect = 80\ncert = c\n",
		  "F:1: accept = /s: TLS is not spoken over Unix sockets; write unix:/s for "
		  "plain bytes, or accept on a port" },
		{ "client = yes\naccept = 1\nconnect = /s\n",
		  "F:3: connect = /s: TLS is not spoken over Unix sockets; write unix:/s for "
		  "plain bytes, or the [HOST:]PORT of a TLS server" },
	};

	(void)state;
	CHECK_ROWS(rows);
}

static void services_are_whole(void **state)
{
	static const struct row rows[] = {
		{ "[a]\nconnect = 1\n",
		  "F:1: [a] says not where to listen; write accept = [HOST:]PORT" },
		{ "connect = 1\n",
		  "F: the relay says not where to listen; write accept = [HOST:]PORT" },
		{ "[a]\naccept = 1\n",
		  "F:1: [a] says not where connections go; write connect = [HOST:]PORT" },
		{ "[a]\n", "F:1: [a] says not where to listen; write accept = [HOST:]PORT" },
		{ "[a]\naccept = 1\nconnect = 2\n",
		  "F:1: [a] accepts TLS and has no certificate; write cert = FILE, or accept = "
		  "tcp:... to accept plain bytes" },
		{ "[a]\n" SERVER "accept = 444\n",
		  "F:5: accept = 444: line 2 says where to listen already; a second place is a "
		  "second service, with a [section] of its own" },
		{ "accept = 5\n[a]\n" SERVER,
		  "F:1: accept: stands before the first [section]; move it into the section of "
		  "its service" },
		{ "[a]\n" SERVER "workers = 2\n",
		  "F:5: workers: belongs to the process, not to [a]; write it before the first "
		  "[section]" },
		{ "[a]\n" SERVER "[b]\n" SERVER,
		  "F:6: accept = 443: [a] listens there already (line 2)" },
		{ "[a]\n" SERVER "[b]\naccept = tcp:*:443\nconnect = 2\n",
		  "F:6: accept = tcp:*:443: [a] listens there already (line 2)" },
		{ "[a]\naccept = unix:/s\nconnect = 2\n[b]\naccept = unix:/s\nconnect = 3\n",
		  "F:5: accept = unix:/s: [a] listens there already (line 2)" },
		{ SERVER "connect = tls:h:1\n",
		  "F:4: connect = tls:h:1: the backends of a service are all of one kind; write "
		  "it in the form of the first, 80" },
		{ SERVER "connect = 0\n", "F:4: connect = 0: nobody listens on port 0" },
		{ SERVER "key = k\nkey = l\n",
		  "F:5: key: there are more keys than certificates; write a cert for each" },
		{ BOTH "backendKey = k\n",
		  "F:4: backendKey: there are more keys than certificates; write a backendCert "
		  "for each" },
		{ SERVER "proxyOut = v2\nprotocol = proxy\n",
		  "F:4: proxyOut: and protocol = proxy, which is version 1, exclude one another; "
		  "leave one out" },
	};

	(void)state;
	CHECK_ROWS(rows);
}

static void lines_without_effect_are_mistakes(void **state)
{
	static const struct row rows[] = {
		{ "accept = tcp:1\nconnect = tcp:2\ncert = c\n",
		  "F:3: cert: concerns TLS, which neither leg speaks; write accept = tls:... or "
		  "connect = tls:..." },
		{ SERVER "backendCAfile = r\n",
		  "F:4: backendCAfile: is for services with TLS on both legs; leave `backend' "
		  "out, or write tls: before both addresses" },
		{ CLIENT "backendCAfile = r\n",
		  "F:4: backendCAfile: is for services with TLS on both legs; leave `backend' "
		  "out, or write tls: before both addresses" },
		{ SERVER "checkHost = h\n",
		  "F:4: checkHost: is looked at only where clients are verified; write "
		  "verifyChain = yes and CAfile" },
		{ SERVER "CRLfile = h\n",
		  "F:4: CRLfile: is looked at only where clients are verified; write verifyChain "
		  "= yes and CAfile" },
		{ SERVER "verifyChain = yes\n",
		  "F:4: verifyChain: nothing says whose clients are believed; name their roots "
		  "with CAfile or CApath" },
		{ SERVER "verify = 2\n",
		  "F:4: verify: nothing says whose clients are believed; name their roots with "
		  "CAfile or CApath" },
		{ CLIENT "verifyChain = no\ncheckHost = h\n",
		  "F:5: checkHost: is looked at only where the server is verified; leave "
		  "verifyChain = no out" },
		{ BOTH "backendVerifyChain = no\nbackendCheckHost = h\n",
		  "F:5: backendCheckHost: is looked at only where the server is verified; leave "
		  "backendVerifyChain = no out" },
		{ CLIENT "verifyPeer = yes\n",
		  "F:4: verifyPeer: needs the certificates that are accepted; name them with "
		  "CAfile or CApath" },
	};

	(void)state;
	CHECK_ROWS(rows);
}

static void names_lead_to_services(void **state)
{
	static const struct row rows[] = {
		{ "[b]\nsni = a:x\nconnect = 1\ncert = c\n",
		  "F:2: sni = a:x: there is no service [a]; write SERVICE:NAME, with a service "
		  "that accepts TLS" },
		{ "[b]\nsni = x\nconnect = 1\ncert = c\n",
		  "F:2: sni = x: write SERVICE:NAME, with the service that accepts the "
		  "connections, as web:example.org" },
		{ "[b]\nsni = b:x\nconnect = 1\ncert = c\n",
		  "F:2: sni = b:x: [b] does not accept TLS itself; name a service that does" },
		{ "[a]\n" CLIENT "[b]\nsni = a:x\nconnect = 1\ncert = c\n",
		  "F:6: sni = a:x: [a] does not accept TLS itself; name a service that does" },
		{ "[a]\n" SERVER "[b]\nsni = a:x*\nconnect = 1\ncert = c\n",
		  "F:6: sni = a:x*: 'x*' is no server name; write a name, or *. and a name" },
		{ "[a]\n" SERVER "[b]\nsni = a:*\nconnect = 1\ncert = c\n",
		  "F:6: sni = a:*: '*' is no server name; write a name, or *. and a name" },
		{ "[a]\n" SERVER "[b]\nsni = a:x\nconnect = 1\ncert = c\n"
		  "[d]\nsni = a:X\nconnect = 1\ncert = c\n",
		  "F:10: sni = a:X: 'X' belongs to [b] already" },
		{ "[a]\n" SERVER
		  "[e]\n" AT("2") "[b]\nsni = a:x\nsni = e:y\nconnect = 1\ncert = c\n",
		  "F:11: sni = e:y: a service is reached through one other, and this one through "
		  "[a] already" },
		{ "[a]\n" SERVER "[b]\nsni = a:x\nconnect = 1\n",
		  "F:5: [b] accepts TLS and has no certificate; write cert = FILE, or accept = "
		  "tcp:... to accept plain bytes" },
		{ "[a]\n" SERVER "[b]\nsni = a:x\nconnect = 1\ncert = c\nmaxConnections = 5\n",
		  "F:9: maxConnections: comes before the server name is known; write it in [a], "
		  "which accepts" },
		{ "[a]\n" SERVER "[b]\nsni = a:x\nconnect = 1\ncert = c\nproxyIn = yes\n",
		  "F:9: proxyIn: comes before the server name is known; write it in [a], which "
		  "accepts" },
		{ SERVER "sni = a:x\n",
		  "F:4: sni: a service with sni = SERVICE:NAME is reached through that one, and "
		  "has no accept; the name to send to a backend is backendSni" },
		{ CLIENT "sni = a:x\n",
		  "F:4: sni = a:x: SERVICE:NAME is for services that accept TLS; here the name to "
		  "send stands alone" },
	};

	(void)state;
	CHECK_ROWS(rows);
}

static void flags_are_named_as_flags(void **state)
{
	static const struct {
		struct relay_flag flags[3];
		const char *sentence;
	} rows[] = {
		{ { { "accept", "tls:1" } },
		  "the relay says not where connections go; write --connect [HOST:]PORT" },
		{ { { "connect", "1" } },
		  "the relay says not where to listen; write --accept tls:[HOST:]PORT" },
		{ { { "accept", "tls:1" }, { "connect", "2" } },
		  "the relay accepts TLS and has no certificate; write --cert FILE, or --accept "
		  "tcp:... to accept plain bytes" },
		{ { { "policy", "none" } }, "--policy none: write one of framed|strict|lax" },
		{ { { "cert", "" } }, "--cert: has no value; write FILE behind it" },
		{ { { "nothing", "" } },
		  "there is no flag --nothing; next: lastword relay --help" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct failure f;
		size_t count = 0;

		while (count < 3 && rows[i].flags[count].name != NULL)
			count++;
		assert_null(relay_config_read(NULL, rows[i].flags, count, &f));
		assert_string_equal(f.sentence, rows[i].sentence);
	}
}

static void a_flag_does_not_listen_for_all_sections(void **state)
{
	static const struct relay_flag flag = { "accept", "5" };
	struct failure f;

	(void)state;
	assert_null(config_of_text("[a]\n" SERVER, &flag, 1, &f));
	assert_string_equal(f.sentence, "--accept: the file has sections, and each service says "
	                                "itself where it accepts; leave the flag out");
}

static void what_is_too_much_is_refused(void **state)
{
	struct failure f;
	char *text = malloc(400000);
	size_t n = 0;

	(void)state;
	assert_non_null(text);
	memset(text, 'a', 9000);
	text[9000] = '\0';
	assert_null(config_of_text(text, NULL, 0, &f));
	assert_string_equal(f.sentence, "F:1: the line has more than 8191 characters");

	n = (size_t)snprintf(text, 400000, "[a]\n" SERVER);
	for (int i = 0; i < 64; i++)
		n += (size_t)snprintf(text + n, 400000 - n, "connect = %d\n", i + 1);
	assert_null(config_of_text(text, NULL, 0, &f));
	assert_string_equal(f.sentence, "F:1: [a] has 65 backends; no service has more than 64");

	memset(text, '\n', 200000);
	text[200000] = '\0';
	assert_null(config_of_text(text, NULL, 0, &f));
	assert_string_equal(f.sentence, "F:100000: more than 100000 lines");

	n = 0;
	for (int i = 0; i < 4097; i++)
		n += (size_t)snprintf(text + n, 400000 - n, "[%d]\n", i);
	assert_null(config_of_text(text, NULL, 0, &f));
	assert_string_equal(f.sentence, "F:4097: more than 4096 services");
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_that_are_none_are_refused),
		cmocka_unit_test(unknown_keys_name_their_neighbour),
		cmocka_unit_test(values_are_held_to_their_kind),
		cmocka_unit_test(tls_is_held_to_what_it_can),
		cmocka_unit_test(what_would_change_the_meaning_is_refused),
		cmocka_unit_test(services_are_whole),
		cmocka_unit_test(lines_without_effect_are_mistakes),
		cmocka_unit_test(names_lead_to_services),
		cmocka_unit_test(flags_are_named_as_flags),
		cmocka_unit_test(a_flag_does_not_listen_for_all_sections),
		cmocka_unit_test(what_is_too_much_is_refused),
	};

	return run_cases(tests);
}
