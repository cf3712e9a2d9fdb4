/* session_front: the client's leg up to its handshake: PROXY header, STARTTLS, TLS.  It must not
 * know the backend.  Invariant: not an octet is taken from the socket that belongs to what comes
 * after the phase, so that octets are peeked at and then taken.
 */
#include "relay/session_inside.h"

#include <errno.h>
#include <string.h>

#include "closure/cursor.h"
#include "net/handshake.h"

enum { CLIENT_HELLO_MAX = 16384 };

enum peeked { PEEKED_SOME, PEEKED_NONE, PEEKED_END };

static enum peeked peek(int fd, void *buf, size_t cap, size_t *n)
{
	ssize_t got = recv(fd, buf, cap, MSG_PEEK | MSG_DONTWAIT);

	*n = got > 0 ? (size_t)got : 0;
	if (got > 0)
		return PEEKED_SOME;
	return got < 0 && (errno == EAGAIN || errno == EINTR) ? PEEKED_NONE : PEEKED_END;
}

/* Takes octets that were peeked at. */
static void take(int fd, size_t n)
{
	unsigned char scratch[1024];

	while (n > 0) {
		ssize_t got =
		    recv(fd, scratch, n < sizeof scratch ? n : sizeof scratch, MSG_DONTWAIT);

		if (got <= 0)
			return;
		n -= (size_t)got;
	}
}

/* A client that says nothing at all is a probe: somebody looks whether the port is open. */
static enum step fail_silent(struct session *s, bool has_spoken, const char *when)
{
	if (!has_spoken)
		return session_fail(s, OUTCOME_PROBE, "nothing was sent");
	return session_fail(s, OUTCOME_REFUSED, "the client ended the connection %s", when);
}

/* ---- PROXY header */

static bool is_from_inet(const struct proxy_header *h)
{
	return !h->is_local && (h->source.ss_family == AF_INET || h->source.ss_family == AF_INET6);
}

enum step session_proxy_in(struct session *s)
{
	struct opening_state *o = s->opening;
	struct proxy_header header;
	unsigned char buf[1024];
	struct failure f;
	size_t n, used;

	for (;;) {
		enum peeked peeked = peek(s->front.fd, buf, sizeof buf, &n);
		enum proxy_header_status status;

		if (peeked == PEEKED_NONE)
			return session_wait(s, s->front.fd, LW_EVENT_READABLE);
		if (peeked == PEEKED_END)
			return fail_silent(s, o->dialogues->proxy.n > 0, "within its PROXY header");
		status = proxy_reader_feed(&o->dialogues->proxy, buf, n, &used, &header, &f);
		take(s->front.fd, used);
		if (status == PROXY_HEADER_BAD)
			return session_fail(s, OUTCOME_REFUSED, "%s", f.sentence);
		if (status != PROXY_HEADER_DONE)
			continue;
		if (is_from_inet(&header)) {
			s->client = header.source;
			o->destination = header.destination;
		}
		return STEP_NEXT;
	}
}

/* ---- STARTTLS */

/* False: the client takes no more, or not now. */
static bool say(struct session *s, bool *must_wait)
{
	struct starttls_server *server = &s->opening->dialogues->server;
	size_t n;
	const char *output = starttls_server_output(server, &n);

	*must_wait = false;
	while (n > 0) {
		ssize_t sent = send(s->front.fd, output, n, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (sent < 0) {
			*must_wait = errno == EAGAIN || errno == EINTR;
			return false;
		}
		starttls_server_sent(server, (size_t)sent);
		output = starttls_server_output(server, &n);
	}
	return true;
}

static bool begin_server(struct session *s)
{
	const struct relay_service *service = session_service(s);
	const char *host = service->accept.address.host;

	return starttls_server_begin(&s->opening->dialogues->server, service->front.starttls,
	                             host[0] != '\0' ? host : "localhost");
}

/* Octets behind the client's request were sent too early: fed too, they are refused. */
static enum step hear(struct session *s)
{
	struct starttls_server *server = &s->opening->dialogues->server;
	unsigned char buf[1024];
	size_t n, at = 0, used = 1;

	switch (peek(s->front.fd, buf, sizeof buf, &n)) {
	case PEEKED_NONE:
		return session_wait(s, s->front.fd, LW_EVENT_READABLE);
	case PEEKED_END:
		starttls_server_ended(server);
		return STEP_NEXT;
	case PEEKED_SOME:
		break;
	}
	while (at < n && used > 0 && server->status != STARTTLS_REFUSED) {
		(void)starttls_server_feed(server, buf + at, n - at, &used);
		at += used;
	}
	take(s->front.fd, at);
	return STEP_NEXT;
}

static enum step refuse(struct session *s)
{
	struct starttls_server *server = &s->opening->dialogues->server;
	struct failure f;

	if (server->has_quit || server->total_bytes == 0)
		return session_fail(s, OUTCOME_PROBE, "it took its leave before TLS");
	starttls_server_explain(server, &f);
	return session_fail(s, OUTCOME_REFUSED, "%s", f.sentence);
}

enum step session_front_starttls(struct session *s)
{
	struct starttls_server *server = &s->opening->dialogues->server;
	bool must_wait;

	if (server->row == NULL && !begin_server(s))
		return session_fail(s, OUTCOME_FAILED, "this protocol has no server's side here");
	for (;;) {
		enum step step;

		if (!say(s, &must_wait) && must_wait)
			return session_wait(s, s->front.fd, LW_EVENT_WRITABLE);
		if (server->status == STARTTLS_DONE)
			return STEP_NEXT;
		if (server->status == STARTTLS_REFUSED)
			return refuse(s);
		step = hear(s);
		if (step != STEP_NEXT)
			return step;
	}
}

/* ---- TLS */

static bool looks_like_http(const unsigned char *first, size_t n)
{
	static const char *const words[] = { "GET ", "POST ",    "HEAD ",
		                             "PUT ", "OPTIONS ", "CONNECT " };

	for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
		if (n >= 4 && memcmp(first, words[i], 4) == 0)
			return true;
	return false;
}

/*
 * A ClientHello may announce 16 MB, and OpenSSL makes room for what it takes, some 130 kB, at
 * once; real ones have a few kB.
 */
static bool announces_too_much(const unsigned char *first, size_t n)
{
	struct lw_cursor c = lw_cursor_over(first, n), header;
	uint64_t length;
	uint8_t type;

	return lw_take_window(&c, 5, &header) && lw_take_u8(&c, &type) &&
	       lw_take_uint(&c, 3, &length) && length > CLIENT_HELLO_MAX;
}

/* Before the first octet is read: who speaks there? */
static enum step look_at_first(struct session *s)
{
	unsigned char first[16];
	size_t n;

	switch (peek(s->front.fd, first, sizeof first, &n)) {
	case PEEKED_NONE:
		return session_wait(s, s->front.fd, LW_EVENT_READABLE);
	case PEEKED_END:
		return fail_silent(s, session_service(s)->front.starttls != NULL,
		                   "before its ClientHello");
	case PEEKED_SOME:
		break;
	}
	if (looks_like_http(first, n))
		return session_fail(s, OUTCOME_REFUSED,
		                    "plain HTTP came to a TLS port; write https:// there");
	if (handshake_is_no_tls(first, n))
		return session_fail(s, OUTCOME_REFUSED, "what came is no TLS handshake");
	if (announces_too_much(first, n))
		return session_fail(s, OUTCOME_REFUSED,
		                    "the ClientHello announces more than %d bytes",
		                    CLIENT_HELLO_MAX);
	return STEP_NEXT;
}

static enum step begin_tls(struct session *s)
{
	struct setup_service *service = &s->setup->services[s->listener];
	enum step step = look_at_first(s);
	struct failure f;

	if (step != STEP_NEXT)
		return step;
	s->front.ssl = relay_tls_accept(service->front, s->front.fd, &f);
	if (s->front.ssl == NULL)
		return session_fail(s, OUTCOME_FAILED, "%s", f.sentence);
	return session_attach(s, &s->front);
}

static enum step explain(struct session *s)
{
	struct lw_verdict v;
	struct failure f;

	lw_verdict(s->front.stream, &v);
	relay_tls_explain(s->front.ssl, &v, &f);
	return session_fail(s, OUTCOME_REFUSED, "%s", f.sentence);
}

enum step session_front_tls(struct session *s)
{
	enum lw_status status;
	enum step step;

	if (s->front.stream == NULL) {
		step = begin_tls(s);
		if (step != STEP_NEXT)
			return step;
	}
	status = lw_handshake(s->front.stream);
	if (status == LW_AGAIN)
		return session_wait(
		    s, s->front.fd,
		    lw_events(s->front.stream, LW_INTEREST_READ | LW_INTEREST_WRITE));
	s->service = relay_tls_service(s->front.ssl, s->listener);
	if (status != LW_OK) {
		METRICS_ADD(s->host->metrics->handshakes_failed[METRICS_CLIENT], 1);
		return explain(s);
	}
	METRICS_ADD(s->host->metrics->handshakes[METRICS_CLIENT], 1);
	if (SSL_session_reused(s->front.ssl))
		METRICS_ADD(s->host->metrics->resumed[METRICS_CLIENT], 1);
	return STEP_NEXT;
}

/* ---- greeting */

static enum step wait_to_greet(struct session *s)
{
	struct endpoint *e = &s->front.endpoint.base;
	struct endpoint_watch w[2];

	e->ops->watches(e, LW_INTEREST_WRITE, w);
	return session_wait(s, w[0].fd, w[0].events);
}

static bool begin_welcome(struct session *s)
{
	return starttls_server_welcome(&s->opening->dialogues->server,
	                               session_service(s)->back.starttls, s->server->address.host);
}

/* The client waits for a greeting, and the backend gave its own in the clear. */
enum step session_front_greeting(struct session *s)
{
	struct starttls_server *server = &s->opening->dialogues->server;
	struct endpoint *e = &s->front.endpoint.base;
	size_t n, taken;

	if (server->row == NULL && !begin_welcome(s))
		return session_fail(s, OUTCOME_FAILED, "this protocol has no server's side here");
	for (;;) {
		const char *output = starttls_server_output(server, &n);

		if (n == 0)
			break;
		switch (e->ops->write(e, output, n, &taken)) {
		case ENDPOINT_OK:
			starttls_server_sent(server, taken);
			break;
		case ENDPOINT_AGAIN:
			return wait_to_greet(s);
		case ENDPOINT_ENDED:
		case ENDPOINT_UNSUPPORTED:
			return session_fail(s, OUTCOME_REFUSED,
			                    "the client was gone before it was greeted");
		}
	}
	(void)!e->ops->flush(e); /* what does not leave now the couple pushes */
	return STEP_NEXT;
}

/* ---- time */

static bool has_spoken(const struct dialogues *d)
{
	return d != NULL && (d->proxy.n > 0 || d->server.total_bytes > 0);
}

bool session_front_is_silent(const struct session *s)
{
	unsigned char octet;
	size_t n;

	return s->phase <= PHASE_FRONT_TLS && s->front.stream == NULL &&
	       !has_spoken(s->opening->dialogues) &&
	       peek(s->front.fd, &octet, 1, &n) != PEEKED_SOME;
}

enum step session_front_expired(struct session *s)
{
	const unsigned seconds = session_service(s)->busy_timeout_ms / 1000;

	if (session_front_is_silent(s))
		return session_fail(s, OUTCOME_PROBE, "nothing was sent for %u s", seconds);
	return session_fail(s, OUTCOME_REFUSED,
	                    "the client did not finish its handshake within %u s", seconds);
}
