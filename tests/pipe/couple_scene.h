/* couple_scene: a couple between two real peers, on one loop and one thread: adversaries where a
 * leg is TLS, a few steps of a socket where it is not.  What the peers saw is what is asserted.
 */
#ifndef TESTS_PIPE_COUPLE_SCENE_H
#define TESTS_PIPE_COUPLE_SCENE_H

#include <openssl/ssl.h>

#include "adversary/adversary.h"
#include "pipe/couple.h"

/* What a plain peer does, in order. */
enum plain_act {
	PLAIN_END, /* it reads on */
	PLAIN_SAY,
	PLAIN_AWAIT,       /* so many bytes in all */
	PLAIN_AWAIT_INPUT, /* something to read, which is not read */
	PLAIN_FIN,
	PLAIN_RST,
	PLAIN_CLOSE,
	PLAIN_AWAIT_END
};

struct plain_step {
	enum plain_act act;
	const char *text;
	size_t count;
};

struct leg_plan {
	enum half_kind kind;
	enum lw_version version; /* TLS */
	struct adversary_script tls;
	const struct plain_step *plain;
	const char *profile; /* or NULL */
	int receive_buffer;  /* the peer's; 0: the system's */
	int our_buffers;     /* both; 0: the system's */
	bool distrusts_fin;
	bool is_deaf; /* plain: reads nothing until the couple is over, or the test says so */
};

/* What many peers say, and one that says nothing and ends when it is told of an end. */
#define REQUEST "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nword"
#define ANSWER  "HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nlastword"

enum { LEN_REQUEST = sizeof REQUEST - 1, LEN_ANSWER = sizeof ANSWER - 1 };

extern const struct plain_step scene_obeys[3];
extern const struct leg_plan scene_plain_server;
extern const struct leg_plan scene_asking_client; /* in 1.3, and leaves the rest to the test */

struct scene_leg {
	const struct leg_plan *plan;
	bool is_front;
	int ours, theirs; /* -1 once closed, or somebody else's */
	struct endpoint_tls tls;
	struct endpoint_tcp plain;
	SSL_CTX *ctx;
	SSL *ssl;
	struct lw_stream *stream;
	struct lw_verdict verdict; /* when the couple was over */
	struct adversary *adversary;
	/* a plain peer, and what it saw */
	const struct plain_step *step;
	size_t said, got;
	char heard[4096];      /* the first of it */
	bool is_deaf, differs; /* differs: it is not the pattern of adversary_pattern() */
	bool saw_end, saw_reset, is_done;
};

struct scene {
	uv_loop_t loop;
	struct couple_scratch scratch;
	struct couple_options options;
	struct scene_leg front, back;
	struct couple *couple;
	struct couple_report report;
	struct lw_closer *closer;
	size_t scratch_bytes;
	bool is_over, is_freed;
};

/* Connects, shakes hands, and starts the couple; `options` may be changed before start. */
void scene_open(struct scene *s, const struct leg_plan *front, const struct leg_plan *back);
void scene_start(struct scene *s);

/* One round of everybody; waits for whom there is to wait for. */
void scene_turn(struct scene *s);

/* Until the client's peer has heard so many bytes. */
void scene_turn_until_heard(struct scene *s, size_t len);

/* Until the couple is over and the peers have seen it. */
void scene_run(struct scene *s);
/* Frees couple and endpoints, whatever is under way. */
void scene_abandon(struct scene *s);
void scene_close(struct scene *s);

/* The couple's own clock: its idle timeout has passed, its deadline has. */
void scene_pass_idle(struct scene *s);
void scene_pass_deadline(struct scene *s);

/* Sends the pattern as the socket takes it; gives how much of it has been sent in all. */
size_t scene_feed(int fd, size_t sent, size_t all);
void scene_reset_peer(struct scene_leg *l);

/* How a leg's peer was ended. */
enum seen { SEEN_NOTHING, SEEN_FINISH, SEEN_BARE, SEEN_ABORT };
enum seen scene_seen(const struct scene_leg *l);
size_t scene_heard(const struct scene_leg *l);

#endif
