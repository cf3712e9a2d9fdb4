/* checks: contradictions of a configuration, each a sentence that names the line and what to do.
 * They change nothing but the draft's warnings.
 */
#ifndef RELAY_CHECKS_H
#define RELAY_CHECKS_H

#include "relay/draft.h"

/* Of what stands before the first [section], where there is one. */
LW_MUST_CHECK bool relay_check_globals(const struct relay_draft *globals, struct failure *f);

/* Whether it is reached by server name, through another service. */
bool relay_draft_is_named(const struct relay_draft *d);

LW_MUST_CHECK bool relay_check_places(const struct relay_draft *d,
                                      const struct relay_section *section, struct failure *f);

LW_MUST_CHECK bool relay_check_service(const struct relay_service *s, struct relay_draft *d,
                                       bool accepts_tls, bool connects_tls,
                                       const struct relay_section *section, struct failure *f);

/* Of services beside one another; `drafts` by index. */
LW_MUST_CHECK bool relay_check_together(const struct relay_config *c,
                                        const struct relay_draft *drafts, struct failure *f);

#endif
