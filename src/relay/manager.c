/* manager: see manager.h.  Used by the main thread alone.  Invariant: a descriptor that was handed
 * over is in the table until it is given away or closed, so none is owned twice.
 */
#include "relay/manager.h"

#include <errno.h>
#include <inttypes.h>
#include <netdb.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-daemon.h>
#include <time.h>
#include <unistd.h>

#include "net/dial.h"

/* For what comes behind the deadline that was told: threads that end, memory that is freed. */
enum { GRACE_US = 10 * 1000 * 1000 };

/* What was handed over and is still here. */
static struct {
	int *fds;
	char **names; /* FileDescriptorName= of each */
	size_t count;
	bool was_asked;
} handed;

/* Asks once, and takes the variables away, so that no child believes they are for it. */
static void take_over(void)
{
	char **names = NULL;
	int count;

	if (handed.was_asked)
		return;
	handed.was_asked = true;
	count = sd_listen_fds_with_names(1, &names);
	if (count <= 0)
		return;
	handed.fds = calloc((size_t)count, sizeof *handed.fds);
	if (handed.fds == NULL) {
		for (int i = 0; i < count; i++) {
			(void)close(SD_LISTEN_FDS_START + i);
			free(names[i]);
		}
		free(names);
		return;
	}
	for (int i = 0; i < count; i++)
		handed.fds[i] = SD_LISTEN_FDS_START + i;
	handed.names = names;
	handed.count = (size_t)count;
}

/* The i-th leaves the table; after the last one nothing is left to free. */
static int give(size_t i)
{
	int fd = handed.fds[i];

	free(handed.names[i]);
	handed.count--;
	memmove(handed.fds + i, handed.fds + i + 1, (handed.count - i) * sizeof *handed.fds);
	memmove(handed.names + i, handed.names + i + 1, (handed.count - i) * sizeof *handed.names);
	if (handed.count > 0)
		return fd;
	free(handed.fds);
	free(handed.names);
	handed.fds = NULL;
	handed.names = NULL;
	return fd;
}

static bool listens_at_path(int fd, const char *path)
{
	return sd_is_socket_unix(fd, SOCK_STREAM, 1, path, 0) > 0;
}

/* Whether the socket listens at one of the addresses that the place stands for. */
static bool listens_at_one(int fd, const struct addrinfo *list)
{
	for (; list != NULL; list = list->ai_next)
		if (sd_is_socket_sockaddr(fd, SOCK_STREAM, list->ai_addr, list->ai_addrlen, 1) > 0)
			return true;
	return false;
}

/* Port 0 fits any port, and so says nothing: such a place is known by its name alone. */
static struct addrinfo *look_up(const struct relay_place *p)
{
	struct addrinfo hints = dial_hints(&p->address, AF_UNSPEC), *list = NULL;
	const char *host = p->address.host[0] != '\0' ? p->address.host : NULL;

	hints.ai_flags |= AI_PASSIVE;
	if (host == NULL)
		hints.ai_flags &= ~AI_NUMERICHOST;
	if (p->kind == RELAY_UNIX || strcmp(p->address.port, "0") == 0 ||
	    getaddrinfo(host, p->address.port, &hints, &list) != 0)
		return NULL;
	return list;
}

static bool is_kind(int fd, enum relay_leg kind)
{
	if (kind == RELAY_UNIX)
		return sd_is_socket(fd, AF_UNIX, SOCK_STREAM, 1) > 0;
	return sd_is_socket_inet(fd, AF_UNSPEC, SOCK_STREAM, 1, 0) > 0;
}

int manager_socket(const struct relay_place *p, const char *service)
{
	struct addrinfo *list;
	size_t found;

	take_over();
	found = handed.count;
	list = found > 0 ? look_up(p) : NULL;
	for (size_t i = 0; i < handed.count && found == handed.count; i++)
		if (p->kind == RELAY_UNIX ? listens_at_path(handed.fds[i], p->path)
		                          : listens_at_one(handed.fds[i], list))
			found = i;
	if (list != NULL)
		freeaddrinfo(list);
	for (size_t i = 0; i < handed.count && found == handed.count; i++)
		if (strcmp(handed.names[i], service) == 0 && is_kind(handed.fds[i], p->kind))
			found = i;
	return found < handed.count ? give(found) : -1;
}

size_t manager_close_rest(void)
{
	size_t count;

	take_over();
	for (count = 0; handed.count > 0; count++)
		(void)close(give(handed.count - 1));
	return count;
}

/* A status is one line of the message, and must not become two. */
static int first_line(const char *text)
{
	size_t n = strcspn(text, "\n");

	return n > 512 ? 512 : (int)n;
}

void manager_ready(const char *status)
{
	(void)sd_notifyf(0, "READY=1\nSTATUS=%.*s", first_line(status), status);
}

void manager_reloading(void)
{
	struct timespec now = { 0, 0 };
	uint64_t us;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	us = (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
	(void)sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%" PRIu64 "\nSTATUS=reloading", us);
}

void manager_stopping(const char *status, uint64_t within_ms)
{
	uint64_t us = within_ms > UINT32_MAX ? UINT64_C(1000) * UINT32_MAX : within_ms * 1000;

	(void)sd_notifyf(0, "STOPPING=1\nEXTEND_TIMEOUT_USEC=%" PRIu64 "\nSTATUS=%.*s",
	                 us + GRACE_US, first_line(status), status);
}

void manager_status(const char *status)
{
	(void)sd_notifyf(0, "STATUS=%.*s", first_line(status), status);
}

/* Twice in the time that the manager allows: one may come late. */
uint64_t manager_watchdog_ms(void)
{
	uint64_t us = 0;

	if (sd_watchdog_enabled(0, &us) <= 0)
		return 0;
	return us < 2000 ? 1 : us / 2000;
}

void manager_alive(void)
{
	(void)sd_notify(0, "WATCHDOG=1");
}
