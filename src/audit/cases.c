/* cases: see cases.h. */
#include "audit/cases.h"

#include <string.h>

enum { NO_ALERT = -1, CLOSE_NOTIFY = 0, HANDSHAKE_FAILURE = 40 };

#define BYTES ENDING_DATA_BYTES

#define CLOSED                                                                                     \
	{                                                                                          \
		SUBJECT_END, LW_ENDING_CLOSED, LW_PLACE_NONE, CLOSE_NOTIFY, BYTES, false           \
	}
#define CLOSED_LATER                                                                               \
	{                                                                                          \
		SUBJECT_END, LW_ENDING_CLOSED, LW_PLACE_NONE, CLOSE_NOTIFY, 2 * BYTES, false       \
	}
#define CLOSED_OR_NOT                                                                              \
	{                                                                                          \
		SUBJECT_END, LW_ENDING_CLOSED, LW_PLACE_NONE, CLOSE_NOTIFY, BYTES, true            \
	}
#define CLOSED_EMPTY                                                                               \
	{                                                                                          \
		SUBJECT_END, LW_ENDING_CLOSED, LW_PLACE_NONE, CLOSE_NOTIFY, 0, false               \
	}
#define CUT_AT(place)                                                                              \
	{                                                                                          \
		SUBJECT_TRUNCATED, LW_ENDING_TRUNCATED, LW_PLACE_##place, NO_ALERT, BYTES, false   \
	}
#define RESET                                                                                      \
	{                                                                                          \
		SUBJECT_TRUNCATED, LW_ENDING_RESET, LW_PLACE_BOUNDARY, NO_ALERT, BYTES, false      \
	}
#define ABORTED(alert_)                                                                            \
	{                                                                                          \
		SUBJECT_ABORTED, LW_ENDING_ABORTED, LW_PLACE_NONE, alert_, BYTES, false            \
	}
#define REFUSED                                                                                    \
	{                                                                                          \
		SUBJECT_ERROR, LW_ENDING_FAILED, LW_PLACE_NONE, NO_ALERT, BYTES, true              \
	}
#define EXPIRED                                                                                    \
	{                                                                                          \
		SUBJECT_ERROR, LW_ENDING_EXPIRED, LW_PLACE_NONE, NO_ALERT, BYTES, false            \
	}
#define NOT_SHAKEN                                                                                 \
	{                                                                                          \
		SUBJECT_ERROR, LW_ENDING_FAILED, LW_PLACE_NONE, NO_ALERT, 0, false                 \
	}

/* clang-format off */
static const struct audit_case cases[] = {
	{ "close-notify", CLOSED, CLOSED, "end-of-data-on-close-notify", SUBJECT_READS },
	{ "none-at-boundary", CUT_AT(BOUNDARY), CUT_AT(BOUNDARY), "truncation-undecidable", SUBJECT_READS },
	{ "inside-header", CUT_AT(INSIDE), CUT_AT(INSIDE), "truncation-undecidable", SUBJECT_READS },
	{ "inside-record", CUT_AT(INSIDE), CUT_AT(INSIDE), "truncation-undecidable", SUBJECT_READS },
	{ "reset", RESET, RESET, "tcp-end-kind-reported", SUBJECT_READS },
	{ "fatal-alert", ABORTED(HANDSHAKE_FAILURE), ABORTED(HANDSHAKE_FAILURE), "close-at-once-on-fatal", SUBJECT_READS },
	{ "error-at-warning", CUT_AT(BOUNDARY), ABORTED(HANDSHAKE_FAILURE), "error-at-any-level", SUBJECT_READS },
	{ "close-at-fatal", ABORTED(CLOSE_NOTIFY), CLOSED, "level-ignored", SUBJECT_READS },
	{ "user-canceled", CLOSED_LATER, CLOSED_LATER, "user-canceled-read-on", SUBJECT_READS },
	{ "data-after", CLOSED, CLOSED, "ignore-after-closure", SUBJECT_READS },
	{ "garbage-after", CLOSED, CLOSED, "ignore-after-closure", SUBJECT_READS },
	{ "plaintext-after", CLOSED, CLOSED, "ignore-after-closure", SUBJECT_READS },
	{ "four-warnings", CLOSED_OR_NOT, CLOSED_OR_NOT, "refuse-warning-with-fatal", SUBJECT_READS },
	{ "many-warnings", CLOSED_OR_NOT, CLOSED_OR_NOT, "refuse-warning-with-fatal", SUBJECT_READS },
	{ "close-twice", CLOSED, CLOSED, "ignore-after-closure", SUBJECT_READS },
	{ "split-alert", CLOSED_OR_NOT, REFUSED, "alerts-may-fragment", SUBJECT_READS },
	{ "joined-alerts", CLOSED_OR_NOT, REFUSED, "one-alert-per-record", SUBJECT_READS },
	{ "silence", EXPIRED, EXPIRED, "early-read-close-risks-truncation", SUBJECT_READS },
	{ "close-in-handshake", NOT_SHAKEN, NOT_SHAKEN, "closure-before-keys-unauthenticated", SUBJECT_READS },
	/* In 1.3 a server's first flight ends its part: what follows is under the final keys. */
	{ "close-amid-handshake", NOT_SHAKEN, CLOSED_EMPTY, "closure-before-keys-unauthenticated", SUBJECT_READS },
};
/* clang-format on */

const struct audit_case *case_at(unsigned index)
{
	return index < sizeof cases / sizeof cases[0] ? &cases[index] : NULL;
}

const struct ending *case_ending(const struct audit_case *row)
{
	return row->act == SUBJECT_READS ? ending_find(row->ending) : answer_find(row->ending);
}

const struct audit_case *case_of(const char *ending)
{
	const struct audit_case *row;

	for (unsigned i = 0; (row = case_at(i)) != NULL; i++)
		if (strcmp(row->ending, ending) == 0)
			return row;
	return NULL;
}

const struct audit_expect *case_expects(const struct audit_case *row, enum lw_version version)
{
	return version == LW_VERSION_TLS1_3 ? &row->in_13 : &row->to_12;
}

const char *judgement_name(enum judgement j)
{
	static const char *const names[] = { "right", "fails", "vague", "WRONG" };

	return names[j];
}

static bool verdict_fits(const struct audit_expect *expect, const struct lw_verdict *v)
{
	if (v->read != expect->read || v->bytes_read != expect->bytes)
		return false;
	if (expect->at != LW_PLACE_NONE && v->at != expect->at)
		return false;
	return expect->alert == NO_ALERT ||
	       (v->alert_received.present && v->alert_received.description == expect->alert);
}

/* What every conclusion has to keep, whatever it says. */
static const char *find_lie(const struct audit_expect *expect, const struct conclusion *c)
{
	if (c->differs)
		return "other data";
	if (c->first == SUBJECT_WAITS)
		return "waits for ever";
	if (c->first == SUBJECT_END && expect->says != SUBJECT_END)
		return "a false end";
	if (c->again != c->first && c->again == SUBJECT_END)
		return "then a false end";
	if (c->again != c->first && c->first == SUBJECT_END)
		return "an end that does not last";
	if (c->again != c->first && (c->has_verdict || c->again == SUBJECT_WAITS))
		return "then something else"; /* a library may tell one failure in two ways */
	if (c->bytes != expect->bytes && !(expect->may_refuse && c->first != SUBJECT_END))
		return "other bytes";
	if (c->has_verdict && c->verdict.whole && expect->says != SUBJECT_END)
		return "a false whole";
	return NULL;
}

enum judgement judge(const struct audit_expect *expect, const struct conclusion *c,
                     const char **why)
{
	*why = find_lie(expect, c);
	if (*why != NULL)
		return JUDGED_WRONG;
	*why = "";
	if (c->has_verdict && verdict_fits(expect, &c->verdict) && c->first == expect->says)
		return JUDGED_RIGHT;
	if (!c->has_verdict && c->first == expect->says && expect->says != SUBJECT_ERROR)
		return JUDGED_RIGHT; /* a class of its own, so that no other ending reads like it */
	if (expect->may_refuse && c->first != SUBJECT_END) { /* it fails in some way */
		*why = "refuses it";
		return JUDGED_REFUSED;
	}
	if (expect->says == SUBJECT_END) {
		*why = "no end";
		return JUDGED_WRONG;
	}
	*why = "cannot tell which";
	return JUDGED_VAGUE;
}
