/* relay: see relay.h. */
#include "relay/relay.h"

enum relay_result relay_run(const struct relay_command *command, struct failure *f)
{
	struct relay_config *c =
	    relay_config_read(command->file, command->flags, command->flag_count, f);

	if (c == NULL)
		return RELAY_USAGE;
	relay_config_free(c);
	if (command->checks_only)
		return RELAY_DONE;
	failure_set(f, "the relay is not built yet");
	return RELAY_FAILED;
}
