/*
 * cutter_fuzz: any bytes both ways pass through the cutter as they are, up to the cut, and the same
 * bytes in any pieces are cut at the same place.  Input: three octets for the plan, then runs, each
 * an octet (top bit: direction, rest: length) and bytes.
 */
#include <string.h>

#include "pipe/cutter.h"
#include "tests/fuzz/fuzz.h"

#define HELD_MAX 300u /* what cutter.h says it may keep back */

/* One direction as its pump sees it: what has arrived and not passed. */
struct pipe_end {
	uint8_t held[8192];
	size_t held_bytes;
	uint64_t passed;
	bool cut;
};

static void offer(struct cutter *c, struct pipe_end *end, enum cutter_direction direction,
                  bool is_last)
{
	struct cutter_answer answer =
	    cutter_offer(c, direction, end->held, end->held_bytes, is_last);

	fuzz_claim(answer.pass <= end->held_bytes);
	fuzz_claim(!end->cut || answer.pass == 0);
	end->passed += answer.pass;
	end->cut |= answer.cut;
	if (end->cut) {
		end->held_bytes = 0;
		return;
	}
	end->held_bytes -= answer.pass;
	memmove(end->held, end->held + answer.pass, end->held_bytes);
	fuzz_claim(end->held_bytes < HELD_MAX);
	fuzz_claim(!is_last || end->held_bytes == 0);
}

static void arrive(struct cutter *c, struct pipe_end *ends, enum cutter_direction direction,
                   const uint8_t *bytes, size_t len, size_t step)
{
	struct pipe_end *end = &ends[direction];

	for (size_t at = 0; at < len && !end->cut; at += step) {
		size_t piece = len - at < step ? len - at : step;

		memcpy(end->held + end->held_bytes, bytes + at, piece);
		end->held_bytes += piece;
		offer(c, end, direction, false);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct cutter whole, split;
	static struct pipe_end whole_ends[2], split_ends[2];
	struct cutter_plan plan = { 0 };

	if (size < 3)
		return 0;
	plan.how = (enum cutter_how)(data[0] % 5);
	plan.unit = (enum cutter_unit)(data[0] / 5 % 2);
	plan.after = data[1];
	plan.cuts[0] = data[2] & 1;
	plan.cuts[1] = (data[2] & 2) != 0;
	plan.version = (enum lw_version)(data[2] / 4 % (LW_VERSION_TLS1_3 + 1));
	memset(whole_ends, 0, sizeof(whole_ends));
	memset(split_ends, 0, sizeof(split_ends));
	cutter_begin(&whole, &plan);
	cutter_begin(&split, &plan);
	for (size_t at = 3; at < size;) {
		enum cutter_direction direction =
		    data[at] & 0x80 ? CUTTER_TO_SERVER : CUTTER_TO_CLIENT;
		size_t len = data[at] & 0x7f;

		at++;
		len = len < size - at ? len : size - at;
		arrive(&whole, whole_ends, direction, data + at, len, 128);
		arrive(&split, split_ends, direction, data + at, len, 1);
		at += len;
	}
	for (int direction = 0; direction < 2; direction++) {
		if (!whole_ends[direction].cut)
			offer(&whole, &whole_ends[direction], (enum cutter_direction)direction,
			      true);
		if (!split_ends[direction].cut)
			offer(&split, &split_ends[direction], (enum cutter_direction)direction,
			      true);
		fuzz_claim(whole_ends[direction].cut == split_ends[direction].cut);
		fuzz_claim(whole_ends[direction].passed == split_ends[direction].passed);
		fuzz_claim(!whole_ends[direction].cut || plan.cuts[direction]);
	}
	fuzz_claim(cutter_version(&whole) == cutter_version(&split));
	return 0;
}
