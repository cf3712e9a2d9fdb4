/* admin: see admin.h. */
#include "relay/admin.h"
