/* rig: see rig.h.  Nothing sleeps: the closer's descriptor is polled until both sides are quiet. */
#include "rig.h"

#include "adversary/loopback.h"
#include "tests/unit.h"

#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

/* Loopback delivers at once; this bounds the wait for what never comes. */
#define QUIET_MS 4

uint64_t clock_ms = 1000000;
void (*closer_window)(bool inside);

static void set_window(bool inside)
{
	if (closer_window)
		closer_window(inside);
}

static uint64_t tell_clock(void *context)
{
	(void)context;
	return clock_ms;
}

struct lw_closer *virtual_closer(uint32_t deadline_ms, uint64_t drain_bytes, bool verifies)
{
	const struct lw_closer_options options = { .deadline_ms = deadline_ms,
		                                   .drain_bytes = drain_bytes,
		                                   .verifies = verifies,
		                                   .now_ms = tell_clock };
	struct lw_closer *c = lw_closer_new(&options);

	assert_non_null(c);
	return c;
}

static void make_subject(struct guest *g, const struct guest_options *o, enum lw_version version)
{
	const struct stack_place place = { .fd = g->fd };
	struct stack_setup setup = { .server = o->serves, .version = version };
	struct certificate *certificate = certificate_new(NULL, NULL);
	struct certificate_pem pem;

	assert_true(certificate && certificate_print(certificate, &pem));
	if (o->serves) {
		setup.certificate_pem = pem.certificate;
		setup.key_pem = pem.key;
	}
	g->context = g->stack->context_new(&setup);
	assert_non_null(g->context);
	g->connection = g->stack->connection_new(g->context, &place);
	assert_non_null(g->connection);
	g->stream = g->stack->attach(g->connection, o->stream, &g->why);
	assert_non_null(g->stream);
	certificate_free(certificate);
}

static bool is_quiet(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, QUIET_MS) == 0;
}

static void shake_hands(struct guest *g)
{
	enum lw_status status = LW_AGAIN;

	for (int i = 0; i < 40 && status == LW_AGAIN; i++) {
		status = lw_handshake(g->stream);
		(void)adversary_run(g->adversary);
		if (status == LW_AGAIN)
			(void)is_quiet(g->fd);
	}
	assert_int_equal(status, LW_OK);
}

void guest_begin(struct guest *g, const struct guest_options *options,
                 const struct adversary_script *script)
{
	struct adversary_options peer = { .role =
		                              options->serves ? ADVERSARY_CLIENT : ADVERSARY_SERVER,
		                          .version = options->version,
		                          .transport = ADVERSARY_SOCKET };
	int fds[2];

	if (options->version == LW_VERSION_UNKNOWN)
		peer.version = LW_VERSION_TLS1_3;
	*g = (struct guest){ .stack = options->stack ? options->stack : &openssl_stack, .fd = -1 };
	assert_true(loopback_pair(fds));
	assert_int_equal(fcntl(fds[0], F_SETFL, O_NONBLOCK), 0);
	g->fd = fds[0];
	peer.fd = fds[1];
	make_subject(g, options, peer.version);
	g->adversary = adversary_new(&peer, script);
	assert_non_null(g->adversary);
	shake_hands(g);
}

void guest_end(struct guest *g)
{
	lw_free(g->stream);
	g->stack->connection_free(g->connection);
	g->stack->context_free(g->context);
	adversary_free(g->adversary);
	if (g->fd >= 0)
		close(g->fd);
}

void guest_spin(struct guest *g)
{
	const struct exchange *x = adversary_exchange(g->adversary);
	size_t before;

	do {
		before = x->count;
		(void)adversary_run(g->adversary);
	} while (x->count != before);
}

uint64_t guest_fill(struct guest *g)
{
	uint64_t taken = 0;
	uint8_t block[16384];
	unsigned vain = 0;
	size_t n;

	/* What is under way to the peer may leave room a moment later. */
	while (vain < 4 && taken < 64u << 20) {
		struct pollfd p = { .fd = g->fd, .events = POLLOUT };

		for (size_t i = 0; i < sizeof block; i++)
			block[i] = adversary_pattern(taken + i);
		n = 0;
		(void)!lw_write(g->stream, block, sizeof block, &n);
		taken += n;
		vain = n > 0 || poll(&p, 1, QUIET_MS) == 1 ? 0 : vain + 1;
	}
	return taken;
}

enum lw_status guest_give(struct guest *g, struct lw_closer *c)
{
	enum lw_status status;

	set_window(true);
	status = lw_closer_add(c, g->stream, g, &g->why);
	set_window(false);
	if (status != LW_OK)
		return status;
	g->stream = NULL;
	g->fd = -1;
	g->stack->give_away(g->connection);
	return status;
}

static enum lw_status run_closer(struct lw_closer *c, struct lw_closed *done, size_t cap, size_t *n)
{
	enum lw_status status;

	set_window(true);
	status = lw_closer_run(c, done, cap, n);
	set_window(false);
	return status;
}

static unsigned take_batch(struct lw_closer *c)
{
	struct lw_closed done[4];
	unsigned all = 0;
	size_t n;

	while (run_closer(c, done, 4, &n) == LW_OK) {
		assert_true(n > 0 && n <= 4);
		for (size_t i = 0; i < n; i++) {
			struct guest *g = done[i].tag;

			assert_false(g->over);
			g->over = true;
			g->verdict = done[i].verdict;
		}
		all += (unsigned)n;
	}
	assert_int_equal(n, 0);
	return all;
}

unsigned run_guests(struct lw_closer *c, struct guest *guests, unsigned count)
{
	unsigned over = 0, vain = 0;

	while (over < count && vain < 2) {
		for (unsigned i = 0; i < count; i++)
			guest_spin(&guests[i]);
		over += take_batch(c);
		vain = is_quiet(lw_closer_fd(c)) ? vain + 1 : 0;
	}
	for (unsigned i = 0; i < count; i++)
		guest_spin(&guests[i]);
	return over;
}
