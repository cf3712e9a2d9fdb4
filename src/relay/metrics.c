/* metrics: see metrics.h. */
#include "relay/metrics.h"
