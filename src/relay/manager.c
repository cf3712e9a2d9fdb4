/* manager: see manager.h. */
#include "relay/manager.h"
