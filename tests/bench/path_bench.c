/*
 * path_bench: what is on the path of every byte, timed: the record boundaries, the HTTP/1.1
 * tracker, and a whole stream beside a bare SSL_read loop on the same loopback connection.  It
 * prints what one core of this machine did today: the fastest of a few runs each, taken in turn, in
 * CPU time of the reading thread.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <lastword/openssl.h>

#include "closure/boundary.h"
#include "framing/tracker.h"
#include "net/certificate.h"

#define ROUNDS       5u
#define RECORD_BYTES (16384u + LW_RECORD_HEADER + 17u)
#define RECORDS      4096u
#define STREAM_BYTES (128u << 20)

/* Something to time: does its work and gives the number of bytes. */
struct subject {
	const char *name;
	uint64_t (*run)(void);
	double best_seconds;
	uint64_t bytes;
};

static void must(bool claim, const char *what)
{
	if (!claim) {
		fprintf(stderr, "path_bench: %s\n", what);
		exit(3);
	}
}

static double cpu_seconds(void)
{
	struct timespec now;

	must(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now) == 0, "no CPU clock");
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* ---- without TLS */

static uint8_t record[RECORD_BYTES] = { LW_RECORD_APPLICATION_DATA, 3, 3,
	                                (RECORD_BYTES - LW_RECORD_HEADER) >> 8,
	                                (RECORD_BYTES - LW_RECORD_HEADER) & 0xff };

static uint64_t pass_records(void)
{
	struct lw_boundary b = { 0 };

	for (unsigned i = 0; i < RECORDS; i++)
		lw_boundary_pass(&b, record, sizeof(record));
	must(b.records == RECORDS, "records were miscounted");
	return (uint64_t)RECORDS * sizeof(record);
}

static uint64_t track_response(const char *head, const char *piece, const char *tail)
{
	static const char request[] = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
	struct lw_tracker t;

	lw_tracker_init(&t, LW_KIND_HTTP1, LW_ROLE_CLIENT);
	lw_tracker_sent(&t, request, sizeof(request) - 1);
	lw_tracker_received(&t, head, strlen(head));
	for (unsigned i = 0; i < RECORDS; i++)
		lw_tracker_received(&t, piece, 16384);
	lw_tracker_received(&t, tail, strlen(tail));
	must(lw_tracker_complete(&t), "the response is not complete");
	return (uint64_t)RECORDS * 16384;
}

static uint64_t track_length(void)
{
	static char body[16384];

	return track_response("HTTP/1.1 200 OK\r\nContent-Length: 67108864\r\n\r\n", body, "");
}

static uint64_t track_chunks(void) /* 122 bytes and 6 of framing each */
{
	static char body[16384];
	static const size_t chunk = 128;

	for (size_t at = 0; at < sizeof(body); at += chunk) {
		memset(body + at, 'x', chunk);
		memcpy(body + at, "7a\r\n", 4);
		memcpy(body + at + chunk - 2, "\r\n", 2);
	}
	return track_response("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", body,
	                      "0\r\n\r\n");
}

/* ---- with TLS: a thread that writes STREAM_BYTES and closes, and a reader */

static SSL_CTX *server_ctx, *client_ctx;

static void *serve(void *argument)
{
	static uint8_t data[16384];
	int fd = *(int *)argument;
	SSL *ssl = SSL_new(server_ctx);

	must(ssl && SSL_set_fd(ssl, fd) == 1 && SSL_accept(ssl) == 1,
	     "the server cannot shake hands");
	for (uint64_t sent = 0; sent < STREAM_BYTES; sent += sizeof(data))
		must(SSL_write(ssl, data, sizeof(data)) == (int)sizeof(data),
		     "the server cannot write");
	(void)SSL_shutdown(ssl);
	shutdown(fd, SHUT_WR);
	SSL_free(ssl);
	return NULL;
}

static uint64_t read_bare(SSL *ssl)
{
	static uint8_t buf[16384];
	uint64_t bytes = 0;
	int n;

	while ((n = SSL_read(ssl, buf, sizeof(buf))) > 0)
		bytes += (unsigned)n;
	return bytes;
}

static uint64_t read_stream(SSL *ssl)
{
	static uint8_t buf[16384];
	struct lw_stream *s = lw_openssl_attach(ssl, NULL, NULL);
	enum lw_status status = s ? LW_OK : LW_ERROR;
	uint64_t bytes = 0;

	for (size_t n = 0; status == LW_OK; bytes += n)
		if ((status = lw_read(s, buf, sizeof(buf), &n)) == LW_AGAIN)
			status = lw_wait(s, LW_INTEREST_READ, -1);
	must(status == LW_END, "the stream did not end properly");
	lw_free(s);
	return bytes;
}

static uint64_t run_connection(uint64_t (*read_all)(SSL *ssl))
{
	SSL *ssl = SSL_new(client_ctx);
	pthread_t thread;
	int fds[2];
	uint64_t bytes;

	must(ssl && socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0, "no socket");
	must(pthread_create(&thread, NULL, serve, &fds[1]) == 0, "no thread");
	must(SSL_set_fd(ssl, fds[0]) == 1 && SSL_connect(ssl) == 1,
	     "the client cannot shake hands");
	bytes = read_all(ssl);
	must(bytes == STREAM_BYTES, "bytes are missing");
	pthread_join(thread, NULL);
	SSL_free(ssl);
	close(fds[0]);
	close(fds[1]);
	return bytes;
}

static uint64_t run_bare(void)
{
	return run_connection(read_bare);
}

static uint64_t run_stream(void)
{
	return run_connection(read_stream);
}

static void prepare_tls(void)
{
	struct certificate *c = certificate_new(NULL, NULL);

	server_ctx = SSL_CTX_new(TLS_server_method());
	client_ctx = SSL_CTX_new(TLS_client_method());
	must(c && server_ctx && client_ctx && certificate_present(c, server_ctx), "no TLS");
	certificate_free(c);
}

int main(void)
{
	struct subject subjects[] = {
		{ .name = "record boundaries, 16 KiB records", .run = pass_records },
		{ .name = "HTTP/1.1 tracker, Content-Length", .run = track_length },
		{ .name = "HTTP/1.1 tracker, chunks of 122 bytes", .run = track_chunks },
		{ .name = "TLS, a bare SSL_read loop", .run = run_bare },
		{ .name = "TLS, lw_read", .run = run_stream },
	};

	prepare_tls();
	for (unsigned round = 0; round < ROUNDS; round++)
		for (size_t i = 0; i < sizeof(subjects) / sizeof(subjects[0]); i++) {
			double began = cpu_seconds(), took;

			subjects[i].bytes = subjects[i].run();
			took = cpu_seconds() - began;
			if (round == 0 || took < subjects[i].best_seconds)
				subjects[i].best_seconds = took;
		}
	for (size_t i = 0; i < sizeof(subjects) / sizeof(subjects[0]); i++)
		printf("%-40s %8.0f MB/s of CPU time\n", subjects[i].name,
		       (double)subjects[i].bytes / 1e6 / subjects[i].best_seconds);
	SSL_CTX_free(server_ctx);
	SSL_CTX_free(client_ctx);
	return 0;
}
