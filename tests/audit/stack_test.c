/*
 * stack_test: each row of the table of TLS libraries does what its header promises, in every
 * version that the library speaks: client and server of the same library shake hands, carry data,
 * shut down and resume, over loopback TCP and over an application's own transport.
 */
#include "adversary/loopback.h"
#include "audit/stack.h"
#include "net/certificate.h"
#include "tests/unit.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { CLIENT, SERVER, SIDES };
enum { PIPE_BYTES = 1 << 16, TURNS_MAX = 10000 };

/* One direction of a transport in memory. */
struct pipe_half {
	uint8_t bytes[PIPE_BYTES];
	size_t len;
};

struct memory_side {
	struct pipe_half *in, *out;
};

struct duo {
	const struct stack *stack;
	struct stack_context *context[SIDES];
	struct stack_connection *connection[SIDES];
	int fd[SIDES];
	struct pipe_half half[SIDES];
	struct memory_side side[SIDES];
	struct lw_transport transport[SIDES];
};

struct row {
	const struct stack *stack;
	enum lw_version version;
	bool memory;
};

static struct certificate_pem pem;
static struct duo duo;

static enum lw_io memory_recv(void *context, void *buf, size_t cap, size_t *n, int *os_error)
{
	struct pipe_half *half = ((struct memory_side *)context)->in;

	(void)os_error;
	*n = half->len < cap ? half->len : cap;
	memcpy(buf, half->bytes, *n);
	half->len -= *n;
	memmove(half->bytes, half->bytes + *n, half->len);
	return *n > 0 ? LW_IO_OK : LW_IO_AGAIN;
}

static enum lw_io memory_send(void *context, const void *buf, size_t len, size_t *n, int *os_error)
{
	struct pipe_half *half = ((struct memory_side *)context)->out;
	const size_t room = PIPE_BYTES - half->len;

	(void)os_error;
	*n = len < room ? len : room;
	memcpy(half->bytes + half->len, buf, *n);
	half->len += *n;
	return *n > 0 ? LW_IO_OK : LW_IO_AGAIN;
}

static void open_contexts(struct duo *d, const struct row *row)
{
	struct stack_setup setup = { .version = row->version };

	*d = (struct duo){ .stack = row->stack, .fd = { -1, -1 } };
	d->context[CLIENT] = row->stack->context_new(&setup);
	setup.server = true;
	setup.certificate_pem = pem.certificate;
	setup.key_pem = pem.key;
	setup.tickets = 1;
	d->context[SERVER] = row->stack->context_new(&setup);
	assert_non_null(d->context[CLIENT]);
	assert_non_null(d->context[SERVER]);
}

static void open_connections(struct duo *d, bool memory, const struct stack_session *resume)
{
	if (!memory)
		assert_true(loopback_pair(d->fd));
	for (int i = 0; i < SIDES; i++) {
		struct stack_place place = { .fd = d->fd[i], .transport = &d->transport[i] };

		if (!memory)
			assert_int_equal(fcntl(d->fd[i], F_SETFL, O_NONBLOCK), 0);
		d->half[i].len = 0;
		d->side[i] = (struct memory_side){ &d->half[i], &d->half[1 - i] };
		d->transport[i] = (struct lw_transport){ memory_recv, memory_send, &d->side[i] };
		place.resume = i == CLIENT ? resume : NULL;
		d->connection[i] = d->stack->connection_new(d->context[i], &place);
		assert_non_null(d->connection[i]);
	}
}

static void close_connections(struct duo *d)
{
	for (int i = 0; i < SIDES; i++) {
		d->stack->connection_free(d->connection[i]);
		if (d->fd[i] >= 0)
			close(d->fd[i]);
		d->fd[i] = -1;
	}
}

static void close_contexts(struct duo *d)
{
	d->stack->context_free(d->context[CLIENT]);
	d->stack->context_free(d->context[SERVER]);
}

static void shake_hands(struct duo *d)
{
	enum stack_did did[SIDES] = { STACK_WAITS, STACK_WAITS };

	for (int turn = 0; turn < TURNS_MAX && (did[0] != STACK_OK || did[1] != STACK_OK); turn++)
		for (int i = 0; i < SIDES; i++) {
			if (did[i] == STACK_WAITS)
				did[i] = d->stack->handshake(d->connection[i]);
			if (did[i] != STACK_WAITS && did[i] != STACK_OK)
				assert_string_equal(d->stack->reason(d->connection[i]),
				                    "no reason to fail");
		}
	assert_int_equal(did[CLIENT], STACK_OK);
	assert_int_equal(did[SERVER], STACK_OK);
}

static void carry(struct duo *d, int from, const char *text)
{
	const size_t len = strlen(text);
	size_t sent = 0, got = 0;
	char bytes[64];

	for (int turn = 0; turn < TURNS_MAX && got < len; turn++) {
		size_t n = 0;
		enum stack_did did = STACK_WAITS;

		if (sent < len) /* as much as it takes: TLS 1.0 may split off a first byte */
			did = d->stack->write(d->connection[from], text + sent, len - sent, &n);
		assert_true(did == STACK_OK || did == STACK_WAITS);
		sent += n;
		did = d->stack->read(d->connection[1 - from], bytes + got, sizeof bytes - got, &n);
		assert_true(did == STACK_OK || did == STACK_WAITS);
		got += n;
	}
	assert_int_equal(got, len);
	assert_memory_equal(bytes, text, len);
}

/* Both shut down at once; each then has the other's closure. */
static void shut_down(struct duo *d)
{
	enum stack_did did[SIDES] = { STACK_WAITS, STACK_WAITS };

	for (int turn = 0; turn < TURNS_MAX && (did[0] == STACK_WAITS || did[1] == STACK_WAITS);
	     turn++)
		for (int i = 0; i < SIDES; i++)
			if (did[i] == STACK_WAITS)
				did[i] = d->stack->shutdown(d->connection[i]);
	assert_int_equal(did[CLIENT], STACK_OK);
	assert_int_equal(did[SERVER], STACK_OK);
}

static void it_does_what_it_promises(void **state)
{
	const struct row *row = *state;
	struct stack_session *session;

	open_contexts(&duo, row);
	open_connections(&duo, row->memory, NULL);
	shake_hands(&duo);
	assert_false(row->stack->is_resumed(duo.connection[CLIENT]));
	carry(&duo, CLIENT, "from the client");
	carry(&duo, SERVER, "from the server");
	session = row->stack->session(duo.connection[CLIENT]);
	assert_non_null(session);
	shut_down(&duo);
	close_connections(&duo);

	open_connections(&duo, row->memory, session);
	shake_hands(&duo);
	assert_true(row->stack->is_resumed(duo.connection[CLIENT]));
	close_connections(&duo);
	row->stack->session_free(session);
	close_contexts(&duo);
}

/* Sides of a TLS library that was refused a version say so. */
static void what_it_does_not_speak_is_refused(void **state)
{
	const struct stack *stack;

	(void)state;
	for (unsigned i = 0; (stack = stack_at(i)) != NULL; i++)
		for (int v = LW_VERSION_UNKNOWN; v <= LW_VERSION_DTLS1_3; v++) {
			const struct stack_setup setup = { .version = (enum lw_version)v };
			struct stack_context *context = stack->context_new(&setup);

			assert_int_equal(context != NULL, stack->speaks((enum lw_version)v));
			stack->context_free(context);
		}
}

static void each_is_found_by_its_name(void **state)
{
	const struct stack *stack;

	(void)state;
	for (unsigned i = 0; (stack = stack_at(i)) != NULL; i++) {
		assert_ptr_equal(stack_find(stack->name), stack);
		assert_true(strlen(stack->installed()) > 0);
	}
	assert_null(stack_find("no such library"));
}

int main(void)
{
	enum { ROWS_MAX = 64 };
	static struct row rows[ROWS_MAX];
	static char names[ROWS_MAX][64];
	static struct CMUnitTest tests[ROWS_MAX + 2] = {
		cmocka_unit_test(each_is_found_by_its_name),
		cmocka_unit_test(what_it_does_not_speak_is_refused),
	};
	struct certificate *certificate = certificate_new(NULL, NULL);
	size_t count = 0;

	signal(SIGPIPE, SIG_IGN); /* which bare libraries raise */
	if (certificate == NULL || !certificate_print(certificate, &pem))
		return 1;
	for (unsigned i = 0; stack_at(i) != NULL; i++)
		for (int v = LW_VERSION_TLS1_0; v <= LW_VERSION_TLS1_3; v++)
			for (int memory = 0; memory < 2; memory++) {
				if (!stack_at(i)->speaks((enum lw_version)v))
					continue;
				rows[count] =
				    (struct row){ stack_at(i), (enum lw_version)v, memory };
				snprintf(names[count], sizeof names[count], "%s, %s, %s",
				         stack_at(i)->name, lw_version_name(rows[count].version),
				         memory ? "memory" : "socket");
				tests[count + 2] = (struct CMUnitTest){
					.name = names[count],
					.test_func = it_does_what_it_promises,
					.initial_state = &rows[count],
				};
				count++;
			}
	certificate_free(certificate);
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return _cmocka_run_group_tests("stack", tests, count + 2, NULL, NULL);
}
