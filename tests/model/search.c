/* search: see search.h. */
#include "tests/model/search.h"

#include <stdlib.h>
#include <string.h>

#define WORLD_MAX 1024

struct found {
	struct packed *states;
	uint32_t *parents;
	uint8_t *moves;
	uint32_t *table; /* index + 1, 0 for free */
	size_t count, room, table_size;
};

static size_t slot_of(const struct found *f, struct packed p)
{
	uint64_t hash = p.word[0] * 0x9e3779b97f4a7c15u ^ p.word[1] * 0xc2b2ae3d27d4eb4fu;

	hash ^= hash >> 29;
	hash *= 0xbf58476d1ce4e5b9u;
	hash ^= hash >> 32;
	return (size_t)hash & (f->table_size - 1);
}

static void insert(struct found *f, size_t index)
{
	size_t slot = slot_of(f, f->states[index]);

	while (f->table[slot] != 0)
		slot = (slot + 1) & (f->table_size - 1);
	f->table[slot] = (uint32_t)index + 1;
}

/* Doubles the room; false without memory. */
static bool grow(struct found *f)
{
	const size_t room = f->room ? 2 * f->room : 1024;
	struct packed *states = realloc(f->states, room * sizeof *states);
	uint32_t *parents, *table;
	uint8_t *moves;

	f->states = states ? states : f->states;
	parents = states ? realloc(f->parents, room * sizeof *parents) : NULL;
	f->parents = parents ? parents : f->parents;
	moves = parents ? realloc(f->moves, room) : NULL;
	f->moves = moves ? moves : f->moves;
	table = moves ? calloc(2 * room, sizeof *table) : NULL;
	if (table == NULL)
		return false;
	free(f->table);
	f->table = table;
	f->table_size = 2 * room;
	f->room = room;
	for (size_t i = 0; i < f->count; i++)
		insert(f, i);
	return true;
}

/* Adds a state unless it is known; false without memory. */
static bool add(struct found *f, struct packed p, size_t parent, unsigned move)
{
	size_t slot;

	if (f->count == f->room && !grow(f))
		return false;
	for (slot = slot_of(f, p); f->table[slot] != 0; slot = (slot + 1) & (f->table_size - 1)) {
		const struct packed *known = &f->states[f->table[slot] - 1];

		if (known->word[0] == p.word[0] && known->word[1] == p.word[1])
			return true;
	}
	f->states[f->count] = p;
	f->parents[f->count] = (uint32_t)parent;
	f->moves[f->count] = (uint8_t)move;
	f->table[slot] = (uint32_t)++f->count;
	return true;
}

/* Goes the way to the failure once more, telling it. */
static void tell(struct rig *rig, const struct search_ops *ops, const struct found *f,
                 struct search_result *result)
{
	const int invariant = rig->invariant;
	_Alignas(16) uint8_t world[WORLD_MAX];
	uint8_t path[EXCHANGE_EVENTS];
	size_t at = result->failed_at, steps = 0;
	bool flipped = false, swapped;

	path[steps++] = (uint8_t)result->failed_by;
	for (; at != 0 && steps < sizeof path; at = f->parents[at])
		path[steps++] = f->moves[at];
	exchange_begin(&result->tale, "one side", "the other");
	rig->telling = &result->tale;
	ops->begin(rig, world);
	for (unsigned tick = 0; steps-- > 0 && path[steps] < ops->moves; tick++) {
		struct packed p = ops->pack(rig, world, &swapped);

		flipped ^= swapped;
		ops->unpack(rig, world, p);
		rig->teller = flipped ? EXCHANGE_RIGHT : EXCHANGE_LEFT;
		(void)ops->move(rig, world, path[steps]);
	}
	rig->telling = NULL;
	rig->invariant = invariant;
}

/* Tries every move from one state; false to stop. */
static bool expand(struct rig *rig, const struct search_ops *ops, struct found *f, size_t index,
                   struct search_result *result)
{
	_Alignas(16) uint8_t start[WORLD_MAX], world[WORLD_MAX];
	bool swapped;

	ops->unpack(rig, start, f->states[index]);
	result->failed_at = index;
	result->failed_by = ops->moves;
	ops->check(rig, start);
	for (unsigned move = 0; move < ops->moves && rig->invariant == 0; move++) {
		memcpy(world, start, ops->size);
		if (!ops->move(rig, world, move))
			continue;
		result->transitions++;
		result->failed_by = move;
		if (rig->invariant == 0 && !add(f, ops->pack(rig, world, &swapped), index, move)) {
			result->exhausted = true;
			return false;
		}
	}
	return rig->invariant == 0;
}

void search(struct rig *rig, const struct search_ops *ops, size_t limit, bool wants_tale,
            struct search_result *result)
{
	struct found f = { 0 };
	_Alignas(16) uint8_t world[WORLD_MAX];
	bool swapped;
	size_t i;

	memset(result, 0, sizeof *result);
	rig->invariant = 0;
	ops->begin(rig, world);
	result->exhausted = !add(&f, ops->pack(rig, world, &swapped), 0, 0);
	for (i = 0; i < f.count && i < limit && !result->exhausted; i++)
		if (!expand(rig, ops, &f, i, result))
			break;
	result->exhausted |= i >= limit;
	result->states = f.count;
	if (rig->invariant != 0 && wants_tale)
		tell(rig, ops, &f, result);
	free(f.states);
	free(f.parents);
	free(f.moves);
	free(f.table);
}
