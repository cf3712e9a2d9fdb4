/* version_facts: see version_facts.h. */
#include "tests/closure/version_facts.h"

#define BIT(version) (1u << (version))

enum {
	SSL3 = BIT(LW_VERSION_SSL3),
	TLS10 = BIT(LW_VERSION_TLS1_0),
	TLS11 = BIT(LW_VERSION_TLS1_1),
	TLS12 = BIT(LW_VERSION_TLS1_2),
	TLS13 = BIT(LW_VERSION_TLS1_3),
	DTLS12 = BIT(LW_VERSION_DTLS1_2),
	DTLS13 = BIT(LW_VERSION_DTLS1_3),
	UNKNOWN = BIT(LW_VERSION_UNKNOWN), /* before the version is known: the most careful row */
	OLD = SSL3 | TLS10 | TLS11 | TLS12 | DTLS12,
	ALL = UNKNOWN | OLD | TLS13 | DTLS13
};

static bool answers(const struct lw_version_row *row)
{
	return row->on_peer_close == LW_ANSWER_AND_DISCARD;
}

static bool keeps_writing(const struct lw_version_row *row)
{
	return row->on_peer_close == LW_KEEP_WRITING;
}

#define COLUMN(name)                                                                               \
	static bool name(const struct lw_version_row *row)                                         \
	{                                                                                          \
		return row->name;                                                                  \
	}

COLUMN(half_close)
COLUMN(unclean_forbids_resumption)
COLUMN(fatal_forbids_resumption)
COLUMN(level_ignored)
COLUMN(unknown_alert_is_error)
COLUMN(alert_may_fragment)
COLUMN(alerts_may_share)
COLUMN(empty_alert_is_error)

const struct version_fact version_facts[] = {
	{ "answer-at-once", "on_peer_close answers", answers, UNKNOWN | OLD },
	{ "discard-pending-writes", "on_peer_close discards", answers, UNKNOWN | OLD },
	{ "no-forced-answer", "on_peer_close keeps writing", keeps_writing, TLS13 | DTLS13 },
	{ "half-close", "half_close", half_close, TLS13 | DTLS13 },
	{ "unclean-end-forbids-resumption", "unclean_forbids_resumption",
	  unclean_forbids_resumption, SSL3 | TLS10 },
	{ "unclean-end-allows-resumption", "unclean_forbids_resumption", unclean_forbids_resumption,
	  SSL3 | TLS10 },
	{ "unclean-end-silent-13", "unclean_forbids_resumption", unclean_forbids_resumption,
	  SSL3 | TLS10 },
	{ "fatal-invalidates-session", "fatal_forbids_resumption", fatal_forbids_resumption, ALL },
	{ "fatal-forbids-resumption", "fatal_forbids_resumption", fatal_forbids_resumption, ALL },
	{ "discard-tickets-on-failure", "fatal_forbids_resumption", fatal_forbids_resumption, ALL },
	{ "level-ignored", "level_ignored", level_ignored, TLS13 | DTLS13 },
	{ "error-at-any-level", "level_ignored", level_ignored, TLS13 | DTLS13 },
	{ "unknown-alert-is-error", "unknown_alert_is_error", unknown_alert_is_error,
	  TLS13 | DTLS13 },
	{ "alerts-may-fragment", "alert_may_fragment", alert_may_fragment,
	  UNKNOWN | SSL3 | TLS10 | TLS11 | TLS12 },
	{ "one-alert-per-record", "alerts_may_share", alerts_may_share,
	  UNKNOWN | SSL3 | TLS10 | TLS11 | TLS12 },
	{ "no-empty-alert", "empty_alert_is_error", empty_alert_is_error,
	  TLS12 | TLS13 | DTLS12 | DTLS13 },
	{ "empty-alert-refused", "empty_alert_is_error", empty_alert_is_error,
	  TLS12 | TLS13 | DTLS12 | DTLS13 },
};

const size_t version_facts_count = sizeof version_facts / sizeof version_facts[0];

bool version_fact_agrees(const struct version_fact *fact, const struct lw_version_row *row)
{
	return fact->holds(row) == ((fact->versions & BIT(row->version)) != 0);
}
