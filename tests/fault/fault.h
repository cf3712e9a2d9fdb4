/*
 * fault: lets the Nth read, write, shutdown or allocation of the subject fail.
 *
 * The linker sends the library's own recv(), send(), shutdown() and calloc() here (--wrap, see
 * meson.build), OpenSSL's allocations come by CRYPTO_set_mem_functions().  Subject and adversary
 * share one thread and one OpenSSL: only what happens between fault_enter() and fault_leave()
 * counts.
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
	FAULT_CALLOC,
	FAULT_OPENSSL
};

/* What a call does instead, if not fail with an errno. */
enum { FAULT_SHORT = -1, FAULT_FIN = -2 };

struct fault {
	enum fault_call call;
	int how;        /* an errno, FAULT_SHORT (one byte), FAULT_FIN (0); allocations give NULL */
	bool and_after; /* every later one fails, too */
	bool late;      /* calls count from the end of the handshake on */
};

/* Before anything allocates in OpenSSL; false: too late. */
bool fault_take_openssl(void);

/* The Nth call from now on (the first is 0) of that kind fails. */
void fault_arm(const struct fault *fault, unsigned nth);
void fault_disarm(void);
bool fault_fired(void);

void fault_enter(void);
void fault_leave(void);

/* OpenSSL's blocks and the library's that are not freed. */
long fault_blocks(void);

#endif
