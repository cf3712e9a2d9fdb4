/* arena: memory that grows piece by piece and goes at once: what a configuration consists of. */
#ifndef RELAY_ARENA_H
#define RELAY_ARENA_H

#include <lastword/verdict.h>
#include <stddef.h>

struct relay_arena;

/* NULL: out of memory. */
LW_MUST_CHECK struct relay_arena *relay_arena_new(void);

/* Zeroed, aligned for anything.  NULL: out of memory. */
LW_MUST_CHECK void *relay_arena_take(struct relay_arena *a, size_t bytes);

/* A copy of the `n` bytes of `text`, ended by NUL. */
LW_MUST_CHECK char *relay_arena_copy(struct relay_arena *a, const char *text, size_t n);

void relay_arena_free(struct relay_arena *a);

/* A list of strings that may grow; `items`, if it is not NULL, ends with NULL. */
struct relay_list {
	const char **items;
	size_t count;
};

/* False: out of memory; nothing changed. */
LW_MUST_CHECK bool relay_list_add(struct relay_arena *a, struct relay_list *list, const char *item);

#endif
