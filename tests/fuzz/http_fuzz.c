/*
 * http_fuzz: the HTTP/1.1 tracker against http_parser, another reader of the same RFC, on any
 * bytes. Where the tracker says that the first answer is whole, http_parser says so at the same
 * octet; the tracker may refuse what the other accepts, never the reverse.  Input: an octet for the
 * method, then the answer.
 */
#include <string.h>

#include <http_parser.h>

#include "framing/tracker.h"
#include "tests/fuzz/fuzz.h"

struct reader {
	http_parser parser;
	bool to_head;
	bool done;
};

/* What http_parser leaves to its caller: answers that have no body whatever they say. */
static int on_headers(http_parser *parser)
{
	const struct reader *r = parser->data;

	return r->to_head || parser->status_code < 200 || parser->status_code == 204 ||
	       parser->status_code == 304;
}

static int on_message(http_parser *parser)
{
	struct reader *r = parser->data;

	r->done |= parser->status_code >= 200; /* an interim answer is none */
	return 0;
}

/* One octet more; false once it is refused. */
static bool parser_takes(struct reader *r, char octet)
{
	static const http_parser_settings settings = { .on_headers_complete = on_headers,
		                                       .on_message_complete = on_message };

	return http_parser_execute(&r->parser, &settings, &octet, 1) == 1 &&
	       HTTP_PARSER_ERRNO(&r->parser) == HPE_OK;
}

/* RFC 9110, section 5.6.1: an empty element of a list is ignored; http_parser takes it for a name.
 */
static bool has_empty_element(const uint8_t *data, size_t size)
{
	uint8_t before = 0;

	for (size_t i = 0; i < size; i++) {
		const bool ends = data[i] == ',' || data[i] == '\r' || data[i] == '\n';

		if ((ends && before == ',') || (data[i] == ',' && before == ':'))
			return true;
		if (data[i] != ' ' && data[i] != '\t')
			before = data[i];
	}
	return false;
}

/* http_parser takes the comma behind the first letters of "chunked" into the name, and all behind
 * it.
 */
static bool has_part_of_chunked(const uint8_t *data, size_t size)
{
	static const char chunked[] = "chunked";
	size_t matched = 0;

	for (size_t i = 0; i < size; i++) {
		if (data[i] == ',' && matched > 0 && matched < sizeof chunked - 1)
			return true;
		if (matched < sizeof chunked - 1 && (data[i] | 0x20) == chunked[matched])
			matched++;
		else
			matched = (data[i] | 0x20) == chunked[0];
	}
	return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct reader r = { .done = false };
	struct lw_tracker t;
	bool taken = true;

	if (size < 1 || has_empty_element(data + 1, size - 1) ||
	    has_part_of_chunked(data + 1, size - 1))
		return 0;
	r.to_head = data[0] & 1;
	http_parser_init(&r.parser, HTTP_RESPONSE);
	r.parser.data = &r;
	lw_tracker_init(&t, LW_KIND_HTTP1, LW_ROLE_CLIENT);
	lw_tracker_sent(&t, r.to_head ? "HEAD" : "GET", r.to_head ? 4 : 3);
	lw_tracker_sent(&t, " / HTTP/1.1\r\n\r\n", 15);
	for (size_t i = 1; i < size && !r.done; i++) {
		/* White space is either; it takes only one of them behind a length. */
		taken = taken && parser_takes(&r, data[i] == '\t' ? ' ' : (char)data[i]);
		lw_tracker_received(&t, data + i, 1);
		/* It refuses what RFC 9112 lets pass: a length said twice, the same. */
		const enum http_errno why = HTTP_PARSER_ERRNO(&r.parser);

		if (why == HPE_UNEXPECTED_CONTENT_LENGTH ||
		    (why == HPE_INVALID_CONTENT_LENGTH && data[i] == ','))
			return 0;
		fuzz_claim(!lw_tracker_complete(&t) || (taken && r.done));
	}
	/* Whole for the other, and not for us: not later either. */
	if (r.done && !lw_tracker_complete(&t)) {
		static const char empty_answer[] = "HTTP/1.1 204 No Content\r\n\r\n";

		lw_tracker_received(&t, empty_answer, sizeof empty_answer - 1);
		fuzz_claim(!lw_tracker_complete(&t));
	}
	return 0;
}
