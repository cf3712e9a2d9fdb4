/* wire: see wire.h. */
#include "stream/wire.h"

#include "stream/socket.h"
#include "stream/stream.h"

#include <stdlib.h>
#include <string.h>

void lw_wire_init(struct lw_wire *w, struct lw_stream *stream, bool observing)
{
	*w = (struct lw_wire){ .fd = -1,
		               .observing = observing,
		               .boundaries_known = true,
		               .ahead_at = LW_WIRE_AHEAD_AT,
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
	w->records_at_data = 0;
	w->boundaries_known = true;
}

static enum lw_io recv_raw(struct lw_wire *w, void *buf, size_t cap, size_t *n, int *os_error)
{
	if (!w->transport.recv)
		return lw_socket_recv(w->fd, buf, cap, n, os_error);
	*n = 0;
	return w->transport.recv(w->transport.context, buf, cap, n, os_error);
}

static size_t smaller(size_t a, size_t b)
{
	return a < b ? a : b;
}

static void drop_ahead(struct lw_wire *w)
{
	free(w->ahead);
	w->ahead = NULL;
	w->ahead_from = w->ahead_bytes = 0;
}

static size_t take_ahead(struct lw_wire *w, void *buf, size_t cap)
{
	const size_t n = smaller(cap, w->ahead_bytes);

	if (buf)
		memcpy(buf, w->ahead + w->ahead_from, n);
	w->ahead_from += (uint32_t)n;
	w->ahead_bytes -= (uint32_t)n;
	if (w->ahead_bytes == 0)
		drop_ahead(w);
	return n;
}

/* There is memory only while it holds something: a connection that is idle has none. */
static bool may_read_ahead(struct lw_wire *w, size_t cap)
{
	if (cap < w->ahead_at || w->transport.recv || !w->boundaries_known || w->observing)
		return false;
	w->ahead = malloc(LW_WIRE_AHEAD_BYTES);
	return w->ahead != NULL;
}

/* For the library, and behind that for the wire.  False: it is read as ever.  On its own, so that
 * those who do not read ahead have nothing of it. */
__attribute__((noinline)) static bool recv_ahead(struct lw_wire *w, void *buf, size_t cap,
                                                 size_t *n, enum lw_io *io)
{
	size_t more;

	*io = LW_IO_OK;
	if (w->ahead_bytes > 0) {
		*n = take_ahead(w, buf, cap);
		return true;
	}
	if (!may_read_ahead(w, cap))
		return false;
	*io = lw_socket_recv_two(w->fd, buf, cap, w->ahead, LW_WIRE_AHEAD_BYTES, n, &more,
	                         &w->read_error);
	w->ahead_from = 0;
	w->ahead_bytes = (uint32_t)more;
	if (more == 0)
		drop_ahead(w);
	return true;
}

/* A transport that is full holds nothing back. */
static enum lw_io send_to_socket(struct lw_wire *w, const void *buf, size_t len, size_t *n,
                                 int *os_error)
{
	enum lw_io io;

	if (!w->more) {
		w->corked = false;
		return lw_socket_send(w->fd, buf, len, n, os_error);
	}
	io = lw_socket_send_more(w->fd, buf, len, n, os_error);
	w->corked = *n == len;
	return io;
}

static enum lw_io send_raw(struct lw_wire *w, const void *buf, size_t len, size_t *n, int *os_error)
{
	enum lw_io io;

	*n = 0;
	io = w->transport.send ? w->transport.send(w->transport.context, buf, len, n, os_error)
	                       : send_to_socket(w, buf, len, n, os_error);
	w->bytes_sent += *n;
	return io;
}

/* A record header of impossible length at a boundary, else anything that cannot be right. */
static size_t make_up_input(struct lw_wire *w, uint8_t *buf, size_t cap)
{
	const uint8_t minor = w->in.records > 0 ? w->in.header[2] : w->wire_minor;
	const uint8_t header[LW_RECORD_HEADER] = { LW_RECORD_APPLICATION_DATA, 3, minor, 0xff,
		                                   0xff };
	size_t n = cap;

	memset(buf, 0xff, n);
	if (w->boundaries_known && lw_boundary_place(&w->in) == LW_PLACE_BOUNDARY) {
		n = cap < sizeof header ? cap : sizeof header;
		memcpy(buf, header, n);
	}
	lw_boundary_pass(&w->in, buf, n);
	return n;
}

void lw_wire_note_data(struct lw_wire *w)
{
	w->records_at_data = w->in.records;
}

uint64_t lw_wire_records_without_data(const struct lw_wire *w)
{
	return w->boundaries_known && !w->observing ? w->in.records - w->records_at_data : 0;
}

/* A library that only takes such records in would not come back from one call for as long as they
 * arrive. */
static bool is_flooded(const struct lw_wire *w)
{
	return w->in.records - w->records_at_data > LW_RECORDS_WITHOUT_DATA_MAX && !w->observing &&
	       lw_engine_is_established(&w->stream->engine);
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
	if (w->boundaries_known) {
		if (is_flooded(w))
			return LW_IO_AGAIN;
		cap = smaller(cap, lw_boundary_need(&w->in));
	}
	if (!w->reads_ahead || !recv_ahead(w, buf, cap, n, &io))
		io = recv_raw(w, buf, cap, n, &w->read_error);
	if (io == LW_IO_OK) {
		lw_boundary_pass(&w->in, buf, *n);
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

static uint8_t *held(struct lw_wire *w)
{
	return w->spill ? w->spill : w->stash;
}

static size_t room_held(const struct lw_wire *w)
{
	return (w->spill ? LW_WIRE_SPILL_BYTES : sizeof w->stash) - w->stash_bytes;
}

bool lw_wire_spill(struct lw_wire *w)
{
	if (w->spill)
		return true;
	w->spill = calloc(1, LW_WIRE_SPILL_BYTES);
	if (!w->spill)
		return false;
	memcpy(w->spill, w->stash, w->stash_bytes);
	return true;
}

void lw_wire_copy_held(struct lw_wire *w, uint8_t *bytes)
{
	memcpy(bytes, held(w), w->stash_bytes);
}

void lw_wire_free(struct lw_wire *w)
{
	free(w->spill);
	w->spill = NULL;
	drop_ahead(w);
}

bool lw_wire_has_room(struct lw_wire *w)
{
	return lw_wire_flush(w) == LW_IO_OK || room_held(w) > LW_WIRE_STASH_BYTES;
}

enum lw_io lw_wire_flush(struct lw_wire *w)
{
	while (w->stash_bytes > 0 && w->write_end == LW_IO_AGAIN) {
		size_t n;
		enum lw_io io = send_raw(w, held(w), w->stash_bytes, &n, &w->write_error);

		if (io == LW_IO_AGAIN)
			return LW_IO_AGAIN;
		if (io != LW_IO_OK) {
			latch_write_end(w, io);
			break;
		}
		w->stash_bytes = (uint16_t)(w->stash_bytes - n);
		memmove(held(w), held(w) + n, w->stash_bytes);
	}
	return LW_IO_OK;
}

static bool stash(struct lw_wire *w, const uint8_t *bytes, size_t len)
{
	if (len > room_held(w))
		return false;
	memcpy(held(w) + w->stash_bytes, bytes, len);
	w->stash_bytes = (uint16_t)(w->stash_bytes + len);
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
	if (*n == len)
		return LW_IO_OK;
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
	if (lw_wire_holds_input(w)) {
		*n = take_ahead(w, NULL, cap);
		return LW_IO_OK;
	}
	if (w->read_end != LW_IO_AGAIN)
		return w->read_end;
	io = recv_raw(w, scratch, cap < sizeof scratch ? cap : sizeof scratch, n, &w->read_error);
	if (io != LW_IO_OK && io != LW_IO_AGAIN)
		w->read_end = io;
	return io;
}

void lw_wire_uncork(struct lw_wire *w)
{
	w->more = false;
	if (!w->corked || w->fin_sent)
		return;
	w->corked = false;
	lw_socket_push(w->fd);
}

void lw_wire_shut_write(struct lw_wire *w)
{
	if (w->fd >= 0 && lw_socket_shut_write(w->fd))
		w->fin_sent = true;
}

void lw_wire_end(struct lw_wire *w)
{
	if (w->fin_sent && w->read_end == LW_IO_FIN) /* both directions have ended already */
		return;
	if (w->fd >= 0)
		lw_socket_end(w->fd);
}

uint64_t lw_wire_unacknowledged(const struct lw_wire *w)
{
	return w->fd >= 0 ? lw_socket_unacknowledged(w->fd, w->fin_sent) : 0;
}
