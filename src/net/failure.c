/* failure: see failure.h.  What a peer said may stand in a sentence, so nothing but printable text
 * leaves here: a terminal must not be driven by whoever answers the port.
 */
#include "net/failure.h"

#include <stdarg.h>
#include <stdio.h>

void failure_set(struct failure *f, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	(void)vsnprintf(f->sentence, sizeof f->sentence, format, arguments);
	va_end(arguments);
	for (char *c = f->sentence; *c != '\0'; c++)
		if ((unsigned char)*c < 0x20 || (unsigned char)*c > 0x7e)
			*c = '?';
}
