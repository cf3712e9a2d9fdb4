/* endpoint_plain: what sockets without TLS have in common, for endpoint_tcp and endpoint_unix. */
#ifndef PIPE_ENDPOINT_PLAIN_H
#define PIPE_ENDPOINT_PLAIN_H

#include "pipe/endpoint.h"

struct endpoint_tcp *plain_of(struct endpoint *e);
enum endpoint_status plain_read(struct endpoint *e, void *buf, size_t cap, size_t *n);
enum endpoint_status plain_write(struct endpoint *e, const void *buf, size_t len, size_t *n);
enum endpoint_status plain_flush(struct endpoint *e);
enum endpoint_status plain_finish(struct endpoint *e);
enum endpoint_status plain_close(struct endpoint *e);
bool plain_hands_over(const struct endpoint *e);
enum half_ending plain_ending(const struct endpoint *e);
bool plain_is_complete(const struct endpoint *e);
void plain_watches(const struct endpoint *e, unsigned interest, struct endpoint_watch w[2]);
int plain_timeout_ms(struct endpoint *e, uint64_t now_ms);

/* Of a TCP socket, TLS on it or not: bytes not acknowledged (no more will be, where the connection
 * is gone), and the RST of the next close(2). */
uint64_t tcp_socket_unacknowledged(int fd, bool fin_sent, bool *may_change);
LW_MUST_CHECK bool tcp_socket_reset_on_close(int fd);

#endif
