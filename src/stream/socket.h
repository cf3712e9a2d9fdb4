/*
 * socket: the calls on a connected stream socket, as results instead of errno.
 *
 * None blocks, none raises SIGPIPE, and none closes the descriptor.
 */
#ifndef STREAM_SOCKET_H
#define STREAM_SOCKET_H

#include <lastword/adapter.h>

/* As a transport's recv() and send(). */
LW_MUST_CHECK enum lw_io lw_socket_recv(int fd, void *buf, size_t cap, size_t *n, int *os_error);
LW_MUST_CHECK enum lw_io lw_socket_send(int fd, const void *buf, size_t len, size_t *n,
                                        int *os_error);

/* As lw_socket_recv(), into two places, the first of which is filled first. */
LW_MUST_CHECK enum lw_io lw_socket_recv_two(int fd, void *buf, size_t cap, void *rest,
                                            size_t rest_cap, size_t *n, size_t *rest_n,
                                            int *os_error);

/* As lw_socket_send(); what was taken may wait for what follows, a moment at most (Linux:
 * MSG_MORE). */
LW_MUST_CHECK enum lw_io lw_socket_send_more(int fd, const void *buf, size_t len, size_t *n,
                                             int *os_error);

/* Lets go what waits for more, where nothing follows after all. */
void lw_socket_push(int fd);

/* Something waits to be read: bytes, an end, or an error. */
bool lw_socket_has_input(int fd);

/* FIN; true: it is on its way.  And the end of both directions. */
LW_MUST_CHECK bool lw_socket_shut_write(int fd);
void lw_socket_end(int fd);

/* Bytes that the peer has not acknowledged, as far as the system tells; our FIN is none. */
uint64_t lw_socket_unacknowledged(int fd, bool fin_sent);

#endif
