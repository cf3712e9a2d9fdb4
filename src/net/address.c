/* address: see address.h.  It must not look a name up.  Invariant: an address that was accepted
 * holds a host and a decimal port, and its host holds nothing but letters, digits and "-._:%", so
 * it can stand in any dialogue or sentence.
 */
#include "net/address.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <lastword/profile.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool is_host_text(const char *text, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!isalnum((unsigned char)text[i]) && strchr("-._:%", text[i]) == NULL)
			return false;
	return n > 0;
}

static bool is_ip(const char *host)
{
	char bare[sizeof((struct address *)0)->host];
	unsigned char out[sizeof(struct in6_addr)];

	(void)snprintf(bare, sizeof bare, "%.*s", (int)strcspn(host, "%"), host);
	return inet_pton(AF_INET, host, out) == 1 || inet_pton(AF_INET6, bare, out) == 1;
}

static bool take_port(const char *port, unsigned long least, const char *text, struct address *a,
                      struct failure *f)
{
	size_t n = strlen(port);
	unsigned long number = strtoul(port, NULL, 10);

	if (n == 0 || n >= sizeof a->port || strspn(port, "0123456789") != n || number > 65535 ||
	    number < least) {
		failure_set(f, "'%s': '%s' is no port; write a number from %lu to 65535", text,
		            port, least);
		return false;
	}
	(void)snprintf(a->port, sizeof a->port, "%lu", number);
	return true;
}

static bool take_host(const char *host, size_t n, const char *text, struct address *a,
                      struct failure *f)
{
	if (n >= sizeof a->host) {
		failure_set(f, "the host's name has %zu characters; no name has more than %zu", n,
		            sizeof a->host - 1);
		return false;
	}
	if (!is_host_text(host, n)) {
		failure_set(f,
		            "'%s' names no host; write HOST:PORT, [IPV6]:PORT or "
		            "PROFILE://HOST[:PORT]",
		            text);
		return false;
	}
	memcpy(a->host, host, n);
	a->host[n] = '\0';
	a->host_is_ip = is_ip(a->host);
	return true;
}

/*
 * Host and port of `rest`; `*port` points behind the colon, or is NULL when there is none.
 */
static bool split(const char *rest, const char *text, struct address *a, const char **port,
                  struct failure *f)
{
	const char *end = strrchr(rest, ':');

	*port = NULL;
	if (rest[0] == '[') {
		end = strchr(rest, ']');
		if (end == NULL || (end[1] != '\0' && end[1] != ':')) {
			failure_set(f, "'%s': an address in brackets is written [IPV6]:PORT", text);
			return false;
		}
		*port = end[1] == ':' ? end + 2 : NULL;
		if (!take_host(rest + 1, (size_t)(end - rest) - 1, text, a, f))
			return false;
		if (a->host_is_ip && strchr(a->host, ':') != NULL)
			return true;
		failure_set(f, "'%s': only an IPv6 address stands in brackets", text);
		return false;
	}
	if (end != NULL && memchr(rest, ':', (size_t)(end - rest)) != NULL) {
		failure_set(f, "'%s': write an IPv6 address in brackets, as [%s]:PORT", text, rest);
		return false;
	}
	*port = end != NULL ? end + 1 : NULL;
	return take_host(rest, end != NULL ? (size_t)(end - rest) : strlen(rest), text, a, f);
}

/* What a URL may have and a target may not, with what to do instead. */
static bool refuse_url_parts(const char *rest, const char *text, struct failure *f)
{
	static const struct {
		char mark;
		const char *what;
	} rows[] = {
		{ '/', "a path; the request comes on standard input" },
		{ '?', "a query; the request comes on standard input" },
		{ '#', "a fragment; the request comes on standard input" },
		{ '@', "user information; log in through standard input" },
	};

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		if (strchr(rest, rows[i].mark) == NULL)
			continue;
		failure_set(f, "'%s' has %s; write only HOST:PORT or PROFILE://HOST[:PORT]", text,
		            rows[i].what);
		return false;
	}
	return true;
}

static bool take_profile(const char *name, size_t n, const char *text, struct address *a,
                         struct failure *f)
{
	if (n > 0 && n < sizeof a->profile) {
		memcpy(a->profile, name, n);
		a->profile[n] = '\0';
		if (lw_profile_by_name(a->profile) != NULL)
			return true;
	}
	failure_set(f, "'%s': no profile is called '%.*s'; `lastword connect --help` lists them",
	            text, (int)n, name);
	return false;
}

bool address_parse_target(const char *text, const char *usual_port, struct address *a,
                          struct failure *f)
{
	const char *colon = strstr(text, "://");
	const char *rest = colon != NULL ? colon + 3 : text;
	const char *port;
	uint16_t usual;

	memset(a, 0, sizeof *a);
	if (!refuse_url_parts(rest, text, f))
		return false;
	if (colon != NULL && !take_profile(text, (size_t)(colon - text), text, a, f))
		return false;
	if (!split(rest, text, a, &port, f))
		return false;
	if (port != NULL)
		return take_port(port, 1, text, a, f);
	if (usual_port != NULL)
		return take_port(usual_port, 1, text, a, f);
	usual = colon != NULL ? lw_profile_by_name(a->profile)->tls_port : 0;
	if (usual != 0) {
		(void)snprintf(a->port, sizeof a->port, "%u", (unsigned)usual);
		return true;
	}
	failure_set(f, "'%s' has no port; write %s%s%s:PORT", text, a->profile,
	            colon != NULL ? "://" : "", rest);
	return false;
}

bool address_parse_listen(const char *text, struct address *a, struct failure *f)
{
	const char *port;

	memset(a, 0, sizeof *a);
	if (!split(text, text, a, &port, f))
		return false;
	if (port != NULL)
		return take_port(port, 0, text, a, f);
	failure_set(f, "'%s' has no port; write %s:PORT (port 0 lets the system choose)", text,
	            text);
	return false;
}

const char *address_text(const struct address *a, char *buf, size_t cap)
{
	bool in_brackets = strchr(a->host, ':') != NULL;

	(void)snprintf(buf, cap, in_brackets ? "[%s]:%s" : "%s:%s", a->host, a->port);
	return buf;
}
