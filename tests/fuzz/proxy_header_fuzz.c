/*
 * proxy_header_fuzz: what may come where a PROXY header is expected.  How it is cut changes
 * nothing; nothing behind a header is taken; a sentence holds nothing that a terminal obeys; texts
 * end inside their fields; and what was read and is written again reads as it did.
 */
#include <string.h>

#include "net/proxy_header.h"
#include "tests/fuzz/fuzz.h"

static void claim_text(const char *text, size_t cap)
{
	fuzz_claim(memchr(text, '\0', cap) != NULL);
	for (; *text != '\0'; text++)
		fuzz_claim((unsigned char)*text >= 0x20 && *text != 0x7f);
}

static void claim_header(const struct proxy_header *h)
{
	claim_text(h->alpn, sizeof h->alpn);
	claim_text(h->authority, sizeof h->authority);
	claim_text(h->tls_version, sizeof h->tls_version);
	claim_text(h->common_name, sizeof h->common_name);
	claim_text(h->cipher, sizeof h->cipher);
	fuzz_claim(!h->verified || h->client_certificate);
	fuzz_claim(!h->client_certificate || h->has_tls);
	fuzz_claim(h->is_local == (h->source.ss_family == 0));
	fuzz_claim(h->source.ss_family == h->destination.ss_family);
}

/* Writes a header, reads it and writes that: the octets are the same. */
static void claim_settles(const struct proxy_header *h, int version)
{
	static struct proxy_reader r;
	unsigned char first[1200], second[1200];
	const size_t n = proxy_header_write(h, version, first, sizeof first);
	struct proxy_header again;
	struct failure f;
	size_t used;

	fuzz_claim(n > 0);
	proxy_reader_begin(&r);
	fuzz_claim(proxy_reader_feed(&r, first, n, &used, &again, &f) == PROXY_HEADER_DONE);
	fuzz_claim(used == n);
	fuzz_claim(proxy_header_write(&again, version, second, sizeof second) == n);
	fuzz_claim(memcmp(first, second, n) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct proxy_reader whole, split;
	struct proxy_header h, other;
	struct failure f = { "" }, g = { "" };
	enum proxy_header_status status = PROXY_HEADER_MORE, as_whole;
	size_t used, one, taken = 0;

	proxy_reader_begin(&whole);
	proxy_reader_begin(&split);
	as_whole = proxy_reader_feed(&whole, data, size, &used, &h, &f);
	for (size_t i = 0; i < size && status == PROXY_HEADER_MORE; i++) {
		status = proxy_reader_feed(&split, data + i, 1, &one, &other, &g);
		fuzz_claim(one == 1);
		taken++;
	}
	fuzz_claim(status == as_whole && taken == used && used <= size);
	fuzz_claim(used <= PROXY_HEADER_V2_MAX);
	fuzz_claim(strcmp(f.sentence, g.sentence) == 0);
	fuzz_claim((status == PROXY_HEADER_BAD) == (f.sentence[0] != '\0'));
	claim_text(f.sentence, sizeof f.sentence);
	if (status != PROXY_HEADER_DONE)
		return 0;
	fuzz_claim(memcmp(&h, &other, sizeof h) == 0);
	claim_header(&h);
	claim_settles(&h, 1);
	claim_settles(&h, 2);
	return 0;
}
