/*
 * relay_load: clients of a proxy and the backends behind it, in one process and one thread.
 *
 *     relay_load
 *
 * Says "plain PORT" and "tls PORT", where its backends listen, then obeys lines on standard input:
 *
 *     KIND PORT CONNECTIONS CONCURRENT BYTES SECONDS
 *
 * and answers with lines "NAME NUMBER", closed by an empty one.  A kind that holds its connections
 * says "held" and an empty line, and goes on when a further line comes.
 */
#include "net/certificate.h"
#include "relay_peer.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define PEERS_MAX   40000u
#define TIMES_MAX   100000u
#define EVENTS      256
#define SMALL       64
#define ANSWER      256
#define PART        3000 /* of a message that never gets whole */
#define STEPS_MAX   8
#define LISTENERS   2u
#define BACKLOG     4096
#define TICK_MS     50
#define MS_A_SECOND 1000u

/* What a client and its backend do. */
struct kind {
	const char *name;
	struct step client[STEPS_MAX], backend[STEPS_MAX];
};

static const struct kind kinds[] = {
	{ "down",
	  { { STEP_SEND, SMALL }, { STEP_SKIP_END, 0 }, { STEP_FINISH, 0 }, { STEP_DRAIN, 0 } },
	  { { STEP_READ, SMALL }, { STEP_SEND, THE_BYTES }, { STEP_FINISH, 0 }, { STEP_END, 0 } } },
	{ "up",
	  { { STEP_SEND, THE_BYTES }, { STEP_SKIP_END, 0 }, { STEP_FINISH, 0 }, { STEP_DRAIN, 0 } },
	  { { STEP_SKIP, THE_BYTES }, { STEP_SEND, SMALL }, { STEP_FINISH, 0 }, { STEP_END, 0 } } },
	{ "compare",
	  { { STEP_SEND, THE_BYTES },
	    { STEP_READ, THE_BYTES },
	    { STEP_FINISH, 0 },
	    { STEP_END, 0 } },
	  { { STEP_READ, THE_BYTES },
	    { STEP_SEND, THE_BYTES },
	    { STEP_END, 0 },
	    { STEP_FINISH, 0 } } },
	{ "new",
	  { { STEP_SEND, SMALL }, { STEP_READ, ANSWER }, { STEP_FINISH, 0 }, { STEP_END, 0 } },
	  { { STEP_READ, SMALL }, { STEP_SEND, ANSWER }, { STEP_END, 0 }, { STEP_FINISH, 0 } } },
	{ "exchange",
	  { { STEP_SEND, SMALL },
	    { STEP_READ, SMALL },
	    { STEP_AGAIN, 0 },
	    { STEP_FINISH, 0 },
	    { STEP_END, 0 } },
	  { { STEP_READ, SMALL }, { STEP_SEND, SMALL }, { STEP_AGAIN, 0 } } },
	{ "idle",
	  { { STEP_SEND, SMALL },
	    { STEP_READ, SMALL },
	    { STEP_HOLD, 0 },
	    { STEP_FINISH, 0 },
	    { STEP_END, 0 } },
	  { { STEP_READ, SMALL }, { STEP_SEND, SMALL }, { STEP_END, 0 }, { STEP_FINISH, 0 } } },
	/* A side cuts in the middle of a message, when all before is delivered. */
	{ "backend-reset",
	  { { STEP_SEND, SMALL }, { STEP_READ, PART }, { STEP_SEND, SMALL }, { STEP_END, 0 } },
	  { { STEP_READ, SMALL }, { STEP_SEND, PART }, { STEP_READ, SMALL }, { STEP_RESET, 0 } } },
	{ "backend-fin",
	  { { STEP_SEND, SMALL }, { STEP_READ, PART }, { STEP_SEND, SMALL }, { STEP_END, 0 } },
	  { { STEP_READ, SMALL },
	    { STEP_SEND, PART },
	    { STEP_READ, SMALL },
	    { STEP_FIN, 0 },
	    { STEP_END, 0 } } },
	{ "client-reset",
	  { { STEP_SEND, PART }, { STEP_READ, SMALL }, { STEP_RESET, 0 } },
	  { { STEP_READ, PART }, { STEP_SEND, SMALL }, { STEP_END, 0 } } },
	{ "client-fin",
	  { { STEP_SEND, PART }, { STEP_READ, SMALL }, { STEP_FIN, 0 }, { STEP_END, 0 } },
	  { { STEP_READ, PART }, { STEP_SEND, SMALL }, { STEP_END, 0 } } },
};

struct command {
	const struct kind *kind;
	struct sockaddr_in to;
	unsigned long connections, concurrent, bytes, seconds;
};

struct totals {
	unsigned long begun, over, failed, differing, short_of_bytes, held;
	unsigned long ends[2][END_KINDS]; /* as backends see clients; as clients see backends */
};

struct load {
	int epoll;
	int listeners[LISTENERS]; /* plain, TLS */
	SSL_CTX *client, *server;
	struct peer *peers;
	unsigned *unused; /* slots */
	size_t unused_count;
	struct peer_times times;
	struct command command;
	struct totals totals;
};

static void must(bool claim, const char *what)
{
	if (claim)
		return;
	fprintf(stderr, "relay_load: %s: %s\n", what, strerror(errno));
	exit(3);
}

static int listen_somewhere(unsigned *port)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
		                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	socklen_t len = sizeof at;

	must(fd >= 0 && bind(fd, (struct sockaddr *)&at, sizeof at) == 0 &&
	         listen(fd, BACKLOG) == 0 && getsockname(fd, (struct sockaddr *)&at, &len) == 0,
	     "cannot listen");
	*port = ntohs(at.sin_port);
	return fd;
}

static SSL_CTX *make_context(const SSL_METHOD *method)
{
	SSL_CTX *ctx = SSL_CTX_new(method);

	must(ctx && SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION) == 1 &&
	         SSL_CTX_set_ciphersuites(ctx, "TLS_AES_128_GCM_SHA256") == 1,
	     "no context");
	SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	return ctx;
}

static void raise_limit(void)
{
	struct rlimit limit;

	must(getrlimit(RLIMIT_NOFILE, &limit) == 0, "no limit");
	limit.rlim_cur = limit.rlim_max;
	must(setrlimit(RLIMIT_NOFILE, &limit) == 0, "no limit");
}

static void set_up(struct load *l)
{
	struct certificate *certificate = certificate_new(NULL, NULL);
	unsigned ports[LISTENERS];

	raise_limit();
	l->epoll = epoll_create1(EPOLL_CLOEXEC);
	l->peers = calloc(PEERS_MAX, sizeof *l->peers);
	l->unused = calloc(PEERS_MAX, sizeof *l->unused);
	l->times.ns = calloc(TIMES_MAX, sizeof *l->times.ns);
	l->times.cap = TIMES_MAX;
	must(l->epoll >= 0 && l->peers && l->unused && l->times.ns && certificate, "no memory");
	for (unsigned i = 0; i < PEERS_MAX; i++) {
		l->peers[i].fd = -1;
		l->unused[l->unused_count++] = PEERS_MAX - 1 - i;
	}
	l->client = make_context(TLS_client_method());
	l->server = make_context(TLS_server_method());
	must(certificate_present(certificate, l->server), "no certificate");
	certificate_free(certificate);
	for (unsigned i = 0; i < LISTENERS; i++) {
		struct epoll_event event = { .events = EPOLLIN, .data.u64 = PEERS_MAX + i };

		l->listeners[i] = listen_somewhere(&ports[i]);
		must(epoll_ctl(l->epoll, EPOLL_CTL_ADD, l->listeners[i], &event) == 0, "epoll");
	}
	printf("plain %u\ntls %u\n\n", ports[0], ports[1]);
	must(fflush(stdout) == 0, "cannot print");
}

/* What a peer saw. */
static void count(struct load *l, const struct peer *p)
{
	struct totals *t = &l->totals;
	const enum step_kind last = p->is_client ? l->command.kind->client[1].kind : STEP_OVER;

	t->over += p->is_client;
	t->failed += p->has_failed;
	t->differing += p->differs;
	t->short_of_bytes += last == STEP_SKIP_END && p->got < p->the_bytes &&
	                     l->command.kind->backend[1].bytes == THE_BYTES;
	t->ends[p->is_client][p->end]++;
}

static void run(struct load *l, struct peer *p)
{
	const enum peer_status status = peer_run(p, &l->times);
	struct epoll_event event = { .events = EPOLLIN, .data.u64 = (uint64_t)(p - l->peers) };

	if (status == PEER_OVER) {
		count(l, p);
		l->unused[l->unused_count++] = (unsigned)(p - l->peers);
		return;
	}
	if (status == PEER_HOLDS)
		l->totals.held++;
	if (status == PEER_WAITS_TO_WRITE)
		event.events = EPOLLOUT;
	if (event.events == p->events)
		return;
	must(epoll_ctl(l->epoll, p->events ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, p->fd, &event) == 0,
	     "epoll");
	p->events = event.events;
}

static void begin(struct load *l, int fd, SSL_CTX *ctx, bool is_client)
{
	const struct kind *kind = l->command.kind;
	struct peer *p;
	SSL *ssl = NULL;

	must(l->unused_count > 0, "too many peers");
	p = &l->peers[l->unused[--l->unused_count]];
	must(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int)) == 0, "no socket");
	if (ctx) {
		ssl = SSL_new(ctx);
		must(ssl && SSL_set_fd(ssl, fd) == 1, "no SSL");
		if (is_client)
			SSL_set_connect_state(ssl);
		else
			SSL_set_accept_state(ssl);
	}
	peer_begin(p, fd, ssl, is_client ? kind->client : kind->backend, l->command.bytes);
	p->is_client = is_client;
	p->exchanges_left = l->command.bytes;
	run(l, p);
}

static void accept_all(struct load *l, unsigned listener)
{
	int fd;

	while ((fd = accept4(l->listeners[listener], NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >=
	       0) {
		if (l->command.kind)
			begin(l, fd, listener == 1 ? l->server : NULL, false);
		else
			close(fd);
	}
}

static void connect_one(struct load *l)
{
	const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	must(fd >= 0 &&
	         connect(fd, (const struct sockaddr *)&l->command.to, sizeof l->command.to) == 0,
	     "cannot connect");
	must(fcntl(fd, F_SETFL, O_NONBLOCK) == 0, "no socket");
	l->totals.begun++;
	begin(l, fd, l->client, true);
}

static void turn(struct load *l)
{
	struct epoll_event events[EVENTS];
	const int n = epoll_wait(l->epoll, events, EVENTS, TICK_MS);

	for (int i = 0; i < n; i++) {
		const uint64_t which = events[i].data.u64;

		if (which >= PEERS_MAX)
			accept_all(l, (unsigned)(which - PEERS_MAX));
		else if (l->peers[which].fd >= 0)
			run(l, &l->peers[which]);
	}
}

static void drop_all(struct load *l)
{
	for (unsigned i = 0; i < PEERS_MAX; i++) {
		struct peer *p = &l->peers[i];

		if (p->fd < 0)
			continue;
		peer_drop(p);
		count(l, p);
		l->unused[l->unused_count++] = i;
	}
}

static int compare_times(const void *a, const void *b)
{
	const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static void tell_times(struct peer_times *t)
{
	if (t->count == 0)
		return;
	qsort(t->ns, t->count, sizeof *t->ns, compare_times);
	printf("p50_ns %llu\np99_ns %llu\n", (unsigned long long)t->ns[t->count / 2],
	       (unsigned long long)t->ns[t->count * 99 / 100]);
}

static void tell(struct load *l, uint64_t took_ns)
{
	static const char *const ends[END_KINDS] = { "open",  "closed", "fin",
		                                     "reset", "alert",  "other" };
	const struct totals *t = &l->totals;

	printf("over %lu\nfailed %lu\ndiffering %lu\nshort %lu\nwall_ns %llu\n", t->over, t->failed,
	       t->differing, t->short_of_bytes, (unsigned long long)took_ns);
	for (unsigned i = 0; i < END_KINDS; i++)
		printf("client_%s %lu\nbackend_%s %lu\n", ends[i], t->ends[1][i], ends[i],
		       t->ends[0][i]);
	tell_times(&l->times);
	printf("\n");
	must(fflush(stdout) == 0, "cannot print");
}

/* Between "held" and the line that ends it. */
static void hold(struct load *l)
{
	char line[256];

	printf("held\n\n");
	must(fflush(stdout) == 0 && fgets(line, sizeof line, stdin), "no further line");
	l->totals.held = 0;
	for (unsigned i = 0; i < PEERS_MAX; i++)
		if (l->peers[i].fd >= 0 && l->peers[i].step->kind == STEP_HOLD) {
			peer_release(&l->peers[i]);
			run(l, &l->peers[i]);
		}
}

static void obey(struct load *l)
{
	const struct command *c = &l->command;
	const uint64_t began_ns = now_ns(), limit_ns = (uint64_t)c->seconds * 1000000000u;

	l->totals = (struct totals){ 0 };
	l->times.count = 0;
	while (l->unused_count < PEERS_MAX || l->totals.begun < c->connections) {
		const struct totals *t = &l->totals;

		if (now_ns() - began_ns > limit_ns)
			break;
		while (t->begun < c->connections && t->begun - t->over - t->held < c->concurrent)
			connect_one(l);
		turn(l);
		if (t->held > 0 && t->held + t->over == c->connections)
			hold(l);
	}
	drop_all(l);
	tell(l, now_ns() - began_ns);
}

static bool read_command(const char *line, struct command *c)
{
	char name[32];
	unsigned port;

	*c = (struct command){ .to = { .sin_family = AF_INET } };
	if (sscanf(line, "%31s %u %lu %lu %lu %lu", name, &port, &c->connections, &c->concurrent,
	           &c->bytes, &c->seconds) != 6)
		return false;
	c->to.sin_port = htons((uint16_t)port);
	c->to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
		if (strcmp(name, kinds[i].name) == 0)
			c->kind = &kinds[i];
	return c->kind && c->concurrent > 0 && c->bytes > 0;
}

int main(void)
{
	static struct load load;
	char line[256];

	(void)signal(SIGPIPE, SIG_IGN);
	set_up(&load);
	while (fgets(line, sizeof line, stdin)) {
		if (!read_command(line, &load.command)) {
			fprintf(stderr, "relay_load: what is this: %s", line);
			return 2;
		}
		obey(&load);
	}
	return 0;
}
