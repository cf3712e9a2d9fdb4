/*
 * http2_judge: libnghttp2 as the judge of the HTTP/2 tracker.
 *
 * Two nghttp2 sessions, a client and a server, talk in memory as random numbers say: requests with
 * and without bodies, long header blocks, interim answers, trailers, pushes, resets from
 * both sides, GOAWAY.  What they write arrives in pieces of any length.  After every piece
 * both trackers must say what nghttp2 knows: no stream whose other half is open, and no frame
 * or header block under way.
 */
#include "framing/tracker.h"
#include "tests/unit.h"

#include <nghttp2/nghttp2.h>
#include <string.h>

#define SESSIONS     250
#define STEPS        100
#define MOST_STREAMS 256
#define MOST_BYTES   (1u << 21)

/* One side: its session, its tracker, what it wrote that has not arrived, and what it knows. */
struct end {
	nghttp2_session *session;
	struct lw_tracker tracker;
	struct lw_tracker octets; /* the same, octet by octet */
	struct end *peer;
	uint64_t *random;
	unsigned session_number;
	bool is_server;
	bool over;
	bool failed;                /* nghttp2 gave up on its peer, and looks at nothing any more */
	unsigned frames_sent;       /* frames, a header block being one */
	int32_t read[MOST_STREAMS]; /* streams that this side reads on, each once opened */
	size_t reads;
	uint8_t *out;   /* what it wrote */
	bool *boundary; /* for each octet: a frame or header block ends with it */
	size_t written, arrived;
};

static uint8_t bytes_of[2][MOST_BYTES];
static bool boundaries_of[2][MOST_BYTES];

static unsigned
    whole_answers; /* how often both said yes: a test that never sees one proves nothing */

/* xorshift64: a fixed sequence, not a good one. */
static unsigned below(uint64_t *state, unsigned bound)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return (unsigned)(*state >> 32) % bound;
}

static void note_stream(struct end *e, int32_t stream)
{
	for (size_t i = 0; i < e->reads; i++)
		if (e->read[i] == stream)
			return;
	assert_true(e->reads < MOST_STREAMS);
	e->read[e->reads++] = stream;
}

static int on_frame_send(nghttp2_session *session, const nghttp2_frame *frame, void *data)
{
	struct end *e = data;

	(void)session;
	e->frames_sent++;
	e->failed = e->failed || (frame->hd.type == NGHTTP2_GOAWAY &&
	                          frame->goaway.error_code != NGHTTP2_NO_ERROR);
	if (!e->is_server && frame->hd.type == NGHTTP2_HEADERS &&
	    frame->headers.cat == NGHTTP2_HCAT_REQUEST)
		note_stream(e, frame->hd.stream_id);
	return 0;
}

static int on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *data)
{
	struct end *e = data;

	(void)session;
	if (e->is_server && frame->hd.type == NGHTTP2_HEADERS &&
	    frame->headers.cat == NGHTTP2_HCAT_REQUEST)
		note_stream(e, frame->hd.stream_id);
	if (frame->hd.type == NGHTTP2_PUSH_PROMISE)
		note_stream(e, frame->push_promise.promised_stream_id);
	return 0;
}

static ssize_t pad(nghttp2_session *session, const nghttp2_frame *frame, size_t most, void *data)
{
	struct end *e = data;
	size_t padded = frame->hd.length + (below(e->random, 3) == 0 ? below(e->random, 20) : 0);

	(void)session;
	return (ssize_t)(padded < most ? padded : most);
}

static nghttp2_nv header(const char *name, const char *value, size_t value_len)
{
	return (nghttp2_nv){ (uint8_t *)(uintptr_t)name, (uint8_t *)(uintptr_t)value, strlen(name),
		             value_len, NGHTTP2_NV_FLAG_NO_INDEX };
}

/* A value longer than a frame may be, at times, so that its block comes in pieces. */
static nghttp2_nv random_header(struct end *e)
{
	static char value[40000];

	if (value[0] == '\0')
		memset(value, '~', sizeof value); /* no shorter by Huffman's code */
	return header("x-filler", value,
	              below(e->random, 8) == 0 ? 20000 + below(e->random, 20000) : 10);
}

static ssize_t read_body(nghttp2_session *session, int32_t stream, uint8_t *buf, size_t length,
                         uint32_t *flags, nghttp2_data_source *source, void *data)
{
	struct end *e = data;
	size_t len = below(e->random, 700);

	(void)source;
	len = len < length ? len : length;
	memset(buf, 'b', len);
	if (below(e->random, 3) != 0)
		return (ssize_t)len;
	*flags |= NGHTTP2_DATA_FLAG_EOF;
	if (below(e->random, 3) == 0) {
		nghttp2_nv trailer = random_header(e);

		*flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
		assert_int_equal(nghttp2_submit_trailer(session, stream, &trailer, 1), 0);
	}
	return (ssize_t)len;
}

static const nghttp2_data_provider body = { .read_callback = read_body };

static int32_t any_stream(struct end *e)
{
	return e->reads == 0 ? 0 : e->read[below(e->random, (unsigned)e->reads)];
}

static void ask(struct end *client)
{
	nghttp2_nv headers[] = { header(":method", "POST", 4), header(":scheme", "https", 5),
		                 header(":path", "/", 1), header(":authority", "a", 1),
		                 random_header(client) };

	if (client->reads < MOST_STREAMS / 2)
		(void)nghttp2_submit_request(client->session, NULL, headers, 5,
		                             below(client->random, 2) ? &body : NULL, NULL);
}

/* An answer, an interim one, a push, or nothing where the stream is gone. */
static void answer(struct end *server, int32_t stream)
{
	nghttp2_nv response[] = { header(":status", "200", 3), random_header(server) };
	nghttp2_nv interim = header(":status", "103", 3);
	nghttp2_nv promise[] = { header(":method", "GET", 3), header(":scheme", "https", 5),
		                 header(":path", "/p", 2), header(":authority", "a", 1),
		                 random_header(server) };
	const nghttp2_data_provider *data = below(server->random, 2) ? &body : NULL;
	int32_t promised;

	if (stream == 0 || nghttp2_session_get_stream_local_close(server->session, stream) != 0)
		return;
	switch (below(server->random, 6)) {
	case 0:
		(void)nghttp2_submit_headers(server->session, 0, stream, NULL, &interim, 1, NULL);
		return;
	case 1:
		if (server->reads > MOST_STREAMS / 2)
			return;
		promised =
		    nghttp2_submit_push_promise(server->session, 0, stream, promise, 5, NULL);
		if (promised > 0)
			(void)nghttp2_submit_response(server->session, promised, response, 2, data);
		if (below(server->random, 2))
			return;
		break;
	default:
		break;
	}
	(void)nghttp2_submit_response(server->session, stream, response, 2,
	                              below(server->random, 2) ? &body : NULL);
}

static void go_away(struct end *e)
{
	int32_t last = nghttp2_session_get_last_proc_stream_id(e->session);

	if (below(e->random, 2))
		(void)nghttp2_submit_shutdown_notice(e->session);
	else
		(void)nghttp2_submit_goaway(e->session, 0, last, NGHTTP2_NO_ERROR, NULL, 0);
}

static void act(struct end *client, struct end *server)
{
	struct end *either = below(client->random, 2) ? client : server;
	unsigned what = below(client->random, 200);

	if (what < (client->session_number % 2 ? 60 : 8)) /* many requests at once, or few */
		ask(client);
	else if (what < 160)
		answer(server, any_stream(server));
	else if (what < 170 && any_stream(either) != 0)
		(void)nghttp2_submit_rst_stream(either->session, 0, any_stream(either),
		                                NGHTTP2_CANCEL);
	else if (what < 180)
		(void)nghttp2_submit_ping(either->session, 0, NULL);
	else if (what < 182)
		go_away(either);
}

static void tell(struct end *e, bool sent, const uint8_t *bytes, size_t len)
{
	void (*pass)(struct lw_tracker *, const void *, size_t) =
	    sent ? lw_tracker_sent : lw_tracker_received;

	pass(&e->tracker, bytes, len);
	for (size_t i = 0; i < len; i++)
		pass(&e->octets, bytes + i, 1);
}

/* All that a session wants to write.  What it wrote last ends a frame if it has sent one more
 * since. */
static void write_out(struct end *e)
{
	while (!e->over) {
		unsigned before = e->frames_sent;
		const uint8_t *bytes;
		ssize_t len = nghttp2_session_mem_send(e->session, &bytes);

		assert_true(len >= 0);
		if (len == 0)
			return;
		assert_true(e->written + (size_t)len < MOST_BYTES);
		memcpy(e->out + e->written, bytes, (size_t)len);
		memset(e->boundary + e->written, 0, (size_t)len * sizeof *e->boundary);
		e->written += (size_t)len;
		e->boundary[e->written - 1] = e->frames_sent > before;
		tell(e, true, bytes, (size_t)len);
	}
}

/* What nghttp2 knows. */
static bool is_whole(const struct end *e)
{
	const struct end *from = e->peer;

	if (from->arrived == 0 || !from->boundary[from->arrived - 1] || e->reads == 0)
		return false;
	for (size_t i = 0; i < e->reads; i++)
		if (nghttp2_session_get_stream_remote_close(e->session, e->read[i]) == 0)
			return false;
	return true;
}

static void judge(const struct end *e)
{
	bool whole = is_whole(e);

	if (e->tracker.lost != NULL)
		fail_msg("session %u: the %s lost track: %s", e->session_number,
		         e->is_server ? "server" : "client", e->tracker.lost);
	if (lw_tracker_complete(&e->tracker) != whole)
		fail_msg("session %u, byte %zu: the %s is %s, and nghttp2 says otherwise",
		         e->session_number, e->peer->arrived, e->is_server ? "server" : "client",
		         lw_tracker_why(&e->tracker));
	assert_int_equal(lw_tracker_complete(&e->octets), whole);
	assert_string_equal(lw_tracker_why(&e->tracker), lw_tracker_why(&e->octets));
	whole_answers += whole;
}

/* A piece of what the peer wrote arrives. */
static void arrive(struct end *e)
{
	struct end *from = e->peer;
	size_t waiting = from->written - from->arrived, len;

	if (waiting == 0 || e->over)
		return;
	len = 1 + below(e->random, below(e->random, 2) ? 20 : 2000);
	if (below(e->random, 2)) /* to the end of a frame */
		for (len = 1; len < waiting && !from->boundary[from->arrived + len - 1];)
			len++;
	len = len < waiting ? len : waiting;
	tell(e, false, from->out + from->arrived, len);
	if (nghttp2_session_mem_recv(e->session, from->out + from->arrived, len) != (ssize_t)len)
		fail_msg("nghttp2 refuses what nghttp2 wrote");
	from->arrived += len;
	write_out(e);
	if (!e->failed)
		judge(e);
	e->over = e->failed || (!nghttp2_session_want_read(e->session) &&
	                        !nghttp2_session_want_write(e->session));
}

static void set_up(struct end *e, struct end *peer, uint64_t *random, bool is_server,
                   unsigned number)
{
	nghttp2_settings_entry most = { NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS,
		                        below(random, 3) ? 100 : 3 };
	nghttp2_session_callbacks *callbacks;
	enum lw_role role = is_server ? LW_ROLE_SERVER : LW_ROLE_CLIENT;

	*e = (struct end){ .peer = peer,
		           .out = bytes_of[is_server],
		           .boundary = boundaries_of[is_server],
		           .random = random,
		           .is_server = is_server,
		           .session_number = number };
	lw_tracker_init(&e->tracker, LW_KIND_HTTP2, role);
	lw_tracker_init(&e->octets, LW_KIND_HTTP2, role);
	assert_int_equal(nghttp2_session_callbacks_new(&callbacks), 0);
	nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, on_frame_send);
	nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers);
	nghttp2_session_callbacks_set_select_padding_callback(callbacks, pad);
	assert_int_equal((is_server ? nghttp2_session_server_new
	                            : nghttp2_session_client_new)(&e->session, callbacks, e),
	                 0);
	nghttp2_session_callbacks_del(callbacks);
	assert_int_equal(nghttp2_submit_settings(e->session, 0, &most, 1), 0);
}

static void run_session(unsigned number)
{
	uint64_t random = number * 0x9e3779b97f4a7c15u + 1;
	struct end client, server;

	set_up(&client, &server, &random, false, number);
	set_up(&server, &client, &random, true, number);
	for (unsigned step = 0; step < STEPS; step++) {
		act(&client, &server);
		write_out(&client);
		write_out(&server);
		arrive(below(&random, 2) ? &client : &server);
	}
	for (unsigned step = 0; step < 20 * STEPS; step++)
		arrive(below(&random, 2) ? &client : &server);
	nghttp2_session_del(client.session);
	nghttp2_session_del(server.session);
}

static void the_trackers_say_what_nghttp2_knows(void **state)
{
	(void)state;
	for (unsigned number = 1; number <= SESSIONS; number++)
		run_session(number);
	assert_true(whole_answers > SESSIONS);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_trackers_say_what_nghttp2_knows),
	};

	return run_cases(tests);
}
