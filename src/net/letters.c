/* letters: see letters.h.  The distance of Levenshtein, a row of the table at a time; it knows no
 * letter case: who wants none gives words of one.
 */
#include "net/letters.h"

#include <limits.h>
#include <string.h>

static unsigned least(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

unsigned letters_between(const char *a, const char *b)
{
	unsigned row[LETTERS_MAX + 1];
	size_t b_len = strlen(b);

	if (strlen(a) > LETTERS_MAX || b_len > LETTERS_MAX)
		return UINT_MAX;
	for (unsigned j = 0; j <= b_len; j++)
		row[j] = j;
	for (unsigned i = 1; a[i - 1] != '\0'; i++) {
		unsigned diagonal = row[0];

		row[0] = i;
		for (size_t j = 1; j <= b_len; j++) {
			unsigned changed = diagonal + (a[i - 1] != b[j - 1]);

			diagonal = row[j];
			row[j] = least(changed, 1 + least(row[j], row[j - 1]));
		}
	}
	return row[b_len];
}
