/* pump_test: the pump between real pipes, files and sockets: every byte arrives, memory stays
 * bounded while a side is slow, and each side's ending does to the other what the table says.
 */
#include "tests/unit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "pipe/pump.h"

enum { LONG = 3 * 1000 * 1000 };

/* A pump between stdio and one end of a TCP connection, whose other end the test plays. */
struct scene {
	uv_loop_t loop;
	struct endpoint_stdio near;
	struct endpoint_tcp far;
	struct pump *pump;
	struct pump_options options;
	struct pump_report report;
	int peer;   /* the test's end of the connection */
	int typing; /* the test's end of the pump's input */
	int screen; /* the test's end of the pump's output */
	int fds[3]; /* the pump's: input, output, socket */
	bool is_over;
	bool near_ends; /* half-close */
};

static void on_over(struct pump *p, void *context)
{
	struct scene *s = context;

	pump_report(p, &s->report);
	s->is_over = true;
	pump_free(p);
}

static void connect_pair(int *ours, int *theirs)
{
	struct sockaddr_in place = { .sin_family = AF_INET };
	socklen_t n = sizeof place;
	int listener = socket(AF_INET, SOCK_STREAM, 0);

	place.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(bind(listener, (struct sockaddr *)&place, sizeof place), 0);
	assert_int_equal(listen(listener, 1), 0);
	assert_int_equal(getsockname(listener, (struct sockaddr *)&place, &n), 0);
	*ours = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(connect(*ours, (struct sockaddr *)&place, n), 0);
	*theirs = accept(listener, NULL, NULL);
	assert_true(*theirs >= 0);
	assert_int_equal(fcntl(*theirs, F_SETFL, O_NONBLOCK), 0);
	(void)close(listener);
}

static void open_scene(struct scene *s)
{
	int in[2], out[2];

	memset(s, 0, sizeof *s);
	assert_int_equal(pipe(in), 0);
	assert_int_equal(pipe(out), 0);
	connect_pair(&s->fds[2], &s->peer);
	s->fds[0] = in[0];
	s->typing = in[1];
	s->fds[1] = out[1];
	s->screen = out[0];
	assert_int_equal(fcntl(s->screen, F_SETFL, O_NONBLOCK), 0);
	assert_int_equal(fcntl(s->typing, F_SETFL, O_NONBLOCK), 0);
	s->options.idle_timeout_ms = 20000;
	s->options.ends_with_far = true;
	assert_int_equal(uv_loop_init(&s->loop), 0);
}

static void start(struct scene *s)
{
	endpoint_stdio_init(&s->near, s->fds[0], s->fds[1]);
	s->near.half_close = s->near_ends;
	endpoint_tcp_init(&s->far, s->fds[2]);
	s->pump = pump_new(&s->loop, &s->near.base, &s->far.base, &s->options, on_over, s);
	assert_non_null(s->pump);
}

static void close_scene(struct scene *s)
{
	const int all[] = { s->peer, s->typing, s->screen, s->fds[0], s->fds[1], s->fds[2] };

	assert_int_equal(uv_run(&s->loop, UV_RUN_DEFAULT), 0);
	assert_true(s->is_over);
	assert_int_equal(uv_loop_close(&s->loop), 0);
	for (size_t i = 0; i < sizeof all / sizeof *all; i++)
		if (all[i] >= 0)
			(void)close(all[i]);
}

static void turn_loop(struct scene *s)
{
	(void)uv_run(&s->loop, UV_RUN_NOWAIT);
}

/* Turns the loop until `fd` has something to read, or its end. */
static void await(struct scene *s, int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	while (poll(&p, 1, 0) == 0)
		(void)uv_run(&s->loop, UV_RUN_NOWAIT);
}

static void close_now(int *fd)
{
	(void)close(*fd);
	*fd = -1;
}

static void put(int fd, const char *text)
{
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
}

static char octet_at(size_t i)
{
	return (char)(i * 7 + i / 251);
}

/* Turns the loop until `n` octets of the pattern arrived at `to`, feeding `from` as it goes. */
static void carry(struct scene *s, int from, int to, size_t n)
{
	static char buf[50000];
	size_t sent = 0, got = 0;

	while (got < n) {
		ssize_t k;

		for (size_t i = 0; i < sizeof buf && sent + i < n; i++)
			buf[i] = octet_at(sent + i);
		k = sent < n ? write(from, buf, n - sent < sizeof buf ? n - sent : sizeof buf) : 0;
		sent += k > 0 ? (size_t)k : 0;
		turn_loop(s);
		k = read(to, buf, sizeof buf);
		for (ssize_t i = 0; i < k; i++)
			assert_int_equal(buf[i], octet_at(got + (size_t)i));
		got += k > 0 ? (size_t)k : 0;
	}
}

static void test_every_byte_both_ways(void **state)
{
	struct scene s;

	(void)state;
	open_scene(&s);
	start(&s);
	carry(&s, s.typing, s.peer, LONG);
	carry(&s, s.peer, s.screen, LONG);
	assert_int_equal(shutdown(s.peer, SHUT_WR), 0);
	close_scene(&s);
	assert_int_equal(s.report.cause, PUMP_CAUSE_FAR_ENDED);
	assert_int_equal(s.report.bytes_to_far, LONG);
	assert_int_equal(s.report.bytes_to_near, LONG);
	assert_int_equal(s.report.bytes_undelivered, 0);
}

/* The flags of a shared descriptor are the shell's. */
static void test_descriptors_stay_blocking(void **state)
{
	struct scene s;

	(void)state;
	open_scene(&s);
	start(&s);
	carry(&s, s.typing, s.peer, 1000);
	carry(&s, s.peer, s.screen, 1000);
	assert_int_equal(fcntl(s.fds[0], F_GETFL) & O_NONBLOCK, 0);
	assert_int_equal(fcntl(s.fds[1], F_GETFL) & O_NONBLOCK, 0);
	assert_int_equal(shutdown(s.peer, SHUT_WR), 0);
	close_scene(&s);
}

/* Input's end is held back: the peer sees no FIN until its own end, and its late answer arrives. */
static void test_end_of_input_is_held(void **state)
{
	struct scene s;
	char buf[100];

	(void)state;
	open_scene(&s);
	start(&s);
	put(s.typing, "ask");
	close_now(&s.typing);
	await(&s, s.peer);
	for (int i = 0; i < 20; i++)
		turn_loop(&s);
	assert_int_equal(read(s.peer, buf, sizeof buf), 3);
	assert_int_equal(read(s.peer, buf, sizeof buf), -1);
	put(s.peer, "answer");
	assert_int_equal(shutdown(s.peer, SHUT_WR), 0);
	await(&s, s.screen);
	assert_int_equal(read(s.screen, buf, sizeof buf), 6);
	close_scene(&s);
	assert_true(s.report.near_ended);
	assert_false(s.report.was_aborted);
}

static void test_half_close_tells_at_once(void **state)
{
	struct scene s;
	char buf[100];

	(void)state;
	open_scene(&s);
	s.near_ends = true;
	start(&s);
	put(s.typing, "ask");
	close_now(&s.typing);
	for (ssize_t got = -1; got != 0; got = read(s.peer, buf, sizeof buf))
		await(&s, s.peer);
	put(s.peer, "late");
	close_now(&s.peer);
	await(&s, s.screen);
	assert_int_equal(read(s.screen, buf, sizeof buf), 4);
	close_scene(&s);
	assert_int_equal(s.report.cause, PUMP_CAUSE_BOTH_ENDED);
}

static void test_idle_ends_it(void **state)
{
	struct scene s;

	(void)state;
	open_scene(&s);
	s.options.idle_timeout_ms = 30;
	start(&s);
	put(s.typing, "ask");
	close_now(&s.typing);
	close_scene(&s);
	assert_int_equal(s.report.cause, PUMP_CAUSE_IDLE);
	assert_false(s.report.was_aborted);
}

/* A peer that takes nothing: what was read from input is lost, so this must not look like an end.
 */
static void test_idle_with_unsent_bytes_aborts(void **state)
{
	struct scene s;
	static char block[1 << 16];

	(void)state;
	open_scene(&s);
	s.options.idle_timeout_ms = 30;
	start(&s);
	while (!s.is_over) {
		if (write(s.typing, block, sizeof block) < 0)
			assert_int_equal(errno, EAGAIN);
		turn_loop(&s);
	}
	close_scene(&s);
	assert_int_equal(s.report.cause, PUMP_CAUSE_IDLE);
	assert_true(s.report.was_aborted);
	assert_true(s.report.bytes_unsent > 0);
}

static void test_broken_output_ends_it(void **state)
{
	struct scene s;

	(void)state;
	for (int input_ended = 0; input_ended < 2; input_ended++) {
		open_scene(&s);
		start(&s);
		close_now(&s.screen);
		if (input_ended) {
			close_now(&s.typing);
			for (int i = 0; i < 20; i++)
				turn_loop(&s);
		}
		put(s.peer, "nobody reads this");
		close_scene(&s);
		assert_int_equal(s.report.cause, PUMP_CAUSE_NEAR_BROKEN);
		assert_int_equal(s.near.out_error, EPIPE);
		assert_int_equal(s.report.was_aborted, !input_ended);
		assert_int_equal(s.report.bytes_undelivered, 17);
	}
}

static void test_reset_is_reported(void **state)
{
	const struct linger at_once = { .l_onoff = 1, .l_linger = 0 };
	struct scene s;

	(void)state;
	open_scene(&s);
	start(&s);
	carry(&s, s.peer, s.screen, 1000);
	assert_int_equal(setsockopt(s.peer, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once), 0);
	close_now(&s.peer);
	close_scene(&s);
	assert_int_equal(s.far.ending, HALF_TCP_RESET);
	assert_int_equal(s.report.bytes_to_near, 1000);
}

/* A slow reader stops the source: no more is in memory than the buffers hold. */
static void test_backpressure(void **state)
{
	static char block[1 << 16];
	struct scene s;
	size_t stuffed = 0, got = 0;
	int idle = 0;

	(void)state;
	open_scene(&s);
	start(&s);
	while (idle < 200) {
		ssize_t n = send(s.peer, block, sizeof block, MSG_DONTWAIT | MSG_NOSIGNAL);

		idle = n > 0 ? 0 : idle + 1;
		stuffed += n > 0 ? (size_t)n : 0;
		turn_loop(&s);
		assert_true(stuffed < 100u << 20);
	}
	assert_int_equal(shutdown(s.peer, SHUT_WR), 0);
	while (got < stuffed) {
		ssize_t n = read(s.screen, block, sizeof block);

		got += n > 0 ? (size_t)n : 0;
		turn_loop(&s);
	}
	close_scene(&s);
	assert_int_equal(s.report.bytes_to_near, stuffed);
}

/* Files are never "ready" to epoll; they are simply read and written. */
static void test_files(void **state)
{
	char from[] = "/tmp/pump_test.XXXXXX", to[] = "/tmp/pump_test.XXXXXX", buf[16];
	struct scene s;
	FILE *source;

	(void)state;
	open_scene(&s);
	(void)close(s.fds[0]);
	(void)close(s.fds[1]);
	s.fds[0] = mkstemp(from);
	s.fds[1] = mkstemp(to);
	source = fopen(from, "w");
	assert_non_null(source);
	for (size_t i = 0; i < LONG; i++)
		assert_int_not_equal(fputc(octet_at(i), source), EOF);
	assert_int_equal(fclose(source), 0);
	start(&s);
	carry(&s, -1, s.peer, LONG);
	put(s.peer, "to the file");
	assert_int_equal(shutdown(s.peer, SHUT_WR), 0);
	close_scene(&s);
	s.fds[1] = open(to, O_RDONLY);
	assert_int_equal(read(s.fds[1], buf, sizeof buf), 11);
	(void)close(s.fds[1]);
	(void)unlink(from);
	(void)unlink(to);
}

static void test_unreadable_input_aborts(void **state)
{
	struct scene s;

	(void)state;
	open_scene(&s);
	(void)close(s.fds[0]);
	s.fds[0] = open("/tmp", O_RDONLY | O_DIRECTORY);
	start(&s);
	close_scene(&s);
	assert_int_equal(s.report.cause, PUMP_CAUSE_NEAR_FAILED);
	assert_int_equal(s.near.in_error, EISDIR);
	assert_true(s.report.was_aborted);
}

static void test_full_disk(void **state)
{
	struct scene s;

	(void)state;
	open_scene(&s);
	(void)close(s.fds[1]);
	s.fds[1] = open("/dev/full", O_WRONLY);
	start(&s);
	put(s.peer, "too much");
	close_scene(&s);
	assert_int_equal(s.near.out_error, ENOSPC);
	assert_true(s.report.near_broken);
}

static void test_interrupt(void **state)
{
	struct scene s;

	(void)state;
	open_scene(&s);
	start(&s);
	carry(&s, s.typing, s.peer, 1000);
	pump_interrupt(s.pump);
	close_scene(&s);
	assert_int_equal(s.report.cause, PUMP_CAUSE_INTERRUPTED);
	assert_false(s.report.was_aborted);
}

/* Two sockets, as a relay has them. */
struct relay {
	uv_loop_t loop;
	struct endpoint_tcp near, far;
	struct pump *pump;
	struct pump_report report;
	int client, server; /* the test's ends */
	bool is_over;
};

static void on_relay_over(struct pump *p, void *context)
{
	struct relay *r = context;

	pump_report(p, &r->report);
	r->is_over = true;
	pump_free(p);
	(void)close(r->near.fd); /* as the owner does: after an abort this is a RST */
	(void)close(r->far.fd);
}

static void open_relay(struct relay *r)
{
	const struct pump_options options = { .idle_timeout_ms = LW_NO_TIMEOUT };
	int near, far;

	memset(r, 0, sizeof *r);
	connect_pair(&near, &r->client);
	connect_pair(&far, &r->server);
	endpoint_tcp_init(&r->near, near);
	endpoint_tcp_init(&r->far, far);
	assert_int_equal(uv_loop_init(&r->loop), 0);
	r->pump = pump_new(&r->loop, &r->near.base, &r->far.base, &options, on_relay_over, r);
	assert_non_null(r->pump);
}

/* Turns the loop until `fd` gives data, 0 for FIN, or -1 with errno for a reset. */
static ssize_t hear(struct relay *r, int fd, char *buf, size_t cap)
{
	ssize_t n;

	do {
		(void)uv_run(&r->loop, UV_RUN_NOWAIT);
		n = read(fd, buf, cap);
	} while (n < 0 && errno == EAGAIN);
	return n;
}

static void close_relay(struct relay *r)
{
	assert_int_equal(uv_run(&r->loop, UV_RUN_DEFAULT), 0);
	assert_true(r->is_over);
	assert_int_equal(uv_loop_close(&r->loop), 0);
	(void)close(r->client);
	(void)close(r->server);
}

static void test_a_relay_passes_each_sides_end(void **state)
{
	struct relay r;
	char buf[100];

	(void)state;
	open_relay(&r);
	put(r.client, "ask");
	assert_int_equal(shutdown(r.client, SHUT_WR), 0);
	assert_int_equal(hear(&r, r.server, buf, sizeof buf), 3);
	assert_int_equal(hear(&r, r.server, buf, sizeof buf), 0);
	put(r.server, "answer"); /* after the client's end: the other direction lives on */
	assert_int_equal(hear(&r, r.client, buf, sizeof buf), 6);
	assert_int_equal(shutdown(r.server, SHUT_WR), 0);
	assert_int_equal(hear(&r, r.client, buf, sizeof buf), 0);
	close_relay(&r);
	assert_int_equal(r.report.cause, PUMP_CAUSE_BOTH_ENDED);
	assert_false(r.report.was_aborted);
}

/* A reset on one side never becomes a FIN on the other, whichever side it is. */
static void test_a_relay_launders_no_reset(void **state)
{
	const struct linger at_once = { .l_onoff = 1, .l_linger = 0 };

	(void)state;
	for (int server_resets = 0; server_resets < 2; server_resets++) {
		struct relay r;
		char buf[100];
		int *from, *to;

		open_relay(&r);
		from = server_resets ? &r.server : &r.client;
		to = server_resets ? &r.client : &r.server;
		put(*from, "half an");
		assert_int_equal(hear(&r, *to, buf, sizeof buf), 7);
		assert_int_equal(setsockopt(*from, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once),
		                 0);
		close_now(from);
		assert_int_equal(hear(&r, *to, buf, sizeof buf), -1);
		assert_int_equal(errno, ECONNRESET);
		close_relay(&r);
	}
}

/* LF becomes CRLF however the lines are cut; a CRLF stays one. */
static void test_crlf(void **state)
{
	static const char typed[] = "a\nb\r\n\n\rc\r", wanted[] = "a\r\nb\r\n\r\n\rc\r";

	(void)state;
	for (size_t piece = 1; piece < sizeof typed; piece++) {
		char got[64];
		size_t n = 0, k;
		int fds[2];
		struct endpoint_stdio e;

		assert_int_equal(pipe(fds), 0);
		endpoint_stdio_init(&e, fds[0], -1);
		e.crlf = true;
		for (size_t at = 0; at < sizeof typed - 1; at += piece) {
			size_t left = sizeof typed - 1 - at;

			assert_true(write(fds[1], typed + at, left < piece ? left : piece) > 0);
			assert_int_equal(e.base.ops->read(&e.base, got + n, sizeof got - n, &k),
			                 ENDPOINT_OK);
			n += k;
		}
		assert_int_equal(n, sizeof wanted - 1);
		assert_memory_equal(got, wanted, n);
		(void)close(fds[0]);
		(void)close(fds[1]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_byte_both_ways),
		cmocka_unit_test(test_descriptors_stay_blocking),
		cmocka_unit_test(test_end_of_input_is_held),
		cmocka_unit_test(test_half_close_tells_at_once),
		cmocka_unit_test(test_idle_ends_it),
		cmocka_unit_test(test_idle_with_unsent_bytes_aborts),
		cmocka_unit_test(test_broken_output_ends_it),
		cmocka_unit_test(test_reset_is_reported),
		cmocka_unit_test(test_backpressure),
		cmocka_unit_test(test_files),
		cmocka_unit_test(test_unreadable_input_aborts),
		cmocka_unit_test(test_full_disk),
		cmocka_unit_test(test_interrupt),
		cmocka_unit_test(test_a_relay_passes_each_sides_end),
		cmocka_unit_test(test_a_relay_launders_no_reset),
		cmocka_unit_test(test_crlf),
	};

	(void)signal(SIGPIPE, SIG_IGN);
	return run_cases(tests);
}
