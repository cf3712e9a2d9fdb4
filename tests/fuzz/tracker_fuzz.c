/*
 * tracker_fuzz: any bytes in any order of directions are followed, and how they
 * are split over calls changes no answer.  Input: an octet for the kind, one for
 * the role, then runs, each an octet (top bit: direction, rest: length) and bytes.
 */
#include <string.h>

#include "framing/tracker.h"
#include "tests/fuzz/fuzz.h"

static void tell(struct lw_tracker *t, bool sent, const uint8_t *bytes, size_t len)
{
	if (sent)
		lw_tracker_sent(t, bytes, len);
	else
		lw_tracker_received(t, bytes, len);
}

static void claim_same(const struct lw_tracker *a, const struct lw_tracker *b)
{
	fuzz_claim(lw_tracker_complete(a) == lw_tracker_complete(b));
	fuzz_claim(lw_tracker_ended_by_close(a) == lw_tracker_ended_by_close(b));
	fuzz_claim(lw_tracker_why(a) && strcmp(lw_tracker_why(a), lw_tracker_why(b)) == 0);
	fuzz_claim((a->lost == NULL) == (b->lost == NULL));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct lw_tracker whole;
	struct lw_tracker split;
	bool was_lost = false;

	if (size < 2)
		return 0;
	lw_tracker_init(&whole, (enum lw_kind)(data[0] % (LW_KINDS + 1)),
	                (enum lw_role)(data[1] & 1));
	lw_tracker_init(&split, (enum lw_kind)(data[0] % (LW_KINDS + 1)),
	                (enum lw_role)(data[1] & 1));
	fuzz_claim(!lw_tracker_complete(&whole));
	for (size_t at = 2; at < size;) {
		bool sent = data[at] & 0x80;
		size_t len = data[at] & 0x7f;

		at++;
		len = len < size - at ? len : size - at;
		tell(&whole, sent, data + at, len);
		for (size_t i = 0; i < len; i++)
			tell(&split, sent, data + at + i, 1);
		tell(&split, sent, data + at, 0);
		at += len;
		claim_same(&whole, &split);
		fuzz_claim(!(was_lost && lw_tracker_complete(&whole)));
		was_lost = whole.lost != NULL;
	}
	return 0;
}
