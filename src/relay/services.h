/* services: drafts made into services: which leg speaks TLS, whose the settings are, and what
 * stands where nothing was written.
 */
#ifndef RELAY_SERVICES_H
#define RELAY_SERVICES_H

#include "relay/draft.h"

/* Fills c->services.  False with a sentence. */
LW_MUST_CHECK bool relay_services_build(struct relay_config *c, const struct relay_lines *lines,
                                        struct relay_draft *globals, struct relay_list *warnings,
                                        struct failure *f);

#endif
