/*
 * text: words, lines and lone dots, octet by octet; no protocol is known here.
 */
#include "framing/text.h"

#include "closure/cursor.h"

void lw_word_start(struct lw_word *w, const struct lw_word_table *table)
{
	/* The word of index 0 is none that could be met. */
	w->possible = (uint32_t)((UINT64_C(1) << table->count) - 1) & ~UINT32_C(1);
	w->at = 0;
	w->over = false;
}

/* Only the words that go on with `octet` remain; with 0, those that end here. */
static void narrow(struct lw_word *w, const struct lw_word_table *table, char octet)
{
	for (unsigned i = 1; i < table->count && w->possible != 0; i++)
		if ((w->possible >> i & 1) != 0 && table->words[i][w->at] != octet)
			w->possible &= ~(UINT32_C(1) << i);
}

void lw_word_pass(struct lw_word *w, const struct lw_word_table *table, uint8_t octet)
{
	bool small = octet >= 'a' && octet <= 'z';

	if (w->over)
		return;
	if (octet == 0)
		w->possible = 0;
	narrow(w, table, (char)(small && table->any_case ? octet - ('a' - 'A') : octet));
	if (w->at < UINT8_MAX)
		w->at++;
}

void lw_word_end(struct lw_word *w, const struct lw_word_table *table)
{
	if (w->over)
		return;
	narrow(w, table, '\0');
	w->over = true;
}

unsigned lw_word_found(const struct lw_word *w)
{
	for (unsigned i = 1; i < LW_WORDS_MAX && w->over; i++)
		if ((w->possible >> i & 1) != 0)
			return i;
	return 0;
}

enum lw_line_end lw_line_pass(struct lw_line *line, uint8_t octet)
{
	bool ends = octet == '\n';

	if (ends) {
		line->after_crlf = line->previous == '\r';
		line->at = 0;
	} else if (line->at < UINT8_MAX) {
		line->at++;
	}
	line->previous = octet;
	return ends ? LW_LINE_ENDED : LW_LINE_GOES_ON;
}

enum lw_line_end lw_line_pass_content(struct lw_line *line, uint8_t octet)
{
	bool after_crlf = line->after_crlf;

	if (line->at == 0)
		line->dot = octet == '.';
	else if (octet != '\n' && !(line->at == 1 && octet == '\r'))
		line->dot = false;
	if (lw_line_pass(line, octet) == LW_LINE_GOES_ON)
		return LW_LINE_GOES_ON;
	if (!line->dot)
		return LW_LINE_ENDED;
	return after_crlf && line->after_crlf ? LW_LINE_LAST : LW_LINE_DOUBTFUL;
}

bool lw_number_pass(uint64_t *number, uint8_t octet)
{
	if (octet < '0' || octet > '9' || *number > (INT64_MAX - 9) / 10)
		return false;
	*number = *number * 10 + (octet - (uint64_t)'0');
	return true;
}

uint64_t lw_text_skip(struct lw_cursor *c, uint64_t left)
{
	return left - lw_take_up_to(c, left < SIZE_MAX ? (size_t)left : SIZE_MAX).left;
}

uint64_t lw_text_hash(uint64_t hash, uint8_t octet)
{
	return (hash ^ octet) * UINT64_C(0x100000001b3);
}
