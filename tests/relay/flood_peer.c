/* flood_peer: a TLS peer that sends one thing over and over, for tests of what that costs the
 * relay.
 *
 *     flood_peer VERSION PORT WHAT TIMES
 *
 * PORT 0: a server on a free port, for one connection; else a client of that port.  It first prints
 * "port N"; behind the handshake come TIMES of WHAT, then (of data: when as much came back, and
 * behind close_notify and FIN of its own) it waits for the other side to end and
 * prints "over: bytes N alert D" (N bytes of data came, and the last alert, or none: -1) and
 * whatever the other side ended the transport by.  Exit status 0: so it was; 1: not; 2: usage.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "adversary/loopback.h"

enum { LIMIT_MS = 30000, TIMES_MAX = 1000000 };
enum { WARNING = 1, USER_CANCELED = 90 };

/* The head of a ClientHello, of no length: enough to ask for another handshake. */
#define HELLO "\1\0\0\0"

static const struct {
	const char *name;
	struct adversary_step step;
	bool repeats_itself; /* `count` says how often */
} floods[] = {
	{ "octets", STEP_DATA_IN(0, 1), true },
	{ "warnings", STEP_ALERTS(0, WARNING, USER_CANCELED), true },
	{ "key-updates", STEP_KEY_UPDATE(0), false },
	{ "key-updates-asked", STEP_KEY_UPDATE(1), false },
	{ "empty-records", STEP_EMPTY_DATA, false },
	{ "renegotiations", STEP_RECORD(22, HELLO), false },
	{ "tickets", STEP_TICKET, false },
};

enum { FLOODS = sizeof floods / sizeof floods[0] };

/* `times` of it, then a wait for the other side's end; NULL: out of memory, or unknown. */
static struct adversary_step *make_steps(const char *what, size_t times)
{
	const struct adversary_step end[] = { STEP_WAIT_END, STEP_END };
	const struct adversary_step proper_end[] = { STEP_WAIT_DATA(times), STEP_CLOSE_NOTIFY,
		                                     STEP_FIN, STEP_WAIT_END, STEP_END };
	struct adversary_step *steps = calloc(times + 6, sizeof *steps);
	size_t n = 0, row = 0;

	while (row < FLOODS && strcmp(floods[row].name, what) != 0)
		row++;
	if (steps == NULL || row == FLOODS) {
		free(steps);
		return NULL;
	}
	if (floods[row].repeats_itself) {
		steps[n] = floods[row].step;
		steps[n++].count = times;
	}
	while (!floods[row].repeats_itself && n < times)
		steps[n++] = floods[row].step;
	if (steps[0].act == ACT_DATA)
		memcpy(steps + n, proper_end, sizeof proper_end);
	else
		memcpy(steps + n, end, sizeof end);
	return steps;
}

static struct adversary *meet(enum lw_version version, uint16_t port,
                              const struct adversary_script *script)
{
	struct adversary_options options = { .version = version, .transport = ADVERSARY_SOCKET };
	struct adversary *a;
	uint16_t own = 0;
	int listener;

	if (port != 0) {
		(void)printf("port %u\n", port);
		options.role = ADVERSARY_CLIENT;
		options.fd = loopback_connect(port);
		return options.fd < 0 ? NULL : adversary_new(&options, script);
	}
	listener = loopback_listen(&own);
	if (listener < 0)
		return NULL;
	(void)printf("port %u\n", own);
	(void)fflush(stdout);
	a = loopback_adversary(listener, &options, script, LIMIT_MS);
	(void)close(listener);
	return a;
}

static bool tell(struct adversary *a)
{
	enum adversary_status status = adversary_run_until(a, LIMIT_MS);
	const struct adversary_tally *t = adversary_subject(a);

	(void)printf("over: bytes %llu alert %d %s%s\n", (unsigned long long)t->data_bytes,
	             t->alerts > 0 ? t->last_description : -1, t->fin ? "fin" : "",
	             t->rst ? "rst" : "");
	if (status == ADVERSARY_FAILED)
		(void)printf("failed: %s\n", adversary_reason(a));
	return status == ADVERSARY_DONE;
}

int main(int argc, char **argv)
{
	const size_t times = argc == 5 ? strtoul(argv[4], NULL, 10) : 0;
	struct adversary_script script = { .start = START_AFTER_HANDSHAKE };
	struct adversary_step *steps;
	struct adversary *a;
	bool good;

	if (times == 0 || times > TIMES_MAX)
		return 2;
	steps = make_steps(argv[3], times);
	if (steps == NULL)
		return 2;
	script.steps = steps;
	a = meet(strcmp(argv[1], "1.2") == 0 ? LW_VERSION_TLS1_2 : LW_VERSION_TLS1_3,
	         (uint16_t)strtoul(argv[2], NULL, 10), &script);
	good = a != NULL && tell(a);
	adversary_free(a);
	free(steps);
	return good ? 0 : 1;
}
