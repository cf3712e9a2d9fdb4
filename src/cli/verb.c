/* verb: see verb.h. */
#include "cli/verb.h"

#include <langinfo.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void cli_parse(const struct verb *verb, int argc, char **argv, void *input)
{
	argp_err_exit_status = CLI_EXIT_USAGE;
	if (verb->prepare != NULL)
		verb->prepare();
	if (argp_parse(verb->argp, argc, argv, verb->argp_flags, NULL, input) != 0)
		exit(CLI_EXIT_USAGE);
}

void cli_complain(const char *format, ...)
{
	va_list args;

	fflush(stdout); /* keeps the order where both go to one place */
	fputs("lastword: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
}

bool cli_wants_colour(FILE *out)
{
	const char *terminal = getenv("TERM"), *no_colour = getenv("NO_COLOR");

	if (no_colour != NULL && *no_colour != '\0')
		return false;
	return isatty(fileno(out)) && terminal != NULL && strcmp(terminal, "dumb") != 0;
}

bool cli_speaks_utf8(void)
{
	return strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
}

int cli_choice(const char *list, const char *text)
{
	size_t len = strlen(text);

	for (int i = 0;; i++) {
		size_t word = strcspn(list, "|");

		if (word == len && strncmp(list, text, len) == 0)
			return i;
		if (list[word] == '\0')
			return -1;
		list += word + 1;
	}
}
