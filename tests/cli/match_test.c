/* match: how texts are split, and how well they hold a sign. */
#include "cli/match.h"
#include "tests/unit.h"

static const struct {
	const char *text;
	const char *words[6];
} splits[] = {
	{ "", { NULL } },
	{ " ...: ", { NULL } },
	{ "one", { "one" } },
	{ "SSL_read: failed", { "ssl", "read", "failed" } },
	{ "HandshakeFailure handshake_failure",
	  { "handshake", "failure", "handshake", "failure" } },
	{ "SSLException", { "sslexception" } },
	{ "error (-110)", { "error", "-110" } },
	{ "2026-11-23 pid-4", { "2026", "11", "23", "pid", "4" } },
	{ "-0x7280", { "-0x7280" } },
	{ "- - SD-- 1/1", { "sd--", "1", "1" } },
	{ "error:0A000126:SSL", { "error", "0a000126", "ssl" } },
	{ "peer's", { "peer", "s" } },
	{ "abcdefghijabcdefghijabcdefghijabcdefghij", { "abcdefghijabcdefghijabcdefghija" } },
};

static void text_is_split_into_words(void **state)
{
	static struct match_text text;

	(void)state;
	for (size_t i = 0; i < sizeof splits / sizeof *splits; i++) {
		size_t count = 0;

		match_split(&text, splits[i].text);
		while (count < 6 && splits[i].words[count] != NULL)
			count++;
		assert_int_equal(text.count, count);
		for (size_t k = 0; k < count; k++)
			assert_string_equal(text.words[k], splits[i].words[k]);
	}
}

static void a_long_text_is_read_to_its_limit(void **state)
{
	static struct match_text text;
	static char many[4 * MATCH_WORDS_MAX];

	(void)state;
	for (size_t i = 0; i + 1 < sizeof many; i++)
		many[i] = i % 2 ? ' ' : 'a';
	match_split(&text, many);
	assert_int_equal(text.count, MATCH_WORDS_MAX);
}

static const struct {
	const char *sign, *text;
	unsigned least, most; /* percent */
} rows[] = {
	/* all of it, whatever stands around */
	{ "unexpected eof while reading", "unexpected eof while reading", 100, 100 },
	{ "unexpected eof while reading", "x 1 [2] UNEXPECTED EOF, while_reading: 3", 100, 100 },
	{ "stream truncated", "asio.ssl.stream:1(stream truncated)", 100, 100 },
	{ "alert number 40", "ssl/record/rec_layer_s3.c:1584:SSL alert number 40", 100, 100 },
	{ "Premature end", "a premature b premature end", 100, 100 },
	/* words between cost a little */
	{ "shutdown while in init", "shutdown x while in init", 90, 99 },
	{ "peer closed connection in SSL handshake", "peer closed the connection in SSL handshake",
	  80, 99 },
	/* a slip costs more, and is no other word */
	{ "unexpected eof while reading", "unexpectd eof while reading", 80, 99 },
	{ "unexpected eof while reading", "expected eof while reading", 60, 99 },
	{ "shutdown", "shutdwn", 60, 99 },
	{ "reset", "rest", 0, 0 }, /* short words are soon others */
	{ "fread", "read", 0, 0 },
	/* numbers have to be the same */
	{ "alert number 40", "alert number 41", 0, 79 },
	{ "received alert [40]", "received alert [50]", 0, 79 },
	{ "GnuTLS recv error (-110)", "GnuTLS recv error (-9)", 0, 79 },
	{ "0A000126", "0A000127", 0, 0 },
	{ "-110", "110", 0, 0 },
	/* order counts, and so does distance */
	{ "unexpected eof while reading", "reading while eof unexpected", 0, 60 },
	{ "Empty reply", "empty a b c d e f g h i j k l reply", 0, 60 },
	/* nothing */
	{ "stream truncated", "", 0, 0 },
	{ "", "stream truncated", 0, 0 },
	{ "stream truncated", "something else", 0, 0 },
	{ "a a a a a a a a a a a a a a a a a a a a a a a a a", "a", 0, 0 },
};

static void a_text_holds_a_sign(void **state)
{
	static struct match_text sign, text;

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		unsigned percent;

		match_split(&sign, rows[i].sign);
		match_split(&text, rows[i].text);
		percent = match_sign(&sign, &text).percent;
		if (percent < rows[i].least || percent > rows[i].most)
			fail_msg("'%s' in '%s': %u %%, not %u to %u", rows[i].sign, rows[i].text,
			         percent, rows[i].least, rows[i].most);
	}
}

static void a_longer_sign_weighs_more(void **state)
{
	static struct match_text eof, reading, text;

	(void)state;
	match_split(&eof, "unexpected EOF");
	match_split(&reading, "unexpected eof while reading");
	match_split(&text, "unexpected eof while reading");
	assert_true(match_sign(&reading, &text).weight > match_sign(&eof, &text).weight);
}

static void the_same_words_are_the_same(void **state)
{
	static struct match_text a, b;

	(void)state;
	match_split(&a, "alert decode_error");
	match_split(&b, "Decode error");
	assert_true(match_same(&a, 1, &b));
	assert_false(match_same(&a, 0, &b));
	assert_false(match_same(&a, 2, &b));
	assert_false(match_same(&a, 9, &b));
	match_split(&b, "");
	assert_false(match_same(&a, 2, &b));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_is_split_into_words),
		cmocka_unit_test(a_long_text_is_read_to_its_limit),
		cmocka_unit_test(a_text_holds_a_sign),
		cmocka_unit_test(a_longer_sign_weighs_more),
		cmocka_unit_test(the_same_words_are_the_same),
	};

	return run_cases(tests);
}
