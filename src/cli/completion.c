/*
 * completion: `lastword completion bash` prints a completion script made from
 * the verbs' option tables, so it cannot fall behind them.  An option whose
 * argument is a list of words, "fin|rst|stall", completes to those; one that
 * takes a FILE completes to files, one that takes a FOLDER to folders.
 */
#include "cli/verb.h"

#include <ctype.h>
#include <string.h>

/* Options that argp gives to every verb. */
static const char *const common_options[] = { "--help", "--usage", NULL };

static void print_script_head(void)
{
	fputs("# bash completion for lastword, made by `lastword completion bash`\n"
	      "_lastword() {\n"
	      "\tlocal cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}\n"
	      "\tlocal verb=${COMP_WORDS[1]} words=\n"
	      "\tif [ \"$prev\" = = ]; then prev=${COMP_WORDS[COMP_CWORD-2]}; fi\n"
	      "\tif [ \"$cur\" = = ]; then prev=${COMP_WORDS[COMP_CWORD-1]} cur=; fi\n"
	      "\tCOMPREPLY=()\n"
	      "\tif [ \"$COMP_CWORD\" = 1 ]; then\n"
	      "\t\twords='",
	      stdout);
	for (const struct verb *const *verb = verbs; *verb != NULL; verb++)
		if (!(*verb)->hidden)
			printf("%s ", (*verb)->name);
	fputs("--help --version'\n"
	      "\telse\n"
	      "\t\tcase \"$verb $prev\" in\n",
	      stdout);
}

static bool is_word_list(const char *arg)
{
	if (strchr(arg, '|') == NULL)
		return false;
	for (; *arg != '\0'; arg++)
		if (!islower((unsigned char)*arg) && !isdigit((unsigned char)*arg) &&
		    strchr("|-.", *arg) == NULL)
			return false;
	return true;
}

/* "cut --how" | "cut -h": the case label of an option. */
static void print_label(const struct verb *verb, const struct argp_option *option)
{
	printf("\t\t'%s --%s'", verb->name, option->name);
	if (option->key > ' ' && option->key < 0x7f)
		printf(" | '%s -%c'", verb->name, option->key);
	fputs(") ", stdout);
}

static void print_arguments(const struct verb *verb)
{
	for (const struct argp_option *option = verb->argp->options;
	     option && (option->name || option->doc); option++) {
		if (option->name == NULL || option->arg == NULL)
			continue;
		print_label(verb, option);
		if (is_word_list(option->arg)) {
			fputs("words='", stdout);
			for (const char *c = option->arg; *c != '\0'; c++)
				putchar(*c == '|' ? ' ' : *c);
			fputs("' ;;\n", stdout);
		} else if (strcmp(option->arg, "FILE") == 0) {
			fputs("COMPREPLY=( $(compgen -f -- \"$cur\") ); return ;;\n", stdout);
		} else if (strcmp(option->arg, "FOLDER") == 0) {
			fputs("COMPREPLY=( $(compgen -d -- \"$cur\") ); return ;;\n", stdout);
		} else {
			fputs("return ;;\n", stdout);
		}
	}
}

static void print_options(const struct verb *verb)
{
	printf("\t\t'%s '*) words='", verb->name);
	for (const struct argp_option *option = verb->argp->options;
	     option && (option->name || option->doc); option++)
		if (option->name != NULL && !(option->flags & OPTION_HIDDEN))
			printf("--%s ", option->name);
	if (verb->print_words != NULL)
		verb->print_words();
	for (const char *const *name = common_options; *name != NULL; name++)
		printf("%s%s", *name, name[1] ? " " : "' ;;\n");
}

static void print_script_tail(void)
{
	fputs("\t\tesac\n"
	      "\tfi\n"
	      "\tCOMPREPLY=( $(compgen -W \"$words\" -- \"$cur\") )\n"
	      "}\n"
	      "complete -F _lastword lastword\n",
	      stdout);
}

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	if (key == ARGP_KEY_ARG) {
		if (state->arg_num > 0 || strcmp(arg, "bash") != 0)
			argp_error(state, "knows only bash, not '%s'", arg);
		return 0;
	}
	if (key == ARGP_KEY_NO_ARGS)
		argp_error(state, "for which shell?  It knows bash");
	return ARGP_ERR_UNKNOWN;
}

static const struct argp argp = { .parser = parse_option,
	                          .args_doc = "bash",
	                          .doc = "Prints the completion script of a shell." };

static int run(const struct verb *verb, int argc, char **argv)
{
	cli_parse(verb, argc, argv, NULL);
	print_script_head();
	for (const struct verb *const *row = verbs; *row != NULL; row++)
		if (!(*row)->hidden) {
			if ((*row)->prepare != NULL)
				(*row)->prepare();
			print_arguments(*row);
			print_options(*row);
		}
	print_script_tail();
	return CLI_EXIT_WHOLE;
}

const struct verb completion_verb = { .name = "completion",
	                              .line = "prints the completion script of a shell",
	                              .argp = &argp,
	                              .hidden = true,
	                              .run = run };
