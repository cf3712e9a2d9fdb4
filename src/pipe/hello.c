/* hello: see hello.h.  All octets are read through a cursor. */
#include "pipe/hello.h"

#include "closure/cursor.h"
#include "closure/version.h"

#include <string.h>

#define SERVER_HELLO       2u
#define SUPPORTED_VERSIONS 43u

/* Octets in front of the extensions that say nothing here. */
#define RANDOM_BYTES                32u
#define SUITE_AND_COMPRESSION_BYTES 3u

static bool skip(struct lw_cursor *c, size_t len)
{
	struct lw_cursor window;

	return lw_take_window(c, len, &window);
}

/* The version that the extension names; `legacy` where there is no such extension. */
static uint16_t extension_version(struct lw_cursor *c, uint16_t legacy)
{
	uint16_t all, type, len, chosen;
	struct lw_cursor body;

	if (!lw_take_u16(c, &all))
		return legacy;
	while (lw_take_u16(c, &type) && lw_take_u16(c, &len) && lw_take_window(c, len, &body))
		if (type == SUPPORTED_VERSIONS && lw_take_u16(&body, &chosen))
			return chosen;
	return legacy;
}

enum lw_version hello_version(const void *message, size_t len)
{
	struct lw_cursor c = lw_cursor_over(message, len);
	uint8_t type, session_len;
	uint64_t body_len;
	uint16_t legacy;

	if (!lw_take_u8(&c, &type) || type != SERVER_HELLO || !lw_take_uint(&c, 3, &body_len))
		return LW_VERSION_UNKNOWN;
	if (body_len < c.left)
		c.left = (size_t)body_len;
	if (!lw_take_u16(&c, &legacy) || !skip(&c, RANDOM_BYTES) || !lw_take_u8(&c, &session_len) ||
	    !skip(&c, session_len) || !skip(&c, SUITE_AND_COMPRESSION_BYTES))
		return LW_VERSION_UNKNOWN;
	return lw_version_of_wire(extension_version(&c, legacy));
}

/* The length of the message under way, its own header included; 0 while that is not known. */
static size_t message_length(const struct hello *h)
{
	struct lw_cursor c = lw_cursor_over(h->bytes, h->len);
	uint8_t type;
	uint64_t body_len;

	if (!lw_take_u8(&c, &type) || !lw_take_uint(&c, 3, &body_len))
		return 0;
	return 4 + (size_t)body_len;
}

void hello_pass(struct hello *h, const void *payload, size_t len)
{
	size_t room = HELLO_MAX - h->len, take = len < room ? len : room, want;

	if (h->done)
		return;
	memcpy(h->bytes + h->len, payload, take);
	h->len += take;
	want = message_length(h);
	if (h->len < HELLO_MAX && (want == 0 || h->len < want))
		return;
	h->version = hello_version(h->bytes, h->len);
	h->done = true;
}
