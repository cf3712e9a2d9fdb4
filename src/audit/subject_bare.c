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

static enum subject_says read_once(struct subject_run *run, bool *moved)
{
	uint8_t buf[4096];
	size_t n = 0;
	const enum stack_did did = run->stack->read(run->connection, buf, sizeof buf, &n);

	*moved = did == STACK_OK;
	subject_take(run, buf, n);
	if (run->conclusion.reason[0] == '\0')
		snprintf(run->conclusion.reason, sizeof run->conclusion.reason, "%s",
		         run->stack->reason(run->connection));
	return class_of(did);
}

/* It leaves: after its conclusion, or because it would wait for ever. */
static void idle(struct subject_run *run)
{
	(void)run->stack->shutdown(run->connection);
	if (run->fd >= 0)
		(void)shutdown(run->fd, SHUT_WR);
	run->phase = SUBJECT_OVER;
}

static bool step(struct subject_run *run)
{
	struct conclusion *c = &run->conclusion;
	bool moved = false, more;

	if (run->phase != SUBJECT_READING)
		return false;
	do {
		c->first = read_once(run, &more);
		moved = moved || more;
	} while (more);
	if (c->first == SUBJECT_WAITS)
		return moved;
	c->again = read_once(run, &more);
	idle(run);
	return true;
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
