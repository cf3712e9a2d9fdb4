/* bytes: a queue of octets that grows. */
#ifndef ADVERSARY_BYTES_H
#define ADVERSARY_BYTES_H

#include <lastword/verdict.h>

struct bytes {
	uint8_t *data;
	size_t start; /* the first octet in the queue */
	size_t len;
	size_t cap;
};

/* False: out of memory; nothing was added. */
LW_MUST_CHECK bool bytes_add(struct bytes *b, const void *octets, size_t len);
const uint8_t *bytes_at(const struct bytes *b);
void bytes_drop(struct bytes *b, size_t len); /* at most all of them */
void bytes_free(struct bytes *b);

#endif
