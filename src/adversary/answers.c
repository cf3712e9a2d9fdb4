/* answers: the rows of what a peer does when its subject ends the connection, or sends too late. No
 * data comes first: the subject has nothing to read but the answer.
 */
#include "adversary/endings.h"

enum { FATAL = 2, HANDSHAKE_FAILURE = 40 };

static const struct ending answers[] = {
	{
	    .name = "answered",
	    .claim = "answers close_notify with its own, then FIN",
	    .script = SCRIPT(STEP_WAIT_CLOSE_NOTIFY, STEP_CLOSE_NOTIFY, STEP_FIN),
	    .proof = ENDING_PROVEN,
	},
	{
	    .name = "answered-by-fin",
	    .claim = "answers close_notify with FIN alone",
	    .script = SCRIPT(STEP_WAIT_CLOSE_NOTIFY, STEP_FIN),
	},
	{
	    .name = "answered-inside-record",
	    .claim = "answers close_notify with a part of a record, then FIN",
	    .script.steps =
		STEPS(STEP_WAIT_CLOSE_NOTIFY, STEP_CUT_RECORD(ENDING_RECORD_BYTES, 100), STEP_FIN),
	},
	{
	    .name = "answered-by-reset",
	    .claim = "answers close_notify with a reset",
	    .script = SCRIPT(STEP_WAIT_CLOSE_NOTIFY, STEP_RST),
	},
	{
	    .name = "answered-by-fatal",
	    .claim = "answers close_notify with a fatal alert, then FIN",
	    .script.steps =
		STEPS(STEP_WAIT_CLOSE_NOTIFY, STEP_ALERT(FATAL, HANDSHAKE_FAILURE), STEP_FIN),
	},
	{
	    .name = "unanswered",
	    .claim = "does not answer close_notify and keeps the transport open",
	    .script = SCRIPT(STEP_WAIT_CLOSE_NOTIFY, STEP_SILENCE),
	},
	{
	    .name = "data-too-late",
	    .claim = "reads on after close_notify, and is sent more data",
	    .script = SCRIPT(STEP_WAIT_CLOSE_NOTIFY, STEP_SILENCE, STEP_CLOSE_NOTIFY, STEP_FIN),
	    .proof = ENDING_PROVEN,
	},
	{
	    .name = "data-to-the-closed",
	    .claim = "sends close_notify and reads on",
	    .script = SCRIPT(STEP_CLOSE_NOTIFY, STEP_SILENCE, STEP_FIN),
	    .proof = ENDING_PROVEN,
	},
	{
	    .name = "full-pipe",
	    .claim = "stops reading until the pipe is full, then reads on to close_notify",
	    .script = SCRIPT(STEP_STOP_READING, STEP_SILENCE, STEP_READ_ON, STEP_GO),
	    .proof = ENDING_PROVEN,
	},
};

const struct ending *answer_at(unsigned index)
{
	return index < sizeof answers / sizeof answers[0] ? &answers[index] : NULL;
}
