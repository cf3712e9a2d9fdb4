/* relay: the process: starts workers, obeys signals (SIGHUP reload, SIGTERM and SIGINT drain,
 * SIGUSR1 reopen the log), tells the manager and the operator.
 */
#ifndef RELAY_RELAY_H
#define RELAY_RELAY_H

#include "relay/config.h"

struct relay_command {
	const char *file; /* NULL: flags only */
	const struct relay_flag *flags;
	size_t flag_count;
	bool checks_only;    /* builds everything, listens nowhere, and says so */
	const char *version; /* of the program, for the metrics */
};

enum relay_result {
	RELAY_DONE,     /* drained, or the configuration is right */
	RELAY_USAGE,    /* the configuration is wrong: f says where */
	RELAY_FAILED,   /* it could not start */
	RELAY_ABANDONED /* the drain deadline cut connections off */
};

/*
 * Runs until it is told to end.  Every place it listens on is a line on standard output, then
 * nothing more goes there.  `*is_outlived`: the look-up of a name is still under way, and exit(3)
 * would wait for it; _exit(2) does not.
 */
LW_MUST_CHECK enum relay_result relay_run(const struct relay_command *command, struct failure *f,
                                          bool *is_outlived);

#endif
