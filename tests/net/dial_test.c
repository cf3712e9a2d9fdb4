/* dial_test: dial and listen on the loopback: the next address is tried, refusal and time-out are
 * told apart, and every failure has a sentence with the thing, the cause and the next step.
 */
#include "tests/unit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
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

/* ---- Unix sockets */

static struct sockaddr_un unix_name;
static struct addrinfo unix_list;

/* A listener in a folder of its own; its path is unix_name's. */
static int open_unix_listener(int backlog)
{
	static char folder[] = "/tmp/lastword-dial.XXXXXX";
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	memcpy(folder + sizeof folder - 7, "XXXXXX", 6);
	assert_non_null(mkdtemp(folder));
	unix_name = (struct sockaddr_un){ .sun_family = AF_UNIX };
	(void)snprintf(unix_name.sun_path, sizeof unix_name.sun_path, "%s/s", folder);
	unix_list = (struct addrinfo){ .ai_family = AF_UNIX,
		                       .ai_socktype = SOCK_STREAM,
		                       .ai_addr = (struct sockaddr *)&unix_name,
		                       .ai_addrlen = sizeof unix_name };
	assert_true(fd >= 0);
	assert_int_equal(bind(fd, unix_list.ai_addr, unix_list.ai_addrlen), 0);
	assert_int_equal(listen(fd, backlog), 0);
	return fd;
}

static void close_unix_listener(int fd)
{
	(void)close(fd);
	(void)unlink(unix_name.sun_path);
	*strrchr(unix_name.sun_path, '/') = '\0';
	(void)rmdir(unix_name.sun_path);
}

static void test_reaches_a_unix_socket(void **state)
{
	int listener = open_unix_listener(5), fd, taken;
	struct dial d;

	(void)state;
	dial_begin(&d, &unix_list);
	assert_int_equal(dial_step(&d), DIAL_DONE);
	fd = dial_take(&d);
	taken = accept(listener, NULL, NULL);
	assert_true(taken >= 0);
	assert_int_equal(send(fd, "x", 1, MSG_NOSIGNAL), 1);
	assert_int_equal(recv(fd, &d, 1, 0), -1); /* does not block */
	assert_int_equal(errno, EAGAIN);
	(void)close(fd);
	(void)close(taken);
	close_unix_listener(listener);
}

static void test_a_full_unix_queue_is_a_failure(void **state)
{
	int listener = open_unix_listener(0), filler;
	struct dial d;
	struct failure f;

	(void)state;
	dial_begin(&d, &unix_list);
	assert_int_equal(dial_step(&d), DIAL_DONE);
	filler = dial_take(&d);
	dial_begin(&d, &unix_list);
	assert_int_equal(dial_step(&d), DIAL_FAILED);
	assert_int_equal(d.error, EAGAIN);
	dial_explain_place(&d, "unix:/s", &f);
	assert_string_equal(f.sentence,
	                    "cannot reach unix:/s: its queue of new connections is "
	                    "full; raise the server's backlog, or let it accept faster");
	(void)close(filler);
	close_unix_listener(listener);
}

static void test_a_unix_socket_that_is_not_there(void **state)
{
	struct dial d;
	struct failure f;

	(void)state;
	close_unix_listener(open_unix_listener(5));
	dial_begin(&d, &unix_list);
	assert_int_equal(dial_step(&d), DIAL_FAILED);
	dial_explain_place(&d, "unix:/s", &f);
	assert_string_equal(f.sentence, "cannot reach unix:/s: no such socket; check the path, and "
	                                "that the server runs");
}

/* ---- what a relay asks for besides */

static void test_connects_from_the_local_address(void **state)
{
	struct address a, from = { .host = "127.0.0.5", .port = "0", .host_is_ip = true };
	int listener = open_listener("127.0.0.1", &a), fd;
	struct addrinfo *list = look_up(&a), *local = look_up(&from);
	struct dial d;
	char bound[64];

	(void)state;
	dial_begin(&d, list);
	d.local = local;
	assert_int_equal(run(&d), DIAL_DONE);
	fd = dial_take(&d);
	assert_true(listen_text(fd, bound, sizeof bound));
	assert_int_equal(strncmp(bound, "127.0.0.5:", 10), 0);
	(void)close(fd);
	(void)close(listener);
	freeaddrinfo(list);
	freeaddrinfo(local);
}

static void test_a_local_address_that_does_not_fit(void **state)
{
	static const struct {
		const char *local, *to;
		int error;
	} rows[] = {
		{ "127.0.0.5", "::1", EAFNOSUPPORT },
		{ "192.0.2.1", "127.0.0.1", EADDRNOTAVAIL },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		struct address a, from = { .port = "0", .host_is_ip = true };
		int listener = open_listener(rows[i].to, &a);
		struct addrinfo *list = look_up(&a), *local;
		struct dial d;
		struct failure f;

		(void)strncpy(from.host, rows[i].local, sizeof from.host - 1);
		local = look_up(&from);
		dial_begin(&d, list);
		d.local = local;
		assert_int_equal(run(&d), DIAL_FAILED);
		assert_int_equal(d.error, rows[i].error);
		dial_explain_place(&d, "tcp:backend:1", &f);
		assert_non_null(strstr(f.sentence, "`local`"));
		(void)close(listener);
		freeaddrinfo(list);
		freeaddrinfo(local);
	}
}

static int option_of(int fd, int level, int option)
{
	int value = -1;
	socklen_t n = sizeof value;

	assert_int_equal(getsockopt(fd, level, option, &value, &n), 0);
	return value;
}

static void test_keeps_alive_as_told(void **state)
{
	static const struct {
		unsigned set[3];
	} rows[] = { { { 7, 3, 2 } }, { { 0, 0, 0 } } };
	static const int options[] = { TCP_KEEPIDLE, TCP_KEEPINTVL, TCP_KEEPCNT };

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		int fd = socket(AF_INET, SOCK_STREAM, 0), fresh = socket(AF_INET, SOCK_STREAM, 0);

		dial_keep_alive(fd, rows[i].set[0], rows[i].set[1], rows[i].set[2]);
		assert_int_equal(option_of(fd, SOL_SOCKET, SO_KEEPALIVE), 1);
		for (size_t k = 0; k < 3; k++)
			assert_int_equal(option_of(fd, IPPROTO_TCP, options[k]),
			                 rows[i].set[k] != 0
			                     ? (int)rows[i].set[k]
			                     : option_of(fresh, IPPROTO_TCP, options[k]));
		(void)close(fd);
		(void)close(fresh);
	}
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
		cmocka_unit_test(test_reaches_a_unix_socket),
		cmocka_unit_test(test_a_full_unix_queue_is_a_failure),
		cmocka_unit_test(test_a_unix_socket_that_is_not_there),
		cmocka_unit_test(test_connects_from_the_local_address),
		cmocka_unit_test(test_a_local_address_that_does_not_fit),
		cmocka_unit_test(test_keeps_alive_as_told),
		cmocka_unit_test(test_sentences_of_look_ups),
		cmocka_unit_test(test_listen_says_why_not),
	};
	return run_cases(tests);
}
