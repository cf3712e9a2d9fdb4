/*
 * pair: see pair.h.
 *
 * Records are units; what is under way in one direction is always a hello, messages, one alert,
 * plaintext, a FIN, an RST, in this order, so counts tell it all.  There is no fairness: what
 * can be delivered may stay under way for ever, which is the stall, and a deadline may run out
 * at any time.  A fault cuts or resets each direction once.  A fault, a deadline, an abort and a
 * close before the handshake make the world dirty; a clean one loses nothing and ends closed.
 */
#include "tests/model/pair.h"

#include "tests/model/fold.h"

/* One side's view while a move is done. */
struct seat {
	struct rig *rig;
	struct pair *pair;
	struct side *own, *peer;
	enum exchange_side teller, other;
};

static void tell(const struct seat *at, enum exchange_what what, const char *note)
{
	if (at->rig->telling)
		exchange_add_note(at->rig->telling, 0, at->teller, what, note);
}

static void tell_network(const struct seat *at, const char *note)
{
	if (at->rig->telling)
		exchange_add_note(at->rig->telling, 0, at->teller, EXCHANGE_NOTE_ONLY, note);
}

/* ---- what leaves */

static void push_message(const struct seat *at)
{
	struct flow *to = &at->peer->in;

	CLAIM(at->rig, 2, !at->own->left, "a record left behind our alert");
	CLAIM(at->rig, 2,
	      to->cut || to->torn || (to->alert == WORD_NONE && to->fin == LW_PLACE_NONE),
	      "a record left behind an alert or a FIN");
	tell(at, EXCHANGE_DATA, "");
	if (!to->cut && !to->torn)
		to->messages++;
}

static void push_alert(const struct seat *at)
{
	struct flow *to = &at->peer->in;
	const enum word word = at->own->out;

	CLAIM(at->rig, 2, to->fin == LW_PLACE_NONE || to->cut || to->torn,
	      "an alert left behind our FIN");
	if (at->rig->telling)
		exchange_add_alert(at->rig->telling, 0, at->teller,
		                   word == WORD_FATAL ? LW_ALERT_FATAL : LW_ALERT_WARNING,
		                   word == WORD_FATAL ? 80 : LW_ALERT_CLOSE_NOTIFY);
	at->own->out = WORD_NONE;
	at->own->left = true;
	if (!to->cut && !to->torn)
		to->alert = word;
}

static void push_fin(const struct seat *at, enum lw_place place)
{
	struct flow *to = &at->peer->in;

	at->own->shut = true;
	tell(at, EXCHANGE_FIN, place == LW_PLACE_INSIDE ? "inside a record" : "");
	if (!to->cut && !to->torn)
		to->fin = place;
}

/* The FIN: what was half out is cut, an alert that is sealed still goes. */
static void shut(const struct seat *at)
{
	struct side *own = at->own;
	const bool half = own->half;

	if (own->shut)
		return;
	if (!half && own->out != WORD_NONE && !own->in.reset)
		push_alert(at);
	own->half = false;
	own->unsealed = 0;
	own->out = WORD_NONE;
	push_fin(at, half ? LW_PLACE_INSIDE : LW_PLACE_BOUNDARY);
}

/* ---- what an event does to the world */

static void event(const struct seat *at, struct lw_engine_event event);

/* The stack reports, unasked, that nothing is pending any more. */
static void settle(const struct seat *at)
{
	const struct side *own = at->own;

	if (own->e.pending && own->unsealed == 0 && !own->half && !lw_engine_is_final(&own->e))
		event(at, (struct lw_engine_event){ .kind = LW_EV_SEALED });
}

/* What the reader has, once its direction has ended. */
static void check_reader(const struct seat *at)
{
	const struct side *own = at->own, *peer = at->peer;
	const bool had_all = own->in.delivered == peer->accepted;

	for (unsigned policy = 0; policy <= LW_POLICY_LAX; policy++) {
		struct lw_engine e = own->e;
		struct lw_verdict v;

		e.policy = (uint8_t)policy;
		lw_engine_verdict(&e, &v);
		/* complete: declared at exactly this point, or the reference would differ */
		CLAIM(at->rig, 1, !v.whole || had_all || v.complete,
		      "whole, and the reader lacks what the writer had accepted");
		CLAIM(at->rig, 1,
		      policy != LW_POLICY_STRICT || !v.whole || v.read == LW_ENDING_CLOSED,
		      "whole under strict without close_notify");
	}
	if (lw_engine_read_ending(&own->e) == LW_ENDING_CLOSED)
		CLAIM(at->rig, 8, !peer->aborted, "an abort looks like an end to the peer");
	/* Up to 1.2 a peer that we close first drops what it has not sent. */
	if (lw_engine_read_ending(&own->e) == LW_ENDING_CLOSED && !at->pair->dirty &&
	    !own->e.ignored &&
	    (own->e.row->half_close || own->e.closed_first == LW_CLOSED_FIRST_PEER))
		CLAIM(at->rig, 10, had_all, "bytes were lost though nothing had gone wrong");
}

static void event(const struct seat *at, struct lw_engine_event event)
{
	struct side *own = at->own;
	const enum lw_ending read = lw_engine_read_ending(&own->e);
	const unsigned actions = side_event(at->rig, own, event, at->pair->dirty);

	CLAIM(at->rig, 3, !(actions & LW_DO_SHUT_WRITE) || !own->shut,
	      "the transport was shut twice");
	if (actions & (LW_DO_SHUT_WRITE | LW_DO_END))
		shut(at);
	if (actions & LW_DO_END)
		CLAIM(at->rig, 10, at->pair->dirty || own->in.fin == LW_PLACE_NONE,
		      "ended with input under way, which draws an RST");
	if (actions & LW_DO_HAND_BACK)
		CLAIM(at->rig, 5,
		      own->in.hello == 0 && own->in.messages == 0 && own->in.alert == WORD_NONE,
		      "handed back with TLS records before the plaintext");
	if (read == LW_ENDING_OPEN && lw_engine_read_ending(&own->e) != LW_ENDING_OPEN)
		check_reader(at);
	settle(at);
}

static void simple(const struct seat *at, enum lw_event_kind kind)
{
	event(at, (struct lw_engine_event){ .kind = kind });
}

/* ---- moves of the application */

static bool app_write(const struct seat *at)
{
	struct side *own = at->own;

	if (!lw_engine_may_write(&own->e) || own->accepted == at->rig->messages)
		return false;
	CLAIM(at->rig, 2, own->said == WORD_NONE, "a write was accepted behind our last word");
	tell(at, EXCHANGE_NOTE_ONLY, "write");
	own->accepted++;
	own->unsealed++;
	simple(at, LW_EV_PENDING);
	return true;
}

static bool app_complete(const struct seat *at)
{
	if (!lw_engine_delivers(&at->own->e))
		return false;
	tell(at, EXCHANGE_NOTE_ONLY, at->own->e.complete ? "not complete" : "complete");
	simple(at, at->own->e.complete ? LW_EV_INCOMPLETE : LW_EV_COMPLETE);
	return true;
}

static bool app_finish(const struct seat *at)
{
	if (!lw_engine_may_write(&at->own->e))
		return false;
	tell(at, EXCHANGE_NOTE_ONLY, "finish");
	simple(at, LW_EV_FINISH);
	return true;
}

static bool app_close(const struct seat *at)
{
	if (lw_engine_is_final(&at->own->e))
		return false;
	tell(at, EXCHANGE_NOTE_ONLY, "close");
	/* Before the handshake is done there is no proper end. */
	at->pair->dirty |= !lw_engine_is_established(&at->own->e);
	at->own->called = true;
	simple(at, LW_EV_CLOSE);
	return true;
}

static bool app_unwrap(const struct seat *at)
{
	if (!lw_engine_may_unwrap(&at->own->e))
		return false;
	tell(at, EXCHANGE_NOTE_ONLY, "unwrap");
	at->own->called = true;
	simple(at, LW_EV_UNWRAP);
	return true;
}

static bool app_abort(const struct seat *at)
{
	if (lw_engine_is_final(&at->own->e))
		return false;
	tell(at, EXCHANGE_NOTE_ONLY, "abort");
	at->pair->dirty = true;
	at->own->aborted |= at->own->said == WORD_NONE;
	simple(at, LW_EV_ABORT);
	return true;
}

/* Behind TLS the application goes on in the clear. */
static bool app_plaintext(const struct seat *at)
{
	struct flow *to = &at->peer->in;

	if (at->own->e.transport != LW_TRANSPORT_HANDED_BACK || at->own->shut || to->plaintext ||
	    to->cut || to->torn)
		return false;
	tell(at, EXCHANGE_PLAINTEXT, "");
	to->plaintext = 1;
	return true;
}

/* ---- moves of the stack */

static bool seal_half(const struct seat *at)
{
	struct side *own = at->own;

	if (own->unsealed == 0 || own->half || own->out != WORD_NONE ||
	    lw_engine_write_ending(&own->e) != LW_ENDING_OPEN)
		return false;
	tell(at, EXCHANGE_NOTE_ONLY, "a record is half out");
	own->unsealed--;
	own->half = true;
	return true;
}

/* The next thing leaves: the half record, else a record, else the alert. */
static bool leave(const struct seat *at)
{
	struct side *own = at->own;

	if (lw_engine_write_ending(&own->e) != LW_ENDING_OPEN || own->shut ||
	    (!own->half && own->unsealed == 0 && own->out == WORD_NONE))
		return false;
	if (own->in.reset) { /* the socket knows of the RST before the reader does */
		tell(at, EXCHANGE_NOTE_ONLY, "writing meets the RST");
		own->half = false;
		own->unsealed = 0;
		own->out = WORD_NONE;
		simple(at, LW_EV_WRITE_RESET);
		return true;
	}
	if (own->half || own->unsealed > 0) {
		push_message(at);
		if (own->half)
			own->half = false;
		else
			own->unsealed--;
		settle(at);
		return true;
	}
	push_alert(at);
	simple(at, LW_EV_FLUSHED);
	return true;
}

/* ---- moves of the network */

static void hear_message(const struct seat *at)
{
	struct side *own = at->own;
	const bool delivers = lw_engine_delivers(&own->e);
	unsigned ignored = own->e.ignored;

	own->in.messages--;
	tell(at, EXCHANGE_NOTE_ONLY, "receives data");
	simple(at, LW_EV_DATA);
	own->in.delivered += delivers;
	CLAIM(at->rig, 10, delivers || own->e.ignored || at->pair->dirty, "input got lost");
	CLAIM(at->rig, 10, own->called || at->pair->dirty || own->e.ignored == ignored,
	      "input was ignored before close or abort");
}

static void hear_alert(const struct seat *at)
{
	const bool fatal = at->own->in.alert == WORD_FATAL;

	at->own->in.alert = WORD_NONE;
	tell(at, EXCHANGE_NOTE_ONLY, fatal ? "receives the fatal alert" : "receives close_notify");
	event(at, (struct lw_engine_event){ .kind = LW_EV_ALERT,
	                                    .level = fatal ? LW_ALERT_FATAL : LW_ALERT_WARNING,
	                                    .description = fatal ? 80 : LW_ALERT_CLOSE_NOTIFY });
}

/* Input that TLS does not want any more: drained while closing, left alone otherwise. */
static bool drain(const struct seat *at)
{
	struct flow *in = &at->own->in;

	if (!lw_engine_is_closing(&at->own->e))
		return false;
	tell(at, EXCHANGE_NOTE_ONLY, "drains");
	if (in->hello)
		in->hello = 0;
	else if (in->messages)
		in->messages--;
	else if (in->alert != WORD_NONE)
		in->alert = WORD_NONE;
	else
		in->plaintext = 0;
	return true;
}

static bool deliver_end(const struct seat *at)
{
	struct flow *in = &at->own->in;

	if (in->fin != LW_PLACE_NONE) {
		const enum lw_place place = in->fin;

		in->fin = LW_PLACE_NONE;
		tell(at, EXCHANGE_NOTE_ONLY, "receives FIN");
		event(at, (struct lw_engine_event){ .kind = LW_EV_FIN, .place = place });
		return true;
	}
	if (!in->reset)
		return false;
	in->reset = false;
	tell(at, EXCHANGE_NOTE_ONLY, "receives RST");
	/* Behind a write error Linux gives 0 on read. */
	event(at, (struct lw_engine_event){
		      .kind = lw_engine_write_ending(&at->own->e) == LW_ENDING_RESET ? LW_EV_FIN
	                                                                             : LW_EV_RESET,
		      .place = LW_PLACE_BOUNDARY });
	return true;
}

static bool deliver(const struct seat *at)
{
	struct flow *in = &at->own->in;

	if (lw_engine_is_final(&at->own->e))
		return false;
	if (!in->hello && !in->messages && in->alert == WORD_NONE && !in->plaintext)
		return deliver_end(at);
	if (!lw_engine_wants_read(&at->own->e))
		return drain(at);
	CLAIM(at->rig, 5, in->hello || in->messages || in->alert != WORD_NONE,
	      "plaintext reaches a TLS that still reads");
	if (in->hello) {
		in->hello = 0;
		tell(at, EXCHANGE_HANDSHAKE_DONE, "");
		simple(at, LW_EV_ESTABLISHED);
	} else if (in->messages) {
		hear_message(at);
	} else {
		hear_alert(at);
	}
	return true;
}

static bool cut(const struct seat *at, enum lw_place place)
{
	struct flow *in = &at->own->in;
	const bool inside = in->hello || in->messages || in->alert != WORD_NONE || at->peer->half;

	if (in->cut || in->torn || lw_engine_is_final(&at->own->e) ||
	    (place == LW_PLACE_INSIDE && !inside) || in->fin != LW_PLACE_NONE)
		return false;
	tell_network(at,
	             place == LW_PLACE_INSIDE ? "network: cut inside a record" : "network: cut");
	flow_empty(in);
	in->cut = true;
	in->fin = place;
	at->pair->dirty = true;
	return true;
}

static bool cut_between(const struct seat *at)
{
	return cut(at, LW_PLACE_BOUNDARY);
}

static bool cut_inside(const struct seat *at)
{
	return cut(at, LW_PLACE_INSIDE);
}

static bool reset(const struct seat *at, bool keeps)
{
	struct flow *in = &at->own->in;

	if (in->torn || lw_engine_is_final(&at->own->e))
		return false;
	tell_network(at, keeps ? "network: RST, the queue is kept" : "network: RST");
	if (!keeps)
		flow_empty(in);
	in->torn = true;
	in->reset = true;
	at->peer->in.cut = true; /* what we still send goes nowhere */
	at->pair->dirty = true;
	return true;
}

static bool reset_now(const struct seat *at)
{
	return reset(at, false);
}

static bool reset_behind_queue(const struct seat *at)
{
	return (at->own->in.messages || at->own->in.alert != WORD_NONE) && reset(at, true);
}

static bool garble(const struct seat *at, enum lw_event_kind kind)
{
	struct flow *in = &at->own->in;

	if (!lw_engine_wants_read(&at->own->e) ||
	    !(in->hello || in->messages || in->alert != WORD_NONE))
		return false;
	tell_network(at, kind == LW_EV_LIBRARY_FAILED ? "network: garbled, no alert"
	                                              : "network: garbled");
	at->pair->dirty = true;
	if (kind == LW_EV_LIBRARY_ALERTED && at->own->said == WORD_NONE)
		at->own->unsealed = 0;
	simple(at, kind);
	return true;
}

static bool garble_alerted(const struct seat *at)
{
	return garble(at, LW_EV_LIBRARY_ALERTED);
}

static bool garble_failed(const struct seat *at)
{
	return garble(at, LW_EV_LIBRARY_FAILED);
}

/* ---- the clock */

static bool run_out(const struct seat *at)
{
	const uint8_t armed = at->own->e.armed;

	if (armed == LW_DEADLINE_NONE)
		return false;
	tell(at, EXCHANGE_DEADLINE, armed == LW_DEADLINE_DRAIN ? "drain" : "");
	at->pair->dirty = true;
	simple(at, armed == LW_DEADLINE_DRAIN ? LW_EV_DRAINED : LW_EV_DEADLINE);
	return true;
}

/* ---- the search */

static bool (*const moves[])(const struct seat *at) = {
	leave,         deliver,    seal_half,  app_write,          app_complete,
	app_finish,    app_close,  app_unwrap, app_abort,          app_plaintext,
	cut_between,   cut_inside, reset_now,  reset_behind_queue, garble_alerted,
	garble_failed, run_out,
};

#define MOVES ((unsigned)(sizeof moves / sizeof moves[0]))

static struct seat seat_of(struct rig *rig, struct pair *pair, unsigned side)
{
	const enum exchange_side own = side ? (enum exchange_side) !rig->teller : rig->teller;

	return (struct seat){ .rig = rig,
		              .pair = pair,
		              .own = &pair->side[side],
		              .peer = &pair->side[!side],
		              .teller = own,
		              .other = (enum exchange_side) !own };
}

static bool move(struct rig *rig, void *world, unsigned number)
{
	const struct seat at = seat_of(rig, world, number / MOVES);

	return moves[number % MOVES](&at);
}

/* Nothing moves unless an application, a fault or a deadline makes it. */
static bool is_quiet(struct rig *rig, const struct pair *pair)
{
	for (unsigned i = 0; i < 2; i++) {
		struct pair copy = *pair;
		struct seat at = seat_of(rig, &copy, i);

		if (leave(&at) || deliver(&at))
			return false;
	}
	return true;
}

static void check(struct rig *rig, const void *world)
{
	const struct pair *pair = world;

	for (unsigned i = 0; i < 2; i++)
		side_check(rig, &pair->side[i]);
	if (pair->dirty || !pair->side[0].called || !pair->side[1].called || !is_quiet(rig, pair))
		return;
	for (unsigned i = 0; i < 2; i++)
		CLAIM(rig, 6,
		      lw_engine_read_ending(&pair->side[i].e) == LW_ENDING_CLOSED &&
		          lw_engine_write_ending(&pair->side[i].e) == LW_ENDING_CLOSED,
		      "both called close or unwrap, nothing went wrong, and it is not closed both "
		      "ways");
}

const struct search_ops pair_ops = {
	.size = sizeof(struct pair),
	.moves = 2 * MOVES,
	.begin = pair_begin,
	.unpack = pair_unpack,
	.pack = pair_pack,
	.move = move,
	.check = check,
};
