/* verbs: the table of all verbs, in the order of --help.  A new verb is a file and a line here. */
#include "cli/verb.h"

const struct verb *const verbs[] = {
	&connect_verb, &cut_verb,  &demo_verb,       &explain_verb,
	&relay_verb,   &test_verb, &completion_verb, NULL,
};
