/* adversary: a TLS peer, client or server, that ends connections as a script of steps says.
 *
 * OpenSSL does its handshake; then it seals and opens records by itself and follows the script.
 * The core does no I/O: it is given bytes and the transport's end, and hands out bytes and requests
 * for FIN and RST.  Two pumps join it to a non-blocking socket or to a pair of memory BIOs; each
 * makes all the progress that is possible and returns, so that one thread can alternate adversary
 * and subject.  It reads no clock.  Everything both sides did is kept as an exchange.
 */
#ifndef ADVERSARY_ADVERSARY_H
#define ADVERSARY_ADVERSARY_H

#include <lastword/verdict.h>
#include <openssl/bio.h>

#include "adversary/steps.h"
#include "net/certificate.h"
#include "report/exchange.h"

struct adversary;

enum adversary_role { ADVERSARY_SERVER, ADVERSARY_CLIENT };

enum adversary_transport { ADVERSARY_MEMORY, ADVERSARY_SOCKET };

/* Zero is a good value of every member. */
struct adversary_options {
	enum adversary_role role;
	enum lw_version version;               /* the only one spoken; unknown: TLS 1.3 */
	const char *ciphers;                   /* to 1.2, OpenSSL's names; NULL: its own list */
	const char *suites;                    /* 1.3; NULL: its own list */
	bool no_encrypt_then_mac;              /* CBC: MAC, then encrypt */
	const struct certificate *certificate; /* server; borrowed; NULL: it makes one */
	const char *server_name;               /* client: SNI; NULL: none */
	const char *alpn;                      /* one protocol to offer or to choose; NULL: none */
	unsigned tickets;                      /* server, 1.3: tickets in the handshake */
	enum adversary_transport transport;
	int fd;                   /* socket: a connected one; the adversary owns it */
	const char *subject_name; /* for the exchange; NULL: "subject" */
	const char *name;         /* for the exchange; NULL: "adversary" */
};

enum adversary_status {
	ADVERSARY_WAITING, /* for the subject, or for adversary_resume() */
	ADVERSARY_DONE,    /* the script is over and the subject has ended, or RST was asked for */
	ADVERSARY_FAILED   /* adversary_reason() says why */
};

/* What the transport is to do once all bytes handed out have left. */
enum adversary_action { ADVERSARY_NONE, ADVERSARY_FIN, ADVERSARY_RST };

enum adversary_end { ADVERSARY_ENDED_FIN, ADVERSARY_ENDED_RST };

/* What the subject did, counted; the exchange has the order. */
struct adversary_tally {
	uint64_t data_bytes; /* application data */
	unsigned records;    /* whole ones after the handshake: data, alerts, tickets, KeyUpdate */
	unsigned alerts;
	unsigned close_notifies;
	unsigned fatals;    /* alerts at level fatal */
	uint8_t last_level; /* of the last alert */
	uint8_t last_description;
	unsigned after_closure; /* records after its close_notify or fatal alert */
	bool fin;               /* it ended the transport with FIN */
	bool rst;               /* or with RST */
	bool cut_inside;        /* FIN inside a record */
	bool unreadable;        /* a record could not be opened; what followed was not looked at */
	bool data_differs;      /* data was not the pattern of adversary_pattern() */
};

/*
 * A new adversary; `script` is borrowed.  NULL: out of memory, or OpenSSL refused the options.  On
 * a socket it sets the descriptor non-blocking and owns it, also when it fails.
 */
LW_MUST_CHECK struct adversary *adversary_new(const struct adversary_options *options,
                                              const struct adversary_script *script);

/* Closes the socket, if there is one, and frees.  NULL is allowed. */
void adversary_free(struct adversary *a);

/* The pumps: all possible progress, without blocking. */
enum adversary_status adversary_run(struct adversary *a); /* the socket */

/*
 * The memory: bytes go from the core to `to_subject` and from `from_subject` to the core.  What the
 * transport is to do comes back once in `*action`; the caller tells its subject.
 */
enum adversary_status adversary_run_memory(struct adversary *a, BIO *to_subject, BIO *from_subject,
                                           enum adversary_action *action);

/* What to poll the socket for: POLLIN, POLLOUT, or 0 when done. */
short adversary_poll_events(const struct adversary *a);

/* Runs a socket's adversary and polls until it is done, failed, or `limit_ms` passed. */
enum adversary_status adversary_run_until(struct adversary *a, int limit_ms);

/* The core. */
LW_MUST_CHECK bool adversary_give(struct adversary *a, const void *bytes, size_t len);
void adversary_give_end(struct adversary *a, enum adversary_end end); /* the subject's */
size_t adversary_take(struct adversary *a, void *buf, size_t cap);
enum adversary_action adversary_take_action(struct adversary *a); /* once, after the bytes */
enum adversary_status adversary_advance(struct adversary *a);

/* Lets a script go on that stands at STEP_SILENCE. */
void adversary_resume(struct adversary *a);

/* The time for the exchange, of the caller's clock. */
void adversary_set_time(struct adversary *a, uint64_t now_ms);

/* Why it failed: a static sentence, or OpenSSL's; "" if it did not. */
const char *adversary_reason(const struct adversary *a);

/* True once the handshake is done and the script has begun. */
bool adversary_is_scripted(const struct adversary *a);

/* True while the script stands at STEP_SILENCE, or is over. */
bool adversary_is_idle(const struct adversary *a);

enum lw_version adversary_version(const struct adversary *a);

/* Lets a context, the adversary's or its subject's, speak TLS 1.0 to 1.3 in this version alone,
 * with security level 0, or the old ones would not speak; false: OpenSSL refuses, or it is none of
 * them. */
bool adversary_set_version(SSL_CTX *ctx, enum lw_version version);
const struct adversary_tally *adversary_subject(const struct adversary *a);
const struct exchange *adversary_exchange(const struct adversary *a);

/* Application data that the script has sealed so far. */
uint64_t adversary_bytes_sent(const struct adversary *a);

/* The octet at `offset` of the data of STEP_DATA; a subject that answers with the same is checked.
 */
static inline uint8_t adversary_pattern(uint64_t offset)
{
	return (uint8_t)(offset * 7 + (offset >> 8));
}

#endif
