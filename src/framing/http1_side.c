/*
 * http1_side: one direction of HTTP/1.x, octet by octet.
 *
 * A state is a function from an octet to the next state; bodies pass in bulk.  It knows the
 * syntax of RFC 9112 and nothing of pairing: at the end of a header section it stops
 * and reports.  Header lines may have any length, since nothing of them is kept but what the
 * two fields that matter say.  What a strict and a lenient reader would take for different
 * messages is refused: a bare CR, a space before the colon, a folded length, a line of a
 * chunk that ends without CR.  A bare LF that ends a start line or a field is taken, as section 2.2
 * allows.
 */
#include "framing/http1.h"

#include "closure/cursor.h"

#include <string.h>

/* The fields that say where a body ends; the numbers are bits. */
enum field { FIELD_NONE = 0, FIELD_LENGTH = 1, FIELD_CODING = 2, FIELD_OTHER = 4 };

/* Where a list of numbers or names stands, in `possible`. */
enum list { LIST_BEFORE, LIST_IN, LIST_AFTER };

#define METHOD_HEAD    1u
#define METHOD_CONNECT 2u

static const struct name {
	const char *text;
	uint8_t bit;
} fields[] = { { "content-length", FIELD_LENGTH }, { "transfer-encoding", FIELD_CODING } },
  methods[] = { { "HEAD", METHOD_HEAD }, { "CONNECT", METHOD_CONNECT } };

static bool is_digit(uint8_t octet)
{
	return octet >= '0' && octet <= '9';
}

static uint8_t lower(uint8_t octet)
{
	return octet >= 'A' && octet <= 'Z' ? (uint8_t)(octet + ('a' - 'A')) : octet;
}

static bool is_token(uint8_t octet)
{
	uint8_t l = lower(octet);

	if (is_digit(octet) || (l >= 'a' && l <= 'z'))
		return true;
	return octet != 0 && strchr("!#$%&'*+-.^_`|~", octet) != NULL;
}

static bool is_space(uint8_t octet)
{
	return octet == ' ' || octet == '\t';
}

/* Narrows `possible` to the names whose next octet is this one. */
static void match(struct lw_http1_side *s, const struct name *names, size_t count, uint8_t octet)
{
	for (size_t i = 0; i < count; i++)
		if (s->matched >= strlen(names[i].text) ||
		    (uint8_t)names[i].text[s->matched] != octet)
			s->possible &= (uint8_t)~names[i].bit;
	if (s->matched < UINT8_MAX)
		s->matched++;
}

/* The one name that fits from its first octet to its last, or 0. */
static uint8_t matched(const struct lw_http1_side *s, const struct name *names, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if ((s->possible & names[i].bit) != 0 && s->matched == strlen(names[i].text))
			return names[i].bit;
	return 0;
}

/* What a value or a reason may hold: no control characters (RFC 9110 section 5.5). */
static bool is_text(uint8_t octet)
{
	return (octet >= ' ' && octet != 127) || octet == '\t';
}

/* What ends a line that may end here, or `other`. */
static enum lw_http1_state line_end(uint8_t octet, enum lw_http1_state other)
{
	if (octet == '\r')
		return LW_HTTP1_LINE_CR;
	return octet == '\n' ? LW_HTTP1_FIELD : other;
}

/* Adds a digit to the number; false when it grows past what any body can have. */
static bool add_digit(struct lw_http1_side *s, uint8_t digit, uint8_t base)
{
	if (s->number > ((uint64_t)INT64_MAX - digit) / base)
		return false;
	s->number = s->number * base + digit;
	return true;
}

static enum lw_http1_state step_method(struct lw_http1_side *s, uint8_t octet)
{
	if (octet == ' ' && s->matched > 0) {
		uint8_t bit = matched(s, methods, 2);

		s->asked = bit == METHOD_HEAD      ? LW_HTTP1_HEAD
		           : bit == METHOD_CONNECT ? LW_HTTP1_CONNECT
		                                   : LW_HTTP1_PLAIN;
		s->matched = 0;
		return LW_HTTP1_TARGET;
	}
	if (!is_token(octet))
		return LW_HTTP1_NOT_HTTP;
	match(s, methods, 2, octet);
	return LW_HTTP1_METHOD;
}

static enum lw_http1_state step_version(struct lw_http1_side *s, uint8_t octet)
{
	static const char want[] = "HTTP/1.";

	if (s->matched < sizeof want - 1) {
		if ((uint8_t)want[s->matched++] != octet)
			return LW_HTTP1_NOT_HTTP;
		return LW_HTTP1_VERSION;
	}
	if (!is_digit(octet))
		return LW_HTTP1_NOT_HTTP;
	s->minor = (uint8_t)(octet - '0');
	s->matched = 0;
	return LW_HTTP1_VERSION_END;
}

/* Empty lines before a request line are skipped (RFC 9112 section 2.2). */
static enum lw_http1_state step_start(struct lw_http1_side *s, uint8_t octet)
{
	lw_http1_begin(s);
	if (s->response)
		return step_version(s, octet);
	if (octet == '\r')
		return LW_HTTP1_START_CR;
	return octet == '\n' ? LW_HTTP1_START : step_method(s, octet);
}

static enum lw_http1_state step_start_cr(struct lw_http1_side *s, uint8_t octet)
{
	(void)s;
	return octet == '\n' ? LW_HTTP1_START : LW_HTTP1_NOT_HTTP;
}

static enum lw_http1_state step_target(struct lw_http1_side *s, uint8_t octet)
{
	if (octet == ' ' && s->matched > 0) {
		s->matched = 0;
		return LW_HTTP1_VERSION;
	}
	if (octet <= ' ' || octet == 127)
		return LW_HTTP1_NOT_HTTP;
	s->matched = 1;
	return LW_HTTP1_TARGET;
}

static enum lw_http1_state step_version_end(struct lw_http1_side *s, uint8_t octet)
{
	if (!s->response)
		return line_end(octet, LW_HTTP1_NOT_HTTP);
	return octet == ' ' ? LW_HTTP1_STATUS : LW_HTTP1_NOT_HTTP;
}

static enum lw_http1_state step_status(struct lw_http1_side *s, uint8_t octet)
{
	if (!is_digit(octet) || (s->matched == 0 && octet == '0'))
		return LW_HTTP1_NOT_HTTP;
	s->status = (uint16_t)(s->status * 10 + (octet - '0'));
	return ++s->matched == 3 ? LW_HTTP1_STATUS_END : LW_HTTP1_STATUS;
}

static enum lw_http1_state step_status_end(struct lw_http1_side *s, uint8_t octet)
{
	(void)s;
	return line_end(octet, octet == ' ' ? LW_HTTP1_REASON : LW_HTTP1_NOT_HTTP);
}

static enum lw_http1_state step_reason(struct lw_http1_side *s, uint8_t octet)
{
	(void)s;
	return line_end(octet, is_text(octet) ? LW_HTTP1_REASON : LW_HTTP1_NOT_HTTP);
}

static enum lw_http1_state step_line_cr(struct lw_http1_side *s, uint8_t octet)
{
	(void)s;
	return octet == '\n' ? LW_HTTP1_FIELD : LW_HTTP1_BAD_FIELD;
}

static enum lw_http1_state head_done(const struct lw_http1_side *s)
{
	return s->in_trailers ? LW_HTTP1_MESSAGE_DONE : LW_HTTP1_HEAD_DONE;
}

static enum lw_http1_state step_name(struct lw_http1_side *s, uint8_t octet)
{
	if (octet == ':' && s->matched > 0) {
		const uint8_t bit = matched(s, fields, 2);

		/* What frames a message has no place behind it (RFC 9110 section 6.5.1); readers
		 * that heed it there would see another end. */
		if (bit != 0 && s->in_trailers)
			return LW_HTTP1_BAD_FIELD;
		s->field = bit != 0 ? bit : FIELD_OTHER;
		s->has_coding = s->has_coding || bit == FIELD_CODING;
		s->possible = LIST_BEFORE;
		s->matched = 0;
		s->number = 0;
		return bit == FIELD_LENGTH   ? LW_HTTP1_LENGTH
		       : bit == FIELD_CODING ? LW_HTTP1_CODING
		                             : LW_HTTP1_VALUE;
	}
	if (!is_token(octet))
		return LW_HTTP1_BAD_FIELD;
	match(s, fields, 2, lower(octet));
	return LW_HTTP1_NAME;
}

/* The start of a line: a field, a folded line of the last one, or the empty line. */
static enum lw_http1_state step_field(struct lw_http1_side *s, uint8_t octet)
{
	if (octet == '\r')
		return LW_HTTP1_HEAD_CR;
	if (octet == '\n')
		return head_done(s);
	if (is_space(octet))
		return s->field == FIELD_OTHER ? LW_HTTP1_VALUE : LW_HTTP1_BAD_FIELD;
	s->matched = 0;
	s->possible = FIELD_LENGTH | FIELD_CODING;
	return step_name(s, octet);
}

static enum lw_http1_state step_head_cr(struct lw_http1_side *s, uint8_t octet)
{
	return octet == '\n' ? head_done(s) : LW_HTTP1_BAD_FIELD;
}

static enum lw_http1_state step_value(struct lw_http1_side *s, uint8_t octet)
{
	(void)s;
	return line_end(octet, is_text(octet) ? LW_HTTP1_VALUE : LW_HTTP1_BAD_FIELD);
}

/* The end of one number of a Content-Length: it must repeat what is known. */
static bool take_length(struct lw_http1_side *s)
{
	if (s->possible == LIST_BEFORE || (s->has_length && s->length != s->number))
		return false;
	s->has_length = true;
	s->length = s->number;
	s->number = 0;
	s->possible = LIST_BEFORE;
	return true;
}

/* A list of equal numbers counts as one (RFC 9112 section 6.3, item 5). */
static enum lw_http1_state step_length(struct lw_http1_side *s, uint8_t octet)
{
	if (octet == '\r' || octet == '\n' || octet == ',')
		return take_length(s) ? line_end(octet, LW_HTTP1_LENGTH) : LW_HTTP1_BAD_LENGTH;
	if (is_space(octet)) {
		s->possible = s->possible == LIST_BEFORE ? LIST_BEFORE : LIST_AFTER;
		return LW_HTTP1_LENGTH;
	}
	if (!is_digit(octet) || s->possible == LIST_AFTER)
		return LW_HTTP1_BAD_LENGTH;
	s->possible = LIST_IN;
	return add_digit(s, (uint8_t)(octet - '0'), 10) ? LW_HTTP1_LENGTH : LW_HTTP1_BAD_LENGTH;
}

static const char chunked[] = "chunked";

/* The end of one element of a Transfer-Encoding: false when it is chunked a second time. */
static bool take_coding(struct lw_http1_side *s)
{
	if (s->possible == LIST_BEFORE)
		return true;
	s->chunked = s->matched == sizeof chunked - 1;
	if (s->chunked && s->was_chunked)
		return false;
	s->was_chunked = s->was_chunked || s->chunked;
	s->coded = true;
	s->matched = 0;
	s->possible = LIST_BEFORE;
	return true;
}

static enum lw_http1_state step_coding(struct lw_http1_side *s, uint8_t octet)
{
	if (octet == '\r' || octet == '\n' || octet == ',')
		return take_coding(s) ? line_end(octet, LW_HTTP1_CODING) : LW_HTTP1_BAD_CODING;
	if (is_space(octet)) {
		s->possible = s->possible == LIST_BEFORE ? LIST_BEFORE : LIST_AFTER;
		return LW_HTTP1_CODING;
	}
	if (!is_token(octet) || s->possible == LIST_AFTER)
		return LW_HTTP1_BAD_CODING;
	s->possible = LIST_IN;
	if (s->matched < sizeof chunked - 1 && (uint8_t)chunked[s->matched] == lower(octet))
		s->matched++;
	else
		s->matched = sizeof chunked;
	return LW_HTTP1_CODING;
}

/* What follows the digits of a chunk size.  Old servers pad it with spaces. */
static enum lw_http1_state step_chunk_pad(struct lw_http1_side *s, uint8_t octet)
{
	(void)s;
	if (is_space(octet))
		return LW_HTTP1_CHUNK_PAD;
	if (octet == ';')
		return LW_HTTP1_CHUNK_EXT;
	return octet == '\r' ? LW_HTTP1_CHUNK_CR : LW_HTTP1_BAD_CHUNK;
}

static enum lw_http1_state step_chunk_size(struct lw_http1_side *s, uint8_t octet)
{
	uint8_t l = lower(octet);

	if (!is_digit(l) && !(l >= 'a' && l <= 'f'))
		return s->matched > 0 ? step_chunk_pad(s, octet) : LW_HTTP1_BAD_CHUNK;
	if (!add_digit(s, (uint8_t)(is_digit(l) ? l - '0' : l - 'a' + 10), 16))
		return LW_HTTP1_BAD_CHUNK;
	s->matched = 1;
	return LW_HTTP1_CHUNK_SIZE;
}

static enum lw_http1_state step_chunk_ext(struct lw_http1_side *s, uint8_t octet)
{
	(void)s;
	if (octet == '\r')
		return LW_HTTP1_CHUNK_CR;
	return is_text(octet) ? LW_HTTP1_CHUNK_EXT : LW_HTTP1_BAD_CHUNK;
}

static enum lw_http1_state step_chunk_cr(struct lw_http1_side *s, uint8_t octet)
{
	if (octet != '\n')
		return LW_HTTP1_BAD_CHUNK;
	s->length = s->number;
	s->number = 0;
	s->matched = 0;
	if (s->length > 0)
		return LW_HTTP1_CHUNK_DATA;
	s->in_trailers = true;
	s->field = FIELD_NONE;
	return LW_HTTP1_FIELD;
}

static enum lw_http1_state step_chunk_end(struct lw_http1_side *s, uint8_t octet)
{
	(void)s;
	return octet == '\r' ? LW_HTTP1_CHUNK_END_CR : LW_HTTP1_BAD_CHUNK;
}

static enum lw_http1_state step_chunk_end_cr(struct lw_http1_side *s, uint8_t octet)
{
	(void)s;
	return octet == '\n' ? LW_HTTP1_CHUNK_SIZE : LW_HTTP1_BAD_CHUNK;
}

/* A byte behind CONNECT may be a request or the tunnel's: nobody can tell yet. */
static enum lw_http1_state step_held(struct lw_http1_side *s, uint8_t octet)
{
	(void)s;
	(void)octet;
	return LW_HTTP1_BEHIND_CONNECT;
}

/* One row a state; the states that are missing pass in bulk or are never kept. */
static enum lw_http1_state (*const steps[LW_HTTP1_STATES])(struct lw_http1_side *, uint8_t) = {
	[LW_HTTP1_START] = step_start,
	[LW_HTTP1_START_CR] = step_start_cr,
	[LW_HTTP1_METHOD] = step_method,
	[LW_HTTP1_TARGET] = step_target,
	[LW_HTTP1_VERSION] = step_version,
	[LW_HTTP1_VERSION_END] = step_version_end,
	[LW_HTTP1_STATUS] = step_status,
	[LW_HTTP1_STATUS_END] = step_status_end,
	[LW_HTTP1_REASON] = step_reason,
	[LW_HTTP1_LINE_CR] = step_line_cr,
	[LW_HTTP1_FIELD] = step_field,
	[LW_HTTP1_HEAD_CR] = step_head_cr,
	[LW_HTTP1_NAME] = step_name,
	[LW_HTTP1_VALUE] = step_value,
	[LW_HTTP1_LENGTH] = step_length,
	[LW_HTTP1_CODING] = step_coding,
	[LW_HTTP1_CHUNK_SIZE] = step_chunk_size,
	[LW_HTTP1_CHUNK_PAD] = step_chunk_pad,
	[LW_HTTP1_CHUNK_EXT] = step_chunk_ext,
	[LW_HTTP1_CHUNK_CR] = step_chunk_cr,
	[LW_HTTP1_CHUNK_END] = step_chunk_end,
	[LW_HTTP1_CHUNK_END_CR] = step_chunk_end_cr,
	[LW_HTTP1_HELD] = step_held,
};

/* Lets as much of a counted body pass as there is. */
static enum lw_http1_state pass_counted(struct lw_http1_side *s, struct lw_cursor *c)
{
	size_t take = c->left < s->length ? c->left : (size_t)s->length;
	struct lw_cursor window;

	if (lw_take_window(c, take, &window))
		s->length -= take;
	if (s->length > 0)
		return (enum lw_http1_state)s->state;
	return s->state == LW_HTTP1_BODY ? LW_HTTP1_MESSAGE_DONE : LW_HTTP1_CHUNK_END;
}

enum lw_http1_state lw_http1_step(struct lw_http1_side *side, struct lw_cursor *c)
{
	enum lw_http1_state next = (enum lw_http1_state)side->state;
	struct lw_cursor window;
	uint8_t octet;

	if (next == LW_HTTP1_BODY || next == LW_HTTP1_CHUNK_DATA)
		next = pass_counted(side, c);
	else if (next == LW_HTTP1_UNTIL_CLOSE || next == LW_HTTP1_TUNNEL)
		(void)lw_take_window(c, c->left, &window);
	else if (lw_take_u8(c, &octet))
		next = steps[next](side, octet);
	side->state = (uint8_t)next;
	return next;
}

void lw_http1_begin(struct lw_http1_side *side)
{
	bool response = side->response, seen = side->seen;
	uint8_t ended = side->ended;

	memset(side, 0, sizeof *side);
	side->response = response;
	side->seen = seen;
	side->ended = ended;
	side->possible = METHOD_HEAD | METHOD_CONNECT;
}
