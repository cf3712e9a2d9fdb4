/*
 * tolerance: policy by completeness, the endings each accepts.  `closed` is
 * always one of them; a cut inside a record, an abort, a deadline and a
 * failure never are.  It is data, so that what is tolerated can be read.
 */
#include "closure/engine.h"

enum { CLOSED = 1, FIN_AT_BOUNDARY = 2, RST = 4 };

/* rules: truncation-undecidable, framed-message-survives, close-delimited-needs-alert */
const struct lw_tolerance lw_tolerance = { {
    /*                     incomplete                  complete */
    [LW_POLICY_FRAMED] = { CLOSED, CLOSED | FIN_AT_BOUNDARY | RST },
    [LW_POLICY_STRICT] = { CLOSED, CLOSED },
    [LW_POLICY_LAX] = { CLOSED | FIN_AT_BOUNDARY, CLOSED | FIN_AT_BOUNDARY | RST },
} };

static uint8_t kind_of(enum lw_ending ending, enum lw_place place)
{
	if (ending == LW_ENDING_CLOSED)
		return CLOSED;
	if (ending == LW_ENDING_TRUNCATED && place == LW_PLACE_BOUNDARY)
		return FIN_AT_BOUNDARY;
	return ending == LW_ENDING_RESET ? RST : 0;
}

bool lw_tolerates_by(const struct lw_tolerance *table, enum lw_policy policy, bool complete,
                     enum lw_ending ending, enum lw_place place)
{
	if ((size_t)policy >= sizeof table->kinds / sizeof table->kinds[0])
		policy = LW_POLICY_STRICT;
	return (table->kinds[policy][complete] & kind_of(ending, place)) != 0;
}

bool lw_tolerates(enum lw_policy policy, bool complete, enum lw_ending ending, enum lw_place place)
{
	return lw_tolerates_by(&lw_tolerance, policy, complete, ending, place);
}
