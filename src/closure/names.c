/* names: the words of verdict.h, as in output and JSON; a value out of range is "unknown". */
#include "closure/version.h"

#define NAME(table, value)                                                                         \
	((size_t)(value) < sizeof(table) / sizeof(table)[0] ? (table)[value] : "unknown")

const char *lw_ending_name(enum lw_ending ending)
{
	static const char *const names[] = { "open",  "closed",  "aborted",   "truncated",
		                             "reset", "expired", "abandoned", "failed" };

	return NAME(names, ending);
}

const char *lw_place_name(enum lw_place place)
{
	static const char *const names[] = { "none", "boundary", "inside", "unknown" };

	return NAME(names, place);
}

const char *lw_policy_name(enum lw_policy policy)
{
	static const char *const names[] = { "framed", "strict", "lax" };

	return NAME(names, policy);
}

const char *lw_session_name(enum lw_session session)
{
	static const char *const names[] = { "may-resume", "forget" };

	return NAME(names, session);
}

const char *lw_closer_side_name(enum lw_closer_side side)
{
	static const char *const names[] = { "nobody", "we", "peer" };

	return NAME(names, side);
}

const char *lw_version_name(enum lw_version version)
{
	return lw_version_row(version)->name;
}
