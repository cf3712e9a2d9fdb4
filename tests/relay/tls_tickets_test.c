/* tls_tickets_test: when a session is resumed and when it is not: across connections, services,
 * reloads, and never where clients are verified.
 */
#include "tests/relay/tls_parts.h"

#include <string.h>

static const char *certificate[2];

static int make_files(void **state)
{
	(void)state;
	certificate_free(parts_certificate("own", &(struct certificate_order){ 0 }));
	certificate[0] = parts_path("own.pem");
	return 0;
}

/* The session that the last ticket brought to the client. */
static SSL_SESSION *brought;
static unsigned tickets;

static int on_session(SSL *ssl, SSL_SESSION *session)
{
	(void)ssl;
	SSL_SESSION_free(brought);
	brought = session;
	tickets++;
	return 1;
}

static void forget(void)
{
	SSL_SESSION_free(brought);
	brought = NULL;
	tickets = 0;
}

static SSL_CTX *client_of(int version)
{
	SSL_CTX *ctx = parts_any_client();

	assert_int_equal(SSL_CTX_set_min_proto_version(ctx, version), 1);
	assert_int_equal(SSL_CTX_set_max_proto_version(ctx, version), 1);
	(void)SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT |
	                                              SSL_SESS_CACHE_NO_INTERNAL_STORE);
	SSL_CTX_sess_set_new_cb(ctx, on_session);
	return ctx;
}

/* A visit that keeps its session; whether the one it offered was resumed. */
static bool visit(SSL_CTX *client, SSL_CTX *server, const char *name, SSL_SESSION *session)
{
	struct pair p = parts_visit(client, server, name, session);
	bool is_resumed;

	assert_true(p.are_done);
	parts_talk(&p);
	is_resumed = SSL_session_reused(p.client) == 1;
	assert_int_equal(SSL_session_reused(p.server), is_resumed);
	if (name != NULL)
		assert_string_equal(SSL_get_servername(p.server, TLSEXT_NAMETYPE_host_name), name);
	parts_part(&p);
	return is_resumed;
}

static const struct row {
	const char *claim;
	bool tickets; /* of the service that is visited first */
	bool same_service, same_name, reloads, verifies_then;
	bool is_resumed;
} rows[] = {
	{ "a second connection resumes", true, true, true, false, false, true },
	{ "not where tickets are off", false, true, true, false, false, false },
	{ "after a reload it does", true, true, true, true, false, true },
	{ "not where clients are verified since", true, true, true, true, true, false },
	{ "not in another service", true, false, true, true, false, false },
};

enum { ROWS = sizeof rows / sizeof *rows };

static void test_row(void **state)
{
	const struct row *r = *state;

	for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
		struct relay_service s = PLAIN_SERVICE;
		SSL_CTX *client = client_of(version), *server, *next;
		SSL_SESSION *session;
		struct failure f = { "" };
		struct pair p;

		forget();
		s.front.certificates = certificate;
		s.front.tickets = r->tickets;
		server = parts_server(&s);
		assert_false(visit(client, server, NULL, NULL));
		assert_int_equal(tickets, r->tickets ? 1 : 0);
		session = brought;
		brought = NULL;
		if (!r->same_service)
			s.name = "another";
		if (r->verifies_then) {
			s.front.verify_chain = true;
			s.front.ca_file = certificate[0];
			assert_int_equal(SSL_CTX_use_certificate_chain_file(client, certificate[0]),
			                 1);
			assert_int_equal(
			    SSL_CTX_use_PrivateKey_file(client, certificate[0], SSL_FILETYPE_PEM),
			    1);
		}
		next = r->reloads ? relay_tls_server(&s, NULL, server, &f) : NULL;
		assert_string_equal(f.sentence, "");
		p = parts_visit(client, r->reloads ? next : server, NULL, session);
		assert_true(p.are_done);
		parts_talk(&p);
		assert_int_equal(SSL_session_reused(p.client), r->is_resumed);
		parts_part(&p);
		SSL_SESSION_free(session);
		SSL_CTX_free(server);
		SSL_CTX_free(next);
		SSL_CTX_free(client);
	}
	forget();
}

/* The services behind one listener; a ticket is good where it was got and nowhere else. */
static void test_names(void **state)
{
	static const char *const names[] = { NULL, "a.example", "b.example", "verified.example" };
	enum { NAMES = sizeof names / sizeof *names };
	struct relay_service services[NAMES];
	struct relay_tls_name table[NAMES];
	SSL_CTX *ctx[NAMES];

	(void)state;
	for (size_t i = 0; i < NAMES; i++) {
		services[i] = (struct relay_service)PLAIN_SERVICE;
		services[i].name = names[i] != NULL ? names[i] : "listener";
		services[i].front.certificates = certificate;
		if (i == NAMES - 1) {
			services[i].front.require_certificate = true;
			services[i].front.ca_file = certificate[0];
		}
		ctx[i] = parts_server(&services[i]);
		if (i > 0)
			table[i - 1] = (struct relay_tls_name){ names[i], ctx[i], i };
	}
	relay_tls_set_names(ctx[0], table, NAMES - 1);
	for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
		SSL_CTX *client = client_of(version);

		assert_int_equal(SSL_CTX_use_certificate_chain_file(client, certificate[0]), 1);
		assert_int_equal(
		    SSL_CTX_use_PrivateKey_file(client, certificate[0], SSL_FILETYPE_PEM), 1);
		for (size_t from = 0; from < NAMES; from++)
			for (size_t to = 0; to < NAMES; to++) {
				SSL_SESSION *session;

				forget();
				assert_false(visit(client, ctx[0], names[from], NULL));
				assert_int_equal(tickets, from == NAMES - 1 ? 0 : 1);
				session = brought;
				brought = NULL;
				assert_int_equal(visit(client, ctx[0], names[to], session),
				                 from == to && from != NAMES - 1);
				SSL_SESSION_free(session);
			}
		SSL_CTX_free(client);
	}
	forget();
	for (size_t i = 0; i < NAMES; i++)
		SSL_CTX_free(ctx[i]);
}

int main(void)
{
	struct CMUnitTest tests[ROWS + 1] = { cmocka_unit_test(test_names) };

	for (size_t i = 0; i < ROWS; i++)
		tests[1 + i] = (struct CMUnitTest){
			.name = rows[i].claim,
			.test_func = test_row,
			.initial_state = (void *)(uintptr_t)&rows[i],
		};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, make_files, NULL);
}
