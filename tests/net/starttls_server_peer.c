/* starttls_server_peer: speaks before TLS on the socket that is its standard input, and leaves what
 * comes behind in it.
 *
 *   starttls_server_peer listen ROW     the dialogue, as the server: 0 when TLS begins
 *   starttls_server_peer swallow ROW    takes a server's greeting: 0 when it was one
 *
 * Else 1, and a sentence on standard error.
 */
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "net/starttls_server.h"

enum { DEADLINE_MS = 20000 };

/* Peeks once something is there; false: the end, or nothing in time. */
static bool look(void *buf, size_t cap, size_t *n)
{
	struct pollfd ready = { .fd = 0, .events = POLLIN };
	ssize_t got = poll(&ready, 1, DEADLINE_MS) == 1 ? recv(0, buf, cap, MSG_PEEK) : -1;

	*n = got > 0 ? (size_t)got : 0;
	return got > 0;
}

static void take(void *buf, size_t n)
{
	if (n > 0 && recv(0, buf, n, 0) != (ssize_t)n)
		(void)fprintf(stderr, "what was looked at is gone\n");
}

static int complain(const char *sentence)
{
	(void)fprintf(stderr, "%s\n", sentence);
	return 1;
}

static void say(struct starttls_server *s)
{
	size_t n;
	const char *output = starttls_server_output(s, &n);

	if (n > 0 && send(0, output, n, MSG_NOSIGNAL) == (ssize_t)n)
		starttls_server_sent(s, n);
}

static int listen_for(const struct starttls_row *row)
{
	static struct starttls_server s;
	char buf[1024];
	struct failure f;
	size_t n, used;

	if (!starttls_server_begin(&s, row, "localhost"))
		return complain("no server's side");
	for (;;) {
		say(&s);
		if (s.status == STARTTLS_DONE)
			return 0;
		if (s.status == STARTTLS_REFUSED)
			break;
		if (!look(buf, sizeof buf, &n)) {
			starttls_server_ended(&s);
			break;
		}
		(void)starttls_server_feed(&s, buf, n, &used);
		take(buf, used);
	}
	starttls_server_explain(&s, &f);
	return complain(f.sentence);
}

static int swallow(const struct starttls_row *row)
{
	char buf[1024];
	size_t have = 0, n;
	bool whole = !starttls_greets(row);

	while (!whole && have < sizeof buf - 1) {
		if (!look(buf + have, 1, &n))
			return complain("it ended before its greeting was whole");
		take(buf + have, n);
		have += n;
		if (starttls_greeting(row, buf, have, &whole) == 0 && whole) {
			buf[have] = '\0';
			return complain(buf);
		}
	}
	return whole ? 0 : complain("its greeting has no end");
}

int main(int argc, char **argv)
{
	const struct starttls_row *row = argc == 3 ? starttls_find(argv[2]) : NULL;

	if (row == NULL)
		return complain("usage: starttls_server_peer listen|swallow ROW");
	return strcmp(argv[1], "listen") == 0 ? listen_for(row) : swallow(row);
}
