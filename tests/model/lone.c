/*
 * lone: see lone.h.  The peer, the network, the TLS library, the clock and the application each
 * do anything at any time that an honest adapter can come to report.
 */
#include "tests/model/lone.h"

#include <string.h>

struct lone {
	struct side
	    s; /* of its flow only `cut`: the transport's end was told; `torn`: writing failed */
};

/* When an adapter can come to report an event. */
enum when {
	ALWAYS,
	HEARS,     /* input still arrives, and matters */
	SHAKES,    /* a handshake can be done, for the first time or once more */
	TRANSPORT, /* the transport's end was not told yet */
	WRITES,    /* writing has not failed */
	ACCEPTS,
	HOLDS,  /* something accepted has not left */
	FLUSHES /* nothing stands before the alert that is out; no alert is no news */
};

static const struct {
	struct lw_engine_event event;
	enum when when;
	const char *name;
} moves[] = {
	{ { .kind = LW_EV_ESTABLISHED }, SHAKES, "the handshake is done" },
	{ { .kind = LW_EV_DATA }, HEARS, "data" },
	{ { .kind = LW_EV_ALERT, .level = 1, .description = 0 }, HEARS, "close_notify" },
	{ { .kind = LW_EV_ALERT, .level = 2, .description = 0 }, HEARS, "close_notify, fatal" },
	{ { .kind = LW_EV_ALERT, .level = 0, .description = 0 }, HEARS, "close_notify, level 0" },
	{ { .kind = LW_EV_ALERT, .level = 2, .description = 80 }, HEARS, "internal_error" },
	{ { .kind = LW_EV_ALERT, .level = 1, .description = 40 }, HEARS, "error at warning" },
	{ { .kind = LW_EV_ALERT, .level = 1, .description = 90 }, HEARS, "user_canceled" },
	{ { .kind = LW_EV_ALERT, .level = 2, .description = 90 }, HEARS, "user_canceled, fatal" },
	{ { .kind = LW_EV_ALERT, .level = 1, .description = 200 }, HEARS, "unknown at warning" },
	{ { .kind = LW_EV_ALERT, .level = 9, .description = 80 }, HEARS, "an alert of level 9" },
	{ { .kind = LW_EV_FIN, .place = LW_PLACE_BOUNDARY }, TRANSPORT, "FIN" },
	{ { .kind = LW_EV_FIN, .place = LW_PLACE_INSIDE }, TRANSPORT, "FIN inside a record" },
	{ { .kind = LW_EV_FIN, .place = LW_PLACE_UNKNOWN }, TRANSPORT, "FIN somewhere" },
	{ { .kind = LW_EV_RESET, .place = LW_PLACE_BOUNDARY }, ALWAYS, "RST" },
	{ { .kind = LW_EV_RESET, .place = LW_PLACE_INSIDE }, ALWAYS, "RST inside a record" },
	{ { .kind = LW_EV_READ_ERROR }, TRANSPORT, "reading fails" },
	{ { .kind = LW_EV_WRITE_RESET }, WRITES, "writing meets an RST" },
	{ { .kind = LW_EV_WRITE_ERROR }, WRITES, "writing fails" },
	{ { .kind = LW_EV_PENDING }, ACCEPTS, "a write is accepted" },
	{ { .kind = LW_EV_SEALED }, HOLDS, "all that was accepted left" },
	{ { .kind = LW_EV_FLUSHED }, FLUSHES, "our alert left" },
	{ { .kind = LW_EV_LIBRARY_FAILED }, HEARS, "the TLS library fails" },
	{ { .kind = LW_EV_LIBRARY_ALERTED }, HEARS, "the TLS library fails, with an alert" },
	{ { .kind = LW_EV_LIBRARY_FAILED }, WRITES, "the TLS library fails to write" },
	{ { .kind = LW_EV_WRITE_ALERTED }, WRITES, "the TLS library aborts by itself" },
	{ { .kind = LW_EV_WARNING_LIMIT }, HEARS, "too many warnings" },
	{ { .kind = LW_EV_DEADLINE }, ALWAYS, "the deadline" },
	{ { .kind = LW_EV_DRAINED }, ALWAYS, "the drain limit" },
	{ { .kind = LW_EV_COMPLETE }, ALWAYS, "complete" },
	{ { .kind = LW_EV_INCOMPLETE }, ALWAYS, "not complete" },
	{ { .kind = LW_EV_FINISH }, ALWAYS, "finish" },
	{ { .kind = LW_EV_CLOSE }, ALWAYS, "close" },
	{ { .kind = LW_EV_UNWRAP }, ALWAYS, "unwrap" },
	{ { .kind = LW_EV_ABORT }, ALWAYS, "abort" },
};

static bool is_possible(const struct side *s, enum when when)
{
	const bool hears = !s->in.cut && lw_engine_wants_read(&s->e);

	switch (when) {
	case ALWAYS:
		return true;
	case HEARS:
		return hears;
	case SHAKES:
		return lw_engine_is_established(&s->e) ||
		       (hears && lw_engine_write_ending(&s->e) == LW_ENDING_OPEN &&
		        s->said == WORD_NONE);
	case TRANSPORT:
		return !s->in.cut;
	case WRITES:
		return !s->in.torn;
	case ACCEPTS:
		return lw_engine_may_write(&s->e);
	case HOLDS:
		return s->e.pending;
	case FLUSHES:
		return s->said == WORD_NONE || (s->out != WORD_NONE && !s->half && !s->in.torn);
	}
	return false;
}

/* The stack's own part: what is accepted is pending, and an alert waits behind what is half out. */
static void follow(struct side *s, const struct lw_engine_event *event)
{
	switch ((int)event->kind) {
	case LW_EV_FIN:
	case LW_EV_RESET:
	case LW_EV_READ_ERROR:
		s->in.cut = true;
		break;
	case LW_EV_WRITE_RESET:
	case LW_EV_WRITE_ERROR:
		s->in.torn = true;
		break;
	case LW_EV_PENDING:
		s->half = true;
		break;
	case LW_EV_SEALED:
		s->half = false;
		break;
	case LW_EV_FLUSHED:
		s->left = s->said != WORD_NONE;
		s->out = WORD_NONE;
		break;
	default:
		break;
	}
}

static bool move(struct rig *rig, void *world, unsigned number)
{
	struct lone *lone = world;
	const struct lw_engine_event *event = &moves[number].event;

	if (lw_engine_is_final(&lone->s.e) || !is_possible(&lone->s, moves[number].when))
		return false;
	if (rig->telling)
		exchange_add_note(rig->telling, 0,
		                  event->kind >= LW_EV_COMPLETE || event->kind == LW_EV_DEADLINE ||
		                          event->kind == LW_EV_DRAINED
		                      ? EXCHANGE_LEFT
		                      : EXCHANGE_RIGHT,
		                  EXCHANGE_NOTE_ONLY, moves[number].name);
	follow(&lone->s, event);
	if (event->kind == LW_EV_ABORT && lone->s.said == WORD_NONE)
		lone->s.aborted = true;
	(void)side_event(rig, &lone->s, *event, true);
	return true;
}

static void begin(const struct rig *rig, void *world)
{
	struct lone *lone = world;

	memset(lone, 0, sizeof *lone);
	side_begin(rig, &lone->s, rig->awaits_peer[0]);
}

static void unpack(const struct rig *rig, void *world, struct packed packed)
{
	struct lone *lone = world;

	memset(lone, 0, sizeof *lone);
	side_unpack(rig, &lone->s, rig->awaits_peer[0], packed.word[0]);
}

static struct packed pack(const struct rig *rig, void *world, bool *swapped)
{
	struct lone *lone = world;

	(void)rig;
	*swapped = false;
	lone->s.e.missing = 0;
	return (struct packed){ { side_pack(&lone->s), 0 } };
}

static void check(struct rig *rig, const void *world)
{
	side_check(rig, &((const struct lone *)world)->s);
}

const struct search_ops lone_ops = {
	.size = sizeof(struct lone),
	.moves = sizeof moves / sizeof moves[0],
	.begin = begin,
	.unpack = unpack,
	.pack = pack,
	.move = move,
	.check = check,
};
