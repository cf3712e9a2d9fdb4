/*
 * cutter: see cutter.h.  One step is at most the rest of a header or of a body;
 * before each step decide() says what is to become of the bytes at hand.  It
 * looks only at what has passed and at the first octets of the record that
 * begins, never at how many bytes the caller happened to bring: that is what
 * makes the cut independent of chunking.
 */
#include "pipe/cutter.h"

#include "closure/cursor.h"

#include <string.h>

enum { TLS_MAJOR = 3, CLIENT_HELLO = 1 };

/* What arrived and has not passed. */
struct offer {
	struct cutter *c;
	enum cutter_direction direction;
	struct cutter_side *side;
	const uint8_t *bytes;
	size_t len;
	bool is_last;
};

enum ruling { PASS, WAIT, CUT };

struct decision {
	enum ruling ruling;
	size_t step; /* bytes to pass, of PASS */
};

void cutter_begin(struct cutter *c, const struct cutter_plan *plan)
{
	memset(c, 0, sizeof *c);
	c->plan = *plan;
}

enum lw_version cutter_version(const struct cutter *c)
{
	return c->hello.version;
}

/* In 1.3 the type of a protected record is inside it; outside they all look like data. */
static bool hides_types(const struct cutter *c)
{
	return c->hello.version == LW_VERSION_TLS1_3;
}

static bool knows_version(const struct cutter *c)
{
	return c->hello.version != LW_VERSION_UNKNOWN;
}

static bool is_target(const struct offer *o)
{
	const struct cutter_plan *plan = &o->c->plan;

	return plan->cuts[o->direction] && knows_version(o->c) &&
	       (plan->version == LW_VERSION_UNKNOWN || plan->version == o->c->hello.version);
}

/* Whether the record that begins now with `type` counts. */
static bool will_count(const struct offer *o, uint8_t type)
{
	if (type != LW_RECORD_APPLICATION_DATA || !knows_version(o->c)) /* or early data */
		return false;
	if (!hides_types(o->c))
		return true;
	if (o->direction == CUTTER_TO_SERVER)
		return o->side->protected_over;
	return o->c->side[CUTTER_TO_SERVER].protected_begun;
}

/* Whether the record that begins now may be an alert under keys. */
static bool may_be_alert(const struct offer *o, uint8_t type)
{
	if (hides_types(o->c))
		return will_count(o, type);
	return type == LW_RECORD_ALERT && o->side->protected_over;
}

static bool at_boundary(const struct offer *o)
{
	return lw_boundary_place(&o->side->at) == LW_PLACE_BOUNDARY;
}

/* Type and length of the record that begins now; false until its header is there. */
static bool peek_record(const struct offer *o, uint8_t *type, size_t *record_len)
{
	struct lw_cursor c = lw_cursor_over(o->bytes, o->len);
	uint16_t version, body;

	if (!lw_take_u8(&c, type) || !lw_take_u16(&c, &version) || !lw_take_u16(&c, &body))
		return false;
	*record_len = LW_RECORD_HEADER + (size_t)body;
	return true;
}

/* Whether as much as the plan asks for has passed; in front of the first that counts if that is 0.
 */
static bool is_due(const struct offer *o)
{
	const struct cutter_side *side = o->side;
	uint64_t counted =
	    o->c->plan.unit == CUTTER_RECORDS ? side->counted_records : side->counted_bytes;

	if (counted < o->c->plan.after)
		return false;
	if (counted > 0 || o->c->plan.how == CUTTER_DROP_ALERT)
		return true;
	return at_boundary(o) && o->len > 0 && will_count(o, o->bytes[0]);
}

static struct decision pass_on(const struct offer *o)
{
	size_t need = lw_boundary_need(&o->side->at);

	if (o->len == 0)
		return (struct decision){ WAIT, 0 };
	return (struct decision){ PASS, o->len < need ? o->len : need };
}

/* CUTTER_INSIDE: half of the next record, at least two octets of its header. */
static struct decision decide_inside(const struct offer *o)
{
	struct cutter_side *side = o->side;
	uint8_t type;
	size_t record_len;

	if (!side->inside && !at_boundary(o)) /* so many bytes: inside already */
		return (struct decision){ CUT, 0 };
	if (side->inside && side->inside_left == 0)
		return (struct decision){ CUT, 0 };
	if (o->len == 0)
		return (struct decision){ WAIT, 0 };
	if (!side->inside) {
		if (!peek_record(o, &type, &record_len))
			return o->is_last ? pass_on(o) : (struct decision){ WAIT, 0 };
		side->inside = true;
		side->inside_left = (uint32_t)(record_len / 2);
	}
	return (struct decision){ PASS, o->len < side->inside_left ? o->len : side->inside_left };
}

/* CUTTER_DROP_ALERT: what may be an alert waits until something follows, or the end. */
static struct decision decide_alert(const struct offer *o)
{
	uint8_t type;
	size_t record_len;

	if (!at_boundary(o) || o->len == 0 || !may_be_alert(o, o->bytes[0]))
		return pass_on(o);
	if (!peek_record(o, &type, &record_len))
		return o->is_last ? pass_on(o) : (struct decision){ WAIT, 0 };
	if (record_len > LW_RECORD_HEADER + (hides_types(o->c) ? CUTTER_ALERT_BODY : UINT8_MAX))
		return pass_on(o);
	if (o->len > record_len)
		return (struct decision){ PASS, record_len };
	if (!o->is_last)
		return (struct decision){ WAIT, 0 };
	return o->len == record_len ? (struct decision){ CUT, 0 } : pass_on(o);
}

/* In bytes the cut may fall inside a step: the record at hand is let pass only so far. */
static struct decision pass_up_to_limit(const struct offer *o)
{
	struct decision d = pass_on(o);
	uint64_t left = o->c->plan.after - o->side->counted_bytes;
	bool counts;

	if (d.ruling != PASS || o->c->plan.unit != CUTTER_BYTES)
		return d;
	counts = at_boundary(o) ? will_count(o, o->bytes[0]) : o->side->counts;
	if (counts && d.step > left)
		d.step = (size_t)left;
	return d;
}

static struct decision decide(const struct offer *o)
{
	if (!is_target(o))
		return pass_on(o);
	if (o->side->inside)
		return decide_inside(o);
	if (!is_due(o))
		return pass_up_to_limit(o);
	switch (o->c->plan.how) {
	case CUTTER_INSIDE:
		return decide_inside(o);
	case CUTTER_DROP_ALERT:
		return decide_alert(o);
	case CUTTER_FIN:
	case CUTTER_RST:
	case CUTTER_STALL:
		break;
	}
	return (struct decision){ CUT, 0 };
}

/* A record begins: what it means for counting is decided by its first octet. */
static void begin_record(const struct offer *o)
{
	struct cutter_side *side = o->side;
	uint8_t type = o->bytes[0];

	side->counts = will_count(o, type);
	if (knows_version(o->c) &&
	    type == (hides_types(o->c) ? LW_RECORD_APPLICATION_DATA : LW_RECORD_CHANGE_CIPHER_SPEC))
		side->protected_begun = true;
}

static void end_record(struct cutter_side *side)
{
	if (side->counts)
		side->counted_records++;
	side->protected_over = side->protected_begun;
}

/* Lets `step` bytes pass, at most the rest of what is under way (or one whole record). */
static void pass_step(struct offer *o, size_t step)
{
	struct cutter_side *side = o->side;
	uint64_t records = side->at.records;
	bool in_body = side->at.header_bytes == LW_RECORD_HEADER;

	if (at_boundary(o))
		begin_record(o);
	if (o->direction == CUTTER_TO_CLIENT && in_body &&
	    lw_boundary_type(&side->at) == LW_RECORD_HANDSHAKE)
		hello_pass(&o->c->hello, o->bytes, step);
	lw_boundary_pass(&side->at, o->bytes, step);
	side->bytes += step;
	if (side->counts)
		side->counted_bytes += step;
	if (side->inside)
		side->inside_left -= (uint32_t)step;
	if (side->at.records > records)
		end_record(side);
	o->bytes += step;
	o->len -= step;
}

enum match { NO_HELLO, PART_OF_HELLO, HELLO };

/* Whether a record with a ClientHello begins here.  No protocol says that in the clear. */
static enum match match_hello(const uint8_t *bytes, size_t len)
{
	struct lw_cursor c = lw_cursor_over(bytes, len);
	uint8_t type, major, minor, message;
	uint16_t body;

	if (lw_take_u8(&c, &type) && type != LW_RECORD_HANDSHAKE)
		return NO_HELLO;
	if (lw_take_u8(&c, &major) && major != TLS_MAJOR)
		return NO_HELLO;
	if (!lw_take_u8(&c, &minor) || !lw_take_u16(&c, &body) || !lw_take_u8(&c, &message))
		return PART_OF_HELLO;
	return message == CLIENT_HELLO ? HELLO : NO_HELLO;
}

/* Before TLS all passes, up to where it begins, or may begin. */
static void pass_clear(struct offer *o)
{
	enum match found = NO_HELLO;
	size_t clear = 0;

	if (o->direction == CUTTER_TO_CLIENT)
		clear = o->len;
	for (; clear < o->len; clear++) {
		found = match_hello(o->bytes + clear, o->len - clear);
		if (found == HELLO || (found == PART_OF_HELLO && !o->is_last))
			break;
	}
	o->c->tls = found == HELLO;
	o->side->bytes += clear;
	o->bytes += clear;
	o->len -= clear;
}

struct cutter_answer cutter_offer(struct cutter *c, enum cutter_direction direction,
                                  const void *bytes, size_t len, bool is_last)
{
	struct offer o = { c, direction, &c->side[direction], bytes, len, is_last };

	if (!c->tls)
		pass_clear(&o);
	while (c->tls && !o.side->ended) {
		struct decision d = decide(&o);

		if (d.ruling == WAIT)
			break;
		if (d.ruling == CUT)
			o.side->ended = true;
		else
			pass_step(&o, d.step);
	}
	return (struct cutter_answer){ len - o.len, o.side->ended };
}
