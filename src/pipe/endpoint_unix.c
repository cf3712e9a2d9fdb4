/* endpoint_unix: a connected Unix stream socket as an endpoint.  There is no RST on it.  What Linux
 * has instead: a socket that is closed while bytes wait in it unread gives its peer ECONNRESET,
 * once and behind everything that was sent to it; closed with nothing unread, it looks like an end.
 * So an abort stops reading and waits for the peer to send something, or to be gone.
 */
#include "pipe/endpoint_plain.h"

#include <poll.h>
#include <sys/ioctl.h>

static bool has_unread(int fd)
{
	int unread = 0;

	return ioctl(fd, FIONREAD, &unread) == 0 && unread > 0;
}

/* Both its directions have ended, so that nobody is left to be told. */
static bool is_peer_gone(int fd)
{
	struct pollfd p = { .fd = fd, .events = 0 };

	return poll(&p, 1, 0) > 0 && (p.revents & (POLLHUP | POLLERR)) != 0;
}

static enum endpoint_status unix_abort(struct endpoint *e)
{
	struct endpoint_tcp *u = plain_of(e);

	return u->broken || has_unread(u->fd) || is_peer_gone(u->fd) ? ENDPOINT_ENDED
	                                                             : ENDPOINT_AGAIN;
}

static void unix_reset(struct endpoint *e)
{
	(void)e;
}

/* Its queue is the peer's: what was taken is there. */
static uint64_t unix_unacknowledged(struct endpoint *e, bool *may_change)
{
	(void)e;
	*may_change = false;
	return 0;
}

static const struct endpoint_ops unix_ops = {
	.kind = HALF_UNIX,
	.read = plain_read,
	.write = plain_write,
	.flush = plain_flush,
	.finish = plain_finish,
	.leave = plain_finish,
	.close = plain_close,
	.abort = unix_abort,
	.reset = unix_reset,
	.unacknowledged = unix_unacknowledged,
	.hands_over = plain_hands_over,
	.ending = plain_ending,
	.is_complete = plain_is_complete,
	.watches = plain_watches,
	.timeout_ms = plain_timeout_ms,
};

void endpoint_unix_init(struct endpoint_tcp *e, int fd)
{
	*e = (struct endpoint_tcp){
		.base = { .ops = &unix_ops }, .fd = fd, .ending = HALF_OPEN, .trusts_fin = true
	};
}
