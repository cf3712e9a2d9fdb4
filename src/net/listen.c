/* listen: see listen.h.  Invariant: what it opens is closed again unless it is returned. */
#define _DEFAULT_SOURCE /* SO_REUSEPORT */
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
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "net/dial.h"

static bool prepare(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	return flags >= 0 && fcntl(fd, F_SETFL, flags | O_NONBLOCK) == 0 &&
	       fcntl(fd, F_SETFD, FD_CLOEXEC) == 0;
}

/* How a socket has its place: for itself, with others, or with others that come later. */
enum sharing { ALONE, SHARED, SHARED_FIRST };

static int close_failed(int fd)
{
	const int error = errno;

	(void)close(fd);
	errno = error;
	return -1;
}

static int bind_one(const struct addrinfo *a, bool is_shared)
{
	int on = 1, off = 0, fd = socket(a->ai_family, a->ai_socktype, a->ai_protocol);

	if (fd < 0)
		return -1;
	if (is_shared && a->ai_family == AF_INET6) /* "::" takes IPv4 as well */
		(void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
	if (prepare(fd) && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
	    (!is_shared || setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) == 0) &&
	    bind(fd, a->ai_addr, a->ai_addrlen) == 0)
		return fd;
	return close_failed(fd);
}

/* One that shares is let in wherever others of our user do; so one that does not asks first. */
static int open_one(const struct addrinfo *a, enum sharing sharing)
{
	int fd = sharing == SHARED_FIRST ? bind_one(a, false) : -1;

	if (fd >= 0)
		(void)close(fd);
	else if (sharing == SHARED_FIRST)
		return -1;
	fd = bind_one(a, sharing != ALONE);
	if (fd < 0 || listen(fd, SOMAXCONN) == 0)
		return fd;
	return close_failed(fd);
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
		fd = open_one(one, ALONE);
	error = errno;
	if (fd < 0)
		explain(a, error, f);
	freeaddrinfo(list);
	return fd;
}

/* ---- sockets that are shared */

static void set_port(struct sockaddr *address, in_port_t port)
{
	if (address->sa_family == AF_INET6)
		((struct sockaddr_in6 *)(void *)address)->sin6_port = port;
	else
		((struct sockaddr_in *)(void *)address)->sin_port = port;
}

static in_port_t port_of(int fd)
{
	struct sockaddr_in6 place = { .sin6_port = 0 }; /* IPv4 has it at the same place */
	socklen_t n = sizeof place;

	return getsockname(fd, (struct sockaddr *)&place, &n) == 0 ? place.sin6_port : 0;
}

static bool is_listed_before(const struct addrinfo *list, const struct addrinfo *one)
{
	for (; list != one; list = list->ai_next)
		if (list->ai_addrlen == one->ai_addrlen &&
		    memcmp(list->ai_addr, one->ai_addr, one->ai_addrlen) == 0)
			return true;
	return false;
}

/* A family or an address that this machine lacks is left out, as long as there is another. */
static bool is_lacking(int error)
{
	return error == EAFNOSUPPORT || error == EADDRNOTAVAIL;
}

/* -1: one could not be opened, see errno.  Nothing is open then. */
static int open_list(const struct addrinfo *list, enum sharing sharing, int *fds, size_t cap)
{
	int error = EADDRNOTAVAIL;
	size_t n = 0;

	for (const struct addrinfo *one = list; one != NULL && n < cap; one = one->ai_next) {
		if (is_listed_before(list, one))
			continue;
		if (n > 0)
			set_port(one->ai_addr, port_of(fds[0]));
		fds[n] = open_one(one, sharing);
		if (fds[n] >= 0) {
			n++;
			continue;
		}
		error = errno;
		if (is_lacking(error))
			continue;
		while (n > 0)
			(void)close(fds[--n]);
		break;
	}
	errno = error;
	return n > 0 ? (int)n : -1;
}

static size_t open_all(const struct address *a, enum sharing sharing, int *fds, size_t cap,
                       struct failure *f)
{
	struct addrinfo hints = dial_hints(a, AF_UNSPEC), *list;
	int n, error;

	hints.ai_flags |= AI_PASSIVE;
	error = getaddrinfo(a->host, a->port, &hints, &list);
	if (error != 0) {
		dial_explain_lookup(a, AF_UNSPEC, error, f);
		errno = EINVAL;
		return 0;
	}
	n = open_list(list, sharing, fds, cap);
	error = errno;
	freeaddrinfo(list);
	if (n < 0)
		explain(a, error, f);
	errno = error;
	return n < 0 ? 0 : (size_t)n;
}

/* Without IPv6 in the system, IPv4 alone is everywhere. */
size_t listen_open_all(const struct address *a, bool is_alone, int *fds, size_t cap,
                       struct failure *f)
{
	const enum sharing sharing = is_alone ? SHARED_FIRST : SHARED;
	struct address everywhere = *a;
	size_t n;

	if (a->host[0] != '\0')
		return open_all(a, sharing, fds, cap, f);
	everywhere.host_is_ip = true;
	(void)snprintf(everywhere.host, sizeof everywhere.host, "::");
	n = open_all(&everywhere, sharing, fds, 1, f);
	if (n > 0 || !is_lacking(errno))
		return n;
	(void)snprintf(everywhere.host, sizeof everywhere.host, "0.0.0.0");
	return open_all(&everywhere, sharing, fds, 1, f);
}

int listen_open_beside(int fd)
{
	struct sockaddr_storage place;
	struct addrinfo one = { .ai_socktype = SOCK_STREAM,
		                .ai_addr = (struct sockaddr *)&place,
		                .ai_addrlen = sizeof place };

	if (getsockname(fd, one.ai_addr, &one.ai_addrlen) != 0)
		return -1;
	one.ai_family = place.ss_family;
	return open_one(&one, SHARED);
}

/* ---- Unix */

static const char *unix_next_step(int error)
{
	switch (error) {
	case EADDRINUSE:
		return "another program listens there; write another path";
	case EEXIST:
		return "move that file away, or write another path";
	case ENOENT:
	case ENOTDIR:
		return "make its folder first";
	case EACCES:
	case EPERM:
	case EROFS:
		return "its folder must let us write";
	default:
		return "try another path";
	}
}

/* Takes away what an earlier program left; false with errno where something else is in the way. */
static bool clear_path(const struct sockaddr_un *place)
{
	struct stat what;
	int fd, error;

	if (lstat(place->sun_path, &what) != 0)
		return errno == ENOENT;
	errno = EEXIST;
	if (!S_ISSOCK(what.st_mode))
		return false;
	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	if (fd < 0)
		return false;
	error = EADDRINUSE;
	if (prepare(fd) && connect(fd, (const struct sockaddr *)place, sizeof *place) != 0 &&
	    errno == ECONNREFUSED)
		error = unlink(place->sun_path) == 0 ? 0 : errno;
	(void)close(fd);
	errno = error;
	return error == 0;
}

static int bind_unix(const struct sockaddr_un *place)
{
	int fd, error;

	if (!clear_path(place))
		return -1;
	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	if (fd < 0)
		return -1;
	if (prepare(fd) && bind(fd, (const struct sockaddr *)place, sizeof *place) == 0) {
		if (listen(fd, SOMAXCONN) == 0)
			return fd;
		error = errno;
		(void)unlink(place->sun_path);
		errno = error;
	}
	error = errno;
	(void)close(fd);
	errno = error;
	return -1;
}

int listen_open_unix(const char *path, struct failure *f)
{
	struct sockaddr_un place = { .sun_family = AF_UNIX };
	char reason[64];
	int fd;

	if (path[0] == '\0' || strlen(path) >= sizeof place.sun_path) {
		failure_set(f, "cannot listen on '%s': a socket's path has 1 to %zu characters",
		            path, sizeof place.sun_path - 1);
		return -1;
	}
	memcpy(place.sun_path, path, strlen(path));
	fd = bind_unix(&place);
	if (fd >= 0)
		return fd;
	if (strerror_r(errno, reason, sizeof reason) != 0)
		(void)snprintf(reason, sizeof reason, "error %d", errno);
	failure_set(f, "cannot listen on %s: %s; %s", path, reason, unix_next_step(errno));
	return -1;
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
