/*
 * mbedtls_test: what the adapter does to the application's Mbed TLS objects and gives back, what it
 * refuses, and how Mbed TLS is, where the adapter builds on it.  Two contexts joined by pipes in
 * memory that hold so many bytes and no more.
 */
#include "adversary/adversary.h"
#include "pem.h"
#include "tests/unit.h"

#include <errno.h>
#include <lastword/mbedtls.h>
#include <mbedtls/ctr_drbg.h>
#include <mbedtls/entropy.h>
#include <mbedtls/net_sockets.h>
#include <mbedtls/ssl_cache.h>
#include <mbedtls/ssl_internal.h>
#include <mbedtls/ssl_ticket.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CLIENT, SERVER, SIDES };
enum { TURNS_MAX = 1000, PIPE_BYTES = 65536, LONG_BYTES = 40000 };

struct pipe {
	unsigned char bytes[PIPE_BYTES];
	size_t len;
	size_t cap;
};

struct side {
	mbedtls_ssl_config conf;
	mbedtls_ssl_context ssl;
	struct lw_stream *stream;
	struct pipe *in, *out;
	int when_empty;   /* what the receiver says */
	unsigned refuses; /* so many sends, once */
	unsigned calls;
	uint32_t timeout_ms; /* that the receiver was called with */
	int shaken;          /* mbedtls_ssl_handshake() said */
};

struct pair {
	struct side side[SIDES];
	struct pipe to[SIDES];
};

static mbedtls_entropy_context entropy;
static mbedtls_ctr_drbg_context drbg;
static mbedtls_x509_crt certificate;
static mbedtls_pk_context key;

static const int minors[] = { MBEDTLS_SSL_MINOR_VERSION_1, MBEDTLS_SSL_MINOR_VERSION_2,
	                      MBEDTLS_SSL_MINOR_VERSION_3 };
#define EACH_VERSION(v)                                                                            \
	for (const int *v = minors; v < minors + sizeof minors / sizeof minors[0]; v++)
enum { TLS12 = MBEDTLS_SSL_MINOR_VERSION_3 };

static int pipe_send(void *context, const unsigned char *buf, size_t len)
{
	struct side *side = context;
	const size_t room = side->out->cap - side->out->len;
	const size_t n = len < room ? len : room;

	side->calls++;
	if (side->refuses > 0 && side->refuses--)
		return MBEDTLS_ERR_SSL_WANT_WRITE;
	memcpy(side->out->bytes + side->out->len, buf, n);
	side->out->len += n;
	return n > 0 ? (int)n : MBEDTLS_ERR_SSL_WANT_WRITE;
}

static int pipe_recv(void *context, unsigned char *buf, size_t len)
{
	struct side *side = context;
	const size_t n = len < side->in->len ? len : side->in->len;

	side->calls++;
	errno = EIO;
	if (n == 0)
		return side->when_empty;
	memcpy(buf, side->in->bytes, n);
	side->in->len -= n;
	memmove(side->in->bytes, side->in->bytes + n, side->in->len);
	return (int)n;
}

static int pipe_recv_timeout(void *context, unsigned char *buf, size_t len, uint32_t timeout_ms)
{
	((struct side *)context)->timeout_ms = timeout_ms;
	return pipe_recv(context, buf, len);
}

static void configure(struct side *side, int endpoint, int minor)
{
	static const mbedtls_ecp_group_id curves[] = { MBEDTLS_ECP_DP_SECP256R1,
		                                       MBEDTLS_ECP_DP_NONE };

	mbedtls_ssl_config_init(&side->conf);
	mbedtls_ssl_init(&side->ssl);
	assert_int_equal(mbedtls_ssl_config_defaults(&side->conf, endpoint,
	                                             MBEDTLS_SSL_TRANSPORT_STREAM,
	                                             MBEDTLS_SSL_PRESET_DEFAULT),
	                 0);
	mbedtls_ssl_conf_rng(&side->conf, mbedtls_ctr_drbg_random, &drbg);
	mbedtls_ssl_conf_authmode(&side->conf, MBEDTLS_SSL_VERIFY_NONE);
	mbedtls_ssl_conf_curves(&side->conf, curves);
	mbedtls_ssl_conf_min_version(&side->conf, MBEDTLS_SSL_MAJOR_VERSION_3, minor);
	mbedtls_ssl_conf_max_version(&side->conf, MBEDTLS_SSL_MAJOR_VERSION_3, minor);
	mbedtls_ssl_conf_renegotiation(&side->conf, MBEDTLS_SSL_RENEGOTIATION_ENABLED);
	mbedtls_ssl_conf_renegotiation_enforced(&side->conf,
	                                        MBEDTLS_SSL_RENEGOTIATION_NOT_ENFORCED);
	if (endpoint == MBEDTLS_SSL_IS_SERVER)
		assert_int_equal(mbedtls_ssl_conf_own_cert(&side->conf, &certificate, &key), 0);
}

static void set_up(struct pair *p)
{
	for (int i = 0; i < SIDES; i++) {
		struct side *side = &p->side[i];

		p->to[i].len = 0;
		p->to[i].cap = PIPE_BYTES;
		side->in = &p->to[i];
		side->out = &p->to[1 - i];
		side->when_empty = MBEDTLS_ERR_SSL_WANT_READ;
		side->stream = NULL;
		side->shaken = -1;
		assert_int_equal(mbedtls_ssl_setup(&side->ssl, &side->conf), 0);
		mbedtls_ssl_set_bio(&side->ssl, side, pipe_send, pipe_recv, NULL);
	}
}

static struct pair *begin(int minor)
{
	struct pair *p = calloc(1, sizeof *p);

	assert_non_null(p);
	configure(&p->side[CLIENT], MBEDTLS_SSL_IS_CLIENT, minor);
	configure(&p->side[SERVER], MBEDTLS_SSL_IS_SERVER, minor);
	set_up(p);
	return p;
}

static void drop_connection(struct pair *p)
{
	for (int i = 0; i < SIDES; i++) {
		lw_free(p->side[i].stream);
		p->side[i].stream = NULL;
		mbedtls_ssl_free(&p->side[i].ssl);
	}
}

static void end(struct pair *p)
{
	drop_connection(p);
	for (int i = 0; i < SIDES; i++)
		mbedtls_ssl_config_free(&p->side[i].conf);
	free(p);
}

static void attach(struct side *side)
{
	const char *why = "";

	side->stream = lw_mbedtls_attach(&side->ssl, NULL, &why);
	assert_null(why);
	assert_non_null(side->stream);
}

static void shake(struct side *side)
{
	if (side->shaken == 0)
		return;
	if (side->stream)
		side->shaken = lw_handshake(side->stream) == LW_OK ? 0 : -1;
	else
		side->shaken = mbedtls_ssl_handshake(&side->ssl);
}

static void shake_hands(struct pair *p)
{
	for (int i = 0; i < TURNS_MAX && (p->side[CLIENT].shaken || p->side[SERVER].shaken); i++)
		shake(&p->side[i % SIDES]);
	assert_int_equal(p->side[CLIENT].shaken, 0);
	assert_int_equal(p->side[SERVER].shaken, 0);
}

/* A pair whose client has a stream; the server is Mbed TLS alone. */
static struct pair *begin_shaken(int minor)
{
	struct pair *p = begin(minor);

	attach(&p->side[CLIENT]);
	shake_hands(p);
	return p;
}

static struct lw_verdict verdict_of(const struct side *side)
{
	struct lw_verdict v;

	lw_verdict(side->stream, &v);
	return v;
}

static void fill_pattern(unsigned char *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++)
		bytes[i] = adversary_pattern(i);
}

/* Reads by hand what is there, checks it, and gives what ended it. */
static int drain_bare(struct side *side, uint64_t *bytes)
{
	unsigned char buf[1000];
	int did;

	while ((did = mbedtls_ssl_read(&side->ssl, buf, sizeof buf)) > 0)
		for (int i = 0; i < did; i++)
			assert_int_equal(buf[i], adversary_pattern((*bytes)++));
	return did;
}

/* What it takes and gives back */

static void the_callbacks_are_given_back(void **state)
{
	struct pair *p = begin(TLS12);
	struct side *client = &p->side[CLIENT];

	(void)state;
	mbedtls_ssl_set_bio(&client->ssl, client, pipe_send, pipe_recv, pipe_recv_timeout);
	attach(client);
	assert_ptr_not_equal(client->ssl.p_bio, client);
	shake_hands(p);
	assert_true(client->calls > 0);
	assert_int_equal(lw_wait(client->stream, LW_INTEREST_READ, 0), LW_UNSUPPORTED);
	lw_free(client->stream);
	client->stream = NULL;
	assert_ptr_equal(client->ssl.p_bio, client);
	assert_true(client->ssl.f_send == pipe_send && client->ssl.f_recv == pipe_recv &&
	            client->ssl.f_recv_timeout == pipe_recv_timeout);
	end(p);
}

static void a_context_goes_on_after_lw_free_and_can_be_attached_again(void **state)
{
	(void)state;
	EACH_VERSION(v)
	{
		struct pair *p = begin_shaken(*v);
		struct side *client = &p->side[CLIENT];
		unsigned char bytes[3000];
		uint64_t got = 0;
		size_t n;

		fill_pattern(bytes, sizeof bytes);
		assert_int_equal(lw_write(client->stream, bytes, 1000, &n), LW_OK);
		lw_free(client->stream);
		assert_int_equal(mbedtls_ssl_write(&client->ssl, bytes + 1000, 1000), 1000);
		attach(client);
		assert_int_equal(lw_write(client->stream, bytes + 2000, 1000, &n), LW_OK);
		assert_int_equal(lw_close(client->stream), LW_AGAIN);
		assert_int_equal(drain_bare(&p->side[SERVER], &got),
		                 MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY);
		assert_int_equal(got, 3000);
		end(p);
	}
}

static void a_receiver_with_a_timeout_is_called_with_the_configured_one(void **state)
{
	struct pair *p = begin(TLS12);
	struct side *client = &p->side[CLIENT];
	uint8_t octet;
	size_t n;

	(void)state;
	mbedtls_ssl_conf_read_timeout(&client->conf, 1234);
	mbedtls_ssl_set_bio(&client->ssl, client, pipe_send, NULL, pipe_recv_timeout);
	attach(client);
	shake_hands(p);
	assert_int_equal(client->timeout_ms, 1234);
	client->when_empty = MBEDTLS_ERR_SSL_TIMEOUT;
	assert_int_equal(lw_read(client->stream, &octet, 1, &n), LW_AGAIN);
	end(p);
}

static void what_the_callbacks_say_is_told(void **state)
{
	static const struct {
		int says;
		enum lw_ending read;
		int os_error;
	} rows[] = {
		{ 0, LW_ENDING_TRUNCATED, 0 },
		{ MBEDTLS_ERR_SSL_CONN_EOF, LW_ENDING_TRUNCATED, 0 },
		{ MBEDTLS_ERR_NET_CONN_RESET, LW_ENDING_RESET, 0 },
		{ MBEDTLS_ERR_NET_RECV_FAILED, LW_ENDING_FAILED, EIO },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct pair *p = begin_shaken(TLS12);
		struct side *client = &p->side[CLIENT];
		uint8_t octet;
		size_t n;

		client->when_empty = rows[i].says;
		for (int again = 0; again < 2; again++) {
			assert_int_not_equal(lw_read(client->stream, &octet, 1, &n), LW_AGAIN);
			assert_int_equal(verdict_of(client).read, rows[i].read);
			assert_int_equal(verdict_of(client).os_error, rows[i].os_error);
		}
		end(p);
	}
}

/* A read would block for ever in the library's own callback. */
static void the_descriptor_of_a_net_context_is_used_and_never_blocks(void **state)
{
	struct pair *p = begin_shaken(TLS12);
	struct side *client = &p->side[CLIENT];
	mbedtls_net_context net;
	int fds[2];
	uint8_t octet;
	size_t n;

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	net.fd = fds[0];
	lw_free(client->stream);
	mbedtls_ssl_set_bio(&client->ssl, &net, mbedtls_net_send, mbedtls_net_recv,
	                    mbedtls_net_recv_timeout);
	attach(client);
	assert_int_not_equal(lw_wait(client->stream, LW_INTEREST_READ, 0), LW_UNSUPPORTED);
	assert_int_equal(lw_read(client->stream, &octet, 1, &n), LW_AGAIN);
	assert_int_equal(lw_wait(client->stream, LW_INTEREST_READ, 0), LW_AGAIN);
	assert_int_equal(close(fds[1]), 0);
	assert_int_equal(lw_wait(client->stream, LW_INTEREST_READ, 0), LW_OK);
	assert_int_equal(lw_read(client->stream, &octet, 1, &n), LW_TRUNCATED);
	end(p);
	assert_int_equal(close(fds[0]), 0);
}

/* Refusals */

static void no_callbacks(struct pair *p)
{
	mbedtls_ssl_set_bio(&p->side[CLIENT].ssl, NULL, NULL, NULL, NULL);
}

static void not_set_up(struct pair *p)
{
	mbedtls_ssl_free(&p->side[CLIENT].ssl);
	mbedtls_ssl_init(&p->side[CLIENT].ssl);
}

static void attached_already(struct pair *p)
{
	attach(&p->side[CLIENT]);
}

static void datagrams(struct pair *p)
{
	mbedtls_ssl_conf_transport(&p->side[CLIENT].conf, MBEDTLS_SSL_TRANSPORT_DATAGRAM);
}

static void we_closed(struct pair *p)
{
	shake_hands(p);
	assert_int_equal(mbedtls_ssl_close_notify(&p->side[CLIENT].ssl), 0);
}

static void peer_closed(struct pair *p)
{
	uint64_t bytes = 0;

	shake_hands(p);
	assert_int_equal(mbedtls_ssl_close_notify(&p->side[SERVER].ssl), 0);
	assert_int_equal(drain_bare(&p->side[CLIENT], &bytes), MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY);
}

static void write_under_way(struct pair *p)
{
	static const unsigned char block[16384];

	shake_hands(p);
	p->side[CLIENT].out->cap = 5000;
	assert_int_equal(mbedtls_ssl_write(&p->side[CLIENT].ssl, block, sizeof block),
	                 MBEDTLS_ERR_SSL_WANT_WRITE);
}

static void renegotiation_under_way(struct pair *p)
{
	shake_hands(p);
	assert_int_equal(mbedtls_ssl_renegotiate(&p->side[CLIENT].ssl), MBEDTLS_ERR_SSL_WANT_READ);
}

static void what_cannot_be_made_right_is_refused_with_a_sentence(void **state)
{
	static const struct {
		void (*spoil)(struct pair *p);
		const char *words;
	} rows[] = {
		{ not_set_up, "call mbedtls_ssl_setup() first" },
		{ no_callbacks, "call mbedtls_ssl_set_bio() first" },
		{ attached_already, "attached to this SSL context already" },
		{ datagrams, "DTLS has no stream" },
		{ we_closed, "shut down already" },
		{ peer_closed, "shut down already" },
		{ write_under_way, "a write is under way" },
		{ renegotiation_under_way, "a renegotiation is under way" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct pair *p = begin(TLS12);
		const char *why = "";

		rows[i].spoil(p);
		assert_null(lw_mbedtls_attach(&p->side[CLIENT].ssl, NULL, &why));
		if (strstr(why, rows[i].words) == NULL)
			assert_string_equal(why, rows[i].words);
		assert_null(lw_mbedtls_attach(&p->side[CLIENT].ssl, NULL, NULL));
		end(p);
	}
}

/* Records that are half out */

static void the_library_says_success_and_sends_no_close_notify(void **state)
{
	static const unsigned char block[16384];
	struct pair *p = begin(TLS12);
	uint64_t bytes = 0;
	unsigned char octet;

	(void)state;
	shake_hands(p);
	p->side[CLIENT].out->cap = 5000;
	assert_int_equal(mbedtls_ssl_write(&p->side[CLIENT].ssl, block, sizeof block),
	                 MBEDTLS_ERR_SSL_WANT_WRITE);
	p->side[CLIENT].out->cap = PIPE_BYTES;
	assert_int_equal(mbedtls_ssl_close_notify(&p->side[CLIENT].ssl), 0);
	while (mbedtls_ssl_read(&p->side[SERVER].ssl, &octet, 1) > 0)
		bytes++;
	assert_int_equal(bytes, sizeof block);
	assert_int_equal(mbedtls_ssl_read(&p->side[SERVER].ssl, &octet, 1),
	                 MBEDTLS_ERR_SSL_WANT_READ);
	end(p);
}

/* In 1.0 every write is a record of one octet and another, which the stream must not see. */
static void every_byte_leaves_once_and_whole_before_close_notify(void **state)
{
	static unsigned char bytes[LONG_BYTES];

	(void)state;
	fill_pattern(bytes, sizeof bytes);
	EACH_VERSION(v)
	{
		for (size_t cap = 100; cap < 20000; cap = cap * 5 + 17) {
			struct pair *p = begin_shaken(*v);
			struct side *client = &p->side[CLIENT];
			uint64_t taken = 0, got = 0;
			int ended = MBEDTLS_ERR_SSL_WANT_READ;
			size_t n;

			p->to[SERVER].cap = cap;
			for (int i = 0; i < TURNS_MAX && taken < sizeof bytes; i++) {
				(void)!lw_write(client->stream, bytes + taken, sizeof bytes - taken,
				                &n);
				taken += n;
				assert_int_equal(drain_bare(&p->side[SERVER], &got), ended);
			}
			for (int i = 0; i < TURNS_MAX && ended == MBEDTLS_ERR_SSL_WANT_READ; i++) {
				(void)!lw_close(client->stream);
				ended = drain_bare(&p->side[SERVER], &got);
			}
			assert_int_equal(ended, MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY);
			assert_int_equal(taken, sizeof bytes);
			assert_int_equal(got, sizeof bytes);
			assert_int_equal(verdict_of(client).bytes_written, sizeof bytes);
			end(p);
		}
	}
}

/* What is stashed leaves no room for the library's alert, which so never leaves. */
static void an_alert_that_found_no_room_is_not_told(void **state)
{
	static unsigned char bytes[1000];
	struct pair *p = begin_shaken(TLS12);
	struct side *client = &p->side[CLIENT], *server = &p->side[SERVER];
	uint64_t got = 0;
	size_t n, record;

	(void)state;
	fill_pattern(bytes, sizeof bytes);
	assert_int_equal(lw_write(client->stream, bytes, sizeof bytes, &n), LW_OK);
	record = p->to[SERVER].len;
	assert_int_equal(drain_bare(server, &got), MBEDTLS_ERR_SSL_WANT_READ);
	got = 0;
	p->to[SERVER].cap = record - 110;
	assert_int_equal(lw_write(client->stream, bytes, sizeof bytes, &n), LW_OK);
	assert_int_equal(mbedtls_ssl_write(&server->ssl, bytes, 10), 10);
	p->to[CLIENT].bytes[p->to[CLIENT].len - 1] ^= 1;
	assert_int_equal(lw_read(client->stream, bytes, sizeof bytes, &n), LW_ERROR);
	p->to[SERVER].cap = PIPE_BYTES;
	(void)!lw_close(client->stream);
	assert_int_equal(drain_bare(server, &got), MBEDTLS_ERR_SSL_WANT_READ);
	assert_int_equal(got, sizeof bytes);
	assert_false(verdict_of(client).alert_sent.present);
	assert_int_not_equal(verdict_of(client).write, LW_ENDING_ABORTED);
	end(p);
}

/* Handshakes after the first */

/* A repeated write, as the library's manual has it, would be a second one here. */
static void a_renegotiation_sends_a_half_out_record_on_and_nothing_twice(void **state)
{
	static unsigned char bytes[16384];

	(void)state;
	fill_pattern(bytes, sizeof bytes);
	EACH_VERSION(v)
	{
		struct pair *p = begin(*v);
		struct side *client = &p->side[CLIENT], *server = &p->side[SERVER];
		uint64_t got = 0;
		uint8_t octet;
		size_t n;

		attach(server);
		shake_hands(p);
		assert_int_equal(mbedtls_ssl_renegotiate(&client->ssl), MBEDTLS_ERR_SSL_WANT_READ);
		p->to[CLIENT].cap = 5000;
		assert_int_equal(lw_write(server->stream, bytes, sizeof bytes, &n), LW_OK);
		assert_int_equal(n, sizeof bytes);
		p->to[CLIENT].cap = PIPE_BYTES;
		server->refuses = 1; /* the stream's push, and then the library's has room */
		for (int i = 0; i < 10; i++) {
			assert_int_equal(lw_read(server->stream, &octet, 1, &n), LW_AGAIN);
			(void)!lw_flush(server->stream);
			assert_int_equal(drain_bare(client, &got), MBEDTLS_ERR_SSL_WANT_READ);
		}
		assert_int_equal(got, sizeof bytes);
		assert_int_equal(client->ssl.state, MBEDTLS_SSL_HANDSHAKE_OVER);
		assert_int_equal(lw_close(server->stream), LW_AGAIN);
		assert_int_equal(drain_bare(client, &got), MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY);
		end(p);
	}
}

static void the_library_sends_no_close_notify_in_a_renegotiation_and_the_stream_does(void **state)
{
	(void)state;
	for (int bare = 0; bare < 2; bare++) {
		struct pair *p = begin_shaken(TLS12);
		struct side *client = &p->side[CLIENT], *server = &p->side[SERVER];
		uint64_t got = 0;
		size_t before;

		assert_int_equal(mbedtls_ssl_renegotiate(&client->ssl), MBEDTLS_ERR_SSL_WANT_READ);
		before = p->to[SERVER].len;
		if (bare)
			assert_int_equal(mbedtls_ssl_close_notify(&client->ssl), 0);
		else
			assert_int_equal(lw_close(client->stream), LW_AGAIN);
		assert_int_equal(p->to[SERVER].len > before, !bare);
		assert_int_equal(drain_bare(server, &got), bare
		                                               ? MBEDTLS_ERR_SSL_WANT_READ
		                                               : MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY);
		end(p);
	}
}

/* Sessions */

static bool has_same_master(const mbedtls_ssl_context *ssl, const mbedtls_ssl_session *session)
{
	return memcmp(ssl->session->master, session->master, sizeof session->master) == 0;
}

/* Connects once more, offering that session; whether it was resumed. */
static bool resumes(struct pair *p, const mbedtls_ssl_session *session)
{
	drop_connection(p);
	set_up(p);
	assert_int_equal(mbedtls_ssl_set_session(&p->side[CLIENT].ssl, session), 0);
	shake_hands(p);
	return has_same_master(&p->side[CLIENT].ssl, session);
}

/* A connection that is cut; both forget it. */
static void cut_and_forget(struct pair *p, enum lw_status of_client, enum lw_status of_server)
{
	const enum lw_status expected[SIDES] = { of_client, of_server };
	uint8_t octet;
	size_t n;

	for (int i = 0; i < SIDES; i++) {
		p->side[i].when_empty = 0;
		p->side[i].in->len = 0;
		assert_int_equal(lw_read(p->side[i].stream, &octet, 1, &n), LW_TRUNCATED);
		assert_int_equal(lw_close(p->side[i].stream), LW_TRUNCATED);
		assert_int_equal(verdict_of(&p->side[i]).session, LW_SESSION_FORGET);
		assert_int_equal(lw_forget_session(p->side[i].stream), expected[i]);
	}
}

/* rules: unclean-end-forbids-resumption, discard-tickets-on-failure */
static void a_servers_cache_forgets_and_a_clients_context_gives_nothing(void **state)
{
	/* Up to 1.1 and 1.2 the rows differ in whether a cut forbids resumption. */
	struct pair *p = begin(MBEDTLS_SSL_MINOR_VERSION_1);
	mbedtls_ssl_session kept, after;
	mbedtls_ssl_cache_context cache;

	(void)state;
	mbedtls_ssl_cache_init(&cache);
	mbedtls_ssl_session_init(&kept);
	mbedtls_ssl_session_init(&after);
	mbedtls_ssl_conf_session_cache(&p->side[SERVER].conf, &cache, mbedtls_ssl_cache_get,
	                               mbedtls_ssl_cache_set);
	shake_hands(p);
	assert_int_equal(mbedtls_ssl_get_session(&p->side[CLIENT].ssl, &kept), 0);
	assert_true(resumes(p, &kept));
	attach(&p->side[CLIENT]);
	attach(&p->side[SERVER]);
	cut_and_forget(p, LW_UNSUPPORTED, LW_OK);
	assert_int_equal(mbedtls_ssl_get_session(&p->side[CLIENT].ssl, &after), 0);
	assert_int_equal(after.id_len, 0);
	assert_false(resumes(p, &kept));
	mbedtls_ssl_session_free(&after);
	mbedtls_ssl_session_free(&kept);
	end(p);
	mbedtls_ssl_cache_free(&cache);
}

static void a_ticket_cannot_be_called_back(void **state)
{
	struct pair *p = begin(MBEDTLS_SSL_MINOR_VERSION_1);
	mbedtls_ssl_session kept, after;
	mbedtls_ssl_ticket_context tickets;

	(void)state;
	mbedtls_ssl_ticket_init(&tickets);
	mbedtls_ssl_session_init(&kept);
	mbedtls_ssl_session_init(&after);
	assert_int_equal(mbedtls_ssl_ticket_setup(&tickets, mbedtls_ctr_drbg_random, &drbg,
	                                          MBEDTLS_CIPHER_AES_256_GCM, 1000),
	                 0);
	mbedtls_ssl_conf_session_tickets_cb(&p->side[SERVER].conf, mbedtls_ssl_ticket_write,
	                                    mbedtls_ssl_ticket_parse, &tickets);
	shake_hands(p);
	assert_int_equal(mbedtls_ssl_get_session(&p->side[CLIENT].ssl, &kept), 0);
	assert_true(kept.ticket_len > 0);
	assert_true(resumes(p, &kept)); /* now the server's has the name that the client made up */
	attach(&p->side[CLIENT]);
	attach(&p->side[SERVER]);
	cut_and_forget(p, LW_UNSUPPORTED, LW_UNSUPPORTED);
	assert_int_equal(mbedtls_ssl_get_session(&p->side[CLIENT].ssl, &after), 0);
	assert_int_equal(after.ticket_len, 0);
	assert_false(resumes(p, &after));
	assert_true(resumes(p, &kept)); /* which the stream cannot know of */
	mbedtls_ssl_session_free(&after);
	mbedtls_ssl_session_free(&kept);
	end(p);
	mbedtls_ssl_ticket_free(&tickets);
}

static int open_library(void **state)
{
	const unsigned char *pem = (const unsigned char *)pem_certificate();
	const unsigned char *key_pem = (const unsigned char *)pem_key();

	(void)state;
	mbedtls_entropy_init(&entropy);
	mbedtls_ctr_drbg_init(&drbg);
	mbedtls_x509_crt_init(&certificate);
	mbedtls_pk_init(&key);
	if (pem == NULL || key_pem == NULL ||
	    mbedtls_ctr_drbg_seed(&drbg, mbedtls_entropy_func, &entropy, NULL, 0) != 0 ||
	    mbedtls_x509_crt_parse(&certificate, pem, strlen((const char *)pem) + 1) != 0 ||
	    mbedtls_pk_parse_key(&key, key_pem, strlen((const char *)key_pem) + 1, NULL, 0) != 0)
		return -1;
	return 0;
}

static int close_library(void **state)
{
	(void)state;
	mbedtls_pk_free(&key);
	mbedtls_x509_crt_free(&certificate);
	mbedtls_ctr_drbg_free(&drbg);
	mbedtls_entropy_free(&entropy);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_callbacks_are_given_back),
		cmocka_unit_test(a_context_goes_on_after_lw_free_and_can_be_attached_again),
		cmocka_unit_test(a_receiver_with_a_timeout_is_called_with_the_configured_one),
		cmocka_unit_test(what_the_callbacks_say_is_told),
		cmocka_unit_test(the_descriptor_of_a_net_context_is_used_and_never_blocks),
		cmocka_unit_test(what_cannot_be_made_right_is_refused_with_a_sentence),
		cmocka_unit_test(the_library_says_success_and_sends_no_close_notify),
		cmocka_unit_test(every_byte_leaves_once_and_whole_before_close_notify),
		cmocka_unit_test(an_alert_that_found_no_room_is_not_told),
		cmocka_unit_test(a_renegotiation_sends_a_half_out_record_on_and_nothing_twice),
		cmocka_unit_test(
		    the_library_sends_no_close_notify_in_a_renegotiation_and_the_stream_does),
		cmocka_unit_test(a_servers_cache_forgets_and_a_clients_context_gives_nothing),
		cmocka_unit_test(a_ticket_cannot_be_called_back),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, open_library, close_library);
}
