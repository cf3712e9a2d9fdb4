/*
 * runner: one case: a subject reads from an adversary that ends as a row says,
 * in one version, over memory or loopback TCP.
 *
 * One thread alternates the two.  Time is virtual, a millisecond a turn, so a
 * run is the same every time; only a blocking descriptor brings the real clock
 * with it.
 */
#ifndef AUDIT_RUNNER_H
#define AUDIT_RUNNER_H

#include "adversary/adversary.h"
#include "adversary/endings.h"
#include "audit/subject.h"

struct audit_setup {
	const struct ending *ending;
	enum lw_version version;
	enum adversary_transport transport;
	enum subject_act act;
	bool after;    /* the subject comes in after the handshake, else before */
	bool blocking; /* sockets only */
	const struct subject *subject;
	const struct stack *stack;             /* NULL: OpenSSL */
	const struct certificate *certificate; /* of the adversary; NULL: a new one */
};

struct audit_result {
	bool ran;            /* else `trouble` says why there is no conclusion */
	const char *trouble; /* static */
	struct conclusion conclusion;
	struct exchange exchange;
	struct adversary_tally tally; /* what the adversary saw of the subject */
};

/* Runs the case to its end. */
void audit_run(const struct audit_setup *setup, struct audit_result *result);

/* Whether loopback TCP can be had; else only memory. */
bool audit_has_sockets(void);

#endif
