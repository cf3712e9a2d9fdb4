/* bytes: what was taken is given up when the queue grows or is empty. */
#include "adversary/bytes.h"

#include <stdlib.h>
#include <string.h>

static bool make_room(struct bytes *b, size_t len)
{
	if (b->start > 0) {
		memmove(b->data, b->data + b->start, b->len);
		b->start = 0;
	}
	if (b->cap - b->len >= len)
		return true;
	size_t cap = b->cap < 4096 ? 4096 : b->cap;
	while (cap - b->len < len)
		cap *= 2;
	uint8_t *data = realloc(b->data, cap);
	if (data == NULL)
		return false;
	b->data = data;
	b->cap = cap;
	return true;
}

bool bytes_add(struct bytes *b, const void *octets, size_t len)
{
	if (len == 0)
		return true;
	if (b->cap - b->len - b->start < len && !make_room(b, len))
		return false;
	memcpy(b->data + b->start + b->len, octets, len);
	b->len += len;
	return true;
}

const uint8_t *bytes_at(const struct bytes *b)
{
	return b->data != NULL ? b->data + b->start : NULL;
}

void bytes_drop(struct bytes *b, size_t len)
{
	if (len >= b->len) {
		b->start = 0;
		b->len = 0;
		return;
	}
	b->start += len;
	b->len -= len;
}

void bytes_free(struct bytes *b)
{
	free(b->data);
	*b = (struct bytes){ .data = NULL };
}
