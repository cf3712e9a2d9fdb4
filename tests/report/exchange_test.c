/* exchange and ladder: the list keeps its bound and its order; the drawing keeps its width. */
#include "report/exchange.h"
#include "report/ladder.h"
#include "tests/unit.h"

#include <stdlib.h>
#include <string.h>

static void equal_neighbours_become_one_event(void **state)
{
	struct exchange x;

	(void)state;
	exchange_begin(&x, "adversary", "reader");
	for (int i = 0; i < 200; i++)
		exchange_add_alert(&x, 1, EXCHANGE_LEFT, 1, 100);
	exchange_add_alert(&x, 1, EXCHANGE_RIGHT, 1, 100);
	exchange_add_alert(&x, 2, EXCHANGE_LEFT, 1, 0);
	assert_int_equal(x.count, 3);
	assert_int_equal(x.events[0].times, 200);
	assert_int_equal(x.events[1].times, 1);
}

static void a_full_list_keeps_its_beginning_and_its_end(void **state)
{
	struct exchange x;

	(void)state;
	exchange_begin(&x, "adversary", "reader");
	for (unsigned i = 0; i < EXCHANGE_EVENTS + 10; i++)
		exchange_add(&x, i, EXCHANGE_LEFT, EXCHANGE_DATA, i + 1);
	assert_int_equal(x.count, EXCHANGE_EVENTS);
	assert_int_equal(x.left_out, 10);
	for (unsigned i = 0; i < EXCHANGE_HEAD; i++)
		assert_int_equal(x.events[i].at_ms, i);
	for (unsigned i = EXCHANGE_HEAD; i < EXCHANGE_EVENTS; i++)
		assert_int_equal(x.events[i].at_ms, i + 10);
}

static void a_note_is_cut_and_made_printable(void **state)
{
	struct exchange x;
	char longest[200];

	(void)state;
	memset(longest, 'n', sizeof longest - 1);
	longest[sizeof longest - 1] = '\0';
	exchange_begin(&x, "a\033[31m", longest);
	exchange_add_note(&x, 0, EXCHANGE_LEFT, EXCHANGE_NOTE_ONLY, longest);
	exchange_add_note(&x, 0, EXCHANGE_LEFT, EXCHANGE_SILENCE, "says\r\nnothing");
	assert_string_equal(x.name[EXCHANGE_LEFT], "a?[31m");
	assert_int_equal(strlen(x.name[EXCHANGE_RIGHT]), EXCHANGE_NAME - 1);
	assert_int_equal(strlen(x.events[0].note), EXCHANGE_NOTE - 1);
	assert_string_equal(x.events[1].note, "says??nothing");
}

struct text_row {
	struct exchange_event event;
	const char *text;
};

static const struct text_row text_rows[] = {
	{ { .what = EXCHANGE_HANDSHAKE_DONE, .times = 1, .note = "TLSv1.3" },
	  "handshake done, TLSv1.3" },
	{ { .what = EXCHANGE_DATA, .times = 1, .bytes = 1 }, "data 1 byte" },
	{ { .what = EXCHANGE_DATA, .times = 3, .bytes = 512 }, "data 512 bytes (3 times)" },
	{ { .what = EXCHANGE_ALERT, .times = 1, .level = 1 }, "alert warning close_notify (0)" },
	{ { .what = EXCHANGE_ALERT, .times = 1, .level = 2, .description = 10 },
	  "alert fatal unexpected_message (10)" },
	{ { .what = EXCHANGE_ALERT, .times = 1, .level = 7, .description = 200 },
	  "alert odd level alert (200)" },
	{ { .what = EXCHANGE_RECORD_CUT, .times = 1, .bytes = 3 }, "record cut after 3 bytes" },
	{ { .what = EXCHANGE_PLAINTEXT, .times = 1, .bytes = 9 }, "plaintext 9 bytes" },
	{ { .what = EXCHANGE_GARBAGE, .times = 1, .bytes = 32 }, "garbage 32 bytes" },
	{ { .what = EXCHANGE_FIN, .times = 1 }, "FIN" },
	{ { .what = EXCHANGE_RST, .times = 1 }, "RST" },
	{ { .what = EXCHANGE_SILENCE, .times = 1, .note = "keeps the transport open" },
	  "silence, keeps the transport open" },
	{ { .what = EXCHANGE_DEADLINE, .times = 1 }, "deadline" },
	{ { .what = EXCHANGE_NOTE_ONLY, .times = 1, .note = "reads on" }, "reads on" },
};

static void every_kind_has_its_text(void **state)
{
	char text[128];
	bool seen[EXCHANGE_NOTE_ONLY + 1] = { false };

	(void)state;
	for (size_t i = 0; i < sizeof text_rows / sizeof text_rows[0]; i++) {
		exchange_event_text(&text_rows[i].event, text, sizeof text);
		assert_string_equal(text, text_rows[i].text);
		seen[text_rows[i].event.what] = true;
	}
	for (size_t i = 0; i <= EXCHANGE_NOTE_ONLY; i++)
		assert_true(seen[i]);
}

static char *drawn(const struct exchange *x, struct ladder_style style)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	assert_non_null(out);
	ladder_draw(out, x, &style);
	assert_int_equal(fclose(out), 0);
	return text;
}

static void draw_short_exchange(struct exchange *x)
{
	exchange_begin(x, "adversary", "reader");
	exchange_add_note(x, 0, EXCHANGE_LEFT, EXCHANGE_HANDSHAKE_DONE, "TLSv1.3");
	exchange_add(x, 1, EXCHANGE_LEFT, EXCHANGE_DATA, 512);
	exchange_add(x, 2, EXCHANGE_LEFT, EXCHANGE_FIN, 0);
	exchange_add_alert(x, 3, EXCHANGE_RIGHT, 2, 10);
	exchange_add_note(x, 3, EXCHANGE_RIGHT, EXCHANGE_NOTE_ONLY, "truncated");
}

static void the_ascii_ladder_is_as_drawn_here(void **state)
{
	struct exchange x;
	char *text;

	(void)state;
	draw_short_exchange(&x);
	text = drawn(&x, (struct ladder_style){ .width = 60 });
	assert_string_equal(text, "           adversary                                  reader\n"
	                          "      0 ms | handshake done, TLSv1.3                       |\n"
	                          "      1 ms |-- data 512 bytes ---------------------------->|\n"
	                          "      2 ms |-- FIN --------------------------------------->|\n"
	                          "      3 ms |<- alert fatal unexpected_message (10) --------|\n"
	                          "      3 ms |                                     truncated |\n");
	free(text);
}

/* Columns of a line: bytes that do not continue a UTF-8 character. */
static unsigned columns(const char *line, size_t len)
{
	unsigned n = 0;

	for (size_t i = 0; i < len; i++)
		n += ((unsigned char)line[i] & 0xc0) != 0x80;
	return n;
}

static void assert_all_lines_wide(const char *text, unsigned width)
{
	unsigned lines = 0;

	for (const char *at = text; *at != '\0'; lines++) {
		const char *end = strchr(at, '\n');

		assert_non_null(end);
		assert_int_equal(columns(at, (size_t)(end - at)), width);
		at = end + 1;
	}
	assert_true(lines > 1);
}

static void every_line_is_exactly_as_wide_as_asked(void **state)
{
	struct exchange x;
	static const struct {
		unsigned asked, drawn;
	} rows[] = { { 0, LADDER_WIDTH_DEFAULT },
		     { 1, LADDER_WIDTH_MIN },
		     { 60, 60 },
		     { 9999, LADDER_WIDTH_MAX } };

	(void)state;
	exchange_begin(&x, "a name too long for any column", "another name that is too long");
	for (unsigned i = 0; i < EXCHANGE_EVENTS + 5; i++)
		exchange_add(&x, i, i % 2 ? EXCHANGE_LEFT : EXCHANGE_RIGHT,
		             (enum exchange_what)(i % (EXCHANGE_NOTE_ONLY + 1)), UINT64_MAX);
	exchange_add_note(&x, 5, EXCHANGE_RIGHT, EXCHANGE_DEADLINE,
	                  "a note that is longer than the narrowest ladder has room for");
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		for (int utf8 = 0; utf8 < 2; utf8++) {
			char *text = drawn(
			    &x, (struct ladder_style){ .width = rows[i].asked, .utf8 = utf8 });

			assert_all_lines_wide(text, rows[i].drawn);
			assert_non_null(strstr(text, "events left out"));
			free(text);
		}
}

static void colour_comes_only_when_asked(void **state)
{
	struct exchange x;
	char *plain, *coloured;

	(void)state;
	draw_short_exchange(&x);
	plain = drawn(&x, (struct ladder_style){ .utf8 = true });
	coloured = drawn(&x, (struct ladder_style){ .utf8 = true, .colour = true });
	assert_null(strchr(plain, '\033'));
	assert_non_null(strstr(coloured, "\033[31malert fatal unexpected_message (10)\033[0m"));
	free(plain);
	free(coloured);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(equal_neighbours_become_one_event),
		cmocka_unit_test(a_full_list_keeps_its_beginning_and_its_end),
		cmocka_unit_test(a_note_is_cut_and_made_printable),
		cmocka_unit_test(every_kind_has_its_text),
		cmocka_unit_test(the_ascii_ladder_is_as_drawn_here),
		cmocka_unit_test(every_line_is_exactly_as_wide_as_asked),
		cmocka_unit_test(colour_comes_only_when_asked),
	};
	return run_cases(tests);
}
