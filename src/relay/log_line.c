/* log_line: see log_line.h.  Both formats walk the same fields.  How much of a value is shown is
 * tried from much to little until the line fits; at the least, LOG_FIELDS of them always fit.
 */
#include "relay/log_line.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

/* Octets of a value that are shown. */
static const size_t shown[] = { 1024, 256, 64, 8 };

/* A line in the making; once something did not fit, it stays `is_full`. */
struct writer {
	char *at;
	size_t left;
	bool is_full;
};

static void put(struct writer *w, const char *bytes, size_t n)
{
	if (n > w->left) {
		w->is_full = true;
		return;
	}
	memcpy(w->at, bytes, n);
	w->at += n;
	w->left -= n;
}

static void put_text(struct writer *w, const char *text)
{
	put(w, text, strlen(text));
}

static bool is_printable(char c)
{
	return c >= 0x20 && c <= 0x7e;
}

static void put_octet_code(struct writer *w, char c)
{
	char code[8];

	(void)snprintf(code, sizeof code, "\\x%02x", (unsigned)(unsigned char)c);
	put_text(w, code);
}

static void put_escaped(struct writer *w, char c)
{
	static const struct {
		char octet;
		const char *escape;
	} rows[] = {
		{ '\n', "\\n" }, { '\r', "\\r" }, { '\t', "\\t" }, { '"', "\\\"" }, { '\\', "\\\\" }
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		if (rows[i].octet == c) {
			put_text(w, rows[i].escape);
			return;
		}
	if (is_printable(c))
		put(w, &c, 1);
	else
		put_octet_code(w, c);
}

static bool needs_quotes(const char *text)
{
	if (*text == '\0')
		return true;
	for (; *text != '\0'; text++)
		if (!is_printable(*text) || strchr(" \"=\\", *text) != NULL)
			return true;
	return false;
}

static void put_value(struct writer *w, const char *text, size_t most)
{
	size_t length = strlen(text), n = length < most ? length : most;
	bool quoted = needs_quotes(text);

	if (quoted)
		put(w, "\"", 1);
	for (size_t i = 0; i < n; i++)
		put_escaped(w, text[i]);
	if (n < length)
		put_text(w, "...");
	if (quoted)
		put(w, "\"", 1);
}

static const char *truth_word(int truth)
{
	return truth > 0 ? "yes" : truth == 0 ? "no" : "unknown";
}

static void put_field(struct writer *w, const struct log_field *f, size_t most)
{
	char number[64] = "";

	switch (f->kind) {
	case LOG_TEXT:
		put_value(w, f->text, most);
		return;
	case LOG_COUNT:
		(void)snprintf(number, sizeof number, "%llu", (unsigned long long)f->count);
		break;
	case LOG_SECONDS:
		(void)snprintf(number, sizeof number, "%.3f", f->seconds);
		break;
	case LOG_TRUTH:
		(void)snprintf(number, sizeof number, "%s", truth_word(f->truth));
		break;
	}
	put_text(w, number);
}

static void put_logfmt(struct writer *w, const struct log_field *fields, size_t count, size_t most)
{
	put_text(w, fields[0].text);
	for (size_t i = 1; i < count; i++) {
		if (fields[i].kind == LOG_TEXT && fields[i].text == NULL)
			continue;
		put(w, " ", 1);
		put_text(w, fields[i].name);
		put(w, "=", 1);
		put_field(w, &fields[i], most);
	}
	put(w, "\n", 1);
}

/* Text that is no UTF-8, or holds DEL, which JSON leaves as it is: octets become \xNN. */
static json_t *make_tame_text(const char *text, size_t n)
{
	char tame[4 * 1024 + 4];
	struct writer w = { tame, sizeof tame, false };

	for (size_t i = 0; i < n; i++)
		if (is_printable(text[i]))
			put(&w, text + i, 1);
		else
			put_octet_code(&w, text[i]);
	return json_stringn(tame, sizeof tame - w.left);
}

static json_t *make_text(const char *text, size_t most)
{
	char kept[1024 + 4];
	size_t length = strlen(text), n = length < most ? length : most;
	json_t *value;

	memcpy(kept, text, n);
	if (n < length) {
		memcpy(kept + n, "...", 3);
		n += 3;
	}
	value = memchr(kept, 0x7f, n) == NULL ? json_stringn(kept, n) : NULL;
	return value != NULL ? value : make_tame_text(kept, n);
}

static json_t *make_field(const struct log_field *f, size_t most)
{
	switch (f->kind) {
	case LOG_TEXT:
		return make_text(f->text, most);
	case LOG_COUNT: /* JSON's integers are signed here; no connection carries more */
		return json_integer(f->count > INT64_MAX ? INT64_MAX : (json_int_t)f->count);
	case LOG_SECONDS:
		return json_real((double)(long long)(f->seconds * 1000 + 0.5) / 1000);
	case LOG_TRUTH:
		return f->truth < 0 ? json_null() : json_boolean(f->truth);
	}
	return NULL;
}

/* False: out of memory.  jansson keeps the order in which fields are set. */
static bool put_json(struct writer *w, const struct log_field *fields, size_t count, size_t most)
{
	json_t *object = json_object();
	bool made = object != NULL;
	size_t n;

	for (size_t i = 0; i < count; i++) {
		if (fields[i].kind == LOG_TEXT && fields[i].text == NULL)
			continue;
		made = json_object_set_new(object, fields[i].name, make_field(&fields[i], most)) ==
		           0 &&
		       made;
	}
	if (made) {
		n = json_dumpb(object, w->at, w->left,
		               JSON_COMPACT | JSON_ENSURE_ASCII | JSON_REAL_PRECISION(12));
		made = n > 0;
		w->is_full = n > w->left;
		if (!w->is_full) {
			w->at += n;
			w->left -= n;
			put(w, "\n", 1);
		}
	}
	json_decref(object);
	return made;
}

size_t log_line_make(enum relay_log_format format, const struct log_field *fields, size_t count,
                     char line[LOG_LINE_BYTES])
{
	for (size_t i = 0; i < sizeof shown / sizeof shown[0]; i++) {
		struct writer w = { line, LOG_LINE_BYTES, false };

		if (format == RELAY_LOGFMT)
			put_logfmt(&w, fields, count, shown[i]);
		else if (!put_json(&w, fields, count, shown[i]))
			return 0;
		if (!w.is_full)
			return LOG_LINE_BYTES - w.left;
	}
	return 0;
}
