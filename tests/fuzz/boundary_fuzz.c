/*
 * boundary_fuzz: any bytes at all are followed as records, and how they are
 * split over calls changes nothing.  The first octet says how to split.
 */
#include <string.h>

#include "closure/boundary.h"
#include "tests/fuzz/fuzz.h"

static void claim_sound(const struct lw_boundary *b)
{
	fuzz_claim(lw_boundary_need(b) > 0);
	fuzz_claim(lw_boundary_need(b) <= 65535);
	fuzz_claim(b->header_bytes <= LW_RECORD_HEADER);
	fuzz_claim((lw_boundary_place(b) == LW_PLACE_BOUNDARY) == (b->header_bytes == 0));
	if (lw_boundary_missing(b) > 0)
		fuzz_claim(lw_boundary_missing(b) == lw_boundary_need(b));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct lw_boundary whole = { 0 };
	struct lw_boundary split = { 0 };
	struct lw_boundary exact = { 0 };
	size_t step = size ? 1 + data[0] : 1;

	if (size == 0)
		return 0;
	data++;
	size--;
	lw_boundary_pass(&whole, data, size);
	claim_sound(&whole);
	for (size_t at = 0; at < size; at += step) {
		lw_boundary_pass(&split, data + at, size - at < step ? size - at : step);
		claim_sound(&split);
	}
	for (size_t at = 0; at < size;) { /* as a reader that asks for no more than is needed */
		size_t need = lw_boundary_need(&exact);
		uint64_t records = exact.records;

		need = need < size - at ? need : size - at;
		lw_boundary_pass(&exact, data + at, need);
		at += need;
		fuzz_claim(exact.records - records <= 1);
	}
	fuzz_claim(whole.records == split.records && whole.records == exact.records);
	fuzz_claim(lw_boundary_need(&whole) == lw_boundary_need(&split));
	fuzz_claim(lw_boundary_need(&whole) == lw_boundary_need(&exact));
	fuzz_claim(lw_boundary_type(&whole) == lw_boundary_type(&split));
	return 0;
}
