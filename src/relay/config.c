/* config: see config.h.  The way of a line: read (lines), turned into a value (keys, values,
 * draft), made part of a service (services), checked beside the others.
 */
#include "relay/config.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "relay/services.h"

static bool take_process(struct relay_config *c, const struct relay_draft *d, struct failure *f)
{
	(void)f;
	c->workers = d->workers;
	c->max_connections = d->max_connections;
	c->drain_ms = d->drain_ms;
	c->has_metrics = d->metrics.first != NULL;
	if (c->has_metrics)
		c->metrics = d->metrics.first->place;
	c->log_format = (enum relay_log_format)d->log_format;
	c->log_file = d->log_file;
	c->logs_connections = d->level >= 5;
	c->pid_file = d->pid_file;
	c->set_user = d->set_user;
	c->set_group = d->set_group;
	return true;
}

static bool read_all(struct relay_config *c, const char *file, const struct relay_flag *flags,
                     size_t flag_count, struct failure *f)
{
	struct relay_lines lines = { .global.name = "", .flags.name = "" };
	struct relay_list warnings = { 0 };
	struct relay_draft globals;

	if (file != NULL && !relay_lines_read(c->arena, file, &lines, f))
		return false;
	c->file = lines.global.file;
	relay_draft_begin(&globals, c->arena);
	if (!relay_lines_take_flags(c->arena, flags, flag_count, &lines, f) ||
	    !relay_draft_fill(&globals, &lines, NULL, &warnings, f) ||
	    !take_process(c, &globals, f) ||
	    !relay_services_build(c, &lines, &globals, &warnings, f) ||
	    !relay_list_add(c->arena, &warnings, NULL)) {
		if (f->sentence[0] == '\0')
			failure_set(f, "out of memory");
		return false;
	}
	c->warnings = warnings.items;
	return true;
}

struct relay_config *relay_config_read(const char *file, const struct relay_flag *flags,
                                       size_t flag_count, struct failure *f)
{
	struct relay_config *c = calloc(1, sizeof *c);

	f->sentence[0] = '\0';
	if (c != NULL)
		c->arena = relay_arena_new();
	if (c == NULL || c->arena == NULL) {
		free(c);
		failure_set(f, "out of memory");
		return NULL;
	}
	if (read_all(c, file, flags, flag_count, f))
		return c;
	relay_config_free(c);
	return NULL;
}

bool relay_config_warn(struct relay_config *c, struct failure *f, const char *format, ...)
{
	struct relay_list warnings = { 0 };
	bool has_memory = true;
	char text[512], *copy;
	va_list args;

	va_start(args, format);
	(void)vsnprintf(text, sizeof text, format, args);
	va_end(args);
	for (const char *const *w = c->warnings; *w != NULL; w++)
		has_memory = has_memory && relay_list_add(c->arena, &warnings, *w);
	copy = relay_arena_copy(c->arena, text, strlen(text));
	if (!has_memory || copy == NULL || !relay_list_add(c->arena, &warnings, copy) ||
	    !relay_list_add(c->arena, &warnings, NULL)) {
		failure_set(f, "out of memory");
		return false;
	}
	c->warnings = warnings.items;
	return true;
}

void relay_config_free(struct relay_config *c)
{
	if (c == NULL)
		return;
	relay_arena_free(c->arena);
	free(c);
}
