/* values: the setters that turn a line's text into one plain value; see draft.h.  They know
 * nothing of other lines.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "net/letters.h"
#include "relay/draft.h"
#include "relay/place.h"

static bool refuse_memory(struct failure *f)
{
	failure_set(f, "out of memory");
	return false;
}

RELAY_SETTER(relay_set_claim)
{
	int *claim = relay_draft_field(d, line);

	*claim = strcasecmp(line->value, "yes") == 0;
	if (*claim == 1 || strcasecmp(line->value, "no") == 0)
		return true;
	return relay_line_refuse(line, f, "write yes or no");
}

RELAY_SETTER(relay_set_path)
{
	const char **text = relay_draft_field(d, line);

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
	return relay_list_add(d->arena, relay_draft_field(d, line), line->value) ||
	       refuse_memory(f);
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
	return read_number(line, relay_draft_field(d, line), f);
}

RELAY_SETTER(relay_set_seconds)
{
	uint32_t *ms = relay_draft_field(d, line);
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

/* The words of a key stand in its argument, "one|two"; help and completion read them there. */
RELAY_SETTER(relay_set_word)
{
	const char *list = line->key->argument;
	int *number = relay_draft_field(d, line);
	size_t n = strlen(line->value);

	for (*number = 0;; (*number)++) {
		size_t word = strcspn(list, "|");

		if (word == n && strncasecmp(list, line->value, n) == 0)
			return true;
		if (list[word] == '\0')
			break;
		list += word + 1;
	}
	return relay_line_refuse(line, f, "write one of %s", line->key->argument);
}

static bool check_address(const struct relay_line *line, struct failure *f)
{
	unsigned char bytes[sizeof(struct in6_addr)];

	if (inet_pton(AF_INET, line->value, bytes) == 1 ||
	    inet_pton(AF_INET6, line->value, bytes) == 1)
		return true;
	return relay_line_refuse(line, f, "write an IP address");
}

RELAY_SETTER(relay_set_address)
{
	return check_address(line, f) && relay_set_text(d, line, f);
}

RELAY_SETTER(relay_set_ips)
{
	return check_address(line, f) && relay_set_list(d, line, f);
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
	return add_place(d, relay_draft_field(d, line), line, "", false, f);
}

RELAY_SETTER(relay_set_connect)
{
	return add_place(d, relay_draft_field(d, line), line, "localhost", true, f);
}

static bool is_loopback(const struct address *a)
{
	return strcmp(a->host, "localhost") == 0 || strcmp(a->host, "::1") == 0 ||
	       (a->host_is_ip && strncmp(a->host, "127.", 4) == 0);
}

RELAY_SETTER(relay_set_metrics)
{
	const struct relay_place *p;

	if (!add_place(d, &d->metrics, line, "127.0.0.1", false, f))
		return false;
	p = &d->metrics.first->place;
	if (p->kind == RELAY_TLS)
		return relay_line_refuse(line, f, "plain HTTP is spoken there; leave tls: out");
	if (p->kind == RELAY_UNIX || is_loopback(&p->address))
		return true;
	return relay_line_refuse(line, f,
	                         "only this machine may ask; write 127.0.0.1:PORT, "
	                         "[::1]:PORT or unix:PATH");
}

RELAY_SETTER(relay_set_profile)
{
	const struct lw_profile *nearest = NULL, *p = NULL;
	unsigned least = 3;

	d->profile = NULL;
	if (strcasecmp(line->value, "auto") == 0)
		return true;
	d->profile = lw_profile_by_name(line->value);
	if (d->profile != NULL)
		return true;
	while ((p = lw_profile_next(p)) != NULL) {
		unsigned between = letters_between(line->value, p->name);

		nearest = between < least ? p : nearest;
		least = between < least ? between : least;
	}
	if (nearest != NULL)
		return relay_line_refuse(line, f, "no profile is called so; did you mean %s?",
		                         nearest->name);
	return relay_line_refuse(line, f,
	                         "no profile is called so; `lastword connect --help` "
	                         "lists them, and auto goes by ALPN and port");
}
