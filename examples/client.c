/*
 * client: asks for a page over TLS, writes it to standard output, and knows whether it is whole.
 *
 *     cc client.c -o client $(pkg-config --cflags --libs lastword-openssl)
 *     ./client example.org 443 /etc/ssl/certs/ca-certificates.crt / >page && echo whole
 *
 * The profile knows where an HTTP message ends: a page with a length that came in full is whole
 * even if the server then only hung up; one without a length needs the server's close_notify. Exit
 * status: 0 whole; 1 cut or failed, and standard error says how; 3 never connected.
 */
#include <lastword/openssl.h>
#include <lastword/profile.h>
#include <stdio.h>
#include <string.h>

/* OpenSSL is configured as ever; Lastword comes later and changes none of it. */
static SSL *dial(SSL_CTX *ctx, const char *host, const char *port)
{
	BIO *tcp = BIO_new_connect(host);
	SSL *ssl = SSL_new(ctx);

	if (!tcp || !ssl || BIO_set_conn_port(tcp, port) != 1 || BIO_do_connect(tcp) != 1 ||
	    SSL_set_tlsext_host_name(ssl, host) != 1 || SSL_set1_host(ssl, host) != 1) {
		BIO_free_all(tcp);
		SSL_free(ssl);
		return NULL;
	}
	SSL_set_bio(ssl, tcp, tcp);
	SSL_set_connect_state(ssl);
	return ssl;
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

static enum lw_status fetch(SSL *ssl, const char *host, const char *path)
{
	struct lw_stream *s = lw_openssl_attach(ssl, NULL, NULL);
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
	fprintf(stderr, "client: %s\n", lw_verdict_sentence(&verdict, text, sizeof(text)));
	lw_free(s);
	return status;
}

int main(int argc, char **argv)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	enum lw_status status;
	SSL *ssl;

	if (argc != 5 || !ctx || SSL_CTX_load_verify_file(ctx, argv[3]) != 1) {
		fprintf(stderr, "usage: client HOST PORT ROOTS PATH\n");
		return 2;
	}
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
	ssl = dial(ctx, argv[1], argv[2]);
	if (!ssl) {
		fprintf(stderr, "client: cannot connect to %s port %s\n", argv[1], argv[2]);
		return 3;
	}
	status = fetch(ssl, argv[1], argv[4]);
	SSL_free(ssl);
	SSL_CTX_free(ctx);
	return status == LW_END && fflush(stdout) == 0 ? 0 : 1;
}
