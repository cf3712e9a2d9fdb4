/* keys: the table is sound, and the manual page tells of every row what it does. */
#include "relay/keys.h"

#include "relay/draft.h"
#include "tests/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void names_are_unique(void **state)
{
	size_t count = 0;

	(void)state;
	while (relay_key_at(count) != NULL)
		count++;
	assert_in_range(count, 100, RELAY_KEYS_MAX);
	for (size_t i = 0; i < count; i++) {
		assert_ptr_equal(relay_key_find(relay_key_at(i)->name), relay_key_at(i));
		assert_int_equal(relay_key_index(relay_key_at(i)), i);
	}
}

static void rows_are_whole(void **state)
{
	const struct relay_key *k;

	(void)state;
	for (size_t i = 0; (k = relay_key_at(i)) != NULL; i++) {
		assert_non_null(k->set);
		assert_true(k->help[0] != '\0');
		assert_in_range(k->offset, 0, sizeof(struct relay_draft) - 1);
		if (k->set == relay_set_number || k->set == relay_set_seconds)
			assert_true(k->most > k->least);
		if (relay_key_is_claim(k))
			assert_string_equal(k->argument, "yes|no");
	}
}

static void names_are_found_without_letter_case(void **state)
{
	(void)state;
	assert_string_equal(relay_key_find("timeoutBUSY")->name, "TIMEOUTbusy");
	assert_null(relay_key_find("timeout"));
	assert_null(relay_key_find(""));
	assert_string_equal(relay_key_nearest("timeoutbsy")->name, "TIMEOUTbusy");
	assert_null(relay_key_nearest("timeout"));
	assert_null(relay_key_nearest(""));
}

static char *read_page(void)
{
	FILE *in = fopen(ROOT "/man/lastword-relay.1", "r");
	char *text = calloc(1, 65536);

	assert_non_null(text);
	assert_non_null(in);
	assert_in_range(fread(text, 1, 65535, in), 1, 65534);
	assert_int_equal(fclose(in), 0);
	return text;
}

/* Whether `word` stands in the paragraph that begins with `from`. */
static bool paragraph_names(const char *page, const char *from, const char *word)
{
	const char *at = strstr(page, from), *pp, *section;
	size_t n = strlen(word);

	assert_non_null(at);
	pp = strstr(at, "\n.Pp");
	section = strstr(at, "\n.S");
	assert_non_null(section);
	if (pp == NULL || pp > section)
		pp = section;
	while ((at = strstr(at, word)) != NULL && at < pp) {
		if (at[-1] == ' ' && (at[n] == ' ' || at[n] == '\n'))
			return true;
		at += n;
	}
	return false;
}

static const char *fate_of(const struct relay_key *k)
{
	if (k->set == relay_set_nothing || k->set == relay_set_seconds)
		return "Taken without a word:";
	if (k->set == relay_set_refusal || k->set == relay_set_refusal_if_on)
		return "Refused, for the relay";
	return "Taken with a warning";
}

static void the_page_tells_what_becomes_of_each(void **state)
{
	char *page = read_page(), line[200];
	const struct relay_key *k;

	(void)state;
	for (size_t i = 0; (k = relay_key_at(i)) != NULL; i++) {
		(void)snprintf(line, sizeof line, "\n.It Fl Fl %s Ar ", k->name);
		if (k->argument != NULL && strstr(page, line) == NULL)
			fail_msg("the page describes no --%s", k->name);
		if (k->argument == NULL && !paragraph_names(page, fate_of(k), k->name))
			fail_msg("%s does not stand behind '%s'", k->name, fate_of(k));
	}
	free(page);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_are_unique),
		cmocka_unit_test(rows_are_whole),
		cmocka_unit_test(names_are_found_without_letter_case),
		cmocka_unit_test(the_page_tells_what_becomes_of_each),
	};

	return run_cases(tests);
}
