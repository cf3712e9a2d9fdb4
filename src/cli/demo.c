/* demo: every way a peer can end a TLS connection, and what two readers make of it. */
#include "audit/showcase.h"
#include "cli/verb.h"

#include <openssl/crypto.h>

enum { KEY_NO_LADDERS = 256 };

static const struct argp_option options[] = {
	{ "no-ladders", KEY_NO_LADDERS, NULL, 0, "Show only the table", 0 }, { 0 }
};

static const char doc[] =
    "Shows every way a peer can end a TLS connection, what a plain loop over SSL_read() makes of "
    "it, and what a stream says."
    "\v"
    "Needs no arguments and no network: the peer is part of the program.  The table comes first, "
    "then drawings of what happened wherever the plain loop would mislead its program.";

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	bool *ladders = state->input;

	switch (key) {
	case KEY_NO_LADDERS:
		*ladders = false;
		return 0;
	case ARGP_KEY_ARG:
		argp_error(state, "'%s' is too much", arg);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp argp = { .options = options, .parser = parse_option, .doc = doc };

static int run(const struct verb *verb, int argc, char **argv)
{
	const struct ladder_style style = { .utf8 = cli_speaks_utf8(),
		                            .colour = cli_wants_colour(stdout) };
	bool ladders = true, right;
	struct showcase *show;

	cli_parse(verb, argc, argv, &ladders);
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
	if (ladders)
		showcase_draw_ladders(stdout, show, &style);
	right = showcase_stream_is_right(show);
	showcase_free(show);
	return right ? CLI_EXIT_WHOLE : CLI_EXIT_FINDINGS;
}

const struct verb demo_verb = { .name = "demo",
	                        .line = "show every way to end a TLS stream, side by side",
	                        .argp = &argp,
	                        .run = run };
