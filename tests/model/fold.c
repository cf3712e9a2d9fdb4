/* fold: see fold.h. */
#include "tests/model/fold.h"

#include <string.h>

void flow_empty(struct flow *in)
{
	in->hello = in->messages = in->plaintext = 0;
	in->alert = WORD_NONE;
	in->fin = LW_PLACE_NONE;
}

void pair_begin(const struct rig *rig, void *world)
{
	struct pair *pair = world;

	memset(pair, 0, sizeof *pair);
	for (unsigned i = 0; i < 2; i++)
		side_begin(rig, &pair->side[i], rig->awaits_peer[i]);
}

void pair_unpack(const struct rig *rig, void *world, struct packed packed)
{
	struct pair *pair = world;

	for (unsigned i = 0; i < 2; i++)
		side_unpack(rig, &pair->side[i], rig->awaits_peer[i], packed.word[i] >> 1);
	pair->dirty = packed.word[0] & 1;
}

/*
 * Erases what can matter no more, so that states that differ in nothing that matters are one.
 * What is erased was asserted when it came to be: side_event() checks each ending as it is set.
 */
static void erase_read(struct side *own, bool closing)
{
	struct flow *in = &own->in;

	if (own->e.ignored)
		in->delivered = 0;
	if (lw_engine_read_ending(&own->e) == LW_ENDING_OPEN)
		return;
	own->e.complete = own->e.ignored = false;
	own->e.place = LW_PLACE_NONE;
	own->e.closed_first = LW_CLOSED_FIRST_NOBODY;
	in->delivered = 0;
	in->hello = in->messages = 0;
	in->alert = WORD_NONE;
	if (closing)
		in->plaintext = 0;
}

static void erase_write(struct side *own)
{
	if (own->said != WORD_NONE || lw_engine_write_ending(&own->e) != LW_ENDING_OPEN)
		own->lost = false;
	if (lw_engine_write_ending(&own->e) == LW_ENDING_OPEN)
		return;
	own->unsealed = 0;
	own->e.pending = false;
}

/* A side that is over, in a world where anything was allowed to happen to it. */
static void erase_final(const struct rig *rig, struct side *own)
{
	const bool handed_back = own->e.transport == LW_TRANSPORT_HANDED_BACK;
	const struct side was = *own;

	side_begin(rig, own, own->e.awaits_peer);
	own->e.row = was.e.row;
	own->e.read = own->e.write = LW_LATCH | LW_ENDING_CLOSED;
	own->e.transport = handed_back ? LW_TRANSPORT_HANDED_BACK : LW_TRANSPORT_CLOSED;
	own->said = WORD_CLOSE_NOTIFY;
	own->left = true;
	own->shut = was.shut;
	own->accepted = was.accepted;
	own->aborted = was.aborted;
	own->in.hello = 0;
	own->in.cut = own->in.torn = true;
}

static void erase(const struct rig *rig, struct pair *pair, unsigned side)
{
	struct side *own = &pair->side[side], *peer = &pair->side[!side];

	erase_read(own, lw_engine_is_closing(&own->e));
	erase_write(own);
	own->in.cut |= own->in.torn;
	if (pair->dirty)
		own->called = false;
	if (lw_engine_is_final(&own->e)) {
		flow_empty(&own->in);
		own->in.reset = false;
		own->half = false;
		own->out = WORD_NONE;
		if (pair->dirty)
			erase_final(rig, own);
	}
	if (lw_engine_read_ending(&peer->e) != LW_ENDING_OPEN) {
		if (own->said != WORD_NONE || lw_engine_write_ending(&own->e) != LW_ENDING_OPEN)
			own->aborted = false;
		if (lw_engine_is_established(&own->e) && !lw_engine_may_write(&own->e))
			own->accepted = 0;
	}
}

/* Who can write no more: only how much is missing matters, not of how much. */
static void erase_counts(struct side *own, struct side *peer)
{
	if (!lw_engine_is_established(&own->e) || lw_engine_may_write(&own->e))
		return;
	if (peer->e.ignored) {
		own->accepted = 0;
		return;
	}
	own->accepted -= peer->in.delivered;
	peer->in.delivered = 0;
}

struct packed pair_pack(const struct rig *rig, void *world, bool *swapped)
{
	struct pair *pair = world;
	uint64_t words[2];

	for (unsigned i = 0; i < 2; i++)
		erase(rig, pair, i);
	for (unsigned i = 0; i < 2; i++)
		erase_counts(&pair->side[i], &pair->side[!i]);
	for (unsigned i = 0; i < 2; i++)
		words[i] = side_pack(&pair->side[i]) << 1 | pair->dirty;
	*swapped = rig->awaits_peer[0] == rig->awaits_peer[1] && words[0] > words[1];
	return *swapped ? (struct packed){ { words[1], words[0] } }
	                : (struct packed){ { words[0], words[1] } };
}
