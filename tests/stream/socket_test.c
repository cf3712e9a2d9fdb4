/* socket: what waits for more leaves with it, or when it is let go. */
#include "stream/socket.h"

#include "tests/unit.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct pair {
	int ours, theirs;
};

static void open_pair(struct pair *p, bool no_delay)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
		                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	const int listener = socket(AF_INET, SOCK_STREAM, 0), on = no_delay;
	socklen_t len = sizeof at;

	assert_true(listener >= 0);
	assert_int_equal(bind(listener, (struct sockaddr *)&at, sizeof at), 0);
	assert_int_equal(listen(listener, 1), 0);
	assert_int_equal(getsockname(listener, (struct sockaddr *)&at, &len), 0);
	p->ours = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(connect(p->ours, (struct sockaddr *)&at, sizeof at), 0);
	assert_int_equal(setsockopt(p->ours, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on), 0);
	p->theirs = accept(listener, NULL, NULL);
	assert_true(p->theirs >= 0);
	(void)close(listener);
}

static void close_pair(struct pair *p)
{
	(void)close(p->ours);
	(void)close(p->theirs);
}

/* On loopback what was sent is there when send() returns. */
static size_t arrived(const struct pair *p)
{
	char buf[64];
	const ssize_t n = recv(p->theirs, buf, sizeof buf, MSG_DONTWAIT);

	return n > 0 ? (size_t)n : 0;
}

static size_t say(const struct pair *p, const char *words, bool more)
{
	int error = 0;
	size_t n;
	const enum lw_io io = more ? lw_socket_send_more(p->ours, words, strlen(words), &n, &error)
	                           : lw_socket_send(p->ours, words, strlen(words), &n, &error);

	assert_int_equal(io, LW_IO_OK);
	return n;
}

static void test_what_waits_leaves_with_what_follows(void **state)
{
	struct pair p;

	(void)state;
	open_pair(&p, true);
	assert_int_equal(say(&p, "one", true), 3);
	assert_int_equal(arrived(&p), 0);
	assert_int_equal(say(&p, "two", false), 3);
	assert_int_equal(arrived(&p), 6);
	close_pair(&p);
}

static void test_what_waits_leaves_when_let_go(void **state)
{
	(void)state;
	for (int no_delay = 0; no_delay < 2; no_delay++) {
		int kept = -1;
		socklen_t len = sizeof kept;
		struct pair p;

		open_pair(&p, no_delay);
		assert_int_equal(say(&p, "one", true), 3);
		assert_int_equal(arrived(&p), 0);
		lw_socket_push(p.ours);
		assert_int_equal(arrived(&p), 3);
		assert_int_equal(getsockopt(p.ours, IPPROTO_TCP, TCP_NODELAY, &kept, &len), 0);
		assert_int_equal(kept != 0, no_delay); /* it is as the application had it */
		close_pair(&p);
	}
}

static void test_what_waits_leaves_with_fin(void **state)
{
	struct pair p;

	(void)state;
	open_pair(&p, true);
	assert_int_equal(say(&p, "one", true), 3);
	assert_true(lw_socket_shut_write(p.ours));
	assert_int_equal(arrived(&p), 3);
	close_pair(&p);
}

static void test_where_nothing_waits_letting_go_does_nothing(void **state)
{
	struct pair p;
	int fds[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	p = (struct pair){ fds[0], fds[1] };
	assert_int_equal(say(&p, "one", true), 3);
	assert_int_equal(arrived(&p), 3);
	lw_socket_push(p.ours);
	close_pair(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_waits_leaves_with_what_follows),
		cmocka_unit_test(test_what_waits_leaves_when_let_go),
		cmocka_unit_test(test_what_waits_leaves_with_fin),
		cmocka_unit_test(test_where_nothing_waits_letting_go_does_nothing),
	};

	return run_cases(tests);
}
