/*
 * main: the dispatcher.  Finds the verb in the table, runs it, and makes sure
 * that what it said has left standard output.  The usage text comes from the
 * table alone.
 */
#include "cli/verb.h"
#include "net/letters.h"

#include <errno.h>
#include <locale.h>
#include <signal.h>
#include <string.h>

#define WORD_MAX 32u
#define NEAR     2u /* at most so many letters wrong for "did you mean" */

static void print_usage(FILE *out)
{
	fputs("Usage: lastword VERB [OPTION...]\n"
	      "Tells whether a TLS stream was finished or cut.\n\n",
	      out);
	for (const struct verb *const *verb = verbs; *verb != NULL; verb++)
		if (!(*verb)->hidden)
			fprintf(out, "  %-10s %s\n", (*verb)->name, (*verb)->line);
	fputs("\n"
	      "      --help     this\n"
	      "      --version  the version\n\n"
	      "`lastword VERB --help' tells a verb's options, `man lastword-VERB' all about it.\n",
	      out);
}

static const struct verb *find_verb(const char *name)
{
	for (const struct verb *const *verb = verbs; *verb != NULL; verb++)
		if (strcmp((*verb)->name, name) == 0)
			return *verb;
	return NULL;
}

static const struct verb *find_nearest(const char *name)
{
	const struct verb *nearest = NULL;
	unsigned best = NEAR + 1;

	for (const struct verb *const *verb = verbs; *verb != NULL; verb++) {
		unsigned between = letters_between(name, (*verb)->name);

		if (!(*verb)->hidden && between < best) {
			best = between;
			nearest = *verb;
		}
	}
	return nearest;
}

static int refuse_verb(const char *name)
{
	const struct verb *nearest = find_nearest(name);

	if (nearest != NULL)
		cli_complain("there is no verb '%s'; did you mean '%s'?", name, nearest->name);
	else
		cli_complain("there is no verb '%s'; next: lastword --help", name);
	return CLI_EXIT_USAGE;
}

static int dispatch(int argc, char **argv)
{
	const struct verb *verb;
	char full_name[WORD_MAX + sizeof "lastword "];

	if (argc < 2) {
		print_usage(stderr);
		return CLI_EXIT_USAGE;
	}
	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-?") == 0) {
		print_usage(stdout);
		return CLI_EXIT_WHOLE;
	}
	if (strcmp(argv[1], "--version") == 0) {
		puts("lastword " LASTWORD_VERSION);
		return CLI_EXIT_WHOLE;
	}
	verb = find_verb(argv[1]);
	if (verb == NULL)
		return refuse_verb(argv[1]);
	snprintf(full_name, sizeof full_name, "lastword %s", verb->name);
	argv[1] = full_name;
	return verb->run(verb, argc - 1, argv + 1);
}

int main(int argc, char **argv)
{
	int status;

	setlocale(LC_CTYPE, "");
	signal(SIGPIPE, SIG_IGN); /* a closed output is an error to tell, not a death */
	status = dispatch(argc, argv);
	if (fflush(stdout) != 0 || ferror(stdout)) {
		cli_complain("cannot write standard output: %s", strerror(errno));
		return CLI_EXIT_UNREACHED;
	}
	return status;
}
