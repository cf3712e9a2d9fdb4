/*
 * closer_bench: ends many connections, by a closer or by a plain epoll loop that keeps each SSL
 * object until the peer's FIN, and tells what that cost.
 *
 *     closer_bench naive|closer CONNECTIONS DEADLINE_MS
 *
 * The peers live in a forked child, which answers our close_notify with its own and a FIN; one in
 * ten says nothing.  They wait until all of our alerts have left, so that the heap can be measured
 * in between.  At the end each peer says whether it got every byte and our FIN, or a reset.
 * Prints "NAME NUMBER" a line.
 */
#include "net/certificate.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <lastword/closer.h>
#include <lastword/openssl.h>
#include <malloc.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SILENT_ONE_IN   10u
#define MESSAGE_BYTES   200u
#define CONNECTIONS_MAX 100000u
#define BATCH           64

struct connection {
	SSL *ssl;
	struct lw_stream *stream;
	int fd;
	bool over;
	uint64_t began_ms;
};

struct peer {
	int fd;
	uint8_t alert[64];
	uint8_t alert_bytes;
	bool answered;
	bool over;
	size_t bytes;
};

struct totals {
	uint64_t whole; /* peers that got every byte, and FIN */
	uint64_t resets;
	uint64_t short_of_bytes;
};

static unsigned count;
static uint32_t deadline_ms;
static struct connection *connections; /* not of the heap that is measured */

static void must(bool claim, const char *what)
{
	if (claim)
		return;
	fprintf(stderr, "closer_bench: %s: %s\n", what, strerror(errno));
	exit(3);
}

static void *reserve(size_t size)
{
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	must(memory != MAP_FAILED, "no memory");
	return memory;
}

static uint64_t now_us(void)
{
	struct timespec t;

	must(clock_gettime(CLOCK_MONOTONIC, &t) == 0, "no clock");
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static uint64_t now_ms(void)
{
	return now_us() / 1000;
}

static uint64_t cpu_us(void)
{
	struct rusage used;

	must(getrusage(RUSAGE_SELF, &used) == 0, "no usage");
	return (uint64_t)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1000000 +
	       (uint64_t)(used.ru_utime.tv_usec + used.ru_stime.tv_usec);
}

static uint64_t heap_bytes(void)
{
	const struct mallinfo2 info = mallinfo2();

	return info.uordblks + info.hblkhd;
}

static void raise_limit(void)
{
	struct rlimit limit;

	must(getrlimit(RLIMIT_NOFILE, &limit) == 0, "no limit");
	limit.rlim_cur = limit.rlim_max;
	must(setrlimit(RLIMIT_NOFILE, &limit) == 0, "no limit");
	if (limit.rlim_cur < count + 64) {
		fprintf(stderr, "closer_bench: at most %lu descriptors\n",
		        (unsigned long)limit.rlim_cur);
		exit(3);
	}
}

/* The peers, in the child */

static bool is_silent(unsigned i)
{
	return i % SILENT_ONE_IN == 0;
}

/* Until a handshake is done; the other side works on a whole batch meanwhile. */
static void shake_hands(SSL *ssl, int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	while (SSL_do_handshake(ssl) != 1) {
		must(SSL_want_read(ssl) && poll(&p, 1, -1) == 1, "the handshake failed");
		ERR_clear_error();
	}
}

static void begin_handshake(SSL *ssl)
{
	must(SSL_do_handshake(ssl) == 1 || SSL_want_read(ssl), "the handshake failed");
	ERR_clear_error();
}

static SSL *make_ssl(SSL_CTX *ctx, int fd)
{
	SSL *ssl = SSL_new(ctx);

	must(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int)) == 0 &&
	         fcntl(fd, F_SETFL, O_NONBLOCK) == 0,
	     "no socket");
	must(ssl && SSL_set_fd(ssl, fd) == 1, "no SSL");
	return ssl;
}

/* Its own close_notify is sealed beforehand, so that the child needs no SSL object either. */
static void seal_answer(SSL *ssl, struct peer *p)
{
	BIO *out = BIO_new(BIO_s_mem());

	must(out != NULL, "no memory");
	SSL_set0_wbio(ssl, out);
	must(SSL_shutdown(ssl) == 0, "no alert");
	p->alert_bytes = (uint8_t)BIO_read(out, p->alert, sizeof p->alert);
	SSL_free(ssl);
}

static void serve(SSL_CTX *ctx, int listener, struct peer *peers, unsigned n)
{
	SSL *ssl[BATCH];

	for (unsigned i = 0; i < n; i++) {
		peers[i].fd = accept(listener, NULL, NULL);
		must(peers[i].fd >= 0, "no peer");
		ssl[i] = make_ssl(ctx, peers[i].fd);
		SSL_set_accept_state(ssl[i]);
		begin_handshake(ssl[i]);
	}
	for (unsigned i = 0; i < n; i++)
		shake_hands(ssl[i], peers[i].fd);
	for (unsigned i = 0; i < n; i++)
		seal_answer(ssl[i], &peers[i]);
}

static unsigned batch_at(unsigned i)
{
	return count - i < BATCH ? count - i : BATCH;
}

/* false: it is over. */
static bool read_all(struct peer *p, struct totals *t, size_t expected)
{
	uint8_t buf[4096];
	ssize_t n;

	while ((n = recv(p->fd, buf, sizeof buf, 0)) > 0)
		p->bytes += (size_t)n;
	if (n < 0 && errno == EAGAIN)
		return true;
	t->resets += n < 0;
	t->whole += n == 0 && p->bytes == expected;
	t->short_of_bytes += p->bytes != expected;
	return false;
}

static void answer(struct peer *p, struct totals *t, size_t expected)
{
	if (!read_all(p, t, expected)) {
		p->over = true;
		close(p->fd);
		return;
	}
	if (p->answered || p->bytes < expected)
		return;
	p->answered = true;
	(void)send(p->fd, p->alert, p->alert_bytes, MSG_NOSIGNAL);
	(void)shutdown(p->fd, SHUT_WR);
}

/* What we send: a message in one record, and an alert. */
static size_t expected_bytes(void)
{
	return 5 + MESSAGE_BYTES + 1 + 16 + 5 + 2 + 1 + 16;
}

static void let_peers_answer(struct peer *peers, struct totals *t)
{
	const int epoll = epoll_create1(0);
	struct epoll_event events[BATCH];
	unsigned left = 0;

	for (unsigned i = 0; i < count; i++) {
		struct epoll_event event = { .events = EPOLLIN, .data.ptr = &peers[i] };

		if (is_silent(i))
			continue;
		left++;
		must(epoll_ctl(epoll, EPOLL_CTL_ADD, peers[i].fd, &event) == 0, "epoll");
	}
	while (left > 0) {
		const int n = epoll_wait(epoll, events, BATCH, -1);

		for (int i = 0; i < n; i++) {
			struct peer *p = events[i].data.ptr;

			answer(p, t, expected_bytes());
			left -= p->over;
		}
	}
	close(epoll);
}

static void be_peers(SSL_CTX *ctx, int listener, int orders, int answers)
{
	struct peer *peers = reserve(count * sizeof *peers);
	struct totals totals = { 0 };
	char order;

	for (unsigned i = 0; i < count; i += BATCH)
		serve(ctx, listener, &peers[i], batch_at(i));
	must(write(answers, "r", 1) == 1, "pipe");
	must(read(orders, &order, 1) == 1, "pipe");
	let_peers_answer(peers, &totals);
	must(read(orders, &order, 1) == 1, "pipe");
	for (unsigned i = 0; i < count; i++) /* what the silent ones got by the end */
		if (is_silent(i) && read_all(&peers[i], &totals, expected_bytes()))
			totals.short_of_bytes++;
	must(write(answers, &totals, sizeof totals) == sizeof totals, "pipe");
	_exit(0);
}

/* Our side: connections */

static void open_connections(SSL_CTX *ctx, const struct sockaddr_in *to, bool attaches,
                             struct connection *c, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		c[i].fd = socket(AF_INET, SOCK_STREAM, 0);
		must(c[i].fd >= 0 && connect(c[i].fd, (const struct sockaddr *)to, sizeof *to) == 0,
		     "no connection");
		c[i].ssl = make_ssl(ctx, c[i].fd);
		SSL_set_connect_state(c[i].ssl);
		begin_handshake(c[i].ssl);
	}
	for (unsigned i = 0; i < n; i++) {
		shake_hands(c[i].ssl, c[i].fd);
		if (attaches)
			c[i].stream = lw_openssl_attach(c[i].ssl, NULL, NULL);
		must(!attaches || c[i].stream, "attaching was refused");
	}
}

static void write_message(struct connection *c)
{
	static const uint8_t message[MESSAGE_BYTES];
	size_t n = 0;

	if (c->stream)
		must(lw_write(c->stream, message, sizeof message, &n) == LW_OK, "no write");
	else
		must(SSL_write_ex(c->ssl, message, sizeof message, &n) == 1, "no write");
	must(n == sizeof message, "a short write");
}

/* The naive loop */

static int naive_epoll;

static void naive_add(struct connection *c)
{
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = c };

	must(SSL_shutdown(c->ssl) == 0, "no alert");
	must(epoll_ctl(naive_epoll, EPOLL_CTL_ADD, c->fd, &event) == 0, "epoll");
}

static void naive_end(struct connection *c)
{
	SSL_free(c->ssl);
	close(c->fd);
	c->over = true;
}

/* Until the peer's FIN; true: it was there. */
static bool naive_go_on(struct connection *c)
{
	char octet;

	if (!(SSL_get_shutdown(c->ssl) & SSL_RECEIVED_SHUTDOWN) && SSL_shutdown(c->ssl) != 1) {
		const int why = SSL_get_error(c->ssl, -1);

		ERR_clear_error();
		if (why == SSL_ERROR_WANT_READ)
			return false;
	}
	return recv(c->fd, &octet, 1, 0) >= 0 || errno != EAGAIN;
}

static unsigned naive_run(unsigned *oldest)
{
	struct epoll_event events[BATCH];
	const uint64_t due = connections[*oldest].began_ms + deadline_ms, now = now_ms();
	const int n = epoll_wait(naive_epoll, events, BATCH, due > now ? (int)(due - now) : 0);
	unsigned over = 0;

	for (int i = 0; i < n; i++)
		if (naive_go_on(events[i].data.ptr)) {
			naive_end(events[i].data.ptr);
			over++;
		}
	for (; *oldest < count; ++*oldest) {
		struct connection *c = &connections[*oldest];

		if (!c->over && c->began_ms + deadline_ms > now_ms())
			break;
		if (!c->over) {
			naive_end(c);
			over++;
		}
	}
	return over;
}

/* The closer's */

static uint64_t unacknowledged, worst_ms;

static void closer_add(struct lw_closer *closer, struct connection *c)
{
	const char *why;

	must(lw_closer_add(closer, c->stream, c, &why) == LW_OK, "refused");
}

static unsigned closer_run(struct lw_closer *closer, int epoll)
{
	struct lw_closed done[BATCH];
	struct epoll_event event;
	size_t n;

	(void)epoll_wait(epoll, &event, 1, -1);
	(void)!lw_closer_run(closer, done, BATCH, &n);
	for (size_t i = 0; i < n; i++) {
		const struct connection *c = done[i].tag;
		const uint64_t took = now_ms() - c->began_ms;

		must(done[i].verdict.write == LW_ENDING_CLOSED, "an alert did not leave");
		unacknowledged += done[i].verdict.bytes_unacknowledged;
		worst_ms = took > worst_ms ? took : worst_ms;
	}
	return (unsigned)n;
}

/* What is measured */

static void tell(const char *name, uint64_t number)
{
	printf("%s %llu\n", name, (unsigned long long)number);
}

static void measure(bool naive, uint64_t base, int orders, int answers)
{
	const struct lw_closer_options options = { .deadline_ms = deadline_ms,
		                                   .drain_bytes = LW_DEFAULT_DRAIN_BYTES };
	struct lw_closer *closer = naive ? NULL : lw_closer_new(&options);
	const int epoll = epoll_create1(0);
	struct epoll_event event = { .events = EPOLLIN };
	struct totals totals;
	unsigned over = 0, oldest = 0;
	uint64_t cpu = cpu_us();

	naive_epoll = epoll;
	must(naive ||
	         (closer && epoll_ctl(epoll, EPOLL_CTL_ADD, lw_closer_fd(closer), &event) == 0),
	     "no closer");
	for (unsigned i = 0; i < count; i++) {
		connections[i].began_ms = now_ms();
		if (naive)
			naive_add(&connections[i]);
		else
			closer_add(closer, &connections[i]);
	}
	cpu = cpu_us() - cpu;
	tell("heap_bytes", (heap_bytes() - base) / count);
	must(write(orders, "g", 1) == 1, "pipe");
	cpu -= cpu_us();
	while (over < count)
		over += naive ? naive_run(&oldest) : closer_run(closer, epoll);
	cpu += cpu_us();
	tell("cpu_ns", cpu * 1000 / count);
	must(write(orders, "e", 1) == 1, "pipe");
	must(read(answers, &totals, sizeof totals) == sizeof totals, "pipe");
	tell("worst_ms", worst_ms);
	tell("unacknowledged", unacknowledged);
	tell("whole", totals.whole);
	tell("resets", totals.resets);
	tell("short", totals.short_of_bytes);
	lw_closer_free(closer);
	close(epoll);
}

static SSL_CTX *make_context(bool serves, const struct certificate *certificate)
{
	SSL_CTX *ctx = SSL_CTX_new(serves ? TLS_server_method() : TLS_client_method());

	must(ctx && SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION) == 1, "no context");
	must(SSL_CTX_set_ciphersuites(ctx, "TLS_AES_128_GCM_SHA256") == 1, "no suite");
	SSL_CTX_set_num_tickets(ctx, 0);
	must(!serves || certificate_present(certificate, ctx), "no certificate");
	return ctx;
}

/* An address a process of 127/8: connections of an earlier run may still hold their ports. */
static int listen_somewhere(struct sockaddr_in *at)
{
	const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	socklen_t len = sizeof *at;

	*at = (struct sockaddr_in){ .sin_family = AF_INET };
	at->sin_addr.s_addr = htonl(0x7f000100u + (uint32_t)getpid() % 0xf00000u);
	must(listener >= 0 && bind(listener, (struct sockaddr *)at, sizeof *at) == 0 &&
	         listen(listener, 128) == 0 &&
	         getsockname(listener, (struct sockaddr *)at, &len) == 0,
	     "cannot listen");
	return listener;
}

int main(int argc, char **argv)
{
	struct certificate *certificate = certificate_new(NULL, NULL);
	const bool naive = argc == 4 && strcmp(argv[1], "naive") == 0;
	int orders[2], answers[2], listener, status;
	struct sockaddr_in at;
	SSL_CTX *client;
	uint64_t base;
	char ready;
	pid_t child;

	must(argc == 4 && (naive || strcmp(argv[1], "closer") == 0),
	     "usage: closer_bench naive|closer CONNECTIONS DEADLINE_MS");
	count = (unsigned)strtoul(argv[2], NULL, 10);
	deadline_ms = (uint32_t)strtoul(argv[3], NULL, 10);
	must(count > 0 && count <= CONNECTIONS_MAX && certificate, "1 to 100000 connections");
	raise_limit();
	must(pipe(orders) == 0 && pipe(answers) == 0, "pipe");
	listener = listen_somewhere(&at);
	child = fork();
	must(child >= 0, "no child");
	if (child == 0) {
		close(orders[1]); /* so that the parent's end is noticed */
		be_peers(make_context(true, certificate), listener, orders[0], answers[1]);
	}
	close(orders[0]);
	close(answers[1]);
	close(listener);
	client = make_context(false, NULL);
	connections = reserve(count * sizeof *connections);
	base = heap_bytes();
	for (unsigned i = 0; i < count; i += BATCH)
		open_connections(client, &at, !naive, &connections[i], batch_at(i));
	for (unsigned i = 0; i < count; i++)
		write_message(&connections[i]);
	must(read(answers[0], &ready, 1) == 1, "the peers are not ready");
	measure(naive, base, orders[1], answers[0]);
	must(waitpid(child, &status, 0) == child && status == 0, "the child failed");
	SSL_CTX_free(client);
	certificate_free(certificate);
	return 0;
}
