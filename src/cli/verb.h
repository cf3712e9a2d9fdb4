/*
 * verb: what the command can do, one row a verb; and the few things all verbs
 * do alike: parse, complain, decide on colour, exit.
 *
 * A verb is one file, cli/NAME.c, that exports one const struct.  Its argp
 * option table gives the parser, --help and the completion; the manual page is
 * checked against them.  Results go to standard output, all else to standard
 * error.  A verb turns options into calls and a result into an exit status; it
 * knows no protocol.
 */
#ifndef CLI_VERB_H
#define CLI_VERB_H

#include <lastword/verdict.h>

#include <argp.h>
#include <stdio.h>

/* Exit statuses, the same for every verb. */
enum cli_exit {
	CLI_EXIT_WHOLE = 0,    /* whole, or tolerated; nothing wrong */
	CLI_EXIT_FINDINGS = 1, /* not whole; findings */
	CLI_EXIT_USAGE = 2,
	CLI_EXIT_UNREACHED = 3 /* the target could not be reached, or the run not completed */
};

struct verb {
	const char *name;
	const char *line;        /* what it does, in the dispatcher's --help */
	const struct argp *argp; /* options, parser, arguments, text: see argp(3) */
	unsigned argp_flags;     /* for argp_parse(3) */
	bool hidden;             /* not in --help, no manual page */
	/* Fills the option table, where another room holds its rows; or NULL.  Called before the
	 * table is looked at, as often as that is. */
	void (*prepare)(void);
	/* argv[0] is "lastword NAME".  Gives an exit status; usage errors exit with 2 by
	 * themselves. */
	int (*run)(const struct verb *verb, int argc, char **argv);
	/* Prints what its arguments may be, a space behind each, for completion; or NULL. */
	void (*print_words)(void);
};

/* The rows; each is defined in the file of its name. */
extern const struct verb connect_verb, cut_verb, demo_verb, explain_verb, relay_verb, test_verb,
    completion_verb;

/* The table, in the order of --help, ended by NULL. */
extern const struct verb *const verbs[];

/*
 * Parses a verb's arguments with its table; `input` goes to the parser as
 * state->input.  Ends the program on --help (0) and on usage errors (2).
 */
void cli_parse(const struct verb *verb, int argc, char **argv, void *input);

/* "lastword: …" and a newline on standard error. */
void cli_complain(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Whether colour may go to `out`: a terminal, not TERM=dumb, NO_COLOR not set. */
bool cli_wants_colour(FILE *out);

/* Whether the locale's characters are UTF-8. */
bool cli_speaks_utf8(void);

/* The word of a "one|two|three" list that `text` is, counted from 0, or -1. */
int cli_choice(const char *list, const char *text);

#endif
