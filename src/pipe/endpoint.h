/* endpoint: TLS, TCP and standard input and output behind one face, so that the pump moves bytes
 * without knowing between what.  Nothing here waits: "again" is an answer, and watches() says for
 * what to wait.  An endpoint borrows its descriptors and its stream.
 */
#ifndef PIPE_ENDPOINT_H
#define PIPE_ENDPOINT_H

#include <lastword/stream.h>

#include "pipe/halfpipe.h"

enum endpoint_status {
	ENDPOINT_OK,    /* done; for read and write: n > 0 bytes */
	ENDPOINT_AGAIN, /* wait, then call again */
	ENDPOINT_ENDED, /* read: ending() says how; write: it takes no more; close, abort: over */
	ENDPOINT_UNSUPPORTED /* finish: this endpoint cannot end one direction alone */
};

struct endpoint;

/* A descriptor and the lw_event set to wait for; fd -1 or events 0: nothing. */
struct endpoint_watch {
	int fd;
	unsigned events;
	bool is_shared; /* with other programs: its flags must be left alone */
};

struct endpoint_ops {
	enum half_kind kind;
	enum endpoint_status (*read)(struct endpoint *e, void *buf, size_t cap, size_t *n);
	enum endpoint_status (*write)(struct endpoint *e, const void *buf, size_t len, size_t *n);
	/* OK: what was written has left, as far as this endpoint can tell. */
	enum endpoint_status (*flush)(struct endpoint *e);
	/* Ends the write direction; reading goes on. */
	enum endpoint_status (*finish)(struct endpoint *e);
	/* Ends both directions, properly, or so that it never looks like an end. */
	enum endpoint_status (*close)(struct endpoint *e);
	enum endpoint_status (*abort)(struct endpoint *e);
	enum half_ending (*ending)(const struct endpoint *e);
	/* What was read is whole messages, and no request is unanswered. */
	bool (*is_complete)(const struct endpoint *e);
	/* What to wait for, given a set of lw_interest. */
	void (*watches)(const struct endpoint *e, unsigned interest, struct endpoint_watch w[2]);
	/* As lw_timeout_ms(). */
	int (*timeout_ms)(struct endpoint *e, uint64_t now_ms);
};

struct endpoint {
	const struct endpoint_ops *ops;
};

struct endpoint_tls {
	struct endpoint base;
	struct lw_stream *stream;
	int fd;
	bool has_more_to_do; /* it is ending, and waits for nothing: to be called again */
};

/* `fd` is the stream's socket. */
void endpoint_tls_init(struct endpoint_tls *e, struct lw_stream *stream, int fd);

struct endpoint_tcp {
	struct endpoint base;
	int fd;
	enum half_ending ending;
	bool finished, broken;
};

/* `fd` is a connected socket, TCP or Unix; an abort makes the owner's close(2) send a RST. */
void endpoint_tcp_init(struct endpoint_tcp *e, int fd);

struct endpoint_stdio {
	struct endpoint base;
	int in_fd, out_fd;
	bool crlf;       /* LF becomes CRLF on the way in; a CRLF stays one */
	bool half_close; /* the end of input is to be told at once */
	bool after_cr;
	enum half_ending ending;
	int in_error, out_error; /* errno, or 0 */
	bool is_inside_line;     /* what was written last is no LF */
};

/*
 * Files, pipes, terminals, sockets and devices, in whatever mode they are: their flags are shared
 * with other programs, and are left alone.  Either descriptor may be -1: nothing to read, or a sink
 * that takes nothing.  finish() and close() close no descriptor.
 */
void endpoint_stdio_init(struct endpoint_stdio *e, int in_fd, int out_fd);

/*
 * Fills descriptors 0 to 2 where the shell closed them: a socket on 1 would get our output.  To be
 * called before anything is opened.  Reading there gives the end, writing EBADF.
 */
LW_MUST_CHECK bool endpoint_stdio_hold(void);

#endif
