/* pool_stand: see pool_stand.h.  The resolver answers in libuv's threads, hence the lock. */
#include "tests/relay/pool_stand.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- the resolver */

static pthread_mutex_t resolver_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t resolver_news = PTHREAD_COND_INITIALIZER;
static struct {
	const char *name;      /* the only name that is held back, or NULL */
	const char *addresses; /* of every name; spaces between */
	int error;
	unsigned asked; /* look-ups that began */
} resolver;

static struct addrinfo *one_address(const char *text, const char *port)
{
	struct sockaddr_in *in = calloc(1, sizeof(struct sockaddr_in6));
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)in;
	struct addrinfo *a = calloc(1, sizeof *a);

	assert_true(a != NULL && in != NULL);
	a->ai_socktype = SOCK_STREAM;
	a->ai_protocol = IPPROTO_TCP;
	a->ai_addr = (struct sockaddr *)in;
	if (inet_pton(AF_INET, text, &in->sin_addr) == 1) {
		a->ai_family = AF_INET;
		in->sin_port = htons((uint16_t)atoi(port));
		a->ai_addrlen = sizeof *in;
	} else {
		assert_int_equal(inet_pton(AF_INET6, text, &in6->sin6_addr), 1);
		a->ai_family = AF_INET6;
		in6->sin6_port = htons((uint16_t)atoi(port));
		a->ai_addrlen = sizeof *in6;
	}
	in->sin_family = (sa_family_t)a->ai_family;
	return a;
}

static int answer(const char *host, const char *port, int flags, struct addrinfo **list)
{
	char text[2048], *rest = text, *word;

	*list = NULL;
	if ((flags & AI_NUMERICHOST) != 0) {
		if (strchr(host, '%') != NULL)
			return EAI_NONAME;
		*list = one_address(host, port);
		return 0;
	}
	if (resolver.error != 0)
		return resolver.error;
	(void)snprintf(text, sizeof text, "%s", resolver.addresses);
	while ((word = strtok_r(rest, " ", &rest)) != NULL) {
		*list = one_address(word, port);
		list = &(*list)->ai_next;
	}
	return 0;
}

/* Takes the place of the system's: an executable's own functions come first. */
int getaddrinfo(const char *host, const char *port, const struct addrinfo *hints,
                struct addrinfo **list)
{
	int error;

	(void)pthread_mutex_lock(&resolver_lock);
	resolver.asked += (hints->ai_flags & AI_NUMERICHOST) == 0;
	while (resolver.name != NULL && strcmp(host, resolver.name) == 0)
		(void)pthread_cond_wait(&resolver_news, &resolver_lock);
	error = answer(host, port, hints->ai_flags, list);
	(void)pthread_mutex_unlock(&resolver_lock);
	return error;
}

void freeaddrinfo(struct addrinfo *list)
{
	while (list != NULL) {
		struct addrinfo *next = list->ai_next;

		free(list->ai_addr);
		free(list);
		list = next;
	}
}

void resolve_to(const char *addresses, int error)
{
	(void)pthread_mutex_lock(&resolver_lock);
	resolver.addresses = addresses;
	resolver.error = error;
	(void)pthread_mutex_unlock(&resolver_lock);
}

void hold(const char *name)
{
	(void)pthread_mutex_lock(&resolver_lock);
	resolver.name = name;
	(void)pthread_cond_broadcast(&resolver_news);
	(void)pthread_mutex_unlock(&resolver_lock);
}

unsigned asked(void)
{
	unsigned n;

	(void)pthread_mutex_lock(&resolver_lock);
	n = resolver.asked;
	(void)pthread_mutex_unlock(&resolver_lock);
	return n;
}

/* ---- a pool with its loop and its clock */

static uint64_t virtual_now(void *context)
{
	return ((struct stand *)context)->now_ms;
}

void count_call(void *context)
{
	((struct stand *)context)->woken++;
}

static void place_from(struct relay_place *p, const char *text)
{
	if (text[0] == '/') {
		p->kind = RELAY_UNIX;
		(void)snprintf(p->path, sizeof p->path, "%s", text);
		return;
	}
	p->kind = RELAY_TCP;
	(void)snprintf(p->address.host, sizeof p->address.host, "%s", text);
	(void)snprintf(p->address.port, sizeof p->address.port, "8080");
	p->address.host_is_ip = strchr(text, ':') != NULL || strspn(text, "0123456789.") > 4;
}

struct stand *stand_new(const char *backends, enum relay_balance balance)
{
	struct stand *s = calloc(1, sizeof *s);
	char text[2048], *rest = text, *word;

	assert_non_null(s);
	(void)snprintf(text, sizeof text, "%s", backends);
	while ((word = strtok_r(rest, " ", &rest)) != NULL)
		place_from(&s->places[s->service.connects++], word);
	s->service.connect = s->places;
	s->service.balance = balance;
	s->service.retry_after_ms = RETRY_MS;
	s->service.resolve_ms = RESOLVE_MS;
	s->now_ms = 5;
	s->wait.ready = count_call;
	s->wait.context = s;
	assert_int_equal(uv_loop_init(&s->loop), 0);
	s->pool = pool_new(&s->loop, &s->service);
	assert_non_null(s->pool);
	pool_set_clock(s->pool, virtual_now, s);
	resolve_to("192.0.2.1", 0);
	(void)pthread_mutex_lock(&resolver_lock);
	resolver.asked = 0;
	(void)pthread_mutex_unlock(&resolver_lock);
	return s;
}

void stand_free(struct stand *s)
{
	pool_free(s->pool);
	hold(NULL);
	(void)uv_run(&s->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&s->loop), 0);
	free(s);
}

void settle(struct stand *s)
{
	(void)uv_run(&s->loop, UV_RUN_DEFAULT);
}

enum pool_status go_on(struct stand *s)
{
	enum pool_status status = pool_next(s->pool, &s->turn, &s->choice, &s->wait, &s->f);

	if (status == POOL_CHOSEN)
		assert_ptr_equal(s->choice.place, &s->places[s->choice.backend]);
	return status;
}

enum pool_status begin_turn(struct stand *s)
{
	memset(&s->turn, 0, sizeof s->turn);
	return go_on(s);
}

const char *take_addresses(struct stand *s)
{
	static char text[4096];
	size_t n = 0;

	text[0] = '\0';
	for (const struct addrinfo *a = s->choice.list; a != NULL; a = a->ai_next) {
		char one[INET6_ADDRSTRLEN] = "?";

		assert_int_equal(a->ai_socktype, SOCK_STREAM);
		if (a->ai_family == AF_INET)
			(void)inet_ntop(AF_INET,
			                &((const struct sockaddr_in *)a->ai_addr)->sin_addr, one,
			                sizeof one);
		else if (a->ai_family == AF_INET6)
			(void)inet_ntop(AF_INET6,
			                &((const struct sockaddr_in6 *)a->ai_addr)->sin6_addr, one,
			                sizeof one);
		n += (size_t)snprintf(text + n, sizeof text - n, "%s%s", n > 0 ? " " : "", one);
	}
	pool_list_free(s->choice.list);
	s->choice.list = NULL;
	return text;
}

const char *connect_once(struct stand *s)
{
	switch (begin_turn(s)) {
	case POOL_CHOSEN:
		return take_addresses(s);
	case POOL_WAIT:
		return "wait";
	case POOL_NONE:
		break;
	}
	return "none";
}
