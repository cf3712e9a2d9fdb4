/* endpoint_tls: a stream as an endpoint.  Nothing is decided here: the stream tells every ending.
 * Invariant: once a closer has the stream, no call touches it or its descriptor; what is asked is
 * answered from the verdict as it was.
 */
#include <sys/socket.h>

#include "pipe/endpoint_plain.h"

/* The longest record's data; and how short a record shows that its writer had no more to say. */
enum { RECORD_BYTES = 16 * 1024, LAST_RECORD_BYTES = 4 * 1024 };

static struct endpoint_tls *tls(struct endpoint *e)
{
	return (struct endpoint_tls *)(void *)e;
}

static const struct endpoint_tls *const_tls(const struct endpoint *e)
{
	return (const struct endpoint_tls *)(const void *)e;
}

static enum endpoint_status status_of(enum lw_status status)
{
	switch (status) {
	case LW_OK:
		return ENDPOINT_OK;
	case LW_AGAIN:
		return ENDPOINT_AGAIN;
	case LW_UNSUPPORTED:
		return ENDPOINT_UNSUPPORTED;
	case LW_END:
	case LW_TRUNCATED:
	case LW_ABORTED:
	case LW_ERROR:
		break;
	}
	return ENDPOINT_ENDED;
}

/* Several records, as long as they come: what they say then leaves with one write. */
static enum endpoint_status tls_read(struct endpoint *e, void *buf, size_t cap, size_t *n)
{
	struct endpoint_tls *t = tls(e);
	enum lw_status status;
	size_t got;

	*n = 0;
	if (t->is_handed_over)
		return ENDPOINT_ENDED;
	do {
		status = lw_read(t->stream, (unsigned char *)buf + *n, cap - *n, &got);
		*n += got;
	} while (status == LW_OK && cap - *n >= RECORD_BYTES &&
	         (got >= LAST_RECORD_BYTES || lw_holds_input(t->stream)));
	e->has_more =
	    status != LW_AGAIN && (status != LW_OK || *n == cap || lw_holds_input(t->stream));
	return *n > 0 ? ENDPOINT_OK : status_of(status);
}

static enum endpoint_status tls_write(struct endpoint *e, const void *buf, size_t len, size_t *n)
{
	struct endpoint_tls *t = tls(e);

	*n = 0;
	if (t->is_handed_over || t->has_left)
		return ENDPOINT_ENDED;
	return status_of(lw_write(t->stream, buf, len, n));
}

static enum endpoint_status tls_flush(struct endpoint *e)
{
	struct endpoint_tls *t = tls(e);

	return t->is_handed_over ? ENDPOINT_ENDED : status_of(lw_flush(t->stream));
}

static enum endpoint_status tls_finish(struct endpoint *e)
{
	struct endpoint_tls *t = tls(e);

	return t->is_handed_over || t->has_left ? ENDPOINT_ENDED : status_of(lw_finish(t->stream));
}

/* The stream is not told: to it, writing is open and meets an error if ever it tries. */
static enum endpoint_status tls_leave(struct endpoint *e)
{
	struct endpoint_tls *t = tls(e);
	enum endpoint_status status;

	if (t->is_handed_over)
		return ENDPOINT_ENDED;
	if (t->has_left)
		return ENDPOINT_OK;
	status = status_of(lw_flush(t->stream));
	if (status != ENDPOINT_OK)
		return status;
	t->has_left = true;
	return shutdown(t->fd, SHUT_WR) == 0 ? ENDPOINT_OK : ENDPOINT_ENDED;
}

/* A call that ends the stream works only for so long; then no descriptor tells when to go on. */
static enum endpoint_status end_status(struct endpoint_tls *t, enum lw_status status)
{
	t->has_more_to_do = status == LW_AGAIN && lw_events(t->stream, 0) == 0;
	t->is_over = status != LW_AGAIN;
	return status_of(status);
}

static bool tls_hands_over(const struct endpoint *e)
{
	const struct endpoint_tls *t = const_tls(e);
	struct lw_verdict verdict;

	if (t->closer == NULL || t->is_handed_over)
		return false;
	lw_verdict(t->stream, &verdict);
	return e->gives_up_reading || verdict.read != LW_ENDING_OPEN;
}

static bool hand_over(struct endpoint_tls *t)
{
	if (t->closer == NULL)
		return false;
	lw_verdict(t->stream, &t->verdict);
	if (lw_closer_add(t->closer, t->stream, t->tag, NULL) != LW_OK) {
		t->closer = NULL;
		return false;
	}
	t->is_handed_over = t->is_over = true;
	t->stream = NULL;
	t->fd = -1;
	return true;
}

static enum endpoint_status tls_close(struct endpoint *e)
{
	struct endpoint_tls *t = tls(e);
	struct lw_verdict verdict;
	enum endpoint_status status;
	bool hands_over;

	if (t->is_handed_over)
		return ENDPOINT_OK;
	hands_over = tls_hands_over(e);
	lw_verdict(t->stream, &verdict);
	if (hands_over && verdict.read == LW_ENDING_OPEN && hand_over(t))
		return ENDPOINT_OK;
	/* Behind the peer's end all can be done at once, mostly; a closer would only cost. */
	status = end_status(t, lw_close(t->stream));
	if (status == ENDPOINT_AGAIN)
		return hands_over && hand_over(t) ? ENDPOINT_OK : status;
	lw_verdict(t->stream, &verdict);
	return verdict.write == LW_ENDING_CLOSED ? ENDPOINT_OK : ENDPOINT_ENDED;
}

static enum endpoint_status tls_abort(struct endpoint *e)
{
	struct endpoint_tls *t = tls(e);

	return t->is_handed_over ? ENDPOINT_ENDED : end_status(t, lw_abort(t->stream));
}

static void tls_reset(struct endpoint *e)
{
	if (!tls(e)->is_handed_over)
		(void)!tcp_socket_reset_on_close(tls(e)->fd);
}

static void tell_verdict(const struct endpoint *e, struct lw_verdict *verdict)
{
	const struct endpoint_tls *t = const_tls(e);

	if (t->is_handed_over)
		*verdict = t->verdict;
	else
		lw_verdict(t->stream, verdict);
}

/* What the stream still holds makes it at least one. */
static uint64_t tls_unacknowledged(struct endpoint *e, bool *may_change)
{
	struct endpoint_tls *t = tls(e);
	struct lw_verdict verdict;
	uint64_t left;

	tell_verdict(e, &verdict);
	*may_change = false;
	if (t->is_over)
		return verdict.bytes_unacknowledged;
	left = tcp_socket_unacknowledged(t->fd, verdict.write != LW_ENDING_OPEN, may_change);
	if (left == 0 && (lw_events(t->stream, 0) & LW_EVENT_WRITABLE) != 0) {
		*may_change = true;
		return 1;
	}
	return left;
}

static enum half_ending tls_ending(const struct endpoint *e)
{
	struct lw_verdict verdict;

	tell_verdict(e, &verdict);
	return half_ending_of(&verdict);
}

static bool tls_is_complete(const struct endpoint *e)
{
	struct lw_verdict verdict;

	tell_verdict(e, &verdict);
	return verdict.complete;
}

/* What writing waits for.  What was in its way may have left since, with a read: then it waits for
 * nothing, and the next event is at once. */
static unsigned output_events(const struct endpoint_tls *t, unsigned interest)
{
	unsigned events = lw_events(t->stream, interest);

	return events == 0 && interest != 0 ? LW_EVENT_WRITABLE : events;
}

/* A stream that was not read until it said "again" cannot know what reading waits for. */
static void tls_watches(const struct endpoint *e, unsigned interest, struct endpoint_watch w[2])
{
	const struct endpoint_tls *t = const_tls(e);
	unsigned events = 0;

	if (!t->is_handed_over) {
		events = lw_events(t->stream, interest & LW_INTEREST_READ);
		if ((interest & LW_INTEREST_READ) != 0 && events == 0 && !e->has_more)
			events = LW_EVENT_READABLE;
		events |= output_events(t, interest & LW_INTEREST_WRITE);
	}
	w[0] = (struct endpoint_watch){ t->fd, events, false };
	w[1] = (struct endpoint_watch){ -1, 0, false };
}

static int tls_timeout_ms(struct endpoint *e, uint64_t now_ms)
{
	struct endpoint_tls *t = tls(e);
	int timeout_ms = t->is_handed_over ? -1 : lw_timeout_ms(t->stream, now_ms);

	return t->has_more_to_do ? 0 : timeout_ms;
}

static const struct endpoint_ops tls_ops = {
	.kind = HALF_TLS,
	.read = tls_read,
	.write = tls_write,
	.flush = tls_flush,
	.finish = tls_finish,
	.leave = tls_leave,
	.close = tls_close,
	.abort = tls_abort,
	.reset = tls_reset,
	.unacknowledged = tls_unacknowledged,
	.hands_over = tls_hands_over,
	.ending = tls_ending,
	.is_complete = tls_is_complete,
	.watches = tls_watches,
	.timeout_ms = tls_timeout_ms,
};

void endpoint_tls_init(struct endpoint_tls *e, struct lw_stream *stream, int fd)
{
	*e = (struct endpoint_tls){ .base = { .ops = &tls_ops }, .stream = stream, .fd = fd };
}

void endpoint_tls_use_closer(struct endpoint_tls *e, struct lw_closer *closer, void *tag)
{
	e->closer = closer;
	e->tag = tag;
}
