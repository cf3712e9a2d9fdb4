/* socket_test: adversary and bare OpenSSL on a real TCP connection, alternating in one thread.  FIN
 * and RST are the kernel's here, in both directions.
 */
#include "tests/unit.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "adversary/endings.h"
#include "adversary/loopback.h"

enum { LIMIT_TURNS = 2000, TURN_MS = 5 };
enum { MUCH = 20 * 1000 * 1000 }; /* bytes, far more than the sockets hold */

struct pair {
	SSL_CTX *ctx;
	SSL *ssl;
	int fd; /* the subject's */
	struct adversary *adversary;
	enum adversary_status status;
	uint64_t data_bytes;
	int error, sys_errno; /* of the read that ended it */
};

static void begin(struct pair *p, const struct adversary_options *options,
                  const struct adversary_script *script)
{
	int fds[2];
	memset(p, 0, sizeof *p);
	assert_true(loopback_pair(fds));
	struct adversary_options on_socket = *options;
	on_socket.transport = ADVERSARY_SOCKET;
	on_socket.fd = fds[1];
	p->adversary = adversary_new(&on_socket, script);
	assert_non_null(p->adversary);
	p->fd = fds[0];
	p->ctx = SSL_CTX_new(TLS_client_method());
	p->ssl = SSL_new(p->ctx);
	assert_int_equal(SSL_set_fd(p->ssl, p->fd), 1);
	SSL_set_connect_state(p->ssl);
	struct timeval soon = { .tv_usec = 1000 * TURN_MS };
	assert_int_equal(setsockopt(p->fd, SOL_SOCKET, SO_RCVTIMEO, &soon, sizeof soon), 0);
}

static void end(struct pair *p)
{
	adversary_free(p->adversary);
	SSL_free(p->ssl);
	SSL_CTX_free(p->ctx);
	if (p->fd >= 0)
		(void)close(p->fd);
}

/* One read of the subject, which waits for a moment at most; true once it has ended. */
static bool read_once(struct pair *p)
{
	uint8_t buf[4096];
	ERR_clear_error();
	errno = 0;
	int n = SSL_read(p->ssl, buf, sizeof buf);
	p->sys_errno = errno;
	p->error = SSL_get_error(p->ssl, n);
	if (n > 0)
		p->data_bytes += (uint64_t)n;
	return p->error != SSL_ERROR_NONE && p->error != SSL_ERROR_WANT_READ;
}

static void run_to_the_subjects_end(struct pair *p)
{
	for (int turn = 0; turn < LIMIT_TURNS; turn++) {
		p->status = adversary_run(p->adversary);
		if (read_once(p))
			return;
	}
	fail_msg("the subject did not end");
}

static void run_adversary(struct pair *p, enum adversary_status until)
{
	p->status = adversary_run_until(p->adversary, 5000);
	assert_int_equal(p->status, until);
}

static void reset(struct pair *p)
{
	const struct linger at_once = { .l_onoff = 1 };
	assert_int_equal(setsockopt(p->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once), 0);
	assert_int_equal(close(p->fd), 0);
	p->fd = -1;
}

static const struct exchange_event *last_event(const struct pair *p)
{
	const struct exchange *x = adversary_exchange(p->adversary);
	assert_true(x->count > 0);
	return &x->events[x->count - 1];
}

static void test_clean_end(void **state)
{
	struct pair p;
	(void)state;
	begin(&p, &(struct adversary_options){ 0 }, &ending_find("close-notify")->script);
	run_to_the_subjects_end(&p);
	assert_int_equal(p.error, SSL_ERROR_ZERO_RETURN);
	assert_int_equal(p.data_bytes, ENDING_DATA_BYTES);
	assert_int_equal(p.status, ADVERSARY_WAITING);
	assert_int_equal(SSL_shutdown(p.ssl), 1);
	assert_int_equal(shutdown(p.fd, SHUT_WR), 0);
	run_adversary(&p, ADVERSARY_DONE);
	const struct adversary_tally *subject = adversary_subject(p.adversary);
	assert_int_equal(subject->close_notifies, 1);
	assert_int_equal(subject->records, 1);
	assert_int_equal(subject->after_closure, 0);
	assert_true(subject->fin);
	assert_false(subject->rst);
	assert_int_equal(last_event(&p)->what, EXCHANGE_FIN);
	assert_int_equal(last_event(&p)->side, EXCHANGE_LEFT);
	end(&p);
}

static void test_fin_without_close_notify(void **state)
{
	struct pair p;
	(void)state;
	begin(&p, &(struct adversary_options){ .version = LW_VERSION_TLS1_2 },
	      &ending_find("none-at-boundary")->script);
	run_to_the_subjects_end(&p);
	assert_int_equal(p.error, SSL_ERROR_SSL);
	assert_int_equal(p.data_bytes, ENDING_DATA_BYTES);
	/* OpenSSL then sends a fatal alert to a peer that only sent FIN. */
	assert_int_equal(shutdown(p.fd, SHUT_WR), 0);
	run_adversary(&p, ADVERSARY_DONE);
	assert_int_equal(adversary_subject(p.adversary)->fatals, 1);
	end(&p);
}

static void test_reset_by_the_adversary(void **state)
{
	struct pair p;
	(void)state;
	begin(&p, &(struct adversary_options){ 0 }, &ending_find("reset")->script);
	run_to_the_subjects_end(&p);
	assert_int_equal(p.error, SSL_ERROR_SYSCALL);
	assert_int_equal(p.sys_errno, ECONNRESET);
	assert_int_equal(p.status, ADVERSARY_DONE);
	assert_int_equal(last_event(&p)->what, EXCHANGE_RST);
	assert_int_equal(adversary_poll_events(p.adversary), 0);
	end(&p);
}

static void test_reset_by_the_subject(void **state)
{
	struct pair p;
	(void)state;
	begin(&p, &(struct adversary_options){ 0 }, &ending_find("silence")->script);
	while (p.data_bytes < ENDING_DATA_BYTES) {
		assert_int_equal(adversary_run(p.adversary), ADVERSARY_WAITING);
		assert_false(read_once(&p));
	}
	reset(&p);
	run_adversary(&p, ADVERSARY_DONE);
	assert_true(adversary_subject(p.adversary)->rst);
	assert_false(adversary_subject(p.adversary)->fin);
	end(&p);
}

static void test_fin_by_the_subject_inside_a_record(void **state)
{
	static const struct adversary_step steps[] = { STEP_DATA(1), STEP_WAIT_END, STEP_END };
	static const struct adversary_script script = { .steps = steps };
	struct pair p;
	(void)state;
	begin(&p, &(struct adversary_options){ 0 }, &script);
	while (p.data_bytes < 1) {
		assert_int_equal(adversary_run(p.adversary), ADVERSARY_WAITING);
		assert_false(read_once(&p));
	}
	assert_int_equal(send(p.fd, "\x17\3\3\0\x20half", 9, MSG_NOSIGNAL), 9);
	assert_int_equal(shutdown(p.fd, SHUT_WR), 0);
	run_adversary(&p, ADVERSARY_DONE);
	assert_true(adversary_subject(p.adversary)->fin);
	assert_true(adversary_subject(p.adversary)->cut_inside);
	end(&p);
}

static void test_goes_on_when_told(void **state)
{
	static const struct adversary_step steps[] = { STEP_SILENCE, STEP_CLOSE_NOTIFY, STEP_FIN,
		                                       STEP_END };
	static const struct adversary_script script = { .steps = steps };
	struct pair p;
	(void)state;
	begin(&p, &(struct adversary_options){ 0 }, &script);
	while (!adversary_is_idle(p.adversary)) {
		assert_int_equal(adversary_run(p.adversary), ADVERSARY_WAITING);
		assert_false(read_once(&p));
	}
	assert_int_equal(adversary_run_until(p.adversary, TURN_MS), ADVERSARY_WAITING);
	adversary_resume(p.adversary);
	run_to_the_subjects_end(&p);
	assert_int_equal(p.error, SSL_ERROR_ZERO_RETURN);
	end(&p);
}

/* Far more than the sockets hold: the script waits for room and loses nothing. */
static void test_much_data_waits_for_room(void **state)
{
	static const struct adversary_step steps[] = { STEP_DATA(MUCH), STEP_CLOSE_NOTIFY, STEP_FIN,
		                                       STEP_END };
	static const struct adversary_script script = { .steps = steps };
	struct pair p;
	(void)state;
	begin(&p, &(struct adversary_options){ 0 }, &script);
	while (!adversary_is_scripted(p.adversary)) {
		(void)adversary_run(p.adversary);
		assert_false(read_once(&p));
	}
	for (int turn = 0; turn < 10; turn++)
		assert_int_equal(adversary_run(p.adversary), ADVERSARY_WAITING);
	assert_true(adversary_bytes_sent(p.adversary) < MUCH);
	assert_int_equal(adversary_poll_events(p.adversary), POLLIN | POLLOUT);
	do {
		p.status = adversary_run(p.adversary);
	} while (!read_once(&p));
	assert_int_equal(p.error, SSL_ERROR_ZERO_RETURN);
	assert_int_equal(p.data_bytes, MUCH);
	end(&p);
}

static void test_stops_reading(void **state)
{
	static const struct adversary_step steps[] = { STEP_STOP_READING, STEP_SILENCE,
		                                       STEP_READ_ON, STEP_GO, STEP_END };
	static const struct adversary_script script = { .steps = steps };
	static uint8_t piece[16384];
	struct pair p;
	uint64_t written = 0;
	(void)state;
	begin(&p, &(struct adversary_options){ 0 }, &script);
	while (!adversary_is_idle(p.adversary)) {
		(void)adversary_run(p.adversary);
		assert_false(read_once(&p));
	}
	struct timeval soon = { .tv_usec = 1000 * TURN_MS };
	assert_int_equal(setsockopt(p.fd, SOL_SOCKET, SO_SNDTIMEO, &soon, sizeof soon), 0);
	while (written < MUCH && SSL_write(p.ssl, piece, sizeof piece) > 0) {
		written += sizeof piece;
		(void)adversary_run(p.adversary);
	}
	assert_true(written < MUCH);
	assert_int_equal(adversary_subject(p.adversary)->data_bytes, 0);
	assert_int_equal(adversary_poll_events(p.adversary), 0);
	adversary_resume(p.adversary);
	while (adversary_subject(p.adversary)->data_bytes < written)
		assert_int_equal(adversary_run(p.adversary), ADVERSARY_WAITING);
	end(&p);
}

/* The write takes the error of the RST, and the read then sees 0: still a reset. */
static void test_a_reset_that_writing_meets_first(void **state)
{
	const struct adversary_script script =
	    SCRIPT(STEP_STOP_READING, STEP_SILENCE, STEP_DATA(1000), STEP_SILENCE, STEP_READ_ON,
	           STEP_WAIT_END);
	struct pair p;
	(void)state;
	begin(&p, &(struct adversary_options){ 0 }, &script);
	while (!adversary_is_idle(p.adversary)) {
		(void)adversary_run(p.adversary);
		assert_false(read_once(&p));
	}
	reset(&p);
	adversary_resume(p.adversary);
	assert_int_equal(adversary_run(p.adversary), ADVERSARY_WAITING);
	assert_false(adversary_subject(p.adversary)->rst);
	adversary_resume(p.adversary);
	run_adversary(&p, ADVERSARY_DONE);
	assert_true(adversary_subject(p.adversary)->rst);
	assert_false(adversary_subject(p.adversary)->fin);
	end(&p);
}

static void test_listens_for_one_connection(void **state)
{
	uint16_t port;
	(void)state;
	int listener = loopback_listen(&port);
	assert_true(listener >= 0);
	const struct adversary_options options = { .version = LW_VERSION_TLS1_2 };
	const struct adversary_script *script = &ending_find("close-in-handshake")->script;
	assert_null(loopback_adversary(listener, &options, script, TURN_MS));
	assert_int_equal(errno, ETIMEDOUT);
	int fd = loopback_connect(port);
	assert_true(fd >= 0);
	struct adversary *a = loopback_adversary(listener, &options, script, 1000);
	assert_non_null(a);
	assert_int_equal(send(fd, "\x16\3\1\0\1\1", 6, MSG_NOSIGNAL), 6);
	assert_int_equal(adversary_run_until(a, TURN_MS), ADVERSARY_WAITING);
	uint8_t got[32];
	static const uint8_t expected[] = { 21, 3, 3, 0, 2, 1, 0 };
	assert_int_equal(recv(fd, got, sizeof got, 0), sizeof expected);
	assert_memory_equal(got, expected, sizeof expected);
	assert_int_equal(recv(fd, got, sizeof got, 0), 0);
	assert_int_equal(close(fd), 0);
	assert_int_equal(adversary_run_until(a, 1000), ADVERSARY_DONE);
	adversary_free(a);
	assert_int_equal(close(listener), 0);
	assert_int_equal(loopback_connect(port), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_clean_end),
		cmocka_unit_test(test_fin_without_close_notify),
		cmocka_unit_test(test_reset_by_the_adversary),
		cmocka_unit_test(test_reset_by_the_subject),
		cmocka_unit_test(test_fin_by_the_subject_inside_a_record),
		cmocka_unit_test(test_goes_on_when_told),
		cmocka_unit_test(test_much_data_waits_for_room),
		cmocka_unit_test(test_stops_reading),
		cmocka_unit_test(test_a_reset_that_writing_meets_first),
		cmocka_unit_test(test_listens_for_one_connection),
	};
	return run_cases(tests);
}
