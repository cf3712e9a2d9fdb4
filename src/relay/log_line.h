/* log_line: one line of the log as text, from a list of fields.  Pure: no clock, no descriptor.
 *
 * Whatever a peer said may stand in a field, so a line never holds a control octet, nor an octet
 * beyond ASCII, as such: logfmt quotes and escapes, JSON is JSON.  A line has at most
 * LOG_LINE_BYTES, its newline included, which a pipe takes whole or not at all: long values are cut
 * ("...") rather than fields left out.
 */
#ifndef RELAY_LOG_LINE_H
#define RELAY_LOG_LINE_H

#include "relay/config.h"

enum { LOG_LINE_BYTES = 4096, LOG_FIELDS = 32 };

enum log_kind { LOG_TEXT, LOG_COUNT, LOG_SECONDS, LOG_TRUTH };

struct log_field {
	const char *name; /* a plain word of ours */
	enum log_kind kind;
	const char *text; /* LOG_TEXT; NULL: the field is left out */
	uint64_t count;   /* LOG_COUNT */
	double seconds;   /* LOG_SECONDS */
	int truth;        /* LOG_TRUTH: 1 yes, 0 no, -1 not known */
};

/*
 * Writes the line of `count` fields, at most LOG_FIELDS.  In logfmt the first one, a plain word of
 * ours, stands without its name.  Returns its bytes, the newline included; 0: out of memory.
 */
LW_MUST_CHECK size_t log_line_make(enum relay_log_format format, const struct log_field *fields,
                                   size_t count, char line[LOG_LINE_BYTES]);

#endif
