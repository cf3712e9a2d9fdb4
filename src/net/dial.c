/* dial: see dial.h.  It must not wait and must not look at a clock.  Invariant: at most one
 * descriptor is open, and the first attempt that succeeds ends the dial.
 */
#include "net/dial.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct addrinfo dial_hints(const struct address *a, int family)
{
	struct addrinfo hints = { .ai_family = family, .ai_socktype = SOCK_STREAM };

	hints.ai_flags = AI_NUMERICSERV | (a->host_is_ip ? AI_NUMERICHOST : 0);
	return hints;
}

void dial_explain_lookup(const struct address *a, int family, int error, struct failure *f)
{
	const char *kind = family == AF_INET6 ? "IPv6 " : family == AF_INET ? "IPv4 " : "";

	if (a->host_is_ip)
		failure_set(f, "%s is no %saddress; leave out -4 and -6", a->host, kind);
	else if (error == EAI_AGAIN)
		failure_set(f,
		            "cannot look up %s: the name server did not answer; try again, or "
		            "write an IP address",
		            a->host);
	else
		failure_set(f,
		            "cannot find %s: no %saddress has that name (%s); check the spelling",
		            a->host, kind, gai_strerror(error));
}

void dial_begin(struct dial *d, const struct addrinfo *list)
{
	memset(d, 0, sizeof *d);
	d->next = list;
	d->fd = -1;
	for (; list != NULL; list = list->ai_next)
		d->left++;
}

static void give_up(struct dial *d, int error)
{
	d->error = error;
	if (d->fd >= 0)
		(void)close(d->fd);
	d->fd = -1;
	d->tried++;
}

static void no_delay(int fd)
{
	int on = 1;

	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

/* Begins with the next address: 0 connected, EINPROGRESS under way, else it failed. */
static int begin_next(struct dial *d)
{
	const struct addrinfo *a = d->next;
	int flags;

	d->next = a->ai_next;
	d->left--;
	d->fd = socket(a->ai_family, a->ai_socktype, a->ai_protocol);
	if (d->fd < 0)
		return errno;
	flags = fcntl(d->fd, F_GETFL);
	if (flags < 0 || fcntl(d->fd, F_SETFL, flags | O_NONBLOCK) < 0 ||
	    fcntl(d->fd, F_SETFD, FD_CLOEXEC) < 0)
		return errno;
	no_delay(d->fd);
	return connect(d->fd, a->ai_addr, a->ai_addrlen) == 0 ? 0 : errno;
}

/* How the attempt under way stands: 0 connected, EINPROGRESS, else why it failed. */
static int look(int fd)
{
	struct sockaddr_storage peer;
	socklen_t n = sizeof peer, error_n = sizeof(int);
	int error = 0;

	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &error_n) < 0)
		return errno;
	if (error != 0)
		return error;
	if (getpeername(fd, (struct sockaddr *)&peer, &n) == 0)
		return 0;
	return errno == ENOTCONN ? EINPROGRESS : errno;
}

enum dial_status dial_step(struct dial *d)
{
	for (;;) {
		int state;

		if (d->fd < 0 && d->next == NULL)
			return DIAL_FAILED;
		state = d->fd < 0 ? begin_next(d) : look(d->fd);
		if (state == 0)
			return DIAL_DONE;
		if (state == EINPROGRESS || state == EINTR)
			return DIAL_WAIT;
		give_up(d, state);
	}
}

void dial_expire(struct dial *d)
{
	if (d->fd >= 0)
		give_up(d, ETIMEDOUT);
}

uint64_t dial_share_ms(const struct dial *d, uint64_t left_ms)
{
	return left_ms / (d->left + 1);
}

int dial_descriptor(const struct dial *d)
{
	return d->fd;
}

int dial_take(struct dial *d)
{
	int fd = d->fd;

	d->fd = -1;
	d->next = NULL;
	return fd;
}

void dial_end(struct dial *d)
{
	if (d->fd >= 0)
		(void)close(d->fd);
	d->fd = -1;
	d->next = NULL;
}

/* What a person may do about it. */
static const char *next_step(int error)
{
	switch (error) {
	case ECONNREFUSED:
		return "check the port, and that the server runs";
	case ETIMEDOUT:
		return "check the host and any firewall between, or raise --connect-timeout";
	case ENETUNREACH:
	case EHOSTUNREACH:
		return "check the network, or choose the other family with -4 or -6";
	case EMFILE:
	case ENFILE:
		return "raise the limit of open files";
	default:
		return "check the host, the port and the network";
	}
}

void dial_explain(const struct dial *d, const struct address *a, struct failure *f)
{
	char peer[300], reason[64];

	(void)address_text(a, peer, sizeof peer);
	if (d->error == ECONNREFUSED)
		(void)strncpy(reason, "connection refused", sizeof reason);
	else if (d->error == ETIMEDOUT)
		(void)strncpy(reason, "timed out", sizeof reason);
	else if (strerror_r(d->error, reason, sizeof reason) != 0)
		(void)strncpy(reason, "an unknown error", sizeof reason);
	reason[sizeof reason - 1] = '\0';
	if (d->tried > 1)
		failure_set(f, "cannot reach %s: %s (the last of %u addresses); %s", peer, reason,
		            d->tried, next_step(d->error));
	else
		failure_set(f, "cannot reach %s: %s; %s", peer, reason, next_step(d->error));
}
