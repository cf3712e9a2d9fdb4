/*
 * frame_rows: one row a length-prefixed protocol, and how its requests and answers pair.
 *
 * A `pair` function sees a whole frame by its first octets and says what that changes in what is
 * owed.  Where a protocol lets messages pass that answer nothing (notices,
 * notifications) they are named here; whatever cannot be told apart loses track.
 */
#include "closure/cursor.h"
#include "framing/frames.h"

#include <string.h>

#define MEBIBYTE (1u << 20)

/* Every request has one answer. */
static const char *pair_one_to_one(struct lw_frames *f, struct lw_frame_side *side)
{
	return side->request ? lw_frames_owe(f, 0) : lw_frames_settle(f, 0);
}

/* DNS over TLS, RFC 7858: two octets of length, then the message of RFC 1035. */
enum dns_walk { DNS_HEADER, DNS_LABEL, DNS_IN_LABEL, DNS_TYPE, DNS_TYPE_LOW, DNS_WALKED, DNS_BAD };

#define DNS_HEAD_BYTES 14u
#define DNS_IXFR       251u
#define DNS_AXFR       252u

/* Reads the one question of a query, as far as its type. */
static void walk_dns(struct lw_frames *f, uint8_t octet)
{
	switch ((enum dns_walk)f->walk) {
	case DNS_HEADER:
		f->walk = f->requests.head_bytes == DNS_HEAD_BYTES ? DNS_LABEL : DNS_HEADER;
		break;
	case DNS_LABEL:
		f->label = octet;
		f->walk = octet == 0 ? DNS_TYPE : octet < 64 ? DNS_IN_LABEL : DNS_BAD;
		break;
	case DNS_IN_LABEL:
		if (--f->label == 0)
			f->walk = DNS_LABEL;
		break;
	case DNS_TYPE:
		f->walked = (uint16_t)(octet << 8);
		f->walk = DNS_TYPE_LOW;
		break;
	case DNS_TYPE_LOW:
		f->walked |= octet;
		f->walk = DNS_WALKED;
		break;
	case DNS_WALKED:
	case DNS_BAD:
		break;
	}
}

/*
 * One answer with its number a query, in any order, but for what has none or many: transfers (any
 * number of answers) and stateful operations (RFC 8490), which lose track.
 */
static const char *pair_dns(struct lw_frames *f, struct lw_frame_side *side)
{
	unsigned opcode = side->head[4] >> 3 & 15u;
	bool one_question = side->head[6] == 0 && side->head[7] == 1;
	uint32_t id = (uint32_t)side->head[2] << 8 | side->head[3];

	if (side->head_bytes < DNS_HEAD_BYTES || ((side->head[4] & 0x80) != 0) == side->request)
		return "not a DNS message";
	if (opcode > 5)
		return "a DNS operation whose answers cannot be counted";
	if (!side->request)
		return lw_frames_settle(f, id);
	if (opcode == 0 && (!one_question || f->walk != DNS_WALKED))
		return "a DNS query without one plain question";
	if (opcode == 0 && (f->walked == DNS_IXFR || f->walked == DNS_AXFR))
		return "a zone transfer: its answers cannot be counted";
	return lw_frames_owe(f, id);
}

const struct lw_frame_row lw_frame_dns = {
	.shape = LW_FRAME_BIG,
	.width = 2,
	.max = UINT16_MAX,
	.pairing = LW_PAIRING_KNOWN,
	.pair = pair_dns,
	.walk = walk_dns,
};

/*
 * PostgreSQL protocol 3: a type octet, then a length that counts itself; what comes before and with
 * the start-up message has no type, and one octet without a length answers a request for
 * encryption. The server says ReadyForQuery once for the start-up, each Query, FunctionCall and
 * Sync. What is sent before a Sync is half a request, and so is a copy before its end.
 */
#define PG_UNSYNCED 1u /* in `open` */
#define PG_COPYING  2u
#define PG_SYNC     1u /* in `told`: the last that is owed was asked by Sync */

#define PG_CANCEL  80877102u
#define PG_TLS     80877103u
#define PG_GSSAPI  80877104u
#define PG_VERSION 3u

static const char no_postgresql[] = "not a PostgreSQL message";

/* Before and with the start-up message. */
static const char *start_postgresql(struct lw_frames *f, const struct lw_frame_side *side)
{
	struct lw_cursor c = lw_cursor_over(side->head, side->head_bytes), length;
	uint64_t code;

	if (!lw_take_window(&c, 4, &length) || !lw_take_uint(&c, 4, &code))
		return no_postgresql;
	f->bare = code == PG_TLS || code == PG_GSSAPI;
	f->started = !f->bare;
	if (!f->bare && code != PG_CANCEL && code >> 16 != PG_VERSION)
		return no_postgresql;
	return lw_frames_owe(f, 0); /* a cancellation has no answer, ever */
}

/*
 * A copy begins.  In the extended protocol the Sync that was sent with it is passed over, and
 * one more follows the copy.
 */
static const char *copy_postgresql(struct lw_frames *f)
{
	if (f->owed > 1)
		return "a copy among other requests";
	if (f->owed == 0 || !(f->told & PG_SYNC))
		return NULL;
	f->open |= PG_UNSYNCED;
	return lw_frames_settle(f, 0);
}

static const char *answer_postgresql(struct lw_frames *f, const struct lw_frame_side *side)
{
	static const char types[] = "RKSTDCENAI123nstHWVvdc";

	if (f->bare) {
		f->bare = false;
		return side->head[0] == 'N' ? lw_frames_settle(f, 0) : "encryption begins inside";
	}
	if (side->head[0] == 'Z') {
		f->open &= (uint8_t)~PG_COPYING; /* if it failed, nobody says so but this */
		return lw_frames_settle(f, 0);
	}
	if (side->head[0] == 'G' || side->head[0] == 'W')
		return copy_postgresql(f);
	return memchr(types, side->head[0], sizeof types - 1) != NULL ? NULL : no_postgresql;
}

static const char *pair_postgresql(struct lw_frames *f, struct lw_frame_side *side)
{
	if (!side->request)
		return answer_postgresql(f, side);
	if (!f->started)
		return start_postgresql(f, side);
	switch (side->head[0]) {
	case 'S':
		f->open &= (uint8_t)~PG_UNSYNCED;
		f->told |= PG_SYNC;
		return lw_frames_owe(f, 0);
	case 'Q':
	case 'F':
		f->told &= (uint8_t)~PG_SYNC;
		return lw_frames_owe(f, 0);
	case 'P':
	case 'B':
	case 'E':
	case 'D':
	case 'C':
	case 'H':
		f->open |= PG_UNSYNCED;
		return NULL;
	case 'd':
		f->open |= PG_COPYING;
		return NULL;
	case 'c':
	case 'f':
		f->open &= (uint8_t)~PG_COPYING;
		return NULL;
	case 'p':
	case 'X':
		return NULL;
	default:
		return no_postgresql;
	}
}

const struct lw_frame_row lw_frame_postgresql = {
	.shape = LW_FRAME_BIG,
	.offset = 1,
	.width = 4,
	.added = -4,
	.untyped_start = true,
	.max = INT32_MAX,
	.pairing = LW_PAIRING_KNOWN,
	.pair = pair_postgresql,
};

/*
 * LDAP, RFC 4511 section 4: a sequence of a message id and an operation.  Each request but unbind
 * and abandon has one last answer, with its id.
 */
static const char no_ldap[] = "not an LDAP message";

static const struct ldap_operation {
	uint8_t tag;
	enum { LDAP_REQUEST, LDAP_ANSWER, LDAP_ASIDE } is;
} ldap_operations[] = {
	{ 0x60, LDAP_REQUEST },                         /* bind */
	{ 0x61, LDAP_ANSWER },  { 0x42, LDAP_ASIDE },   /* unbind: no answer */
	{ 0x63, LDAP_REQUEST },                         /* search */
	{ 0x64, LDAP_ASIDE },                           /* entry */
	{ 0x73, LDAP_ASIDE },                           /* reference */
	{ 0x65, LDAP_ANSWER },                          /* search done */
	{ 0x66, LDAP_REQUEST },                         /* modify */
	{ 0x67, LDAP_ANSWER },  { 0x68, LDAP_REQUEST }, /* add */
	{ 0x69, LDAP_ANSWER },  { 0x4a, LDAP_REQUEST }, /* delete */
	{ 0x6b, LDAP_ANSWER },  { 0x6c, LDAP_REQUEST }, /* modify DN */
	{ 0x6d, LDAP_ANSWER },  { 0x6e, LDAP_REQUEST }, /* compare */
	{ 0x6f, LDAP_ANSWER },  { 0x77, LDAP_REQUEST }, /* extended */
	{ 0x78, LDAP_ANSWER },  { 0x79, LDAP_ASIDE },   /* intermediate */
};

#define LDAP_ABANDON 0x50u

/* A number of 1 to 4 octets behind its length. */
static bool take_ldap_number(struct lw_cursor *c, uint32_t *number)
{
	uint64_t value;
	uint8_t width;

	if (!lw_take_u8(c, &width) || width > 4 || !lw_take_uint(c, width, &value))
		return false;
	*number = (uint32_t)value;
	return true;
}

/* What a request abandons may be answered or not. */
static const char *abandon_ldap(struct lw_frames *f, const struct lw_frame_side *side,
                                struct lw_cursor c)
{
	uint32_t id;

	if (!side->request)
		return "an LDAP operation from the wrong side";
	return take_ldap_number(&c, &id) ? lw_frames_abandon(f, id) : no_ldap;
}

static const char *pair_ldap(struct lw_frames *f, struct lw_frame_side *side)
{
	size_t length_bytes = side->head[1] < 0x80 ? 1 : 1 + (side->head[1] & 0x7fu);
	struct lw_cursor c = lw_cursor_over(side->head, side->head_bytes), before;
	uint8_t integer, operation;
	uint32_t id;

	if (!lw_take_window(&c, 1 + length_bytes, &before) || !lw_take_u8(&c, &integer) ||
	    integer != 0x02 || !take_ldap_number(&c, &id) || !lw_take_u8(&c, &operation))
		return no_ldap;
	if (id == 0) /* a notice */
		return side->request ? no_ldap : NULL;
	if (operation == LDAP_ABANDON)
		return abandon_ldap(f, side, c);
	for (size_t i = 0; i < sizeof ldap_operations / sizeof *ldap_operations; i++) {
		if (ldap_operations[i].tag != operation)
			continue;
		if (ldap_operations[i].is == LDAP_ASIDE)
			return NULL;
		if ((ldap_operations[i].is == LDAP_REQUEST) != side->request)
			return "an LDAP operation from the wrong side";
		return side->request ? lw_frames_owe(f, id) : lw_frames_settle(f, id);
	}
	return "an LDAP operation whose answers cannot be counted";
}

const struct lw_frame_row lw_frame_ldap = {
	.shape = LW_FRAME_BER,
	.abandons = true,
	.offset = 1,
	.first = 0x30,
	.max = UINT32_MAX,
	.pairing = LW_PAIRING_KNOWN,
	.pair = pair_ldap,
};

/*
 * MQTT 3.1.1 and 5: one control packet answers another, and has its type for a key.  What the
 * server publishes asks the client, not the server.
 */
enum mqtt_type {
	MQTT_CONNECT = 1,
	MQTT_CONNACK,
	MQTT_PUBLISH,
	MQTT_PUBACK,
	MQTT_PUBREC,
	MQTT_PUBREL,
	MQTT_PUBCOMP,
	MQTT_SUBSCRIBE,
	MQTT_SUBACK,
	MQTT_UNSUBSCRIBE,
	MQTT_UNSUBACK,
	MQTT_PINGREQ,
	MQTT_PINGRESP,
	MQTT_DISCONNECT,
	MQTT_AUTH,
};

/* A bit for each type that one side may not send. */
#define MQTT_NOT_FROM_CLIENT (1u << 0 | 1u << 2 | 1u << 9 | 1u << 11 | 1u << 13)
#define MQTT_NOT_FROM_SERVER (1u << 0 | 1u << 1 | 1u << 8 | 1u << 10 | 1u << 12)
#define MQTT_AUTH_AGAIN      0x19u

/* The reason of AUTH, which may be left out: behind a length of one to four octets. */
static uint8_t mqtt_reason(const struct lw_frame_side *side)
{
	struct lw_cursor c = lw_cursor_over(side->head, side->head_bytes);
	uint8_t octet, reason;

	(void)lw_take_u8(&c, &octet); /* the type */
	for (octet = 0x80; octet >= 0x80;)
		if (!lw_take_u8(&c, &octet))
			return 0;
	return lw_take_u8(&c, &reason) ? reason : 0;
}

static const char *ask_mqtt(struct lw_frames *f, const struct lw_frame_side *side)
{
	static const char bad_quality[] = "an MQTT packet of a quality that cannot be";

	switch (side->head[0] >> 4) {
	case MQTT_CONNECT:
	case MQTT_PUBREL:
	case MQTT_SUBSCRIBE:
	case MQTT_UNSUBSCRIBE:
	case MQTT_PINGREQ:
		return lw_frames_owe(f, (side->head[0] >> 4) + 1u);
	case MQTT_PUBLISH:
		switch (side->head[0] >> 1 & 3) {
		case 0:
			return NULL;
		case 1:
			return lw_frames_owe(f, MQTT_PUBACK);
		case 2:
			return lw_frames_owe(f, MQTT_PUBREC);
		default:
			return bad_quality;
		}
	case MQTT_AUTH:
		return mqtt_reason(side) == MQTT_AUTH_AGAIN ? lw_frames_owe(f, MQTT_AUTH) : NULL;
	default:
		return NULL;
	}
}

static const char *pair_mqtt(struct lw_frames *f, struct lw_frame_side *side)
{
	uint32_t type = side->head[0] >> 4;

	if (((side->request ? MQTT_NOT_FROM_CLIENT : MQTT_NOT_FROM_SERVER) >> type & 1) != 0)
		return "not an MQTT packet";
	if (side->request)
		return ask_mqtt(f, side);
	switch (type) {
	case MQTT_CONNACK:
	case MQTT_PUBACK:
	case MQTT_PUBREC:
	case MQTT_PUBCOMP:
	case MQTT_SUBACK:
	case MQTT_UNSUBACK:
	case MQTT_PINGRESP:
		return lw_frames_settle(f, type);
	case MQTT_AUTH:
		return mqtt_reason(side) == 0 ? lw_frames_settle(f, type) : NULL;
	default:
		return NULL;
	}
}

const struct lw_frame_row lw_frame_mqtt = {
	.shape = LW_FRAME_VARINT,
	.offset = 1,
	.max = (1u << 28) - 1,
	.pairing = LW_PAIRING_KNOWN,
	.pair = pair_mqtt,
};

/* Syslog, RFC 5425 section 4.3: octet count, space, message; never an answer, so a lost tail is not
 * noticed. */
const struct lw_frame_row lw_frame_syslog = {
	.shape = LW_FRAME_DECIMAL,
	.max = 16 * MEBIBYTE,
	.pairing = LW_PAIRING_ONE_WAY,
};

/*
 * RADIUS, RFC 6613: code, identifier, a length that counts all; one answer a request, with its
 * identifier.  A server asks as well, over the same connection (RFC 5176, RFC 6614).
 */
static const uint8_t radius_asks[] = { 1, 4, 12, 40, 43 };
static const uint8_t radius_answers[] = { 2, 3, 5, 11, 41, 42, 44, 45, 52 };

static const char *pair_radius(struct lw_frames *f, struct lw_frame_side *side)
{
	if (memchr(radius_asks, side->head[0], sizeof radius_asks) != NULL)
		return side->request ? lw_frames_owe(f, side->head[1]) : NULL;
	if (memchr(radius_answers, side->head[0], sizeof radius_answers) != NULL)
		return side->request ? NULL : lw_frames_settle(f, side->head[1]);
	return "a RADIUS packet whose answers cannot be counted";
}

const struct lw_frame_row lw_frame_radius = {
	.shape = LW_FRAME_BIG,
	.offset = 2,
	.width = 2,
	.added = -4,
	.max = UINT16_MAX,
	.pairing = LW_PAIRING_KNOWN,
	.pair = pair_radius,
};

/* Diameter, RFC 6733 section 3: version 1, a length that counts all, flags.  Both sides may ask. */
static const char *pair_diameter(struct lw_frames *f, struct lw_frame_side *side)
{
	bool asks = side->head_bytes > 4 && (side->head[4] & 0x80) != 0;

	if (asks)
		return side->request ? lw_frames_owe(f, 0) : NULL;
	return side->request ? NULL : lw_frames_settle(f, 0);
}

const struct lw_frame_row lw_frame_diameter = {
	.shape = LW_FRAME_BIG,
	.offset = 1,
	.width = 3,
	.added = -4,
	.first = 1,
	.max = 0xffffff,
	.pairing = LW_PAIRING_KNOWN,
	.pair = pair_diameter,
};

/* EPP, RFC 5734 section 4: a length that counts itself; the server greets, then one answer a
 * command. */
const struct lw_frame_row lw_frame_epp = {
	.shape = LW_FRAME_BIG,
	.width = 4,
	.added = -4,
	.greets = true,
	.max = UINT32_MAX,
	.pairing = LW_PAIRING_KNOWN,
	.pair = pair_one_to_one,
};

/* Kerberos over TCP, RFC 4120 section 7.2.2: a length without its highest bit. */
const struct lw_frame_row lw_frame_kerberos = {
	.shape = LW_FRAME_BIG,
	.width = 4,
	.max = INT32_MAX,
	.pairing = LW_PAIRING_KNOWN,
	.pair = pair_one_to_one,
};

/*
 * NTS-KE, RFC 8915 section 4: records of a type and a length; End of Message, type 0, critical and
 * empty, is a side's last.  The response follows the whole request.
 */
static const char *pair_nts_ke(struct lw_frames *f, struct lw_frame_side *side)
{
	static const uint8_t end[] = { 0x80, 0, 0, 0 };

	if (!side->request && !f->requests.ended)
		return "an answer to no request";
	side->ended = memcmp(side->head, end, sizeof end) == 0;
	if (!side->ended && (side->head[0] & 0x7f) == 0 && side->head[1] == 0)
		return "not an NTS-KE message";
	return NULL;
}

const struct lw_frame_row lw_frame_nts_ke = {
	.shape = LW_FRAME_BIG,
	.offset = 2,
	.width = 2,
	.max = UINT16_MAX,
	.pairing = LW_PAIRING_ENDS,
	.pair = pair_nts_ke,
};

/* SNMP over TLS, RFC 6353: BER sequences; whether one wants an answer stands deep inside. */
const struct lw_frame_row lw_frame_snmp = {
	.shape = LW_FRAME_BER,
	.offset = 1,
	.first = 0x30,
	.max = UINT32_MAX,
	.pairing = LW_PAIRING_UNKNOWN,
};

/* COPS, RFC 2748 section 2.1: the length stands fifth and counts all; both sides may ask. */
const struct lw_frame_row lw_frame_cops = {
	.shape = LW_FRAME_BIG,
	.offset = 4,
	.width = 4,
	.added = -8,
	.max = UINT32_MAX,
	.pairing = LW_PAIRING_UNKNOWN,
};

/*
 * WebSocket frames, RFC 6455 section 5: a message goes on until a frame with FIN, control frames
 * may stand in between; after a Close frame its sender says nothing more (section 7.1.1).
 */
enum websocket_opcode {
	WEBSOCKET_GOES_ON,
	WEBSOCKET_BINARY = 2,
	WEBSOCKET_CLOSE = 8,
	WEBSOCKET_PONG = 10
};

static const char *pair_websocket(struct lw_frames *f, struct lw_frame_side *side)
{
	static const char no_frame[] = "not a WebSocket frame";
	unsigned opcode = side->head[0] & 0x0fu, length = side->head[1] & 0x7fu;
	bool is_last = (side->head[0] & 0x80) != 0, masked = (side->head[1] & 0x80) != 0;

	(void)f;
	if (masked != side->request || opcode > WEBSOCKET_PONG)
		return no_frame;
	if (opcode >= WEBSOCKET_CLOSE) {
		side->ended = opcode == WEBSOCKET_CLOSE;
		return is_last && length < 126 ? NULL : no_frame;
	}
	if (opcode > WEBSOCKET_BINARY || (opcode == WEBSOCKET_GOES_ON) != side->continued)
		return no_frame;
	side->continued = !is_last;
	return NULL;
}

const struct lw_frame_row lw_frame_websocket = {
	.shape = LW_FRAME_WEBSOCKET,
	.offset = 1,
	.max = INT64_MAX,
	.pairing = LW_PAIRING_ENDS,
	.pair = pair_websocket,
};
