/*
 * unwrap: the transport comes back after both close_notify and not otherwise,
 * with all that follows the peer's; else the caller is told why.
 */
#include "duet.h"
#include "rig.h"
#include "tests/unit.h"

#include <openssl/err.h>
#include <string.h>
#include <sys/socket.h>

static const enum lw_version versions[] = { LW_VERSION_TLS1_0, LW_VERSION_TLS1_1, LW_VERSION_TLS1_2,
	                                    LW_VERSION_TLS1_3 };
enum { VERSIONS = sizeof versions / sizeof versions[0] };

static enum lw_status ask_unwrap(struct rig *r)
{
	char rest[8];
	size_t n = 1;
	const enum lw_status status = lw_unwrap(r->stream, rest, sizeof rest, &n);

	assert_int_equal(n, 0);
	return status;
}

/* Unwraps and reads what still comes; when neither side moves, the clock goes to the deadline. */
static enum lw_status unwrap(struct rig *r)
{
	enum lw_status status = ask_unwrap(r);

	for (int i = 0; i < 100 && status == LW_AGAIN; i++) {
		const uint64_t before = r->bytes;
		int limit;

		rig_spin(r);
		(void)!rig_read(r);
		status = ask_unwrap(r);
		limit = lw_timeout_ms(r->stream, r->now_ms);
		if (i > 2 && status == LW_AGAIN && r->bytes == before && limit > 0)
			r->now_ms += (uint64_t)limit;
	}
	return status;
}

static const struct adversary_script we_begin =
    SCRIPT(STEP_DATA(1000), STEP_WAIT_CLOSE_NOTIFY, STEP_CLOSE_NOTIFY,
           STEP_PLAINTEXT("in the clear"), STEP_SILENCE);
static const struct adversary_script peer_begins =
    SCRIPT(STEP_DATA(1000), STEP_CLOSE_NOTIFY, STEP_WAIT_CLOSE_NOTIFY,
           STEP_PLAINTEXT("in the clear"), STEP_SILENCE);
static const struct adversary_script peer_does_not_wait =
    SCRIPT(STEP_DATA(1000), STEP_CLOSE_NOTIFY, STEP_PLAINTEXT("in the clear"), STEP_SILENCE);
static const struct adversary_script data_still_arrives =
    SCRIPT(STEP_DATA(1000), STEP_WAIT_CLOSE_NOTIFY, STEP_DATA(80000), STEP_CLOSE_NOTIFY,
           STEP_PLAINTEXT("in the clear"), STEP_SILENCE);

/* What stands behind the peer's alert, in the application's own transport. */
static void check_clear_text(struct rig *r)
{
	char text[32] = "";

	rig_spin(r);
	if (r->options.socket)
		assert_int_equal(recv(r->fd, text, sizeof text, MSG_DONTWAIT), 12);
	else
		assert_int_equal(BIO_read(r->in, text, sizeof text), 12);
	assert_string_equal(text, "in the clear");
}

static void check_handed_back(const struct rig_options *o, const struct adversary_script *script,
                              uint64_t bytes)
{
	struct lw_verdict verdict;
	struct rig r;

	assert_true(rig_begin(&r, o, script));
	assert_int_equal(unwrap(&r), LW_OK);
	assert_string_equal(lw_unwrap_why(r.stream), "");
	assert_int_equal(r.bytes, bytes);
	assert_false(r.differs);
	check_clear_text(&r);
	verdict = rig_verdict(&r);
	assert_int_equal(verdict.read, LW_ENDING_CLOSED);
	assert_int_equal(verdict.write, LW_ENDING_CLOSED);
	assert_int_equal(verdict.session, LW_SESSION_MAY_RESUME);
	assert_int_equal(adversary_subject(r.adversary)->close_notifies, 1);
	/* it is the application's now, whatever the stream is asked */
	assert_int_equal(ask_unwrap(&r), LW_OK);
	assert_int_equal(lw_close(r.stream), LW_UNSUPPORTED);
	assert_int_equal(lw_abort(r.stream), LW_UNSUPPORTED);
	assert_int_equal(lw_events(r.stream, LW_INTEREST_READ | LW_INTEREST_WRITE), 0);
	assert_int_equal(lw_timeout_ms(r.stream, r.now_ms + 100000), -1);
	if (o->socket)
		assert_int_equal(send(r.fd, "me too", 6, MSG_NOSIGNAL), 6);
	rig_spin(&r);
	assert_false(adversary_subject(r.adversary)->fin);
	rig_end(&r);
}

/* rules: await-peer-before-reuse, await-peer-before-end-of-data, answer-at-once */
static void the_transport_comes_back_after_both_alerts(void **state)
{
	static const struct {
		const struct adversary_script *script;
		uint64_t bytes;
	} rows[] = { { &we_begin, 1000 },
		     { &peer_begins, 1000 },
		     { &peer_does_not_wait, 1000 },
		     { &data_still_arrives, 81000 } };

	(void)state;
	for (unsigned i = 0; i < VERSIONS * 8; i++) {
		const struct rig_options o = { .version = versions[i / 8],
			                       .serves = i & 1,
			                       .socket = i & 2,
			                       .read_ahead = i & 4 };

		for (unsigned row = 0; row < sizeof rows / sizeof rows[0]; row++)
			check_handed_back(&o, rows[row].script, rows[row].bytes);
	}
}

static const struct adversary_script slow_reader =
    SCRIPT(STEP_STOP_READING, STEP_SILENCE, STEP_READ_ON, STEP_WAIT_CLOSE_NOTIFY, STEP_CLOSE_NOTIFY,
           STEP_SILENCE);

static void what_was_written_leaves_before_our_alert(void **state)
{
	(void)state;
	for (unsigned v = 0; v < VERSIONS; v++) {
		const struct rig_options o = { .version = versions[v], .buffer_bytes = 5000 };
		uint64_t taken;
		struct rig r;
		size_t n;

		assert_true(rig_begin(&r, &o, &slow_reader));
		rig_spin(&r);
		taken = rig_fill(&r);
		assert_true(taken > 0);
		assert_int_equal(ask_unwrap(&r), LW_AGAIN);
		assert_int_equal(lw_write(r.stream, "more", 4, &n), LW_END);
		adversary_resume(r.adversary);
		assert_int_equal(unwrap(&r), LW_OK);
		assert_int_equal(adversary_subject(r.adversary)->data_bytes, taken);
		assert_false(adversary_subject(r.adversary)->data_differs);
		assert_int_equal(adversary_subject(r.adversary)->after_closure, 0);
		rig_end(&r);
	}
}

/* Refusals */

#define BEFORE_IT " before the peer's close_notify"

static const struct {
	const char *name;
	struct adversary_script script;
	enum lw_policy policy;
	bool complete;
	enum lw_status status;
	const char *why;
} refusals[] = {
	{ "a FIN", SCRIPT(STEP_DATA(100), STEP_WAIT_CLOSE_NOTIFY, STEP_FIN), LW_POLICY_FRAMED,
	  false, LW_TRUNCATED, "the transport ended" BEFORE_IT },
	{ "a FIN that lax tolerates", SCRIPT(STEP_DATA(100), STEP_WAIT_CLOSE_NOTIFY, STEP_FIN),
	  LW_POLICY_LAX, false, LW_TRUNCATED, "the transport ended" BEFORE_IT },
	{ "a FIN behind a complete message",
	  SCRIPT(STEP_DATA(100), STEP_WAIT_CLOSE_NOTIFY, STEP_FIN), LW_POLICY_FRAMED, true,
	  LW_TRUNCATED, "the transport ended" BEFORE_IT },
	{ "a FIN inside the alert's record",
	  SCRIPT(STEP_DATA(100), STEP_WAIT_CLOSE_NOTIFY, STEP_CUT_RECORD(2, 4), STEP_FIN),
	  LW_POLICY_LAX, false, LW_TRUNCATED, "the transport ended" BEFORE_IT },
	{ "a FIN before we ask", SCRIPT(STEP_DATA(100), STEP_FIN), LW_POLICY_LAX, true,
	  LW_TRUNCATED, "the transport ended" BEFORE_IT },
	{ "a reset", SCRIPT(STEP_DATA(100), STEP_WAIT_CLOSE_NOTIFY, STEP_RST), LW_POLICY_LAX, true,
	  LW_TRUNCATED, "the transport was reset" BEFORE_IT },
	{ "a fatal alert",
	  SCRIPT(STEP_DATA(100), STEP_WAIT_CLOSE_NOTIFY, STEP_ALERT(2, 80), STEP_FIN),
	  LW_POLICY_LAX, true, LW_ABORTED, "the peer sent a fatal alert instead of close_notify" },
	{ "silence", SCRIPT(STEP_DATA(100), STEP_SILENCE), LW_POLICY_LAX, true, LW_ERROR,
	  "the peer's close_notify did not come in time" },
	{ "a peer that falls back by itself",
	  SCRIPT(STEP_DATA(100), STEP_WAIT_CLOSE_NOTIFY, STEP_PLAINTEXT("220 in the clear\r\n"),
	         STEP_SILENCE),
	  LW_POLICY_LAX, true, LW_ERROR, "something else came instead of the peer's close_notify" },
	{ "a record with a wrong MAC",
	  SCRIPT(STEP_DATA(100), STEP_WAIT_CLOSE_NOTIFY, STEP_BROKEN_RECORD(10), STEP_SILENCE),
	  LW_POLICY_LAX, true, LW_ERROR, "something else came instead of the peer's close_notify" },
};

static void check_refusal(unsigned row, const struct rig_options *options)
{
	struct lw_options limits;
	struct rig_options o = *options;
	enum lw_status status;
	struct rig r;

	lw_options_default(&limits);
	limits.policy = refusals[row].policy;
	o.stream = &limits;
	assert_true(rig_begin(&r, &o, &refusals[row].script));
	(void)!rig_read(&r);
	lw_complete(r.stream, refusals[row].complete);
	status = unwrap(&r);
	if (status != refusals[row].status ||
	    strcmp(lw_unwrap_why(r.stream), refusals[row].why) != 0) {
		print_message("# %s, %s: %d, %s\n", refusals[row].name, lw_version_name(o.version),
		              status, lw_unwrap_why(r.stream));
		fail();
	}
	assert_int_equal(r.bytes, 100);
	assert_int_equal(ask_unwrap(&r), status);
	rig_end(&r);
}

/* rule: await-peer-before-reuse */
static void without_the_peers_alert_it_is_refused_and_says_why(void **state)
{
	(void)state;
	for (unsigned row = 0; row < sizeof refusals / sizeof refusals[0]; row++)
		for (unsigned v = 0; v < VERSIONS * 2; v++)
			check_refusal(row, &(struct rig_options){ .version = versions[v / 2],
			                                          .serves = v & 1,
			                                          .socket = true });
}

static const struct adversary_script resets = SCRIPT(STEP_DATA(10), STEP_RST);

static void an_ending_that_was_read_is_told_by_unwrap_and_close_alike(void **state)
{
	(void)state;
	for (unsigned v = 0; v < VERSIONS; v++) {
		const struct rig_options o = { .version = versions[v] };
		struct rig r;

		assert_true(rig_begin(&r, &o, &resets));
		assert_int_equal(rig_read(&r), LW_TRUNCATED);
		assert_int_equal(ask_unwrap(&r), LW_TRUNCATED);
		assert_int_equal(ask_unwrap(&r), LW_TRUNCATED);
		assert_int_equal(lw_close(r.stream), LW_TRUNCATED);
		assert_int_equal(ask_unwrap(&r), LW_TRUNCATED);
		rig_end(&r);
	}
}

static const struct adversary_script no_handshake = { .steps = STEPS(STEP_SILENCE),
	                                              .start = START_BEFORE_FIRST_FLIGHT };

static void before_the_handshake_and_after_close_or_abort_it_is_refused(void **state)
{
	(void)state;
	for (unsigned v = 0; v < VERSIONS; v++) {
		const struct rig_options o = { .version = versions[v] };
		struct rig r;

		assert_true(rig_begin(&r, &o, &no_handshake));
		assert_int_equal(ask_unwrap(&r), LW_UNSUPPORTED);
		assert_string_equal(lw_unwrap_why(r.stream), "the handshake is not done");
		rig_end(&r);

		for (int aborts = 0; aborts < 2; aborts++) {
			assert_true(rig_begin(&r, &o, &we_begin));
			assert_string_equal(lw_unwrap_why(r.stream), "");
			(void)!(aborts ? lw_abort(r.stream) : lw_close(r.stream));
			assert_int_equal(ask_unwrap(&r), LW_UNSUPPORTED);
			assert_string_equal(lw_unwrap_why(r.stream),
			                    "the stream is closed or aborted already");
			rig_end(&r);
		}
	}
}

static const struct adversary_script peer_resets_behind_its_alert =
    SCRIPT(STEP_STOP_READING, STEP_DATA(10), STEP_CLOSE_NOTIFY, STEP_SILENCE, STEP_RST);

static void where_our_own_alert_cannot_leave_it_is_refused(void **state)
{
	const struct rig_options o = { .version = LW_VERSION_TLS1_3, .socket = true };
	struct rig r;

	(void)state;
	assert_true(rig_begin(&r, &o, &peer_resets_behind_its_alert));
	assert_int_equal(rig_read(&r), LW_END);
	assert_true(rig_fill(&r) > 0);
	assert_int_equal(ask_unwrap(&r), LW_AGAIN);
	assert_string_equal(lw_unwrap_why(r.stream), ""); /* nothing is in the way yet */
	adversary_resume(r.adversary);
	assert_int_equal(unwrap(&r), LW_TRUNCATED);
	assert_string_equal(lw_unwrap_why(r.stream), "our own close_notify could not leave");
	assert_int_equal(rig_verdict(&r).read, LW_ENDING_CLOSED);
	rig_end(&r);
}

/* Attached with bytes inside the library */

enum { RECORD_OF_100 = 122 }; /* in 1.3 */

/* A duet whose peer wrote 100 bytes, closed and went on in the clear: all of it in `in`. */
static BIO *begin_behind_alert(struct duet *d, uint8_t *flight, size_t cap, size_t *len)
{
	const struct duet_options o = { .version = TLS1_3_VERSION };
	BIO *in = BIO_new(BIO_s_mem());
	int n;

	assert_true(duet_begin(d, &o));
	assert_int_equal(duet_shake_hands(d), LW_OK);
	lw_free(d->stream);
	d->stream = NULL;
	assert_true(duet_peer_writes(d, 100));
	assert_int_equal(SSL_shutdown(d->peer), 0);
	n = BIO_read(d->wire, flight, (int)cap);
	assert_true(n > RECORD_OF_100);
	memcpy(flight + n, "in the clear", 12);
	*len = (size_t)n;
	BIO_set_mem_eof_return(in, -1);
	SSL_set0_rbio(d->ssl, in);
	return in;
}

/* `held` bytes of the record are inside OpenSSL: of its header, or of its body. */
static void check_inside_a_record(size_t held, int read_ahead)
{
	uint8_t flight[400], buf[200];
	struct duet d;
	size_t len, n;
	BIO *in;

	in = begin_behind_alert(&d, flight, 300, &len);
	SSL_set_read_ahead(d.ssl, read_ahead);
	assert_int_equal(BIO_write(in, flight, (int)held), held);
	assert_int_equal(SSL_read(d.ssl, buf, sizeof buf), -1);
	d.stream = lw_openssl_attach(d.ssl, NULL, NULL);
	assert_non_null(d.stream);
	assert_int_equal(lw_unwrap(d.stream, NULL, 0, &n), LW_UNSUPPORTED);
	assert_string_equal(
	    lw_unwrap_why(d.stream),
	    "the TLS library holds bytes that it read before the stream was attached");
	len += 12 - held;
	assert_int_equal(BIO_write(in, flight + held, (int)len), len);
	assert_int_equal(lw_read(d.stream, buf, sizeof buf, &n), LW_OK);
	assert_int_equal(n, 100);
	assert_string_equal(lw_unwrap_why(d.stream), "");
	assert_int_equal(lw_unwrap(d.stream, NULL, 0, &n), LW_OK);
	assert_int_equal(BIO_read(in, buf, sizeof buf), 12);
	assert_memory_equal(buf, "in the clear", 12);
	duet_end(&d);
	ERR_clear_error();
}

static void attached_inside_a_record_it_can_unwrap_when_that_is_read(void **state)
{
	(void)state;
	for (int ahead = 0; ahead < 2; ahead++) {
		check_inside_a_record(3, ahead);
		check_inside_a_record(60, ahead);
	}
}

/* The library read ahead: all that came so far, with what follows the alert or without. */
static void what_was_read_ahead_is_used_up_or_stands_in_the_way(void **state)
{
	uint8_t flight[400], buf[200];

	(void)state;
	for (int over = 0; over < 2; over++) {
		const char *why = over ? "the TLS library holds bytes that it read before the "
		                         "stream was attached"
		                       : "";
		struct duet d;
		size_t len, n;
		BIO *in = begin_behind_alert(&d, flight, 300, &len);

		SSL_set_read_ahead(d.ssl, 1);
		len += over ? 12 : 0;
		assert_int_equal(BIO_write(in, flight, (int)len), len);
		assert_int_equal(SSL_read(d.ssl, buf, 40), 40);
		assert_int_equal(BIO_ctrl_pending(in), 0);
		if (!over)
			assert_int_equal(BIO_write(in, "in the clear", 12), 12);
		d.stream = lw_openssl_attach(d.ssl, NULL, NULL);
		assert_non_null(d.stream);
		assert_int_equal(lw_read(d.stream, buf, sizeof buf, &n), LW_OK);
		assert_int_equal(n, 60);
		assert_int_equal(lw_read(d.stream, buf, sizeof buf, &n), LW_END);
		assert_int_equal(n, 0);
		assert_string_equal(lw_unwrap_why(d.stream), why);
		assert_int_equal(lw_unwrap(d.stream, NULL, 0, &n), over ? LW_UNSUPPORTED : LW_OK);
		assert_int_equal(BIO_ctrl_pending(in), over ? 0 : 12);
		duet_end(&d);
		ERR_clear_error();
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_transport_comes_back_after_both_alerts),
		cmocka_unit_test(what_was_written_leaves_before_our_alert),
		cmocka_unit_test(without_the_peers_alert_it_is_refused_and_says_why),
		cmocka_unit_test(an_ending_that_was_read_is_told_by_unwrap_and_close_alike),
		cmocka_unit_test(before_the_handshake_and_after_close_or_abort_it_is_refused),
		cmocka_unit_test(where_our_own_alert_cannot_leave_it_is_refused),
		cmocka_unit_test(attached_inside_a_record_it_can_unwrap_when_that_is_read),
		cmocka_unit_test(what_was_read_ahead_is_used_up_or_stands_in_the_way),
	};
	return run_cases(tests);
}
