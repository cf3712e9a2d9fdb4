/*
 * gnutls_test: what is GnuTLS's alone: what is refused and why, what is given back, and the listed
 * exceptions of docs/gnutls.md, each as it is.
 */
#include "adversary/loopback.h"
#include "tests/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <lastword/gnutls.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { TURNS = 200 };

/* A session of GnuTLS against an adversary, over TCP. */
struct solo {
	gnutls_session_t session;
	gnutls_certificate_credentials_t credentials;
	struct adversary *adversary;
	struct lw_stream *stream;
	const char *why;
	int fd;
	uint64_t bytes;
	bool differs;
};

static void spin(struct solo *s)
{
	(void)adversary_run(s->adversary);
}

static void begin_with(struct solo *s, unsigned flags, enum lw_version version,
                       const struct adversary_script *script)
{
	struct adversary_options peer = { .version = version, .transport = ADVERSARY_SOCKET };
	const char *priorities = version == LW_VERSION_TLS1_3 ? "NORMAL:-VERS-ALL:+VERS-TLS1.3"
	                                                      : "NORMAL:-VERS-ALL:+VERS-TLS1.2";
	int fds[2];

	*s = (struct solo){ .fd = -1 };
	assert_true(loopback_pair(fds));
	s->fd = fds[0];
	peer.fd = fds[1];
	assert_int_equal(fcntl(s->fd, F_SETFL, O_NONBLOCK), 0);
	s->adversary = adversary_new(&peer, script);
	assert_non_null(s->adversary);
	assert_int_equal(gnutls_init(&s->session, GNUTLS_CLIENT | GNUTLS_NONBLOCK | flags), 0);
	assert_int_equal(gnutls_certificate_allocate_credentials(&s->credentials), 0);
	assert_int_equal(gnutls_priority_set_direct(s->session, priorities, NULL), 0);
	assert_int_equal(gnutls_credentials_set(s->session, GNUTLS_CRD_CERTIFICATE, s->credentials),
	                 0);
	gnutls_transport_set_int(s->session, s->fd);
}

static void begin(struct solo *s, enum lw_version version, const struct adversary_script *script)
{
	begin_with(s, 0, version, script);
}

static void shake_hands(struct solo *s)
{
	int did = GNUTLS_E_AGAIN;

	for (int i = 0; i < TURNS && did != 0; i++) {
		did = gnutls_handshake(s->session);
		spin(s);
	}
	assert_int_equal(did, 0);
}

static bool attach(struct solo *s)
{
	s->stream = lw_gnutls_attach(s->session, NULL, &s->why);
	return s->stream != NULL;
}

static void end(struct solo *s)
{
	lw_free(s->stream);
	gnutls_deinit(s->session);
	gnutls_certificate_free_credentials(s->credentials);
	adversary_free(s->adversary);
	close(s->fd);
}

static enum lw_status read_on(struct solo *s)
{
	enum lw_status status = LW_AGAIN;
	uint8_t buf[700];
	size_t n;

	for (int i = 0; i < TURNS && (status == LW_OK || status == LW_AGAIN); i++) {
		status = lw_read(s->stream, buf, sizeof buf, &n);
		for (size_t k = 0; k < n; k++)
			s->differs |= buf[k] != adversary_pattern(s->bytes + k);
		s->bytes += n;
		spin(s);
	}
	return status;
}

static enum lw_status close_on(struct solo *s)
{
	enum lw_status status = LW_AGAIN;

	for (int i = 0; i < TURNS && status == LW_AGAIN; i++) {
		status = lw_close(s->stream);
		spin(s);
	}
	return status;
}

static const struct adversary_script proper = SCRIPT(STEP_DATA(1000), STEP_CLOSE_NOTIFY, STEP_FIN);
static const struct adversary_script aborts = SCRIPT(STEP_DATA(1000), STEP_ALERT(2, 40), STEP_FIN);
static const struct adversary_script patient = SCRIPT(STEP_SILENCE, STEP_GO);

static void assert_refused(struct solo *s, const char *word)
{
	assert_false(attach(s));
	assert_non_null(s->why);
	if (strstr(s->why, word) == NULL)
		assert_string_equal(s->why, word);
}

/* ---- refused */

static ssize_t own_pull(gnutls_transport_ptr_t ptr, void *buf, size_t cap);

static void refusals_say_why(void **state)
{
	const struct lw_gnutls_functions half = { .pull = own_pull };
	const char *why;
	struct solo s;

	(void)state;
	begin(&s, LW_VERSION_TLS1_3, &patient);
	gnutls_transport_set_ptr(s.session, &s); /* a pointer is no descriptor */
	assert_refused(&s, "no stream socket");
	assert_null(lw_gnutls_attach_transport(s.session, &half, NULL, &why));
	assert_non_null(strstr(why, "missing"));
	gnutls_transport_set_int(s.session, 1 << 20); /* nor is any number */
	assert_refused(&s, "no stream socket");
	gnutls_transport_set_int(s.session, s.fd);
	shake_hands(&s);
	gnutls_record_cork(s.session);
	assert_int_equal(gnutls_record_send(s.session, "held", 4), 4);
	assert_refused(&s, "corked");
	assert_int_equal(gnutls_record_uncork(s.session, 0), 4);
	assert_int_equal(gnutls_bye(s.session, GNUTLS_SHUT_WR), 0);
	assert_refused(&s, "ended");
	end(&s);
}

static void datagrams_are_refused(void **state)
{
	gnutls_session_t session;
	const char *why;
	int fds[2];

	(void)state;
	assert_true(loopback_pair(fds));
	assert_int_equal(gnutls_init(&session, GNUTLS_CLIENT | GNUTLS_DATAGRAM), 0);
	gnutls_transport_set_int(session, fds[0]);
	assert_null(lw_gnutls_attach(session, NULL, &why));
	assert_non_null(strstr(why, "DTLS"));
	gnutls_deinit(session);
	close(fds[0]);
	close(fds[1]);
}

static const struct adversary_script slow =
    SCRIPT(STEP_STOP_READING, STEP_SILENCE, STEP_READ_ON, STEP_GO);

/* The refusal changes nothing: the session goes on with its write. */
static void a_write_under_way_is_refused_and_goes_on(void **state)
{
	static uint8_t block[16384];
	uint64_t taken = 0;
	ssize_t did = 1;
	struct solo s;

	(void)state;
	begin(&s, LW_VERSION_TLS1_3, &slow);
	shake_hands(&s);
	while (did > 0 && taken < 64u << 20) {
		for (size_t i = 0; i < sizeof block; i++)
			block[i] = adversary_pattern(taken + i);
		did = gnutls_record_send(s.session, block, sizeof block);
		taken += did > 0 ? (uint64_t)did : 0;
	}
	assert_int_equal(did, GNUTLS_E_AGAIN);
	assert_refused(&s, "under way");
	adversary_resume(s.adversary);
	for (int i = 0; i < 10000 && did == GNUTLS_E_AGAIN; i++) {
		spin(&s);
		did = gnutls_record_send(s.session, NULL, 0);
	}
	assert_int_equal(did, sizeof block);
	assert_true(attach(&s));
	assert_int_equal(close_on(&s), LW_END);
	assert_int_equal(adversary_subject(s.adversary)->data_bytes, taken + sizeof block);
	assert_false(adversary_subject(s.adversary)->data_differs);
	end(&s);
}

/* ---- the application's functions */

static unsigned pulls, pushes;
static int says_instead; /* for errno, once */
static bool is_full;     /* nothing is taken */

static ssize_t own_pull(gnutls_transport_ptr_t ptr, void *buf, size_t cap)
{
	ssize_t got = recv(*(int *)ptr, buf, cap, MSG_DONTWAIT);

	pulls++;
	if (got < 0 && errno == EAGAIN)
		errno = says_instead; /* 0: who tells gnutls_transport_set_errno() leaves that */
	return got;
}

static ssize_t own_vec_push(gnutls_transport_ptr_t ptr, const giovec_t *piece, int count)
{
	ssize_t put = 0;

	pushes++;
	if (is_full) {
		errno = EAGAIN;
		return -1;
	}
	for (int i = 0; i < count; i++) {
		const ssize_t did = send(*(int *)ptr, piece[i].iov_base, piece[i].iov_len,
		                         MSG_DONTWAIT | MSG_NOSIGNAL);

		if (did < 0)
			return put > 0 ? put : -1;
		put += did;
	}
	return put;
}

static const struct adversary_script parts =
    SCRIPT(STEP_DATA(1000), STEP_SILENCE, STEP_CLOSE_NOTIFY, STEP_FIN);

static void the_applications_functions_are_called_and_given_back(void **state)
{
	struct lw_gnutls_functions own = { .pull = own_pull, .vec_push = own_vec_push };
	struct solo s;
	uint8_t octet;

	(void)state;
	pulls = pushes = 0;
	says_instead = 0;
	begin(&s, LW_VERSION_TLS1_2, &parts);
	own.pull_ptr = own.push_ptr = &s.fd;
	gnutls_transport_set_ptr(s.session, &s.fd);
	gnutls_transport_set_pull_function(s.session, own_pull);
	gnutls_transport_set_vec_push_function(s.session, own_vec_push);
	s.stream = lw_gnutls_attach_transport(s.session, &own, NULL, NULL);
	assert_non_null(s.stream);
	assert_ptr_not_equal(gnutls_transport_get_ptr(s.session), &s.fd);
	assert_int_equal(read_on(&s), LW_AGAIN);
	assert_int_equal(s.bytes, 1000);
	assert_true(pulls > 0 && pushes > 0);
	lw_free(s.stream);
	s.stream = NULL;
	assert_ptr_equal(gnutls_transport_get_ptr(s.session), &s.fd);
	pulls = pushes = 0;
	assert_int_equal(gnutls_record_send(s.session, "\0", 1), 1);
	adversary_resume(s.adversary);
	spin(&s);
	says_instead = EAGAIN;
	assert_int_equal(gnutls_record_recv(s.session, &octet, 1), 0);
	assert_true(pulls > 0 && pushes == 1);
	end(&s);
}

static void attach_own(struct solo *s)
{
	struct lw_gnutls_functions own = { .pull = own_pull, .vec_push = own_vec_push };

	says_instead = EAGAIN;
	own.pull_ptr = own.push_ptr = &s->fd;
	gnutls_transport_set_ptr(s->session, &s->fd);
	gnutls_transport_set_pull_function(s->session, own_pull);
	gnutls_transport_set_vec_push_function(s->session, own_vec_push);
	s->stream = lw_gnutls_attach_transport(s->session, &own, NULL, &s->why);
	assert_non_null(s->stream);
}

static enum lw_status flush_on(struct solo *s)
{
	enum lw_status status = LW_AGAIN;

	for (int i = 0; i < TURNS && status == LW_AGAIN; i++) {
		status = lw_flush(s->stream);
		spin(s);
	}
	return status;
}

#define HELLO_REQUEST STEP_RECORD(22, "\0\0\0\0")

static const struct adversary_script asks_again =
    SCRIPT(HELLO_REQUEST, HELLO_REQUEST, HELLO_REQUEST, HELLO_REQUEST, HELLO_REQUEST, HELLO_REQUEST,
           HELLO_REQUEST, HELLO_REQUEST, STEP_SILENCE, STEP_GO);

/* What the library holds of its own refusals is not taken for the next write. */
static void a_write_behind_a_refusal_that_waits_is_sealed(void **state)
{
	static const uint8_t octets[] = { 0, 7, 14, 21, 28, 35, 42, 49 };
	enum lw_status status = LW_AGAIN;
	struct solo s;
	uint8_t octet;
	size_t n = 0;

	(void)state;
	begin(&s, LW_VERSION_TLS1_2, &asks_again);
	shake_hands(&s);
	spin(&s);
	attach_own(&s);
	is_full = true;
	assert_int_equal(lw_read(s.stream, &octet, 1, &n), LW_AGAIN);
	is_full = false;
	for (int i = 0; i < TURNS && status == LW_AGAIN; i++) {
		status = lw_write(s.stream, octets, sizeof octets, &n);
		spin(&s);
	}
	assert_int_equal(status, LW_OK);
	assert_int_equal(n, sizeof octets);
	assert_int_equal(flush_on(&s), LW_OK);
	assert_int_equal(adversary_subject(s.adversary)->data_bytes, sizeof octets);
	adversary_resume(s.adversary);
	assert_int_equal(close_on(&s), LW_END);
	end(&s);
}

/* Nor is it for an alert of ours. */
static void an_abort_behind_a_refusal_that_waits_leaves(void **state)
{
	struct lw_verdict verdict;
	struct solo s;
	uint8_t octet;
	size_t n = 0;

	(void)state;
	begin(&s, LW_VERSION_TLS1_2, &asks_again);
	shake_hands(&s);
	spin(&s);
	attach_own(&s);
	is_full = true;
	assert_int_equal(lw_read(s.stream, &octet, 1, &n), LW_AGAIN);
	is_full = false;
	for (int i = 0; i < TURNS && lw_abort(s.stream) == LW_AGAIN; i++)
		spin(&s);
	spin(&s);
	lw_verdict(s.stream, &verdict);
	assert_int_equal(verdict.write, LW_ENDING_ABORTED);
	assert_int_equal(adversary_subject(s.adversary)->fatals, 1);
	end(&s);
}

static const struct adversary_script asks_once =
    SCRIPT(HELLO_REQUEST, STEP_SILENCE, STEP_CLOSE_NOTIFY, STEP_GO);

/* Half of a renegotiation's flight is no write, and a closure in the midst of one is a closure. */
static void a_renegotiation_under_way_takes_no_write_and_hides_no_closure(void **state)
{
	static const uint8_t octets[] = { 0, 7, 14, 21, 28, 35, 42, 49 };
	enum lw_status status = LW_AGAIN;
	struct lw_verdict verdict;
	struct solo s;
	uint8_t octet;
	size_t n = 0;

	(void)state;
	begin_with(&s, GNUTLS_AUTO_REAUTH, LW_VERSION_TLS1_2, &asks_once);
	shake_hands(&s);
	spin(&s);
	attach_own(&s);
	is_full = true;
	assert_int_equal(lw_read(s.stream, &octet, 1, &n), LW_AGAIN);
	is_full = false;
	for (int i = 0; i < TURNS && status == LW_AGAIN; i++) {
		status = lw_write(s.stream, octets, sizeof octets, &n);
		spin(&s);
	}
	assert_int_equal(status, LW_OK);
	assert_int_equal(n, sizeof octets);
	assert_int_equal(adversary_subject(s.adversary)->data_bytes, sizeof octets);
	adversary_resume(s.adversary);
	assert_int_equal(read_on(&s), LW_END);
	assert_int_equal(close_on(&s), LW_END);
	lw_verdict(s.stream, &verdict);
	assert_int_equal(verdict.read, LW_ENDING_CLOSED);
	assert_int_equal(verdict.write, LW_ENDING_CLOSED);
	end(&s);
}

static const struct adversary_script goes_on_sending =
    SCRIPT(HELLO_REQUEST, STEP_DATA(1000), STEP_CLOSE_NOTIFY, STEP_GO);

/* Data that was on its way when GnuTLS began its renegotiation is an error to it. */
static void data_in_a_renegotiation_is_refused(void **state)
{
	struct lw_verdict verdict;
	struct solo s;

	(void)state;
	begin_with(&s, GNUTLS_AUTO_REAUTH, LW_VERSION_TLS1_2, &goes_on_sending);
	shake_hands(&s);
	spin(&s);
	assert_true(attach(&s));
	assert_int_equal(read_on(&s), LW_ERROR);
	assert_int_equal(s.bytes, 0);
	spin(&s);
	lw_verdict(s.stream, &verdict);
	assert_int_equal(verdict.read, LW_ENDING_FAILED);
	assert_int_equal(verdict.write, LW_ENDING_ABORTED);
	assert_int_equal(adversary_subject(s.adversary)->fatals, 1);
	end(&s);
}

static int own_error(gnutls_transport_ptr_t ptr)
{
	(void)ptr;
	return ECONNRESET;
}

static ssize_t failing_pull(gnutls_transport_ptr_t ptr, void *buf, size_t cap)
{
	(void)ptr, (void)buf, (void)cap;
	errno = EAGAIN;
	return -1;
}

static void the_applications_error_function_is_asked(void **state)
{
	struct lw_gnutls_functions own = { .pull = failing_pull,
		                           .vec_push = own_vec_push,
		                           .error = own_error };
	struct solo s;

	(void)state;
	begin(&s, LW_VERSION_TLS1_3, &proper);
	own.pull_ptr = own.push_ptr = &s.fd;
	gnutls_transport_set_ptr(s.session, &s.fd);
	gnutls_transport_set_pull_function(s.session, failing_pull);
	gnutls_transport_set_vec_push_function(s.session, own_vec_push);
	s.stream = lw_gnutls_attach_transport(s.session, &own, NULL, NULL);
	assert_non_null(s.stream);
	assert_int_equal(lw_handshake(s.stream), LW_TRUNCATED);
	end(&s);
}

static void two_descriptors_serve_one_way_each(void **state)
{
	struct lw_verdict verdict;
	struct solo s;
	int out;

	(void)state;
	begin(&s, LW_VERSION_TLS1_3, &proper);
	out = dup(s.fd);
	assert_true(out >= 0);
	gnutls_transport_set_int2(s.session, s.fd, out);
	assert_true(attach(&s));
	assert_int_equal(read_on(&s), LW_END);
	assert_int_equal(s.bytes, 1000);
	assert_int_equal(close_on(&s), LW_END);
	lw_verdict(s.stream, &verdict);
	assert_int_equal(verdict.write, LW_ENDING_CLOSED);
	lw_free(s.stream);
	s.stream = NULL;
	assert_int_equal(gnutls_transport_get_int(s.session), s.fd);
	end(&s);
	close(out);
}

/* ---- records */

/* A half-out record of a session with a limit of its own holds just what was told. */
static void a_record_limit_of_the_applications_is_kept(void **state)
{
	static uint8_t block[16384];
	enum lw_status status = LW_OK;
	uint64_t taken = 0;
	struct solo s;

	(void)state;
	begin(&s, LW_VERSION_TLS1_2, &slow);
	assert_int_equal(gnutls_record_set_max_size(s.session, 1024), 0);
	assert_true(attach(&s));
	for (int i = 0; i < TURNS && lw_handshake(s.stream) == LW_AGAIN; i++)
		spin(&s);
	while (status == LW_OK && taken < 64u << 20) {
		size_t n;

		for (size_t i = 0; i < sizeof block; i++)
			block[i] = adversary_pattern(taken + i);
		status = lw_write(s.stream, block, sizeof block, &n);
		assert_in_range(n, 0, 1024);
		taken += n;
	}
	assert_int_equal(status, LW_AGAIN);
	adversary_resume(s.adversary);
	for (int i = 0; i < 10000 && lw_flush(s.stream) == LW_AGAIN; i++)
		spin(&s);
	assert_int_equal(close_on(&s), LW_END);
	assert_int_equal(adversary_subject(s.adversary)->data_bytes, taken);
	assert_false(adversary_subject(s.adversary)->data_differs);
	end(&s);
}

static const struct adversary_script asks =
    SCRIPT(STEP_KEY_UPDATE(1), STEP_DATA(10), STEP_SILENCE, STEP_GO);

/* A KeyUpdate that the application's session owes is no write under way. */
static void a_key_update_that_is_due_keeps_no_stream_away(void **state)
{
	uint8_t buf[10];
	ssize_t got = GNUTLS_E_AGAIN;
	struct solo s;
	size_t n;

	(void)state;
	begin(&s, LW_VERSION_TLS1_3, &asks);
	shake_hands(&s);
	for (int i = 0; i < TURNS && got == GNUTLS_E_AGAIN; i++) {
		spin(&s);
		got = gnutls_record_recv(s.session, buf, sizeof buf);
	}
	assert_int_equal(got, 10);
	assert_true(attach(&s));
	assert_int_equal(lw_write(s.stream, "\0", 1, &n), LW_OK);
	adversary_resume(s.adversary);
	assert_int_equal(close_on(&s), LW_END);
	assert_false(adversary_subject(s.adversary)->unreadable);
	assert_int_equal(adversary_subject(s.adversary)->data_bytes, 1);
	end(&s);
}

static const struct adversary_script tickets = {
	.steps = STEPS(STEP_TICKET, STEP_TICKET, STEP_TICKET, STEP_TICKET, STEP_TICKET, STEP_TICKET,
	               STEP_TICKET, STEP_TICKET, STEP_TICKET, STEP_TICKET, STEP_TICKET, STEP_TICKET,
	               STEP_TICKET, STEP_TICKET, STEP_TICKET, STEP_TICKET, STEP_TICKET, STEP_TICKET,
	               STEP_TICKET, STEP_TICKET, STEP_TICKET, STEP_TICKET, STEP_TICKET, STEP_TICKET,
	               STEP_TICKET, STEP_TICKET, STEP_TICKET, STEP_TICKET, STEP_TICKET, STEP_TICKET,
	               STEP_TICKET, STEP_TICKET, STEP_TICKET, STEP_TICKET, STEP_TICKET,
	               STEP_DATA(1000), STEP_CLOSE_NOTIFY, STEP_FIN)
};

/* More records without data than one call works through: the next call goes on. */
static void many_tickets_in_a_row_hold_nothing_up(void **state)
{
	uint8_t octet;
	struct solo s;
	size_t n;

	(void)state;
	begin(&s, LW_VERSION_TLS1_3, &tickets);
	shake_hands(&s);
	spin(&s);
	assert_true(attach(&s));
	assert_int_equal(lw_read(s.stream, &octet, 1, &n), LW_AGAIN);
	assert_int_equal(lw_events(s.stream, LW_INTEREST_READ), 0); /* call at once */
	assert_int_equal(read_on(&s), LW_END);
	assert_int_equal(s.bytes, 1000);
	end(&s);
}

/* ---- listed exceptions */

static const struct adversary_script sends = SCRIPT(STEP_DATA(1000), STEP_SILENCE, STEP_GO);

/* What unwrap looked at and nobody read: one octet is the stream's, and goes with it. */
static void an_octet_that_was_looked_at_goes_with_the_stream(void **state)
{
	uint8_t buf[2000];
	struct solo s;
	size_t n;

	(void)state;
	begin(&s, LW_VERSION_TLS1_3, &sends);
	shake_hands(&s);
	spin(&s);
	assert_true(attach(&s));
	assert_int_equal(lw_unwrap(s.stream, NULL, 0, &n), LW_AGAIN);
	lw_free(s.stream);
	s.stream = NULL;
	assert_int_equal(gnutls_record_recv(s.session, buf, sizeof buf), 999);
	end(&s);
}

static const struct adversary_script is_cut =
    SCRIPT(STEP_TICKET, STEP_DATA(1000), STEP_ALERT(2, 40), STEP_FIN);

static void a_session_is_the_applications_to_forget(void **state)
{
	gnutls_datum_t data = { NULL, 0 };
	struct solo s;

	(void)state;
	begin(&s, LW_VERSION_TLS1_2, &aborts);
	assert_true(attach(&s));
	assert_int_equal(read_on(&s), LW_ABORTED);
	assert_int_equal(lw_forget_session(s.stream), LW_UNSUPPORTED);
	assert_int_not_equal(gnutls_session_get_data2(s.session, &data), 0);
	end(&s);

	begin(&s, LW_VERSION_TLS1_3, &is_cut);
	assert_true(attach(&s));
	assert_int_equal(read_on(&s), LW_ABORTED);
	assert_int_equal(lw_forget_session(s.stream), LW_UNSUPPORTED);
	assert_int_not_equal(gnutls_session_get_data2(s.session, &data), 0);
	end(&s);
}

static const struct adversary_script warns = SCRIPT(STEP_DATA(1000), STEP_ALERT(1, 40), STEP_FIN);

/* In 1.3 GnuTLS tells no level of an alert; the verdict says fatal. */
static void in_13_an_error_alert_has_no_level(void **state)
{
	struct lw_verdict verdict;
	struct solo s;

	(void)state;
	begin(&s, LW_VERSION_TLS1_3, &warns);
	assert_true(attach(&s));
	assert_int_equal(read_on(&s), LW_ABORTED);
	lw_verdict(s.stream, &verdict);
	assert_int_equal(verdict.alert_received.description, 40);
	assert_int_equal(verdict.alert_received.level, 2);
	end(&s);
}

static const struct adversary_script cancels =
    SCRIPT(STEP_TICKET, STEP_DATA(1000), STEP_ALERT(1, 90), STEP_CLOSE_NOTIFY, STEP_FIN);

/* After a user_canceled in 1.3 GnuTLS gives no session out: safe, but a session less. */
static void after_user_canceled_in_13_there_is_no_session(void **state)
{
	gnutls_datum_t data = { NULL, 0 };
	struct lw_verdict verdict;
	struct solo s;

	(void)state;
	begin(&s, LW_VERSION_TLS1_3, &cancels);
	assert_true(attach(&s));
	assert_int_equal(read_on(&s), LW_END);
	assert_int_equal(close_on(&s), LW_END);
	lw_verdict(s.stream, &verdict);
	assert_int_equal(verdict.read, LW_ENDING_CLOSED);
	assert_int_equal(verdict.warnings, 1);
	assert_int_equal(gnutls_session_get_data2(s.session, &data), GNUTLS_E_INVALID_SESSION);
	end(&s);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(refusals_say_why),
		cmocka_unit_test(datagrams_are_refused),
		cmocka_unit_test(a_write_under_way_is_refused_and_goes_on),
		cmocka_unit_test(the_applications_functions_are_called_and_given_back),
		cmocka_unit_test(a_write_behind_a_refusal_that_waits_is_sealed),
		cmocka_unit_test(an_abort_behind_a_refusal_that_waits_leaves),
		cmocka_unit_test(a_renegotiation_under_way_takes_no_write_and_hides_no_closure),
		cmocka_unit_test(data_in_a_renegotiation_is_refused),
		cmocka_unit_test(the_applications_error_function_is_asked),
		cmocka_unit_test(two_descriptors_serve_one_way_each),
		cmocka_unit_test(a_record_limit_of_the_applications_is_kept),
		cmocka_unit_test(a_key_update_that_is_due_keeps_no_stream_away),
		cmocka_unit_test(many_tickets_in_a_row_hold_nothing_up),
		cmocka_unit_test(an_octet_that_was_looked_at_goes_with_the_stream),
		cmocka_unit_test(a_session_is_the_applications_to_forget),
		cmocka_unit_test(in_13_an_error_alert_has_no_level),
		cmocka_unit_test(after_user_canceled_in_13_there_is_no_session),
	};
	return run_cases(tests);
}
