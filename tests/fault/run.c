/* run: see run.h.  Nothing sleeps: when neither side moved, a socket is polled for a millisecond.
 */
#include "tests/fault/run.h"

#include "adversary/loopback.h"
#include "net/certificate.h"

#include <openssl/err.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#define TURNS       600u /* a run without a fault needs some thirty */
#define QUIET_TURNS 8u   /* so many turns without a byte: the peer is silent */
#define TURN_MS     500u /* of the virtual clock, when nothing moved */

enum phase { PHASE_SHAKE, PHASE_WRITE, PHASE_READ, PHASE_END, PHASE_OVER };

struct run {
	const struct run_row *row;
	const struct fault *fault;
	unsigned nth;
	struct run_result *result;
	struct adversary *adversary;
	SSL *ssl;
	BIO *in, *out; /* memory: to and from the subject */
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

static SSL_CTX *contexts[2][8]; /* by role and version */
static struct certificate *certificate;

static SSL_CTX *make_context(bool serves, int version)
{
	SSL_CTX *ctx = SSL_CTX_new(serves ? TLS_server_method() : TLS_client_method());

	if (ctx == NULL)
		return NULL;
	SSL_CTX_set_security_level(ctx, 0);
	SSL_CTX_set_verify(ctx, SSL_VERIFY_NONE, NULL);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	if (SSL_CTX_set_min_proto_version(ctx, version) == 1 &&
	    SSL_CTX_set_max_proto_version(ctx, version) == 1 &&
	    (!serves || certificate_present(certificate, ctx)))
		return ctx;
	SSL_CTX_free(ctx);
	return NULL;
}

bool run_begin(void)
{
	certificate = certificate_new(NULL, NULL);
	if (certificate == NULL)
		return false;
	for (int serves = 0; serves < 2; serves++) {
		contexts[serves][LW_VERSION_TLS1_2] = make_context(serves, TLS1_2_VERSION);
		contexts[serves][LW_VERSION_TLS1_3] = make_context(serves, TLS1_3_VERSION);
		if (contexts[serves][LW_VERSION_TLS1_2] == NULL ||
		    contexts[serves][LW_VERSION_TLS1_3] == NULL)
			return false;
	}
	return true;
}

void run_end(void)
{
	for (int serves = 0; serves < 2; serves++) {
		SSL_CTX_free(contexts[serves][LW_VERSION_TLS1_2]);
		SSL_CTX_free(contexts[serves][LW_VERSION_TLS1_3]);
	}
	certificate_free(certificate);
}

static bool make_transport(struct run *r, struct adversary_options *peer)
{
	int fds[2];

	r->fd = -1;
	if (r->row->memory) {
		r->in = BIO_new(BIO_s_mem());
		r->out = BIO_new(BIO_s_mem());
		if (r->in == NULL || r->out == NULL || !BIO_up_ref(r->in) || !BIO_up_ref(r->out))
			return false;
		BIO_set_mem_eof_return(r->in, -1);
		SSL_set_bio(r->ssl, r->in, r->out);
		return true;
	}
	if (!loopback_pair(fds))
		return false;
	r->fd = fds[0];
	peer->transport = ADVERSARY_SOCKET;
	peer->fd = fds[1];
	return SSL_set_fd(r->ssl, r->fd) == 1;
}

static bool make(struct run *r)
{
	const struct ending *ending = run_ending(r->row->ending);
	struct adversary_options peer = { .role =
		                              r->row->serves ? ADVERSARY_CLIENT : ADVERSARY_SERVER,
		                          .version = r->row->version,
		                          .certificate = certificate };

	r->ssl = SSL_new(contexts[r->row->serves][r->row->version]);
	if (ending == NULL || r->ssl == NULL || !make_transport(r, &peer))
		return false;
	if (r->row->serves)
		SSL_set_accept_state(r->ssl);
	else
		SSL_set_connect_state(r->ssl);
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

void run_once(const struct run_row *row, const struct fault *fault, unsigned nth,
              struct run_result *result)
{
	struct run r = { .row = row, .fault = fault, .nth = nth, .result = result, .fd = -1 };
	const struct fault none = { .call = FAULT_NOTHING };
	const char *why;

	memset(result, 0, sizeof *result);
	result->blocks = -fault_blocks();
	if (make(&r)) {
		result->ran = true;
		fault_arm(fault->late ? &none : fault, nth);
		fault_enter();
		r.stream = lw_openssl_attach(r.ssl, NULL, &why);
		fault_leave();
		result->attached = r.stream != NULL;
		if (r.stream != NULL) {
			run_turns(&r);
			look(&r);
		}
		fault_disarm();
		let_adversary_finish(&r);
		r.stream = (fault_enter(), lw_free(r.stream), fault_leave(), NULL);
	}
	BIO_free(r.in);
	BIO_free(r.out);
	SSL_free(r.ssl);
	adversary_free(r.adversary);
	ERR_clear_error();
	OPENSSL_thread_stop();
	result->blocks += fault_blocks();
}
