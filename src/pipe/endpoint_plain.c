/* endpoint_plain: see endpoint_plain.h.  The ends of such sockets prove nothing; this only tells
 * them apart.  Invariant: the first ending of the read direction sticks.  An end of file behind a
 * write error that no FIN had come before is that error: Linux tells it once, to whom asks first.
 */
#include "pipe/endpoint_plain.h"

#include <errno.h>
#include <linux/sockios.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

enum end { END, END_INSIDE, END_RESET, END_FAILED, ENDS };

static const enum half_ending endings[HALF_KINDS][ENDS] = {
	[HALF_TCP] = { HALF_TCP_FIN, HALF_TCP_TRUNCATED, HALF_TCP_RESET, HALF_TCP_FAILED },
	[HALF_UNIX] = { HALF_UNIX_END, HALF_UNIX_TRUNCATED, HALF_UNIX_RESET, HALF_UNIX_FAILED },
};

struct endpoint_tcp *plain_of(struct endpoint *e)
{
	return (struct endpoint_tcp *)(void *)e;
}

static const struct endpoint_tcp *const_plain_of(const struct endpoint *e)
{
	return (const struct endpoint_tcp *)(const void *)e;
}

static bool must_wait(int error)
{
	return error == EAGAIN || error == EWOULDBLOCK || error == EINTR;
}

static enum end end_of_error(int error)
{
	return error == ECONNRESET ? END_RESET : END_FAILED;
}

/* EPIPE alone means that FIN was here first. */
static enum end end_of_file(const struct endpoint_tcp *t)
{
	if (t->write_error != 0 && t->write_error != EPIPE)
		return end_of_error(t->write_error);
	return t->trusts_fin || lw_tracker_complete(&t->tracker) ? END : END_INSIDE;
}

enum endpoint_status plain_read(struct endpoint *e, void *buf, size_t cap, size_t *n)
{
	struct endpoint_tcp *t = plain_of(e);
	ssize_t got;

	*n = 0;
	if (t->ending != HALF_OPEN)
		return ENDPOINT_ENDED;
	got = recv(t->fd, buf, cap, MSG_DONTWAIT);
	if (got > 0) {
		*n = (size_t)got;
		if (t->tracks)
			lw_tracker_received(&t->tracker, buf, *n);
		return ENDPOINT_OK;
	}
	if (got < 0 && must_wait(errno))
		return ENDPOINT_AGAIN;
	if (got < 0)
		t->broken = true; /* both directions are gone */
	t->ending = endings[e->ops->kind][got == 0 ? end_of_file(t) : end_of_error(errno)];
	return ENDPOINT_ENDED;
}

enum endpoint_status plain_write(struct endpoint *e, const void *buf, size_t len, size_t *n)
{
	struct endpoint_tcp *t = plain_of(e);
	ssize_t sent;

	*n = 0;
	if (t->finished || t->broken)
		return ENDPOINT_ENDED;
	if (len == 0)
		return ENDPOINT_AGAIN;
	sent = send(t->fd, buf, len, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (sent > 0) {
		*n = (size_t)sent;
		if (t->tracks)
			lw_tracker_sent(&t->tracker, buf, *n);
		return ENDPOINT_OK;
	}
	if (sent == 0 || must_wait(errno))
		return ENDPOINT_AGAIN;
	t->write_error = errno;
	t->broken = true;
	return ENDPOINT_ENDED;
}

enum endpoint_status plain_flush(struct endpoint *e)
{
	return plain_of(e)->broken ? ENDPOINT_ENDED : ENDPOINT_OK;
}

enum endpoint_status plain_finish(struct endpoint *e)
{
	struct endpoint_tcp *t = plain_of(e);

	if (!t->finished && shutdown(t->fd, SHUT_WR) != 0)
		t->broken = true;
	t->finished = true;
	return t->broken ? ENDPOINT_ENDED : ENDPOINT_OK;
}

enum endpoint_status plain_close(struct endpoint *e)
{
	return plain_finish(e);
}

bool plain_hands_over(const struct endpoint *e)
{
	(void)e;
	return false;
}

enum half_ending plain_ending(const struct endpoint *e)
{
	return const_plain_of(e)->ending;
}

bool plain_is_complete(const struct endpoint *e)
{
	const struct endpoint_tcp *t = const_plain_of(e);

	return t->tracks && lw_tracker_complete(&t->tracker);
}

void plain_watches(const struct endpoint *e, unsigned interest, struct endpoint_watch w[2])
{
	const struct endpoint_tcp *t = const_plain_of(e);

	w[0] = (struct endpoint_watch){ t->fd, 0, false };
	w[1] = (struct endpoint_watch){ -1, 0, false };
	if ((interest & LW_INTEREST_READ) != 0 && t->ending == HALF_OPEN)
		w[0].events |= LW_EVENT_READABLE;
	if ((interest & LW_INTEREST_WRITE) != 0 && !t->finished && !t->broken)
		w[0].events |= LW_EVENT_WRITABLE;
}

int plain_timeout_ms(struct endpoint *e, uint64_t now_ms)
{
	(void)e;
	(void)now_ms;
	return -1;
}

static enum lw_kind kind_of(const struct lw_profile *profile)
{
	for (int kind = 0; kind < LW_KINDS; kind++)
		if (strcmp(lw_kind_name((enum lw_kind)kind), profile->framing) == 0)
			return (enum lw_kind)kind;
	return LW_KIND_UNSURE;
}

void endpoint_tcp_use_profile(struct endpoint_tcp *e, const struct lw_profile *profile,
                              enum lw_role role, bool trusts_fin)
{
	lw_tracker_init(&e->tracker, kind_of(profile), role);
	e->tracks = true;
	e->trusts_fin = trusts_fin;
}

/* After a RST the queue is gone and its count stays. */
static bool is_connection_gone(int fd)
{
	enum { CLOSED = 7 }; /* of the states of TCP */
	struct tcp_info info = { .tcpi_state = 0 };
	socklen_t len = sizeof info;

	return getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) != 0 || info.tcpi_state == CLOSED;
}

uint64_t tcp_socket_unacknowledged(int fd, bool fin_sent, bool *may_change)
{
	int left = 0;

	*may_change = false;
	if (ioctl(fd, SIOCOUTQ, &left) != 0 || left < 0)
		return 0;
	if (fin_sent && left > 0) /* TCP counts its FIN as a byte */
		left--;
	*may_change = left > 0 && !is_connection_gone(fd);
	return (uint64_t)left;
}

bool tcp_socket_reset_on_close(int fd)
{
	const struct linger at_once = { .l_onoff = 1, .l_linger = 0 };

	return setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once) == 0;
}
