/*
 * connect: pipes standard input and output through TLS and tells, by its exit
 * status, a few lines and a verdict, whether what was read is whole.  Options
 * in, pipe/opening and pipe/pump do the work, the stream's verdict decides; it
 * knows no protocol.
 */
#include "cli/verb.h"
#include "net/address.h"
#include "net/context.h"
#include "net/starttls.h"
#include "pipe/opening.h"
#include "pipe/outfile.h"
#include "pipe/pump.h"
#include "report/verdict_json.h"

#include <lastword/profile.h>

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define POLICIES  "framed|strict|lax" /* in the order of enum lw_policy */
#define STARTTLSS "smtp|imap|pop3|ldap|ftp|xmpp|postgres"

#define DEFAULT_CONNECT_TIMEOUT_MS 10000u
#define DEFAULT_IDLE_TIMEOUT_MS    30000u
#define TIMEOUT_MAX_S              1000000.0

enum {
	KEY_CACERT = 256,
	KEY_SERVERNAME,
	KEY_ALPN,
	KEY_TLS,
	KEY_CERT,
	KEY_KEY,
	KEY_CONNECT_TIMEOUT,
	KEY_IDLE_TIMEOUT,
	KEY_CLOSE_TIMEOUT,
	KEY_PROFILE,
	KEY_POLICY,
	KEY_STARTTLS,
	KEY_HALF_CLOSE,
	KEY_CRLF,
	KEY_VERDICT
};

struct settings {
	const char *target, *servername, *profile_name, *output, *verdict;
	struct context_options tls;
	struct lw_options options;
	struct address address;
	const struct lw_profile *profile;    /* of --profile or the target; NULL: not told */
	const struct starttls_row *starttls; /* or NULL */
	int family;
	uint32_t connect_timeout_ms, idle_timeout_ms;
	bool half_close, crlf, quiet, follows_nothing;
};

/* One run, from the first look-up to the last line. */
struct run {
	const struct settings *settings;
	uv_loop_t loop;
	uv_signal_t signals[2];
	struct opening opening;
	struct outfile file;
	struct endpoint_stdio near;
	struct endpoint_tls far;
	struct pump *pump;
	struct pump_report report;
	struct lw_verdict seen;
	const struct lw_profile *profile;
	bool interrupted;
};

static const struct argp_option options[] = {
	{ 0, 0, 0, 0, "Who the peer has to be:", 1 },
	{ "cacert", KEY_CACERT, "FILE", 0, "Trust these roots instead of the system's", 0 },
	{ "insecure", 'k', NULL, 0, "Accept any certificate", 0 },
	{ "servername", KEY_SERVERNAME, "NAME", 0, "Ask for NAME and check the certificate for it",
	  0 },
	{ "cert", KEY_CERT, "FILE", 0, "Show this certificate (PEM)", 0 },
	{ "key", KEY_KEY, "FILE", 0, "Its key, if not in the same file", 0 },
	{ 0, 0, 0, 0, "How to connect:", 2 },
	{ "ipv4", '4', NULL, 0, "Use IPv4 addresses only", 0 },
	{ "ipv6", '6', NULL, 0, "Use IPv6 addresses only", 0 },
	{ "starttls", KEY_STARTTLS, STARTTLSS, 0, "Begin in the clear, then start TLS", 0 },
	{ "tls", KEY_TLS, "MIN-MAX", 0,
	  "TLS versions: 1.2, 1.3 or a range from 1.0 (default 1.2-1.3)", 0 },
	{ "alpn", KEY_ALPN, "NAMES", 0, "Offer these protocols, commas between", 0 },
	{ "connect-timeout", KEY_CONNECT_TIMEOUT, "SECONDS", 0,
	  "From the look-up to the end of the handshake (default 10; 0 never)", 0 },
	{ 0, 0, 0, 0, "When it is over:", 3 },
	{ "profile", KEY_PROFILE, "NAME", 0,
	  "The application protocol, which tells when an answer is complete; none follows nothing "
	  "(default: by target, ALPN or port)",
	  0 },
	{ "policy", KEY_POLICY, POLICIES, 0,
	  "When a missing close_notify is an error: unless the message is complete (framed, the "
	  "default), always, never",
	  0 },
	{ "half-close", KEY_HALF_CLOSE, NULL, 0,
	  "Send close_notify at the end of standard input (TLS 1.3)", 0 },
	{ "idle-timeout", KEY_IDLE_TIMEOUT, "SECONDS", 0,
	  "Close when the peer moved nothing for so long after the end of standard input (default "
	  "30; "
	  "0 never)",
	  0 },
	{ "close-timeout", KEY_CLOSE_TIMEOUT, "SECONDS", 0,
	  "Wait so long for the peer's close_notify (default 5; 0 not at all)", 0 },
	{ 0, 0, 0, 0, "Input and output:", 4 },
	{ "crlf", KEY_CRLF, NULL, 0, "Send CRLF for LF", 0 },
	{ "output", 'o', "FILE", 0, "Write to FILE, which appears only after an acceptable end",
	  0 },
	{ "verdict", KEY_VERDICT, "FILE", 0,
	  "Write the verdict to FILE as JSON (- for standard output)", 0 },
	{ "quiet", 'q', NULL, 0, "Say nothing about the end; errors are still told", 0 },
	{ 0 }
};

static const char doc[] =
    "Pipes standard input and output through TLS and tells whether what was read is whole."
    "\v"
    "When standard input ends the connection stays open until the answer is complete, the peer "
    "ends or the idle timeout passes.\n\n"
    "Exit status: 0 whole, or an end that the policy tolerates; 1 any other end; 2 wrong usage; "
    "3 never connected.  With SSLKEYLOGFILE set, the keys are appended to that file.";

/* ---- options */

static uint32_t take_seconds(const char *name, const char *text, struct argp_state *state)
{
	char *end;
	double seconds;

	errno = 0;
	seconds = strtod(text, &end);
	if (errno != 0 || end == text || *end != '\0' || text[0] < '0' || text[0] > '9' ||
	    seconds > TIMEOUT_MAX_S)
		argp_error(state, "--%s %s: write seconds, such as 10 or 0.5", name, text);
	/* Only 0 itself is 0, which has a meaning of its own. */
	return seconds > 0.0 && seconds < 0.001 ? 1 : (uint32_t)(seconds * 1000.0);
}

static void take_profile(struct settings *s, const char *name, struct argp_state *state)
{
	s->profile_name = name;
	s->follows_nothing = strcmp(name, "none") == 0;
	s->profile = lw_profile_by_name(name);
	if (s->profile == NULL && !s->follows_nothing)
		argp_error(state, "--profile %s: no profile is called so; try https, smtp or none",
		           name);
}

/* The settings that need each other are made out when all are there. */
static void check_settings(struct settings *s, struct argp_state *state)
{
	const char *usual_port = s->starttls != NULL ? starttls_port(s->starttls) : NULL;
	struct failure f;

	if (s->target == NULL)
		argp_error(state, "where to? HOST:PORT or PROFILE://HOST[:PORT] is missing");
	if (!address_parse_target(s->target, usual_port, &s->address, &f))
		argp_error(state, "%s", f.sentence);
	if (s->profile == NULL && !s->follows_nothing && s->address.profile[0] != '\0')
		s->profile = lw_profile_by_name(s->address.profile);
	if (s->profile == NULL && !s->follows_nothing && s->starttls != NULL)
		s->profile = lw_profile_by_name(starttls_profile(s->starttls));
}

static error_t parse_network(int key, char *arg, struct argp_state *state)
{
	struct settings *s = state->input;

	switch (key) {
	case KEY_CACERT:
		s->tls.cacert = arg;
		break;
	case 'k':
		s->tls.insecure = true;
		break;
	case KEY_SERVERNAME:
		s->servername = arg;
		break;
	case KEY_CERT:
		s->tls.certificate = arg;
		break;
	case KEY_KEY:
		s->tls.key = arg;
		break;
	case '4':
		s->family = AF_INET;
		break;
	case '6':
		s->family = AF_INET6;
		break;
	case KEY_STARTTLS:
		s->starttls = starttls_find(arg);
		if (s->starttls == NULL)
			argp_error(state, "--starttls %s: it is one of %s", arg, STARTTLSS);
		break;
	case KEY_TLS:
		s->tls.versions = arg;
		break;
	case KEY_ALPN:
		s->tls.alpn = arg;
		break;
	default:
		return ARGP_ERR_UNKNOWN;
	}
	return 0;
}

static uint32_t or_never(uint32_t timeout_ms)
{
	return timeout_ms == 0 ? LW_NO_TIMEOUT : timeout_ms;
}

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	struct settings *s = state->input;
	int at;

	switch (key) {
	case KEY_CONNECT_TIMEOUT:
		s->connect_timeout_ms = or_never(take_seconds("connect-timeout", arg, state));
		break;
	case KEY_IDLE_TIMEOUT:
		s->idle_timeout_ms = or_never(take_seconds("idle-timeout", arg, state));
		break;
	case KEY_CLOSE_TIMEOUT:
		s->options.close_timeout_ms = take_seconds("close-timeout", arg, state);
		break;
	case KEY_PROFILE:
		take_profile(s, arg, state);
		break;
	case KEY_POLICY:
		at = cli_choice(POLICIES, arg);
		if (at < 0)
			argp_error(state, "--policy %s: it is one of %s", arg, POLICIES);
		s->options.policy = (enum lw_policy)at;
		break;
	case KEY_HALF_CLOSE:
		s->half_close = true;
		break;
	case KEY_CRLF:
		s->crlf = true;
		break;
	case 'o':
		s->output = strcmp(arg, "-") == 0 ? NULL : arg;
		break;
	case KEY_VERDICT:
		s->verdict = arg;
		break;
	case 'q':
		s->quiet = true;
		break;
	case ARGP_KEY_ARG:
		if (s->target != NULL)
			argp_error(state, "'%s' is too much: one connection at a time", arg);
		s->target = arg;
		break;
	case ARGP_KEY_END:
		check_settings(s, state);
		break;
	default:
		return parse_network(key, arg, state);
	}
	return 0;
}

/* ---- what is said at the end */

/* A close_notify that only answered ours may, up to TLS 1.2, have cost data: then it is not whole.
 */
static bool is_acceptable_end(const struct lw_verdict *v)
{
	return v->whole || (v->tolerated && v->read != LW_ENDING_CLOSED);
}

static bool is_acceptable(const struct run *r)
{
	return is_acceptable_end(&r->seen) && !r->report.near_broken &&
	       r->report.bytes_undelivered == 0;
}

static bool is_lack_of_space(int error)
{
	return error == ENOSPC || error == EDQUOT || error == EFBIG;
}

static void tell_output(const struct run *r)
{
	const char *what = r->settings->output != NULL ? r->settings->output : "standard output";

	if (r->near.out_error == EPIPE)
		cli_complain("%s was closed early, after %" PRIu64 " bytes", what,
		             r->report.bytes_to_near);
	else if (r->near.out_error != 0)
		cli_complain("cannot write %s: %s; %schoose another place", what,
		             strerror(r->near.out_error),
		             is_lack_of_space(r->near.out_error) ? "free some space, or " : "");
	else if (r->report.bytes_undelivered > 0)
		cli_complain("%" PRIu64 " bytes were read and not written to %s",
		             r->report.bytes_undelivered, what);
	if (r->near.in_error != 0)
		cli_complain("cannot read standard input: %s", strerror(r->near.in_error));
}

/* What we did, and why it came to an end, where the verdict's sentence cannot know. */
static void tell_cause(const struct run *r)
{
	const struct settings *s = r->settings;

	switch (r->report.cause) {
	case PUMP_CAUSE_IDLE:
		cli_complain("the peer moved nothing for %g s, so we ended; --idle-timeout waits "
		             "longer",
		             s->idle_timeout_ms / 1000.0);
		break;
	case PUMP_CAUSE_INTERRUPTED:
		cli_complain("interrupted");
		break;
	case PUMP_CAUSE_NO_MEMORY:
		cli_complain("out of memory or descriptors");
		break;
	case PUMP_CAUSE_NONE:
	case PUMP_CAUSE_BOTH_ENDED:
	case PUMP_CAUSE_FAR_ENDED:
	case PUMP_CAUSE_COMPLETE:
	case PUMP_CAUSE_NEAR_BROKEN:
	case PUMP_CAUSE_NEAR_FAILED:
		break;
	}
	if (r->report.half_close_unsupported)
		cli_complain("%s has no half-close: close_notify waited for the end of the answer",
		             lw_version_name(r->seen.version));
}

static void tell_message(const struct run *r)
{
	const char *why = lw_complete_why(r->opening.stream);

	if (r->settings->follows_nothing)
		cli_complain("message: not followed");
	else if (r->profile == NULL)
		cli_complain("message: not followed, since no profile is known; next: --profile");
	else
		cli_complain("message (%s): %s%s%s", r->profile->name,
		             r->seen.complete ? "complete" : "not complete by itself",
		             *why != '\0' ? ": " : "", why);
}

static void tell_sent(const struct run *r)
{
	const struct lw_verdict *v = &r->seen;
	const char *alert =
	    v->alert_sent.present ? lw_alert_name(v->alert_sent.description) : "no alert";

	if (r->report.bytes_unsent > 0)
		cli_complain("sent: %" PRIu64 " bytes, then %s; %s%" PRIu64
		             " bytes of standard input were not sent",
		             v->bytes_written, alert, r->report.near_ended ? "" : "at least ",
		             r->report.bytes_unsent);
	else
		cli_complain("sent: %" PRIu64 " bytes, then %s%s", v->bytes_written, alert,
		             r->report.near_ended ? "" : "; standard input had not ended");
}

/* One step for each ending that is not acceptable. */
static const char *next_step(const struct run *r)
{
	const struct lw_verdict *v = &r->seen;

	switch (v->read) {
	case LW_ENDING_TRUNCATED:
	case LW_ENDING_RESET:
		if (!v->complete)
			return "do not rely on what was read; ask again";
		return v->policy == LW_POLICY_STRICT
		           ? "--policy framed, if the protocol's own framing is enough"
		           : "the message itself came whole; what was cut came behind it";
	case LW_ENDING_ABORTED:
		return "see the server's log; ask again";
	case LW_ENDING_EXPIRED:
		return "--close-timeout waits longer; the peer may never send close_notify";
	case LW_ENDING_ABANDONED:
		return "ask again, and let the answer come to its end";
	case LW_ENDING_FAILED:
		return "ask again; if it stays so, someone changes what passes";
	case LW_ENDING_OPEN:
	case LW_ENDING_CLOSED:
		break;
	}
	return "ask again, and let the peer close first";
}

/* On a terminal our lines begin at the left, whatever stands there: output, or an echoed ^C. */
static void begin_line(const struct run *r)
{
	bool shows_output =
	    r->near.is_inside_line && r->settings->output == NULL && isatty(STDOUT_FILENO) != 0;
	bool shows_echo = r->report.cause == PUMP_CAUSE_INTERRUPTED && isatty(STDIN_FILENO) != 0;

	if (isatty(STDERR_FILENO) != 0 && (shows_output || shows_echo))
		(void)fputc('\n', stderr);
}

static void tell(const struct run *r)
{
	char sentence[512];
	/* Where the output failed, that is the matter, and what to do is said with it. */
	bool says_next = !is_acceptable_end(&r->seen) && r->near.out_error == 0;
	const char *next = says_next ? next_step(r) : NULL;

	if (!r->settings->quiet)
		begin_line(r);
	tell_output(r);
	if (r->settings->quiet)
		return;
	cli_complain("%s", lw_verdict_sentence(&r->seen, sentence, sizeof sentence));
	tell_cause(r);
	tell_message(r);
	tell_sent(r);
	if (next != NULL)
		cli_complain("next: %s", next);
}

static bool write_verdict(const struct run *r)
{
	const char *path = r->settings->verdict;
	bool written;

	if (path == NULL)
		return true;
	if (strcmp(path, "-") == 0)
		written = verdict_json_write(stdout, &r->seen) && fflush(stdout) == 0;
	else
		written = verdict_json_save(path, &r->seen);
	if (!written)
		cli_complain("cannot write the verdict to %s: %s", path, strerror(errno));
	return written;
}

/* ---- the run */

static void on_signal(uv_signal_t *handle, int number)
{
	struct run *r = handle->data;

	(void)number;
	r->interrupted = true;
	if (r->pump != NULL)
		pump_interrupt(r->pump);
}

static void on_over(struct pump *p, void *context)
{
	struct run *r = context;

	pump_report(p, &r->report);
	r->pump = NULL;
	pump_free(p);
	uv_stop(&r->loop);
}

static bool start_loop(struct run *r)
{
	static const int numbers[2] = { SIGINT, SIGTERM };

	if (!endpoint_stdio_hold() || uv_loop_init(&r->loop) != 0)
		return false;
	for (size_t i = 0; i < 2; i++) {
		if (uv_signal_init(&r->loop, &r->signals[i]) != 0 ||
		    uv_signal_start(&r->signals[i], on_signal, numbers[i]) != 0)
			return false;
		r->signals[i].data = r;
		uv_unref((uv_handle_t *)&r->signals[i]);
	}
	return true;
}

static void end_loop(struct run *r)
{
	for (size_t i = 0; i < 2; i++)
		uv_close((uv_handle_t *)&r->signals[i], NULL);
	(void)uv_run(&r->loop, UV_RUN_DEFAULT);
	(void)uv_loop_close(&r->loop);
}

/* By --profile or the target, else by what ALPN agreed on, else by the port. */
static void choose_profile(struct run *r)
{
	const struct settings *s = r->settings;
	const unsigned char *alpn;
	unsigned n;

	r->profile = s->profile;
	if (s->follows_nothing || r->profile != NULL)
		return;
	SSL_get0_alpn_selected(r->opening.ssl, &alpn, &n);
	if (n > 0)
		r->profile = lw_profile_by_alpn(alpn, n);
	if (r->profile == NULL)
		r->profile = lw_profile_by_port((uint16_t)strtoul(s->address.port, NULL, 10));
}

static bool pump_all(struct run *r)
{
	const struct settings *s = r->settings;
	const struct pump_options how = { .idle_timeout_ms = s->idle_timeout_ms,
		                          .ends_with_far = true,
		                          .ends_when_complete = true,
		                          .open_input_is_said = isatty(STDIN_FILENO) != 0 };

	choose_profile(r);
	if (r->profile != NULL &&
	    lw_use_profile(r->opening.stream, r->profile, LW_ROLE_CLIENT) != LW_OK)
		r->profile = NULL;
	if (s->starttls != NULL)
		lw_greeted(r->opening.stream);
	endpoint_stdio_init(&r->near, STDIN_FILENO, s->output != NULL ? r->file.fd : STDOUT_FILENO);
	r->near.crlf = s->crlf;
	r->near.half_close = s->half_close;
	endpoint_tls_init(&r->far, r->opening.stream, r->opening.fd);
	r->pump = pump_new(&r->loop, &r->near.base, &r->far.base, &how, on_over, r);
	if (r->pump == NULL) {
		cli_complain("out of memory");
		return false;
	}
	if (r->interrupted)
		pump_interrupt(r->pump);
	while (r->pump != NULL)
		(void)uv_run(&r->loop, UV_RUN_DEFAULT);
	return true;
}

/* The file appears only now, and only if the end allows it. */
static int conclude(struct run *r)
{
	bool acceptable;
	struct failure f;

	lw_verdict(r->opening.stream, &r->seen);
	acceptable = is_acceptable(r);
	if (acceptable && r->settings->output != NULL && !outfile_commit(&r->file, &f)) {
		cli_complain("%s; free some space, or choose another place", f.sentence);
		acceptable = false;
	}
	tell(r);
	if (!write_verdict(r))
		acceptable = false;
	return acceptable ? CLI_EXIT_WHOLE : CLI_EXIT_FINDINGS;
}

static int connect_and_pump(struct run *r)
{
	const struct settings *s = r->settings;

	r->opening = (struct opening){ .loop = &r->loop,
		                       .address = &s->address,
		                       .family = s->family,
		                       .timeout_ms = s->connect_timeout_ms,
		                       .starttls = s->starttls,
		                       .ctx = r->opening.ctx,
		                       .servername = s->servername,
		                       .options = s->options,
		                       .interrupted = &r->interrupted,
		                       .fd = -1 };
	if (!opening_run(&r->opening)) {
		cli_complain("%s", r->opening.failure.sentence);
		return CLI_EXIT_UNREACHED;
	}
	return pump_all(r) ? conclude(r) : CLI_EXIT_UNREACHED;
}

static int run_all(struct run *r)
{
	const struct settings *s = r->settings;
	struct failure f;

	r->opening.ctx = context_new_client(&s->tls, &f);
	if (r->opening.ctx == NULL) {
		cli_complain("%s", f.sentence);
		return CLI_EXIT_USAGE;
	}
	if (s->output != NULL && !outfile_open(&r->file, s->output, &f)) {
		cli_complain("%s; choose another place", f.sentence);
		return CLI_EXIT_FINDINGS;
	}
	return connect_and_pump(r);
}

static int run_with(const struct settings *s)
{
	struct run r = { .settings = s, .file = { .fd = -1 }, .opening = { .fd = -1 } };
	int status;

	if (!start_loop(&r)) {
		cli_complain("cannot start: %s", strerror(errno));
		return CLI_EXIT_UNREACHED;
	}
	status = run_all(&r);
	outfile_drop(&r.file);
	opening_end(&r.opening);
	SSL_CTX_free(r.opening.ctx);
	if (r.opening.lookup_abandoned)
		_exit(status); /* exit() would wait for the look-up */
	end_loop(&r);
	return status;
}

static int run(const struct verb *verb, int argc, char **argv)
{
	struct settings s = { .family = AF_UNSPEC,
		              .connect_timeout_ms = DEFAULT_CONNECT_TIMEOUT_MS,
		              .idle_timeout_ms = DEFAULT_IDLE_TIMEOUT_MS };

	signal(SIGXFSZ,
	       SIG_IGN); /* a file that may grow no more is an error to tell, as a full disk */
	lw_options_default(&s.options);
	cli_parse(verb, argc, argv, &s);
	return run_with(&s);
}

static const struct argp argp = { options, parse_option, "HOST:PORT\nPROFILE://HOST[:PORT]",
	                          doc,     NULL,         NULL,
	                          NULL };

const struct verb connect_verb = {
	.name = "connect",
	.line = "pipe standard input and output through TLS",
	.argp = &argp,
	.run = run,
};
