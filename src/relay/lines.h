/* lines: configuration files as lines of key and value, by sections, with the place of each.  It
 * knows which keys there are, and not what they mean.
 */
#ifndef RELAY_LINES_H
#define RELAY_LINES_H

#include "relay/arena.h"
#include "relay/keys.h"

struct relay_section;

struct relay_line {
	const struct relay_key *key;
	const char *value;
	const char *file; /* NULL: a flag */
	unsigned number;
	const struct relay_section *section;
	struct relay_line *next;
};

struct relay_section {
	const char *name; /* "" for what is global */
	const char *file;
	unsigned number;
	struct relay_line *first, **last;
	struct relay_section *next;
};

struct relay_lines {
	struct relay_section global, flags;
	struct relay_section *first, **last; /* the services */
	size_t sections;
	size_t count; /* of lines */
};

struct relay_flag;

/* Both add to `lines`, which begins with names that are "" and nothing else.  False with a
 * sentence. */
LW_MUST_CHECK bool relay_lines_read(struct relay_arena *a, const char *file,
                                    struct relay_lines *lines, struct failure *f);
LW_MUST_CHECK bool relay_lines_take_flags(struct relay_arena *a, const struct relay_flag *flags,
                                          size_t count, struct relay_lines *lines,
                                          struct failure *f);

/* "FILE:12: key = value: CLAUSE" or "--key value: CLAUSE".  Gives false, so that it can end. */
bool relay_line_refuse(const struct relay_line *line, struct failure *f, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The same without the value: the line is right in itself, and wrong beside others. */
bool relay_line_complain(const struct relay_line *line, struct failure *f, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* "FILE:12: [name] CLAUSE"; of a service without a section, "FILE: the relay CLAUSE". */
bool relay_section_complain(const struct relay_section *s, struct failure *f, const char *format,
                            ...) __attribute__((format(printf, 3, 4)));

#endif
