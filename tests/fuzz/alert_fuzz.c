/*
 * alert_fuzz: the contents of alert records, in every version's row.  Input: an
 * octet for the version, then records, each an octet of length and contents.
 */
#include "closure/alert.h"
#include "tests/fuzz/fuzz.h"

/* What is known of the alerts of one connection. */
struct tally {
	size_t alerts;
	size_t bytes;
	bool broken;
};

static void take_record(const struct lw_version_row *row, struct lw_alert_joint *joint,
                        const uint8_t *bytes, size_t len, struct tally *tally)
{
	size_t used = 0;

	for (;;) {
		struct lw_alert alert = { .present = false };
		size_t before = used;
		enum lw_alert_cut cut = lw_alert_take(row, joint, bytes, len, &used, &alert);

		fuzz_claim(used <= len && used >= before);
		if (cut == LW_ALERT_BROKEN)
			tally->broken = true;
		if (cut != LW_ALERT_ONE)
			break;
		fuzz_claim(alert.present && used > before && !joint->half);
		fuzz_claim(alert.description == bytes[used - 1]);
		fuzz_claim(lw_alert_classify(row, alert.level, alert.description) <=
		           LW_ALERT_IS_MALFORMED);
		tally->alerts++;
	}
	if (!tally->broken)
		fuzz_claim(used == len);
	tally->bytes += len;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct lw_alert_joint joint = { .half = false };
	struct tally tally = { 0 };
	const struct lw_version_row *row =
	    lw_version_row((enum lw_version)(size ? data[0] % 9 : 0)); /* one past the last, too */

	for (size_t at = 1; at < size && !tally.broken;) {
		size_t len = data[at] % 8;

		at++;
		len = len < size - at ? len : size - at;
		take_record(row, &joint, data + at, len, &tally);
		at += len;
	}
	if (!tally.broken) /* no octet is lost, none counted twice */
		fuzz_claim(tally.bytes == 2 * tally.alerts + joint.half);
	return 0;
}
