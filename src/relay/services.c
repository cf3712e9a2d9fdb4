/* services: see services.h.  What contradicts itself is refused in checks.c, which sees each
 * service with its draft.
 */
#include "relay/services.h"

#include <openssl/tls1.h>
#include <string.h>

#include "relay/checks.h"
#include "relay/names.h"

static bool refuse_memory(struct failure *f)
{
	failure_set(f, "out of memory");
	return false;
}

static bool decide(int claim, bool usual)
{
	return claim == DRAFT_UNSAID ? usual : claim != 0;
}

/* A bare place is stunnel's, and its kind a matter of `client`. */
static struct relay_place resolve(const struct draft_place *p, bool speaks_tls)
{
	struct relay_place place = p->place;

	if (p->is_bare && place.kind == RELAY_TCP && speaks_tls)
		place.kind = RELAY_TLS;
	return place;
}

static bool take_places(struct relay_service *s, const struct relay_draft *d, struct failure *f)
{
	bool is_client = decide(d->client, false);
	struct relay_place *places;
	size_t i = 0;

	if (d->accept.first != NULL)
		s->accept = resolve(d->accept.first, !is_client);
	places = relay_arena_take(d->arena, (d->connect.count + 1) * sizeof *places);
	if (places == NULL)
		return refuse_memory(f);
	for (const struct draft_place *p = d->connect.first; p != NULL; p = p->next)
		places[i++] = resolve(p, is_client);
	s->connect = places;
	s->connects = i;
	return true;
}

/* What `options` leaves of the versions from `sslVersionMin` to `sslVersionMax`. */
static bool take_versions(struct relay_tls_settings *t, const struct draft_leg *leg,
                          const struct relay_draft *d, struct failure *f)
{
	int least = (leg->version_min != 0 ? leg->version_min : TLS1_2_VERSION) - TLS1_VERSION;
	int most = (leg->version_max != 0 ? leg->version_max : TLS1_3_VERSION) - TLS1_VERSION;
	int first = least, last = most;

	while (first <= last && (leg->versions_off >> first & 1u) != 0)
		first++;
	while (last >= first && (leg->versions_off >> last & 1u) != 0)
		last--;
	for (int i = first; i <= last; i++)
		if ((leg->versions_off >> i & 1u) != 0)
			return relay_line_complain(relay_draft_said(d, "options"), f,
			                           "leaves a hole between versions; write "
			                           "sslVersionMin and sslVersionMax instead");
	if (least <= most && first > last)
		return relay_line_complain(relay_draft_said(d, "options"), f,
		                           "leaves no version to speak; TLS 1.0 and 1.1 are only "
		                           "spoken where sslVersionMin says so");
	t->version_min = first > least ? first + TLS1_VERSION : leg->version_min;
	t->version_max = last < most ? last + TLS1_VERSION : leg->version_max;
	return true;
}

static void take_leg(struct relay_tls_settings *t, const struct draft_leg *leg, bool connects)
{
	bool verifies_peer = decide(leg->verify_peer, leg->verify >= 3);

	t->certificates = leg->certificates.items;
	t->keys = leg->keys.items;
	t->ca_file = leg->ca_file;
	t->ca_path = leg->ca_path;
	t->crl_file = leg->crl_file;
	t->crl_path = leg->crl_path;
	t->verify_peer = verifies_peer;
	t->verify_chain = decide(leg->verify_chain, leg->verify == DRAFT_UNSAID
	                                                ? connects && !verifies_peer
	                                                : leg->verify >= 1 && leg->verify <= 3);
	t->require_certificate = decide(leg->require_certificate,
	                                leg->verify != 1 && (t->verify_chain || t->verify_peer));
	t->check_host = leg->check_host.items;
	t->check_ip = leg->check_ip.items;
	t->check_email = leg->check_email.items;
	t->allow_list = leg->allow_list;
	t->sni = connects && leg->sni.count > 0 ? leg->sni.items[leg->sni.count - 1] : NULL;
	t->alpn = leg->alpn;
	t->ciphers = leg->ciphers;
	t->ciphersuites = leg->ciphersuites;
	t->curves = leg->curves;
	t->security_level = leg->security_level;
	t->tickets = decide(leg->tickets, true);
	t->starttls = leg->starttls;
}

/*
 * What stands before the first [section] for those who verify is nothing to a service that takes
 * clients as they are; in its own section it would be a contradiction.
 */
static void drop_defaults(struct relay_tls_settings *front, const struct relay_draft *d)
{
	if (front->verify_chain || front->verify_peer || front->require_certificate ||
	    front->allow_list != NULL)
		return;
	if (relay_draft_own(d, "checkHost") == NULL)
		front->check_host = NULL;
	if (relay_draft_own(d, "checkIP") == NULL)
		front->check_ip = NULL;
	if (relay_draft_own(d, "checkEmail") == NULL)
		front->check_email = NULL;
	if (relay_draft_own(d, "CRLfile") == NULL)
		front->crl_file = NULL;
	if (relay_draft_own(d, "CRLpath") == NULL)
		front->crl_path = NULL;
}

static void take_values(struct relay_service *s, const struct relay_draft *d)
{
	s->profile = d->profile;
	s->policy = (enum lw_policy)d->policy;
	s->trusts_fin = d->trusts_fin != 0;
	s->reports_only = d->reports_only != 0;
	s->aborts_with = (enum couple_abort)d->aborts_with;
	s->busy_timeout_ms = d->busy_ms;
	s->connect_timeout_ms = d->connect_ms;
	s->idle_timeout_ms = d->idle_ms;
	s->close_timeout_ms = d->close_ms;
	s->balance = (enum relay_balance)d->balance;
	s->retry_after_ms = d->retry_ms;
	s->resolve_ms = d->resolve_ms;
	s->local = d->local;
	s->proxy_out = d->proxy_out == 0 && d->protocol_is_proxy ? RELAY_PROXY_V1
	                                                         : (enum relay_proxy)d->proxy_out;
	s->proxy_in = d->proxy_in != 0;
	s->keepalive = d->keepalive != 0;
	s->keepalive_idle_s = d->keepalive_idle_s;
	s->keepalive_interval_s = d->keepalive_interval_s;
	s->keepalive_count = d->keepalive_count;
	s->max_connections = d->section != NULL && relay_draft_own(d, "maxConnections") != NULL
	                         ? d->max_connections
	                         : 0;
}

/* A dialogue before TLS says which protocol follows. */
static void take_profile(struct relay_service *s, bool accepts_tls, bool connects_tls)
{
	const struct starttls_row *row = NULL;

	if (accepts_tls)
		row = s->front.starttls;
	if (row == NULL && connects_tls)
		row = s->back.starttls;
	if (s->profile == NULL && row != NULL)
		s->profile = lw_profile_by_name(starttls_profile(row));
}

static bool build(struct relay_service *s, struct relay_draft *d,
                  const struct relay_section *section, struct failure *f)
{
	const struct draft_leg *back;
	bool accepts_tls, connects_tls;

	s->name = section->name[0] != '\0' ? section->name : "relay";
	s->file = section->file;
	s->line = section->number;
	take_values(s, d);
	if (!relay_check_places(d, section, f) || !take_places(s, d, f))
		return false;
	accepts_tls = relay_draft_is_named(d) || s->accept.kind == RELAY_TLS;
	connects_tls = s->connect[0].kind == RELAY_TLS;
	back = accepts_tls ? &d->backend : &d->plain;
	take_leg(&s->front, &d->plain, false);
	take_leg(&s->back, back, true);
	drop_defaults(&s->front, d);
	s->front.line = s->back.line = section->number;
	take_profile(s, accepts_tls, connects_tls);
	return take_versions(&s->front, &d->plain, d, f) && take_versions(&s->back, back, d, f) &&
	       relay_check_service(s, d, accepts_tls, connects_tls, section, f);
}

static bool build_alone(struct relay_config *c, struct relay_draft *globals,
                        const struct relay_lines *lines, struct failure *f)
{
	if (lines->global.first == NULL && lines->flags.first == NULL) {
		if (c->file != NULL)
			failure_set(f, "%s: nothing to relay; write accept and connect", c->file);
		else
			failure_set(f, "nothing to relay; name a configuration file, or write "
			               "--accept and --connect");
		return false;
	}
	c->services = relay_arena_take(c->arena, sizeof *c->services);
	if (c->services == NULL)
		return refuse_memory(f);
	c->service_count = 1;
	return build(&c->services[0], globals, &lines->global, f);
}

bool relay_services_build(struct relay_config *c, const struct relay_lines *lines,
                          struct relay_draft *globals, struct relay_list *warnings,
                          struct failure *f)
{
	struct relay_draft *drafts;
	size_t i = 0;

	if (lines->sections == 0)
		return build_alone(c, globals, lines, f);
	if (!relay_check_globals(globals, f))
		return false;
	c->services = relay_arena_take(c->arena, lines->sections * sizeof *c->services);
	drafts = relay_arena_take(c->arena, lines->sections * sizeof *drafts);
	if (c->services == NULL || drafts == NULL)
		return refuse_memory(f);
	c->service_count = lines->sections;
	for (const struct relay_section *s = lines->first; s != NULL; s = s->next, i++) {
		relay_draft_begin(&drafts[i], c->arena);
		if (!relay_draft_fill(&drafts[i], lines, s, warnings, f) ||
		    !build(&c->services[i], &drafts[i], s, f))
			return false;
	}
	return relay_names_link(c, drafts, f) && relay_check_together(c, drafts, f);
}
