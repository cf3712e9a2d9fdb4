/* proxy_header: see proxy_header.h. */
#include "net/proxy_header.h"
