/* dial: see dial.h.  It must not wait and must not look at a clock.  Invariant: at most one
 * descriptor is open, and the first attempt that succeeds ends the dial.
 */
#include "net/dial.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
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

/* On a Unix socket this fails, and nothing is lost. */
static void no_delay(int fd)
{
	int on = 1;

	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

#ifndef IP_BIND_ADDRESS_NO_PORT
#define IP_BIND_ADDRESS_NO_PORT 24 /* Linux has it; POSIX hides it */
#endif

/*
 * Binds to the local address of the family; 0, or why not.  The port is chosen by connect() alone,
 * which may take one that is in use towards another peer: else all peers would share 28,000.
 */
static int bind_local(int fd, const struct addrinfo *local, int family)
{
	int on = 1;

	if (local == NULL || family == AF_UNIX)
		return 0;
	while (local != NULL && local->ai_family != family)
		local = local->ai_next;
	if (local == NULL)
		return EAFNOSUPPORT;
	(void)setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
	return bind(fd, local->ai_addr, local->ai_addrlen) == 0 ? 0 : errno;
}

/*
 * Begins with the next address: 0 connected, EINPROGRESS under way, else it failed.  A Unix
 * socket is connected at once; EAGAIN there says that the listener's queue is full, and nothing
 * tells when it is not, so that is a failure like others.
 */
static int begin_next(struct dial *d)
{
	const struct addrinfo *a = d->next;
	int error;

	d->next = a->ai_next;
	d->left--;
	d->fd = socket(a->ai_family, a->ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC, a->ai_protocol);
	if (d->fd < 0)
		return errno;
	no_delay(d->fd);
	error = bind_local(d->fd, d->local, a->ai_family);
	if (error != 0)
		return error;
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
		state = d->fd < 0 ? begin_next(d) : EINPROGRESS;
		if (state == EINPROGRESS) /* on the same machine it is done by now */
			state = look(d->fd);
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

void dial_keep_alive(int fd, unsigned idle_s, unsigned interval_s, unsigned count)
{
	const struct {
		int option;
		unsigned value;
	} rows[] = {
		{ TCP_KEEPIDLE, idle_s },
		{ TCP_KEEPINTVL, interval_s },
		{ TCP_KEEPCNT, count },
	};
	int on = 1;

	(void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		if (rows[i].value != 0)
			(void)setsockopt(fd, IPPROTO_TCP, rows[i].option, &rows[i].value,
			                 sizeof rows[i].value);
}

void dial_end(struct dial *d)
{
	if (d->fd >= 0)
		(void)close(d->fd);
	d->fd = -1;
	d->next = NULL;
}

/*
 * Why, and what a person may do about it: with the options of a command, and with the keys of a
 * configuration.  `reason` NULL: the system's words.
 */
static const struct explanation {
	int error;
	const char *reason, *command, *configuration;
} explanations[] = {
	{ ECONNREFUSED, "connection refused", "check the port, and that the server runs",
	  "check the place, and that the server runs" },
	{ ETIMEDOUT, "timed out",
	  "check the host and any firewall between, or raise --connect-timeout",
	  "check the host and any firewall between, or raise TIMEOUTconnect" },
	{ ENETUNREACH, NULL, "check the network, or choose the other family with -4 or -6",
	  "check the network" },
	{ EHOSTUNREACH, NULL, "check the network, or choose the other family with -4 or -6",
	  "check the network" },
	{ EMFILE, NULL, "raise the limit of open files", "raise the limit of open files" },
	{ ENFILE, NULL, "raise the limit of open files", "raise the limit of open files" },
	{ ENOENT, "no such socket", "check the path, and that the server runs",
	  "check the path, and that the server runs" },
	{ EACCES, NULL, "check who may write to it", "check who may write to it" },
	{ EAGAIN, "its queue of new connections is full", "try again",
	  "raise the server's backlog, or let it accept faster" },
	{ EADDRNOTAVAIL, NULL, "check the address",
	  "check `local`; where it is right, its ports are used up" },
	{ EAFNOSUPPORT, NULL, "check the address",
	  "write a `local` of the same family, or the system lacks the family" },
	{ 0, NULL, "check the host, the port and the network",
	  "check the host, the port and the network" },
};

static const struct explanation *explanation_of(int error)
{
	const struct explanation *e = explanations;

	while (e->error != 0 && e->error != error)
		e++;
	return e;
}

static void explain(const struct dial *d, const char *peer, const struct explanation *e,
                    const char *next_step, struct failure *f)
{
	char reason[64];

	if (e->reason == NULL && strerror_r(d->error, reason, sizeof reason) != 0)
		(void)snprintf(reason, sizeof reason, "error %d", d->error);
	if (e->reason != NULL)
		(void)snprintf(reason, sizeof reason, "%s", e->reason);
	if (d->tried > 1)
		failure_set(f, "cannot reach %s: %s (the last of %u addresses); %s", peer, reason,
		            d->tried, next_step);
	else
		failure_set(f, "cannot reach %s: %s; %s", peer, reason, next_step);
}

void dial_explain(const struct dial *d, const struct address *a, struct failure *f)
{
	const struct explanation *e = explanation_of(d->error);
	char peer[300];

	explain(d, address_text(a, peer, sizeof peer), e, e->command, f);
}

void dial_explain_place(const struct dial *d, const char *place, struct failure *f)
{
	const struct explanation *e = explanation_of(d->error);

	explain(d, place, e, e->configuration, f);
}
