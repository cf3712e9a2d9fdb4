/* demo: every way a peer can end a TLS connection, and what two readers make of it. */
#include "audit/showcase.h"
#include "cli/demo_relay.h"
#include "cli/verb.h"

#include <openssl/crypto.h>
#include <string.h>

enum { KEY_NO_LADDERS = 256 };

static const struct argp_option options[] = {
	{ "no-ladders", KEY_NO_LADDERS, NULL, 0, "Show only the table", 0 }, { 0 }
};

struct settings {
	bool ladders, relay;
};

static const char doc[] =
    "Shows every way a peer can end a TLS connection, what a plain loop over SSL_read() makes of "
    "it, and what a stream says."
    "\v"
    "Needs no arguments and no network: the peer is part of the program.  The table comes first, "
    "then drawings of what happened wherever the plain loop would mislead its program.\n\n"
    "With relay: a page that is cut on its way, as curl sees it direct, through nginx with a "
    "cache, "
    "and through `lastword relay`.  Needs nginx and curl, and uses the loopback.";

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	struct settings *settings = state->input;

	switch (key) {
	case KEY_NO_LADDERS:
		settings->ladders = false;
		return 0;
	case ARGP_KEY_ARG:
		if (state->arg_num > 0 || strcmp(arg, "relay") != 0)
			argp_error(state, "'%s': the other demo is called relay", arg);
		settings->relay = true;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp argp = {
	.options = options, .parser = parse_option, .args_doc = "[relay]", .doc = doc
};

static int run(const struct verb *verb, int argc, char **argv)
{
	const struct ladder_style style = { .utf8 = cli_speaks_utf8(),
		                            .colour = cli_wants_colour(stdout) };
	struct settings settings = { .ladders = true };
	bool right;
	struct showcase *show;

	cli_parse(verb, argc, argv, &settings);
	if (settings.relay)
		return demo_relay_run();
	show = showcase_new();
	if (show == NULL) {
		cli_complain("the demo cannot begin: out of memory, or OpenSSL made no key");
		return CLI_EXIT_UNREACHED;
	}
	if (showcase_trouble(show) != NULL) {
		cli_complain("the demo was not completed: %s", showcase_trouble(show));
		showcase_free(show);
		return CLI_EXIT_UNREACHED;
	}
	printf("A peer sends 1,000 bytes and ends.  What do two readers conclude?  (%s)\n\n",
	       OpenSSL_version(OPENSSL_VERSION));
	showcase_draw_table(stdout, show, &style);
	if (settings.ladders)
		showcase_draw_ladders(stdout, show, &style);
	right = showcase_stream_is_right(show);
	showcase_free(show);
	return right ? CLI_EXIT_WHOLE : CLI_EXIT_FINDINGS;
}

static void print_words(void)
{
	fputs("relay ", stdout);
}

const struct verb demo_verb = { .name = "demo",
	                        .line = "show every way to end a TLS stream, side by side",
	                        .argp = &argp,
	                        .run = run,
	                        .print_words = print_words };
