/* duties_end: endings of the transport and of the peer, and our own. */
#include "duties.h"

#include <signal.h>
#include <string.h>
#include <sys/socket.h>

/* ---- the transport's endings */

static const struct adversary_script only_fin = SCRIPT(STEP_DATA(1000), STEP_FIN);

/* rule: send-before-closing-unless-failed */
static void a_fin_does_not_keep_the_library_from_close_notify(const struct place *p)
{
	for (int socket = 0; socket < 2; socket++) {
		const struct stand_options o = OPTIONS(p, .socket = socket);
		struct stand s;
		size_t n;

		assert_true(stand_begin(&s, &o, &only_fin));
		assert_int_equal(stand_read(&s), LW_TRUNCATED);
		assert_int_equal(s.bytes, 1000);
		assert_int_equal(lw_write(s.stream, "last", 4, &n), LW_OK);
		assert_int_equal(stand_close(&s), LW_TRUNCATED);
		assert_int_equal(stand_verdict(&s).write, LW_ENDING_CLOSED);
		assert_int_equal(adversary_subject(s.adversary)->data_bytes, 4);
		assert_int_equal(adversary_subject(s.adversary)->close_notifies, 1);
		assert_int_equal(adversary_subject(s.adversary)->fatals, 0);
		stand_end(&s);
	}
}

static const struct adversary_script closes_then_resets =
    SCRIPT(STEP_DATA(1000), STEP_CLOSE_NOTIFY, STEP_RST);

static enum lw_status write_into_the_void(struct stand *s)
{
	enum lw_status status = LW_OK;
	size_t n;

	for (int i = 0; i < 3 && status == LW_OK; i++)
		status = lw_write(s->stream, "into the void", 13, &n);
	return status;
}

static void a_write_error_does_not_hide_a_queued_close_notify(const struct place *p)
{
	const struct stand_options o = OPTIONS(p, .socket = true);
	struct stand s;

	assert_true(stand_begin(&s, &o, &closes_then_resets));
	stand_spin(&s); /* all of it is queued, and the RST has been met */
	assert_int_equal(write_into_the_void(&s), LW_TRUNCATED);
	assert_int_equal(stand_verdict(&s).write, LW_ENDING_RESET);
	assert_int_equal(stand_verdict(&s).read, LW_ENDING_OPEN);
	assert_int_equal(stand_read(&s), LW_END);
	assert_int_equal(s.bytes, 1000);
	assert_int_equal(stand_verdict(&s).read, LW_ENDING_CLOSED);
	assert_true(stand_verdict(&s).whole);
	stand_end(&s);
}

static const struct adversary_script only_resets = SCRIPT(STEP_DATA(1000), STEP_RST);

static void after_a_write_error_by_rst_a_zero_read_is_the_reset(const struct place *p)
{
	const struct stand_options o = OPTIONS(p, .socket = true);
	struct stand s;

	assert_true(stand_begin(&s, &o, &only_resets));
	stand_spin(&s);
	assert_int_equal(write_into_the_void(&s), LW_TRUNCATED);
	assert_int_equal(stand_read(&s), LW_TRUNCATED);
	assert_int_equal(s.bytes, 1000);
	assert_int_equal(stand_verdict(&s).read, LW_ENDING_RESET);
	stand_end(&s);
}

/* A reset after FIN is what makes the first write fail with EPIPE. */
static const struct adversary_script fin_then_reset = SCRIPT(STEP_DATA(1000), STEP_FIN, STEP_RST);

static volatile sig_atomic_t pipes;

static void count_pipe(int signal_number)
{
	(void)signal_number;
	pipes++;
}

static void no_write_raises_sigpipe(const struct place *p)
{
	const struct stand_options o = OPTIONS(p, .socket = true);
	const struct sigaction counted = { .sa_handler = count_pipe };
	struct sigaction before;
	struct stand s;
	size_t n;

	pipes = 0;
	assert_int_equal(sigaction(SIGPIPE, &counted, &before), 0);
	assert_true(stand_begin(&s, &o, &fin_then_reset));
	stand_spin(&s);
	for (int i = 0; i < 5; i++)
		(void)!lw_write(s.stream, "into the void", 13, &n);
	(void)stand_close(&s);
	stand_end(&s);
	assert_int_equal(sigaction(SIGPIPE, &before, NULL), 0);
	assert_int_equal(pipes, 0);
}

static const struct adversary_script each_end[] = {
	SCRIPT(STEP_DATA(1000), STEP_CLOSE_NOTIFY, STEP_DATA(1000), STEP_FIN),
	SCRIPT(STEP_DATA(1000), STEP_ALERT(2, 40), STEP_DATA(1000), STEP_FIN),
	SCRIPT(STEP_DATA(1000), STEP_FIN),
	SCRIPT(STEP_DATA(1000), STEP_BROKEN_RECORD(400), STEP_DATA(1000), STEP_FIN),
};

/* Neither the library nor the transport is asked for input after the first ending. */
static void nothing_is_asked_after_the_first_ending(const struct place *p)
{
	for (unsigned i = 0; i < sizeof each_end / sizeof each_end[0]; i++) {
		const struct stand_options o = OPTIONS(p, .socket = false);
		enum lw_status status;
		unsigned asked;
		struct stand s;

		assert_true(stand_begin(&s, &o, &each_end[i]));
		status = stand_read(&s);
		assert_int_not_equal(status, LW_AGAIN);
		assert_int_equal(s.bytes, 1000);
		asked = s.calls[0];
		for (int again = 0; again < 3; again++)
			assert_int_equal(stand_read(&s), status);
		assert_int_equal(s.calls[0], asked);
		assert_int_equal(s.bytes, 1000);
		stand_end(&s);
	}
}

/* ---- alerts */

static const struct adversary_script sends_and_waits = SCRIPT(STEP_DATA(1000), STEP_WAIT_END);
static const struct adversary_script only_waits = SCRIPT(STEP_WAIT_END);
static const struct adversary_script cut_record_then_waits =
    SCRIPT(STEP_CUT_RECORD(400, 100), STEP_WAIT_END);

/* An alert of ours, and no other; named as it left. */
static void assert_aborts(struct stand *s)
{
	const struct adversary_tally *seen = adversary_subject(s->adversary);
	struct lw_verdict verdict;

	assert_int_equal(stand_abort(s), LW_ABORTED);
	stand_spin(s);
	verdict = stand_verdict(s);
	assert_int_equal(seen->fatals, 1);
	assert_int_equal(seen->close_notifies, 0);
	assert_int_equal(seen->after_closure, 0);
	assert_false(seen->rst);
	assert_int_equal(verdict.read, LW_ENDING_ABANDONED);
	assert_int_equal(verdict.write, LW_ENDING_ABORTED);
	assert_true(verdict.alert_sent.present);
	assert_int_equal(verdict.alert_sent.level, seen->last_level);
	assert_int_equal(verdict.alert_sent.description, seen->last_description);
	assert_int_equal(verdict.session, LW_SESSION_FORGET);
}

/* rules: no-close-notify-after-own-fatal, error-alerts-sent-fatal, send-fatal-if-possible */
static void an_abort_is_one_fatal_alert(const struct place *p)
{
	static const struct adversary_script *const scripts[] = { &sends_and_waits, &only_waits,
		                                                  &cut_record_then_waits };

	for (unsigned i = 0; i < 24; i++) {
		const struct stand_options o =
		    OPTIONS(p, .socket = i % 2, .serves = i / 2 % 2,
		            .attach = i / 4 % 2 ? STAND_AFTER : STAND_BEFORE);
		struct stand s;

		assert_true(stand_begin(&s, &o, scripts[i / 8]));
		if (scripts[i / 8] == &cut_record_then_waits)
			assert_int_equal(stand_read(&s), LW_AGAIN);
		assert_aborts(&s);
		stand_end(&s);
	}
}

static const struct adversary_script warns_of_an_error =
    SCRIPT(STEP_DATA(1000), STEP_ALERT(1, 40), STEP_DATA(500), STEP_FIN);

/* rules: error-at-any-level, no-io-after-received-error */
static void nothing_is_delivered_behind_an_error_alert_at_level_warning(const struct place *p)
{
	const struct stand_options o = OPTIONS(p, .socket = true);
	struct stand s;

	assert_true(stand_begin(&s, &o, &warns_of_an_error));
	for (int again = 0; again < 3; again++)
		assert_int_equal(stand_read(&s), LW_ABORTED);
	assert_int_equal(s.bytes, 1000);
	assert_int_equal(stand_verdict(&s).alert_received.description, 40);
	assert_int_equal(stand_verdict(&s).session, LW_SESSION_FORGET);
	stand_end(&s);
}

static const struct adversary_script breaks =
    SCRIPT(STEP_DATA(1000), STEP_BROKEN_RECORD(400), STEP_WAIT_END);

/* rule: send-fatal-if-possible */
static void a_broken_record_is_told_and_refused(const struct place *p)
{
	const struct stand_options o = OPTIONS(p, .socket = false);
	const struct adversary_tally *seen;
	struct stand s;

	assert_true(stand_begin(&s, &o, &breaks));
	assert_int_equal(stand_read(&s), LW_ERROR);
	assert_int_equal(s.bytes, 1000);
	assert_int_equal(stand_close(&s), LW_ERROR);
	seen = adversary_subject(s.adversary);
	assert_int_equal(stand_verdict(&s).read, LW_ENDING_FAILED);
	assert_int_equal(stand_verdict(&s).write, LW_ENDING_ABORTED);
	assert_int_equal(stand_verdict(&s).session, LW_SESSION_FORGET);
	assert_int_equal(seen->fatals, 1);
	assert_int_equal(seen->close_notifies, 0);
	assert_int_equal(seen->last_description, stand_verdict(&s).alert_sent.description);
	stand_end(&s);
}

static const struct adversary_script breaks_meanwhile =
    SCRIPT(STEP_STOP_READING, STEP_SILENCE, STEP_BROKEN_RECORD(400), STEP_SILENCE, STEP_READ_ON,
           STEP_WAIT_END);

/* An alert leaves behind the whole record or not at all, and the verdict says which. */
static void assert_alert_is_told(const struct stand *s)
{
	const struct adversary_tally *seen = adversary_subject(s->adversary);
	const struct lw_verdict v = stand_verdict(s);

	assert_int_equal(v.write, seen->fatals > 0 ? LW_ENDING_ABORTED : LW_ENDING_FAILED);
	assert_int_equal(v.alert_sent.present, seen->fatals > 0);
	assert_int_equal(v.session, LW_SESSION_FORGET);
	assert_false(seen->unreadable);
	assert_false(seen->data_differs);
	assert_int_equal(seen->close_notifies, 0);
	assert_int_equal(seen->after_closure, 0);
}

static void begin_with_half_a_record_and_break(struct stand *s, const struct place *p)
{
	const struct stand_options o = OPTIONS(p, .buffer_bytes = 5000);

	assert_true(stand_begin(s, &o, &breaks_meanwhile));
	(void)stand_fill(s);
	adversary_resume(s->adversary);
	(void)stand_read(s); /* it may wait until ours has left */
}

static void a_broken_record_is_told_while_one_of_ours_is_half_out(const struct place *p)
{
	struct stand s;

	begin_with_half_a_record_and_break(&s, p);
	adversary_resume(s.adversary);
	assert_int_equal(stand_read(&s), LW_ERROR);
	assert_int_equal(stand_close(&s), LW_ERROR);
	assert_int_equal(stand_verdict(&s).read, LW_ENDING_FAILED);
	assert_alert_is_told(&s);
	stand_end(&s);
}

/* The library's own alert may be sealed already, and wait behind the record. */
static void what_is_ended_behind_a_broken_record_tells_the_alert_that_left(const struct place *p)
{
	for (int aborts = 0; aborts < 2; aborts++) {
		struct stand s;

		begin_with_half_a_record_and_break(&s, p);
		assert_int_not_equal(aborts ? lw_abort(s.stream) : lw_close(s.stream), LW_END);
		adversary_resume(s.adversary);
		assert_int_not_equal(aborts ? stand_abort(&s) : stand_close(&s), LW_AGAIN);
		assert_int_not_equal(stand_verdict(&s).read, LW_ENDING_CLOSED);
		assert_alert_is_told(&s);
		stand_end(&s);
	}
}

static const struct adversary_script closes_then_goes_on =
    SCRIPT(STEP_DATA(1000), STEP_CLOSE_NOTIFY, STEP_DATA(500), STEP_FIN);

/* rule: ignore-after-closure */
static void data_behind_the_peers_closure_is_never_delivered(const struct place *p)
{
	for (int socket = 0; socket < 2; socket++) {
		const struct stand_options o = OPTIONS(p, .socket = socket);
		struct stand s;

		assert_true(stand_begin(&s, &o, &closes_then_goes_on));
		for (int again = 0; again < 3; again++)
			assert_int_equal(stand_read(&s), LW_END);
		assert_int_equal(s.bytes, 1000);
		assert_int_equal(stand_close(&s), LW_END);
		assert_int_equal(s.bytes, 1000);
		stand_end(&s);
	}
}

static const struct adversary_script asks_for_keys = SCRIPT(
    STEP_WAIT_CLOSE_NOTIFY, STEP_KEY_UPDATE(1), STEP_DATA(1000), STEP_CLOSE_NOTIFY, STEP_FIN);

/* rules: nothing-after-own-closure, half-close */
static void what_the_library_would_send_after_our_closure_is_swallowed(const struct place *p)
{
	const struct stand_options o = OPTIONS(p, .socket = true);
	struct stand s;

	assert_true(stand_begin(&s, &o, &asks_for_keys));
	assert_int_equal(stand_finish(&s), LW_OK);
	assert_int_equal(stand_read(&s), LW_END);
	assert_int_equal(s.bytes, 1000);
	assert_int_equal(stand_close(&s), LW_END);
	assert_int_equal(adversary_subject(s.adversary)->close_notifies, 1);
	assert_int_equal(adversary_subject(s.adversary)->after_closure, 0);
	stand_end(&s);
}

static const struct adversary_script hears_all = SCRIPT(STEP_GO);

/* rule: nothing-after-own-closure */
static void nothing_is_written_after_our_closure(const struct place *p)
{
	const struct stand_options o = OPTIONS(p, .socket = true);
	struct stand s;
	size_t n;

	assert_true(stand_begin(&s, &o, &hears_all));
	assert_int_equal(lw_close(s.stream), LW_AGAIN);
	assert_int_equal(lw_write(s.stream, "late", 4, &n), LW_END);
	assert_int_equal(n, 0);
	assert_int_equal(stand_close(&s), LW_END);
	assert_int_equal(adversary_subject(s.adversary)->data_bytes, 0);
	assert_int_equal(adversary_subject(s.adversary)->after_closure, 0);
	stand_end(&s);
}

/* ---- reading no further */

static const struct adversary_script plaintext_after =
    SCRIPT(STEP_DATA(1000), STEP_CLOSE_NOTIFY, STEP_PLAINTEXT("220 ready\r\n"), STEP_GO);

static void the_bytes_behind_the_alert_stay_in_the_descriptor(const struct place *p)
{
	const struct stand_options o = OPTIONS(p, .socket = true);
	char rest[32] = "";
	struct stand s;

	if (stand_reads_ahead)
		return; /* it may have them */
	assert_true(stand_begin(&s, &o, &plaintext_after));
	assert_int_equal(stand_read(&s), LW_END);
	stand_spin(&s);
	assert_int_equal(recv(s.fd, rest, sizeof rest, MSG_DONTWAIT | MSG_PEEK), 11);
	assert_string_equal(rest, "220 ready\r\n");
	stand_end(&s);
}

/* rules: await-peer-before-reuse, await-peer-before-end-of-data */
static void unwrap_hands_back_the_transport_and_every_byte(const struct place *p)
{
	const struct stand_options o = OPTIONS(p, .socket = true);
	char rest[32] = "";
	struct stand s;

	if (stand_reads_ahead)
		return; /* it may have some of it */
	assert_true(stand_begin(&s, &o, &plaintext_after));
	assert_int_equal(lw_unwrap(s.stream, NULL, 0, &(size_t){ 0 }), LW_AGAIN);
	assert_int_equal(stand_read(&s), LW_END); /* what unwrap looked at is not lost */
	assert_int_equal(s.bytes, 1000);
	assert_false(s.differs);
	assert_int_equal(stand_unwrap(&s), LW_OK);
	assert_int_equal(stand_verdict(&s).write, LW_ENDING_CLOSED);
	assert_int_equal(recv(s.fd, rest, sizeof rest, MSG_DONTWAIT), 11);
	assert_string_equal(rest, "220 ready\r\n");
	assert_int_equal(send(s.fd, "in the clear", 12, MSG_NOSIGNAL), 12);
	stand_end(&s);
}

/* It is read ahead as an option says, and then nobody takes TLS off. */
static void who_reads_ahead_does_not_unwrap(const struct place *p)
{
	struct lw_options stream;
	const struct stand_options o = OPTIONS(p, .socket = true, .stream = &stream);
	struct stand s;

	lw_options_default(&stream);
	stream.reads_ahead = true;
	assert_true(stand_begin(&s, &o, &plaintext_after));
	assert_int_equal(lw_unwrap(s.stream, NULL, 0, &(size_t){ 0 }), LW_UNSUPPORTED);
	assert_string_equal(lw_unwrap_why(s.stream),
	                    "the stream reads ahead: what follows TLS may have been read already");
	assert_int_equal(stand_read(&s), LW_END);
	assert_int_equal(s.bytes, 1000);
	assert_int_equal(stand_close(&s), LW_END);
	stand_end(&s);
}

static const struct adversary_script many_records =
    SCRIPT(STEP_DATA_IN(100000, 10000), STEP_CLOSE_NOTIFY, STEP_GO);

/* Who stops in the midst is told that there is more, and by no descriptor. */
static void what_was_read_ahead_is_told_of(const struct place *p)
{
	struct lw_options stream;
	const struct stand_options o = OPTIONS(p, .socket = true, .stream = &stream);
	uint8_t buf[10000];
	struct stand s;
	size_t n;

	lw_options_default(&stream);
	stream.reads_ahead = true;
	assert_true(stand_begin(&s, &o, &many_records));
	stand_spin(&s);
	assert_int_equal(lw_read(s.stream, buf, sizeof buf, &n), LW_OK);
	assert_int_equal(n, sizeof buf);
	s.bytes = n;
	assert_true(lw_holds_input(s.stream));
	assert_int_equal(lw_events(s.stream, LW_INTEREST_READ), 0);
	assert_int_equal(stand_read(&s), LW_END);
	assert_false(lw_holds_input(s.stream));
	assert_int_equal(s.bytes, 100000);
	assert_false(s.differs);
	assert_int_equal(stand_close(&s), LW_END);
	stand_end(&s);
}

static const struct adversary_script data_and_fin =
    SCRIPT(STEP_DATA_IN(1000, 400), STEP_SILENCE, STEP_FIN);

/* rule: framed-message-survives */
static void unread_bytes_are_no_complete_message(const struct place *p)
{
	const struct stand_options o = OPTIONS(p, .socket = false);
	uint8_t buf[10];
	struct stand s;
	size_t n;

	assert_true(stand_begin(&s, &o, &data_and_fin));
	stand_spin(&s);
	assert_int_equal(lw_read(s.stream, buf, sizeof buf, &n), LW_OK);
	s.bytes = n;
	lw_complete(s.stream, true); /* not so: the rest of the record waits inside */
	assert_false(stand_verdict(&s).complete);
	assert_int_equal(stand_read(&s), LW_AGAIN);
	assert_int_equal(s.bytes, 1000);
	assert_false(s.differs);
	lw_complete(s.stream, true);
	assert_true(stand_verdict(&s).complete);
	adversary_resume(s.adversary);
	assert_int_equal(stand_read(&s), LW_END);
	assert_int_equal(stand_verdict(&s).read, LW_ENDING_TRUNCATED);
	assert_true(stand_verdict(&s).tolerated);
	stand_end(&s);
}

const struct duty ending_duties[] = {
	DUTY(a_fin_does_not_keep_the_library_from_close_notify, FROM_10),
	DUTY(a_write_error_does_not_hide_a_queued_close_notify, FROM_10),
	DUTY(after_a_write_error_by_rst_a_zero_read_is_the_reset, FROM_10),
	DUTY(no_write_raises_sigpipe, FROM_10),
	DUTY(nothing_is_asked_after_the_first_ending, FROM_10),
	DUTY(an_abort_is_one_fatal_alert, FROM_10),
	DUTY(nothing_is_delivered_behind_an_error_alert_at_level_warning, IN_13),
	DUTY(a_broken_record_is_told_and_refused, FROM_10),
	DUTY(a_broken_record_is_told_while_one_of_ours_is_half_out, FROM_10),
	DUTY(what_is_ended_behind_a_broken_record_tells_the_alert_that_left, FROM_10),
	DUTY(data_behind_the_peers_closure_is_never_delivered, FROM_10),
	DUTY(what_the_library_would_send_after_our_closure_is_swallowed, IN_13),
	DUTY(nothing_is_written_after_our_closure, FROM_10),
	DUTY(the_bytes_behind_the_alert_stay_in_the_descriptor, FROM_10),
	DUTY(unwrap_hands_back_the_transport_and_every_byte, FROM_10),
	DUTY(who_reads_ahead_does_not_unwrap, FROM_10),
	DUTY(what_was_read_ahead_is_told_of, FROM_10),
	DUTY(unread_bytes_are_no_complete_message, FROM_10),
	NO_MORE_DUTIES,
};
