/* couple_scene: see couple_scene.h. */
#include "tests/pipe/couple_scene.h"

#include "tests/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <lastword/openssl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "adversary/loopback.h"
#include "pipe/couple_inside.h"

enum { LIMIT_MS = 8000, SCRATCH_BYTES = 64 * 1024 };

const struct plain_step scene_obeys[3] = { { .act = PLAIN_AWAIT_END },
	                                   { .act = PLAIN_FIN },
	                                   { .act = PLAIN_END } };
const struct leg_plan scene_plain_server = { .kind = HALF_TCP,
	                                     .plain = scene_obeys,
	                                     .profile = "https" };

static const struct adversary_step asks_and_goes[] = { STEP_TEXT(REQUEST), STEP_GO, STEP_END };
const struct leg_plan scene_asking_client = { .kind = HALF_TLS,
	                                      .version = LW_VERSION_TLS1_3,
	                                      .tls = { .steps = asks_and_goes },
	                                      .profile = "https" };

static struct certificate *certificate;

static int64_t clock_ms(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* ---- making */

static void set_buffer(int fd, int which, int bytes)
{
	if (bytes > 0)
		assert_int_equal(setsockopt(fd, SOL_SOCKET, which, &bytes, sizeof bytes), 0);
}

static void open_sockets(struct scene_leg *l)
{
	int fds[2];

	if (l->plan->kind == HALF_UNIX)
		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	else
		assert_true(loopback_pair(fds));
	l->ours = fds[0];
	l->theirs = fds[1];
	assert_int_equal(fcntl(l->theirs, F_SETFL, O_NONBLOCK), 0);
	assert_int_equal(fcntl(l->ours, F_SETFL, O_NONBLOCK), 0);
	set_buffer(l->theirs, SO_RCVBUF, l->plan->receive_buffer);
	set_buffer(l->ours, SO_RCVBUF, l->plan->our_buffers);
	set_buffer(l->ours, SO_SNDBUF, l->plan->our_buffers);
}

static void shake_hands(struct scene_leg *l)
{
	struct adversary_options options = {
		.role = l->is_front ? ADVERSARY_CLIENT : ADVERSARY_SERVER,
		.version = l->plan->version,
		.certificate = certificate,
		.transport = ADVERSARY_SOCKET,
		.fd = l->theirs,
	};
	struct lw_options limits;
	enum lw_status status;
	int64_t end = clock_ms() + LIMIT_MS;

	l->adversary = adversary_new(&options, &l->plan->tls);
	assert_non_null(l->adversary);
	l->ctx = SSL_CTX_new(TLS_method());
	assert_non_null(l->ctx);
	assert_true(adversary_set_version(l->ctx, l->plan->version));
	assert_true(certificate_present(certificate, l->ctx));
	l->ssl = SSL_new(l->ctx);
	assert_non_null(l->ssl);
	assert_int_equal(SSL_set_fd(l->ssl, l->ours), 1);
	if (l->is_front)
		SSL_set_accept_state(l->ssl);
	else
		SSL_set_connect_state(l->ssl);
	lw_options_default(&limits);
	limits.reads_ahead = true; /* as the relay does */
	l->stream = lw_openssl_attach(l->ssl, &limits, NULL);
	assert_non_null(l->stream);
	do {
		(void)adversary_run(l->adversary);
		status = lw_handshake(l->stream);
		assert_true(status == LW_OK || status == LW_AGAIN);
	} while (status != LW_OK && clock_ms() < end);
	assert_int_equal(status, LW_OK);
}

static void open_leg(struct scene_leg *l, const struct leg_plan *plan, bool is_front)
{
	const struct lw_profile *profile =
	    plan->profile != NULL ? lw_profile_by_name(plan->profile) : NULL;
	enum lw_role role = is_front ? LW_ROLE_SERVER : LW_ROLE_CLIENT;

	l->plan = plan;
	l->is_front = is_front;
	open_sockets(l);
	if (plan->kind == HALF_TLS) {
		shake_hands(l);
		endpoint_tls_init(&l->tls, l->stream, l->ours);
		if (profile != NULL)
			assert_int_equal(lw_use_profile(l->stream, profile, role), LW_OK);
		return;
	}
	if (plan->kind == HALF_UNIX)
		endpoint_unix_init(&l->plain, l->ours);
	else
		endpoint_tcp_init(&l->plain, l->ours);
	if (profile != NULL)
		endpoint_tcp_use_profile(&l->plain, profile, role, !plan->distrusts_fin);
	l->step = plan->plain;
	l->is_deaf = plan->is_deaf;
}

void scene_open(struct scene *s, const struct leg_plan *front, const struct leg_plan *back)
{
	memset(s, 0, sizeof *s);
	if (certificate == NULL)
		certificate = certificate_new(NULL, NULL);
	assert_non_null(certificate);
	assert_int_equal(uv_loop_init(&s->loop), 0);
	s->scratch.poller = poller_new(&s->loop);
	assert_non_null(s->scratch.poller);
	open_leg(&s->front, front, true);
	open_leg(&s->back, back, false);
	s->options = (struct couple_options){ .idle_timeout_ms = LIMIT_MS,
		                              .close_timeout_ms = 5000,
		                              .scratch = &s->scratch };
	s->scratch_bytes = SCRATCH_BYTES;
}

static struct endpoint *endpoint_of(struct scene_leg *l)
{
	return l->plan->kind == HALF_TLS ? &l->tls.base : &l->plain.base;
}

static void close_now(int *fd)
{
	if (*fd >= 0)
		(void)close(*fd);
	*fd = -1;
}

/* As an owner does: stream, TLS object, descriptor, where no closer has them. */
static void end_leg(struct scene_leg *l)
{
	if (l->plan->kind == HALF_TLS && l->tls.is_handed_over) {
		l->verdict = l->tls.verdict;
		l->ours = -1;
		l->stream = NULL;
		l->ssl = NULL;
		return;
	}
	if (l->stream != NULL)
		lw_verdict(l->stream, &l->verdict);
	lw_free(l->stream);
	SSL_free(l->ssl);
	l->stream = NULL;
	l->ssl = NULL;
	close_now(&l->ours);
}

static void on_freed(void *context)
{
	((struct scene *)context)->is_freed = true;
}

static void on_over(struct couple *c, void *context)
{
	struct scene *s = context;

	assert_false(s->is_over);
	s->is_over = true;
	couple_report(c, &s->report);
	couple_free(c, on_freed, s);
	end_leg(&s->front);
	end_leg(&s->back);
}

void scene_abandon(struct scene *s)
{
	couple_free(s->couple, on_freed, s);
	end_leg(&s->front);
	end_leg(&s->back);
}

void scene_start(struct scene *s)
{
	s->scratch.cap = s->scratch_bytes;
	s->scratch.bytes = malloc(s->scratch.cap);
	assert_non_null(s->scratch.bytes);
	uv_update_time(&s->loop);
	s->couple = couple_new(&s->loop, endpoint_of(&s->front), endpoint_of(&s->back), &s->options,
	                       on_over, s);
	assert_non_null(s->couple);
}

/* ---- plain peers */

static bool must_wait(void)
{
	return errno == EAGAIN || errno == EWOULDBLOCK;
}

static void hear(struct scene *s, struct scene_leg *l)
{
	static char buf[64 * 1024];
	ssize_t n;

	if (l->is_deaf && !s->is_over)
		return;
	while (l->theirs >= 0 && !l->saw_end && !l->saw_reset) {
		n = recv(l->theirs, buf, sizeof buf, 0);
		if (n < 0 && must_wait())
			return;
		if (n <= 0) {
			l->saw_end = n == 0;
			l->saw_reset = n < 0 && errno == ECONNRESET;
			assert_true(l->saw_end || l->saw_reset);
			return;
		}
		for (size_t i = 0; i < (size_t)n; i++) {
			if (l->got + i < sizeof l->heard)
				l->heard[l->got + i] = buf[i];
			l->differs |= (uint8_t)buf[i] != adversary_pattern(l->got + i);
		}
		l->got += (size_t)n;
	}
}

/* True: the step is over. */
static bool act(struct scene *s, struct scene_leg *l)
{
	const struct linger at_once = { .l_onoff = 1, .l_linger = 0 };
	size_t len;
	ssize_t n;

	switch (l->step->act) {
	case PLAIN_END:
		return false;
	case PLAIN_SAY:
		len = strlen(l->step->text);
		n = send(l->theirs, l->step->text + l->said, len - l->said, MSG_NOSIGNAL);
		l->said += n > 0 ? (size_t)n : 0;
		if (n >= 0 && l->said < len)
			return false;
		l->said = 0;
		return n >= 0 || !must_wait();
	case PLAIN_AWAIT:
		return l->got >= l->step->count || l->saw_end || l->saw_reset;
	case PLAIN_AWAIT_INPUT:
		return poll(&(struct pollfd){ .fd = l->theirs, .events = POLLIN }, 1, 0) == 1;
	case PLAIN_AWAIT_END:
		return l->saw_end || l->saw_reset || s->is_over;
	case PLAIN_FIN:
		(void)shutdown(l->theirs, SHUT_WR);
		return true;
	case PLAIN_RST:
		(void)setsockopt(l->theirs, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
		close_now(&l->theirs);
		return true;
	case PLAIN_CLOSE:
		close_now(&l->theirs);
		return true;
	}
	return false;
}

static void run_peer(struct scene *s, struct scene_leg *l)
{
	if (l->adversary != NULL) {
		enum adversary_status status = adversary_run(l->adversary);

		l->is_done = status != ADVERSARY_WAITING;
		return;
	}
	hear(s, l);
	while (l->step != NULL && l->theirs >= 0 && act(s, l))
		l->step++;
	hear(s, l);
	l->is_done = l->theirs < 0 || l->saw_end || l->saw_reset;
}

static struct pollfd poll_of(const struct scene *s, const struct scene_leg *l)
{
	struct pollfd p = { .fd = l->theirs, .events = POLLIN };

	if (l->adversary != NULL)
		p.events = adversary_poll_events(l->adversary);
	else if (l->step != NULL && l->step->act == PLAIN_SAY)
		p.events = POLLIN | POLLOUT;
	if (p.events == 0 || l->is_done || (l->is_deaf && !s->is_over))
		p.fd = -1;
	return p;
}

static void wait_for_all(struct scene *s)
{
	struct pollfd all[3] = { { .fd = uv_backend_fd(&s->loop), .events = POLLIN },
		                 poll_of(s, &s->front),
		                 poll_of(s, &s->back) };
	int limit = uv_backend_timeout(&s->loop);

	(void)poll(all, 3, limit < 0 || limit > 10 ? 10 : limit);
}

static void run_closer(struct scene *s)
{
	struct lw_closed closed[2];
	size_t n;

	if (s->closer == NULL || lw_closer_run(s->closer, closed, 2, &n) != LW_OK)
		return;
	for (size_t i = 0; i < n; i++)
		((struct scene_leg *)closed[i].tag)->verdict = closed[i].verdict;
}

void scene_turn(struct scene *s)
{
	(void)uv_run(&s->loop, UV_RUN_NOWAIT);
	run_closer(s);
	run_peer(s, &s->front);
	run_peer(s, &s->back);
	(void)uv_run(&s->loop, UV_RUN_NOWAIT);
	(void)uv_run(&s->loop, UV_RUN_NOWAIT); /* what was begun to be watched is */
	if (!s->is_over || !s->front.is_done || !s->back.is_done)
		wait_for_all(s);
}

void scene_turn_until_heard(struct scene *s, size_t len)
{
	while (scene_heard(&s->front) < len)
		scene_turn(s);
}

void scene_run(struct scene *s)
{
	int64_t end = clock_ms() + LIMIT_MS;

	while (!s->is_over || !s->front.is_done || !s->back.is_done) {
		if (clock_ms() >= end)
			fail_msg("not over in time: couple %d, front %d, back %d", s->is_over,
			         s->front.is_done, s->back.is_done);
		scene_turn(s);
	}
}

static void free_leg(struct scene_leg *l)
{
	adversary_free(l->adversary); /* closes its socket */
	if (l->adversary == NULL)
		close_now(&l->theirs);
	SSL_CTX_free(l->ctx);
}

void scene_close(struct scene *s)
{
	free_leg(&s->front);
	free_leg(&s->back);
	while (s->closer != NULL && lw_closer_count(s->closer) > 0)
		run_closer(s);
	lw_closer_free(s->closer);
	poller_free(s->scratch.poller);
	(void)uv_run(&s->loop, UV_RUN_DEFAULT);
	assert_true(s->is_freed);
	assert_int_equal(uv_loop_close(&s->loop), 0);
	free(s->scratch.bytes);
}

/* ---- time */

static void fire_timer(struct couple *c)
{
	c->timer_at_ms = uv_now(c->loop);
	assert_int_equal(uv_timer_start(&c->timer, c->timer.timer_cb, 0, 0), 0);
}

void scene_pass_idle(struct scene *s)
{
	s->couple->moved_at_ms = uv_now(&s->loop) - s->options.idle_timeout_ms;
	fire_timer(s->couple);
}

void scene_pass_deadline(struct scene *s)
{
	s->couple->deadline_ms = uv_now(&s->loop);
	fire_timer(s->couple);
}

/* ---- peers without steps */

/* Sends the pattern as the socket takes it; gives how much has been sent in all. */
size_t scene_feed(int fd, size_t sent, size_t all)
{
	static unsigned char block[50000];
	ssize_t n = 1;

	while (n > 0 && sent < all) {
		size_t len = all - sent < sizeof block ? all - sent : sizeof block;

		for (size_t i = 0; i < len; i++)
			block[i] = adversary_pattern(sent + i);
		n = send(fd, block, len, MSG_NOSIGNAL);
		sent += n > 0 ? (size_t)n : 0;
	}
	return sent;
}

void scene_reset_peer(struct scene_leg *l)
{
	const struct linger at_once = { .l_onoff = 1, .l_linger = 0 };

	(void)setsockopt(l->theirs, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
	(void)close(l->theirs);
	l->theirs = -1;
}

/* ---- what was seen */

enum seen scene_seen(const struct scene_leg *l)
{
	const struct adversary_tally *t;

	if (l->adversary == NULL)
		return l->saw_end ? SEEN_FINISH : l->saw_reset ? SEEN_ABORT : SEEN_NOTHING;
	t = adversary_subject(l->adversary);
	if (t->close_notifies > 0)
		return SEEN_FINISH;
	if (t->fatals > 0 || t->rst)
		return SEEN_ABORT;
	return t->fin && !t->cut_inside ? SEEN_BARE : SEEN_NOTHING;
}

size_t scene_heard(const struct scene_leg *l)
{
	return l->adversary != NULL ? adversary_subject(l->adversary)->data_bytes : l->got;
}
