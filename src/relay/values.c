/* values: the setters that turn a line's text into one plain value; see draft.h.  They know
 * nothing of other lines.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "relay/draft.h"
#include "relay/place.h"

static void *field(struct relay_draft *d, const struct relay_line *line)
{
	return (unsigned char *)d + line->key->offset;
}

static bool refuse_memory(struct failure *f)
{
	failure_set(f, "out of memory");
	return false;
}

RELAY_SETTER(relay_set_claim)
{
	int *claim = field(d, line);

	*claim = strcasecmp(line->value, "yes") == 0;
	if (*claim == 1 || strcasecmp(line->value, "no") == 0)
		return true;
	return relay_line_refuse(line, f, "write yes or no");
}

RELAY_SETTER(relay_set_path)
{
	const char **text = field(d, line);

	*text = line->value[0] != '\0' ? line->value : NULL;
	(void)f;
	return true;
}

RELAY_SETTER(relay_set_text)
{
	if (line->value[0] == '\0')
		return relay_line_complain(line, f, "has no value; write %s behind it",
		                           line->key->argument);
	return relay_set_path(d, line, f);
}

RELAY_SETTER(relay_set_names)
{
	return relay_list_add(d->arena, field(d, line), line->value) || refuse_memory(f);
}

RELAY_SETTER(relay_set_list)
{
	if (line->value[0] == '\0')
		return relay_line_complain(line, f, "has no value; write %s behind it",
		                           line->key->argument);
	return relay_set_names(d, line, f);
}

static bool read_number(const struct relay_line *line, unsigned *number, struct failure *f)
{
	size_t digits = strspn(line->value, "0123456789");
	unsigned long n = strtoul(line->value, NULL, 10);

	if (digits == 0 || digits > 10 || line->value[digits] != '\0' || n < line->key->least ||
	    n > line->key->most)
		return relay_line_refuse(line, f, "write a number from %u to %u", line->key->least,
		                         line->key->most);
	*number = (unsigned)n;
	return true;
}

RELAY_SETTER(relay_set_number)
{
	return read_number(line, field(d, line), f);
}

RELAY_SETTER(relay_set_seconds)
{
	uint32_t *ms = field(d, line);
	unsigned seconds;

	if (!read_number(line, &seconds, f))
		return false;
	*ms = (uint32_t)seconds * 1000;
	return true;
}

/* Zero was for clients that never send close_notify.  Here it would cut off what is under way. */
RELAY_SETTER(relay_set_close)
{
	if (strcmp(line->value, "0") != 0)
		return relay_set_seconds(d, line, f);
	d->close_ms = 1000;
	return relay_draft_warn(d, line, f,
	                        "taken as 1: what is under way is delivered first, and a "
	                        "close_notify that is missing behind a complete message harms "
	                        "nobody here");
}

static bool add_place(struct relay_draft *d, struct draft_places *places,
                      const struct relay_line *line, const char *usual_host, bool is_list,
                      struct failure *f)
{
	struct draft_place *p = relay_arena_take(d->arena, sizeof *p);
	struct failure clause;
	enum relay_place_form form;

	if (p == NULL)
		return refuse_memory(f);
	form = relay_place_read(line->value, usual_host, &p->place, &clause);
	if (form == PLACE_BAD)
		return relay_line_refuse(line, f, "%s", clause.sentence);
	p->place.line = line->number;
	p->is_bare = form != PLACE_NAMED;
	p->line = line;
	if (places->first == NULL || !is_list) {
		*places = (struct draft_places){ p, p, 1 };
		return true;
	}
	places->last->next = p;
	places->last = p;
	places->count++;
	return true;
}

RELAY_SETTER(relay_set_accept)
{
	return add_place(d, field(d, line), line, "", false, f);
}

RELAY_SETTER(relay_set_connect)
{
	return add_place(d, field(d, line), line, "localhost", true, f);
}

RELAY_SETTER(relay_set_metrics)
{
	return add_place(d, field(d, line), line, "127.0.0.1", false, f);
}
