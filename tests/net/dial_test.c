/* dial_test: dial and listen on the loopback: the next address is tried, refusal and time-out are
 * told apart, and every failure has a sentence with the thing, the cause and the next step.
 */
#include "tests/unit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/dial.h"
#include "net/listen.h"

static int open_listener(const char *text, struct address *where)
{
	struct address a = { .port = "0" };
	struct failure f;
	char bound[64];
	int fd;

	(void)strncpy(a.host, text, sizeof a.host - 1);
	a.host_is_ip = true;
	fd = listen_open(&a, &f);
	assert_true(fd >= 0);
	assert_true(listen_text(fd, bound, sizeof bound));
	*where = a;
	(void)strncpy(where->port, strrchr(bound, ':') + 1, sizeof where->port - 1);
	return fd;
}

/* A port that was just given back: nobody listens on it. */
static void closed_port(struct address *where)
{
	(void)close(open_listener("127.0.0.1", where));
}

static struct addrinfo *look_up(const struct address *a)
{
	struct addrinfo hints = dial_hints(a, AF_UNSPEC), *list = NULL;

	assert_int_equal(getaddrinfo(a->host, a->port, &hints, &list), 0);
	return list;
}

static enum dial_status run(struct dial *d)
{
	enum dial_status status = dial_step(d);

	while (status == DIAL_WAIT) {
		struct pollfd p = { .fd = dial_descriptor(d), .events = POLLOUT };

		assert_int_equal(poll(&p, 1, 5000), 1);
		status = dial_step(d);
	}
	return status;
}

static void test_reaches_a_listener(void **state)
{
	static const char *const hosts[] = { "127.0.0.1", "::1" };

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct address a;
		int listener = open_listener(hosts[i], &a), fd, taken;
		struct addrinfo *list = look_up(&a);
		struct dial d;

		dial_begin(&d, list);
		assert_int_equal(run(&d), DIAL_DONE);
		fd = dial_take(&d);
		dial_end(&d); /* closes nothing that was taken */
		taken = listen_accept(listener);
		assert_true(taken >= 0);
		assert_int_equal(send(fd, "x", 1, MSG_NOSIGNAL), 1);
		assert_int_equal(listen_accept(listener), -1);
		assert_int_equal(errno, EAGAIN);
		freeaddrinfo(list);
		(void)close(fd);
		(void)close(taken);
		(void)close(listener);
	}
}

static void test_tries_the_next_address(void **state)
{
	struct address dead, live;
	struct addrinfo *first, *second;
	struct dial d;
	int listener;

	(void)state;
	closed_port(&dead);
	listener = open_listener("127.0.0.1", &live);
	first = look_up(&dead);
	second = look_up(&live);
	assert_null(first->ai_next);
	first->ai_next = second;
	dial_begin(&d, first);
	assert_int_equal(dial_share_ms(&d, 3000), 1000);
	assert_int_equal(run(&d), DIAL_DONE);
	assert_int_equal(d.tried, 1);
	(void)close(dial_take(&d));
	(void)close(listener);
	first->ai_next = NULL;
	freeaddrinfo(first);
	freeaddrinfo(second);
}

static void test_says_who_refused(void **state)
{
	struct address a;
	struct addrinfo *list;
	struct dial d;
	struct failure f;
	char peer[64];

	(void)state;
	closed_port(&a);
	list = look_up(&a);
	dial_begin(&d, list);
	assert_int_equal(run(&d), DIAL_FAILED);
	assert_int_equal(d.error, ECONNREFUSED);
	dial_explain(&d, &a, &f);
	assert_non_null(strstr(f.sentence, address_text(&a, peer, sizeof peer)));
	assert_non_null(strstr(f.sentence, ": connection refused; check the port"));
	freeaddrinfo(list);
}

/* A listener whose queue is full answers no one: the attempt hangs until the caller's deadline. */
static void test_expires_when_told(void **state)
{
	struct sockaddr_in place = { .sin_family = AF_INET };
	socklen_t n = sizeof place;
	struct address a = { .host = "127.0.0.1", .host_is_ip = true };
	int listener = socket(AF_INET, SOCK_STREAM, 0), fillers[8];
	struct addrinfo *list;
	struct dial d;
	struct failure f;

	(void)state;
	place.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(bind(listener, (struct sockaddr *)&place, sizeof place), 0);
	assert_int_equal(listen(listener, 0), 0);
	assert_int_equal(getsockname(listener, (struct sockaddr *)&place, &n), 0);
	(void)snprintf(a.port, sizeof a.port, "%u", ntohs(place.sin_port));
	list = look_up(&a);
	for (size_t i = 0; i < 8; i++) {
		struct dial filler;

		dial_begin(&filler, list);
		assert_int_not_equal(dial_step(&filler), DIAL_FAILED);
		fillers[i] = dial_take(&filler);
	}
	dial_begin(&d, list);
	assert_int_equal(dial_step(&d), DIAL_WAIT);
	assert_int_equal(dial_step(&d), DIAL_WAIT);
	dial_expire(&d);
	assert_int_equal(dial_step(&d), DIAL_FAILED);
	dial_explain(&d, &a, &f);
	assert_non_null(strstr(f.sentence, ": timed out; "));
	assert_non_null(strstr(f.sentence, "--connect-timeout"));
	for (size_t i = 0; i < 8; i++)
		(void)close(fillers[i]);
	freeaddrinfo(list);
	(void)close(listener);
}

static void test_sentences_of_look_ups(void **state)
{
	struct address name = { .host = "nowhere.invalid", .port = "443" };
	struct address v4 = { .host = "127.0.0.1", .port = "443", .host_is_ip = true };
	struct failure f;

	(void)state;
	dial_explain_lookup(&name, AF_UNSPEC, EAI_NONAME, &f);
	assert_non_null(strstr(f.sentence, "cannot find nowhere.invalid"));
	dial_explain_lookup(&name, AF_UNSPEC, EAI_AGAIN, &f);
	assert_non_null(strstr(f.sentence, "name server did not answer"));
	dial_explain_lookup(&v4, AF_INET6, EAI_FAMILY, &f);
	assert_string_equal(f.sentence, "127.0.0.1 is no IPv6 address; leave out -4 and -6");
}

static void test_listen_says_why_not(void **state)
{
	struct address a;
	struct failure f = { "" };
	int fd = open_listener("127.0.0.1", &a), second;

	(void)state;
	second = listen_open(&a, &f);
	assert_int_equal(second, -1);
	assert_non_null(strstr(f.sentence, "cannot listen on 127.0.0.1:"));
	assert_non_null(strstr(f.sentence, "another program has that port"));
	(void)close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reaches_a_listener),
		cmocka_unit_test(test_tries_the_next_address),
		cmocka_unit_test(test_says_who_refused),
		cmocka_unit_test(test_expires_when_told),
		cmocka_unit_test(test_sentences_of_look_ups),
		cmocka_unit_test(test_listen_says_why_not),
	};
	return run_cases(tests);
}
