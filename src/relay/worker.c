/* worker: see worker.h. */
#include "relay/worker.h"
