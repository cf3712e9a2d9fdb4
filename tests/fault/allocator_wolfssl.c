/* allocator_wolfssl: wolfSSL's memory, by wolfSSL_SetAllocators(). */
#include "tests/fault/fault.h"

#include <wolfssl/options.h>
#include <wolfssl/wolfcrypt/memory.h>

bool fault_take_wolfssl(void)
{
	return wolfSSL_SetAllocators(fault_library_malloc, fault_library_free,
	                             fault_library_realloc) == 0;
}
