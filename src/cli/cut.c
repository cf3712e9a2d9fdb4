/*
 * cut: passes TLS connections through and ends them where an attacker might.
 * Options in, a plan for pipe/cut_proxy out; one line a connection.
 */
#include "cli/verb.h"
#include "net/address.h"
#include "net/dial.h"
#include "net/listen.h"
#include "pipe/cut_proxy.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define HOWS       "fin|rst|stall|inside|drop-alert"
#define DIRECTIONS "to-client|to-server|both"
#define VERSIONS   "1.0|1.1|1.2|1.3"

enum {
	KEY_LISTEN = 256, /* no short options: each would need a letter that says little */
	KEY_TO,
	KEY_AFTER,
	KEY_HOW,
	KEY_DIRECTION,
	KEY_VERSION,
	KEY_ONCE
};

static const char *const how_names[] = { "fin", "rst", "stall", "inside", "drop-alert" };
static const char *const direction_names[] = { "to-client", "to-server" };

struct settings {
	const char *listen, *to;
	struct cutter_plan plan;
	bool has_how, has_after, once;
};

static const struct argp_option options[] = {
	{ "listen", KEY_LISTEN, "ADDR", 0, "Listen on HOST:PORT (default 127.0.0.1:0)", 0 },
	{ "to", KEY_TO, "ADDR", 0, "Pass connections on to HOST:PORT", 0 },
	{ "after", KEY_AFTER, "N[r|b]", 0,
	  "Cut after N records (r, the default) or bytes (b) of application data", 0 },
	{ "how", KEY_HOW, HOWS, 0, "How to cut", 0 },
	{ "direction", KEY_DIRECTION, DIRECTIONS, 0, "What to cut (default to-client)", 0 },
	{ "version", KEY_VERSION, VERSIONS, 0, "Cut only connections of that TLS version", 0 },
	{ "once", KEY_ONCE, NULL, 0, "End after one connection", 0 },
	{ 0 }
};

static const char doc[] =
    "Passes TLS connections through untouched and ends them where an attacker might."
    "\v"
    "The first line on standard output is the address listened on, then comes a line for each "
    "connection that is over.  Ends on SIGINT or SIGTERM.\n\n"
    "Up to TLS 1.2 the records that count are those of application data.  In TLS 1.3 they are "
    "all protected records behind the handshake, session tickets and alerts included, for they "
    "look alike: a server often sends two tickets first.  Bytes count in the same records, their "
    "headers included.  0 cuts in front of the first.\n\n"
    "fin ends the transport; rst resets it; stall lets nothing more pass; inside lets half of "
    "the next record pass, then ends the transport; drop-alert passes all but an alert at the "
    "very end (in TLS 1.3: a last record of at most 31 bytes).";

static void take_after(struct settings *s, const char *text, struct argp_state *state)
{
	char *end;

	errno = 0;
	s->plan.after = strtoull(text, &end, 10);
	if (errno != 0 || text[0] < '0' || text[0] > '9' ||
	    (*end != '\0' && strcmp(end, "r") != 0 && strcmp(end, "b") != 0))
		argp_error(state, "--after %s: a number, then r for records or b for bytes", text);
	s->plan.unit = *end == 'b' ? CUTTER_BYTES : CUTTER_RECORDS;
	s->has_after = true;
}

/* The place of a word in its list; a usage error if it is none. */
static int take_word(const char *name, const char *list, const char *text, struct argp_state *state)
{
	int at = cli_choice(list, text);

	if (at < 0)
		argp_error(state, "--%s %s: it is one of %s", name, text, list);
	return at;
}

static void take_direction(struct settings *s, const char *text, struct argp_state *state)
{
	int at = take_word("direction", DIRECTIONS, text, state);

	s->plan.cuts[CUTTER_TO_CLIENT] = at != 1;
	s->plan.cuts[CUTTER_TO_SERVER] = at != 0;
}

static void check_settings(const struct settings *s, struct argp_state *state)
{
	if (s->to == NULL)
		argp_error(state, "--to is missing: where do connections go?");
	if (!s->has_how)
		argp_error(state, "--how is missing: one of %s", HOWS);
	if (!s->has_after && s->plan.how != CUTTER_DROP_ALERT)
		argp_error(state, "--after is missing: after how many records or bytes?");
}

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	struct settings *s = state->input;

	switch (key) {
	case KEY_LISTEN:
		s->listen = arg;
		break;
	case KEY_TO:
		s->to = arg;
		break;
	case KEY_AFTER:
		take_after(s, arg, state);
		break;
	case KEY_HOW:
		s->plan.how = (enum cutter_how)take_word("how", HOWS, arg, state);
		s->has_how = true;
		break;
	case KEY_DIRECTION:
		take_direction(s, arg, state);
		break;
	case KEY_VERSION:
		s->plan.version = (enum lw_version)((int)LW_VERSION_TLS1_0 +
		                                    take_word("version", VERSIONS, arg, state));
		break;
	case KEY_ONCE:
		s->once = true;
		break;
	case ARGP_KEY_ARG:
		argp_error(state, "'%s' is too much: all is told by options", arg);
		break;
	case ARGP_KEY_END:
		check_settings(s, state);
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

static const struct argp argp = { .options = options, .parser = parse_option, .doc = doc };

/* What main() has to know when the proxy is over. */
struct outcome {
	const struct settings *settings;
	bool unreached;
};

static void print_lane(const struct cutter *c, enum cutter_direction direction)
{
	const struct cutter_side *side = &c->side[direction];

	printf("%s %llu byte%s", direction_names[direction], (unsigned long long)side->bytes,
	       side->bytes == 1 ? "" : "s");
	if (side->ended)
		printf(" (cut, %s, %s, after %llu of its records)", how_names[c->plan.how],
		       lw_boundary_place(&side->at) == LW_PLACE_BOUNDARY ? "at a record boundary"
		                                                         : "inside a record",
		       (unsigned long long)side->counted_records);
}

static void tell_connection(void *ctx, const struct cut_report *report)
{
	struct outcome *outcome = ctx;
	const struct cutter *c = report->cutter;

	if (report->connect_error != 0) {
		outcome->unreached = true;
		cli_complain(
		    "connection %llu: cannot reach %s: %s; check --to, and that the server runs",
		    (unsigned long long)report->number, outcome->settings->to,
		    strerror(report->connect_error));
		return;
	}
	printf("connection %llu: %s, ", (unsigned long long)report->number,
	       cutter_version(c) == LW_VERSION_UNKNOWN ? "no TLS seen"
	                                               : lw_version_name(cutter_version(c)));
	print_lane(c, CUTTER_TO_CLIENT);
	fputs(", ", stdout);
	print_lane(c, CUTTER_TO_SERVER);
	puts(c->side[0].ended || c->side[1].ended ? "" : ", not cut");
	fflush(stdout);
}

static struct addrinfo *look_up(const struct address *to, struct failure *failure)
{
	struct addrinfo hints = dial_hints(to, AF_UNSPEC), *list = NULL;
	int error = getaddrinfo(to->host, to->port, &hints, &list);

	if (error == 0)
		return list;
	dial_explain_lookup(to, AF_UNSPEC, error, failure);
	return NULL;
}

/* Listens, and says where, which is the first thing anyone who started it wants to know. */
static int open_listener(const struct address *at, struct failure *failure)
{
	int fd = listen_open(at, failure);
	char place[128];

	if (fd < 0)
		return -1;
	if (!listen_text(fd, place, sizeof place)) {
		failure_set(failure, "cannot tell where it listens: %s", strerror(errno));
		close(fd);
		return -1;
	}
	puts(place);
	fflush(stdout);
	return fd;
}

static int complain_of(const struct failure *failure, int status)
{
	cli_complain("%s", failure->sentence);
	return status;
}

static int serve(const struct settings *s, const struct address *at, const struct addrinfo *to)
{
	struct outcome outcome = { .settings = s };
	struct cut_proxy_options proxy = {
		.to = to, .plan = s->plan, .once = s->once, .tell = tell_connection, .ctx = &outcome
	};
	struct failure failure;

	proxy.listen_fd = open_listener(at, &failure);
	if (proxy.listen_fd < 0)
		return complain_of(&failure, CLI_EXIT_UNREACHED);
	if (!cut_proxy_run(&proxy)) {
		cli_complain("cannot run the event loop: %s", strerror(errno));
		return CLI_EXIT_UNREACHED;
	}
	return s->once && outcome.unreached ? CLI_EXIT_UNREACHED : CLI_EXIT_WHOLE;
}

static int run(const struct verb *verb, int argc, char **argv)
{
	struct settings s = { .listen = "127.0.0.1:0", .plan.cuts[CUTTER_TO_CLIENT] = true };
	struct address listen, to;
	struct addrinfo *list;
	struct failure failure;
	int status;

	cli_parse(verb, argc, argv, &s);
	if (!address_parse_listen(s.listen, &listen, &failure) ||
	    !address_parse_target(s.to, NULL, &to, &failure))
		return complain_of(&failure, CLI_EXIT_USAGE);
	list = look_up(&to, &failure);
	if (list == NULL)
		return complain_of(&failure, CLI_EXIT_UNREACHED);
	status = serve(&s, &listen, list);
	freeaddrinfo(list);
	return status;
}

const struct verb cut_verb = { .name = "cut",
	                       .line = "pass TLS through and end it where an attacker might",
	                       .argp = &argp,
	                       .run = run };
