/* cursor: every take checks its bound first; a take that fails moves nothing. */
#include "closure/cursor.h"
#include "tests/unit.h"

static const uint8_t octets[] = { 0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef, 0xff };

static void numbers_are_big_endian_of_one_to_eight_octets(void **state)
{
	uint64_t expected = 0;

	(void)state;
	for (size_t width = 1; width <= 8; width++) {
		struct lw_cursor c = lw_cursor_over(octets, sizeof octets);
		uint64_t value;

		expected = expected << 8 | octets[width - 1];
		assert_true(lw_take_uint(&c, width, &value));
		assert_true(value == expected);
		assert_int_equal(c.left, sizeof octets - width);
		assert_ptr_equal(c.at, octets + width);
	}
}

static void no_take_goes_past_the_end(void **state)
{
	for (size_t left = 0; left < sizeof octets; left++) {
		struct lw_cursor c = lw_cursor_over(octets, left), window = { octets, 77 };
		uint64_t value = 77;
		uint16_t two = 77;
		uint8_t one = 77;

		(void)state;
		for (size_t width = left + 1; width <= sizeof octets; width++)
			assert_false(lw_take_uint(&c, width, &value));
		assert_false(lw_take_window(&c, left + 1, &window));
		if (left < 2)
			assert_false(lw_take_u16(&c, &two));
		if (left < 1)
			assert_false(lw_take_u8(&c, &one));
		assert_ptr_equal(c.at, octets);
		assert_int_equal(c.left, left);
		assert_true(value == 77 && (left < 2 ? two == 77 : true) && window.left == 77);
	}
}

static void a_number_of_no_octets_or_too_many_is_refused(void **state)
{
	struct lw_cursor c = lw_cursor_over(octets, sizeof octets);
	uint64_t value;

	(void)state;
	assert_false(lw_take_uint(&c, 0, &value));
	assert_false(lw_take_uint(&c, 9, &value));
	assert_int_equal(c.left, sizeof octets);
}

static void takes_follow_each_other(void **state)
{
	struct lw_cursor c = lw_cursor_over(octets, sizeof octets), window;
	uint16_t two;
	uint8_t one;

	(void)state;
	assert_true(lw_take_u8(&c, &one));
	assert_true(lw_take_u16(&c, &two));
	assert_true(lw_take_window(&c, 4, &window));
	assert_int_equal(one, 0x01);
	assert_int_equal(two, 0x2345);
	assert_ptr_equal(window.at, octets + 3);
	assert_int_equal(window.left, 4);
	window = lw_take_up_to(&c, 1);
	assert_ptr_equal(window.at, octets + 7);
	assert_int_equal(window.left, 1);
	window = lw_take_up_to(&c, 100);
	assert_int_equal(window.left, 1);
	assert_int_equal(c.left, 0);
	assert_int_equal(lw_take_up_to(&c, 100).left, 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_are_big_endian_of_one_to_eight_octets),
		cmocka_unit_test(no_take_goes_past_the_end),
		cmocka_unit_test(a_number_of_no_octets_or_too_many_is_refused),
		cmocka_unit_test(takes_follow_each_other),
	};
	return run_cases(tests);
}
