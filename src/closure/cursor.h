/*
 * cursor: the one way octets from the wire are read.
 *
 * A cursor is a window on someone else's bytes.  Every take checks the bound
 * first; a take that fails moves nothing and says so.
 */
#ifndef CLOSURE_CURSOR_H
#define CLOSURE_CURSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct lw_cursor {
	const uint8_t *at;
	size_t left;
};

static inline struct lw_cursor lw_cursor_over(const void *bytes, size_t len)
{
	return (struct lw_cursor){ bytes, len };
}

static inline bool lw_take_u8(struct lw_cursor *c, uint8_t *out)
{
	if (c->left < 1)
		return false;
	*out = c->at[0];
	c->at += 1;
	c->left -= 1;
	return true;
}

/* Takes an unsigned big-endian number of `width` bytes, 1 to 8. */
static inline bool lw_take_uint(struct lw_cursor *c, size_t width, uint64_t *out)
{
	uint64_t value = 0;

	if (width < 1 || width > 8 || c->left < width)
		return false;
	for (size_t i = 0; i < width; i++)
		value = value << 8 | c->at[i];
	c->at += width;
	c->left -= width;
	*out = value;
	return true;
}

static inline bool lw_take_u16(struct lw_cursor *c, uint16_t *out)
{
	uint64_t value;

	if (!lw_take_uint(c, 2, &value))
		return false;
	*out = (uint16_t)value;
	return true;
}

/* Takes a window of exactly `len` bytes. */
static inline bool lw_take_window(struct lw_cursor *c, size_t len, struct lw_cursor *out)
{
	if (c->left < len)
		return false;
	*out = (struct lw_cursor){ c->at, len };
	c->at += len;
	c->left -= len;
	return true;
}

/* Takes a window of what is left, at most `most` bytes; it cannot fail. */
static inline struct lw_cursor lw_take_up_to(struct lw_cursor *c, size_t most)
{
	struct lw_cursor out = { c->at, c->left < most ? c->left : most };

	(void)lw_take_window(c, out.left, &out);
	return out;
}

#endif
