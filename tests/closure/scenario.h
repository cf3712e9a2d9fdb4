/*
 * scenario: a claim about the engine as a row: the events, the actions each must answer with, and
 * the verdict at the end.  A row runs once for every version of its set, on a new engine; each
 * step is compared exactly, so that an action too many fails like one too few.
 */
#ifndef TESTS_CLOSURE_SCENARIO_H
#define TESTS_CLOSURE_SCENARIO_H

#include "closure/engine.h"

#define STEPS_MAX 10

/* Sets of versions. */
enum {
	V_SSL3 = 1u << LW_VERSION_SSL3,
	V_10 = 1u << LW_VERSION_TLS1_0,
	V_11 = 1u << LW_VERSION_TLS1_1,
	V_12 = 1u << LW_VERSION_TLS1_2,
	V_13 = 1u << LW_VERSION_TLS1_3,
	V_FORGETFUL = V_SSL3 | V_10, /* an unclean end forbids resumption */
	V_OLD = V_FORGETFUL | V_11 | V_12,
	V_SINCE_11 = V_11 | V_12 | V_13,
	V_ALL = V_OLD | V_13
};

enum {
	SHAKING = 1, /* the handshake is not done when the first step comes */
	NO_WAIT = 2  /* closing does not wait for the peer's ending */
};

struct step {
	struct lw_engine_event event;
	unsigned actions;
};

struct outcome {
	enum lw_ending read, write;
	enum lw_transport_state transport;
	bool whole, complete, tolerated;
	enum lw_closer_side first;
	enum lw_session session;
	enum lw_deadline armed;
	uint32_t warnings;
};

struct scenario {
	const char *rules; /* ids of data/rules.tsv, may be empty */
	const char *claim;
	unsigned versions;
	unsigned start;
	enum lw_policy policy;
	struct step steps[STEPS_MAX]; /* up to the first without event and actions */
	struct outcome end;
};

/* Events. */
#define ESTABLISHED                                                                                \
	{                                                                                          \
		.kind = LW_EV_ESTABLISHED, .version = LW_VERSION_TLS1_3                            \
	}
#define DATA                                                                                       \
	{                                                                                          \
		.kind = LW_EV_DATA                                                                 \
	}
#define ALERT(l, d)                                                                                \
	{                                                                                          \
		.kind = LW_EV_ALERT, .level = l, .description = d                                  \
	}
#define CLOSE_NOTIFY ALERT(LW_ALERT_WARNING, LW_ALERT_CLOSE_NOTIFY)
#define FATAL        ALERT(LW_ALERT_FATAL, 80)
#define FIN                                                                                        \
	{                                                                                          \
		.kind = LW_EV_FIN, .place = LW_PLACE_BOUNDARY                                      \
	}
#define FIN_INSIDE                                                                                 \
	{                                                                                          \
		.kind = LW_EV_FIN, .place = LW_PLACE_INSIDE, .missing = 7                          \
	}
#define FIN_UNKNOWN                                                                                \
	{                                                                                          \
		.kind = LW_EV_FIN, .place = LW_PLACE_UNKNOWN                                       \
	}
#define RESET                                                                                      \
	{                                                                                          \
		.kind = LW_EV_RESET                                                                \
	}
#define READ_ERROR                                                                                 \
	{                                                                                          \
		.kind = LW_EV_READ_ERROR, .os_error = 110                                          \
	}
#define WRITE_RESET                                                                                \
	{                                                                                          \
		.kind = LW_EV_WRITE_RESET                                                          \
	}
#define WRITE_ERROR                                                                                \
	{                                                                                          \
		.kind = LW_EV_WRITE_ERROR, .os_error = 5                                           \
	}
#define PENDING                                                                                    \
	{                                                                                          \
		.kind = LW_EV_PENDING                                                              \
	}
#define SEALED                                                                                     \
	{                                                                                          \
		.kind = LW_EV_SEALED                                                               \
	}
#define FLUSHED                                                                                    \
	{                                                                                          \
		.kind = LW_EV_FLUSHED                                                              \
	}
#define LIBRARY_FAILED                                                                             \
	{                                                                                          \
		.kind = LW_EV_LIBRARY_FAILED                                                       \
	}
#define LIBRARY_ALERTED                                                                            \
	{                                                                                          \
		.kind = LW_EV_LIBRARY_ALERTED, .description = LW_ALERT_UNEXPECTED_MESSAGE          \
	}
#define WRITE_ALERTED                                                                              \
	{                                                                                          \
		.kind = LW_EV_WRITE_ALERTED                                                        \
	}
#define WARNING_LIMIT                                                                              \
	{                                                                                          \
		.kind = LW_EV_WARNING_LIMIT                                                        \
	}
#define DEADLINE                                                                                   \
	{                                                                                          \
		.kind = LW_EV_DEADLINE                                                             \
	}
#define DRAINED                                                                                    \
	{                                                                                          \
		.kind = LW_EV_DRAINED                                                              \
	}
#define COMPLETE                                                                                   \
	{                                                                                          \
		.kind = LW_EV_COMPLETE                                                             \
	}
#define INCOMPLETE                                                                                 \
	{                                                                                          \
		.kind = LW_EV_INCOMPLETE                                                           \
	}
#define FINISH                                                                                     \
	{                                                                                          \
		.kind = LW_EV_FINISH                                                               \
	}
#define CLOSE                                                                                      \
	{                                                                                          \
		.kind = LW_EV_CLOSE                                                                \
	}
#define UNWRAP                                                                                     \
	{                                                                                          \
		.kind = LW_EV_UNWRAP                                                               \
	}
#define ABORT                                                                                      \
	{                                                                                          \
		.kind = LW_EV_ABORT                                                                \
	}
#define NO_MORE                                                                                    \
	{                                                                                          \
		.kind = LW_EVENTS                                                                  \
	}

/* Actions. */
#define NOTHING      0x8000u /* an event that asks for nothing */
#define DISCARD      LW_DO_DISCARD
#define SEAL_CLOSURE LW_DO_SEAL_CLOSE_NOTIFY
#define SEAL_FATAL   LW_DO_SEAL_FATAL
#define IGNORE       LW_DO_IGNORE_INPUT
#define REPORT       LW_DO_REPORT
#define FORGET       LW_DO_FORGET
#define AWAIT        LW_DO_ARM_ENDING
#define DRAIN        (LW_DO_SHUT_WRITE | LW_DO_ARM_DRAIN)
#define END          LW_DO_END
#define HAND_BACK    LW_DO_HAND_BACK

/* Runs every row as a case of its own, named by its rules and claim; gives main's exit status. */
int run_scenarios(const struct scenario *rows, size_t count);

#endif
