/* run: see run.h.  Nothing sleeps: when neither side moved, a socket is polled for a millisecond.
 */
#include "tests/fault/run.h"

#include "adversary/loopback.h"
#include "net/certificate.h"

#include <fcntl.h>
#include <openssl/err.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#define STACKS_MAX  8u
#define TURNS       600u /* a run without a fault needs some thirty */
#define QUIET_TURNS 8u   /* so many turns without a byte: the peer is silent */
#define TURN_MS     500u /* of the virtual clock, when nothing moved */

enum phase { PHASE_SHAKE, PHASE_WRITE, PHASE_READ, PHASE_END, PHASE_OVER };

/* How a TLS library is made to take its memory from fault.c; one that is linked in does so anyway.
 */
static const struct {
	const char *name;
	bool (*take)(void);
	bool is_linked_in;
	bool keeps_tables; /* of points that it met, made and dropped at any time */
} memories[] = {
	{ "openssl", fault_take_openssl, false, false },
#ifdef HAVE_STACK_WOLFSSL
	{ "wolfssl", fault_take_wolfssl, false, true },
#endif
#ifdef HAVE_STACK_GNUTLS
	{ "gnutls", fault_take_gnutls, false, false },
#endif
	{ "mbedtls", NULL, true, false },
};

struct run {
	const struct stack *stack;
	const struct run_row *row;
	const struct fault *fault;
	unsigned nth;
	struct run_result *result;
	struct adversary *adversary;
	struct stack_connection *connection;
	struct lw_transport transport; /* memory */
	BIO *in, *out;                 /* memory: to and from the subject */
	int fd;
	struct lw_stream *stream;
	enum phase phase;
	uint64_t now_ms;
	unsigned quiet;
	uint64_t written;
	bool transport_over;
};

/* A peer that says nothing before it has the whole request. */
static const struct ending after_request = {
	.name = "after-request",
	.claim = "waits for the request, then sends data, close_notify and FIN",
	.script = SCRIPT(STEP_WAIT_DATA(RUN_REQUEST_BYTES), STEP_DATA_IN(1000, 400),
	                 STEP_CLOSE_NOTIFY, STEP_FIN),
	.data_bytes = 1000,
	.proof = ENDING_PROVEN,
};

const struct ending *run_ending(const char *name)
{
	return strcmp(name, after_request.name) == 0 ? &after_request : ending_find(name);
}

static struct certificate *certificate;
static struct certificate_pem pem;
static struct stack_context *contexts[STACKS_MAX][2][LW_VERSION_TLS1_3 + 1]; /* server; version */

static const enum lw_version versions[] = { LW_VERSION_TLS1_2, LW_VERSION_TLS1_3 };

static struct stack_context **context_of(const struct stack *stack, bool serves,
                                         enum lw_version version)
{
	unsigned index = 0;

	while (stack_at(index) != stack)
		index++;
	return &contexts[index][serves][version];
}

static bool make_contexts(const struct stack *stack, enum lw_version version)
{
	for (int serves = 0; serves < 2; serves++) {
		const struct stack_setup setup = { .server = serves,
			                           .version = version,
			                           .certificate_pem = pem.certificate,
			                           .key_pem = pem.key };
		struct stack_context **context = context_of(stack, serves, version);

		*context = stack->context_new(&setup);
		if (*context == NULL)
			return false;
	}
	return true;
}

bool run_begin(void)
{
	const struct stack *stack;

	certificate = certificate_new(NULL, NULL);
	if (certificate == NULL || !certificate_print(certificate, &pem))
		return false;
	for (unsigned i = 0; (stack = stack_at(i)) != NULL && i < STACKS_MAX; i++)
		for (size_t v = 0; v < sizeof versions / sizeof versions[0]; v++)
			if (stack->speaks(versions[v]) && !make_contexts(stack, versions[v]))
				return false;
	return true;
}

void run_end(void)
{
	const struct stack *stack;

	for (unsigned i = 0; (stack = stack_at(i)) != NULL && i < STACKS_MAX; i++)
		for (size_t v = 0; v < sizeof versions / sizeof versions[0]; v++)
			for (int serves = 0; serves < 2; serves++)
				stack->context_free(*context_of(stack, serves, versions[v]));
	certificate_free(certificate);
}

/* The subject's side of memory. */
static enum lw_io memory_recv(void *context, void *buf, size_t cap, size_t *n, int *os_error)
{
	struct run *r = context;

	(void)os_error;
	return BIO_read_ex(r->in, buf, cap, n) == 1 ? LW_IO_OK : (*n = 0, LW_IO_AGAIN);
}

static enum lw_io memory_send(void *context, const void *buf, size_t len, size_t *n, int *os_error)
{
	struct run *r = context;

	(void)os_error;
	return BIO_write_ex(r->out, buf, len, n) == 1 ? LW_IO_OK : LW_IO_AGAIN;
}

static bool make_transport(struct run *r, struct adversary_options *peer)
{
	int fds[2];

	if (r->row->memory) {
		r->transport = (struct lw_transport){ memory_recv, memory_send, r };
		r->in = BIO_new(BIO_s_mem());
		r->out = BIO_new(BIO_s_mem());
		return r->in != NULL && r->out != NULL;
	}
	if (!loopback_pair(fds))
		return false;
	r->fd = fds[0];
	peer->transport = ADVERSARY_SOCKET;
	peer->fd = fds[1];
	return fcntl(r->fd, F_SETFL, O_NONBLOCK) == 0;
}

static bool make(struct run *r)
{
	const struct ending *ending = run_ending(r->row->ending);
	struct adversary_options peer = { .role =
		                              r->row->serves ? ADVERSARY_CLIENT : ADVERSARY_SERVER,
		                          .version = r->row->version,
		                          .certificate = certificate };
	struct stack_place place = { .transport = &r->transport };

	if (ending == NULL || !make_transport(r, &peer))
		return false;
	place.fd = r->fd;
	r->connection = r->stack->connection_new(
	    *context_of(r->stack, r->row->serves, r->row->version), &place);
	if (r->connection == NULL)
		return false;
	r->adversary = adversary_new(&peer, &ending->script);
	return r->adversary != NULL;
}

/* A step of one phase: true when something moved. */

static bool shake_hands(struct run *r)
{
	const enum lw_status status = lw_handshake(r->stream);

	if (status == LW_AGAIN)
		return false;
	if (status == LW_OK && r->fault->late)
		fault_arm(r->fault, r->nth);
	r->phase = PHASE_WRITE;
	return true;
}

static bool write_some(struct run *r)
{
	uint8_t bytes[RUN_REQUEST_BYTES];
	enum lw_status status;
	size_t n;

	for (unsigned i = 0; i < RUN_REQUEST_BYTES; i++)
		bytes[i] = adversary_pattern(i);
	status = lw_write(r->stream, bytes + r->written, sizeof bytes - r->written, &n);
	r->written += n;
	if (status == LW_AGAIN)
		return false;
	if (status == LW_OK && r->written < sizeof bytes)
		return true;
	if (r->row->way == RUN_FINISH && status == LW_OK && lw_finish(r->stream) == LW_ERROR)
		r->quiet = 0; /* reading tells */
	r->phase = r->row->way == RUN_EARLY || r->row->way == RUN_ABORT ? PHASE_END : PHASE_READ;
	return true;
}

static bool read_some(struct run *r)
{
	uint8_t bytes[300];
	size_t n;
	const enum lw_status status = lw_read(r->stream, bytes, sizeof bytes, &n);

	for (size_t i = 0; i < n; i++)
		if (bytes[i] != adversary_pattern(r->result->bytes + i))
			r->result->differs = true;
	r->result->bytes += n;
	if (status == LW_AGAIN)
		return false;
	if (status == LW_OK)
		return true;
	r->result->read_over = true;
	r->result->read_status = status;
	r->phase = PHASE_END;
	return true;
}

static bool end_some(struct run *r)
{
	enum lw_status status;
	uint8_t rest[64];
	size_t n;

	if (r->row->way == RUN_ABORT)
		status = lw_abort(r->stream);
	else if (r->row->way == RUN_UNWRAP && r->quiet <= QUIET_TURNS)
		status = lw_unwrap(r->stream, rest, sizeof rest, &n);
	else
		status = lw_close(r->stream);
	if (status == LW_UNSUPPORTED)
		status = lw_close(r->stream);
	if (status == LW_AGAIN)
		return false;
	r->phase = PHASE_OVER;
	return true;
}

static bool take_turn(struct run *r)
{
	bool moved = false;

	fault_enter();
	if (r->phase == PHASE_SHAKE)
		moved = shake_hands(r);
	else if (r->phase == PHASE_WRITE)
		moved = write_some(r);
	else if (r->phase == PHASE_READ)
		moved = read_some(r);
	else if (r->phase == PHASE_END)
		moved = end_some(r);
	if (!moved && r->phase != PHASE_END && r->quiet > QUIET_TURNS)
		r->phase = PHASE_END; /* a patient application has a limit of its own */
	if (!moved)
		(void)lw_timeout_ms(r->stream, r->now_ms);
	fault_leave();
	return moved;
}

static void advance_adversary(struct run *r)
{
	enum adversary_action action = ADVERSARY_NONE;

	adversary_set_time(r->adversary, r->now_ms);
	if (!r->row->memory) {
		(void)adversary_run(r->adversary);
		return;
	}
	(void)adversary_run_memory(r->adversary, r->in, r->out, &action);
	if (action == ADVERSARY_NONE || r->stream == NULL || r->transport_over)
		return;
	r->transport_over = true;
	lw_transport_ended(r->stream,
	                   action == ADVERSARY_FIN ? LW_TRANSPORT_FIN : LW_TRANSPORT_RESET);
}

static void wait_a_little(const struct run *r)
{
	struct pollfd p = { .fd = r->fd, .events = POLLIN };

	if (!r->row->memory)
		(void)poll(&p, 1, 1);
}

static void run_turns(struct run *r)
{
	for (unsigned i = 0; i < TURNS && r->phase != PHASE_OVER; i++) {
		advance_adversary(r);
		if (take_turn(r)) {
			r->quiet = 0;
			continue;
		}
		if (++r->quiet > QUIET_TURNS)
			r->now_ms += TURN_MS;
		else if (r->quiet > 2)
			wait_a_little(r);
	}
	r->result->over = r->phase == PHASE_OVER;
}

/* A second look must tell the same; a look allocates nothing and fails with nothing. */
static void look(struct run *r)
{
	struct lw_verdict again;
	uint8_t octet;
	size_t n;
	enum lw_status status, second;

	fault_enter();
	lw_verdict(r->stream, &r->result->verdict);
	status = lw_read(r->stream, &octet, 1, &n);
	second = lw_read(r->stream, &octet, 1, &n);
	lw_verdict(r->stream, &again);
	fault_leave();
	r->result->steady = status == second && status != LW_OK &&
	                    memcmp(&again, &r->result->verdict, sizeof again) == 0 &&
	                    (!r->result->read_over || status == r->result->read_status);
}

/* The adversary reads what is left, after the subject's transport has ended. */
static void let_adversary_finish(struct run *r)
{
	struct run_result *result = r->result;

	if (r->fd >= 0)
		(void)close(r->fd);
	if (r->row->memory)
		adversary_give_end(r->adversary, ADVERSARY_ENDED_FIN);
	adversary_resume(r->adversary);
	for (unsigned i = 0; i < 4; i++)
		advance_adversary(r);
	result->peer = *adversary_subject(r->adversary);
}

bool run_take_memory(const struct stack *stack)
{
	for (size_t i = 0; i < sizeof memories / sizeof memories[0]; i++)
		if (strcmp(memories[i].name, stack->name) == 0)
			return memories[i].take == NULL || memories[i].take();
	return false;
}

/* Such a library shares the linker's calloc() with ours, which allocates in attaching alone. */
static bool is_linked_in(const struct stack *stack)
{
	for (size_t i = 0; i < sizeof memories / sizeof memories[0]; i++)
		if (strcmp(memories[i].name, stack->name) == 0)
			return memories[i].is_linked_in;
	return false;
}

bool run_keeps_tables(const struct stack *stack)
{
	for (size_t i = 0; i < sizeof memories / sizeof memories[0]; i++)
		if (strcmp(memories[i].name, stack->name) == 0)
			return memories[i].keeps_tables;
	return false;
}

static void attach(struct run *r)
{
	const char *why;

	fault_enter();
	r->stream = r->stack->attach(r->connection, NULL, &why);
	fault_leave();
	r->result->attached = r->stream != NULL;
	if (is_linked_in(r->stack))
		fault_calloc_is(FAULT_LIBRARY);
}

static void detach(struct run *r)
{
	fault_enter();
	lw_free(r->stream);
	fault_leave();
	r->stream = NULL;
	fault_calloc_is(FAULT_CALLOC);
}

void run_once(const struct stack *stack, const struct run_row *row, const struct fault *fault,
              unsigned nth, struct run_result *result)
{
	struct run r = {
		.stack = stack, .row = row, .fault = fault, .nth = nth, .result = result, .fd = -1
	};
	const struct fault none = { .call = FAULT_NOTHING };

	memset(result, 0, sizeof *result);
	if (make(&r)) {
		result->ran = true;
		fault_arm(fault->late ? &none : fault, nth);
		attach(&r);
		if (r.stream != NULL) {
			run_turns(&r);
			look(&r);
		}
		fault_disarm();
		let_adversary_finish(&r);
		detach(&r);
	}
	BIO_free(r.in);
	BIO_free(r.out);
	stack->connection_free(r.connection);
	adversary_free(r.adversary);
	ERR_clear_error();
	OPENSSL_thread_stop();
}
