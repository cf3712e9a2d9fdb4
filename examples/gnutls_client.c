/*
 * gnutls_client: the client of client.c on GnuTLS; only how a connection is configured differs.
 *
 *     cc gnutls_client.c -o gnutls_client $(pkg-config --cflags --libs lastword-gnutls)
 *     ./gnutls_client example.org 443 /etc/ssl/certs/ca-certificates.crt / >page && echo whole
 *
 * Exit status: 0 whole; 1 cut or failed, and standard error says how; 3 never connected.
 */
#include <lastword/gnutls.h>
#include <lastword/profile.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int dial(const char *host, const char *port)
{
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
	struct addrinfo *all = NULL;
	int fd = -1;

	if (getaddrinfo(host, port, &hints, &all) != 0)
		return -1;
	for (const struct addrinfo *one = all; one && fd < 0; one = one->ai_next) {
		fd = socket(one->ai_family, one->ai_socktype, one->ai_protocol);
		if (fd >= 0 && connect(fd, one->ai_addr, one->ai_addrlen) != 0) {
			close(fd);
			fd = -1;
		}
	}
	freeaddrinfo(all);
	return fd;
}

static enum lw_status send_all(struct lw_stream *s, const char *text, size_t left)
{
	enum lw_status status = LW_OK;

	for (size_t n; status == LW_OK && left > 0; text += n, left -= n)
		if ((status = lw_write(s, text, left, &n)) == LW_AGAIN)
			status = lw_wait(s, LW_INTEREST_WRITE, -1);
	return status;
}

/* LW_END: all of it came. */
static enum lw_status save(struct lw_stream *s, FILE *out)
{
	enum lw_status status = LW_OK;
	char buf[16384];

	for (size_t n; status == LW_OK; fwrite(buf, 1, n, out))
		if ((status = lw_read(s, buf, sizeof(buf), &n)) == LW_AGAIN)
			status = lw_wait(s, LW_INTEREST_READ, -1);
	return status;
}

static enum lw_status fetch(gnutls_session_t session, const char *host, const char *path)
{
	struct lw_stream *s = lw_gnutls_attach(session, NULL, NULL);
	enum lw_status status = LW_ERROR;
	struct lw_verdict verdict;
	char text[2048];
	int len;

	if (!s)
		return LW_ERROR;
	len = snprintf(text, sizeof(text), "GET %s HTTP/1.0\r\nHost: %s\r\n\r\n", path, host);
	if (len > 0 && (size_t)len < sizeof(text) &&
	    lw_use_profile(s, lw_profile_by_name("https"), LW_ROLE_CLIENT) == LW_OK &&
	    send_all(s, text, (size_t)len) == LW_OK)
		status = save(s, stdout);
	while (lw_close(s) == LW_AGAIN &&
	       lw_wait(s, 0, -1) == LW_OK) /* our own end is proper too */
		;
	lw_verdict(s, &verdict);
	fprintf(stderr, "gnutls_client: %s\n", lw_verdict_sentence(&verdict, text, sizeof(text)));
	lw_free(s);
	return status;
}

int main(int argc, char **argv)
{
	gnutls_certificate_credentials_t roots = NULL;
	gnutls_session_t session = NULL;
	enum lw_status status;
	int fd;

	if (argc != 5 || gnutls_certificate_allocate_credentials(&roots) != 0 ||
	    gnutls_certificate_set_x509_trust_file(roots, argv[3], GNUTLS_X509_FMT_PEM) < 1) {
		fprintf(stderr, "usage: gnutls_client HOST PORT ROOTS PATH\n");
		return 2;
	}
	fd = dial(argv[1], argv[2]);
	if (fd < 0 || gnutls_init(&session, GNUTLS_CLIENT) != 0 ||
	    gnutls_set_default_priority(session) != 0 ||
	    gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, roots) != 0) {
		fprintf(stderr, "gnutls_client: cannot connect to %s port %s\n", argv[1], argv[2]);
		return 3;
	}
	(void)gnutls_server_name_set(session, GNUTLS_NAME_DNS, argv[1], strlen(argv[1]));
	gnutls_session_set_verify_cert(session, argv[1], 0);
	gnutls_transport_set_int(session, fd);
	status = fetch(session, argv[1], argv[4]);
	gnutls_deinit(session);
	gnutls_certificate_free_credentials(roots);
	close(fd);
	return status == LW_END && fflush(stdout) == 0 ? 0 : 1;
}
