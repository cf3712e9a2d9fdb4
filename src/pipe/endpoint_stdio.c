/* endpoint_stdio: standard input and output, or a file, as an endpoint.  It must not change the
 * descriptors' flags: they are shared with the shell and with other programs.  So it asks poll()
 * before each call and moves no more than is certain not to block: what is there to read, and
 * PIPE_BUF to write.  Files and devices that poll() calls ready are simply read and written.
 */
#include "pipe/endpoint.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

static struct endpoint_stdio *stdio(struct endpoint *e)
{
	return (struct endpoint_stdio *)(void *)e;
}

static bool is_ready(int fd, short events)
{
	struct pollfd p = { .fd = fd, .events = events };

	return poll(&p, 1, 0) == 1;
}

/* LF to CRLF in place; `buf` has room for twice `n`.  From the back, so nothing is overwritten. */
static size_t expand_lines(struct endpoint_stdio *s, char *buf, size_t n)
{
	size_t added = 0, from, to;
	bool after_cr = s->after_cr;

	for (size_t i = 0; i < n; i++) {
		added += buf[i] == '\n' && !after_cr;
		after_cr = buf[i] == '\r';
	}
	for (from = n, to = n + added; from-- > 0;) {
		bool bare = buf[from] == '\n' && !(from > 0 ? buf[from - 1] == '\r' : s->after_cr);

		buf[--to] = buf[from];
		if (bare)
			buf[--to] = '\r';
	}
	s->after_cr = after_cr;
	return n + added;
}

static enum endpoint_status end_input(struct endpoint_stdio *s, int error)
{
	s->in_error = error;
	if (error != 0)
		s->ending = HALF_STDIO_FAILED;
	else
		s->ending = s->half_close ? HALF_STDIO_END_HALF_CLOSE : HALF_STDIO_END;
	return ENDPOINT_ENDED;
}

static enum endpoint_status stdio_read(struct endpoint *e, void *buf, size_t cap, size_t *n)
{
	struct endpoint_stdio *s = stdio(e);
	size_t room = s->crlf ? cap / 2 : cap;
	ssize_t got;

	*n = 0;
	if (s->ending != HALF_OPEN)
		return ENDPOINT_ENDED;
	if (s->in_fd < 0)
		return end_input(s, 0);
	if (room == 0 || !is_ready(s->in_fd, POLLIN))
		return ENDPOINT_AGAIN;
	got = read(s->in_fd, buf, room);
	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return ENDPOINT_AGAIN;
	/* A terminal whose other side hung up gives EIO: that is its end of file. */
	if (got < 0 && errno == EIO && isatty(s->in_fd) != 0)
		return end_input(s, 0);
	if (got <= 0)
		return end_input(s, got < 0 ? errno : 0);
	*n = s->crlf ? expand_lines(s, buf, (size_t)got) : (size_t)got;
	return ENDPOINT_OK;
}

static enum endpoint_status stdio_write(struct endpoint *e, const void *buf, size_t len, size_t *n)
{
	struct endpoint_stdio *s = stdio(e);
	ssize_t put;

	*n = 0;
	if (s->out_error != 0)
		return ENDPOINT_ENDED;
	if (s->out_fd >= 0 && !is_ready(s->out_fd, POLLOUT))
		return ENDPOINT_AGAIN;
	put = write(s->out_fd, buf, len < PIPE_BUF ? len : PIPE_BUF);
	if (put > 0) {
		*n = (size_t)put;
		s->is_inside_line = ((const char *)buf)[put - 1] != '\n';
		return ENDPOINT_OK;
	}
	if (put == 0 || errno == EAGAIN || errno == EINTR)
		return ENDPOINT_AGAIN;
	s->out_error = errno;
	return ENDPOINT_ENDED;
}

static enum endpoint_status stdio_flush(struct endpoint *e)
{
	return stdio(e)->out_error != 0 ? ENDPOINT_ENDED : ENDPOINT_OK;
}

static enum endpoint_status stdio_end(struct endpoint *e)
{
	(void)e;
	return ENDPOINT_ENDED;
}

static enum half_ending stdio_ending(const struct endpoint *e)
{
	return ((const struct endpoint_stdio *)(const void *)e)->ending;
}

static bool stdio_is_complete(const struct endpoint *e)
{
	(void)e;
	return false;
}

static void stdio_watches(const struct endpoint *e, unsigned interest, struct endpoint_watch w[2])
{
	const struct endpoint_stdio *s = (const struct endpoint_stdio *)(const void *)e;
	bool reads = (interest & LW_INTEREST_READ) != 0 && s->ending == HALF_OPEN;
	bool writes = (interest & LW_INTEREST_WRITE) != 0 && s->out_error == 0;

	w[0] = (struct endpoint_watch){ s->in_fd, reads ? LW_EVENT_READABLE : 0, true };
	w[1] = (struct endpoint_watch){ s->out_fd, writes ? LW_EVENT_WRITABLE : 0, true };
}

static int stdio_timeout_ms(struct endpoint *e, uint64_t now_ms)
{
	(void)e;
	(void)now_ms;
	return -1;
}

static void stdio_reset(struct endpoint *e)
{
	(void)e;
}

static uint64_t stdio_unacknowledged(struct endpoint *e, bool *may_change)
{
	(void)e;
	*may_change = false;
	return 0;
}

static bool stdio_hands_over(const struct endpoint *e)
{
	(void)e;
	return false;
}

static const struct endpoint_ops stdio_ops = {
	.kind = HALF_STDIO,
	.read = stdio_read,
	.write = stdio_write,
	.flush = stdio_flush,
	.finish = stdio_end,
	.leave = stdio_end,
	.close = stdio_end,
	.abort = stdio_end,
	.reset = stdio_reset,
	.unacknowledged = stdio_unacknowledged,
	.hands_over = stdio_hands_over,
	.ending = stdio_ending,
	.is_complete = stdio_is_complete,
	.watches = stdio_watches,
	.timeout_ms = stdio_timeout_ms,
};

void endpoint_stdio_init(struct endpoint_stdio *e, int in_fd, int out_fd)
{
	*e = (struct endpoint_stdio){
		.base = { .ops = &stdio_ops }, .in_fd = in_fd, .out_fd = out_fd, .ending = HALF_OPEN
	};
}

bool endpoint_stdio_hold(void)
{
	for (int fd = 0; fd < 3; fd++)
		if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDONLY) != fd)
			return false;
	return true;
}
