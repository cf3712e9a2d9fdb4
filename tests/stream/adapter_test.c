/*
 * adapter: a fifth TLS library, written against adapter.h alone.  It is a toy without
 * cryptography that does what real ones do when nobody stops them: it
 * talks after its own close_notify, and asks for more after an ending.
 */
#include "tests/unit.h"

#include <lastword/adapter.h>
#include <string.h>

/* The toy's records are real headers with readable contents. */
static const uint8_t close_notify[] = { 21, 3, 3, 0, 2, 1, 0 };
static const uint8_t fatal[] = { 21, 3, 3, 0, 2, 2, 80 };
static const uint8_t chatter[] = { 22, 3, 3, 0, 1, 24 };
static const uint8_t greeting[] = { 23, 3, 3, 0, 2, 'h', 'i' };

struct toy {
	struct lw_wire *wire;
	bool refuses; /* to write */
	bool chats;   /* answers every read with a record of its own */
	unsigned reads_after_end;
	bool ended;
	/* the transport: what the peer sent, and what left */
	const uint8_t *in;
	size_t in_left;
	uint8_t out[256];
	size_t out_bytes;
};

static enum lw_io toy_recv(void *context, void *buf, size_t cap, size_t *n, int *os_error)
{
	struct toy *t = context;

	(void)os_error;
	*n = cap < t->in_left ? cap : t->in_left;
	memcpy(buf, t->in, *n);
	t->in += *n;
	t->in_left -= *n;
	return *n > 0 ? LW_IO_OK : LW_IO_AGAIN;
}

static enum lw_io toy_send(void *context, const void *buf, size_t len, size_t *n, int *os_error)
{
	struct toy *t = context;

	(void)os_error;
	if (len > sizeof t->out - t->out_bytes)
		return LW_IO_AGAIN;
	memcpy(t->out + t->out_bytes, buf, len);
	t->out_bytes += len;
	*n = len;
	return LW_IO_OK;
}

static enum lw_tls toy_handshake(void *context)
{
	(void)context;
	return LW_TLS_DONE;
}

static void say(struct toy *t, const uint8_t *record, size_t len)
{
	size_t n;

	assert_int_equal(lw_wire_send(t->wire, record, len, &n), LW_IO_OK);
	assert_int_equal(n, len);
}

static enum lw_tls toy_read(void *context, void *buf, size_t cap, size_t *n)
{
	struct toy *t = context;
	uint8_t record[16];
	size_t have = 0, got;

	if (t->ended)
		t->reads_after_end++;
	if (t->chats)
		say(t, chatter, sizeof chatter);
	while (lw_wire_recv(t->wire, record + have, sizeof record - have, &got) == LW_IO_OK)
		have += got;
	if (have < 7)
		return LW_TLS_WANTS_READ;
	if (record[0] == 21) {
		t->ended = true;
		lw_wire_alert_received(t->wire, record[5], record[6]);
		return record[5] == 1 ? LW_TLS_ENDED : LW_TLS_FAILED;
	}
	assert_true(cap >= 2);
	memcpy(buf, record + 5, 2);
	*n = 2;
	return LW_TLS_DONE;
}

static enum lw_tls toy_peek(void *context)
{
	(void)context;
	return LW_TLS_WANTS_READ;
}

static enum lw_tls toy_write(void *context, const void *buf, size_t len, size_t *n)
{
	const struct toy *t = context;

	(void)buf;
	*n = t->refuses ? 0 : len;
	return t->refuses ? LW_TLS_FAILED : LW_TLS_DONE;
}

static enum lw_tls toy_flush(void *context)
{
	(void)context;
	return LW_TLS_DONE;
}

static enum lw_tls toy_close(void *context)
{
	say(context, close_notify, sizeof close_notify);
	return LW_TLS_DONE;
}

static enum lw_tls toy_fatal(void *context)
{
	struct toy *t = context;

	say(t, fatal, sizeof fatal);
	lw_wire_alert_sent(t->wire, 2, 80);
	return LW_TLS_DONE;
}

static bool toy_forget(void *context)
{
	(void)context;
	return false;
}

static uint16_t toy_version(void *context)
{
	(void)context;
	return 0x0304;
}

static size_t toy_unread(void *context)
{
	(void)context;
	return 0;
}

static void toy_detach(void *context)
{
	(void)context;
}

static const struct lw_adapter toy_adapter = {
	"toy",     toy_handshake, toy_read,    toy_peek,   toy_write,  toy_flush, toy_close,
	toy_fatal, toy_forget,    toy_version, toy_unread, toy_detach, NULL,      NULL,
};

static struct lw_stream *attach_toy(struct toy **toy, const uint8_t *in, size_t in_bytes)
{
	struct lw_stream *s = lw_stream_new(&toy_adapter, sizeof **toy, NULL, false);
	struct lw_transport transport = { toy_recv, toy_send, NULL };

	assert_non_null(s);
	*toy = transport.context = lw_stream_context(s);
	(*toy)->wire = lw_stream_wire(s);
	(*toy)->in = in;
	(*toy)->in_left = in_bytes;
	lw_wire_use_transport((*toy)->wire, &transport);
	assert_int_equal(lw_handshake(s), LW_OK);
	return s;
}

/* rule: nothing-after-own-closure */
static void what_a_library_sends_after_our_closure_is_swallowed(void **state)
{
	struct toy *toy;
	struct lw_stream *s = attach_toy(&toy, greeting, sizeof greeting);
	uint8_t buf[16];
	size_t n;

	(void)state;
	toy->chats = true;
	assert_int_equal(lw_finish(s), LW_OK);
	assert_int_equal(lw_read(s, buf, sizeof buf, &n), LW_OK);
	assert_int_equal(toy->out_bytes, sizeof close_notify);
	assert_memory_equal(toy->out, close_notify, sizeof close_notify);
	lw_free(s);
}

/* rule: no-close-notify-after-own-fatal */
static void what_a_library_sends_after_our_fatal_alert_is_swallowed(void **state)
{
	struct toy *toy;
	struct lw_stream *s = attach_toy(&toy, greeting, sizeof greeting);

	(void)state;
	toy->chats = true;
	(void)!lw_abort(s);
	assert_int_equal(toy->out_bytes, sizeof fatal);
	lw_free(s);
}

static void a_library_is_never_asked_again_after_the_first_ending(void **state)
{
	static const uint8_t *const alerts[] = { close_notify, fatal };

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		struct toy *toy;
		struct lw_stream *s = attach_toy(&toy, alerts[i], sizeof close_notify);
		const enum lw_status ending = i == 0 ? LW_END : LW_ABORTED;
		uint8_t buf[16];
		size_t n;

		for (int again = 0; again < 3; again++)
			assert_int_equal(lw_read(s, buf, sizeof buf, &n), ending);
		while (lw_close(s) == LW_AGAIN)
			;
		assert_int_equal(lw_read(s, buf, sizeof buf, &n), ending);
		assert_int_equal(toy->reads_after_end, 0);
		lw_free(s);
	}
}

/* In 1.3, where writing goes on. */
static void a_write_that_fails_after_the_peers_closure_is_an_ending(void **state)
{
	struct toy *toy;
	struct lw_stream *s = attach_toy(&toy, close_notify, sizeof close_notify);
	struct lw_verdict verdict;
	uint8_t buf[16];
	size_t n;

	(void)state;
	assert_int_equal(lw_read(s, buf, sizeof buf, &n), LW_END);
	toy->refuses = true;
	for (int again = 0; again < 3; again++)
		assert_int_equal(lw_write(s, "more", 4, &n), LW_ERROR);
	lw_verdict(s, &verdict);
	assert_int_equal(verdict.read, LW_ENDING_CLOSED);
	assert_int_equal(verdict.write, LW_ENDING_FAILED);
	lw_free(s);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_a_library_sends_after_our_closure_is_swallowed),
		cmocka_unit_test(what_a_library_sends_after_our_fatal_alert_is_swallowed),
		cmocka_unit_test(a_library_is_never_asked_again_after_the_first_ending),
		cmocka_unit_test(a_write_that_fails_after_the_peers_closure_is_an_ending),
	};
	return run_cases(tests);
}
