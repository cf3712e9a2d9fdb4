/*
 * server: takes one upload over TLS, writes it to standard output, and knows whether it is whole.
 *
 *     cc server.c -o server $(pkg-config --cflags --libs lastword-openssl)
 *     ./server 127.0.0.1:8443 certificate.pem key.pem >upload && echo whole
 *
 * An upload has no length here: only the client's close_notify proves that it is over.  In TLS 1.3
 * the client may still read after it, and is told what we got. Exit status: 0 whole; 1 cut or
 * failed, and standard error says how; 3 cannot listen.
 */
#include <lastword/openssl.h>
#include <stdio.h>

/* A connection of the first client that comes, the server's side. */
static SSL *take_client(SSL_CTX *ctx, const char *address)
{
	BIO *listener = BIO_new_accept(address), *tcp = NULL;
	SSL *ssl = SSL_new(ctx);

	if (listener && BIO_set_bind_mode(listener, BIO_BIND_REUSEADDR) == 1 &&
	    BIO_do_accept(listener) == 1) {
		fprintf(stderr, "server: listens on port %s\n", BIO_get_accept_port(listener));
		if (BIO_do_accept(listener) == 1)
			tcp = BIO_pop(listener);
	}
	BIO_free(listener);
	if (!tcp || !ssl) {
		BIO_free(tcp);
		SSL_free(ssl);
		return NULL;
	}
	SSL_set_bio(ssl, tcp, tcp);
	SSL_set_accept_state(ssl);
	return ssl;
}

static enum lw_status save(struct lw_stream *s, FILE *out)
{
	enum lw_status status = LW_OK;
	char buf[16384];

	for (size_t n; status == LW_OK; fwrite(buf, 1, n, out))
		if ((status = lw_read(s, buf, sizeof(buf), &n)) == LW_AGAIN)
			status = lw_wait(s, LW_INTEREST_READ, -1);
	return status;
}

static enum lw_status receive(SSL *ssl)
{
	struct lw_stream *s = lw_openssl_attach(ssl, NULL, NULL);
	struct lw_verdict verdict;
	enum lw_status status;
	char text[256];
	size_t n;

	if (!s)
		return LW_ERROR;
	status = save(s, stdout);
	if (status == LW_END) /* up to TLS 1.2 there is nobody left to hear it: LW_END again */
		(void)!lw_write(s, "whole\n", 6, &n);
	while (lw_close(s) == LW_AGAIN && lw_wait(s, 0, -1) == LW_OK)
		;
	lw_verdict(s, &verdict);
	fprintf(stderr, "server: %s\n", lw_verdict_sentence(&verdict, text, sizeof(text)));
	lw_free(s);
	return status;
}

int main(int argc, char **argv)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
	enum lw_status status;
	SSL *ssl;

	if (argc != 4 || !ctx || SSL_CTX_use_certificate_chain_file(ctx, argv[2]) != 1 ||
	    SSL_CTX_use_PrivateKey_file(ctx, argv[3], SSL_FILETYPE_PEM) != 1) {
		fprintf(stderr, "usage: server ADDRESS:PORT CERTIFICATE KEY\n");
		return 2;
	}
	ssl = take_client(ctx, argv[1]);
	if (!ssl) {
		fprintf(stderr, "server: cannot listen on %s\n", argv[1]);
		return 3;
	}
	status = receive(ssl);
	SSL_free(ssl);
	SSL_CTX_free(ctx);
	return status == LW_END && fflush(stdout) == 0 ? 0 : 1;
}
