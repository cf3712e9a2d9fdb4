/* script: carries the steps out, one function an act.  A step is over, waits (for room, for the
 * subject, for adversary_resume()) or fails; it keeps its place in `progress`.
 */
#include "adversary/inside.h"

#include <string.h>

enum outcome { STEP_OVER, STEP_WAITS, STEP_FAILED };

enum { WARNING = 1, CLOSE_NOTIFY = 0 };

static bool has_room(const struct adversary *a)
{
	return a->out.len < OUT_HIGH_BYTES;
}

static bool subject_ended(const struct adversary *a)
{
	return a->tally.fin || a->tally.rst;
}

static void note(struct adversary *a, enum exchange_what what, uint64_t bytes)
{
	exchange_add(&a->exchange, a->now_ms, SIDE_ADVERSARY, what, bytes);
}

static void note_words(struct adversary *a, const char *words)
{
	exchange_add_note(&a->exchange, a->now_ms, SIDE_ADVERSARY, EXCHANGE_NOTE_ONLY, words);
}

/* ---- records ---- */

/* Seals a record and lets at most `leaves` bytes of it go. */
static bool send_part(struct adversary *a, uint8_t type, const void *content, size_t len,
                      size_t leaves)
{
	uint8_t record[RECORD_MAX];
	size_t n = takeover_seal(a->takeover, a->ours, type, content, len, 0, record);
	return n > 0 && bytes_add(&a->out, record, n < leaves ? n : leaves);
}

static bool send_record(struct adversary *a, uint8_t type, const void *content, size_t len)
{
	return send_part(a, type, content, len, SIZE_MAX);
}

static bool send_alert(struct adversary *a, uint8_t level, uint8_t description)
{
	const uint8_t content[2] = { level, description };
	exchange_add_alert(&a->exchange, a->now_ms, SIDE_ADVERSARY, level, description);
	a->sent_closure = a->sent_closure || description == CLOSE_NOTIFY;
	return send_record(a, LW_RECORD_ALERT, content, sizeof content);
}

static void fill_pattern(const struct adversary *a, uint8_t *out, size_t len)
{
	for (size_t i = 0; i < len; i++)
		out[i] = adversary_pattern(a->sent_bytes + i);
}

static size_t next_piece(const struct adversary *a, const struct adversary_step *s)
{
	uint64_t left = s->count - a->progress;
	uint32_t most =
	    s->size == 0 || s->size > RECORD_CONTENT_MAX ? (uint32_t)RECORD_CONTENT_MAX : s->size;
	return left < most ? (size_t)left : most;
}

/* Data of either kind, a record at a time while there is room. */
static enum outcome do_data(struct adversary *a, const struct adversary_step *s)
{
	uint8_t pattern[RECORD_CONTENT_MAX];
	while (a->progress < s->count) {
		size_t len = next_piece(a, s);
		const uint8_t *content = pattern;
		if (!has_room(a))
			return STEP_WAITS;
		if (s->act == ACT_BYTES)
			content = (const uint8_t *)s->bytes + a->progress;
		else
			fill_pattern(a, pattern, len);
		if (!send_record(a, LW_RECORD_APPLICATION_DATA, content, len))
			return STEP_FAILED;
		note(a, EXCHANGE_DATA, len);
		a->progress += len;
		a->sent_bytes += len;
	}
	return STEP_OVER;
}

static enum outcome do_alert(struct adversary *a, const struct adversary_step *s)
{
	for (; a->progress < s->count; a->progress++) {
		if (!has_room(a))
			return STEP_WAITS;
		if (!send_alert(a, s->level, s->description))
			return STEP_FAILED;
	}
	return STEP_OVER;
}

static enum outcome do_split_alert(struct adversary *a, const struct adversary_step *s)
{
	exchange_add_alert(&a->exchange, a->now_ms, SIDE_ADVERSARY, s->level, s->description);
	note_words(a, "split over two records");
	return send_record(a, LW_RECORD_ALERT, &s->level, 1) &&
	               send_record(a, LW_RECORD_ALERT, &s->description, 1)
	           ? STEP_OVER
	           : STEP_FAILED;
}

static void note_raw_alerts(struct adversary *a, const uint8_t *content, size_t len)
{
	for (size_t i = 0; i + 1 < len; i += 2)
		exchange_add_alert(&a->exchange, a->now_ms, SIDE_ADVERSARY, content[i],
		                   content[i + 1]);
	if (len != 2)
		note_words(a, "in one record");
}

static enum outcome do_record(struct adversary *a, const struct adversary_step *s)
{
	if (s->type == LW_RECORD_ALERT)
		note_raw_alerts(a, s->bytes, (size_t)s->count);
	else if (s->type == LW_RECORD_APPLICATION_DATA)
		note(a, EXCHANGE_DATA, s->count);
	else
		note_words(a, "a record of another type");
	return send_record(a, s->type, s->bytes, (size_t)s->count) ? STEP_OVER : STEP_FAILED;
}

static enum outcome do_cut_record(struct adversary *a, const struct adversary_step *s)
{
	uint8_t pattern[RECORD_CONTENT_MAX];
	size_t len = next_piece(a, &(struct adversary_step){ .count = s->count });
	fill_pattern(a, pattern, len);
	note(a, EXCHANGE_RECORD_CUT, s->size);
	return send_part(a, s->type, pattern, len, s->size) ? STEP_OVER : STEP_FAILED;
}

static enum outcome do_broken_record(struct adversary *a, const struct adversary_step *s)
{
	uint8_t pattern[RECORD_CONTENT_MAX];
	size_t len = next_piece(a, &(struct adversary_step){ .count = s->count });
	fill_pattern(a, pattern, len);
	if (!send_record(a, s->type, pattern, len))
		return STEP_FAILED;
	a->out.data[a->out.start + a->out.len - 1] ^= 1;
	note_words(a, "a record with a wrong MAC");
	return STEP_OVER;
}

/* ---- octets that are no record ---- */

static enum outcome do_plaintext(struct adversary *a, const struct adversary_step *s)
{
	note(a, EXCHANGE_PLAINTEXT, s->count);
	return bytes_add(&a->out, s->bytes, (size_t)s->count) ? STEP_OVER : STEP_FAILED;
}

/* Octets from 0x80 on: neither a content type nor text. */
static enum outcome do_garbage(struct adversary *a, const struct adversary_step *s)
{
	if (a->progress == 0)
		note(a, EXCHANGE_GARBAGE, s->count);
	for (; a->progress < s->count; a->progress++) {
		uint8_t octet = (uint8_t)(0x80 | adversary_pattern(a->progress));
		if (!has_room(a))
			return STEP_WAITS;
		if (!bytes_add(&a->out, &octet, 1))
			return STEP_FAILED;
	}
	return STEP_OVER;
}

/* ---- messages of 1.3 ---- */

static bool speaks_13(const struct adversary *a)
{
	return takeover_version(a->takeover) == LW_VERSION_TLS1_3;
}

static bool send_key_update(struct adversary *a, bool requested)
{
	const uint8_t message[] = { 24, 0, 0, 1, requested };
	note_words(a, "KeyUpdate");
	return send_record(a, LW_RECORD_HANDSHAKE, message, sizeof message) &&
	       takeover_update(a->takeover, a->ours);
}

static enum outcome do_key_update(struct adversary *a, const struct adversary_step *s)
{
	if (!speaks_13(a))
		return STEP_OVER;
	return send_key_update(a, s->count != 0) ? STEP_OVER : STEP_FAILED;
}

/* NewSessionTicket: lifetime 7200 s, age_add, a nonce of one octet, a ticket of ten. */
static enum outcome do_ticket(struct adversary *a, const struct adversary_step *s)
{
	static const uint8_t message[] = { 4,   0,   0,   24,  0,   0,   28,  32,  1,   2,
		                           3,   4,   1,   1,   0,   10,  'l', 'a', 's', 't',
		                           'w', 'o', 'r', 'd', ' ', '!', 0,   0 };
	(void)s;
	if (!speaks_13(a))
		return STEP_OVER;
	note_words(a, "NewSessionTicket");
	return send_record(a, LW_RECORD_HANDSHAKE, message, sizeof message) ? STEP_OVER
	                                                                    : STEP_FAILED;
}

/* ---- the transport ---- */

static enum outcome ask_transport(struct adversary *a, enum adversary_action action)
{
	if (a->out.len > 0 || a->action != ADVERSARY_NONE)
		return STEP_WAITS;
	if (a->progress++ == 0)
		a->action = action;
	return a->action == ADVERSARY_NONE ? STEP_OVER : STEP_WAITS;
}

static enum outcome do_fin(struct adversary *a, const struct adversary_step *s)
{
	(void)s;
	a->sent_fin = true;
	return ask_transport(a, ADVERSARY_FIN);
}

static enum outcome do_rst(struct adversary *a, const struct adversary_step *s)
{
	(void)s;
	return ask_transport(a, ADVERSARY_RST);
}

static enum outcome do_silence(struct adversary *a, const struct adversary_step *s)
{
	(void)s;
	if (a->progress == 0) {
		a->progress = 1;
		a->resumed = false;
		note(a, EXCHANGE_SILENCE, 0);
	}
	return a->resumed ? STEP_OVER : STEP_WAITS;
}

static enum outcome do_stop_reading(struct adversary *a, const struct adversary_step *s)
{
	(void)s;
	a->deaf = true;
	return STEP_OVER;
}

static enum outcome do_read_on(struct adversary *a, const struct adversary_step *s)
{
	(void)s;
	a->deaf = false;
	return STEP_OVER;
}

/* ---- waiting ---- */

static enum outcome do_wait_data(struct adversary *a, const struct adversary_step *s)
{
	return a->tally.data_bytes >= s->count || subject_ended(a) ? STEP_OVER : STEP_WAITS;
}

static enum outcome do_wait_close_notify(struct adversary *a, const struct adversary_step *s)
{
	(void)s;
	return a->tally.close_notifies > 0 || subject_ended(a) ? STEP_OVER : STEP_WAITS;
}

static enum outcome do_wait_end(struct adversary *a, const struct adversary_step *s)
{
	(void)s;
	return subject_ended(a) ? STEP_OVER : STEP_WAITS;
}

/* A proper peer with nothing more to say.
 * rules: answer-at-once, no-io-after-received-error, key-update-enforced */
static enum outcome do_go(struct adversary *a, const struct adversary_step *s)
{
	bool over = a->tally_closed || subject_ended(a);
	(void)s;
	if (a->owes_update && !a->sent_closure) {
		a->owes_update = false;
		if (!send_key_update(a, false))
			return STEP_FAILED;
	}
	if (over && !a->sent_closure && a->tally.fatals == 0) {
		if (!send_alert(a, WARNING, CLOSE_NOTIFY))
			return STEP_FAILED;
	}
	return over ? ask_transport(a, ADVERSARY_FIN) : STEP_WAITS;
}

/* ---- the choice ---- */

static enum outcome (*const acts[ACT_COUNT])(struct adversary *, const struct adversary_step *) = {
	[ACT_DATA] = do_data,
	[ACT_BYTES] = do_data,
	[ACT_ALERT] = do_alert,
	[ACT_SPLIT_ALERT] = do_split_alert,
	[ACT_RECORD] = do_record,
	[ACT_CUT_RECORD] = do_cut_record,
	[ACT_BROKEN_RECORD] = do_broken_record,
	[ACT_PLAINTEXT] = do_plaintext,
	[ACT_GARBAGE] = do_garbage,
	[ACT_KEY_UPDATE] = do_key_update,
	[ACT_TICKET] = do_ticket,
	[ACT_FIN] = do_fin,
	[ACT_RST] = do_rst,
	[ACT_SILENCE] = do_silence,
	[ACT_STOP_READING] = do_stop_reading,
	[ACT_READ_ON] = do_read_on,
	[ACT_WAIT_DATA] = do_wait_data,
	[ACT_WAIT_CLOSE_NOTIFY] = do_wait_close_notify,
	[ACT_WAIT_END] = do_wait_end,
	[ACT_GO] = do_go,
};

bool script_advance(struct adversary *a)
{
	bool moved = false;
	while (a->phase == PHASE_SCRIPT && a->step->act != ACT_END) {
		enum outcome outcome = acts[a->step->act](a, a->step);
		if (outcome == STEP_FAILED)
			adversary_fail(a, "a step of the script could not be carried out");
		if (outcome != STEP_OVER)
			return moved;
		a->progress = 0;
		a->step++;
		moved = true;
	}
	if (a->phase == PHASE_SCRIPT)
		a->phase = PHASE_OVER;
	return moved;
}
