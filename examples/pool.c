/*
 * pool: keeps connections for the next request, and ends those that it parts with properly for next
 * to nothing: a closer takes them over, many thousands at a time.
 *
 *     cc pool.c -o pool $(pkg-config --cflags --libs lastword-openssl)
 *     ./pool example.org 443 /etc/ssl/certs/ca-certificates.crt / 5
 *
 * Asks for a page on 5 connections, keeps two of them, uses those once more, and parts with all.
 * The closer has one descriptor for whatever event loop there is; here it is poll(). Exit status: 0
 * every page was whole and every connection ended properly; 1 not, and standard error says which; 3
 * never connected.
 */
#include <lastword/closer.h>
#include <lastword/openssl.h>
#include <lastword/profile.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { IDLE_MAX = 2, CONNECTIONS_MAX = 1000 };

struct connection {
	SSL *ssl;
	struct lw_stream *stream;
};

struct pool {
	SSL_CTX *ctx;
	const char *host, *port;
	struct lw_closer *closer;
	struct connection idle[IDLE_MAX];
	size_t idle_count;
	unsigned proper, improper; /* endings */
};

static bool dial(struct pool *p, struct connection *c)
{
	BIO *tcp = BIO_new_connect(p->host);

	c->ssl = SSL_new(p->ctx);
	c->stream = NULL;
	if (!c->ssl || !tcp || BIO_set_conn_port(tcp, p->port) != 1 || BIO_do_connect(tcp) != 1 ||
	    SSL_set_tlsext_host_name(c->ssl, p->host) != 1 || SSL_set1_host(c->ssl, p->host) != 1) {
		BIO_free_all(tcp);
		SSL_free(c->ssl);
		return false;
	}
	SSL_set_bio(c->ssl, tcp, tcp);
	SSL_set_connect_state(c->ssl);
	c->stream = lw_openssl_attach(c->ssl, NULL, NULL);
	return c->stream &&
	       lw_use_profile(c->stream, lw_profile_by_name("https"), LW_ROLE_CLIENT) == LW_OK;
}

static bool take(struct pool *p, struct connection *c)
{
	if (p->idle_count == 0)
		return dial(p, c);
	*c = p->idle[--p->idle_count];
	return true;
}

/* From here on the stream, the SSL object and the descriptor are the closer's. */
static void part_with(struct pool *p, struct connection *c)
{
	const char *why;

	if (lw_closer_add(p->closer, c->stream, NULL, &why) == LW_OK)
		return;
	fprintf(stderr, "pool: the closer refuses: %s\n", why);
	p->improper++;
	lw_free(c->stream);
	SSL_free(c->ssl);
}

static void give_back(struct pool *p, struct connection *c)
{
	if (p->idle_count < IDLE_MAX)
		p->idle[p->idle_count++] = *c;
	else
		part_with(p, c);
}

/* Those that are over.  Nobody could open what a peer said after our end: that is abandoned. */
static void collect(struct pool *p)
{
	struct lw_closed done[64];
	size_t n;

	while (lw_closer_run(p->closer, done, 64, &n) == LW_OK)
		for (size_t i = 0; i < n; i++)
			if (done[i].verdict.write == LW_ENDING_CLOSED &&
			    done[i].verdict.bytes_unacknowledged == 0)
				p->proper++;
			else
				p->improper++;
}

/* A page with a length; true once it is complete, and the connection is good for another. */
static bool fetch(struct connection *c, const char *request)
{
	enum lw_status status = LW_OK;
	size_t left = strlen(request), n;
	struct lw_verdict verdict = { .complete = false };
	char buf[16384];

	for (; status == LW_OK && left > 0; request += n, left -= n)
		if ((status = lw_write(c->stream, request, left, &n)) == LW_AGAIN)
			status = lw_wait(c->stream, LW_INTEREST_WRITE, -1);
	while (status == LW_OK && !verdict.complete) {
		if ((status = lw_read(c->stream, buf, sizeof(buf), &n)) == LW_AGAIN)
			status = lw_wait(c->stream, LW_INTEREST_READ, -1);
		lw_verdict(c->stream, &verdict);
	}
	if (!verdict.complete)
		fprintf(stderr, "pool: %s\n", lw_verdict_sentence(&verdict, buf, sizeof(buf)));
	return verdict.complete;
}

/* Takes `count` connections at once, asks on each, and gives them back; the whole pages. */
static unsigned use(struct pool *p, const char *request, unsigned count)
{
	static struct connection taken[CONNECTIONS_MAX];
	unsigned whole = 0, have = 0;

	while (have < count && take(p, &taken[have]))
		have++;
	for (unsigned i = 0; i < have; i++) {
		if (fetch(&taken[i], request)) {
			whole++;
			give_back(p, &taken[i]);
		} else {
			part_with(p, &taken[i]);
		}
		collect(p);
	}
	return whole;
}

static void part_with_all(struct pool *p)
{
	struct pollfd ready = { .fd = lw_closer_fd(p->closer), .events = POLLIN };

	while (p->idle_count > 0)
		part_with(p, &p->idle[--p->idle_count]);
	for (collect(p); lw_closer_count(p->closer) > 0; collect(p))
		if (poll(&ready, 1, -1) < 0)
			return;
}

int main(int argc, char **argv)
{
	struct pool p = { .ctx = SSL_CTX_new(TLS_client_method()), .closer = lw_closer_new(NULL) };
	const unsigned count = argc == 6 ? (unsigned)strtoul(argv[5], NULL, 10) : 0;
	char request[2048];
	unsigned whole;
	int len;

	if (count < 1 || count > CONNECTIONS_MAX || !p.ctx || !p.closer ||
	    SSL_CTX_load_verify_file(p.ctx, argv[3]) != 1) {
		fprintf(stderr, "usage: pool HOST PORT ROOTS PATH CONNECTIONS\n");
		return 2;
	}
	SSL_CTX_set_verify(p.ctx, SSL_VERIFY_PEER, NULL);
	p.host = argv[1];
	p.port = argv[2];
	len = snprintf(request, sizeof(request), "GET %s HTTP/1.1\r\nHost: %s\r\n\r\n", argv[4],
	               argv[1]);
	if (len < 0 || (size_t)len >= sizeof(request))
		return 2;
	whole = use(&p, request, count);
	whole += use(&p, request, count < IDLE_MAX ? count : IDLE_MAX);
	part_with_all(&p);
	printf("%u whole pages; of %u connections %u ended properly\n", whole,
	       p.proper + p.improper, p.proper);
	lw_closer_free(p.closer);
	SSL_CTX_free(p.ctx);
	if (p.proper + p.improper == 0)
		return 3;
	return whole == count + (count < IDLE_MAX ? count : IDLE_MAX) && p.improper == 0 ? 0 : 1;
}
