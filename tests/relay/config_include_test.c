/* config: files that include others, and folders of them. */
#include "tests/relay/config_stand.h"
#include "tests/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PLAIN(port) "accept = tcp:" port "\nconnect = unix:/s\n"

/* The folder of a case, with "main" and what it includes in "parts". */
static char folder[64];
static const char *const parts[] = {
	"main",          "parts/1",    "parts/2.conf",     "parts/3",
	"parts/.hidden", "parts/old~", "parts/x.dpkg-old", "parts/deep/1"
};

static void path_of(char *path, size_t cap, const char *name)
{
	(void)snprintf(path, cap, "%s/%s", folder, name);
}

static int make_folders(void **state)
{
	static const char *const inner[] = { "parts", "parts/deep" };
	char path[200];

	(void)state;
	(void)snprintf(folder, sizeof folder, "/tmp/lastword-include-XXXXXX");
	if (mkdtemp(folder) == NULL)
		return -1;
	for (size_t i = 0; i < 2; i++) {
		path_of(path, sizeof path, inner[i]);
		if (mkdir(path, 0700) != 0)
			return -1;
	}
	return 0;
}

static int remove_folders(void **state)
{
	static const char *const inner[] = { "parts/deep", "parts" };
	char path[200];

	(void)state;
	for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
		path_of(path, sizeof path, parts[i]);
		(void)unlink(path);
	}
	for (size_t i = 0; i < 2; i++) {
		path_of(path, sizeof path, inner[i]);
		(void)rmdir(path);
	}
	return rmdir(folder);
}

/* Lines, in which '$' stands for the folder. */
static void put(const char *name, const char *text)
{
	char path[200];
	FILE *out;

	path_of(path, sizeof path, name);
	out = fopen(path, "w");
	assert_non_null(out);
	for (; *text != '\0'; text++)
		if (*text == '$')
			assert_true(fputs(folder, out) >= 0);
		else
			assert_int_equal(fputc(*text, out), *text);
	assert_int_equal(fclose(out), 0);
}

/* The sentence with the folder's name, wherever it stands, as '$'. */
static void hide_folder(struct failure *f)
{
	size_t n = strlen(folder);
	char *at;

	while ((at = strstr(f->sentence, folder)) != NULL) {
		*at = '$';
		memmove(at + 1, at + n, strlen(at + n) + 1);
	}
}

static struct relay_config *read_main(struct failure *f)
{
	char path[200];
	struct relay_config *c;

	path_of(path, sizeof path, "main");
	c = relay_config_read(path, NULL, 0, f);
	hide_folder(f);
	return c;
}

static void a_folder_is_read_in_the_order_of_its_names(void **state)
{
	struct failure f;
	struct relay_config *c;

	(void)state;
	put("parts/2.conf", "[b]\n" PLAIN("2"));
	put("parts/1", "TIMEOUTidle = 5\n[a]\n" PLAIN("1"));
	put("parts/3", "; nothing\n");
	put("parts/.hidden", "nonsense\n");
	put("parts/old~", "nonsense\n");
	put("parts/x.dpkg-old", "nonsense\n");
	put("parts/deep/1", "nonsense\n");
	put("main", "include = $/parts\nTIMEOUTbusy = 6\n[c]\n" PLAIN("3"));
	c = read_main(&f);
	if (c == NULL)
		fail_msg("%s", f.sentence);
	assert_int_equal(c->service_count, 3);
	assert_string_equal(c->services[0].name, "a");
	assert_string_equal(c->services[1].name, "b");
	assert_string_equal(c->services[2].name, "c");
	assert_non_null(strstr(c->services[1].file, "/parts/2.conf"));
	assert_int_equal(c->services[1].line, 1);
	assert_int_equal(c->services[0].idle_timeout_ms, 5000);
	assert_int_equal(c->services[2].idle_timeout_ms, 5000);
	assert_int_equal(c->services[0].busy_timeout_ms, 6000);
	relay_config_free(c);
}

static void lines_belong_to_the_section_that_includes_them(void **state)
{
	struct failure f;
	struct relay_config *c;

	(void)state;
	put("parts/1", "TIMEOUTidle = 7\n");
	put("main", "[a]\n" PLAIN("1") "INCLUDE = $/parts/1\n[b]\n" PLAIN("2"));
	c = read_main(&f);
	if (c == NULL)
		fail_msg("%s", f.sentence);
	assert_int_equal(c->services[0].idle_timeout_ms, 7000);
	assert_int_equal(c->services[1].idle_timeout_ms, 43200000);
	relay_config_free(c);
}

static void mistakes_are_told_with_their_own_file(void **state)
{
	static const struct {
		const char *part, *main, *sentence;
	} rows[] = {
		{ "\nacept = 1\n", "include = $/parts\n",
		  "$/parts/1:2: there is no key 'acept'; did you mean 'accept'?" },
		{ "policy = x\n", "[a]\ninclude = $/parts\n",
		  "$/parts/1:1: policy = x: write one of framed|strict|lax" },
		{ "[a]\n", "include = $/parts\n",
		  "$/parts/1:1: [a] says not where to listen; write accept = [HOST:]PORT" },
		{ "", "\ninclude = $/none\n",
		  "$/main:2: include = $/none: No such file or directory" },
		{ "", "include =\n", "$/main:1: include = : No such file or directory" },
		{ "", "include = $/main\n",
		  "$/main:1: include = $/main: 8 files include one another" },
		{ "include = $/parts\n", "include = $/parts\n",
		  "$/parts/1:1: include = $/parts: 8 files include one another" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct failure f;

		put("parts/1", rows[i].part);
		put("main", rows[i].main);
		assert_null(read_main(&f));
		assert_string_equal(f.sentence, rows[i].sentence);
	}
}

static void what_is_no_file_is_said(void **state)
{
	struct failure f;

	(void)state;
	assert_null(read_main(&f));
	assert_string_equal(f.sentence,
	                    "cannot read the configuration $/main: No such file or directory");
	assert_null(relay_config_read(folder, NULL, 0, &f));
	hide_folder(&f);
	assert_string_equal(f.sentence,
	                    "$ is a directory; name a file, and let it say include = $");
}

int main(void)
{
#define IN_FOLDERS(name) cmocka_unit_test_setup_teardown(name, make_folders, remove_folders)
	const struct CMUnitTest tests[] = {
		IN_FOLDERS(a_folder_is_read_in_the_order_of_its_names),
		IN_FOLDERS(lines_belong_to_the_section_that_includes_them),
		IN_FOLDERS(mistakes_are_told_with_their_own_file),
		IN_FOLDERS(what_is_no_file_is_said),
	};

	return run_cases(tests);
}
