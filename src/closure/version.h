/*
 * version: how the protocol versions differ in closure, one const row a
 * version, one column a rule.  No other code asks which version it is.
 */
#ifndef CLOSURE_VERSION_H
#define CLOSURE_VERSION_H

#include <lastword/verdict.h>

enum lw_on_peer_close {
	LW_ANSWER_AND_DISCARD, /* rules: answer-at-once, discard-pending-writes */
	LW_KEEP_WRITING        /* rules: half-close, no-forced-answer */
};

struct lw_version_row {
	const char *name;
	enum lw_version version;
	uint16_t wire; /* the number on the wire, 0 for none */
	enum lw_on_peer_close on_peer_close;
	bool half_close;                 /* rule: half-close */
	bool unclean_forbids_resumption; /* rules: unclean-end-forbids-resumption,
	                                    unclean-end-silent-13 */
	bool fatal_forbids_resumption;   /* rules: fatal-forbids-resumption,
	                                    discard-tickets-on-failure */
	bool level_ignored;              /* rules: level-ignored, error-at-any-level */
	bool unknown_alert_is_error;     /* rule: unknown-alert-is-error */
	bool alert_may_fragment;         /* rules: alerts-may-fragment, one-alert-per-record */
	bool alerts_may_share;           /* rules: alerts-may-fragment, one-alert-per-record */
	bool empty_alert_is_error;       /* rules: no-empty-alert, empty-alert-refused */
};

/* The row of a version; the row of LW_VERSION_UNKNOWN for a value out of range. */
const struct lw_version_row *lw_version_row(enum lw_version version);

/* The version of a number on the wire (0x0303 is TLS 1.2), or LW_VERSION_UNKNOWN. */
enum lw_version lw_version_of_wire(uint16_t wire);

#endif
