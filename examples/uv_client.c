/*
 * uv_client: the client of client.c inside an event loop, libuv's; any other loop is joined the
 * same way.
 *
 *     cc uv_client.c -o uv_client $(pkg-config --cflags --libs lastword-openssl libuv)
 *     ./uv_client example.org 443 /etc/ssl/certs/ca-certificates.crt / >page && echo whole
 *
 * After every call the loop asks two things: lw_events(), what the descriptor has to be ready for,
 * and lw_timeout_ms(), how long the stream may be left alone.  When either comes true, call again.
 * Exit status: 0 whole; 1 cut or failed, and standard error says how; 3 never connected.
 */
#include <lastword/openssl.h>
#include <lastword/profile.h>
#include <stdio.h>
#include <string.h>
#include <uv.h>

enum phase { ASKING, READING, CLOSING, OVER };

struct fetch {
	uv_poll_t poll;
	uv_timer_t timer;
	struct lw_stream *stream;
	enum phase phase;
	enum lw_status end; /* how reading ended; LW_END: all of it came */
	char request[2048];
	size_t len, sent;
};

static void on_poll(uv_poll_t *poll, int status, int events);
static void on_timer(uv_timer_t *timer);

/* Each gives LW_AGAIN to wait. */
static enum lw_status ask(struct fetch *f)
{
	enum lw_status status = LW_OK;

	for (size_t n; status == LW_OK && f->sent < f->len; f->sent += n)
		status = lw_write(f->stream, f->request + f->sent, f->len - f->sent, &n);
	return status;
}

static enum lw_status save(struct fetch *f)
{
	enum lw_status status = LW_OK;
	char buf[16384];

	for (size_t n; status == LW_OK; fwrite(buf, 1, n, stdout))
		status = lw_read(f->stream, buf, sizeof(buf), &n);
	return status;
}

/* All that can be done now. */
static void advance(struct fetch *f)
{
	if (f->phase == ASKING) {
		f->end = ask(f);
		if (f->end == LW_AGAIN)
			return;
		f->phase = f->end == LW_OK ? READING : CLOSING;
	}
	if (f->phase == READING) {
		f->end = save(f);
		if (f->end == LW_AGAIN)
			return;
		f->phase = CLOSING;
	}
	if (f->phase == CLOSING && lw_close(f->stream) != LW_AGAIN)
		f->phase = OVER;
}

/* What to wait for; with nothing left to wait for, the loop ends. */
static void wait_on(struct fetch *f)
{
	static const unsigned interests[] = { [ASKING] = LW_INTEREST_WRITE,
		                              [READING] = LW_INTEREST_READ,
		                              [CLOSING] = 0,
		                              [OVER] = 0 };
	const unsigned events = lw_events(f->stream, interests[f->phase]);
	int limit_ms;

	uv_update_time(f->poll.loop);
	limit_ms = lw_timeout_ms(f->stream, uv_now(f->poll.loop));
	uv_poll_stop(&f->poll);
	uv_timer_stop(&f->timer);
	if (f->phase == OVER)
		return;
	if (events == 0)
		limit_ms = 0; /* call again at once */
	else
		uv_poll_start(&f->poll,
		              (events & LW_EVENT_READABLE ? UV_READABLE : 0) |
		                  (events & LW_EVENT_WRITABLE ? UV_WRITABLE : 0),
		              on_poll);
	if (limit_ms >= 0)
		uv_timer_start(&f->timer, on_timer, (uint64_t)limit_ms, 0);
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
	struct fetch *f = poll->data;

	(void)status, (void)events; /* the stream sees by itself what is wrong */
	advance(f);
	wait_on(f);
}

static void on_timer(uv_timer_t *timer)
{
	struct fetch *f = timer->data;

	advance(f);
	wait_on(f);
}

static bool run(struct fetch *f, SSL *ssl, int fd)
{
	uv_loop_t *loop = uv_default_loop();
	struct lw_verdict verdict;
	char text[256];

	f->stream = lw_openssl_attach(ssl, NULL, NULL);
	if (!f->stream || uv_poll_init(loop, &f->poll, fd) != 0 ||
	    uv_timer_init(loop, &f->timer) != 0 ||
	    lw_use_profile(f->stream, lw_profile_by_name("https"), LW_ROLE_CLIENT) != LW_OK)
		return false;
	f->poll.data = f->timer.data = f;
	advance(f);
	wait_on(f);
	(void)uv_run(loop, UV_RUN_DEFAULT);
	uv_close((uv_handle_t *)&f->poll, NULL);
	uv_close((uv_handle_t *)&f->timer, NULL);
	(void)uv_run(loop, UV_RUN_DEFAULT);
	(void)uv_loop_close(loop);
	lw_verdict(f->stream, &verdict);
	fprintf(stderr, "uv_client: %s\n", lw_verdict_sentence(&verdict, text, sizeof(text)));
	lw_free(f->stream);
	return f->end == LW_END && fflush(stdout) == 0;
}

int main(int argc, char **argv)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	SSL *ssl = ctx ? SSL_new(ctx) : NULL;
	static struct fetch fetch;
	bool is_whole;
	BIO *tcp;
	int fd, len;

	if (argc != 5 || !ssl || SSL_CTX_load_verify_file(ctx, argv[3]) != 1) {
		fprintf(stderr, "usage: uv_client HOST PORT ROOTS PATH\n");
		return 2;
	}
	tcp = BIO_new_connect(argv[1]);
	if (!tcp || BIO_set_conn_port(tcp, argv[2]) != 1 || BIO_do_connect(tcp) != 1 ||
	    BIO_get_fd(tcp, &fd) < 0) {
		fprintf(stderr, "uv_client: cannot connect to %s port %s\n", argv[1], argv[2]);
		return 3;
	}
	SSL_set_bio(ssl, tcp, tcp);
	SSL_set_connect_state(ssl);
	SSL_set_verify(ssl, SSL_VERIFY_PEER, NULL);
	len = snprintf(fetch.request, sizeof(fetch.request), "GET %s HTTP/1.0\r\nHost: %s\r\n\r\n",
	               argv[4], argv[1]);
	if (SSL_set1_host(ssl, argv[1]) != 1 || SSL_set_tlsext_host_name(ssl, argv[1]) != 1 ||
	    len < 0 || (size_t)len >= sizeof(fetch.request))
		return 2;
	fetch.len = (size_t)len;
	is_whole = run(&fetch, ssl, fd);
	SSL_free(ssl);
	SSL_CTX_free(ctx);
	return is_whole ? 0 : 1;
}
