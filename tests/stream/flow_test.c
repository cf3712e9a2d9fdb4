/*
 * flow: what happens between beginning and end: narrow transports, handshakes
 * after the first, data that waits inside the library, what to wait for.
 */
#include "closure/engine.h"
#include "duet.h"
#include "rig.h"
#include "tests/unit.h"

#include <openssl/err.h>

static void a_handshake_passes_through_a_narrow_transport(void **state)
{
	(void)state;
	for (size_t bytes = 60; bytes < 700; bytes += 61) {
		for (int serves = 0; serves < 2; serves++) {
			const struct duet_options o = { .serves = serves, .buffer_bytes = bytes };
			struct duet d;

			assert_true(duet_begin(&d, &o));
			assert_int_equal(duet_shake_hands(&d), LW_OK);
			duet_end(&d);
		}
	}
}

/* 300 bytes take one record of 205 whole and 95 of the next: 110 wait in the wire. */
#define NARROW_BYTES  300
#define PAYLOAD_BYTES 183

static void begin_full(struct duet *d)
{
	const struct duet_options o = { .buffer_bytes = NARROW_BYTES };
	size_t n;

	assert_true(duet_begin(d, &o));
	assert_int_equal(duet_shake_hands(d), LW_OK);
	duet_peer_reads(d);
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(duet_write(d, i * PAYLOAD_BYTES, PAYLOAD_BYTES, &n), LW_OK);
		assert_int_equal(n, PAYLOAD_BYTES);
	}
	assert_int_equal(BIO_ctrl_pending(SSL_get_rbio(d->peer)), NARROW_BYTES);
}

static void reading_alone_sends_the_tail_of_a_record(void **state)
{
	struct duet d;
	uint8_t octet;
	size_t n;

	(void)state;
	begin_full(&d);
	assert_int_equal(lw_read(d.stream, &octet, 1, &n), LW_AGAIN);
	assert_int_equal(lw_events(d.stream, LW_INTEREST_READ),
	                 LW_EVENT_READABLE | LW_EVENT_WRITABLE);
	duet_peer_reads(&d);
	assert_int_equal(lw_read(d.stream, &octet, 1, &n), LW_AGAIN);
	assert_int_equal(lw_events(d.stream, LW_INTEREST_READ), LW_EVENT_READABLE);
	duet_peer_reads(&d);
	assert_int_equal(d.peer_bytes, 2 * PAYLOAD_BYTES);
	assert_false(d.differs);
	duet_end(&d);
}

static void close_notify_waits_for_room_in_the_wire(void **state)
{
	struct duet d;

	(void)state;
	begin_full(&d);
	assert_int_equal(lw_close(d.stream), LW_AGAIN);
	assert_int_equal(duet_verdict(&d).write, LW_ENDING_OPEN);
	assert_int_equal(lw_events(d.stream, 0) & LW_EVENT_WRITABLE, LW_EVENT_WRITABLE);
	duet_peer_reads(&d);
	assert_int_equal(lw_close(d.stream), LW_AGAIN);
	assert_int_equal(duet_verdict(&d).write, LW_ENDING_CLOSED);
	duet_peer_reads(&d);
	assert_int_equal(d.peer_bytes, 2 * PAYLOAD_BYTES);
	assert_int_equal(d.peer_error, SSL_ERROR_ZERO_RETURN);
	assert_false(d.differs);
	duet_end(&d);
}

static void a_fatal_alert_waits_for_room_in_the_wire(void **state)
{
	struct duet d;

	(void)state;
	begin_full(&d);
	assert_int_equal(lw_abort(d.stream), LW_AGAIN);
	duet_peer_reads(&d);
	assert_int_equal(lw_abort(d.stream), LW_ABORTED);
	assert_int_equal(duet_verdict(&d).alert_sent.level, 2);
	duet_peer_reads(&d);
	assert_int_equal(d.peer_bytes, 2 * PAYLOAD_BYTES);
	assert_int_equal(d.peer_error, SSL_ERROR_SSL);
	duet_end(&d);
}

/* The answer to a KeyUpdate is due before the next record, and finds no room. */
static void a_blocked_key_update_is_not_taken_for_data(void **state)
{
	enum lw_status status;
	struct duet d;
	uint8_t octet;
	uint64_t taken = 2 * PAYLOAD_BYTES;
	size_t n;

	(void)state;
	begin_full(&d);
	assert_int_equal(SSL_key_update(d.peer, SSL_KEY_UPDATE_REQUESTED), 1);
	assert_int_equal(SSL_do_handshake(d.peer), 1);
	assert_int_equal(lw_read(d.stream, &octet, 1, &n), LW_AGAIN);
	for (int i = 0; i < 20; i++) {
		status = duet_write(&d, taken, PAYLOAD_BYTES, &n);
		assert_true(status == LW_OK || status == LW_AGAIN);
		taken += n;
		duet_peer_reads(&d);
	}
	while (lw_flush(d.stream) == LW_AGAIN)
		duet_peer_reads(&d);
	duet_peer_reads(&d);
	assert_true(taken > 4 * PAYLOAD_BYTES);
	assert_int_equal(d.peer_bytes, taken);
	assert_int_equal(d.peer_error, SSL_ERROR_WANT_READ);
	assert_false(d.differs);
	duet_end(&d);
}

enum { FLOOD = 200 };

static bool send_key_update(struct duet *d, int answered)
{
	return SSL_key_update(d->peer, answered ? SSL_KEY_UPDATE_REQUESTED
	                                        : SSL_KEY_UPDATE_NOT_REQUESTED) == 1 &&
	       SSL_do_handshake(d->peer) == 1;
}

/* OpenSSL takes KeyUpdates without end, and does not come back while they arrive. */
static void a_flood_of_key_updates_is_refused(void **state)
{
	(void)state;
	for (int which = 0; which < 4; which++) {
		const struct duet_options o = { .serves = which & 1 };
		struct lw_verdict verdict;
		struct duet d;
		uint8_t octet;
		size_t n;

		assert_true(duet_begin(&d, &o));
		assert_int_equal(duet_shake_hands(&d), LW_OK);
		for (int i = 0; i < FLOOD; i++)
			assert_true(send_key_update(&d, which & 2));
		assert_int_equal(lw_read(d.stream, &octet, 1, &n), LW_ERROR);
		verdict = duet_verdict(&d);
		assert_int_equal(verdict.read, LW_ENDING_FAILED);
		assert_int_equal(verdict.write, LW_ENDING_ABORTED);
		assert_int_equal(verdict.records_without_data, LW_RECORDS_WITHOUT_DATA_MAX + 1);
		/* The rest is not looked at. */
		assert_true(BIO_ctrl_pending(SSL_get_rbio(d.ssl)) > 0);
		duet_end(&d);
	}
}

static void a_flood_of_refused_renegotiations_is_refused(void **state)
{
	const struct duet_options o = { .version = TLS1_2_VERSION };
	struct duet d;
	uint8_t octet;
	size_t n;

	(void)state;
	assert_true(duet_begin(&d, &o));
	(void)SSL_set_options(d.ssl, SSL_OP_NO_RENEGOTIATION);
	assert_int_equal(duet_shake_hands(&d), LW_OK);
	for (int i = 0; i < FLOOD; i++) {
		assert_int_equal(SSL_renegotiate(d.peer), 1);
		assert_int_equal(SSL_do_handshake(d.peer), 1); /* a HelloRequest */
	}
	assert_int_equal(lw_read(d.stream, &octet, 1, &n), LW_ERROR);
	assert_int_equal(duet_verdict(&d).records_without_data, LW_RECORDS_WITHOUT_DATA_MAX + 1);
	assert_int_equal(duet_verdict(&d).write, LW_ENDING_ABORTED);
	duet_end(&d);
}

/* What was delivered between, or is thrown away after our closure, ends the row. */
static void key_updates_between_data_are_no_flood(void **state)
{
	(void)state;
	for (int closes = 0; closes < 2; closes++) {
		const struct duet_options o = { 0 };
		struct duet d;
		uint8_t octet;
		size_t n;

		assert_true(duet_begin(&d, &o));
		assert_int_equal(duet_shake_hands(&d), LW_OK);
		if (closes)
			assert_int_equal(lw_close(d.stream), LW_AGAIN);
		for (int i = 0; i < FLOOD; i++) {
			assert_true(send_key_update(&d, false));
			assert_true(duet_peer_writes(&d, 1));
			if (closes)
				assert_int_equal(lw_close(d.stream), LW_AGAIN);
			else
				assert_int_equal(lw_read(d.stream, &octet, 1, &n), LW_OK);
		}
		assert_int_equal(duet_verdict(&d).records_without_data, 0);
		assert_int_equal(duet_verdict(&d).read, LW_ENDING_OPEN);
		duet_end(&d);
	}
}

static void begin_renegotiation(struct duet *d, size_t bytes)
{
	const struct duet_options o = { .version = TLS1_2_VERSION, .buffer_bytes = bytes };
	uint8_t octet;
	size_t n;

	assert_true(duet_begin(d, &o));
	assert_int_equal(duet_shake_hands(d), LW_OK);
	assert_int_equal(SSL_renegotiate(d->peer), 1);
	assert_int_equal(SSL_do_handshake(d->peer), 1); /* a HelloRequest */
	assert_int_equal(lw_read(d->stream, &octet, 1, &n), LW_AGAIN);
	assert_true(SSL_in_init(d->ssl));
}

static void close_amid_renegotiation_ends_it_first(void **state)
{
	(void)state;
	for (size_t bytes = 100; bytes < 70000; bytes += 30000) {
		enum lw_status status = LW_AGAIN;
		struct duet d;

		begin_renegotiation(&d, bytes);
		for (int i = 0; i < 1000 && status == LW_AGAIN; i++) {
			status = lw_close(d.stream);
			duet_peer_reads(&d);
			if (d.peer_error == SSL_ERROR_ZERO_RETURN)
				(void)SSL_shutdown(d.peer);
		}
		assert_int_equal(status, LW_END);
		assert_int_equal(duet_verdict(&d).write, LW_ENDING_CLOSED);
		duet_end(&d);
	}
}

/* close_notify waits for the handshake, and the library's own alert comes before it. */
static void an_alert_of_the_librarys_in_place_of_close_notify_is_told(void **state)
{
	static const uint8_t broken[5 + 40] = { 23, 3, 3, 0, 40 };
	struct duet d;

	(void)state;
	begin_renegotiation(&d, 70000);
	assert_int_equal(lw_close(d.stream), LW_AGAIN);
	assert_int_equal(BIO_write(SSL_get_wbio(d.peer), broken, sizeof broken), sizeof broken);
	for (int i = 0; i < 100 && lw_close(d.stream) == LW_AGAIN; i++)
		duet_peer_reads(&d);
	assert_int_equal(duet_verdict(&d).read, LW_ENDING_FAILED);
	assert_int_equal(duet_verdict(&d).write, LW_ENDING_ABORTED);
	assert_int_equal(duet_verdict(&d).closed_first, LW_CLOSED_FIRST_NOBODY);
	assert_false(duet_verdict(&d).whole);
	duet_peer_reads(&d);
	assert_int_equal(d.peer_error, SSL_ERROR_SSL);
	duet_end(&d);
}

static void writing_amid_renegotiation_loses_nothing(void **state)
{
	(void)state;
	for (size_t bytes = 100; bytes < 70000; bytes += 30000) {
		uint64_t taken = 0;
		struct duet d;
		size_t n;

		begin_renegotiation(&d, bytes);
		for (int i = 0; i < 1000 && taken < 10000; i++) {
			const enum lw_status status = duet_write(&d, taken, 777, &n);

			assert_true(status == LW_OK || status == LW_AGAIN);
			taken += n;
			duet_peer_reads(&d);
		}
		while (lw_flush(d.stream) == LW_AGAIN)
			duet_peer_reads(&d);
		duet_peer_reads(&d);
		assert_true(taken >= 10000);
		assert_int_equal(d.peer_bytes, taken);
		assert_false(d.differs);
		duet_end(&d);
	}
}

static void finish_behind_a_key_update_of_our_own(void **state)
{
	const struct duet_options o = { .version = TLS1_3_VERSION };
	struct duet d;

	(void)state;
	assert_true(duet_begin(&d, &o));
	assert_int_equal(duet_shake_hands(&d), LW_OK);
	assert_int_equal(SSL_key_update(d.ssl, SSL_KEY_UPDATE_NOT_REQUESTED), 1);
	assert_int_equal(lw_finish(d.stream), LW_OK);
	duet_peer_reads(&d);
	assert_int_equal(d.peer_error, SSL_ERROR_ZERO_RETURN);
	duet_end(&d);
}

static void ask_small_fragments(SSL *ours, SSL *peer)
{
	(void)peer;
	assert_int_equal(SSL_set_tlsext_max_fragment_length(ours, TLSEXT_max_fragment_length_512),
	                 1);
}

static void small_fragments_through_a_narrow_transport(void **state)
{
	static const int versions[] = { TLS1_2_VERSION, TLS1_3_VERSION };

	(void)state;
	for (unsigned v = 0; v < 2; v++) {
		const struct duet_options o = { .version = versions[v],
			                        .buffer_bytes = 350,
			                        .prepare = ask_small_fragments };
		uint64_t taken = 0;
		struct duet d;
		size_t n;

		assert_true(duet_begin(&d, &o));
		assert_int_equal(duet_shake_hands(&d), LW_OK);
		while (taken < 50000) {
			const enum lw_status status = duet_write(&d, taken, 5000, &n);

			assert_true(status == LW_OK || status == LW_AGAIN);
			assert_true(n <= 512);
			taken += n;
			if (n == 0)
				duet_peer_reads(&d);
		}
		while (lw_flush(d.stream) == LW_AGAIN)
			duet_peer_reads(&d);
		duet_peer_reads(&d);
		assert_int_equal(d.peer_bytes, taken);
		assert_false(d.differs);
		duet_end(&d);
	}
}

static void data_inside_the_library_is_not_waited_for(void **state)
{
	const struct duet_options o = { .version = TLS1_3_VERSION };
	uint8_t buf[100];
	struct duet d;
	size_t n;

	(void)state;
	assert_true(duet_begin(&d, &o));
	assert_int_equal(duet_shake_hands(&d), LW_OK);
	assert_int_equal(lw_read(d.stream, buf, sizeof buf, &n), LW_AGAIN);
	assert_int_equal(lw_events(d.stream, LW_INTEREST_READ), LW_EVENT_READABLE);
	assert_true(duet_peer_writes(&d, 150));
	assert_int_equal(lw_read(d.stream, buf, sizeof buf, &n), LW_OK);
	assert_int_equal(lw_events(d.stream, LW_INTEREST_READ), 0);
	assert_int_equal(lw_events(d.stream, LW_INTEREST_READ | LW_INTEREST_WRITE), 0);
	assert_int_equal(lw_read(d.stream, buf, sizeof buf, &n), LW_OK);
	assert_int_equal(n, 50);
	assert_int_equal(lw_read(d.stream, buf, sizeof buf, &n), LW_AGAIN);
	assert_int_equal(lw_events(d.stream, LW_INTEREST_READ), LW_EVENT_READABLE);
	duet_end(&d);
}

static void forget_auto_retry(SSL *ours, SSL *peer)
{
	(void)peer;
	SSL_clear_mode(ours, SSL_MODE_AUTO_RETRY);
}

/* A memory transport has nobody who would say "readable" again. */
static void data_behind_tickets_needs_no_second_wait(void **state)
{
	const struct duet_options o = { .version = TLS1_3_VERSION, .prepare = forget_auto_retry };
	uint8_t buf[100];
	struct duet d;
	size_t n;

	(void)state;
	assert_true(duet_begin(&d, &o));
	do { /* until two tickets are on their way */
		ERR_clear_error();
		(void)!lw_handshake(d.stream);
	} while (SSL_do_handshake(d.peer) != 1);
	assert_int_equal(BIO_ctrl_pending(d.wire), 2 * 255);
	assert_true(duet_peer_writes(&d, 10));
	assert_int_equal(lw_read(d.stream, buf, sizeof buf, &n), LW_OK);
	assert_int_equal(n, 10);
	lw_free(d.stream);
	d.stream = NULL;
	assert_int_equal(SSL_get_mode(d.ssl) & SSL_MODE_AUTO_RETRY, 0);
	duet_end(&d);
}

static void demand_certificate(SSL *ours, SSL *peer)
{
	(void)ours;
	SSL_set_verify(peer, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
}

static void a_client_refused_after_its_handshake_reads_the_alert(void **state)
{
	const struct duet_options o = { .version = TLS1_3_VERSION, .prepare = demand_certificate };
	struct duet d;
	uint8_t octet;
	size_t n;

	(void)state;
	assert_true(duet_begin(&d, &o));
	for (int i = 0; i < 10; i++) {
		(void)!lw_handshake(d.stream);
		ERR_clear_error();
		(void)SSL_do_handshake(d.peer);
	}
	assert_int_equal(duet_verdict(&d).version, LW_VERSION_TLS1_3);
	assert_int_equal(lw_read(d.stream, &octet, 1, &n), LW_ABORTED);
	assert_int_equal(duet_verdict(&d).alert_received.description, 116);
	assert_int_equal(duet_verdict(&d).session, LW_SESSION_FORGET);
	assert_int_equal(lw_write(d.stream, &octet, 1, &n), LW_ABORTED);
	duet_end(&d);
}

static void verify(SSL *ours, SSL *peer)
{
	(void)peer;
	SSL_set_verify(ours, SSL_VERIFY_PEER, NULL);
}

/* rules: error-alerts-sent-fatal, send-defined-fatal */
static void a_failed_verification_names_the_librarys_alert(void **state)
{
	static const int versions[] = { TLS1_VERSION, TLS1_1_VERSION, TLS1_2_VERSION,
		                        TLS1_3_VERSION };

	(void)state;
	for (unsigned v = 0; v < 4; v++) {
		const struct duet_options o = { .version = versions[v], .prepare = verify };
		struct duet d;

		assert_true(duet_begin(&d, &o));
		assert_int_equal(duet_shake_hands(&d), LW_ERROR);
		assert_int_equal(duet_verdict(&d).read, LW_ENDING_FAILED);
		assert_int_equal(duet_verdict(&d).write, LW_ENDING_ABORTED);
		assert_int_equal(duet_verdict(&d).alert_sent.level, 2);
		assert_int_equal(duet_verdict(&d).alert_sent.description, 48);
		assert_false(duet_verdict(&d).alert_received.present);
		duet_peer_reads(&d);
		assert_int_equal(d.peer_error, SSL_ERROR_SSL);
		duet_end(&d);
	}
}

static void other_version(SSL *ours, SSL *peer)
{
	(void)ours;
	assert_int_equal(SSL_set_max_proto_version(peer, 0), 1);
	assert_int_equal(SSL_set_min_proto_version(peer, TLS1_3_VERSION), 1);
}

static void no_common_version_is_an_abort_that_names_the_alert(void **state)
{
	(void)state;
	for (int serves = 0; serves < 2; serves++) {
		const struct duet_options o = { .version = TLS1_2_VERSION,
			                        .serves = serves,
			                        .prepare = other_version };
		struct lw_verdict verdict;
		enum lw_status status;
		struct duet d;

		assert_true(duet_begin(&d, &o));
		status = duet_shake_hands(&d);
		verdict = duet_verdict(&d);
		assert_int_equal(status, serves ? LW_ERROR : LW_ABORTED);
		assert_int_equal(verdict.version, LW_VERSION_UNKNOWN);
		assert_int_equal(serves ? verdict.alert_sent.description
		                        : verdict.alert_received.description,
		                 70);
		assert_int_equal(verdict.write, LW_ENDING_ABORTED);
		duet_end(&d);
	}
}

int main(void)
{
	const struct CMUnitTest cases[] = {
		cmocka_unit_test(a_handshake_passes_through_a_narrow_transport),
		cmocka_unit_test(reading_alone_sends_the_tail_of_a_record),
		cmocka_unit_test(close_notify_waits_for_room_in_the_wire),
		cmocka_unit_test(a_fatal_alert_waits_for_room_in_the_wire),
		cmocka_unit_test(a_blocked_key_update_is_not_taken_for_data),
		cmocka_unit_test(a_flood_of_key_updates_is_refused),
		cmocka_unit_test(a_flood_of_refused_renegotiations_is_refused),
		cmocka_unit_test(key_updates_between_data_are_no_flood),
		cmocka_unit_test(close_amid_renegotiation_ends_it_first),
		cmocka_unit_test(an_alert_of_the_librarys_in_place_of_close_notify_is_told),
		cmocka_unit_test(writing_amid_renegotiation_loses_nothing),
		cmocka_unit_test(finish_behind_a_key_update_of_our_own),
		cmocka_unit_test(small_fragments_through_a_narrow_transport),
		cmocka_unit_test(data_inside_the_library_is_not_waited_for),
		cmocka_unit_test(data_behind_tickets_needs_no_second_wait),
		cmocka_unit_test(a_client_refused_after_its_handshake_reads_the_alert),
		cmocka_unit_test(a_failed_verification_names_the_librarys_alert),
		cmocka_unit_test(no_common_version_is_an_abort_that_names_the_alert),
	};

	return run_cases(cases);
}
