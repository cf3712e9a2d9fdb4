/* config: what the pages show as configurations are such. */
#include "tests/relay/config_stand.h"
#include "tests/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK_BYTES = 8192 };

/* Reads a block that looks like a configuration, and counts it. */
static void check_block(char *block, const char *page, unsigned *count)
{
	struct failure f;
	struct relay_config *c;

	if (strstr(block, "accept = ") != NULL && strstr(block, "$ ") == NULL) {
		c = config_of_text(block, NULL, 0, &f);
		if (c == NULL)
			fail_msg("%s: %s\n%s", page, f.sentence, block);
		if (c->warnings[0] != NULL)
			fail_msg("%s: %s\n%s", page, c->warnings[0], block);
		relay_config_free(c);
		++*count;
	}
	block[0] = '\0';
}

/* Blocks are lines that `belongs` says true of, and empty ones between them. */
static unsigned check_page(const char *page, bool (*belongs)(const char *line))
{
	FILE *in = fopen(page, "r");
	char *block = calloc(1, BLOCK_BYTES), line[1024];
	unsigned count = 0;
	size_t n;

	assert_non_null(in);
	assert_non_null(block);
	while (fgets(line, sizeof line, in) != NULL) {
		n = strlen(block);
		if (belongs(line) || (line[0] == '\n' && n > 0))
			assert_in_range(snprintf(block + n, BLOCK_BYTES - n, "%s", line), 0,
			                BLOCK_BYTES - n - 1);
		else
			check_block(block, page, &count);
	}
	check_block(block, page, &count);
	assert_int_equal(fclose(in), 0);
	free(block);
	return count;
}

static bool is_indented(const char *line)
{
	return strncmp(line, "    ", 4) == 0;
}

/* In mdoc, all between two macros; sentences hold no "accept = " there. */
static bool is_no_macro(const char *line)
{
	return line[0] != '.';
}

static void those_of_the_guide_are_right(void **state)
{
	(void)state;
	assert_in_range(check_page(ROOT "/docs/relay.md", is_indented), 5, 50);
}

static void those_of_the_manual_are_right(void **state)
{
	(void)state;
	assert_in_range(check_page(ROOT "/man/lastword-relay.1", is_no_macro), 4, 50);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(those_of_the_guide_are_right),
		cmocka_unit_test(those_of_the_manual_are_right),
	};

	return run_cases(tests);
}
