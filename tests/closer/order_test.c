/*
 * order: data that was sealed, then the alert, then FIN, also where the transport is full, on every
 * TLS library; and what becomes of them when time or patience run out.
 */
#include "rig.h"
#include "tests/unit.h"

#include <fcntl.h>
#include <lastword/openssl.h>
#include <linux/sockios.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "adversary/loopback.h"

#define DEADLINE_MS 5000u
#define DRAIN_BYTES (1u << 20)
#define DELAYED_MS  100
#define OUTPUT_ROOM (1 << 17) /* more than the window that a peer opens at first */

static const struct adversary_script slow_reader =
    SCRIPT(STEP_STOP_READING, STEP_SILENCE, STEP_READ_ON, STEP_GO);

static const struct adversary_script talks =
    SCRIPT(STEP_WAIT_CLOSE_NOTIFY, STEP_DATA(4u << 20), STEP_SILENCE);

static const struct adversary_script talks_first =
    SCRIPT(STEP_STOP_READING, STEP_DATA(3u << 20), STEP_READ_ON, STEP_GO);

static const struct adversary_script talks_first_and_waits =
    SCRIPT(STEP_STOP_READING, STEP_DATA(3u << 20), STEP_SILENCE, STEP_READ_ON, STEP_WAIT_END,
           STEP_DATA(1000), STEP_SILENCE, STEP_GO);

static const struct adversary_script talks_before_it_reads =
    SCRIPT(STEP_STOP_READING, STEP_SILENCE, STEP_DATA(100000), STEP_SILENCE, STEP_READ_ON,
           STEP_WAIT_CLOSE_NOTIFY, STEP_DATA(1000), STEP_SILENCE);

static const struct adversary_script waits_for_fin = SCRIPT(STEP_WAIT_END, STEP_GO);

static const enum lw_version versions[] = { LW_VERSION_TLS1_2, LW_VERSION_TLS1_3 };

/* rules: transport-delivers-on-close, flush-then-answer, nothing-after-own-closure */
static void what_was_sealed_leaves_first(void **state)
{
	const struct stack *stack;

	(void)state;
	for (unsigned i = 0; (stack = stack_at(i / 2)) != NULL; i++) {
		const struct guest_options o = { .stack = stack, .version = versions[i % 2] };
		struct lw_closer *c;
		const struct adversary_tally *peer;
		struct guest g;
		uint64_t taken;

		if (!stack->speaks(o.version))
			continue;
		c = virtual_closer(DEADLINE_MS, DRAIN_BYTES, false);
		guest_begin(&g, &o, &slow_reader);
		guest_spin(&g);
		taken = guest_fill(&g);
		assert_true(taken > 0);
		assert_int_equal(guest_give(&g, c), LW_OK);
		assert_int_equal(run_guests(c, &g, 1), 0);
		adversary_resume(g.adversary);
		assert_int_equal(run_guests(c, &g, 1), 1);
		peer = adversary_subject(g.adversary);
		assert_int_equal(g.verdict.write, LW_ENDING_CLOSED);
		assert_int_equal(g.verdict.bytes_written, taken);
		assert_int_equal(g.verdict.bytes_unacknowledged, 0);
		assert_int_equal(peer->data_bytes, taken);
		assert_false(peer->data_differs);
		assert_false(peer->unreadable);
		assert_int_equal(peer->alerts, 1);
		assert_int_equal(peer->close_notifies, 1);
		assert_int_equal(peer->after_closure, 0);
		assert_true(peer->fin);
		assert_false(peer->rst);
		guest_end(&g);
		lw_closer_free(c);
	}
}

/* rule: need-not-wait */
static void our_fin_follows_the_alert_at_once(void **state)
{
	const struct guest_options o = { .version = LW_VERSION_TLS1_3 };
	struct lw_closer *c = virtual_closer(DEADLINE_MS, DRAIN_BYTES, false);
	struct guest g;

	(void)state;
	guest_begin(&g, &o, &waits_for_fin);
	assert_int_equal(guest_give(&g, c), LW_OK);
	assert_int_equal(run_guests(c, &g, 1), 1);
	assert_int_equal(adversary_subject(g.adversary)->close_notifies, 1);
	assert_true(adversary_subject(g.adversary)->fin);
	guest_end(&g);
	lw_closer_free(c);
}

static unsigned unacknowledged(int fd)
{
	int left = 0;

	assert_int_equal(ioctl(fd, SIOCOUTQ, &left), 0);
	return (unsigned)left;
}

static void set_output_room(int fd, int bytes)
{
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes), 0);
}

/*
 * Until the peer's window is shut: no more room comes by itself, neither because the system widens
 * it, which a size that was set forbids, nor by an acknowledgement that was delayed.
 */
static uint64_t fill_for_good(struct guest *g)
{
	struct pollfd p = { .fd = g->fd, .events = POLLOUT };
	uint64_t all = 0, more;

	set_output_room(g->fd, OUTPUT_ROOM);
	do {
		more = guest_fill(g);
		all += more;
		(void)poll(&p, 1, DELAYED_MS);
	} while (more > 0);
	return all;
}

/* Whether the alert was still with us at the deadline: the system may take a little more any time.
 */
static bool alert_stays(const struct stack *stack)
{
	const struct guest_options o = { .stack = stack, .version = LW_VERSION_TLS1_2 };
	struct lw_closer *c = virtual_closer(DEADLINE_MS, DRAIN_BYTES, false);
	struct guest g;
	uint64_t taken;
	bool left;

	guest_begin(&g, &o, &slow_reader);
	guest_spin(&g);
	taken = fill_for_good(&g);
	assert_int_equal(guest_give(&g, c), LW_OK);
	assert_int_equal(run_guests(c, &g, 1), 0);
	clock_ms += DEADLINE_MS;
	assert_int_equal(run_guests(c, &g, 1), 1);
	left = g.verdict.alert_sent.present;
	assert_int_equal(g.verdict.read, left ? LW_ENDING_ABANDONED : LW_ENDING_EXPIRED);
	assert_int_equal(g.verdict.write, left ? LW_ENDING_CLOSED : LW_ENDING_EXPIRED);
	assert_true(g.verdict.bytes_unacknowledged > 0);
	assert_true(g.verdict.bytes_unacknowledged <= taken);
	adversary_resume(g.adversary);
	guest_spin(&g);
	if (!left)
		assert_int_equal(adversary_subject(g.adversary)->close_notifies, 0);
	guest_end(&g);
	lw_closer_free(c);
	return !left;
}

static void what_has_not_left_by_the_deadline_is_told(void **state)
{
	const struct stack *stack;

	(void)state;
	for (unsigned i = 0; (stack = stack_at(i)) != NULL; i++) {
		unsigned tries = 0;

		while (!alert_stays(stack))
			assert_true(++tries < 20);
	}
}

/* A peer that never ends is left, but not while it has not acknowledged. */
static void draining_has_a_limit_in_bytes(void **state)
{
	const struct guest_options o = { .version = LW_VERSION_TLS1_3 };

	(void)state;
	for (int wide = 0; wide < 2; wide++) {
		struct lw_closer *c = virtual_closer(DEADLINE_MS, wide ? 8u << 20 : 20000, false);
		struct guest g;

		guest_begin(&g, &o, &talks);
		assert_int_equal(guest_give(&g, c), LW_OK);
		assert_int_equal(run_guests(c, &g, 1), !wide);
		clock_ms += DEADLINE_MS;
		assert_int_equal(run_guests(c, &g, 1), wide);
		assert_int_equal(g.verdict.read, LW_ENDING_ABANDONED);
		assert_int_equal(g.verdict.write, LW_ENDING_CLOSED);
		assert_int_equal(g.verdict.bytes_unacknowledged, 0);
		assert_int_equal(adversary_subject(g.adversary)->close_notifies, 1);
		guest_end(&g);
		lw_closer_free(c);
	}
}

/* What was drained in front of our FIN does not count: a peer of good will has yet to hear of it.
 */
static void what_came_before_our_fin_is_not_counted(void **state)
{
	const struct guest_options o = { .version = LW_VERSION_TLS1_3 };
	struct lw_closer *c = virtual_closer(DEADLINE_MS, DRAIN_BYTES, false);
	struct guest g;
	uint64_t taken;

	(void)state;
	guest_begin(&g, &o, &talks_first_and_waits);
	taken = fill_for_good(&g);
	assert_int_equal(guest_give(&g, c), LW_OK);
	assert_int_equal(run_guests(c, &g, 1), 0); /* drains it all */
	adversary_resume(g.adversary);
	assert_int_equal(run_guests(c, &g, 1), 0);
	assert_int_equal(adversary_subject(g.adversary)->close_notifies, 1);
	assert_true(adversary_subject(g.adversary)->fin);
	adversary_resume(g.adversary);
	assert_int_equal(run_guests(c, &g, 1), 1);
	assert_int_equal(g.verdict.write, LW_ENDING_CLOSED);
	assert_int_equal(adversary_subject(g.adversary)->data_bytes, taken);
	assert_false(adversary_subject(g.adversary)->rst); /* rule: tcp-reset-on-unread */
	guest_end(&g);
	lw_closer_free(c);
}

/*
 * The peer's window is shut by what it does not read.  More room on our side then lets alert and
 * FIN leave, and nothing is acknowledged until the peer reads on.
 * rule: tcp-reset-on-unread
 */
static void the_limit_in_bytes_waits_for_acknowledgement(void **state)
{
	const struct guest_options o = { .version = LW_VERSION_TLS1_3 };
	struct lw_closer *c = virtual_closer(DEADLINE_MS, 20000, false);
	struct guest g;
	uint64_t taken;
	int fd;

	(void)state;
	guest_begin(&g, &o, &talks_before_it_reads);
	guest_spin(&g);
	fd = g.fd; /* only to look at, once it is the closer's */
	taken = fill_for_good(&g);
	assert_int_equal(guest_give(&g, c), LW_OK);
	assert_int_equal(run_guests(c, &g, 1), 0);
	set_output_room(fd, 1 << 20);
	assert_int_equal(run_guests(c, &g, 1), 0);
	adversary_resume(g.adversary); /* five times the limit */
	assert_int_equal(run_guests(c, &g, 1), 0);
	assert_true(unacknowledged(fd) > 1);
	adversary_resume(g.adversary); /* reads all, and sends a little more */
	assert_int_equal(run_guests(c, &g, 1), 1);
	assert_int_equal(g.verdict.write, LW_ENDING_CLOSED);
	assert_int_equal(g.verdict.bytes_unacknowledged, 0);
	assert_int_equal(adversary_subject(g.adversary)->data_bytes, taken);
	assert_int_equal(adversary_subject(g.adversary)->close_notifies, 1);
	guest_end(&g);
	lw_closer_free(c);
}

/* A peer that sends for ever before it reads cannot hold up what we have to send. */
static void input_is_drained_while_output_waits(void **state)
{
	const struct guest_options o = { .version = LW_VERSION_TLS1_3 };
	struct lw_closer *c = virtual_closer(DEADLINE_MS, 8u << 20, false);
	struct guest g;
	uint64_t taken;

	(void)state;
	guest_begin(&g, &o, &talks_first);
	taken = guest_fill(&g);
	assert_int_equal(guest_give(&g, c), LW_OK);
	assert_int_equal(run_guests(c, &g, 1), 1);
	assert_int_equal(g.verdict.write, LW_ENDING_CLOSED);
	assert_int_equal(adversary_subject(g.adversary)->data_bytes, taken);
	assert_int_equal(adversary_subject(g.adversary)->close_notifies, 1);
	guest_end(&g);
	lw_closer_free(c);
}

/* A handshake in the alert's way: the TLS object stays until it is over */

struct pair {
	SSL_CTX *client_ctx, *server_ctx;
	SSL *client, *server;
	int fds[2];
};

static SSL *make_ssl(SSL_CTX *ctx, int fd)
{
	SSL *ssl = SSL_new(ctx);

	assert_true(ssl && SSL_set_fd(ssl, fd) == 1);
	assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	return ssl;
}

static void pair_begin(struct pair *p)
{
	struct certificate *certificate = certificate_new(NULL, NULL);
	int done = 0;

	p->client_ctx = SSL_CTX_new(TLS_client_method());
	p->server_ctx = SSL_CTX_new(TLS_server_method());
	assert_true(SSL_CTX_set_max_proto_version(p->client_ctx, TLS1_2_VERSION) == 1);
	assert_true(certificate && certificate_present(certificate, p->server_ctx));
	certificate_free(certificate);
	assert_true(loopback_pair(p->fds));
	p->client = make_ssl(p->client_ctx, p->fds[0]);
	p->server = make_ssl(p->server_ctx, p->fds[1]);
	SSL_set_connect_state(p->client);
	SSL_set_accept_state(p->server);
	for (int i = 0; i < 1000 && done < 2; i++)
		done = (SSL_do_handshake(p->client) == 1) + (SSL_do_handshake(p->server) == 1);
	assert_int_equal(done, 2);
}

static void pair_end(struct pair *p)
{
	SSL_free(p->server);
	close(p->fds[1]);
	SSL_CTX_free(p->client_ctx);
	SSL_CTX_free(p->server_ctx);
	ERR_clear_error();
}

/* Gives the client away in a renegotiation that the server has asked for. */
static void give_amid_renegotiation(struct pair *p, struct lw_closer *c)
{
	struct lw_stream *s = lw_openssl_attach(p->client, NULL, NULL);
	struct pollfd ready = { .fd = p->fds[0], .events = POLLIN };
	uint8_t octet;
	size_t n;

	assert_non_null(s);
	assert_int_equal(SSL_renegotiate(p->server), 1);
	assert_int_equal(SSL_do_handshake(p->server), 1); /* a HelloRequest */
	assert_int_equal(poll(&ready, 1, 1000), 1);
	assert_int_equal(lw_read(s, &octet, 1, &n), LW_AGAIN);
	assert_true(SSL_in_init(p->client));
	assert_int_equal(lw_closer_add(c, s, NULL, NULL), LW_OK);
}

static void a_handshake_in_the_way_is_brought_to_its_end(void **state)
{
	struct lw_closer *c = virtual_closer(DEADLINE_MS, DRAIN_BYTES, false);
	struct pollfd ready = { .fd = lw_closer_fd(c), .events = POLLIN };
	struct lw_closed done;
	struct pair p;
	bool answered = false;
	size_t n = 0;

	(void)state;
	pair_begin(&p);
	give_amid_renegotiation(&p, c);
	for (int i = 0; i < 1000 && n == 0; i++) {
		uint8_t octet;

		ERR_clear_error();
		(void)!SSL_read(p.server, &octet, 1);
		if (!answered && (SSL_get_shutdown(p.server) & SSL_RECEIVED_SHUTDOWN)) {
			answered = true;
			(void)SSL_shutdown(p.server);
			(void)shutdown(p.fds[1], SHUT_WR);
		}
		(void)poll(&ready, 1, 1);
		(void)!lw_closer_run(c, &done, 1, &n);
	}
	assert_int_equal(n, 1);
	assert_true(answered);
	assert_int_equal(done.verdict.write, LW_ENDING_CLOSED);
	pair_end(&p);
	lw_closer_free(c);
}

static void a_handshake_that_never_ends_ends_at_the_deadline(void **state)
{
	(void)state;
	for (int frees = 0; frees < 2; frees++) {
		struct lw_closer *c = virtual_closer(DEADLINE_MS, DRAIN_BYTES, false);
		struct lw_closed done;
		struct pair p;
		size_t n;

		pair_begin(&p);
		give_amid_renegotiation(&p, c);
		assert_int_equal(lw_closer_run(c, &done, 1, &n), LW_AGAIN);
		clock_ms += DEADLINE_MS;
		if (!frees) {
			assert_int_equal(lw_closer_run(c, &done, 1, &n), LW_OK);
			assert_int_equal(done.verdict.read, LW_ENDING_EXPIRED);
			assert_int_equal(done.verdict.write, LW_ENDING_EXPIRED);
			assert_false(done.verdict.alert_sent.present);
		}
		lw_closer_free(c);
		pair_end(&p);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_sealed_leaves_first),
		cmocka_unit_test(our_fin_follows_the_alert_at_once),
		cmocka_unit_test(what_has_not_left_by_the_deadline_is_told),
		cmocka_unit_test(draining_has_a_limit_in_bytes),
		cmocka_unit_test(the_limit_in_bytes_waits_for_acknowledgement),
		cmocka_unit_test(what_came_before_our_fin_is_not_counted),
		cmocka_unit_test(input_is_drained_while_output_waits),
		cmocka_unit_test(a_handshake_in_the_way_is_brought_to_its_end),
		cmocka_unit_test(a_handshake_that_never_ends_ends_at_the_deadline),
	};

	return run_cases(tests);
}
