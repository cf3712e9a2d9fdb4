/* verdict: what a stream knows of its end, its completeness, its bytes. */
#include "stream/stream.h"

#include <string.h>

void lw_verdict(const struct lw_stream *s, struct lw_verdict *verdict)
{
	struct lw_engine engine = s->engine;

	if (s->wire.observing && engine.complete)
		engine.complete = lw_stream_observe_complete(s);
	lw_engine_verdict(&engine, verdict);
	verdict->bytes_read = s->bytes_read;
	verdict->bytes_written = s->bytes_written;
	verdict->bytes_ignored = s->bytes_ignored;
	verdict->bytes_unacknowledged = s->bytes_unacknowledged;
	if (s->alert_left)
		verdict->alert_sent = s->wire.sent;
}

static void declare(struct lw_stream *s, bool complete)
{
	if (complete != (s->engine.read == LW_READ_COMPLETE))
		lw_stream_tell(s, complete ? LW_EV_COMPLETE : LW_EV_INCOMPLETE);
}

void lw_complete(struct lw_stream *s, bool complete)
{
	if (s->tracks)
		return;
	if (s->wire.observing)
		lw_stream_observe_mark_complete(s);
	/* A byte that is decrypted but unread has been received. */
	declare(s, complete && s->adapter->unread(s->context) == 0);
}

void lw_stream_note_received(struct lw_stream *s, const void *bytes, size_t len)
{
	s->bytes_read += len;
	s->engine.warnings_in_a_row = 0;
	lw_wire_note_data(&s->wire);
	if (s->engine.read == LW_READ_COMPLETE)
		lw_stream_tell(s, LW_EV_DATA);
	if (!s->tracks)
		return;
	lw_tracker_received(&s->tracker, bytes, len);
	declare(s, lw_tracker_complete(&s->tracker));
}

void lw_stream_note_sent(struct lw_stream *s, const void *bytes, size_t len)
{
	s->bytes_written += len;
	if (!s->tracks)
		return;
	lw_tracker_sent(&s->tracker, bytes, len);
	declare(s, lw_tracker_complete(&s->tracker));
}

static enum lw_kind kind_of(const struct lw_profile *profile)
{
	for (int kind = 0; kind < LW_KINDS; kind++)
		if (strcmp(lw_kind_name((enum lw_kind)kind), profile->framing) == 0)
			return (enum lw_kind)kind;
	return LW_KIND_UNSURE;
}

enum lw_status lw_use_profile(struct lw_stream *s, const struct lw_profile *profile,
                              enum lw_role role)
{
	if (s->wire.observing || s->bytes_read > 0 || s->bytes_written > 0)
		return LW_UNSUPPORTED;
	lw_tracker_init(&s->tracker, kind_of(profile), role);
	s->tracks = true;
	return LW_OK;
}

void lw_greeted(struct lw_stream *s)
{
	if (s->tracks && s->bytes_read == 0 && s->bytes_written == 0)
		lw_tracker_greeted(&s->tracker);
}

const char *lw_complete_why(const struct lw_stream *s)
{
	return s->tracks ? lw_tracker_why(&s->tracker) : "";
}

void lw_transport_ended(struct lw_stream *s, enum lw_transport_end end)
{
	static const enum lw_io ends[] = { [LW_TRANSPORT_FIN] = LW_IO_FIN,
		                           [LW_TRANSPORT_RESET] = LW_IO_RESET,
		                           [LW_TRANSPORT_ERROR] = LW_IO_ERROR };

	if (s->wire.announced == LW_IO_AGAIN && (size_t)end < sizeof ends / sizeof ends[0])
		s->wire.announced = ends[end];
}

enum lw_status lw_forget_session(struct lw_stream *s)
{
	if (!s->engine.forgets)
		return LW_OK;
	return s->adapter->forget_session(s->context) ? LW_OK : LW_UNSUPPORTED;
}
