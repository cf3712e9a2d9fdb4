/*
 * gnutls_transport: what stood below a session of GnuTLS before the stream: the application's
 * functions, as a transport for the wire, and such as GnuTLS has for a descriptor.  It includes
 * nothing but installed headers, and knows neither session nor stream.
 */
#include <errno.h>
#include <lastword/adapter.h>
#include <lastword/gnutls.h>
#include <string.h>
#include <sys/socket.h>

/* Its context is a struct lw_gnutls_functions. */
extern const struct lw_transport lw_gnutls_transport;
/* By a descriptor as it was set, and without ever blocking. */
extern const struct lw_gnutls_functions lw_gnutls_system, lw_gnutls_now;

static int error_of(const struct lw_gnutls_functions *own)
{
	return own->error ? own->error(own->pull_ptr) : errno;
}

static enum lw_io io_of(const struct lw_gnutls_functions *own, ssize_t did, size_t *n,
                        int *os_error)
{
	int error;

	*n = did > 0 ? (size_t)did : 0;
	if (did >= 0)
		return did > 0 ? LW_IO_OK : LW_IO_FIN;
	error = error_of(own);
	if (error == 0 || error == EAGAIN || error == EWOULDBLOCK)
		return LW_IO_AGAIN;
	if (error == ECONNRESET || error == EPIPE)
		return LW_IO_RESET;
	*os_error = error;
	return LW_IO_ERROR;
}

static enum lw_io own_recv(void *context, void *buf, size_t cap, size_t *n, int *os_error)
{
	const struct lw_gnutls_functions *own = context;
	ssize_t got;

	do {
		errno = 0;
		got = own->pull(own->pull_ptr, buf, cap);
	} while (got < 0 && error_of(own) == EINTR);
	return io_of(own, got, n, os_error);
}

static ssize_t push_one(const struct lw_gnutls_functions *own, const void *buf, size_t len)
{
	giovec_t piece = { .iov_base = NULL, .iov_len = len };

	if (own->push)
		return own->push(own->push_ptr, buf, len);
	memcpy(&piece.iov_base, &buf, sizeof buf); /* which drops the const */
	return own->vec_push(own->push_ptr, &piece, 1);
}

static enum lw_io own_send(void *context, const void *buf, size_t len, size_t *n, int *os_error)
{
	const struct lw_gnutls_functions *own = context;
	enum lw_io io;
	ssize_t put;

	do {
		errno = 0;
		put = push_one(own, buf, len);
	} while (put < 0 && error_of(own) == EINTR);
	io = io_of(own, put, n, os_error);
	return io == LW_IO_FIN ? LW_IO_AGAIN : io; /* it took nothing */
}

const struct lw_transport lw_gnutls_transport = { own_recv, own_send, NULL };

/* The system's functions, which GnuTLS has inside and does not give out */

static int fd_of(gnutls_transport_ptr_t ptr)
{
	return (int)(intptr_t)ptr;
}

static ssize_t system_pull(gnutls_transport_ptr_t ptr, void *buf, size_t cap)
{
	return recv(fd_of(ptr), buf, cap, 0);
}

static ssize_t system_push(gnutls_transport_ptr_t ptr, const void *buf, size_t len)
{
	return send(fd_of(ptr), buf, len, MSG_NOSIGNAL);
}

/* For two descriptors, one each way, which are a transport to the wire. */
static ssize_t pull_now(gnutls_transport_ptr_t ptr, void *buf, size_t cap)
{
	return recv(fd_of(ptr), buf, cap, MSG_DONTWAIT);
}

static ssize_t push_now(gnutls_transport_ptr_t ptr, const void *buf, size_t len)
{
	return send(fd_of(ptr), buf, len, MSG_DONTWAIT | MSG_NOSIGNAL);
}

const struct lw_gnutls_functions lw_gnutls_system = { .pull = system_pull, .push = system_push };
const struct lw_gnutls_functions lw_gnutls_now = { .pull = pull_now, .push = push_now };
