/* steps_test: each step of a script does what its name says, seen from bare OpenSSL in memory; the
 * script waits where it should, and failure has a reason.
 */
#include "tests/unit.h"

#include <openssl/err.h>
#include <string.h>

#include "bare.h"

enum { UNEXPECTED_MESSAGE = 10, BAD_RECORD_MAC = 20 };

static const enum lw_version all_versions[] = { LW_VERSION_TLS1_0, LW_VERSION_TLS1_1,
	                                        LW_VERSION_TLS1_2, LW_VERSION_TLS1_3 };
enum { VERSIONS = 4, ROLES = 2 };

static void begin(struct bare *b, enum lw_version version, unsigned role,
                  const struct adversary_script *script)
{
	struct adversary_options options = { .version = version,
		                             .role = (enum adversary_role)role };
	assert_true(bare_begin(b, &options, script));
	bare_run(b);
	assert_string_equal(adversary_reason(b->adversary), "");
}

static void check_end(const struct bare *b, uint64_t data_bytes, enum bare_end expected)
{
	assert_int_equal(b->data_bytes, data_bytes);
	assert_int_equal(b->end, expected);
}

/* The subject writes `len` bytes of the pattern, from its start. */
static void write_pattern(struct bare *b, size_t len)
{
	uint8_t buf[1000];
	assert_true(len <= sizeof buf);
	for (size_t i = 0; i < len; i++)
		buf[i] = adversary_pattern(i);
	assert_int_equal(SSL_write(b->ssl, buf, (int)len), (int)len);
	bare_run(b);
}

static void test_key_update_is_followed_both_ways(void **state)
{
	const struct adversary_script script =
	    SCRIPT(STEP_DATA(100), STEP_KEY_UPDATE(0), STEP_DATA(100), STEP_KEY_UPDATE(1),
	           STEP_DATA(100), STEP_WAIT_DATA(50), STEP_KEY_UPDATE(0), STEP_DATA(1), STEP_GO);
	(void)state;
	for (unsigned role = 0; role < ROLES; role++) {
		struct bare b;
		begin(&b, LW_VERSION_TLS1_3, role, &script);
		check_end(&b, 300, BARE_WAITING);
		write_pattern(&b, 50); /* the answer to the request comes before it */
		check_end(&b, 301, BARE_WAITING);
		assert_int_equal(adversary_subject(b.adversary)->data_bytes, 50);
		/* The answer and the data; a server had sent two tickets before. */
		assert_int_equal(adversary_subject(b.adversary)->records,
		                 role == ADVERSARY_CLIENT ? 4 : 2);
		assert_false(b.data_differs);
		bare_free(&b);
	}
}

static void test_answers_key_update_in_go(void **state)
{
	const struct adversary_script script = SCRIPT(STEP_DATA(1), STEP_GO);
	struct bare b;
	(void)state;
	begin(&b, LW_VERSION_TLS1_3, ADVERSARY_SERVER, &script);
	assert_int_equal(SSL_key_update(b.ssl, SSL_KEY_UPDATE_REQUESTED), 1);
	write_pattern(&b, 10);
	assert_int_equal(adversary_subject(b.adversary)->data_bytes, 10);
	const struct exchange *x = adversary_exchange(b.adversary);
	const struct exchange_event *last = &x->events[x->count - 1];
	assert_int_equal(last->side, EXCHANGE_RIGHT);
	assert_string_equal(last->note, "KeyUpdate");
	bare_free(&b);
}

static unsigned tickets_seen;

static int count_ticket(SSL *ssl, SSL_SESSION *session)
{
	(void)ssl;
	(void)session;
	tickets_seen++;
	return 0;
}

static void test_ticket_arrives(void **state)
{
	const struct adversary_script script =
	    SCRIPT(STEP_SILENCE, STEP_TICKET, STEP_DATA(10), STEP_CLOSE_NOTIFY, STEP_FIN);
	(void)state;
	for (unsigned v = 0; v < VERSIONS; v++) {
		struct bare b;
		begin(&b, all_versions[v], ADVERSARY_SERVER, &script);
		SSL_CTX_set_session_cache_mode(b.ctx, SSL_SESS_CACHE_CLIENT);
		SSL_CTX_sess_set_new_cb(b.ctx, count_ticket);
		tickets_seen = 0;
		adversary_resume(b.adversary);
		bare_run(&b);
		check_end(&b, 10, BARE_CLOSED);
		assert_int_equal(tickets_seen, all_versions[v] == LW_VERSION_TLS1_3);
		bare_free(&b);
	}
}

/* rule: bad-record-is-error */
static void test_broken_record_draws_bad_record_mac(void **state)
{
	const struct adversary_script script =
	    SCRIPT(STEP_DATA(10), STEP_BROKEN_RECORD(100), STEP_CLOSE_NOTIFY, STEP_FIN);
	(void)state;
	for (unsigned i = 0; i < VERSIONS * ROLES; i++) {
		struct bare b;
		begin(&b, all_versions[i / ROLES], i % ROLES, &script);
		check_end(&b, 10, BARE_ERROR);
		assert_int_equal(adversary_subject(b.adversary)->last_level, 2);
		assert_int_equal(adversary_subject(b.adversary)->last_description, BAD_RECORD_MAC);
		bare_free(&b);
	}
}

/* rule: empty-data-is-not-end */
static void test_empty_data_ends_nothing(void **state)
{
	const struct adversary_script script =
	    SCRIPT(STEP_EMPTY_DATA, STEP_DATA(10), STEP_EMPTY_DATA, STEP_CLOSE_NOTIFY, STEP_FIN);
	(void)state;
	for (unsigned i = 0; i < VERSIONS * ROLES; i++) {
		struct bare b;
		begin(&b, all_versions[i / ROLES], i % ROLES, &script);
		check_end(&b, 10, BARE_CLOSED);
		bare_free(&b);
	}
}

/* An alert in the clear ends nothing properly once there are keys.
 * rule: alert-under-current-keys */
static void test_an_alert_in_the_clear_is_refused(void **state)
{
	(void)state;
	for (unsigned i = 0; i < VERSIONS * ROLES; i++) {
		uint8_t alert[] = {
			21, 3, (uint8_t)(i / ROLES < 2 ? i / ROLES + 1 : 3), 0, 2, 1, 0
		};
		const struct adversary_step steps[] = {
			STEP_DATA(10),
			{ .act = ACT_PLAINTEXT, .bytes = alert, .count = sizeof alert },
			STEP_FIN,
			STEP_END,
		};
		const struct adversary_script script = { .steps = steps };
		struct bare b;
		begin(&b, all_versions[i / ROLES], i % ROLES, &script);
		check_end(&b, 10, BARE_ERROR);
		assert_int_equal(adversary_subject(b.adversary)->fatals, 1);
		bare_free(&b);
	}
}

/* Whatever an alert record holds but one alert, OpenSSL refuses, in every version.
 * rules: one-alert-per-record, empty-alert-refused, malformed-alert-decode-error */
static void test_raw_alerts_are_refused(void **state)
{
	static const struct adversary_step contents[] = {
		STEP_RAW_ALERT(""),
		STEP_RAW_ALERT("\1"),
		STEP_RAW_ALERT("\1\0\0"),
		STEP_RAW_ALERT("\1\0\1\0"),
	};
	(void)state;
	for (unsigned i = 0; i < VERSIONS * 4; i++) {
		const struct adversary_step steps[] = { STEP_DATA(10), contents[i % 4], STEP_FIN,
			                                STEP_END };
		const struct adversary_script script = { .steps = steps };
		struct bare b;
		begin(&b, all_versions[i / 4], ADVERSARY_SERVER, &script);
		check_end(&b, 10, BARE_ERROR);
		assert_int_equal(adversary_subject(b.adversary)->last_level, 2);
		assert_int_equal(adversary_subject(b.adversary)->last_description,
		                 UNEXPECTED_MESSAGE);
		bare_free(&b);
	}
}

/* Cut after every number of bytes, a record never arrives; whole, it does. */
static void test_cuts_at_every_byte(void **state)
{
	enum { CONTENT = 40, LONGEST = 5 + 16 + 40 + 64 };
	(void)state;
	for (unsigned v = 0; v < VERSIONS; v++) {
		unsigned whole = 0;
		for (unsigned k = 1; k < LONGEST; k++) {
			const struct adversary_script script =
			    SCRIPT(STEP_DATA(10), STEP_CUT_RECORD(CONTENT, k), STEP_FIN);
			struct bare b;
			begin(&b, all_versions[v], ADVERSARY_SERVER, &script);
			assert_int_equal(b.end, BARE_ERROR);
			if (b.data_bytes != 10)
				whole++;
			else
				assert_int_equal(whole, 0);
			bare_free(&b);
		}
		assert_true(whole > 0);
		assert_true(whole < LONGEST - 5 - CONTENT);
	}
}

static void test_given_bytes_arrive(void **state)
{
	static uint8_t sent[40000];
	uint8_t got[sizeof sent + 1];
	const struct adversary_script script =
	    SCRIPT(STEP_SILENCE, STEP_TEXT("220 ready\r\n"), STEP_BYTES(sent, sizeof sent),
	           STEP_CLOSE_NOTIFY, STEP_FIN);
	struct bare b;
	enum adversary_action action;
	size_t n = 0;
	(void)state;
	memset(sent, 'x', sizeof sent);
	begin(&b, LW_VERSION_TLS1_3, ADVERSARY_SERVER, &script);
	adversary_resume(b.adversary);
	assert_int_equal(
	    adversary_run_memory(b.adversary, SSL_get_rbio(b.ssl), SSL_get_wbio(b.ssl), &action),
	    ADVERSARY_WAITING);
	assert_int_equal(action, ADVERSARY_FIN);
	assert_int_equal(SSL_read(b.ssl, got, 100), 11);
	assert_memory_equal(got, "220 ready\r\n", 11);
	int more;
	while ((more = SSL_read(b.ssl, got + n, (int)(sizeof got - n))) > 0)
		n += (size_t)more;
	assert_int_equal(n, sizeof sent);
	assert_memory_equal(got, sent, n);
	assert_int_equal(SSL_get_error(b.ssl, more), SSL_ERROR_ZERO_RETURN);
	bare_free(&b);
}

/* Both directions end properly, whoever begins. */
static void test_go_is_a_proper_peer(void **state)
{
	const struct adversary_script script = SCRIPT(STEP_DATA(10), STEP_GO);
	(void)state;
	for (unsigned i = 0; i < VERSIONS * ROLES; i++) {
		struct bare b;
		begin(&b, all_versions[i / ROLES], i % ROLES, &script);
		check_end(&b, 10, BARE_WAITING);
		assert_int_equal(SSL_shutdown(b.ssl), 0);
		bare_run(&b);
		assert_true(b.transport_ended);
		assert_int_equal(SSL_shutdown(b.ssl), 1);
		adversary_give_end(b.adversary, ADVERSARY_ENDED_FIN);
		assert_int_equal(adversary_advance(b.adversary), ADVERSARY_DONE);
		assert_int_equal(adversary_subject(b.adversary)->close_notifies, 1);
		assert_int_equal(adversary_subject(b.adversary)->after_closure, 0);
		bare_free(&b);
	}
}

static void test_go_does_not_answer_a_fatal_alert(void **state)
{
	const struct adversary_script script = SCRIPT(STEP_RECORD(99, "no such type"), STEP_GO);
	struct bare b;
	(void)state;
	begin(&b, LW_VERSION_TLS1_2, ADVERSARY_SERVER, &script);
	assert_int_equal(b.end, BARE_ERROR);
	assert_int_equal(adversary_subject(b.adversary)->fatals, 1);
	assert_true(b.transport_ended);
	const struct exchange *x = adversary_exchange(b.adversary);
	for (unsigned i = 0; i < x->count; i++)
		assert_true(x->events[i].side == EXCHANGE_LEFT ||
		            x->events[i].what != EXCHANGE_ALERT);
	bare_free(&b);
}

static void test_waits_for_data_and_for_close_notify(void **state)
{
	const struct adversary_script script =
	    SCRIPT(STEP_WAIT_DATA(100), STEP_DATA(10), STEP_WAIT_CLOSE_NOTIFY, STEP_DATA(10),
	           STEP_CLOSE_NOTIFY, STEP_FIN);
	(void)state;
	for (unsigned i = 0; i < VERSIONS * ROLES; i++) {
		struct bare b;
		begin(&b, all_versions[i / ROLES], i % ROLES, &script);
		write_pattern(&b, 99);
		check_end(&b, 0, BARE_WAITING);
		assert_int_equal(SSL_write(b.ssl, "?", 1), 1);
		bare_run(&b);
		check_end(&b, 10, BARE_WAITING);
		assert_true(adversary_subject(b.adversary)->data_differs);
		assert_int_equal(SSL_shutdown(b.ssl), 0);
		bare_run(&b);
		check_end(&b, 20, BARE_CLOSED);
		bare_free(&b);
	}
}

/* A wait is over when nothing more can come. */
static void test_waiting_ends_with_the_transport(void **state)
{
	const struct adversary_script script =
	    SCRIPT(STEP_WAIT_DATA(100), STEP_WAIT_CLOSE_NOTIFY, STEP_WAIT_END);
	struct bare b;
	(void)state;
	begin(&b, LW_VERSION_TLS1_3, ADVERSARY_SERVER, &script);
	assert_false(adversary_is_idle(b.adversary));
	adversary_give_end(b.adversary, ADVERSARY_ENDED_RST);
	assert_int_equal(adversary_advance(b.adversary), ADVERSARY_DONE);
	assert_true(adversary_subject(b.adversary)->rst);
	bare_free(&b);
}

static void test_events_carry_the_time(void **state)
{
	const struct adversary_script script = SCRIPT(STEP_SILENCE, STEP_CLOSE_NOTIFY);
	struct bare b;
	(void)state;
	begin(&b, LW_VERSION_TLS1_3, ADVERSARY_SERVER, &script);
	adversary_set_time(b.adversary, 1234);
	adversary_resume(b.adversary);
	bare_run(&b);
	const struct exchange *x = adversary_exchange(b.adversary);
	assert_int_equal(x->events[0].what, EXCHANGE_HANDSHAKE_DONE);
	assert_string_equal(x->events[0].note, "TLSv1.3");
	assert_int_equal(x->events[0].at_ms, 0);
	assert_int_equal(x->events[x->count - 1].what, EXCHANGE_ALERT);
	assert_int_equal(x->events[x->count - 1].at_ms, 1234);
	bare_free(&b);
}

static void test_ten_thousand_warnings(void **state)
{
	const struct adversary_script script =
	    SCRIPT(STEP_ALERTS(10000, 1, 90), STEP_CLOSE_NOTIFY, STEP_FIN);
	struct bare b;
	(void)state;
	begin(&b, LW_VERSION_TLS1_2, ADVERSARY_SERVER, &script);
	assert_int_equal(b.end, BARE_ERROR); /* OpenSSL stops at the fifth */
	const struct exchange *x = adversary_exchange(b.adversary);
	unsigned sent = 0;
	for (unsigned i = 0; i < x->count; i++)
		sent += x->events[i].what == EXCHANGE_ALERT && x->events[i].description == 90
		            ? x->events[i].times
		            : 0;
	assert_int_equal(sent, 10000);
	bare_free(&b);
}

static void test_a_failed_handshake_has_a_reason(void **state)
{
	const struct adversary_script script = SCRIPT(STEP_GO);
	struct adversary_options options = { .version = LW_VERSION_TLS1_3 };
	struct bare b;
	(void)state;
	assert_true(bare_begin(&b, &options, &script));
	assert_int_equal(SSL_set_min_proto_version(b.ssl, TLS1_2_VERSION), 1);
	assert_int_equal(SSL_set_max_proto_version(b.ssl, TLS1_2_VERSION), 1);
	bare_run(&b);
	assert_int_equal(b.status, ADVERSARY_FAILED);
	assert_string_equal(adversary_reason(b.adversary),
	                    "the handshake failed: unsupported protocol");
	assert_int_equal(b.end, BARE_ERROR); /* it was sent the alert */
	assert_true(b.transport_ended);
	bare_free(&b);

	assert_true(bare_begin(&b, &options, &script));
	adversary_give_end(b.adversary, ADVERSARY_ENDED_FIN);
	(void)adversary_take_action(b.adversary);
	assert_int_equal(adversary_advance(b.adversary), ADVERSARY_FAILED);
	assert_string_equal(adversary_reason(b.adversary),
	                    "the subject ended the transport in the handshake");
	bare_free(&b);
}

static void test_options_are_refused(void **state)
{
	const struct adversary_script script = SCRIPT(STEP_GO);
	static const struct adversary_options refused[] = {
		{ .version = LW_VERSION_SSL3 },           { .version = LW_VERSION_DTLS1_2 },
		{ .ciphers = "NO-SUCH-CIPHER" },          { .suites = "NO_SUCH_SUITE" },
		{ .role = ADVERSARY_CLIENT, .alpn = "" },
	};
	(void)state;
	for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++)
		assert_null(adversary_new(&refused[i], &script));
	adversary_free(NULL);
	assert_int_equal(ERR_peek_error(), 0);
}

static void test_chooses_alpn(void **state)
{
	const struct adversary_script script = SCRIPT(STEP_GO);
	struct adversary_options options = { .alpn = "http/1.1" };
	const unsigned char *chosen;
	unsigned len;
	struct bare b;
	(void)state;
	assert_true(bare_begin(&b, &options, &script));
	assert_int_equal(SSL_set_alpn_protos(b.ssl, (const unsigned char *)"\2h2\x08http/1.1", 12),
	                 0);
	bare_run(&b);
	SSL_get0_alpn_selected(b.ssl, &chosen, &len);
	assert_int_equal(len, 8);
	assert_memory_equal(chosen, "http/1.1", 8);
	bare_free(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_key_update_is_followed_both_ways),
		cmocka_unit_test(test_answers_key_update_in_go),
		cmocka_unit_test(test_ticket_arrives),
		cmocka_unit_test(test_broken_record_draws_bad_record_mac),
		cmocka_unit_test(test_empty_data_ends_nothing),
		cmocka_unit_test(test_an_alert_in_the_clear_is_refused),
		cmocka_unit_test(test_raw_alerts_are_refused),
		cmocka_unit_test(test_cuts_at_every_byte),
		cmocka_unit_test(test_given_bytes_arrive),
		cmocka_unit_test(test_go_is_a_proper_peer),
		cmocka_unit_test(test_go_does_not_answer_a_fatal_alert),
		cmocka_unit_test(test_waits_for_data_and_for_close_notify),
		cmocka_unit_test(test_waiting_ends_with_the_transport),
		cmocka_unit_test(test_events_carry_the_time),
		cmocka_unit_test(test_ten_thousand_warnings),
		cmocka_unit_test(test_a_failed_handshake_has_a_reason),
		cmocka_unit_test(test_options_are_refused),
		cmocka_unit_test(test_chooses_alpn),
	};
	return run_cases(tests);
}
