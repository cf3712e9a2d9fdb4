/* session_back: the server's leg up to its handshake: choice of a backend, dial, PROXY header,
 * STARTTLS, TLS.  A backend that fails at any of it is passed over for the next; nothing of the
 * client's has been read by then, so nothing is lost.
 */
#include "relay/session_inside.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "net/starttls_socket.h"

static struct pool *pool_of(struct session *s)
{
	return s->host->pool_of(s->host, s->setup, s->service);
}

static const char *backend_text(const struct session *s, char *buf, size_t cap)
{
	return relay_place_text(s->server, buf, cap);
}

/* ---- choice */

/* What was said to the backend before, and by it, is nothing of this one's. */
static void forget_backend(struct session *s)
{
	struct dialogues *d = s->opening->dialogues;

	s->back.has_verdict = false;
	memset(&s->back.verdict, 0, sizeof s->back.verdict);
	if (d == NULL)
		return;
	d->client.row = NULL;
	d->out_bytes = 0;
	d->greeting_bytes = 0;
}

/* This backend is none; the next is tried, and `o->failure` is told if there is no other. */
static enum step pass_over(struct session *s)
{
	struct opening_state *o = s->opening;

	session_unwatch(s);
	dial_end(&o->dial);
	session_end_leg(&s->back);
	pool_failed(o->pool, o->choice.backend);
	pool_list_free(o->choice.list);
	o->has_choice = false;
	METRICS_ADD(s->host->metrics->backend_failures, 1);
	s->phase = PHASE_CHOOSE;
	return STEP_JUMP;
}

enum step session_choose(struct session *s)
{
	struct opening_state *o = s->opening;
	struct pool *pool = pool_of(s);
	struct failure f = o->failure;

	if (pool == NULL)
		return session_fail(s, OUTCOME_FAILED, "out of memory");
	session_unwatch(s);
	session_wait_for_pool(s, false); /* whatever woke us */
	o->pool = pool;
	o->wait = (struct pool_wait){ .ready = session_wake, .context = s };
	switch (pool_next(pool, &o->turn, &o->choice, &o->wait, &f)) {
	case POOL_WAIT:
		session_wait_for_pool(s, true);
		return session_wait(s, -1, 0);
	case POOL_NONE:
		return session_fail(s, OUTCOME_FAILED, "%s", f.sentence);
	case POOL_CHOSEN:
		break;
	}
	o->has_choice = true;
	forget_backend(s);
	s->server = o->choice.place;
	dial_begin(&o->dial, o->choice.list);
	o->dial.local = s->setup->services[s->service].local;
	o->dial_until_ms = session_now_ms() + session_service(s)->connect_timeout_ms;
	return STEP_NEXT;
}

/* Each address has its own time; that of a handshake begins when the connection stands. */
/* We lack something, and the backend cannot help it. */
static bool is_our_own(int error)
{
	return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

static enum step judge_failed_dial(struct session *s)
{
	struct opening_state *o = s->opening;
	char place[320];

	dial_explain_place(&o->dial, backend_text(s, place, sizeof place), &o->failure);
	if (!is_our_own(o->dial.error))
		return pass_over(s);
	METRICS_ADD(s->host->metrics->accept_errors, 1);
	return session_fail(s, OUTCOME_FAILED, "%s", o->failure.sentence);
}

enum step session_dial(struct session *s)
{
	struct opening_state *o = s->opening;
	const bool is_under_way = dial_descriptor(&o->dial) >= 0;
	const unsigned tried = o->dial.tried; /* the next address may get the same descriptor */
	enum dial_status status;

	session_unwatch(s); /* the dial closes what failed */
	if (is_under_way && session_now_ms() >= o->dial_until_ms)
		dial_expire(&o->dial);
	status = dial_step(&o->dial);
	if (status == DIAL_WAIT && (!is_under_way || o->dial.tried != tried))
		o->dial_until_ms = session_now_ms() + session_service(s)->connect_timeout_ms;
	if (status == DIAL_WAIT) {
		o->until_ms = o->dial_until_ms;
		return session_wait(s, dial_descriptor(&o->dial), LW_EVENT_WRITABLE);
	}
	if (status == DIAL_FAILED)
		return judge_failed_dial(s);
	s->back.fd = dial_take(&o->dial);
	o->until_ms = session_now_ms() + session_service(s)->busy_timeout_ms;
	return STEP_NEXT;
}

/* ---- PROXY header */

/* Whole or not at all: a part of a name, or one that holds a NUL, is another name. */
static void copy_common_name(const X509 *certificate, char *buf, size_t cap)
{
	const X509_NAME *subject = X509_get_subject_name(certificate);
	int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
	unsigned char *text = NULL;
	int n = at < 0 ? -1
	               : ASN1_STRING_to_UTF8(
			     &text, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)));

	if (n > 0 && (size_t)n < cap && memchr(text, 0, (size_t)n) == NULL) {
		memcpy(buf, text, (size_t)n);
		buf[n] = '\0';
	}
	OPENSSL_free(text);
}

static void describe_tls(const struct session *s, struct proxy_header *h)
{
	const SSL *ssl = s->front.ssl;
	const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
	const unsigned char *alpn;
	unsigned alpn_bytes;
	X509 *client = SSL_get0_peer_certificate(ssl);

	h->has_tls = true;
	SSL_get0_alpn_selected(ssl, &alpn, &alpn_bytes);
	(void)snprintf(h->alpn, sizeof h->alpn, "%.*s", (int)alpn_bytes, (const char *)alpn);
	(void)snprintf(h->authority, sizeof h->authority, "%s", name != NULL ? name : "");
	(void)snprintf(h->tls_version, sizeof h->tls_version, "%s", SSL_get_version(ssl));
	(void)snprintf(h->cipher, sizeof h->cipher, "%s", SSL_get_cipher_name(ssl));
	h->client_certificate = client != NULL;
	h->verified = client != NULL && SSL_get_verify_result(ssl) == X509_V_OK;
	h->in_earlier_connection = SSL_session_reused(ssl) == 1;
	if (client != NULL)
		copy_common_name(client, h->common_name, sizeof h->common_name);
}

static bool write_header(struct session *s)
{
	struct opening_state *o = s->opening;
	struct dialogues *d = o->dialogues;
	struct proxy_header h = { .source = s->client, .destination = o->destination };
	socklen_t n = sizeof h.destination;
	const bool is_v2 = session_service(s)->proxy_out == RELAY_PROXY_V2;

	if (h.destination.ss_family == AF_UNSPEC &&
	    getsockname(s->front.fd, (struct sockaddr *)&h.destination, &n) != 0)
		h.is_local = true;
	if (s->front.ssl != NULL)
		describe_tls(s, &h);
	d->out_from = 0;
	d->out_bytes = proxy_header_write(&h, is_v2 ? 2 : 1, d->out, sizeof d->out);
	return d->out_bytes > 0;
}

enum step session_proxy_out(struct session *s)
{
	struct opening_state *o = s->opening;
	struct dialogues *d = o->dialogues;

	if (d->out_bytes == 0 && !write_header(s))
		return session_fail(s, OUTCOME_FAILED, "the PROXY header is too long");
	while (d->out_from < d->out_bytes) {
		ssize_t sent = send(s->back.fd, d->out + d->out_from, d->out_bytes - d->out_from,
		                    MSG_NOSIGNAL | MSG_DONTWAIT);

		if (sent < 0 && (errno == EAGAIN || errno == EINTR))
			return session_wait(s, s->back.fd, LW_EVENT_WRITABLE);
		if (sent < 0) {
			failure_set(&o->failure, "the backend did not take the PROXY header: %s",
			            strerror(errno));
			return pass_over(s);
		}
		d->out_from += (size_t)sent;
	}
	d->out_bytes = 0;
	return STEP_NEXT;
}

/* ---- STARTTLS */

enum step session_back_starttls(struct session *s)
{
	struct opening_state *o = s->opening;
	struct dialogues *d = o->dialogues;
	char place[300];

	if (d->client.row == NULL)
		starttls_begin(&d->client, session_service(s)->back.starttls,
		               s->server->address.host);
	switch (starttls_socket_talk(&d->client, s->back.fd)) {
	case STARTTLS_SOCKET_READ:
		return session_wait(s, s->back.fd, LW_EVENT_READABLE);
	case STARTTLS_SOCKET_WRITE:
		return session_wait(s, s->back.fd, LW_EVENT_WRITABLE);
	case STARTTLS_SOCKET_BROKEN:
		failure_set(&o->failure, "%s did not start TLS: %s",
		            backend_text(s, place, sizeof place), strerror(errno));
		break;
	case STARTTLS_SOCKET_OVER:
		if (d->client.status == STARTTLS_DONE)
			return STEP_NEXT;
		starttls_explain(&d->client, backend_text(s, place, sizeof place), &o->failure);
		break;
	}
	return pass_over(s);
}

/* ---- TLS */

static enum step begin_tls(struct session *s)
{
	const struct address *a = &s->server->address;
	struct failure f;

	s->back.ssl = relay_tls_connect(s->setup->services[s->service].back, session_service(s),
	                                s->back.fd, a->host, &f);
	if (s->back.ssl == NULL)
		return session_fail(s, OUTCOME_FAILED, "%s", f.sentence);
	return session_attach(s, &s->back);
}

static void explain(struct session *s)
{
	struct lw_verdict v;
	struct failure f;
	char place[300];

	lw_verdict(s->back.stream, &v);
	relay_tls_explain(s->back.ssl, &v, &f);
	failure_set(&s->opening->failure, "%s: %s", backend_text(s, place, sizeof place),
	            f.sentence);
}

enum step session_back_tls(struct session *s)
{
	enum lw_status status;
	enum step step;

	if (s->back.stream == NULL) {
		step = begin_tls(s);
		if (step != STEP_NEXT)
			return step;
	}
	status = lw_handshake(s->back.stream);
	if (status == LW_AGAIN)
		return session_wait(
		    s, s->back.fd, lw_events(s->back.stream, LW_INTEREST_READ | LW_INTEREST_WRITE));
	if (status != LW_OK) {
		METRICS_ADD(s->host->metrics->handshakes_failed[METRICS_SERVER], 1);
		explain(s);
		(void)!lw_close(s->back.stream); /* what is sealed, an alert, leaves if it can */
		return pass_over(s);
	}
	METRICS_ADD(s->host->metrics->handshakes[METRICS_SERVER], 1);
	if (SSL_session_reused(s->back.ssl))
		METRICS_ADD(s->host->metrics->resumed[METRICS_SERVER], 1);
	return STEP_NEXT;
}

/* ---- greeting */

/* One octet: none behind the greeting is ours to take. */
static enum endpoint_status read_octet(struct session *s, unsigned char *octet)
{
	struct endpoint *e = &s->back.endpoint.base;
	size_t n;

	return e->ops->read(e, octet, 1, &n);
}

/* The client has had its greeting, in the clear; the backend's would be one too many. */
enum step session_back_greeting(struct session *s)
{
	struct dialogues *d = s->opening->dialogues;
	struct endpoint_watch w[2];
	bool is_whole = false;
	size_t n;

	while (d->greeting_bytes < sizeof d->greeting) {
		switch (read_octet(s, &d->greeting[d->greeting_bytes])) {
		case ENDPOINT_AGAIN:
			s->back.endpoint.base.ops->watches(&s->back.endpoint.base, LW_INTEREST_READ,
			                                   w);
			return session_wait(s, w[0].fd, w[0].events);
		case ENDPOINT_OK:
			break;
		case ENDPOINT_ENDED:
		case ENDPOINT_UNSUPPORTED:
			return session_fail(s, OUTCOME_FAILED,
			                    "the backend ended before its greeting was whole");
		}
		d->greeting_bytes++;
		n = starttls_greeting(session_service(s)->front.starttls, d->greeting,
		                      d->greeting_bytes, &is_whole);
		if (is_whole && n == 0)
			return session_fail(s, OUTCOME_FAILED, "the backend refuses: %.*s",
			                    (int)d->greeting_bytes, (const char *)d->greeting);
		if (is_whole)
			return STEP_NEXT;
	}
	return session_fail(s, OUTCOME_FAILED, "the backend's greeting is longer than %zu octets",
	                    sizeof d->greeting);
}

/* ---- time */

enum step session_back_expired(struct session *s)
{
	struct opening_state *o = s->opening;
	char place[300];

	if (s->phase == PHASE_DIAL)
		return session_dial(s);
	if (s->phase == PHASE_CHOOSE)
		return session_fail(s, OUTCOME_FAILED,
		                    "the name of a backend could not be looked up in time");
	failure_set(&o->failure, "%s did not finish its handshake within %u s",
	            backend_text(s, place, sizeof place),
	            session_service(s)->busy_timeout_ms / 1000);
	return pass_over(s);
}
