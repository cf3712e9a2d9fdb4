/* config: see config.h. */
#include "relay/config.h"
