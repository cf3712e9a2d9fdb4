/* boundary: see boundary.h.  Pure arithmetic on counts; every length is bounded by 65,535. */
#include "closure/boundary.h"

#include "closure/cursor.h"

#include <string.h>

static void pass_header(struct lw_boundary *b, struct lw_cursor *c)
{
	const struct lw_cursor part = lw_take_up_to(c, LW_RECORD_HEADER - b->header_bytes);

	if (part.left == LW_RECORD_HEADER) /* nearly always, and far cheaper */
		memcpy(b->header, part.at, LW_RECORD_HEADER);
	else
		memcpy(b->header + b->header_bytes, part.at, part.left);
	b->header_bytes = (uint8_t)(b->header_bytes + part.left);
	if (b->header_bytes == LW_RECORD_HEADER)
		b->body_left = (uint32_t)b->header[3] << 8 | b->header[4];
}

static void pass_body(struct lw_boundary *b, struct lw_cursor *c)
{
	b->body_left -= (uint32_t)lw_take_up_to(c, b->body_left).left;
}

static void end_record(struct lw_boundary *b)
{
	b->header_bytes = 0;
	b->records++;
}

void lw_boundary_pass(struct lw_boundary *b, const void *bytes, size_t len)
{
	struct lw_cursor c = lw_cursor_over(bytes, len);

	if (b->header_bytes == LW_RECORD_HEADER && len == b->body_left) { /* as the wire reads */
		b->body_left = 0;
		end_record(b);
		return;
	}
	if (b->header_bytes == 0 && len == LW_RECORD_HEADER) { /* the same */
		pass_header(b, &c);
		if (b->body_left == 0)
			end_record(b);
		return;
	}
	while (c.left > 0) {
		if (b->header_bytes < LW_RECORD_HEADER)
			pass_header(b, &c);
		else
			pass_body(b, &c);
		if (b->header_bytes == LW_RECORD_HEADER && b->body_left == 0)
			end_record(b);
	}
}

size_t lw_boundary_need(const struct lw_boundary *b)
{
	return b->header_bytes < LW_RECORD_HEADER ? LW_RECORD_HEADER - b->header_bytes
	                                          : b->body_left;
}

enum lw_place lw_boundary_place(const struct lw_boundary *b)
{
	return b->header_bytes == 0 ? LW_PLACE_BOUNDARY : LW_PLACE_INSIDE;
}

uint32_t lw_boundary_missing(const struct lw_boundary *b)
{
	return b->header_bytes == LW_RECORD_HEADER ? b->body_left : 0;
}

uint8_t lw_boundary_type(const struct lw_boundary *b)
{
	return b->header[0];
}
