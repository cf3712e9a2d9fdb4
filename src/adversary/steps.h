/* steps: the script of an adversary, as const rows.
 *
 *     static const struct adversary_script script =
 *             SCRIPT(STEP_DATA(1000), STEP_CLOSE_NOTIFY, STEP_FIN);
 *
 * (Inside a function without `static`: the steps then live as long as their block.)
 * A step begins when the one before it is over: bytes handed out, condition met.  When the script
 * is over the adversary says nothing more, reads on and waits for the subject's end.
 */
#ifndef ADVERSARY_STEPS_H
#define ADVERSARY_STEPS_H

#include <stddef.h>
#include <stdint.h>

enum adversary_act {
	ACT_END,
	ACT_DATA,
	ACT_BYTES,
	ACT_ALERT,
	ACT_SPLIT_ALERT,
	ACT_RECORD,
	ACT_CUT_RECORD,
	ACT_BROKEN_RECORD,
	ACT_PLAINTEXT,
	ACT_GARBAGE,
	ACT_KEY_UPDATE,
	ACT_TICKET,
	ACT_FIN,
	ACT_RST,
	ACT_SILENCE,
	ACT_STOP_READING,
	ACT_READ_ON,
	ACT_WAIT_DATA,
	ACT_WAIT_CLOSE_NOTIFY,
	ACT_WAIT_END,
	ACT_GO,
	ACT_COUNT
};

struct adversary_step {
	enum adversary_act act;
	uint64_t count; /* bytes, or times */
	uint32_t size;  /* bytes a record, or bytes of a record that leave; 0: as they come */
	uint8_t type;   /* of a record */
	uint8_t level;  /* of an alert */
	uint8_t description;
	const void *bytes; /* `count` of them */
};

/* Where the script begins. */
enum adversary_start {
	START_AFTER_HANDSHAKE,
	START_BEFORE_FIRST_FLIGHT, /* instead of our first flight; a server has seen a record */
	START_AFTER_FIRST_FLIGHT   /* and no further handshake of ours follows */
};

struct adversary_script {
	const struct adversary_step *steps; /* up to STEP_END */
	enum adversary_start start;
};

/* Some steps, closed by STEP_END; a script of them, from after the handshake. */
#define STEPS(...) ((const struct adversary_step[]){ __VA_ARGS__, STEP_END })
#define SCRIPT(...)                                                                                \
	{                                                                                          \
		.steps = STEPS(__VA_ARGS__)                                                        \
	}

#define STEP_END                                                                                   \
	{                                                                                          \
		.act = ACT_END                                                                     \
	}

/* Application data: `n` bytes of the pattern, in records of 16,384 or of `record_bytes` bytes. */
#define STEP_DATA(n)                                                                               \
	{                                                                                          \
		.act = ACT_DATA, .count = (n)                                                      \
	}
#define STEP_DATA_IN(n, record_bytes)                                                              \
	{                                                                                          \
		.act = ACT_DATA, .count = (n), .size = (record_bytes)                              \
	}
/* A string literal, in one record; octets with a length, in records of at most 16,384 bytes. */
#define STEP_TEXT(text)                                                                            \
	{                                                                                          \
		.act = ACT_BYTES, .bytes = (text), .count = sizeof(text) - 1                       \
	}
#define STEP_BYTES(octets, n)                                                                      \
	{                                                                                          \
		.act = ACT_BYTES, .bytes = (octets), .count = (n)                                  \
	}

/* Alerts. */
#define STEP_ALERT(alert_level, alert_description) STEP_ALERTS(1, alert_level, alert_description)
#define STEP_ALERTS(n, alert_level, alert_description)                                             \
	{                                                                                          \
		.act = ACT_ALERT, .count = (n), .level = (alert_level),                            \
		.description = (alert_description)                                                 \
	}
#define STEP_CLOSE_NOTIFY STEP_ALERT(1, 0)
/* One alert, an octet in each of two records. */
#define STEP_SPLIT_ALERT(alert_level, alert_description)                                           \
	{                                                                                          \
		.act = ACT_SPLIT_ALERT, .level = (alert_level), .description = (alert_description) \
	}

/* Any record: type and content as a string literal.  Empty content is allowed. */
#define STEP_RECORD(record_type, content)                                                          \
	{                                                                                          \
		.act = ACT_RECORD, .type = (record_type), .bytes = (content),                      \
		.count = sizeof(content) - 1                                                       \
	}
#define STEP_RAW_ALERT(content) STEP_RECORD(21, content)
#define STEP_EMPTY_DATA         STEP_RECORD(23, "")
/* A record of `n` bytes of the pattern, of which only the first `k` bytes leave: 1 to 4 cut its
 * header, more its body. */
#define STEP_CUT_RECORD(n, k)                                                                      \
	{                                                                                          \
		.act = ACT_CUT_RECORD, .type = 23, .count = (n), .size = (k)                       \
	}
/* The same record with a wrong MAC. */
#define STEP_BROKEN_RECORD(n)                                                                      \
	{                                                                                          \
		.act = ACT_BROKEN_RECORD, .type = 23, .count = (n)                                 \
	}

/* Octets that are no record: readable, and not. */
#define STEP_PLAINTEXT(text)                                                                       \
	{                                                                                          \
		.act = ACT_PLAINTEXT, .bytes = (text), .count = sizeof(text) - 1                   \
	}
#define STEP_GARBAGE(n)                                                                            \
	{                                                                                          \
		.act = ACT_GARBAGE, .count = (n)                                                   \
	}

/* 1.3 only, nothing before: KeyUpdate (1 asks for an answer), and a ticket that resumes nothing. */
#define STEP_KEY_UPDATE(request)                                                                   \
	{                                                                                          \
		.act = ACT_KEY_UPDATE, .count = (request)                                          \
	}
#define STEP_TICKET                                                                                \
	{                                                                                          \
		.act = ACT_TICKET                                                                  \
	}

/* The transport. */
#define STEP_FIN                                                                                   \
	{                                                                                          \
		.act = ACT_FIN                                                                     \
	}
#define STEP_RST                                                                                   \
	{                                                                                          \
		.act = ACT_RST                                                                     \
	}
#define STEP_SILENCE                                                                               \
	{                                                                                          \
		.act = ACT_SILENCE                                                                 \
	} /* until adversary_resume(); reads on */
#define STEP_STOP_READING                                                                          \
	{                                                                                          \
		.act = ACT_STOP_READING                                                            \
	}
#define STEP_READ_ON                                                                               \
	{                                                                                          \
		.act = ACT_READ_ON                                                                 \
	}

/* Waiting; each is also over when the subject ends the transport.  The count is since the start. */
#define STEP_WAIT_DATA(n)                                                                          \
	{                                                                                          \
		.act = ACT_WAIT_DATA, .count = (n)                                                 \
	}
#define STEP_WAIT_CLOSE_NOTIFY                                                                     \
	{                                                                                          \
		.act = ACT_WAIT_CLOSE_NOTIFY                                                       \
	}
#define STEP_WAIT_END                                                                              \
	{                                                                                          \
		.act = ACT_WAIT_END                                                                \
	}

/* From here on a proper peer: answers close_notify, then FIN.  The last step of a script. */
#define STEP_GO                                                                                    \
	{                                                                                          \
		.act = ACT_GO                                                                      \
	}

#endif
