/* reference: see reference.h.  Nothing here may look at a table or a row of closure/. */
#include "tests/model/reference.h"

#include <stddef.h>

/* ---- facts about versions, from data/rules.tsv */

bool reference_is_old(const struct reference *r) /* rules: answer-at-once, no-forced-answer */
{
	return r->version != LW_VERSION_TLS1_3 && r->version != LW_VERSION_DTLS1_3;
}

static bool is_established(const struct reference *r)
{
	return r->version != LW_VERSION_UNKNOWN;
}

static bool is_unclean(enum lw_ending ending)
{
	return ending != LW_ENDING_OPEN && ending != LW_ENDING_CLOSED;
}

bool reference_forgets(const struct reference *r)
{
	if (r->fatal) /* rules: fatal-invalidates-session, discard-tickets-on-failure */
		return true;
	if (r->version != LW_VERSION_SSL3 && r->version != LW_VERSION_TLS1_0)
		return false;
	return is_unclean(r->read) || is_unclean(r->write); /* unclean-end-forbids-resumption */
}

bool reference_tolerates(const struct reference *r, enum lw_policy policy)
{
	const bool fin = r->read == LW_ENDING_TRUNCATED && r->place == LW_PLACE_BOUNDARY;
	const bool reset = r->read == LW_ENDING_RESET;

	if (r->read == LW_ENDING_CLOSED)
		return true;
	if (policy == LW_POLICY_STRICT)
		return false;
	if (r->complete) /* rule: framed-message-survives */
		return fin || reset;
	return policy == LW_POLICY_LAX && fin;
}

bool reference_is_whole(const struct reference *r, enum lw_policy policy)
{
	if (r->read != LW_ENDING_CLOSED)
		return r->complete && reference_tolerates(r, policy);
	if (r->ignored)
		return false;
	/* Up to 1.2 our close makes the peer drop what it had not sent. */
	return !reference_is_old(r) || r->first != LW_CLOSED_FIRST_WE || r->complete;
}

/* ---- the facts behind an engine's state */

static enum lw_ending ending_of(uint8_t state)
{
	return state & LW_LATCH ? (enum lw_ending)(state & ~LW_LATCH) : LW_ENDING_OPEN;
}

static enum asked asked_of(uint8_t transport)
{
	if (transport == LW_TRANSPORT_OPEN || transport == LW_TRANSPORT_PEER_ENDED)
		return ASKED_NOTHING;
	return transport == LW_TRANSPORT_UNWRAPPING || transport == LW_TRANSPORT_HANDED_BACK
	           ? ASKED_UNWRAP
	           : ASKED_CLOSE;
}

static enum fate fate_of(uint8_t transport)
{
	switch (transport) {
	case LW_TRANSPORT_DRAINING:
		return FATE_SHUT;
	case LW_TRANSPORT_CLOSED:
		return FATE_GONE;
	case LW_TRANSPORT_HANDED_BACK:
		return FATE_BACK;
	default:
		return FATE_UP;
	}
}

struct reference reference_of(const struct lw_engine *e, enum lw_version version, enum word said)
{
	return (struct reference){
		.version = lw_engine_is_established(e) ? version : LW_VERSION_UNKNOWN,
		.awaits_peer = e->awaits_peer,
		.read = ending_of(e->read),
		.write = ending_of(e->write),
		.said = said,
		.due = e->write == LW_WRITE_FLUSHING,
		.pending = e->pending,
		.stopped = e->read == LW_READ_DISCARDING,
		.complete = e->complete,
		.ignored = e->ignored,
		.fatal = e->fatal,
		.peer_fin = e->peer_fin,
		.place = e->place,
		.first = (enum lw_closer_side)e->closed_first,
		.asked = asked_of(e->transport),
		.fate = fate_of(e->transport),
	};
}

static uint8_t read_state(const struct reference *r)
{
	if (r->read != LW_ENDING_OPEN)
		return (uint8_t)(LW_LATCH | r->read);
	if (!is_established(r))
		return LW_READ_SHAKING;
	if (r->stopped)
		return LW_READ_DISCARDING;
	return r->complete ? LW_READ_COMPLETE : LW_READ_OPEN;
}

static uint8_t write_state(const struct reference *r)
{
	if (r->write != LW_ENDING_OPEN)
		return (uint8_t)(LW_LATCH | r->write);
	if (r->said != WORD_NONE)
		return r->said == WORD_FATAL ? LW_WRITE_ABORTING : LW_WRITE_CLOSING;
	if (!is_established(r))
		return LW_WRITE_SHAKING;
	return r->due ? LW_WRITE_FLUSHING : LW_WRITE_OPEN;
}

static uint8_t transport_state(const struct reference *r)
{
	if (r->fate == FATE_GONE)
		return LW_TRANSPORT_CLOSED;
	if (r->fate == FATE_BACK)
		return LW_TRANSPORT_HANDED_BACK;
	if (r->fate == FATE_SHUT)
		return LW_TRANSPORT_DRAINING;
	if (r->asked == ASKED_UNWRAP)
		return LW_TRANSPORT_UNWRAPPING;
	if (r->asked == ASKED_CLOSE)
		return r->peer_fin ? LW_TRANSPORT_CLOSING_PEER_ENDED : LW_TRANSPORT_CLOSING;
	return r->peer_fin ? LW_TRANSPORT_PEER_ENDED : LW_TRANSPORT_OPEN;
}

static enum lw_deadline armed(const struct reference *r)
{
	if (r->asked == ASKED_NOTHING || r->fate == FATE_GONE || r->fate == FATE_BACK)
		return LW_DEADLINE_NONE;
	return r->fate == FATE_SHUT ? LW_DEADLINE_DRAIN : LW_DEADLINE_ENDING;
}

const char *reference_differs(const struct reference *r, const struct lw_engine *e)
{
	if (e->read != read_state(r))
		return "the read ending";
	if (e->write != write_state(r))
		return "the write ending";
	if (e->transport != transport_state(r))
		return "the transport";
	if (e->armed != armed(r))
		return "the deadline";
	if (e->complete != r->complete || e->ignored != r->ignored)
		return "completeness";
	if (e->closed_first != r->first)
		return "who closed first";
	if (e->fatal != r->fatal || e->forgets != reference_forgets(r))
		return "the session";
	if (e->pending != r->pending || e->peer_fin != r->peer_fin || e->place != r->place)
		return "what was noted";
	return NULL;
}

/* ---- one event */

static void end_read(struct reference *r, enum lw_ending ending)
{
	if (r->read == LW_ENDING_OPEN)
		r->read = ending;
}

static void end_write(struct reference *r, enum lw_ending ending)
{
	if (r->write == LW_ENDING_OPEN)
		r->write = ending;
}

static void end_both(struct reference *r, enum lw_ending ending)
{
	end_read(r, ending);
	end_write(r, ending);
}

/* The read side met something that calls for a fatal alert. */
static void fail_read(struct reference *r)
{
	if (r->read != LW_ENDING_OPEN) /* rule: ignore-after-closure */
		return;
	r->read = LW_ENDING_FAILED;
	r->fatal = true;
}

static void hear_closure(struct reference *r)
{
	if (!is_established(r)) { /* rule: closure-before-keys-unauthenticated */
		r->read = LW_ENDING_FAILED;
		return;
	}
	r->read = LW_ENDING_CLOSED;
	if (r->first == LW_CLOSED_FIRST_NOBODY)
		r->first = LW_CLOSED_FIRST_PEER;
}

static void hear_alert(struct reference *r, uint8_t level, uint8_t description)
{
	const bool old = reference_is_old(r);

	if (r->read != LW_ENDING_OPEN)
		return;
	if (old && level != 1 && level != 2) {
		fail_read(r);
	} else if (old ? level == 2 : description != 0 && description != 90) {
		r->read = LW_ENDING_ABORTED;
		r->fatal = true;
	} else if (description == 0) {
		hear_closure(r);
	}
}

/* The transport failed both ways. */
static void break_transport(struct reference *r, enum lw_ending ending, enum lw_place place)
{
	if (r->read == LW_ENDING_OPEN)
		r->place = place;
	end_both(r, ending);
	r->fate = FATE_GONE;
}

static void hear_fin(struct reference *r, enum lw_place place)
{
	if (r->write == LW_ENDING_RESET) { /* what Linux says behind a write error by RST */
		break_transport(r, LW_ENDING_RESET, place);
		return;
	}
	r->peer_fin = true;
	if (r->read == LW_ENDING_OPEN) {
		r->read = LW_ENDING_TRUNCATED;
		r->place = place;
	}
}

static unsigned hear_data(struct reference *r)
{
	if (r->read != LW_ENDING_OPEN || !is_established(r))
		return 0;
	r->complete = false;
	r->ignored |= r->stopped;
	return r->stopped ? LW_DO_IGNORE_INPUT : 0;
}

/* The library sealed a fatal alert, unless ours is out already. */
static void alert_by_library(struct reference *r)
{
	if (r->write != LW_ENDING_OPEN || r->said != WORD_NONE)
		return;
	r->said = WORD_FATAL;
	r->fatal = true;
}

/* What comes from below.  Gives LW_DO_IGNORE_INPUT or nothing. */
static unsigned hear(struct reference *r, const struct lw_engine_event *event)
{
	switch ((int)event->kind) {
	case LW_EV_ESTABLISHED:
		r->version = event->version;
		return 0;
	case LW_EV_DATA:
		return hear_data(r);
	case LW_EV_ALERT:
		hear_alert(r, event->level, event->description);
		return 0;
	case LW_EV_FIN:
		hear_fin(r, event->place);
		return 0;
	case LW_EV_RESET:
		break_transport(r, LW_ENDING_RESET, event->place);
		return 0;
	case LW_EV_READ_ERROR:
		break_transport(r, LW_ENDING_FAILED, r->place);
		return 0;
	case LW_EV_WRITE_RESET: /* two channels: reading goes on */
		end_write(r, LW_ENDING_RESET);
		return 0;
	case LW_EV_WRITE_ERROR:
		end_write(r, LW_ENDING_FAILED);
		return 0;
	case LW_EV_PENDING:
	case LW_EV_SEALED:
		r->pending = event->kind == LW_EV_PENDING;
		return 0;
	case LW_EV_FLUSHED:
		if (r->said != WORD_NONE)
			end_write(r, r->said == WORD_FATAL ? LW_ENDING_ABORTED : LW_ENDING_CLOSED);
		return 0;
	case LW_EV_LIBRARY_FAILED:
		fail_read(r);
		if (r->said != WORD_CLOSE_NOTIFY)
			end_write(r, LW_ENDING_FAILED);
		return 0;
	case LW_EV_LIBRARY_ALERTED:
		fail_read(r);
		alert_by_library(r);
		return 0;
	case LW_EV_WRITE_ALERTED:
		alert_by_library(r);
		return 0;
	case LW_EV_WARNING_LIMIT:
		fail_read(r);
		return 0;
	default:
		return 0;
	}
}

static void say_fatal(struct reference *r)
{
	r->said = WORD_FATAL;
	r->fatal = true;
}

static void do_abort(struct reference *r)
{
	end_read(r, LW_ENDING_ABANDONED);
	if (!is_established(r) && r->said == WORD_NONE)
		end_write(r, LW_ENDING_ABANDONED);
	if (r->said == WORD_CLOSE_NOTIFY) /* nothing is sent behind it */
		end_write(r, LW_ENDING_ABANDONED);
	if (r->write == LW_ENDING_OPEN && r->said == WORD_NONE)
		say_fatal(r);
	r->asked = ASKED_CLOSE;
}

static void do_close(struct reference *r)
{
	if (!is_established(r)) { /* there is no proper end yet */
		end_read(r, LW_ENDING_ABANDONED);
		if (r->said == WORD_NONE)
			end_write(r, LW_ENDING_ABANDONED);
	}
	r->stopped = true;
	r->due = true;
	r->asked = ASKED_CLOSE;
}

/* What is refused changes nothing. */
static bool is_refused(const struct reference *r, enum lw_event_kind kind)
{
	if (r->fate == FATE_GONE || r->fate == FATE_BACK)
		return true;
	switch ((int)kind) {
	case LW_EV_FINISH: /* rule: half-close */
		return !is_established(r) || reference_is_old(r);
	case LW_EV_UNWRAP:
		return !is_established(r) || r->asked == ASKED_CLOSE;
	case LW_EV_DEADLINE:
		return armed(r) != LW_DEADLINE_ENDING;
	case LW_EV_DRAINED:
		return armed(r) != LW_DEADLINE_DRAIN;
	default:
		return false;
	}
}

/* What comes from above, or from the clock. */
static void obey(struct reference *r, enum lw_event_kind kind)
{
	switch ((int)kind) {
	case LW_EV_COMPLETE:
	case LW_EV_INCOMPLETE:
		if (is_established(r) && r->read == LW_ENDING_OPEN && !r->stopped)
			r->complete = kind == LW_EV_COMPLETE;
		break;
	case LW_EV_FINISH:
		r->due = true;
		break;
	case LW_EV_UNWRAP:
		r->due = true;
		r->asked = ASKED_UNWRAP;
		break;
	case LW_EV_CLOSE:
		do_close(r);
		break;
	case LW_EV_ABORT:
		do_abort(r);
		break;
	case LW_EV_DEADLINE:
		end_both(r, LW_ENDING_EXPIRED);
		break;
	case LW_EV_DRAINED:
		end_read(r, LW_ENDING_ABANDONED);
		r->fate = FATE_GONE;
		break;
	default:
		break;
	}
}

/* What an ending asks of our own direction.  Gives LW_DO_DISCARD for the forced answer. */
static unsigned conclude_write(struct reference *r)
{
	unsigned actions = 0;

	if (r->read == LW_ENDING_ABORTED) /* rule: close-at-once-on-fatal */
		end_write(r, LW_ENDING_ABORTED);
	if (r->write != LW_ENDING_OPEN || r->said != WORD_NONE)
		return 0;
	if (r->read == LW_ENDING_FAILED && !is_established(r)) {
		r->write = LW_ENDING_FAILED;
		return 0;
	}
	if (r->read == LW_ENDING_FAILED) { /* rules: send-defined-fatal, send-fatal-if-possible */
		say_fatal(r);
		return 0;
	}
	if (r->read == LW_ENDING_CLOSED && reference_is_old(r)) { /* rule: answer-at-once */
		r->due = true;
		actions = LW_DO_DISCARD; /* rule: discard-pending-writes */
	}
	if (is_established(r) && r->due && !r->pending) {
		r->said = WORD_CLOSE_NOTIFY;
		if (r->first == LW_CLOSED_FIRST_NOBODY)
			r->first = LW_CLOSED_FIRST_WE;
	}
	return actions;
}

static void conclude_transport(struct reference *r)
{
	const bool heard = r->read != LW_ENDING_OPEN || (!r->awaits_peer && r->stopped);

	if (r->fate == FATE_GONE)
		return;
	if (r->asked == ASKED_UNWRAP && (is_unclean(r->read) || is_unclean(r->write)))
		r->asked = ASKED_CLOSE; /* a failed unwrap becomes a close */
	if (r->asked == ASKED_UNWRAP && r->read == LW_ENDING_CLOSED &&
	    r->write == LW_ENDING_CLOSED) /* rule: await-peer-before-reuse */
		r->fate = FATE_BACK;
	if (r->asked == ASKED_CLOSE && heard && r->write != LW_ENDING_OPEN)
		r->fate = r->peer_fin ? FATE_GONE : FATE_SHUT;
}

/* The actions that lead from the facts before to the facts now. */
static unsigned actions_between(const struct reference *was, const struct reference *is)
{
	const bool ended = was->write == LW_ENDING_OPEN && is->write != LW_ENDING_OPEN;
	unsigned actions = 0;

	if (is->said != was->said)
		actions |= is->said == WORD_FATAL ? LW_DO_SEAL_FATAL : LW_DO_SEAL_CLOSE_NOTIFY;
	if (is_established(was) && was->said == WORD_NONE && (ended || is->said == WORD_FATAL) &&
	    was->write == LW_ENDING_OPEN)
		actions |= LW_DO_DISCARD;
	if (was->read == LW_ENDING_OPEN && is->read != LW_ENDING_OPEN)
		actions |= LW_DO_REPORT;
	if (reference_forgets(is) && !reference_forgets(was))
		actions |= LW_DO_FORGET;
	if (was->asked == ASKED_NOTHING && is->asked != ASKED_NOTHING)
		actions |= LW_DO_ARM_ENDING;
	if (is->fate != was->fate) {
		if (is->fate == FATE_SHUT)
			actions |= LW_DO_SHUT_WRITE | LW_DO_ARM_DRAIN;
		actions |= is->fate == FATE_GONE ? LW_DO_END : 0;
		actions |= is->fate == FATE_BACK ? LW_DO_HAND_BACK : 0;
	}
	return actions;
}

unsigned reference_step(struct reference *r, const struct lw_engine_event *event)
{
	const struct reference was = *r;
	unsigned actions;

	if (is_refused(r, event->kind))
		return 0;
	actions = hear(r, event);
	obey(r, event->kind);
	actions |= conclude_write(r);
	conclude_transport(r);
	actions |= actions_between(&was, r);
	if (event->kind == LW_EV_LIBRARY_ALERTED || event->kind == LW_EV_WRITE_ALERTED)
		actions &= ~(unsigned)LW_DO_SEAL_FATAL;
	return actions;
}
