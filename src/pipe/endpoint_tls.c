/* endpoint_tls: a stream as an endpoint.  Nothing is decided here: the stream tells every ending.
 */
#include "pipe/endpoint.h"

static struct lw_stream *stream_of(const struct endpoint *e)
{
	return ((const struct endpoint_tls *)(const void *)e)->stream;
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

static enum endpoint_status tls_read(struct endpoint *e, void *buf, size_t cap, size_t *n)
{
	return status_of(lw_read(stream_of(e), buf, cap, n));
}

static enum endpoint_status tls_write(struct endpoint *e, const void *buf, size_t len, size_t *n)
{
	return status_of(lw_write(stream_of(e), buf, len, n));
}

static enum endpoint_status tls_flush(struct endpoint *e)
{
	return status_of(lw_flush(stream_of(e)));
}

static enum endpoint_status tls_finish(struct endpoint *e)
{
	return status_of(lw_finish(stream_of(e)));
}

/* A call that ends the stream works only for so long; then no descriptor tells when to go on. */
static enum endpoint_status end_status(struct endpoint *e, enum lw_status status)
{
	struct endpoint_tls *t = (struct endpoint_tls *)(void *)e;

	t->has_more_to_do = status == LW_AGAIN && lw_events(t->stream, 0) == 0;
	return status_of(status);
}

static enum endpoint_status tls_close(struct endpoint *e)
{
	return end_status(e, lw_close(stream_of(e)));
}

static enum endpoint_status tls_abort(struct endpoint *e)
{
	return end_status(e, lw_abort(stream_of(e)));
}

static enum half_ending tls_ending(const struct endpoint *e)
{
	struct lw_verdict verdict;

	lw_verdict(stream_of(e), &verdict);
	return half_ending_of(&verdict);
}

static bool tls_is_complete(const struct endpoint *e)
{
	struct lw_verdict verdict;

	lw_verdict(stream_of(e), &verdict);
	return verdict.complete;
}

static void tls_watches(const struct endpoint *e, unsigned interest, struct endpoint_watch w[2])
{
	const struct endpoint_tls *t = (const struct endpoint_tls *)(const void *)e;

	w[0] = (struct endpoint_watch){ t->fd, lw_events(t->stream, interest), false };
	w[1] = (struct endpoint_watch){ -1, 0, false };
}

static int tls_timeout_ms(struct endpoint *e, uint64_t now_ms)
{
	int timeout_ms = lw_timeout_ms(stream_of(e), now_ms);

	return ((const struct endpoint_tls *)(const void *)e)->has_more_to_do ? 0 : timeout_ms;
}

static const struct endpoint_ops tls_ops = {
	.kind = HALF_TLS,
	.read = tls_read,
	.write = tls_write,
	.flush = tls_flush,
	.finish = tls_finish,
	.close = tls_close,
	.abort = tls_abort,
	.ending = tls_ending,
	.is_complete = tls_is_complete,
	.watches = tls_watches,
	.timeout_ms = tls_timeout_ms,
};

void endpoint_tls_init(struct endpoint_tls *e, struct lw_stream *stream, int fd)
{
	e->base.ops = &tls_ops;
	e->stream = stream;
	e->fd = fd;
	e->has_more_to_do = false;
}
