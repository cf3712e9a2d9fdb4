/*
 * starttls_server_fuzz: what a client in the clear, or somebody in its place, may say before TLS.
 * Input: an octet for the row, then what the client sends.  How it is split changes nothing; the
 * dialogue is bounded; a go-ahead is never sent when anything came behind the request.  The same
 * octets are then a greeting of a server's, whose length does not change when more comes.
 */
#include <string.h>

#include "net/starttls_server.h"
#include "tests/fuzz/fuzz.h"

static void claim_sound(const struct starttls_server *s)
{
	struct failure f = { "" };

	fuzz_claim(s->line_bytes < STARTTLS_LINE_BYTES);
	fuzz_claim(s->total_bytes <= STARTTLS_TOTAL_BYTES + 1u);
	fuzz_claim(s->commands <= STARTTLS_SERVER_COMMANDS + 1u);
	fuzz_claim(s->output_bytes <= s->said_bytes && s->said_bytes <= STARTTLS_SERVER_SAID);
	fuzz_claim((s->status == STARTTLS_REFUSED) == (s->refusal != NULL));
	fuzz_claim(!s->has_quit || s->status == STARTTLS_REFUSED);
	starttls_server_explain(s, &f);
	fuzz_claim(strlen(f.sentence) > 0 && strlen(f.sentence) < sizeof(f.sentence));
}

static void claim_same(const struct starttls_server *a, const struct starttls_server *b)
{
	fuzz_claim(a->status == b->status && a->has_quit == b->has_quit);
	fuzz_claim(a->refusal == b->refusal || strcmp(a->refusal, b->refusal) == 0);
	fuzz_claim(a->output_bytes == b->output_bytes);
	fuzz_claim(memcmp(a->output, b->output, a->output_bytes) == 0);
}

static void greet(const struct starttls_row *row, const uint8_t *data, size_t size)
{
	bool whole, was_whole = false;
	size_t length = 0;

	for (size_t n = 0; n <= size; n++) {
		size_t now = starttls_greeting(row, data, n, &whole);

		fuzz_claim(now <= n && (whole || now == n));
		fuzz_claim(!was_whole || (whole && now == length));
		was_whole = whole;
		length = now;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct starttls_server whole, split;
	const struct starttls_row *row;
	const char *name;
	size_t used;

	if (size == 0)
		return 0;
	name = starttls_name(data[0] % 8);
	if (!name) /* one past the last row */
		return 0;
	row = starttls_find(name);
	fuzz_claim(starttls_server_begin(&whole, row, "here.example"));
	fuzz_claim(starttls_server_begin(&split, row, "here.example"));
	(void)starttls_server_feed(&whole, data + 1, size - 1, &used);
	fuzz_claim(used == size - 1);
	for (size_t at = 1; at < size; at++) {
		const enum starttls_status before = split.status;

		(void)starttls_server_feed(&split, data + at, 1, &used);
		fuzz_claim(used == 1);
		fuzz_claim(before == STARTTLS_TALKING || split.status == STARTTLS_REFUSED);
		fuzz_claim(before != STARTTLS_DONE || split.output_bytes == 0);
		claim_sound(&split);
	}
	claim_sound(&whole);
	claim_same(&whole, &split);
	starttls_server_ended(&whole);
	fuzz_claim(whole.status != STARTTLS_TALKING);
	greet(row, data + 1, size - 1 < 600 ? size - 1 : 600);
	return 0;
}
