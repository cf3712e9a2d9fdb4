/* demo_relay: a document cut on its way, as a strict client sees it: direct, through nginx, from
 * nginx's cache, and through the relay.  All parts are real programs on the loopback.
 */
#ifndef CLI_DEMO_RELAY_H
#define CLI_DEMO_RELAY_H

#include "cli/verb.h"

/* Runs it and prints its table; an exit status.  What it needs and lacks is told. */
int demo_relay_run(void);

#endif
