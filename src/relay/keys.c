/* keys: see keys.h.  A key is a row, and only that: its name, what it takes, what it is for, who
 * turns its text into a value and where that goes.  Defaults stand in draft.c.
 */
#include "relay/keys.h"

#include <limits.h>
#include <string.h>
#include <strings.h>

#include "net/letters.h"
#include "relay/draft.h"

#define AT(field) offsetof(struct relay_draft, field)
#define END                                                                                        \
	{                                                                                          \
		NULL, NULL, NULL, KEY_GLOBAL, KEY_LAST, NULL, 0, 0, 0                              \
	}
#define SECONDS_MAX 4000000u

/* clang-format off */
static const struct relay_key legs[] = {
	{ "accept", "ADDR", "Listen on [tls:|tcp:][HOST:]PORT or unix:PATH", KEY_SERVICE, KEY_LAST,
	  relay_set_accept, AT(accept), 0, 0 },
	{ "connect", "ADDR", "Pass connections on to [tls:|tcp:][HOST:]PORT or unix:PATH; several make a pool",
	  KEY_SERVICE, KEY_LIST, relay_set_connect, AT(connect), 0, 0 },
	{ "client", "yes|no", "Addresses without tls: or tcp: accept plain and connect TLS, not the other way round",
	  KEY_SERVICE, KEY_LAST, relay_set_claim, AT(client), 0, 0 },
	END
};

static const struct relay_key tls[] = {
	{ "cert", "FILE", "Certificate chain (PEM)", KEY_SERVICE, KEY_LIST, relay_set_list,
	  AT(plain.certificates), 0, 0 },
	{ "key", "FILE", "Private key (PEM), where it is not in the chain's file", KEY_SERVICE, KEY_LIST,
	  relay_set_list, AT(plain.keys), 0, 0 },
	END
};

static const struct relay_key timeouts[] = {
	{ "TIMEOUTbusy", "SECONDS", "Time for PROXY header, STARTTLS and handshake (default 300)", KEY_SERVICE,
	  KEY_LAST, relay_set_seconds, AT(busy_ms), 1, SECONDS_MAX },
	{ "TIMEOUTconnect", "SECONDS", "Time to connect to an address (default 10)", KEY_SERVICE, KEY_LAST,
	  relay_set_seconds, AT(connect_ms), 1, SECONDS_MAX },
	{ "TIMEOUTidle", "SECONDS", "Time without a byte either way (default 43200)", KEY_SERVICE, KEY_LAST,
	  relay_set_seconds, AT(idle_ms), 1, SECONDS_MAX },
	{ "TIMEOUTclose", "SECONDS", "Time to deliver and to hear the peers' endings, once all is to end (default 60)",
	  KEY_SERVICE, KEY_LAST, relay_set_close, AT(close_ms), 0, SECONDS_MAX },
	END
};
/* clang-format on */

const struct relay_key_group relay_key_groups[] = {
	{ "Legs", legs },
	{ "TLS", tls },
	{ "Deadlines", timeouts },
	{ NULL, NULL },
};

const struct relay_key *relay_key_at(size_t index)
{
	for (const struct relay_key_group *g = relay_key_groups; g->title != NULL; g++)
		for (const struct relay_key *k = g->keys; k->name != NULL; k++)
			if (index-- == 0)
				return k;
	return NULL;
}

const struct relay_key *relay_key_find(const char *name)
{
	const struct relay_key *k;

	for (size_t i = 0; (k = relay_key_at(i)) != NULL; i++)
		if (strcasecmp(k->name, name) == 0)
			return k;
	return NULL;
}

size_t relay_key_index(const struct relay_key *key)
{
	size_t i = 0;

	while (relay_key_at(i) != key)
		i++;
	return i;
}

static void lower(char *out, size_t cap, const char *text)
{
	size_t n = 0;

	for (; text[n] != '\0' && n + 1 < cap; n++)
		out[n] = text[n] >= 'A' && text[n] <= 'Z' ? (char)(text[n] - 'A' + 'a') : text[n];
	out[n] = '\0';
}

const struct relay_key *relay_key_nearest(const char *name)
{
	char wanted[LETTERS_MAX + 2], known[LETTERS_MAX + 2];
	const struct relay_key *nearest = NULL, *k;
	unsigned least = (unsigned)(strlen(name) < 6 ? 1 : 2) + 1;

	lower(wanted, sizeof wanted, name);
	for (size_t i = 0; (k = relay_key_at(i)) != NULL; i++) {
		unsigned between;

		lower(known, sizeof known, k->name);
		between = letters_between(wanted, known);
		if (between >= least)
			continue;
		least = between;
		nearest = k;
	}
	return nearest;
}

bool relay_key_is_claim(const struct relay_key *key)
{
	return key->set == relay_set_claim;
}
