/* proxy_header_peer: the PROXY header's reader and writer as a program, for tests beside others'.
 *
 *     proxy_header_peer read < OCTETS      what it says, a field a line, and what is left behind it
 *     proxy_header_peer write VERSION [FIELD=VALUE ...] > OCTETS
 *
 * Fields: source, destination (HOST,PORT), alpn, authority, tls, cn, cipher, certificate (now,
 * earlier), verified, local.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/proxy_header.h"

static void print_end(const char *name, const struct sockaddr_storage *a)
{
	const struct sockaddr_in *in = (const struct sockaddr_in *)a;
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)a;
	char host[INET6_ADDRSTRLEN] = "";

	if (a->ss_family == AF_INET)
		(void)inet_ntop(AF_INET, &in->sin_addr, host, sizeof host);
	else if (a->ss_family == AF_INET6)
		(void)inet_ntop(AF_INET6, &in6->sin6_addr, host, sizeof host);
	else
		return;
	printf("%s %s,%u\n", name, host, (unsigned)ntohs(in->sin_port)); /* both have it there */
}

static void print_text(const char *name, const char *text)
{
	if (text[0] != '\0')
		printf("%s %s\n", name, text);
}

static void print_header(const struct proxy_header *h)
{
	print_end("source", &h->source);
	print_end("destination", &h->destination);
	print_text("alpn", h->alpn);
	print_text("authority", h->authority);
	print_text("tls", h->tls_version);
	print_text("cn", h->common_name);
	print_text("cipher", h->cipher);
	if (h->client_certificate)
		print_text("certificate", h->in_earlier_connection ? "earlier" : "now");
	print_text("verified", h->verified ? "yes" : "");
	print_text("local", h->is_local ? "yes" : "");
}

static int read_header(void)
{
	static struct proxy_reader r;
	static unsigned char bytes[65536];
	const size_t n = fread(bytes, 1, sizeof bytes, stdin);
	struct proxy_header h;
	struct failure f;
	size_t used;

	proxy_reader_begin(&r);
	switch (proxy_reader_feed(&r, bytes, n, &used, &h, &f)) {
	case PROXY_HEADER_MORE:
		printf("more\n");
		return 1;
	case PROXY_HEADER_BAD:
		printf("bad %s\n", f.sentence);
		return 1;
	case PROXY_HEADER_DONE:
		break;
	}
	print_header(&h);
	printf("behind %.*s\n", (int)(n - used), (const char *)bytes + used);
	return 0;
}

static bool set_end(struct sockaddr_storage *a, char *text)
{
	struct sockaddr_in *in = (struct sockaddr_in *)a;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)a;
	char *port = strchr(text, ',');

	if (port == NULL)
		return false;
	*port++ = '\0';
	a->ss_family = strchr(text, ':') != NULL ? AF_INET6 : AF_INET;
	in->sin_port = htons((uint16_t)atoi(port));
	return inet_pton(a->ss_family, text,
	                 a->ss_family == AF_INET ? (void *)&in->sin_addr
	                                         : (void *)&in6->sin6_addr) == 1;
}

static bool set_field(struct proxy_header *h, const char *name, char *value)
{
	const struct {
		const char *name;
		char *field;
		size_t cap;
	} texts[] = {
		{ "alpn", h->alpn, sizeof h->alpn },
		{ "authority", h->authority, sizeof h->authority },
		{ "tls", h->tls_version, sizeof h->tls_version },
		{ "cn", h->common_name, sizeof h->common_name },
		{ "cipher", h->cipher, sizeof h->cipher },
	};

	if (strcmp(name, "source") == 0)
		return set_end(&h->source, value);
	if (strcmp(name, "destination") == 0)
		return set_end(&h->destination, value);
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
		if (strcmp(name, texts[i].name) != 0)
			continue;
		(void)snprintf(texts[i].field, texts[i].cap, "%s", value);
		h->has_tls |= i >= 2;
		return true;
	}
	h->client_certificate |= strcmp(name, "certificate") == 0;
	h->in_earlier_connection |= strcmp(value, "earlier") == 0;
	h->verified |= strcmp(name, "verified") == 0;
	h->is_local |= strcmp(name, "local") == 0;
	return true;
}

static int write_header(int version, int count, char **fields)
{
	struct proxy_header h = { 0 };
	unsigned char bytes[2048];
	size_t n;

	for (int i = 0; i < count; i++) {
		char *value = strchr(fields[i], '=');

		if (value == NULL)
			return 2;
		*value++ = '\0';
		if (!set_field(&h, fields[i], value))
			return 2;
	}
	n = proxy_header_write(&h, version, bytes, sizeof bytes);
	return n > 0 && fwrite(bytes, 1, n, stdout) == n ? 0 : 1;
}

int main(int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], "read") == 0)
		return read_header();
	if (argc >= 3 && strcmp(argv[1], "write") == 0)
		return write_header(atoi(argv[2]), argc - 3, argv + 3);
	fprintf(stderr, "proxy_header_peer: read | write VERSION [FIELD=VALUE ...]\n");
	return 2;
}
