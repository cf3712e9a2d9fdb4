/* draft: see draft.h.  Which lines of a key count is decided here, and what stands where no line
 * says anything.
 */
#include "relay/draft.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define SECONDS(n) ((n)*1000u)

static void leg_begin(struct draft_leg *leg)
{
	leg->verify_chain = leg->verify_peer = leg->require_certificate = DRAFT_UNSAID;
	leg->tickets = leg->verify = DRAFT_UNSAID;
	leg->security_level = -1;
}

void relay_draft_begin(struct relay_draft *d, struct relay_arena *a)
{
	*d = (struct relay_draft){
		.arena = a,
		.client = DRAFT_UNSAID,
		.trusts_fin = 1,
		.keepalive = 1,
		.balance = RELAY_PRIORITY,
		.busy_ms = SECONDS(300),
		.connect_ms = SECONDS(10),
		.idle_ms = SECONDS(43200),
		.close_ms = SECONDS(60),
		.retry_ms = SECONDS(10),
		.resolve_ms = SECONDS(60),
		.drain_ms = SECONDS(30),
		.level = 5, /* notice */
	};
	leg_begin(&d->plain);
	leg_begin(&d->backend);
}

/* A second line of a key that has one value is perhaps a slip. */
static bool tell_repeat(struct relay_draft *d, const struct relay_line *before,
                        const struct relay_line *line, struct failure *f)
{
	if (before == NULL || line->key->repeat != KEY_LAST || line->file == NULL)
		return true;
	if (line->key->set == relay_set_accept)
		return relay_line_refuse(
		    line, f,
		    "line %u says where to listen already; a second place is a "
		    "second service, with a [section] of its own",
		    before->number);
	return relay_draft_warn(d, line, f, "replaces what line %u says", before->number);
}

static bool set_lines(struct relay_draft *d, const struct relay_section *s,
                      const struct relay_key *key, struct failure *f)
{
	const struct relay_line *before = NULL;

	for (const struct relay_line *l = s->first; l != NULL; l = l->next) {
		if (l->key != key)
			continue;
		if (!key->set(d, l, f) || !tell_repeat(d, before, l, f))
			return false;
		d->said[relay_key_index(key)] = l;
		before = l;
	}
	return true;
}

static bool says(const struct relay_section *s, const struct relay_key *key)
{
	for (const struct relay_line *l = s->first; l != NULL; l = l->next)
		if (l->key == key)
			return true;
	return false;
}

/* A list of a weaker scope was read, so that what is wrong in it is told, and counts no more. */
static void forget_list(struct relay_draft *d, const struct relay_key *key)
{
	void *field = (unsigned char *)d + key->offset;

	if (key->set == relay_set_connect)
		*(struct draft_places *)field = (struct draft_places){ 0 };
	else
		*(struct relay_list *)field = (struct relay_list){ 0 };
}

/*
 * The scopes, the strongest last.  The warnings of a line are told for its own scope: `section`, or
 * all that is global.
 */
static bool set_key(struct relay_draft *d, const struct relay_lines *lines,
                    const struct relay_key *key, struct relay_list *warnings, struct failure *f)
{
	const struct relay_section *scopes[] = { &lines->global, &lines->flags, d->section };

	for (size_t i = 0; i < 3; i++) {
		if (scopes[i] == NULL || !says(scopes[i], key))
			continue;
		if (key->repeat == KEY_LIST)
			forget_list(d, key);
		d->warnings = d->section == NULL || i == 2 ? warnings : NULL;
		if (!set_lines(d, scopes[i], key, f))
			return false;
	}
	d->warnings = warnings;
	return true;
}

static bool check_scope(const struct relay_section *section, struct failure *f)
{
	for (const struct relay_line *l = section->first; l != NULL; l = l->next)
		if (l->key->scope == KEY_GLOBAL)
			return relay_line_complain(l, f,
			                           "belongs to the process, not to [%s]; write it "
			                           "before the first [section]",
			                           section->name);
	return true;
}

bool relay_draft_fill(struct relay_draft *d, const struct relay_lines *lines,
                      const struct relay_section *section, struct relay_list *warnings,
                      struct failure *f)
{
	d->section = section;
	if (section != NULL && !check_scope(section, f))
		return false;
	for (const struct relay_key_group *g = relay_key_groups; g->title != NULL; g++)
		for (const struct relay_key *key = g->keys; key->name != NULL; key++)
			if ((section == NULL || key->scope != KEY_GLOBAL) &&
			    !set_key(d, lines, key, warnings, f))
				return false;
	return true;
}

const struct relay_line *relay_draft_said(const struct relay_draft *d, const char *key)
{
	return d->said[relay_key_index(relay_key_find(key))];
}

bool relay_draft_owns(const struct relay_draft *d, const struct relay_line *line)
{
	return d->section == NULL || line->section == d->section;
}

const struct relay_line *relay_draft_own(const struct relay_draft *d, const char *key)
{
	const struct relay_line *line = relay_draft_said(d, key);

	return line != NULL && relay_draft_owns(d, line) ? line : NULL;
}

void *relay_draft_field(struct relay_draft *d, const struct relay_line *line)
{
	return (unsigned char *)d + line->key->offset;
}

bool relay_draft_warn(struct relay_draft *d, const struct relay_line *line, struct failure *f,
                      const char *format, ...)
{
	struct failure clause, whole;
	const char *copy;
	va_list arguments;

	if (d->warnings == NULL)
		return true;
	va_start(arguments, format);
	(void)vsnprintf(clause.sentence, sizeof clause.sentence, format, arguments);
	va_end(arguments);
	(void)relay_line_complain(line, &whole, "%s", clause.sentence);
	copy = relay_arena_copy(d->arena, whole.sentence, strlen(whole.sentence));
	if (copy != NULL && relay_list_add(d->arena, d->warnings, copy))
		return true;
	failure_set(f, "out of memory");
	return false;
}
