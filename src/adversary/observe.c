/* observe: what the subject does, opened, counted and put into the exchange.  It answers nothing.
 */
#include "adversary/inside.h"

enum { WARNING = 1, FATAL = 2, CLOSE_NOTIFY = 0 };
enum { MESSAGE_TICKET = 4, MESSAGE_KEY_UPDATE = 24 };

static void note_alert(struct adversary *a, uint8_t level, uint8_t description)
{
	struct adversary_tally *t = &a->tally;
	t->alerts++;
	t->last_level = level;
	t->last_description = description;
	if (description == CLOSE_NOTIFY)
		t->close_notifies++;
	if (level == FATAL)
		t->fatals++;
	if (description == CLOSE_NOTIFY || level == FATAL)
		a->tally_closed = true;
	exchange_add_alert(&a->exchange, a->now_ms, SIDE_SUBJECT, level, description);
}

/* Alerts may come split or joined. */
static void note_alert_record(struct adversary *a, const struct record_content *c)
{
	for (size_t i = 0; i < c->len; i++) {
		a->half_alert[a->half_alert_bytes++] = c->bytes[i];
		if (a->half_alert_bytes == sizeof a->half_alert) {
			a->half_alert_bytes = 0;
			note_alert(a, a->half_alert[0], a->half_alert[1]);
		}
	}
}

static void note_data(struct adversary *a, const struct record_content *c)
{
	for (size_t i = 0; i < c->len; i++) {
		if (c->bytes[i] != adversary_pattern(a->tally.data_bytes + i))
			a->tally.data_differs = true;
	}
	a->tally.data_bytes += c->len;
	exchange_add(&a->exchange, a->now_ms, SIDE_SUBJECT, EXCHANGE_DATA, c->len);
}

/* True for what belongs behind the handshake: tickets and KeyUpdate of 1.3. */
static bool note_message(struct adversary *a, const struct record_content *c)
{
	if (!c->sealed || c->len == 0 || takeover_version(a->takeover) != LW_VERSION_TLS1_3)
		return false;
	if (c->bytes[0] == MESSAGE_TICKET) {
		exchange_add_note(&a->exchange, a->now_ms, SIDE_SUBJECT, EXCHANGE_NOTE_ONLY,
		                  "NewSessionTicket");
		return true;
	}
	if (c->bytes[0] == MESSAGE_KEY_UPDATE) {
		exchange_add_note(&a->exchange, a->now_ms, SIDE_SUBJECT, EXCHANGE_NOTE_ONLY,
		                  "KeyUpdate");
		a->owes_update = c->bytes[c->len - 1] == 1;
		return true;
	}
	return false;
}

static void note_record(struct adversary *a, const struct record_content *c)
{
	bool was_closed = a->tally_closed;
	a->seen_record = true;
	switch (c->type) {
	case LW_RECORD_ALERT:
		note_alert_record(a, c);
		break;
	case LW_RECORD_APPLICATION_DATA:
		note_data(a, c);
		break;
	case LW_RECORD_HANDSHAKE:
		if (!note_message(a, c))
			return;
		break;
	default:
		return;
	}
	a->tally.records++;
	if (was_closed)
		a->tally.after_closure++;
}

static void give_up_reading(struct adversary *a)
{
	a->tally.unreadable = true;
	exchange_add_note(&a->exchange, a->now_ms, SIDE_SUBJECT, EXCHANGE_NOTE_ONLY,
	                  "a record that does not open");
}

static enum takeover_result observe_from(struct adversary *a, enum takeover_side side,
                                         struct bytes *from, struct record_content *content)
{
	size_t used = 0;
	enum takeover_result result =
	    takeover_open(a->takeover, side, bytes_at(from), from->len, &used, content);
	bytes_drop(from, used);
	return result;
}

/* Both sides in turns: each may wait for a hello of the other. */
void observe_records(struct adversary *a)
{
	struct record_content content;
	bool moved;
	do {
		enum takeover_result theirs = TAKEOVER_NEED_BYTES;
		moved = false;
		if (a->tally.unreadable)
			bytes_drop(&a->in, a->in.len);
		else
			theirs = observe_from(a, a->theirs, &a->in, &content);
		if (theirs == TAKEOVER_OPENED) {
			note_record(a, &content);
			moved = true;
		}
		if (theirs == TAKEOVER_BROKEN) {
			give_up_reading(a);
			moved = true;
		}
		if (observe_from(a, a->ours, &a->own, &content) == TAKEOVER_OPENED)
			moved = true;
	} while (moved);
}

void observe_end(struct adversary *a, enum adversary_end end)
{
	if (a->tally.fin || a->tally.rst)
		return;
	a->tally.fin = end == ADVERSARY_ENDED_FIN;
	a->tally.rst = end == ADVERSARY_ENDED_RST;
	a->tally.cut_inside = a->in.len > 0;
	exchange_add(&a->exchange, a->now_ms, SIDE_SUBJECT,
	             a->tally.fin ? EXCHANGE_FIN : EXCHANGE_RST, 0);
}
