/* peer: an adversary as a program, for tests that drive programs as a person would.
 *
 *     peer [-v 1.2] [-w BYTES] [-s TEXT | -f FILE] [-c CERTIFICATE] [-p PORT] [-l MS] [-n TIMES]
 * ENDING
 *
 * A server on 127.0.0.1 and a free port; with -p a client of that port.  It first prints "port N",
 * then, for each connection, one line an event ("subject: data 18 bytes") and "over: done".  -w
 * waits for so many bytes of the subject; -s and -f say what is sent instead of the ending's own
 * data; -c writes the certificate there; -l limits each connection (10,000 ms); -n serves so
 * many; the ending "go" is a proper peer.  Exit status 0: every connection was done; 1: not; 2:
 * usage.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "adversary/endings.h"
#include "adversary/loopback.h"

enum { STEPS_MAX = 24, FILE_MAX = 4 << 20 };

struct order {
	struct adversary_options options;
	const char *certificate_path;
	uint8_t *content; /* NULL: the ending's own data */
	size_t content_bytes;
	uint64_t wait_bytes;
	uint16_t port; /* of the server to connect to; 0: be one */
	int limit_ms;
	unsigned times;
	const char *ending;
};

static enum lw_version version_of(const char *text)
{
	static const char *const names[] = { "1.0", "1.1", "1.2", "1.3" };
	for (int i = 0; i < 4; i++) {
		if (strcmp(names[i], text) == 0)
			return (enum lw_version)(LW_VERSION_TLS1_0 + i);
	}
	return LW_VERSION_UNKNOWN;
}

static bool read_file(const char *path, struct order *o)
{
	FILE *file = fopen(path, "rb");
	o->content = file != NULL ? malloc(FILE_MAX) : NULL;
	if (o->content != NULL)
		o->content_bytes = fread(o->content, 1, FILE_MAX, file);
	if (file != NULL)
		(void)fclose(file);
	return o->content != NULL;
}

static bool copy_text(const char *text, struct order *o)
{
	o->content_bytes = strlen(text);
	o->content = malloc(o->content_bytes + 1);
	if (o->content == NULL)
		return false;
	memcpy(o->content, text, o->content_bytes + 1);
	return true;
}

static bool take_option(int letter, struct order *o)
{
	switch (letter) {
	case 'v':
		o->options.version = version_of(optarg);
		return o->options.version != LW_VERSION_UNKNOWN;
	case 'w':
		o->wait_bytes = strtoull(optarg, NULL, 10);
		return true;
	case 's':
		return copy_text(optarg, o);
	case 'f':
		return read_file(optarg, o);
	case 'c':
		o->certificate_path = optarg;
		return true;
	case 'a':
		o->options.alpn = optarg;
		return true;
	case 'k':
		o->options.ciphers = optarg;
		return true;
	case 'p':
		o->port = (uint16_t)strtoul(optarg, NULL, 10);
		o->options.role = ADVERSARY_CLIENT;
		return true;
	case 'l':
		o->limit_ms = atoi(optarg);
		return true;
	case 'n':
		o->times = (unsigned)strtoul(optarg, NULL, 10);
		return true;
	default:
		return false;
	}
}

/* The ending's steps with the order's own content in place of its first data. */
static bool compose(const struct order *o, const struct adversary_script *from,
                    struct adversary_step *steps)
{
	bool replaced = o->content == NULL;
	unsigned n = 0;
	if (o->wait_bytes > 0)
		steps[n++] = (struct adversary_step)STEP_WAIT_DATA(o->wait_bytes);
	for (const struct adversary_step *s = from->steps;; s++) {
		if (n == STEPS_MAX)
			return false;
		steps[n++] = *s;
		if (!replaced && s->act == ACT_DATA) {
			steps[n - 1] =
			    (struct adversary_step)STEP_BYTES(o->content, o->content_bytes);
			replaced = true;
		}
		if (s->act == ACT_END)
			return true;
	}
}

static void tell(const struct adversary *a, enum adversary_status status)
{
	static const char *const names[] = { "waiting", "done", "failed" };
	const struct exchange *x = adversary_exchange(a);
	char text[160];
	for (unsigned i = 0; i < x->count; i++)
		(void)printf("%s: %s\n", x->name[x->events[i].side],
		             exchange_event_text(&x->events[i], text, sizeof text));
	(void)printf("over: %s%s%s\n", names[status], status == ADVERSARY_FAILED ? ", " : "",
	             adversary_reason(a));
	(void)fflush(stdout);
}

static struct adversary *meet(const struct order *o, int listener,
                              const struct adversary_script *script)
{
	struct adversary_options options = o->options;
	if (o->port == 0)
		return loopback_adversary(listener, &options, script, o->limit_ms);
	options.transport = ADVERSARY_SOCKET;
	options.fd = loopback_connect(o->port);
	return options.fd < 0 ? NULL : adversary_new(&options, script);
}

static bool serve(const struct order *o, int listener, const struct adversary_script *script)
{
	struct adversary *a = meet(o, listener, script);
	if (a == NULL) {
		(void)printf("over: nobody came\n");
		return false;
	}
	enum adversary_status status = adversary_run_until(a, o->limit_ms);
	tell(a, status);
	adversary_free(a);
	return status == ADVERSARY_DONE;
}

static int run(struct order *o, const struct adversary_script *ending)
{
	struct adversary_step steps[STEPS_MAX];
	const struct adversary_script script = { .steps = steps, .start = ending->start };
	struct certificate *c = certificate_new(NULL, NULL);
	uint16_t port = o->port;
	int listener = port == 0 ? loopback_listen(&port) : -1;
	bool good =
	    c != NULL && (o->port != 0 || listener >= 0) && compose(o, ending, steps) &&
	    (o->certificate_path == NULL || certificate_write(c, o->certificate_path, NULL));
	o->options.certificate = c;
	if (good) {
		(void)printf("port %u\n", port);
		(void)fflush(stdout);
	}
	for (unsigned i = 0; good && i < o->times; i++)
		good = serve(o, listener, &script);
	if (listener >= 0)
		(void)close(listener);
	certificate_free(c);
	return good ? 0 : 1;
}

int main(int argc, char **argv)
{
	const struct adversary_script go = SCRIPT(STEP_DATA(ENDING_DATA_BYTES), STEP_GO);
	struct order o = { .limit_ms = 10000, .times = 1 };
	int letter, status = 2;
	while ((letter = getopt(argc, argv, "v:w:s:f:c:a:k:p:l:n:")) != -1) {
		if (!take_option(letter, &o))
			goto end;
	}
	if (optind + 1 != argc)
		goto end;
	const struct ending *ending = ending_find(argv[optind]);
	if (ending != NULL || strcmp(argv[optind], "go") == 0)
		status = run(&o, ending != NULL ? &ending->script : &go);
end:
	free(o.content);
	if (status == 2)
		(void)fprintf(stderr, "peer: see the top of tests/adversary/peer.c\n");
	return status;
}
