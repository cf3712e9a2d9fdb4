/* setup: see setup.h. */
#include "relay/setup.h"
