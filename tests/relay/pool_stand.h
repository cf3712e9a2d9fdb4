/* pool_stand: a pool with a loop of its own and a virtual clock.  Names are looked up by libuv's
 * threads as always, but the system's resolver is replaced by one that a case fills, and that can
 * be made to hold an answer back.
 */
#ifndef TESTS_RELAY_POOL_STAND_H
#define TESTS_RELAY_POOL_STAND_H

#include "tests/unit.h"

#include "relay/pool.h"

enum { RETRY_MS = 1000, RESOLVE_MS = 60000 };

struct stand {
	uv_loop_t loop;
	struct relay_place places[POOL_BACKENDS + 4];
	struct relay_service service;
	struct pool *pool;
	uint64_t now_ms;
	struct pool_turn turn;
	struct pool_choice choice;
	struct pool_wait wait;
	unsigned woken;
	struct failure f;
};

/* Every name has these addresses (spaces between), or gives `error` (EAI_...). */
void resolve_to(const char *addresses, int error);

/* Answers about this name are held back; NULL: about none. */
void hold(const char *name);

/* The look-ups of names that began. */
unsigned asked(void);

/* `backends`: hosts or paths with spaces between; every name has the address 192.0.2.1. */
struct stand *stand_new(const char *backends, enum relay_balance balance);

/* Runs the loop until nothing is left in it. */
void stand_free(struct stand *s);

/* Until no look-up is under way. */
void settle(struct stand *s);

/* pool_next() for a turn that is under way, or for a new one. */
enum pool_status go_on(struct stand *s);
enum pool_status begin_turn(struct stand *s);

/* The addresses of the choice as text, which is then freed. */
const char *take_addresses(struct stand *s);

/* A new connection; its addresses, or "wait" or "none". */
const char *connect_once(struct stand *s);

/* A pool_wait's `ready` that counts in s->woken. */
void count_call(void *stand);

#endif
