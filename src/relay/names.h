/* names: services that are reached by server name through another, as sni = SERVICE:PATTERN. */
#ifndef RELAY_NAMES_H
#define RELAY_NAMES_H

#include "relay/draft.h"

/* Fills sni_of and sni_patterns of c->services; `drafts` by index.  False with a sentence. */
LW_MUST_CHECK bool relay_names_link(struct relay_config *c, const struct relay_draft *drafts,
                                    struct failure *f);

#endif
