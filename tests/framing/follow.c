/*
 * follow: feeds a recorded session to a tracker and tells where it says complete.
 *
 *     follow KIND client|server [greeted] < RECORDING
 *
 * A recording is runs: an octet, 'C' from the client or 'S' from the server, four of length, the
 * highest first, then the bytes.  Prints one line a run, separated by tabs: direction, octets, the
 * offsets behind which it is complete, "-" where there is none, and why at its end.  The session is
 * followed octet by octet and again in whole runs; a difference ends it with status 1.
 */
#include "framing/tracker.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static enum lw_kind find_kind(const char *name)
{
	unsigned kind = 0;

	while (kind < LW_KINDS && strcmp(lw_kind_name((enum lw_kind)kind), name) != 0)
		kind++;
	return (enum lw_kind)kind;
}

static void tell(struct lw_tracker *t, bool from_client, const uint8_t *bytes, size_t len)
{
	bool sent = from_client == (t->role == LW_ROLE_CLIENT);

	(sent ? lw_tracker_sent : lw_tracker_received)(t, bytes, len);
}

/* One run, octet by octet; prints where it is complete. */
static void follow_octets(struct lw_tracker *t, bool from_client, const uint8_t *bytes, size_t len)
{
	const char *separator = "";

	for (size_t i = 0; i < len; i++) {
		tell(t, from_client, bytes + i, 1);
		if (!lw_tracker_complete(t))
			continue;
		(void)printf("%s%zu", separator, i + 1);
		separator = ",";
	}
	(void)printf("%s\t%s\n", *separator == '\0' ? "-" : "", lw_tracker_why(t));
}

static bool is_same(const struct lw_tracker *a, const struct lw_tracker *b)
{
	return lw_tracker_complete(a) == lw_tracker_complete(b) &&
	       strcmp(lw_tracker_why(a), lw_tracker_why(b)) == 0;
}

static bool follow_run(struct lw_tracker *octets, struct lw_tracker *runs, const uint8_t *head)
{
	size_t len = (size_t)head[1] << 24 | (size_t)head[2] << 16 | (size_t)head[3] << 8 | head[4];
	uint8_t *bytes = malloc(len + 1);
	bool whole = bytes != NULL && fread(bytes, 1, len, stdin) == len;

	if (whole) {
		(void)printf("%c\t%zu\t", head[0], len);
		follow_octets(octets, head[0] == 'C', bytes, len);
		tell(runs, head[0] == 'C', bytes, len);
	}
	free(bytes);
	return whole && is_same(octets, runs);
}

int main(int argc, char **argv)
{
	struct lw_tracker octets, runs;
	enum lw_role role;
	uint8_t head[5];

	if (argc < 3 || find_kind(argv[1]) == LW_KINDS) {
		(void)fputs("usage: follow KIND client|server [greeted] < RECORDING\n", stderr);
		return 2;
	}
	role = strcmp(argv[2], "server") == 0 ? LW_ROLE_SERVER : LW_ROLE_CLIENT;
	lw_tracker_init(&octets, find_kind(argv[1]), role);
	if (argc > 3)
		lw_tracker_greeted(&octets);
	runs = octets;
	while (fread(head, 1, sizeof head, stdin) == sizeof head) {
		if (follow_run(&octets, &runs, head))
			continue;
		(void)fputs("follow: a recording cut short, or whole runs that differ\n", stderr);
		return 1;
	}
	return 0;
}
