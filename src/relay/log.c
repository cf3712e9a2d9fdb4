/* log: see log.h. */
#include "relay/log.h"
