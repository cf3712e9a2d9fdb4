/* failure: one sentence for a person: what could not be done, why, and the next step.
 * Functions that can fail take a struct failure and fill it before they answer false or NULL.
 */
#ifndef NET_FAILURE_H
#define NET_FAILURE_H

struct failure {
	char sentence[640]; /* no "lastword: " before it, no newline after it; "" while nothing
	                       failed */
};

/* Fills the sentence, printf-like; one that does not fit is cut.  Unprintable octets become '?'. */
#if defined(__GNUC__)
__attribute__((format(printf, 2, 3)))
#endif
void failure_set(struct failure *f, const char *format, ...);

#endif
