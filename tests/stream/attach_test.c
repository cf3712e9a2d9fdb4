/*
 * attach: what the adapter does to the application's OpenSSL objects while a
 * stream is attached, and that it gives them back.
 */
#include "duet.h"
#include "rig.h"
#include "tests/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static const struct adversary_script two_parts =
    SCRIPT(STEP_DATA(100), STEP_SILENCE, STEP_DATA(100), STEP_GO);

static unsigned long modes_of(SSL *ssl)
{
	return (unsigned long)SSL_get_mode(ssl);
}

static void what_was_set_is_set_again(void **state)
{
	const struct rig_options o = { .version = LW_VERSION_TLS1_3, .attach = RIG_BARE };
	struct rig r;
	BIO *in, *out;

	(void)state;
	assert_true(rig_begin(&r, &o, &two_parts));
	SSL_clear_mode(r.ssl, SSL_MODE_AUTO_RETRY);
	SSL_set_mode(r.ssl, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_RELEASE_BUFFERS);
	SSL_set_quiet_shutdown(r.ssl, 1);
	SSL_set_read_ahead(r.ssl, 1);
	in = SSL_get_rbio(r.ssl);
	out = SSL_get_wbio(r.ssl);
	r.stream = lw_openssl_attach(r.ssl, NULL, NULL);
	assert_non_null(r.stream);
	assert_ptr_not_equal(SSL_get_rbio(r.ssl), in);
	lw_free(r.stream);
	r.stream = NULL;
	assert_int_equal(modes_of(r.ssl), SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_RELEASE_BUFFERS);
	assert_int_equal(SSL_get_quiet_shutdown(r.ssl), 1);
	assert_int_equal(SSL_get_read_ahead(r.ssl), 1);
	assert_ptr_equal(SSL_get_rbio(r.ssl), in);
	assert_ptr_equal(SSL_get_wbio(r.ssl), out);
	assert_null(BIO_next(in));
	assert_null(SSL_get_info_callback(r.ssl));
	rig_end(&r);
}

static void an_ssl_goes_on_after_lw_free_and_can_be_attached_again(void **state)
{
	static const enum lw_version versions[] = { LW_VERSION_TLS1_0, LW_VERSION_TLS1_1,
		                                    LW_VERSION_TLS1_2, LW_VERSION_TLS1_3 };

	(void)state;
	for (unsigned v = 0; v < 8; v++) {
		const struct rig_options o = { .version = versions[v / 2],
			                       .attach = RIG_BEFORE,
			                       .socket = v % 2 };
		uint8_t buf[200];
		struct rig r;

		assert_true(rig_begin(&r, &o, &two_parts));
		assert_int_equal(rig_read(&r), LW_AGAIN);
		assert_int_equal(r.bytes, 100);
		lw_free(r.stream);
		r.stream = NULL;
		assert_int_equal(SSL_write(r.ssl, "\0", 1), 1);
		adversary_resume(r.adversary);
		rig_spin(&r);
		assert_int_equal(SSL_read(r.ssl, buf, 50), 50);
		r.bytes += 50;
		/* 50 bytes are decrypted and unread */
		r.stream = lw_openssl_attach(r.ssl, NULL, &r.refusal);
		assert_non_null(r.stream);
		assert_int_equal(rig_read(&r), LW_AGAIN);
		assert_int_equal(r.bytes, 200);
		assert_false(r.differs);
		assert_int_equal(rig_close(&r), LW_END);
		assert_true(rig_verdict(&r).write == LW_ENDING_CLOSED);
		rig_end(&r);
	}
}

static unsigned calls_of_ssl, calls_of_ctx;

static void count_ssl(const SSL *ssl, int where, int value)
{
	(void)ssl, (void)where, (void)value;
	calls_of_ssl++;
}

static void count_ctx(const SSL *ssl, int where, int value)
{
	(void)ssl, (void)where, (void)value;
	calls_of_ctx++;
}

static void the_applications_info_callback_is_still_called(void **state)
{
	(void)state;
	for (int own = 0; own < 2; own++) {
		const struct rig_options o = { .version = LW_VERSION_TLS1_3, .attach = RIG_BARE };
		struct rig r;

		calls_of_ssl = calls_of_ctx = 0;
		assert_true(rig_begin(&r, &o, &two_parts));
		SSL_CTX_set_info_callback(r.ctx, count_ctx);
		if (own)
			SSL_set_info_callback(r.ssl, count_ssl);
		r.stream = lw_openssl_attach(r.ssl, NULL, NULL);
		assert_non_null(r.stream);
		rig_spin(&r);
		adversary_resume(r.adversary);
		assert_int_equal(rig_close(&r), LW_END);
		assert_int_equal(calls_of_ssl > 0, own);
		assert_int_equal(calls_of_ctx > 0, !own);
		lw_free(r.stream);
		r.stream = NULL;
		assert_ptr_equal(SSL_get_info_callback(r.ssl), own ? count_ssl : NULL);
		rig_end(&r);
	}
}

/* A context's callback may be set, or the context changed, after attaching. */
static void a_contexts_callback_that_comes_late_is_called_too(void **state)
{
	const struct rig_options o = { .version = LW_VERSION_TLS1_3, .attach = RIG_BEFORE };
	struct rig r;

	(void)state;
	calls_of_ctx = 0;
	assert_true(rig_begin(&r, &o, &two_parts));
	SSL_CTX_set_info_callback(r.ctx, count_ctx);
	adversary_resume(r.adversary);
	assert_int_equal(rig_close(&r), LW_END);
	assert_true(calls_of_ctx > 0);
	rig_end(&r);
}

static unsigned freed_bios;

static long count_free(BIO *bio, int operation, const char *bytes, size_t len, int number,
                       long other, int result, size_t *done)
{
	(void)bio, (void)bytes, (void)len, (void)number, (void)other, (void)done;
	freed_bios += operation == BIO_CB_FREE;
	return result;
}

static void an_ssl_freed_first_takes_its_bios_along(void **state)
{
	(void)state;
	for (int shared = 0; shared < 2; shared++) {
		const struct duet_options o = { .version = TLS1_3_VERSION };
		const struct rig_options apart = { .version = LW_VERSION_TLS1_3 };
		struct lw_verdict verdict;
		struct duet d;
		struct rig r;

		freed_bios = 0;
		if (shared) {
			assert_true(duet_begin(&d, &o));
			assert_int_equal(duet_shake_hands(&d), LW_OK);
			BIO_set_callback_ex(d.wire, count_free);
			SSL_free(d.ssl);
			d.ssl = NULL;
			assert_int_equal(freed_bios, 1);
			lw_complete(d.stream, true);
			lw_verdict(d.stream, &verdict);
			assert_int_equal(verdict.version, LW_VERSION_TLS1_3);
			duet_end(&d);
		} else {
			assert_true(rig_begin(&r, &apart, &two_parts));
			BIO_set_callback_ex(r.in, count_free);
			BIO_set_callback_ex(r.out, count_free);
			SSL_free(r.ssl);
			r.ssl = NULL;
			assert_int_equal(freed_bios, 2);
			assert_int_equal(lw_forget_session(r.stream), LW_OK);
			rig_end(&r);
		}
	}
}

/* An application's own kind of BIO on a descriptor: what it does must go on being done. */
static unsigned own_calls, commands_seen;

static int own_read(BIO *bio, char *buf, int cap)
{
	const ssize_t got = recv((int)(intptr_t)BIO_get_data(bio), buf, (size_t)cap, 0);

	own_calls++;
	BIO_clear_retry_flags(bio);
	if (got < 0 && errno == EAGAIN)
		BIO_set_retry_read(bio);
	return (int)got;
}

static int own_write(BIO *bio, const char *buf, int len)
{
	own_calls++;
	BIO_clear_retry_flags(bio);
	return (int)send((int)(intptr_t)BIO_get_data(bio), buf, (size_t)len, MSG_NOSIGNAL);
}

static long own_ctrl(BIO *bio, int command, long number, void *pointer)
{
	const int fd = (int)(intptr_t)BIO_get_data(bio);

	(void)number;
	if (command == 72) /* kernel TLS on */
		commands_seen++;
	if (command == BIO_C_GET_FD && pointer)
		memcpy(pointer, &fd, sizeof fd);
	return command == BIO_C_GET_FD ? fd : command == BIO_CTRL_FLUSH;
}

static void a_bio_of_the_applications_own_kind_is_not_passed_over(void **state)
{
	const struct rig_options o = { .version = LW_VERSION_TLS1_3,
		                       .attach = RIG_BARE,
		                       .socket = true };
	BIO_METHOD *method =
	    BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK | BIO_TYPE_DESCRIPTOR, "own");
	struct rig r;
	BIO *bio;

	(void)state;
	own_calls = 0;
	assert_non_null(method);
	(void)BIO_meth_set_read(method, own_read);
	(void)BIO_meth_set_write(method, own_write);
	(void)BIO_meth_set_ctrl(method, own_ctrl);
	assert_true(rig_begin(&r, &o, &two_parts));
	bio = BIO_new(method);
	BIO_set_init(bio, 1);
	BIO_set_data(bio, (void *)(intptr_t)r.fd);
	SSL_set_bio(r.ssl, bio, bio);
	r.stream = lw_openssl_attach(r.ssl, NULL, NULL);
	assert_non_null(r.stream);
	assert_int_equal(rig_read(&r), LW_AGAIN);
	assert_int_equal(r.bytes, 100);
	assert_true(own_calls > 0);
	own_calls = 0;
	adversary_resume(r.adversary);
	(void)!lw_close(r.stream);
	assert_true(own_calls > 0);
	assert_int_equal(lw_wait(r.stream, LW_INTEREST_READ, 0), LW_UNSUPPORTED);
	rig_end(&r);
	BIO_meth_free(method);
}

static unsigned watched;

static long watch(BIO *bio, int operation, const char *bytes, size_t len, int number, long other,
                  int result, size_t *done)
{
	(void)bio, (void)bytes, (void)len, (void)number, (void)other, (void)done;
	watched += operation == BIO_CB_READ || operation == BIO_CB_WRITE;
	return result;
}

static void a_socket_that_the_application_watches_is_still_watched(void **state)
{
	const struct rig_options o = { .version = LW_VERSION_TLS1_3,
		                       .attach = RIG_BARE,
		                       .socket = true };
	struct rig r;

	(void)state;
	watched = 0;
	assert_true(rig_begin(&r, &o, &two_parts));
	BIO_set_callback_ex(SSL_get_rbio(r.ssl), watch);
	r.stream = lw_openssl_attach(r.ssl, NULL, NULL);
	assert_int_equal(rig_read(&r), LW_AGAIN);
	assert_true(watched > 0);
	rig_end(&r);
}

/* A buffering BIO holds back what nobody flushes. */
static void a_buffering_bio_underneath_is_flushed(void **state)
{
	const struct rig_options o = { .version = LW_VERSION_TLS1_3, .attach = RIG_BARE };
	struct rig r;
	size_t n;
	BIO *chain;

	(void)state;
	assert_true(rig_begin(&r, &o, &two_parts));
	BIO_up_ref(r.out);
	chain = BIO_push(BIO_new(BIO_f_buffer()), r.out);
	SSL_set0_wbio(r.ssl, chain);
	r.stream = lw_openssl_attach(r.ssl, NULL, NULL);
	assert_non_null(r.stream);
	assert_int_equal(lw_write(r.stream, "\0", 1, &n), LW_OK);
	assert_int_equal(lw_flush(r.stream), LW_OK);
	rig_spin(&r);
	assert_int_equal(adversary_subject(r.adversary)->data_bytes, 1);
	adversary_resume(r.adversary);
	assert_int_equal(rig_close(&r), LW_END);
	assert_int_equal(adversary_subject(r.adversary)->close_notifies, 1);
	lw_free(r.stream);
	r.stream = NULL;
	assert_ptr_equal(SSL_get_wbio(r.ssl), chain);
	assert_ptr_equal(BIO_next(chain), r.out);
	rig_end(&r);
}

static void refusals_say_why(void **state)
{
	const struct rig_options o = { .version = LW_VERSION_TLS1_3, .attach = RIG_BARE };
	SSL_CTX *ctx = SSL_CTX_new(TLS_method()), *dtls = SSL_CTX_new(DTLS_method());
	SSL *ssl = SSL_new(ctx), *datagram = SSL_new(dtls);
	const char *why = NULL;
	struct lw_stream *s;
	struct rig r;

	(void)state;
	assert_null(lw_openssl_attach(ssl, NULL, &why));
	assert_non_null(strstr(why, "no BIOs"));
	assert_null(lw_openssl_attach(ssl, NULL, NULL));
	SSL_set_bio(datagram, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
	assert_null(lw_openssl_attach(datagram, NULL, &why));
	assert_non_null(strstr(why, "DTLS"));
	SSL_set_bio(ssl, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
	s = lw_openssl_attach(ssl, NULL, &why);
	assert_non_null(s);
	assert_null(why);
	assert_null(lw_openssl_attach(ssl, NULL, &why));
	assert_non_null(strstr(why, "already"));
	assert_null(lw_openssl_observe(ssl, NULL, &why));
	lw_free(s);
	s = lw_openssl_observe(ssl, NULL, NULL);
	assert_non_null(s);
	lw_free(s);
	assert_true(rig_begin(&r, &o, &two_parts));
	assert_int_equal(SSL_shutdown(r.ssl), 0);
	assert_null(lw_openssl_attach(r.ssl, NULL, &why));
	assert_non_null(strstr(why, "shut down"));
	rig_end(&r);
	SSL_free(ssl);
	SSL_free(datagram);
	SSL_CTX_free(ctx);
	SSL_CTX_free(dtls);
}

static void a_copy_of_the_ssl_has_no_stream(void **state)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	SSL *ssl = SSL_new(ctx), *copy;
	struct lw_stream *s, *of_copy;

	(void)state;
	SSL_set_bio(ssl, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
	s = lw_openssl_attach(ssl, NULL, NULL);
	assert_non_null(s);
	copy = SSL_dup(ssl);
	assert_non_null(copy);
	assert_ptr_not_equal(copy, ssl);
	SSL_set_bio(copy, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
	of_copy = lw_openssl_attach(copy, NULL, NULL);
	assert_non_null(of_copy);
	lw_free(of_copy);
	SSL_free(copy);
	lw_free(s);
	assert_ptr_not_equal(SSL_get_rbio(ssl), NULL);
	SSL_free(ssl);
	SSL_CTX_free(ctx);
}

static void quiet_shutdown_keeps_no_close_notify_back(void **state)
{
	const struct rig_options o = { .version = LW_VERSION_TLS1_2, .attach = RIG_BARE };
	struct rig r;

	(void)state;
	assert_true(rig_begin(&r, &o, &two_parts));
	SSL_set_quiet_shutdown(r.ssl, 1);
	r.stream = lw_openssl_attach(r.ssl, NULL, NULL);
	rig_spin(&r);
	adversary_resume(r.adversary);
	assert_int_equal(rig_close(&r), LW_END);
	assert_int_equal(adversary_subject(r.adversary)->close_notifies, 1);
	rig_end(&r);
}

static const struct adversary_script aborts = SCRIPT(STEP_DATA(10), STEP_ALERT(2, 40));
static const struct adversary_script is_cut = SCRIPT(STEP_DATA(10), STEP_FIN);
static const struct adversary_script breaks = SCRIPT(STEP_DATA(10), STEP_BROKEN_RECORD(9));
static const struct adversary_script goes = SCRIPT(STEP_DATA(10), STEP_GO);

static void the_error_queue_is_left_empty(void **state)
{
	const struct adversary_script *const scripts[] = { &aborts, &is_cut, &breaks, &goes };

	(void)state;
	for (unsigned i = 0; i < 8; i++) {
		const struct rig_options o = { .version = LW_VERSION_TLS1_3 };
		struct rig r;

		assert_true(rig_begin(&r, &o, scripts[i / 2]));
		ERR_clear_error();
		(void)!rig_read(&r);
		assert_int_equal(ERR_peek_error(), 0);
		(void)!(i % 2 ? rig_abort(&r) : rig_close(&r));
		assert_int_equal(ERR_peek_error(), 0);
		rig_end(&r);
	}
}

/* Half of a record is inside OpenSSL: where the stream is cut, nobody knows, until it ends. */
static void attached_inside_a_record_it_knows_no_boundaries_until_its_end(void **state)
{
	const struct duet_options o = { .version = TLS1_3_VERSION };
	uint8_t buf[200];
	struct duet d;
	size_t n;

	(void)state;
	for (int complete = 0; complete < 2; complete++) {
		uint8_t record[122];

		assert_true(duet_begin(&d, &o));
		assert_int_equal(duet_shake_hands(&d), LW_OK);
		lw_free(d.stream);
		assert_true(duet_peer_writes(&d, 100));
		/* the first 60 octets, then the rest once it is attached */
		assert_int_equal(BIO_read(d.wire, record, sizeof record), sizeof record);
		BIO *in = BIO_new(BIO_s_mem());
		BIO_set_mem_eof_return(in, -1);
		SSL_set0_rbio(d.ssl, in);
		assert_int_equal(BIO_write(in, record, 60), 60);
		assert_int_equal(SSL_read(d.ssl, buf, sizeof buf), -1);
		d.stream = lw_openssl_attach(d.ssl, NULL, NULL);
		assert_non_null(d.stream);
		if (complete) {
			assert_int_equal(BIO_write(in, record + 60, 62), 62);
			assert_int_equal(lw_read(d.stream, buf, sizeof buf, &n), LW_OK);
			assert_int_equal(n, 100);
		}
		lw_transport_ended(d.stream, LW_TRANSPORT_FIN);
		assert_int_equal(lw_read(d.stream, buf, sizeof buf, &n), LW_TRUNCATED);
		assert_int_equal(duet_verdict(&d).at,
		                 complete ? LW_PLACE_BOUNDARY : LW_PLACE_UNKNOWN);
		duet_end(&d);
		ERR_clear_error();
	}
}

static const struct adversary_script closes_at_once =
    SCRIPT(STEP_DATA_IN(20, 10), STEP_CLOSE_NOTIFY, STEP_SILENCE);

/* Both the data and the peer's closure were read ahead; an abort still leaves as one. */
static void abort_over_a_closure_that_was_read_ahead(void **state)
{
	const struct rig_options o = { .version = LW_VERSION_TLS1_3,
		                       .attach = RIG_BARE,
		                       .read_ahead = true };
	uint8_t buf[10];
	struct rig r;

	(void)state;
	assert_true(rig_begin(&r, &o, &closes_at_once));
	rig_spin(&r);
	assert_int_equal(SSL_read(r.ssl, buf, 5), 5);
	r.stream = lw_openssl_attach(r.ssl, NULL, NULL);
	assert_non_null(r.stream);
	assert_int_equal(rig_abort(&r), LW_ABORTED);
	assert_int_equal(adversary_subject(r.adversary)->fatals, 1);
	rig_end(&r);
}

int main(void)
{
	const struct CMUnitTest cases[] = {
		cmocka_unit_test(what_was_set_is_set_again),
		cmocka_unit_test(an_ssl_goes_on_after_lw_free_and_can_be_attached_again),
		cmocka_unit_test(the_applications_info_callback_is_still_called),
		cmocka_unit_test(a_contexts_callback_that_comes_late_is_called_too),
		cmocka_unit_test(an_ssl_freed_first_takes_its_bios_along),
		cmocka_unit_test(a_bio_of_the_applications_own_kind_is_not_passed_over),
		cmocka_unit_test(a_socket_that_the_application_watches_is_still_watched),
		cmocka_unit_test(a_buffering_bio_underneath_is_flushed),
		cmocka_unit_test(refusals_say_why),
		cmocka_unit_test(a_copy_of_the_ssl_has_no_stream),
		cmocka_unit_test(quiet_shutdown_keeps_no_close_notify_back),
		cmocka_unit_test(the_error_queue_is_left_empty),
		cmocka_unit_test(attached_inside_a_record_it_knows_no_boundaries_until_its_end),
		cmocka_unit_test(abort_over_a_closure_that_was_read_ahead),
	};

	return run_cases(cases);
}
