/*
 * subject_stream: a stream on the same TLS object, driven by the public
 * calls alone: lw_read() to the end, once more, then lw_close() until it is
 * over.
 */
#include "audit/subject.h"

#include <stdio.h>

#define LIMIT_MS 30u /* where the clock is real */

static bool attach(struct subject_run *run)
{
	struct lw_options options;

	lw_options_default(&options);
	if (run->blocking)
		options.close_timeout_ms = options.drain_timeout_ms = LIMIT_MS;
	run->stream = run->stack->attach(run->connection, &options, &run->refusal);
	return run->stream != NULL;
}

static enum subject_says class_of(enum lw_status status)
{
	static const enum subject_says classes[] = {
		[LW_OK] = SUBJECT_WAITS,          [LW_AGAIN] = SUBJECT_WAITS,
		[LW_END] = SUBJECT_END,           [LW_TRUNCATED] = SUBJECT_TRUNCATED,
		[LW_ABORTED] = SUBJECT_ABORTED,   [LW_ERROR] = SUBJECT_ERROR,
		[LW_UNSUPPORTED] = SUBJECT_ERROR,
	};

	return classes[status];
}

static enum lw_status read_all(struct subject_run *run, bool *moved)
{
	uint8_t buf[4096];
	enum lw_status status;
	size_t n;

	do {
		status = lw_read(run->stream, buf, sizeof buf, &n);
		subject_take(run, buf, n);
		*moved = *moved || n > 0;
	} while (status == LW_OK);
	return status;
}

static void conclude(struct subject_run *run)
{
	struct conclusion *c = &run->conclusion;

	run->phase = SUBJECT_OVER;
	lw_verdict(run->stream, &c->verdict);
	c->has_verdict = true;
	if (!run->blocking) /* our clock is faster than the kernel's: its ACK may still be on its
	                       way */
		c->verdict.bytes_unacknowledged = 0;
	if (c->first != SUBJECT_END)
		lw_verdict_sentence(&c->verdict, c->reason, sizeof c->reason);
}

static bool close_on(struct subject_run *run)
{
	enum lw_status status = lw_close(run->stream);

	if (status == LW_AGAIN)
		return false;
	if (run->conclusion.first == SUBJECT_WAITS)
		run->conclusion.first = run->conclusion.again = class_of(status);
	conclude(run);
	return true;
}

static bool write_once(struct subject_run *run, size_t len)
{
	uint8_t buf[LW_ADAPTER_WRITE_MAX];
	enum lw_status status;
	size_t n;

	subject_fill(run, buf, len);
	status = lw_write(run->stream, buf, len, &n);
	run->conclusion.taken += n;
	return status == LW_OK;
}

static bool step_reading(struct subject_run *run)
{
	bool moved = false;

	run->conclusion.first = class_of(read_all(run, &moved));
	if (run->conclusion.first == SUBJECT_WAITS)
		return moved;
	run->conclusion.again = class_of(read_all(run, &moved));
	if (run->act == SUBJECT_WRITES_AFTER_PEERS)
		(void)write_once(run, SUBJECT_LATE_BYTES);
	run->phase = SUBJECT_CLOSING;
	return true;
}

/* What is done with a connection that is only to be closed. */
static bool step_unread(struct subject_run *run)
{
	const enum lw_status status = lw_handshake(run->stream);

	if (status == LW_AGAIN)
		return false;
	while (run->act == SUBJECT_CLOSES_HALF_OUT && write_once(run, LW_ADAPTER_WRITE_MAX))
		;
	run->phase = SUBJECT_CLOSING;
	if (close_on(run))
		return true;
	if (run->act == SUBJECT_WRITES_AFTER_OWN)
		(void)write_once(run, SUBJECT_LATE_BYTES);
	return true;
}

static bool step(struct subject_run *run)
{
	if (run->phase == SUBJECT_OVER)
		return false;
	if (run->phase == SUBJECT_CLOSING)
		return close_on(run);
	if (run->act == SUBJECT_READS || run->act == SUBJECT_WRITES_AFTER_PEERS)
		return step_reading(run);
	return step_unread(run);
}

/* A reader with nothing to wait for closes; one that closes lets its deadline run out. */
static void idle(struct subject_run *run)
{
	int left;

	if (run->phase == SUBJECT_READING) {
		run->phase = SUBJECT_CLOSING;
		return;
	}
	if (run->phase == SUBJECT_OVER || run->blocking)
		return;
	left = lw_timeout_ms(run->stream, run->now_ms);
	if (left > 0) {
		run->now_ms += (uint64_t)left;
		(void)lw_timeout_ms(run->stream, run->now_ms);
	}
}

static void transport_ended(struct subject_run *run, enum lw_transport_end end)
{
	lw_transport_ended(run->stream, end);
}

static void leave(struct subject_run *run)
{
	lw_free(run->stream);
	run->stream = NULL;
}

const struct subject stream_subject = { attach, step, idle, transport_ended, leave };
