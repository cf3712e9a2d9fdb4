/* schema: see schema.h. */
#include "tests/report/schema.h"

#include "tests/unit.h"

#include <string.h>

static bool type_is(const json_t *value, const char *type)
{
	return (strcmp(type, "object") == 0 && json_is_object(value)) ||
	       (strcmp(type, "string") == 0 && json_is_string(value)) ||
	       (strcmp(type, "boolean") == 0 && json_is_boolean(value)) ||
	       (strcmp(type, "integer") == 0 && json_is_integer(value)) ||
	       (strcmp(type, "number") == 0 && json_is_number(value)) ||
	       (strcmp(type, "array") == 0 && json_is_array(value)) ||
	       (strcmp(type, "null") == 0 && json_is_null(value));
}

static bool type_allowed(const json_t *types, const json_t *value)
{
	if (json_is_string(types))
		return type_is(value, json_string_value(types));
	for (size_t i = 0; i < json_array_size(types); i++)
		if (type_is(value, json_string_value(json_array_get(types, i))))
			return true;
	return false;
}

static bool among(const json_t *list, const json_t *value)
{
	for (size_t i = 0; i < json_array_size(list); i++)
		if (json_equal(json_array_get(list, i), value))
			return true;
	return false;
}

static bool fits(const json_t *root, const json_t *schema, const json_t *value);

static bool properties_fit(const json_t *root, const json_t *schema, const json_t *value)
{
	const json_t *properties = json_object_get(schema, "properties");
	const json_t *others = json_object_get(schema, "additionalProperties");
	const char *name;
	json_t *member;

	json_object_foreach((json_t *)value, name, member)
	{
		const json_t *rule = json_object_get(properties, name);

		if (rule == NULL && json_is_object(others))
			rule = others;
		if (rule == NULL || !fits(root, rule, member)) /* no additional properties */
			return false;
	}
	return true;
}

static bool one_fits(const json_t *root, const json_t *schemas, const json_t *value)
{
	size_t fitting = 0;

	for (size_t i = 0; i < json_array_size(schemas); i++)
		fitting += fits(root, json_array_get(schemas, i), value);
	return fitting == 1;
}

static bool items_fit(const json_t *root, const json_t *schema, const json_t *value)
{
	for (size_t i = 0; i < json_array_size(value); i++)
		if (!fits(root, schema, json_array_get(value, i)))
			return false;
	return true;
}

static bool has_all(const json_t *required, const json_t *value)
{
	for (size_t i = 0; i < json_array_size(required); i++)
		if (!json_object_get(value, json_string_value(json_array_get(required, i))))
			return false;
	return true;
}

/* `rule` is what `schema` says under `word`. */
static bool word_fits(const json_t *root, const json_t *schema, const char *word,
                      const json_t *rule, const json_t *value)
{
	static const char *const silent[] = { "$schema", "$id", "title", "description", "$defs" };

	for (size_t i = 0; i < sizeof silent / sizeof silent[0]; i++)
		if (strcmp(word, silent[i]) == 0)
			return true;
	if (strcmp(word, "type") == 0)
		return type_allowed(rule, value);
	if (strcmp(word, "const") == 0)
		return json_equal(rule, value);
	if (strcmp(word, "enum") == 0)
		return among(rule, value);
	if (strcmp(word, "minimum") == 0)
		return json_number_value(value) >= json_number_value(rule);
	if (strcmp(word, "minLength") == 0)
		return !json_is_string(value) ||
		       json_string_length(value) >= (size_t)json_integer_value(rule);
	if (strcmp(word, "maxLength") == 0)
		return json_string_length(value) <= (size_t)json_integer_value(rule);
	if (strcmp(word, "required") == 0)
		return has_all(rule, value);
	if (strcmp(word, "additionalProperties") == 0)
		return json_is_false(rule) || json_is_object(rule);
	if (strcmp(word, "properties") == 0)
		return properties_fit(root, schema, value);
	if (strcmp(word, "oneOf") == 0)
		return one_fits(root, rule, value);
	if (strcmp(word, "items") == 0)
		return items_fit(root, rule, value);
	if (strcmp(word, "$ref") == 0) {
		const char *name = strrchr(json_string_value(rule), '/') + 1;

		return fits(root, json_object_get(json_object_get(root, "$defs"), name), value);
	}
	fail_msg("the check does not know the schema word %s", word);
	return false;
}

static bool fits(const json_t *root, const json_t *schema, const json_t *value)
{
	const char *word;
	json_t *rule;

	assert_non_null(schema);
	json_object_foreach((json_t *)schema, word,
	                    rule) if (!word_fits(root, schema, word, rule, value)) return false;
	return true;
}

bool schema_fits(const json_t *schema, const json_t *value)
{
	return fits(schema, schema, value);
}

json_t *schema_load(const char *path)
{
	json_error_t error;
	json_t *schema = json_load_file(path, JSON_REJECT_DUPLICATES, &error);

	assert_non_null(schema);
	return schema;
}
