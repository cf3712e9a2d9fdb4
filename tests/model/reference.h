/*
 * reference: how a connection ends, told by the rules and nothing else.
 *
 * It is slow and obvious: plain facts and plain ifs, no machine, no table, no row of a version.
 * The exhaustive check compares the engine with it in every state, actions included.
 */
#ifndef TESTS_MODEL_REFERENCE_H
#define TESTS_MODEL_REFERENCE_H

#include "closure/engine.h"

/* The last word of a side. */
enum word { WORD_NONE, WORD_CLOSE_NOTIFY, WORD_FATAL };

/* What the application asked of the transport. */
enum asked { ASKED_NOTHING, ASKED_UNWRAP, ASKED_CLOSE };

/* What became of the transport on our side. */
enum fate { FATE_UP, FATE_SHUT, FATE_GONE, FATE_BACK };

struct reference {
	enum lw_version version; /* LW_VERSION_UNKNOWN until the handshake is done */
	bool awaits_peer;
	enum lw_ending read, write;
	enum word said; /* sealed, by us or by the library */
	bool due;       /* close_notify is due behind what is pending */
	bool pending;
	bool stopped; /* the application reads no more */
	bool complete, ignored;
	bool fatal; /* a fatal alert was sent, due or received */
	bool peer_fin;
	enum lw_place place;
	enum lw_closer_side first;
	enum asked asked;
	enum fate fate;
};

/* The facts that an engine's state stands for; `said` is what its stack has seen sealed. */
struct reference reference_of(const struct lw_engine *e, enum lw_version version, enum word said);

/* One event; gives the actions that the rules ask for. */
unsigned reference_step(struct reference *r, const struct lw_engine_event *event);

/* What differs between the facts and an engine's state; NULL when they agree. */
const char *reference_differs(const struct reference *r, const struct lw_engine *e);

bool reference_tolerates(const struct reference *r, enum lw_policy policy);
bool reference_is_whole(const struct reference *r, enum lw_policy policy);
bool reference_forgets(const struct reference *r);

/* Up to 1.2 the peer's close_notify is answered at once, and pending writes are dropped. */
bool reference_is_old(const struct reference *r);

#endif
