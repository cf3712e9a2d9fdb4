/* session_inside: what the files of a session share.  session.c owns the life and the order of
 * phases; session_front.c and session_back.c are the phases of each leg, one step function each.
 */
#ifndef RELAY_SESSION_INSIDE_H
#define RELAY_SESSION_INSIDE_H

#include <sys/socket.h>

#include "net/dial.h"
#include "net/proxy_header.h"
#include "net/starttls_server.h"
#include "pipe/couple.h"
#include "pipe/poller.h"
#include "relay/session.h"

/* What a step did; what it waits for stands in the opening; a jump has set the phase. */
enum step { STEP_NEXT, STEP_JUMP, STEP_WAIT, STEP_OVER };

enum phase {
	PHASE_PROXY_IN,
	PHASE_FRONT_STARTTLS,
	PHASE_FRONT_TLS,
	PHASE_CHOOSE,
	PHASE_DIAL,
	PHASE_PROXY_OUT,
	PHASE_BACK_STARTTLS,
	PHASE_BACK_TLS,
	PHASE_EQUIP, /* endpoints, with the protocol that they follow */
	PHASE_BACK_GREETING,
	PHASE_FRONT_GREETING,
	PHASE_COUPLED,
	PHASE_FAREWELL, /* of a connection that came to nothing */
	PHASE_OVER
};

struct session_leg {
	struct session *session;
	int fd; /* -1: none, or not ours any more */
	SSL *ssl;
	struct lw_stream *stream;
	union {
		struct endpoint base;
		struct endpoint_tls tls;
		struct endpoint_tcp plain; /* TCP or Unix */
	} endpoint;
	struct lw_verdict verdict; /* once it is over; of a TLS leg */
	bool is_tls, is_with_closer, has_verdict;
};

/* What only services with PROXY headers or STARTTLS need; large. */
struct dialogues {
	struct proxy_reader proxy;
	struct starttls_server server;
	struct starttls client;
	unsigned char out[PROXY_HEADER_V2_MAX]; /* of the PROXY header */
	size_t out_from, out_bytes;
	unsigned char greeting[1024]; /* the backend's, one too many behind STARTTLS */
	size_t greeting_bytes;
};

/* What is needed until both legs stand, and then goes. */
struct opening_state {
	struct session *session;
	struct polled polled;
	uv_timer_t timer;
	uint64_t until_ms;                   /* of the phase */
	uint64_t timer_ms;                   /* when the timer fires */
	struct dialogues *dialogues;         /* NULL: none was needed yet */
	struct sockaddr_storage destination; /* from the PROXY header; AF_UNSPEC: none */
	struct pool *pool;                   /* NULL before the service is known */
	struct pool_turn turn;
	struct pool_choice choice;
	struct pool_wait wait;
	bool has_choice, is_waiting_for_pool;
	struct dial dial;
	uint64_t dial_until_ms;
	struct failure failure; /* why the last backend is none */
};

struct session {
	struct session_host *host;
	struct session *next, **link;
	struct setup *setup;
	size_t listener, service; /* indices: where it came in, and which it became by name */
	struct session_leg front, back;
	struct opening_state *opening; /* NULL once it is coupled */
	struct couple *couple;
	struct sockaddr_storage client; /* from the PROXY header where there is one */
	const struct relay_place *server;
	const struct lw_profile *profile;
	char *reason, *sni, *alpn, *certificate;
	uint64_t began_ms;
	uint64_t farewell_until_ms;
	uint8_t phase; /* enum phase */
	uint8_t outcome;
	bool is_draining, has_facts, couple_is_over;
};

/* The service it belongs to, as it stands now. */
static inline const struct relay_service *session_service(const struct session *s)
{
	return s->setup->services[s->service].service;
}

/* Ends the opening: the outcome, and why, printf-like. */
enum step session_fail(struct session *s, enum outcome outcome, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Waits for events on a descriptor; or, with fd -1, for the phase's deadline or a callback. */
enum step session_wait(struct session *s, int fd, unsigned events);

/* Watches nothing any more, so that the descriptor may be closed. */
void session_unwatch(struct session *s);

/* Whether the pool is waited for. */
void session_wait_for_pool(struct session *s, bool waits);

/* Goes on, from a callback of the pool. */
void session_wake(void *context);

uint64_t session_now_ms(void);

/* Takes all steps that can be taken now. */
void session_go_on(struct session *s);

/* The memory of an opening.  False: there is none. */
LW_MUST_CHECK bool session_begin_opening(struct session *s);
void session_free_opening(struct session *s);

/* Makes the dialogues where there are none yet.  False: no memory. */
LW_MUST_CHECK bool session_has_dialogues(struct session *s);

/* Attaches a stream to leg->ssl with the service's policy; NULL with the outcome set: STEP_OVER. */
enum step session_attach(struct session *s, struct session_leg *leg);

/* Frees what a leg has, and closes its descriptor. */
void session_end_leg(struct session_leg *leg);

/* The steps. */
enum step session_proxy_in(struct session *s);
enum step session_front_starttls(struct session *s);
enum step session_front_tls(struct session *s);
enum step session_front_greeting(struct session *s);
enum step session_choose(struct session *s);
enum step session_dial(struct session *s);
enum step session_proxy_out(struct session *s);
enum step session_back_starttls(struct session *s);
enum step session_back_greeting(struct session *s);
enum step session_back_tls(struct session *s);

/* It has said nothing yet, though it is its turn. */
bool session_front_is_silent(const struct session *s);

/* A deadline passed in one of the phases of that leg. */
enum step session_front_expired(struct session *s);
enum step session_back_expired(struct session *s);

/* Keeps what the handshake told, before the TLS object goes. */
void session_note_facts(struct session *s);
void session_free_facts(struct session *s);

/* Writes the line in the log, and counts.  Both legs have hung up: their verdicts are there. */
void session_tell(struct session *s);

#endif
