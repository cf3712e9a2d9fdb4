/* takeover: the epochs of a connection, as an onlooker with the key log sees them.  Invariant: each
 * side's half holds the keys under which that side's next record comes; a change is `due` until the
 * key log holds its secret, and nothing of that side is opened or sealed in between.
 */
#include "record/takeover.h"

#include <stdlib.h>
#include <string.h>

#include "closure/cursor.h"

enum { HELLO_MAX = 4096, MESSAGE_HEADER = 4, SIDES = 2 };

enum message {
	MESSAGE_CLIENT_HELLO = 1,
	MESSAGE_SERVER_HELLO = 2,
	MESSAGE_FINISHED = 20,
	MESSAGE_KEY_UPDATE = 24
};

enum extension { EXTENSION_ENCRYPT_THEN_MAC = 22, EXTENSION_SUPPORTED_VERSIONS = 43 };

/* Keys that a side is to take before its next record. */
enum due { DUE_NONE, DUE_MASTER, DUE_HANDSHAKE, DUE_TRAFFIC };

/* The handshake messages of one side, which records may split and join as they like. */
struct messages {
	uint8_t kept[MESSAGE_HEADER + HELLO_MAX]; /* the message under way, cut at the cap */
	size_t kept_bytes;
	size_t left; /* of its body */
};

struct side {
	struct record_half half;
	struct messages messages;
	enum due due;
};

struct takeover {
	const struct keylog *keylog;
	enum lw_version version;
	const struct suite *suite;
	bool encrypt_then_mac;
	bool unknown_suite;
	uint8_t client_random[KEYLOG_RANDOM_BYTES];
	uint8_t server_random[KEYLOG_RANDOM_BYTES];
	struct side sides[SIDES];
	uint8_t buffer[RECORD_BODY_MAX];
};

struct takeover *takeover_new(const struct keylog *keylog, enum lw_version spoken)
{
	struct takeover *t = calloc(1, sizeof *t);
	if (t == NULL)
		return NULL;
	t->keylog = keylog;
	for (unsigned i = 0; i < SIDES; i++)
		t->sides[i].half.version = spoken;
	return t;
}

/* ---- hellos ---- */

/* A HelloRetryRequest is a ServerHello with this random (RFC 8446 section 4.1.3). */
static const uint8_t retry_random[KEYLOG_RANDOM_BYTES] = {
	0xCF, 0x21, 0xAD, 0x74, 0xE5, 0x9A, 0x61, 0x11, 0xBE, 0x1D, 0x8C,
	0x02, 0x1E, 0x65, 0xB8, 0x91, 0xC2, 0xA2, 0x11, 0x16, 0x7A, 0xBB,
	0x8C, 0x5E, 0x07, 0x9E, 0x09, 0xE2, 0xC8, 0xA8, 0x33, 0x9C,
};

static enum lw_version version_of(uint64_t wire)
{
	return wire >= 0x0301 && wire <= 0x0304
	           ? (enum lw_version)(LW_VERSION_TLS1_0 + (wire - 0x0301))
	           : LW_VERSION_UNKNOWN;
}

static bool take_random(struct lw_cursor *c, uint16_t *version, uint8_t *random)
{
	struct lw_cursor window;
	if (!lw_take_u16(c, version) || !lw_take_window(c, KEYLOG_RANDOM_BYTES, &window))
		return false;
	memcpy(random, window.at, KEYLOG_RANDOM_BYTES);
	return true;
}

static void read_server_extensions(struct takeover *t, struct lw_cursor c)
{
	uint16_t id, len, version;
	struct lw_cursor value;
	while (lw_take_u16(&c, &id) && lw_take_u16(&c, &len) && lw_take_window(&c, len, &value)) {
		if (id == EXTENSION_ENCRYPT_THEN_MAC)
			t->encrypt_then_mac = true;
		if (id == EXTENSION_SUPPORTED_VERSIONS && lw_take_u16(&value, &version))
			t->version = version_of(version);
	}
}

static bool read_server_hello(struct takeover *t, struct lw_cursor c)
{
	uint16_t version, id, extensions_len;
	uint8_t random[KEYLOG_RANDOM_BYTES], session_len, compression;
	struct lw_cursor skipped, extensions = { NULL, 0 };

	if (!take_random(&c, &version, random) || !lw_take_u8(&c, &session_len) ||
	    !lw_take_window(&c, session_len, &skipped) || !lw_take_u16(&c, &id) ||
	    !lw_take_u8(&c, &compression))
		return false;
	if (memcmp(random, retry_random, sizeof random) == 0)
		return true;
	t->version = version_of(version);
	if (lw_take_u16(&c, &extensions_len))
		(void)lw_take_window(&c, extensions_len, &extensions);
	read_server_extensions(t, extensions);
	memcpy(t->server_random, random, sizeof random);
	t->suite = suite_find(id);
	t->unknown_suite = t->suite == NULL || t->version == LW_VERSION_UNKNOWN;
	for (unsigned i = 0; i < SIDES; i++) {
		t->sides[i].half.version = t->version;
		if (t->version == LW_VERSION_TLS1_3)
			t->sides[i].due = DUE_HANDSHAKE;
	}
	return true;
}

/* ---- messages ---- */

static bool act_on_message(struct takeover *t, enum takeover_side side, const struct messages *m)
{
	struct lw_cursor c = lw_cursor_over(m->kept, m->kept_bytes), header;
	uint16_t version;

	if (!lw_take_window(&c, MESSAGE_HEADER, &header))
		return false;
	bool is_13 = t->version == LW_VERSION_TLS1_3;
	switch (header.at[0]) {
	case MESSAGE_CLIENT_HELLO:
		return side == TAKEOVER_CLIENT && take_random(&c, &version, t->client_random);
	case MESSAGE_SERVER_HELLO:
		return side == TAKEOVER_SERVER && read_server_hello(t, c);
	case MESSAGE_FINISHED:
		if (is_13)
			t->sides[side].due = DUE_TRAFFIC;
		return true;
	case MESSAGE_KEY_UPDATE:
		return !is_13 || record_update(&t->sides[side].half);
	default:
		return true;
	}
}

/* Keeps what belongs to the message under way, at most its whole self. */
static void keep(struct messages *m, struct lw_cursor *c, size_t want)
{
	struct lw_cursor window;
	size_t take = c->left < want ? c->left : want;
	size_t room = sizeof m->kept - m->kept_bytes;
	if (!lw_take_window(c, take, &window))
		return;
	memcpy(m->kept + m->kept_bytes, window.at, take < room ? take : room);
	m->kept_bytes += take < room ? take : room;
	if (m->left > 0)
		m->left -= take;
}

static bool follow_messages(struct takeover *t, enum takeover_side side, struct lw_cursor c)
{
	struct messages *m = &t->sides[side].messages;
	while (c.left > 0) {
		if (m->kept_bytes < MESSAGE_HEADER) {
			keep(m, &c, MESSAGE_HEADER - m->kept_bytes);
			if (m->kept_bytes < MESSAGE_HEADER)
				return true;
			m->left = (size_t)m->kept[1] << 16 | (size_t)m->kept[2] << 8 | m->kept[3];
		} else {
			keep(m, &c, m->left);
		}
		if (m->left > 0)
			continue;
		bool good = act_on_message(t, side, m);
		m->kept_bytes = 0;
		if (!good)
			return false;
	}
	return true;
}

/* ---- keys ---- */

static bool derive_traffic(struct takeover *t, enum takeover_side side, bool handshake)
{
	static const enum keylog_label labels[SIDES][2] = {
		[TAKEOVER_CLIENT] = { KEYLOG_CLIENT_TRAFFIC, KEYLOG_CLIENT_HANDSHAKE },
		[TAKEOVER_SERVER] = { KEYLOG_SERVER_TRAFFIC, KEYLOG_SERVER_HANDSHAKE },
	};
	const struct keylog_secret *secret = &t->keylog->secrets[labels[side][handshake]];
	return record_derive_13(&t->sides[side].half, t->suite, secret->bytes, secret->len);
}

static bool has_secret(const struct takeover *t, enum takeover_side side)
{
	const struct keylog_secret *s = t->keylog->secrets;
	bool is_client = side == TAKEOVER_CLIENT;

	if (memcmp(t->keylog->client_random, t->client_random, KEYLOG_RANDOM_BYTES) != 0)
		return false;
	switch (t->sides[side].due) {
	case DUE_MASTER:
		return s[KEYLOG_MASTER].len == KEYLOG_SECRET_BYTES;
	case DUE_HANDSHAKE:
		return s[is_client ? KEYLOG_CLIENT_HANDSHAKE : KEYLOG_SERVER_HANDSHAKE].len > 0;
	case DUE_TRAFFIC:
		return s[is_client ? KEYLOG_CLIENT_TRAFFIC : KEYLOG_SERVER_TRAFFIC].len > 0;
	case DUE_NONE:
		break;
	}
	return true;
}

static bool derive_due(struct takeover *t, enum takeover_side side)
{
	struct side *s = &t->sides[side];
	switch (s->due) {
	case DUE_MASTER:
		return record_derive(&s->half, t->version, t->suite, t->encrypt_then_mac,
		                     t->keylog->secrets[KEYLOG_MASTER].bytes, t->client_random,
		                     t->server_random, side == TAKEOVER_CLIENT);
	case DUE_HANDSHAKE:
		return derive_traffic(t, side, true);
	case DUE_TRAFFIC:
		return derive_traffic(t, side, false);
	case DUE_NONE:
		break;
	}
	return true;
}

/* Brings a side's keys up to date. */
static enum takeover_result take_due_keys(struct takeover *t, enum takeover_side side)
{
	if (t->sides[side].due == DUE_NONE)
		return TAKEOVER_OPENED;
	if (t->unknown_suite || t->suite == NULL)
		return TAKEOVER_BROKEN;
	if (!has_secret(t, side))
		return TAKEOVER_NEED_KEYS;
	if (!derive_due(t, side))
		return TAKEOVER_BROKEN;
	t->sides[side].due = DUE_NONE;
	return TAKEOVER_OPENED;
}

/* ---- the face ---- */

static bool follow(struct takeover *t, enum takeover_side side,
                   const struct record_content *content)
{
	if (content->type == LW_RECORD_HANDSHAKE)
		return follow_messages(t, side, lw_cursor_over(content->bytes, content->len));
	if (content->type == LW_RECORD_CHANGE_CIPHER_SPEC && t->version != LW_VERSION_UNKNOWN &&
	    t->version != LW_VERSION_TLS1_3)
		t->sides[side].due = DUE_MASTER;
	return true;
}

/* In 1.3 records of every other outer type come in the clear, whatever keys there are. */
static bool comes_in_the_clear(const struct takeover *t, uint8_t type)
{
	return t->version == LW_VERSION_TLS1_3 && type != LW_RECORD_APPLICATION_DATA;
}

static bool is_record(uint8_t type, uint16_t version, uint16_t len)
{
	return type >= LW_RECORD_CHANGE_CIPHER_SPEC && type <= LW_RECORD_APPLICATION_DATA &&
	       version >> 8 == 3 && len <= RECORD_BODY_MAX;
}

enum takeover_result takeover_open(struct takeover *t, enum takeover_side side,
                                   const uint8_t *bytes, size_t len, size_t *used,
                                   struct record_content *out)
{
	struct lw_cursor c = lw_cursor_over(bytes, len), body;
	struct record_half clear = { .version = t->version };
	uint8_t type;
	uint16_t version, body_len;

	if (!lw_take_u8(&c, &type) || !lw_take_u16(&c, &version) || !lw_take_u16(&c, &body_len))
		return TAKEOVER_NEED_BYTES;
	if (!is_record(type, version, body_len))
		return TAKEOVER_BROKEN;
	if (!lw_take_window(&c, body_len, &body))
		return TAKEOVER_NEED_BYTES;
	bool in_the_clear = comes_in_the_clear(t, type);
	enum takeover_result keys = in_the_clear ? TAKEOVER_OPENED : take_due_keys(t, side);
	if (keys != TAKEOVER_OPENED)
		return keys;
	struct record_half *half = in_the_clear ? &clear : &t->sides[side].half;
	if (!record_open(half, bytes, LW_RECORD_HEADER + body.left, t->buffer, out) ||
	    !follow(t, side, out))
		return TAKEOVER_BROKEN;
	*used = LW_RECORD_HEADER + body.left;
	return TAKEOVER_OPENED;
}

size_t takeover_seal(struct takeover *t, enum takeover_side side, uint8_t type, const void *content,
                     size_t len, size_t padding, uint8_t *out)
{
	if (take_due_keys(t, side) != TAKEOVER_OPENED)
		return 0;
	return record_seal(&t->sides[side].half, type, content, len, padding, out);
}

bool takeover_update(struct takeover *t, enum takeover_side side)
{
	return take_due_keys(t, side) == TAKEOVER_OPENED && record_update(&t->sides[side].half);
}

enum lw_version takeover_version(const struct takeover *t)
{
	return t->version;
}

const struct record_half *takeover_half(const struct takeover *t, enum takeover_side side)
{
	return &t->sides[side].half;
}

void takeover_free(struct takeover *t)
{
	if (t == NULL)
		return;
	explicit_bzero(t, sizeof *t);
	free(t);
}
