/* couple_end_test: how a couple ends: what each kind of sink is shown of a cut, what a Unix socket
 * can be shown at all, who is held and who ignored, drain, stop, deadline, and the closer.
 */
#include "tests/pipe/couple_scene.h"

#include "tests/unit.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "adversary/loopback.h"
#include "pipe/couple_inside.h"

/* ---- peers that most scenes need */

static const struct plain_step answers[] = { { PLAIN_AWAIT, NULL, LEN_REQUEST },
	                                     { PLAIN_SAY, ANSWER, 0 },
	                                     { .act = PLAIN_AWAIT_END },
	                                     { .act = PLAIN_FIN },
	                                     { .act = PLAIN_END } };

static const struct leg_plan answering_server = { .kind = HALF_TCP,
	                                          .plain = answers,
	                                          .profile = "https" };

/* ---- what a TLS sink is shown */

static void cut_with(enum couple_abort aborts_with, enum lw_version version, unsigned fatals)
{
	static const struct adversary_step asks[] = { STEP_TEXT(REQUEST), STEP_WAIT_END, STEP_FIN,
		                                      STEP_END };
	static const struct plain_step cuts[] = { { PLAIN_AWAIT, NULL, LEN_REQUEST },
		                                  { PLAIN_SAY, ANSWER, 0 },
		                                  { .act = PLAIN_RST },
		                                  { .act = PLAIN_END } };
	const struct leg_plan client = { .kind = HALF_TLS,
		                         .version = version,
		                         .tls = { .steps = asks } };
	const struct leg_plan server = { .kind = HALF_TCP, .plain = cuts };
	const struct adversary_tally *t;
	struct scene s;

	scene_open(&s, &client, &server);
	s.options.aborts_with = aborts_with;
	scene_start(&s);
	scene_run(&s);
	t = adversary_subject(s.front.adversary);
	assert_int_equal(t->data_bytes, LEN_ANSWER);
	assert_int_equal(t->close_notifies, 0);
	assert_int_equal(t->fatals, fatals);
	assert_int_equal(t->rst, aborts_with == COUPLE_RST);
	assert_true(s.report.down.was_aborted);
	assert_int_equal(s.report.down.lost, 0);
	scene_close(&s);
}

static void test_the_three_ways_to_abort(void **state)
{
	(void)state;
	for (enum lw_version v = LW_VERSION_TLS1_2; v <= LW_VERSION_TLS1_3; v++) {
		cut_with(COUPLE_ALERT_FIN, v, 1);
		cut_with(COUPLE_ALERT_RST, v, 1);
		cut_with(COUPLE_RST, v, 0);
	}
}

/* ---- Unix sockets */

/* What endpoint_unix.c is made for, asked from the system itself. */
static void test_unix_sockets_end_so(void **state)
{
	char buf[16];

	(void)state;
	for (int has_unread = 0; has_unread < 2; has_unread++) {
		int fds[2];

		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
		assert_int_equal(send(fds[0], "said", 4, MSG_NOSIGNAL), 4);
		if (has_unread)
			assert_int_equal(send(fds[1], "unread", 6, MSG_NOSIGNAL), 6);
		(void)close(fds[0]);
		assert_int_equal(recv(fds[1], buf, sizeof buf, 0), 4);
		assert_int_equal(recv(fds[1], buf, sizeof buf, 0), has_unread ? -1 : 0);
		if (has_unread)
			assert_int_equal(errno, ECONNRESET);
		assert_int_equal(recv(fds[1], buf, sizeof buf, 0), 0);
		(void)close(fds[1]);
	}
}

/* The client says one more thing, and is shown the abort at once; else only at the deadline, and
 * then as an end. */
static void test_a_unix_peer_is_reset_when_it_speaks(void **state)
{
	static const struct plain_step asks[] = { { PLAIN_SAY, REQUEST, 0 }, { .act = PLAIN_END } };
	static const struct plain_step cuts[] = { { PLAIN_AWAIT, NULL, LEN_REQUEST },
		                                  { PLAIN_SAY, ANSWER, 0 },
		                                  { .act = PLAIN_RST },
		                                  { .act = PLAIN_END } };
	const struct leg_plan client = { .kind = HALF_UNIX, .plain = asks };
	const struct leg_plan server = { .kind = HALF_TCP, .plain = cuts };

	(void)state;
	for (int speaks = 0; speaks < 2; speaks++) {
		struct scene s;

		scene_open(&s, &client, &server);
		scene_start(&s);
		while (s.front.got < LEN_ANSWER || s.couple->cause == COUPLE_RUNS)
			scene_turn(&s);
		assert_false(s.is_over);
		assert_int_equal(s.couple->front.polled.set, 0); /* nothing is read any more */
		if (speaks)
			assert_int_equal(send(s.front.theirs, "more", 4, MSG_NOSIGNAL), 4);
		else
			scene_pass_deadline(&s);
		scene_run(&s);
		assert_int_equal(s.front.got, LEN_ANSWER);
		assert_int_equal(s.front.saw_reset, speaks);
		assert_int_equal(s.report.down.was_unmarked, !speaks);
		assert_true(s.report.down.was_aborted);
		scene_close(&s);
	}
}

/* ---- sinks that take no more */

/* A server that answers without having read all, and resets: the answer arrives, its end does not
 * look like one. */
static void test_an_answer_before_a_reset_arrives(void **state)
{
	static const struct adversary_step asks[] = { STEP_TEXT(REQUEST), STEP_WAIT_END, STEP_FIN,
		                                      STEP_END };
	static const struct plain_step refuses[] = { { .act = PLAIN_AWAIT_INPUT },
		                                     { PLAIN_SAY, ANSWER, 0 },
		                                     { .act = PLAIN_CLOSE },
		                                     { .act = PLAIN_END } };
	const struct leg_plan client = { .kind = HALF_TLS,
		                         .version = LW_VERSION_TLS1_3,
		                         .tls = { .steps = asks },
		                         .profile = "https" };
	const struct leg_plan server = { .kind = HALF_TCP, .plain = refuses, .is_deaf = true };
	struct scene s;

	(void)state;
	scene_open(&s, &client, &server);
	scene_start(&s);
	scene_run(&s);
	assert_int_equal(scene_heard(&s.front), LEN_ANSWER);
	assert_int_equal(scene_seen(&s.front), SEEN_ABORT);
	assert_int_equal(s.report.down.ending, HALF_TCP_RESET);
	scene_close(&s);
}

/* It had ended properly, and is gone: the client is closed, and "up" says what was lost. */
static void test_a_server_that_went_leaves_the_client_its_answer(void **state)
{
	static const struct adversary_step asks[] = { STEP_WAIT_CLOSE_NOTIFY, STEP_TEXT(REQUEST),
		                                      STEP_TEXT(REQUEST), STEP_GO, STEP_END };
	static const struct plain_step goes[] = { { PLAIN_SAY, ANSWER, 0 },
		                                  { .act = PLAIN_CLOSE },
		                                  { .act = PLAIN_END } };
	const struct leg_plan client = { .kind = HALF_TLS,
		                         .version = LW_VERSION_TLS1_3,
		                         .tls = { .steps = asks } };
	const struct leg_plan server = { .kind = HALF_TCP, .plain = goes };
	struct scene s;

	(void)state;
	scene_open(&s, &client, &server);
	scene_start(&s);
	scene_run(&s);
	assert_int_equal(scene_heard(&s.front), LEN_ANSWER);
	assert_int_equal(scene_seen(&s.front), SEEN_FINISH);
	assert_true(s.report.down.was_finished);
	assert_int_equal(s.report.down.ending, HALF_TCP_FIN);
	scene_close(&s);
}

/* Up to 1.2 the end of the answer closes the client's leg; what it says behind that is lost, and so
 * no end of its own is proper any more. */
static void test_what_was_ignored_is_no_end(void **state)
{
	static const struct adversary_step says_more[] = {
		STEP_TEXT(REQUEST), STEP_WAIT_CLOSE_NOTIFY,
		STEP_TEXT("more"),  STEP_CLOSE_NOTIFY,
		STEP_FIN,           STEP_END
	};
	static const struct plain_step ends[] = { { PLAIN_AWAIT, NULL, LEN_REQUEST },
		                                  { PLAIN_SAY, ANSWER, 0 },
		                                  { .act = PLAIN_FIN },
		                                  { .act = PLAIN_END } };
	const struct leg_plan client = { .kind = HALF_TLS,
		                         .version = LW_VERSION_TLS1_2,
		                         .tls = { .steps = says_more },
		                         .profile = "https" };
	const struct leg_plan server = { .kind = HALF_TCP, .plain = ends };
	struct scene s;

	(void)state;
	scene_open(&s, &client, &server);
	scene_start(&s);
	scene_run(&s);
	assert_int_equal(scene_seen(&s.front), SEEN_FINISH);
	assert_int_equal(scene_seen(&s.back), SEEN_ABORT);
	assert_int_equal(s.report.up.ending, HALF_TLS_IGNORED);
	assert_int_equal(s.report.up.moved, LEN_REQUEST);
	scene_close(&s);
}

/* What had arrived before, though, is read. */
static void test_what_came_before_is_not_ignored(void **state)
{
	static const struct adversary_step says_more[] = { STEP_TEXT(REQUEST),
		                                           STEP_TEXT(REQUEST),
		                                           STEP_TEXT(REQUEST),
		                                           STEP_TEXT(REQUEST),
		                                           STEP_GO,
		                                           STEP_END };
	static const struct plain_step ends[] = { { .act = PLAIN_FIN }, { .act = PLAIN_END } };
	const struct leg_plan client = { .kind = HALF_TLS,
		                         .version = LW_VERSION_TLS1_2,
		                         .tls = { .steps = says_more },
		                         .profile = "https" };
	const struct leg_plan server = { .kind = HALF_TCP, .plain = ends };
	struct scene s;

	(void)state;
	scene_open(&s, &client, &server);
	scene_turn(&s);
	scene_start(&s);
	scene_run(&s);
	assert_int_equal(s.back.got, 4 * LEN_REQUEST);
	assert_int_equal(s.report.up.ending, HALF_TLS_CLOSED);
	assert_int_equal(scene_seen(&s.back), SEEN_FINISH);
	scene_close(&s);
}

/* Its close_notify ends both directions: a server that does not care is waited for no longer than
 * the close timeout. */
static void test_a_client_up_to_12_ends_all(void **state)
{
	static const struct adversary_step leaves[] = { STEP_TEXT(REQUEST), STEP_CLOSE_NOTIFY,
		                                        STEP_FIN, STEP_END };
	static const struct plain_step does_not_care[] = { { .act = PLAIN_END } };
	const struct leg_plan client = { .kind = HALF_TLS,
		                         .version = LW_VERSION_TLS1_2,
		                         .tls = { .steps = leaves } };
	const struct leg_plan server = { .kind = HALF_TCP, .plain = does_not_care };
	struct scene s;

	(void)state;
	scene_open(&s, &client, &server);
	s.options.idle_timeout_ms = LW_NO_TIMEOUT;
	s.options.close_timeout_ms = 30;
	scene_start(&s);
	scene_run(&s);
	assert_int_equal(s.back.got, LEN_REQUEST);
	assert_int_equal(scene_seen(&s.front), SEEN_FINISH);
	assert_int_equal(scene_seen(&s.back), SEEN_FINISH);
	assert_int_equal(s.report.cause, COUPLE_SINK_BROKEN);
	scene_close(&s);
}

/* The alert is read together with the data before it, and no descriptor tells of it any more. */
static void test_an_end_right_behind_data(void **state)
{
	static const struct adversary_step says[] = { STEP_DATA(3 * 16384), STEP_CLOSE_NOTIFY,
		                                      STEP_WAIT_END, STEP_FIN, STEP_END };
	const struct leg_plan client = { .kind = HALF_TCP, .plain = scene_obeys };
	const struct leg_plan server = { .kind = HALF_TLS,
		                         .version = LW_VERSION_TLS1_3,
		                         .tls = { .steps = says } };
	struct scene s;

	(void)state;
	scene_open(&s, &client, &server);
	scene_turn(&s);
	s.options.idle_timeout_ms = LW_NO_TIMEOUT;
	s.scratch_bytes = 256 * 1024;
	scene_start(&s);
	scene_run(&s);
	assert_int_equal(s.front.got, 3 * 16384);
	assert_int_equal(s.report.cause, COUPLE_BOTH_ENDED);
	scene_close(&s);
}

/* ---- those who run it */

static void test_reports_only(void **state)
{
	static const struct plain_step cuts[] = { { PLAIN_AWAIT, NULL, LEN_REQUEST },
		                                  { PLAIN_SAY, ANSWER, 0 },
		                                  { .act = PLAIN_RST },
		                                  { .act = PLAIN_END } };
	const struct leg_plan server = { .kind = HALF_TCP, .plain = cuts };
	struct scene s;

	(void)state;
	scene_open(&s, &scene_asking_client, &server);
	s.options.reports_only = true;
	scene_start(&s);
	scene_run(&s);
	assert_int_equal(scene_seen(&s.front), SEEN_FINISH);
	assert_true(s.report.down.was_reported);
	assert_true(s.report.down.was_finished);
	assert_false(s.report.down.was_aborted);
	scene_close(&s);
}

static void test_drain_between_messages_is_proper(void **state)
{
	struct scene s;

	(void)state;
	scene_open(&s, &scene_asking_client, &answering_server);
	scene_start(&s);
	scene_turn_until_heard(&s, LEN_ANSWER);
	couple_drain(s.couple);
	assert_false(s.is_over); /* not from within the call */
	scene_run(&s);
	assert_int_equal(s.report.cause, COUPLE_DRAINED);
	assert_int_equal(scene_seen(&s.front), SEEN_FINISH);
	assert_int_equal(scene_seen(&s.back), SEEN_FINISH);
	assert_true(s.report.up.was_finished && s.report.down.was_finished);
	scene_close(&s);
}

/* A message under way is waited for. */
static void test_drain_waits_for_the_answer(void **state)
{
	struct scene s;

	(void)state;
	scene_open(&s, &scene_asking_client, &scene_plain_server);
	scene_start(&s);
	while (s.back.got < LEN_REQUEST)
		scene_turn(&s);
	couple_drain(s.couple);
	for (int i = 0; i < 10; i++)
		scene_turn(&s);
	assert_int_equal(s.couple->cause, COUPLE_RUNS);
	assert_int_equal(send(s.back.theirs, ANSWER, LEN_ANSWER, MSG_NOSIGNAL), LEN_ANSWER);
	scene_run(&s);
	assert_int_equal(s.report.cause, COUPLE_DRAINED);
	assert_int_equal(scene_heard(&s.front), LEN_ANSWER);
	assert_int_equal(scene_seen(&s.front), SEEN_FINISH);
	scene_close(&s);
}

static void test_stop(void **state)
{
	(void)state;
	for (int is_answered = 0; is_answered < 2; is_answered++) {
		struct scene s;

		scene_open(&s, &scene_asking_client,
		           is_answered ? &answering_server : &scene_plain_server);
		scene_start(&s);
		while (s.back.got < LEN_REQUEST)
			scene_turn(&s);
		if (is_answered)
			scene_turn_until_heard(&s, LEN_ANSWER);
		couple_stop(s.couple);
		assert_false(s.is_over);
		scene_run(&s);
		assert_int_equal(s.report.cause, COUPLE_ABANDONED);
		assert_int_equal(scene_seen(&s.front), is_answered ? SEEN_FINISH : SEEN_ABORT);
		assert_int_equal(scene_seen(&s.back), is_answered ? SEEN_FINISH : SEEN_ABORT);
		scene_close(&s);
	}
}

/* The owner gives up without waiting for anything. */
static void test_free_before_it_is_over(void **state)
{
	struct scene s;

	(void)state;
	scene_open(&s, &scene_asking_client, &answering_server);
	scene_start(&s);
	scene_turn_until_heard(&s, LEN_ANSWER);
	scene_abandon(&s);
	scene_close(&s);
}

static void test_a_closer_takes_what_has_ended(void **state)
{
	(void)state;
	for (int drains = 0; drains < 2; drains++) {
		static const struct adversary_step closes[] = {
			STEP_TEXT(REQUEST), STEP_WAIT_DATA(LEN_ANSWER),
			STEP_CLOSE_NOTIFY,  STEP_WAIT_END,
			STEP_FIN,           STEP_END
		};
		const struct leg_plan client = { .kind = HALF_TLS,
			                         .version = LW_VERSION_TLS1_3,
			                         .tls = { .steps = closes },
			                         .profile = "https" };
		struct scene s;

		scene_open(&s, drains ? &scene_asking_client : &client, &answering_server);
		s.closer = lw_closer_new(NULL);
		assert_non_null(s.closer);
		endpoint_tls_use_closer(&s.front.tls, s.closer, &s.front);
		scene_start(&s);
		scene_turn_until_heard(&s, LEN_ANSWER);
		if (drains)
			couple_drain(s.couple);
		scene_run(&s);
		assert_true(s.front.tls.is_handed_over);
		assert_int_equal(scene_seen(&s.front), SEEN_FINISH);
		assert_int_equal(s.report.down.was_finished, true);
		if (!drains)
			assert_int_equal(s.report.up.ending, HALF_TLS_CLOSED);
		scene_close(&s);
		assert_int_equal(s.front.verdict.write, LW_ENDING_CLOSED);
	}
}

/* From then on the descriptor is nobody's to watch, whatever the other leg still waits for. */
static void test_what_was_handed_over_is_not_watched(void **state)
{
	static const struct plain_step lingers[] = { { PLAIN_AWAIT, NULL, LEN_REQUEST },
		                                     { PLAIN_SAY, ANSWER, 0 },
		                                     { .act = PLAIN_END } };
	const struct leg_plan server = { .kind = HALF_TCP, .plain = lingers, .profile = "https" };
	struct scene s;

	(void)state;
	scene_open(&s, &scene_asking_client, &server);
	s.closer = lw_closer_new(NULL);
	assert_non_null(s.closer);
	endpoint_tls_use_closer(&s.front.tls, s.closer, &s.front);
	scene_start(&s);
	scene_turn_until_heard(&s, LEN_ANSWER);
	couple_drain(s.couple);
	while (!s.front.tls.is_handed_over)
		scene_turn(&s);
	assert_false(s.is_over);
	assert_true(s.couple->front.is_poll_over);
	assert_int_equal(shutdown(s.back.theirs, SHUT_WR), 0);
	scene_run(&s);
	scene_close(&s);
}

/* A closer that refuses: the stream closes by itself, though nobody watches its descriptor. */
static void test_a_closer_that_refuses(void **state)
{
	struct lw_closer_options options;
	struct scene s;

	(void)state;
	lw_closer_options_default(&options);
	options.verifies = true; /* OpenSSL exports no keys */
	scene_open(&s, &scene_asking_client, &answering_server);
	s.closer = lw_closer_new(&options);
	assert_non_null(s.closer);
	endpoint_tls_use_closer(&s.front.tls, s.closer, &s.front);
	scene_start(&s);
	scene_turn_until_heard(&s, LEN_ANSWER);
	couple_drain(s.couple);
	scene_run(&s);
	assert_false(s.front.tls.is_handed_over);
	assert_int_equal(scene_seen(&s.front), SEEN_FINISH);
	scene_close(&s);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_three_ways_to_abort),
		cmocka_unit_test(test_unix_sockets_end_so),
		cmocka_unit_test(test_a_unix_peer_is_reset_when_it_speaks),
		cmocka_unit_test(test_an_answer_before_a_reset_arrives),
		cmocka_unit_test(test_a_server_that_went_leaves_the_client_its_answer),
		cmocka_unit_test(test_what_was_ignored_is_no_end),
		cmocka_unit_test(test_what_came_before_is_not_ignored),
		cmocka_unit_test(test_a_client_up_to_12_ends_all),
		cmocka_unit_test(test_an_end_right_behind_data),
		cmocka_unit_test(test_reports_only),
		cmocka_unit_test(test_drain_between_messages_is_proper),
		cmocka_unit_test(test_drain_waits_for_the_answer),
		cmocka_unit_test(test_stop),
		cmocka_unit_test(test_free_before_it_is_over),
		cmocka_unit_test(test_a_closer_takes_what_has_ended),
		cmocka_unit_test(test_what_was_handed_over_is_not_watched),
		cmocka_unit_test(test_a_closer_that_refuses),
	};

	if (argc > 1) /* a pattern of names */
		cmocka_set_test_filter(argv[1]);
	return run_cases(tests);
}
