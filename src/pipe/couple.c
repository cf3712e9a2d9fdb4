/* couple: see couple.h. */
#include "pipe/couple.h"
