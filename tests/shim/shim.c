/*
 * shim: speaks the shim protocol of the BoringSSL test runner on Lastword's public API, so that
 * suites which know nothing of Lastword can drive it.  README.md beside it says how.
 *
 *     shim -port PORT [FLAG...]
 *
 * It connects to the runner on loopback once, and once more for each resumption; reads, turns
 * every bit over and writes back, until the peer ends.  Exit status 0: all went as the flags
 * demand; 1: it did not, standard error says how; 89: a flag is unknown or cannot be met.
 * Invariants: no wait without a deadline; a flag's demand is met or the run fails.
 */
#include "flags.h"
#include "grudge.h"
#include "handshake.h"

#include <arpa/inet.h>
#include <lastword/openssl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { EXIT_UNKNOWN_FLAG = 89 };
enum { WAIT_MS = 10000, DRAIN_MS = 2000, READ_BYTES = 512 };

struct connection {
	const struct shim_flags *flags;
	struct grudge grudge; /* in use with -async */
	int fd;
	SSL *ssl;
	struct lw_stream *stream;
	bool resumes;
};

static bool fail(const char *what)
{
	fprintf(stderr, "shim: %s\n", what);
	return false;
}

/* The verdict as words that a suite can look for, and as a sentence for people. */
static bool fail_by_verdict(const struct connection *c, const char *doing)
{
	struct lw_verdict v;
	char sentence[256];

	lw_verdict(c->stream, &v);
	fprintf(stderr, "shim: %s: %s\n", doing,
	        lw_verdict_sentence(&v, sentence, sizeof sentence));
	fprintf(stderr, ":READ_%s:WRITE_%s:\n", lw_ending_name(v.read), lw_ending_name(v.write));
	if (v.alert_received.present)
		fprintf(stderr, ":ALERT_RECEIVED_%s:\n",
		        lw_alert_name(v.alert_received.description));
	if (v.alert_sent.present)
		fprintf(stderr, ":ALERT_SENT_%s:\n", lw_alert_name(v.alert_sent.description));
	return false;
}

/* The transport */

static int connect_to(const struct shim_flags *flags)
{
	struct sockaddr_in6 six = { .sin6_family = AF_INET6,
		                    .sin6_port = htons((uint16_t)flags->port),
		                    .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	struct sockaddr_in four = { .sin_family = AF_INET,
		                    .sin_port = htons((uint16_t)flags->port),
		                    .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	const struct sockaddr *address =
	    flags->ipv6 ? (const struct sockaddr *)&six : (const struct sockaddr *)&four;
	const socklen_t len = flags->ipv6 ? sizeof six : sizeof four;
	const int fd = socket(address->sa_family, SOCK_STREAM, 0);

	if (fd >= 0 && connect(fd, address, len) == 0 &&
	    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int)) == 0)
		return fd;
	perror("shim: cannot connect to the runner");
	if (fd >= 0)
		(void)close(fd);
	return -1;
}

/* Newer runners tell their shims apart by eight octets that come first. */
static bool send_shim_id(int fd, uint64_t id)
{
	uint8_t octets[8];

	for (unsigned i = 0; i < sizeof octets; i++)
		octets[i] = (uint8_t)(id >> (8 * i));
	return send(fd, octets, sizeof octets, MSG_NOSIGNAL) == sizeof octets ||
	       fail("cannot send the shim's id");
}

static uint64_t now_ms(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* The stream has no descriptor of its own there: the events it asks for are met here. */
static bool wait_async(struct connection *c, unsigned interest)
{
	const unsigned events = lw_events(c->stream, interest);
	const int limit = lw_timeout_ms(c->stream, now_ms());
	struct pollfd p = { .fd = c->fd };
	const bool only_ours = c->grudge.refused;

	c->grudge.refused = false;
	if (only_ours || events == 0 || limit == 0)
		return true;
	p.events = events & LW_EVENT_READABLE || c->grudge.holds_writes ? POLLIN : 0;
	if (events & LW_EVENT_WRITABLE && !c->grudge.holds_writes)
		p.events |= POLLOUT;
	return poll(&p, 1, limit < 0 || limit > WAIT_MS ? WAIT_MS : limit) != 0 ||
	       (limit >= 0 && limit <= WAIT_MS) || fail("the runner was silent for too long");
}

static bool wait_for(struct connection *c, unsigned interest)
{
	if (c->flags->async)
		return wait_async(c, interest);
	return lw_wait(c->stream, interest, WAIT_MS) == LW_OK ||
	       fail("the runner was silent for too long");
}

/* FIN, and what is still on its way: input on a closed socket would destroy what we sent. */
static void leave_transport(int fd)
{
	const uint64_t begin = now_ms();
	struct pollfd p = { .fd = fd, .events = POLLIN };
	char scratch[4096];

	(void)shutdown(fd, SHUT_WR);
	while (now_ms() - begin < DRAIN_MS && poll(&p, 1, DRAIN_MS) == 1)
		if (recv(fd, scratch, sizeof scratch, MSG_DONTWAIT) <= 0)
			break;
	(void)close(fd);
}

/* The exchange */

static bool write_all(struct connection *c, const void *bytes, size_t len)
{
	const char *at = bytes;
	enum lw_status status = LW_OK;
	size_t n;

	while (len > 0 && (status == LW_OK || status == LW_AGAIN)) {
		status = lw_write(c->stream, at, len, &n);
		at += n;
		len -= n;
		if (status == LW_AGAIN && !wait_for(c, LW_INTEREST_WRITE))
			return false;
	}
	while (len == 0 && (status = lw_flush(c->stream)) == LW_AGAIN)
		if (!wait_for(c, LW_INTEREST_WRITE))
			return false;
	return status == LW_OK || fail_by_verdict(c, "writing");
}

static bool shake_hands(struct connection *c)
{
	enum lw_status status;

	while ((status = lw_handshake(c->stream)) == LW_AGAIN)
		if (!wait_for(c, LW_INTEREST_READ))
			return false;
	if (status != LW_OK) {
		ERR_print_errors_fp(stderr);
		return fail_by_verdict(c, "handshake");
	}
	return shim_agreed(c->ssl, c->flags, c->resumes);
}

static bool begin(struct connection *c)
{
	const struct shim_flags *flags = c->flags;

	if (flags->implicit_handshake)
		return true;
	if (!shake_hands(c))
		return false;
	if (flags->handshake_twice && !shake_hands(c))
		return false;
	return !flags->no_op_extra_handshake || lw_handshake(c->stream) == LW_OK ||
	       fail("a handshake that is done went on");
}

static bool export_keys(struct connection *c)
{
	const struct shim_flags *flags = c->flags;
	const char *label = flags->export_label ? flags->export_label : "";
	const char *context = flags->export_context ? flags->export_context : "";
	unsigned char out[1024];
	const size_t len = (size_t)flags->export_keying_material;

	if (len == 0)
		return true;
	if (len > sizeof out ||
	    SSL_export_keying_material(c->ssl, out, len, label, strlen(label),
	                               (const unsigned char *)context, strlen(context),
	                               flags->use_export_context) != 1)
		return fail("no keying material is to be had");
	return write_all(c, out, len);
}

/* The alert's description is OpenSSL's choice; the verdict names it. */
static bool abort_now(struct connection *c)
{
	enum lw_status status;

	while ((status = lw_abort(c->stream)) == LW_AGAIN)
		if (!wait_for(c, LW_INTEREST_READ))
			return false;
	return status == LW_ABORTED || fail_by_verdict(c, "aborting");
}

static bool write_different_sizes(struct connection *c)
{
	static const size_t sizes[] = {
		1, 255, 256, 257, 16383, 16384, 16385, 32767, 32768, 32769
	};
	static unsigned char block[32769];

	memset(block, 0x42, sizeof block);
	for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
		if (!write_all(c, block, sizes[i]))
			return false;
	return true;
}

static const char greeting[] = "hello";

/* Far more often than the octets of the record ask for. */
static bool stays_unfinished(struct connection *c)
{
	for (int tries = 0; tries < 256; tries++)
		if (lw_flush(c->stream) != LW_AGAIN)
			return fail("the write was finished");
	return true;
}

/* Leaves a record half out: reading must go on all the same. */
static bool begin_unfinished_write(struct connection *c)
{
	size_t n;

	if (!write_all(c, "", 0)) /* the handshake's own leave first */
		return false;
	c->grudge.holds_writes = true;
	c->grudge.writes_let = 1;
	for (int tries = 0; tries < 4; tries++) { /* the grudge refuses every second call */
		const enum lw_status status = lw_write(c->stream, greeting, strlen(greeting), &n);

		if (status == LW_OK && n == strlen(greeting))
			return stays_unfinished(c);
		if (status != LW_AGAIN)
			break;
	}
	return fail_by_verdict(c, "an unfinished write");
}

static bool finish_write(struct connection *c)
{
	if (!c->grudge.holds_writes)
		return true;
	c->grudge.holds_writes = false;
	return write_all(c, "", 0);
}

static bool answer(struct connection *c, unsigned char *bytes, size_t len)
{
	if (!finish_write(c))
		return false;
	if (c->flags->key_update && SSL_key_update(c->ssl, SSL_KEY_UPDATE_NOT_REQUESTED) != 1)
		return fail("no key update is to be had");
	for (size_t i = 0; i < len; i++)
		bytes[i] ^= 0xff;
	return write_all(c, bytes, len);
}

static bool echo(struct connection *c)
{
	const size_t cap = c->flags->read_size ? (size_t)c->flags->read_size : READ_BYTES;
	unsigned char *bytes = malloc(cap);
	bool goes_on = bytes != NULL;
	enum lw_status status = LW_OK;
	size_t n;

	while (goes_on) {
		status = lw_read(c->stream, bytes, cap, &n);
		if (status == LW_OK)
			goes_on = answer(c, bytes, n);
		else if (status == LW_AGAIN)
			goes_on = wait_for(c, LW_INTEREST_READ);
		else
			break;
	}
	free(bytes);
	if (!goes_on)
		return false;
	return status == LW_END || fail_by_verdict(c, "reading");
}

static bool converse(struct connection *c)
{
	const struct shim_flags *flags = c->flags;

	if (flags->write_different_record_sizes)
		return write_different_sizes(c);
	if (flags->read_with_unfinished_write && !begin_unfinished_write(c))
		return false;
	if (flags->shim_writes_first && !flags->read_with_unfinished_write &&
	    !write_all(c, greeting, strlen(greeting)))
		return false;
	return (flags->shim_shuts_down || echo(c)) && finish_write(c);
}

/* Unchecked, an ending of the peer's without close_notify will do, as will none that we saw. */
static bool end(struct connection *c)
{
	struct lw_verdict v;
	enum lw_status status;

	while ((status = lw_close(c->stream)) == LW_AGAIN)
		if (!wait_for(c, LW_INTEREST_READ))
			return false;
	lw_verdict(c->stream, &v);
	if (v.read == LW_ENDING_FAILED || v.read == LW_ENDING_ABORTED)
		return fail_by_verdict(c, "closing");
	if (!c->flags->check_close_notify)
		return true;
	return (v.read == LW_ENDING_CLOSED && v.write == LW_ENDING_CLOSED) ||
	       fail_by_verdict(c, "closing, with close_notify demanded");
}

static bool exchange(struct connection *c)
{
	if (!begin(c) || !export_keys(c))
		return false;
	if (c->flags->send_alert)
		return abort_now(c);
	return converse(c) && end(c);
}

/* Connections */

static bool attach(struct connection *c)
{
	const char *why = "out of memory";
	struct lw_options options;
	BIO *bio;

	c->grudge = (struct grudge){ .fd = c->fd };
	bio = c->flags->async ? grudge_new(&c->grudge) : BIO_new_socket(c->fd, BIO_NOCLOSE);
	if (!bio)
		return fail(why);
	SSL_set_bio(c->ssl, bio, bio);
	lw_options_default(&options);
	options.policy = c->flags->check_close_notify ? LW_POLICY_STRICT : LW_POLICY_LAX;
	if (!c->flags->check_close_notify)
		options.close_timeout_ms = 0;
	c->stream = lw_openssl_attach(c->ssl, &options, &why);
	return c->stream || fail(why);
}

static bool run_connection(SSL_CTX *ctx, const struct shim_flags *flags, bool resumes)
{
	struct connection c = { .flags = flags, .fd = -1, .resumes = resumes };
	bool done = false;

	c.ssl = shim_ssl(ctx, flags, resumes);
	if (!c.ssl)
		return false;
	c.fd = connect_to(flags);
	if (c.fd >= 0)
		done = (!flags->has_shim_id || send_shim_id(c.fd, flags->shim_id)) && attach(&c) &&
		       exchange(&c);
	lw_free(c.stream);
	SSL_free(c.ssl);
	if (c.fd >= 0)
		leave_transport(c.fd);
	return done;
}

static int run(const struct shim_flags *initial, const struct shim_flags *resume)
{
	SSL_CTX *ctx = shim_context(initial);
	bool done = ctx && run_connection(ctx, initial, false);

	for (uint64_t i = 0; done && i < initial->resume_count; i++)
		done = run_connection(ctx, resume, true);
	shim_drop_session();
	SSL_CTX_free(ctx);
	return done ? 0 : 1;
}

int main(int argc, char **argv)
{
	struct shim_flags initial = { 0 }, resume = { 0 };
	const char *bad = "";
	int status;

	switch (shim_parse(argc, argv, &initial, &resume, &bad)) {
	case SHIM_PARSED:
		break;
	case SHIM_UNKNOWN:
		fprintf(stderr, "shim: unknown flag: %s\n", bad);
		return EXIT_UNKNOWN_FLAG;
	case SHIM_MALFORMED:
	default:
		fprintf(stderr, "shim: flag without its value: %s\n", bad);
		return 1;
	}
	if (initial.is_handshaker_supported) {
		puts("No"); /* there is no handshake in parts, over processes */
		return 0;
	}
	if (initial.port == 0 || initial.port > UINT16_MAX) {
		fail("-port is needed");
		return 1;
	}
	if (initial.read_with_unfinished_write && !initial.async) {
		fail("-read-with-unfinished-write needs -async");
		return 1;
	}
	status = run(&initial, &resume);
	fputs("--- DONE ---\n", stderr); /* what follows is a sanitizer's */
	return status;
}
