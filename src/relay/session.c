/* session: see session.h.  The order of phases is a table; what each does is in session_front.c and
 * session_back.c.  It must not know how bytes move: the couple does, nor which ending leads to
 * what: halfpipe.c does.  Invariant: whatever happens, a session comes to PHASE_OVER once, its
 * descriptors are closed and its line is told.
 */
#include "relay/session_inside.h"

#include <errno.h>
#include <lastword/openssl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "pipe/endpoint_plain.h"
enum { FAREWELL_MS = 2000, FAREWELL_PAUSE_MS = 20 };

/* ---- phases */

static bool has_proxy_in(const struct session *s)
{
	return session_service(s)->proxy_in;
}

static bool is_front_tls(const struct session *s)
{
	return s->front.is_tls;
}

static bool has_front_starttls(const struct session *s)
{
	return s->front.is_tls && session_service(s)->front.starttls != NULL;
}

static bool has_proxy_out(const struct session *s)
{
	return session_service(s)->proxy_out != RELAY_PROXY_NONE;
}

static bool has_back_starttls(const struct session *s)
{
	return s->back.is_tls && session_service(s)->back.starttls != NULL;
}

static bool is_back_tls(const struct session *s)
{
	return s->back.is_tls;
}

static bool is_greeted_twice(const struct session *s)
{
	return has_front_starttls(s) && !has_back_starttls(s) &&
	       starttls_greets(session_service(s)->front.starttls);
}

static bool is_greeted_by_us(const struct session *s)
{
	return has_back_starttls(s) && !has_front_starttls(s) &&
	       starttls_greets(session_service(s)->back.starttls);
}

static bool always(const struct session *s)
{
	(void)s;
	return true;
}

static enum step equip(struct session *s);

/* The phases of an opening, in order. */
static const struct {
	bool (*applies)(const struct session *s);
	enum step (*step)(struct session *s);
	enum step (*expired)(struct session *s);
	bool begins_deadline;
	bool has_dialogue;
} phases[] = {
	[PHASE_PROXY_IN] = { has_proxy_in, session_proxy_in, session_front_expired, false, true },
	[PHASE_FRONT_STARTTLS] = { has_front_starttls, session_front_starttls,
	                           session_front_expired, false, true },
	[PHASE_FRONT_TLS] = { is_front_tls, session_front_tls, session_front_expired, false,
	                      false },
	[PHASE_CHOOSE] = { always, session_choose, session_back_expired, true, false },
	[PHASE_DIAL] = { always, session_dial, session_back_expired, true, false },
	[PHASE_PROXY_OUT] = { has_proxy_out, session_proxy_out, session_back_expired, true, true },
	[PHASE_BACK_STARTTLS] = { has_back_starttls, session_back_starttls, session_back_expired,
	                          false, true },
	[PHASE_BACK_TLS] = { is_back_tls, session_back_tls, session_back_expired, false, false },
	[PHASE_EQUIP] = { always, equip, session_back_expired, false, false },
	[PHASE_BACK_GREETING] = { is_greeted_twice, session_back_greeting, session_back_expired,
	                          false, true },
	[PHASE_FRONT_GREETING] = { is_greeted_by_us, session_front_greeting, session_front_expired,
	                           false, true },
};

static void begin_phase(struct session *s)
{
	const struct relay_service *service = session_service(s);

	if (s->opening == NULL || s->phase >= PHASE_COUPLED || !phases[s->phase].begins_deadline)
		return;
	s->opening->until_ms = session_now_ms() + service->busy_timeout_ms;
}

/* ---- failing */

static void set_reason(struct session *s, const char *format, va_list args)
{
	char text[700];

	(void)vsnprintf(text, sizeof text, format, args);
	free(s->reason);
	s->reason = strdup(text);
}

enum step session_fail(struct session *s, enum outcome outcome, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	set_reason(s, format, args);
	va_end(args);
	s->outcome = (uint8_t)outcome;
	return STEP_OVER;
}

enum step session_attach(struct session *s, struct session_leg *leg)
{
	const struct relay_service *service = session_service(s);
	struct lw_options options;
	const char *why = NULL;

	lw_options_default(&options);
	options.policy = service->policy;
	options.close_timeout_ms = service->close_timeout_ms;
	options.reads_ahead = true;
	leg->stream = lw_openssl_attach(leg->ssl, &options, &why);
	if (leg->stream == NULL)
		return session_fail(s, OUTCOME_FAILED, "cannot begin TLS: %s", why);
	return STEP_NEXT;
}

/* All is said there: the peer learns of it now, a reset included. */
static void hang_up(struct session_leg *leg)
{
	if (leg->stream != NULL && !leg->has_verdict) {
		lw_verdict(leg->stream, &leg->verdict);
		leg->has_verdict = true;
	}
	if (leg->fd >= 0)
		(void)close(leg->fd);
	leg->fd = -1;
}

void session_end_leg(struct session_leg *leg)
{
	hang_up(leg);
	lw_free(leg->stream);
	SSL_free(leg->ssl);
	leg->stream = NULL;
	leg->ssl = NULL;
}

/* ---- coupling */

static const struct lw_profile *by_alpn(const SSL *ssl)
{
	const unsigned char *name = NULL;
	unsigned n = 0;

	if (ssl != NULL)
		SSL_get0_alpn_selected(ssl, &name, &n);
	return n > 0 ? lw_profile_by_alpn(name, n) : NULL;
}

static const struct lw_profile *by_port(const struct relay_place *p)
{
	return p->kind == RELAY_UNIX
	           ? NULL
	           : lw_profile_by_port((uint16_t)strtoul(p->address.port, NULL, 10));
}

/* From the configuration, else ALPN, else the ports: where we listen, where we connect. */
static const struct lw_profile *find_profile(const struct session *s)
{
	const struct relay_service *service = session_service(s);
	const struct lw_profile *p = service->profile;

	if (p == NULL)
		p = by_alpn(s->front.ssl);
	if (p == NULL)
		p = by_alpn(s->back.ssl);
	if (p == NULL)
		p = by_port(&s->setup->services[s->listener].service->accept);
	return p != NULL ? p : by_port(s->server);
}

static void equip_plain(struct endpoint_tcp *e, int fd)
{
	struct sockaddr_storage own;
	socklen_t n = sizeof own;

	if (getsockname(fd, (struct sockaddr *)&own, &n) == 0 && own.ss_family == AF_UNIX)
		endpoint_unix_init(e, fd);
	else
		endpoint_tcp_init(e, fd);
}

static bool equip_leg(struct session *s, struct session_leg *leg, enum lw_role role,
                      bool is_greeted)
{
	const struct relay_service *service = session_service(s);

	if (!leg->is_tls) {
		equip_plain(&leg->endpoint.plain, leg->fd);
		if (s->profile != NULL || !service->trusts_fin)
			endpoint_tcp_use_profile(&leg->endpoint.plain, s->profile, role,
			                         service->trusts_fin);
		return true;
	}
	endpoint_tls_init(&leg->endpoint.tls, leg->stream, leg->fd);
	endpoint_tls_use_closer(&leg->endpoint.tls, s->host->closer, leg);
	if (s->profile == NULL)
		return true;
	if (lw_use_profile(leg->stream, s->profile, role) != LW_OK)
		return false;
	if (is_greeted)
		lw_greeted(leg->stream);
	return true;
}

static enum step equip(struct session *s)
{
	pool_worked(s->opening->pool, s->opening->choice.backend);
	s->profile = find_profile(s);
	if (equip_leg(s, &s->front, LW_ROLE_SERVER, has_front_starttls(s)) &&
	    equip_leg(s, &s->back, LW_ROLE_CLIENT, has_back_starttls(s)))
		return STEP_NEXT;
	return session_fail(s, OUTCOME_FAILED, "bytes passed before their protocol was known");
}

static void on_couple_over(struct couple *c, void *context);

static void keep_alive(int fd, const struct relay_service *service)
{
	if (service->keepalive)
		dial_keep_alive(fd, service->keepalive_idle_s, service->keepalive_interval_s,
		                service->keepalive_count);
}

static void couple_legs(struct session *s)
{
	const struct relay_service *service = session_service(s);
	const struct couple_options options = { .idle_timeout_ms = service->idle_timeout_ms,
		                                .close_timeout_ms = service->close_timeout_ms,
		                                .reports_only = service->reports_only,
		                                .aborts_with = service->aborts_with,
		                                .scratch = &s->host->scratch };

	session_note_facts(s);
	session_free_opening(s);
	keep_alive(s->front.fd, service);
	keep_alive(s->back.fd, service);
	s->couple = couple_new(s->host->loop, &s->front.endpoint.base, &s->back.endpoint.base,
	                       &options, on_couple_over, s);
	if (s->couple == NULL)
		(void)session_fail(s, OUTCOME_FAILED, "out of memory");
	else if (s->is_draining)
		couple_drain(s->couple);
}

/* ---- the end */

static void on_couple_freed(void *context)
{
	struct session *s = context;

	session_free_facts(s);
	free(s);
}

static void forget_session(struct session *s)
{
	struct session_host *h = s->host;
	struct setup *setup = s->setup;

	(void)atomic_fetch_sub_explicit(&setup->services[s->listener].count->open, 1,
	                                memory_order_relaxed);
	*s->link = s->next;
	if (s->next != NULL)
		s->next->link = s->link;
	h->count--;
	METRICS_ADD(h->metrics->open, (uint_fast64_t)-1);
	if (s->couple != NULL)
		couple_free(s->couple, on_couple_freed, s);
	else
		on_couple_freed(s);
	h->over(h, setup);
	setup_unref(setup);
}

/* Over, unless the closer still has something to tell. */
static void end_session(struct session *s)
{
	session_free_opening(s);
	hang_up(&s->front); /* nothing, where it is with the closer */
	hang_up(&s->back);
	if (s->front.is_with_closer || s->back.is_with_closer)
		return;
	session_tell(s);
	session_end_leg(&s->front);
	session_end_leg(&s->back);
	s->phase = PHASE_OVER;
	forget_session(s);
}

static void give_to_closer(struct session_leg *leg)
{
	if (!leg->is_tls || !leg->endpoint.tls.is_handed_over)
		return;
	leg->is_with_closer = !leg->has_verdict; /* the closer may have told already */
	leg->stream = NULL;
	leg->ssl = NULL;
	leg->fd = -1;
}

static void on_couple_over(struct couple *c, void *context)
{
	struct session *s = context;

	(void)c;
	s->couple_is_over = true;
	give_to_closer(&s->front);
	give_to_closer(&s->back);
	end_session(s);
}

void session_closed(const struct lw_closed *closed)
{
	struct session_leg *leg = closed->tag;

	leg->verdict = closed->verdict;
	leg->has_verdict = true;
	leg->is_with_closer = false;
	if (leg->session->couple_is_over) /* else the other leg is not done with */
		end_session(leg->session);
}

/* Until `at_ms`, or the end of the farewell.  True: that could not be. */
static bool wait_until(struct session *s, uint64_t at_ms, int fd, unsigned events)
{
	struct opening_state *o = s->opening;

	o->until_ms = at_ms < s->farewell_until_ms ? at_ms : s->farewell_until_ms;
	return session_wait(s, fd, events) != STEP_WAIT;
}

/* True: it is said, or can be said no more. */
static bool say_alert(struct session *s)
{
	struct lw_stream *stream = s->front.stream;
	const uint64_t now = session_now_ms();
	struct lw_verdict v;
	enum lw_status status;
	unsigned events;
	int timeout_ms;

	lw_verdict(stream, &v);
	status = v.version == LW_VERSION_UNKNOWN ? lw_close(stream) : lw_abort(stream);
	if (status != LW_AGAIN)
		return true;
	events = lw_events(stream, 0);
	timeout_ms = events == 0 ? 0 : lw_timeout_ms(stream, now);
	return wait_until(s, timeout_ms < 0 ? UINT64_MAX : now + (unsigned)timeout_ms,
	                  events != 0 ? s->front.fd : -1, events);
}

/* On a Unix socket a reset needs words of the client's that nobody has read. */
static bool show_reset(struct session *s)
{
	struct endpoint *e = &s->front.endpoint.base;

	equip_plain(&s->front.endpoint.plain, s->front.fd);
	return e->ops->kind != HALF_UNIX || e->ops->abort(e) != ENDPOINT_AGAIN ||
	       wait_until(s, session_now_ms() + FAREWELL_PAUSE_MS, -1, 0);
}

static void reset_on_close(const struct session_leg *leg)
{
	if (leg->fd >= 0)
		(void)!tcp_socket_reset_on_close(leg->fd);
}

/* A connection that came to nothing: the client's end must not look like one. */
static bool say_farewell(struct session *s)
{
	if (s->opening == NULL || session_now_ms() >= s->farewell_until_ms) {
		reset_on_close(&s->front);
		return true;
	}
	if (s->front.stream != NULL)
		return say_alert(s);
	return s->front.is_tls || show_reset(s);
}

/* Plain peers see RST, for FIN would be an end. */
static void begin_farewell(struct session *s)
{
	if (s->phase == PHASE_FAREWELL)
		return;
	s->phase = PHASE_FAREWELL;
	s->farewell_until_ms = session_now_ms() + FAREWELL_MS;
	if (!s->front.is_tls)
		reset_on_close(&s->front);
	if (s->opening != NULL)
		session_unwatch(s);
	if (!s->back.is_tls)
		reset_on_close(&s->back);
	else if (s->back.stream != NULL)
		(void)!lw_abort(s->back.stream); /* the alert leaves if it can */
	session_end_leg(&s->back);
}

/* ---- going on */

/* The next phase that applies.  What the back is made of is known with the service. */
static void next_phase(struct session *s)
{
	s->back.is_tls = session_service(s)->connect[0].kind == RELAY_TLS;
	do {
		s->phase++;
	} while (s->phase < PHASE_COUPLED && !phases[s->phase].applies(s));
	begin_phase(s);
}

static enum step take_step(struct session *s)
{
	if (phases[s->phase].has_dialogue && !session_has_dialogues(s))
		return session_fail(s, OUTCOME_FAILED, "out of memory");
	if (session_now_ms() >= s->opening->until_ms)
		return phases[s->phase].expired(s);
	return phases[s->phase].step(s);
}

void session_go_on(struct session *s)
{
	while (s->phase < PHASE_COUPLED) {
		switch (take_step(s)) {
		case STEP_WAIT:
			return;
		case STEP_NEXT:
			next_phase(s);
			break;
		case STEP_JUMP:
			begin_phase(s);
			break;
		case STEP_OVER:
			begin_farewell(s);
			break;
		}
	}
	if (s->phase == PHASE_COUPLED)
		couple_legs(s);
	if (s->phase == PHASE_COUPLED && s->couple != NULL)
		return;
	if (s->phase == PHASE_COUPLED)
		begin_farewell(s);
	if (say_farewell(s))
		end_session(s);
}

/* ---- from outside */

static void init_leg(struct session_leg *leg, struct session *s, bool is_tls)
{
	leg->session = s;
	leg->fd = -1;
	leg->is_tls = is_tls;
}

static void link_session(struct session_host *h, struct session *s)
{
	s->next = h->first;
	s->link = &h->first;
	if (h->first != NULL)
		h->first->link = &s->next;
	h->first = s;
	h->count++;
}

static void lose(struct session_host *h, struct setup *setup, int fd)
{
	METRICS_ADD(h->metrics->outcomes[OUTCOME_FAILED], 1);
	log_event(h->log, "failed", "reason", "a connection was closed: out of memory", NULL);
	(void)close(fd);
	h->over(h, setup);
}

void session_begin(struct session_host *h, struct setup *setup, size_t service, int fd)
{
	struct session *s = calloc(1, sizeof *s);
	socklen_t n = sizeof s->client;

	METRICS_ADD(h->metrics->accepted, 1);
	if (s == NULL) {
		lose(h, setup, fd);
		return;
	}
	s->host = h;
	s->setup = setup_ref(setup);
	s->listener = s->service = service;
	s->began_ms = session_now_ms();
	(void)atomic_fetch_add_explicit(&setup->services[service].count->open, 1,
	                                memory_order_relaxed);
	s->is_draining = h->is_draining;
	init_leg(&s->front, s, setup->services[service].front != NULL);
	init_leg(&s->back, s, false);
	s->front.fd = fd;
	(void)getpeername(fd, (struct sockaddr *)&s->client, &n);
	METRICS_ADD(h->metrics->open, 1);
	link_session(h, s);
	if (!session_begin_opening(s)) {
		(void)session_fail(s, OUTCOME_FAILED, "out of memory");
		end_session(s);
		return;
	}
	if (!phases[0].applies(s))
		next_phase(s);
	session_go_on(s);
}

void session_drain(struct session *s)
{
	s->is_draining = true;
	if (s->couple != NULL && !s->couple_is_over)
		couple_drain(s->couple);
}

void session_stop(struct session *s)
{
	if (s->phase < PHASE_COUPLED) {
		if (session_front_is_silent(s))
			(void)session_fail(s, OUTCOME_PROBE, "nothing was sent");
		else
			(void)session_fail(s, OUTCOME_ABANDONED,
			                   "the relay ended before it was connected");
		begin_farewell(s);
		session_go_on(s);
		return;
	}
	if (s->phase == PHASE_COUPLED && !s->couple_is_over)
		couple_stop(s->couple);
	else if (s->phase == PHASE_FAREWELL) {
		s->farewell_until_ms = 0;
		session_go_on(s);
	}
}

struct session *session_next(const struct session *s)
{
	return s->next;
}
