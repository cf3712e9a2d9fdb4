/* endpoint_tcp: a connected TCP socket as an endpoint.  Its abort is a RST, sent by the owner's
 * close(2); whoever wants the peer to have everything before it waits for unacknowledged() to be 0.
 */
#include "pipe/endpoint_plain.h"

static void tcp_reset(struct endpoint *e)
{
	struct endpoint_tcp *t = plain_of(e);

	if (!tcp_socket_reset_on_close(t->fd))
		t->broken = true;
	t->finished = true;
}

static enum endpoint_status tcp_abort(struct endpoint *e)
{
	tcp_reset(e);
	return ENDPOINT_ENDED;
}

static uint64_t tcp_unacknowledged(struct endpoint *e, bool *may_change)
{
	return tcp_socket_unacknowledged(plain_of(e)->fd, false, may_change);
}

static const struct endpoint_ops tcp_ops = {
	.kind = HALF_TCP,
	.read = plain_read,
	.write = plain_write,
	.flush = plain_flush,
	.finish = plain_finish,
	.leave = plain_finish,
	.close = plain_close,
	.abort = tcp_abort,
	.reset = tcp_reset,
	.unacknowledged = tcp_unacknowledged,
	.hands_over = plain_hands_over,
	.ending = plain_ending,
	.is_complete = plain_is_complete,
	.watches = plain_watches,
	.timeout_ms = plain_timeout_ms,
};

void endpoint_tcp_init(struct endpoint_tcp *e, int fd)
{
	*e = (struct endpoint_tcp){
		.base = { .ops = &tcp_ops }, .fd = fd, .ending = HALF_OPEN, .trusts_fin = true
	};
}
