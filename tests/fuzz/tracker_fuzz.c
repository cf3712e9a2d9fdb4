/*
 * tracker_fuzz: any bytes in any order of directions are followed, and how they
 * are split over calls changes no answer.  Input: an octet for the kind, a place in `kinds`, one
 * for the role, then runs, each an octet (top bit: direction, rest: length) and bytes.
 */
#include <string.h>

#include "framing/tracker.h"
#include "tests/fuzz/fuzz.h"

/* New ones come last: what stands in the corpus counts on the order. */
static const enum lw_kind kinds[] = {
	LW_KIND_UNSURE,     LW_KIND_BY_CLOSE,
	LW_KIND_HTTP1,      LW_KIND_WEBSOCKET,
	LW_KIND_LINES,      LW_KIND_SMTP,
	LW_KIND_FTP,        LW_KIND_DNS,
	LW_KIND_POSTGRESQL, LW_KIND_LDAP,
	LW_KIND_MQTT,       LW_KIND_SYSLOG,
	LW_KIND_RADIUS,     LW_KIND_DIAMETER,
	LW_KIND_EPP,        LW_KIND_KERBEROS,
	LW_KIND_NTS_KE,     LW_KIND_SNMP,
	LW_KIND_COPS,       LW_KIND_MYSQL,
	LW_KINDS,           LW_KIND_WEBSOCKET_FRAMES,
	LW_KIND_HTTP2,      LW_KIND_POP3,
	LW_KIND_NNTP,       LW_KIND_IMAP,
	LW_KIND_SIEVE,      LW_KIND_RESP,
	LW_KIND_XMPP,
};

#define KINDS (sizeof kinds / sizeof *kinds)

_Static_assert(KINDS == LW_KINDS + 1, "every kind is fuzzed, and one that is none");

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
	lw_tracker_init(&whole, kinds[data[0] % KINDS], (enum lw_role)(data[1] & 1));
	lw_tracker_init(&split, kinds[data[0] % KINDS], (enum lw_role)(data[1] & 1));
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
