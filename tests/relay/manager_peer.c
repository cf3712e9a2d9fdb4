/* manager_peer: what a service does with its manager, for tests that play the manager.
 *
 *     manager_peer [SERVICE unix PATH | SERVICE tcp HOST PORT]...
 *
 * Says which socket each service was given ("web 127.0.0.1:8443", "web /run/x", "web none"), how
 * many were left, which descriptors a child would still be told of and how often the watchdog
 * wants to hear; then does what the lines of standard input say.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "net/listen.h"
#include "relay/manager.h"

static void tell_socket(const char *service, int fd)
{
	struct sockaddr_un at = { .sun_family = AF_UNSPEC };
	socklen_t n = sizeof at;
	char place[160] = "none";

	if (fd >= 0 && !listen_text(fd, place, sizeof place) &&
	    getsockname(fd, (struct sockaddr *)&at, &n) == 0)
		(void)snprintf(place, sizeof place, "%s", at.sun_path);
	(void)printf("%s %s\n", service, place);
}

static char **take_one(char **words)
{
	struct relay_place place = { .kind = RELAY_TCP };
	const char *service = words[0];
	bool is_unix = strcmp(words[1], "unix") == 0;

	if (is_unix) {
		place.kind = RELAY_UNIX;
		(void)snprintf(place.path, sizeof place.path, "%s", words[2]);
	} else {
		(void)snprintf(place.address.host, sizeof place.address.host, "%s", words[2]);
		(void)snprintf(place.address.port, sizeof place.address.port, "%s", words[3]);
		place.address.host_is_ip = strspn(words[2], "0123456789.:") == strlen(words[2]);
	}
	tell_socket(service, manager_socket(&place, service));
	return words + (is_unix ? 3 : 4);
}

static void obey(char *line)
{
	char *text = strchr(line, ' ');

	line[strcspn(line, "\n")] = '\0';
	if (text != NULL)
		*text++ = '\0';
	else
		text = line + strlen(line);
	for (char *c = text; *c != '\0'; c++)
		if (*c == '|')
			*c = '\n';
	if (strcmp(line, "ready") == 0)
		manager_ready(text);
	else if (strcmp(line, "reloading") == 0)
		manager_reloading();
	else if (strcmp(line, "stopping") == 0)
		manager_stopping(text, 120000);
	else if (strcmp(line, "status") == 0)
		manager_status(text);
	else if (strcmp(line, "alive") == 0)
		manager_alive();
}

int main(int argc, char **argv)
{
	char line[2048];

	(void)argc;
	(void)setvbuf(stdout, NULL, _IOLBF, 0);
	for (char **words = argv + 1; *words != NULL;)
		words = take_one(words);
	(void)printf("rest %zu\n", manager_close_rest());
	(void)printf("LISTEN_FDS %s\n", getenv("LISTEN_FDS") != NULL ? "is set" : "is gone");
	(void)printf("watchdog %" PRIu64 "\n", manager_watchdog_ms());
	while (fgets(line, sizeof line, stdin) != NULL) {
		obey(line);
		(void)printf("did\n");
	}
	return 0;
}
