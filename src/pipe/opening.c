/* opening: see opening.h.  It must not know what the stream is for.  Invariant: whatever step
 * fails, o->failure has its sentence and opening_end() frees what the steps before it made.
 */
#include "pipe/opening.h"

#include <errno.h>
#include <openssl/err.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/context.h"
#include "net/dial.h"
#include "net/handshake.h"
#include "net/starttls_socket.h"
#include "pipe/wait.h"

enum { FAREWELL_MS = 1000 }; /* for our alert to leave when a handshake failed */

static bool interrupted(struct opening *o)
{
	failure_set(&o->failure, "interrupted before the connection to %s stood", o->peer);
	return false;
}

static enum wait_result wait_for(struct opening *o, unsigned events)
{
	return wait_descriptor(o->loop, o->fd, events, o->until_ms, o->interrupted);
}

static bool look_up(struct opening *o, struct addrinfo **list)
{
	struct addrinfo hints = dial_hints(o->address, o->family);
	enum wait_result result = WAIT_READY;
	int error;

	if (o->address->host_is_ip)
		error = getaddrinfo(o->address->host, o->address->port, &hints, list);
	else
		result = wait_lookup(o->loop, o->address->host, o->address->port, &hints,
		                     o->until_ms, o->interrupted, list, &error);
	o->lookup_abandoned = result != WAIT_READY;
	if (result == WAIT_INTERRUPTED)
		return interrupted(o);
	if (result == WAIT_READY && error == 0)
		return true;
	dial_explain_lookup(o->address, o->family, result == WAIT_READY ? error : EAI_AGAIN,
	                    &o->failure);
	return false;
}

/* Each address gets an even share of the time that is left. */
static bool dial(struct opening *o, const struct addrinfo *list)
{
	enum dial_status status;
	enum wait_result result = WAIT_READY;
	struct dial d;

	dial_begin(&d, list);
	while ((status = dial_step(&d)) == DIAL_WAIT && result != WAIT_INTERRUPTED) {
		uint64_t now = wait_now_ms(), until = WAIT_FOR_EVER;

		if (o->until_ms != WAIT_FOR_EVER)
			until = now + dial_share_ms(&d, o->until_ms > now ? o->until_ms - now : 0);
		result = wait_descriptor(o->loop, dial_descriptor(&d), LW_EVENT_WRITABLE, until,
		                         o->interrupted);
		if (result == WAIT_EXPIRED || result == WAIT_FAILED)
			dial_expire(&d);
	}
	if (status == DIAL_DONE) {
		o->fd = dial_take(&d);
		return true;
	}
	dial_end(&d);
	if (result == WAIT_INTERRUPTED)
		return interrupted(o);
	dial_explain(&d, o->address, &o->failure);
	return false;
}

static bool connect_transport(struct opening *o)
{
	struct addrinfo *list;
	bool stands;

	if (!look_up(o, &list))
		return false;
	stands = dial(o, list);
	freeaddrinfo(list);
	return stands;
}

static bool start_tls(struct opening *o)
{
	enum starttls_socket_status status;
	struct starttls s;

	if (o->starttls == NULL)
		return true;
	starttls_begin(&s, o->starttls, o->address->host);
	do {
		status = starttls_socket_talk(&s, o->fd);
	} while ((status == STARTTLS_SOCKET_READ || status == STARTTLS_SOCKET_WRITE) &&
	         wait_for(o, status == STARTTLS_SOCKET_READ ? LW_EVENT_READABLE
	                                                    : LW_EVENT_WRITABLE) == WAIT_READY);
	if (s.status == STARTTLS_DONE && status == STARTTLS_SOCKET_OVER)
		return true;
	if (*o->interrupted)
		return interrupted(o);
	if (s.status == STARTTLS_REFUSED)
		starttls_explain(&s, o->peer, &o->failure);
	else
		failure_set(&o->failure,
		            "%s did not start TLS within %g s: it is silent; check the port, or "
		            "leave out --starttls if TLS begins at once there",
		            o->peer, o->timeout_ms / 1000.0);
	return false;
}

/* Keeps the first octets that OpenSSL is given, a record's header at most: who speaks there? */
static long keep_first(BIO *bio, int operation, const char *octets, size_t n, int i, long l,
                       int result, size_t *processed)
{
	struct handshake_end *end = (void *)BIO_get_callback_arg(bio);

	(void)n;
	(void)i;
	(void)l;
	if (operation == (BIO_CB_READ | BIO_CB_RETURN) && result > 0 && end->first_bytes == 0) {
		end->first_bytes = *processed < sizeof end->first ? *processed : sizeof end->first;
		memcpy(end->first, octets, end->first_bytes);
	}
	return result;
}

static void listen_in(const struct opening *o, struct handshake_end *end)
{
	BIO *bio = SSL_get_rbio(o->ssl);

	BIO_set_callback_ex(bio, end != NULL ? keep_first : NULL);
	BIO_set_callback_arg(bio, (char *)end);
}

/* Lets our alert leave before the descriptor goes, if that takes no longer than a moment. */
static void say_farewell(struct opening *o)
{
	uint64_t until = wait_now_ms() + FAREWELL_MS;

	while (lw_close(o->stream) == LW_AGAIN && wait_now_ms() < until) {
		unsigned events = lw_events(o->stream, 0); /* none: to be called again */
		int timeout_ms = events == 0 ? 0 : lw_timeout_ms(o->stream, wait_now_ms());
		uint64_t soon = timeout_ms < 0 ? until : wait_now_ms() + (unsigned)timeout_ms;

		if (wait_descriptor(o->loop, o->fd, events, soon < until ? soon : until,
		                    o->interrupted) == WAIT_INTERRUPTED)
			return;
	}
}

static bool fail_handshake(struct opening *o, struct handshake_end *end)
{
	struct lw_verdict verdict;

	lw_verdict(o->stream, &verdict);
	end->ssl = o->ssl;
	end->verdict = &verdict;
	end->peer = o->peer;
	end->name = o->servername != NULL ? o->servername : o->address->host;
	end->timeout_ms = o->timeout_ms;
	handshake_explain(end, &o->failure);
	if (!end->timed_out && !handshake_is_no_tls(end->first, end->first_bytes))
		say_farewell(o);
	return false;
}

/* Until it is done, fails, or the first octets show that there is no TLS to wait for. */
static bool try_hands(struct opening *o, struct handshake_end *end)
{
	enum lw_status status;

	while ((status = lw_handshake(o->stream)) == LW_AGAIN) {
		enum wait_result result;

		if (handshake_is_no_tls(end->first, end->first_bytes))
			return fail_handshake(o, end);
		result = wait_for(o, lw_events(o->stream, LW_INTEREST_READ | LW_INTEREST_WRITE));
		if (result == WAIT_INTERRUPTED)
			return interrupted(o);
		end->timed_out = result != WAIT_READY;
		if (end->timed_out)
			return fail_handshake(o, end);
	}
	return status == LW_OK || fail_handshake(o, end);
}

static bool shake_hands(struct opening *o)
{
	struct handshake_end end = { .first_bytes = 0 };
	bool is_done;

	ERR_clear_error();
	listen_in(o, &end);
	is_done = try_hands(o, &end);
	listen_in(o, NULL);
	return is_done;
}

bool opening_run(struct opening *o)
{
	const char *why = NULL;

	o->fd = -1;
	o->until_ms =
	    o->timeout_ms == LW_NO_TIMEOUT ? WAIT_FOR_EVER : wait_now_ms() + o->timeout_ms;
	(void)address_text(o->address, o->peer, sizeof o->peer);
	if (!connect_transport(o) || !start_tls(o))
		return false;
	o->ssl = context_connect(o->ctx, o->fd, o->address->host, o->servername, &o->failure);
	if (o->ssl == NULL)
		return false;
	o->stream = lw_openssl_attach(o->ssl, &o->options, &why);
	if (o->stream == NULL) {
		failure_set(&o->failure, "cannot begin TLS with %s: %s", o->peer, why);
		return false;
	}
	return shake_hands(o);
}

void opening_end(struct opening *o)
{
	lw_free(o->stream);
	SSL_free(o->ssl);
	if (o->fd >= 0)
		(void)close(o->fd);
	o->stream = NULL;
	o->ssl = NULL;
	o->fd = -1;
}
