/*
 * stream_fuzz: a stream on OpenSSL, an honest server, and between them a network that delays,
 * garbles, drops, injects and ends as it likes, in any order with whatever the application does.
 * Input: an octet for version and policy, then two octets an act.  The theorem: what is delivered
 * is what the server wrote, from its first byte; `closed` only if the server closed; `whole` only
 * if nothing is missing, or the application had said so at that byte.  (Keys are random, so a run
 * is not bit for bit the same.)
 */
#include <string.h>

#include <lastword/openssl.h>
#include <openssl/err.h>

#include "net/certificate.h"
#include "tests/fuzz/fuzz.h"

#define NETWORK_BYTES (1u << 18)
#define PATTERN(at)   ((uint8_t)((at)*31 + (at) / 256))

enum act {
	ACT_SHAKE, /* both sides run until nothing moves; nothing is lost */
	ACT_SERVER_WRITES,
	ACT_SERVER_CLOSES,
	ACT_TO_CLIENT, /* some bytes arrive */
	ACT_TO_SERVER, /* all bytes arrive */
	ACT_GARBLE,
	ACT_DROP,
	ACT_INJECT,
	ACT_FIN,
	ACT_RESET,
	ACT_READ,
	ACT_WRITE,
	ACT_COMPLETE,
	ACT_FINISH,
	ACT_CLOSE,
	ACT_UNWRAP,
	ACT_ABORT,
	ACT_TIME,
	ACTS
};

struct world {
	SSL *client, *server;
	struct lw_stream *s;
	uint8_t network[NETWORK_BYTES]; /* on its way to the client */
	size_t network_bytes;
	uint64_t written;   /* by the server */
	uint64_t delivered; /* to the application */
	uint64_t declared;  /* `delivered` when it was declared complete, + 1 */
	uint64_t now_ms;
	bool server_closed;
	bool transport_ended;
	enum lw_status ended; /* what lw_read() said first, behind LW_OK and LW_AGAIN */
	struct lw_verdict last;
};

static SSL_CTX *server_ctx, *client_ctx;

static void prepare(void)
{
	struct certificate *c;

	if (server_ctx)
		return;
	c = certificate_new(NULL, NULL);
	server_ctx = SSL_CTX_new(TLS_server_method());
	client_ctx = SSL_CTX_new(TLS_client_method());
	if (!c || !server_ctx || !client_ctx || !certificate_present(c, server_ctx))
		abort();
	certificate_free(c);
}

static SSL *make_end(SSL_CTX *ctx, int version)
{
	SSL *ssl = SSL_new(ctx);
	BIO *in = BIO_new(BIO_s_mem()), *out = BIO_new(BIO_s_mem());

	if (!ssl || !in || !out)
		abort();
	BIO_set_mem_eof_return(in, -1);
	SSL_set_bio(ssl, in, out);
	SSL_set_min_proto_version(ssl, version);
	SSL_set_max_proto_version(ssl, version);
	return ssl;
}

/* What the server has sealed gets on its way. */
static void collect(struct world *w)
{
	int n = BIO_read(SSL_get_wbio(w->server), w->network + w->network_bytes,
	                 (int)(NETWORK_BYTES - w->network_bytes));

	if (n > 0)
		w->network_bytes += (size_t)n;
}

static void carry_to_client(struct world *w, BIO *in, size_t len)
{
	len = len < w->network_bytes ? len : w->network_bytes;
	if (w->transport_ended || len == 0 || BIO_write(in, w->network, (int)len) != (int)len)
		return;
	w->network_bytes -= len;
	memmove(w->network, w->network + len, w->network_bytes);
}

static size_t carry_to_server(struct world *w, BIO *out)
{
	uint8_t buf[4096];
	size_t moved = 0;
	int n;

	while ((n = BIO_read(out, buf, sizeof(buf))) > 0) {
		(void)BIO_write(SSL_get_rbio(w->server), buf, n);
		moved += (size_t)n;
	}
	return moved;
}

static void read_some(struct world *w, size_t cap)
{
	uint8_t buf[16384];
	size_t n = 0;
	enum lw_status status = lw_read(w->s, buf, cap < sizeof(buf) ? cap : sizeof(buf), &n);

	fuzz_claim((status == LW_OK) == (n > 0));
	for (size_t i = 0; i < n; i++)
		fuzz_claim(buf[i] == PATTERN(w->delivered + i));
	w->delivered += n;
	fuzz_claim(w->delivered <= w->written);
	if (w->ended != LW_OK) /* the first ending is told the same on every later call */
		fuzz_claim(status == w->ended);
	else if (status != LW_OK && status != LW_AGAIN)
		w->ended = status;
}

static void write_some(struct world *w, size_t len)
{
	static const uint8_t data[16384];
	size_t n = 0;
	enum lw_status status = lw_write(w->s, data, len, &n);

	fuzz_claim(w->last.write == LW_ENDING_OPEN || status != LW_OK);
	fuzz_claim(n <= len);
}

static void server_writes(struct world *w, size_t len)
{
	uint8_t buf[4096];

	if (w->server_closed || !SSL_is_init_finished(w->server) ||
	    w->network_bytes > NETWORK_BYTES / 2)
		return;
	for (size_t i = 0; i < len; i++)
		buf[i] = PATTERN(w->written + i);
	if (len > 0 && SSL_write(w->server, buf, (int)len) == (int)len)
		w->written += len;
}

/* Both sides in turn, the way a good network would have it. */
static void shake(struct world *w, BIO *in, BIO *out)
{
	for (unsigned i = 0; i < 8; i++) {
		(void)!lw_handshake(w->s);
		carry_to_server(w, out);
		if (!SSL_is_init_finished(w->server))
			(void)SSL_do_handshake(w->server);
		collect(w);
		carry_to_client(w, in, w->network_bytes);
	}
}

static void act_on_network(struct world *w, enum act act, uint8_t arg, BIO *in, BIO *out)
{
	uint8_t peeked[1024];

	switch ((int)act) {
	case ACT_TO_CLIENT:
		carry_to_client(w, in, 1u + arg * 64u);
		break;
	case ACT_TO_SERVER:
		carry_to_server(w, out);
		(void)SSL_read(w->server, peeked, sizeof(peeked));
		break;
	case ACT_GARBLE:
		if (w->network_bytes > 0)
			w->network[arg * 7u % w->network_bytes] ^= (uint8_t)(1u << (arg % 8));
		break;
	case ACT_DROP:
		w->network_bytes -= arg < w->network_bytes ? arg : w->network_bytes;
		break;
	case ACT_INJECT:
		if (!w->transport_ended) {
			memset(peeked, arg, sizeof(peeked));
			memcpy(peeked, "\x15\x03\x03\x00\x02\x01\x00",
			       7); /* forged, in the clear */
			(void)BIO_write(in, peeked, 1 + arg % 32);
		}
		break;
	case ACT_FIN:
	case ACT_RESET:
		w->transport_ended = true;
		lw_transport_ended(w->s, act == ACT_FIN ? LW_TRANSPORT_FIN : LW_TRANSPORT_RESET);
		break;
	default:
		break;
	}
}

static void act_as_application(struct world *w, enum act act, uint8_t arg)
{
	uint8_t rest[64];
	size_t n = 0;

	switch ((int)act) {
	case ACT_READ:
		read_some(w, arg * 64u);
		break;
	case ACT_WRITE:
		write_some(w, 1 + arg * 64u);
		break;
	case ACT_COMPLETE:
		lw_complete(w->s, true);
		w->declared = w->delivered + 1;
		break;
	case ACT_FINISH:
		(void)!lw_finish(w->s);
		break;
	case ACT_CLOSE:
		(void)!lw_close(w->s);
		break;
	case ACT_UNWRAP:
		(void)!lw_unwrap(w->s, rest, sizeof(rest), &n);
		fuzz_claim(n <= sizeof(rest));
		break;
	case ACT_ABORT:
		(void)!lw_abort(w->s);
		break;
	case ACT_TIME:
		w->now_ms += arg * 100u;
		(void)lw_timeout_ms(w->s, w->now_ms);
		break;
	default:
		break;
	}
}

static void claim_truth(struct world *w)
{
	struct lw_verdict v;

	lw_verdict(w->s, &v);
	fuzz_claim(v.bytes_read == w->delivered);
	fuzz_claim(w->last.read == LW_ENDING_OPEN || v.read == w->last.read);
	fuzz_claim(w->last.write == LW_ENDING_OPEN || v.write == w->last.write);
	if (v.read == LW_ENDING_CLOSED) { /* rule: shared-knowledge-of-end */
		fuzz_claim(w->server_closed);
		fuzz_claim(w->delivered + v.bytes_ignored == w->written);
	}
	if (v.whole && v.read == LW_ENDING_CLOSED)
		fuzz_claim(w->delivered == w->written);
	if (v.whole && v.read != LW_ENDING_CLOSED)
		fuzz_claim(v.policy != LW_POLICY_STRICT && w->declared == w->delivered + 1);
	if (v.complete)
		fuzz_claim(w->declared == w->delivered + 1);
	w->last = v;
}

static void run(struct world *w, const uint8_t *data, size_t size)
{
	BIO *in = SSL_get_rbio(w->client), *out = SSL_get_wbio(w->client);
	struct lw_options options;

	lw_options_default(&options);
	options.policy = (enum lw_policy)(data[0] / 2 % 3);
	w->s = lw_openssl_attach(w->client, &options, NULL);
	if (!w->s)
		abort();
	for (size_t at = 1; at + 1 < size && at < 256; at += 2) {
		enum act act = (enum act)(data[at] % ACTS);
		uint8_t arg = data[at + 1];

		if (act == ACT_SHAKE)
			shake(w, in, out);
		else if (act == ACT_SERVER_WRITES)
			server_writes(w, arg * 16u);
		else if (act == ACT_SERVER_CLOSES && SSL_is_init_finished(w->server))
			w->server_closed |= SSL_shutdown(w->server) >= 0;
		else if (act < ACT_READ)
			act_on_network(w, act, arg, in, out);
		else
			act_as_application(w, act, arg);
		collect(w);
		claim_truth(w);
	}
	lw_free(w->s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct world w;

	if (size < 1)
		return 0;
	prepare();
	memset(&w, 0, sizeof(w));
	w.client = make_end(client_ctx, data[0] & 1 ? TLS1_2_VERSION : TLS1_3_VERSION);
	w.server = make_end(server_ctx, data[0] & 1 ? TLS1_2_VERSION : TLS1_3_VERSION);
	SSL_set_connect_state(w.client);
	SSL_set_accept_state(w.server);
	run(&w, data, size);
	SSL_free(w.client);
	SSL_free(w.server);
	ERR_clear_error();
	return 0;
}
