/*
 * fault: lets the Nth read, write, shutdown or allocation of the subject fail.
 *
 * The linker sends the library's own recv(), send(), shutdown(), epoll_ctl() and calloc() here
 * (--wrap, see meson.build), and with them the allocations of Mbed TLS, which is linked in whole;
 * other TLS libraries have calls that take an allocator (allocator_*.c).  Subject and adversary
 * share one thread, and often one OpenSSL: only what happens between fault_enter() and
 * fault_leave() counts.
 */
#ifndef TESTS_FAULT_FAULT_H
#define TESTS_FAULT_FAULT_H

#include <stdbool.h>
#include <stddef.h>

/* Which call fails. */
enum fault_call {
	FAULT_NOTHING,
	FAULT_RECV,
	FAULT_SEND,
	FAULT_SHUTDOWN,
	FAULT_EPOLL,
	FAULT_CALLOC, /* liblastword's and the adapter's own */
	FAULT_LIBRARY /* the TLS library's */
};

/* What a call does instead, if not fail with an errno. */
enum { FAULT_SHORT = -1, FAULT_FIN = -2 };

struct fault {
	enum fault_call call;
	int how;        /* an errno, FAULT_SHORT (one byte), FAULT_FIN (0); allocations give NULL */
	bool and_after; /* every later one fails, too */
	bool late;      /* calls count from the end of the handshake on */
};

/* A TLS library takes its memory from here; before it allocates.  false: it refused. */
bool fault_take_openssl(void);
bool fault_take_wolfssl(void);
bool fault_take_gnutls(void);

/* What the allocators give the library, and take back. */
void *fault_library_malloc(size_t size);
void *fault_library_realloc(void *block, size_t size);
void fault_library_free(void *block);

/* Whose allocations the linker sends here from now on: FAULT_CALLOC, or FAULT_LIBRARY. */
void fault_calloc_is(enum fault_call call);

/* The Nth call from now on (the first is 0) of that kind fails. */
void fault_arm(const struct fault *fault, unsigned nth);
void fault_disarm(void);
bool fault_fired(void);

/* How many such calls were missing when it was disarmed. */
unsigned fault_left(void);

void fault_enter(void);
void fault_leave(void);

/* Blocks of the library and of the TLS libraries that are not freed. */
long fault_blocks(void);

#endif
