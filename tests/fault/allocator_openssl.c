/* allocator_openssl: OpenSSL's memory, by CRYPTO_set_mem_functions(). */
#include "tests/fault/fault.h"

#include <openssl/crypto.h>

static void *take(size_t size, const char *file, int line)
{
	(void)file;
	(void)line;
	return fault_library_malloc(size);
}

static void *resize(void *block, size_t size, const char *file, int line)
{
	(void)file;
	(void)line;
	return fault_library_realloc(block, size);
}

static void give(void *block, const char *file, int line)
{
	(void)file;
	(void)line;
	fault_library_free(block);
}

bool fault_take_openssl(void)
{
	return CRYPTO_set_mem_functions(take, resize, give) == 1;
}
