/* mark: see mark.h. */
#include "audit/mark.h"

#include <string.h>

static const char *colour_of(enum judgement judgement)
{
	static const char *const colours[] = { [JUDGED_RIGHT] = "\033[32m",
		                               [JUDGED_REFUSED] = "\033[32m",
		                               [JUDGED_VAGUE] = "\033[33m",
		                               [JUDGED_WRONG] = "\033[31m" };

	return colours[judgement];
}

void mark_put(FILE *out, enum judgement judgement, int width, bool colour)
{
	const char *name = judgement_name(judgement);
	const int blank = width - (int)strlen(name);

	fprintf(out, "%s%s%s%*s", colour ? colour_of(judgement) : "", name, colour ? "\033[0m" : "",
	        blank > 0 ? blank : 0, "");
}
