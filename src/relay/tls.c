/* tls: see tls.h. */
#include "relay/tls.h"
