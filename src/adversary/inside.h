/* inside: what the files of the adversary share, and nobody else sees. */
#ifndef ADVERSARY_INSIDE_H
#define ADVERSARY_INSIDE_H

#include <openssl/ssl.h>

#include "adversary/adversary.h"
#include "adversary/bytes.h"
#include "record/takeover.h"

enum phase { PHASE_HANDSHAKE, PHASE_SCRIPT, PHASE_OVER, PHASE_FAILED };

struct adversary {
	struct adversary_options options;
	const struct adversary_script *script;
	enum phase phase;
	struct certificate *own_certificate;
	SSL_CTX *ctx;
	SSL *ssl; /* for the handshake only; its BIOs are memory */
	struct keylog keylog;
	struct takeover *takeover;
	enum takeover_side ours, theirs;
	struct bytes in;  /* from the subject, not yet opened */
	struct bytes own; /* of our handshake, not yet followed */
	struct bytes out; /* to the subject */
	const struct adversary_step *step;
	uint64_t progress; /* within the step */
	uint64_t sent_bytes;
	bool resumed;
	bool deaf;
	bool seen_record; /* the subject has sent a whole record */
	bool owes_update;
	bool sent_closure;
	bool sent_fin;
	enum adversary_action action; /* asked for, not yet taken */
	bool was_reset;               /* we took the action RST */
	bool cannot_write;
	struct adversary_tally tally;
	bool tally_closed;
	uint8_t half_alert[2];
	size_t half_alert_bytes;
	struct exchange exchange;
	uint64_t now_ms;
	char reason[160];
	int fd; /* -1: none */
};

#define SIDE_SUBJECT   EXCHANGE_LEFT
#define SIDE_ADVERSARY EXCHANGE_RIGHT

/* Bytes that may wait for the transport before a step makes more of them. */
enum { OUT_HIGH_BYTES = 64 * 1024 };

/* handshake.c */
LW_MUST_CHECK bool handshake_begin(struct adversary *a);
void handshake_continue(struct adversary *a);
void handshake_end(struct adversary *a);

/* observe.c: opens what the subject sent and notes it. */
void observe_records(struct adversary *a);
void observe_end(struct adversary *a, enum adversary_end end);

/* script.c: true if it got anywhere. */
bool script_advance(struct adversary *a);

/* adversary.c */
void adversary_fail(struct adversary *a, const char *reason);

#endif
