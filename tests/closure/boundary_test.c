/* boundary: a record stream fed whole and octet by octet gives the same places and counts. */
#include "closure/boundary.h"
#include "tests/unit.h"

static const uint8_t two_records[] = { 23, 3, 3, 0, 3, 'a', 'b', 'c', 21, 3, 3, 0, 0 };

static void counts_whole_records(void **state)
{
	struct lw_boundary b = { 0 };

	(void)state;
	lw_boundary_pass(&b, two_records, sizeof two_records);
	assert_int_equal(b.records, 2);
	assert_int_equal(lw_boundary_place(&b), LW_PLACE_BOUNDARY);
	assert_int_equal(lw_boundary_type(&b), LW_RECORD_ALERT);
	assert_int_equal(lw_boundary_need(&b), LW_RECORD_HEADER);
}

static void tells_the_place_at_every_octet(void **state)
{
	struct lw_boundary b = { 0 };
	static const uint32_t missing[] = { 0, 0, 0, 0, 3, 2, 1, 0, 0, 0, 0, 0, 0 };
	static const uint64_t records[] = { 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 2 };

	(void)state;
	for (size_t i = 0; i < sizeof two_records; i++) {
		bool whole = i == 7 || i == 12;

		lw_boundary_pass(&b, two_records + i, 1);
		assert_int_equal(lw_boundary_place(&b),
		                 whole ? LW_PLACE_BOUNDARY : LW_PLACE_INSIDE);
		assert_int_equal(lw_boundary_missing(&b), missing[i]);
		assert_int_equal(b.records, records[i]);
	}
}

static void never_asks_past_the_end_of_a_record(void **state)
{
	struct lw_boundary b = { 0 };
	static const size_t need[] = { 5, 4, 3, 2, 1, 3, 2, 1, 5, 4, 3, 2, 1, 5 };

	(void)state;
	for (size_t i = 0; i < sizeof two_records; i++) {
		assert_int_equal(lw_boundary_need(&b), need[i]);
		lw_boundary_pass(&b, two_records + i, 1);
	}
	assert_int_equal(lw_boundary_need(&b), need[sizeof two_records]);
}

static void any_split_in_two_gives_the_same(void **state)
{
	(void)state;
	for (size_t cut = 0; cut <= sizeof two_records; cut++) {
		struct lw_boundary b = { 0 }, whole = { 0 };

		lw_boundary_pass(&b, two_records, cut);
		lw_boundary_pass(&b, two_records + cut, sizeof two_records - cut);
		lw_boundary_pass(&whole, two_records, sizeof two_records);
		assert_memory_equal(&b, &whole, sizeof b);
	}
}

static void the_longest_length_is_counted_down_to_its_end(void **state)
{
	static const uint8_t header[] = { 23, 3, 3, 0xff, 0xff };
	static const uint8_t body[0xffff];
	struct lw_boundary b = { 0 };

	(void)state;
	lw_boundary_pass(&b, header, sizeof header);
	assert_int_equal(lw_boundary_need(&b), 0xffff);
	lw_boundary_pass(&b, body, sizeof body - 1);
	assert_int_equal(lw_boundary_missing(&b), 1);
	assert_int_equal(lw_boundary_place(&b), LW_PLACE_INSIDE);
	lw_boundary_pass(&b, body, 1);
	assert_int_equal(lw_boundary_missing(&b), 0);
	assert_int_equal(lw_boundary_place(&b), LW_PLACE_BOUNDARY);
	assert_int_equal(b.records, 1);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(counts_whole_records),
		cmocka_unit_test(tells_the_place_at_every_octet),
		cmocka_unit_test(never_asks_past_the_end_of_a_record),
		cmocka_unit_test(any_split_in_two_gives_the_same),
		cmocka_unit_test(the_longest_length_is_counted_down_to_its_end),
	};
	return run_cases(tests);
}
