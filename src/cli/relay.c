/*
 * relay: passes connections on, with TLS on either leg, and their endings as
 * they were.  Every key of the configuration is an option of the same name; the
 * rows of relay/keys.h are its only table.  Flags in, an exit status out.
 */
#include "relay/relay.h"
#include "cli/verb.h"
#include "relay/keys.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

enum { KEY_CHECK = 256, KEY_FIRST };

/* Filled by prepare(): groups with their titles, and --check. */
static struct argp_option options[RELAY_KEYS_MAX + 16];

struct settings {
	struct relay_flag *flags;
	size_t count;
	struct relay_flag *claim; /* the last flag, if it may still be followed by yes or no */
	const char *file;
	bool checks_only;
};

static const char doc[] =
    "Passes connections on, with TLS on either leg, and each ending as it was: what was cut is "
    "never passed on as an end."
    "\v"
    "FILE holds the same keys, as KEY = VALUE, with a [SECTION] for each service; stunnel's files "
    "do as they are.  Flags stand behind what comes before the first section.\n\n"
    "The first lines on standard output are the places listened on; the log goes to standard "
    "error.  SIGHUP reads the whole file and the certificates again, SIGTERM ends between "
    "messages.  Exit status: 0 done, 1 connections were cut off when the time to drain was over, "
    "2 the configuration is wrong, 3 it could not start.";

static void prepare(void)
{
	struct argp_option *o = options;
	int number = KEY_FIRST;

	if (options[0].name != NULL)
		return;
	*o++ = (struct argp_option){ "check",
		                     KEY_CHECK,
		                     NULL,
		                     0,
		                     "Read everything, listen nowhere, say whether all is right",
		                     0 };
	for (int group = 0; relay_key_groups[group].title != NULL; group++) {
		const struct relay_key_group *g = &relay_key_groups[group];

		if (g->keys[0].argument == NULL)
			continue;
		*o++ = (struct argp_option){ .doc = g->title, .group = group + 1 };
		for (const struct relay_key *k = g->keys; k->name != NULL; k++)
			*o++ = (struct argp_option){
				k->name,     number + (int)relay_key_index(k),
				k->argument, relay_key_is_claim(k) ? OPTION_ARG_OPTIONAL : 0,
				k->help,     group + 1
			};
	}
}

static void add_flag(struct settings *s, const struct relay_key *key, const char *value)
{
	s->flags[s->count] = (struct relay_flag){ key->name, value };
	s->claim = relay_key_is_claim(key) && value == NULL ? &s->flags[s->count] : NULL;
	s->count++;
}

/* A claim's "yes" may stand behind a blank, too; a file of that name is ./yes. */
static bool take_claim(struct settings *s, const char *text)
{
	if (s->claim == NULL || (strcasecmp(text, "yes") != 0 && strcasecmp(text, "no") != 0))
		return false;
	s->claim->value = text;
	s->claim = NULL;
	return true;
}

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	struct settings *s = state->input;

	if (key == KEY_CHECK) {
		s->checks_only = true;
		s->claim = NULL;
	} else if (key == ARGP_KEY_ARG && !take_claim(s, arg)) {
		if (s->file != NULL)
			argp_error(state,
			           "'%s' is too much: %s is read already; one file may "
			           "include others",
			           arg, s->file);
		s->file = arg;
		s->claim = NULL;
	} else if (key >= KEY_FIRST && key < KEY_FIRST + RELAY_KEYS_MAX) {
		add_flag(s, relay_key_at((size_t)(key - KEY_FIRST)), arg);
	} else if (key != ARGP_KEY_ARG) {
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

static const struct argp argp = {
	.options = options, .parser = parse_option, .args_doc = "[FILE]", .doc = doc
};

static int status_of(enum relay_result result)
{
	switch (result) {
	case RELAY_DONE:
		return CLI_EXIT_WHOLE;
	case RELAY_ABANDONED:
		return CLI_EXIT_FINDINGS;
	case RELAY_USAGE:
		return CLI_EXIT_USAGE;
	case RELAY_FAILED:
		break;
	}
	return CLI_EXIT_UNREACHED;
}

static int run(const struct verb *verb, int argc, char **argv)
{
	struct settings s = { .flags = calloc((size_t)argc, sizeof *s.flags) };
	struct relay_command command;
	struct failure failure = { "" };
	enum relay_result result;
	bool is_outlived;

	if (s.flags == NULL) {
		cli_complain("out of memory");
		return CLI_EXIT_UNREACHED;
	}
	cli_parse(verb, argc, argv, &s);
	command = (struct relay_command){ .file = s.file,
		                          .flags = s.flags,
		                          .flag_count = s.count,
		                          .checks_only = s.checks_only,
		                          .version = LASTWORD_VERSION };
	result = relay_run(&command, &failure, &is_outlived);
	if (failure.sentence[0] != '\0')
		cli_complain("%s", failure.sentence);
	free(s.flags);
	if (is_outlived)
		_exit(status_of(result)); /* exit() would wait for the look-up */
	return status_of(result);
}

const struct verb relay_verb = { .name = "relay",
	                         .line = "pass connections on, and never a cut as an end",
	                         .argp = &argp,
	                         .argp_flags = ARGP_IN_ORDER, /* see take_claim() */
	                         .prepare = prepare,
	                         .run = run };
