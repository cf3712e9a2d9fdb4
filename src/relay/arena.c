/* arena: see arena.h.  Pieces in a chain, an allocation each: a configuration is small and read
 * seldom, and so the tools that look for memory used wrongly see every piece.  It is wiped before
 * it goes, for a file may hold a secret of somebody's.
 */
#include "relay/arena.h"

#include <openssl/crypto.h>
#include <stdalign.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct piece {
	struct piece *next;
	size_t count;
	alignas(max_align_t) unsigned char bytes[];
};

struct relay_arena {
	struct piece *first;
};

struct relay_arena *relay_arena_new(void)
{
	return calloc(1, sizeof(struct relay_arena));
}

void *relay_arena_take(struct relay_arena *a, size_t bytes)
{
	struct piece *p;

	if (bytes > SIZE_MAX / 2)
		return NULL;
	p = calloc(1, sizeof *p + bytes);
	if (p == NULL)
		return NULL;
	p->next = a->first;
	p->count = bytes;
	a->first = p;
	return p->bytes;
}

char *relay_arena_copy(struct relay_arena *a, const char *text, size_t n)
{
	char *copy = relay_arena_take(a, n + 1);

	if (copy != NULL && n > 0)
		memcpy(copy, text, n);
	return copy;
}

void relay_arena_free(struct relay_arena *a)
{
	if (a == NULL)
		return;
	while (a->first != NULL) {
		struct piece *next = a->first->next;

		OPENSSL_cleanse(a->first->bytes, a->first->count);
		free(a->first);
		a->first = next;
	}
	free(a);
}

bool relay_list_add(struct relay_arena *a, struct relay_list *list, const char *item)
{
	/* Room for 2, 6, 14, ... items and the NULL: it is full when count + 2 is a power of 2. */
	bool is_full = ((list->count + 2) & (list->count + 1)) == 0;

	if (is_full) {
		size_t room = list->count == 0 ? 2 : 2 * (list->count + 2) - 2;
		const char **items = relay_arena_take(a, (room + 1) * sizeof *items);

		if (items == NULL)
			return false;
		if (list->count > 0)
			memcpy(items, list->items, list->count * sizeof *items);
		list->items = items;
	}
	list->items[list->count++] = item;
	return true;
}
