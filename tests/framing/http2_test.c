/* http2: one row one fact about HTTP/2 as RFC 9113 frames it; then more streams than fit, and the
 * bounds of the window. */
#include "tests/framing/feed.h"

#define CLIENT LW_KIND_HTTP2, LW_ROLE_CLIENT
#define SERVER LW_KIND_HTTP2, LW_ROLE_SERVER

/* Frames: length, type and flags as octets, then the stream. */
#define ON(length, type, flags, stream) "\0\0" length type flags "\0\0\0" stream
#define SETTINGS                        ON("\0", "\4", "\0", "\0")
#define ACK                             ON("\0", "\4", "\1", "\0")
#define PREFACE                         "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" SETTINGS
#define HEADERS(flags, stream)          ON("\1", "\1", flags, stream) "h"
#define CONTINUATION(flags, stream)     ON("\1", "\x9", flags, stream) "c"
#define DATA(flags, stream)             ON("\2", "\0", flags, stream) "dd"
#define RST(stream)                     ON("\4", "\3", "\0", stream) "\0\0\0\x8"
#define GOAWAY(last)                    ON("\x8", "\7", "\0", "\0") "\0\0\0" last "\0\0\0\0"
#define PROMISE(on, stream)             ON("\5", "\5", "\4", on) "\0\0\0" stream "p"
#define PING                            ON("\x8", "\6", "\0", "\0") "12345678"

#define ENDS      "\5" /* END_STREAM and END_HEADERS */
#define GOES_ON   "\4" /* END_HEADERS */
#define IN_PIECES "\1" /* END_STREAM, no END_HEADERS */
#define LAST      "\1" /* of DATA */

#define ASKED OUT(PREFACE HEADERS(ENDS, "\1"))

#define UNANSWERED "a stream is unanswered"
#define ENDED      "every stream has ended"
#define NO_MESSAGE "no message yet"
#define INSIDE     "inside a frame"
#define IN_BLOCK   "inside a header block"
#define HALF       "a request is half received"
#define PIECES     "an HTTP/2 header block in pieces"
#define IDLE       "a frame on a stream that nobody opened"
#define MALFORMED  "a malformed HTTP/2 frame"

static const struct row rows[] = {
	/* the client: asked and answered */
	{ "settings alone are no message",
	  CLIENT,
	  { OUT(PREFACE), IN(SETTINGS ACK) },
	  false,
	  false,
	  0,
	  NO_MESSAGE },
	{ "a request", CLIENT, { ASKED }, false, false, 0, UNANSWERED },
	{ "a request and the server's settings",
	  CLIENT,
	  { ASKED, IN(SETTINGS) },
	  false,
	  false,
	  0,
	  UNANSWERED },
	{ "a header section alone",
	  CLIENT,
	  { ASKED, IN(SETTINGS HEADERS(GOES_ON, "\1")) },
	  false,
	  false,
	  0,
	  UNANSWERED },
	{ "an answer of headers alone",
	  CLIENT,
	  { ASKED, IN(SETTINGS HEADERS(ENDS, "\1")) },
	  true,
	  false,
	  1,
	  ENDED },
	{ "an answer with a body",
	  CLIENT,
	  { ASKED, IN(SETTINGS HEADERS(GOES_ON, "\1") DATA("\0", "\1") DATA(LAST, "\1")) },
	  true,
	  false,
	  1,
	  ENDED },
	{ "half of the last frame",
	  CLIENT,
	  { ASKED, IN(SETTINGS HEADERS(GOES_ON, "\1") ON("\2", "\0", LAST, "\1") "d") },
	  false,
	  false,
	  0,
	  INSIDE },
	{ "half a frame header behind the answer",
	  CLIENT,
	  { ASKED, IN(SETTINGS HEADERS(ENDS, "\1") "\0\0") },
	  false,
	  false,
	  1,
	  INSIDE },
	{ "a ping behind the answer changes nothing",
	  CLIENT,
	  { ASKED, IN(SETTINGS HEADERS(ENDS, "\1") PING) },
	  true,
	  false,
	  2,
	  ENDED },
	{ "trailers end the answer",
	  CLIENT,
	  { ASKED, IN(SETTINGS HEADERS(GOES_ON, "\1") DATA("\0", "\1") HEADERS(ENDS, "\1")) },
	  true,
	  false,
	  1,
	  ENDED },
	{ "an interim answer is none",
	  CLIENT,
	  { ASKED, IN(SETTINGS HEADERS(GOES_ON, "\1") HEADERS(GOES_ON, "\1")) },
	  false,
	  false,
	  0,
	  UNANSWERED },
	{ "an empty last frame ends it",
	  CLIENT,
	  { ASKED, IN(SETTINGS HEADERS(GOES_ON, "\1") ON("\0", "\0", LAST, "\1")) },
	  true,
	  false,
	  1,
	  ENDED },
	{ "an early answer to a request half sent",
	  CLIENT,
	  { OUT(PREFACE HEADERS(GOES_ON, "\1")), IN(SETTINGS HEADERS(ENDS, "\1")) },
	  true,
	  false,
	  1,
	  ENDED },
	{ "half a frame sent is no end",
	  CLIENT,
	  { ASKED, IN(SETTINGS HEADERS(ENDS, "\1")), OUT("\0\0\1\1\5\0\0") },
	  false,
	  false,
	  1,
	  "a request is half sent" },
	{ "a further request",
	  CLIENT,
	  { ASKED, IN(SETTINGS HEADERS(ENDS, "\1")), OUT(HEADERS(ENDS, "\3")) },
	  false,
	  false,
	  1,
	  UNANSWERED },

	/* several streams */
	{ "two requests, one answer",
	  CLIENT,
	  { ASKED, OUT(HEADERS(ENDS, "\3")), IN(SETTINGS HEADERS(ENDS, "\3")) },
	  false,
	  false,
	  0,
	  UNANSWERED },
	{ "two answers, the later first",
	  CLIENT,
	  { ASKED, OUT(HEADERS(ENDS, "\3")), IN(SETTINGS HEADERS(ENDS, "\3") HEADERS(ENDS, "\1")) },
	  true,
	  false,
	  1,
	  ENDED },
	{ "one stream ends once",
	  CLIENT,
	  { ASKED, OUT(HEADERS(ENDS, "\3")), IN(SETTINGS HEADERS(ENDS, "\1") HEADERS(ENDS, "\1")) },
	  false,
	  false,
	  0,
	  UNANSWERED },
	{ "streams may be skipped",
	  CLIENT,
	  { OUT(PREFACE HEADERS(ENDS, "\x9")), IN(SETTINGS HEADERS(ENDS, "\x9")) },
	  true,
	  false,
	  1,
	  ENDED },
	{ "a reset of the server's ends a stream",
	  CLIENT,
	  { ASKED, IN(SETTINGS RST("\1")) },
	  true,
	  false,
	  1,
	  ENDED },
	{ "a reset of ours ends a stream",
	  CLIENT,
	  { ASKED, IN(SETTINGS HEADERS(GOES_ON, "\1")), OUT(RST("\1")) },
	  true,
	  false,
	  1,
	  ENDED },
	{ "what still comes on a stream that was reset",
	  CLIENT,
	  { ASKED, IN(SETTINGS), OUT(RST("\1")), IN(DATA("\0", "\1") DATA(LAST, "\1")) },
	  true,
	  false,
	  3,
	  ENDED },
	{ "our reset before the server said anything",
	  CLIENT,
	  { ASKED, OUT(RST("\1")) },
	  false,
	  false,
	  0,
	  NO_MESSAGE },

	/* header blocks */
	{ "a header block goes on",
	  CLIENT,
	  { ASKED, IN(SETTINGS HEADERS(IN_PIECES, "\1") CONTINUATION("\0", "\1")) },
	  false,
	  false,
	  0,
	  IN_BLOCK },
	{ "a header block in pieces ends the stream",
	  CLIENT,
	  { ASKED, IN(SETTINGS HEADERS(IN_PIECES, "\1") CONTINUATION("\0", "\1")
	                  CONTINUATION(GOES_ON, "\1")) },
	  true,
	  false,
	  1,
	  ENDED },
	{ "a header block in pieces does not end the stream",
	  CLIENT,
	  { ASKED, IN(SETTINGS HEADERS("\0", "\1") CONTINUATION(ENDS, "\1")) },
	  false,
	  false,
	  0,
	  UNANSWERED },
	{ "our header block goes on",
	  CLIENT,
	  { ASKED, OUT(HEADERS("\0", "\3")), IN(SETTINGS HEADERS(ENDS, "\1") RST("\3")) },
	  false,
	  false,
	  0,
	  "a request is half sent" },
	{ "another frame in a header block",
	  CLIENT,
	  { ASKED, IN(SETTINGS HEADERS(IN_PIECES, "\1") DATA("\0", "\1")) },
	  false,
	  false,
	  0,
	  PIECES },
	{ "a header block that goes on elsewhere",
	  CLIENT,
	  { ASKED, OUT(HEADERS(ENDS, "\3")),
	    IN(SETTINGS HEADERS(IN_PIECES, "\1") CONTINUATION(GOES_ON, "\3")) },
	  false,
	  false,
	  0,
	  PIECES },
	{ "a continuation of nothing",
	  CLIENT,
	  { ASKED, IN(SETTINGS CONTINUATION(GOES_ON, "\1")) },
	  false,
	  false,
	  0,
	  PIECES },

	/* promises */
	{ "a promise is unanswered",
	  CLIENT,
	  { ASKED, IN(SETTINGS PROMISE("\1", "\2") HEADERS(ENDS, "\1")) },
	  false,
	  false,
	  0,
	  UNANSWERED },
	{ "a promise is kept",
	  CLIENT,
	  { ASKED, IN(SETTINGS PROMISE("\1", "\2") HEADERS(ENDS, "\1") HEADERS(ENDS, "\2")) },
	  true,
	  false,
	  1,
	  ENDED },
	{ "a promise behind padding",
	  CLIENT,
	  { ASKED, IN(SETTINGS ON("\6", "\5", "\xc", "\1") "\1\0\0\0\2x" HEADERS(ENDS, "\1")
	                  HEADERS(ENDS, "\2")) },
	  true,
	  false,
	  1,
	  ENDED },
	{ "a promise refused",
	  CLIENT,
	  { ASKED, IN(SETTINGS PROMISE("\1", "\2") HEADERS(ENDS, "\1")), OUT(RST("\2")) },
	  true,
	  false,
	  1,
	  ENDED },
	{ "a promise in pieces",
	  CLIENT,
	  { ASKED, IN(SETTINGS ON("\5", "\5", "\0", "\1") "\0\0\0\2p") },
	  false,
	  false,
	  0,
	  IN_BLOCK },
	{ "a promise without a stream",
	  CLIENT,
	  { ASKED, IN(SETTINGS ON("\4", "\5", "\xc", "\1") "\0\0\0\2") },
	  false,
	  false,
	  0,
	  MALFORMED },
	{ "a promise of a client's stream",
	  CLIENT,
	  { ASKED, IN(SETTINGS PROMISE("\1", "\3")) },
	  false,
	  false,
	  0,
	  IDLE },
	{ "a promise made twice",
	  CLIENT,
	  { ASKED, IN(SETTINGS PROMISE("\1", "\2") PROMISE("\1", "\2")) },
	  false,
	  false,
	  0,
	  IDLE },
	{ "a promise from a client",
	  SERVER,
	  { IN(PREFACE HEADERS(ENDS, "\1") PROMISE("\1", "\2")) },
	  false,
	  false,
	  1,
	  "a promise from a client" },
	{ "seven promises at once",
	  CLIENT,
	  { ASKED, IN(SETTINGS PROMISE("\1", "\2") PROMISE("\1", "\4") PROMISE("\1", "\6")),
	    IN(PROMISE("\1", "\x8") PROMISE("\1", "\xa") PROMISE("\1", "\xc")),
	    IN(PROMISE("\1", "\xe")) },
	  false,
	  false,
	  0,
	  "too many HTTP/2 streams open at once" },

	/* GOAWAY */
	{ "GOAWAY answers nothing that was taken",
	  CLIENT,
	  { ASKED, IN(SETTINGS GOAWAY("\1")) },
	  false,
	  false,
	  0,
	  UNANSWERED },
	{ "GOAWAY refuses what was not taken",
	  CLIENT,
	  { ASKED, OUT(HEADERS(ENDS, "\3")), IN(SETTINGS HEADERS(ENDS, "\1") GOAWAY("\1")) },
	  true,
	  false,
	  1,
	  ENDED },
	{ "a request behind GOAWAY is not taken either",
	  CLIENT,
	  { ASKED, IN(SETTINGS HEADERS(ENDS, "\1") GOAWAY("\1")), OUT(HEADERS(ENDS, "\3")) },
	  true,
	  false,
	  3,
	  ENDED },
	{ "a later GOAWAY takes nothing back",
	  CLIENT,
	  { ASKED, OUT(HEADERS(ENDS, "\3")),
	    IN(SETTINGS HEADERS(ENDS, "\1") GOAWAY("\1") GOAWAY("\3")) },
	  true,
	  false,
	  2,
	  ENDED },
	{ "our GOAWAY refuses promises",
	  CLIENT,
	  { ASKED, IN(SETTINGS PROMISE("\1", "\2") HEADERS(ENDS, "\1")), OUT(GOAWAY("\0")) },
	  true,
	  false,
	  1,
	  ENDED },
	{ "our GOAWAY refuses none of our requests",
	  CLIENT,
	  { ASKED, IN(SETTINGS), OUT(GOAWAY("\0")) },
	  false,
	  false,
	  0,
	  UNANSWERED },

	/* the server */
	{ "server: a whole request",
	  SERVER,
	  { IN(PREFACE HEADERS(ENDS, "\1")) },
	  true,
	  false,
	  1,
	  ENDED },
	{ "server: a request without its body",
	  SERVER,
	  { IN(PREFACE HEADERS(GOES_ON, "\1") DATA("\0", "\1")) },
	  false,
	  false,
	  0,
	  HALF },
	{ "server: a request with its body",
	  SERVER,
	  { IN(PREFACE HEADERS(GOES_ON, "\1") DATA(LAST, "\1")) },
	  true,
	  false,
	  1,
	  ENDED },
	{ "server: our answer does not end the request",
	  SERVER,
	  { IN(PREFACE HEADERS(GOES_ON, "\1")), OUT(SETTINGS HEADERS(ENDS, "\1")) },
	  false,
	  false,
	  0,
	  HALF },
	{ "server: our reset does",
	  SERVER,
	  { IN(PREFACE HEADERS(GOES_ON, "\1")), OUT(SETTINGS HEADERS(ENDS, "\1") RST("\1")) },
	  true,
	  false,
	  1,
	  ENDED },
	{ "server: our GOAWAY refuses what we do not read",
	  SERVER,
	  { IN(PREFACE HEADERS(ENDS, "\1")), OUT(SETTINGS GOAWAY("\1")),
	    IN(HEADERS(GOES_ON, "\3")) },
	  true,
	  false,
	  1 + 9 + 17 + 1,
	  ENDED },
	{ "server: what we promise is not to be read",
	  SERVER,
	  { IN(PREFACE HEADERS(ENDS, "\1")), OUT(SETTINGS PROMISE("\1", "\2")) },
	  true,
	  false,
	  1 + 9 + 14,
	  ENDED },
	{ "server: half of the preface",
	  SERVER,
	  { IN("PRI * HTTP/2.0\r\n") },
	  false,
	  false,
	  0,
	  NO_MESSAGE },

	/* what is no HTTP/2 */
	{ "HTTP/1.1", CLIENT, { OUT("GET / HTTP/1.1\r\n") }, false, false, 0, "not HTTP/2" },
	{ "a server without settings",
	  CLIENT,
	  { ASKED, IN(HEADERS(ENDS, "\1")) },
	  false,
	  false,
	  0,
	  "HTTP/2 without SETTINGS first" },
	{ "acknowledged settings before any",
	  CLIENT,
	  { ASKED, IN(ACK) },
	  false,
	  false,
	  0,
	  "HTTP/2 without SETTINGS first" },
	{ "an answer to a stream that was never opened",
	  CLIENT,
	  { ASKED, IN(SETTINGS HEADERS(ENDS, "\3")) },
	  false,
	  false,
	  0,
	  IDLE },
	{ "data on a stream that was never opened",
	  CLIENT,
	  { ASKED, IN(SETTINGS DATA(LAST, "\3")) },
	  false,
	  false,
	  0,
	  IDLE },
	{ "a reset of a stream that was never opened",
	  CLIENT,
	  { ASKED, IN(SETTINGS RST("\3")) },
	  false,
	  false,
	  0,
	  IDLE },
	{ "an answer that was not promised",
	  CLIENT,
	  { ASKED, IN(SETTINGS HEADERS(ENDS, "\2")) },
	  false,
	  false,
	  0,
	  IDLE },
	{ "a client opens a server's stream",
	  SERVER,
	  { IN(PREFACE HEADERS(ENDS, "\2")) },
	  false,
	  false,
	  0,
	  IDLE },
	{ "headers on no stream",
	  CLIENT,
	  { ASKED, IN(SETTINGS HEADERS(ENDS, "\0")) },
	  false,
	  false,
	  0,
	  MALFORMED },
	{ "settings on a stream",
	  CLIENT,
	  { ASKED, IN(ON("\0", "\4", "\0", "\1")) },
	  false,
	  false,
	  0,
	  MALFORMED },
	{ "a reset of five octets",
	  CLIENT,
	  { ASKED, IN(SETTINGS ON("\5", "\3", "\0", "\1")) },
	  false,
	  false,
	  0,
	  MALFORMED },
	{ "a ping of seven octets",
	  CLIENT,
	  { ASKED, IN(SETTINGS ON("\7", "\6", "\0", "\0")) },
	  false,
	  false,
	  0,
	  MALFORMED },
	{ "a frame of an unknown type is passed over",
	  CLIENT,
	  { ASKED, IN(SETTINGS ON("\3", "\x60", "\xff", "\7") "xyz" HEADERS(ENDS, "\1")) },
	  true,
	  false,
	  1,
	  ENDED },
};

/* A frame header and `extra` octets of 0 on stream `id`. */
static void frame(struct lw_tracker *t, bool sent, uint8_t type, uint8_t flags, uint32_t id)
{
	uint8_t bytes[] = { 0,
		            0,
		            0,
		            type,
		            flags,
		            (uint8_t)(id >> 24),
		            (uint8_t)(id >> 16),
		            (uint8_t)(id >> 8),
		            (uint8_t)id };

	(sent ? lw_tracker_sent : lw_tracker_received)(t, bytes, sizeof bytes);
}

static void begin(struct lw_tracker *t)
{
	lw_tracker_init(t, LW_KIND_HTTP2, LW_ROLE_CLIENT);
	lw_tracker_sent(t, PREFACE, sizeof PREFACE - 1);
	lw_tracker_received(t, SETTINGS, sizeof SETTINGS - 1);
}

#define ASK(t, id)    frame(t, true, 1, 5, id)
#define ANSWER(t, id) frame(t, false, 1, 5, id)

/* Six old streams stay open while any number of others come and go. */
static void old_streams_are_not_forgotten(void **state)
{
	struct lw_tracker t;
	uint32_t id = 1;

	(void)state;
	begin(&t);
	for (; id < 13; id += 2)
		ASK(&t, id);
	for (; id < 20001; id += 2) {
		ASK(&t, id);
		ANSWER(&t, id);
		assert_null(t.lost);
	}
	for (id = 1; id < 13; id += 2) {
		assert_false(lw_tracker_complete(&t));
		ANSWER(&t, id);
	}
	assert_true(lw_tracker_complete(&t));
}

static void a_seventh_old_stream_loses_track(void **state)
{
	struct lw_tracker t;
	uint32_t id = 1;

	(void)state;
	begin(&t);
	for (; id < 15; id += 2)
		ASK(&t, id);
	for (; id < 2001; id += 2) {
		ASK(&t, id);
		ANSWER(&t, id);
	}
	for (id = 1; id < 15; id += 2)
		ANSWER(&t, id);
	assert_false(lw_tracker_complete(&t));
	assert_string_equal(lw_tracker_why(&t), "too many HTTP/2 streams open at once");
}

/* As many streams at once as the window holds, and those beside it. */
static void all_that_fit_are_answered(void **state)
{
	const uint32_t most = 2 * (64 * LW_HTTP2_WORDS + LW_HTTP2_OTHER);
	struct lw_tracker t;

	(void)state;
	begin(&t);
	for (uint32_t id = 1; id < most; id += 2)
		ASK(&t, id);
	for (uint32_t id = most - 1; id > 1; id -= 2) {
		ANSWER(&t, id);
		assert_false(lw_tracker_complete(&t));
	}
	ANSWER(&t, 1);
	assert_true(lw_tracker_complete(&t));
	begin(&t);
	for (uint32_t id = 1; id < most + 2; id += 2)
		ASK(&t, id);
	assert_string_equal(lw_tracker_why(&t), "too many HTTP/2 streams open at once");
}

/* The highest stream there can be, behind one that is open: no time is spent on those between. */
static void a_leap_keeps_what_is_open(void **state)
{
	struct lw_tracker t;

	(void)state;
	begin(&t);
	ASK(&t, 1);
	ASK(&t, 0x7fffffff);
	ANSWER(&t, 0x7fffffff);
	assert_string_equal(lw_tracker_why(&t), "a stream is unanswered");
	ANSWER(&t, 1);
	assert_true(lw_tracker_complete(&t));
}

/* GOAWAY reaches into the window and beside it. */
static void goaway_refuses_wherever_a_stream_is_kept(void **state)
{
	static const char goaway[] = GOAWAY("\1");
	struct lw_tracker t;

	(void)state;
	begin(&t);
	for (uint32_t id = 1; id < 2 * 261; id += 2)
		ASK(&t, id);
	lw_tracker_received(&t, goaway, sizeof goaway - 1);
	assert_string_equal(lw_tracker_why(&t), "a stream is unanswered");
	ANSWER(&t, 1);
	assert_true(lw_tracker_complete(&t));
}

/* The longest frame is passed in bulk, whatever its length. */
static void the_longest_frame_is_one_frame(void **state)
{
	static const char head[] = "\xff\xff\xff\0\1\0\0\0\1";
	static char body[0xffffff];
	struct lw_tracker t;

	(void)state;
	begin(&t);
	ASK(&t, 1);
	frame(&t, false, 1, 4, 1);
	lw_tracker_received(&t, head, sizeof head - 1);
	lw_tracker_received(&t, body, sizeof body - 1);
	assert_string_equal(lw_tracker_why(&t), "inside a frame");
	lw_tracker_received(&t, body, 1);
	assert_true(lw_tracker_complete(&t));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(old_streams_are_not_forgotten),
		cmocka_unit_test(a_seventh_old_stream_loses_track),
		cmocka_unit_test(all_that_fit_are_answered),
		cmocka_unit_test(a_leap_keeps_what_is_open),
		cmocka_unit_test(goaway_refuses_wherever_a_stream_is_kept),
		cmocka_unit_test(the_longest_frame_is_one_frame),
	};

	return run_rows(rows, sizeof rows / sizeof *rows, tests, sizeof tests / sizeof *tests);
}
