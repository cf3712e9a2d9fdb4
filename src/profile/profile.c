/*
 * profile: finding rows of the table of protocols, and the names of its closed columns.
 *
 * The table is small and const; every search walks it in its order, so that the first row is the
 * usual one.
 */
#include "profile/rows.h"

#include <string.h>
#include <strings.h>

static bool has_name(const struct lw_profile *p, const char *name)
{
	for (const char *const *n = p->names; *n != NULL; n++)
		if (strcasecmp(*n, name) == 0)
			return true;
	return strcasecmp(p->name, name) == 0;
}

const struct lw_profile *lw_profile_by_name(const char *name)
{
	for (size_t i = 0; name != NULL && i < lw_profile_count; i++)
		if (has_name(&lw_profile_rows[i], name))
			return &lw_profile_rows[i];
	return NULL;
}

static bool has_alpn(const struct lw_profile *p, const void *id, size_t len)
{
	for (const char *const *a = p->alpn; *a != NULL; a++)
		if (strlen(*a) == len && memcmp(*a, id, len) == 0)
			return true;
	return false;
}

const struct lw_profile *lw_profile_by_alpn(const void *id, size_t len)
{
	for (size_t i = 0; len > 0 && i < lw_profile_count; i++)
		if (has_alpn(&lw_profile_rows[i], id, len))
			return &lw_profile_rows[i];
	return NULL;
}

const struct lw_profile *lw_profile_by_port(uint16_t port)
{
	for (size_t i = 0; port != 0 && i < lw_profile_count; i++)
		if (lw_profile_rows[i].tls_port == port)
			return &lw_profile_rows[i];
	for (size_t i = 0; port != 0 && i < lw_profile_count; i++)
		if (lw_profile_rows[i].port == port)
			return &lw_profile_rows[i];
	return NULL;
}

/* The place of a row in the table; the table's length for any other struct. */
static size_t index_of(const struct lw_profile *profile)
{
	size_t i = 0;

	while (i < lw_profile_count && &lw_profile_rows[i] != profile)
		i++;
	return i;
}

const struct lw_profile *lw_profile_next(const struct lw_profile *profile)
{
	size_t next = profile == NULL ? 0 : index_of(profile) + 1;

	return next < lw_profile_count ? &lw_profile_rows[next] : NULL;
}

enum lw_kind lw_profile_kind(const struct lw_profile *profile)
{
	size_t i = index_of(profile);

	return i < lw_profile_count ? lw_profile_kinds[i] : LW_KIND_UNSURE;
}

#define NAMES(function, type, ...)                                                                 \
	const char *function(type value)                                                           \
	{                                                                                          \
		static const char *const names[] = { __VA_ARGS__ };                                \
                                                                                                   \
		if ((unsigned)value >= sizeof names / sizeof *names)                               \
			return "unknown";                                                          \
		return names[value];                                                               \
	}

NAMES(lw_role_name, enum lw_role, "client", "server")
NAMES(lw_starttls_name, enum lw_starttls, "no", "yes", "both")
NAMES(lw_end_of_data_name, enum lw_end_of_data, "self", "close", "mixed")
NAMES(lw_first_closer_name, enum lw_first_closer, "unstated", "either", "client", "server",
      "sender")
NAMES(lw_on_finish_name, enum lw_on_finish, "unstated", "close_notify")
NAMES(lw_answer_name, enum lw_answer, "version", "at-once", "when-done")
NAMES(lw_await_peer_name, enum lw_await_peer, "unstated", "may", "must")
NAMES(lw_half_close_name, enum lw_half_close, "unstated", "no", "allowed", "required")
NAMES(lw_reuse_name, enum lw_reuse, "unstated", "no", "yes", "forbidden")
NAMES(lw_on_truncation_name, enum lw_on_truncation, "unstated", "retry", "error-unless-complete",
      "error")
