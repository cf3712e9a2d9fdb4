/* letters: how far two words are apart, for "did you mean". */
#ifndef NET_LETTERS_H
#define NET_LETTERS_H

#define LETTERS_MAX 63u /* longer words are not compared */

/*
 * How many letters have to be changed, left out or put in to make `a` of `b`; UINT_MAX if one has
 * more than LETTERS_MAX.
 */
unsigned letters_between(const char *a, const char *b);

#endif
