/*
 * side: one end of a connection in the exhaustive check: a real engine, the most general
 * application above it, and below it a stack as small as an honest one can be.
 *
 * The stack accepts messages while the engine may write, seals them in order, may get stuck
 * with half a record out, appends the alerts that the engine asks for, and shuts or ends the
 * transport when told.  Every event goes through side_event(), which compares the engine with
 * the reference and asserts what must hold at each step.
 */
#ifndef TESTS_MODEL_SIDE_H
#define TESTS_MODEL_SIDE_H

#include "tests/model/reference.h"

#include "report/exchange.h"

/* What is under way to a side, in this order; records are units. */
struct flow {
	unsigned hello;     /* what ends the handshake */
	unsigned messages;  /* whole records of application data */
	enum word alert;    /* then an alert */
	unsigned plaintext; /* then a byte in the clear, after TLS */
	enum lw_place fin;  /* then a FIN, after a boundary or inside a record */
	bool reset;         /* then an RST */
	bool cut, torn;     /* a fault cut it, or reset it: nothing more gets in */
	unsigned delivered; /* messages that the application was given */
};

struct side {
	struct lw_engine e;
	unsigned unsealed; /* messages accepted, not sealed */
	bool half;         /* a sealed record is half out */
	enum word out;     /* an alert that is sealed and has not left */
	enum word said;    /* an alert that was sealed */
	bool left;         /* and it left */
	bool shut;         /* our FIN was sent */
	unsigned accepted; /* messages accepted from the application */
	bool called;       /* the application called close or unwrap */
	bool aborted;      /* it called abort before close_notify was sealed */
	bool lost;         /* writes were dropped, and not because the peer had closed */
	struct flow in;
};

/* What a run of the check is about, and what refuted it. */
struct rig {
	const struct lw_tables *tables;
	const struct lw_version_row *row, *unknown;
	bool awaits_peer[2];
	unsigned messages;        /* each way */
	int invariant;            /* the invariant that fails, 0 for none */
	char why[160];            /* and how */
	struct exchange *telling; /* where to tell what is sent, or NULL */
	enum exchange_side teller;
};

/* Notes a failure, the first only. */
void refute(struct rig *rig, int invariant, const char *why);

#define CLAIM(rig, invariant, holds, why)                                                          \
	do {                                                                                       \
		if (!(holds))                                                                      \
			refute(rig, invariant, why);                                               \
	} while (0)

void side_begin(const struct rig *rig, struct side *s, bool awaits_peer);

/* One event; `dirty`: a fault, a deadline or an abort came before it.  Gives the actions, of
 * which sealing and discarding are done; shutting, ending and handing back are the caller's. */
unsigned side_event(struct rig *rig, struct side *s, struct lw_engine_event event, bool dirty);

/* What must hold of a side in every state, under every policy. */
void side_check(struct rig *rig, const struct side *s);

/* 64 bits for a side; the other way needs the rig. */
uint64_t side_pack(const struct side *s);
void side_unpack(const struct rig *rig, struct side *s, bool awaits_peer, uint64_t bits);

#endif
