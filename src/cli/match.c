/* match: see match.h.  Splitting, and an alignment of two rows of words. */
#include "cli/match.h"

#include "net/letters.h"

#include <ctype.h>
#include <string.h>

#define SIGN_MAX 24u

static bool is_word_octet(char c)
{
	return isalnum((unsigned char)c) || (unsigned char)c >= 0x80;
}

/* Whether a word begins inside letters: "Handshake" and "Failure". */
static bool is_hump(const char *text, size_t at)
{
	return at > 0 && islower((unsigned char)text[at - 1]) && isupper((unsigned char)text[at]);
}

static bool is_minus(const char *text, size_t at)
{
	return text[at] == '-' && isdigit((unsigned char)text[at + 1]) &&
	       (at == 0 || !is_word_octet(text[at - 1]));
}

void match_split(struct match_text *out, const char *text)
{
	size_t at = 0;

	out->count = 0;
	while (text[at] != '\0' && out->count < MATCH_WORDS_MAX) {
		char *word = out->words[out->count];
		size_t len = 0;

		if (!is_word_octet(text[at]) && !is_minus(text, at)) {
			at++;
			continue;
		}
		do {
			if (len < MATCH_WORD_MAX)
				word[len++] = (char)tolower((unsigned char)text[at]);
			at++;
		} while (is_word_octet(text[at]) && !is_hump(text, at));
		if (text[at] == '-' && text[at + 1] == '-' && len + 2 <= MATCH_WORD_MAX) {
			word[len++] = '-';
			word[len++] = '-';
			at += 2;
		}
		word[len] = '\0';
		out->count++;
	}
}

bool match_same(const struct match_text *a, size_t from, const struct match_text *b)
{
	if (b->count == 0 || a->count < from || a->count - from != b->count)
		return false;
	for (size_t i = 0; i < b->count; i++)
		if (strcmp(a->words[from + i], b->words[i]) != 0)
			return false;
	return true;
}

static unsigned least(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

/* Words that stand in most lines of this trade, and so tell little. */
static bool is_common(const char *word)
{
	static const char *const common[] = {
		"a",    "an",   "and",   "at",   "by",      "connection", "error", "failed",
		"for",  "from", "in",    "is",   "of",      "on",         "or",    "peer",
		"read", "ssl",  "s",     "tcp",  "the",     "tls",        "to",    "was",
		"with", "has",  "while", "been", "message", "closed",     "alert", "client",
	};

	for (size_t i = 0; i < sizeof common / sizeof *common; i++)
		if (strcmp(word, common[i]) == 0)
			return true;
	return false;
}

/* How much a word tells. */
static unsigned weight_of(const char *word)
{
	size_t len = strlen(word);

	if (is_common(word))
		return 2;
	if (strspn(word, "0123456789") == len)
		return 8; /* a sign does not hold a number for nothing */
	if (strchr(word, '-') != NULL)
		return 12; /* an error code; flags of HAProxy */
	return 4 + least((unsigned)len, 8);
}

/* What a word of the text is worth for a word of the sign; 0: it is another word. */
static unsigned worth_of(const char *sign, const char *text, unsigned weight)
{
	size_t len = strlen(sign), text_len = strlen(text);
	unsigned slips = len > 9 ? 2 : 1;

	if (strcmp(sign, text) == 0)
		return weight;
	if (len < 7 || isdigit((unsigned char)sign[len - 1]) || text_len + slips < len ||
	    text_len > len + slips)
		return 0;
	return letters_between(sign, text) <= slips ? weight * 3 / 4 : 0;
}

/*
 * One column a word of the sign: best[i] is the worth of the sign's first i
 * words so far, the last of them anywhere up to the word of the text looked at.
 */
struct match_score match_sign(const struct match_text *sign, const struct match_text *text)
{
	unsigned weights[SIGN_MAX], best[SIGN_MAX + 1] = { 0 }, whole = 0, top = 0;

	if (sign->count == 0 || sign->count > SIGN_MAX)
		return (struct match_score){ 0, 0 };
	for (size_t i = 0; i < sign->count; i++)
		whole += weights[i] = weight_of(sign->words[i]);
	for (size_t j = 0; j < text->count; j++) {
		unsigned before = best[0]; /* best[i - 1] at the word before */

		for (size_t i = 1; i <= sign->count; i++) {
			unsigned worth =
			    worth_of(sign->words[i - 1], text->words[j], weights[i - 1]);
			unsigned here = best[i] > 0 ? best[i] - 1 : 0; /* a word between */

			if (worth > 0 && before + worth > here)
				here = before + worth;
			before = best[i];
			best[i] = here > best[i - 1] ? here : best[i - 1]; /* a word left out */
		}
		top = best[sign->count] > top ? best[sign->count] : top;
	}
	return (struct match_score){ top, top * 100 / whole };
}
