/* admin_peer: the metrics port alone, for tests that drive it over HTTP.
 *
 *     admin_peer unix PATH | admin_peer tcp HOST PORT
 *
 * Takes a socket that was handed over under the name "metrics" where there is one.  Says "place"
 * or "refused", then obeys lines of standard input: "drain", "long" (metrics of 1 MB), "stop"
 * (answered by "stopped"); ends with its input.
 */
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "relay/admin.h"
#include "relay/manager.h"

static atomic_bool is_ready = true, is_long;

static void print_metrics(FILE *out, void *context)
{
	(void)context;
	(void)fputs("# TYPE lastword_test counter\nlastword_test 1\n", out);
	for (int i = 0; atomic_load(&is_long) && i < 25000; i++)
		(void)fprintf(out, "lastword_test{row=\"%08d\",filler=\"\"} 1\n", i);
}

static bool tell_ready(void *context)
{
	(void)context;
	return atomic_load(&is_ready);
}

static void obey(struct admin *a)
{
	char line[32];

	while (fgets(line, sizeof line, stdin) != NULL) {
		if (strcmp(line, "drain\n") == 0)
			atomic_store(&is_ready, false);
		else if (strcmp(line, "long\n") == 0)
			atomic_store(&is_long, true);
		else if (strcmp(line, "stop\n") == 0) {
			admin_stop(a);
			a = NULL;
		}
		(void)printf("did %s", line);
	}
	admin_stop(a);
}

int main(int argc, char **argv)
{
	struct relay_place place = { .kind = RELAY_TCP };
	struct admin_options options = { .place = &place,
		                         .print_metrics = print_metrics,
		                         .is_ready = tell_ready };
	struct failure f;
	struct admin *a;

	if (argc == 3) {
		place.kind = RELAY_UNIX;
		(void)snprintf(place.path, sizeof place.path, "%s", argv[2]);
	} else if (argc == 4) {
		(void)snprintf(place.address.host, sizeof place.address.host, "%s", argv[2]);
		(void)snprintf(place.address.port, sizeof place.address.port, "%s", argv[3]);
	} else {
		return 2;
	}
	(void)setvbuf(stdout, NULL, _IOLBF, 0);
	options.fd = manager_socket(&place, "metrics");
	a = admin_start(&options, &f);
	if (a == NULL) {
		(void)printf("refused %s\n", f.sentence);
		return 1;
	}
	(void)printf("place %s\n", admin_place(a));
	obey(a);
	return 0;
}
