/* checks: see checks.h.  A key that a service inherited and has no use for is a default for others
 * and passes; in its own section it is a mistake.
 */
#include "relay/checks.h"

#include <openssl/tls1.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "relay/place.h"

enum { BACKENDS_MAX = 64 };

bool relay_check_globals(const struct relay_draft *globals, struct failure *f)
{
	const struct relay_line *line = relay_draft_said(globals, "accept");

	if (line == NULL)
		return true;
	if (line->file == NULL)
		return relay_line_complain(line, f,
		                           "the file has sections, and each service says "
		                           "itself where it accepts; leave the flag out");
	return relay_line_complain(line, f,
	                           "stands before the first [section]; move it into the "
	                           "section of its service");
}

bool relay_draft_is_named(const struct relay_draft *d)
{
	return d->accept.first == NULL && d->plain.sni.count > 0 && d->client != 1;
}

/* stunnel would speak TLS over a Unix socket there. */
static bool check_path(const struct draft_place *p, bool speaks_tls, const char *instead,
                       struct failure *f)
{
	if (p == NULL || !p->is_bare || p->place.kind != RELAY_UNIX || !speaks_tls)
		return true;
	return relay_line_refuse(p->line, f,
	                         "TLS is not spoken over Unix sockets; write unix:%.60s for plain "
	                         "bytes%s",
	                         p->place.path, instead);
}

static bool check_backends(const struct relay_draft *d, struct failure *f)
{
	const struct draft_place *first = d->connect.first;

	for (const struct draft_place *p = first; p != NULL; p = p->next) {
		if (!check_path(p, d->client == 1, ", or the [HOST:]PORT of a TLS server", f))
			return false;
		if (p->place.kind != first->place.kind || p->is_bare != first->is_bare)
			return relay_line_refuse(p->line, f,
			                         "the backends of a service are all of one kind; "
			                         "write it in the form of the first, %.60s",
			                         first->line->value);
		if (p->place.kind != RELAY_UNIX && strcmp(p->place.address.port, "0") == 0)
			return relay_line_refuse(p->line, f, "nobody listens on port 0");
	}
	return true;
}

/* The key as one would write it there. */
static const char *key_as(const struct relay_section *s, const char *in_file, const char *as_flag)
{
	return s->file != NULL ? in_file : as_flag;
}

bool relay_check_places(const struct relay_draft *d, const struct relay_section *section,
                        struct failure *f)
{
	if (d->accept.first == NULL && !relay_draft_is_named(d))
		return relay_section_complain(section, f,
		                              "says not where to listen; write %s[HOST:]PORT",
		                              key_as(section, "accept = ", "--accept tls:"));
	if (d->connect.first == NULL)
		return relay_section_complain(section, f,
		                              "says not where connections go; write %s[HOST:]PORT",
		                              key_as(section, "connect = ", "--connect "));
	if (d->connect.count > BACKENDS_MAX)
		return relay_section_complain(section, f,
		                              "has %zu backends; no service has more than %d",
		                              d->connect.count, BACKENDS_MAX);
	return check_path(d->accept.first, d->client != 1, ", or accept on a port", f) &&
	       check_backends(d, f);
}

static bool is_within(const struct relay_key *key, size_t begin, size_t bytes)
{
	return key->offset >= begin && key->offset < begin + bytes;
}

/* The settings of a leg that speaks no TLS. */
static bool check_use(const struct relay_draft *d, bool accepts_tls, bool connects_tls,
                      struct failure *f)
{
	for (size_t i = 0; i < RELAY_KEYS_MAX; i++) {
		const struct relay_line *line = d->said[i];
		const struct relay_key *key;

		if (line == NULL || !relay_draft_owns(d, line) ||
		    strcasecmp(line->value, "proxy") == 0)
			continue;
		key = line->key;
		if (is_within(key, offsetof(struct relay_draft, plain), sizeof d->plain) &&
		    !accepts_tls && !connects_tls)
			return relay_line_complain(line, f,
			                           "concerns TLS, which neither leg "
			                           "speaks; write accept = tls:... or "
			                           "connect = tls:...");
		if (is_within(key, offsetof(struct relay_draft, backend), sizeof d->backend) &&
		    !(accepts_tls && connects_tls))
			return relay_line_complain(line, f,
			                           "is for services with TLS on both "
			                           "legs; leave `backend' out, or write "
			                           "tls: before both addresses");
	}
	return true;
}

/* The first of some keys that the service's own lines say, or NULL. */
static const struct relay_line *first_own(const struct relay_draft *d, const char *const *keys)
{
	const struct relay_line *line = NULL;

	for (; line == NULL && *keys != NULL; keys++)
		line = relay_draft_own(d, *keys);
	return line;
}

static bool is_asked(const struct relay_tls_settings *t)
{
	return t->verify_chain || t->verify_peer || t->require_certificate;
}

static bool check_front(const struct relay_service *s, const struct relay_draft *d,
                        const struct relay_section *section, struct failure *f)
{
	static const char *const names[] = { "checkHost", "checkIP", "checkEmail",
		                             "CRLfile",   "CRLpath", NULL };
	static const char *const verifying[] = { "verifyChain", "verifyPeer", "verify",
		                                 "requireCert", NULL };
	const struct relay_tls_settings *t = &s->front;
	const struct relay_line *line = first_own(d, names);

	if (t->certificates == NULL)
		return relay_section_complain(
		    section, f,
		    "accepts TLS and has no certificate; write %sFILE, or %stcp:... to "
		    "accept plain bytes",
		    key_as(section, "cert = ", "--cert "),
		    key_as(section, "accept = ", "--accept "));
	if (line != NULL && !is_asked(t) && t->allow_list == NULL)
		return relay_line_complain(line, f,
		                           "is looked at only where clients are verified; "
		                           "write verifyChain = yes and CAfile");
	line = first_own(d, verifying);
	if (line != NULL && is_asked(t) && t->ca_file == NULL && t->ca_path == NULL &&
	    t->allow_list == NULL)
		return relay_line_complain(line, f,
		                           "nothing says whose clients are believed; name "
		                           "their roots with CAfile or CApath");
	line = relay_draft_own(d, "sni");
	if (line != NULL && d->accept.first != NULL)
		return relay_line_complain(line, f,
		                           "a service with sni = SERVICE:NAME is reached through "
		                           "that one, and has no accept; the name to send to a "
		                           "backend is backendSni");
	return true;
}

static bool check_back(const struct relay_tls_settings *t, const struct relay_draft *d,
                       bool is_alone, struct failure *f)
{
	static const char *const plain[] = { "checkHost", "checkIP", "checkEmail",
		                             "CRLfile",   "CRLpath", NULL };
	static const char *const both[] = { "backendCheckHost", "backendCheckIP", "backendCRLfile",
		                            "backendCRLpath", NULL };
	const struct relay_line *line = first_own(d, is_alone ? plain : both);

	if (line != NULL && !t->verify_chain && !t->verify_peer && t->allow_list == NULL)
		return relay_line_complain(line, f,
		                           "is looked at only where the server is verified; leave "
		                           "%s = no out",
		                           is_alone ? "verifyChain" : "backendVerifyChain");
	line = relay_draft_own(d, "sni");
	if (is_alone && line != NULL && strchr(line->value, ':') != NULL)
		return relay_line_refuse(line, f,
		                         "SERVICE:NAME is for services that accept TLS; "
		                         "here the name to send stands alone");
	line = relay_draft_own(d, is_alone ? "verifyPeer" : "backendVerifyPeer");
	if (line != NULL && t->verify_peer && t->ca_file == NULL && t->ca_path == NULL)
		return relay_line_complain(line, f,
		                           "needs the certificates that are accepted; name "
		                           "them with CAfile or CApath");
	return true;
}

static bool check_pairs(const struct relay_service *s, const struct relay_draft *d,
                        struct failure *f)
{
	const struct relay_line *line = relay_draft_own(d, "proxyOut");

	if (line != NULL && d->protocol_is_proxy && d->proxy_out != RELAY_PROXY_V1)
		return relay_line_complain(line, f,
		                           "and protocol = proxy, which is version 1, "
		                           "exclude one another; leave one out");
	if (d->plain.keys.count > d->plain.certificates.count)
		return relay_line_complain(relay_draft_said(d, "key"), f,
		                           "there are more keys than certificates; write a cert "
		                           "for each");
	if (d->backend.keys.count > d->backend.certificates.count)
		return relay_line_complain(relay_draft_said(d, "backendKey"), f,
		                           "there are more keys than certificates; write a "
		                           "backendCert for each");
	(void)s;
	return true;
}

static bool check_versions(const struct relay_tls_settings *t, const struct relay_draft *d,
                           const char *most_key, struct failure *f)
{
	const struct relay_line *line = relay_draft_said(d, most_key);

	if (line == NULL || t->version_max == 0)
		return true;
	if (t->version_max < t->version_min)
		return relay_line_refuse(line, f,
		                         "is below sslVersionMin; lower that, or leave it out");
	if (t->version_min == 0 && t->version_max < TLS1_2_VERSION)
		return relay_line_refuse(line, f,
		                         "is below sslVersionMin, which is TLSv1.2 where "
		                         "nothing is said; lower that");
	return true;
}

static bool port_tells(const struct relay_place *p)
{
	return p->kind != RELAY_UNIX &&
	       lw_profile_by_port((uint16_t)strtoul(p->address.port, NULL, 10)) != NULL;
}

/* A profile may be found by ALPN, or by the port where we listen or connect. */
static bool may_find_profile(const struct relay_service *s)
{
	return s->profile != NULL || s->front.alpn != NULL || s->back.alpn != NULL ||
	       port_tells(&s->accept) || port_tells(&s->connect[0]);
}

static bool warn_of_fin(const struct relay_service *s, struct relay_draft *d, bool has_plain_leg,
                        struct failure *f)
{
	const struct relay_line *line = relay_draft_own(d, "trustFin");

	if (line == NULL || s->trusts_fin || !has_plain_leg || may_find_profile(s))
		return true;
	return relay_draft_warn(d, line, f,
	                        "neither profile nor ALPN nor the port tells where messages end, "
	                        "so that no FIN of the plain leg is an end; write profile = NAME");
}

bool relay_check_service(const struct relay_service *s, struct relay_draft *d, bool accepts_tls,
                         bool connects_tls, const struct relay_section *section, struct failure *f)
{
	if (!check_use(d, accepts_tls, connects_tls, f) || !check_pairs(s, d, f))
		return false;
	if (accepts_tls &&
	    (!check_front(s, d, section, f) || !check_versions(&s->front, d, "sslVersionMax", f)))
		return false;
	if (connects_tls &&
	    (!check_back(&s->back, d, !accepts_tls, f) ||
	     !check_versions(&s->back, d, accepts_tls ? "backendSslVersionMax" : "sslVersionMax",
	                     f)))
		return false;
	return warn_of_fin(s, d, !accepts_tls || !connects_tls, f);
}

/* What happens before the name is known belongs to the service that accepts. */
static bool check_named(const struct relay_draft *d, const struct relay_service *s,
                        struct failure *f)
{
	static const char *const early[] = { "protocol", "proxyIn", "maxConnections", NULL };
	const struct relay_line *line = first_own(d, early);

	if (s->sni_of == NULL || line == NULL || strcasecmp(line->value, "proxy") == 0)
		return true;
	return relay_line_complain(line, f,
	                           "comes before the server name is known; write it in "
	                           "[%s], which accepts",
	                           s->sni_of->name);
}

bool relay_check_together(const struct relay_config *c, const struct relay_draft *drafts,
                          struct failure *f)
{
	for (size_t i = 0; i < c->service_count; i++) {
		const struct draft_place *accept = drafts[i].accept.first;

		if (!check_named(&drafts[i], &c->services[i], f))
			return false;
		for (size_t j = 0; j < i && accept != NULL; j++)
			if (drafts[j].accept.first != NULL &&
			    (accept->place.kind == RELAY_UNIX ||
			     strcmp(accept->place.address.port, "0") != 0) &&
			    relay_place_is_same(&accept->place, &drafts[j].accept.first->place))
				return relay_line_refuse(
				    accept->line, f, "[%s] listens there already (line %u)",
				    c->services[j].name, drafts[j].accept.first->line->number);
	}
	return true;
}
