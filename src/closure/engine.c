/*
 * engine: feeds one event through the three machines, in the order read,
 * write, transport, and tells each the levels of those before it.  All that
 * depends on the version comes from the version's row; all that depends on
 * states is in the tables of machine.c.
 */
#include "closure/engine.h"

#include <string.h>

#define NOTHING 0xffu

/* What an event is to each machine.  NOTHING: it does not concern it. */
/* clang-format off */
static const struct {
	uint8_t read, write, transport;
} inputs[LW_EVENTS] = {
	[LW_EV_ESTABLISHED]     = { LW_R_ESTABLISHED, LW_W_ESTABLISHED, NOTHING },
	[LW_EV_DATA]            = { LW_R_DATA,        NOTHING,          NOTHING },
	[LW_EV_ALERT]           = { NOTHING,          NOTHING,          NOTHING }, /* by its class */
	[LW_EV_FIN]             = { LW_R_FIN,         NOTHING,          NOTHING },
	[LW_EV_RESET]           = { LW_R_RESET,       LW_W_RESET,       LW_T_RESET },
	[LW_EV_READ_ERROR]      = { LW_R_FAILED,      LW_W_ERROR,       LW_T_RESET },
	[LW_EV_WRITE_RESET]     = { NOTHING,          LW_W_RESET,       NOTHING },
	[LW_EV_WRITE_ERROR]     = { NOTHING,          LW_W_ERROR,       NOTHING },
	[LW_EV_PENDING]         = { NOTHING,          NOTHING,          NOTHING },
	[LW_EV_SEALED]          = { NOTHING,          NOTHING,          NOTHING },
	[LW_EV_FLUSHED]         = { NOTHING,          LW_W_FLUSHED,     NOTHING },
	[LW_EV_LIBRARY_FAILED]  = { LW_R_FAILED,      LW_W_FAILED,      NOTHING },
	[LW_EV_LIBRARY_ALERTED] = { LW_R_FAILED,      LW_W_ALERTED,     NOTHING },
	[LW_EV_WRITE_ALERTED]   = { NOTHING,          LW_W_ALERTED,     NOTHING },
	[LW_EV_WARNING_LIMIT]   = { LW_R_FAILED,      NOTHING,          NOTHING }, /* the level READ_FAILED does the rest */
	[LW_EV_DEADLINE]        = { LW_R_EXPIRE,      LW_W_EXPIRE,      NOTHING },
	[LW_EV_DRAINED]         = { LW_R_ABANDON,     NOTHING,          LW_T_DRAINED },
	[LW_EV_COMPLETE]        = { LW_R_COMPLETE,    NOTHING,          NOTHING },
	[LW_EV_INCOMPLETE]      = { LW_R_INCOMPLETE,  NOTHING,          NOTHING },
	[LW_EV_FINISH]          = { NOTHING,          LW_W_CLOSE,       NOTHING },
	[LW_EV_CLOSE]           = { LW_R_STOP,        LW_W_CLOSE,       LW_T_CLOSE },
	[LW_EV_UNWRAP]          = { NOTHING,          LW_W_CLOSE,       LW_T_UNWRAP },
	[LW_EV_ABORT]           = { LW_R_ABANDON,     LW_W_ABORT,       LW_T_ABORT },
};

/* What an alert is to the read machine, by its class. */
static const uint8_t alert_inputs[] = {
	[LW_ALERT_IS_CLOSURE]   = LW_R_CLOSE_NOTIFY,
	[LW_ALERT_IS_FATAL]     = LW_R_FATAL,
	[LW_ALERT_IS_PASSING]   = NOTHING,
	[LW_ALERT_IS_MALFORMED] = LW_R_FAILED,
};
/* clang-format on */

static bool is_latched(uint8_t state)
{
	return (state & LW_LATCH) != 0;
}

/* What a latched state reads as; CLOSED is the least of the endings. */
#define ENDED(ending) (LW_LATCH | LW_ENDING_##ending)

/* Ended in another way than closed. */
static bool is_spoilt(const struct lw_engine *e)
{
	return e->read > ENDED(CLOSED) || e->write > ENDED(CLOSED);
}

static enum lw_ending ending_of(uint8_t state)
{
	return is_latched(state) ? (enum lw_ending)(state & ~LW_LATCH) : LW_ENDING_OPEN;
}

enum lw_ending lw_engine_read_ending(const struct lw_engine *e)
{
	return ending_of(e->read);
}

enum lw_ending lw_engine_write_ending(const struct lw_engine *e)
{
	return ending_of(e->write);
}

void lw_engine_init(struct lw_engine *e, enum lw_policy policy, bool awaits_peer)
{
	*e = (struct lw_engine){ .row = lw_version_row(LW_VERSION_UNKNOWN),
		                 .read = LW_READ_SHAKING,
		                 .write = LW_WRITE_SHAKING,
		                 .transport = LW_TRANSPORT_OPEN,
		                 .policy = (uint8_t)policy,
		                 .awaits_peer = awaits_peer };
}

static unsigned feed_read(const struct lw_tables *tables, struct lw_engine *e, uint8_t input)
{
	const struct lw_cell *cell;

	if (input == NOTHING || is_latched(e->read))
		return 0;
	cell = &tables->read[e->read][input];
	e->read = cell->next;
	if (e->read == LW_READ_OPEN || e->read == LW_READ_COMPLETE)
		e->complete = e->read == LW_READ_COMPLETE;
	if (cell->actions & LW_DO_IGNORE_INPUT) {
		e->ignored = true;
		e->complete = false;
	}
	return cell->actions;
}

static unsigned feed_write(const struct lw_tables *tables, struct lw_engine *e, uint8_t input)
{
	const struct lw_cell *cell;

	if (input == NOTHING || is_latched(e->write))
		return 0;
	cell = &tables->write[e->write][input];
	e->write = cell->next;
	if ((cell->actions & LW_DO_SEAL_CLOSE_NOTIFY) && e->closed_first == LW_CLOSED_FIRST_NOBODY)
		e->closed_first = LW_CLOSED_FIRST_WE;
	if (e->write == LW_WRITE_ABORTING || ending_of(e->write) == LW_ENDING_ABORTED)
		e->fatal = true;
	return cell->actions;
}

static unsigned feed_transport(const struct lw_tables *tables, struct lw_engine *e, uint8_t input)
{
	const struct lw_cell *cell;

	if (input == NOTHING || e->transport >= LW_TRANSPORT_STATES)
		return 0;
	cell = &tables->transport[e->transport][input];
	e->transport = cell->next;
	if (cell->actions & LW_DO_ARM_ENDING)
		e->armed = LW_DEADLINE_ENDING;
	if (cell->actions & LW_DO_ARM_DRAIN)
		e->armed = LW_DEADLINE_DRAIN;
	if (e->transport >= LW_TRANSPORT_STATES)
		e->armed = LW_DEADLINE_NONE;
	return cell->actions;
}

static unsigned tell_write_of_reading(const struct lw_tables *tables, struct lw_engine *e)
{
	unsigned actions = 0;

	if (e->read == ENDED(ABORTED))
		actions |= feed_write(tables, e, LW_W_PEER_ABORTED);
	if (e->read == ENDED(FAILED))
		actions |= feed_write(tables, e, LW_W_READ_FAILED);
	if (e->read == ENDED(CLOSED) &&
	    e->row->on_peer_close == LW_ANSWER_AND_DISCARD) /* rule: no-forced-answer */
		actions |= feed_write(tables, e, LW_W_ANSWER);
	return actions;
}

/* What the write machine is told after every event. */
static unsigned tell_write(const struct lw_tables *tables, struct lw_engine *e)
{
	unsigned actions = 0;

	if (is_latched(e->write))
		return 0;
	if (is_latched(e->read))
		actions |= tell_write_of_reading(tables, e);
	if (!e->pending)
		actions |= feed_write(tables, e, LW_W_SEALED);
	return actions;
}

/* rules: need-not-wait, close-transport-without-waiting */
static bool is_over(const struct lw_engine *e)
{
	if (!is_latched(e->write))
		return false;
	return is_latched(e->read) || (!e->awaits_peer && e->read == LW_READ_DISCARDING);
}

/* What the transport machine is told after every event. */
static unsigned tell_transport(const struct lw_tables *tables, struct lw_engine *e, bool spoilt)
{
	unsigned actions = 0;

	if (spoilt) /* before the FIN, which an unwrap that becomes a close must still hear of */
		actions |= feed_transport(tables, e, LW_T_SPOILT);
	if (e->peer_fin)
		actions |= feed_transport(tables, e, LW_T_PEER_FIN);
	if (e->read == ENDED(CLOSED) && e->write == ENDED(CLOSED))
		actions |= feed_transport(tables, e, LW_T_BOTH_CLOSED);
	if (is_over(e))
		actions |= feed_transport(tables, e, LW_T_OVER);
	return actions;
}

/* rules: unclean-end-forbids-resumption, unclean-end-allows-resumption, fatal-invalidates-session
 */
static bool is_session_spoilt(const struct lw_engine *e, bool spoilt)
{
	return (spoilt && e->row->unclean_forbids_resumption) ||
	       (e->fatal && e->row->fatal_forbids_resumption);
}

/* Whether the event can concern this engine at all, now. */
static bool is_admitted(const struct lw_engine *e, enum lw_event_kind kind)
{
	switch ((int)kind) {
	case LW_EV_FINISH:
		return lw_engine_may_finish(e);
	case LW_EV_UNWRAP:
		return lw_engine_may_unwrap(e);
	case LW_EV_DEADLINE:
		return e->armed == LW_DEADLINE_ENDING;
	case LW_EV_DRAINED:
		return e->armed == LW_DEADLINE_DRAIN;
	default:
		return !lw_engine_is_final(e);
	}
}

/* Notes what the event itself says, before the machines see it; gives the read machine's input. */
static uint8_t note_event(struct lw_engine *e, enum lw_event_kind kind,
                          const struct lw_engine_event *event)
{
	const bool read_over = is_latched(e->read);

	switch ((int)kind) {
	case LW_EV_ESTABLISHED:
		e->row = lw_version_row(event->version);
		break;
	case LW_EV_DATA:
		e->warnings_in_a_row = 0;
		break;
	case LW_EV_PENDING:
		e->pending = true;
		break;
	case LW_EV_SEALED:
		e->pending = false;
		break;
	case LW_EV_FIN:
		e->peer_fin = true;
		if (!read_over) {
			e->place = event->place;
			e->missing = event->missing;
		}
		break;
	case LW_EV_RESET:
		if (!read_over)
			e->place = event->place;
		break;
	case LW_EV_READ_ERROR:
	case LW_EV_WRITE_ERROR:
		if (e->os_error == 0)
			e->os_error = event->os_error;
		break;
	case LW_EV_LIBRARY_FAILED:
	case LW_EV_LIBRARY_ALERTED:
	case LW_EV_WARNING_LIMIT:
		e->fatal |= !read_over; /* rule: forget-failed-secrets */
		break;
	default:
		break;
	}
	return inputs[kind].read;
}

static uint8_t note_alert(struct lw_engine *e, const struct lw_engine_event *event)
{
	const enum lw_alert_class class =
	    lw_alert_classify(e->row, event->level, event->description);

	if (is_latched(e->read)) /* rule: ignore-after-closure */
		return NOTHING;
	if (class == LW_ALERT_IS_PASSING) {
		e->warnings++;
		e->warnings_in_a_row++;
		return NOTHING;
	}
	e->received = (struct lw_alert){ true, event->level, event->description };
	if (class == LW_ALERT_IS_CLOSURE && e->closed_first == LW_CLOSED_FIRST_NOBODY &&
	    e->read != LW_READ_SHAKING)
		e->closed_first = LW_CLOSED_FIRST_PEER;
	if (class != LW_ALERT_IS_CLOSURE) /* received, or due in answer to a malformed one */
		e->fatal = true;
	return alert_inputs[class];
}

unsigned lw_engine_step(const struct lw_tables *tables, struct lw_engine *e,
                        const struct lw_engine_event *event)
{
	enum lw_event_kind kind = event->kind;
	uint8_t read_input;
	unsigned actions;
	bool spoilt;

	if (!is_admitted(e, kind))
		return 0;
	/* After a write error by RST, Linux ends reading by 0: that is the reset, not a FIN. */
	if (kind == LW_EV_FIN && ending_of(e->write) == LW_ENDING_RESET)
		kind = LW_EV_RESET;
	read_input = kind == LW_EV_ALERT ? note_alert(e, event) : note_event(e, kind, event);
	actions = feed_read(tables, e, read_input);
	actions |= feed_write(tables, e, inputs[kind].write);
	actions |= tell_write(tables, e);
	actions |= feed_transport(tables, e, inputs[kind].transport);
	spoilt = is_spoilt(e);
	actions |= tell_transport(tables, e, spoilt);
	if ((spoilt || e->fatal) && !e->forgets && is_session_spoilt(e, spoilt)) {
		e->forgets = true;
		actions |= LW_DO_FORGET;
	}
	return actions;
}

void lw_engine_recall_close_notify(struct lw_engine *e)
{
	if (e->write != LW_WRITE_CLOSING)
		return;
	e->write = LW_WRITE_FLUSHING;
	if (e->closed_first == LW_CLOSED_FIRST_WE)
		e->closed_first = lw_engine_read_ending(e) == LW_ENDING_CLOSED
		                      ? LW_CLOSED_FIRST_PEER
		                      : LW_CLOSED_FIRST_NOBODY;
}

bool lw_engine_is_established(const struct lw_engine *e)
{
	return e->row->version != LW_VERSION_UNKNOWN;
}

bool lw_engine_wants_read(const struct lw_engine *e)
{
	return !is_latched(e->read); /* a final state has both endings */
}

bool lw_engine_delivers(const struct lw_engine *e)
{
	return e->read == LW_READ_OPEN || e->read == LW_READ_COMPLETE;
}

bool lw_engine_may_write(const struct lw_engine *e)
{
	return e->write == LW_WRITE_OPEN;
}

bool lw_engine_may_finish(const struct lw_engine *e)
{
	return e->row->half_close; /* before the handshake is done, the row says no */
}

bool lw_engine_may_unwrap(const struct lw_engine *e)
{
	return lw_engine_is_established(e) &&
	       (e->transport == LW_TRANSPORT_OPEN || e->transport == LW_TRANSPORT_PEER_ENDED ||
	        e->transport == LW_TRANSPORT_UNWRAPPING);
}

bool lw_engine_is_closing(const struct lw_engine *e)
{
	return e->transport == LW_TRANSPORT_DRAINING || e->transport == LW_TRANSPORT_CLOSED ||
	       e->transport == LW_TRANSPORT_CLOSING ||
	       e->transport == LW_TRANSPORT_CLOSING_PEER_ENDED;
}

bool lw_engine_is_final(const struct lw_engine *e)
{
	return e->transport >= LW_TRANSPORT_STATES;
}

void lw_engine_verdict(const struct lw_engine *e, struct lw_verdict *verdict)
{
	const enum lw_ending read = ending_of(e->read);
	const enum lw_policy policy = (enum lw_policy)e->policy;
	/* Who closes first up to 1.2 makes the peer drop its pending writes, when an attacker
	 * likes. */
	const bool may_be_cut = e->closed_first == LW_CLOSED_FIRST_WE &&
	                        e->row->on_peer_close == LW_ANSWER_AND_DISCARD && !e->complete;
	const bool proven = read == LW_ENDING_CLOSED && !e->ignored && !may_be_cut;

	memset(verdict, 0, sizeof *verdict);
	verdict->version = e->row->version;
	verdict->policy = policy;
	verdict->read = read;
	verdict->write = ending_of(e->write);
	verdict->complete = e->complete;
	verdict->tolerated = lw_tolerates(policy, e->complete, read, e->place);
	/* Without close_notify only completeness can prove it; `lax` alone claims nothing. */
	verdict->whole = proven || (read != LW_ENDING_CLOSED && e->complete && verdict->tolerated);
	verdict->at = e->place;
	verdict->missing = e->missing;
	verdict->alert_received = e->received;
	verdict->warnings = e->warnings;
	verdict->records_without_data = e->records_without_data;
	verdict->closed_first = (enum lw_closer_side)e->closed_first;
	verdict->session = e->forgets ? LW_SESSION_FORGET : LW_SESSION_MAY_RESUME;
	verdict->os_error = e->os_error;
}
