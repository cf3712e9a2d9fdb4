/*
 * subject_bare: a TLS library alone, driven as most programs drive it: its call
 * to read until that gives no data, then its own shutdown.  Nothing is added and
 * nothing is made worse.
 */
#include "audit/subject.h"

#include <stdio.h>
#include <sys/socket.h>

static bool attach(struct subject_run *run)
{
	(void)run;
	return true;
}

static enum subject_says class_of(enum stack_did did)
{
	static const enum subject_says classes[] = {
		[STACK_OK] = SUBJECT_WAITS,        [STACK_WAITS] = SUBJECT_WAITS,
		[STACK_END] = SUBJECT_END,         [STACK_TRUNCATED] = SUBJECT_TRUNCATED,
		[STACK_ABORTED] = SUBJECT_ABORTED, [STACK_ERROR] = SUBJECT_ERROR,
	};

	return classes[did];
}

static void note_reason(struct subject_run *run)
{
	if (run->conclusion.reason[0] == '\0')
		snprintf(run->conclusion.reason, sizeof run->conclusion.reason, "%s",
		         run->stack->reason(run->connection));
}

static enum subject_says read_once(struct subject_run *run, bool *moved)
{
	uint8_t buf[4096];
	size_t n = 0;
	const enum stack_did did = run->stack->read(run->connection, buf, sizeof buf, &n);

	*moved = did == STACK_OK;
	subject_take(run, buf, n);
	note_reason(run);
	return class_of(did);
}

static bool write_once(struct subject_run *run, size_t len)
{
	uint8_t buf[LW_ADAPTER_WRITE_MAX];
	size_t n = 0;
	enum stack_did did;

	subject_fill(run, buf, len);
	did = run->stack->write(run->connection, buf, len, &n);
	run->conclusion.taken += n;
	note_reason(run);
	return did == STACK_OK;
}

static void leave_transport(struct subject_run *run)
{
	if (run->fd >= 0)
		(void)shutdown(run->fd, SHUT_WR);
	run->phase = SUBJECT_OVER;
}

/* It leaves: after its conclusion, or because it would wait for ever. */
static void idle(struct subject_run *run)
{
	if (run->phase == SUBJECT_READING)
		(void)run->stack->shutdown(run->connection);
	leave_transport(run);
}

static bool conclude(struct subject_run *run, enum subject_says says)
{
	run->conclusion.first = run->conclusion.again = says;
	leave_transport(run);
	return true;
}

static bool shake(struct subject_run *run)
{
	const enum stack_did did = run->stack->handshake(run->connection);

	if (did == STACK_WAITS)
		return false;
	run->shaken = did == STACK_OK;
	if (run->shaken)
		return true;
	note_reason(run);
	return conclude(run, class_of(did));
}

static bool step_reading(struct subject_run *run)
{
	struct conclusion *c = &run->conclusion;
	bool moved = false, more;

	do {
		c->first = read_once(run, &more);
		moved = moved || more;
	} while (more);
	if (c->first == SUBJECT_WAITS)
		return moved;
	if (run->act == SUBJECT_WRITES_AFTER_PEERS)
		(void)write_once(run, SUBJECT_LATE_BYTES);
	c->again = read_once(run, &more);
	idle(run);
	return true;
}

static bool step_closing(struct subject_run *run)
{
	const enum stack_did did = run->stack->shutdown(run->connection);

	run->phase = SUBJECT_CLOSING;
	note_reason(run);
	if (did == STACK_WAITS)
		return false;
	return conclude(run, did == STACK_OK ? SUBJECT_END : class_of(did));
}

static bool step_writing_late(struct subject_run *run)
{
	const enum stack_did did = run->stack->finish(run->connection);

	if (did == STACK_WAITS)
		return false;
	(void)write_once(run, SUBJECT_LATE_BYTES);
	return conclude(run, class_of(did));
}

static bool step_filling(struct subject_run *run)
{
	while (write_once(run, LW_ADAPTER_WRITE_MAX))
		;
	run->phase = SUBJECT_CLOSING;
	return true;
}

static bool step(struct subject_run *run)
{
	static bool (*const steps[SUBJECT_ACTS])(struct subject_run *) = {
		[SUBJECT_READS] = step_reading,
		[SUBJECT_SHUTS_DOWN] = step_closing,
		[SUBJECT_WRITES_AFTER_OWN] = step_writing_late,
		[SUBJECT_WRITES_AFTER_PEERS] = step_reading,
		[SUBJECT_CLOSES_HALF_OUT] = step_filling,
	};

	if (run->phase == SUBJECT_OVER)
		return false;
	if (!run->shaken)
		return shake(run);
	return run->phase == SUBJECT_CLOSING ? step_closing(run) : steps[run->act](run);
}

static void transport_ended(struct subject_run *run, enum lw_transport_end end)
{
	run->memory_end = end == LW_TRANSPORT_FIN ? LW_IO_FIN : LW_IO_RESET;
}

static void leave(struct subject_run *run)
{
	(void)run;
}

const struct subject bare_subject = { attach, step, idle, transport_ended, leave };
