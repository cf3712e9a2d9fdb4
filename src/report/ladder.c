/*
 * ladder: see ladder.h.  A line is: time, left rail, span, right rail.  The
 * span holds the event's text; what crosses the wire has an arrow around it,
 * what stays on one side (a handshake done, silence, a deadline, a note) stands
 * next to its rail.
 */
#include "report/ladder.h"

#include <string.h>

#define TIME_COLUMNS 11u /* "%7llu ms " and one more blank */
#define TEXT_MAX     192u

/* Each string is one column wide. */
struct glyphs {
	const char *rail, *line, *to_right, *to_left, *from_left, *from_right, *lost;
};

static const struct glyphs ascii_glyphs = { "|", "-", ">", "<", "|", "|", ":" };
static const struct glyphs utf8_glyphs = { "│", "─", "▶", "◀", "├", "┤", "┊" };

struct canvas {
	FILE *out;
	const struct glyphs *g;
	unsigned span; /* columns between the rails */
	bool colour;
};

static void repeat(FILE *out, const char *glyph, unsigned times)
{
	while (times-- > 0)
		fputs(glyph, out);
}

static bool crosses_wire(enum exchange_what what)
{
	switch (what) {
	case EXCHANGE_DATA:
	case EXCHANGE_ALERT:
	case EXCHANGE_RECORD_CUT:
	case EXCHANGE_PLAINTEXT:
	case EXCHANGE_GARBAGE:
	case EXCHANGE_FIN:
	case EXCHANGE_RST:
		return true;
	case EXCHANGE_HANDSHAKE_DONE:
	case EXCHANGE_SILENCE:
	case EXCHANGE_DEADLINE:
	case EXCHANGE_NOTE_ONLY:
		return false;
	}
	return false;
}

/* Green for a proper end, red for every other end, nothing for the rest. */
static const char *event_colour(const struct exchange_event *event)
{
	switch (event->what) {
	case EXCHANGE_ALERT:
		return event->description == 0 ? "\033[32m" : "\033[31m";
	case EXCHANGE_RECORD_CUT:
	case EXCHANGE_GARBAGE:
	case EXCHANGE_RST:
	case EXCHANGE_DEADLINE:
		return "\033[31m";
	case EXCHANGE_HANDSHAKE_DONE:
	case EXCHANGE_DATA:
	case EXCHANGE_PLAINTEXT:
	case EXCHANGE_FIN:
	case EXCHANGE_SILENCE:
	case EXCHANGE_NOTE_ONLY:
		return "";
	}
	return "";
}

/* Writes the text, cut to `columns`; gives the columns used.  The text is ASCII. */
static unsigned put_text(const struct canvas *c, const struct exchange_event *event,
                         unsigned columns)
{
	char text[TEXT_MAX];
	const char *colour = c->colour ? event_colour(event) : "";
	size_t len;

	exchange_event_text(event, text, sizeof text);
	len = strlen(text);
	if (len > columns) {
		len = columns;
		memset(text + len - 2, '.', 2);
	}
	fprintf(c->out, "%s%.*s%s", colour, (int)len, text, *colour ? "\033[0m" : "");
	return (unsigned)len;
}

static void draw_arrow(const struct canvas *c, const struct exchange_event *event)
{
	const struct glyphs *g = c->g;
	bool to_right = event->side == EXCHANGE_LEFT;
	unsigned text_columns;

	fputs(to_right ? g->from_left : g->rail, c->out);
	fputs(to_right ? g->line : g->to_left, c->out);
	fputs(g->line, c->out);
	fputc(' ', c->out);
	text_columns = put_text(c, event, c->span - 6);
	fputc(' ', c->out);
	repeat(c->out, g->line, c->span - 5 - text_columns);
	fputs(to_right ? g->to_right : g->line, c->out);
	fputs(to_right ? g->rail : g->from_right, c->out);
}

static void draw_beside(const struct canvas *c, const struct exchange_event *event)
{
	char text[TEXT_MAX];
	size_t len = strlen(exchange_event_text(event, text, sizeof text));
	unsigned columns = len > c->span - 2 ? c->span - 2 : (unsigned)len;
	unsigned blank = c->span - 2 - columns;

	fputs(c->g->rail, c->out);
	repeat(c->out, " ", event->side == EXCHANGE_LEFT ? 1 : 1 + blank);
	put_text(c, event, columns);
	repeat(c->out, " ", event->side == EXCHANGE_LEFT ? 1 + blank : 1);
	fputs(c->g->rail, c->out);
}

static void draw_gap(const struct canvas *c, unsigned left_out)
{
	char text[48];
	int len =
	    snprintf(text, sizeof text, " %u event%s left out", left_out, left_out == 1 ? "" : "s");

	repeat(c->out, " ", TIME_COLUMNS);
	fprintf(c->out, "%s%s", c->g->lost, text);
	repeat(c->out, " ", c->span - (unsigned)len);
	fprintf(c->out, "%s\n", c->g->lost);
}

static void draw_names(const struct canvas *c, const struct exchange *x)
{
	unsigned width = c->span + 2;
	int half = (int)(width - 1) / 2;
	int left = fprintf(c->out, "%*s%.*s", (int)TIME_COLUMNS, "", half, x->name[EXCHANGE_LEFT]);

	fprintf(c->out, "%*.*s\n", (int)(width + TIME_COLUMNS) - left, half,
	        x->name[EXCHANGE_RIGHT]);
}

static unsigned bring_within(unsigned width)
{
	if (width == 0)
		return LADDER_WIDTH_DEFAULT;
	if (width < LADDER_WIDTH_MIN)
		return LADDER_WIDTH_MIN;
	return width > LADDER_WIDTH_MAX ? LADDER_WIDTH_MAX : width;
}

void ladder_draw(FILE *out, const struct exchange *x, const struct ladder_style *style)
{
	const struct canvas c = { .out = out,
		                  .g = style->utf8 ? &utf8_glyphs : &ascii_glyphs,
		                  .span = bring_within(style->width) - TIME_COLUMNS - 2,
		                  .colour = style->colour };

	draw_names(&c, x);
	for (unsigned i = 0; i < x->count; i++) {
		const struct exchange_event *event = &x->events[i];

		if (i == EXCHANGE_HEAD && x->left_out > 0)
			draw_gap(&c, x->left_out);
		fprintf(out, "%7llu ms ", (unsigned long long)event->at_ms % 10000000);
		if (crosses_wire(event->what))
			draw_arrow(&c, event);
		else
			draw_beside(&c, event);
		fputc('\n', out);
	}
}
