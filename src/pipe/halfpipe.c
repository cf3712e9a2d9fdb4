/* halfpipe: see halfpipe.h.  Nothing but const tables; each cell is written out, so that a test can
 * walk them all.
 */
#include "pipe/halfpipe.h"

static const struct {
	enum half_kind kind;
	enum half_action on[HALF_KINDS]; /* TLS, TCP, Unix, stdio */
} actions[HALF_ENDINGS] = {
	[HALF_OPEN] = { HALF_STDIO, { HALF_HOLD, HALF_HOLD, HALF_HOLD, HALF_HOLD } },
	[HALF_TLS_CLOSED] = { HALF_TLS, { HALF_FINISH, HALF_FINISH, HALF_FINISH, HALF_FINISH } },
	[HALF_TLS_TOLERATED] = { HALF_TLS, { HALF_MIRROR, HALF_FINISH, HALF_FINISH, HALF_FINISH } },
	[HALF_TLS_IGNORED] = { HALF_TLS, { HALF_ABORT, HALF_ABORT, HALF_ABORT, HALF_REPORT } },
	[HALF_TLS_TRUNCATED] = { HALF_TLS, { HALF_ABORT, HALF_ABORT, HALF_ABORT, HALF_REPORT } },
	[HALF_TLS_ABORTED] = { HALF_TLS, { HALF_ABORT, HALF_ABORT, HALF_ABORT, HALF_REPORT } },
	[HALF_TLS_FAILED] = { HALF_TLS, { HALF_ABORT, HALF_ABORT, HALF_ABORT, HALF_REPORT } },
	[HALF_TCP_FIN] = { HALF_TCP, { HALF_FINISH, HALF_FINISH, HALF_FINISH, HALF_FINISH } },
	[HALF_TCP_TRUNCATED] = { HALF_TCP, { HALF_ABORT, HALF_ABORT, HALF_ABORT, HALF_REPORT } },
	[HALF_TCP_RESET] = { HALF_TCP, { HALF_ABORT, HALF_ABORT, HALF_ABORT, HALF_REPORT } },
	[HALF_TCP_FAILED] = { HALF_TCP, { HALF_ABORT, HALF_ABORT, HALF_ABORT, HALF_REPORT } },
	[HALF_UNIX_END] = { HALF_UNIX, { HALF_FINISH, HALF_FINISH, HALF_FINISH, HALF_FINISH } },
	[HALF_UNIX_TRUNCATED] = { HALF_UNIX, { HALF_ABORT, HALF_ABORT, HALF_ABORT, HALF_REPORT } },
	[HALF_UNIX_RESET] = { HALF_UNIX, { HALF_ABORT, HALF_ABORT, HALF_ABORT, HALF_REPORT } },
	[HALF_UNIX_FAILED] = { HALF_UNIX, { HALF_ABORT, HALF_ABORT, HALF_ABORT, HALF_REPORT } },
	/* A half-close loses answers on many servers, so the end of standard input is no news. */
	[HALF_STDIO_END] = { HALF_STDIO, { HALF_HOLD, HALF_HOLD, HALF_HOLD, HALF_FINISH } },
	[HALF_STDIO_END_HALF_CLOSE] = { HALF_STDIO,
	                                { HALF_FINISH, HALF_FINISH, HALF_FINISH, HALF_FINISH } },
	[HALF_STDIO_FAILED] = { HALF_STDIO, { HALF_ABORT, HALF_ABORT, HALF_ABORT, HALF_REPORT } },
};

/* By sink, then by source: TLS, TCP, Unix, stdio. */
static const enum half_retreat retreats[HALF_KINDS][HALF_KINDS] = {
	[HALF_TLS] = { HALF_END, HALF_END, HALF_END, HALF_LEAVE },
	[HALF_TCP] = { HALF_END, HALF_END, HALF_END, HALF_LEAVE },
	[HALF_UNIX] = { HALF_END, HALF_END, HALF_END, HALF_LEAVE },
	[HALF_STDIO] = { HALF_END, HALF_END, HALF_END, HALF_LEAVE },
};

/* The endings of a stream's read side; closed and tolerated are decided before the look-up. */
static const enum half_ending tls_endings[] = {
	[LW_ENDING_OPEN] = HALF_OPEN,
	[LW_ENDING_CLOSED] = HALF_TLS_CLOSED,
	[LW_ENDING_ABORTED] = HALF_TLS_ABORTED,
	[LW_ENDING_TRUNCATED] = HALF_TLS_TRUNCATED,
	[LW_ENDING_RESET] = HALF_TLS_TRUNCATED,
	[LW_ENDING_EXPIRED] = HALF_TLS_FAILED,
	[LW_ENDING_ABANDONED] = HALF_TLS_FAILED,
	[LW_ENDING_FAILED] = HALF_TLS_FAILED,
};

enum half_action half_action(enum half_ending ending, enum half_kind sink)
{
	return actions[ending].on[sink];
}

enum half_retreat half_retreat(enum half_kind sink, enum half_kind source)
{
	return retreats[sink][source];
}

enum half_kind half_kind_of(enum half_ending ending)
{
	return actions[ending].kind;
}

enum half_ending half_ending_of(const struct lw_verdict *verdict)
{
	enum half_ending ending = tls_endings[verdict->read];

	/* Up to TLS 1.2 what comes behind our own close_notify is lost, whatever ends it. */
	if (ending == HALF_TLS_CLOSED && verdict->bytes_ignored > 0)
		return HALF_TLS_IGNORED;
	return ending == HALF_TLS_TRUNCATED && verdict->tolerated ? HALF_TLS_TOLERATED : ending;
}
