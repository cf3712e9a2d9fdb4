/* starttls_socket: a STARTTLS dialogue on a socket, as far as it goes without waiting. */
#ifndef NET_STARTTLS_SOCKET_H
#define NET_STARTTLS_SOCKET_H

#include "net/starttls.h"

enum starttls_socket_status {
	STARTTLS_SOCKET_OVER, /* s->status says how, and what had to be sent has left */
	STARTTLS_SOCKET_READ, /* wait until the socket is readable */
	STARTTLS_SOCKET_WRITE,
	STARTTLS_SOCKET_BROKEN /* errno says why */
};

/* Says and hears what can be said and heard now. */
LW_MUST_CHECK enum starttls_socket_status starttls_socket_talk(struct starttls *s, int fd);

#endif
