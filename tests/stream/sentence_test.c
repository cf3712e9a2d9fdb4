/*
 * sentence: the sentences that matter word for word, and every combination of
 * what a verdict can hold: none too long, none cut, none that says more than the
 * verdict proves.
 */
#include <lastword/verdict.h>

#include "tests/unit.h"

#include <errno.h>
#include <string.h>

#define HARM    ", and nothing showed the message complete: what was read may be cut short"
#define NOALERT " without close_notify"

struct row {
	struct lw_verdict v;
	const char *text;
};

#define VN(version_, n, r, w)                                                                      \
	.version = LW_VERSION_##version_, .read = LW_ENDING_##r, .write = LW_ENDING_##w,           \
	.bytes_read = n, .bytes_written = 18
#define V(r, w) VN(TLS1_3, 512, r, w)
#define ALERT(l, d)                                                                                \
	{                                                                                          \
		.present = true, .level = l, .description = d                                      \
	}

/* clang-format off */
static const struct row rows[] = {
	{ { VN(TLS1_3, 196563, CLOSED, CLOSED), .whole = true },
	  "The peer ended TLS properly after 196,563 bytes; the stream is whole." },
	{ { VN(TLS1_2, 512, CLOSED, CLOSED), .closed_first = LW_CLOSED_FIRST_WE },
	  "The peer ended TLS properly after 512 bytes, but we had closed first: data of the peer may be missing." },
	{ { V(CLOSED, CLOSED) },
	  "The peer ended TLS properly after 512 bytes, but nothing proves that the stream is whole." },
	{ { V(CLOSED, RESET), .whole = true },
	  "The peer ended TLS properly after 512 bytes; the stream is whole; some of our 18 bytes may be lost; our side was reset." },
	{ { V(CLOSED, CLOSED), .whole = true, .bytes_discarded = 7 },
	  "The peer ended TLS properly after 512 bytes; the stream is whole; 7 bytes of ours may be lost." },
	{ { V(TRUNCATED, CLOSED), .at = LW_PLACE_BOUNDARY },
	  "The transport ended (FIN) at a record boundary after 512 bytes" NOALERT HARM "." },
	{ { V(TRUNCATED, CLOSED), .at = LW_PLACE_BOUNDARY, .complete = true, .whole = true, .tolerated = true },
	  "The transport ended (FIN) at a record boundary after 512 bytes" NOALERT "; the message was complete, so nothing is missing." },
	{ { V(TRUNCATED, CLOSED), .at = LW_PLACE_BOUNDARY, .complete = true, .policy = LW_POLICY_STRICT },
	  "The transport ended (FIN) at a record boundary after 512 bytes" NOALERT "; the message was complete, but the strict policy wants close_notify." },
	{ { V(TRUNCATED, CLOSED), .at = LW_PLACE_BOUNDARY, .tolerated = true, .policy = LW_POLICY_LAX },
	  "The transport ended (FIN) at a record boundary after 512 bytes" NOALERT HARM ", which the lax policy tolerates." },
	{ { V(TRUNCATED, CLOSED), .at = LW_PLACE_BOUNDARY, .complete = true, .tolerated = true, .policy = LW_POLICY_LAX },
	  "The transport ended (FIN) at a record boundary after 512 bytes" NOALERT "; the message was complete, and the lax policy tolerates that." },
	{ { VN(TLS1_3, 1, TRUNCATED, CLOSED), .at = LW_PLACE_INSIDE, .missing = 1 },
	  "The transport ended (FIN) inside a record (1 byte missing) after 1 byte" NOALERT HARM "." },
	{ { V(TRUNCATED, CLOSED), .at = LW_PLACE_INSIDE, .complete = true },
	  "The transport ended (FIN) inside a record after 512 bytes" NOALERT "; the message was complete, but a further record was cut." },
	{ { V(TRUNCATED, CLOSED), .at = LW_PLACE_UNKNOWN },
	  "The transport ended (FIN) after 512 bytes" NOALERT HARM "." },
	{ { V(RESET, RESET), .at = LW_PLACE_BOUNDARY, .os_error = ECONNRESET },
	  "The transport was reset (RST) at a record boundary after 512 bytes" NOALERT HARM "; some of our 18 bytes may be lost." },
	{ { V(ABORTED, CLOSED), .alert_received = ALERT(2, 40) },
	  "The peer aborted the connection with the alert handshake_failure after 512 bytes" HARM "." },
	{ { V(ABORTED, CLOSED), .alert_received = ALERT(1, 200), .complete = true },
	  "The peer aborted the connection with the alert 200 after 512 bytes; the message was complete, but an abort is no end." },
	{ { VN(TLS1_2, 512, ABORTED, CLOSED), .alert_received = ALERT(2, 0) },
	  "The peer aborted with a close_notify at level fatal after 512 bytes" HARM "." },
	{ { V(EXPIRED, CLOSED) },
	  "Our deadline ran out after 512 bytes while waiting for the peer's close_notify" HARM "." },
	{ { V(EXPIRED, EXPIRED), .complete = true },
	  "Our deadline ran out after 512 bytes while waiting for the peer's close_notify; the message was complete; our own end did not leave in time." },
	{ { V(ABANDONED, CLOSED), .bytes_unacknowledged = 4096 },
	  "We stopped reading after 512 bytes, before the peer had ended" HARM "; 4,096 bytes of ours may be lost." },
	{ { V(ABANDONED, ABANDONED) },
	  "We stopped reading after 512 bytes, before the peer had ended" HARM "; we left without close_notify." },
	{ { V(ABANDONED, ABORTED), .alert_sent = ALERT(2, 80) },
	  "We aborted the connection with the alert internal_error after 512 bytes, before the peer had ended" HARM "." },
	{ { V(ABANDONED, ABORTED) },
	  "We aborted the connection after 512 bytes, before the peer had ended" HARM "." },
	{ { V(ABORTED, ABORTED), .alert_received = ALERT(2, 40) },
	  "The peer aborted the connection with the alert handshake_failure after 512 bytes" HARM "." },
	{ { V(TRUNCATED, ABORTED) },
	  "The transport ended (FIN) after 512 bytes" NOALERT HARM "; our side was aborted." },
	{ { V(FAILED, FAILED), .os_error = EIO },
	  "The connection failed after 512 bytes (Input/output error)" HARM "." },
	{ { V(FAILED, ABORTED), .warnings = 5, .alert_sent = { true, 2, 10 } },
	  "The connection failed after 512 bytes (the peer sent 5 warnings)" HARM "; we aborted with the alert unexpected_message." },
	{ { V(FAILED, ABORTED), .records_without_data = 65, .alert_sent = { true, 2, 22 } },
	  "The connection failed after 512 bytes (the peer sent 65 records without data)" HARM "; we aborted with the alert record_overflow." },
	{ { V(FAILED, ABORTED), .alert_sent = ALERT(2, 20) },
	  "The connection failed after 512 bytes" HARM "; we aborted with the alert bad_record_mac." },
	{ { .read = LW_ENDING_FAILED, .write = LW_ENDING_FAILED },
	  "The connection failed before the handshake was done; nothing was read." },
	{ { .read = LW_ENDING_FAILED, .write = LW_ENDING_FAILED, .alert_received = ALERT(1, 0) },
	  "The peer sent close_notify before the handshake was done, which proves nothing; nothing was read." },
	{ { .read = LW_ENDING_ABORTED, .write = LW_ENDING_FAILED, .alert_received = ALERT(2, 70) },
	  "The peer aborted the connection with the alert protocol_version before the handshake was done; nothing was read; our side failed." },
	{ { .read = LW_ENDING_TRUNCATED, .at = LW_PLACE_BOUNDARY, .write = LW_ENDING_ABANDONED },
	  "The transport ended (FIN) at a record boundary before the handshake was done" NOALERT "; nothing was read." },
	{ { .read = LW_ENDING_OPEN }, "The handshake is not done." },
	{ { V(OPEN, OPEN) }, "The connection is open: 512 bytes read, 18 bytes written." },
	{ { V(OPEN, CLOSED) },
	  "We ended our side properly after 18 bytes; the peer has not ended, after 512 bytes." },
	{ { V(OPEN, RESET) },
	  "The peer has not ended, after 512 bytes; some of our 18 bytes may be lost; our side was reset." },
	{ { V(OPEN, FAILED), .os_error = EPIPE },
	  "The peer has not ended, after 512 bytes; our side failed (Broken pipe)." },
};
/* clang-format on */

static void the_sentences_that_matter(void **state)
{
	char text[256];

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		assert_string_equal(lw_verdict_sentence(&rows[i].v, text, sizeof text),
		                    rows[i].text);
}

static bool is_cut(enum lw_ending e)
{
	return e != LW_ENDING_OPEN && e != LW_ENDING_CLOSED;
}

/* What the engine may say together: only those have to fit with all their clauses. */
static bool is_possible(const struct lw_verdict *v)
{
	bool cut = v->read == LW_ENDING_TRUNCATED || v->read == LW_ENDING_RESET;

	if (v->tolerated && v->read != LW_ENDING_CLOSED)
		return cut && v->policy != LW_POLICY_STRICT && v->at != LW_PLACE_INSIDE &&
		       (v->complete || v->policy == LW_POLICY_LAX);
	return cut || v->at == LW_PLACE_NONE;
}

static bool may_lose(const struct lw_verdict *v)
{
	return v->bytes_discarded + v->bytes_unacknowledged > 0 ||
	       (v->write == LW_ENDING_RESET && v->bytes_written > 0);
}

/* What no sentence may say unless the verdict holds it, and what each must say. */
static void assert_true_to(const struct lw_verdict *v, const char *text)
{
	size_t len = strlen(text);
	bool claims_whole = strstr(text, "stream is whole;") || strstr(text, "stream is whole.") ||
	                    strstr(text, "nothing is missing");
	bool known = v->version != LW_VERSION_UNKNOWN;

	assert_true(len > 20 && len < 256);
	assert_int_equal(text[len - 1], '.');
	assert_true(text[0] >= 'A' && text[0] <= 'Z');
	if (!strstr(text, "proves that the stream is whole"))
		assert_true(!claims_whole || v->whole);
	assert_true(!strstr(text, "properly") || v->read == LW_ENDING_CLOSED ||
	            (v->read == LW_ENDING_OPEN && v->write == LW_ENDING_CLOSED));
	assert_int_equal(strstr(text, "may be cut short") != NULL,
	                 known && is_cut(v->read) && !v->whole && !v->complete);
	assert_int_equal(strstr(text, "tolerates") != NULL,
	                 known && is_cut(v->read) && !v->whole && v->tolerated);
	if (is_possible(v))
		assert_int_equal(strstr(text, "may be lost") != NULL, may_lose(v));
}

#define READS    8
#define VERSIONS 3

/* The verdict of a number: each field takes its values in turn. */
static struct lw_verdict verdict_of(unsigned n, uint64_t count)
{
	static const enum lw_version versions[VERSIONS] = { LW_VERSION_UNKNOWN, LW_VERSION_TLS1_2,
		                                            LW_VERSION_TLS1_3 };
	struct lw_verdict v = { .bytes_read = count, .bytes_written = count };
	bool alert;

#define TAKE(values) ((n = (taken = n) / (values)), taken % (values))
	unsigned taken;
	v.read = (enum lw_ending)TAKE(READS);
	v.write = (enum lw_ending)TAKE(8);
	v.at = (enum lw_place)TAKE(4);
	v.policy = (enum lw_policy)TAKE(3);
	v.version = versions[TAKE(VERSIONS)];
	v.closed_first = (enum lw_closer_side)TAKE(3);
	v.complete = TAKE(2);
	v.whole = TAKE(2);
	v.tolerated = TAKE(2);
	alert = TAKE(2);
	v.os_error = TAKE(2) ? EADDRNOTAVAIL : 0;
	v.bytes_unacknowledged = TAKE(2) ? count : 0;
	v.bytes_discarded = TAKE(2) ? count : 0;
#undef TAKE
	v.missing = v.at == LW_PLACE_INSIDE ? 65535 : 0;
	if (alert)
		v.alert_received = v.alert_sent = (struct lw_alert)ALERT(2, 113);
	return v;
}

#define COMBINATIONS (READS * 8u * 4u * 3u * VERSIONS * 3u * 128u)

static void no_combination_overflows_or_claims_too_much(void **state)
{
	char text[300];

	(void)state;
	for (unsigned n = 0; n < COMBINATIONS; n++) {
		struct lw_verdict v = verdict_of(n, 99999999);

		memset(text, 'x', sizeof text);
		lw_verdict_sentence(&v, text, sizeof text);
		assert_true_to(&v, text);
	}
}

static void monstrous_numbers_do_not_overflow(void **state)
{
	char text[300];

	(void)state;
	for (unsigned n = 0; n < COMBINATIONS; n++) {
		struct lw_verdict v = verdict_of(n, UINT64_MAX);
		size_t len;

		v.missing = UINT32_MAX;
		lw_verdict_sentence(&v, text, sizeof text);
		len = strlen(text);
		assert_true(len < 256 && text[len - 1] == '.');
	}
}

/* Two endings of the peer's side never read alike, whatever else is the same. */
static void different_endings_have_different_sentences(void **state)
{
	char one[256], other[256];

	(void)state;
	for (unsigned n = 0; n < COMBINATIONS; n += READS)
		for (unsigned a = 0; a < READS; a++)
			for (unsigned b = a + 1; b < READS; b++) {
				struct lw_verdict v = verdict_of(n + a, 512);
				struct lw_verdict w = verdict_of(n + b, 512);

				if (n / READS % 64 != 9) /* one in 64 is enough for the pairs */
					continue;
				lw_verdict_sentence(&v, one, sizeof one);
				lw_verdict_sentence(&w, other, sizeof other);
				assert_string_not_equal(one, other);
			}
}

static void different_places_have_different_sentences(void **state)
{
	static const enum lw_ending endings[] = { LW_ENDING_TRUNCATED, LW_ENDING_RESET };
	char text[3][256];

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		for (int at = LW_PLACE_BOUNDARY; at <= LW_PLACE_UNKNOWN; at++) {
			struct lw_verdict v = { .version = LW_VERSION_TLS1_2,
				                .read = endings[i],
				                .at = (enum lw_place)at };

			lw_verdict_sentence(&v, text[at - LW_PLACE_BOUNDARY], 256);
		}
		assert_string_not_equal(text[0], text[1]);
		assert_string_not_equal(text[1], text[2]);
		assert_string_not_equal(text[0], text[2]);
	}
}

static void a_small_buffer_is_kept(void **state)
{
	struct lw_verdict v = { .version = LW_VERSION_TLS1_3, .read = LW_ENDING_CLOSED };
	char text[16];

	(void)state;
	for (size_t cap = 1; cap < 12; cap++) {
		memset(text, 'x', sizeof text);
		lw_verdict_sentence(&v, text, cap);
		assert_int_equal(strlen(text), cap - 1);
		assert_int_equal(text[cap], 'x');
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_sentences_that_matter),
		cmocka_unit_test(no_combination_overflows_or_claims_too_much),
		cmocka_unit_test(monstrous_numbers_do_not_overflow),
		cmocka_unit_test(different_endings_have_different_sentences),
		cmocka_unit_test(different_places_have_different_sentences),
		cmocka_unit_test(a_small_buffer_is_kept),
	};
	return run_cases(tests);
}
