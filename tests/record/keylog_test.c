/* keylog_test: one line is taken whole or not at all. */
#include "tests/unit.h"

#include <string.h>

#include "record/keylog.h"

#define RANDOM "00112233445566778899aabbccddeeff00112233445566778899AABBCCDDEEFF"
#define OTHER  "ff112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define SECRET "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define MASTER SECRET "0123456789abcdef0123456789abcdef"

static void test_takes_every_label(void **state)
{
	static const struct {
		const char *line;
		enum keylog_label label;
		size_t len;
	} lines[] = {
		{ "CLIENT_RANDOM " RANDOM " " MASTER, KEYLOG_MASTER, 48 },
		{ "CLIENT_HANDSHAKE_TRAFFIC_SECRET " RANDOM " " SECRET "\n",
		  KEYLOG_CLIENT_HANDSHAKE, 32 },
		{ "SERVER_HANDSHAKE_TRAFFIC_SECRET " RANDOM " " SECRET "\r\n",
		  KEYLOG_SERVER_HANDSHAKE, 32 },
		{ "CLIENT_TRAFFIC_SECRET_0 " RANDOM " " MASTER, KEYLOG_CLIENT_TRAFFIC, 48 },
		{ "SERVER_TRAFFIC_SECRET_0 " RANDOM " " SECRET, KEYLOG_SERVER_TRAFFIC, 32 },
	};
	struct keylog k = { .has_random = false };
	(void)state;
	for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
		assert_true(keylog_add(&k, lines[i].line));
		assert_int_equal(k.secrets[lines[i].label].len, lines[i].len);
		assert_int_equal(k.secrets[lines[i].label].bytes[1], 0x23);
	}
	assert_true(k.has_random);
	assert_int_equal(k.client_random[31], 0xff);
	keylog_wipe(&k);
	for (size_t i = 0; i < sizeof k; i++)
		assert_int_equal(((const uint8_t *)&k)[i], 0);
}

static void test_refuses_what_is_no_line(void **state)
{
	static const char *const lines[] = {
		"",
		"\n",
		"# a comment",
		"CLIENT_RANDOM",
		"CLIENT_RANDOM " RANDOM,
		"CLIENT_RANDOM " RANDOM " ",
		"CLIENT_RANDOM " RANDOM " 012",
		"CLIENT_RANDOM " RANDOM " 01zz",
		"CLIENT_RANDOM " RANDOM " " MASTER "00",
		"CLIENT_RANDOM " RANDOM " " MASTER " trailing",
		"CLIENT_RANDOM " RANDOM "00 " MASTER,
		"CLIENT_RANDOM 00 " MASTER,
		"CLIENT_RANDOM  " RANDOM " " MASTER,
		"EXPORTER_SECRET " RANDOM " " SECRET,
		"SERVER_TRAFFIC_SECRET_1 " RANDOM " " SECRET,
	};
	static const struct keylog empty;
	struct keylog k = empty;
	(void)state;
	for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
		assert_false(keylog_add(&k, lines[i]));
		assert_memory_equal(&k, &empty, sizeof k);
	}
}

static void test_refuses_every_prefix_of_a_line(void **state)
{
	static const char line[] = "CLIENT_RANDOM " RANDOM " ";
	struct keylog k = { .has_random = false };
	(void)state;
	for (size_t len = 0; len < sizeof line; len++) {
		char cut[sizeof line];
		memcpy(cut, line, sizeof line);
		cut[len] = '\0';
		assert_false(keylog_add(&k, cut));
	}
}

static void test_keeps_to_one_connection(void **state)
{
	struct keylog k = { .has_random = false };
	(void)state;
	assert_true(keylog_add(&k, "SERVER_TRAFFIC_SECRET_0 " RANDOM " " SECRET));
	assert_false(keylog_add(&k, "CLIENT_TRAFFIC_SECRET_0 " OTHER " " SECRET));
	assert_int_equal(k.secrets[KEYLOG_CLIENT_TRAFFIC].len, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_takes_every_label),
		cmocka_unit_test(test_refuses_what_is_no_line),
		cmocka_unit_test(test_refuses_every_prefix_of_a_line),
		cmocka_unit_test(test_keeps_to_one_connection),
	};
	return run_cases(tests);
}
