/*
 * ratio_bench: one side of a comparison, to be run under callgrind, which counts
 * the instructions of measured() and of what it calls and nothing else.
 *
 *     ratio_bench bare|stream read|write|close|leave BYTES TIMES
 *
 * `leave` is a close for which the bare side does less: it shuts its transport
 * down at once and does not wait for the peer's FIN.
 *
 * Both sides are in one thread over a TCP connection on loopback, so that
 * every run does exactly the same.  Blocks that OpenSSL and Lastword ask for
 * inside measured() are counted, and printed: "allocations N".
 */
#include "adversary/loopback.h"
#include "net/certificate.h"

#include <fcntl.h>
#include <lastword/openssl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct side {
	SSL_CTX *ctx;
	SSL *ssl;
	struct lw_stream *stream;
	int fd;
};

static bool counts;
static unsigned long allocations;

/* Lastword's own, by the linker's --wrap. */
void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *old, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *old, size_t size);

void *__wrap_malloc(size_t size)
{
	allocations += counts;
	return __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size)
{
	allocations += counts;
	return __real_calloc(n, size);
}

void *__wrap_realloc(void *old, size_t size)
{
	allocations += counts;
	return __real_realloc(old, size);
}

/* OpenSSL's. */
static void *openssl_malloc(size_t size, const char *file, int line)
{
	(void)file, (void)line;
	return __wrap_malloc(size);
}

static void *openssl_realloc(void *old, size_t size, const char *file, int line)
{
	(void)file, (void)line;
	return __wrap_realloc(old, size);
}

static void openssl_free(void *block_to_free, const char *file, int line)
{
	(void)file, (void)line;
	free(block_to_free);
}

static struct certificate *certificate;
static uint8_t block[16384];

static void must(bool claim, const char *what)
{
	if (claim)
		return;
	fprintf(stderr, "ratio_bench: %s\n", what);
	exit(3);
}

static void open_side(struct side *s, int fd, bool serves)
{
	s->fd = fd;
	s->ctx = SSL_CTX_new(serves ? TLS_server_method() : TLS_client_method());
	must(s->ctx && SSL_CTX_set_min_proto_version(s->ctx, TLS1_3_VERSION) == 1, "no context");
	must(SSL_CTX_set_ciphersuites(s->ctx, "TLS_AES_128_GCM_SHA256") == 1, "no suite");
	SSL_CTX_set_num_tickets(s->ctx, 0);
	must(!serves || certificate_present(certificate, s->ctx), "no certificate");
	s->ssl = SSL_new(s->ctx);
	must(s->ssl && SSL_set_fd(s->ssl, fd) == 1, "no SSL");
	if (serves)
		SSL_set_accept_state(s->ssl);
	else
		SSL_set_connect_state(s->ssl);
}

static void shake_hands(struct side *a, struct side *b)
{
	int done = 0;

	for (int i = 0; i < 100 && done < 2; i++)
		done = (SSL_do_handshake(a->ssl) == 1) + (SSL_do_handshake(b->ssl) == 1);
	must(done == 2, "the handshake failed");
}

static void attach(struct side *s)
{
	s->stream = lw_openssl_attach(s->ssl, NULL, NULL);
	must(s->stream != NULL, "attaching was refused");
}

static void close_side(struct side *s)
{
	lw_free(s->stream);
	SSL_free(s->ssl);
	SSL_CTX_free(s->ctx);
	close(s->fd);
}

/* What is measured, one function for callgrind's --toggle-collect.  Not inlined, never folded. */

enum work {
	BARE_READ,
	STREAM_READ,
	BARE_WRITE,
	STREAM_WRITE,
	BARE_CLOSE,
	STREAM_CLOSE,
	BARE_LEAVE,
	STREAM_LEAVE
};

static bool read_bare(struct side *s, size_t len)
{
	size_t n, have = 0;

	while (have < len && SSL_read_ex(s->ssl, block, sizeof block, &n) == 1)
		have += n;
	return have == len;
}

static bool read_stream(struct side *s, size_t len)
{
	size_t n, have = 0;

	while (have < len && lw_read(s->stream, block, sizeof block, &n) == LW_OK)
		have += n;
	return have == len;
}

/*
 * The least that a careful program does to end a connection without destroying what it sent last:
 * both sides close and have seen the other's close, send FIN, and read until the other's FIN, since
 * input on a closed socket draws a reset.  The stream does the same, and knows how it went.
 */
static bool end_bare(struct side *s, bool *shut)
{
	if (!*shut && SSL_shutdown(s->ssl) != 1)
		return false;
	if (!*shut)
		*shut = shutdown(s->fd, SHUT_WR) == 0;
	return recv(s->fd, block, sizeof block, MSG_DONTWAIT) == 0;
}

static bool close_bare(struct side *a, struct side *b)
{
	bool a_shut = false, b_shut = false, a_ended = false, b_ended = false;

	for (int i = 0; i < 10 && !(a_ended && b_ended); i++) {
		a_ended = a_ended || end_bare(a, &a_shut);
		b_ended = b_ended || end_bare(b, &b_shut);
	}
	return a_ended && b_ended;
}

static bool leave_bare(struct side *a, struct side *b)
{
	int done = 0;

	for (int i = 0; i < 10 && done != 2; i++)
		done = (SSL_shutdown(a->ssl) == 1) + (SSL_shutdown(b->ssl) == 1);
	(void)shutdown(a->fd, SHUT_RDWR);
	(void)shutdown(b->fd, SHUT_RDWR);
	return done == 2;
}

static bool close_stream(struct side *a, struct side *b)
{
	enum lw_status of_a = LW_AGAIN, of_b = LW_AGAIN;

	for (int i = 0; i < 10 && (of_a == LW_AGAIN || of_b == LW_AGAIN); i++) {
		if (of_a == LW_AGAIN)
			of_a = lw_close(a->stream);
		if (of_b == LW_AGAIN)
			of_b = lw_close(b->stream);
	}
	return of_a == LW_END && of_b == LW_END;
}

bool measured(enum work work, struct side *a, struct side *b, size_t len);

__attribute__((noinline)) bool measured(enum work work, struct side *a, struct side *b, size_t len)
{
	size_t n = 0;

	switch (work) {
	case BARE_READ:
		return read_bare(a, len);
	case STREAM_READ:
		return read_stream(a, len);
	case BARE_WRITE:
		return SSL_write_ex(a->ssl, block, len, &n) == 1 && n == len;
	case STREAM_WRITE:
		return lw_write(a->stream, block, len, &n) == LW_OK && n == len;
	case BARE_CLOSE:
		return close_bare(a, b);
	case BARE_LEAVE:
		return leave_bare(a, b);
	case STREAM_CLOSE:
	case STREAM_LEAVE:
	default:
		return close_stream(a, b);
	}
}

static void transfer(enum work work, struct side *a, struct side *b, size_t len, unsigned times)
{
	const bool reads = work == BARE_READ || work == STREAM_READ;
	size_t n;

	for (unsigned i = 0; i < times; i++) {
		if (reads)
			must(SSL_write_ex(b->ssl, block, len, &n) == 1, "the peer cannot write");
		counts = true;
		must(measured(work, a, b, len), "the measured call failed");
		counts = false;
		if (!reads)
			must(read_bare(b, len), "the peer cannot read");
	}
}

static void run_once(enum work work, size_t len, unsigned times)
{
	const bool closes = work >= BARE_CLOSE, streams = work % 2 == STREAM_READ;
	struct side a = { .fd = -1 }, b = { .fd = -1 };
	int fds[2];

	must(loopback_pair(fds), "no connection");
	for (int i = 0; i < 2; i++)
		must(setsockopt(fds[i], IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int)) == 0 &&
		         fcntl(fds[i], F_SETFL, O_NONBLOCK) == 0,
		     "no non-blocking socket");
	open_side(&a, fds[0], false);
	open_side(&b, fds[1], true);
	shake_hands(&a, &b);
	if (streams)
		attach(&a);
	if (streams && closes)
		attach(&b);
	if (closes) {
		counts = true;
		must(measured(work, &a, &b, 0), "closing failed");
		counts = false;
	} else {
		transfer(work, &a, &b, len, times);
	}
	close_side(&a);
	close_side(&b);
}

int main(int argc, char **argv)
{
	static const char *const names[] = { "bare read",    "stream read", "bare write",
		                             "stream write", "bare close",  "stream close",
		                             "bare leave",   "stream leave" };
	char name[32];
	size_t len;
	unsigned times;

	must(CRYPTO_set_mem_functions(openssl_malloc, openssl_realloc, openssl_free) == 1,
	     "OpenSSL keeps its own allocator");
	must(argc == 5, "usage: ratio_bench bare|stream read|write|close|leave BYTES TIMES");
	(void)snprintf(name, sizeof name, "%s %s", argv[1], argv[2]);
	len = strtoul(argv[3], NULL, 10);
	times = (unsigned)strtoul(argv[4], NULL, 10);
	must(len <= sizeof block && times > 0, "BYTES are at most 16384, TIMES at least 1");
	certificate = certificate_new(NULL, NULL);
	must(certificate != NULL, "no certificate");
	for (unsigned i = 0; i < sizeof names / sizeof names[0]; i++) {
		if (strcmp(names[i], name) != 0)
			continue;
		if (i < BARE_CLOSE)
			run_once((enum work)i, len, times);
		else
			for (unsigned k = 0; k < times; k++)
				run_once((enum work)i, len, 1);
		certificate_free(certificate);
		printf("allocations %lu\n", allocations);
		return 0;
	}
	must(false, "no such comparison");
}
