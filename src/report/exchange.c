/* exchange: see exchange.h.  Every event enters through place_event(), which keeps the bound. */
#include "report/exchange.h"

#include <stdio.h>
#include <string.h>

/* Copies text into a field of `cap` bytes: printable ASCII only, since a peer may have written it.
 */
static void copy_text(char *to, size_t cap, const char *from)
{
	size_t n = 0;

	while (n + 1 < cap && from[n] != '\0') {
		to[n] = from[n] >= 0x20 && from[n] < 0x7f ? from[n] : '?';
		n++;
	}
	to[n] = '\0';
}

void exchange_begin(struct exchange *x, const char *left, const char *right)
{
	memset(x, 0, sizeof *x);
	copy_text(x->name[EXCHANGE_LEFT], EXCHANGE_NAME, left);
	copy_text(x->name[EXCHANGE_RIGHT], EXCHANGE_NAME, right);
}

/* Data in several pieces stays several events: where it was split is part of the story. */
static bool same_event(const struct exchange_event *a, const struct exchange_event *b)
{
	return a->side == b->side && a->what == b->what && a->bytes == b->bytes &&
	       a->level == b->level && a->description == b->description &&
	       strcmp(a->note, b->note) == 0;
}

static void place_event(struct exchange *x, const struct exchange_event *event)
{
	if (x->count > 0 && same_event(&x->events[x->count - 1], event)) {
		x->events[x->count - 1].times++;
		return;
	}
	if (x->count == EXCHANGE_EVENTS) {
		memmove(&x->events[EXCHANGE_HEAD], &x->events[EXCHANGE_HEAD + 1],
		        (EXCHANGE_EVENTS - EXCHANGE_HEAD - 1) * sizeof x->events[0]);
		x->count--;
		x->left_out++;
	}
	x->events[x->count++] = *event;
}

void exchange_add(struct exchange *x, uint64_t at_ms, enum exchange_side side,
                  enum exchange_what what, uint64_t bytes)
{
	struct exchange_event event = {
		.at_ms = at_ms, .side = side, .what = what, .bytes = bytes, .times = 1
	};

	place_event(x, &event);
}

void exchange_add_alert(struct exchange *x, uint64_t at_ms, enum exchange_side side, uint8_t level,
                        uint8_t description)
{
	struct exchange_event event = { .at_ms = at_ms,
		                        .side = side,
		                        .what = EXCHANGE_ALERT,
		                        .times = 1,
		                        .level = level,
		                        .description = description };

	place_event(x, &event);
}

void exchange_add_note(struct exchange *x, uint64_t at_ms, enum exchange_side side,
                       enum exchange_what what, const char *note)
{
	struct exchange_event event = { .at_ms = at_ms, .side = side, .what = what, .times = 1 };

	copy_text(event.note, sizeof event.note, note);
	place_event(x, &event);
}

static const char *level_name(uint8_t level)
{
	return level == 1 ? "warning" : level == 2 ? "fatal" : "odd level";
}

/* What each kind is called, and whether its number of bytes is part of its name. */
static const struct {
	const char *text;
	bool counts_bytes;
} kinds[] = {
	[EXCHANGE_HANDSHAKE_DONE] = { "handshake done", false },
	[EXCHANGE_DATA] = { "data", true },
	[EXCHANGE_ALERT] = { "alert", false },
	[EXCHANGE_RECORD_CUT] = { "record cut after", true },
	[EXCHANGE_PLAINTEXT] = { "plaintext", true },
	[EXCHANGE_GARBAGE] = { "garbage", true },
	[EXCHANGE_FIN] = { "FIN", false },
	[EXCHANGE_RST] = { "RST", false },
	[EXCHANGE_SILENCE] = { "silence", false },
	[EXCHANGE_DEADLINE] = { "deadline", false },
	[EXCHANGE_NOTE_ONLY] = { "", false },
};

const char *exchange_event_text(const struct exchange_event *event, char *buf, size_t cap)
{
	char what[64];
	const char *gap = event->what != EXCHANGE_NOTE_ONLY && event->note[0] != '\0' ? ", " : "";
	char times[24] = "";

	if (event->what == EXCHANGE_ALERT)
		snprintf(what, sizeof what, "alert %s %s (%u)", level_name(event->level),
		         lw_alert_name(event->description), event->description);
	else if (kinds[event->what].counts_bytes)
		snprintf(what, sizeof what, "%s %llu byte%s", kinds[event->what].text,
		         (unsigned long long)event->bytes, event->bytes == 1 ? "" : "s");
	else
		snprintf(what, sizeof what, "%s", kinds[event->what].text);
	if (event->times > 1)
		snprintf(times, sizeof times, " (%u times)", event->times);
	snprintf(buf, cap, "%s%s%s%s", what, gap, event->note, times);
	return buf;
}
