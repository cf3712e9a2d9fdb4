/*
 * threads: many threads add while one runs, over connections that end in different ways at any
 * moment; each is told once.  Meant for ThreadSanitizer, and true without.
 *
 * Peers are plain sockets with an OpenSSL server on them, driven by the adding thread itself: what
 * an adversary would do is not the point here.
 */
#include "adversary/loopback.h"
#include "tests/unit.h"

#include <fcntl.h>
#include <lastword/closer.h>
#include <lastword/openssl.h>
#include <openssl/err.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <unistd.h>

#define ADDERS      4
#define CONNECTIONS 12 /* a thread */

/* What a peer does before and after its connection was given away. */
enum manner { ANSWERS, HAD_CLOSED, CUTS, RESETS, SILENT, MANNERS };

struct adder {
	struct lw_closer *closer;
	SSL_CTX *client_ctx, *server_ctx;
	int number;
	bool failed;
	atomic_int told[CONNECTIONS];
	SSL *peers[CONNECTIONS];
	int fds[CONNECTIONS];
};

static SSL *make_ssl(SSL_CTX *ctx, int fd)
{
	SSL *ssl = SSL_new(ctx);

	if (ssl == NULL || SSL_set_fd(ssl, fd) != 1 || fcntl(fd, F_SETFL, O_NONBLOCK) != 0)
		return NULL;
	return ssl;
}

static bool shake_hands(SSL *client, SSL *server)
{
	int done = 0;

	SSL_set_connect_state(client);
	SSL_set_accept_state(server);
	for (int i = 0; i < 100000 && done < 2; i++) {
		ERR_clear_error();
		done = (SSL_do_handshake(client) == 1) + (SSL_do_handshake(server) == 1);
	}
	return done == 2;
}

static void end_as(enum manner manner, SSL *peer, int fd)
{
	const struct linger at_once = { .l_onoff = 1 };

	if (manner == ANSWERS || manner == HAD_CLOSED)
		(void)SSL_shutdown(peer);
	if (manner == RESETS) {
		(void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
		(void)close(fd);
		return;
	}
	if (manner != SILENT)
		(void)shutdown(fd, SHUT_WR);
}

static bool add_one(struct adder *a, int i)
{
	const enum manner manner = (enum manner)((a->number + i) % MANNERS);
	struct lw_stream *s;
	SSL *client;
	int pair[2];

	if (!loopback_pair(pair))
		return false;
	client = make_ssl(a->client_ctx, pair[0]);
	a->peers[i] = make_ssl(a->server_ctx, pair[1]);
	a->fds[i] = manner == RESETS ? -1 : pair[1];
	if (client == NULL || a->peers[i] == NULL || !shake_hands(client, a->peers[i]))
		return false;
	s = lw_openssl_attach(client, NULL, NULL);
	if (s == NULL)
		return false;
	if (manner == HAD_CLOSED)
		end_as(manner, a->peers[i], pair[1]);
	if (lw_closer_add(a->closer, s, &a->told[i], NULL) != LW_OK)
		return false;
	if (manner != HAD_CLOSED)
		end_as(manner, a->peers[i], pair[1]);
	return true;
}

static void *add_all(void *context)
{
	struct adder *a = context;

	for (int i = 0; i < CONNECTIONS && !a->failed; i++)
		a->failed = !add_one(a, i);
	OPENSSL_thread_stop();
	return NULL;
}

static void run_until(struct lw_closer *c, unsigned count)
{
	struct pollfd p = { .fd = lw_closer_fd(c), .events = POLLIN };
	struct lw_closed done[3];
	unsigned told = 0;
	size_t n;

	while (told < count) {
		if (poll(&p, 1, 30000) != 1)
			return;
		(void)!lw_closer_run(c, done, 3, &n);
		for (size_t i = 0; i < n; i++)
			atomic_fetch_add((atomic_int *)done[i].tag, 1);
		told += (unsigned)n;
		(void)lw_closer_count(c);
	}
}

static SSL_CTX *make_server(void)
{
	struct certificate *certificate = certificate_new(NULL, NULL);
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());

	assert_true(ctx && certificate && certificate_present(certificate, ctx));
	certificate_free(certificate);
	return ctx;
}

static void free_peers(struct adder *a)
{
	for (int i = 0; i < CONNECTIONS; i++) {
		SSL_free(a->peers[i]);
		if (a->fds[i] >= 0)
			close(a->fds[i]);
	}
}

static void many_threads_add_while_one_runs(void **state)
{
	const struct lw_closer_options options = { .deadline_ms = 200, .drain_bytes = 1u << 16 };
	struct lw_closer *c = lw_closer_new(&options);
	SSL_CTX *client = SSL_CTX_new(TLS_client_method()), *server = make_server();
	static struct adder adders[ADDERS];
	pthread_t threads[ADDERS];

	(void)state;
	assert_true(c && client);
	for (int i = 0; i < ADDERS; i++) {
		adders[i] = (struct adder){
			.closer = c, .client_ctx = client, .server_ctx = server, .number = i
		};
		assert_int_equal(pthread_create(&threads[i], NULL, add_all, &adders[i]), 0);
	}
	run_until(c, ADDERS * CONNECTIONS);
	for (int i = 0; i < ADDERS; i++) {
		assert_int_equal(pthread_join(threads[i], NULL), 0);
		assert_false(adders[i].failed);
		for (int k = 0; k < CONNECTIONS; k++)
			assert_int_equal(atomic_load(&adders[i].told[k]), 1);
		free_peers(&adders[i]);
	}
	assert_int_equal(lw_closer_count(c), 0);
	lw_closer_free(c);
	SSL_CTX_free(client);
	SSL_CTX_free(server);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(many_threads_add_while_one_runs) };

	return run_cases(tests);
}
