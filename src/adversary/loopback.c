/* loopback: sockets, and no more.  Small writes must leave at once, or an ending would wait for an
 * acknowledgement: every connection has no delay set.
 */
#include "adversary/loopback.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

static int open_socket(void)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	if (fd >= 0)
		(void)fcntl(fd, F_SETFD, FD_CLOEXEC);
	return fd;
}

static struct sockaddr_in place(uint16_t port)
{
	return (struct sockaddr_in){ .sin_family = AF_INET,
		                     .sin_port = htons(port),
		                     .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
}

/* Closes without touching errno. */
static int give_up(int fd)
{
	int error = errno;
	if (fd >= 0)
		(void)close(fd);
	errno = error;
	return -1;
}

static int set_no_delay(int fd)
{
	int on = 1;
	(void)fcntl(fd, F_SETFD, FD_CLOEXEC);
	return setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) == 0 ? fd : give_up(fd);
}

int loopback_listen(uint16_t *port)
{
	struct sockaddr_in at = place(0);
	socklen_t len = sizeof at;
	int fd = open_socket();
	if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof at) != 0 || listen(fd, 16) != 0 ||
	    getsockname(fd, (struct sockaddr *)&at, &len) != 0)
		return give_up(fd);
	*port = ntohs(at.sin_port);
	return fd;
}

int loopback_accept(int listener, int limit_ms)
{
	struct pollfd wait = { .fd = listener, .events = POLLIN };
	int ready = poll(&wait, 1, limit_ms);
	if (ready == 0)
		errno = ETIMEDOUT;
	if (ready <= 0)
		return -1;
	int fd = accept(listener, NULL, NULL);
	return fd < 0 ? -1 : set_no_delay(fd);
}

int loopback_connect(uint16_t port)
{
	struct sockaddr_in to = place(port);
	int fd = open_socket();
	if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof to) != 0)
		return give_up(fd);
	return set_no_delay(fd);
}

bool loopback_pair(int fds[2])
{
	enum { AT_ONCE_MS = 1000 }; /* the connection stands already when it is taken */
	uint16_t port;
	int listener = loopback_listen(&port);
	fds[0] = listener < 0 ? -1 : loopback_connect(port);
	fds[1] = fds[0] < 0 ? -1 : loopback_accept(listener, AT_ONCE_MS);
	if (fds[1] < 0)
		(void)give_up(fds[0]);
	(void)give_up(listener);
	return fds[1] >= 0;
}

struct adversary *loopback_adversary(int listener, const struct adversary_options *options,
                                     const struct adversary_script *script, int limit_ms)
{
	struct adversary_options on_socket = *options;
	on_socket.transport = ADVERSARY_SOCKET;
	on_socket.fd = loopback_accept(listener, limit_ms);
	return on_socket.fd < 0 ? NULL : adversary_new(&on_socket, script);
}
