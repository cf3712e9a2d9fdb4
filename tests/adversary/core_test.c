/* core_test: the core alone, bytes in and bytes out, one octet at a time; and a subject that breaks
 * off or speaks nonsense is told as such.
 */
#include "tests/unit.h"

#include <openssl/ssl.h>
#include <string.h>

#include "bare.h"

/* Moves single octets between the subject and the core until neither has any. */
static bool trickle(struct bare *b)
{
	uint8_t octet;
	bool moved = false;
	(void)SSL_do_handshake(b->ssl);
	while (BIO_read(SSL_get_wbio(b->ssl), &octet, 1) == 1) {
		assert_true(adversary_give(b->adversary, &octet, 1));
		b->status = adversary_advance(b->adversary);
		moved = true;
	}
	b->status = adversary_advance(b->adversary);
	while (adversary_take(b->adversary, &octet, 1) == 1) {
		assert_int_equal(adversary_take_action(b->adversary), ADVERSARY_NONE);
		assert_int_equal(BIO_write(SSL_get_rbio(b->ssl), &octet, 1), 1);
		b->status = adversary_advance(b->adversary);
		moved = true;
	}
	return moved;
}

static void test_octet_by_octet(void **state)
{
	const struct adversary_script script =
	    SCRIPT(STEP_WAIT_DATA(5), STEP_DATA(70000), STEP_CLOSE_NOTIFY, STEP_FIN);
	(void)state;
	for (int v = LW_VERSION_TLS1_0; v <= LW_VERSION_TLS1_3; v++) {
		struct adversary_options options = { .version = (enum lw_version)v };
		uint8_t buf[20000];
		struct bare b;
		uint64_t got = 0;
		int n;
		assert_true(bare_begin(&b, &options, &script));
		while (trickle(&b))
			continue;
		assert_int_equal(SSL_write(b.ssl, "hello", 5), 5);
		while (trickle(&b) || (n = SSL_read(b.ssl, buf, sizeof buf)) > 0)
			while ((n = SSL_read(b.ssl, buf, sizeof buf)) > 0)
				got += (uint64_t)n;
		assert_int_equal(SSL_get_error(b.ssl, n), SSL_ERROR_ZERO_RETURN);
		assert_int_equal(got, 70000);
		assert_int_equal(adversary_take_action(b.adversary), ADVERSARY_FIN);
		assert_int_equal(adversary_take_action(b.adversary), ADVERSARY_NONE);
		assert_int_equal(adversary_subject(b.adversary)->data_bytes, 5);
		bare_free(&b);
	}
}

static void begin(struct bare *b, const struct adversary_script *script)
{
	const struct adversary_options options = { .version = LW_VERSION_TLS1_2 };
	assert_true(bare_begin(b, &options, script));
	bare_run(b);
	assert_true(adversary_is_scripted(b->adversary));
	assert_int_equal(adversary_version(b->adversary), LW_VERSION_TLS1_2);
}

static void test_a_subject_that_speaks_nonsense(void **state)
{
	const struct adversary_script script = SCRIPT(STEP_WAIT_END);
	struct bare b;
	(void)state;
	begin(&b, &script);
	assert_true(adversary_give(b.adversary, "GET / HTTP/1.0\r\n\r\n", 18));
	assert_int_equal(adversary_advance(b.adversary), ADVERSARY_WAITING);
	assert_true(adversary_subject(b.adversary)->unreadable);
	/* What follows is not looked at, its end is. */
	assert_true(adversary_give(b.adversary, "\x15\3\3\0\2\1\0", 7));
	adversary_give_end(b.adversary, ADVERSARY_ENDED_FIN);
	assert_int_equal(adversary_advance(b.adversary), ADVERSARY_DONE);
	assert_int_equal(adversary_subject(b.adversary)->alerts, 0);
	assert_true(adversary_subject(b.adversary)->fin);
	bare_free(&b);
}

/* A record that was sealed for us, changed by one bit. */
static void test_a_subject_whose_record_was_changed(void **state)
{
	const struct adversary_script script = SCRIPT(STEP_WAIT_END);
	uint8_t record[200];
	struct bare b;
	(void)state;
	begin(&b, &script);
	assert_int_equal(SSL_write(b.ssl, "hello", 5), 5);
	int n = BIO_read(SSL_get_wbio(b.ssl), record, sizeof record);
	record[n - 1] ^= 1;
	assert_true(adversary_give(b.adversary, record, (size_t)n));
	assert_int_equal(adversary_advance(b.adversary), ADVERSARY_WAITING);
	assert_true(adversary_subject(b.adversary)->unreadable);
	assert_int_equal(adversary_subject(b.adversary)->data_bytes, 0);
	bare_free(&b);
}

/* The first end is the one that is told; after RST nothing more is handed out. */
static void test_the_first_end_sticks(void **state)
{
	const struct adversary_script script =
	    SCRIPT(STEP_SILENCE, STEP_DATA(1000), STEP_SILENCE, STEP_FIN);
	struct bare b;
	uint8_t octet;
	(void)state;
	begin(&b, &script);
	adversary_resume(b.adversary);
	(void)adversary_advance(b.adversary);
	adversary_give_end(b.adversary, ADVERSARY_ENDED_RST);
	adversary_give_end(b.adversary, ADVERSARY_ENDED_FIN);
	assert_true(adversary_subject(b.adversary)->rst);
	assert_false(adversary_subject(b.adversary)->fin);
	assert_int_equal(adversary_take(b.adversary, &octet, 1), 0);
	assert_int_equal(adversary_advance(b.adversary), ADVERSARY_DONE);
	bare_free(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_octet_by_octet),
		cmocka_unit_test(test_a_subject_that_speaks_nonsense),
		cmocka_unit_test(test_a_subject_whose_record_was_changed),
		cmocka_unit_test(test_the_first_end_sticks),
	};
	return run_cases(tests);
}
