/* grudge: see grudge.h. */
#include "grudge.h"

#include <errno.h>
#include <sys/socket.h>

static BIO_METHOD *method;

/* Every second call goes through, of reads and of writes each. */
static bool has_turn(struct grudge *g, unsigned *calls)
{
	g->refused = (*calls)++ % 2 == 0;
	g->refusals += g->refused;
	return !g->refused;
}

static int grudge_read(BIO *bio, char *buf, int cap)
{
	struct grudge *g = BIO_get_data(bio);
	ssize_t n;

	BIO_clear_retry_flags(bio);
	if (cap <= 0)
		return 0;
	if (!has_turn(g, &g->reads)) {
		BIO_set_retry_read(bio);
		return -1;
	}
	n = recv(g->fd, buf, 1, MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		BIO_set_retry_read(bio);
	return (int)n;
}

static int grudge_write(BIO *bio, const char *buf, int len)
{
	struct grudge *g = BIO_get_data(bio);
	ssize_t n;

	BIO_clear_retry_flags(bio);
	if (len <= 0)
		return 0;
	if ((g->holds_writes && g->writes_let == 0) || !has_turn(g, &g->writes)) {
		BIO_set_retry_write(bio);
		return -1;
	}
	n = send(g->fd, buf, 1, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		BIO_set_retry_write(bio);
	if (n > 0 && g->holds_writes)
		g->writes_let--;
	return (int)n;
}

static long grudge_ctrl(BIO *bio, int command, long number, void *pointer)
{
	(void)bio, (void)number, (void)pointer;
	return command == BIO_CTRL_FLUSH;
}

static int grudge_create(BIO *bio)
{
	BIO_set_init(bio, 1);
	return 1;
}

BIO *grudge_new(struct grudge *g)
{
	BIO *bio;

	if (!method)
		method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "grudge");
	if (!method || BIO_meth_set_read(method, grudge_read) != 1 ||
	    BIO_meth_set_write(method, grudge_write) != 1 ||
	    BIO_meth_set_ctrl(method, grudge_ctrl) != 1 ||
	    BIO_meth_set_create(method, grudge_create) != 1)
		return NULL;
	bio = BIO_new(method);
	if (bio)
		BIO_set_data(bio, g);
	return bio;
}
