/*
 * adapter.h: what stands between a TLS library and a stream.
 *
 * An adapter is one file: a const table of calls into the TLS library, and
 * callbacks of the TLS library that lead into lw_wire_*.  It decides nothing:
 * all policy is in the stream.  The stream gives it these promises:
 * - write() gets at most LW_ADAPTER_WRITE_MAX bytes, and none while flush()
 *   has not said LW_TLS_DONE;
 * - seal_close_notify() and seal_fatal() are not called again once they sealed or failed,
 *   never while a sealed record is half out, and never after each other;
 * - after LW_TLS_ENDED or LW_TLS_FAILED, and after the transport's ending was
 *   latched, no read or handshake call follows.
 * The wire hides the transport's endings from the TLS library: it answers
 * "would block" instead, and it takes small records whole, so that an alert
 * never stays half out inside the library.
 */
#ifndef LASTWORD_ADAPTER_H
#define LASTWORD_ADAPTER_H

#include <lastword/stream.h>

#ifdef __cplusplus
extern "C" {
#endif

#define LW_ADAPTER_WRITE_MAX 16384u

/* What passes under the TLS library, in both directions.  Part of a stream. */
struct lw_wire;

/* What a transport, or the wire, did. */
enum lw_io { LW_IO_OK, LW_IO_AGAIN, LW_IO_FIN, LW_IO_RESET, LW_IO_ERROR };

/*
 * A transport of the adapter's own, where there is no descriptor to use, or
 * where the application's own calls have to go through.  Both calls set `*n`
 * (0 unless LW_IO_OK), never block unless the transport does, and set
 * `*os_error` with LW_IO_ERROR; send() gives no LW_IO_FIN.
 */
struct lw_transport {
	enum lw_io (*recv)(void *context, void *buf, size_t cap, size_t *n, int *os_error);
	enum lw_io (*send)(void *context, const void *buf, size_t len, size_t *n, int *os_error);
	void *context;
};

/* What the TLS library did. */
enum lw_tls {
	LW_TLS_DONE,
	LW_TLS_WANTS_READ,
	LW_TLS_WANTS_WRITE,
	LW_TLS_WANTS_CALLER, /* a callback of the application asked for time: call again later */
	LW_TLS_ENDED,        /* the library saw a closure alert */
	LW_TLS_FAILED        /* it will not go on */
};

/*
 * Opens the peer's records when the TLS object has gone, so that a closer can authenticate the
 * peer's close_notify: keys, initialization vector and record number of the reading direction, as
 * far as the TLS library exports them.  The state is the caller's memory, who wipes it.
 */
struct lw_opener {
	size_t state_bytes;
	/*
	 * Fills `state` for the next record; asked when the library stands between two records and
	 * holds nothing unread.  false: not for this connection, and nothing was changed.
	 */
	bool (*take)(void *context, void *state);
	/*
	 * Opens one whole record of `len` bytes, its header included, in place: `*contents` and
	 * `*n` lie within it, `*type` is the content's own.  false: it is not the peer's, or
	 * nothing after it can be opened.
	 */
	bool (*open)(void *state, uint8_t *record, size_t len, uint8_t *type, uint8_t **contents,
	             size_t *n);
};

struct lw_adapter {
	const char *name; /* "openssl" */
	enum lw_tls (*handshake)(void *context);
	/* Reads at most `cap` bytes, at least one with LW_TLS_DONE. */
	enum lw_tls (*read)(void *context, void *buf, size_t cap, size_t *n);
	/* LW_TLS_DONE: data waits to be read; nothing is consumed. */
	enum lw_tls (*peek)(void *context);
	/*
	 * Seals one record.  LW_TLS_DONE: it left whole, `*n` bytes of it are the caller's.
	 * LW_TLS_WANTS_WRITE with `*n` > 0: sealed, and the library holds the rest of it;
	 * with `*n` 0: nothing was taken.
	 */
	enum lw_tls (*write)(void *context, const void *buf, size_t len, size_t *n);
	/* Goes on with a record that write() left half out. */
	enum lw_tls (*flush)(void *context);
	/*
	 * LW_TLS_DONE: sealed and handed to the wire; LW_TLS_FAILED: cannot be sealed.
	 * LW_TLS_WANTS_READ, LW_TLS_WANTS_WRITE: a later handshake of the library is in the
	 * way and nothing was sealed; read() or peek() brings it on, then this is called again.
	 */
	enum lw_tls (*seal_close_notify)(void *context);
	enum lw_tls (*seal_fatal)(void *context);
	/* Makes the session unusable for resumption; false: the library has no such call. */
	bool (*forget_session)(void *context);
	/* The version's number on the wire once the handshake is done, else 0. */
	uint16_t (*version)(void *context);
	/* Decrypted bytes that wait to be read. */
	size_t (*unread)(void *context);
	/* Undoes what attaching did to the TLS object.  The context's memory is the stream's. */
	void (*detach)(void *context);
	/*
	 * For the closer, which has become the owner of everything.  In place of detach(): drops
	 * the last reference to the TLS object, so that its memory goes now.  Sends nothing more,
	 * and neither shuts nor closes the descriptor, whatever the object was told to do with it;
	 * a session that may be resumed stays so.  The context is not used any more.  NULL: the
	 * adapter cannot, and the closer refuses its streams.
	 */
	void (*release)(void *context);
	/* NULL: the library exports no keys, and nobody can authenticate without the TLS object. */
	const struct lw_opener *opener;
};

/*
 * Makes a stream for `adapter` with `context_bytes` of zeroed memory of the
 * adapter's own, aligned for any type, reached by lw_stream_context().  With
 * `observing` the wire shows the transport's endings to the TLS library.  NULL: out of memory.
 */
LW_API LW_MUST_CHECK struct lw_stream *lw_stream_new(const struct lw_adapter *adapter,
                                                     size_t context_bytes,
                                                     const struct lw_options *options,
                                                     bool observing);
LW_API void *lw_stream_context(struct lw_stream *s);
LW_API struct lw_wire *lw_stream_wire(struct lw_stream *s);

/* Gives memory back after a refusal: like lw_free(), but detach() is not called. */
LW_API void lw_stream_drop(struct lw_stream *s);

/*
 * Says what the transport is: a connected stream socket, or a transport.  One of
 * them must be called before the first use.
 */
LW_API void lw_wire_use_fd(struct lw_wire *w, int fd);
LW_API void lw_wire_use_transport(struct lw_wire *w, const struct lw_transport *transport);

/* The TLS library already holds part of a record: places are unknown from now on. */
LW_API void lw_wire_lose_boundaries(struct lw_wire *w);

/*
 * And now it holds nothing any more: all that the wire gave it is used up, and it stands between
 * two records.  Places are known again.  For an adapter whose library reads no further than the
 * record under way even where the wire cannot see to it.
 */
LW_API void lw_wire_find_boundaries(struct lw_wire *w);

/*
 * For the TLS library's I/O callbacks.  LW_IO_OK with `*n` > 0, or LW_IO_AGAIN;
 * an observing wire gives the other answers too.  lw_wire_recv() reads no
 * further than the end of the record under way.
 */
LW_API LW_MUST_CHECK enum lw_io lw_wire_recv(struct lw_wire *w, void *buf, size_t cap, size_t *n);
LW_API LW_MUST_CHECK enum lw_io lw_wire_send(struct lw_wire *w, const void *buf, size_t len,
                                             size_t *n);

/*
 * From now on lw_wire_recv() makes up a record of impossible length instead of
 * reading, so that a TLS library without a call for it seals a fatal alert.
 */
LW_API void lw_wire_poison(struct lw_wire *w);

/* The TLS library received an alert, or sealed one; to be told as it happens. */
LW_API void lw_wire_alert_received(struct lw_wire *w, uint8_t level, uint8_t description);
LW_API void lw_wire_alert_sent(struct lw_wire *w, uint8_t level, uint8_t description);

/* Observing only: the handshake was done; a handshake message came after it. */
LW_API void lw_wire_observe_established(struct lw_wire *w);
LW_API void lw_wire_observe_handshake_message(struct lw_wire *w);

#ifdef __cplusplus
}
#endif
#endif
