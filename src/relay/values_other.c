/* values_other: the setters of socket options, of the log, and of stunnel's keys that do nothing
 * here; see draft.h.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "relay/draft.h"

/* "yes", "no" or a number from 0; -1: neither. */
static long read_amount(const char *text)
{
	if (strcasecmp(text, "yes") == 0)
		return 1;
	if (strcasecmp(text, "no") == 0)
		return 0;
	if (text[0] == '\0' || strlen(text) > 6 || strspn(text, "0123456789") != strlen(text))
		return -1;
	return strtol(text, NULL, 10);
}

/* True: it was one of these. */
static bool take_keepalive(struct relay_draft *d, const char *name, size_t n, unsigned amount)
{
	const struct {
		const char *name;
		unsigned *number;
	} rows[] = {
		{ "TCP_KEEPIDLE", &d->keepalive_idle_s },
		{ "TCP_KEEPINTVL", &d->keepalive_interval_s },
		{ "TCP_KEEPCNT", &d->keepalive_count },
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		if (strlen(rows[i].name) != n || strncasecmp(rows[i].name, name, n) != 0)
			continue;
		*rows[i].number = amount;
		return true;
	}
	return false;
}

static bool is_word(const char *text, size_t n, const char *word)
{
	return strlen(word) == n && strncasecmp(word, text, n) == 0;
}

RELAY_SETTER(relay_set_socket)
{
	const char *name = line->value + 2, *equals = strchr(line->value, '=');
	size_t n;
	long amount;

	if (line->value[0] == '\0' || strchr("alrALR", line->value[0]) == NULL ||
	    line->value[1] != ':' || equals == NULL || equals < name)
		return relay_line_refuse(line, f,
		                         "write a, l or r, and then OPTION=VALUE, as "
		                         "r:SO_KEEPALIVE=1");
	n = (size_t)(equals - name);
	while (n > 0 && name[n - 1] == ' ')
		n--;
	if (is_word(name, n, "SO_BINDTODEVICE"))
		return relay_line_refuse(line, f,
		                         "sockets are not bound to devices; write the "
		                         "address in accept, or local = IP");
	amount = read_amount(equals + 1 + strspn(equals + 1, " "));
	if (is_word(name, n, "TCP_NODELAY") && amount == 1)
		return true; /* as it is anyway */
	if (is_word(name, n, "SO_REUSEADDR") && amount == 1)
		return true;
	if (is_word(name, n, "SO_KEEPALIVE") && amount >= 0) {
		d->keepalive = amount > 0;
		return true;
	}
	if (strncasecmp(name, "TCP_KEEP", 8) == 0 && (amount <= 0 || amount > 32767))
		return relay_line_refuse(line, f, "write a number from 1 to 32767");
	if (take_keepalive(d, name, n, (unsigned)amount))
		return true;
	return relay_draft_warn(d, line, f, "%.*s stays as the relay sets it", (int)n, name);
}

/* "daemon.notice", "notice" or "5". */
RELAY_SETTER(relay_set_level)
{
	static const char *const names[] = { "emerg",   "alert",  "crit", "err",
		                             "warning", "notice", "info", "debug" };
	const char *dot = strrchr(line->value, '.');
	const char *name = dot != NULL ? dot + 1 : line->value;
	int level = -1;

	for (int i = 0; i < 8; i++)
		if (strcasecmp(names[i], name) == 0 || (name[0] == '0' + i && name[1] == '\0'))
			level = i;
	if (level < 0)
		return relay_line_refuse(line, f, "write a level from 0 (emerg) to 7 (debug)");
	if (d->section != NULL && line->section == d->section)
		return relay_draft_warn(d, line, f,
		                        "what is logged is decided before the first [section], "
		                        "for all services");
	d->level = level;
	return true;
}

RELAY_SETTER(relay_set_log)
{
	if (strcasecmp(line->value, "append") == 0)
		return true;
	if (strcasecmp(line->value, "overwrite") != 0)
		return relay_line_refuse(line, f, "write append");
	return relay_draft_warn(d, line, f, "%s", line->key->help);
}

/* Whether the value turns its key off. */
static bool is_off(const struct relay_line *line)
{
	static const char *const words[] = { "no", "none", "0", "" };

	for (size_t i = 0; i < sizeof words / sizeof *words; i++)
		if (strcasecmp(line->value, words[i]) == 0)
			return true;
	return false;
}

RELAY_SETTER(relay_set_nothing)
{
	(void)d, (void)line, (void)f;
	return true;
}

RELAY_SETTER(relay_set_warning)
{
	return relay_draft_warn(d, line, f, "%s", line->key->help);
}

RELAY_SETTER(relay_set_warning_if_on)
{
	return is_off(line) || relay_set_warning(d, line, f);
}

RELAY_SETTER(relay_set_warning_if_off)
{
	return !is_off(line) || relay_set_warning(d, line, f);
}

RELAY_SETTER(relay_set_refusal)
{
	(void)d;
	return relay_line_complain(line, f, "%s", line->key->help);
}

RELAY_SETTER(relay_set_refusal_if_on)
{
	return is_off(line) || relay_set_refusal(d, line, f);
}
