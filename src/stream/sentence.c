/*
 * sentence: puts a verdict into one English sentence.
 *
 * The sentence is a chain of clauses: how the peer's side ended and after how
 * many bytes, whether that harms, whether bytes of ours may be lost, and how our
 * own side ended unless that was proper.  It states only what the verdict proves.
 * A clause enters whole or not at all, so that a cut sentence never says
 * something else; with the longest names only the last one may find no room.
 * No state, no allocation.
 */
#include "closure/engine.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define SENTENCE_CAP 256u
#define COUNT_CAP    40u
#define CUT_SHORT    ", and nothing showed the message complete: what was read may be cut short"

struct sentence {
	char text[SENTENCE_CAP];
	size_t len;
};

/* Adds a clause if it and the full stop fit. */
static void add_clause(struct sentence *s, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void add_clause(struct sentence *s, const char *format, ...)
{
	size_t room = SENTENCE_CAP - 1 - s->len;
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(s->text + s->len, room, format, args);
	va_end(args);
	if (n < 0 || (size_t)n >= room)
		s->text[s->len] = '\0';
	else
		s->len += (size_t)n;
}

struct count {
	char text[COUNT_CAP];
};

/* "1 byte", "196,563 bytes": the same in every locale. */
static struct count count_bytes(uint64_t n)
{
	char digits[24];
	struct count c;
	size_t at = 0, len = (size_t)snprintf(digits, sizeof digits, "%llu", (unsigned long long)n);

	for (size_t i = 0; i < len; i++) {
		if (i > 0 && (len - i) % 3 == 0)
			c.text[at++] = ',';
		c.text[at++] = digits[i];
	}
	snprintf(c.text + at, sizeof c.text - at, " byte%s", n == 1 ? "" : "s");
	return c;
}

struct phrase {
	char text[96];
};

/* The alert by its name, or by its number where it has none. */
static struct phrase name_alert(const struct lw_alert *alert)
{
	const char *name = lw_alert_name(alert->description);
	struct phrase p;

	if (!alert->present)
		snprintf(p.text, sizeof p.text, "a fatal alert");
	else if (strcmp(name, "alert") == 0)
		snprintf(p.text, sizeof p.text, "the alert %u", alert->description);
	else
		snprintf(p.text, sizeof p.text, "the alert %s", name);
	return p;
}

/* " (Connection reset by peer)", or nothing where the system gave no reason. */
static struct phrase name_cause(const struct lw_verdict *v)
{
	struct phrase p = { "" };
	char reason[48];

	if (v->os_error == 0 && v->read == LW_ENDING_FAILED &&
	    v->warnings > LW_WARNINGS_IN_A_ROW_MAX)
		snprintf(p.text, sizeof p.text, " (the peer sent %" PRIu32 " warnings)",
		         v->warnings);
	if (v->os_error == 0 && v->read == LW_ENDING_FAILED && v->records_without_data > 0)
		snprintf(p.text, sizeof p.text, " (the peer sent %" PRIu32 " records without data)",
		         v->records_without_data);
	if (v->os_error == 0)
		return p;
	if (strerror_r(v->os_error, reason, sizeof reason) != 0)
		snprintf(reason, sizeof reason, "error %d", v->os_error);
	snprintf(p.text, sizeof p.text, " (%s)", reason);
	return p;
}

/* ", at a record boundary": where the transport ended. */
static struct phrase name_place(const struct lw_verdict *v)
{
	struct phrase p = { "" };

	switch (v->at) {
	case LW_PLACE_BOUNDARY:
		snprintf(p.text, sizeof p.text, " at a record boundary");
		break;
	case LW_PLACE_INSIDE:
		if (v->missing > 0)
			snprintf(p.text, sizeof p.text, " inside a record (%s missing)",
			         count_bytes(v->missing).text);
		else
			snprintf(p.text, sizeof p.text, " inside a record");
		break;
	case LW_PLACE_NONE:
	case LW_PLACE_UNKNOWN:
		break;
	}
	return p;
}

/* " after 512 bytes", or, before there is a version, that the handshake was not done. */
static struct phrase name_moment(const struct lw_verdict *v)
{
	struct phrase p;

	if (v->version == LW_VERSION_UNKNOWN)
		snprintf(p.text, sizeof p.text, " before the handshake was done");
	else
		snprintf(p.text, sizeof p.text, " after %s", count_bytes(v->bytes_read).text);
	return p;
}

/* While the peer's side is open, our own ending is the news. */
static void add_open(struct sentence *s, const struct lw_verdict *v)
{
	struct count got = count_bytes(v->bytes_read), gave = count_bytes(v->bytes_written);

	if (v->version == LW_VERSION_UNKNOWN)
		add_clause(s, "The handshake is not done");
	else if (v->write == LW_ENDING_OPEN)
		add_clause(s, "The connection is open: %s read, %s written", got.text, gave.text);
	else if (v->write == LW_ENDING_CLOSED)
		add_clause(s,
		           "We ended our side properly after %s; the peer has not ended, after %s",
		           gave.text, got.text);
	else
		add_clause(s, "The peer has not ended, after %s", got.text);
}

static void add_abandoned(struct sentence *s, const struct lw_verdict *v)
{
	if (v->write == LW_ENDING_ABORTED)
		add_clause(s, "We aborted the connection%s%s%s, before the peer had ended",
		           v->alert_sent.present ? " with " : "",
		           v->alert_sent.present ? name_alert(&v->alert_sent).text : "",
		           name_moment(v).text);
	else
		add_clause(s, "We stopped reading%s, before the peer had ended",
		           name_moment(v).text);
}

static void add_failed(struct sentence *s, const struct lw_verdict *v)
{
	if (v->version == LW_VERSION_UNKNOWN && v->alert_received.present &&
	    v->alert_received.description == 0)
		add_clause(s, "The peer sent close_notify before the handshake was done, "
		              "which proves nothing");
	else
		add_clause(s, "The connection failed%s%s", name_moment(v).text, name_cause(v).text);
}

/* How the peer's side ended. */
static void add_ending(struct sentence *s, const struct lw_verdict *v)
{
	struct phrase moment = name_moment(v);

	switch (v->read) {
	case LW_ENDING_OPEN:
		add_open(s, v);
		break;
	case LW_ENDING_CLOSED:
		add_clause(s, "The peer ended TLS properly%s", moment.text);
		break;
	case LW_ENDING_ABORTED:
		if (v->alert_received.present && v->alert_received.description == 0)
			add_clause(s, "The peer aborted with a close_notify at level fatal%s",
			           moment.text);
		else
			add_clause(s, "The peer aborted the connection with %s%s",
			           name_alert(&v->alert_received).text, moment.text);
		break;
	case LW_ENDING_TRUNCATED:
		add_clause(s, "The transport ended (FIN)%s%s without close_notify",
		           name_place(v).text, moment.text);
		break;
	case LW_ENDING_RESET:
		add_clause(s, "The transport was reset (RST)%s%s without close_notify",
		           name_place(v).text, moment.text);
		break;
	case LW_ENDING_EXPIRED:
		add_clause(s, "Our deadline ran out%s while waiting for the peer's close_notify",
		           moment.text);
		break;
	case LW_ENDING_ABANDONED:
		add_abandoned(s, v);
		break;
	case LW_ENDING_FAILED:
		add_failed(s, v);
		break;
	}
}

/* A complete message under an end that the policy does not take. */
static const char *complete_but(const struct lw_verdict *v)
{
	if (v->read == LW_ENDING_ABORTED)
		return ", but an abort is no end";
	if (v->at == LW_PLACE_INSIDE)
		return ", but a further record was cut";
	if (v->policy == LW_POLICY_STRICT)
		return ", but the strict policy wants close_notify";
	return "";
}

/* Whether that harms the reader. */
static void add_harm(struct sentence *s, const struct lw_verdict *v)
{
	if (v->read == LW_ENDING_OPEN)
		return;
	if (v->version == LW_VERSION_UNKNOWN)
		add_clause(s, "; nothing was read");
	else if (v->read == LW_ENDING_CLOSED && v->whole)
		add_clause(s, "; the stream is whole");
	else if (v->read == LW_ENDING_CLOSED && v->closed_first == LW_CLOSED_FIRST_WE)
		add_clause(s, ", but we had closed first: data of the peer may be missing");
	else if (v->read == LW_ENDING_CLOSED)
		add_clause(s, ", but nothing proves that the stream is whole");
	else if (v->whole)
		add_clause(s, "; the message was complete, so nothing is missing");
	else if (v->complete && v->tolerated)
		add_clause(s, "; the message was complete, and the %s policy tolerates that",
		           lw_policy_name(v->policy));
	else if (v->complete)
		add_clause(s, "; the message was complete%s", complete_but(v));
	else if (v->tolerated)
		add_clause(s, CUT_SHORT ", which the %s policy tolerates",
		           lw_policy_name(v->policy));
	else
		add_clause(s, CUT_SHORT);
}

/* What of our own side a person has to know; what is as it should be stays unsaid. */
static void add_own_side(struct sentence *s, const struct lw_verdict *v)
{
	switch (v->write) {
	case LW_ENDING_OPEN:
	case LW_ENDING_CLOSED:
		break;
	case LW_ENDING_ABORTED:
		if (v->read != LW_ENDING_ABANDONED && v->alert_sent.present)
			add_clause(s, "; we aborted with %s", name_alert(&v->alert_sent).text);
		else if (v->read != LW_ENDING_ABANDONED && v->read != LW_ENDING_ABORTED)
			add_clause(s, "; our side was aborted"); /* else the peer's alert did it */
		break;
	case LW_ENDING_TRUNCATED:
		add_clause(s, "; our side was cut");
		break;
	case LW_ENDING_RESET:
		if (v->read != LW_ENDING_RESET)
			add_clause(s, "; our side was reset");
		break;
	case LW_ENDING_EXPIRED:
		add_clause(s, "; our own end did not leave in time");
		break;
	case LW_ENDING_ABANDONED:
		if (v->read != LW_ENDING_FAILED && v->version != LW_VERSION_UNKNOWN)
			add_clause(s, "; we left without close_notify");
		break;
	case LW_ENDING_FAILED:
		if (v->read != LW_ENDING_FAILED)
			add_clause(s, "; our side failed%s", name_cause(v).text);
		break;
	}
}

/* Whether our own bytes may be missing at the peer: never sealed, or never acknowledged. */
static void add_own_loss(struct sentence *s, const struct lw_verdict *v)
{
	uint64_t lost = v->bytes_discarded + v->bytes_unacknowledged;

	if (lost > 0)
		add_clause(s, "; %s of ours may be lost", count_bytes(lost).text);
	else if (v->write == LW_ENDING_RESET && v->bytes_written > 0)
		add_clause(s, "; some of our %s may be lost", count_bytes(v->bytes_written).text);
}

const char *lw_verdict_sentence(const struct lw_verdict *verdict, char *buf, size_t cap)
{
	struct sentence s = { .len = 0 };

	add_ending(&s, verdict);
	add_harm(&s, verdict);
	add_own_loss(&s, verdict);
	add_own_side(&s, verdict);
	s.text[s.len++] = '.';
	s.text[s.len] = '\0';
	snprintf(buf, cap, "%s", s.text);
	return buf;
}
