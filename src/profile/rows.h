/*
 * rows: the generated tables, and the way from a profile to its tracker.
 *
 * For the rooms of the library; applications see <lastword/profile.h>.
 */
#ifndef PROFILE_ROWS_H
#define PROFILE_ROWS_H

#include <lastword/profile.h>

#include "framing/tracker.h"

extern const struct lw_profile lw_profile_rows[];
extern const enum lw_kind lw_profile_kinds[]; /* one a row, in the same order */
extern const size_t lw_profile_count;

/* The tracker of a profile; LW_KIND_UNSURE for NULL or a row that is not of the table. */
enum lw_kind lw_profile_kind(const struct lw_profile *profile);

#endif
