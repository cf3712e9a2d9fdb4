/* adversary: the core.  Bytes and ends come in, bytes and requests go out; in between the
 * handshake, the observer and the script each do what they can.  Invariants: nothing is handed out
 * behind FIN or RST; an action is told once, and only when no byte is left before it.
 */
#include "adversary/inside.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool set_non_blocking(int fd)
{
	int flags = fcntl(fd, F_GETFL);
	return flags >= 0 && fcntl(fd, F_SETFL, flags | O_NONBLOCK) == 0;
}

static void name_sides(struct adversary *a)
{
	const struct adversary_options *o = &a->options;
	exchange_begin(&a->exchange, o->subject_name != NULL ? o->subject_name : "subject",
	               o->name != NULL ? o->name : "adversary");
}

struct adversary *adversary_new(const struct adversary_options *options,
                                const struct adversary_script *script)
{
	bool on_socket = options->transport == ADVERSARY_SOCKET;
	struct adversary *a = calloc(1, sizeof *a);
	if (a == NULL) {
		if (on_socket)
			(void)close(options->fd);
		return NULL;
	}
	a->options = *options;
	if (a->options.version == LW_VERSION_UNKNOWN)
		a->options.version = LW_VERSION_TLS1_3;
	a->script = script;
	a->fd = on_socket ? options->fd : -1;
	bool serves = options->role == ADVERSARY_SERVER;
	a->ours = serves ? TAKEOVER_SERVER : TAKEOVER_CLIENT;
	a->theirs = serves ? TAKEOVER_CLIENT : TAKEOVER_SERVER;
	name_sides(a);
	a->takeover = takeover_new(&a->keylog, a->options.version);
	if (a->takeover != NULL && (!on_socket || set_non_blocking(a->fd)) && handshake_begin(a))
		return a;
	adversary_free(a);
	return NULL;
}

void adversary_free(struct adversary *a)
{
	if (a == NULL)
		return;
	if (a->fd >= 0)
		(void)close(a->fd);
	handshake_end(a);
	takeover_free(a->takeover);
	bytes_free(&a->in);
	bytes_free(&a->own);
	bytes_free(&a->out);
	keylog_wipe(&a->keylog);
	free(a);
}

void adversary_fail(struct adversary *a, const char *reason)
{
	if (a->phase == PHASE_FAILED)
		return;
	a->phase = PHASE_FAILED;
	(void)snprintf(a->reason, sizeof a->reason, "%s", reason);
	if (a->action == ADVERSARY_NONE && !a->sent_fin)
		a->action = ADVERSARY_FIN;
}

bool adversary_give(struct adversary *a, const void *bytes, size_t len)
{
	if (!bytes_add(&a->in, bytes, len) ||
	    (a->phase == PHASE_HANDSHAKE && len > 0 &&
	     BIO_write(SSL_get_rbio(a->ssl), bytes, (int)len) != (int)len)) {
		adversary_fail(a, "out of memory");
		return false;
	}
	return true;
}

void adversary_give_end(struct adversary *a, enum adversary_end end)
{
	(void)adversary_advance(a); /* what came before the end is seen before it */
	observe_end(a, end);
	if (end == ADVERSARY_ENDED_RST)
		bytes_drop(&a->out, a->out.len);
	if (a->phase == PHASE_HANDSHAKE)
		adversary_fail(a, "the subject ended the transport in the handshake");
}

size_t adversary_take(struct adversary *a, void *buf, size_t cap)
{
	size_t n = a->out.len < cap ? a->out.len : cap;
	if (n > 0)
		memcpy(buf, bytes_at(&a->out), n);
	bytes_drop(&a->out, n);
	return n;
}

enum adversary_action adversary_take_action(struct adversary *a)
{
	enum adversary_action action = a->action;
	if (action == ADVERSARY_NONE || a->out.len > 0)
		return ADVERSARY_NONE;
	a->action = ADVERSARY_NONE;
	a->was_reset = action == ADVERSARY_RST;
	a->sent_fin = true;
	exchange_add(&a->exchange, a->now_ms, SIDE_ADVERSARY,
	             a->was_reset ? EXCHANGE_RST : EXCHANGE_FIN, 0);
	return action;
}

static enum adversary_status tell_status(const struct adversary *a)
{
	bool ended = a->tally.fin || a->tally.rst;
	if (a->was_reset && a->phase != PHASE_FAILED)
		return ADVERSARY_DONE;
	if (a->out.len > 0 || a->action != ADVERSARY_NONE)
		return ADVERSARY_WAITING;
	if (a->phase == PHASE_FAILED)
		return ADVERSARY_FAILED;
	return ended && adversary_is_idle(a) ? ADVERSARY_DONE : ADVERSARY_WAITING;
}

enum adversary_status adversary_advance(struct adversary *a)
{
	handshake_continue(a);
	observe_records(a);
	if (a->phase == PHASE_HANDSHAKE && a->script->start == START_BEFORE_FIRST_FLIGHT)
		handshake_continue(a); /* the record that it waits for may just have been seen */
	(void)script_advance(a);
	return tell_status(a);
}

void adversary_resume(struct adversary *a)
{
	a->resumed = true;
}

void adversary_set_time(struct adversary *a, uint64_t now_ms)
{
	a->now_ms = now_ms;
}

const char *adversary_reason(const struct adversary *a)
{
	return a->reason;
}

bool adversary_is_scripted(const struct adversary *a)
{
	return a->phase == PHASE_SCRIPT || a->phase == PHASE_OVER;
}

bool adversary_is_idle(const struct adversary *a)
{
	return a->phase == PHASE_OVER || (a->phase == PHASE_SCRIPT && a->step->act == ACT_SILENCE &&
	                                  a->progress > 0 && !a->resumed);
}

enum lw_version adversary_version(const struct adversary *a)
{
	return takeover_version(a->takeover);
}

const struct adversary_tally *adversary_subject(const struct adversary *a)
{
	return &a->tally;
}

const struct exchange *adversary_exchange(const struct adversary *a)
{
	return &a->exchange;
}

uint64_t adversary_bytes_sent(const struct adversary *a)
{
	return a->sent_bytes;
}
