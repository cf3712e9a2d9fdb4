/* runner: see runner.h.  Bounded by turns: a case that goes on for ever is a trouble, not a hang.
 */
#include "audit/runner.h"

#include "adversary/loopback.h"

#include <fcntl.h>
#include <linux/sockios.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define TURNS_MAX          20000u
#define DEAF_TURNS_MAX     500u /* nothing moves, though input waits */
#define QUIET_MS           4 /* loopback delivers at once; this bounds the wait for what never comes */
#define QUIET_TURNS        2u
#define ACKNOWLEDGED_TRIES 100u /* of QUIET_MS: more than any system delays it */
#define LAST_TURNS         3u
#define LAST_LIMIT_MS      2000

struct run {
	const struct audit_setup *setup;
	struct audit_result *result;
	struct subject_run subject;
	struct adversary *adversary;
	struct stack_context *context;
	struct lw_transport transport; /* memory */
	BIO *in, *out;                 /* memory: to the subject, from the subject */
	bool shaken;                   /* the subject is in */
	bool resumed;                  /* the adversary was, when nothing moved */
	int left;                      /* in the subject's send queue at its last turn */
	enum adversary_action ended;   /* memory: the transport, before the subject was in */
};

/* The subject's side of a memory transport. */
static enum lw_io memory_recv(void *context, void *buf, size_t cap, size_t *n, int *os_error)
{
	struct run *r = context;

	(void)os_error;
	if (BIO_read_ex(r->in, buf, cap, n) == 1)
		return LW_IO_OK;
	*n = 0;
	return r->subject.memory_end;
}

static enum lw_io memory_send(void *context, const void *buf, size_t len, size_t *n, int *os_error)
{
	struct run *r = context;

	(void)os_error;
	return BIO_write_ex(r->out, buf, len, n) == 1 ? LW_IO_OK : LW_IO_AGAIN;
}

static bool make_connection(struct run *r)
{
	const struct stack_setup client = { .version = r->setup->version };
	const struct lw_transport memory = { memory_recv, memory_send, r };
	const struct stack_place place = { .fd = r->subject.fd, .transport = &r->transport };

	r->transport = memory;
	r->context = r->subject.stack->context_new(&client);
	if (r->context == NULL)
		return false;
	r->subject.connection = r->subject.stack->connection_new(r->context, &place);
	return r->subject.connection != NULL;
}

static bool make_memory(struct run *r)
{
	r->in = BIO_new(BIO_s_mem());
	r->out = BIO_new(BIO_s_mem());
	return r->in != NULL && r->out != NULL;
}

static bool set_blocking(int fd, bool blocking)
{
	return fcntl(fd, F_SETFL, blocking ? 0 : O_NONBLOCK) == 0;
}

static bool make_sockets(struct run *r, struct adversary_options *options)
{
	int fds[2];

	if (!loopback_pair(fds))
		return false;
	r->subject.fd = fds[0];
	options->transport = ADVERSARY_SOCKET;
	options->fd = fds[1];
	return set_blocking(fds[0], false);
}

static bool begin(struct run *r)
{
	struct adversary_options options = { .role = ADVERSARY_SERVER,
		                             .version = r->setup->version,
		                             .certificate = r->setup->certificate,
		                             .fd = -1 };
	bool made;

	r->subject.fd = -1;
	r->subject.memory_end = LW_IO_AGAIN;
	r->subject.act = r->setup->act;
	r->subject.after = r->setup->after;
	r->subject.stack = r->setup->stack != NULL ? r->setup->stack : &openssl_stack;
	options.subject_name = subject_name(r->setup->subject, r->subject.stack);
	made = r->setup->transport == ADVERSARY_SOCKET ? make_sockets(r, &options) : make_memory(r);
	if (!made || !make_connection(r)) {
		if (options.fd >= 0)
			close(options.fd);
		return false;
	}
	r->adversary = adversary_new(&options, &r->setup->ending->script);
	return r->adversary != NULL;
}

static void tell_transport_end(struct run *r)
{
	r->setup->subject->transport_ended(
	    &r->subject, r->ended == ADVERSARY_FIN ? LW_TRANSPORT_FIN : LW_TRANSPORT_RESET);
}

/* Whether the subject's send queue has changed. */
static bool drains(struct run *r)
{
	const int had = r->left;

	return ioctl(r->subject.fd, SIOCOUTQ, &r->left) == 0 && r->left != had;
}

/* The adversary's turn; whether it moved anything towards the subject. */
static bool turn_adversary(struct run *r)
{
	enum adversary_action action = ADVERSARY_NONE;
	size_t waiting, had;

	adversary_set_time(r->adversary, ++r->subject.now_ms);
	if (r->setup->transport == ADVERSARY_SOCKET) {
		(void)adversary_run(r->adversary);
		return r->setup->act == SUBJECT_CLOSES_HALF_OUT && drains(r);
	}
	waiting = BIO_ctrl_pending(r->out);
	had = BIO_ctrl_pending(r->in);
	(void)adversary_run_memory(r->adversary, r->in, r->out, &action);
	if (action != ADVERSARY_NONE)
		r->ended = action;
	if (action != ADVERSARY_NONE && r->shaken)
		tell_transport_end(r);
	return waiting > 0 || BIO_ctrl_pending(r->in) != had || action != ADVERSARY_NONE;
}

/*
 * The system acknowledges when it likes, by the real clock; the virtual one stands still until it
 * has, or a verdict would count bytes as unacknowledged that a real deadline would have seen off.
 */
static bool is_unacknowledged(int fd)
{
	int left = 0;

	return ioctl(fd, SIOCOUTQ, &left) == 0 && left > 0;
}

/* Whether something for the subject comes within a moment. */
static bool wait_for_subject(struct run *r)
{
	struct pollfd p = { .fd = r->subject.fd, .events = POLLIN };

	if (r->setup->transport != ADVERSARY_SOCKET)
		return false;
	if (r->subject.blocking && r->subject.stream != NULL &&
	    lw_wait(r->subject.stream, LW_INTEREST_READ, QUIET_MS) == LW_OK)
		return true;
	for (unsigned tries = 0; tries < ACKNOWLEDGED_TRIES; tries++) {
		if (poll(&p, 1, QUIET_MS) > 0)
			return true;
		if (r->setup->act == SUBJECT_CLOSES_HALF_OUT || !is_unacknowledged(r->subject.fd))
			return false;
	}
	return false;
}

/* The application's own handshake, before the subject comes in. */
static bool shake_hands(struct run *r)
{
	for (unsigned quiet = 0; quiet < QUIET_TURNS;) {
		const enum stack_did did = r->subject.stack->handshake(r->subject.connection);
		bool moved;

		if (did != STACK_WAITS)
			return did == STACK_OK;
		moved = turn_adversary(r);
		moved = wait_for_subject(r) || moved;
		quiet = moved ? 0 : quiet + 1;
	}
	return false;
}

static bool attach(struct run *r)
{
	if (r->setup->after && !shake_hands(r)) {
		r->result->trouble = "the handshake was not done";
		return false;
	}
	r->subject.shaken = r->setup->after;
	r->subject.blocking = r->setup->blocking;
	if (r->subject.blocking && !set_blocking(r->subject.fd, true))
		return false;
	r->shaken = r->setup->subject->attach(&r->subject);
	if (!r->shaken)
		r->result->trouble = r->subject.refusal;
	else if (r->ended != ADVERSARY_NONE)
		tell_transport_end(r);
	return r->shaken;
}

/* A subject that acts too late, or into a full pipe, has done so when nothing moves any more. */
static bool resume(struct run *r)
{
	if (r->resumed || r->setup->act == SUBJECT_READS || r->setup->act == SUBJECT_SHUTS_DOWN)
		return false;
	r->resumed = true;
	adversary_resume(r->adversary);
	return true;
}

/* Alternates the two until the subject is over; false: it never is. */
static bool alternate(struct run *r)
{
	unsigned quiet = 0, deaf = 0;

	for (unsigned turn = 0; turn < TURNS_MAX && deaf < DEAF_TURNS_MAX; turn++) {
		bool moved = r->setup->subject->step(&r->subject);

		if (r->subject.phase == SUBJECT_OVER)
			return true;
		moved = turn_adversary(r) || moved;
		deaf = moved ? 0 : deaf + 1;
		if (!moved)
			moved = wait_for_subject(r);
		quiet = moved ? 0 : quiet + 1;
		if (quiet < QUIET_TURNS)
			continue;
		quiet = 0;
		if (!resume(r))
			r->setup->subject->idle(&r->subject);
	}
	/* A library that is asked again and again and never ends has not ended; a stream must. */
	r->setup->subject->idle(&r->subject);
	r->result->trouble = "it went on for ever";
	return r->subject.phase == SUBJECT_OVER;
}

/* Lets the adversary see how the subject left. */
static void see_it_off(struct run *r)
{
	if (r->setup->transport == ADVERSARY_MEMORY) {
		(void)turn_adversary(r);
		adversary_give_end(r->adversary, ADVERSARY_ENDED_FIN);
	} else {
		close(r->subject.fd);
		r->subject.fd = -1;
	}
	for (unsigned i = 0; i < LAST_TURNS; i++)
		(void)turn_adversary(r);
	(void)resume(r);                              /* the subject may have left at once */
	if (r->setup->act == SUBJECT_CLOSES_HALF_OUT) /* much may be under way */
		(void)adversary_run_until(r->adversary, LAST_LIMIT_MS);
}

static void tidy(struct run *r)
{
	if (r->adversary != NULL) {
		r->result->exchange = *adversary_exchange(r->adversary);
		r->result->tally = *adversary_subject(r->adversary);
	}
	adversary_free(r->adversary);
	r->subject.stack->connection_free(r->subject.connection);
	r->subject.stack->context_free(r->context);
	BIO_free(r->in);
	BIO_free(r->out);
	if (r->subject.fd >= 0)
		close(r->subject.fd);
}

void audit_run(const struct audit_setup *setup, struct audit_result *result)
{
	struct run r = { .setup = setup, .result = result };

	memset(result, 0, sizeof *result);
	result->trouble = "the case could not be set up";
	if (begin(&r) && attach(&r)) {
		result->ran = alternate(&r);
		result->conclusion = r.subject.conclusion;
		see_it_off(&r);
		setup->subject->leave(&r.subject);
	}
	tidy(&r);
}

bool audit_has_sockets(void)
{
	int fds[2];

	if (!loopback_pair(fds))
		return false;
	close(fds[0]);
	close(fds[1]);
	return true;
}
