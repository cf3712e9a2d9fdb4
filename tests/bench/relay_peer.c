/* relay_peer: see relay_peer.h. */
#include "relay_peer.h"

#include <errno.h>
#include <openssl/err.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define PATTERN_PERIOD 251u
#define PIECE_BYTES    (256u * 1024u)
#define RECORD_BYTES   16384u
#define RECORDS_A_SEND 8

/* Of TLS 1.3 with a tag of 16 bytes: what sealing adds to the data, and a sealed alert. */
#define RECORD_OVERHEAD    17u
#define ALERT_RECORD_BYTES (2u + RECORD_OVERHEAD)

enum went { WENT_ON, WENT_NOWHERE_READING, WENT_NOWHERE_WRITING, WENT_TO_THE_END };

static uint8_t pattern[PIECE_BYTES + PATTERN_PERIOD];
static uint8_t piece[PIECE_BYTES];

uint64_t now_ns(void)
{
	struct timespec t;

	if (clock_gettime(CLOCK_MONOTONIC, &t) != 0)
		return 0;
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static const uint8_t *pattern_at(uint64_t position)
{
	if (pattern[1] == 0)
		for (size_t i = 0; i < sizeof pattern; i++)
			pattern[i] = (uint8_t)(i * 7 % PATTERN_PERIOD);
	return pattern + position % PATTERN_PERIOD;
}

static size_t smaller(uint64_t a, size_t b)
{
	return a < b ? (size_t)a : b;
}

static size_t record_length(const struct lw_boundary *b)
{
	return (size_t)b->header[3] << 8 | b->header[4];
}

void peer_begin(struct peer *p, int fd, SSL *ssl, const struct step *script, uint64_t bytes)
{
	*p = (struct peer){ .fd = fd, .ssl = ssl, .script = script, .step = script };
	p->the_bytes = bytes;
	p->left = script->bytes == THE_BYTES ? bytes : (uint64_t)script->bytes;
}

static void go_to(struct peer *p, const struct step *step)
{
	p->step = step;
	p->left = step->bytes == THE_BYTES ? p->the_bytes : (uint64_t)step->bytes;
}

void peer_drop(struct peer *p)
{
	if (p->fd < 0)
		return;
	SSL_free(p->ssl);
	close(p->fd);
	p->ssl = NULL;
	p->fd = -1;
}

void peer_release(struct peer *p)
{
	p->was_released = true;
}

/* How a call ended that gave nothing, and will give nothing any more. */
static enum went note_end(struct peer *p, enum peer_end end)
{
	p->end = end;
	p->has_failed = true; /* unless the script waits for an end */
	return WENT_TO_THE_END;
}

static enum peer_end end_of_errno(int error)
{
	return error == ECONNRESET || error == EPIPE ? END_RESET : END_OTHER;
}

static enum went why_no_tls(struct peer *p, int did)
{
	const int error = errno, why = SSL_get_error(p->ssl, did);
	const unsigned long first = ERR_peek_error();
	const int reason = ERR_GET_REASON(first);

	ERR_clear_error();
	switch (why) {
	case SSL_ERROR_WANT_READ:
		return WENT_NOWHERE_READING;
	case SSL_ERROR_WANT_WRITE:
		return WENT_NOWHERE_WRITING;
	case SSL_ERROR_ZERO_RETURN:
		return note_end(p, END_CLOSED);
	case SSL_ERROR_SYSCALL:
		return note_end(p, end_of_errno(error));
	default:
		if (reason == SSL_R_UNEXPECTED_EOF_WHILE_READING)
			return note_end(p, END_FIN);
		return note_end(p, reason >= SSL_AD_REASON_OFFSET ? END_ALERT : END_OTHER);
	}
}

/* Below TLS; `n` bytes, or why not. */
static enum went raw_read(struct peer *p, void *buf, size_t cap, int flags, size_t *n)
{
	const ssize_t got = recv(p->fd, buf, cap, MSG_DONTWAIT | flags);

	*n = got > 0 ? (size_t)got : 0;
	if (got > 0)
		return WENT_ON;
	if (got == 0)
		return note_end(p, END_FIN);
	return errno == EAGAIN ? WENT_NOWHERE_READING : note_end(p, end_of_errno(errno));
}

static enum went raw_send(struct peer *p, const void *buf, size_t len, size_t *n)
{
	const ssize_t put = send(p->fd, buf, len, MSG_DONTWAIT | MSG_NOSIGNAL);

	*n = put > 0 ? (size_t)put : 0;
	if (put >= 0)
		return WENT_ON;
	return errno == EAGAIN ? WENT_NOWHERE_WRITING : note_end(p, end_of_errno(errno));
}

static enum went shake_hands(struct peer *p)
{
	const int did = p->has_shaken || !p->ssl ? 1 : SSL_do_handshake(p->ssl);

	if (did != 1)
		return why_no_tls(p, did);
	if (p->ssl && !p->has_shaken) {
		p->out = BIO_new(BIO_s_mem());
		if (!p->out)
			return note_end(p, END_OTHER);
		SSL_set0_wbio(p->ssl, p->out);
	}
	p->has_shaken = true;
	return WENT_ON;
}

/* Sends the records that wait. */
static enum went send_records(struct peer *p)
{
	char *records;
	const size_t len = (size_t)BIO_get_mem_data(p->out, &records);

	while (p->out_from < len) {
		size_t n;
		const enum went went = raw_send(p, records + p->out_from, len - p->out_from, &n);

		if (went != WENT_ON)
			return went;
		p->out_from += n;
	}
	p->out_from = 0;
	(void)BIO_reset(p->out);
	return WENT_ON;
}

static enum went do_send_tls(struct peer *p)
{
	enum went went = send_records(p);

	while (went == WENT_ON && p->left > 0) {
		for (int i = 0; i < RECORDS_A_SEND && p->left > 0; i++) {
			const size_t len = smaller(p->left, RECORD_BYTES);

			if (SSL_write(p->ssl, pattern_at(p->sent), (int)len) != (int)len)
				return note_end(p, END_OTHER);
			p->left -= len;
			p->sent += len;
		}
		went = send_records(p);
	}
	return went;
}

static enum went do_send(struct peer *p)
{
	if (p->ssl)
		return do_send_tls(p);
	while (p->left > 0) {
		size_t n;
		const enum went went =
		    raw_send(p, pattern_at(p->sent), smaller(p->left, PIECE_BYTES), &n);

		if (went != WENT_ON)
			return went;
		p->left -= n;
		p->sent += n;
	}
	return WENT_ON;
}

static enum went read_some(struct peer *p, size_t cap, size_t *n)
{
	int did;

	if (!p->ssl)
		return raw_read(p, piece, cap, 0, n);
	*n = 0;
	errno = 0;
	did = SSL_read_ex(p->ssl, piece, cap, n);
	return did == 1 ? WENT_ON : why_no_tls(p, did);
}

static enum went do_read(struct peer *p)
{
	while (p->left > 0) {
		size_t n;
		const enum went went = read_some(p, smaller(p->left, PIECE_BYTES), &n);

		if (went != WENT_ON)
			return went;
		p->differs |= memcmp(piece, pattern_at(p->got), n) != 0;
		p->left -= n;
		p->got += n;
	}
	return WENT_ON;
}

static enum went do_skip(struct peer *p)
{
	while (p->left > 0) {
		size_t n;
		const enum went went =
		    raw_read(p, piece, smaller(p->left, PIECE_BYTES), MSG_TRUNC, &n);

		if (went != WENT_ON)
			return went;
		p->left -= n;
		p->got += n;
	}
	return WENT_ON;
}

/* Lets records pass; true: one was as long as an alert in TLS 1.3, and no data here is. */
static bool pass_records(struct peer *p, size_t len)
{
	for (size_t at = 0; at < len;) {
		const size_t n = smaller(lw_boundary_need(&p->in), len - at);

		lw_boundary_pass(&p->in, piece + at, n);
		at += n;
		if (lw_boundary_place(&p->in) != LW_PLACE_BOUNDARY)
			continue;
		if (record_length(&p->in) == ALERT_RECORD_BYTES)
			return true;
		p->got += record_length(&p->in) - RECORD_OVERHEAD;
	}
	return false;
}

/* Records are not opened, so that the end is told by a length. */
static enum went do_skip_end(struct peer *p)
{
	for (;;) {
		size_t n;
		const enum went went = raw_read(p, piece, PIECE_BYTES, 0, &n);

		if (went == WENT_ON && pass_records(p, n)) {
			p->end = END_CLOSED;
			return WENT_ON;
		}
		if (went != WENT_ON)
			return went;
	}
}

/* Reads until the end; what comes before it is counted. */
static enum went do_end(struct peer *p, bool raw)
{
	for (;;) {
		size_t n;
		const enum went went = raw ? raw_read(p, piece, PIECE_BYTES, MSG_TRUNC, &n)
		                           : read_some(p, PIECE_BYTES, &n);

		if (went == WENT_TO_THE_END) {
			p->has_failed = false;
			return WENT_ON;
		}
		if (went != WENT_ON)
			return went;
		p->got += n;
	}
}

static enum went do_finish(struct peer *p)
{
	if (p->ssl) {
		if (!(SSL_get_shutdown(p->ssl) & SSL_SENT_SHUTDOWN))
			(void)SSL_shutdown(p->ssl);
		ERR_clear_error();
		if (send_records(p) == WENT_NOWHERE_WRITING)
			return WENT_NOWHERE_WRITING;
	}
	(void)shutdown(p->fd, SHUT_WR);
	return WENT_ON;
}

static enum went do_reset(struct peer *p)
{
	const struct linger now = { .l_onoff = 1, .l_linger = 0 };

	(void)setsockopt(p->fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
	return WENT_ON;
}

/* One exchange of a script that repeats is over. */
static enum went do_again(struct peer *p, struct peer_times *times)
{
	if (times && p->is_client && times->count < times->cap)
		times->ns[times->count++] = now_ns() - p->began_ns;
	p->began_ns = now_ns();
	if (!p->is_client || --p->exchanges_left > 0)
		p->step = NULL; /* from the top */
	return WENT_ON;
}

static enum went do_step(struct peer *p, struct peer_times *times)
{
	switch (p->step->kind) {
	case STEP_SEND:
		return do_send(p);
	case STEP_READ:
		return do_read(p);
	case STEP_SKIP:
		return do_skip(p);
	case STEP_FINISH:
		return do_finish(p);
	case STEP_END:
		return do_end(p, false);
	case STEP_SKIP_END:
		return do_skip_end(p);
	case STEP_DRAIN:
		return do_end(p, true);
	case STEP_FIN:
		(void)shutdown(p->fd, SHUT_WR);
		return WENT_ON;
	case STEP_RESET:
		return do_reset(p);
	case STEP_AGAIN:
		return do_again(p, times);
	case STEP_HOLD:
		return p->was_released ? WENT_ON : WENT_NOWHERE_READING;
	case STEP_OVER:
	default:
		return WENT_TO_THE_END;
	}
}

static enum peer_status status_of(const struct peer *p, enum went went)
{
	if (p->step->kind == STEP_HOLD && went == WENT_NOWHERE_READING)
		return PEER_HOLDS;
	return went == WENT_NOWHERE_WRITING ? PEER_WAITS_TO_WRITE : PEER_WAITS_TO_READ;
}

enum peer_status peer_run(struct peer *p, struct peer_times *times)
{
	enum went went = shake_hands(p);

	if (!p->has_begun && went == WENT_ON) {
		p->has_begun = true;
		p->began_ns = now_ns();
	}
	while (went == WENT_ON) {
		went = do_step(p, times);
		if (went == WENT_ON)
			go_to(p, p->step ? p->step + 1 : p->script);
	}
	if (went != WENT_TO_THE_END)
		return status_of(p, went);
	/* A backend that goes on exchanging until its client is gone has not failed. */
	if (!p->is_client && p->step[0].kind == STEP_READ && p->left == (uint64_t)p->step->bytes &&
	    p->got > 0)
		p->has_failed = false;
	peer_drop(p);
	return PEER_OVER;
}
