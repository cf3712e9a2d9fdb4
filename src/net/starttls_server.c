/* starttls_server: see starttls_server.h. */
#include "net/starttls_server.h"
