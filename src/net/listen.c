/* listen: see listen.h.  Invariant: what it opens is closed again unless it is returned. */
#include "net/listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/dial.h"

static bool prepare(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	return flags >= 0 && fcntl(fd, F_SETFL, flags | O_NONBLOCK) == 0 &&
	       fcntl(fd, F_SETFD, FD_CLOEXEC) == 0;
}

static int open_one(const struct addrinfo *a)
{
	int on = 1, fd = socket(a->ai_family, a->ai_socktype, a->ai_protocol);

	if (fd < 0)
		return -1;
	if (prepare(fd) && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
	    bind(fd, a->ai_addr, a->ai_addrlen) == 0 && listen(fd, SOMAXCONN) == 0)
		return fd;
	on = errno;
	(void)close(fd);
	errno = on;
	return -1;
}

static void explain(const struct address *a, int error, struct failure *f)
{
	char place[300], reason[64];

	if (strerror_r(error, reason, sizeof reason) != 0)
		(void)snprintf(reason, sizeof reason, "error %d", error);
	failure_set(f, "cannot listen on %s: %s; %s", address_text(a, place, sizeof place), reason,
	            error == EADDRINUSE      ? "another program has that port, or write port 0"
	            : error == EACCES        ? "ports below 1024 are the administrator's"
	            : error == EADDRNOTAVAIL ? "that address is none of this machine's"
	                                     : "try another address");
}

int listen_open(const struct address *a, struct failure *f)
{
	struct addrinfo hints = dial_hints(a, AF_UNSPEC), *list;
	int fd = -1, error;

	hints.ai_flags |= AI_PASSIVE;
	error = getaddrinfo(a->host, a->port, &hints, &list);
	if (error != 0) {
		dial_explain_lookup(a, AF_UNSPEC, error, f);
		return -1;
	}
	for (const struct addrinfo *one = list; one != NULL && fd < 0; one = one->ai_next)
		fd = open_one(one);
	if (fd < 0)
		explain(a, errno, f);
	freeaddrinfo(list);
	return fd;
}

bool listen_text(int fd, char *buf, size_t cap)
{
	struct sockaddr_storage place;
	socklen_t n = sizeof place;
	char host[128], port[8];

	if (getsockname(fd, (struct sockaddr *)&place, &n) != 0 ||
	    getnameinfo((struct sockaddr *)&place, n, host, sizeof host, port, sizeof port,
	                NI_NUMERICHOST | NI_NUMERICSERV) != 0)
		return false;
	(void)snprintf(buf, cap, place.ss_family == AF_INET6 ? "[%s]:%s" : "%s:%s", host, port);
	return true;
}

int listen_accept(int fd)
{
	int on = 1, taken = accept(fd, NULL, NULL);

	if (taken < 0)
		return -1;
	if (prepare(taken)) {
		(void)setsockopt(taken, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
		return taken;
	}
	on = errno;
	(void)close(taken);
	errno = on;
	return -1;
}
