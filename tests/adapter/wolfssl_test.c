/*
 * wolfssl_test: what the adapter does to the application's wolfSSL objects and gives back, what it
 * refuses, and how wolfSSL is, where the adapter builds on it.  Two WOLFSSL on a pair of sockets.
 */
#include "pem.h"
#include "tests/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <lastword/wolfssl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <wolfssl/options.h>

#include <wolfssl/ssl.h>
#include <wolfssl/wolfio.h>

enum { CLIENT, SERVER, SIDES };
enum { TURNS_MAX = 1000 };

struct side {
	WOLFSSL_CTX *ctx;
	WOLFSSL *ssl;
	struct lw_stream *stream;
	int fd;
};

struct pair {
	struct side side[SIDES];
};

struct methods {
	enum lw_version version;
	const char *name;
	WOLFSSL_METHOD *(*of[SIDES])(void);
};

static const struct methods versions[] = {
	{ LW_VERSION_TLS1_1, "TLSv1.1", { wolfTLSv1_1_client_method, wolfTLSv1_1_server_method } },
	{ LW_VERSION_TLS1_2, "TLSv1.2", { wolfTLSv1_2_client_method, wolfTLSv1_2_server_method } },
	{ LW_VERSION_TLS1_3, "TLSv1.3", { wolfTLSv1_3_client_method, wolfTLSv1_3_server_method } },
};

static const struct methods *const last = &versions[2];

#define EACH_VERSION(v)                                                                            \
	for (const struct methods *v = versions;                                                   \
	     v < versions + sizeof versions / sizeof versions[0]; v++)

static void make_side(struct side *side, const struct methods *m, int which, int fd)
{
	const char *certificate = pem_certificate(), *key = pem_key();

	*side = (struct side){ .ctx = wolfSSL_CTX_new(m->of[which]()), .fd = fd };
	assert_non_null(side->ctx);
	assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	wolfSSL_CTX_set_verify(side->ctx, WOLFSSL_VERIFY_NONE, NULL);
	if (which == SERVER) {
		assert_int_equal(
		    wolfSSL_CTX_use_certificate_chain_buffer(
			side->ctx, (const unsigned char *)certificate, (long)strlen(certificate)),
		    WOLFSSL_SUCCESS);
		assert_int_equal(
		    wolfSSL_CTX_use_PrivateKey_buffer(side->ctx, (const unsigned char *)key,
		                                      (long)strlen(key), WOLFSSL_FILETYPE_PEM),
		    WOLFSSL_SUCCESS);
	}
	side->ssl = wolfSSL_new(side->ctx);
	assert_non_null(side->ssl);
	assert_int_equal(wolfSSL_set_fd(side->ssl, fd), WOLFSSL_SUCCESS);
}

static void begin(struct pair *p, const struct methods *m)
{
	int fds[SIDES];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	for (int i = 0; i < SIDES; i++)
		make_side(&p->side[i], m, i, fds[i]);
}

static void end(struct pair *p)
{
	for (int i = 0; i < SIDES; i++) {
		lw_free(p->side[i].stream);
		wolfSSL_free(p->side[i].ssl);
		wolfSSL_CTX_free(p->side[i].ctx);
		close(p->side[i].fd);
	}
}

static void attach(struct side *side)
{
	const char *why = NULL;

	side->stream = lw_wolfssl_attach(side->ssl, NULL, &why);
	assert_null(why);
	assert_non_null(side->stream);
}

/* A turn of its handshake, by the stream or by hand; true when it is done. */
static bool shake(struct side *side)
{
	int did;

	if (side->stream)
		return lw_handshake(side->stream) == LW_OK;
	did = wolfSSL_negotiate(side->ssl);
	assert_true(did == WOLFSSL_SUCCESS || wolfSSL_want_read(side->ssl) ||
	            wolfSSL_want_write(side->ssl));
	return did == WOLFSSL_SUCCESS;
}

static void shake_hands(struct pair *p)
{
	bool done[SIDES] = { false };

	for (int i = 0; i < TURNS_MAX && !(done[CLIENT] && done[SERVER]); i++)
		for (int side = 0; side < SIDES; side++)
			done[side] = done[side] || shake(&p->side[side]);
	assert_true(done[CLIENT] && done[SERVER]);
}

static bool write_all(struct side *side, const char *text)
{
	const int len = (int)strlen(text);
	size_t n;

	if (side->stream)
		return lw_write(side->stream, text, (size_t)len, &n) == LW_OK && n == (size_t)len;
	return wolfSSL_write(side->ssl, text, len) == len;
}

static int read_some(struct side *side, char *buf, size_t cap)
{
	size_t n;

	if (!side->stream)
		return wolfSSL_read(side->ssl, buf, (int)cap);
	return lw_read(side->stream, buf, cap, &n) == LW_OK ? (int)n : -1;
}

/* From one side to the other; tickets may lie in the way. */
static void carry(struct pair *p, int from, const char *text)
{
	char got[64] = "";
	int n = -1;

	assert_true(write_all(&p->side[from], text));
	for (int i = 0; i < TURNS_MAX && n <= 0; i++)
		n = read_some(&p->side[1 - from], got, sizeof got - 1);
	assert_int_equal(n, strlen(text));
	assert_string_equal(got, text);
}

/* Both close; a stream's deadlines do not run out, as no clock is told. */
static void close_both(struct pair *p)
{
	enum lw_status status[SIDES] = { LW_AGAIN, LW_AGAIN };

	for (int i = 0; i < TURNS_MAX && (status[0] == LW_AGAIN || status[1] == LW_AGAIN); i++)
		for (int side = 0; side < SIDES; side++)
			status[side] = lw_close(p->side[side].stream);
	assert_int_equal(status[CLIENT], LW_END);
	assert_int_equal(status[SERVER], LW_END);
}

/* Refusals */

static void no_descriptor(struct pair *p)
{
	(void)wolfSSL_set_fd(p->side[CLIENT].ssl, -1);
}

static void no_socket(struct pair *p)
{
	(void)wolfSSL_set_fd(p->side[CLIENT].ssl, STDOUT_FILENO);
}

static void two_descriptors(struct pair *p)
{
	(void)wolfSSL_set_write_fd(p->side[CLIENT].ssl, p->side[SERVER].fd);
}

static void own_context(struct pair *p)
{
	wolfSSL_SetIOReadCtx(p->side[CLIENT].ssl, p);
}

static void bios(struct pair *p)
{
	wolfSSL_set_bio(p->side[CLIENT].ssl, wolfSSL_BIO_new(wolfSSL_BIO_s_mem()),
	                wolfSSL_BIO_new(wolfSSL_BIO_s_mem()));
}

static void attached_already(struct pair *p)
{
	attach(&p->side[CLIENT]);
}

static void shut_down(struct pair *p)
{
	shake_hands(p);
	assert_int_equal(wolfSSL_shutdown(p->side[CLIENT].ssl), WOLFSSL_SHUTDOWN_NOT_DONE);
}

static void write_under_way(struct pair *p)
{
	static const char block[16384];

	shake_hands(p);
	while (wolfSSL_write(p->side[CLIENT].ssl, block, sizeof block) > 0)
		;
	assert_true(wolfSSL_want_write(p->side[CLIENT].ssl));
}

static const struct {
	void (*spoil)(struct pair *p);
	const char *words; /* of the sentence */
} refusals[] = {
	{ no_descriptor, "no descriptor: call wolfSSL_set_fd() first" },
	{ no_socket, "no stream socket" },
	{ two_descriptors, "two descriptors" },
	{ own_context, "name its callbacks to lw_wolfssl_attach_io()" },
	{ bios, "has BIOs" },
	{ attached_already, "attached to this WOLFSSL object already" },
	{ shut_down, "shut down already" },
	{ write_under_way, "a write is under way" },
};

static void what_cannot_be_made_right_is_refused_with_a_sentence(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++) {
		const char *why = NULL;
		struct pair p;

		begin(&p, last);
		refusals[i].spoil(&p);
		assert_null(lw_wolfssl_attach(p.side[CLIENT].ssl, NULL, &why));
		assert_non_null(why);
		if (strstr(why, refusals[i].words) == NULL)
			assert_string_equal(why, refusals[i].words);
		assert_null(lw_wolfssl_attach(p.side[CLIENT].ssl, NULL, NULL));
		end(&p);
	}
}

static void dtls_and_no_role_are_refused(void **state)
{
	WOLFSSL_METHOD *(*const methods[])(void) = { wolfDTLSv1_2_client_method,
		                                     wolfSSLv23_method };
	static const char *const words[] = { "DTLS", "no role yet" };

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		WOLFSSL_CTX *ctx = wolfSSL_CTX_new(methods[i]());
		WOLFSSL *ssl = wolfSSL_new(ctx);
		const char *why = NULL;

		assert_non_null(ssl);
		assert_int_equal(wolfSSL_set_fd(ssl, STDIN_FILENO), WOLFSSL_SUCCESS);
		assert_null(lw_wolfssl_attach(ssl, NULL, &why));
		assert_non_null(why);
		assert_non_null(strstr(why, words[i]));
		wolfSSL_free(ssl);
		wolfSSL_CTX_free(ctx);
	}
}

/* Given back */

static void a_wolfssl_goes_on_after_lw_free_and_can_be_attached_again(void **state)
{
	(void)state;
	EACH_VERSION(v)
	{
		struct pair p;

		begin(&p, v);
		attach(&p.side[CLIENT]);
		attach(&p.side[SERVER]);
		shake_hands(&p);
		for (int round = 0; round < 3; round++) {
			carry(&p, CLIENT, "with a stream");
			carry(&p, SERVER, "and back");
			for (int i = 0; i < SIDES; i++) {
				lw_free(p.side[i].stream);
				p.side[i].stream = NULL;
			}
			carry(&p, CLIENT, "without one");
			carry(&p, SERVER, "and back again");
			attach(&p.side[CLIENT]);
			attach(&p.side[SERVER]);
		}
		close_both(&p);
		end(&p);
	}
}

static void a_stream_may_come_in_during_the_handshake(void **state)
{
	(void)state;
	EACH_VERSION(v)
	{
		for (int turns = 1; turns < 4; turns++) {
			struct pair p;

			begin(&p, v);
			for (int i = 0; i < turns; i++)
				(void)shake(&p.side[i % 2]);
			attach(&p.side[CLIENT]);
			attach(&p.side[SERVER]);
			shake_hands(&p);
			carry(&p, CLIENT, "here");
			close_both(&p);
			end(&p);
		}
	}
}

/* Callbacks of the application's own */

struct own {
	int fd;
	unsigned calls;
	bool asked_past_record; /* for anything but a header, or what the header says */
	int expected;           /* of the record under way; 0: a header comes */
	int header_bytes;
	unsigned char header[5];
};

/* What is asked for is what is left of a header, or of the record that it announces. */
static void follow(struct own *own, int asked, const char *buf, ssize_t got)
{
	const int left = own->expected > 0 ? own->expected : 5 - own->header_bytes;

	if (asked != left)
		own->asked_past_record = true;
	if (got <= 0)
		return;
	if (own->expected > 0) {
		own->expected -= (int)got;
		return;
	}
	memcpy(own->header + own->header_bytes, buf, (size_t)got);
	own->header_bytes += (int)got;
	if (own->header_bytes < 5)
		return;
	own->header_bytes = 0;
	own->expected = own->header[3] << 8 | own->header[4];
}

static int own_recv(WOLFSSL *ssl, char *buf, int len, void *context)
{
	struct own *own = context;
	const ssize_t got = recv(own->fd, buf, (size_t)len, MSG_DONTWAIT);

	(void)ssl;
	own->calls++;
	follow(own, len, buf, got);
	return got > 0    ? (int)got
	       : got == 0 ? WOLFSSL_CBIO_ERR_CONN_CLOSE
	                  : WOLFSSL_CBIO_ERR_WANT_READ;
}

static int own_send(WOLFSSL *ssl, char *buf, int len, void *context)
{
	struct own *own = context;
	const ssize_t put = send(own->fd, buf, (size_t)len, MSG_DONTWAIT | MSG_NOSIGNAL);

	(void)ssl;
	own->calls++;
	return put > 0 ? (int)put : WOLFSSL_CBIO_ERR_WANT_WRITE;
}

static void use_own(struct side *side, struct own *own)
{
	*own = (struct own){ .fd = side->fd };
	wolfSSL_SSLSetIORecv(side->ssl, own_recv);
	wolfSSL_SSLSetIOSend(side->ssl, own_send);
	wolfSSL_SetIOReadCtx(side->ssl, own);
	wolfSSL_SetIOWriteCtx(side->ssl, own);
}

static void own_callbacks_are_the_transport_and_are_given_back(void **state)
{
	static const struct lw_wolfssl_io io = { own_recv, own_send };

	(void)state;
	EACH_VERSION(v)
	{
		const char *why = NULL;
		struct own own;
		struct pair p;
		unsigned calls;

		begin(&p, v);
		use_own(&p.side[CLIENT], &own);
		p.side[CLIENT].stream = lw_wolfssl_attach_io(p.side[CLIENT].ssl, &io, NULL, &why);
		assert_non_null(p.side[CLIENT].stream);
		assert_null(lw_wolfssl_attach_io(p.side[CLIENT].ssl, &io, NULL, &why));
		assert_non_null(strstr(why, "attached to this WOLFSSL object already"));
		attach(&p.side[SERVER]);
		shake_hands(&p);
		carry(&p, CLIENT, "through a callback");
		carry(&p, SERVER, "and back");
		assert_int_equal(lw_wait(p.side[CLIENT].stream, LW_INTEREST_READ, 0),
		                 LW_UNSUPPORTED);
		calls = own.calls;
		assert_true(calls > 0);
		lw_free(p.side[CLIENT].stream);
		p.side[CLIENT].stream = NULL;
		assert_ptr_equal(wolfSSL_GetIOReadCtx(p.side[CLIENT].ssl), &own);
		assert_ptr_equal(wolfSSL_GetIOWriteCtx(p.side[CLIENT].ssl), &own);
		carry(&p, CLIENT, "and without a stream");
		assert_true(own.calls > calls);
		end(&p);
	}
}

/* What the adapter builds on */

static void wolfssl_asks_for_no_byte_past_a_record(void **state)
{
	(void)state;
	EACH_VERSION(v)
	{
		struct own own[SIDES];
		struct pair p;

		begin(&p, v);
		for (int i = 0; i < SIDES; i++)
			use_own(&p.side[i], &own[i]);
		shake_hands(&p);
		carry(&p, CLIENT, "one");
		carry(&p, SERVER, "two");
		carry(&p, SERVER, "three");
		for (int i = 0; i < SIDES; i++) {
			assert_true(own[i].calls > 4);
			assert_false(own[i].asked_past_record);
		}
		end(&p);
	}
}

/* rule: nothing-after-own-closure */
static void a_write_after_our_close_notify_is_sent_by_wolfssl_and_refused_by_us(void **state)
{
	char got[16];
	struct pair p;
	size_t n;

	(void)state;
	begin(&p, last);
	shake_hands(&p);
	assert_int_equal(wolfSSL_shutdown(p.side[CLIENT].ssl), WOLFSSL_SHUTDOWN_NOT_DONE);
	assert_int_equal(wolfSSL_write(p.side[CLIENT].ssl, "late", 4), 4);
	end(&p);

	begin(&p, last);
	attach(&p.side[CLIENT]);
	attach(&p.side[SERVER]);
	shake_hands(&p);
	assert_int_equal(lw_finish(p.side[CLIENT].stream), LW_OK);
	assert_int_equal(lw_write(p.side[CLIENT].stream, "late", 4, &n), LW_END);
	assert_int_equal(lw_read(p.side[SERVER].stream, got, sizeof got, &n), LW_END);
	end(&p);
}

/* The server's closure is the second one. */
static void two_closures_do_not_clear_the_object(void **state)
{
	(void)state;
	EACH_VERSION(v)
	{
		char got[16];
		WOLFSSL *ssl;
		struct pair p;
		size_t n;

		begin(&p, v);
		attach(&p.side[CLIENT]);
		attach(&p.side[SERVER]);
		shake_hands(&p);
		carry(&p, SERVER, "last");
		assert_int_equal(lw_close(p.side[CLIENT].stream), LW_AGAIN);
		assert_int_equal(lw_read(p.side[SERVER].stream, got, sizeof got, &n), LW_END);
		close_both(&p);
		ssl = p.side[SERVER].ssl;
		assert_string_equal(wolfSSL_get_version(ssl), v->name);
		assert_true(wolfSSL_is_init_finished(ssl));
		assert_int_equal(wolfSSL_get_shutdown(ssl),
		                 WOLFSSL_SENT_SHUTDOWN | WOLFSSL_RECEIVED_SHUTDOWN);
		end(&p);
	}
}

static int times_done;

static int count_done(WOLFSSL *ssl, void *context)
{
	(void)ssl, (void)context;
	times_done++;
	return 0;
}

static void an_abort_does_not_call_the_handshake_done_again(void **state)
{
	char got[16];
	struct pair p;
	size_t n;

	(void)state;
	times_done = 0;
	begin(&p, last);
	assert_int_equal(wolfSSL_SetHsDoneCb(p.side[SERVER].ssl, count_done, NULL),
	                 WOLFSSL_SUCCESS);
	attach(&p.side[CLIENT]);
	attach(&p.side[SERVER]);
	shake_hands(&p);
	assert_int_equal(lw_finish(p.side[CLIENT].stream), LW_OK);
	assert_int_equal(lw_read(p.side[SERVER].stream, got, sizeof got, &n), LW_END);
	(void)!lw_abort(p.side[SERVER].stream);
	assert_int_equal(lw_read(p.side[CLIENT].stream, got, sizeof got, &n), LW_ABORTED);
	assert_int_equal(times_done, 1);
	end(&p);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_cannot_be_made_right_is_refused_with_a_sentence),
		cmocka_unit_test(dtls_and_no_role_are_refused),
		cmocka_unit_test(a_wolfssl_goes_on_after_lw_free_and_can_be_attached_again),
		cmocka_unit_test(a_stream_may_come_in_during_the_handshake),
		cmocka_unit_test(own_callbacks_are_the_transport_and_are_given_back),
		cmocka_unit_test(wolfssl_asks_for_no_byte_past_a_record),
		cmocka_unit_test(
		    a_write_after_our_close_notify_is_sent_by_wolfssl_and_refused_by_us),
		cmocka_unit_test(two_closures_do_not_clear_the_object),
		cmocka_unit_test(an_abort_does_not_call_the_handshake_done_again),
	};

	if (wolfSSL_Init() != WOLFSSL_SUCCESS || pem_certificate() == NULL)
		return 1;
	return run_cases(tests);
}
