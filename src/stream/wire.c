/* wire: see wire.h.  The descriptor's calls never block and never raise SIGPIPE. */
#include "stream/wire.h"

#include "stream/stream.h"

#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>
#ifdef __linux__
#include <linux/sockios.h>
#endif

void lw_wire_init(struct lw_wire *w, struct lw_stream *stream, bool observing)
{
	*w = (struct lw_wire){ .fd = -1,
		               .observing = observing,
		               .boundaries_known = true,
		               .wire_minor = 3,
		               .read_end = LW_IO_AGAIN,
		               .write_end = LW_IO_AGAIN,
		               .announced = LW_IO_AGAIN,
		               .stream = stream };
}

void lw_wire_use_fd(struct lw_wire *w, int fd)
{
	w->fd = fd;
}

void lw_wire_use_transport(struct lw_wire *w, const struct lw_transport *transport)
{
	w->transport = *transport;
}

void lw_wire_lose_boundaries(struct lw_wire *w)
{
	w->boundaries_known = false;
}

void lw_wire_find_boundaries(struct lw_wire *w)
{
	w->in = (struct lw_boundary){ 0 };
	w->boundaries_known = true;
}

/* rule: tcp-end-kind-reported */
static enum lw_io io_of_errno(int error, int *os_error)
{
	if (error == EAGAIN || error == EWOULDBLOCK)
		return LW_IO_AGAIN;
	*os_error = error;
	return error == ECONNRESET || error == EPIPE ? LW_IO_RESET : LW_IO_ERROR;
}

static enum lw_io recv_raw(struct lw_wire *w, void *buf, size_t cap, size_t *n, int *os_error)
{
	ssize_t got;

	*n = 0;
	if (w->transport.recv)
		return w->transport.recv(w->transport.context, buf, cap, n, os_error);
	do
		got = recv(w->fd, buf, cap, MSG_DONTWAIT);
	while (got < 0 && errno == EINTR);
	if (got > 0)
		*n = (size_t)got;
	if (got >= 0)
		return got > 0 ? LW_IO_OK : LW_IO_FIN;
	return io_of_errno(errno, os_error);
}

static enum lw_io send_below(struct lw_wire *w, const void *buf, size_t len, size_t *n,
                             int *os_error)
{
	ssize_t put;

	*n = 0;
	if (w->transport.send)
		return w->transport.send(w->transport.context, buf, len, n, os_error);
	do
		put = send(w->fd, buf, len, MSG_DONTWAIT | MSG_NOSIGNAL);
	while (put < 0 && errno == EINTR);
	if (put >= 0) {
		*n = (size_t)put;
		return put > 0 ? LW_IO_OK : LW_IO_AGAIN;
	}
	return io_of_errno(errno, os_error);
}

static enum lw_io send_raw(struct lw_wire *w, const void *buf, size_t len, size_t *n, int *os_error)
{
	enum lw_io io = send_below(w, buf, len, n, os_error);

	w->bytes_sent += *n;
	return io;
}

/* A record header of impossible length at a boundary, else anything that cannot be right. */
static size_t make_up_input(struct lw_wire *w, uint8_t *buf, size_t cap)
{
	const uint8_t header[LW_RECORD_HEADER] = { LW_RECORD_APPLICATION_DATA, 3, w->wire_minor,
		                                   0xff, 0xff };
	size_t n = cap;

	memset(buf, 0xff, n);
	if (w->boundaries_known && lw_boundary_place(&w->in) == LW_PLACE_BOUNDARY) {
		n = cap < sizeof header ? cap : sizeof header;
		memcpy(buf, header, n);
	}
	lw_boundary_pass(&w->in, buf, n);
	return n;
}

enum lw_io lw_wire_recv(struct lw_wire *w, void *buf, size_t cap, size_t *n)
{
	enum lw_io io;

	*n = 0;
	if (w->poisoned) {
		*n = make_up_input(w, buf, cap);
		return LW_IO_OK;
	}
	if (w->read_end != LW_IO_AGAIN && !w->observing)
		return LW_IO_AGAIN;
	/* A library that goes on behind the alert that ended it gets nothing more. */
	if (w->final.present && lw_engine_is_established(&w->stream->engine))
		return LW_IO_AGAIN; /* rules: no-io-after-received-error, ignore-after-closure */
	if (w->boundaries_known && cap > lw_boundary_need(&w->in))
		cap = lw_boundary_need(&w->in);
	io = recv_raw(w, buf, cap, n, &w->read_error);
	if (io == LW_IO_OK) {
		lw_boundary_pass(&w->in, buf, *n);
		if (w->in.header_bytes >= 3)
			w->wire_minor = w->in.header[2];
		return LW_IO_OK;
	}
	if (io == LW_IO_AGAIN)
		io = w->announced;
	if (io == LW_IO_AGAIN)
		return LW_IO_AGAIN;
	if (w->read_end == LW_IO_AGAIN) {
		w->read_end = io;
		if (w->observing)
			lw_stream_observe_read_end(w->stream);
	}
	return w->observing ? io : LW_IO_AGAIN;
}

/* Latches a write error; the library is told that all went well, so that it can still read. */
static void latch_write_end(struct lw_wire *w, enum lw_io io)
{
	if (w->write_end == LW_IO_AGAIN)
		w->write_end = io;
	w->stash_bytes = 0;
}

enum lw_io lw_wire_flush(struct lw_wire *w)
{
	while (w->stash_bytes > 0 && w->write_end == LW_IO_AGAIN) {
		size_t n;
		enum lw_io io = send_raw(w, w->stash, w->stash_bytes, &n, &w->write_error);

		if (io == LW_IO_AGAIN)
			return LW_IO_AGAIN;
		if (io != LW_IO_OK) {
			latch_write_end(w, io);
			break;
		}
		w->stash_bytes = (uint8_t)(w->stash_bytes - n);
		memmove(w->stash, w->stash + n, w->stash_bytes);
	}
	return LW_IO_OK;
}

static bool stash(struct lw_wire *w, const uint8_t *bytes, size_t len)
{
	if (len > sizeof w->stash - w->stash_bytes)
		return false;
	memcpy(w->stash + w->stash_bytes, bytes, len);
	w->stash_bytes = (uint8_t)(w->stash_bytes + len);
	return true;
}

enum lw_io lw_wire_send(struct lw_wire *w, const void *buf, size_t len, size_t *n)
{
	enum lw_io io;

	*n = len;
	if (w->muted || (w->write_end != LW_IO_AGAIN && !w->observing))
		return LW_IO_OK; /* rule: nothing-after-own-closure */
	if (w->stash_bytes > 0 && lw_wire_flush(w) == LW_IO_AGAIN) {
		if (stash(w, buf, len))
			return LW_IO_OK;
		*n = 0;
		return LW_IO_AGAIN;
	}
	if (w->write_end != LW_IO_AGAIN && !w->observing) /* flushing met it */
		return LW_IO_OK;
	io = send_raw(w, buf, len, n, &w->write_error);
	if (io == LW_IO_FIN || io == LW_IO_RESET || io == LW_IO_ERROR) {
		latch_write_end(w, io);
		if (w->observing) {
			lw_stream_note_write_end(w->stream);
			return io;
		}
		*n = len;
		return LW_IO_OK;
	}
	if (!w->observing && stash(w, (const uint8_t *)buf + *n, len - *n)) {
		*n = len;
		return LW_IO_OK;
	}
	return *n > 0 ? LW_IO_OK : LW_IO_AGAIN;
}

void lw_wire_poison(struct lw_wire *w)
{
	w->poisoned = true;
}

enum lw_io lw_wire_drain(struct lw_wire *w, size_t cap, size_t *n)
{
	uint8_t scratch[4096];
	enum lw_io io;

	*n = 0;
	if (w->read_end != LW_IO_AGAIN)
		return w->read_end;
	io = recv_raw(w, scratch, cap < sizeof scratch ? cap : sizeof scratch, n, &w->read_error);
	if (io != LW_IO_OK && io != LW_IO_AGAIN)
		w->read_end = io;
	return io;
}

void lw_wire_shut_write(struct lw_wire *w)
{
	/* A failure means that the transport is gone already, which reading will tell. */
	if (w->fd >= 0 && shutdown(w->fd, SHUT_WR) == 0)
		w->fin_sent = true;
}

void lw_wire_end(struct lw_wire *w)
{
	if (w->fd >= 0)
		(void)shutdown(w->fd, SHUT_RDWR);
}

uint64_t lw_wire_unacknowledged(const struct lw_wire *w)
{
	int left = 0;

#ifdef SIOCOUTQ
	if (w->fd < 0 || ioctl(w->fd, SIOCOUTQ, &left) != 0 || left < 0)
		return 0;
	if (w->fin_sent && left > 0) /* TCP counts its FIN as a byte */
		left--;
#endif
	return (uint64_t)left;
}
