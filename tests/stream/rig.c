/* rig: see rig.h.  Nothing here sleeps: a socket is polled until both sides are quiet. */
#include "rig.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Loopback delivers at once; this bounds the wait for what never comes. */
#define QUIET_MS 5

static bool make_ssl(struct rig *r)
{
	r->ctx = SSL_CTX_new(r->options.serves ? TLS_server_method() : TLS_client_method());
	if (!r->ctx)
		return false;
	if (!adversary_set_version(r->ctx, r->options.version))
		return false;
	if (r->options.ciphers && SSL_CTX_set_cipher_list(r->ctx, r->options.ciphers) != 1)
		return false;
	SSL_CTX_set_read_ahead(r->ctx, r->options.read_ahead);
	if (r->options.serves) {
		struct certificate *c = certificate_new(NULL, NULL);
		const bool presented = c && certificate_present(c, r->ctx);

		certificate_free(c);
		if (!presented)
			return false;
	}
	r->ssl = SSL_new(r->ctx);
	if (!r->ssl)
		return false;
	if (r->options.serves)
		SSL_set_accept_state(r->ssl);
	else
		SSL_set_connect_state(r->ssl);
	return true;
}

/* A real TCP connection on loopback: only TCP has RST. */
static bool connect_pair(int fds[2])
{
	struct sockaddr_in address = { .sin_family = AF_INET,
		                       .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof address;
	const int listener = socket(AF_INET, SOCK_STREAM, 0);
	bool made = false;

	fds[0] = socket(AF_INET, SOCK_STREAM, 0);
	if (bind(listener, (struct sockaddr *)&address, len) == 0 && listen(listener, 1) == 0 &&
	    getsockname(listener, (struct sockaddr *)&address, &len) == 0 &&
	    connect(fds[0], (struct sockaddr *)&address, len) == 0) {
		fds[1] = accept(listener, NULL, NULL);
		made = fds[1] >= 0;
	}
	close(listener);
	/* Small records leave at once: what is quiet is over, not waiting for an acknowledgement.
	 */
	return made &&
	       setsockopt(fds[0], IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int)) == 0 &&
	       setsockopt(fds[1], IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int)) == 0;
}

static bool make_transport(struct rig *r, struct adversary_options *peer)
{
	int fds[2];

	r->fd = -1;
	if (!r->options.socket) {
		BIO *written = NULL;

		r->in = BIO_new(BIO_s_mem());
		BIO_set_mem_eof_return(r->in, -1);
		/* A pair is full when it is full: sockets take a little more now and then. */
		if (r->options.buffer_bytes == 0)
			r->out = written = BIO_new(BIO_s_mem());
		else if (BIO_new_bio_pair(&written, r->options.buffer_bytes, &r->other_end, 0))
			r->out = r->other_end;
		SSL_set_bio(r->ssl, r->in, written);
		return r->in && r->out;
	}
	if (!connect_pair(fds))
		return false;
	r->fd = fds[0];
	if (!r->options.blocking && fcntl(r->fd, F_SETFL, O_NONBLOCK) != 0)
		return false;
	peer->transport = ADVERSARY_SOCKET;
	peer->fd = fds[1];
	return SSL_set_fd(r->ssl, r->fd) == 1;
}

static void attach(struct rig *r)
{
	if (r->options.attach == RIG_OBSERVE)
		r->stream = lw_openssl_observe(r->ssl, r->options.stream, &r->refusal);
	else if (r->options.attach != RIG_BARE)
		r->stream = lw_openssl_attach(r->ssl, r->options.stream, &r->refusal);
}

/* Waits until the subject's socket is ready for what it waits for; false: it stays quiet. */
static bool subject_is_ready(const struct rig *r, unsigned interest)
{
	const unsigned events = r->stream ? lw_events(r->stream, interest) : LW_EVENT_READABLE;
	struct pollfd p = { .fd = r->fd,
		            .events = (short)(events & LW_EVENT_WRITABLE ? POLLOUT : 0) };

	if (events & LW_EVENT_READABLE)
		p.events |= POLLIN;

	if (r->fd < 0)
		return false;
	return poll(&p, 1, QUIET_MS) > 0;
}

void rig_spin(struct rig *r)
{
	adversary_set_time(r->adversary, r->now_ms);
	if (r->options.socket) {
		r->peer = adversary_run(r->adversary);
		return;
	}
	enum adversary_action action = ADVERSARY_NONE;

	r->peer = adversary_run_memory(r->adversary, r->in, r->out, &action);
	if (action == ADVERSARY_NONE)
		return;
	r->transport_ended = true;
	if (r->stream)
		lw_transport_ended(r->stream,
		                   action == ADVERSARY_FIN ? LW_TRANSPORT_FIN : LW_TRANSPORT_RESET);
	else
		BIO_set_mem_eof_return(r->in, 0);
}

static bool shake_hands_bare(struct rig *r, int turns)
{
	for (int i = 0; i < turns; i++) {
		ERR_clear_error();
		if (SSL_do_handshake(r->ssl) == 1)
			return true;
		rig_spin(r);
		if (r->options.socket && !r->options.blocking)
			(void)subject_is_ready(r, LW_INTEREST_READ);
	}
	return SSL_is_init_finished(r->ssl);
}

static enum lw_status shake_hands(struct rig *r)
{
	enum lw_status status = LW_AGAIN;

	for (int i = 0; i < 20 && status == LW_AGAIN; i++) {
		status = lw_handshake(r->stream);
		rig_spin(r);
		if (status == LW_AGAIN && r->options.blocking)
			status = lw_wait(r->stream, LW_INTEREST_READ, QUIET_MS) == LW_ERROR
			             ? LW_ERROR
			             : LW_AGAIN;
		else if (status == LW_AGAIN)
			(void)subject_is_ready(r, LW_INTEREST_READ);
	}
	return status;
}

bool rig_begin(struct rig *r, const struct rig_options *options,
               const struct adversary_script *script)
{
	struct adversary_options peer = { .role =
		                              options->serves ? ADVERSARY_CLIENT : ADVERSARY_SERVER,
		                          .version = options->version,
		                          .ciphers = options->ciphers };

	*r = (struct rig){ .options = *options, .now_ms = 1000, .fd = -1 };
	if (options->version == LW_VERSION_UNKNOWN) /* as the adversary takes it */
		r->options.version = LW_VERSION_TLS1_3;
	if (!make_ssl(r) || !make_transport(r, &peer))
		return false;
	r->adversary = adversary_new(&peer, script);
	if (!r->adversary)
		return false;
	if (options->attach == RIG_BEFORE || options->attach == RIG_OBSERVE)
		attach(r);
	if (options->attach == RIG_DURING) {
		/* one flight out, before a blocking socket would wait for the answer */
		if (options->socket && options->blocking && fcntl(r->fd, F_SETFL, O_NONBLOCK) != 0)
			return false;
		(void)shake_hands_bare(r, 1);
		if (options->socket && options->blocking && fcntl(r->fd, F_SETFL, 0) != 0)
			return false;
		attach(r);
	}
	if (r->stream && options->attach != RIG_OBSERVE) {
		(void)shake_hands(r);
		return true;
	}
	if (options->socket && options->blocking && fcntl(r->fd, F_SETFL, O_NONBLOCK) != 0)
		return false;
	(void)shake_hands_bare(r, 20);
	if (options->socket && options->blocking && fcntl(r->fd, F_SETFL, 0) != 0)
		return false;
	if (options->attach == RIG_AFTER)
		attach(r);
	return options->attach == RIG_BARE || r->stream;
}

void rig_end(struct rig *r)
{
	lw_free(r->stream);
	adversary_free(r->adversary);
	SSL_free(r->ssl);
	SSL_CTX_free(r->ctx);
	BIO_free(r->other_end);
	if (r->fd >= 0)
		close(r->fd);
	ERR_clear_error();
}

static void check_pattern(struct rig *r, const uint8_t *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (bytes[i] != adversary_pattern(r->bytes + i))
			r->differs = true;
	r->bytes += len;
}

/* After LW_AGAIN: the peer's turn, then whether anything may have changed. */
static bool waits_in_vain(struct rig *r, unsigned interest)
{
	const size_t waiting = r->out ? BIO_ctrl_pending(r->out) : 0;

	rig_spin(r);
	if (r->options.blocking)
		return lw_wait(r->stream, interest, QUIET_MS) != LW_OK;
	if (r->options.socket)
		return !subject_is_ready(r, interest);
	return BIO_ctrl_pending(r->in) == 0 && BIO_ctrl_pending(r->out) == waiting;
}

enum lw_status rig_read(struct rig *r)
{
	uint8_t buf[700];
	int vain = 0;
	size_t n;

	for (;;) {
		const enum lw_status status = lw_read(r->stream, buf, sizeof buf, &n);

		check_pattern(r, buf, n);
		if (status == LW_OK)
			continue;
		if (status != LW_AGAIN)
			return status;
		vain = waits_in_vain(r, LW_INTEREST_READ) ? vain + 1 : 0;
		if (vain == 2)
			return LW_AGAIN;
	}
}

static enum lw_status until_over(struct rig *r, enum lw_status (*call)(struct lw_stream *))
{
	int vain = 0;

	for (int i = 0; i < 10000; i++) {
		const enum lw_status status = call(r->stream);
		int limit;

		if (status != LW_AGAIN) {
			rig_spin(r);
			return status;
		}
		if (!waits_in_vain(r, 0)) {
			vain = 0;
			continue;
		}
		limit = lw_timeout_ms(r->stream, r->now_ms);
		if (++vain < 2 || limit < 0)
			continue;
		r->now_ms += (uint64_t)limit;
		(void)lw_timeout_ms(r->stream, r->now_ms);
		vain = 0;
	}
	return LW_AGAIN;
}

uint64_t rig_fill(struct rig *r)
{
	uint64_t taken = 0;
	uint8_t block[16384];
	size_t n;

	do {
		for (size_t i = 0; i < sizeof block; i++)
			block[i] = adversary_pattern(taken + i);
		n = 0;
		(void)!lw_write(r->stream, block, sizeof block, &n);
		taken += n;
	} while (n > 0 && taken < 64u << 20);
	return taken;
}

enum lw_status rig_close(struct rig *r)
{
	return until_over(r, lw_close);
}

enum lw_status rig_abort(struct rig *r)
{
	return until_over(r, lw_abort);
}

enum lw_status rig_finish(struct rig *r)
{
	return until_over(r, lw_finish);
}

struct lw_verdict rig_verdict(const struct rig *r)
{
	struct lw_verdict verdict;

	lw_verdict(r->stream, &verdict);
	return verdict;
}
