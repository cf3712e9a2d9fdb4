/*
 * match: how well a text holds the words of a sign.  A sign is a few words that
 * give a message away; a text is a real log line with addresses, numbers and
 * other messages around them.
 *
 * Words are letters and digits; letter case and punctuation do not count, and
 * "HandshakeFailure", "handshake_failure" and "handshake failure" are the same
 * two words.  A minus in front of a number belongs to it, as in "(-110)", and so
 * do two behind a word, as in HAProxy's "SD--".  It knows nothing of what the
 * words mean.
 */
#ifndef CLI_MATCH_H
#define CLI_MATCH_H

#include <stdbool.h>
#include <stddef.h>

#define MATCH_WORD_MAX  31u  /* longer words are cut */
#define MATCH_WORDS_MAX 400u /* what follows is not looked at */

struct match_text {
	size_t count;
	char words[MATCH_WORDS_MAX][MATCH_WORD_MAX + 1];
};

/* Splits `text` into words, in lower case. */
void match_split(struct match_text *out, const char *text);

/* Whether `a` holds the same words as `b` from its word `from` on. */
bool match_same(const struct match_text *a, size_t from, const struct match_text *b);

struct match_score {
	unsigned weight;  /* of the words found: the more they tell, the heavier */
	unsigned percent; /* of the sign's whole weight */
};

/*
 * The best place for the words of `sign` in `text`: in their order, words
 * between them cost a little, words that are left out or misspelt more.  A
 * sign of more than 24 words is never found.
 */
struct match_score match_sign(const struct match_text *sign, const struct match_text *text);

#endif
