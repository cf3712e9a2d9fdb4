/*
 * starttls_fuzz: what a server in the clear, or somebody in its place, may say before TLS.  Input:
 * an octet for the row, then what the peer sends.  How it is split changes nothing; the dialogue is
 * bounded; what a person is shown holds nothing that a terminal obeys.
 */
#include <string.h>

#include "net/starttls.h"
#include "tests/fuzz/fuzz.h"

static void claim_sound(const struct starttls *s)
{
	struct failure f = { "" };

	fuzz_claim(s->line_bytes <= STARTTLS_LINE_BYTES &&
	           s->total_bytes <= STARTTLS_TOTAL_BYTES + 1u);
	fuzz_claim(s->output_bytes <= sizeof(s->output));
	if (s->status != STARTTLS_REFUSED)
		return;
	fuzz_claim(s->refusal || memchr(s->line, '\0', sizeof(s->line)));
	starttls_explain(s, "peer.example:25", &f);
	fuzz_claim(strlen(f.sentence) > 0 && strlen(f.sentence) < sizeof(f.sentence));
	for (const char *c = f.sentence; *c; c++)
		fuzz_claim((unsigned char)*c >= 0x20 && (unsigned char)*c < 0x7f);
}

static void claim_same(const struct starttls *a, const struct starttls *b)
{
	size_t an, bn;
	const char *ao = starttls_output(a, &an), *bo = starttls_output(b, &bn);

	fuzz_claim(a->status == b->status && a->step == b->step);
	fuzz_claim((a->refusal == NULL) == (b->refusal == NULL));
	fuzz_claim(an == bn && memcmp(ao, bo, an) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct starttls whole, split;
	const char *name;

	if (size == 0)
		return 0;
	name = starttls_name(data[0] % 8);
	if (!name) /* one past the last row */
		return 0;
	starttls_begin(&whole, starttls_find(name), "peer.example");
	starttls_begin(&split, starttls_find(name), "peer.example");
	(void)starttls_feed(&whole, data + 1, size - 1);
	for (size_t at = 1; at < size; at++) {
		const enum starttls_status before = split.status;

		(void)starttls_feed(&split, data + at, 1);
		fuzz_claim(before != STARTTLS_REFUSED || split.status == STARTTLS_REFUSED);
		fuzz_claim(before != STARTTLS_DONE || split.status == STARTTLS_REFUSED);
		claim_sound(&split);
	}
	claim_sound(&whole);
	claim_same(&whole, &split);
	starttls_ended(&whole);
	fuzz_claim(whole.status != STARTTLS_TALKING);
	return 0;
}
