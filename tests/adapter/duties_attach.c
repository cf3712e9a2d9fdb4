/* duties_attach: attaching, being refused, and giving back. */
#include "duties.h"

#include <string.h>

static const struct adversary_script hears_all = SCRIPT(STEP_GO);

static const struct adversary_script two_parts =
    SCRIPT(STEP_DATA(100), STEP_SILENCE, STEP_DATA(100), STEP_GO);

static void a_connection_goes_on_after_lw_free_and_can_be_attached_again(const struct place *p)
{
	for (int socket = 0; socket < 2; socket++) {
		const struct stand_options o = OPTIONS(p, .socket = socket);
		uint8_t buf[200];
		struct stand s;
		size_t n = 0;

		assert_true(stand_begin(&s, &o, &two_parts));
		assert_int_equal(stand_read(&s), LW_AGAIN);
		assert_int_equal(s.bytes, 100);
		lw_free(s.stream);
		s.stream = NULL;
		assert_int_equal(p->stack->write(s.connection, "\0", 1, &n), STACK_OK);
		adversary_resume(s.adversary);
		stand_spin(&s);
		n = 0;
		for (int i = 0; i < 1000 && n == 0; i++)
			(void)p->stack->read(s.connection, buf, 50, &n);
		assert_int_equal(n, 50);
		s.bytes += 50;
		/* 50 bytes are decrypted and unread */
		assert_true(stand_attach(&s));
		assert_int_equal(stand_read(&s), LW_AGAIN);
		assert_int_equal(s.bytes, 200);
		assert_false(s.differs);
		assert_int_equal(stand_close(&s), LW_END);
		assert_int_equal(stand_verdict(&s).write, LW_ENDING_CLOSED);
		stand_end(&s);
	}
}

static const struct adversary_script data_then_fin =
    SCRIPT(STEP_SILENCE, STEP_DATA(1000), STEP_SILENCE, STEP_FIN);

static void the_place_is_known_once_a_record_held_by_the_library_is_over(const struct place *p)
{
	const struct stand_options o = OPTIONS(p, .attach = STAND_BARE);
	uint8_t octet;
	struct stand s;
	size_t n;

	assert_true(stand_begin(&s, &o, &data_then_fin));
	s.allowed = 200; /* inside the record */
	adversary_resume(s.adversary);
	stand_spin(&s);
	assert_int_equal(p->stack->read(s.connection, &octet, 1, &n), STACK_WAITS);
	assert_int_equal(s.allowed, 0);
	assert_true(stand_attach(&s));
	s.allowed = 50; /* and still inside */
	assert_int_equal(lw_read(s.stream, &octet, 1, &n), LW_AGAIN);
	assert_int_equal(lw_unwrap(s.stream, NULL, 0, &n), LW_UNSUPPORTED);
	s.allowed = SIZE_MAX;
	assert_int_equal(stand_read(&s), LW_AGAIN);
	assert_int_equal(s.bytes, 1000);
	assert_false(s.differs);
	adversary_resume(s.adversary);
	assert_int_equal(stand_read(&s), LW_TRUNCATED);
	assert_int_equal(stand_verdict(&s).at, LW_PLACE_BOUNDARY);
	stand_end(&s);
}

/* As many as a header has: what the library asks for first does not tell which they are. */
static void the_place_is_known_where_five_bytes_of_a_record_were_missing(const struct place *p)
{
	const struct stand_options o = OPTIONS(p, .attach = STAND_BARE);
	uint8_t octet;
	struct stand s;
	size_t n;

	assert_true(stand_begin(&s, &o, &data_then_fin));
	adversary_resume(s.adversary);
	stand_spin(&s);
	s.allowed = BIO_ctrl_pending(s.in) - 5;
	assert_int_equal(p->stack->read(s.connection, &octet, 1, &n), STACK_WAITS);
	assert_int_equal(s.allowed, 0);
	assert_true(stand_attach(&s));
	assert_int_equal(stand_read(&s), LW_AGAIN);
	assert_int_equal(s.bytes, 0);
	s.allowed = SIZE_MAX;
	assert_int_equal(stand_read(&s), LW_AGAIN);
	assert_int_equal(s.bytes, 1000);
	assert_false(s.differs);
	adversary_resume(s.adversary);
	assert_int_equal(stand_read(&s), LW_TRUNCATED);
	assert_int_equal(stand_verdict(&s).at, LW_PLACE_BOUNDARY);
	stand_end(&s);
}

static void it_is_attached_in_the_midst_of_the_handshake(const struct place *p)
{
	for (int i = 0; i < 4; i++) {
		const struct stand_options o =
		    OPTIONS(p, .socket = i % 2, .serves = i / 2, .attach = STAND_DURING);
		struct stand s;

		assert_true(stand_begin(&s, &o, &hears_all));
		assert_int_equal(lw_handshake(s.stream), LW_OK);
		assert_int_equal(stand_verdict(&s).version, p->version);
		assert_int_equal(stand_close(&s), LW_END);
		assert_int_equal(stand_verdict(&s).read, LW_ENDING_CLOSED);
		assert_int_equal(stand_verdict(&s).write, LW_ENDING_CLOSED);
		stand_end(&s);
	}
}

static void a_second_stream_is_refused_with_a_sentence(const struct place *p)
{
	for (int socket = 0; socket < 2; socket++) {
		const struct stand_options o = OPTIONS(p, .socket = socket);
		const char *why = NULL;
		struct stand s;

		assert_true(stand_begin(&s, &o, &hears_all));
		assert_null(p->stack->attach(s.connection, NULL, &why));
		assert_non_null(why);
		assert_non_null(strstr(why, "already"));
		assert_null(p->stack->attach(s.connection, NULL, NULL));
		assert_int_equal(stand_close(&s), LW_END); /* the first is none the worse */
		stand_end(&s);
	}
}

static void a_connection_that_was_shut_down_is_refused(const struct place *p)
{
	const struct stand_options o = OPTIONS(p, .attach = STAND_BARE);
	struct stand s;

	assert_true(stand_begin(&s, &o, &hears_all));
	(void)p->stack->shutdown(s.connection);
	assert_false(stand_attach(&s));
	assert_non_null(s.refusal);
	assert_true(strlen(s.refusal) > 10);
	stand_end(&s);
}

/* What is not refused: the stream ends it, and no second closure leaves. */
static void a_shutdown_that_waits_is_gone_on_with(const struct place *p)
{
	const struct stand_options o = OPTIONS(p, .attach = STAND_BARE);
	struct stand s;

	assert_true(stand_begin(&s, &o, &hears_all));
	assert_int_equal(p->stack->shutdown(s.connection), STACK_WAITS);
	assert_true(stand_attach(&s));
	assert_int_equal(stand_close(&s), LW_END);
	assert_int_equal(stand_verdict(&s).write, LW_ENDING_CLOSED);
	assert_int_equal(adversary_subject(s.adversary)->close_notifies, 1);
	assert_int_equal(adversary_subject(s.adversary)->after_closure, 0);
	stand_end(&s);
}

static void a_server_ends_as_properly_as_a_client(const struct place *p)
{
	for (int after = 0; after < 2; after++) {
		const struct stand_options o =
		    OPTIONS(p, .socket = true, .serves = true,
		            .attach = after ? STAND_AFTER : STAND_BEFORE);
		const struct adversary_script script =
		    SCRIPT(STEP_DATA(1000), STEP_CLOSE_NOTIFY, STEP_FIN);
		struct stand s;

		assert_true(stand_begin(&s, &o, &script));
		assert_int_equal(stand_read(&s), LW_END);
		assert_int_equal(s.bytes, 1000);
		assert_int_equal(stand_close(&s), LW_END);
		assert_int_equal(stand_verdict(&s).write, LW_ENDING_CLOSED);
		assert_int_equal(adversary_subject(s.adversary)->close_notifies, 1);
		stand_end(&s);
	}
}

static const struct duty_exception of_a_shutdown[] = {
	{ "gnutls", FROM_10, IN_13,
	  "GnuTLS does not tell of a gnutls_bye() that waits for the peer",
	  a_shutdown_that_waits_is_gone_on_with },
	NO_MORE_EXCEPTIONS,
};

const struct duty attaching_duties[] = {
	DUTY(a_connection_goes_on_after_lw_free_and_can_be_attached_again, FROM_10),
	DUTY(the_place_is_known_once_a_record_held_by_the_library_is_over, FROM_10),
	DUTY(the_place_is_known_where_five_bytes_of_a_record_were_missing, FROM_10),
	DUTY(it_is_attached_in_the_midst_of_the_handshake, FROM_10),
	DUTY(a_second_stream_is_refused_with_a_sentence, FROM_10),
	DUTY_BUT(a_connection_that_was_shut_down_is_refused, FROM_10, of_a_shutdown),
	DUTY(a_server_ends_as_properly_as_a_client, FROM_10),
	NO_MORE_DUTIES,
};
