/* stand: see stand.h.  Nothing here sleeps: a socket is polled until both sides are quiet. */
#include "stand.h"

#include "adversary/loopback.h"
#include "stream/stream.h"

#include <fcntl.h>
#include <openssl/err.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

/* Loopback delivers at once; this bounds the wait for what never comes. */
#define QUIET_MS 5

/* The own transport */

static bool fails_now(struct stand *s, bool sends, enum lw_io *how, size_t *len, int *os_error)
{
	struct stand_fault *fault = &s->options.fault;
	const unsigned call = s->calls[sends]++;

	if (!fault->armed || fault->sends != sends || fault->nth != call)
		return false;
	fault->fired = true;
	if (fault->shortens) {
		*len = 1;
		return false;
	}
	*how = fault->how;
	*os_error = fault->os_error;
	return true;
}

static size_t at_most(size_t len, size_t bound)
{
	return bound > 0 && len > bound ? bound : len;
}

static enum lw_io own_recv(void *context, void *buf, size_t cap, size_t *n, int *os_error)
{
	struct stand *s = context;
	enum lw_io how;

	*n = 0;
	if (cap > s->most_asked)
		s->most_asked = cap;
	if (fails_now(s, false, &how, &cap, os_error))
		return how;
	cap = at_most(cap, s->options.piece_bytes);
	if (cap > s->allowed)
		cap = s->allowed;
	if (cap > 0 && BIO_read_ex(s->in, buf, cap, n) == 1) {
		s->allowed -= s->allowed == SIZE_MAX ? 0 : *n;
		return LW_IO_OK;
	}
	*n = 0;
	return s->allowed == 0 ? LW_IO_AGAIN : s->ended;
}

static enum lw_io own_send(void *context, const void *buf, size_t len, size_t *n, int *os_error)
{
	struct stand *s = context;
	const size_t bound = s->options.buffer_bytes;
	const size_t waiting = BIO_ctrl_pending(s->out);
	enum lw_io how;

	*n = 0;
	if (fails_now(s, true, &how, &len, os_error))
		return how;
	if (bound > 0 && waiting >= bound)
		return LW_IO_AGAIN;
	len = at_most(len, bound > 0 ? bound - waiting : 0);
	return BIO_write_ex(s->out, buf, at_most(len, s->options.piece_bytes), n) == 1
	           ? LW_IO_OK
	           : LW_IO_AGAIN;
}

/* Beginning and ending */

static bool make_context(struct stand *s)
{
	struct stack_setup setup = { .server = s->options.serves, .version = s->options.version };
	struct certificate *c = certificate_new(NULL, NULL);
	static struct certificate_pem pem;
	const bool printed = c != NULL && certificate_print(c, &pem);

	certificate_free(c);
	if (!printed)
		return false;
	if (setup.server) {
		setup.certificate_pem = pem.certificate;
		setup.key_pem = pem.key;
	}
	s->context = s->options.stack->context_new(&setup);
	return s->context != NULL;
}

static bool make_transport(struct stand *s, struct adversary_options *peer)
{
	int fds[2];

	if (!s->options.socket) {
		s->transport = (struct lw_transport){ own_recv, own_send, s };
		s->in = BIO_new(BIO_s_mem());
		s->out = BIO_new(BIO_s_mem());
		return s->in != NULL && s->out != NULL;
	}
	if (!loopback_pair(fds))
		return false;
	s->fd = fds[0];
	peer->transport = ADVERSARY_SOCKET;
	peer->fd = fds[1];
	return fcntl(s->fd, F_SETFL, O_NONBLOCK) == 0;
}

static bool is_ready(const struct stand *s, unsigned interest)
{
	const unsigned events = s->stream ? lw_events(s->stream, interest) : LW_EVENT_READABLE;
	struct pollfd p = { .fd = s->fd,
		            .events = (short)(events & LW_EVENT_WRITABLE ? POLLOUT : 0) };

	if (events & LW_EVENT_READABLE)
		p.events |= POLLIN;
	return s->fd >= 0 && poll(&p, 1, QUIET_MS) > 0;
}

void stand_spin(struct stand *s)
{
	enum adversary_action action = ADVERSARY_NONE;

	adversary_set_time(s->adversary, s->now_ms);
	if (s->options.socket) {
		(void)adversary_run(s->adversary);
		return;
	}
	(void)adversary_run_memory(s->adversary, s->in, s->out, &action);
	if (action != ADVERSARY_NONE)
		s->ended = action == ADVERSARY_FIN ? LW_IO_FIN : LW_IO_RESET;
}

bool stand_reads_ahead;

bool stand_attach(struct stand *s)
{
	s->stream = s->options.stack->attach(s->connection, s->options.stream, &s->refusal);
	if (s->stream != NULL && stand_reads_ahead) {
		s->stream->wire.reads_ahead = true;
		s->stream->wire.ahead_at = 1;
	}
	return s->stream != NULL;
}

static void shake_hands_bare(struct stand *s, int turns)
{
	for (int i = 0; i < turns; i++) {
		if (s->options.stack->handshake(s->connection) != STACK_WAITS)
			return;
		stand_spin(s);
		(void)is_ready(s, LW_INTEREST_READ);
	}
}

static void shake_hands(struct stand *s)
{
	for (int i = 0; i < 40 && lw_handshake(s->stream) == LW_AGAIN; i++) {
		stand_spin(s);
		(void)is_ready(s, LW_INTEREST_READ);
	}
	stand_spin(s);
}

bool stand_begin(struct stand *s, const struct stand_options *options,
                 const struct adversary_script *script)
{
	struct adversary_options peer = {
		.role = options->serves ? ADVERSARY_CLIENT : ADVERSARY_SERVER,
		.version = options->version,
	};
	struct stack_place place;

	*s = (struct stand){ .options = *options,
		             .now_ms = 1000,
		             .fd = -1,
		             .ended = LW_IO_AGAIN,
		             .allowed = SIZE_MAX };
	if (!make_context(s) || !make_transport(s, &peer))
		return false;
	place = (struct stack_place){ .fd = s->fd, .transport = &s->transport };
	s->connection = options->stack->connection_new(s->context, &place);
	s->adversary = adversary_new(&peer, script);
	if (s->connection == NULL || s->adversary == NULL)
		return false;
	if (options->attach == STAND_DURING)
		shake_hands_bare(s, 1);
	if (options->attach == STAND_AFTER || options->attach == STAND_BARE)
		shake_hands_bare(s, 40);
	stand_spin(s);
	if (options->attach == STAND_BARE)
		return true;
	if (!stand_attach(s))
		return false;
	shake_hands(s);
	return true;
}

void stand_end(struct stand *s)
{
	lw_free(s->stream);
	adversary_free(s->adversary);
	s->options.stack->connection_free(s->connection);
	s->options.stack->context_free(s->context);
	BIO_free(s->in);
	BIO_free(s->out);
	if (s->fd >= 0)
		close(s->fd);
	ERR_clear_error();
}

/* Driving */

static void check_pattern(struct stand *s, const uint8_t *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (bytes[i] != adversary_pattern(s->bytes + i))
			s->differs = true;
	s->bytes += len;
}

/* After LW_AGAIN: the peer's turn, then whether anything may have changed. */
static bool waits_in_vain(struct stand *s, unsigned interest)
{
	const size_t waiting = s->out ? BIO_ctrl_pending(s->out) : 0;

	stand_spin(s);
	if (s->options.socket)
		return !is_ready(s, interest);
	/* What is not allowed to come is not here. */
	return (s->allowed == 0 || BIO_ctrl_pending(s->in) == 0) &&
	       BIO_ctrl_pending(s->out) == waiting;
}

enum lw_status stand_read(struct stand *s)
{
	uint8_t buf[700];
	int vain = 0;
	size_t n;

	for (;;) {
		const enum lw_status status = lw_read(s->stream, buf, sizeof buf, &n);

		check_pattern(s, buf, n);
		if (status == LW_OK)
			continue;
		if (status != LW_AGAIN)
			return status;
		vain = waits_in_vain(s, LW_INTEREST_READ) ? vain + 1 : 0;
		if (vain == 2)
			return LW_AGAIN;
	}
}

uint64_t stand_fill(struct stand *s)
{
	uint64_t taken = 0;
	uint8_t block[16384];
	size_t n;

	do {
		for (size_t i = 0; i < sizeof block; i++)
			block[i] = adversary_pattern(taken + i);
		n = 0;
		(void)!lw_write(s->stream, block, sizeof block, &n);
		taken += n;
	} while (n > 0 && taken < 64u << 20);
	return taken;
}

static enum lw_status until_over(struct stand *s, enum lw_status (*call)(struct lw_stream *))
{
	int vain = 0;

	for (int i = 0; i < 10000; i++) {
		const enum lw_status status = call(s->stream);
		int limit;

		if (status != LW_AGAIN) {
			stand_spin(s);
			return status;
		}
		if (!waits_in_vain(s, 0)) {
			vain = 0;
			continue;
		}
		limit = lw_timeout_ms(s->stream, s->now_ms);
		if (++vain < 2 || limit < 0)
			continue;
		s->now_ms += (uint64_t)limit;
		(void)lw_timeout_ms(s->stream, s->now_ms);
		vain = 0;
	}
	return LW_AGAIN;
}

enum lw_status stand_close(struct stand *s)
{
	return until_over(s, lw_close);
}

enum lw_status stand_abort(struct stand *s)
{
	return until_over(s, lw_abort);
}

enum lw_status stand_finish(struct stand *s)
{
	return until_over(s, lw_finish);
}

static enum lw_status unwrap(struct lw_stream *stream)
{
	size_t n;

	return lw_unwrap(stream, NULL, 0, &n);
}

enum lw_status stand_unwrap(struct stand *s)
{
	return until_over(s, unwrap);
}

struct lw_verdict stand_verdict(const struct stand *s)
{
	struct lw_verdict verdict;

	lw_verdict(s->stream, &verdict);
	return verdict;
}
