/* fault: counts calls and fails one.  The linker makes the names that start with __wrap. */
#include "tests/fault/fault.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>

static struct {
	struct fault fault;
	unsigned left; /* calls until it fires */
	bool fired;
	bool inside;
	enum fault_call calloc_is;
	long blocks;
} now = { .calloc_is = FAULT_CALLOC };

void fault_arm(const struct fault *fault, unsigned nth)
{
	now.fault = *fault;
	now.left = nth;
	now.fired = false;
}

void fault_disarm(void)
{
	now.fault.call = FAULT_NOTHING;
}

bool fault_fired(void)
{
	return now.fired;
}

unsigned fault_left(void)
{
	return now.left;
}

void fault_enter(void)
{
	now.inside = true;
}

void fault_leave(void)
{
	now.inside = false;
}

long fault_blocks(void)
{
	return now.blocks;
}

/* Whether this call is the one. */
static bool fires(enum fault_call call)
{
	if (!now.inside || now.fault.call != call)
		return false;
	if (now.fired)
		return now.fault.and_after;
	if (now.left-- > 0)
		return false;
	now.fired = true;
	return true;
}

ssize_t __real_recv(int fd, void *buf, size_t cap, int flags);
ssize_t __real_send(int fd, const void *buf, size_t len, int flags);
int __real_shutdown(int fd, int how);
int __real_epoll_ctl(int set, int operation, int fd, struct epoll_event *event);
void *__real_calloc(size_t count, size_t size);
void *__real_malloc(size_t size);
void *__real_realloc(void *block, size_t size);
void __real_free(void *block);

ssize_t __wrap_recv(int fd, void *buf, size_t cap, int flags);
ssize_t __wrap_send(int fd, const void *buf, size_t len, int flags);
int __wrap_shutdown(int fd, int how);
int __wrap_epoll_ctl(int set, int operation, int fd, struct epoll_event *event);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_realloc(void *block, size_t size);
void __wrap_free(void *block);

ssize_t __wrap_recv(int fd, void *buf, size_t cap, int flags)
{
	if (!fires(FAULT_RECV))
		return __real_recv(fd, buf, cap, flags);
	if (now.fault.how == FAULT_SHORT)
		return __real_recv(fd, buf, cap < 1 ? cap : 1, flags);
	if (now.fault.how == FAULT_FIN)
		return 0;
	errno = now.fault.how;
	return -1;
}

ssize_t __wrap_send(int fd, const void *buf, size_t len, int flags)
{
	if (!fires(FAULT_SEND))
		return __real_send(fd, buf, len, flags);
	if (now.fault.how == FAULT_SHORT)
		return __real_send(fd, buf, len < 1 ? len : 1, flags);
	errno = now.fault.how;
	return -1;
}

int __wrap_shutdown(int fd, int how)
{
	if (!fires(FAULT_SHUTDOWN))
		return __real_shutdown(fd, how);
	errno = now.fault.how;
	return -1;
}

int __wrap_epoll_ctl(int set, int operation, int fd, struct epoll_event *event)
{
	if (!fires(FAULT_EPOLL))
		return __real_epoll_ctl(set, operation, fd, event);
	errno = now.fault.how;
	return -1;
}

void fault_calloc_is(enum fault_call call)
{
	now.calloc_is = call;
}

/* Everybody's who is linked in: what is not freed in a run was leaked in it. */
void *__wrap_calloc(size_t count, size_t size)
{
	void *block;

	if (fires(now.calloc_is))
		return NULL;
	block = __real_calloc(count, size);
	now.blocks += block != NULL;
	return block;
}

void *__wrap_malloc(size_t size)
{
	void *block = __real_malloc(size);

	now.blocks += block != NULL;
	return block;
}

void *__wrap_realloc(void *block, size_t size)
{
	void *grown = __real_realloc(block, size);

	now.blocks += block == NULL && grown != NULL;
	return grown;
}

void __wrap_free(void *block)
{
	now.blocks -= block != NULL;
	__real_free(block);
}

void *fault_library_malloc(size_t size)
{
	return size == 0 || fires(FAULT_LIBRARY) ? NULL : malloc(size);
}

void fault_library_free(void *block)
{
	free(block);
}

void *fault_library_realloc(void *block, size_t size)
{
	if (block == NULL)
		return fault_library_malloc(size);
	if (size == 0) {
		fault_library_free(block);
		return NULL;
	}
	return fires(FAULT_LIBRARY) ? NULL : realloc(block, size);
}
