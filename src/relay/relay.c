/* relay: see relay.h. */
#include "relay/relay.h"
