/* names: see names.h. */
#include "relay/names.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "relay/checks.h"

static bool is_pattern(const char *text)
{
	size_t n;

	if (text[0] == '*' && text[1] == '.')
		text += 2;
	n = strlen(text);
	for (size_t i = 0; i < n; i++)
		if (!isalnum((unsigned char)text[i]) && strchr("-_.", text[i]) == NULL)
			return false;
	return n > 0 && n < 256 && text[0] != '.' && text[n - 1] != '.';
}

/* The service that `item`, SERVICE:PATTERN, names; NULL with a sentence. */
static const struct relay_service *find_service(const struct relay_config *c,
                                                const struct relay_draft *drafts,
                                                const struct relay_line *line, const char *item,
                                                struct failure *f)
{
	size_t n = strcspn(item, ":");

	for (size_t i = 0; i < c->service_count && item[n] == ':'; i++) {
		const struct relay_service *s = &c->services[i];

		if (strlen(s->name) != n || strncasecmp(s->name, item, n) != 0)
			continue;
		if (drafts[i].accept.first != NULL && s->accept.kind == RELAY_TLS)
			return s;
		(void)relay_line_refuse(line, f,
		                        "[%s] does not accept TLS itself; name a service "
		                        "that does",
		                        s->name);
		return NULL;
	}
	if (item[n] == ':')
		(void)relay_line_refuse(line, f,
		                        "there is no service [%.*s]; write SERVICE:NAME, "
		                        "with a service that accepts TLS",
		                        (int)n, item);
	else
		(void)relay_line_refuse(line, f,
		                        "write SERVICE:NAME, with the service that accepts "
		                        "the connections, as web:example.org");
	return NULL;
}

static bool is_taken(const struct relay_config *c, const struct relay_service *s,
                     const struct relay_service *of, const char *pattern, const char **by)
{
	for (const struct relay_service *o = c->services; o <= s; o++) {
		if (o->sni_of != of)
			continue;
		for (const char *const *p = o->sni_patterns; p != NULL && *p != NULL; p++)
			if (strcasecmp(*p, pattern) == 0) {
				*by = o->name;
				return true;
			}
	}
	return false;
}

static bool add_pattern(const struct relay_config *c, struct relay_service *s, const char *pattern,
                        struct relay_list *patterns, const struct relay_line *line,
                        struct failure *f)
{
	const char *by;

	if (!is_pattern(pattern))
		return relay_line_refuse(line, f,
		                         "'%.80s' is no server name; write a name, or *. "
		                         "and a name",
		                         pattern);
	if (is_taken(c, s, s->sni_of, pattern, &by))
		return relay_line_refuse(line, f, "'%.80s' belongs to [%s] already", pattern, by);
	if (!relay_list_add(c->arena, patterns, pattern)) {
		failure_set(f, "out of memory");
		return false;
	}
	s->sni_patterns = patterns->items;
	return true;
}

/* `lines` are those of sni, in the order of `items`; complaints name the last. */
static bool link_one(const struct relay_config *c, const struct relay_draft *drafts, size_t index,
                     struct failure *f)
{
	struct relay_service *s = &c->services[index];
	const struct relay_draft *d = &drafts[index];
	const struct relay_line *line = relay_draft_said(d, "sni");
	struct relay_list patterns = { 0 };

	for (size_t i = 0; i < d->plain.sni.count; i++) {
		const char *item = d->plain.sni.items[i];
		const struct relay_service *of = find_service(c, drafts, line, item, f);

		if (of == NULL)
			return false;
		if (s->sni_of != NULL && s->sni_of != of)
			return relay_line_refuse(line, f,
			                         "a service is reached through one other, "
			                         "and this one through [%s] already",
			                         s->sni_of->name);
		s->sni_of = of;
		if (!add_pattern(c, s, strchr(item, ':') + 1, &patterns, line, f))
			return false;
	}
	return true;
}

bool relay_names_link(struct relay_config *c, const struct relay_draft *drafts, struct failure *f)
{
	for (size_t i = 0; i < c->service_count; i++)
		if (relay_draft_is_named(&drafts[i]) && !link_one(c, drafts, i, f))
			return false;
	return true;
}
