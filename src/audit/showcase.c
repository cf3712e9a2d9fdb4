/*
 * showcase: see showcase.h.  TLS 1.2 and 1.3 are both run; where nothing differs
 * between them they share a line.
 */
#include "audit/showcase.h"

#include "audit/cases.h"
#include "audit/mark.h"
#include "audit/runner.h"

#include <stdlib.h>
#include <string.h>

enum { BARE, STREAM, SUBJECTS };
enum { IN_12, IN_13, VERSIONS };

#define ENDINGS_MAX 64u
#define TEXT_CAP    40u
#define NAME_WIDTH  21
#define BARE_WIDTH  24
#define MARK_WIDTH  6
#define LINE_WIDTH  78u
#define INDENT      15u

static const struct subject *const subjects[SUBJECTS] = { &bare_subject, &stream_subject };
static const enum lw_version versions[VERSIONS] = { LW_VERSION_TLS1_2, LW_VERSION_TLS1_3 };
static const char *const version_names[VERSIONS] = { "1.2", "1.3" };

/* One subject's run of a case, and how it reads in the table. */
struct entry {
	struct audit_result result;
	enum judgement judgement;
	char text[TEXT_CAP];
};

struct line {
	const struct ending *ending;
	struct entry entries[VERSIONS][SUBJECTS];
};

struct showcase {
	unsigned count;
	char trouble[128];
	unsigned tally[SUBJECTS][JUDGED_WRONG + 1];
	struct line lines[];
};

/* ---- running */

/* Whole words only, and no more than fit. */
static void cut_to_words(char *text, size_t columns)
{
	if (strlen(text) <= columns)
		return;
	text[columns + 1] = '\0';
	while (strrchr(text, ' ') != NULL && strlen(text) > columns)
		*strrchr(text, ' ') = '\0';
}

static void describe_bare(const struct conclusion *c, char *text)
{
	if (c->first == SUBJECT_WAITS)
		snprintf(text, TEXT_CAP, "waits for ever");
	else if (c->first == SUBJECT_END)
		snprintf(text, TEXT_CAP, "end");
	else if (c->again == SUBJECT_END)
		snprintf(text, TEXT_CAP, "error, then end");
	else
		snprintf(text, TEXT_CAP, "error%s%.*s", c->reason[0] ? ": " : "", (int)TEXT_CAP - 8,
		         c->reason);
	cut_to_words(text, BARE_WIDTH - 1);
}

static void describe_stream(const struct conclusion *c, char *text)
{
	const struct lw_verdict *v = &c->verdict;
	const char *ending = lw_ending_name(v->read);

	if (v->read == LW_ENDING_CLOSED)
		snprintf(text, TEXT_CAP, "%s%s", ending, v->whole ? ", whole" : ", not whole");
	else if (v->read == LW_ENDING_ABORTED)
		snprintf(text, TEXT_CAP, "%s: %s", ending,
		         lw_alert_name(v->alert_received.description));
	else if (v->read == LW_ENDING_TRUNCATED)
		snprintf(text, TEXT_CAP, "%s %s", ending,
		         v->at == LW_PLACE_INSIDE ? "in a record" : "at a boundary");
	else
		snprintf(text, TEXT_CAP, "%s", ending);
}

static void run_entry(struct showcase *show, struct line *line, int version, int subject,
                      const struct audit_setup *setup)
{
	struct entry *entry = &line->entries[version][subject];
	const struct audit_expect *expect =
	    case_expects(case_of(line->ending->name), versions[version]);
	const char *why;

	audit_run(setup, &entry->result);
	if (!entry->result.ran)
		snprintf(show->trouble, sizeof show->trouble, "%s, TLS %s, %s: %s",
		         line->ending->name, version_names[version],
		         subject_name(subjects[subject], &openssl_stack),
		         entry->result.trouble ? entry->result.trouble : "it did not end");
	entry->judgement = judge(expect, &entry->result.conclusion, &why);
	show->tally[subject][entry->judgement]++;
	if (subject == BARE)
		describe_bare(&entry->result.conclusion, entry->text);
	else
		describe_stream(&entry->result.conclusion, entry->text);
}

static void run_all(struct showcase *show, const struct certificate *certificate)
{
	struct audit_setup setup = { .certificate = certificate };

	setup.transport = audit_has_sockets() ? ADVERSARY_SOCKET : ADVERSARY_MEMORY;
	for (unsigned i = 0; i < show->count; i++)
		for (int v = 0; v < VERSIONS; v++)
			for (int s = 0; s < SUBJECTS; s++) {
				setup.ending = show->lines[i].ending;
				setup.version = versions[v];
				setup.subject = subjects[s];
				run_entry(show, &show->lines[i], v, s, &setup);
			}
}

struct showcase *showcase_new(void)
{
	struct certificate *certificate = certificate_new(NULL, NULL);
	struct showcase *show = calloc(1, sizeof *show + ENDINGS_MAX * sizeof show->lines[0]);

	if (certificate != NULL && show != NULL) {
		while (show->count < ENDINGS_MAX && ending_at(show->count) != NULL) {
			show->lines[show->count].ending = ending_at(show->count);
			show->count++;
		}
		run_all(show, certificate);
	}
	certificate_free(certificate);
	if (certificate != NULL)
		return show;
	free(show);
	return NULL;
}

void showcase_free(struct showcase *show)
{
	free(show);
}

const char *showcase_trouble(const struct showcase *show)
{
	return show->trouble[0] != '\0' ? show->trouble : NULL;
}

bool showcase_stream_is_right(const struct showcase *show)
{
	return show->tally[STREAM][JUDGED_WRONG] + show->tally[STREAM][JUDGED_VAGUE] == 0;
}

/* ---- drawing */

static bool versions_agree(const struct line *line)
{
	for (int s = 0; s < SUBJECTS; s++)
		if (strcmp(line->entries[IN_12][s].text, line->entries[IN_13][s].text) != 0 ||
		    line->entries[IN_12][s].judgement != line->entries[IN_13][s].judgement)
			return false;
	return true;
}

static void draw_line(FILE *out, const struct line *line, int version, const char *versions_text,
                      bool colour)
{
	const struct entry *bare = &line->entries[version][BARE];
	const struct entry *stream = &line->entries[version][STREAM];

	fprintf(out, "%-*s %-4s %-*s", NAME_WIDTH - 1, line->ending->name, versions_text,
	        BARE_WIDTH, bare->text);
	mark_put(out, bare->judgement, MARK_WIDTH, colour);
	fprintf(out, "%s", stream->text);
	if (stream->judgement != JUDGED_RIGHT) {
		fputc(' ', out);
		mark_put(out, stream->judgement, 0, colour);
	}
	fputc('\n', out);
}

static void draw_tally(FILE *out, const struct showcase *show)
{
	for (int s = 0; s < SUBJECTS; s++) {
		const unsigned *tally = show->tally[s];

		fprintf(out, "%-*s%2u right, %u fails, %u vague, %u wrong\n", NAME_WIDTH,
		        s == BARE ? "bare SSL_read:" : "the stream:", tally[JUDGED_RIGHT],
		        tally[JUDGED_REFUSED], tally[JUDGED_VAGUE], tally[JUDGED_WRONG]);
	}
	fputs(MARK_LEGEND, out);
}

void showcase_draw_table(FILE *out, const struct showcase *show, const struct ladder_style *style)
{
	fprintf(out, "%-*s %-4s %-*s%s\n", NAME_WIDTH - 1, "the peer's ending", "TLS",
	        BARE_WIDTH + MARK_WIDTH, "bare SSL_read says", "the stream says");
	for (unsigned i = 0; i < show->count; i++) {
		const struct line *line = &show->lines[i];

		if (versions_agree(line)) {
			draw_line(out, line, IN_13, "any", style->colour);
			continue;
		}
		for (int v = 0; v < VERSIONS; v++)
			draw_line(out, line, v, version_names[v], style->colour);
	}
	fputc('\n', out);
	draw_tally(out, show);
}

/* Prints text behind a label, in lines of whole words. */
static void put_wrapped(FILE *out, const char *label, const char *text)
{
	size_t column = (size_t)fprintf(out, "%-*s", (int)INDENT - 1, label);

	while (*text != '\0') {
		size_t word = strcspn(text, " ");

		if (column + 1 + word > LINE_WIDTH)
			column = (size_t)fprintf(out, "\n%*s", (int)INDENT - 1, "") - 1;
		column += (size_t)fprintf(out, " %.*s", (int)word, text);
		text += word + (text[word] == ' ');
	}
	fputc('\n', out);
}

static void draw_conclusions(FILE *out, const struct line *line, int version)
{
	const struct conclusion *bare = &line->entries[version][BARE].result.conclusion;
	const struct conclusion *stream = &line->entries[version][STREAM].result.conclusion;
	char text[256];

	snprintf(text, sizeof text, "%s%s%s%s%s", subject_says_name(bare->first),
	         bare->reason[0] ? ": " : "", bare->reason,
	         bare->again != bare->first ? "; on the next read: " : "",
	         bare->again != bare->first ? subject_says_name(bare->again) : "");
	put_wrapped(out, "bare SSL_read:", text);
	put_wrapped(out, "the stream:", lw_verdict_sentence(&stream->verdict, text, sizeof text));
}

/* The newest version in which the bare loop is judged so, or -1. */
static int version_judged(const struct line *line, enum judgement judgement)
{
	for (int v = VERSIONS - 1; v >= 0; v--)
		if (line->entries[v][BARE].judgement == judgement)
			return v;
	return -1;
}

static void draw_case(FILE *out, const struct line *line, int version,
                      const struct ladder_style *style)
{
	fprintf(out, "\n%s, TLS %s:\nthe peer %s.\n", line->ending->name, version_names[version],
	        line->ending->claim);
	ladder_draw(out, &line->entries[version][STREAM].result.exchange, style);
	draw_conclusions(out, line, version);
}

/* Worth a drawing: the first ending that the bare loop cannot name, and all where it misleads. */
void showcase_draw_ladders(FILE *out, const struct showcase *show, const struct ladder_style *style)
{
	bool has_vague = false;

	for (unsigned i = 0; i < show->count; i++) {
		const struct line *line = &show->lines[i];
		int wrong = version_judged(line, JUDGED_WRONG);
		int vague = version_judged(line, JUDGED_VAGUE);

		if (wrong >= 0)
			draw_case(out, line, wrong, style);
		else if (vague >= 0 && !has_vague)
			draw_case(out, line, vague, style);
		has_vague = has_vague || vague >= 0;
	}
}
