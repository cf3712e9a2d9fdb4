/* checks: see checks.h. */
#include "relay/checks.h"

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

static bool check_kinds(const struct relay_draft *d, struct failure *f)
{
	const struct draft_place *first = d->connect.first;

	for (const struct draft_place *p = first; p != NULL; p = p->next)
		if (p->place.kind != first->place.kind || p->is_bare != first->is_bare)
			return relay_line_refuse(p->line, f,
			                         "the backends of a service are all of one kind; "
			                         "the first is %s",
			                         first->line->value);
	return true;
}

bool relay_check_places(const struct relay_draft *d, const struct relay_section *section,
                        struct failure *f)
{
	if (d->accept.first == NULL && !relay_draft_is_named(d))
		return relay_section_complain(
		    section, f, "says not where to listen; write accept = [HOST:]PORT");
	if (d->connect.first == NULL)
		return relay_section_complain(section, f,
		                              "says not where to connect to; write connect = "
		                              "[HOST:]PORT");
	if (d->connect.count > BACKENDS_MAX)
		return relay_section_complain(section, f,
		                              "has %zu backends; no service has more than %d",
		                              d->connect.count, BACKENDS_MAX);
	return check_kinds(d, f);
}

bool relay_check_service(const struct relay_service *s, const struct relay_draft *d,
                         bool accepts_tls, bool connects_tls, const struct relay_section *section,
                         struct failure *f)
{
	(void)d;
	(void)connects_tls;
	if (accepts_tls && s->front.certificates == NULL)
		return relay_section_complain(
		    section, f,
		    "accepts TLS and has no certificate; write cert = FILE "
		    "(and key = FILE), or accept = tcp:... for plain TCP");
	return true;
}

bool relay_check_together(const struct relay_config *c, const struct relay_draft *drafts,
                          struct failure *f)
{
	for (size_t i = 0; i < c->service_count; i++)
		for (size_t j = 0; j < i && drafts[i].accept.first != NULL; j++)
			if (drafts[j].accept.first != NULL &&
			    relay_place_is_same(&c->services[i].accept, &c->services[j].accept))
				return relay_line_refuse(drafts[i].accept.first->line, f,
				                         "[%s] in line %u listens there already",
				                         c->services[j].name,
				                         drafts[j].accept.first->line->number);
	return true;
}
