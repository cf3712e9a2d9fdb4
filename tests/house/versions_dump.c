/* versions_dump: the version rows and the tolerance table that ship, a cell a line, for
 * tools/docs.py. */
#include <stdio.h>

#include "closure/engine.h"
#include "closure/version.h"

static void dump_version(const struct lw_version_row *row)
{
	printf("%s on_peer_close %d\n", row->name, (int)row->on_peer_close);
	printf("%s half_close %d\n", row->name, row->half_close);
	printf("%s unclean_forbids_resumption %d\n", row->name, row->unclean_forbids_resumption);
	printf("%s fatal_forbids_resumption %d\n", row->name, row->fatal_forbids_resumption);
	printf("%s level_ignored %d\n", row->name, row->level_ignored);
	printf("%s unknown_alert_is_error %d\n", row->name, row->unknown_alert_is_error);
	printf("%s alert_may_fragment %d\n", row->name, row->alert_may_fragment);
	printf("%s alerts_may_share %d\n", row->name, row->alerts_may_share);
	printf("%s empty_alert_is_error %d\n", row->name, row->empty_alert_is_error);
}

static void dump_tolerance(enum lw_policy policy, enum lw_ending ending, enum lw_place place)
{
	const char *where = place == LW_PLACE_NONE ? "" : lw_place_name(place);

	for (int complete = 0; complete < 2; complete++)
		printf("%s%s%s %s-%d %d\n", lw_ending_name(ending), *where ? "-" : "", where,
		       lw_policy_name(policy), complete,
		       lw_tolerates(policy, complete == 1, ending, place));
}

int main(void)
{
	for (enum lw_version v = LW_VERSION_UNKNOWN; v <= LW_VERSION_DTLS1_3; v++)
		dump_version(lw_version_row(v));
	for (enum lw_ending e = LW_ENDING_CLOSED; e <= LW_ENDING_FAILED; e++)
		for (enum lw_policy p = LW_POLICY_FRAMED; p <= LW_POLICY_LAX; p++) {
			if (e != LW_ENDING_TRUNCATED) {
				dump_tolerance(p, e, LW_PLACE_NONE);
				continue;
			}
			dump_tolerance(p, e, LW_PLACE_BOUNDARY);
			dump_tolerance(p, e, LW_PLACE_INSIDE);
			dump_tolerance(p, e, LW_PLACE_UNKNOWN);
		}
	return 0;
}
