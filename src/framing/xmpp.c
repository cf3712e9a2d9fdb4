/*
 * xmpp: XMPP (RFC 6120), octet by octet.
 *
 * XML is read as far as it takes to know where elements end: names, quotes, depth.  What XMPP
 * forbids (comments, instructions, document types; RFC 6120 section 11.1), sections of character
 * data, tags that do not match, and text between stanzas lose track.  A stream header is answered
 * by features, an iq by one with its id, authentication by its outcome; after success both streams
 * start anew.  What leaves the protocol (TLS, compression) or is answered in ways not known here
 * loses track.  Anybody may send an iq with a guessed id through the server, which names its
 * sender: only what the server says itself, or for the account, answers.
 *
 * One deliberate yes: behind the end of its stream the peer is complete whatever was asked.  That
 * is sound: nothing can follow it in either protocol (RFC 6120 section 4.4), so a cut hides
 * nothing, and nobody but the peer can say it, as what others send stands inside stanzas and depth
 * tells them from the stream.  A request without an answer is then refused by the peer, not lost on
 * the way.
 */
#include "framing/xmpp.h"

#include "closure/cursor.h"
#include "framing/tracker.h"

/* The elements that count, by their local names. */
enum element {
	ELEMENT_OTHER,
	ELEMENT_STREAM,
	ELEMENT_IQ,
	ELEMENT_MESSAGE,
	ELEMENT_PRESENCE,
	ELEMENT_AUTH,
	ELEMENT_RESPONSE,
	ELEMENT_ABORT,
	ELEMENT_CHALLENGE,
	ELEMENT_SUCCESS,
	ELEMENT_FAILURE,
	ELEMENT_FEATURES,
	ELEMENT_ERROR,
	ELEMENT_ACTIVE,
	ELEMENT_INACTIVE
};
static const char *const elements[] = { "",        "stream",   "iq",    "message",   "presence",
	                                "auth",    "response", "abort", "challenge", "success",
	                                "failure", "features", "error", "active",    "inactive" };
static const struct lw_word_table element_table = LW_WORD_TABLE(elements, false);

enum attribute { ATTRIBUTE_OTHER, ATTRIBUTE_TYPE, ATTRIBUTE_ID, ATTRIBUTE_FROM, ATTRIBUTE_TO };
static const char *const attributes[] = { "", "type", "id", "from", "to" };
static const struct lw_word_table attribute_table = LW_WORD_TABLE(attributes, false);

enum type { TYPE_OTHER, TYPE_GET, TYPE_SET, TYPE_RESULT, TYPE_ERROR };
static const char *const types[] = { "", "get", "set", "result", "error" };
static const struct lw_word_table type_table = LW_WORD_TABLE(types, false);

static const char no_request[] = "an answer to no request";
static const char not_xmpp[] = "not XML that this protocol allows";
static const char unknown_request[] = "an element whose answer is not known";

/* ---- what elements of the stream mean */

/* What the element of a stream that starts asks for, when a client sends it. */
static const char *ask(struct lw_xmpp *x, const struct lw_xml_side *side)
{
	switch ((enum element)side->element) {
	case ELEMENT_IQ:
		if (!side->identified || side->type == TYPE_OTHER)
			return unknown_request;
		if (side->type == TYPE_RESULT || side->type == TYPE_ERROR)
			return NULL;
		if (x->owed == UINT32_MAX)
			return "too many requests unanswered";
		x->owed++;
		x->ids += side->id;
		return NULL;
	case ELEMENT_STREAM:
	case ELEMENT_AUTH:
	case ELEMENT_RESPONSE:
	case ELEMENT_ABORT:
		if (x->due > 0)
			return "more of a request before it was asked for";
		x->due++;
		return NULL;
	case ELEMENT_MESSAGE:
	case ELEMENT_PRESENCE:
	case ELEMENT_ACTIVE:
	case ELEMENT_INACTIVE:
	case ELEMENT_ERROR:
		return NULL;
	case ELEMENT_OTHER:
	case ELEMENT_CHALLENGE:
	case ELEMENT_SUCCESS:
	case ELEMENT_FAILURE:
	case ELEMENT_FEATURES:
		break;
	}
	return unknown_request;
}

/* Without a sender it is the server's (RFC 6120 section 8.1.2.1); so it is with the server's name,
 * or with the account's. */
static bool is_of_server(const struct lw_xmpp *x, const struct lw_xml_side *side)
{
	return x->from == 0 || (!side->foreign && (x->from == x->server || x->from == x->to));
}

static const char *settle(struct lw_xmpp *x, const struct lw_xml_side *side)
{
	switch ((enum element)side->element) {
	case ELEMENT_IQ:
		if (side->type == TYPE_GET || side->type == TYPE_SET || !is_of_server(x, side))
			return NULL;
		if (!side->identified || side->type == TYPE_OTHER || x->owed == 0)
			return no_request;
		x->owed--;
		x->ids -= side->id;
		return x->owed == 0 && x->ids != 0 ? no_request : NULL;
	case ELEMENT_CHALLENGE:
	case ELEMENT_SUCCESS:
	case ELEMENT_FAILURE:
	case ELEMENT_FEATURES:
		if (x->due == 0)
			return no_request;
		x->due--;
		return NULL;
	case ELEMENT_STREAM:
		x->server = x->from;
		return NULL;
	case ELEMENT_OTHER:
	case ELEMENT_MESSAGE:
	case ELEMENT_PRESENCE:
	case ELEMENT_AUTH:
	case ELEMENT_RESPONSE:
	case ELEMENT_ABORT:
	case ELEMENT_ERROR:
	case ELEMENT_ACTIVE:
	case ELEMENT_INACTIVE:
		break;
	}
	return NULL;
}

static bool is_between(const struct lw_xml_side *side)
{
	return side->state == LW_XML_TEXT && side->depth <= 1;
}

static void restart(struct lw_xml_side *side)
{
	side->depth = 0;
	side->open = 0;
	side->started = false;
}

/* An element of the stream has ended: success starts both streams anew. */
static const char *end_element(struct lw_xmpp *x, const struct lw_xml_side *side)
{
	if (side != &x->answers || side->element != ELEMENT_SUCCESS)
		return NULL;
	if (!is_between(&x->requests) || x->requests.closed)
		return "a stream that goes on behind authentication";
	restart(&x->requests);
	restart(&x->answers);
	return NULL;
}

/* ---- tags */

static const char *end_end_tag(struct lw_xmpp *x, struct lw_xml_side *side)
{
	side->state = LW_XML_TEXT;
	if (side->depth == 0)
		return not_xmpp;
	side->open -= side->name * side->depth;
	side->depth--;
	if (side->depth == 0)
		side->closed = true;
	if (side->depth > 1)
		return NULL;
	/* What is still in the sum is the stream's own start, until it ends. */
	if (side->open != (side->depth == 0 ? 0 : side->stream))
		return not_xmpp;
	return side->depth == 1 ? end_element(x, side) : NULL;
}

static const char *end_start_tag(struct lw_xmpp *x, struct lw_xml_side *side)
{
	bool stream = side->depth == 0;

	side->state = LW_XML_TEXT;
	if (side->depth == UINT16_MAX)
		return "elements too deep in one another";
	side->depth++;
	side->open += side->name * side->depth;
	if (side->depth > 2)
		return NULL;
	if (stream != (side->element == ELEMENT_STREAM))
		return not_xmpp;
	if (stream)
		side->stream = side->open;
	return side == &x->requests ? ask(x, side) : settle(x, side);
}

/* ---- XML, an octet at a time */

static bool is_space(uint8_t octet)
{
	return octet == ' ' || octet == '\t' || octet == '\r' || octet == '\n';
}

/* What can be part of a name; what else XML excludes from one does no harm. */
static bool is_name(uint8_t octet)
{
	return octet > ' ' && octet != '<' && octet != '>' && octet != '&' && octet != '"' &&
	       octet != '\'' && octet != '/' && octet != '=' && octet != '?' && octet != '!';
}

/* Only the stream and its elements have a meaning. */
static bool means(const struct lw_xml_side *side)
{
	return side->depth <= 1;
}

static const char *pass_text(struct lw_xml_side *side, uint8_t octet)
{
	if (octet == '<' && !side->closed) {
		side->state = LW_XML_OPEN;
		return NULL;
	}
	if (octet == '<')
		return "more behind the end of a stream";
	return side->depth > 1 || is_space(octet) ? NULL : not_xmpp;
}

/* Behind <: an XML declaration only before anything else. */
static const char *pass_open(struct lw_xmpp *x, struct lw_xml_side *side, uint8_t octet)
{
	bool started = side->started;

	side->started = true;
	side->name = LW_TEXT_HASH_START;
	if (octet == '/') {
		side->state = LW_XML_END_NAME;
		return NULL;
	}
	if (octet == '?' && !started) {
		side->state = LW_XML_DECLARATION;
		return NULL;
	}
	if (!is_name(octet))
		return not_xmpp;
	side->state = LW_XML_NAME;
	if (side == &x->answers && means(side)) {
		x->from = x->to = 0;
		side->foreign = false;
	}
	side->identified = false;
	side->type = TYPE_OTHER;
	side->name = lw_text_hash(side->name, octet);
	lw_word_start(&side->word, &element_table);
	lw_word_pass(&side->word, &element_table, octet);
	return NULL;
}

static const char *pass_declaration(struct lw_xml_side *side, uint8_t octet)
{
	bool ends = side->state == LW_XML_DECLARATION_END && octet == '>';

	if (octet == '<')
		return not_xmpp;
	side->state = octet == '?' ? LW_XML_DECLARATION_END : LW_XML_DECLARATION;
	if (ends)
		side->state = LW_XML_TEXT;
	return NULL;
}

/* Between the parts of a start tag; true where it takes the octet. */
static bool pass_tag_end(struct lw_xml_side *side, uint8_t octet)
{
	if (is_space(octet))
		side->state = LW_XML_TAG;
	else if (octet == '/')
		side->state = LW_XML_EMPTY;
	return is_space(octet) || octet == '/';
}

/* An element's name; a prefix does not count. */
static const char *pass_name(struct lw_xmpp *x, struct lw_xml_side *side, uint8_t octet)
{
	if (is_name(octet)) {
		side->name = lw_text_hash(side->name, octet);
		if (octet == ':')
			lw_word_start(&side->word, &element_table);
		else
			lw_word_pass(&side->word, &element_table, octet);
		return NULL;
	}
	lw_word_end(&side->word, &element_table);
	if (means(side))
		side->element = (uint8_t)lw_word_found(&side->word);
	if (octet == '>')
		return end_start_tag(x, side);
	return pass_tag_end(side, octet) ? NULL : not_xmpp;
}

static const char *pass_tag(struct lw_xmpp *x, struct lw_xml_side *side, uint8_t octet)
{
	if (octet == '>')
		return end_start_tag(x, side);
	if (pass_tag_end(side, octet))
		return NULL;
	if (!is_name(octet) || side->state == LW_XML_VALUE_END)
		return not_xmpp;
	side->state = LW_XML_ATTRIBUTE;
	lw_word_start(&side->word, &attribute_table);
	lw_word_pass(&side->word, &attribute_table, octet);
	return NULL;
}

static const char *pass_attribute(struct lw_xml_side *side, uint8_t octet)
{
	if (side->state == LW_XML_ATTRIBUTE && is_name(octet)) {
		lw_word_pass(&side->word, &attribute_table, octet);
		return NULL;
	}
	lw_word_end(&side->word, &attribute_table);
	if (is_space(octet))
		side->state = LW_XML_EQUALS;
	else if (octet == '=')
		side->state = LW_XML_QUOTE;
	else
		return not_xmpp;
	return NULL;
}

/* The sender and the receiver of what comes in, or NULL: no other address counts. */
static uint64_t *address(struct lw_xmpp *x, const struct lw_xml_side *side)
{
	if (side != &x->answers || !means(side))
		return NULL;
	return side->attribute == ATTRIBUTE_FROM ? &x->from
	       : side->attribute == ATTRIBUTE_TO ? &x->to
	                                         : NULL;
}

/* An octet of an address.  What stands behind a slash names one client of an account: it is left
 * out of a receiver, and a sender that has it is not the account itself. */
static void pass_address(struct lw_xml_side *side, uint64_t *whose, uint8_t octet)
{
	bool sender = side->attribute == ATTRIBUTE_FROM;

	if (octet == '/' && sender)
		side->foreign = true;
	side->resource |= octet == '/';
	if (sender || !side->resource)
		*whose = lw_text_hash(*whose, octet);
}

static const char *pass_quote(struct lw_xmpp *x, struct lw_xml_side *side, uint8_t octet)
{
	uint64_t *whose;

	if (is_space(octet))
		return NULL;
	if (octet != '"' && octet != '\'')
		return not_xmpp;
	side->attribute = (uint8_t)lw_word_found(&side->word);
	side->quote = octet;
	side->state = LW_XML_VALUE;
	lw_word_start(&side->word, &type_table);
	whose = address(x, side);
	if (whose != NULL && *whose != 0)
		return not_xmpp;
	if (whose != NULL)
		*whose = LW_TEXT_HASH_START;
	side->resource = false;
	if (side->attribute != ATTRIBUTE_ID || !means(side))
		return NULL;
	if (side->identified)
		return not_xmpp;
	side->id = LW_TEXT_HASH_START;
	return NULL;
}

static const char *pass_value(struct lw_xmpp *x, struct lw_xml_side *side, uint8_t octet)
{
	uint64_t *whose = address(x, side);

	if (octet == '<')
		return not_xmpp;
	if (octet != side->quote) {
		if (whose != NULL)
			pass_address(side, whose, octet);
		lw_word_pass(&side->word, &type_table, octet);
		if (side->attribute == ATTRIBUTE_ID && means(side))
			side->id = lw_text_hash(side->id, octet);
		return NULL;
	}
	lw_word_end(&side->word, &type_table);
	side->state = LW_XML_VALUE_END;
	if (!means(side))
		return NULL;
	if (side->attribute == ATTRIBUTE_TYPE)
		side->type = (uint8_t)lw_word_found(&side->word);
	side->identified |= side->attribute == ATTRIBUTE_ID;
	return NULL;
}

/* An empty element ends where it starts. */
static const char *pass_empty(struct lw_xmpp *x, struct lw_xml_side *side, uint8_t octet)
{
	const char *why = octet == '>' ? end_start_tag(x, side) : not_xmpp;

	return why != NULL ? why : end_end_tag(x, side);
}

static const char *pass_end_tag(struct lw_xmpp *x, struct lw_xml_side *side, uint8_t octet)
{
	if (octet == '>')
		return end_end_tag(x, side);
	if (is_space(octet))
		side->state = LW_XML_END_TAG;
	else if (side->state == LW_XML_END_NAME && is_name(octet))
		side->name = lw_text_hash(side->name, octet);
	else
		return not_xmpp;
	return NULL;
}

static const char *pass_octet(struct lw_xmpp *x, struct lw_xml_side *side, uint8_t octet)
{
	if (octet == '\0')
		return not_xmpp;
	switch ((enum lw_xml_state)side->state) {
	case LW_XML_TEXT:
		return pass_text(side, octet);
	case LW_XML_OPEN:
		return pass_open(x, side, octet);
	case LW_XML_DECLARATION:
	case LW_XML_DECLARATION_END:
		return pass_declaration(side, octet);
	case LW_XML_NAME:
		return pass_name(x, side, octet);
	case LW_XML_TAG:
	case LW_XML_VALUE_END:
		return pass_tag(x, side, octet);
	case LW_XML_ATTRIBUTE:
	case LW_XML_EQUALS:
		return pass_attribute(side, octet);
	case LW_XML_QUOTE:
		return pass_quote(x, side, octet);
	case LW_XML_VALUE:
		return pass_value(x, side, octet);
	case LW_XML_EMPTY:
		return pass_empty(x, side, octet);
	case LW_XML_END_NAME:
	case LW_XML_END_TAG:
		return pass_end_tag(x, side, octet);
	}
	return not_xmpp;
}

static void pass(struct lw_tracker *t, struct lw_xml_side *side, struct lw_cursor *c)
{
	uint8_t octet;

	while (t->lost == NULL && lw_take_u8(c, &octet))
		t->lost = pass_octet(&t->state.xmpp, side, octet);
}

void lw_xmpp_requests(struct lw_tracker *t, struct lw_cursor *c)
{
	pass(t, &t->state.xmpp.requests, c);
}

void lw_xmpp_answers(struct lw_tracker *t, struct lw_cursor *c)
{
	pass(t, &t->state.xmpp.answers, c);
}

/* ---- what is known */

/* In a stream, between two of its elements. */
static bool is_whole(const struct lw_xml_side *side)
{
	return is_between(side) && side->depth == 1;
}

/* The end of our own stream is answered by that of the peer's. */
static bool is_unanswered(const struct lw_xmpp *x)
{
	return x->owed > 0 || x->due > 0 || x->requests.closed;
}

/* rule: framed-message-survives */
bool lw_xmpp_complete(const struct lw_tracker *t)
{
	const struct lw_xmpp *x = &t->state.xmpp;

	if (t->role == LW_ROLE_SERVER)
		return x->requests.closed || is_whole(&x->requests);
	if (x->answers.closed)
		return is_between(&x->requests);
	return is_whole(&x->answers) && is_between(&x->requests) && !is_unanswered(x);
}

static const char *why_received(const struct lw_xml_side *side)
{
	if (side->closed)
		return "the stream has ended";
	if (!is_between(side))
		return "inside an element of the stream";
	return side->depth == 0 ? "no stream yet" : NULL;
}

const char *lw_xmpp_why(const struct lw_tracker *t)
{
	const struct lw_xmpp *x = &t->state.xmpp;
	bool client = t->role == LW_ROLE_CLIENT;
	const char *why = why_received(client ? &x->answers : &x->requests);

	if (client && !is_between(&x->requests))
		return "a request is half sent";
	if (why != NULL)
		return why;
	if (client && is_unanswered(x))
		return "a request is unanswered";
	return "between two elements of the stream";
}
