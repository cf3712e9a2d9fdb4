/* place: see place.h.  It looks no host up; the names of ports are those of the system's table.
 * Invariant: a place that was read holds a path, or an address as net/address.h keeps it.
 */
#include "relay/place.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

static enum relay_place_form read_path(const char *path, enum relay_place_form form,
                                       struct relay_place *p, struct failure *f)
{
	size_t n = strlen(path);

	p->kind = RELAY_UNIX;
	if (n > 0 && n < sizeof p->path) {
		memcpy(p->path, path, n + 1);
		return form;
	}
	if (n == 0)
		failure_set(f, "names no path; write unix:/run/NAME.sock");
	else
		failure_set(f, "the path has %zu characters; a socket's has at most %zu", n,
		            sizeof p->path - 1);
	return PLACE_BAD;
}

/* The port's number, or 0 to 65535 of a service's name; -1: neither. */
static long find_port(const char *text)
{
	const struct addrinfo hints = { .ai_family = AF_INET, .ai_socktype = SOCK_STREAM };
	struct addrinfo *list;
	struct sockaddr_in in;

	if (text[0] != '\0' && strspn(text, "0123456789") == strlen(text))
		return strlen(text) <= 5 ? strtol(text, NULL, 10) : -1;
	for (const char *c = text; *c != '\0'; c++)
		if (!isalnum((unsigned char)*c) && *c != '-' && *c != '_' && *c != '+')
			return -1;
	if (text[0] == '\0' || getaddrinfo(NULL, text, &hints, &list) != 0)
		return -1;
	memcpy(&in, list->ai_addr, sizeof in);
	freeaddrinfo(list);
	return ntohs(in.sin_port);
}

static bool take_port(const char *text, struct address *a, struct failure *f)
{
	long port = find_port(text);

	if (port >= 0 && port <= 65535) {
		(void)snprintf(a->port, sizeof a->port, "%ld", port);
		return true;
	}
	failure_set(f,
	            "'%.60s' is no port; write [HOST:]PORT, with a number up to 65535 or the "
	            "name of a service",
	            text);
	return false;
}

static bool is_ip(const char *host)
{
	unsigned char bytes[sizeof(struct in6_addr)];
	char bare[sizeof((struct address *)0)->host];

	(void)snprintf(bare, sizeof bare, "%.*s", (int)strcspn(host, "%"), host);
	return inet_pton(AF_INET, host, bytes) == 1 || inet_pton(AF_INET6, bare, bytes) == 1;
}

static bool is_host_text(const char *host)
{
	for (; *host != '\0'; host++)
		if (!isalnum((unsigned char)*host) && strchr("-._:%", *host) == NULL)
			return false;
	return true;
}

/* `host` of `n` bytes; "*" and nothing at all stand for the usual one. */
static bool take_host(const char *host, size_t n, const char *usual, struct address *a,
                      struct failure *f)
{
	if (n == 0 || (n == 1 && host[0] == '*')) {
		host = usual;
		n = strlen(usual);
	}
	if (n >= sizeof a->host) {
		failure_set(f, "the host's name has %zu characters; no name has more than %zu", n,
		            sizeof a->host - 1);
		return false;
	}
	memcpy(a->host, host, n);
	a->host[n] = '\0';
	a->host_is_ip = is_ip(a->host);
	if (is_host_text(a->host) && (a->host_is_ip || strchr(a->host, ':') == NULL))
		return true;
	failure_set(f, "'%.60s' names no host; write HOST:PORT, [IPV6]:PORT or PORT", a->host);
	return false;
}

/* The last colon parts host and port, in stunnel's way: ":::443" is port 443 of "::". */
static bool read_address(const char *text, const char *usual, struct address *a, struct failure *f)
{
	const char *colon = strrchr(text, ':'), *host = text, *end = colon;

	if (colon == NULL)
		return take_host("", 0, usual, a, f) && take_port(text, a, f);
	if (text[0] == '[') {
		host = text + 1;
		end = strchr(text, ']');
		if (end == NULL || end + 1 != colon) {
			failure_set(f, "an address in brackets is written [IPV6]:PORT");
			return false;
		}
	}
	return take_host(host, (size_t)(end - host), usual, a, f) && take_port(colon + 1, a, f);
}

enum relay_place_form relay_place_read(const char *text, const char *usual_host,
                                       struct relay_place *p, struct failure *f)
{
	enum relay_place_form form = PLACE_NAMED;

	memset(p, 0, sizeof *p);
	if (strncasecmp(text, "unix:", 5) == 0)
		return read_path(text + 5, PLACE_NAMED, p, f);
	if (text[0] == '/')
		return read_path(text, PLACE_BARE_PATH, p, f);
	if (strncasecmp(text, "tls:", 4) == 0) {
		p->kind = RELAY_TLS;
		text += 4;
	} else if (strncasecmp(text, "tcp:", 4) == 0) {
		p->kind = RELAY_TCP;
		text += 4;
	} else {
		p->kind = RELAY_TCP;
		form = PLACE_BARE;
	}
	return read_address(text, usual_host, &p->address, f) ? form : PLACE_BAD;
}

bool relay_place_is_same(const struct relay_place *a, const struct relay_place *b)
{
	if ((a->kind == RELAY_UNIX) != (b->kind == RELAY_UNIX))
		return false;
	if (a->kind == RELAY_UNIX)
		return strcmp(a->path, b->path) == 0;
	return strcasecmp(a->address.host, b->address.host) == 0 &&
	       strcmp(a->address.port, b->address.port) == 0;
}

const char *relay_place_text(const struct relay_place *p, char *buf, size_t cap)
{
	const char *kind = p->kind == RELAY_TLS ? "tls" : "tcp", *host = p->address.host;

	if (p->kind == RELAY_UNIX)
		(void)snprintf(buf, cap, "unix:%s", p->path);
	else
		(void)snprintf(buf, cap, strchr(host, ':') != NULL ? "%s:[%s]:%s" : "%s:%s:%s",
		               kind, host[0] == '\0' ? "*" : host, p->address.port);
	return buf;
}
