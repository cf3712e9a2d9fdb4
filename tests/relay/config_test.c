/* config: lines of files and flags as values, or a sentence. */
#include "relay/config.h"
#include "tests/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A file with that text; the caller frees the name and removes the file. */
static char *write_file(const char *text)
{
	char *name = strdup("/tmp/lastword-config-XXXXXX");
	int fd = mkstemp(name);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	assert_int_equal(close(fd), 0);
	return name;
}

static struct relay_config *read_text(const char *text, struct failure *f)
{
	char *name = write_file(text);
	struct relay_config *c = relay_config_read(name, NULL, 0, f);

	assert_int_equal(unlink(name), 0);
	free(name);
	return c;
}

static void two_services_are_read(void **state)
{
	struct failure f;
	struct relay_config *c = read_text("\xef\xbb\xbf; sample\n"
	                                   "  TIMEOUTidle = 77\n"
	                                   "[imaps]\n"
	                                   "accept = 993\n"
	                                   "connect = 143\n"
	                                   "cert = /c.pem\n"
	                                   "\n"
	                                   "[out]\n"
	                                   "CLIENT = yes\n"
	                                   "accept = 127.0.0.1:110\n"
	                                   "connect = pop.example.org:995\n"
	                                   "TIMEOUTidle = 5\n",
	                                   &f);
	char text[300];

	(void)state;
	if (c == NULL)
		fail_msg("%s", f.sentence);
	assert_int_equal(c->service_count, 2);
	assert_string_equal(c->services[0].name, "imaps");
	assert_string_equal(relay_place_text(&c->services[0].accept, text, sizeof text),
	                    "tls:*:993");
	assert_string_equal(relay_place_text(&c->services[0].connect[0], text, sizeof text),
	                    "tcp:localhost:143");
	assert_int_equal(c->services[0].idle_timeout_ms, 77000);
	assert_string_equal(c->services[0].front.certificates[0], "/c.pem");
	assert_null(c->services[0].front.certificates[1]);
	assert_string_equal(relay_place_text(&c->services[1].accept, text, sizeof text),
	                    "tcp:127.0.0.1:110");
	assert_string_equal(relay_place_text(&c->services[1].connect[0], text, sizeof text),
	                    "tls:pop.example.org:995");
	assert_int_equal(c->services[1].idle_timeout_ms, 5000);
	assert_true(c->services[1].back.verify_chain);
	relay_config_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(two_services_are_read),
	};

	return run_cases(tests);
}
