/* alert: one sorted table of registered descriptions, and three small functions on the version's
 * row. */
#include "closure/alert.h"

#include "closure/cursor.h"

#define NAMES (sizeof names / sizeof names[0])

/* Source: the TLS Alerts registry. */
static const struct {
	uint8_t description;
	const char *name;
} names[] = {
	{ 0, "close_notify" },
	{ 10, "unexpected_message" },
	{ 20, "bad_record_mac" },
	{ 21, "decryption_failed" },
	{ 22, "record_overflow" },
	{ 30, "decompression_failure" },
	{ 40, "handshake_failure" },
	{ 41, "no_certificate" },
	{ 42, "bad_certificate" },
	{ 43, "unsupported_certificate" },
	{ 44, "certificate_revoked" },
	{ 45, "certificate_expired" },
	{ 46, "certificate_unknown" },
	{ 47, "illegal_parameter" },
	{ 48, "unknown_ca" },
	{ 49, "access_denied" },
	{ 50, "decode_error" },
	{ 51, "decrypt_error" },
	{ 52, "too_many_cids_requested" },
	{ 60, "export_restriction" },
	{ 70, "protocol_version" },
	{ 71, "insufficient_security" },
	{ 80, "internal_error" },
	{ 86, "inappropriate_fallback" },
	{ 90, "user_canceled" },
	{ 100, "no_renegotiation" },
	{ 109, "missing_extension" },
	{ 110, "unsupported_extension" },
	{ 111, "certificate_unobtainable" },
	{ 112, "unrecognized_name" },
	{ 113, "bad_certificate_status_response" },
	{ 114, "bad_certificate_hash_value" },
	{ 115, "unknown_psk_identity" },
	{ 116, "certificate_required" },
	{ 117, "general_error" },
	{ 120, "no_application_protocol" },
	{ 121, "ech_required" },
};

static const char *find_name(uint8_t description)
{
	for (size_t i = 0; i < NAMES; i++)
		if (names[i].description == description)
			return names[i].name;
	return NULL;
}

const char *lw_alert_name(uint8_t description)
{
	const char *name = find_name(description);

	return name ? name : "alert";
}

bool lw_alert_known(uint8_t description)
{
	return find_name(description) != NULL;
}

/* rule: fatal-level-ends */
static enum lw_alert_class classify_by_level(uint8_t level, enum lw_alert_class at_warning)
{
	switch (level) {
	case LW_ALERT_WARNING:
		return at_warning;
	case LW_ALERT_FATAL:
		return LW_ALERT_IS_FATAL;
	default:
		return LW_ALERT_IS_MALFORMED;
	}
}

enum lw_alert_class lw_alert_classify(const struct lw_version_row *row, uint8_t level,
                                      uint8_t description)
{
	if (description == LW_ALERT_CLOSE_NOTIFY) /* rules: level-ignored, level-unstated */
		return row->level_ignored ? LW_ALERT_IS_CLOSURE
		                          : classify_by_level(level, LW_ALERT_IS_CLOSURE);
	if (description == LW_ALERT_USER_CANCELED &&
	    row->level_ignored) /* rule: user-canceled-read-on */
		return LW_ALERT_IS_PASSING;
	if (lw_alert_known(description)
	        ? row->level_ignored           /* rule: error-at-any-level */
	        : row->unknown_alert_is_error) /* rule: unknown-alert-is-error */
		return LW_ALERT_IS_FATAL;
	return classify_by_level(level, LW_ALERT_IS_PASSING);
}

enum lw_alert_cut lw_alert_take(const struct lw_version_row *row, struct lw_alert_joint *joint,
                                const uint8_t *bytes, size_t len, size_t *used,
                                struct lw_alert *alert)
{
	struct lw_cursor c = lw_cursor_over(bytes, len);
	struct lw_cursor passed;

	if (len == 0)
		return row->empty_alert_is_error ? LW_ALERT_BROKEN : LW_ALERT_NONE;
	if (!lw_take_window(&c, *used, &passed) || c.left == 0)
		return LW_ALERT_NONE;
	if (!row->alerts_may_share && len != 2) /* rule: one-alert-per-record */
		return LW_ALERT_BROKEN;
	if (!joint->half)
		joint->half = lw_take_u8(&c, &joint->level);
	alert->level = joint->level;
	alert->present = lw_take_u8(&c, &alert->description);
	joint->half = !alert->present;
	*used = len - c.left;
	if (alert->present)
		return LW_ALERT_ONE;
	return row->alert_may_fragment ? LW_ALERT_NONE : LW_ALERT_BROKEN;
}
