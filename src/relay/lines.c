/* lines: see lines.h.  inih parses; what it reads comes from here a line at a time, so that blanks
 * in front do not make a line the rest of another, lines have numbers, and what is too long for it
 * is refused by name instead of being cut.  Bounded: lines, their length, and includes in includes.
 */
#include "relay/lines.h"

#include <dirent.h>
#include <errno.h>
#include <ini.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "relay/config.h"

enum {
	LINE_BYTES = 8192, /* a line with its NUL */
	LINES_MAX = 100000,
	SECTIONS_MAX = 4096,
	SECTION_BYTES = 50, /* inih's, with the NUL */
	DEPTH_MAX = 8,
	PATH_BYTES = 4096
};

/* One file being read. */
struct reading {
	struct relay_arena *arena;
	struct relay_lines *lines;
	struct relay_section *section;
	const char *file;
	unsigned number; /* of the line that was read last */
	unsigned depth;
	FILE *in;
	struct failure *f;
	bool has_failed;
};

static bool fail(struct reading *r, const char *format, ...) __attribute__((format(printf, 2, 3)));

static bool fail(struct reading *r, const char *format, ...)
{
	char clause[sizeof r->f->sentence];
	va_list arguments;

	if (r->has_failed)
		return false;
	va_start(arguments, format);
	(void)vsnprintf(clause, sizeof clause, format, arguments);
	va_end(arguments);
	failure_set(r->f, "%s:%u: %s", r->file, r->number, clause);
	r->has_failed = true;
	return false;
}

static bool fail_memory(struct reading *r)
{
	return fail(r, "out of memory");
}

static void add_section(struct relay_lines *lines, struct relay_section *s)
{
	if (lines->last == NULL)
		lines->last = &lines->first;
	*lines->last = s;
	lines->last = &s->next;
	lines->sections++;
}

/* `name` of `n` bytes stands in brackets. */
static bool begin_section(struct reading *r, const char *name, size_t n)
{
	struct relay_section *s = relay_arena_take(r->arena, sizeof *s);

	if (s == NULL)
		return fail_memory(r);
	if (r->lines->sections == SECTIONS_MAX)
		return fail(r, "more than %d services", SECTIONS_MAX);
	s->name = relay_arena_copy(r->arena, name, n);
	if (s->name == NULL)
		return fail_memory(r);
	for (const struct relay_section *o = r->lines->first; o != NULL; o = o->next)
		if (strcasecmp(o->name, s->name) == 0)
			return fail(r, "[%s] stands in %s:%u already; a service has one section",
			            s->name, o->file, o->number);
	s->file = r->file;
	s->number = r->number;
	s->last = &s->first;
	add_section(r->lines, s);
	r->section = s;
	return true;
}

/* inih takes "[name" as far as it fits, and whatever follows the bracket. */
static bool take_heading(struct reading *r, const char *text)
{
	const char *end = strchr(text, ']');

	if (end == NULL || end[1 + strspn(end + 1, " \t")] != '\0')
		return fail(r, "'%.60s': a section begins with a line of its own, [NAME]", text);
	if (end == text + 1)
		return fail(r, "[]: the section has no name");
	if ((size_t)(end - text) - 1 >= SECTION_BYTES)
		return fail(r, "the section's name has %zu characters; no name has more than %d",
		            (size_t)(end - text) - 1, SECTION_BYTES - 1);
	return begin_section(r, text + 1, (size_t)(end - text) - 1);
}

/* One line without its end; false: there is none, or it is refused. */
static bool get_line(struct reading *r, char *text, size_t cap)
{
	size_t n = 0;
	int c;

	r->number++;
	while ((c = getc(r->in)) != EOF && c != '\n') {
		if ((c < ' ' && c != '\t' && c != '\r') || c == 0x7f)
			return fail(r, "holds the octet 0x%02x; a configuration is text", c);
		if (n + 1 >= cap)
			return fail(r, "the line has more than %zu characters", cap - 1);
		text[n++] = (char)c;
	}
	if (c == EOF && ferror(r->in) != 0)
		return fail(r, "cannot read: %s", strerror(errno));
	while (n > 0 && strchr(" \t\r", text[n - 1]) != NULL)
		n--;
	text[n] = '\0';
	return c != EOF || n > 0;
}

static void strip_front(struct reading *r, char *text)
{
	size_t blanks = r->number == 1 && strncmp(text, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;

	blanks += strspn(text + blanks, " \t\r");
	memmove(text, text + blanks, strlen(text + blanks) + 1);
}

/* A file counts as a line, so that empty ones end, too. */
static bool count_line(struct reading *r)
{
	if (r->lines->count++ < LINES_MAX)
		return true;
	return fail(r, "more than %d lines", LINES_MAX);
}

/* inih's reader. */
static char *next_line(char *text, int cap, void *context)
{
	struct reading *r = context;

	if (r->has_failed || !get_line(r, text, (size_t)cap))
		return NULL;
	strip_front(r, text);
	if (!count_line(r) || (text[0] == '[' && !take_heading(r, text)))
		return NULL;
	return text;
}

static bool refuse_key(struct reading *r, const char *name)
{
	const struct relay_key *nearest = relay_key_nearest(name);

	if (strpbrk(name, " \t") != NULL)
		return fail(r, "'%.60s' is no key; a line is KEY = VALUE", name);
	if (nearest != NULL)
		return fail(r, "there is no key '%.60s'; did you mean '%s'?", name, nearest->name);
	return fail(r, "there is no key '%.60s'; next: man lastword-relay", name);
}

static bool add_line(struct reading *r, struct relay_section *s, const struct relay_key *key,
                     const char *value)
{
	struct relay_line *line = relay_arena_take(r->arena, sizeof *line);

	if (line == NULL)
		return fail_memory(r);
	*line = (struct relay_line){ .key = key,
		                     .value = relay_arena_copy(r->arena, value, strlen(value)),
		                     .file = r->file,
		                     .number = r->number,
		                     .section = s };
	if (line->value == NULL)
		return fail_memory(r);
	if (s->last == NULL)
		s->last = &s->first;
	*s->last = line;
	s->last = &line->next;
	return true;
}

static bool include(struct reading *r, const char *path);

/* inih's handler; the section is known from the reader, with its place. */
static int take_line(void *context, const char *section, const char *name, const char *value)
{
	struct reading *r = context;
	const struct relay_key *key;

	(void)section;
	if (strcasecmp(name, "include") == 0)
		return include(r, value);
	key = relay_key_find(name);
	if (key == NULL)
		return refuse_key(r, name);
	return add_line(r, r->section, key, value);
}

/* What Debian's inih lets be chosen; the same at every call. */
static void prepare_inih(void)
{
	ini_use_stack = false;
	ini_initial_alloc = LINE_BYTES;
	ini_allow_realloc = false;
	ini_allow_multiline = false;
	ini_allow_inline_comments = false;
	ini_allow_no_value = false;
	ini_stop_on_first_error = true;
}

static bool read_stream(struct reading *r)
{
	int result;

	prepare_inih();
	result = ini_parse_stream(next_line, r, take_line, r);
	if (r->has_failed)
		return false;
	if (result < 0)
		return fail_memory(r);
	if (result > 0)
		return fail(r, "neither KEY = VALUE nor [SECTION]");
	return true;
}

/* A file whose lines without a section belong to `section`. */
static bool read_file(const struct reading *from, const char *path, struct relay_section *section)
{
	struct reading r = *from;
	struct stat what;
	bool done;

	r.depth++;
	r.number = 0;
	r.section = section;
	r.file = relay_arena_copy(r.arena, path, strlen(path));
	r.in = fopen(path, "re");
	if (r.in == NULL || r.file == NULL || fstat(fileno(r.in), &what) != 0) {
		failure_set(r.f, "cannot read the configuration %s: %s", path, strerror(errno));
		done = false;
	} else if (S_ISDIR(what.st_mode)) {
		failure_set(r.f, "%s is a directory; name a file, and let it say include = %s",
		            path, path);
		done = false;
	} else {
		done = count_line(&r) && read_stream(&r);
	}
	if (r.in != NULL)
		(void)fclose(r.in);
	return done;
}

/* Not what editors and package tools leave behind. */
static int is_wanted(const struct dirent *entry)
{
	size_t n = strlen(entry->d_name);

	return entry->d_name[0] != '.' && entry->d_name[n - 1] != '~' &&
	       strstr(entry->d_name, ".dpkg-") == NULL;
}

static bool include_file(struct reading *r, const char *path)
{
	r->has_failed = !read_file(r, path, r->section);
	return !r->has_failed;
}

static bool include_directory(struct reading *r, const char *path)
{
	struct dirent **entries;
	int count = scandir(path, &entries, is_wanted, alphasort);
	char name[PATH_BYTES];
	struct stat what;

	if (count < 0)
		return fail(r, "include = %.100s: %s", path, strerror(errno));
	for (int i = 0; i < count; i++) {
		int n = snprintf(name, sizeof name, "%s/%s", path, entries[i]->d_name);

		free(entries[i]);
		if (r->has_failed)
			continue;
		if (n < 0 || (size_t)n >= sizeof name)
			(void)fail(r, "include = %.100s: the path is too long", path);
		else if (stat(name, &what) != 0)
			(void)fail(r, "include: %.200s: %s", name, strerror(errno));
		else if (S_ISREG(what.st_mode))
			(void)include_file(r, name);
	}
	free(entries);
	return !r->has_failed;
}

static bool include(struct reading *r, const char *path)
{
	struct stat what;

	if (r->depth >= DEPTH_MAX)
		return fail(r, "include = %.100s: %d files include one another", path, DEPTH_MAX);
	if (stat(path, &what) != 0)
		return fail(r, "include = %.100s: %s", path, strerror(errno));
	return S_ISDIR(what.st_mode) ? include_directory(r, path) : include_file(r, path);
}

bool relay_lines_read(struct relay_arena *a, const char *file, struct relay_lines *lines,
                      struct failure *f)
{
	struct reading r = { .arena = a, .lines = lines, .f = f };

	lines->global.file = file;
	return read_file(&r, file, &lines->global);
}

bool relay_lines_take_flags(struct relay_arena *a, const struct relay_flag *flags, size_t count,
                            struct relay_lines *lines, struct failure *f)
{
	struct reading r = { .arena = a, .lines = lines, .f = f };

	for (size_t i = 0; i < count; i++) {
		const struct relay_key *key = relay_key_find(flags[i].name);
		const char *value = flags[i].value;

		if (key == NULL) {
			failure_set(f, "there is no flag --%s; next: lastword relay --help",
			            flags[i].name);
			return false;
		}
		if (value == NULL)
			value = relay_key_is_claim(key) ? "yes" : "";
		if (!add_line(&r, &lines->flags, key, value)) {
			failure_set(f, "out of memory");
			return false;
		}
	}
	return true;
}

/* ---- complaints */

static bool complain(const struct relay_line *line, bool with_value, struct failure *f,
                     const char *format, va_list arguments)
{
	char clause[sizeof f->sentence], place[256], value[80] = "";

	(void)vsnprintf(clause, sizeof clause, format, arguments);
	if (line->file == NULL)
		(void)snprintf(place, sizeof place, "--");
	else
		(void)snprintf(place, sizeof place, "%s:%u: ", line->file, line->number);
	if (with_value)
		(void)snprintf(value, sizeof value, "%s%.60s", line->file == NULL ? " " : " = ",
		               line->value);
	failure_set(f, "%s%s%s: %s", place, line->key->name, value, clause);
	return false;
}

bool relay_line_refuse(const struct relay_line *line, struct failure *f, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	(void)complain(line, true, f, format, arguments);
	va_end(arguments);
	return false;
}

bool relay_line_complain(const struct relay_line *line, struct failure *f, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	(void)complain(line, false, f, format, arguments);
	va_end(arguments);
	return false;
}

bool relay_section_complain(const struct relay_section *s, struct failure *f, const char *format,
                            ...)
{
	char clause[sizeof f->sentence];
	va_list arguments;

	va_start(arguments, format);
	(void)vsnprintf(clause, sizeof clause, format, arguments);
	va_end(arguments);
	if (s->name[0] != '\0')
		failure_set(f, "%s:%u: [%s] %s", s->file, s->number, s->name, clause);
	else if (s->file != NULL)
		failure_set(f, "%s: the relay %s", s->file, clause);
	else
		failure_set(f, "the relay %s", clause);
	return false;
}
