/* starttls_socket: see starttls_socket.h.  It decides nothing: starttls.c does.  What is behind the
 * go-ahead stays in the socket unless it came with it; then it is refused there.
 */
#include "net/starttls_socket.h"

#include <errno.h>
#include <sys/socket.h>

static bool must_wait(int error)
{
	return error == EAGAIN || error == EWOULDBLOCK || error == EINTR;
}

/* Sends what the dialogue has to say. */
static enum starttls_socket_status say(struct starttls *s, int fd)
{
	size_t n;
	const char *output = starttls_output(s, &n);

	while (n > 0) {
		ssize_t sent = send(fd, output, n, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (sent < 0)
			return must_wait(errno) ? STARTTLS_SOCKET_WRITE : STARTTLS_SOCKET_BROKEN;
		starttls_sent(s, (size_t)sent);
		output = starttls_output(s, &n);
	}
	return STARTTLS_SOCKET_OVER;
}

enum starttls_socket_status starttls_socket_talk(struct starttls *s, int fd)
{
	for (;;) {
		enum starttls_socket_status status = say(s, fd);
		char buf[1024];
		ssize_t got;

		if (status != STARTTLS_SOCKET_OVER || s->status != STARTTLS_TALKING)
			return status;
		got = recv(fd, buf, sizeof buf, MSG_DONTWAIT);
		if (got < 0 && must_wait(errno))
			return STARTTLS_SOCKET_READ;
		if (got > 0)
			(void)starttls_feed(s, buf, (size_t)got);
		else
			starttls_ended(s);
	}
}
