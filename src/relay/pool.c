/* pool: see pool.h.  It must not connect, nor know what a connection is for.  Invariants: at most
 * one look-up a backend is under way; a turn waits for each backend's look-up at most once, so it
 * comes to an end whatever name servers do; whoever waits is in exactly one of two lists, and is
 * called from the loop alone; a look-up outlives its pool and then touches nothing of it.
 */
#include "relay/pool.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "net/dial.h"
#include "pipe/wait.h"

/* A chain of addresses in one piece of memory: its first entry is where it begins. */
struct entry {
	struct addrinfo info;
	struct sockaddr_storage address;
};

struct look_up {
	uv_getaddrinfo_t request;
	struct pool *pool; /* NULL: freed meanwhile */
	size_t backend;
};

struct backend {
	const struct relay_place *place;
	struct addrinfo *list;   /* NULL: none yet */
	size_t first;            /* where the next choice begins */
	struct look_up *look_up; /* under way, or NULL */
	uint64_t number;         /* of the last look-up that began */
	uint64_t looked_up_ms;   /* when the last one ended */
	bool was_looked_up;
	int error; /* EAI_... of the last one */
	bool has_failed;
	uint64_t passed_until_ms; /* if it has failed */
};

struct pool {
	uv_loop_t *loop;
	const struct relay_service *service;
	uint64_t (*now_ms)(void *context);
	void *clock;
	size_t next;       /* round robin: where the next choice begins to look */
	uint64_t look_ups; /* how many have begun */
	struct pool_wait *waiting, *waking;
	bool is_waking, is_over;
	size_t count;
	struct backend backends[];
};

static uint64_t loop_now(void *loop)
{
	return uv_now(loop);
}

struct pool *pool_new(uv_loop_t *loop, const struct relay_service *s)
{
	size_t count = s->connects < POOL_BACKENDS ? s->connects : POOL_BACKENDS;
	struct pool *p = calloc(1, sizeof *p + count * sizeof *p->backends);

	if (p == NULL)
		return NULL;
	p->loop = loop;
	p->service = s;
	p->count = count;
	for (size_t i = 0; i < count; i++)
		p->backends[i].place = &s->connect[i];
	pool_set_clock(p, loop_now, loop);
	return p;
}

void pool_set_clock(struct pool *p, uint64_t (*now_ms)(void *context), void *context)
{
	p->now_ms = now_ms;
	p->clock = context;
}

static uint64_t now(const struct pool *p)
{
	return p->now_ms(p->clock);
}

/* ---- addresses */

static bool is_usable(const struct addrinfo *a)
{
	return a->ai_addr != NULL && a->ai_addrlen <= sizeof(struct sockaddr_storage);
}

static size_t count_usable(const struct addrinfo *list)
{
	size_t n = 0;

	for (; list != NULL && n < POOL_ADDRESSES; list = list->ai_next)
		n += is_usable(list);
	return n;
}

/* A copy that begins with the `first` one and goes round.  NULL: no memory, or none in it. */
static struct addrinfo *copy_list(const struct addrinfo *list, size_t first)
{
	size_t n = count_usable(list), i = 0;
	struct entry *entries = n > 0 ? calloc(n, sizeof *entries) : NULL;

	if (entries == NULL)
		return NULL;
	for (; list != NULL && i < n; list = list->ai_next) {
		struct entry *e = &entries[(i + n - first % n) % n];

		if (!is_usable(list))
			continue;
		e->info = *list;
		e->info.ai_canonname = NULL;
		e->info.ai_addr = (struct sockaddr *)&e->address;
		memcpy(&e->address, list->ai_addr, list->ai_addrlen);
		i++;
	}
	for (i = 0; i < n; i++)
		entries[i].info.ai_next = i + 1 < n ? &entries[i + 1].info : NULL;
	return &entries[0].info;
}

void pool_list_free(struct addrinfo *list)
{
	free(list); /* the first entry of copy_list() */
}

static struct addrinfo *unix_list(const struct relay_place *place)
{
	struct sockaddr_un name = { .sun_family = AF_UNIX };
	struct addrinfo info = { .ai_family = AF_UNIX, .ai_socktype = SOCK_STREAM };

	memcpy(name.sun_path, place->path, sizeof name.sun_path);
	name.sun_path[sizeof name.sun_path - 1] = '\0';
	info.ai_addr = (struct sockaddr *)&name;
	info.ai_addrlen =
	    (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name.sun_path) + 1);
	return copy_list(&info, 0);
}

/* ---- look-ups */

static bool is_name(const struct backend *b)
{
	return b->place->kind != RELAY_UNIX && !b->place->address.host_is_ip;
}

static void mark_failed(const struct pool *p, struct backend *b)
{
	b->has_failed = true;
	b->passed_until_ms = now(p) + p->service->retry_after_ms;
}

/*
 * What a look-up found, which stays the finder's.  One that failed leaves the addresses that are
 * there; a backend without any has failed.
 */
static void take_result(struct pool *p, struct backend *b, int error, const struct addrinfo *list)
{
	struct addrinfo *copy = error == 0 ? copy_list(list, 0) : NULL;

	if (error == 0 && copy == NULL)
		error = count_usable(list) > 0 ? EAI_MEMORY : EAI_NONAME;
	b->error = error;
	b->was_looked_up = true;
	b->looked_up_ms = now(p);
	if (copy != NULL) {
		pool_list_free(b->list);
		b->list = copy;
	} else if (b->list == NULL) {
		mark_failed(p, b);
	}
}

/* Calls all who waited when it was called; who waits anew waits for the next time. */
static void wake(struct pool *p)
{
	p->waking = p->waiting;
	p->waiting = NULL;
	p->is_waking = true;
	while (p->waking != NULL) {
		struct pool_wait *w = p->waking;

		p->waking = w->next;
		w->next = NULL;
		w->ready(w->context);
	}
	p->is_waking = false;
	if (p->is_over)
		free(p);
}

static void on_looked_up(uv_getaddrinfo_t *request, int status, struct addrinfo *list)
{
	struct look_up *l = request->data;
	struct pool *p = l->pool;

	if (p != NULL) {
		struct backend *b = &p->backends[l->backend];

		b->look_up = NULL;
		take_result(p, b, status == 0 ? 0 : wait_lookup_error(status), list);
	}
	uv_freeaddrinfo(list);
	free(l);
	if (p != NULL)
		wake(p);
}

/* Begins a look-up; where that is not possible it has failed. */
static void begin_look_up(struct pool *p, size_t i)
{
	struct backend *b = &p->backends[i];
	const struct address *a = &b->place->address;
	struct addrinfo hints = dial_hints(a, AF_UNSPEC);
	struct look_up *l = calloc(1, sizeof *l);
	int error = UV_ENOMEM;

	if (l != NULL) {
		l->pool = p;
		l->backend = i;
		l->request.data = l;
		error =
		    uv_getaddrinfo(p->loop, &l->request, on_looked_up, a->host, a->port, &hints);
	}
	if (error == 0) {
		b->look_up = l;
		b->number = ++p->look_ups;
		return;
	}
	free(l);
	take_result(p, b, wait_lookup_error(error), NULL);
}

/* What needs nobody to be asked. */
static void resolve_at_once(struct pool *p, struct backend *b)
{
	const struct address *a = &b->place->address;
	struct addrinfo hints, *list = NULL;
	int error;

	if (b->place->kind == RELAY_UNIX) {
		b->list = unix_list(b->place);
		return;
	}
	hints = dial_hints(a, AF_UNSPEC);
	error = getaddrinfo(a->host, a->port, &hints, &list);
	take_result(p, b, error, list);
	if (error == 0)
		freeaddrinfo(list);
}

/* Whether the addresses of a name are too old; behind a failure they may be so sooner. */
static bool is_due(const struct pool *p, const struct backend *b)
{
	uint64_t limit_ms = p->service->resolve_ms;

	if ((b->error != 0 || b->has_failed) && p->service->retry_after_ms < limit_ms)
		limit_ms = p->service->retry_after_ms;
	return b->was_looked_up && now(p) - b->looked_up_ms >= limit_ms;
}

/* Lets a backend have addresses as far as that goes without waiting. */
static void refresh(struct pool *p, size_t i)
{
	struct backend *b = &p->backends[i];

	if (!is_name(b) && b->list == NULL)
		resolve_at_once(p, b);
	else if (is_name(b) && b->list != NULL && b->look_up == NULL && is_due(p, b))
		begin_look_up(p, i);
}

/*
 * Whether the turn is to wait for the addresses of a name that has none.  It waits for what is
 * under way, or begins it, once; never for what others begin after that.
 */
static bool waits_for(struct pool *p, struct pool_turn *turn, size_t i)
{
	struct backend *b = &p->backends[i];
	uint64_t bit = UINT64_C(1) << i;

	if (!is_name(b))
		return false;
	if ((turn->asked & bit) == 0) {
		if (b->look_up == NULL)
			begin_look_up(p, i);
		turn->asked |= bit;
		turn->newest = p->look_ups;
	}
	return b->look_up != NULL && b->number <= turn->newest;
}

static void explain(const struct pool *p, size_t i, struct failure *f)
{
	const struct backend *b = &p->backends[i];

	if (b->look_up != NULL)
		dial_explain_lookup(&b->place->address, AF_UNSPEC, EAI_AGAIN, f);
	else if (is_name(b) && b->error != EAI_MEMORY)
		dial_explain_lookup(&b->place->address, AF_UNSPEC, b->error, f);
	else if (b->place->kind != RELAY_UNIX && b->error != 0 && b->error != EAI_MEMORY)
		failure_set(f, "cannot use the address %s: %s; check `connect`",
		            b->place->address.host, gai_strerror(b->error));
	else
		failure_set(f, "out of memory for the addresses of a backend");
}

/* ---- choosing */

static bool is_passed_over(const struct pool *p, const struct backend *b)
{
	return b->has_failed && now(p) < b->passed_until_ms;
}

static bool choose(struct pool *p, struct pool_turn *turn, size_t i, struct pool_choice *choice)
{
	struct backend *b = &p->backends[i];
	bool takes_turns = p->service->balance == RELAY_ROUND_ROBIN;

	turn->tried |= UINT64_C(1) << i;
	choice->list = copy_list(b->list, b->first);
	if (choice->list == NULL) {
		b->error = EAI_MEMORY;
		return false;
	}
	choice->backend = i;
	choice->place = b->place;
	if (takes_turns)
		b->first = (b->first + 1) % count_usable(b->list);
	if (takes_turns)
		p->next = (i + 1) % p->count;
	if (b->has_failed && !is_passed_over(p, b))
		mark_failed(p, b); /* this connection probes it: others pass it over */
	return true;
}

/*
 * The best of those that are passed over, or of those that are not.  POOL_NONE: nothing is left
 * among them, and `*without` is the last one that was found to have no address.
 */
static enum pool_status choose_among(struct pool *p, struct pool_turn *turn, bool passed_over,
                                     struct pool_choice *choice, size_t *without)
{
	bool takes_turns = p->service->balance == RELAY_ROUND_ROBIN, waits = false;

	for (size_t k = 0; k < p->count; k++) {
		size_t i = takes_turns ? (p->next + k) % p->count : k;
		const struct backend *b = &p->backends[i];

		if ((turn->tried >> i & 1) != 0 || is_passed_over(p, b) != passed_over)
			continue;
		refresh(p, i);
		if (b->list != NULL && choose(p, turn, i, choice))
			return POOL_CHOSEN;
		if (b->list == NULL && waits_for(p, turn, i)) {
			waits = true;
			if (!takes_turns)
				return POOL_WAIT;
			continue;
		}
		turn->tried |= UINT64_C(1) << i;
		*without = i;
	}
	return waits ? POOL_WAIT : POOL_NONE;
}

enum pool_status pool_next(struct pool *p, struct pool_turn *turn, struct pool_choice *choice,
                           struct pool_wait *wait, struct failure *f)
{
	size_t without = SIZE_MAX;
	enum pool_status status = choose_among(p, turn, false, choice, &without);

	if (status == POOL_NONE)
		status = choose_among(p, turn, true, choice, &without);
	if (status == POOL_WAIT) {
		wait->next = p->waiting;
		p->waiting = wait;
	}
	if (status == POOL_NONE && without != SIZE_MAX)
		explain(p, without, f);
	return status;
}

static void unlink_wait(struct pool_wait **at, const struct pool_wait *wait)
{
	while (*at != NULL && *at != wait)
		at = &(*at)->next;
	if (*at != NULL)
		*at = wait->next;
}

void pool_forget(struct pool *p, struct pool_wait *wait)
{
	unlink_wait(&p->waiting, wait);
	unlink_wait(&p->waking, wait);
	wait->next = NULL;
}

void pool_worked(struct pool *p, size_t backend)
{
	p->backends[backend].has_failed = false;
}

void pool_failed(struct pool *p, size_t backend)
{
	mark_failed(p, &p->backends[backend]);
}

void pool_free(struct pool *p)
{
	if (p == NULL)
		return;
	for (size_t i = 0; i < p->count; i++) {
		struct backend *b = &p->backends[i];

		pool_list_free(b->list);
		if (b->look_up == NULL)
			continue;
		b->look_up->pool = NULL;
		(void)uv_cancel((uv_req_t *)&b->look_up->request);
	}
	p->is_over = true;
	if (!p->is_waking)
		free(p);
}
