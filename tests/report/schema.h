/*
 * schema: holds JSON against our schema files.  It knows the few words of JSON Schema that they
 * use, and fails the test at a schema with any other, so that no rule is passed over.
 */
#ifndef TESTS_REPORT_SCHEMA_H
#define TESTS_REPORT_SCHEMA_H

#include <jansson.h>
#include <stdbool.h>

/* A new reference; fails the test when there is none. */
json_t *schema_load(const char *path);

bool schema_fits(const json_t *schema, const json_t *value);

#endif
