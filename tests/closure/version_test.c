/*
 * version: every row and every column, each fact with the rule it comes from.
 *
 * A column is written here as the set of versions where the rule holds, straight from
 * data/rules.tsv, and not as the code writes it; so a slip in a row shows.
 */
#include "closure/version.h"
#include "tests/unit.h"

#include <stdio.h>
#include <string.h>

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

struct fact {
	const char *rule;
	const char *column;
	bool (*holds)(const struct lw_version_row *row);
	unsigned versions;
};

static const struct fact facts[] = {
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

#define FACTS (sizeof facts / sizeof facts[0])

static void holds_in_exactly_these_versions(void **state)
{
	const struct fact *fact = *state;

	for (unsigned version = 0; version <= LW_VERSION_DTLS1_3; version++) {
		const struct lw_version_row *row = lw_version_row((enum lw_version)version);
		const bool expected = (fact->versions & BIT(version)) != 0;

		if (fact->holds(row) != expected)
			fail_msg("%s, %s: %s", fact->rule, row->name, fact->column);
	}
}

static void names_and_wire_numbers(void **state)
{
	static const struct {
		enum lw_version version;
		uint16_t wire;
		const char *name;
	} rows[] = {
		{ LW_VERSION_SSL3, 0x0300, "SSLv3" },
		{ LW_VERSION_TLS1_0, 0x0301, "TLSv1.0" },
		{ LW_VERSION_TLS1_1, 0x0302, "TLSv1.1" },
		{ LW_VERSION_TLS1_2, 0x0303, "TLSv1.2" },
		{ LW_VERSION_TLS1_3, 0x0304, "TLSv1.3" },
		{ LW_VERSION_DTLS1_2, 0xfefd, "DTLSv1.2" },
		{ LW_VERSION_DTLS1_3, 0xfefc, "DTLSv1.3" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		const struct lw_version_row *row = lw_version_row(rows[i].version);

		assert_int_equal(row->version, rows[i].version);
		assert_int_equal(row->wire, rows[i].wire);
		assert_string_equal(row->name, rows[i].name);
		assert_string_equal(lw_version_name(rows[i].version), rows[i].name);
	}
}

static void every_number_on_the_wire_finds_its_row_or_none(void **state)
{
	unsigned found = 0;

	(void)state;
	for (unsigned wire = 0; wire <= 0xffff; wire++) {
		const enum lw_version version = lw_version_of_wire((uint16_t)wire);

		if (version == LW_VERSION_UNKNOWN)
			continue;
		assert_int_equal(lw_version_row(version)->wire, wire);
		found++;
	}
	assert_int_equal(found, LW_VERSION_DTLS1_3);
}

static void a_version_out_of_range_gets_the_careful_row(void **state)
{
	(void)state;
	assert_ptr_equal(lw_version_row((enum lw_version)(LW_VERSION_DTLS1_3 + 1)),
	                 lw_version_row(LW_VERSION_UNKNOWN));
	assert_ptr_equal(lw_version_row((enum lw_version)1000), lw_version_row(LW_VERSION_UNKNOWN));
	assert_int_equal(lw_version_row(LW_VERSION_UNKNOWN)->wire, 0);
	assert_string_equal(lw_version_name((enum lw_version)1000), "unknown");
}

int main(void)
{
	static const struct CMUnitTest plain[] = {
		cmocka_unit_test(names_and_wire_numbers),
		cmocka_unit_test(every_number_on_the_wire_finds_its_row_or_none),
		cmocka_unit_test(a_version_out_of_range_gets_the_careful_row),
	};
	enum { PLAIN = sizeof plain / sizeof plain[0] };
	struct CMUnitTest tests[FACTS + PLAIN];
	char names[FACTS][96];

	for (size_t i = 0; i < FACTS; i++) {
		snprintf(names[i], sizeof names[i], "rule: %s, %s", facts[i].rule, facts[i].column);
		tests[i] = (struct CMUnitTest){ .name = names[i],
			                        .test_func = holds_in_exactly_these_versions,
			                        .initial_state = (void *)&facts[i] };
	}
	memcpy(tests + FACTS, plain, sizeof plain);
	return run_cases(tests);
}
