/*
 * ftp_ccc: logs in to an FTP server under TLS, takes TLS off again (CCC), and goes on in the clear.
 *
 *     cc ftp_ccc.c -o ftp_ccc $(pkg-config --cflags --libs lastword-openssl)
 *     ./ftp_ccc ftp.example.org 21 roots.pem USER PASSWORD
 *
 * The reply to CCC is the last thing under TLS; then both sides send close_notify, and only behind
 * the server's does the clear text begin.  lw_unwrap() gives the descriptor back at exactly that
 * byte, or refuses and says why: what came instead could be anybody's. Exit status: 0 all went
 * well; 1 something did not, and standard error says what; 3 never connected.
 */
#include <lastword/openssl.h>
#include <lastword/profile.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

struct control {
	int fd;
	struct lw_stream *tls; /* NULL: in the clear */
};

/* One byte at a time: behind the line that answers AUTH or CCC stands what is not ours to read. */
static bool get_octet(struct control *c, char *octet)
{
	enum lw_status status;
	size_t n;

	if (!c->tls)
		return recv(c->fd, octet, 1, 0) == 1;
	while ((status = lw_read(c->tls, octet, 1, &n)) == LW_AGAIN)
		if (lw_wait(c->tls, LW_INTEREST_READ, -1) != LW_OK)
			return false;
	return status == LW_OK;
}

static bool put(struct control *c, const char *text, size_t left)
{
	enum lw_status status = LW_OK;

	if (!c->tls)
		return send(c->fd, text, left, MSG_NOSIGNAL) == (ssize_t)left;
	for (size_t n; status == LW_OK && left > 0; text += n, left -= n)
		if ((status = lw_write(c->tls, text, left, &n)) == LW_AGAIN)
			status = lw_wait(c->tls, LW_INTEREST_WRITE, -1);
	return status == LW_OK;
}

/* Reads a reply of one line or of many ("220-" to "220 ") and prints it; true if it has `code`. */
static bool expect(struct control *c, const char *code)
{
	char line[512];
	size_t len;

	do {
		len = 0;
		do
			if (len == sizeof(line) - 1 || !get_octet(c, &line[len]))
				return false;
		while (line[len++] != '\n');
		line[len] = '\0';
		printf("%s %s", c->tls ? "TLS  " : "clear", line);
	} while (len < 4 || line[3] == '-' || line[0] == ' ');
	return strncmp(line, code, 3) == 0;
}

static bool command(struct control *c, const char *verb, const char *argument, const char *code)
{
	char line[512];
	const int len =
	    snprintf(line, sizeof(line), "%s%s%s\r\n", verb, *argument ? " " : "", argument);

	return len > 0 && (size_t)len < sizeof(line) && put(c, line, (size_t)len) &&
	       expect(c, code);
}

static void tell_end(const struct lw_stream *s)
{
	struct lw_verdict verdict;
	char text[256];

	lw_verdict(s, &verdict);
	fprintf(stderr, "ftp_ccc: %s\n", lw_verdict_sentence(&verdict, text, sizeof(text)));
}

/* Nothing may come under TLS behind the reply to CCC. */
static bool take_tls_off(struct control *c)
{
	enum lw_status status;
	char octet;
	size_t n;

	while ((status = lw_unwrap(c->tls, NULL, 0, &n)) == LW_AGAIN) {
		if (lw_read(c->tls, &octet, 1, &n) == LW_OK) {
			fprintf(stderr, "ftp_ccc: the server said more than its reply\n");
			return false;
		}
		if (lw_wait(c->tls, LW_INTEREST_READ, -1) != LW_OK)
			return false;
	}
	tell_end(c->tls);
	if (status == LW_OK)
		c->tls = NULL;
	else
		fprintf(stderr, "ftp_ccc: not in the clear: %s\n", lw_unwrap_why(c->tls));
	return status == LW_OK;
}

static bool talk(SSL *ssl, int fd, const char *user, const char *password)
{
	struct control c = { fd, NULL };
	struct lw_stream *s;
	bool went_well;

	if (!expect(&c, "220") || !command(&c, "AUTH", "TLS", "234"))
		return false;
	s = c.tls = lw_openssl_attach(ssl, NULL, NULL);
	if (!s)
		return false;
	went_well = command(&c, "USER", user, "331") && command(&c, "PASS", password, "230") &&
	            command(&c, "PBSZ", "0", "200") && command(&c, "CCC", "", "200");
	if (went_well)
		went_well = take_tls_off(&c) && command(&c, "PWD", "", "257") &&
		            command(&c, "QUIT", "", "221");
	else
		tell_end(s);
	lw_free(s);
	return went_well;
}

int main(int argc, char **argv)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	SSL *ssl = ctx ? SSL_new(ctx) : NULL;
	bool went_well;
	BIO *tcp;
	int fd;

	if (argc != 6 || !ssl || SSL_CTX_load_verify_file(ctx, argv[3]) != 1) {
		fprintf(stderr, "usage: ftp_ccc HOST PORT ROOTS USER PASSWORD\n");
		return 2;
	}
	tcp = BIO_new_connect(argv[1]);
	if (!tcp || BIO_set_conn_port(tcp, argv[2]) != 1 || BIO_do_connect(tcp) != 1 ||
	    BIO_get_fd(tcp, &fd) < 0) {
		fprintf(stderr, "ftp_ccc: cannot connect to %s port %s\n", argv[1], argv[2]);
		return 3;
	}
	SSL_set_bio(ssl, tcp, tcp);
	SSL_set_connect_state(ssl);
	SSL_set_verify(ssl, SSL_VERIFY_PEER, NULL);
	went_well = SSL_set1_host(ssl, argv[1]) == 1 && talk(ssl, fd, argv[4], argv[5]);
	SSL_free(ssl);
	SSL_CTX_free(ctx);
	return went_well ? 0 : 1;
}
