/* stack: the table of rows.  A library that was not found when this was built has none. */
#include "audit/stack.h"

#include <string.h>

static const struct stack *const stacks[] = {
	&openssl_stack,
#ifdef HAVE_STACK_GNUTLS
	&gnutls_stack,
#endif
#ifdef HAVE_STACK_MBEDTLS
	&mbedtls_stack,
#endif
#ifdef HAVE_STACK_WOLFSSL
	&wolfssl_stack,
#endif
};

const struct stack *stack_at(unsigned index)
{
	return index < sizeof stacks / sizeof stacks[0] ? stacks[index] : NULL;
}

const struct stack *stack_find(const char *name)
{
	const struct stack *stack;

	for (unsigned i = 0; (stack = stack_at(i)) != NULL; i++)
		if (strcmp(stack->name, name) == 0)
			return stack;
	return NULL;
}
