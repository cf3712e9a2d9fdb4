/* allocator_gnutls: GnuTLS's memory, by its variables. */
#include "tests/fault/fault.h"

#include <gnutls/gnutls.h>
#include <string.h>

static void *take_cleared(size_t count, size_t size)
{
	void *block = fault_library_malloc(count * size);

	if (block != NULL)
		memset(block, 0, count * size);
	return block;
}

bool fault_take_gnutls(void)
{
	gnutls_malloc = fault_library_malloc;
	gnutls_calloc = take_cleared;
	gnutls_realloc = fault_library_realloc;
	gnutls_free = fault_library_free;
	return true;
}
