/* letters: how far words are apart. */
#include "net/letters.h"
#include "tests/unit.h"

#include <limits.h>
#include <string.h>

static void letters_between_words_are_counted(void **state)
{
	static const struct {
		const char *a, *b;
		unsigned between;
	} words[] = {
		{ "", "", 0 },           { "a", "", 1 },       { "", "ab", 2 },
		{ "cut", "cut", 0 },     { "cut", "cat", 1 },  { "demo", "dmeo", 2 },
		{ "cot", "connect", 4 }, { "xcut", "cut", 1 },
	};
	char longest[LETTERS_MAX + 2];

	(void)state;
	for (size_t i = 0; i < sizeof words / sizeof *words; i++)
		assert_int_equal(letters_between(words[i].a, words[i].b), words[i].between);
	memset(longest, 'a', sizeof longest);
	longest[LETTERS_MAX + 1] = '\0';
	assert_int_equal(letters_between(longest, longest), UINT_MAX);
	longest[LETTERS_MAX] = '\0';
	assert_int_equal(letters_between(longest, longest), 0);
	assert_int_equal(letters_between("", longest), LETTERS_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(letters_between_words_are_counted),
	};

	return run_cases(tests);
}
