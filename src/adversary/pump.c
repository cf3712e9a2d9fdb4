/* pump: joins the core to a socket or to memory.  It moves bytes and ends and decides nothing.
 * On a socket the two channels are kept apart: a write error ends writing only, and reading goes on
 * to what is queued.  The time limit of adversary_run_until() is the only clock that is read here.
 */
#include "adversary/inside.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { PIECE_BYTES = 16 * 1024 };

/* ---- memory ---- */

static bool hand_to(struct adversary *a, BIO *to)
{
	bool moved = false;
	while (a->out.len > 0) {
		size_t len = a->out.len < PIECE_BYTES ? a->out.len : PIECE_BYTES;
		int n = BIO_write(to, bytes_at(&a->out), (int)len);
		if (n <= 0)
			break;
		bytes_drop(&a->out, (size_t)n);
		moved = true;
	}
	return moved;
}

static bool hear_from(struct adversary *a, BIO *from)
{
	uint8_t buf[PIECE_BYTES];
	bool moved = false;
	int n;
	while (!a->deaf && (n = BIO_read(from, buf, sizeof buf)) > 0) {
		if (!adversary_give(a, buf, (size_t)n))
			break;
		moved = true;
	}
	return moved;
}

enum adversary_status adversary_run_memory(struct adversary *a, BIO *to_subject, BIO *from_subject,
                                           enum adversary_action *action)
{
	enum adversary_status status;
	bool moved;
	do {
		moved = hear_from(a, from_subject);
		status = adversary_advance(a);
		moved = hand_to(a, to_subject) || moved;
		*action = adversary_take_action(a);
	} while (moved && *action == ADVERSARY_NONE);
	return *action == ADVERSARY_NONE ? status : adversary_advance(a);
}

/* ---- socket ---- */

static bool is_busy(int error)
{
	return error == EAGAIN || error == EWOULDBLOCK || error == EINTR;
}

static void lose_writing(struct adversary *a)
{
	a->cannot_write = true;
	bytes_drop(&a->out, a->out.len);
}

static bool send_queued(struct adversary *a)
{
	bool moved = false;
	while (a->out.len > 0 && !a->cannot_write) {
		ssize_t n = send(a->fd, bytes_at(&a->out), a->out.len, MSG_NOSIGNAL);
		if (n < 0 && is_busy(errno))
			return moved;
		if (n < 0)
			lose_writing(a);
		else
			bytes_drop(&a->out, (size_t)n);
		moved = true;
	}
	if (a->cannot_write)
		bytes_drop(&a->out, a->out.len);
	return moved;
}

/* A FIN that is read after writing had failed is an RST whose error went to the write. */
static bool receive_queued(struct adversary *a)
{
	uint8_t buf[PIECE_BYTES];
	bool moved = false;
	while (!a->deaf && !a->tally.fin && !a->tally.rst) {
		ssize_t n = recv(a->fd, buf, sizeof buf, 0);
		if (n < 0 && is_busy(errno))
			return moved;
		moved = true;
		if (n <= 0)
			adversary_give_end(a, n == 0 && !a->cannot_write ? ADVERSARY_ENDED_FIN
			                                                 : ADVERSARY_ENDED_RST);
		else if (!adversary_give(a, buf, (size_t)n))
			return moved;
	}
	return moved;
}

static void act_on_socket(struct adversary *a, enum adversary_action action)
{
	const struct linger at_once = { .l_onoff = 1, .l_linger = 0 };
	if (action == ADVERSARY_FIN)
		(void)shutdown(a->fd, SHUT_WR);
	if (action != ADVERSARY_RST)
		return;
	(void)setsockopt(a->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
	(void)close(a->fd);
	a->fd = -1;
}

enum adversary_status adversary_run(struct adversary *a)
{
	enum adversary_status status = adversary_advance(a);
	bool moved = a->fd >= 0;
	while (moved) {
		moved = receive_queued(a);
		status = adversary_advance(a);
		moved = send_queued(a) || moved;
		enum adversary_action action = adversary_take_action(a);
		if (action != ADVERSARY_NONE) {
			act_on_socket(a, action);
			moved = a->fd >= 0;
		}
		status = adversary_advance(a);
	}
	return status;
}

short adversary_poll_events(const struct adversary *a)
{
	int events = 0;
	if (a->fd < 0)
		return 0;
	if (!a->deaf && !a->tally.fin && !a->tally.rst)
		events |= POLLIN;
	if (a->out.len > 0 && !a->cannot_write)
		events |= POLLOUT;
	return (short)events;
}

static int64_t clock_ms(void)
{
	struct timespec now;
	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

enum adversary_status adversary_run_until(struct adversary *a, int limit_ms)
{
	int64_t begin = clock_ms();
	for (;;) {
		int64_t spent = clock_ms() - begin;
		adversary_set_time(a, (uint64_t)spent);
		enum adversary_status status = adversary_run(a);
		if (status != ADVERSARY_WAITING || spent >= limit_ms)
			return status;
		struct pollfd wait = { .fd = a->fd, .events = adversary_poll_events(a) };
		(void)poll(&wait, 1, (int)(limit_ms - spent));
	}
}
