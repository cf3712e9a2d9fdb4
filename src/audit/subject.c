/* subject: what all subjects share. */
#include "audit/subject.h"

#include "adversary/adversary.h"

const char *subject_says_name(enum subject_says says)
{
	static const char *const names[SUBJECT_CLASSES] = {
		[SUBJECT_WAITS] = "waits",         [SUBJECT_END] = "end",
		[SUBJECT_TRUNCATED] = "truncated", [SUBJECT_ABORTED] = "aborted",
		[SUBJECT_ERROR] = "error",
	};

	return says < SUBJECT_CLASSES ? names[says] : "unknown";
}

const char *subject_name(const struct subject *subject, const struct stack *stack)
{
	return subject == &bare_subject ? stack->reading : "stream";
}

void subject_fill(const struct subject_run *run, uint8_t *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++)
		bytes[i] = adversary_pattern(run->conclusion.taken + i);
}

void subject_take(struct subject_run *run, const uint8_t *bytes, size_t len)
{
	struct conclusion *c = &run->conclusion;

	for (size_t i = 0; i < len; i++)
		if (bytes[i] != adversary_pattern(c->bytes + i))
			c->differs = true;
	c->bytes += len;
}
