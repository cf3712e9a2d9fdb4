/* endpoint: TLS, TCP, Unix sockets and standard input and output behind one face, so that pump and
 * couple move bytes without knowing between what.  Nothing here waits: "again" is an answer, and
 * watches() says for what to wait.  An endpoint borrows its descriptors and its stream.
 */
#ifndef PIPE_ENDPOINT_H
#define PIPE_ENDPOINT_H

#include <lastword/closer.h>
#include <lastword/profile.h>

#include "framing/tracker.h"
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
	/* `has_more` of the endpoint then says whether more waits that no descriptor tells of. */
	enum endpoint_status (*read)(struct endpoint *e, void *buf, size_t cap, size_t *n);
	/* `len` 0: ENDED if it takes no more, else AGAIN. */
	enum endpoint_status (*write)(struct endpoint *e, const void *buf, size_t len, size_t *n);
	/* OK: what was written has left, as far as this endpoint can tell. */
	enum endpoint_status (*flush)(struct endpoint *e);
	/* Ends the write direction; reading goes on. */
	enum endpoint_status (*finish)(struct endpoint *e);
	/* The same without a word, where finish() has one: FIN alone. */
	enum endpoint_status (*leave)(struct endpoint *e);
	/* Ends both directions, properly (OK: what says so has left; ENDED: it could not), or so
	   that it never looks like an end. */
	enum endpoint_status (*close)(struct endpoint *e);
	enum endpoint_status (*abort)(struct endpoint *e);
	/* Has the owner's close(2) send a RST, where there is such a thing. */
	void (*reset)(struct endpoint *e);
	/* Bytes that the peer's system has not acknowledged; what did not leave us counts too.
	   `may_change`: it is worth while to ask again. */
	uint64_t (*unacknowledged)(struct endpoint *e, bool *may_change);
	/* close() will give the descriptor away, so that nobody may watch it any more. */
	bool (*hands_over)(const struct endpoint *e);
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
	bool has_more;         /* set by read() */
	bool gives_up_reading; /* by the user: how the peer ends matters no more */
};

struct endpoint_tls {
	struct endpoint base;
	struct lw_stream *stream; /* NULL once it was handed over */
	int fd;                   /* -1 likewise */
	bool has_more_to_do;      /* it is ending, and waits for nothing: to be called again */
	bool is_over;             /* close() or abort() came to their end */
	bool has_left;            /* leave() sent FIN */
	bool is_handed_over; /* the closer has stream, TLS object and descriptor, and will tell */
	struct lw_closer *closer; /* or NULL */
	void *tag;
	struct lw_verdict verdict; /* once it was handed over: as it was before */
};

/* `fd` is the stream's socket. */
void endpoint_tls_init(struct endpoint_tls *e, struct lw_stream *stream, int fd);

/*
 * Lets close() pass stream, TLS object and descriptor to a closer once the read side has ended, or
 * where the user gave up reading; `is_handed_over` then says that the closer tells the rest under
 * `tag`.  Where the closer refuses, close() is the stream's own.
 */
void endpoint_tls_use_closer(struct endpoint_tls *e, struct lw_closer *closer, void *tag);

/* A connected socket without TLS: TCP or Unix. */
struct endpoint_tcp {
	struct endpoint base;
	int fd;
	enum half_ending ending;
	bool finished, broken;
	int write_error; /* errno that broke it, or 0 */
	bool tracks, trusts_fin;
	struct lw_tracker tracker;
};

/* An abort makes the owner's close(2) send a RST. */
void endpoint_tcp_init(struct endpoint_tcp *e, int fd);

/*
 * A Unix socket has no RST: its peer sees ECONNRESET if it had sent what we have not read when the
 * owner's close(2) comes, else an end.  abort() gives AGAIN while such bytes are not there and the
 * peer still is: to be called again now and then.
 */
void endpoint_unix_init(struct endpoint_tcp *e, int fd);

/*
 * Follows messages, as lw_use_profile() does, so that is_complete() is known.  Unless FIN is
 * trusted, one that comes where the messages are not complete is HALF_TCP_TRUNCATED.
 */
void endpoint_tcp_use_profile(struct endpoint_tcp *e, const struct lw_profile *profile,
                              enum lw_role role, bool trusts_fin);

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
