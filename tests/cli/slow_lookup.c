/* slow_lookup: a name server that never answers, for a program under test (LD_PRELOAD). */
#include <netdb.h>
#include <unistd.h>

int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints,
                struct addrinfo **list)
{
	(void)node;
	(void)service;
	(void)hints;
	(void)list;
	for (;;)
		(void)pause();
}
