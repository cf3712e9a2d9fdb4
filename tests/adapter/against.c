/* against: see against.h.  Nothing here sleeps: the socket is polled until both sides are quiet. */
#include "against.h"

#include "adversary/loopback.h"
#include "ends.h"
#include "pem.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

/* Loopback delivers at once; this bounds the wait for what never comes. */
#define QUIET_MS  5
#define TURNS_MAX 10000

/* The subject's own transport */

static enum lw_io own_recv(void *context, void *buf, size_t cap, size_t *n, int *os_error)
{
	struct against *a = context;
	ssize_t got;

	*n = 0;
	if (a->allowed == 0)
		return LW_IO_AGAIN;
	got = recv(a->fd, buf, cap < a->allowed ? cap : a->allowed, MSG_DONTWAIT);
	if (got < 0 && errno == EAGAIN)
		return LW_IO_AGAIN;
	if (got <= 0) {
		*os_error = got < 0 ? errno : 0;
		return got == 0 ? LW_IO_FIN : LW_IO_RESET;
	}
	*n = (size_t)got;
	a->allowed -= *n;
	return LW_IO_OK;
}

static enum lw_io own_send(void *context, const void *buf, size_t len, size_t *n, int *os_error)
{
	struct against *a = context;
	const ssize_t put = send(a->fd, buf, len, MSG_DONTWAIT | MSG_NOSIGNAL);

	*n = put > 0 ? (size_t)put : 0;
	*os_error = put < 0 ? errno : 0;
	return put > 0 ? LW_IO_OK : errno == EAGAIN ? LW_IO_AGAIN : LW_IO_RESET;
}

/* Beginning */

static bool make_connection(struct against *a)
{
	struct stack_setup setup = { .version = a->setup.version, .server = a->setup.serves };
	const struct stack_place place = { .fd = a->setup.own_transport ? -1 : a->fd,
		                           .transport = &a->transport };

	if (setup.server) {
		setup.certificate_pem = pem_certificate();
		setup.key_pem = pem_key();
	}
	a->transport = (struct lw_transport){ own_recv, own_send, a };
	a->allowed = SIZE_MAX;
	a->context = a->setup.stack->context_new(&setup);
	if (a->context == NULL)
		return false;
	a->connection = a->setup.stack->connection_new(a->context, &place);
	return a->connection != NULL;
}

static bool subject_is_ready(const struct against *a)
{
	const unsigned events =
	    a->stream != NULL ? lw_events(a->stream, LW_INTEREST_READ) : LW_EVENT_READABLE;
	struct pollfd p = { .fd = a->fd,
		            .events = (short)((events & LW_EVENT_READABLE ? POLLIN : 0) |
		                              (events & LW_EVENT_WRITABLE ? POLLOUT : 0)) };

	return a->allowed > 0 && poll(&p, 1, QUIET_MS) > 0;
}

bool against_spin(struct against *a)
{
	adversary_set_time(a->adversary, a->now_ms);
	(void)adversary_run(a->adversary);
	return subject_is_ready(a);
}

static bool is_shaken(struct against *a)
{
	if (a->stream != NULL)
		return lw_handshake(a->stream) != LW_AGAIN;
	return a->setup.stack->handshake(a->connection) != STACK_WAITS;
}

bool against_attach(struct against *a)
{
	a->stream = a->setup.stack->attach(a->connection, NULL, &a->refusal);
	return a->stream != NULL;
}

bool against_begin(struct against *a, const struct against_setup *setup,
                   const struct adversary_script *script)
{
	struct adversary_options peer = { .role =
		                              setup->serves ? ADVERSARY_CLIENT : ADVERSARY_SERVER,
		                          .version = setup->version,
		                          .transport = ADVERSARY_SOCKET };
	int fds[2];

	*a = (struct against){ .setup = *setup, .fd = -1, .now_ms = 1000 };
	if (!(setup->small_buffers ? ends_small_pair(fds) : loopback_pair(fds)))
		return false;
	a->fd = fds[0];
	peer.fd = fds[1];
	a->adversary = adversary_new(&peer, script);
	if (a->adversary == NULL || fcntl(a->fd, F_SETFL, O_NONBLOCK) != 0 || !make_connection(a))
		return false;
	if (setup->attach == AGAINST_BEFORE && !against_attach(a))
		return false;
	for (int i = 0; i < TURNS_MAX && !is_shaken(a); i++)
		(void)against_spin(a);
	for (int i = 0; i < TURNS_MAX && !adversary_is_scripted(a->adversary); i++)
		(void)against_spin(a);
	return setup->attach != AGAINST_AFTER || against_attach(a);
}

void against_end(struct against *a)
{
	lw_free(a->stream);
	a->setup.stack->connection_free(a->connection);
	a->setup.stack->context_free(a->context);
	adversary_free(a->adversary);
	if (a->fd >= 0)
		close(a->fd);
}

/* The subject's turns */

static void take(struct against *a, const uint8_t *bytes, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (bytes[i] != adversary_pattern(a->bytes + i))
			a->differs = true;
	a->bytes += n;
}

enum lw_status against_read(struct against *a)
{
	enum lw_status status = LW_AGAIN;

	for (int vain = 0; vain < 2;) {
		uint8_t buf[700];
		size_t n;

		status = lw_read(a->stream, buf, sizeof buf, &n);
		take(a, buf, n);
		if (status != LW_OK && status != LW_AGAIN)
			return status;
		if (status == LW_AGAIN)
			vain = against_spin(a) ? 0 : vain + 1;
	}
	return status;
}

enum stack_did against_read_bare(struct against *a)
{
	enum stack_did did = STACK_WAITS;

	for (int vain = 0; vain < 2;) {
		uint8_t buf[700];
		size_t n;

		did = a->setup.stack->read(a->connection, buf, sizeof buf, &n);
		take(a, buf, n);
		if (did != STACK_OK && did != STACK_WAITS)
			return did;
		if (did == STACK_WAITS)
			vain = against_spin(a) ? 0 : vain + 1;
	}
	return did;
}

uint64_t against_fill(struct against *a)
{
	uint64_t taken = 0;
	uint8_t block[16384];
	size_t n;

	do {
		for (size_t i = 0; i < sizeof block; i++)
			block[i] = adversary_pattern(taken + i);
		n = 0;
		if (a->stream != NULL)
			(void)!lw_write(a->stream, block, sizeof block, &n);
		else
			(void)a->setup.stack->write(a->connection, block, sizeof block, &n);
		taken += n;
	} while (n > 0);
	return taken;
}

static enum lw_status until_over(struct against *a, enum lw_status (*call)(struct lw_stream *))
{
	int vain = 0;

	for (int i = 0; i < TURNS_MAX; i++) {
		const enum lw_status status = call(a->stream);
		int limit;

		if (status != LW_AGAIN) {
			(void)against_spin(a);
			return status;
		}
		vain = against_spin(a) ? 0 : vain + 1;
		limit = lw_timeout_ms(a->stream, a->now_ms);
		if (vain < 2 || limit < 0)
			continue;
		a->now_ms += (uint64_t)limit;
		(void)lw_timeout_ms(a->stream, a->now_ms);
		vain = 0;
	}
	return LW_AGAIN;
}

enum lw_status against_close(struct against *a)
{
	return until_over(a, lw_close);
}

enum lw_status against_abort(struct against *a)
{
	return until_over(a, lw_abort);
}

struct lw_verdict against_verdict(const struct against *a)
{
	struct lw_verdict verdict;

	lw_verdict(a->stream, &verdict);
	return verdict;
}

const struct adversary_tally *against_seen(const struct against *a)
{
	return adversary_subject(a->adversary);
}
