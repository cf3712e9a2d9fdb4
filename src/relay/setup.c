/* setup: see setup.h.  It must not know what becomes of a connection.  Invariant: a setup that
 * fails to be built closes every socket that it opened and none that the old one has.
 */
#include "relay/setup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/listen.h"
#include "relay/manager.h"

/* ---- listening */

static bool is_same_place(const struct relay_place *a, const struct relay_place *b)
{
	if ((a->kind == RELAY_UNIX) != (b->kind == RELAY_UNIX))
		return false;
	if (a->kind == RELAY_UNIX)
		return strcmp(a->path, b->path) == 0;
	return strcmp(a->address.host, b->address.host) == 0 &&
	       strcmp(a->address.port, b->address.port) == 0;
}

/* Behind port 0 each service has a port of its own, and keeps it by its name. */
static bool is_any_port(const struct relay_place *p)
{
	return p->kind != RELAY_UNIX && strcmp(p->address.port, "0") == 0;
}

static const struct setup_service *find_listening(const struct setup *old,
                                                  const struct relay_service *service)
{
	for (size_t i = 0; old != NULL && i < old->config->service_count; i++) {
		const struct relay_service *other = old->services[i].service;

		if (old->services[i].doors != NULL &&
		    is_same_place(&other->accept, &service->accept) &&
		    (!is_any_port(&other->accept) || strcmp(other->name, service->name) == 0))
			return &old->services[i];
	}
	return NULL;
}

/* One more door, without descriptors.  NULL: no memory, or too many. */
static struct setup_door *add_door(struct setup_service *s, unsigned workers)
{
	struct setup_door *door = &s->doors[s->door_count];

	if (s->door_count == SETUP_DOORS)
		return NULL;
	door->listeners = calloc(workers, sizeof *door->listeners);
	if (door->listeners == NULL)
		return NULL;
	for (unsigned i = 0; i < workers; i++)
		door->listeners[i] = -1;
	s->door_count++;
	return door;
}

static bool complain_of_workers(unsigned workers, struct failure *f)
{
	failure_set(f, "cannot listen with %u workers: %s; raise the limit of open files", workers,
	            strerror(errno));
	return false;
}

/* One socket for all workers: each gets a descriptor of its own, which it closes. */
static bool share_socket(struct setup_service *s, int fd, unsigned workers, struct failure *f)
{
	struct setup_door *door = add_door(s, workers);

	if (door == NULL) {
		(void)close(fd);
		failure_set(f, "out of memory");
		return false;
	}
	if (s->door_count == 1 || !listen_text(fd, door->place, sizeof door->place))
		(void)relay_place_text(&s->service->accept, door->place, sizeof door->place);
	for (unsigned i = 0; i < workers; i++) {
		door->listeners[i] = i == 0 ? fd : fcntl(fd, F_DUPFD_CLOEXEC, 0);
		if (door->listeners[i] < 0)
			return complain_of_workers(workers, f);
	}
	return true;
}

static bool open_beside(struct setup_door *door, unsigned workers, struct failure *f)
{
	if (!listen_text(door->listeners[0], door->place, sizeof door->place))
		return complain_of_workers(workers, f);
	for (unsigned i = 1; i < workers; i++) {
		door->listeners[i] = listen_open_beside(door->listeners[0]);
		if (door->listeners[i] < 0)
			return complain_of_workers(workers, f);
	}
	return true;
}

/* A socket a worker, on each address.  While nothing runs, none may be taken. */
static bool open_sockets(struct setup_service *s, const struct setup *old, unsigned workers,
                         struct failure *f)
{
	int fds[SETUP_DOORS];
	size_t count =
	    listen_open_all(&s->service->accept.address, old == NULL, fds, SETUP_DOORS, f);
	bool stands = count > 0;

	for (size_t i = 0; i < count; i++) {
		struct setup_door *door = stands ? add_door(s, workers) : NULL;

		if (door == NULL) {
			(void)close(fds[i]);
			if (stands)
				failure_set(f, "out of memory");
			stands = false;
			continue;
		}
		door->listeners[0] = fds[i];
		stands = open_beside(door, workers, f);
	}
	return stands;
}

/* All that were handed over for it; else what is opened here. */
static bool listen_afresh(struct setup_service *s, const struct setup *old, unsigned workers,
                          struct failure *f)
{
	const struct relay_place *place = &s->service->accept;
	int fd = manager_socket(place, s->service->name);

	if (fd < 0 && place->kind != RELAY_UNIX)
		return open_sockets(s, old, workers, f);
	if (fd < 0) {
		fd = listen_open_unix(place->path, f);
		s->owns_path = fd >= 0;
		return fd >= 0 && share_socket(s, fd, workers, f);
	}
	for (; fd >= 0; fd = manager_socket(place, s->service->name))
		if (!share_socket(s, fd, workers, f))
			return false;
	return true;
}

static void close_sockets(struct setup_service *s, unsigned workers)
{
	for (size_t d = 0; d < s->door_count; d++)
		for (unsigned i = 0; i < workers; i++)
			if (s->doors[d].listeners[i] >= 0)
				(void)close(s->doors[d].listeners[i]);
}

static void free_doors(struct setup_service *s)
{
	for (size_t d = 0; d < s->door_count; d++)
		free(s->doors[d].listeners);
	free(s->doors);
}

static bool take_doors(struct setup_service *s, const struct setup_service *before,
                       unsigned workers, struct failure *f)
{
	s->owns_path = before->owns_path;
	for (size_t d = 0; d < before->door_count; d++) {
		struct setup_door *door = add_door(s, workers);

		if (door == NULL) {
			failure_set(f, "out of memory");
			return false;
		}
		memcpy(door->place, before->doors[d].place, sizeof door->place);
		memcpy(door->listeners, before->doors[d].listeners,
		       workers * sizeof *door->listeners);
	}
	return true;
}

static struct setup_count *count_new(void)
{
	struct setup_count *c = calloc(1, sizeof *c);

	if (c != NULL)
		atomic_init(&c->references, 1);
	return c;
}

static struct setup_count *count_ref(struct setup_count *c)
{
	(void)atomic_fetch_add_explicit(&c->references, 1, memory_order_relaxed);
	return c;
}

static void count_unref(struct setup_count *c)
{
	if (c != NULL && atomic_fetch_sub_explicit(&c->references, 1, memory_order_acq_rel) == 1)
		free(c);
}

static bool listen_for(struct setup *setup, struct setup_service *s, const struct setup *old,
                       bool *is_new, struct failure *f)
{
	const struct setup_service *before = find_listening(old, s->service);

	s->count = before != NULL ? count_ref(before->count) : count_new();
	s->doors = calloc(SETUP_DOORS, sizeof *s->doors);
	if (s->doors == NULL || s->count == NULL) {
		failure_set(f, "out of memory");
		return false;
	}
	if (before != NULL)
		return take_doors(s, before, setup->workers, f);
	*is_new = true;
	return listen_afresh(s, old, setup->workers, f);
}

/* Two names of one place would share it, and the system would choose the service. */
static bool has_place_alone(const struct setup *setup, const struct setup_service *s,
                            const struct setup_door *door, struct failure *f)
{
	for (const struct setup_service *other = setup->services; other < s; other++)
		for (size_t d = 0; d < other->door_count; d++) {
			if (strcmp(other->doors[d].place, door->place) != 0)
				continue;
			failure_set(f, "[%s]: [%s] listens on %s already; write another place",
			            s->service->name, other->service->name, door->place);
			return false;
		}
	return true;
}

static bool has_places_alone(const struct setup *setup, const struct setup_service *s,
                             struct failure *f)
{
	for (size_t d = 0; d < s->door_count; d++)
		if (!has_place_alone(setup, s, &s->doors[d], f))
			return false;
	return true;
}

static bool listen_for_all(struct setup *setup, const struct setup *old, struct failure *f)
{
	size_t count = setup->config->service_count;
	bool *is_new = calloc(count, sizeof *is_new);
	bool stands = is_new != NULL;

	if (!stands)
		failure_set(f, "out of memory");
	for (size_t i = 0; stands && i < count && setup->workers > 0; i++)
		if (setup->services[i].service->sni_of == NULL)
			stands = listen_for(setup, &setup->services[i], old, &is_new[i], f) &&
			         has_places_alone(setup, &setup->services[i], f);
	for (size_t i = 0; !stands && is_new != NULL && i < count; i++) {
		if (!is_new[i])
			continue;
		close_sockets(&setup->services[i], setup->workers);
		if (setup->services[i].owns_path)
			(void)unlink(setup->services[i].service->accept.path);
	}
	free(is_new);
	return stands;
}

static bool has_listener(const struct setup_service *s, unsigned workers, int fd)
{
	for (size_t d = 0; d < s->door_count; d++)
		for (unsigned w = 0; w < workers; w++)
			if (s->doors[d].listeners[w] == fd)
				return true;
	return false;
}

bool setup_has_listener(const struct setup *s, int fd)
{
	for (size_t i = 0; i < s->config->service_count; i++)
		if (has_listener(&s->services[i], s->workers, fd))
			return true;
	return false;
}

void setup_unlink_paths(const struct setup *s, const struct setup *kept)
{
	for (size_t i = 0; i < s->config->service_count; i++)
		if (s->services[i].owns_path &&
		    find_listening(kept, s->services[i].service) == NULL)
			(void)unlink(s->services[i].service->accept.path);
}

/* ---- TLS */

static SSL_CTX *context_before(const struct setup *old, const struct relay_service *s)
{
	for (size_t i = 0; old != NULL && i < old->config->service_count; i++)
		if (strcmp(old->services[i].service->name, s->name) == 0)
			return old->services[i].front;
	return NULL;
}

/* A name-based service speaks TLS as the one that listens for it does. */
static bool accepts_tls(const struct relay_service *s)
{
	return s->sni_of != NULL || s->accept.kind == RELAY_TLS;
}

static bool make_contexts(struct setup *setup, const struct setup *old, struct failure *f)
{
	for (size_t i = 0; i < setup->config->service_count; i++) {
		struct setup_service *s = &setup->services[i];
		const char *file = s->service->file;

		if (accepts_tls(s->service)) {
			s->front =
			    relay_tls_server(s->service, file, context_before(old, s->service), f);
			if (s->front == NULL)
				return false;
		}
		if (s->service->connect[0].kind == RELAY_TLS) {
			s->back = relay_tls_client(s->service, file, f);
			if (s->back == NULL)
				return false;
		}
	}
	return true;
}

/* ---- where connections are made from */

static bool find_local(struct setup_service *s, struct failure *f)
{
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE };
	const char *local = s->service->local;
	int error;

	if (local == NULL)
		return true;
	error = getaddrinfo(local, "0", &hints, &s->local);
	if (error == 0)
		return true;
	failure_set(f, "%s:%u: local = %s: %s; write an address of this machine",
	            s->service->file != NULL ? s->service->file : "the command line",
	            s->service->line, local, gai_strerror(error));
	return false;
}

static bool find_locals(struct setup *setup, struct failure *f)
{
	for (size_t i = 0; i < setup->config->service_count; i++)
		if (!find_local(&setup->services[i], f))
			return false;
	return true;
}

/* ---- names */

static size_t count_patterns(const struct relay_config *c)
{
	size_t n = 0;

	for (size_t i = 0; i < c->service_count; i++)
		for (const char *const *p = c->services[i].sni_patterns; p != NULL && *p != NULL;
		     p++)
			n++;
	return n;
}

/* Puts the names that lead away from service `listener` behind `names`; gives their number. */
static size_t list_names(const struct setup *setup, size_t listener, struct relay_tls_name *names)
{
	const struct relay_config *c = setup->config;
	size_t n = 0;

	for (size_t i = 0; i < c->service_count; i++) {
		if (c->services[i].sni_of != &c->services[listener])
			continue;
		for (const char *const *p = c->services[i].sni_patterns; p != NULL && *p != NULL;
		     p++)
			names[n++] = (struct relay_tls_name){ .pattern = *p,
				                              .ctx = setup->services[i].front,
				                              .service = i };
	}
	return n;
}

static bool set_names(struct setup *setup, struct failure *f)
{
	size_t at = 0;

	setup->names = calloc(count_patterns(setup->config) + 1, sizeof *setup->names);
	if (setup->names == NULL) {
		failure_set(f, "out of memory");
		return false;
	}
	for (size_t i = 0; i < setup->config->service_count; i++) {
		size_t n = list_names(setup, i, setup->names + at);

		if (n > 0)
			relay_tls_set_names(setup->services[i].front, setup->names + at, n);
		at += n;
	}
	return true;
}

/* ---- life */

static void free_setup(struct setup *s)
{
	for (size_t i = 0; s->services != NULL && i < s->config->service_count; i++) {
		SSL_CTX_free(s->services[i].front);
		SSL_CTX_free(s->services[i].back);
		if (s->services[i].local != NULL)
			freeaddrinfo(s->services[i].local);
		free_doors(&s->services[i]);
		count_unref(s->services[i].count);
	}
	free(s->services);
	free(s->names);
	relay_config_free(s->config);
	free(s);
}

struct setup *setup_new(struct relay_config *config, const struct setup *old, unsigned workers,
                        struct failure *f)
{
	struct setup *s = calloc(1, sizeof *s);

	if (s == NULL) {
		failure_set(f, "out of memory");
		relay_config_free(config);
		return NULL;
	}
	s->config = config;
	s->workers = workers;
	atomic_init(&s->references, 1);
	s->services = calloc(config->service_count, sizeof *s->services);
	if (s->services == NULL)
		failure_set(f, "out of memory");
	for (size_t i = 0; s->services != NULL && i < config->service_count; i++)
		s->services[i].service = &config->services[i];
	if (s->services != NULL && make_contexts(s, old, f) && set_names(s, f) &&
	    find_locals(s, f) && listen_for_all(s, old, f))
		return s;
	free_setup(s);
	return NULL;
}

struct setup *setup_ref(struct setup *s)
{
	(void)atomic_fetch_add_explicit(&s->references, 1, memory_order_relaxed);
	return s;
}

void setup_unref(struct setup *s)
{
	if (atomic_fetch_sub_explicit(&s->references, 1, memory_order_acq_rel) == 1)
		free_setup(s);
}
