/* side: see side.h. */
#include "tests/model/side.h"

#include <stdio.h>
#include <string.h>

void refute(struct rig *rig, int invariant, const char *why)
{
	if (rig->invariant != 0)
		return;
	rig->invariant = invariant;
	snprintf(rig->why, sizeof rig->why, "%s", why);
}

static struct reference facts_of(const struct side *s, const struct rig *rig)
{
	return reference_of(&s->e, rig->row->version, s->said);
}

/* ---- what an event does */

/* Writes may be dropped unsealed only when they can no longer pass for all there was. */
static void discard(struct rig *rig, struct side *s, bool dirty)
{
	const struct reference r = facts_of(s, rig);
	const bool peer_closed = r.read == LW_ENDING_CLOSED && reference_is_old(&r);

	if (s->unsealed > 0 && !peer_closed) {
		s->lost = true;
		CLAIM(rig, 10, dirty, "writes were dropped though nothing had gone wrong");
	}
	s->unsealed = 0;
}

static void seal(struct rig *rig, struct side *s, enum word word)
{
	CLAIM(rig, 2, s->said == WORD_NONE, "an alert was sealed behind an alert of ours");
	if (word == WORD_CLOSE_NOTIFY) {
		CLAIM(rig, 2, s->unsealed == 0 && !s->half, "close_notify overtook a record");
		CLAIM(rig, 2, !s->lost, "close_notify behind writes that we dropped");
		CLAIM(rig, 8, !s->aborted, "close_notify behind an abort");
	}
	s->said = s->out = word;
}

static void perform(struct rig *rig, struct side *s, unsigned actions, bool dirty)
{
	const enum lw_ending write = lw_engine_write_ending(&s->e);

	if (actions & LW_DO_DISCARD)
		discard(rig, s, dirty);
	if (actions & LW_DO_SEAL_CLOSE_NOTIFY)
		seal(rig, s, WORD_CLOSE_NOTIFY);
	if (actions & LW_DO_SEAL_FATAL)
		seal(rig, s, WORD_FATAL);
	if (actions & (LW_DO_SHUT_WRITE | LW_DO_END | LW_DO_HAND_BACK)) {
		const bool word_left = s->left && write != LW_ENDING_OPEN;
		const bool excused = write == LW_ENDING_RESET || write == LW_ENDING_FAILED ||
		                     write == LW_ENDING_EXPIRED || write == LW_ENDING_ABANDONED ||
		                     lw_engine_read_ending(&s->e) == LW_ENDING_ABORTED;

		CLAIM(rig, 3, word_left || excused,
		      "the transport was shut before our last word left");
	}
	if (actions & LW_DO_HAND_BACK)
		CLAIM(rig, 5,
		      s->left && s->said == WORD_CLOSE_NOTIFY &&
		          lw_engine_read_ending(&s->e) == LW_ENDING_CLOSED,
		      "handed back before both close_notify");
}

/* The first ending of each direction stays. */
static void check_latches(struct rig *rig, const struct lw_engine *was, const struct lw_engine *is)
{
	const enum lw_ending read = lw_engine_read_ending(was);
	const enum lw_ending write = lw_engine_write_ending(was);

	CLAIM(rig, 4, read == LW_ENDING_OPEN || read == lw_engine_read_ending(is),
	      "a read ending changed");
	CLAIM(rig, 4, write == LW_ENDING_OPEN || write == lw_engine_write_ending(is),
	      "a write ending changed");
}

unsigned side_event(struct rig *rig, struct side *s, struct lw_engine_event event, bool dirty)
{
	struct reference expected = facts_of(s, rig);
	const struct lw_engine was = s->e;
	unsigned actions, wanted;
	const char *differs;

	if (event.kind == LW_EV_ESTABLISHED)
		event.version = rig->row->version;
	actions = lw_engine_step(rig->tables, &s->e, &event);
	if (event.kind == LW_EV_ESTABLISHED)
		s->e.row = rig->row;
	if ((event.kind == LW_EV_LIBRARY_ALERTED || event.kind == LW_EV_WRITE_ALERTED) &&
	    lw_engine_write_ending(&was) == LW_ENDING_OPEN && s->said == WORD_NONE)
		s->said = s->out = WORD_FATAL; /* the library sealed it by itself */
	wanted = reference_step(&expected, &event);
	differs = reference_differs(&expected, &s->e);
	if (differs != NULL || actions != wanted) {
		char why[160];

		snprintf(why, sizeof why, "%s is not what the rules say (actions 0x%x, rules 0x%x)",
		         differs ? differs : "an action", actions, wanted);
		refute(rig, 9, why);
	}
	check_latches(rig, &was, &s->e);
	perform(rig, s, actions, dirty);
	CLAIM(rig, 9, expected.said == s->said, "another alert was sealed than the rules say");
	if (was.read != s->e.read || was.write != s->e.write || was.transport != s->e.transport)
		side_check(rig, s);
	return actions;
}

/* ---- what holds in every state */

static void check_verdict(struct rig *rig, const struct side *s, const struct reference *r,
                          enum lw_policy policy)
{
	struct lw_engine e = s->e;
	struct lw_verdict v;

	e.policy = (uint8_t)policy;
	lw_engine_verdict(&e, &v);
	CLAIM(rig, 9, v.read == r->read && v.write == r->write && v.complete == r->complete,
	      "the verdict names other endings");
	CLAIM(rig, 1, v.tolerated == reference_tolerates(r, policy),
	      "the policy tolerates what it should not, or the reverse");
	CLAIM(rig, 1, v.whole == reference_is_whole(r, policy), "whole is not what the rules say");
	CLAIM(rig, 7, (v.session == LW_SESSION_FORGET) == reference_forgets(r), "session advice");
	CLAIM(rig, 9, v.closed_first == r->first && v.at == r->place && v.version == r->version,
	      "the verdict's facts");
}

static void check_predicates(struct rig *rig, const struct side *s, const struct reference *r)
{
	const bool established = r->version != LW_VERSION_UNKNOWN;
	const bool final = r->fate == FATE_GONE || r->fate == FATE_BACK;
	const bool writes =
	    established && r->write == LW_ENDING_OPEN && r->said == WORD_NONE && !r->due;
	const bool reads = established && r->read == LW_ENDING_OPEN && !r->stopped;

	CLAIM(rig, 2, lw_engine_may_write(&s->e) == writes, "may_write");
	CLAIM(rig, 4, lw_engine_delivers(&s->e) == reads, "delivers");
	CLAIM(rig, 4, lw_engine_wants_read(&s->e) == (!final && r->read == LW_ENDING_OPEN),
	      "wants_read");
	CLAIM(rig, 6, lw_engine_is_final(&s->e) == final, "is_final");
	CLAIM(rig, 6,
	      lw_engine_is_closing(&s->e) == (r->asked == ASKED_CLOSE || r->fate == FATE_GONE),
	      "is_closing");
	CLAIM(rig, 5,
	      lw_engine_may_unwrap(&s->e) == (established && r->asked != ASKED_CLOSE && !final),
	      "may_unwrap");
	if (r->write == LW_ENDING_OPEN)
		CLAIM(rig, 2, lw_engine_may_finish(&s->e) == (established && !reference_is_old(r)),
		      "may_finish");
}

/* With a deadline armed every run ends: let the limits run out and nothing else happen. */
static void check_deadlines(struct rig *rig, const struct side *s)
{
	struct lw_engine e = s->e;

	if (lw_engine_is_final(&e) || e.armed == LW_DEADLINE_NONE)
		return;
	if (e.armed == LW_DEADLINE_ENDING)
		(void)lw_engine_step(rig->tables, &e,
		                     &(struct lw_engine_event){ .kind = LW_EV_DEADLINE });
	if (!lw_engine_is_final(&e))
		(void)lw_engine_step(rig->tables, &e,
		                     &(struct lw_engine_event){ .kind = LW_EV_DRAINED });
	CLAIM(rig, 6, lw_engine_is_final(&e), "all limits ran out, and it is not over");
	CLAIM(rig, 6,
	      lw_engine_read_ending(&e) != LW_ENDING_OPEN &&
	          lw_engine_write_ending(&e) != LW_ENDING_OPEN,
	      "all limits ran out, and a direction has no ending");
}

void side_check(struct rig *rig, const struct side *s)
{
	const struct reference r = facts_of(s, rig);
	const bool final = lw_engine_is_final(&s->e);

	for (unsigned policy = 0; policy <= LW_POLICY_LAX; policy++)
		check_verdict(rig, s, &r, (enum lw_policy)policy);
	check_predicates(rig, s, &r);
	check_deadlines(rig, s);
	CLAIM(rig, 3, r.write != LW_ENDING_CLOSED || (s->left && s->said == WORD_CLOSE_NOTIFY),
	      "closed, and no close_notify left");
	CLAIM(rig, 3,
	      r.write != LW_ENDING_ABORTED || r.read == LW_ENDING_ABORTED ||
	          (s->left && s->said == WORD_FATAL),
	      "aborted, and no fatal alert left");
	CLAIM(rig, 3, !s->left || r.write != LW_ENDING_OPEN,
	      "our last word left, and nothing ended");
	CLAIM(rig, 5,
	      s->e.transport != LW_TRANSPORT_HANDED_BACK ||
	          (r.read == LW_ENDING_CLOSED && r.write == LW_ENDING_CLOSED),
	      "handed back, and not closed both ways");
	CLAIM(rig, 6, final || !lw_engine_is_closing(&s->e) || s->e.armed != LW_DEADLINE_NONE,
	      "closing without a deadline");
	CLAIM(rig, 6, !final || (r.read != LW_ENDING_OPEN && r.write != LW_ENDING_OPEN),
	      "final without both endings");
	CLAIM(rig, 11,
	      r.read != LW_ENDING_CLOSED || !reference_is_old(&r) || !lw_engine_may_write(&s->e),
	      "the peer's close_notify is not answered");
}

/* ---- packing: a fixed order of fields, by one macro each way */

/* clang-format off */
#define FIELDS(X)                                                                                  \
	X(e.transport, 3) X(e.armed, 2) X(e.closed_first, 2) X(e.complete, 1) X(e.pending, 1)      \
	X(e.ignored, 1) X(e.fatal, 1) X(e.forgets, 1) X(e.peer_fin, 1) X(e.place, 2)               \
	X(unsealed, 2) X(half, 1) X(out, 2) X(said, 2) X(left, 1) X(shut, 1) X(accepted, 2)        \
	X(called, 1) X(aborted, 1) X(lost, 1)                                                      \
	X(in.hello, 1) X(in.messages, 2) X(in.alert, 2) X(in.plaintext, 1) X(in.fin, 2)            \
	X(in.reset, 1) X(in.cut, 1) X(in.torn, 1) X(in.delivered, 2)
/* clang-format on */

/* A state of the read or write machine in four bits: 0 to 4, or 5 and the ending behind it. */
static uint64_t half_pack(uint8_t state)
{
	return state & LW_LATCH ? (state & 7u) + 5u : state;
}

static uint8_t half_unpack(uint64_t bits)
{
	return (uint8_t)(bits > 4 ? LW_LATCH | (bits - 5u) : bits);
}

uint64_t side_pack(const struct side *s)
{
	uint64_t bits = s->e.row->version != LW_VERSION_UNKNOWN;

	bits = bits << 4 | half_pack(s->e.read);
	bits = bits << 4 | half_pack(s->e.write);
#define PUT(field, width) bits = bits << (width) | (uint64_t)s->field;
	FIELDS(PUT)
#undef PUT
	return bits;
}

#define WIDTH(field, width) +(width)
enum { FIELD_BITS = 0 FIELDS(WIDTH) };
#undef WIDTH
_Static_assert(FIELD_BITS + 9 <= 63, "a side fits into 63 bits");

void side_begin(const struct rig *rig, struct side *s, bool awaits_peer)
{
	memset(s, 0, sizeof *s);
	lw_engine_init(&s->e, LW_POLICY_FRAMED, awaits_peer);
	s->e.row = rig->unknown;
	s->in.hello = 1;
}

void side_unpack(const struct rig *rig, struct side *s, bool awaits_peer, uint64_t bits)
{
	unsigned left = FIELD_BITS;

	side_begin(rig, s, awaits_peer);
	s->e.write = half_unpack(bits >> left & 15);
	s->e.read = half_unpack(bits >> (left + 4) & 15);
	s->e.row = bits >> (left + 8) & 1 ? rig->row : rig->unknown;
#define GET(field, width)                                                                          \
	left -= (width);                                                                           \
	s->field = (bits >> left & ((1u << (width)) - 1));
	FIELDS(GET)
#undef GET
}
