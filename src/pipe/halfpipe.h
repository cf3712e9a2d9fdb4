/* halfpipe: one direction of a pipe or relay: one source, one sink, one ending.  The table here
 * says what a source's ending does to the sink, and what a broken sink does to the source.
 * Sans-I/O: it knows kinds and endings, no descriptor.
 *
 * What makes laundering impossible: no source ending without proof or tolerance gives HALF_FINISH,
 * and on a TLS sink not even a tolerated one does, since close_notify is a proof of ours: there the
 * sink gets as bare an end as the source had.
 */
#ifndef PIPE_HALFPIPE_H
#define PIPE_HALFPIPE_H

#include <lastword/stream.h>

/* What a source or sink is made of. */
enum half_kind { HALF_TLS, HALF_TCP, HALF_UNIX, HALF_STDIO, HALF_KINDS };

/* How a source ended. */
enum half_ending {
	HALF_OPEN,          /* not ended */
	HALF_TLS_CLOSED,    /* close_notify */
	HALF_TLS_TOLERATED, /* none, and the policy accepts that */
	HALF_TLS_IGNORED, /* close_notify behind bytes that came after our own, and were ignored */
	HALF_TLS_TRUNCATED, /* FIN or RST, not acceptable */
	HALF_TLS_ABORTED,   /* a fatal alert */
	HALF_TLS_FAILED,    /* anything else, our own deadline included */
	HALF_TCP_FIN,       /* all the end that TCP has */
	HALF_TCP_TRUNCATED, /* FIN inside a message, where FIN alone is not trusted */
	HALF_TCP_RESET,
	HALF_TCP_FAILED,
	HALF_UNIX_END, /* the same four of a Unix socket */
	HALF_UNIX_TRUNCATED,
	HALF_UNIX_RESET,
	HALF_UNIX_FAILED,
	HALF_STDIO_END,            /* end of file */
	HALF_STDIO_END_HALF_CLOSE, /* the same, and the person asked to tell the peer at once */
	HALF_STDIO_FAILED,
	HALF_ENDINGS
};

/* What happens to the sink once everything that was read is delivered to it. */
enum half_action {
	HALF_HOLD,   /* nothing: more may be said by other rules */
	HALF_FINISH, /* end it properly: close_notify, FIN, end of file */
	HALF_MIRROR, /* end it without a word, as the source was: FIN alone */
	HALF_ABORT,  /* end it so that it never looks like an end: fatal alert, RST */
	HALF_REPORT  /* it has no such mark: the exit status and the verdict tell */
};

/* What happens to the source when its sink takes no more. */
enum half_retreat {
	HALF_LEAVE, /* stop reading; there is nobody to tell */
	HALF_END    /* close it if what we had to say to it is said, else abort it */
};

/* The rule for a source's ending, which must not be HALF_OPEN. */
enum half_action half_action(enum half_ending ending, enum half_kind sink);

/* The rule for a broken sink. */
enum half_retreat half_retreat(enum half_kind sink, enum half_kind source);

/* The kind of source that ends so. */
enum half_kind half_kind_of(enum half_ending ending);

/* How the read side of a stream ended, as a source; HALF_OPEN while it has not. */
enum half_ending half_ending_of(const struct lw_verdict *verdict);

#endif
