/*
 * subject_bare: OpenSSL alone, driven as most programs drive it: SSL_read()
 * until it gives no data, then SSL_get_error(), then SSL_shutdown().  Nothing is
 * added and nothing is made worse.
 */
#include "audit/subject.h"

#include <errno.h>
#include <openssl/err.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

static bool attach(struct subject_run *run)
{
	(void)run;
	return true;
}

static void note_reason(struct subject_run *run, int error)
{
	const char *reason = ERR_reason_error_string(ERR_peek_error());

	if (error == SSL_ERROR_SYSCALL && reason == NULL)
		reason = errno != 0 ? strerror(errno) : "input or output failed";
	snprintf(run->conclusion.reason, sizeof run->conclusion.reason, "%s", reason ? reason : "");
}

static enum subject_says read_once(struct subject_run *run, bool *moved)
{
	uint8_t buf[4096];
	int n, error;

	ERR_clear_error();
	errno = 0;
	n = SSL_read(run->ssl, buf, sizeof buf);
	*moved = n > 0;
	if (n > 0) {
		subject_take(run, buf, (size_t)n);
		return SUBJECT_WAITS;
	}
	error = SSL_get_error(run->ssl, n);
	if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE)
		return SUBJECT_WAITS;
	if (error == SSL_ERROR_ZERO_RETURN)
		return SUBJECT_END;
	if (run->conclusion.reason[0] == '\0')
		note_reason(run, error);
	return SUBJECT_ERROR;
}

/* It leaves: after its conclusion, or because it would wait for ever. */
static void idle(struct subject_run *run)
{
	ERR_clear_error();
	(void)SSL_shutdown(run->ssl);
	if (run->fd >= 0)
		(void)shutdown(run->fd, SHUT_WR);
	ERR_clear_error();
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
	(void)end; /* memory has only the one way to tell OpenSSL */
	BIO_set_mem_eof_return(SSL_get_rbio(run->ssl), 0);
}

static void leave(struct subject_run *run)
{
	(void)run;
	ERR_clear_error();
}

const struct subject bare_subject = { "SSL_read", attach, step, idle, transport_ended, leave };
