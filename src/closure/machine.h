/*
 * machine: the three machines of closure as const tables, state by input.
 *
 * read, write and transport stand in a fixed cascade: each event is fed to
 * the machines in that order, and after it each machine is told, as levels,
 * what the ones before it have reached.  A latched ending is checked before
 * the look-up and is no row, so every cell can be reached.  The tables come
 * as an argument, so that a test can run broken copies.
 */
#ifndef CLOSURE_MACHINE_H
#define CLOSURE_MACHINE_H

#include <lastword/verdict.h>

/* What the caller has to do, in this order. */
enum lw_action {
	LW_DO_DISCARD = 1 << 0,           /* drop what is not sealed yet */
	LW_DO_SEAL_CLOSE_NOTIFY = 1 << 1, /* seal close_notify and send it */
	LW_DO_SEAL_FATAL = 1 << 2,        /* seal a fatal alert and send it */
	LW_DO_IGNORE_INPUT = 1 << 3,      /* the data just received is not delivered, but counted */
	LW_DO_REPORT = 1 << 4,            /* the read side has ended: tell the application */
	LW_DO_FORGET = 1 << 5,            /* the session is not to be resumed */
	LW_DO_ARM_ENDING = 1 << 6,        /* start the deadline for the peer's ending */
	LW_DO_ARM_DRAIN = 1 << 7,         /* start the deadline for draining */
	LW_DO_SHUT_WRITE = 1 << 8,        /* shut the transport for writing (FIN) */
	LW_DO_END = 1 << 9,               /* end the transport */
	LW_DO_HAND_BACK = 1 << 10         /* hand the transport back */
};

enum lw_read_state {
	LW_READ_SHAKING,
	LW_READ_OPEN,
	LW_READ_COMPLETE,
	LW_READ_DISCARDING,
	LW_READ_STATES
};

enum lw_read_input {
	LW_R_ESTABLISHED,
	LW_R_DATA,
	LW_R_COMPLETE,
	LW_R_INCOMPLETE,
	LW_R_CLOSE_NOTIFY,
	LW_R_FATAL,
	LW_R_FIN,
	LW_R_RESET,
	LW_R_FAILED,
	LW_R_STOP,    /* the application reads no more */
	LW_R_ABANDON, /* nobody waits for the peer any more */
	LW_R_EXPIRE,
	LW_READ_INPUTS
};

enum lw_write_state {
	LW_WRITE_SHAKING,
	LW_WRITE_OPEN,
	LW_WRITE_FLUSHING, /* close_notify is due behind what is pending */
	LW_WRITE_CLOSING,  /* close_notify is sealed and on its way */
	LW_WRITE_ABORTING, /* a fatal alert is on its way */
	LW_WRITE_STATES
};

enum lw_write_input {
	LW_W_ESTABLISHED,
	LW_W_CLOSE,
	LW_W_ABORT,
	LW_W_FLUSHED, /* the alert left */
	LW_W_RESET,
	LW_W_ERROR,
	LW_W_ALERTED, /* the TLS library failed and sealed a fatal alert by itself */
	LW_W_FAILED,  /* the TLS library failed and sealed none */
	LW_W_EXPIRE,
	/* levels, told by the read machine and by the count of pending writes */
	LW_W_PEER_ABORTED,
	LW_W_READ_FAILED,
	LW_W_ANSWER, /* the peer closed, and the version wants an answer at once */
	LW_W_SEALED, /* nothing is pending */
	LW_WRITE_INPUTS
};

enum lw_transport_state {
	LW_TRANSPORT_OPEN,
	LW_TRANSPORT_PEER_ENDED,
	LW_TRANSPORT_CLOSING,
	LW_TRANSPORT_CLOSING_PEER_ENDED,
	LW_TRANSPORT_UNWRAPPING,
	LW_TRANSPORT_DRAINING,
	LW_TRANSPORT_STATES, /* the two below are final, and no rows */
	LW_TRANSPORT_CLOSED = LW_TRANSPORT_STATES,
	LW_TRANSPORT_HANDED_BACK
};

enum lw_transport_input {
	LW_T_CLOSE,
	LW_T_UNWRAP,
	LW_T_ABORT,
	LW_T_RESET,
	LW_T_DRAINED, /* the drain limit was passed */
	/* levels, told by the two machines before */
	LW_T_PEER_FIN,
	LW_T_BOTH_CLOSED,
	LW_T_SPOILT, /* a direction ended in another way than closed */
	LW_T_OVER,   /* nothing is left to wait for in either direction */
	LW_TRANSPORT_INPUTS
};

/* `next` is a state, or LW_LATCH + the ending that is latched. */
#define LW_LATCH 0x80u

struct lw_cell {
	uint16_t actions;
	uint8_t next;
};

struct lw_tables {
	struct lw_cell read[LW_READ_STATES][LW_READ_INPUTS];
	struct lw_cell write[LW_WRITE_STATES][LW_WRITE_INPUTS];
	struct lw_cell transport[LW_TRANSPORT_STATES][LW_TRANSPORT_INPUTS];
};

/* The tables that ship. */
extern const struct lw_tables lw_tables;

#endif
