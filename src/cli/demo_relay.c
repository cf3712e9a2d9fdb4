/* demo_relay: see demo_relay.h.  The parts: an nginx that is origin and caching proxy at once,
 * `lastword cut` that forges a FIN on the way from the origin, `lastword relay`, and curl.  It must
 * not conclude anything by itself: curl's exit status and the cache's own header say what was
 * believed.  Invariant: every program started here is ended here, by its pid, and the folder goes.
 */
#define _GNU_SOURCE /* prctl(2), mkdtemp(3) */
#include "cli/demo_relay.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "net/certificate.h"

enum { PAGE_BYTES = 200000, PATH_BYTES = 256, CHILDREN = 5, READY_MS = 10000, INHERITED_FD = 3 };

struct stage {
	char folder[64];
	char certificate[PATH_BYTES], config[PATH_BYTES], page[PATH_BYTES];
	pid_t children[CHILDREN];
	size_t child_count;
	int origin_fd, cache_fd, guarded_fd; /* listening sockets that nginx inherits */
	unsigned origin_port, cache_port, guarded_port;
	char cut_place[64], relay_place[64], guard_place[64];
};

/* ---- programs */

static bool is_installed(const char *name)
{
	char path[PATH_BYTES];
	static const char *const folders[] = { "/usr/bin",        "/usr/sbin", "/usr/local/bin",
		                               "/usr/local/sbin", "/bin",      "/sbin" };

	for (size_t i = 0; i < sizeof folders / sizeof folders[0]; i++) {
		(void)snprintf(path, sizeof path, "%s/%s", folders[i], name);
		if (access(path, X_OK) == 0)
			return true;
	}
	return false;
}

/* In the child: output into `out`, the inherited sockets from descriptor 3 on, then the program. */
static void become(char *const argv[], int out, const int *inherited, size_t count)
{
	(void)prctl(PR_SET_PDEATHSIG, SIGTERM);
	(void)dup2(out, STDOUT_FILENO);
	(void)setenv("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", 1);
	for (size_t i = 0; i < count; i++) /* both lie above the descriptors that they become */
		if (dup2(inherited[i], INHERITED_FD + (int)i) < 0)
			_exit(127);
	(void)execvp(argv[0], argv);
	_exit(127);
}

/* Gives the reading end of its output, or -1. */
static int start(char *const argv[], const int *inherited, size_t count, pid_t *pid)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) != 0)
		return -1;
	*pid = fork();
	if (*pid == 0)
		become(argv, ends[1], inherited, count);
	(void)close(ends[1]);
	if (*pid > 0)
		return ends[0];
	(void)close(ends[0]);
	return -1;
}

/* Reads up to the end of the first line, or of all; false: it took too long. */
static bool read_output(int fd, char *buf, size_t cap, bool one_line)
{
	struct pollfd wait = { .fd = fd, .events = POLLIN };
	size_t n = 0;
	ssize_t got = 1;

	while (got > 0 && n + 1 < cap && !(one_line && n > 0 && buf[n - 1] == '\n')) {
		if (poll(&wait, 1, READY_MS) <= 0)
			return false;
		got = read(fd, buf + n, one_line ? 1 : cap - 1 - n);
		n += got > 0 ? (size_t)got : 0;
	}
	buf[n] = '\0';
	return n > 0;
}

/* Starts one that goes on, and reads the line in which it says where it listens. */
static bool start_verb(struct stage *s, char *const argv[], char *place, size_t cap)
{
	char line[64];
	const char *last;
	int out = start(argv, NULL, 0, &s->children[s->child_count]);

	if (out < 0)
		return false;
	s->child_count++;
	if (!read_output(out, line, sizeof line, true)) {
		(void)close(out);
		return false;
	}
	line[strcspn(line, "\n")] = '\0';
	last = strrchr(line, ' ');
	(void)snprintf(place, cap, "%s", last != NULL ? last + 1 : line);
	/* the pipe stays open, so that the program may go on writing to it */
	return true;
}

/* ---- the stage */

static bool listen_anywhere(int *fd, unsigned *port)
{
	struct sockaddr_in place = { .sin_family = AF_INET };
	socklen_t n = sizeof place;
	int low = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	place.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	*fd = low < 0 ? -1 : fcntl(low, F_DUPFD_CLOEXEC, INHERITED_FD + 8);
	if (low >= 0)
		(void)close(low);
	if (*fd < 0 || bind(*fd, (struct sockaddr *)&place, sizeof place) != 0 ||
	    listen(*fd, SOMAXCONN) != 0 || getsockname(*fd, (struct sockaddr *)&place, &n) != 0)
		return false;
	*port = ntohs(place.sin_port);
	return true;
}

static bool write_file(const char *path, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static bool write_file(const char *path, const char *format, ...)
{
	FILE *out = fopen(path, "w");
	va_list args;
	bool is_written;

	if (out == NULL)
		return false;
	va_start(args, format);
	is_written = vfprintf(out, format, args) >= 0;
	va_end(args);
	return fclose(out) == 0 && is_written;
}

static bool write_page(const struct stage *s)
{
	FILE *out = fopen(s->page, "w");

	if (out == NULL)
		return false;
	for (int i = 0; i < PAGE_BYTES / 20; i++)
		(void)fprintf(out, "line %6d of 10,000\n", i);
	return fclose(out) == 0;
}

/* The page is an SSI page, so that nginx knows no length for it, as with anything made on demand.
 */
static bool write_config(const struct stage *s)
{
	/* paths are relative to the folder */
	return write_file(
	    s->config,
	    "daemon off; worker_processes 1; pid pid; error_log error.log;\n"
	    "%s\n"
	    "events { worker_connections 64; }\n"
	    "http {\n"
	    "  access_log off; client_body_temp_path b; proxy_temp_path p;\n"
	    "  fastcgi_temp_path f; uwsgi_temp_path u; scgi_temp_path s;\n"
	    "  proxy_cache_path cache keys_zone=pages:1m; proxy_cache pages;\n"
	    "  ssl_certificate certificate.pem; ssl_certificate_key certificate.pem;\n"
	    "  server { listen 127.0.0.1:%u ssl; root .; ssi on; ssi_types *; }\n"
	    "  server { listen 127.0.0.1:%u ssl; location / {\n"
	    "    proxy_pass https://%s; proxy_ssl_name localhost; proxy_ssl_verify on;\n"
	    "    proxy_ssl_trusted_certificate certificate.pem; proxy_cache_valid 1m;\n"
	    "    add_header Cache $upstream_cache_status always; } }\n"
	    "  server { listen 127.0.0.1:%u ssl; location / {\n"
	    "    proxy_pass http://%s; proxy_cache_valid 1m;\n"
	    "    add_header Cache $upstream_cache_status always; } }\n"
	    "}\n",
	    geteuid() == 0 ? "user root;" : "", s->origin_port, s->cache_port, s->cut_place,
	    s->guarded_port, s->guard_place);
}

static bool make_certificate(const struct stage *s)
{
	struct certificate *c = certificate_new(NULL, NULL);
	bool is_written = c != NULL && certificate_write(c, s->certificate, s->certificate);

	certificate_free(c);
	return is_written;
}

static bool make_folder(struct stage *s)
{
	const char *tmp = getenv("TMPDIR");

	(void)snprintf(s->folder, sizeof s->folder, "%.40s/lastword-demo.XXXXXX",
	               tmp != NULL && strlen(tmp) < 40 ? tmp : "/tmp");
	if (mkdtemp(s->folder) == NULL)
		return false;
	(void)snprintf(s->certificate, sizeof s->certificate, "%s/certificate.pem", s->folder);
	(void)snprintf(s->config, sizeof s->config, "%s/nginx.conf", s->folder);
	(void)snprintf(s->page, sizeof s->page, "%s/page", s->folder);
	return true;
}

static bool start_cut(struct stage *s)
{
	char origin[32];
	char *argv[] = { "/proc/self/exe", "cut", "--to", origin, "--after", "6r",
		         "--how",          "fin", NULL };

	(void)snprintf(origin, sizeof origin, "127.0.0.1:%u", s->origin_port);
	return start_verb(s, argv, s->cut_place, sizeof s->cut_place);
}

static bool start_relay(struct stage *s)
{
	char connect[80];
	char *argv[] = { "/proc/self/exe",
		         "relay",
		         "--accept",
		         "tls:127.0.0.1:0",
		         "--connect",
		         connect,
		         "--cert",
		         s->certificate,
		         "--backendCAfile",
		         s->certificate,
		         "--backendCheckHost",
		         "localhost",
		         "--profile",
		         "https",
		         "--workers",
		         "1",
		         "--output",
		         "/dev/null",
		         NULL };

	(void)snprintf(connect, sizeof connect, "tls:%s", s->cut_place);
	return start_verb(s, argv, s->relay_place, sizeof s->relay_place);
}

/* The other way round: nginx asks the relay, which speaks TLS to the origin. */
static bool start_guard(struct stage *s)
{
	char *argv[] = { "/proc/self/exe", "relay",        "--client",    "yes",
		         "--accept",       "127.0.0.1:0",  "--connect",   s->cut_place,
		         "--CAfile",       s->certificate, "--checkHost", "localhost",
		         "--profile",      "https",        "--workers",   "1",
		         "--output",       "/dev/null",    NULL };

	return start_verb(s, argv, s->guard_place, sizeof s->guard_place);
}

static bool start_nginx(struct stage *s)
{
	const int inherited[] = { s->origin_fd, s->cache_fd, s->guarded_fd };
	char *argv[] = { "env", "NGINX=3;4;5;", "nginx", "-c",        s->config,
		         "-p",  s->folder,      "-e",    "error.log", NULL };
	int out = start(argv, inherited, 3, &s->children[s->child_count]);

	if (out < 0)
		return false;
	s->child_count++;
	(void)close(out);
	return true;
}

/* What could not be done; NULL: all stands. */
static const char *set_stage(struct stage *s)
{
	if (!make_folder(s) || !make_certificate(s) || !write_page(s))
		return "cannot write into a temporary folder";
	if (!listen_anywhere(&s->origin_fd, &s->origin_port) ||
	    !listen_anywhere(&s->cache_fd, &s->cache_port) ||
	    !listen_anywhere(&s->guarded_fd, &s->guarded_port))
		return "cannot listen on the loopback";
	if (!start_cut(s))
		return "`lastword cut` did not start";
	if (!start_relay(s) || !start_guard(s))
		return "`lastword relay` did not start";
	return write_config(s) && start_nginx(s) ? NULL : "nginx did not start";
}

static void remove_folder(const struct stage *s)
{
	char *argv[] = { "rm", "-rf", "--", (char *)(uintptr_t)s->folder, NULL };
	pid_t pid;
	int out = s->folder[0] != '\0' ? start(argv, NULL, 0, &pid) : -1;

	if (out < 0)
		return;
	(void)close(out);
	(void)waitpid(pid, NULL, 0);
}

static void clear_stage(struct stage *s)
{
	for (size_t i = 0; i < s->child_count; i++)
		(void)kill(s->children[i], SIGTERM);
	for (size_t i = 0; i < s->child_count; i++)
		(void)waitpid(s->children[i], NULL, 0);
	remove_folder(s);
}

/* ---- the client */

struct answer {
	int status;          /* curl's */
	unsigned long bytes; /* of the page */
	bool from_cache;
};

static bool ask(const struct stage *s, const char *place, struct answer *a)
{
	char url[96], to[96], out[512], *end;
	char *argv[] = { "curl",
		         "-s",
		         "--max-time",
		         "20",
		         "--cacert",
		         (char *)(uintptr_t)s->certificate,
		         "--connect-to",
		         to,
		         "-o",
		         "/dev/null",
		         "-w",
		         "%{size_download} %header{cache}",
		         url,
		         NULL };
	pid_t pid;
	int fd, status = 0;

	(void)snprintf(url, sizeof url, "https://localhost/page");
	(void)snprintf(to, sizeof to, "::%s", place);
	fd = start(argv, NULL, 0, &pid);
	if (fd < 0)
		return false;
	if (!read_output(fd, out, sizeof out, false))
		out[0] = '\0';
	(void)close(fd);
	(void)waitpid(pid, &status, 0);
	a->status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
	a->bytes = strtoul(out, &end, 10);
	a->from_cache = strcmp(end, " HIT") == 0;
	return a->status >= 0 && a->status != 127;
}

static void tell(const char *way, const struct answer *a)
{
	printf("  %-26s %7lu bytes   exit %-3d %s%s\n", way, a->bytes, a->status,
	       a->status != 0 ? "cut short, and curl knows" : "taken for the whole page",
	       a->from_cache ? ", and kept for others: a HIT" : "");
}

/* The ways to the page, in the order in which they are told. */
enum way { DIRECT, PROXIED, CACHED, RELAYED, GUARDED, GUARDED_AGAIN, WAYS };

static const char *const way_names[WAYS] = {
	[DIRECT] = "direct",
	[PROXIED] = "through nginx",
	[CACHED] = "through nginx, again",
	[RELAYED] = "through lastword relay",
	[GUARDED] = "nginx behind the relay",
	[GUARDED_AGAIN] = "nginx behind it, again",
};

static bool ask_all(const struct stage *s, struct answer answers[WAYS])
{
	char cache[32], guarded[32];
	const char *const places[WAYS] = { s->cut_place,   cache,   cache,
		                           s->relay_place, guarded, guarded };

	(void)snprintf(cache, sizeof cache, "127.0.0.1:%u", s->cache_port);
	(void)snprintf(guarded, sizeof guarded, "127.0.0.1:%u", s->guarded_port);
	for (size_t i = 0; i < WAYS; i++)
		if (!ask(s, places[i], &answers[i])) {
			cli_complain("the demo was not completed: curl did not run");
			return false;
		} else if (answers[i].bytes == 0) {
			cli_complain("the demo was not completed: nothing came %s; does nginx "
			             "start by hand?",
			             way_names[i]);
			return false;
		}
	return true;
}

static int compare(const struct stage *s)
{
	struct answer answers[WAYS];

	if (!ask_all(s, answers))
		return CLI_EXIT_UNREACHED;
	printf(
	    "A page of %u bytes; somebody on the path forges a FIN.  What does curl conclude?\n\n",
	    PAGE_BYTES);
	for (size_t i = 0; i < WAYS; i++)
		tell(way_names[i], &answers[i]);
	printf("\n");
	return answers[DIRECT].status != 0 && answers[RELAYED].status != 0 &&
	               answers[GUARDED].status != 0 && answers[GUARDED_AGAIN].status != 0
	           ? CLI_EXIT_WHOLE
	           : CLI_EXIT_FINDINGS;
}

int demo_relay_run(void)
{
	struct stage s = { .origin_fd = -1, .cache_fd = -1, .guarded_fd = -1 };
	const char *trouble;
	int status;

	if (!is_installed("nginx") || !is_installed("curl")) {
		cli_complain(
		    "the demo needs nginx and curl; on Debian: apt install nginx-light curl");
		return CLI_EXIT_UNREACHED;
	}
	(void)fflush(stdout);
	trouble = set_stage(&s);
	if (trouble != NULL)
		cli_complain("the demo was not completed: %s", trouble);
	status = trouble != NULL ? CLI_EXIT_UNREACHED : compare(&s);
	clear_stage(&s);
	return status;
}
