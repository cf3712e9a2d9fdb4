/*
 * observe: the application goes on using its TLS library; what passes on the
 * wire and the alerts that the library tells of keep the verdict true.
 *
 * Application data passes unseen.  A record is taken for data, and clears
 * completeness, unless an alert or a handshake message explained it.
 */
#include "stream/stream.h"

void lw_wire_observe_established(struct lw_wire *w)
{
	struct lw_stream *s = w->stream;

	lw_stream_step(s, &(struct lw_engine_event){
			      .kind = LW_EV_ESTABLISHED,
			      .version = lw_version_of_wire(s->adapter->version(s->context)) });
	/* Nobody here knows what is sealed: no closure is under way until the library's has left.
	 */
	lw_stream_tell(s, LW_EV_PENDING);
}

/* The record that the library works on is the last one that came in. */
static void explain_record(struct lw_wire *w)
{
	if (w->explained_last == w->in.records)
		return;
	w->explained_last = w->in.records;
	w->explained++;
}

void lw_wire_observe_handshake_message(struct lw_wire *w)
{
	explain_record(w);
}

void lw_wire_alert_received(struct lw_wire *w, uint8_t level, uint8_t description)
{
	const struct lw_engine_event event = { .kind = LW_EV_ALERT,
		                               .level = level,
		                               .description = description };
	struct lw_stream *s = w->stream;
	const enum lw_alert_class class = lw_alert_classify(s->engine.row, level, description);

	if (w->observing)
		explain_record(w);
	if (class == LW_ALERT_IS_PASSING || w->observing)
		lw_stream_step(s, &event);
	else if (class != LW_ALERT_IS_MALFORMED && !w->final.present)
		w->final = (struct lw_alert){ true, level, description };
}

void lw_wire_alert_sent(struct lw_wire *w, uint8_t level, uint8_t description)
{
	const bool closes = description == LW_ALERT_CLOSE_NOTIFY;

	if (w->muted || (level != LW_ALERT_FATAL && !closes))
		return;
	/* The error that a library sends to a transport's end is its own affair, no ending of ours.
	 */
	if (w->observing && w->read_end != LW_IO_AGAIN && !closes)
		return;
	w->sent = (struct lw_alert){ true, level, description };
	if (w->observing)
		lw_stream_observe_alert_sent(w->stream);
}

void lw_stream_observe_alert_sent(struct lw_stream *s)
{
	const bool fatal = s->wire.sent.level == LW_ALERT_FATAL;

	s->alert_left = true;
	lw_stream_tell(s, fatal ? LW_EV_LIBRARY_ALERTED : LW_EV_UNWRAP);
	lw_stream_tell(s, LW_EV_SEALED);
	lw_stream_tell(s, LW_EV_FLUSHED);
}

void lw_stream_observe_read_end(struct lw_stream *s)
{
	lw_stream_note_stop(s, LW_TLS_WANTS_READ);
}

static uint64_t unexplained(const struct lw_stream *s)
{
	return s->wire.in.records - s->wire.explained;
}

void lw_stream_observe_mark_complete(struct lw_stream *s)
{
	s->records_at_complete = unexplained(s);
}

bool lw_stream_observe_complete(const struct lw_stream *s)
{
	/* Who cannot count records cannot vouch for them. */
	return s->wire.boundaries_known && unexplained(s) == s->records_at_complete;
}
