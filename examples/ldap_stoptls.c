/*
 * ldap_stoptls: asks an LDAP server under StartTLS, takes TLS off again, and sees what the server
 * does.
 *
 *     cc ldap_stoptls.c -o ldap_stoptls $(pkg-config --cflags --libs lastword-openssl)
 *     ./ldap_stoptls ldap.example.org 389 roots.pem
 *
 * RFC 4511 lets a server answer the closure of TLS by going on in the clear, or by closing the
 * connection (OpenLDAP's slapd does); either is proper only behind its close_notify, which
 * lw_unwrap() insists on.
 * Exit status: 0 TLS ended properly; 1 it did not, and standard error says why; 3 never connected.
 */
#include <lastword/openssl.h>
#include <lastword/profile.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

struct ldap {
	int fd;
	struct lw_stream *tls; /* NULL: in the clear */
};

/* LDAP messages as they stand on the wire; nothing here needs a library. */
static const unsigned char start_tls[] = "\x30\x1d\x02\x01\x01\x77\x18\x80\x16"
					 "1.3.6.1.4.1.1466.20037";
static const unsigned char ask_root[] =
    "\x30\x25\x02\x01\x02\x63\x20\x04\x00\x0a\x01\x00\x0a\x01\x00"
    "\x02\x01\x00\x02\x01\x00\x01\x01\x00\x87\x0b"
    "objectClass\x30\x00";
enum { EXTENDED_RESPONSE = 0x78, SEARCH_ENTRY = 0x64, SEARCH_DONE = 0x65 };

static enum lw_status get(struct ldap *c, unsigned char *buf, size_t left)
{
	enum lw_status status = LW_OK;

	if (!c->tls && left > 0)
		return recv(c->fd, buf, left, MSG_WAITALL) == (ssize_t)left ? LW_OK : LW_END;
	for (size_t n; status == LW_OK && left > 0; buf += n, left -= n)
		if ((status = lw_read(c->tls, buf, left, &n)) == LW_AGAIN)
			status = lw_wait(c->tls, LW_INTEREST_READ, -1);
	return status;
}

static bool put(struct ldap *c, const unsigned char *message, size_t left)
{
	enum lw_status status = LW_OK;

	if (!c->tls)
		return send(c->fd, message, left, MSG_NOSIGNAL) == (ssize_t)left;
	for (size_t n; status == LW_OK && left > 0; message += n, left -= n)
		if ((status = lw_write(c->tls, message, left, &n)) == LW_AGAIN)
			status = lw_wait(c->tls, LW_INTEREST_WRITE, -1);
	return status == LW_OK;
}

/* Reads one message of less than 128 bytes, no further; its kind, or 0. */
static int get_message(struct ldap *c)
{
	unsigned char message[2 + 127];

	if (get(c, message, 2) != LW_OK || message[0] != 0x30 || message[1] > 127 ||
	    message[1] < 4 || get(c, message + 2, message[1]) != LW_OK)
		return 0;
	printf("%s a message of kind %#x, %u bytes\n", c->tls ? "TLS  " : "clear", message[5],
	       message[1] + 2u);
	return message[5];
}

static bool search(struct ldap *c)
{
	return put(c, ask_root, sizeof(ask_root) - 1) && get_message(c) == SEARCH_ENTRY &&
	       get_message(c) == SEARCH_DONE;
}

/* Every answer has been read, so that nothing else may come under TLS. */
static bool stop_tls(struct ldap *c)
{
	struct lw_verdict verdict;
	enum lw_status status;
	unsigned char octet;
	char text[256];
	size_t n;

	while ((status = lw_unwrap(c->tls, NULL, 0, &n)) == LW_AGAIN)
		if (lw_read(c->tls, &octet, 1, &n) == LW_OK || /* a disconnection notice, say */
		    lw_wait(c->tls, LW_INTEREST_READ, -1) != LW_OK)
			break;
	lw_verdict(c->tls, &verdict);
	fprintf(stderr, "ldap_stoptls: %s\n", lw_verdict_sentence(&verdict, text, sizeof(text)));
	if (status == LW_OK)
		c->tls = NULL;
	else
		fprintf(stderr, "ldap_stoptls: not in the clear: %s\n", lw_unwrap_why(c->tls));
	return status == LW_OK;
}

static bool talk(SSL *ssl, int fd)
{
	struct ldap c = { fd, NULL };
	struct lw_stream *s;
	bool went_well;

	if (!put(&c, start_tls, sizeof(start_tls) - 1) || get_message(&c) != EXTENDED_RESPONSE)
		return false;
	s = c.tls = lw_openssl_attach(ssl, NULL, NULL);
	if (!s)
		return false;
	if (!search(&c))
		fprintf(stderr, "ldap_stoptls: no whole answer\n");
	went_well = stop_tls(&c);
	lw_free(s);
	if (went_well && !search(&c))
		fprintf(stderr,
		        "ldap_stoptls: the server closed the connection together with TLS\n");
	return went_well;
}

int main(int argc, char **argv)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	SSL *ssl = ctx ? SSL_new(ctx) : NULL;
	bool went_well;
	BIO *tcp;
	int fd;

	if (argc != 4 || !ssl || SSL_CTX_load_verify_file(ctx, argv[3]) != 1) {
		fprintf(stderr, "usage: ldap_stoptls HOST PORT ROOTS\n");
		return 2;
	}
	tcp = BIO_new_connect(argv[1]);
	if (!tcp || BIO_set_conn_port(tcp, argv[2]) != 1 || BIO_do_connect(tcp) != 1 ||
	    BIO_get_fd(tcp, &fd) < 0) {
		fprintf(stderr, "ldap_stoptls: cannot connect to %s port %s\n", argv[1], argv[2]);
		return 3;
	}
	SSL_set_bio(ssl, tcp, tcp);
	SSL_set_connect_state(ssl);
	SSL_set_verify(ssl, SSL_VERIFY_PEER, NULL);
	went_well = SSL_set1_host(ssl, argv[1]) == 1 && talk(ssl, fd);
	SSL_free(ssl);
	SSL_CTX_free(ctx);
	return went_well ? 0 : 1;
}
