/* tls_parts: see tls_parts.h. */
#include "tests/relay/tls_parts.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char folder[] = "/tmp/lastword-tls-XXXXXX";
static bool has_folder;

static void remove_folder(void)
{
	DIR *dir = opendir(folder);
	char path[512];

	for (struct dirent *d; dir != NULL && (d = readdir(dir)) != NULL;) {
		(void)snprintf(path, sizeof path, "%s/%s", folder, d->d_name);
		if (d->d_name[0] != '.')
			(void)unlink(path);
	}
	if (dir != NULL)
		(void)closedir(dir);
	(void)rmdir(folder);
}

/* Paths stay valid: tests keep them in tables. */
const char *parts_path(const char *name)
{
	static char paths[64][96];
	static size_t count;

	if (!has_folder) {
		assert_non_null(mkdtemp(folder));
		assert_int_equal(atexit(remove_folder), 0);
		has_folder = true;
	}
	for (size_t i = 0; i < count; i++)
		if (strcmp(paths[i] + strlen(folder) + 1, name) == 0)
			return paths[i];
	assert_true(count < sizeof paths / sizeof *paths);
	(void)snprintf(paths[count], sizeof paths[count], "%s/%s", folder, name);
	return paths[count++];
}

struct certificate *parts_certificate(const char *name, const struct certificate_order *o)
{
	struct certificate *c = certificate_make(o);
	char file[64];

	assert_non_null(c);
	(void)snprintf(file, sizeof file, "%s.pem", name);
	assert_true(certificate_write(c, parts_path(file), parts_path(file)));
	return c;
}

const char *parts_file(const char *name, const char *text)
{
	const char *path = parts_path(name);
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
	return path;
}

void parts_append(const char *to, const char *from)
{
	FILE *in = fopen(from, "r"), *out = fopen(to, "a");
	char buf[4096];
	size_t n;

	assert_non_null(in);
	assert_non_null(out);
	while ((n = fread(buf, 1, sizeof buf, in)) > 0)
		assert_int_equal(fwrite(buf, 1, n, out), n);
	assert_int_equal(fclose(in), 0);
	assert_int_equal(fclose(out), 0);
}

SSL_CTX *parts_server(const struct relay_service *s)
{
	struct failure f = { "" };
	SSL_CTX *ctx = relay_tls_server(s, "relay.conf", NULL, &f);

	assert_string_equal(f.sentence, "");
	assert_non_null(ctx);
	return ctx;
}

SSL_CTX *parts_client(const struct relay_service *s)
{
	struct failure f = { "" };
	SSL_CTX *ctx = relay_tls_client(s, "relay.conf", &f);

	assert_string_equal(f.sentence, "");
	assert_non_null(ctx);
	return ctx;
}

SSL_CTX *parts_any_client(void)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());

	assert_non_null(ctx);
	SSL_CTX_set_security_level(ctx, 0);
	assert_int_equal(SSL_CTX_set_cipher_list(ctx, "ALL:@SECLEVEL=0"), 1);
	assert_int_equal(SSL_CTX_set_min_proto_version(ctx, 0), 1);
	return ctx;
}

static struct pair *watched;

static void watch(const SSL *ssl, int where, int value)
{
	if ((where & SSL_CB_WRITE_ALERT) != SSL_CB_WRITE_ALERT || value >> 8 != SSL3_AL_FATAL)
		return;
	if (ssl == watched->client)
		watched->client_alert = value & 0xff;
	else
		watched->server_alert = value & 0xff;
}

struct pair parts_meet(SSL *client, SSL *server)
{
	struct pair p = { client, server, -1, -1, false };
	BIO *a = NULL, *b = NULL;
	int done[2] = { 0, 0 };

	assert_non_null(client);
	assert_non_null(server);
	assert_int_equal(BIO_new_bio_pair(&a, 1 << 16, &b, 1 << 16), 1);
	SSL_set_bio(client, a, a);
	SSL_set_bio(server, b, b);
	SSL_set_info_callback(client, watch);
	SSL_set_info_callback(server, watch);
	watched = &p;
	for (int turn = 0; turn < 10; turn++) {
		done[0] = SSL_do_handshake(client);
		done[1] = SSL_do_handshake(server);
	}
	p.are_done = done[0] == 1 && done[1] == 1;
	SSL_set_info_callback(client, NULL);
	SSL_set_info_callback(server, NULL);
	return p;
}

struct pair parts_visit(SSL_CTX *client, SSL_CTX *server, const char *name, SSL_SESSION *session)
{
	struct failure f = { "" };
	SSL *c = SSL_new(client), *s = relay_tls_accept(server, 0, &f);

	assert_non_null(c);
	SSL_set_connect_state(c);
	if (name != NULL)
		assert_int_equal(SSL_set_tlsext_host_name(c, name), 1);
	if (session != NULL)
		assert_int_equal(SSL_set_session(c, session), 1);
	return parts_meet(c, s);
}

void parts_talk(struct pair *p)
{
	char octet = 'x';

	assert_int_equal(SSL_write(p->server, &octet, 1), 1);
	assert_int_equal(SSL_read(p->client, &octet, 1), 1);
	assert_int_equal(SSL_write(p->client, &octet, 1), 1);
	assert_int_equal(SSL_read(p->server, &octet, 1), 1);
}

void parts_part(struct pair *p)
{
	/* Without an end the client would not offer the session again. */
	SSL_set_shutdown(p->client, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
	SSL_free(p->client);
	SSL_free(p->server);
}
