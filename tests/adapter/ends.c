/* ends: see ends.h.  Nothing here sleeps: both sockets are polled until both are quiet. */
#include "ends.h"

#include "adversary/adversary.h"
#include "adversary/loopback.h"
#include "stream/stream.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* What should come comes at once; only a cell that fails waits so long for what never comes. */
#define QUIET_MS      5000
#define TURNS_MAX     200000
#define SEGMENT_BYTES 1400
#define SMALL_BYTES   8192
#define PLAIN_LINE    "plaintext after TLS\n"
#define PLAIN_BYTES   (sizeof PLAIN_LINE - 1)

/* Steps.  Each gives whether anything moved; a step that is done goes to the next one. */

enum { BLOCK_BYTES = 20000 }; /* more than a record */

static bool next_step(struct end *end)
{
	end->step++;
	return true;
}

static bool give_up(struct end *end, const char *trouble)
{
	end->trouble = trouble;
	return false;
}

static bool write_some(struct end *end, uint64_t until, size_t most)
{
	uint8_t block[BLOCK_BYTES];
	const uint64_t left = until - end->written;
	const size_t len = left < most ? (size_t)left : most;
	size_t n;

	if (len == 0)
		return false;
	for (size_t i = 0; i < len; i++)
		block[i] = adversary_pattern(end->written + i);
	if (lw_write(end->stream, block, len, &n) != LW_OK)
		return false;
	end->written += n;
	return true;
}

static enum lw_status read_some(struct end *end)
{
	uint8_t block[5000];
	size_t n;
	const enum lw_status status = lw_read(end->stream, block, sizeof block, &n);

	for (size_t i = 0; i < n; i++)
		if (block[i] != adversary_pattern(end->read + i))
			end->differs = true;
	end->read += n;
	return status;
}

static bool do_write(struct end *end, struct end *other)
{
	enum lw_status status;

	(void)other;
	if (write_some(end, end->step->bytes, BLOCK_BYTES))
		return true;
	if (end->written < end->step->bytes)
		return false;
	status = lw_flush(end->stream);
	if (status == LW_AGAIN)
		return false;
	return status == LW_OK ? next_step(end) : give_up(end, "flushing failed");
}

static bool do_read(struct end *end, struct end *other)
{
	const uint64_t before = end->read;
	enum lw_status status = LW_OK;

	(void)other;
	if (end->read < end->step->bytes)
		status = read_some(end);
	if (end->read >= end->step->bytes)
		return next_step(end);
	if (status != LW_OK && status != LW_AGAIN)
		return give_up(end, "reading ended too early");
	return end->read > before;
}

static bool do_both(struct end *end, struct end *other)
{
	const bool wrote = write_some(end, end->step->bytes, BLOCK_BYTES);
	const uint64_t before = end->read;

	(void)other;
	if (end->read < end->step->bytes)
		(void)!read_some(end);
	if (end->read >= end->step->bytes && end->written >= end->step->bytes &&
	    lw_flush(end->stream) == LW_OK)
		return next_step(end);
	return wrote || end->read > before;
}

static bool do_fill(struct end *end, struct end *other)
{
	(void)other;
	while (write_some(end, UINT64_MAX, LW_ADAPTER_WRITE_MAX)) /* the last is half out */
		;
	if (!(lw_events(end->stream, 0) & LW_EVENT_WRITABLE))
		return give_up(end, "no record is half out");
	return next_step(end);
}

static bool do_read_end(struct end *end, struct end *other)
{
	const enum lw_status status = read_some(end);

	(void)other;
	if (status == LW_AGAIN)
		return false;
	if (status == LW_OK)
		return true;
	end->read_status = status;
	return next_step(end);
}

static bool do_complete(struct end *end, struct end *other)
{
	(void)other;
	lw_complete(end->stream, true);
	return next_step(end);
}

static bool over(struct end *end, enum lw_status status)
{
	if (status == LW_AGAIN)
		return false;
	end->over_status = status;
	return next_step(end);
}

static bool do_finish(struct end *end, struct end *other)
{
	(void)other;
	return over(end, lw_finish(end->stream));
}

static bool do_close(struct end *end, struct end *other)
{
	(void)other;
	return over(end, lw_close(end->stream));
}

static bool do_abort(struct end *end, struct end *other)
{
	(void)other;
	return over(end, lw_abort(end->stream));
}

static bool do_unwrap(struct end *end, struct end *other)
{
	char rest[16];
	size_t n;

	(void)other;
	return over(end, lw_unwrap(end->stream, rest, sizeof rest, &n));
}

static bool do_plain(struct end *end, struct end *other)
{
	char line[64];
	ssize_t got;

	(void)other;
	if (end->plain_bytes == 0 &&
	    send(end->fd, PLAIN_LINE, PLAIN_BYTES, MSG_NOSIGNAL) != (ssize_t)PLAIN_BYTES)
		return give_up(end, "no plaintext can be sent");
	end->plain_bytes = 1;
	got = recv(end->fd, line, sizeof line, MSG_PEEK | MSG_DONTWAIT);
	if (got < (ssize_t)PLAIN_BYTES)
		return false;
	end->overread = got != (ssize_t)PLAIN_BYTES || memcmp(line, PLAIN_LINE, PLAIN_BYTES) != 0;
	return next_step(end);
}

static bool do_shut_write(struct end *end, struct end *other)
{
	(void)other;
	return shutdown(end->fd, SHUT_WR) == 0 ? next_step(end) : give_up(end, "no FIN");
}

static bool do_reset(struct end *end, struct end *other)
{
	const struct linger at_once = { .l_onoff = 1 };

	(void)other;
	if (setsockopt(end->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once) != 0)
		return give_up(end, "no RST");
	lw_free(end->stream);
	end->stream = NULL;
	close(end->fd);
	end->fd = -1;
	return next_step(end);
}

static bool do_meet(struct end *end, struct end *other)
{
	const bool was_met = end->met;

	end->met = true;
	if (!other->met)
		return !was_met;
	/* The second to come goes on; so does the first, which the flag tells. */
	return next_step(end);
}

static bool (*const do_step[])(struct end *, struct end *) = {
	[DO_WRITE] = do_write,   [DO_READ] = do_read,         [DO_BOTH] = do_both,
	[DO_FILL] = do_fill,     [DO_READ_END] = do_read_end, [DO_COMPLETE] = do_complete,
	[DO_FINISH] = do_finish, [DO_CLOSE] = do_close,       [DO_ABORT] = do_abort,
	[DO_UNWRAP] = do_unwrap, [DO_PLAIN] = do_plain,       [DO_SHUT_WRITE] = do_shut_write,
	[DO_RESET] = do_reset,   [DO_MEET] = do_meet,
};

static bool is_over(const struct end *end)
{
	return end->step->kind == STEP_OVER || end->trouble != NULL;
}

static bool run_end(struct end *end, struct end *other)
{
	bool moved = false;

	/* One step after the other, but no more than one that is not done: the other's turn. */
	for (int i = 0; i < 64 && !is_over(end) && do_step[end->step->kind](end, other); i++)
		moved = true;
	return moved;
}

/* Driving */

static unsigned interest_of(const struct end *end)
{
	const struct step *step = end->step;
	unsigned interest = 0;

	if (step->kind == DO_READ_END ||
	    ((step->kind == DO_READ || step->kind == DO_BOTH) && end->read < step->bytes))
		interest |= LW_INTEREST_READ;
	if ((step->kind == DO_WRITE || step->kind == DO_BOTH) && end->written < step->bytes)
		interest |= LW_INTEREST_WRITE;
	return interest;
}

static unsigned events_of(const struct end *end)
{
	if (is_over(end) || end->stream == NULL)
		return 0;
	if (end->step->kind == DO_PLAIN)
		return LW_EVENT_READABLE;
	return lw_events(end->stream, interest_of(end));
}

/* Whether one of them may move now, as far as their descriptors tell. */
static bool is_ready(const struct ends *e)
{
	struct pollfd p[ENDS];

	for (int i = 0; i < ENDS; i++) {
		const unsigned events = events_of(&e->end[i]);

		p[i] = (struct pollfd){ .fd = events != 0 ? e->end[i].fd : -1,
			                .events =
			                    (short)((events & LW_EVENT_READABLE ? POLLIN : 0) |
			                            (events & LW_EVENT_WRITABLE ? POLLOUT : 0)) };
	}
	return poll(p, ENDS, QUIET_MS) > 0;
}

/* Lets the next deadline run out; false: none is armed. */
static bool pass_time(struct ends *e)
{
	int limit = -1;

	for (int i = 0; i < ENDS; i++) {
		const int own =
		    e->end[i].stream != NULL ? lw_timeout_ms(e->end[i].stream, e->now_ms) : -1;

		if (own >= 0 && (limit < 0 || own < limit))
			limit = own;
	}
	if (limit < 0)
		return false;
	e->now_ms += (uint64_t)limit;
	for (int i = 0; i < ENDS; i++)
		if (e->end[i].stream != NULL)
			(void)lw_timeout_ms(e->end[i].stream, e->now_ms);
	return true;
}

void ends_run(struct ends *e, const struct step *client, const struct step *server)
{
	e->end[CLIENT].step = client;
	e->end[SERVER].step = server;
	for (int turn = 0; turn < TURNS_MAX && !e->stuck; turn++) {
		bool moved = run_end(&e->end[CLIENT], &e->end[SERVER]);

		moved = run_end(&e->end[SERVER], &e->end[CLIENT]) || moved;
		if (is_over(&e->end[CLIENT]) && is_over(&e->end[SERVER]))
			return;
		if (!moved && !is_ready(e))
			e->stuck = !pass_time(e);
	}
	e->stuck = true;
}

/* Beginning */

/*
 * Small segments and windows from the beginning: records stand half out, and no window is
 * smaller than a segment, which TCP would only fill after a while.
 */
static bool make_small(int fd)
{
	const int small = SMALL_BYTES, segment = SEGMENT_BYTES, on = 1;

	return setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof small) == 0 &&
	       setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small) == 0 &&
	       setsockopt(fd, IPPROTO_TCP, TCP_MAXSEG, &segment, sizeof segment) == 0 &&
	       setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) == 0;
}

bool ends_small_pair(int fds[ENDS])
{
	struct sockaddr_in address = { .sin_family = AF_INET,
		                       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof address;
	const int listener = socket(AF_INET, SOCK_STREAM, 0);
	bool made;

	fds[CLIENT] = socket(AF_INET, SOCK_STREAM, 0);
	fds[SERVER] = -1;
	made = make_small(listener) && make_small(fds[CLIENT]) &&
	       bind(listener, (struct sockaddr *)&address, len) == 0 && listen(listener, 1) == 0 &&
	       getsockname(listener, (struct sockaddr *)&address, &len) == 0 &&
	       connect(fds[CLIENT], (struct sockaddr *)&address, len) == 0;
	if (made)
		fds[SERVER] = accept(listener, NULL, NULL); /* which inherits */
	close(listener);
	return fds[SERVER] >= 0;
}

static bool make_end(struct end *end, const struct ends_setup *setup, int which, int fd)
{
	struct stack_setup own = { .version = setup->version, .server = which == SERVER };
	const struct stack_place place = { .fd = fd,
		                           .resume = which == CLIENT ? setup->resume : NULL };

	end->stack = setup->stack[which];
	end->fd = fd;
	if (own.server) {
		own.certificate_pem = setup->pem->certificate;
		own.key_pem = setup->pem->key;
		own.tickets = setup->tickets > 0 ? setup->tickets : 1;
		own.stateful_tickets = setup->stateful_tickets;
	}
	if (fcntl(fd, F_SETFL, O_NONBLOCK) != 0)
		return false;
	end->borrows_context = setup->context[which] != NULL;
	end->context = end->borrows_context ? setup->context[which] : end->stack->context_new(&own);
	if (end->context == NULL)
		return false;
	end->connection = end->stack->connection_new(end->context, &place);
	return end->connection != NULL;
}

static bool shake_hands(struct ends *e)
{
	enum lw_status status[ENDS] = { LW_AGAIN, LW_AGAIN };

	for (int turn = 0; turn < TURNS_MAX; turn++) {
		for (int i = 0; i < ENDS; i++)
			status[i] = lw_handshake(e->end[i].stream);
		if (status[CLIENT] != LW_AGAIN && status[SERVER] != LW_AGAIN)
			break;
	}
	return status[CLIENT] == LW_OK && status[SERVER] == LW_OK;
}

bool ends_begin(struct ends *e, const struct ends_setup *setup, const char **why)
{
	int fds[ENDS];

	*e = (struct ends){ .end = { { .fd = -1 }, { .fd = -1 } } };
	*why = "no sockets";
	if (!(setup->small_buffers ? ends_small_pair(fds) : loopback_pair(fds)))
		return false;
	e->end[CLIENT].fd = fds[CLIENT];
	e->end[SERVER].fd = fds[SERVER];
	*why = "a library refused to begin";
	for (int i = 0; i < ENDS; i++)
		if (!make_end(&e->end[i], setup, i, fds[i]))
			return false;
	for (int i = 0; i < ENDS; i++) {
		e->end[i].stream = e->end[i].stack->attach(e->end[i].connection, NULL, why);
		if (e->end[i].stream == NULL)
			return false;
		if (setup->reads_ahead) {
			e->end[i].stream->wire.reads_ahead = true;
			e->end[i].stream->wire.ahead_at = 1;
		}
	}
	*why = "the handshake failed";
	return shake_hands(e);
}

void ends_finish(struct ends *e)
{
	for (int i = 0; i < ENDS; i++) {
		struct end *end = &e->end[i];

		lw_free(end->stream);
		if (end->stack != NULL) {
			end->stack->connection_free(end->connection);
			if (!end->borrows_context)
				end->stack->context_free(end->context);
		}
		if (end->fd >= 0)
			close(end->fd);
	}
}
