/* pool: see pool.h. */
#include "relay/pool.h"
