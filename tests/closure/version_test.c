/* version: every row and every column, against the facts; names and numbers of the rows. */
#include "tests/closure/version_facts.h"
#include "tests/unit.h"

#include <stdio.h>
#include <string.h>

#define FACTS_MAX 32

static void holds_in_exactly_these_versions(void **state)
{
	const struct version_fact *fact = *state;

	for (unsigned version = 0; version <= LW_VERSION_DTLS1_3; version++) {
		const struct lw_version_row *row = lw_version_row((enum lw_version)version);

		if (!version_fact_agrees(fact, row))
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
	struct CMUnitTest tests[FACTS_MAX + PLAIN];
	char names[FACTS_MAX][96];
	const size_t count = version_facts_count;

	for (size_t i = 0; i < count && i < FACTS_MAX; i++) {
		snprintf(names[i], sizeof names[i], "rule: %s, %s", version_facts[i].rule,
		         version_facts[i].column);
		tests[i] = (struct CMUnitTest){ .name = names[i],
			                        .test_func = holds_in_exactly_these_versions,
			                        .initial_state = (void *)&version_facts[i] };
	}
	memcpy(tests + count, plain, sizeof plain);
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return _cmocka_run_group_tests("versions", tests, count + PLAIN, NULL, NULL);
}
