/* socket: see socket.h. */
#include "stream/socket.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>
#ifdef __linux__
#include <linux/sockios.h>
#endif

#ifdef MSG_MORE
#define SEND_MORE MSG_MORE
#else
#define SEND_MORE 0
#endif

/* rule: tcp-end-kind-reported */
static enum lw_io io_of_errno(int error, int *os_error)
{
	if (error == EAGAIN || error == EWOULDBLOCK)
		return LW_IO_AGAIN;
	*os_error = error;
	return error == ECONNRESET || error == EPIPE ? LW_IO_RESET : LW_IO_ERROR;
}

enum lw_io lw_socket_recv(int fd, void *buf, size_t cap, size_t *n, int *os_error)
{
	ssize_t got;

	*n = 0;
	do
		got = recv(fd, buf, cap, MSG_DONTWAIT);
	while (got < 0 && errno == EINTR);
	if (got > 0)
		*n = (size_t)got;
	if (got >= 0)
		return got > 0 ? LW_IO_OK : LW_IO_FIN;
	return io_of_errno(errno, os_error);
}

enum lw_io lw_socket_recv_two(int fd, void *buf, size_t cap, void *rest, size_t rest_cap, size_t *n,
                              size_t *rest_n, int *os_error)
{
	struct iovec places[2] = { { buf, cap }, { rest, rest_cap } };
	struct msghdr message = { .msg_iov = places, .msg_iovlen = 2 };
	ssize_t got;

	*n = *rest_n = 0;
	do
		got = recvmsg(fd, &message, MSG_DONTWAIT);
	while (got < 0 && errno == EINTR);
	if (got < 0)
		return io_of_errno(errno, os_error);
	*n = (size_t)got < cap ? (size_t)got : cap;
	*rest_n = (size_t)got - *n;
	return got > 0 ? LW_IO_OK : LW_IO_FIN;
}

static enum lw_io send_with(int fd, const void *buf, size_t len, int flags, size_t *n,
                            int *os_error)
{
	ssize_t put;

	*n = 0;
	do
		put = send(fd, buf, len, MSG_DONTWAIT | MSG_NOSIGNAL | flags);
	while (put < 0 && errno == EINTR);
	if (put >= 0) {
		*n = (size_t)put;
		return put > 0 ? LW_IO_OK : LW_IO_AGAIN;
	}
	return io_of_errno(errno, os_error);
}

enum lw_io lw_socket_send(int fd, const void *buf, size_t len, size_t *n, int *os_error)
{
	return send_with(fd, buf, len, 0, n, os_error);
}

enum lw_io lw_socket_send_more(int fd, const void *buf, size_t len, size_t *n, int *os_error)
{
	return send_with(fd, buf, len, SEND_MORE, n, os_error);
}

/* Switching TCP_NODELAY on, even where it is on, sends what is held. */
void lw_socket_push(int fd)
{
	const int on = 1;
	int was = 0;
	socklen_t len = sizeof was;

	if (getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &was, &len) != 0) /* no TCP: nothing is held */
		return;
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	if (!was)
		(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &was, sizeof was);
}

/* A look by recv() would use up the error that the next call has to meet. */
bool lw_socket_has_input(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	int ready;

	do
		ready = poll(&p, 1, 0);
	while (ready < 0 && errno == EINTR);
	return ready != 0;
}

bool lw_socket_shut_write(int fd)
{
	/* A failure means that the transport is gone already, which reading will tell. */
	return shutdown(fd, SHUT_WR) == 0;
}

void lw_socket_end(int fd)
{
	(void)shutdown(fd, SHUT_RDWR);
}

uint64_t lw_socket_unacknowledged(int fd, bool fin_sent)
{
	int left = 0;

#ifdef SIOCOUTQ
	if (ioctl(fd, SIOCOUTQ, &left) != 0 || left < 0)
		return 0;
	if (fin_sent && left > 0) /* TCP counts its FIN as a byte */
		left--;
#endif
	return (uint64_t)left;
}
