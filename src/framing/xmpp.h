/*
 * xmpp: the state of the tracker of XMPP, and its face to tracker.c.
 *
 * Each side sends one XML document, a stream, whose elements are the messages.
 */
#ifndef FRAMING_XMPP_H
#define FRAMING_XMPP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "framing/text.h"

struct lw_tracker;
struct lw_cursor;

/* Where one direction stands in its XML. */
enum lw_xml_state {
	LW_XML_TEXT, /* outside of tags */
	LW_XML_OPEN, /* < */
	LW_XML_DECLARATION,
	LW_XML_DECLARATION_END, /* ? in it */
	LW_XML_NAME,
	LW_XML_TAG,       /* behind a space in a start tag */
	LW_XML_ATTRIBUTE, /* its name */
	LW_XML_EQUALS,
	LW_XML_QUOTE, /* = */
	LW_XML_VALUE,
	LW_XML_VALUE_END,
	LW_XML_EMPTY, /* / in a start tag */
	LW_XML_END_NAME,
	LW_XML_END_TAG
};

/* One direction. */
struct lw_xml_side {
	uint64_t open;       /* a sum over the elements under way: 0 when each end had its start */
	uint64_t stream;     /* of it, the stream's own start */
	uint64_t name;       /* of the tag under way */
	uint64_t id;         /* of the stanza under way */
	struct lw_word word; /* an element's name, an attribute's, a value */
	uint16_t depth;      /* elements under way, the stream among them */
	uint8_t state;       /* enum lw_xml_state */
	uint8_t quote;       /* of the value under way */
	uint8_t element;     /* the element of the stream under way */
	uint8_t attribute;   /* the one under way, of those that count */
	uint8_t type;        /* the value of that attribute */
	bool identified;     /* it has an id */
	bool resource;       /* a slash was read in the value under way */
	bool foreign;        /* of an iq that came in: somebody else than the server sends it */
	bool started;        /* anything was sent since the stream had to start */
	bool closed;         /* the stream has ended */
};

struct lw_xmpp {
	struct lw_xml_side requests;
	struct lw_xml_side answers;
	uint64_t ids;    /* the sum of the ids of requests (iq) unanswered */
	uint64_t server; /* the name that the server's stream gives it */
	uint64_t from;   /* the sender of the stanza under way, */
	uint64_t to;     /* and whom it is for, without what stands behind a slash */
	uint32_t owed;   /* requests unanswered: iq */
	uint8_t due;     /* of the stream itself: features, the outcome of authentication */
};

/* For tracker.c. */
void lw_xmpp_requests(struct lw_tracker *t, struct lw_cursor *c);
void lw_xmpp_answers(struct lw_tracker *t, struct lw_cursor *c);
bool lw_xmpp_complete(const struct lw_tracker *t);
const char *lw_xmpp_why(const struct lw_tracker *t);

#endif
