/*
 * record_fuzz: an onlooker with a key log follows any records of two sides
 * without harm, and can seal a record at any point or says that it cannot.
 * Input: an octet of choices, then runs, each an octet (top bit: the side,
 * rest: length in units of four) and bytes; the key log fits a ClientHello
 * whose random is zeros.
 */
#include <string.h>

#include "closure/boundary.h"
#include "record/takeover.h"
#include "tests/fuzz/fuzz.h"

enum { SIDES = 2, HELD_MAX = 4096 };

struct held {
	uint8_t bytes[HELD_MAX];
	size_t len;
	bool stopped;
};

static void fill_keylog(struct keylog *k, bool without_traffic)
{
	memset(k, 0, sizeof *k);
	k->has_random = true;
	for (unsigned i = 0; i < KEYLOG_LABELS; i++)
		k->secrets[i].len = i == KEYLOG_MASTER ? 48 : 32;
	if (without_traffic)
		k->secrets[KEYLOG_CLIENT_TRAFFIC].len = 0;
}

static void claim_sealed(struct takeover *t, enum takeover_side side)
{
	uint8_t record[RECORD_MAX];
	struct lw_boundary b = { 0 };
	size_t n = takeover_seal(t, side, LW_RECORD_ALERT, "\1\0", 2, 3, record);
	fuzz_claim(n == 0 || n >= LW_RECORD_HEADER + 2);
	lw_boundary_pass(&b, record, n);
	fuzz_claim(b.records == (n > 0));
	fuzz_claim(lw_boundary_place(&b) == LW_PLACE_BOUNDARY);
}

/* A prefix of a record is never more than "need bytes" or "broken". */
static void claim_prefix(struct takeover *t, enum takeover_side side, const struct held *h)
{
	struct record_content content;
	size_t used = 0;
	size_t len = h->len < LW_RECORD_HEADER ? h->len : LW_RECORD_HEADER - 1;
	fuzz_claim(takeover_open(t, side, h->bytes, len, &used, &content) == TAKEOVER_NEED_BYTES);
	fuzz_claim(used == 0);
}

static void open_all(struct takeover *t, enum takeover_side side, struct held *h)
{
	while (!h->stopped) {
		struct record_content content;
		size_t used = 0;
		claim_prefix(t, side, h);
		enum takeover_result result =
		    takeover_open(t, side, h->bytes, h->len, &used, &content);
		h->stopped = result == TAKEOVER_BROKEN;
		if (result != TAKEOVER_OPENED)
			return;
		fuzz_claim(used >= LW_RECORD_HEADER && used <= h->len);
		fuzz_claim(content.len <= used);
		h->len -= used;
		memmove(h->bytes, h->bytes + used, h->len);
	}
}

static void follow(const uint8_t *data, size_t size, bool without_traffic, bool seals)
{
	struct keylog k;
	struct held held[SIDES] = { { .len = 0 }, { .len = 0 } };
	fill_keylog(&k, without_traffic);
	struct takeover *t = takeover_new(&k, LW_VERSION_UNKNOWN);
	fuzz_claim(t != NULL);
	for (size_t at = 0; at < size;) {
		enum takeover_side side = data[at] >> 7 ? TAKEOVER_SERVER : TAKEOVER_CLIENT;
		struct held *h = &held[side];
		size_t len = 4u * (data[at++] & 0x7f);
		len = len < size - at ? len : size - at;
		len = len < HELD_MAX - h->len ? len : HELD_MAX - h->len;
		memcpy(h->bytes + h->len, data + at, len);
		h->len += len;
		at += len;
		open_all(t, side, h);
	}
	if (seals) {
		claim_sealed(t, TAKEOVER_CLIENT);
		claim_sealed(t, TAKEOVER_SERVER);
	}
	takeover_free(t);
}

static void read_line(const uint8_t *data, size_t size)
{
	struct keylog k = { .has_random = false };
	char line[600];
	size_t len = size < sizeof line - 1 ? size : sizeof line - 1;
	memcpy(line, data, len);
	line[len] = '\0';
	bool taken = keylog_add(&k, line);
	fuzz_claim(taken == k.has_random);
	for (unsigned i = 0; i < KEYLOG_LABELS; i++)
		fuzz_claim(k.secrets[i].len <= KEYLOG_SECRET_BYTES);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 1)
		return 0;
	if (data[0] & 4)
		read_line(data + 1, size - 1);
	else
		follow(data + 1, size - 1, data[0] & 1, data[0] & 2);
	return 0;
}
