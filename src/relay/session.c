/* session: see session.h. */
#include "relay/session.h"
