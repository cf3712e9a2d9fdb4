/* address_test: what a person may write, and what each mistake is told. */
#include "tests/unit.h"

#include <stdio.h>
#include <string.h>

#include "net/address.h"

static const struct target {
	const char *text, *usual_port;
	const char *profile, *host, *port; /* host NULL: refused */
	const char *part; /* "host:port" as written back, or a part of the sentence */
} targets[] = {
	{ "example.org:443", NULL, "", "example.org", "443", "example.org:443" },
	{ "127.0.0.1:1", NULL, "", "127.0.0.1", "1", "127.0.0.1:1" },
	{ "[::1]:65535", NULL, "", "::1", "65535", "[::1]:65535" },
	{ "[fe80::1%lo]:25", NULL, "", "fe80::1%lo", "25", "[fe80::1%lo]:25" },
	{ "host:0443", NULL, "", "host", "443", "host:443" },
	{ "https://example.org", NULL, "https", "example.org", "443", "example.org:443" },
	{ "https://[::1]", NULL, "https", "::1", "443", "[::1]:443" },
	{ "https://example.org:8443", NULL, "https", "example.org", "8443", "example.org:8443" },
	{ "smtp://mx.example", "25", "smtp", "mx.example", "25", "mx.example:25" },
	{ "mx.example", "25", "", "mx.example", "25", "mx.example:25" },
	{ "mx.example:26", "25", "", "mx.example", "26", "mx.example:26" },
	{ "example.org", NULL, NULL, NULL, NULL,
	  "'example.org' has no port; write example.org:PORT" },
	{ "smtp://mx.example", NULL, NULL, NULL, NULL,
	  "has no port; write smtp://mx.example:PORT" },
	{ "example.org:", NULL, NULL, NULL, NULL, "'' is no port" },
	{ "example.org:0", NULL, NULL, NULL, NULL, "a number from 1 to 65535" },
	{ "example.org:65536", NULL, NULL, NULL, NULL, "'65536' is no port" },
	{ "example.org:44a", NULL, NULL, NULL, NULL, "'44a' is no port" },
	{ "example.org:-1", NULL, NULL, NULL, NULL, "'-1' is no port" },
	{ "example.org:99999999999999999999", NULL, NULL, NULL, NULL, "is no port" },
	{ "", NULL, NULL, NULL, NULL, "names no host" },
	{ ":443", NULL, NULL, NULL, NULL, "names no host" },
	{ "exa mple:443", NULL, NULL, NULL, NULL, "names no host" },
	{ "host\n:443", NULL, NULL, NULL, NULL, "names no host" },
	{ "host\\'x:443", NULL, NULL, NULL, NULL, "names no host" },
	{ "::1:443", NULL, NULL, NULL, NULL, "in brackets, as [::1:443]:PORT" },
	{ "[::1", NULL, NULL, NULL, NULL, "is written [IPV6]:PORT" },
	{ "[::1]443", NULL, NULL, NULL, NULL, "is written [IPV6]:PORT" },
	{ "[example.org]:443", NULL, NULL, NULL, NULL, "only an IPv6 address stands in brackets" },
	{ "[127.0.0.1]:443", NULL, NULL, NULL, NULL, "only an IPv6 address stands in brackets" },
	{ "https://example.org/", NULL, NULL, NULL, NULL,
	  "has a path; the request comes on standard input" },
	{ "example.org:443/x", NULL, NULL, NULL, NULL, "has a path" },
	{ "https://example.org?q", NULL, NULL, NULL, NULL, "has a query" },
	{ "https://example.org#f", NULL, NULL, NULL, NULL, "has a fragment" },
	{ "https://me:pw@example.org", NULL, NULL, NULL, NULL, "has user information" },
	{ "nosuch://example.org", NULL, NULL, NULL, NULL, "no profile is called 'nosuch'" },
	{ "://example.org", NULL, NULL, NULL, NULL, "no profile is called ''" },
};

enum { TARGETS = sizeof targets / sizeof *targets };

static void test_target(void **state)
{
	const struct target *t = *state;
	struct address a;
	struct failure f = { "" };
	char text[300];

	if (t->host == NULL) {
		assert_false(address_parse_target(t->text, t->usual_port, &a, &f));
		assert_non_null(strstr(f.sentence, t->part));
		return;
	}
	assert_true(address_parse_target(t->text, t->usual_port, &a, &f));
	assert_string_equal(a.profile, t->profile);
	assert_string_equal(a.host, t->host);
	assert_string_equal(a.port, t->port);
	assert_string_equal(address_text(&a, text, sizeof text), t->part);
	assert_int_equal(a.host_is_ip, strpbrk(a.host, ":") != NULL || a.host[0] == '1');
}

static void test_listen(void **state)
{
	struct address a;
	struct failure f;

	(void)state;
	assert_true(address_parse_listen("127.0.0.1:0", &a, &f));
	assert_string_equal(a.port, "0");
	assert_true(address_parse_listen("[::1]:8443", &a, &f));
	assert_false(address_parse_listen("localhost", &a, &f));
	assert_non_null(strstr(f.sentence, "port 0 lets the system choose"));
	assert_false(address_parse_listen("https://localhost:1", &a, &f));
}

static void test_a_host_too_long(void **state)
{
	char text[400];
	struct address a;
	struct failure f;

	(void)state;
	memset(text, 'a', sizeof text);
	(void)snprintf(text + 256, sizeof text - 256, ":443");
	assert_false(address_parse_target(text, NULL, &a, &f));
	assert_non_null(strstr(f.sentence, "256 characters"));
	assert_true(address_parse_target(text + 1, NULL, &a, &f));
	assert_int_equal(strlen(a.host), 255);
}

int main(void)
{
	struct CMUnitTest tests[TARGETS + 2] = {
		cmocka_unit_test(test_listen),
		cmocka_unit_test(test_a_host_too_long),
	};
	static char names[TARGETS][64];

	for (size_t i = 0; i < TARGETS; i++) {
		(void)snprintf(names[i], sizeof names[i], "target '%.40s'",
		               strchr(targets[i].text, '\n') == NULL ? targets[i].text : "with LF");
		for (char *c = names[i]; *c != '\0'; c++)
			*c = *c == '#' ? '_' : *c; /* TAP takes it for a directive */
		tests[2 + i].name = names[i];
		tests[2 + i].test_func = test_target;
		tests[2 + i].initial_state = (void *)(uintptr_t)&targets[i];
	}
	return run_cases(tests);
}
