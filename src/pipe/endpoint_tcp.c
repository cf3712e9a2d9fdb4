/* endpoint_tcp: a connected socket as an endpoint.  TCP's ends prove nothing; it only tells them
 * apart.  Invariant: the first ending of the read direction sticks.
 */
#include "pipe/endpoint.h"

#include <errno.h>
#include <sys/socket.h>

static struct endpoint_tcp *tcp(struct endpoint *e)
{
	return (struct endpoint_tcp *)(void *)e;
}

static bool must_wait(int error)
{
	return error == EAGAIN || error == EWOULDBLOCK || error == EINTR;
}

static enum endpoint_status tcp_read(struct endpoint *e, void *buf, size_t cap, size_t *n)
{
	struct endpoint_tcp *t = tcp(e);
	ssize_t got;

	*n = 0;
	if (t->ending != HALF_OPEN)
		return ENDPOINT_ENDED;
	got = recv(t->fd, buf, cap, MSG_DONTWAIT);
	if (got > 0) {
		*n = (size_t)got;
		return ENDPOINT_OK;
	}
	if (got < 0 && must_wait(errno))
		return ENDPOINT_AGAIN;
	t->ending = got == 0              ? HALF_TCP_FIN
	            : errno == ECONNRESET ? HALF_TCP_RESET
	                                  : HALF_TCP_FAILED;
	return ENDPOINT_ENDED;
}

static enum endpoint_status tcp_write(struct endpoint *e, const void *buf, size_t len, size_t *n)
{
	struct endpoint_tcp *t = tcp(e);
	ssize_t sent;

	*n = 0;
	if (t->finished || t->broken)
		return ENDPOINT_ENDED;
	sent = send(t->fd, buf, len, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (sent > 0) {
		*n = (size_t)sent;
		return ENDPOINT_OK;
	}
	if (sent == 0 || must_wait(errno))
		return ENDPOINT_AGAIN;
	t->broken = true;
	return ENDPOINT_ENDED;
}

static enum endpoint_status tcp_flush(struct endpoint *e)
{
	return tcp(e)->broken ? ENDPOINT_ENDED : ENDPOINT_OK;
}

static enum endpoint_status tcp_finish(struct endpoint *e)
{
	struct endpoint_tcp *t = tcp(e);

	if (!t->finished && shutdown(t->fd, SHUT_WR) != 0)
		t->broken = true;
	t->finished = true;
	return t->broken ? ENDPOINT_ENDED : ENDPOINT_OK;
}

static enum endpoint_status tcp_close(struct endpoint *e)
{
	(void)tcp_finish(e);
	return ENDPOINT_ENDED;
}

static enum endpoint_status tcp_abort(struct endpoint *e)
{
	const struct linger at_once = { .l_onoff = 1, .l_linger = 0 };
	struct endpoint_tcp *t = tcp(e);

	if (setsockopt(t->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once) != 0)
		t->broken = true;
	t->finished = true;
	return ENDPOINT_ENDED;
}

static enum half_ending tcp_ending(const struct endpoint *e)
{
	return ((const struct endpoint_tcp *)(const void *)e)->ending;
}

static bool tcp_is_complete(const struct endpoint *e)
{
	(void)e;
	return false;
}

static void tcp_watches(const struct endpoint *e, unsigned interest, struct endpoint_watch w[2])
{
	const struct endpoint_tcp *t = (const struct endpoint_tcp *)(const void *)e;

	w[0] = (struct endpoint_watch){ t->fd, 0, false };
	w[1] = (struct endpoint_watch){ -1, 0, false };
	if ((interest & LW_INTEREST_READ) != 0 && t->ending == HALF_OPEN)
		w[0].events |= LW_EVENT_READABLE;
	if ((interest & LW_INTEREST_WRITE) != 0 && !t->finished && !t->broken)
		w[0].events |= LW_EVENT_WRITABLE;
}

static int tcp_timeout_ms(struct endpoint *e, uint64_t now_ms)
{
	(void)e;
	(void)now_ms;
	return -1;
}

static const struct endpoint_ops tcp_ops = {
	.kind = HALF_TCP,
	.read = tcp_read,
	.write = tcp_write,
	.flush = tcp_flush,
	.finish = tcp_finish,
	.close = tcp_close,
	.abort = tcp_abort,
	.ending = tcp_ending,
	.is_complete = tcp_is_complete,
	.watches = tcp_watches,
	.timeout_ms = tcp_timeout_ms,
};

void endpoint_tcp_init(struct endpoint_tcp *e, int fd)
{
	*e = (struct endpoint_tcp){ .base = { &tcp_ops }, .fd = fd, .ending = HALF_OPEN };
}
