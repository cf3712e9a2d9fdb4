/*
 * compare: the HTTP tracker against http_parser, another reader of the same RFC.
 *
 * What http_parser takes for a whole message and the tracker for complete must be the same octet.
 * Where the tracker is stricter the row says so: it may refuse what another reader accepts, never
 * the reverse.
 */
#include "framing/tracker.h"
#include "tests/unit.h"

#include <http_parser.h>
#include <stdio.h>
#include <string.h>

enum verdict { SAME, STRICTER };

static const struct row {
	const char *request;
	const char *response;
	enum verdict verdict;
} rows[] = {
	{ "GET", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", SAME },
	{ "GET", "HTTP/1.0 200 OK\r\nContent-Length: 5\r\nServer: a\r\n\r\nhello", SAME },
	{ "GET", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell", SAME },
	{ "GET", "HTTP/1.1 200 OK\r\ncontent-length:5\r\n\r\nhello", SAME },
	{ "GET", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", SAME },
	{ "GET", "HTTP/1.1 200 OK\r\n\r\nhello", SAME },
	{ "GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
	  SAME },
	{ "GET",
	  "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n0\r\nA: "
	  "b\r\n\r\n",
	  SAME },
	{ "GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n", SAME },
	{ "GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n", SAME },
	{ "GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", SAME },
	{ "GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n", SAME },
	{ "GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\n\r\nhello", SAME },
	{ "GET", "HTTP/1.1 204 No Content\r\n\r\n", SAME },
	{ "GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", SAME },
	{ "HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", SAME },
	{ "HEAD", "HTTP/1.1 200 OK\r\n\r\n", SAME },
	{ "GET", "HTTP/1.1 200 OK\nContent-Length: 2\n\nok", SAME },
	{ "GET", "HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 2\r\n\r\nok", SAME },
	{ "GET", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok", SAME },
	{ "GET", "HTTP/1.1 200 OK\r\nContent-Length: 2x\r\n\r\nok", SAME },
	{ "GET", "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\nok", SAME },
	{ "GET",
	  "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
	  SAME },
	{ "GET", "HTTP/1.1 404\r\nContent-Length: 2\r\n\r\nno", SAME },
	{ "GET", "220 smtp\r\n", SAME },
	{ "GET", "\r\nHTTP/1.1 204 A\r\n\r\n", STRICTER },
	{ "GET", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", STRICTER },
	{ "GET", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n \r\n\r\nok", STRICTER },
	{ "GET", "HTTP/1.1 200 OK\r\n Content-Length: 2\r\n\r\nok", SAME },
};

/* The octet after which http_parser says that the message is whole; -1 for none. */
struct reader {
	http_parser parser;
	const char *request;
	bool done;
};

static int on_headers(http_parser *parser)
{
	const struct reader *r = parser->data;

	/* What http_parser leaves to its caller. */
	return strcmp(r->request, "HEAD") == 0 || parser->status_code == 304;
}

static int on_message(http_parser *parser)
{
	struct reader *r = parser->data;

	r->done = true;
	return 0;
}

static long whole_by_parser(const struct row *row)
{
	static const http_parser_settings settings = { .on_headers_complete = on_headers,
		                                       .on_message_complete = on_message };
	struct reader r = { .request = row->request };

	http_parser_init(&r.parser, HTTP_RESPONSE);
	r.parser.data = &r;
	for (size_t i = 0; row->response[i] != '\0'; i++) {
		if (http_parser_execute(&r.parser, &settings, row->response + i, 1) != 1 ||
		    HTTP_PARSER_ERRNO(&r.parser) != HPE_OK)
			return -1;
		if (r.done)
			return (long)i;
	}
	return -1;
}

static long whole_by_tracker(const struct row *row)
{
	struct lw_tracker t;

	lw_tracker_init(&t, LW_KIND_HTTP1, LW_ROLE_CLIENT);
	lw_tracker_sent(&t, row->request, strlen(row->request));
	lw_tracker_sent(&t, " / HTTP/1.1\r\n\r\n", 15);
	for (size_t i = 0; row->response[i] != '\0'; i++) {
		lw_tracker_received(&t, row->response + i, 1);
		if (lw_tracker_complete(&t))
			return (long)i;
	}
	return -1;
}

static void compare(void **state)
{
	const struct row *row = *state;
	long other = whole_by_parser(row), ours = whole_by_tracker(row);

	if (row->verdict == SAME)
		assert_int_equal(ours, other);
	else
		assert_true(ours == -1 && other != -1);
}

int main(void)
{
	static struct CMUnitTest tests[sizeof rows / sizeof *rows];
	static char names[sizeof rows / sizeof *rows][40];

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		(void)snprintf(names[i], sizeof names[i], "http_parser agrees on message %zu",
		               i + 1);
		tests[i] = (struct CMUnitTest){ names[i], compare, NULL, NULL,
			                        (void *)(uintptr_t)&rows[i] };
	}
	return run_cases(tests);
}
