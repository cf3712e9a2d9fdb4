/*
 * verdict_json: a table of verdicts against the schema file, and the fields in
 * their order.
 */
#include "report/verdict_json.h"
#include "tests/report/schema.h"
#include "tests/unit.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char field_order[] =
    "schema version read write whole complete at bytes_read bytes_written "
    "alert_received alert_sent session sentence";

static void assert_fits(const json_t *schema, const struct lw_verdict *v)
{
	json_t *value = verdict_json_make(v);
	char names[256] = "";
	const char *name;
	json_t *member;

	assert_non_null(value);
	assert_true(schema_fits(schema, value));
	json_object_foreach(value, name, member) snprintf(
	    names + strlen(names), sizeof names - strlen(names), "%s%s", *names ? " " : "", name);
	assert_string_equal(names, field_order);
	json_decref(value);
}

static void every_value_of_every_field_fits_the_schema(void **state)
{
	json_t *schema = schema_load(SCHEMA_FILE);

	(void)state;
	for (int version = 0; version <= LW_VERSION_DTLS1_3; version++)
		for (int ending = 0; ending <= LW_ENDING_FAILED; ending++)
			for (int place = 0; place <= LW_PLACE_UNKNOWN; place++) {
				struct lw_verdict v = {
					.version = (enum lw_version)version,
					.read = (enum lw_ending)ending,
					.write = (enum lw_ending)(LW_ENDING_FAILED - ending),
					.at = (enum lw_place)place,
					.session =
					    place % 2 ? LW_SESSION_FORGET : LW_SESSION_MAY_RESUME,
					.bytes_read = UINT64_MAX,
				};

				assert_fits(schema, &v);
			}
	for (unsigned d = 0; d < 256; d++) {
		struct lw_verdict v = { .alert_received = { true, 2, (uint8_t)d },
			                .alert_sent = { true, 1, (uint8_t)d } };

		assert_fits(schema, &v);
	}
	json_decref(schema);
}

/* The check itself can fail: a field missing, unknown, of a wrong value. */
static void the_check_refuses_what_does_not_fit(void **state)
{
	static const struct {
		const char *field, *json;
	} rows[] = {
		{ "schema", "\"lastword.verdict/2\"" },
		{ "version", "\"TLSv2\"" },
		{ "read", "\"ended\"" },
		{ "whole", "1" },
		{ "at", "null" },
		{ "bytes_read", "-1" },
		{ "bytes_read", "\"5\"" },
		{ "alert_sent", "0" },
		{ "alert_sent", "\"\"" },
		{ "session", "\"may\"" },
		{ "sentence", "\"\"" },
		{ "extra", "1" },
		{ "read", NULL },
	};
	json_t *schema = schema_load(SCHEMA_FILE);
	struct lw_verdict v = { .read = LW_ENDING_CLOSED };

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		json_t *value = verdict_json_make(&v);

		if (rows[i].json == NULL)
			assert_int_equal(json_object_del(value, rows[i].field), 0);
		else
			assert_int_equal(
			    json_object_set_new(value, rows[i].field,
			                        json_loads(rows[i].json, JSON_DECODE_ANY, NULL)),
			    0);
		assert_false(schema_fits(schema, value));
		json_decref(value);
	}
	json_decref(schema);
}

static void the_line_is_as_documented(void **state)
{
	struct lw_verdict v = { .version = LW_VERSION_TLS1_3,
		                .read = LW_ENDING_TRUNCATED,
		                .write = LW_ENDING_CLOSED,
		                .at = LW_PLACE_BOUNDARY,
		                .bytes_read = 196563,
		                .bytes_written = 18,
		                .alert_received = { true, 1, 200 },
		                .alert_sent = { true, 1, 0 } };
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	(void)state;
	assert_true(verdict_json_write(out, &v));
	assert_int_equal(fclose(out), 0);
	assert_string_equal(
	    text,
	    "{\"schema\":\"lastword.verdict/1\",\"version\":\"TLSv1.3\",\"read\":\"truncated\","
	    "\"write\":\"closed\",\"whole\":false,\"complete\":false,\"at\":\"boundary\","
	    "\"bytes_read\":196563,\"bytes_written\":18,\"alert_received\":\"alert-200\","
	    "\"alert_sent\":\"close_notify\",\"session\":\"may-resume\",\"sentence\":\"The "
	    "transport "
	    "ended (FIN) at a record boundary after 196,563 bytes without close_notify, and "
	    "nothing "
	    "showed the message complete: what was read may be cut short.\"}\n");
	free(text);
}

static void a_full_disk_is_told(void **state)
{
	struct lw_verdict v = { .read = LW_ENDING_CLOSED };

	(void)state;
	assert_false(verdict_json_save("/dev/full", &v));
	assert_int_equal(errno, ENOSPC);
	assert_false(verdict_json_save("/nonexistent/verdict.json", &v));
	assert_int_equal(errno, ENOENT);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_value_of_every_field_fits_the_schema),
		cmocka_unit_test(the_check_refuses_what_does_not_fit),
		cmocka_unit_test(the_line_is_as_documented),
		cmocka_unit_test(a_full_disk_is_told),
	};
	return run_cases(tests);
}
