/*
 * alert: what an alert means, by its two octets and the version's row, and
 * how alerts are cut out of the contents of alert records.
 */
#ifndef CLOSURE_ALERT_H
#define CLOSURE_ALERT_H

#include "closure/version.h"

#define LW_ALERT_WARNING 1u
#define LW_ALERT_FATAL   2u

#define LW_ALERT_CLOSE_NOTIFY       0u
#define LW_ALERT_UNEXPECTED_MESSAGE 10u
#define LW_ALERT_DECODE_ERROR       50u
#define LW_ALERT_USER_CANCELED      90u

enum lw_alert_class {
	LW_ALERT_IS_CLOSURE,  /* the peer's last word */
	LW_ALERT_IS_FATAL,    /* an error: nothing more either way */
	LW_ALERT_IS_PASSING,  /* go on, count it */
	LW_ALERT_IS_MALFORMED /* no such level: the alert cannot be understood */
};

/*
 * What an alert means in a version.
 * rules: fatal-level-ends, level-ignored, two-alert-classes, error-at-any-level,
 * unknown-alert-is-error, user-canceled-read-on, level-unstated
 */
enum lw_alert_class lw_alert_classify(const struct lw_version_row *row, uint8_t level,
                                      uint8_t description);

/* Whether a description is registered. */
bool lw_alert_known(uint8_t description);

/* Half an alert that waits for its second octet; zero is the start. */
struct lw_alert_joint {
	bool half;
	uint8_t level;
};

enum lw_alert_cut { LW_ALERT_NONE, LW_ALERT_ONE, LW_ALERT_BROKEN };

/*
 * Takes the next alert out of `len` bytes of alert record contents from
 * `*used` on, which it moves.  Call until it gives LW_ALERT_NONE; start each
 * record with `*used` 0.  LW_ALERT_BROKEN: the row allows no such contents.
 * rules: alert-two-bytes, alerts-may-fragment, one-alert-per-record, empty-alert-refused,
 * malformed-alert-decode-error
 */
enum lw_alert_cut lw_alert_take(const struct lw_version_row *row, struct lw_alert_joint *joint,
                                const uint8_t *bytes, size_t len, size_t *used,
                                struct lw_alert *alert);

#endif
