/* machine: the tables.  Every cell is written out; a test walks them all. */
#include "closure/machine.h"

/* clang-format off */
#define GO(state)          { 0, state }
#define DO(actions, state) { actions, state }
#define LATCH(ending)      { 0, LW_LATCH | LW_ENDING_##ending }
#define ENDS(ending)       { LW_DO_REPORT, LW_LATCH | LW_ENDING_##ending }
#define DROPS(ending)      { LW_DO_DISCARD, LW_LATCH | LW_ENDING_##ending }

const struct lw_tables lw_tables = {
.read = {
	[LW_READ_SHAKING] = {
		[LW_R_ESTABLISHED]  = GO(LW_READ_OPEN),
		[LW_R_DATA]         = GO(LW_READ_SHAKING),
		[LW_R_COMPLETE]     = GO(LW_READ_SHAKING),
		[LW_R_INCOMPLETE]   = GO(LW_READ_SHAKING),
		[LW_R_CLOSE_NOTIFY] = ENDS(FAILED),    /* rule: closure-before-keys-unauthenticated */
		[LW_R_FATAL]        = ENDS(ABORTED),
		[LW_R_FIN]          = ENDS(TRUNCATED),
		[LW_R_RESET]        = ENDS(RESET),
		[LW_R_FAILED]       = ENDS(FAILED),
		[LW_R_STOP]         = ENDS(ABANDONED), /* there is no proper end before the handshake is done */
		[LW_R_ABANDON]      = ENDS(ABANDONED),
		[LW_R_EXPIRE]       = ENDS(EXPIRED),
	},
	[LW_READ_OPEN] = {
		[LW_R_ESTABLISHED]  = GO(LW_READ_OPEN),
		[LW_R_DATA]         = GO(LW_READ_OPEN),
		[LW_R_COMPLETE]     = GO(LW_READ_COMPLETE),
		[LW_R_INCOMPLETE]   = GO(LW_READ_OPEN),
		[LW_R_CLOSE_NOTIFY] = ENDS(CLOSED),    /* rule: end-of-data-on-close-notify */
		[LW_R_FATAL]        = ENDS(ABORTED),   /* rule: no-io-after-received-error */
		[LW_R_FIN]          = ENDS(TRUNCATED), /* rule: truncation-undecidable */
		[LW_R_RESET]        = ENDS(RESET),     /* rules: tcp-end-kind-reported, forged-reset-detected-only */
		[LW_R_FAILED]       = ENDS(FAILED),    /* rule: bad-record-is-error */
		[LW_R_STOP]         = GO(LW_READ_DISCARDING),
		[LW_R_ABANDON]      = ENDS(ABANDONED), /* rule: early-read-close-risks-truncation */
		[LW_R_EXPIRE]       = ENDS(EXPIRED),
	},
	[LW_READ_COMPLETE] = { /* rule: framed-message-survives */
		[LW_R_ESTABLISHED]  = GO(LW_READ_COMPLETE),
		[LW_R_DATA]         = GO(LW_READ_OPEN),
		[LW_R_COMPLETE]     = GO(LW_READ_COMPLETE),
		[LW_R_INCOMPLETE]   = GO(LW_READ_OPEN),
		[LW_R_CLOSE_NOTIFY] = ENDS(CLOSED),
		[LW_R_FATAL]        = ENDS(ABORTED),
		[LW_R_FIN]          = ENDS(TRUNCATED),
		[LW_R_RESET]        = ENDS(RESET),
		[LW_R_FAILED]       = ENDS(FAILED),
		[LW_R_STOP]         = GO(LW_READ_DISCARDING),
		[LW_R_ABANDON]      = ENDS(ABANDONED),
		[LW_R_EXPIRE]       = ENDS(EXPIRED),
	},
	[LW_READ_DISCARDING] = { /* rule: ignore-after-closure */
		[LW_R_ESTABLISHED]  = GO(LW_READ_DISCARDING),
		[LW_R_DATA]         = DO(LW_DO_IGNORE_INPUT, LW_READ_DISCARDING),
		[LW_R_COMPLETE]     = GO(LW_READ_DISCARDING),
		[LW_R_INCOMPLETE]   = GO(LW_READ_DISCARDING),
		[LW_R_CLOSE_NOTIFY] = ENDS(CLOSED),
		[LW_R_FATAL]        = ENDS(ABORTED),
		[LW_R_FIN]          = ENDS(TRUNCATED),
		[LW_R_RESET]        = ENDS(RESET),
		[LW_R_FAILED]       = ENDS(FAILED),
		[LW_R_STOP]         = GO(LW_READ_DISCARDING),
		[LW_R_ABANDON]      = ENDS(ABANDONED),
		[LW_R_EXPIRE]       = ENDS(EXPIRED),
	},
},
.write = {
	[LW_WRITE_SHAKING] = {
		[LW_W_ESTABLISHED]  = GO(LW_WRITE_OPEN),
		[LW_W_CLOSE]        = LATCH(ABANDONED),
		[LW_W_ABORT]        = LATCH(ABANDONED),
		[LW_W_FLUSHED]      = GO(LW_WRITE_SHAKING),
		[LW_W_RESET]        = LATCH(RESET),
		[LW_W_ERROR]        = LATCH(FAILED),
		[LW_W_ALERTED]      = GO(LW_WRITE_ABORTING), /* rule: send-defined-fatal */
		[LW_W_FAILED]       = LATCH(FAILED),
		[LW_W_EXPIRE]       = LATCH(EXPIRED),
		[LW_W_PEER_ABORTED] = LATCH(ABORTED),
		[LW_W_READ_FAILED]  = LATCH(FAILED),
		[LW_W_ANSWER]       = GO(LW_WRITE_SHAKING),
		[LW_W_SEALED]       = GO(LW_WRITE_SHAKING),
	},
	[LW_WRITE_OPEN] = {
		[LW_W_ESTABLISHED]  = GO(LW_WRITE_OPEN),
		[LW_W_CLOSE]        = GO(LW_WRITE_FLUSHING), /* rule: flush-then-answer */
		[LW_W_ABORT]        = DO(LW_DO_DISCARD | LW_DO_SEAL_FATAL, LW_WRITE_ABORTING), /* rule: error-alerts-sent-fatal */
		[LW_W_FLUSHED]      = GO(LW_WRITE_OPEN),
		[LW_W_RESET]        = DROPS(RESET),
		[LW_W_ERROR]        = DROPS(FAILED),
		[LW_W_ALERTED]      = DO(LW_DO_DISCARD, LW_WRITE_ABORTING),
		[LW_W_FAILED]       = DROPS(FAILED),
		[LW_W_EXPIRE]       = DROPS(EXPIRED),
		[LW_W_PEER_ABORTED] = DROPS(ABORTED),               /* rule: close-at-once-on-fatal */
		/* what failed by our judgement, not the library's; rules: refuse-warning-with-fatal, send-defined-fatal,
		 * send-fatal-if-possible */
		[LW_W_READ_FAILED]  = DO(LW_DO_DISCARD | LW_DO_SEAL_FATAL, LW_WRITE_ABORTING),
		[LW_W_ANSWER]       = DO(LW_DO_DISCARD, LW_WRITE_FLUSHING), /* rules: answer-at-once, discard-pending-writes */
		[LW_W_SEALED]       = GO(LW_WRITE_OPEN),
	},
	[LW_WRITE_FLUSHING] = {
		[LW_W_ESTABLISHED]  = GO(LW_WRITE_FLUSHING),
		[LW_W_CLOSE]        = GO(LW_WRITE_FLUSHING),
		[LW_W_ABORT]        = DO(LW_DO_DISCARD | LW_DO_SEAL_FATAL, LW_WRITE_ABORTING),
		[LW_W_FLUSHED]      = GO(LW_WRITE_FLUSHING),
		[LW_W_RESET]        = DROPS(RESET),
		[LW_W_ERROR]        = DROPS(FAILED),
		[LW_W_ALERTED]      = DO(LW_DO_DISCARD, LW_WRITE_ABORTING),
		[LW_W_FAILED]       = DROPS(FAILED),
		[LW_W_EXPIRE]       = DROPS(EXPIRED),               /* no close_notify behind our own loss */
		[LW_W_PEER_ABORTED] = DROPS(ABORTED),
		[LW_W_READ_FAILED]  = DO(LW_DO_DISCARD | LW_DO_SEAL_FATAL, LW_WRITE_ABORTING),
		[LW_W_ANSWER]       = DO(LW_DO_DISCARD, LW_WRITE_FLUSHING), /* rule: discard-pending-writes */
		[LW_W_SEALED]       = DO(LW_DO_SEAL_CLOSE_NOTIFY, LW_WRITE_CLOSING), /* rule: send-before-closing */
	},
	[LW_WRITE_CLOSING] = { /* rule: nothing-after-own-closure */
		[LW_W_ESTABLISHED]  = GO(LW_WRITE_CLOSING),
		[LW_W_CLOSE]        = GO(LW_WRITE_CLOSING),
		[LW_W_ABORT]        = LATCH(ABANDONED),
		[LW_W_FLUSHED]      = LATCH(CLOSED),
		[LW_W_RESET]        = LATCH(RESET),
		[LW_W_ERROR]        = LATCH(FAILED),
		[LW_W_ALERTED]      = GO(LW_WRITE_CLOSING),
		[LW_W_FAILED]       = GO(LW_WRITE_CLOSING),
		[LW_W_EXPIRE]       = LATCH(EXPIRED),
		[LW_W_PEER_ABORTED] = LATCH(ABORTED),
		[LW_W_READ_FAILED]  = GO(LW_WRITE_CLOSING),
		[LW_W_ANSWER]       = GO(LW_WRITE_CLOSING),
		[LW_W_SEALED]       = GO(LW_WRITE_CLOSING),
	},
	[LW_WRITE_ABORTING] = { /* rules: no-close-notify-after-own-fatal, no-data-after-own-error */
		[LW_W_ESTABLISHED]  = GO(LW_WRITE_ABORTING),
		[LW_W_CLOSE]        = GO(LW_WRITE_ABORTING),
		[LW_W_ABORT]        = GO(LW_WRITE_ABORTING),
		[LW_W_FLUSHED]      = LATCH(ABORTED),
		[LW_W_RESET]        = LATCH(RESET),
		[LW_W_ERROR]        = LATCH(FAILED),
		[LW_W_ALERTED]      = GO(LW_WRITE_ABORTING),
		[LW_W_FAILED]       = LATCH(FAILED),
		[LW_W_EXPIRE]       = LATCH(EXPIRED),
		[LW_W_PEER_ABORTED] = LATCH(ABORTED),
		[LW_W_READ_FAILED]  = GO(LW_WRITE_ABORTING),
		[LW_W_ANSWER]       = GO(LW_WRITE_ABORTING),
		[LW_W_SEALED]       = GO(LW_WRITE_ABORTING),
	},
},
.transport = {
	[LW_TRANSPORT_OPEN] = {
		[LW_T_CLOSE]       = DO(LW_DO_ARM_ENDING, LW_TRANSPORT_CLOSING),
		[LW_T_UNWRAP]      = DO(LW_DO_ARM_ENDING, LW_TRANSPORT_UNWRAPPING),
		[LW_T_ABORT]       = DO(LW_DO_ARM_ENDING, LW_TRANSPORT_CLOSING),
		[LW_T_RESET]       = DO(LW_DO_END, LW_TRANSPORT_CLOSED),
		[LW_T_DRAINED]     = GO(LW_TRANSPORT_OPEN),
		[LW_T_PEER_FIN]    = GO(LW_TRANSPORT_PEER_ENDED),
		[LW_T_BOTH_CLOSED] = GO(LW_TRANSPORT_OPEN),
		[LW_T_SPOILT]      = GO(LW_TRANSPORT_OPEN),
		[LW_T_OVER]        = GO(LW_TRANSPORT_OPEN),
	},
	[LW_TRANSPORT_PEER_ENDED] = {
		[LW_T_CLOSE]       = DO(LW_DO_ARM_ENDING, LW_TRANSPORT_CLOSING_PEER_ENDED),
		[LW_T_UNWRAP]      = DO(LW_DO_ARM_ENDING, LW_TRANSPORT_UNWRAPPING),
		[LW_T_ABORT]       = DO(LW_DO_ARM_ENDING, LW_TRANSPORT_CLOSING_PEER_ENDED),
		[LW_T_RESET]       = DO(LW_DO_END, LW_TRANSPORT_CLOSED),
		[LW_T_DRAINED]     = GO(LW_TRANSPORT_PEER_ENDED),
		[LW_T_PEER_FIN]    = GO(LW_TRANSPORT_PEER_ENDED),
		[LW_T_BOTH_CLOSED] = GO(LW_TRANSPORT_PEER_ENDED),
		[LW_T_SPOILT]      = GO(LW_TRANSPORT_PEER_ENDED),
		[LW_T_OVER]        = GO(LW_TRANSPORT_PEER_ENDED),
	},
	[LW_TRANSPORT_CLOSING] = {
		[LW_T_CLOSE]       = GO(LW_TRANSPORT_CLOSING),
		[LW_T_UNWRAP]      = GO(LW_TRANSPORT_CLOSING),
		[LW_T_ABORT]       = GO(LW_TRANSPORT_CLOSING),
		[LW_T_RESET]       = DO(LW_DO_END, LW_TRANSPORT_CLOSED),
		[LW_T_DRAINED]     = GO(LW_TRANSPORT_CLOSING),
		[LW_T_PEER_FIN]    = GO(LW_TRANSPORT_CLOSING_PEER_ENDED),
		[LW_T_BOTH_CLOSED] = GO(LW_TRANSPORT_CLOSING),
		[LW_T_SPOILT]      = GO(LW_TRANSPORT_CLOSING),
		/* rules: transport-delivers-on-close, tcp-reset-on-unread */
		[LW_T_OVER]        = DO(LW_DO_SHUT_WRITE | LW_DO_ARM_DRAIN, LW_TRANSPORT_DRAINING),
	},
	[LW_TRANSPORT_CLOSING_PEER_ENDED] = {
		[LW_T_CLOSE]       = GO(LW_TRANSPORT_CLOSING_PEER_ENDED),
		[LW_T_UNWRAP]      = GO(LW_TRANSPORT_CLOSING_PEER_ENDED),
		[LW_T_ABORT]       = GO(LW_TRANSPORT_CLOSING_PEER_ENDED),
		[LW_T_RESET]       = DO(LW_DO_END, LW_TRANSPORT_CLOSED),
		[LW_T_DRAINED]     = GO(LW_TRANSPORT_CLOSING_PEER_ENDED),
		[LW_T_PEER_FIN]    = GO(LW_TRANSPORT_CLOSING_PEER_ENDED),
		[LW_T_BOTH_CLOSED] = GO(LW_TRANSPORT_CLOSING_PEER_ENDED),
		[LW_T_SPOILT]      = GO(LW_TRANSPORT_CLOSING_PEER_ENDED),
		[LW_T_OVER]        = DO(LW_DO_END, LW_TRANSPORT_CLOSED),
	},
	[LW_TRANSPORT_UNWRAPPING] = { /* rules: await-peer-before-reuse, await-peer-before-end-of-data */
		[LW_T_CLOSE]       = GO(LW_TRANSPORT_CLOSING),
		[LW_T_UNWRAP]      = GO(LW_TRANSPORT_UNWRAPPING),
		[LW_T_ABORT]       = GO(LW_TRANSPORT_CLOSING),
		[LW_T_RESET]       = DO(LW_DO_END, LW_TRANSPORT_CLOSED),
		[LW_T_DRAINED]     = GO(LW_TRANSPORT_UNWRAPPING),
		[LW_T_PEER_FIN]    = GO(LW_TRANSPORT_UNWRAPPING),
		[LW_T_BOTH_CLOSED] = DO(LW_DO_HAND_BACK, LW_TRANSPORT_HANDED_BACK),
		[LW_T_SPOILT]      = GO(LW_TRANSPORT_CLOSING),
		[LW_T_OVER]        = GO(LW_TRANSPORT_UNWRAPPING),
	},
	[LW_TRANSPORT_DRAINING] = {
		[LW_T_CLOSE]       = GO(LW_TRANSPORT_DRAINING),
		[LW_T_UNWRAP]      = GO(LW_TRANSPORT_DRAINING),
		[LW_T_ABORT]       = GO(LW_TRANSPORT_DRAINING),
		[LW_T_RESET]       = DO(LW_DO_END, LW_TRANSPORT_CLOSED),
		[LW_T_DRAINED]     = DO(LW_DO_END, LW_TRANSPORT_CLOSED),
		[LW_T_PEER_FIN]    = DO(LW_DO_END, LW_TRANSPORT_CLOSED),
		[LW_T_BOTH_CLOSED] = GO(LW_TRANSPORT_DRAINING),
		[LW_T_SPOILT]      = GO(LW_TRANSPORT_DRAINING),
		[LW_T_OVER]        = GO(LW_TRANSPORT_DRAINING),
	},
},
};
