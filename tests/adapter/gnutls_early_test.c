/*
 * gnutls_early_test: early data of TLS 1.3, of which a stream cannot say how it ended: two sessions
 * of GnuTLS, the second resumes the first one's ticket and sends before the handshake is done.
 */
#include "adversary/loopback.h"
#include "pem.h"
#include "tests/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <gnutls/socket.h>
#include <lastword/gnutls.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { CLIENT, SERVER, SIDES };
enum { TURNS = 20000 };

static const char priorities[] = "NORMAL:-VERS-ALL:+VERS-TLS1.3";
static const char early[] = "early";

static gnutls_certificate_credentials_t credentials[SIDES];
static gnutls_datum_t ticket_key;
static gnutls_anti_replay_t anti_replay;

struct pair {
	gnutls_session_t session[SIDES];
	int fd[SIDES];
	size_t budget; /* bytes that the client may still read */
};

static int never_seen(void *context, time_t until, const gnutls_datum_t *key,
                      const gnutls_datum_t *data)
{
	(void)context, (void)until, (void)key, (void)data;
	return 0;
}

static ssize_t pull_by_budget(gnutls_transport_ptr_t ptr, void *buf, size_t cap)
{
	struct pair *p = ptr;
	ssize_t got;

	if (p->budget == 0) {
		errno = EAGAIN;
		return -1;
	}
	got = recv(p->fd[CLIENT], buf, cap < p->budget ? cap : p->budget, MSG_DONTWAIT);
	p->budget -= got > 0 ? (size_t)got : 0;
	return got;
}

static ssize_t push(gnutls_transport_ptr_t ptr, const void *buf, size_t len)
{
	return send(((struct pair *)ptr)->fd[CLIENT], buf, len, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void begin(struct pair *p, const gnutls_datum_t *resumed)
{
	static const unsigned flags[SIDES] = { GNUTLS_CLIENT, GNUTLS_SERVER };

	p->budget = SIZE_MAX;
	assert_true(loopback_pair(p->fd));
	for (int i = 0; i < SIDES; i++) {
		assert_int_equal(fcntl(p->fd[i], F_SETFL, O_NONBLOCK), 0);
		assert_int_equal(gnutls_init(&p->session[i],
		                             flags[i] | GNUTLS_NONBLOCK | GNUTLS_ENABLE_EARLY_DATA),
		                 0);
		assert_int_equal(gnutls_priority_set_direct(p->session[i], priorities, NULL), 0);
		assert_int_equal(
		    gnutls_credentials_set(p->session[i], GNUTLS_CRD_CERTIFICATE, credentials[i]),
		    0);
	}
	gnutls_transport_set_int(p->session[SERVER], p->fd[SERVER]);
	gnutls_transport_set_ptr(p->session[CLIENT], p);
	gnutls_transport_set_pull_function(p->session[CLIENT], pull_by_budget);
	gnutls_transport_set_push_function(p->session[CLIENT], push);
	assert_int_equal(gnutls_session_ticket_enable_server(p->session[SERVER], &ticket_key), 0);
	assert_int_equal(gnutls_record_set_max_early_data_size(p->session[SERVER], 100), 0);
	gnutls_anti_replay_enable(p->session[SERVER], anti_replay);
	if (resumed == NULL)
		return;
	assert_int_equal(gnutls_session_set_data(p->session[CLIENT], resumed->data, resumed->size),
	                 0);
	assert_int_equal(gnutls_record_send_early_data(p->session[CLIENT], early, sizeof early), 0);
}

static void end(struct pair *p)
{
	for (int i = 0; i < SIDES; i++) {
		gnutls_deinit(p->session[i]);
		close(p->fd[i]);
	}
}

static void shake_hands(struct pair *p)
{
	int did[SIDES] = { GNUTLS_E_AGAIN, GNUTLS_E_AGAIN };

	for (int i = 0; i < TURNS && (did[CLIENT] != 0 || did[SERVER] != 0); i++)
		if (did[i % SIDES] != 0)
			did[i % SIDES] = gnutls_handshake(p->session[i % SIDES]);
	assert_int_equal(did[CLIENT], 0);
	assert_int_equal(did[SERVER], 0);
}

static struct lw_stream *attach(struct pair *p, int side, const char **why)
{
	const struct lw_gnutls_functions own = {
		.pull_ptr = p, .push_ptr = p, .pull = pull_by_budget, .push = push
	};

	return side == SERVER ? lw_gnutls_attach(p->session[SERVER], NULL, why)
	                      : lw_gnutls_attach_transport(p->session[CLIENT], &own, NULL, why);
}

static void take_ticket(gnutls_datum_t *ticket)
{
	struct pair p;
	uint8_t octet;

	begin(&p, NULL);
	shake_hands(&p);
	assert_int_equal(gnutls_record_recv(p.session[CLIENT], &octet, 1), GNUTLS_E_AGAIN);
	assert_int_equal(gnutls_session_get_data2(p.session[CLIENT], ticket), 0);
	end(&p);
}

static bool has_early_data(const struct pair *p, int side)
{
	return gnutls_session_get_flags(p->session[side]) & GNUTLS_SFLAGS_EARLY_DATA;
}

/* Goes on until the early data was accepted on that side, and not further. */
static void go_on_to_early_data(struct pair *p, int side)
{
	p->budget = 0;
	for (int i = 0; i < TURNS && !has_early_data(p, side); i++) {
		if (side == CLIENT && i > 0)
			p->budget++;
		assert_int_equal(gnutls_handshake(p->session[CLIENT]), GNUTLS_E_AGAIN);
		if (i == 0)
			assert_int_equal(gnutls_handshake(p->session[SERVER]), GNUTLS_E_AGAIN);
	}
	assert_true(has_early_data(p, side));
}

static void early_data_under_way_is_refused_until_the_handshake_is_done(void **state)
{
	gnutls_datum_t ticket;
	char buf[20];

	(void)state;
	take_ticket(&ticket);
	for (int side = 0; side < SIDES; side++) {
		const char *why = "";
		struct lw_stream *s;
		struct pair p;

		begin(&p, &ticket);
		go_on_to_early_data(&p, side);
		assert_null(attach(&p, side, &why));
		if (strstr(why, "early data") == NULL)
			assert_string_equal(why, "early data");
		p.budget = SIZE_MAX;
		shake_hands(&p);
		assert_int_equal(gnutls_record_recv_early_data(p.session[SERVER], buf, sizeof buf),
		                 sizeof early);
		s = attach(&p, side, &why);
		assert_null(why);
		assert_non_null(s);
		lw_free(s);
		end(&p);
	}
	gnutls_free(ticket.data);
}

static int open_library(void **state)
{
	const gnutls_datum_t certificate = { (unsigned char *)pem_certificate(),
		                             (unsigned)strlen(pem_certificate()) };
	const gnutls_datum_t key = { (unsigned char *)pem_key(), (unsigned)strlen(pem_key()) };

	(void)state;
	for (int i = 0; i < SIDES; i++)
		if (gnutls_certificate_allocate_credentials(&credentials[i]) != 0)
			return -1;
	if (gnutls_certificate_set_x509_key_mem(credentials[SERVER], &certificate, &key,
	                                        GNUTLS_X509_FMT_PEM) != 0 ||
	    gnutls_session_ticket_key_generate(&ticket_key) != 0 ||
	    gnutls_anti_replay_init(&anti_replay) != 0)
		return -1;
	gnutls_anti_replay_set_add_function(anti_replay, never_seen);
	return 0;
}

static int close_library(void **state)
{
	(void)state;
	gnutls_anti_replay_deinit(anti_replay);
	gnutls_free(ticket_key.data);
	for (int i = 0; i < SIDES; i++)
		gnutls_certificate_free_credentials(credentials[i]);
	return 0;
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(early_data_under_way_is_refused_until_the_handshake_is_done),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, open_library, close_library);
}
