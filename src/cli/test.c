/* test: how others end connections: so far the TLS libraries that this command was built with. */
#include "audit/library.h"
#include "cli/verb.h"

#include <errno.h>
#include <string.h>

enum { KEY_TLS = 256, KEY_JSON, KEY_NO_FINDINGS };

static const struct argp_option options[] = {
	{ "tls", KEY_TLS, "VERSIONS", 0,
	  "Run these, such as 1.0,1.2; by default 1.2 and 1.3 ('all': 1.0 to 1.3)", 0 },
	{ "json", KEY_JSON, "FILE", 0, "Write the report to FILE as JSON", 0 },
	{ "no-findings", KEY_NO_FINDINGS, NULL, 0, "Show only the table", 0 },
	{ 0 }
};

static const char doc[] =
    "Lets a peer end TLS connections in every way it knows, and shows what each TLS library "
    "concludes, alone and under a stream."
    "\v"
    "NAME is a library, such as openssl; without one, all that this command was built with are "
    "tested.  The peer is part of the program and needs loopback TCP only.";

struct test_options {
	bool has_kind;
	bool has_versions;
	const char *json;
	bool findings;
	unsigned stacks;
	struct library_choice choice;
};

static void add_stack(struct argp_state *state, struct test_options *o, const char *name)
{
	const struct stack *stack = stack_find(name);

	if (stack == NULL)
		argp_error(state, "there is no library '%s' in this build", name);
	for (unsigned i = 0; i < o->stacks; i++)
		if (o->choice.stacks[i] == stack)
			return;
	if (o->stacks < LIBRARY_STACKS_MAX - 1)
		o->choice.stacks[o->stacks++] = stack;
}

static void add_version(struct argp_state *state, struct test_options *o, const char *text,
                        size_t len)
{
	for (int v = LW_VERSION_TLS1_0; v <= LW_VERSION_TLS1_3; v++) {
		const char *digits = lw_version_name((enum lw_version)v) + strlen("TLSv");

		if (strlen(digits) != len || strncmp(digits, text, len) != 0)
			continue;
		o->choice.versions[v] = true;
		return;
	}
	argp_error(state, "there is no TLS version '%.*s'; there are 1.0, 1.1, 1.2, 1.3 and all",
	           (int)len, text);
}

static void add_versions(struct argp_state *state, struct test_options *o, const char *text)
{
	o->has_versions = true;
	if (strcmp(text, "all") == 0)
		text = "1.0,1.1,1.2,1.3";
	while (true) {
		const size_t len = strcspn(text, ",");

		add_version(state, o, text, len);
		if (text[len] == '\0')
			return;
		text += len + 1;
	}
}

static error_t parse_argument(struct argp_state *state, struct test_options *o, const char *arg)
{
	if (o->has_kind) {
		add_stack(state, o, arg);
		return 0;
	}
	if (strcmp(arg, "library") != 0)
		argp_error(state, "there is no test of '%s'; there is: library", arg);
	o->has_kind = true;
	return 0;
}

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	struct test_options *o = state->input;

	switch (key) {
	case KEY_TLS:
		add_versions(state, o, arg);
		return 0;
	case KEY_JSON:
		o->json = arg;
		return 0;
	case KEY_NO_FINDINGS:
		o->findings = false;
		return 0;
	case ARGP_KEY_ARG:
		return parse_argument(state, o, arg);
	case ARGP_KEY_END:
		if (!o->has_kind)
			argp_error(state, "what is to be tested? there is: library");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp argp = {
	.options = options, .parser = parse_option, .args_doc = "library [NAME...]", .doc = doc
};

static void add_defaults(struct test_options *o)
{
	if (!o->has_versions)
		o->choice.versions[LW_VERSION_TLS1_2] = o->choice.versions[LW_VERSION_TLS1_3] =
		    true;
	for (unsigned i = 0; o->stacks == 0 && i < LIBRARY_STACKS_MAX - 1; i++)
		o->choice.stacks[i] = stack_at(i);
}

static bool save_json(const char *path, const struct library_report *report)
{
	json_t *json = library_json_make(report);
	FILE *out = json != NULL ? fopen(path, "w") : NULL;
	bool saved;

	if (json == NULL)
		errno = ENOMEM;
	saved =
	    out != NULL && json_dumpf(json, out, JSON_INDENT(1)) == 0 && fputc('\n', out) != EOF;
	if (out != NULL && fclose(out) != 0)
		saved = false;
	json_decref(json);
	if (!saved)
		cli_complain("cannot write %s: %s", path, strerror(errno));
	return saved;
}

static int tell(const struct test_options *o, const struct library_report *report)
{
	if (library_trouble(report) != NULL) {
		cli_complain("the test was not completed: %s", library_trouble(report));
		return CLI_EXIT_UNREACHED;
	}
	library_draw_table(stdout, report, cli_wants_colour(stdout));
	if (o->findings)
		library_draw_findings(stdout, report);
	if (o->json != NULL && !save_json(o->json, report))
		return CLI_EXIT_UNREACHED;
	return library_streams_are_right(report) ? CLI_EXIT_WHOLE : CLI_EXIT_FINDINGS;
}

static int run(const struct verb *verb, int argc, char **argv)
{
	struct test_options o = { .findings = true };
	struct library_report *report;
	int status;

	cli_parse(verb, argc, argv, &o);
	add_defaults(&o);
	report = library_run(&o.choice);
	if (report == NULL) {
		cli_complain(
		    "the test cannot begin: no loopback TCP, no memory, or OpenSSL made no key");
		return CLI_EXIT_UNREACHED;
	}
	status = tell(&o, report);
	library_free(report);
	return status;
}

static void print_words(void)
{
	printf("library ");
	for (unsigned i = 0; stack_at(i) != NULL; i++)
		printf("%s ", stack_at(i)->name);
}

const struct verb test_verb = { .name = "test",
	                        .line = "test how TLS libraries tell the end of a connection",
	                        .argp = &argp,
	                        .run = run,
	                        .print_words = print_words };
