/* session_log: what a session leaves behind: its line in the log and its counts.  It decides
 * nothing: the couple's report and the streams' verdicts say what happened, and the tables here say
 * which word that is.
 */
#include "relay/session_inside.h"
#include "relay/tls_allow.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

/* ---- facts of the handshake, which go with the TLS object */

static char *copy_alpn(const SSL *ssl)
{
	const unsigned char *name = NULL;
	unsigned n = 0;
	char *copy;

	SSL_get0_alpn_selected(ssl, &name, &n);
	if (n == 0)
		return NULL;
	copy = malloc(n + 1);
	if (copy != NULL) {
		memcpy(copy, name, n); /* it ends without NUL */
		copy[n] = '\0';
	}
	return copy;
}

static char *copy_subject(const SSL *ssl)
{
	const X509 *certificate = SSL_get0_peer_certificate(ssl);
	char subject[256];

	if (certificate == NULL)
		return NULL;
	(void)tls_allow_subject(certificate, subject, sizeof subject);
	return strdup(subject);
}

void session_note_facts(struct session *s)
{
	const SSL *ssl = s->front.ssl;
	const char *name;

	if (s->has_facts || ssl == NULL)
		return;
	s->has_facts = true;
	name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
	s->sni = name != NULL ? strdup(name) : NULL;
	s->alpn = copy_alpn(ssl);
	s->certificate = copy_subject(ssl);
}

void session_free_facts(struct session *s)
{
	free(s->sni);
	free(s->alpn);
	free(s->certificate);
	free(s->reason);
}

/* ---- endings */

/* A plain leg's ends, in the words of verdicts. */
static enum lw_ending plain_ending(enum half_ending ending)
{
	switch (ending) {
	case HALF_TCP_FIN:
	case HALF_UNIX_END:
		return LW_ENDING_CLOSED;
	case HALF_TCP_TRUNCATED:
	case HALF_UNIX_TRUNCATED:
		return LW_ENDING_TRUNCATED;
	case HALF_TCP_RESET:
	case HALF_UNIX_RESET:
		return LW_ENDING_RESET;
	case HALF_TCP_FAILED:
	case HALF_UNIX_FAILED:
		return LW_ENDING_FAILED;
	case HALF_OPEN:
	case HALF_TLS_CLOSED:
	case HALF_TLS_TOLERATED:
	case HALF_TLS_IGNORED:
	case HALF_TLS_TRUNCATED:
	case HALF_TLS_ABORTED:
	case HALF_TLS_FAILED:
	case HALF_STDIO_END:
	case HALF_STDIO_END_HALF_CLOSE:
	case HALF_STDIO_FAILED:
	case HALF_ENDINGS:
		break;
	}
	return LW_ENDING_OPEN;
}

/* How the peer of a leg ended, given the halves from it and to it.  What we aborted ourselves had
 * not ended. */
static enum lw_ending ending_of(const struct session_leg *leg,
                                const struct couple_half_report *from,
                                const struct couple_half_report *to)
{
	if (!leg->is_tls)
		return plain_ending(from->ending);
	if (leg->verdict.read == LW_ENDING_ABANDONED && to->was_aborted)
		return LW_ENDING_OPEN;
	return leg->verdict.read;
}

static enum lw_ending client_ending(const struct session *s, const struct couple_report *r)
{
	return ending_of(&s->front, &r->up, &r->down);
}

static enum lw_ending server_ending(const struct session *s, const struct couple_report *r)
{
	return ending_of(&s->back, &r->down, &r->up);
}

/* ---- the outcome */

static bool was_cut(const struct couple_half_report *half)
{
	return half->was_cut || half->was_reported;
}

static enum outcome outcome_of_cut(const struct session_leg *leg,
                                   const struct couple_half_report *half)
{
	if (half->was_reported)
		return OUTCOME_REPORTED;
	if (half->ending == HALF_TLS_ABORTED)
		return OUTCOME_ABORTED;
	if (leg->is_tls && leg->verdict.read == LW_ENDING_EXPIRED)
		return OUTCOME_EXPIRED;
	return OUTCOME_CUT;
}

/* What the couple's cause says where no source was cut. */
static enum outcome outcome_of_cause(const struct couple_report *r)
{
	switch (r->cause) {
	case COUPLE_IDLE:
		return OUTCOME_EXPIRED;
	case COUPLE_ABANDONED:
		return OUTCOME_ABANDONED;
	case COUPLE_NO_MEMORY:
		return OUTCOME_FAILED;
	case COUPLE_SOURCE_CUT:
	case COUPLE_SINK_BROKEN:
		return OUTCOME_CUT;
	case COUPLE_RUNS:
	case COUPLE_BOTH_ENDED:
	case COUPLE_DRAINED:
		break;
	}
	if (r->up.ending == HALF_TLS_TOLERATED || r->down.ending == HALF_TLS_TOLERATED)
		return OUTCOME_TOLERATED;
	return OUTCOME_WHOLE;
}

/* A source that was cut is told before what came of it. */
static enum outcome outcome_of(const struct session *s, const struct couple_report *r)
{
	if (was_cut(&r->down))
		return outcome_of_cut(&s->back, &r->down);
	if (was_cut(&r->up))
		return outcome_of_cut(&s->front, &r->up);
	return outcome_of_cause(r);
}

static enum action action_of(const struct couple_report *r)
{
	if (r->up.was_reported || r->down.was_reported)
		return ACTION_PASSED;
	if (r->up.was_aborted || r->down.was_aborted)
		return ACTION_ABORTED;
	if (r->up.was_mirrored || r->down.was_mirrored)
		return ACTION_MIRRORED;
	return ACTION_FINISHED;
}

/* ---- texts */

static const char *address_of(const struct sockaddr_storage *a, char *buf, size_t cap)
{
	const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)(const void *)a;
	const struct sockaddr_in *four = (const struct sockaddr_in *)(const void *)a;
	char host[INET6_ADDRSTRLEN];

	if (a->ss_family == AF_INET &&
	    inet_ntop(AF_INET, &four->sin_addr, host, sizeof host) != NULL)
		(void)snprintf(buf, cap, "%s:%u", host, ntohs(four->sin_port));
	else if (a->ss_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&six->sin6_addr) &&
	         inet_ntop(AF_INET, &six->sin6_addr.s6_addr[12], host, sizeof host) != NULL)
		(void)snprintf(buf, cap, "%s:%u", host, ntohs(six->sin6_port));
	else if (a->ss_family == AF_INET6 &&
	         inet_ntop(AF_INET6, &six->sin6_addr, host, sizeof host) != NULL)
		(void)snprintf(buf, cap, "[%s]:%u", host, ntohs(six->sin6_port));
	else
		(void)snprintf(buf, cap, "%s", a->ss_family == AF_UNIX ? "unix" : "unknown");
	return buf;
}

/* "TLSv1.3" is 1.3 in a field that is called tls. */
static const char *version_of(const struct session_leg *leg)
{
	const char *name = lw_version_name(leg->verdict.version);

	if (!leg->is_tls || !leg->has_verdict || leg->verdict.version == LW_VERSION_UNKNOWN)
		return NULL;
	return strncmp(name, "TLSv", 4) == 0 ? name + 4 : name;
}

static const char *alert_of(const struct lw_alert *alert)
{
	return alert->present && alert->description != 0 ? lw_alert_name(alert->description) : NULL;
}

/* Of both legs, the one that a line has room for: a fatal alert is told before anything else. */
static void describe_alerts(const struct session *s, struct log_record *r)
{
	r->alert_received = alert_of(&s->back.verdict.alert_received);
	if (r->alert_received == NULL)
		r->alert_received = alert_of(&s->front.verdict.alert_received);
	r->alert_sent = alert_of(&s->front.verdict.alert_sent);
	if (r->alert_sent == NULL)
		r->alert_sent = alert_of(&s->back.verdict.alert_sent);
}

/* ---- counts */

/* An ending that was no end was not passed on as one. */
static bool was_kept(const struct couple_half_report *half)
{
	return half->was_cut && half->was_aborted && !half->was_unmarked;
}

static void count(const struct session *s, const struct couple_report *c,
                  const struct log_record *r)
{
	struct metrics *m = s->host->metrics;

	METRICS_ADD(m->outcomes[r->outcome], 1);
	METRICS_ADD(m->bytes_in, r->bytes_in);
	METRICS_ADD(m->bytes_out, r->bytes_out);
	METRICS_ADD(m->bytes_lost, r->bytes_lost);
	if (s->couple == NULL)
		return;
	METRICS_ADD(m->endings[METRICS_CLIENT][client_ending(s, c)], 1);
	METRICS_ADD(m->endings[METRICS_SERVER][server_ending(s, c)], 1);
	if (was_kept(&c->up) || was_kept(&c->down))
		METRICS_ADD(m->laundering_prevented, 1);
}

static void describe_couple(struct session *s, const struct couple_report *c, struct log_record *r)
{
	r->outcome = outcome_of(s, c);
	r->action = action_of(c);
	r->bytes_in = c->up.moved;
	r->bytes_out = c->down.moved;
	r->bytes_lost = c->up.lost + c->down.lost;
	r->client_end = lw_ending_name(client_ending(s, c));
	r->server_end = lw_ending_name(server_ending(s, c));
	r->is_complete = s->profile == NULL ? -1 : c->up.is_complete && c->down.is_complete;
}

/* A source that failed: its stream knows why.  False: it did not. */
static bool explain_failure(const char *who, const struct session_leg *leg,
                            const struct couple_half_report *half, char *buf, size_t cap)
{
	char sentence[256];

	if (!was_cut(half) || !leg->is_tls || leg->verdict.read != LW_ENDING_FAILED)
		return false;
	(void)snprintf(buf, cap, "%s: %s", who,
	               lw_verdict_sentence(&leg->verdict, sentence, sizeof sentence));
	return true;
}

/* What an operator could not know from the fields. */
static const char *reason_of(const struct session *s, const struct couple_report *c, char *buf,
                             size_t cap)
{
	if (s->reason != NULL)
		return s->reason;
	if (c->up.was_unmarked || c->down.was_unmarked)
		return "on the Unix socket it looked like an end: its peer sent nothing that could "
		       "have been left unread";
	if (explain_failure("server", &s->back, &c->down, buf, cap) ||
	    explain_failure("client", &s->front, &c->up, buf, cap))
		return buf;
	return NULL;
}

void session_tell(struct session *s)
{
	struct log_record r = { .outcome = (enum outcome)s->outcome,
		                .action = ACTION_ABORTED,
		                .is_complete = -1 };
	struct couple_report c = { .cause = COUPLE_RUNS };
	char client[80], server[320], reason[300];

	session_note_facts(s);
	if (s->couple != NULL) {
		couple_report(s->couple, &c);
		describe_couple(s, &c, &r);
	}
	r.listener = session_service(s)->name;
	r.client = address_of(&s->client, client, sizeof client);
	r.server = s->server != NULL ? relay_place_text(s->server, server, sizeof server) : NULL;
	r.front_tls = version_of(&s->front);
	r.back_tls = version_of(&s->back);
	r.sni = s->sni;
	r.alpn = s->alpn;
	r.client_certificate = s->certificate;
	r.profile = s->profile != NULL ? s->profile->name : NULL;
	r.duration_s = (double)(session_now_ms() - s->began_ms) / 1000.0;
	r.reason = reason_of(s, &c, reason, sizeof reason);
	describe_alerts(s, &r);
	count(s, &c, &r);
	log_connection(s->host->log, &r);
}
