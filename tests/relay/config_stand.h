/* config_stand: configurations from text, and what was made of them as text. */
#ifndef TESTS_RELAY_CONFIG_STAND_H
#define TESTS_RELAY_CONFIG_STAND_H

#include "relay/config.h"

/* Reads `text` as a file; its name, in `f`, is replaced by "F". */
struct relay_config *config_of_text(const char *text, const struct relay_flag *flags, size_t count,
                                    struct failure *f);

/*
 * All values, "SERVICE.FIELD=VALUE;" for each, those of the process without a service; lists with
 * commas between.  The caller frees it.
 */
char *config_dump(const struct relay_config *c);

/* Fails unless `text` is read, and what was made of it holds `value`, "SERVICE.FIELD=VALUE". */
void config_assert_value(const char *text, const struct relay_flag *flags, size_t count,
                         const char *value);

#endif
