/*
 * alert: what every pair of octets means in every version, and how alerts are cut out of records.
 *
 * The reference below is written from data/rules.tsv, with the two lists of alerts of RFC 8446
 * section 6 spelled out; it shares nothing with the code it judges.
 */
#include "closure/alert.h"
#include "tests/unit.h"

#include <stdio.h>
#include <string.h>

#define VERSIONS (LW_VERSION_DTLS1_3 + 1)

static bool is_13(enum lw_version version)
{
	return version == LW_VERSION_TLS1_3 || version == LW_VERSION_DTLS1_3;
}

/* rules: level-ignored, two-alert-classes, error-at-any-level, unknown-alert-is-error */
static enum lw_alert_class expected_13(unsigned description)
{
	switch (description) {
	case 0:
		return LW_ALERT_IS_CLOSURE;
	case 90: /* rule: user-canceled-read-on */
		return LW_ALERT_IS_PASSING;
	default:
		return LW_ALERT_IS_FATAL;
	}
}

/* rules: fatal-level-ends, level-unstated; other levels do not exist */
static enum lw_alert_class expected_old(unsigned level, unsigned description)
{
	if (level == 2)
		return LW_ALERT_IS_FATAL;
	if (level != 1)
		return LW_ALERT_IS_MALFORMED;
	return description == 0 ? LW_ALERT_IS_CLOSURE : LW_ALERT_IS_PASSING;
}

static void every_pair_of_octets_has_its_class_in_every_version(void **state)
{
	(void)state;
	for (unsigned v = 0; v < VERSIONS; v++) {
		const enum lw_version version = (enum lw_version)v;
		const struct lw_version_row *row = lw_version_row(version);

		for (unsigned pair = 0; pair <= 0xffff; pair++) {
			const unsigned level = pair >> 8, description = pair & 0xff;
			const enum lw_alert_class expected = is_13(version)
			                                         ? expected_13(description)
			                                         : expected_old(level, description);

			if (lw_alert_classify(row, (uint8_t)level, (uint8_t)description) !=
			    expected)
				fail_msg("%s, level %u, description %u", row->name, level,
				         description);
		}
	}
}

static void registered_descriptions_have_names_and_others_do_not(void **state)
{
	/* The TLS Alerts registry; the codes of SSL 3.0 and of later withdrawn entries included. */
	static const uint8_t registered[] = { 0,   10,  20,  21,  22,  30,  40,  41,  42,  43,
		                              44,  45,  46,  47,  48,  49,  50,  51,  52,  60,
		                              70,  71,  80,  86,  90,  100, 109, 110, 111, 112,
		                              113, 114, 115, 116, 117, 120, 121 };

	(void)state;
	for (unsigned d = 0; d < 256; d++) {
		const bool known = memchr(registered, (int)d, sizeof registered) != NULL;

		assert_int_equal(lw_alert_known((uint8_t)d), known);
		assert_int_equal(strcmp(lw_alert_name((uint8_t)d), "alert") != 0, known);
		for (unsigned other = 0; known && other < d; other++)
			assert_string_not_equal(lw_alert_name((uint8_t)d),
			                        lw_alert_name((uint8_t)other));
	}
	assert_string_equal(lw_alert_name(0), "close_notify");
	assert_string_equal(lw_alert_name(10), "unexpected_message");
	assert_string_equal(lw_alert_name(20), "bad_record_mac");
	assert_string_equal(lw_alert_name(50), "decode_error");
	assert_string_equal(lw_alert_name(90), "user_canceled");
}

/* A record's contents, and what is taken out of it: the alerts in hex, `!` where it breaks. */
struct contents {
	const char *what;    /* rule ids first */
	const char *records; /* hex; `|` between records */
	const char *loose;   /* where alerts may be split and joined, empty ones pass */
	const char *loose_no_empty;
	const char *exact; /* one alert a record, nothing else */
};

static const struct contents rows[] = {
	{ "alert-two-bytes: one alert", "0100", "0100", "0100", "0100" },
	{ "alert-two-bytes: two records", "015a|0100", "015a0100", "015a0100", "015a0100" },
	{ "alerts-may-fragment: one octet in each of two records", "01|00", "0100", "0100", "!" },
	{ "alerts-may-fragment: half an alert and nothing", "02", "", "", "!" },
	{ "one-alert-per-record: two alerts share a record", "015a0100", "015a0100", "015a0100",
	  "!" },
	{ "alerts-may-fragment: three octets and one", "015a01|00", "015a0100", "015a0100", "!" },
	{ "malformed-alert-decode-error: three octets", "010001", "0100", "0100", "!" },
	{ "empty-alert-refused: an empty record", "", "", "!", "!" },
	{ "no-empty-alert: an empty record between two halves", "01||00", "0100", "!", "!" },
	{ "empty-alert-refused: an alert, then an empty record", "0100|", "0100", "0100!",
	  "0100!" },
};

#define ROWS (sizeof rows / sizeof rows[0])

static uint8_t hex_octet(const char *at)
{
	static const char digits[] = "0123456789abcdef";

	return (uint8_t)((strchr(digits, at[0]) - digits) << 4 | (strchr(digits, at[1]) - digits));
}

/* Takes the alerts out of one record and writes them down; false once it broke. */
static bool take_record(const struct lw_version_row *row, struct lw_alert_joint *joint,
                        const char *hex, size_t digits, char *out)
{
	uint8_t bytes[16];
	struct lw_alert alert = { 0 };
	size_t used = 0;
	enum lw_alert_cut cut;

	for (size_t i = 0; i < digits / 2; i++)
		bytes[i] = hex_octet(hex + 2 * i);
	while ((cut = lw_alert_take(row, joint, bytes, digits / 2, &used, &alert)) ==
	       LW_ALERT_ONE) {
		assert_true(alert.present);
		out += strlen(out);
		snprintf(out, 5, "%02x%02x", alert.level, alert.description);
	}
	if (cut == LW_ALERT_BROKEN)
		strncat(out, "!", 2);
	else
		assert_int_equal(used, digits / 2);
	return cut != LW_ALERT_BROKEN;
}

static void take_all(const struct lw_version_row *row, const char *records, char *out)
{
	struct lw_alert_joint joint = { 0 };
	bool more = true;

	out[0] = '\0';
	while (more) {
		const size_t digits = strcspn(records, "|");

		if (!take_record(row, &joint, records, digits, out))
			return;
		more = records[digits] == '|';
		records += digits + 1;
	}
}

static const char *expected_of(const struct contents *contents, enum lw_version version)
{
	if (is_13(version) || version == LW_VERSION_DTLS1_2)
		return contents->exact;
	return version == LW_VERSION_TLS1_2 ? contents->loose_no_empty : contents->loose;
}

static void takes_alerts_out_of_records(void **state)
{
	const struct contents *contents = *state;
	char taken[64];

	for (unsigned v = 0; v < VERSIONS; v++) {
		const enum lw_version version = (enum lw_version)v;

		take_all(lw_version_row(version), contents->records, taken);
		if (strcmp(taken, expected_of(contents, version)) != 0)
			fail_msg("%s, %s: took \"%s\", expected \"%s\"", contents->what,
			         lw_version_name(version), taken, expected_of(contents, version));
	}
}

/* rule: alerts-may-fragment */
static void any_split_into_records_gives_the_same_alerts(void **state)
{
	static const char alerts[] = "015a01640100";
	enum { OCTETS = (sizeof alerts - 1) / 2 };

	(void)state;
	for (unsigned splits = 0; splits < 1u << (OCTETS - 1); splits++) {
		char records[64] = "", taken[64];

		for (unsigned i = 0; i < OCTETS; i++) {
			strncat(records, alerts + (size_t)2 * i, 2);
			if (splits & 1u << i)
				strncat(records, "|", 2);
		}
		for (unsigned v = LW_VERSION_UNKNOWN; v <= LW_VERSION_TLS1_2; v++) {
			take_all(lw_version_row((enum lw_version)v), records, taken);
			assert_string_equal(taken, alerts);
		}
	}
}

/* Sharing and splitting are two columns; no version has one without the other. */
static void a_row_may_share_and_not_split(void **state)
{
	struct lw_version_row row = *lw_version_row(LW_VERSION_TLS1_2);
	char taken[64];

	(void)state;
	row.alert_may_fragment = false;
	take_all(&row, "015a0100", taken);
	assert_string_equal(taken, "015a0100");
	take_all(&row, "015a01|00", taken);
	assert_string_equal(taken, "015a!");
}

static void taking_from_behind_the_end_gives_nothing(void **state)
{
	static const uint8_t bytes[] = { 1, 0 };
	struct lw_alert_joint joint = { 0 };
	struct lw_alert alert = { 0 };
	size_t used = 3;

	(void)state;
	assert_int_equal(lw_alert_take(lw_version_row(LW_VERSION_TLS1_2), &joint, bytes,
	                               sizeof bytes, &used, &alert),
	                 LW_ALERT_NONE);
	assert_int_equal(used, 3);
	assert_false(alert.present);
}

int main(void)
{
	static const struct CMUnitTest plain[] = {
		cmocka_unit_test(every_pair_of_octets_has_its_class_in_every_version),
		cmocka_unit_test(registered_descriptions_have_names_and_others_do_not),
		cmocka_unit_test(any_split_into_records_gives_the_same_alerts),
		cmocka_unit_test(a_row_may_share_and_not_split),
		cmocka_unit_test(taking_from_behind_the_end_gives_nothing),
	};
	enum { PLAIN = sizeof plain / sizeof plain[0] };
	struct CMUnitTest tests[ROWS + PLAIN];
	char names[ROWS][96];

	for (size_t i = 0; i < ROWS; i++) {
		snprintf(names[i], sizeof names[i], "rule: %s", rows[i].what);
		tests[i] = (struct CMUnitTest){ .name = names[i],
			                        .test_func = takes_alerts_out_of_records,
			                        .initial_state = (void *)&rows[i] };
	}
	memcpy(tests + ROWS, plain, sizeof plain);
	return run_cases(tests);
}
