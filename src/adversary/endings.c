/* endings: the rows.  Data comes first wherever the handshake is done, in records of 400 bytes, so
 * that a boundary, a header and a body can each be cut; FIN follows what needs an end.
 */
#include "adversary/endings.h"

#include <string.h>

#define DATA STEP_DATA_IN(ENDING_DATA_BYTES, ENDING_RECORD_BYTES)

enum { WARNING = 1, FATAL = 2 };
enum { CLOSE_NOTIFY = 0, HANDSHAKE_FAILURE = 40, USER_CANCELED = 90 };

static const struct ending endings[] = {
	{
	    .name = "close-notify",
	    .claim = "sends close_notify, then FIN",
	    .script = SCRIPT(DATA, STEP_CLOSE_NOTIFY, STEP_FIN),
	    .data_bytes = ENDING_DATA_BYTES,
	    .proof = ENDING_PROVEN,
	},
	{
	    .name = "none-at-boundary",
	    .claim = "sends FIN between two records, no close_notify",
	    .script = SCRIPT(DATA, STEP_FIN),
	    .data_bytes = ENDING_DATA_BYTES,
	},
	{
	    .name = "inside-header",
	    .claim = "sends three bytes of a record's header, then FIN",
	    .script = SCRIPT(DATA, STEP_CUT_RECORD(ENDING_RECORD_BYTES, 3), STEP_FIN),
	    .data_bytes = ENDING_DATA_BYTES,
	},
	{
	    .name = "inside-record",
	    .claim = "sends a hundred bytes of a longer record, then FIN",
	    .script = SCRIPT(DATA, STEP_CUT_RECORD(ENDING_RECORD_BYTES, 100), STEP_FIN),
	    .data_bytes = ENDING_DATA_BYTES,
	},
	{
	    .name = "reset",
	    .claim = "resets the transport, no close_notify",
	    .script = SCRIPT(DATA, STEP_RST),
	    .data_bytes = ENDING_DATA_BYTES,
	},
	{
	    .name = "fatal-alert",
	    .claim = "sends a fatal alert, then FIN",
	    .script = SCRIPT(DATA, STEP_ALERT(FATAL, HANDSHAKE_FAILURE), STEP_FIN),
	    .data_bytes = ENDING_DATA_BYTES,
	},
	{
	    .name = "error-at-warning",
	    .claim = "sends an error alert at level warning, then FIN",
	    .script = SCRIPT(DATA, STEP_ALERT(WARNING, HANDSHAKE_FAILURE), STEP_FIN),
	    .data_bytes = ENDING_DATA_BYTES,
	},
	{
	    .name = "close-at-fatal",
	    .claim = "sends close_notify at level fatal, then FIN",
	    .script = SCRIPT(DATA, STEP_ALERT(FATAL, CLOSE_NOTIFY), STEP_FIN),
	    .data_bytes = ENDING_DATA_BYTES,
	    .proof = ENDING_PROVEN_13,
	},
	{
	    .name = "user-canceled",
	    .claim = "sends user_canceled, more data, close_notify, then FIN",
	    .script.steps =
		STEPS(DATA, STEP_ALERT(WARNING, USER_CANCELED), DATA, STEP_CLOSE_NOTIFY, STEP_FIN),
	    .data_bytes = 2 * ENDING_DATA_BYTES,
	    .proof = ENDING_PROVEN,
	},
	{
	    .name = "data-after",
	    .claim = "sends close_notify, then more data, then FIN",
	    .script = SCRIPT(DATA, STEP_CLOSE_NOTIFY, DATA, STEP_FIN),
	    .data_bytes = ENDING_DATA_BYTES,
	    .proof = ENDING_PROVEN,
	},
	{
	    .name = "garbage-after",
	    .claim = "sends close_notify, then bytes that are no record, then FIN",
	    .script = SCRIPT(DATA, STEP_CLOSE_NOTIFY, STEP_GARBAGE(64), STEP_FIN),
	    .data_bytes = ENDING_DATA_BYTES,
	    .proof = ENDING_PROVEN,
	},
	{
	    .name = "plaintext-after",
	    .claim = "sends close_notify, goes on in the clear, then FIN",
	    .script = SCRIPT(DATA, STEP_CLOSE_NOTIFY, STEP_PLAINTEXT("220 in the clear again\r\n"),
	                     STEP_FIN),
	    .data_bytes = ENDING_DATA_BYTES,
	    .proof = ENDING_PROVEN,
	},
	{
	    .name = "four-warnings",
	    .claim = "sends four warnings, then close_notify and FIN",
	    .script.steps =
		STEPS(DATA, STEP_ALERTS(4, WARNING, USER_CANCELED), STEP_CLOSE_NOTIFY, STEP_FIN),
	    .data_bytes = ENDING_DATA_BYTES,
	    .proof = ENDING_PROVEN,
	},
	{
	    .name = "many-warnings",
	    .claim = "sends two hundred warnings, then close_notify and FIN",
	    .script.steps =
		STEPS(DATA, STEP_ALERTS(200, WARNING, USER_CANCELED), STEP_CLOSE_NOTIFY, STEP_FIN),
	    .data_bytes = ENDING_DATA_BYTES,
	    .proof = ENDING_PROVEN,
	},
	{
	    .name = "close-twice",
	    .claim = "sends close_notify twice, then FIN",
	    .script = SCRIPT(DATA, STEP_CLOSE_NOTIFY, STEP_CLOSE_NOTIFY, STEP_FIN),
	    .data_bytes = ENDING_DATA_BYTES,
	    .proof = ENDING_PROVEN,
	},
	{
	    .name = "split-alert",
	    .claim = "sends close_notify split over two records, then FIN",
	    .script = SCRIPT(DATA, STEP_SPLIT_ALERT(WARNING, CLOSE_NOTIFY), STEP_FIN),
	    .data_bytes = ENDING_DATA_BYTES,
	    .proof = ENDING_PROVEN_TO_12,
	},
	{
	    .name = "joined-alerts",
	    .claim = "sends a warning and close_notify in one record, then FIN",
	    .script = SCRIPT(DATA, STEP_RAW_ALERT("\1\x5a\1\0"), STEP_FIN),
	    .data_bytes = ENDING_DATA_BYTES,
	    .proof = ENDING_PROVEN_TO_12,
	},
	{
	    .name = "silence",
	    .claim = "says nothing more and keeps the transport open",
	    .script = SCRIPT(DATA, STEP_SILENCE),
	    .data_bytes = ENDING_DATA_BYTES,
	},
	{
	    .name = "close-in-handshake",
	    .claim = "sends close_notify instead of its first flight, then FIN",
	    .script = { .steps = STEPS(STEP_CLOSE_NOTIFY, STEP_FIN),
	                .start = START_BEFORE_FIRST_FLIGHT },
	},
	{
	    .name = "close-amid-handshake",
	    .claim = "sends close_notify after its first flight, then FIN",
	    .script = { .steps = STEPS(STEP_CLOSE_NOTIFY, STEP_FIN),
	                .start = START_AFTER_FIRST_FLIGHT },
	},
};

const struct ending *ending_at(unsigned index)
{
	return index < sizeof endings / sizeof endings[0] ? &endings[index] : NULL;
}

static const struct ending *find(const struct ending *(*at)(unsigned index), const char *name)
{
	const struct ending *e;

	for (unsigned i = 0; (e = at(i)) != NULL; i++)
		if (strcmp(e->name, name) == 0)
			return e;
	return NULL;
}

const struct ending *ending_find(const char *name)
{
	return find(ending_at, name);
}

const struct ending *answer_find(const char *name)
{
	return find(answer_at, name);
}
