/* verdict_json: see verdict_json.h.  jansson keeps the order in which fields are set. */
#include "report/verdict_json.h"

#include <errno.h>
#include <string.h>

#define SENTENCE_CAP 256u

static json_t *make_alert(const struct lw_alert *alert)
{
	const char *name = lw_alert_name(alert->description);

	if (!alert->present)
		return json_null();
	if (strcmp(name, "alert") == 0)
		return json_sprintf("alert-%u", alert->description);
	return json_string(name);
}

/* JSON's integers are signed here; no connection carries more. */
static json_t *make_count(uint64_t n)
{
	return json_integer(n > INT64_MAX ? INT64_MAX : (json_int_t)n);
}

json_t *verdict_json_make(const struct lw_verdict *v)
{
	char sentence[SENTENCE_CAP];
	const struct {
		const char *name;
		json_t *value;
	} fields[] = {
		{ "schema", json_string(VERDICT_JSON_SCHEMA) },
		{ "version", json_string(lw_version_name(v->version)) },
		{ "read", json_string(lw_ending_name(v->read)) },
		{ "write", json_string(lw_ending_name(v->write)) },
		{ "whole", json_boolean(v->whole) },
		{ "complete", json_boolean(v->complete) },
		{ "at", json_string(lw_place_name(v->at)) },
		{ "bytes_read", make_count(v->bytes_read) },
		{ "bytes_written", make_count(v->bytes_written) },
		{ "alert_received", make_alert(&v->alert_received) },
		{ "alert_sent", make_alert(&v->alert_sent) },
		{ "session", json_string(lw_session_name(v->session)) },
		{ "sentence", json_string(lw_verdict_sentence(v, sentence, sizeof sentence)) },
	};
	json_t *object = json_object();
	bool made = object != NULL;

	/* Every value is handed over, also after a failure, so that none is left behind. */
	for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++)
		made = json_object_set_new(object, fields[i].name, fields[i].value) == 0 && made;
	if (made)
		return object;
	json_decref(object);
	return NULL;
}

bool verdict_json_write(FILE *out, const struct lw_verdict *verdict)
{
	json_t *object = verdict_json_make(verdict);
	int dumped;

	if (object == NULL) {
		errno = ENOMEM;
		return false;
	}
	dumped = json_dumpf(object, out, JSON_COMPACT);
	json_decref(object);
	return dumped == 0 && fputc('\n', out) != EOF;
}

bool verdict_json_save(const char *path, const struct lw_verdict *verdict)
{
	FILE *out = fopen(path, "w");
	bool written;
	int why;

	if (out == NULL)
		return false;
	written = verdict_json_write(out, verdict);
	why = errno;
	if (fclose(out) != 0) /* a full disk may show only here */
		return false;
	errno = why;
	return written;
}
