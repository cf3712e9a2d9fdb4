/*
 * engine_fuzz: one engine against a peer, a network and an application that do
 * anything in any order that an adapter lets through.  Input: an octet for the
 * version, one for policy and patience, then two octets an event.  After it the
 * application closes and every deadline runs out: that must be the end.
 */
#include "closure/engine.h"
#include "tests/fuzz/fuzz.h"

/* What an adapter knows, and what has been seen of the engine. */
struct world {
	struct lw_engine e;
	enum lw_version version;
	bool gone;           /* the transport's end or failure was told */
	bool broken;         /* writing failed */
	bool sealed_closure; /* close_notify was asked for */
	bool sealed_fatal;   /* a fatal alert was asked for, or the library sent one */
	bool alert_left;
	bool lost_writes; /* pending writes were dropped, and not because the peer had closed */
	bool excused;     /* something happened that allows to end without a word */
	bool shut, ended, reported, forgotten;
	bool data_since_complete;
};

static bool is_open(const struct world *w)
{
	return lw_engine_read_ending(&w->e) == LW_ENDING_OPEN;
}

/* Whether an adapter would report the event now. */
static bool is_possible(const struct world *w, enum lw_event_kind kind)
{
	switch ((int)kind) {
	case LW_EV_ESTABLISHED:
		return !lw_engine_is_established(&w->e) && is_open(w) && !w->gone &&
		       lw_engine_write_ending(&w->e) == LW_ENDING_OPEN;
	case LW_EV_DATA:
		return lw_engine_is_established(&w->e) && is_open(w) && !w->gone;
	case LW_EV_ALERT:
	case LW_EV_LIBRARY_FAILED:
	case LW_EV_LIBRARY_ALERTED:
		return is_open(w) && !w->gone;
	case LW_EV_WARNING_LIMIT:
		return lw_engine_is_established(&w->e) && is_open(w) && !w->gone;
	case LW_EV_FIN:
	case LW_EV_RESET:
	case LW_EV_READ_ERROR:
		return !w->gone;
	case LW_EV_WRITE_RESET:
	case LW_EV_WRITE_ERROR:
		return !w->broken;
	case LW_EV_PENDING:
		return lw_engine_may_write(&w->e);
	case LW_EV_SEALED:
		return w->e.pending;
	case LW_EV_FLUSHED:
		return (w->sealed_closure || w->sealed_fatal) && !w->alert_left && !w->broken;
	default:
		return true;
	}
}

static void note(struct world *w, enum lw_event_kind kind)
{
	switch ((int)kind) {
	case LW_EV_FIN:
		w->gone = true;
		break;
	case LW_EV_RESET:
	case LW_EV_READ_ERROR:
		w->gone = w->broken = w->excused = true;
		break;
	case LW_EV_WRITE_RESET:
	case LW_EV_WRITE_ERROR:
		w->broken = w->excused = true;
		break;
	case LW_EV_LIBRARY_ALERTED:
		w->sealed_fatal = !w->sealed_closure || w->sealed_fatal;
		break;
	case LW_EV_LIBRARY_FAILED:
	case LW_EV_DEADLINE:
	case LW_EV_DRAINED:
	case LW_EV_ABORT:
		w->excused = true;
		break;
	case LW_EV_FLUSHED:
		w->alert_left = true;
		break;
	case LW_EV_DATA:
		w->data_since_complete = true;
		break;
	case LW_EV_COMPLETE:
		w->data_since_complete = !is_open(w) && w->data_since_complete;
		break;
	default:
		break;
	}
}

static void claim_actions(struct world *w, unsigned actions, bool pending)
{
	const enum lw_ending read = lw_engine_read_ending(&w->e);

	if ((actions & LW_DO_DISCARD) && pending && read != LW_ENDING_CLOSED)
		w->lost_writes = true;
	if (actions &
	    LW_DO_SEAL_CLOSE_NOTIFY) { /* rules: nothing-after-own-closure, level-warning */
		fuzz_claim(!w->sealed_closure && !w->sealed_fatal && !w->lost_writes);
		fuzz_claim(!w->e.pending && lw_engine_is_established(&w->e));
		w->sealed_closure = true;
	}
	if (actions & LW_DO_SEAL_FATAL) { /* rule: no-close-notify-after-own-fatal */
		fuzz_claim(!w->sealed_closure && !w->sealed_fatal);
		w->sealed_fatal = true;
	}
	fuzz_claim(!(actions & LW_DO_REPORT) == !(read != LW_ENDING_OPEN && !w->reported));
	w->reported |= (actions & LW_DO_REPORT) != 0;
	fuzz_claim(!(actions & LW_DO_FORGET) || !w->forgotten);
	w->forgotten |= (actions & LW_DO_FORGET) != 0;
	if (actions & LW_DO_HAND_BACK) /* rule: await-peer-before-reuse */
		fuzz_claim(read == LW_ENDING_CLOSED &&
		           lw_engine_write_ending(&w->e) == LW_ENDING_CLOSED);
	if (actions & (LW_DO_END | LW_DO_HAND_BACK)) {
		fuzz_claim(!w->ended && lw_engine_is_final(&w->e));
		w->ended = true;
	}
	if (actions & LW_DO_SHUT_WRITE) {
		fuzz_claim(!w->shut);
		w->shut = true;
	}
	if ((actions & (LW_DO_END | LW_DO_SHUT_WRITE)) && lw_engine_is_established(&w->e))
		/* rule: send-before-closing-unless-failed */
		fuzz_claim(w->alert_left || w->excused || read == LW_ENDING_ABORTED ||
		           read == LW_ENDING_FAILED);
}

static void claim_verdict(const struct world *w)
{
	struct lw_verdict v;

	lw_engine_verdict(&w->e, &v);
	fuzz_claim(!v.complete || !w->data_since_complete);
	if (v.whole && v.policy == LW_POLICY_STRICT)
		fuzz_claim(v.read == LW_ENDING_CLOSED);
	if (v.whole && v.read != LW_ENDING_CLOSED)
		fuzz_claim(v.complete && v.tolerated);
	if (v.whole)
		fuzz_claim(v.read == LW_ENDING_CLOSED || v.read == LW_ENDING_TRUNCATED ||
		           v.read == LW_ENDING_RESET);
	if (v.read == LW_ENDING_CLOSED)
		fuzz_claim(v.alert_received.present && v.alert_received.description == 0);
	if (v.write == LW_ENDING_CLOSED)
		fuzz_claim(w->sealed_closure && w->alert_left);
	if (w->sealed_closure || w->sealed_fatal)
		fuzz_claim(!lw_engine_may_write(&w->e));
}

static void happen(struct world *w, const struct lw_engine_event *event)
{
	const enum lw_ending read = lw_engine_read_ending(&w->e);
	const enum lw_ending write = lw_engine_write_ending(&w->e);
	const bool final = lw_engine_is_final(&w->e);
	const bool pending = w->e.pending;
	unsigned actions;

	if (!is_possible(w, event->kind))
		return;
	actions = lw_engine_step(&lw_tables, &w->e, event);
	note(w, event->kind);
	fuzz_claim(!final || actions == 0);
	fuzz_claim(read == LW_ENDING_OPEN || read == lw_engine_read_ending(&w->e));
	fuzz_claim(write == LW_ENDING_OPEN || write == lw_engine_write_ending(&w->e));
	claim_actions(w, actions, pending);
	claim_verdict(w);
}

/* The application closes, and nothing comes any more but the deadlines. */
static void run_out(struct world *w)
{
	happen(w, &(struct lw_engine_event){ .kind = LW_EV_CLOSE });
	for (unsigned i = 0; i < 4 && !lw_engine_is_final(&w->e); i++) {
		happen(w, &(struct lw_engine_event){ .kind = LW_EV_DEADLINE });
		happen(w, &(struct lw_engine_event){ .kind = LW_EV_DRAINED });
	}
	fuzz_claim(lw_engine_is_final(&w->e));
	fuzz_claim(lw_engine_read_ending(&w->e) != LW_ENDING_OPEN);
	fuzz_claim(lw_engine_write_ending(&w->e) != LW_ENDING_OPEN);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct world w = { .version = LW_VERSION_UNKNOWN };

	if (size < 2)
		return 0;
	w.version = (enum lw_version)(LW_VERSION_SSL3 + data[0] % 7);
	lw_engine_init(&w.e, (enum lw_policy)(data[1] % 3), (data[1] & 0x80) == 0);
	for (size_t at = 2; at + 1 < size; at += 2) {
		const struct lw_engine_event event = {
			.kind = (enum lw_event_kind)(data[at] % LW_EVENTS),
			.version = w.version,
			.level = (uint8_t)(data[at] / LW_EVENTS % 4),
			.description = data[at + 1],
			.place = (enum lw_place)(data[at + 1] % 4),
			.missing = data[at + 1],
			.os_error = 1 + data[at + 1],
		};

		happen(&w, &event);
	}
	run_out(&w);
	return 0;
}
