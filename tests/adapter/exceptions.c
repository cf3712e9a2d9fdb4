/* exceptions: see exceptions.h.  A block a TLS library. */
#include "exceptions.h"

#include <string.h>

#define TO_12  EXCEPTION_TO_12
#define IN_13  EXCEPTION_IN_13
#define ALWAYS EXCEPTION_ALWAYS

#define FAILED    SUBJECT_ERROR, LW_ENDING_FAILED
#define TRUNCATED SUBJECT_TRUNCATED, LW_ENDING_TRUNCATED

/* clang-format off */
static const struct exception exceptions[] = {
	{ NULL, "many-warnings", ALWAYS, FAILED, "the fifth warning in a row is refused, by us at the latest" },

	{ "openssl", "split-alert", TO_12, FAILED, "it refuses an alert in two records" },
	{ "openssl", "joined-alerts", TO_12, FAILED, "it refuses two alerts in a record" },

	{ "gnutls", "split-alert", TO_12, FAILED, "it refuses an alert in two records" },
	{ "gnutls", "joined-alerts", ALWAYS, TRUNCATED, "it looks at the first alert of a record only" },

	{ "wolfssl", "split-alert", TO_12, FAILED, "it refuses an alert in two records" },
	{ "wolfssl", "joined-alerts", TO_12, FAILED, "it refuses two alerts in a record" },

	{ "mbedtls", "split-alert", TO_12, FAILED, "it refuses an alert in two records" },
	{ "mbedtls", "joined-alerts", TO_12, FAILED, "it refuses two alerts in a record" },
};
/* clang-format on */

const struct exception *exception_at(unsigned index)
{
	return index < sizeof exceptions / sizeof exceptions[0] ? &exceptions[index] : NULL;
}

const struct exception *exception_find(const char *stack, const char *ending,
                                       enum lw_version version)
{
	const unsigned in = version == LW_VERSION_TLS1_3 ? IN_13 : TO_12;
	const struct exception *row;

	for (unsigned i = 0; (row = exception_at(i)) != NULL; i++)
		if ((row->stack == NULL || strcmp(row->stack, stack) == 0) &&
		    strcmp(row->ending, ending) == 0 && ((unsigned)row->versions & in) != 0)
			return row;
	return NULL;
}
