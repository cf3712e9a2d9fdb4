/* keys: every key of a configuration, a row each.  From the rows come the parser of files, the
 * flags of the command line and their help; nothing else knows a key by its name alone.
 */
#ifndef RELAY_KEYS_H
#define RELAY_KEYS_H

#include <lastword/verdict.h>
#include <stdbool.h>
#include <stddef.h>

#include "net/failure.h"

struct relay_draft;
struct relay_line;

enum relay_key_scope {
	KEY_GLOBAL,  /* of the process: before the first [section] */
	KEY_SERVICE, /* of a service; before the first [section], of all services */
	KEY_EITHER   /* of the process there, of the service in its section */
};

/* What a second line says. */
enum relay_key_repeat {
	KEY_LAST, /* it replaces the first */
	KEY_LIST, /* one more; a section's list replaces a global one */
	KEY_SUM   /* one more; a section's come behind the global ones */
};

struct relay_key {
	const char *name;
	const char *argument; /* NULL: no flag; a key of stunnel's that does nothing here */
	const char *help;     /* of a key that does nothing: why, and what to do instead */
	enum relay_key_scope scope;
	enum relay_key_repeat repeat;
	/* Puts the value of `line` into the draft at `offset`.  False with a sentence. */
	bool (*set)(struct relay_draft *d, const struct relay_line *line, struct failure *f);
	size_t offset;
	unsigned least, most; /* of a number */
};

struct relay_key_group {
	const char *title;
	const struct relay_key *keys; /* ended by a row without a name */
};

/* The table, by groups, ended by one without a title. */
extern const struct relay_key_group relay_key_groups[];

enum { RELAY_KEYS_MAX = 192 };

/* By index from 0, in the order of the table; NULL behind the last. */
const struct relay_key *relay_key_at(size_t index);

/* Letter case counts not.  NULL: there is none. */
const struct relay_key *relay_key_find(const char *name);

/* The index of a row. */
size_t relay_key_index(const struct relay_key *key);

/* The key that was perhaps meant, or NULL. */
const struct relay_key *relay_key_nearest(const char *name);

/* Whether it says yes or no, so that a flag may leave the value out. */
bool relay_key_is_claim(const struct relay_key *key);

#endif
