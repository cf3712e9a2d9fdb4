/*
 * frame_rows: one row a length-prefixed protocol, and how its requests and answers pair.
 *
 * A `pair` function sees a whole frame by its first octets and says what that changes in what is
 * owed.  Where a protocol lets messages pass that answer nothing (notices,
 * notifications) they are named here; whatever cannot be told apart loses track.
 */
#include "framing/frames.h"

#include <string.h>

#define MEBIBYTE (1u << 20)

static const char no_request[] = "an answer to no request";

static const char *owe(struct lw_frames *f)
{
	if (f->owed == UINT32_MAX)
		return "too many requests unanswered";
	f->owed++;
	return NULL;
}

static const char *settle(struct lw_frames *f)
{
	if (f->owed == 0)
		return no_request;
	f->owed--;
	return NULL;
}

/* Every request has one answer. */
static const char *pair_one_to_one(struct lw_frames *f, struct lw_frame_side *side)
{
	return side->request ? owe(f) : settle(f);
}

/* DNS over TLS, RFC 7858: two octets of length, then the message of RFC 1035. */
enum dns_walk { DNS_HEADER, DNS_LABEL, DNS_IN_LABEL, DNS_TYPE, DNS_TYPE_LOW, DNS_WALKED, DNS_BAD };

#define DNS_HEAD_BYTES 14u
#define DNS_IXFR       251u
#define DNS_AXFR       252u

/* Reads the one question of a query, as far as its type. */
static void walk_dns(struct lw_frame_side *side, uint8_t octet)
{
	switch ((enum dns_walk)side->walk) {
	case DNS_HEADER:
		side->walk = side->head_bytes == DNS_HEAD_BYTES ? DNS_LABEL : DNS_HEADER;
		break;
	case DNS_LABEL:
		side->label = octet;
		side->walk = octet == 0 ? DNS_TYPE : octet < 64 ? DNS_IN_LABEL : DNS_BAD;
		break;
	case DNS_IN_LABEL:
		if (--side->label == 0)
			side->walk = DNS_LABEL;
		break;
	case DNS_TYPE:
		side->walked = (uint16_t)(octet << 8);
		side->walk = DNS_TYPE_LOW;
		break;
	case DNS_TYPE_LOW:
		side->walked |= octet;
		side->walk = DNS_WALKED;
		break;
	case DNS_WALKED:
	case DNS_BAD:
		break;
	}
}

/*
 * One answer a query, but for what has none or many: transfers (any number of
 * answers) and stateful operations (RFC 8490), which lose track.
 */
static const char *pair_dns(struct lw_frames *f, struct lw_frame_side *side)
{
	unsigned opcode = side->head[4] >> 3 & 15u;
	bool one_question = side->head[6] == 0 && side->head[7] == 1;

	if (side->head_bytes < DNS_HEAD_BYTES || ((side->head[4] & 0x80) != 0) == side->request)
		return "not a DNS message";
	if (opcode > 5)
		return "a DNS operation whose answers cannot be counted";
	if (!side->request)
		return settle(f);
	if (opcode == 0 && (!one_question || side->walk != DNS_WALKED))
		return "a DNS query without one plain question";
	if (opcode == 0 && (side->walked == DNS_IXFR || side->walked == DNS_AXFR))
		return "a zone transfer: its answers cannot be counted";
	return owe(f);
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
 * PostgreSQL protocol 3: a type octet, then a length that counts itself; the start-up message has
 * no type. The server says ReadyForQuery once for the start-up, each Query, FunctionCall and Sync.
 * What is sent before a Sync is half a request, and so is a copy before its end.
 */
#define PG_UNSYNCED 1u
#define PG_COPYING  2u

static const char *pair_postgresql(struct lw_frames *f, struct lw_frame_side *side)
{
	if (!side->request)
		return side->head[0] == 'Z' ? settle(f) : NULL;
	if (!side->seen)
		return owe(f);
	switch (side->head[0]) {
	case 'S':
		f->open &= (uint8_t)~PG_UNSYNCED;
		return owe(f);
	case 'Q':
	case 'F':
		return owe(f);
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
		return "not a PostgreSQL message";
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

/* LDAP, RFC 4511 section 4: a sequence of a message id and an operation. */
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
	/* 0x50 abandon is missing: what it abandons may be answered or not */
};

/* Octets before the operation: tag, length (1 to 5), integer tag, its length, the message id. */
static const char *pair_ldap(struct lw_frames *f, struct lw_frame_side *side)
{
	size_t length_bytes = side->head[1] < 0x80 ? 1 : 1 + (side->head[1] & 0x7fu);
	size_t id = 1 + length_bytes, operation;
	bool unsolicited;

	if (id + 3 >= side->head_bytes || side->head[id] != 0x02 || side->head[id + 1] < 1 ||
	    side->head[id + 1] > 4)
		return "not an LDAP message";
	operation = id + 2 + side->head[id + 1];
	if (operation >= side->head_bytes)
		return "not an LDAP message";
	unsolicited = side->head[id + 1] == 1 && side->head[id + 2] == 0;
	if (!side->request && unsolicited)
		return NULL;
	for (size_t i = 0; i < sizeof ldap_operations / sizeof *ldap_operations; i++) {
		if (ldap_operations[i].tag != side->head[operation])
			continue;
		if (ldap_operations[i].is == LDAP_ASIDE)
			return NULL;
		if ((ldap_operations[i].is == LDAP_REQUEST) != side->request)
			return "an LDAP operation from the wrong side";
		return side->request ? owe(f) : settle(f);
	}
	return "an LDAP operation whose answers cannot be counted";
}

const struct lw_frame_row lw_frame_ldap = {
	.shape = LW_FRAME_BER,
	.offset = 1,
	.first = 0x30,
	.max = UINT32_MAX,
	.pairing = LW_PAIRING_KNOWN,
	.pair = pair_ldap,
};

/* MQTT 3.1.1 and 5: one control packet answers another; a bit for each type that is one or the
 * other. */
#define MQTT_ASKS (1u << 1 | 1u << 6 | 1u << 8 | 1u << 10 | 1u << 12 | 1u << 15)
#define MQTT_ANSWERS                                                                               \
	(1u << 2 | 1u << 4 | 1u << 5 | 1u << 7 | 1u << 9 | 1u << 11 | 1u << 13 | 1u << 15)
#define MQTT_PUBLISH 3u

static const char *pair_mqtt(struct lw_frames *f, struct lw_frame_side *side)
{
	unsigned type = side->head[0] >> 4;
	bool delivery_assured = type == MQTT_PUBLISH && (side->head[0] & 6) != 0;

	if (type == 0)
		return "not an MQTT packet";
	if (side->request)
		return delivery_assured || (MQTT_ASKS >> type & 1) != 0 ? owe(f) : NULL;
	return (MQTT_ANSWERS >> type & 1) != 0 ? settle(f) : NULL;
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

/* RADIUS, RFC 6613: code, identifier, a length that counts all; one answer a request. */
const struct lw_frame_row lw_frame_radius = {
	.shape = LW_FRAME_BIG,
	.offset = 2,
	.width = 2,
	.added = -4,
	.max = UINT16_MAX,
	.pairing = LW_PAIRING_KNOWN,
	.pair = pair_one_to_one,
};

/* Diameter, RFC 6733 section 3: version 1, a length that counts all, flags.  Both sides may ask. */
static const char *pair_diameter(struct lw_frames *f, struct lw_frame_side *side)
{
	bool asks = side->head_bytes > 4 && (side->head[4] & 0x80) != 0;

	if (asks)
		return side->request ? owe(f) : NULL;
	return side->request ? NULL : settle(f);
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

/* NTS-KE, RFC 8915 section 4: records of a type and a length; End of Message, type 0, is a side's
 * last. */
static const char *pair_nts_ke(struct lw_frames *f, struct lw_frame_side *side)
{
	(void)f;
	side->ended = (side->head[0] & 0x7f) == 0 && side->head[1] == 0;
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

/* MySQL: three octets, the lowest first, and a sequence number; a packet of the highest length goes
 * on. */
static const char *pair_mysql(struct lw_frames *f, struct lw_frame_side *side)
{
	static const uint8_t longest[] = { 0xff, 0xff, 0xff };

	(void)f;
	side->continued = memcmp(side->head, longest, sizeof longest) == 0;
	return NULL;
}

const struct lw_frame_row lw_frame_mysql = {
	.shape = LW_FRAME_LITTLE,
	.width = 3,
	.added = 1,
	.max = 0xffffff,
	.pairing = LW_PAIRING_UNKNOWN,
	.pair = pair_mysql,
};

/* WebSocket frames, RFC 6455 section 7.1.1: after a Close frame its sender says nothing more. */
static const char *pair_websocket(struct lw_frames *f, struct lw_frame_side *side)
{
	(void)f;
	side->ended = (side->head[0] & 0x0f) == 8;
	return NULL;
}

const struct lw_frame_row lw_frame_websocket = {
	.shape = LW_FRAME_WEBSOCKET,
	.offset = 1,
	.max = INT64_MAX,
	.pairing = LW_PAIRING_ENDS,
	.pair = pair_websocket,
};
