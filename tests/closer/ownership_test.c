/*
 * ownership: what a closer takes, and that whatever it refuses is as it was.
 */
#include "rig.h"
#include "stream/stream.h"
#include "tests/stream/rig.h"
#include "tests/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

static const struct adversary_script polite = SCRIPT(STEP_GO);
static const struct adversary_script silent = SCRIPT(STEP_SILENCE);
static const struct adversary_script had_closed = SCRIPT(STEP_CLOSE_NOTIFY, STEP_FIN);

static const struct adversary_script answers =
    SCRIPT(STEP_WAIT_CLOSE_NOTIFY, STEP_CLOSE_NOTIFY, STEP_SILENCE);

static bool is_readable(const struct lw_closer *c, int limit_ms)
{
	struct pollfd p = { .fd = lw_closer_fd(c), .events = POLLIN };

	return poll(&p, 1, limit_ms) == 1;
}

/* Refused, with a sentence and nothing sent; and it closes as ever. */
static void assert_refused(struct lw_closer *c, struct rig *r, enum lw_status expected)
{
	const struct lw_verdict before = rig_verdict(r);
	struct lw_verdict after;
	const char *why = NULL;

	assert_int_equal(lw_closer_add(c, r->stream, NULL, &why), expected);
	assert_non_null(why);
	assert_int_equal(lw_closer_add(c, r->stream, NULL, NULL), expected);
	after = rig_verdict(r);
	assert_memory_equal(&before, &after, sizeof after);
	assert_int_equal(lw_closer_count(c), 0);
	assert_false(is_readable(c, 0));
	rig_spin(r);
	assert_int_equal(adversary_subject(r->adversary)->records, 0);
}

static void begin(struct rig *r, enum rig_attach attach, bool socket,
                  const struct adversary_script *script)
{
	const struct rig_options o = { .version = LW_VERSION_TLS1_3,
		                       .attach = attach,
		                       .socket = socket };

	assert_true(rig_begin(r, &o, script));
}

static void a_stream_without_a_socket_is_refused(void **state)
{
	struct lw_closer *c = virtual_closer(100, 100, false);
	struct rig r;

	(void)state;
	begin(&r, RIG_BEFORE, false, &polite);
	assert_refused(c, &r, LW_UNSUPPORTED);
	assert_int_equal(rig_close(&r), LW_END);
	rig_end(&r);
	lw_closer_free(c);
}

static void a_stream_that_observes_is_refused(void **state)
{
	struct lw_closer *c = virtual_closer(100, 100, false);
	struct rig r;

	(void)state;
	begin(&r, RIG_OBSERVE, true, &polite);
	assert_refused(c, &r, LW_UNSUPPORTED);
	assert_int_equal(SSL_shutdown(r.ssl), 0);
	rig_end(&r);
	lw_closer_free(c);
}

static void a_transport_that_was_handed_back_is_refused(void **state)
{
	struct lw_closer *c = virtual_closer(100, 100, false);
	struct rig r;
	size_t n;

	(void)state;
	begin(&r, RIG_BEFORE, true, &answers);
	for (int i = 0; i < 20 && lw_unwrap(r.stream, NULL, 0, &n) != LW_OK; i++)
		rig_spin(&r);
	assert_int_equal(lw_unwrap(r.stream, NULL, 0, &n), LW_OK);
	assert_int_equal(lw_closer_add(c, r.stream, NULL, NULL), LW_UNSUPPORTED);
	rig_end(&r);
	lw_closer_free(c);
}

static void an_adapter_that_cannot_release_is_refused(void **state)
{
	struct lw_closer *c = virtual_closer(100, 100, false);
	struct lw_adapter blunt;
	struct rig r;

	(void)state;
	begin(&r, RIG_BEFORE, true, &polite);
	blunt = *r.stream->adapter;
	blunt.release = NULL;
	r.stream->adapter = &blunt;
	assert_refused(c, &r, LW_UNSUPPORTED);
	assert_int_equal(rig_close(&r), LW_END);
	rig_end(&r);
	lw_closer_free(c);
}

/* OpenSSL exports no keys of TLS 1.3. */
static void who_cannot_verify_says_so(void **state)
{
	struct lw_closer *c = virtual_closer(100, 100, true);
	struct rig r;

	(void)state;
	begin(&r, RIG_BEFORE, true, &polite);
	assert_refused(c, &r, LW_UNSUPPORTED);
	assert_int_equal(rig_close(&r), LW_END);
	rig_end(&r);
	lw_closer_free(c);
}

/* Nor is a descriptor taken that the system does not let us watch. */
static void a_descriptor_that_cannot_be_watched_is_refused(void **state)
{
	struct lw_closer *c = virtual_closer(100, 100, false);
	struct epoll_event none = { .events = 0 };
	struct rig r;

	(void)state;
	begin(&r, RIG_BEFORE, true, &polite);
	assert_int_equal(epoll_ctl(lw_closer_fd(c), EPOLL_CTL_ADD, r.fd, &none), 0);
	assert_refused(c, &r, LW_ERROR);
	assert_int_equal(rig_close(&r), LW_END);
	rig_end(&r);
	lw_closer_free(c);
}

/* The rig keeps nothing of what the closer has. */
static void give(struct lw_closer *c, struct rig *r)
{
	assert_int_equal(lw_closer_add(c, r->stream, r, NULL), LW_OK);
	r->stream = NULL;
	r->ssl = NULL;
	r->fd = -1;
}

static struct lw_verdict verdict_of(struct lw_closer *c, struct rig *r)
{
	struct lw_closed done = { .tag = NULL };
	enum lw_status status = LW_AGAIN;
	size_t n;

	for (int i = 0; i < 100 && status == LW_AGAIN; i++) {
		rig_spin(r);
		(void)is_readable(c, 5);
		status = lw_closer_run(c, &done, 1, &n);
	}
	assert_int_equal(status, LW_OK);
	assert_ptr_equal(done.tag, r);
	rig_spin(r);
	return done.verdict;
}

static void a_descriptor_that_the_ssl_owns_outlives_it(void **state)
{
	struct lw_closer *c = virtual_closer(100, 100, false);
	struct rig r;
	int fd;

	(void)state;
	begin(&r, RIG_BARE, true, &polite);
	(void)BIO_set_close(SSL_get_rbio(r.ssl), BIO_CLOSE);
	r.stream = lw_openssl_attach(r.ssl, NULL, NULL);
	assert_non_null(r.stream);
	fd = r.fd;
	give(c, &r);
	assert_true(fcntl(fd, F_GETFD) >= 0);
	assert_int_equal(verdict_of(c, &r).write, LW_ENDING_CLOSED);
	assert_int_equal(fcntl(fd, F_GETFD), -1);
	assert_true(adversary_subject(r.adversary)->fin);
	assert_false(adversary_subject(r.adversary)->rst);
	rig_end(&r);
	lw_closer_free(c);
}

/* rules: unclean-end-forbids-resumption, unclean-end-allows-resumption */
static void a_session_is_forgotten_while_somebody_can(void **state)
{
	(void)state;
	for (int old = 0; old < 2; old++) {
		const struct rig_options o = { .version =
			                           old ? LW_VERSION_TLS1_0 : LW_VERSION_TLS1_2,
			                       .attach = RIG_BEFORE,
			                       .socket = true };
		struct lw_closer *c = virtual_closer(100, 100, false);
		SSL_SESSION *session;
		struct rig r;

		assert_true(rig_begin(&r, &o, &polite));
		session = SSL_get1_session(r.ssl);
		give(c, &r);
		assert_int_equal(verdict_of(c, &r).session,
		                 old ? LW_SESSION_FORGET : LW_SESSION_MAY_RESUME);
		assert_int_equal(SSL_SESSION_is_resumable(session), !old);
		SSL_SESSION_free(session);
		rig_end(&r);
		lw_closer_free(c);
	}
}

/* What is over already is told by the next run, for which the descriptor is ready. */
static void a_stream_that_is_over_is_told_at_once(void **state)
{
	struct lw_closer *c = virtual_closer(100, 100, false);
	struct rig r;

	(void)state;
	begin(&r, RIG_BEFORE, true, &polite);
	assert_int_equal(rig_close(&r), LW_END);
	give(c, &r);
	assert_true(is_readable(c, 1000));
	assert_int_equal(verdict_of(c, &r).read, LW_ENDING_CLOSED);
	assert_false(is_readable(c, 0));
	rig_end(&r);
	lw_closer_free(c);
}

/* rule: closure-before-keys-unauthenticated */
static void before_the_handshake_is_done_nothing_ends_properly(void **state)
{
	struct lw_closer *c = virtual_closer(100, 100, false);
	struct lw_verdict v;
	struct rig r;

	(void)state;
	begin(&r, RIG_BARE, true, &silent);
	SSL_clear(r.ssl);
	SSL_set_connect_state(r.ssl);
	r.stream = lw_openssl_attach(r.ssl, NULL, NULL);
	assert_non_null(r.stream);
	give(c, &r);
	clock_ms += 100;
	v = verdict_of(c, &r);
	assert_int_equal(v.read, LW_ENDING_ABANDONED);
	assert_int_equal(v.write, LW_ENDING_ABANDONED);
	assert_int_equal(adversary_subject(r.adversary)->records, 0);
	rig_end(&r);
	lw_closer_free(c);
}

/* An abort that is under way goes on, and is no proper end. */
static void an_abort_is_ended_as_one(void **state)
{
	struct lw_closer *c = virtual_closer(100, 100, false);
	struct lw_verdict v;
	struct rig r;

	(void)state;
	begin(&r, RIG_BEFORE, true, &polite);
	assert_int_equal(lw_abort(r.stream), LW_AGAIN);
	give(c, &r);
	clock_ms += 100;
	v = verdict_of(c, &r);
	assert_int_equal(v.write, LW_ENDING_ABORTED);
	assert_true(v.alert_sent.present && v.alert_sent.level == 2);
	assert_int_equal(adversary_subject(r.adversary)->close_notifies, 0);
	assert_int_equal(adversary_subject(r.adversary)->fatals, 1);
	rig_end(&r);
	lw_closer_free(c);
}

/* A half-closed stream has said its last word already. */
static void a_finished_stream_says_nothing_more(void **state)
{
	struct lw_closer *c = virtual_closer(100, 100, false);
	struct rig r;

	(void)state;
	begin(&r, RIG_BEFORE, true, &polite);
	assert_int_equal(lw_finish(r.stream), LW_OK);
	give(c, &r);
	assert_int_equal(verdict_of(c, &r).write, LW_ENDING_CLOSED);
	assert_int_equal(adversary_subject(r.adversary)->close_notifies, 1);
	assert_int_equal(adversary_subject(r.adversary)->after_closure, 0);
	rig_end(&r);
	lw_closer_free(c);
}

/* Nor is a transport handed back to a closer: an unwrap that is under way becomes a close. */
static void an_unwrap_under_way_becomes_a_close(void **state)
{
	struct lw_closer *c = virtual_closer(100, 100, false);
	struct lw_closed done;
	struct lw_verdict v;
	struct rig r;
	size_t n;

	(void)state;
	begin(&r, RIG_BEFORE, true, &answers);
	assert_int_equal(lw_unwrap(r.stream, NULL, 0, &n), LW_AGAIN);
	rig_spin(&r);
	give(c, &r);
	assert_int_equal(lw_closer_run(c, &done, 1, &n), LW_AGAIN); /* the peer's FIN is missing */
	rig_spin(&r);
	assert_true(adversary_subject(r.adversary)->fin);
	clock_ms += 100;
	v = verdict_of(c, &r);
	assert_int_equal(v.read, LW_ENDING_CLOSED);
	assert_int_equal(v.write, LW_ENDING_CLOSED);
	assert_int_equal(adversary_subject(r.adversary)->close_notifies, 1);
	rig_end(&r);
	lw_closer_free(c);
}

static void freeing_ends_what_is_left(void **state)
{
	struct lw_closer *c = virtual_closer(100, 100, false);
	struct guest_options o = { .version = LW_VERSION_TLS1_3 };
	struct guest g;
	int fd;

	(void)state;
	guest_begin(&g, &o, &silent);
	fd = g.fd;
	assert_int_equal(guest_give(&g, c), LW_OK);
	assert_int_equal(run_guests(c, &g, 1), 0);
	lw_closer_free(c);
	assert_int_equal(fcntl(fd, F_GETFD), -1);
	assert_int_equal(errno, EBADF);
	guest_spin(&g);
	assert_int_equal(adversary_subject(g.adversary)->close_notifies, 1);
	assert_true(adversary_subject(g.adversary)->fin);
	assert_false(adversary_subject(g.adversary)->rst);
	guest_end(&g);
	lw_closer_free(NULL);
}

#define MANY 10

static void a_full_batch_leaves_the_rest_for_the_next(void **state)
{
	struct lw_closer *c = virtual_closer(100, 100, false);
	const struct guest_options o = { .version = LW_VERSION_TLS1_3 };
	struct lw_closed done[3];
	struct guest g[MANY];
	unsigned told = 0;
	size_t n;

	(void)state;
	for (int i = 0; i < MANY; i++) {
		/* some are over by an event, some by the deadline */
		guest_begin(&g[i], &o, i % 2 ? &had_closed : &silent);
		guest_spin(&g[i]);
		assert_int_equal(guest_give(&g[i], c), LW_OK);
	}
	clock_ms += 100;
	assert_int_equal(lw_closer_run(c, NULL, 0, &n), LW_AGAIN);
	while (told < MANY) {
		assert_true(is_readable(c, 1000));
		assert_int_equal(lw_closer_run(c, done, 3, &n), LW_OK);
		assert_int_equal(n, MANY - told < 3 ? MANY - told : 3);
		for (size_t i = 0; i < n; i++) {
			assert_false(((struct guest *)done[i].tag)->over);
			((struct guest *)done[i].tag)->over = true;
		}
		told += (unsigned)n;
		assert_int_equal(lw_closer_count(c), MANY - told);
	}
	assert_int_equal(lw_closer_run(c, done, 3, &n), LW_AGAIN);
	assert_false(is_readable(c, 0));
	for (int i = 0; i < MANY; i++)
		guest_end(&g[i]);
	lw_closer_free(c);
}

/* With the system's clock, the descriptor is ready when a deadline has run out, for each in turn.
 */
static void the_descriptor_is_ready_at_the_deadline(void **state)
{
	const struct lw_closer_options options = { .deadline_ms = 30, .drain_bytes = 100 };
	const struct guest_options o = { .version = LW_VERSION_TLS1_3 };
	struct lw_closer *c = lw_closer_new(&options);
	struct lw_closed done[2];
	struct guest g[2];
	size_t n, told = 0;

	(void)state;
	assert_non_null(c);
	for (int i = 0; i < 2; i++) {
		guest_begin(&g[i], &o, &silent);
		assert_int_equal(guest_give(&g[i], c), LW_OK);
	}
	while (told < 2) {
		assert_true(is_readable(c, 10000));
		(void)!lw_closer_run(c, done, 2, &n);
		for (size_t i = 0; i < n; i++)
			assert_int_equal(done[i].verdict.read, LW_ENDING_ABANDONED);
		told += n;
	}
	/* the bell has nothing to ring for any more */
	(void)!lw_closer_run(c, done, 2, &n);
	assert_false(is_readable(c, 60));
	for (int i = 0; i < 2; i++)
		guest_end(&g[i]);
	lw_closer_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_stream_without_a_socket_is_refused),
		cmocka_unit_test(a_stream_that_observes_is_refused),
		cmocka_unit_test(a_transport_that_was_handed_back_is_refused),
		cmocka_unit_test(an_adapter_that_cannot_release_is_refused),
		cmocka_unit_test(who_cannot_verify_says_so),
		cmocka_unit_test(a_descriptor_that_cannot_be_watched_is_refused),
		cmocka_unit_test(a_descriptor_that_the_ssl_owns_outlives_it),
		cmocka_unit_test(a_session_is_forgotten_while_somebody_can),
		cmocka_unit_test(a_stream_that_is_over_is_told_at_once),
		cmocka_unit_test(before_the_handshake_is_done_nothing_ends_properly),
		cmocka_unit_test(an_abort_is_ended_as_one),
		cmocka_unit_test(a_finished_stream_says_nothing_more),
		cmocka_unit_test(an_unwrap_under_way_becomes_a_close),
		cmocka_unit_test(freeing_ends_what_is_left),
		cmocka_unit_test(a_full_batch_leaves_the_rest_for_the_next),
		cmocka_unit_test(the_descriptor_is_ready_at_the_deadline),
	};

	return run_cases(tests);
}
