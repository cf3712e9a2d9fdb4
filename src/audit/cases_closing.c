/*
 * cases_closing: what is right when a subject ends the connection itself, or writes where it should
 * not any more: rows, and the judge of what the adversary saw.
 */
#include "audit/cases.h"

#define SAYS(says_, read_, at_, alert_)                                                            \
	{                                                                                          \
		.says = SUBJECT_##says_, .read = LW_ENDING_##read_, .at = LW_PLACE_##at_,          \
		.alert = alert_                                                                    \
	}
#define CLOSED  SAYS(END, CLOSED, NONE, 0)
#define CUT     SAYS(TRUNCATED, TRUNCATED, BOUNDARY, -1)
#define INSIDE  SAYS(TRUNCATED, TRUNCATED, INSIDE, -1)
#define RESET   SAYS(TRUNCATED, RESET, BOUNDARY, -1)
#define ABORTED SAYS(ABORTED, ABORTED, NONE, 40)
#define EXPIRED SAYS(ERROR, EXPIRED, NONE, -1)

/* clang-format off */
static const struct audit_case cases[] = {
	{ "answered", CLOSED, CLOSED, "either-may-start", SUBJECT_SHUTS_DOWN },
	{ "answered-by-fin", CUT, CUT, "truncation-undecidable", SUBJECT_SHUTS_DOWN },
	{ "answered-inside-record", INSIDE, INSIDE, "truncation-undecidable", SUBJECT_SHUTS_DOWN },
	{ "answered-by-reset", RESET, RESET, "tcp-end-kind-reported", SUBJECT_SHUTS_DOWN },
	{ "answered-by-fatal", ABORTED, ABORTED, "close-at-once-on-fatal", SUBJECT_SHUTS_DOWN },
	{ "unanswered", EXPIRED, EXPIRED, "need-not-wait", SUBJECT_SHUTS_DOWN },
	{ "data-too-late", CLOSED, CLOSED, "nothing-after-own-closure", SUBJECT_WRITES_AFTER_OWN },
	{ "data-to-the-closed", CLOSED, CLOSED, "discard-pending-writes", SUBJECT_WRITES_AFTER_PEERS },
	{ "full-pipe", CLOSED, CLOSED, "send-before-closing", SUBJECT_CLOSES_HALF_OUT },
};
/* clang-format on */

const struct audit_case *closing_case_at(unsigned index)
{
	return index < sizeof cases / sizeof cases[0] ? &cases[index] : NULL;
}

/* rule: nothing-after-own-closure */
static const char *find_after_own(const struct audit_result *result)
{
	if (result->tally.after_closure > 0)
		return "sends it";
	return result->conclusion.taken > 0 ? "says it was sent" : NULL;
}

/* rules: discard-pending-writes, half-close */
static const char *find_after_peers(enum lw_version version, const struct audit_result *result)
{
	if (version == LW_VERSION_TLS1_3)
		return result->tally.data_bytes == SUBJECT_LATE_BYTES ? NULL : "does not send it";
	if (result->tally.data_bytes > 0)
		return "sends it";
	return result->conclusion.taken > 0 ? "says it was sent" : NULL;
}

static const char *find_half_out(const struct audit_result *result)
{
	if (result->tally.unreadable || result->tally.cut_inside)
		return "breaks the record";
	if (result->tally.data_differs || result->tally.data_bytes < result->conclusion.taken)
		return "loses data";
	if (result->tally.close_notifies > 1)
		return "sends two";
	if (result->tally.close_notifies == 0)
		return result->conclusion.first == SUBJECT_END ? "sends none, says so"
		                                               : "sends none";
	return NULL;
}

enum judgement judge_case(const struct audit_case *row, enum lw_version version,
                          const struct audit_result *result, const char **why)
{
	switch (row->act) {
	case SUBJECT_WRITES_AFTER_OWN:
		*why = find_after_own(result);
		break;
	case SUBJECT_WRITES_AFTER_PEERS:
		*why = find_after_peers(version, result);
		break;
	case SUBJECT_CLOSES_HALF_OUT:
		*why = find_half_out(result);
		break;
	case SUBJECT_READS:
	case SUBJECT_SHUTS_DOWN:
	case SUBJECT_ACTS:
	default:
		return judge(case_expects(row, version), &result->conclusion, why);
	}
	if (*why != NULL)
		return JUDGED_WRONG;
	*why = "";
	return JUDGED_RIGHT;
}
