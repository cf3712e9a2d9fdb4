/* admin: see admin.h.  One thread of libmicrohttpd's serves all; how many connections it has, how
 * long one may be idle and how much memory it may use are bounded.  Whoever can reach the port may
 * read it, so it must not be reachable from another machine.
 *
 * Invariant: the path of a Unix socket is taken away by whoever made it, and only while it is the
 * same file.
 */
#include "relay/admin.h"

#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "net/dial.h"
#include "net/listen.h"

enum { CONNECTIONS_MAX = 32, IDLE_S = 5, CONNECTION_BYTES = 16 * 1024 };

struct admin {
	struct MHD_Daemon *daemon;
	struct admin_options options;
	bool owns_path; /* `place` is a Unix socket that we made: `made` */
	struct stat made;
	char place[160];
};

/* ---- answers */

static enum MHD_Result send_answer(struct MHD_Connection *c, unsigned status,
                                   struct MHD_Response *answer, const char *type)
{
	enum MHD_Result sent = MHD_NO;

	if (answer == NULL)
		return MHD_NO; /* the connection ends: out of memory */
	if (MHD_add_response_header(answer, MHD_HTTP_HEADER_CONTENT_TYPE, type) == MHD_YES &&
	    MHD_add_response_header(answer, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store") == MHD_YES &&
	    (status != MHD_HTTP_METHOD_NOT_ALLOWED ||
	     MHD_add_response_header(answer, MHD_HTTP_HEADER_ALLOW, "GET, HEAD") == MHD_YES))
		sent = MHD_queue_response(c, status, answer);
	MHD_destroy_response(answer);
	return sent;
}

/* `text` is a literal. */
static enum MHD_Result answer_text(struct MHD_Connection *c, unsigned status, const char *text)
{
	return send_answer(c, status,
	                   MHD_create_response_from_buffer(strlen(text), (void *)(uintptr_t)text,
	                                                   MHD_RESPMEM_PERSISTENT),
	                   "text/plain; charset=utf-8");
}

static enum MHD_Result answer_metrics(struct MHD_Connection *c, const struct admin *a)
{
	struct MHD_Response *answer;
	char *text = NULL;
	size_t n = 0;
	FILE *out = open_memstream(&text, &n);
	bool is_whole;

	if (out == NULL)
		return MHD_NO;
	a->options.print_metrics(out, a->options.context);
	is_whole = ferror(out) == 0;
	is_whole = fclose(out) == 0 && is_whole;
	answer = is_whole ? MHD_create_response_from_buffer(n, text, MHD_RESPMEM_MUST_FREE) : NULL;
	if (answer == NULL)
		free(text);
	return send_answer(c, MHD_HTTP_OK, answer, "text/plain; version=0.0.4; charset=utf-8");
}

static enum MHD_Result answer_ready(struct MHD_Connection *c, const struct admin *a)
{
	if (a->options.is_ready(a->options.context))
		return answer_text(c, MHD_HTTP_OK, "ready\n");
	return answer_text(c, MHD_HTTP_SERVICE_UNAVAILABLE, "draining\n");
}

static enum MHD_Result answer_root(struct MHD_Connection *c, const struct admin *a)
{
	(void)a;
	return answer_text(c, MHD_HTTP_OK,
	                   "/metrics  what the relay counts, for Prometheus\n"
	                   "/ready    200 while it takes connections, 503 while it drains\n");
}

static const struct {
	const char *path;
	enum MHD_Result (*answer)(struct MHD_Connection *c, const struct admin *a);
} pages[] = {
	{ "/metrics", answer_metrics },
	{ "/ready", answer_ready },
	{ "/", answer_root },
};

/*
 * Called for a request's head, then for each piece of its body, then at its end; an answer in
 * between ends the connection behind it, which is right for a request that brings a body.
 */
static enum MHD_Result answer(void *context, struct MHD_Connection *c, const char *path,
                              const char *method, const char *version, const char *body,
                              size_t *body_bytes, void **seen)
{
	static char head;

	(void)version, (void)body, (void)body_bytes;
	if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 && strcmp(method, MHD_HTTP_METHOD_HEAD) != 0)
		return answer_text(c, MHD_HTTP_METHOD_NOT_ALLOWED, "only GET and HEAD are here\n");
	if (*seen == NULL) {
		*seen = &head;
		return MHD_YES;
	}
	if (*body_bytes != 0) {
		*body_bytes = 0;
		return MHD_YES;
	}
	for (size_t i = 0; i < sizeof pages / sizeof *pages; i++)
		if (strcmp(path, pages[i].path) == 0)
			return pages[i].answer(c, context);
	return answer_text(c, MHD_HTTP_NOT_FOUND, "not here; there are /metrics and /ready\n");
}

/* ---- the place */

static bool is_loopback(const struct sockaddr *at)
{
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;

	switch (at->sa_family) {
	case AF_UNIX:
		return true;
	case AF_INET:
		memcpy(&v4, at, sizeof v4);
		return ntohl(v4.sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
	case AF_INET6:
		memcpy(&v6, at, sizeof v6);
		return IN6_IS_ADDR_LOOPBACK(&v6.sin6_addr) ||
		       (IN6_IS_ADDR_V4MAPPED(&v6.sin6_addr) && v6.sin6_addr.s6_addr[12] == 127);
	default:
		return false;
	}
}

/* A name may have several addresses, and all have to do: which one is bound is not ours to say. */
static bool check_loopback(const struct address *a, struct failure *f)
{
	struct addrinfo hints = dial_hints(a, AF_UNSPEC), *list;
	bool is_right = true;
	int error = 0;

	if (a->host[0] != '\0') {
		error = getaddrinfo(a->host, a->port, &hints, &list);
		if (error != 0) {
			dial_explain_lookup(a, AF_UNSPEC, error, f);
			return false;
		}
		for (const struct addrinfo *one = list; one != NULL; one = one->ai_next)
			is_right = is_right && is_loopback(one->ai_addr);
		freeaddrinfo(list);
		if (is_right)
			return true;
	}
	failure_set(f,
	            "metrics are not given to other machines: %s%s is no loopback address; write "
	            "127.0.0.1:%s, [::1]:%s or unix:PATH",
	            a->host[0] != '\0' ? a->host : "port ", a->host[0] != '\0' ? "" : a->port,
	            a->port, a->port);
	return false;
}

/* A socket that was handed over has to be as safe as one that we open. */
static bool check_handed(int fd, struct failure *f)
{
	struct sockaddr_storage at;
	socklen_t n = sizeof at;
	char place[160];

	if (getsockname(fd, (struct sockaddr *)&at, &n) == 0 && is_loopback((struct sockaddr *)&at))
		return true;
	if (!listen_text(fd, place, sizeof place))
		(void)snprintf(place, sizeof place, "what was handed over");
	failure_set(f,
	            "metrics are not given to other machines: %s is no loopback address; change "
	            "ListenStream= of the socket unit",
	            place);
	return false;
}

static int open_place(struct admin *a, struct failure *f)
{
	const struct relay_place *p = a->options.place;
	int fd;

	if (p->kind != RELAY_UNIX)
		return check_loopback(&p->address, f) ? listen_open(&p->address, f) : -1;
	fd = listen_open_unix(p->path, f);
	a->owns_path = fd >= 0 && lstat(p->path, &a->made) == 0;
	return fd;
}

static void name_place(struct admin *a, int fd)
{
	const struct relay_place *p = a->options.place;

	if (p->kind == RELAY_UNIX)
		(void)snprintf(a->place, sizeof a->place, "%s", p->path);
	else if (!listen_text(fd, a->place, sizeof a->place))
		(void)address_text(&p->address, a->place, sizeof a->place);
}

static void clear_place(const struct admin *a)
{
	struct stat now;

	if (a->owns_path && lstat(a->place, &now) == 0 && now.st_dev == a->made.st_dev &&
	    now.st_ino == a->made.st_ino)
		(void)unlink(a->place);
}

/* ---- the port */

/*
 * With an inter-thread channel the daemon is woken without a shutdown(2) of the listening socket,
 * which would end it for the manager as well.
 */
static struct MHD_Daemon *start_daemon(struct admin *a, int fd)
{
	return MHD_start_daemon(
	    MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_POLL | MHD_USE_ITC, 0, NULL, NULL, answer, a,
	    MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT, (unsigned)CONNECTIONS_MAX,
	    MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)IDLE_S, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
	    (size_t)CONNECTION_BYTES, MHD_OPTION_END);
}

struct admin *admin_start(const struct admin_options *o, struct failure *f)
{
	struct admin *a = calloc(1, sizeof *a);
	int fd = o->fd;

	if (a == NULL) {
		failure_set(f, "cannot serve metrics: out of memory");
		goto failed;
	}
	a->options = *o;
	if (fd >= 0 && !check_handed(fd, f))
		goto failed;
	if (fd < 0)
		fd = open_place(a, f);
	if (fd < 0)
		goto failed;
	name_place(a, fd);
	a->daemon = start_daemon(a, fd);
	if (a->daemon != NULL)
		return a;
	failure_set(f,
	            "cannot serve metrics on %s: libmicrohttpd does not start; see the limits "
	            "of memory, threads and open files",
	            a->place);
	clear_place(a);
	free(a);
	return NULL; /* whether the daemon closed the socket, it does not tell */
failed:
	if (fd >= 0)
		(void)close(fd);
	free(a);
	return NULL;
}

const char *admin_place(const struct admin *a)
{
	return a->place;
}

void admin_stop(struct admin *a)
{
	if (a == NULL)
		return;
	MHD_stop_daemon(a->daemon);
	clear_place(a);
	free(a);
}
