/* couple_test: each way a leg can end x where in a message x what the other leg is made of: what
 * its peer really sees.  Endings are the adversary's; the expectation is written down once more
 * here.
 */
#include "tests/pipe/couple_scene.h"

#include "tests/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pipe/couple_inside.h"

#define HALF_REQUEST "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nwo"
#define HALF_ANSWER  "HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nlast"

enum where { IDLE, INSIDE, COMPLETE, WHERES };
enum how { CLOSE_NOTIFY, BOUNDARY, IN_RECORD, RESET, FATAL, SILENCE, HOWS };

static const char *const where_names[] = { "idle", "inside a message", "complete" };
static const char *const how_names[] = { "close_notify", "FIN",         "FIN inside a record",
	                                 "RST",          "fatal alert", "silence" };

/* What the end looks like for a TLS source: Finish, Mirror, Abort. */
static const char tls_expected[HOWS][WHERES + 1] = {
	[CLOSE_NOTIFY] = "FFF", [BOUNDARY] = "AAM", [IN_RECORD] = "AAA",
	[RESET] = "AAM",        [FATAL] = "AAA",    [SILENCE] = "AAM",
};

/* The same for a plain one whose FIN is trusted, and is not. */
static const char plain_expected[2][HOWS][WHERES + 1] = {
	{ [BOUNDARY] = "FFF", [RESET] = "AAA", [SILENCE] = "AAM" },
	{ [BOUNDARY] = "AAF", [RESET] = "AAA", [SILENCE] = "AAM" },
};

struct row {
	char name[120];
	bool is_up; /* the client's leg ends */
	enum half_kind source, sink;
	enum lw_version source_version, sink_version;
	enum where where;
	enum how how;
	bool distrusts_fin;
	enum couple_abort aborts_with;
};

enum { ROWS_MAX = 1000 };
static struct row rows[ROWS_MAX];
static size_t row_count;

/* ---- the peers' plans */

static const struct adversary_step tls_ends[HOWS][3] = {
	[CLOSE_NOTIFY] = { STEP_CLOSE_NOTIFY, STEP_FIN, STEP_END },
	[BOUNDARY] = { STEP_FIN, STEP_END },
	[IN_RECORD] = { STEP_CUT_RECORD(100, 50), STEP_FIN, STEP_END },
	[RESET] = { STEP_RST, STEP_END },
	[FATAL] = { STEP_ALERT(2, 40), STEP_FIN, STEP_END },
	[SILENCE] = { STEP_GO, STEP_END },
};

static const struct plain_step plain_ends[HOWS][3] = {
	[BOUNDARY] = { { .act = PLAIN_FIN }, { .act = PLAIN_END } },
	[RESET] = { { .act = PLAIN_RST }, { .act = PLAIN_END } },
	[SILENCE] = { { .act = PLAIN_AWAIT_END }, { .act = PLAIN_FIN }, { .act = PLAIN_END } },
};

/* What the ending side says before, and what the other says. */
static const struct adversary_step up_says[WHERES][3] = {
	[IDLE] = { STEP_END },
	[INSIDE] = { STEP_TEXT(HALF_REQUEST), STEP_END },
	[COMPLETE] = { STEP_TEXT(REQUEST), STEP_WAIT_DATA(LEN_ANSWER), STEP_END },
};
static const struct adversary_step up_hears_half[] = { STEP_TEXT(REQUEST), STEP_END };
static const struct adversary_step down_says[WHERES][3] = {
	[IDLE] = { STEP_END },
	[INSIDE] = { STEP_WAIT_DATA(LEN_REQUEST), STEP_TEXT(HALF_ANSWER), STEP_END },
	[COMPLETE] = { STEP_WAIT_DATA(LEN_REQUEST), STEP_TEXT(ANSWER), STEP_END },
};
static const struct plain_step up_says_plainly[WHERES][3] = {
	[IDLE] = { { .act = PLAIN_END } },
	[INSIDE] = { { PLAIN_SAY, HALF_REQUEST, 0 }, { .act = PLAIN_END } },
	[COMPLETE] = { { PLAIN_SAY, REQUEST, 0 },
	               { PLAIN_AWAIT, NULL, LEN_ANSWER },
	               { .act = PLAIN_END } },
};
static const struct plain_step up_hears_half_plainly[] = { { PLAIN_SAY, REQUEST, 0 },
	                                                   { .act = PLAIN_END } };
static const struct plain_step down_says_plainly[WHERES][3] = {
	[IDLE] = { { .act = PLAIN_END } },
	[INSIDE] = { { PLAIN_AWAIT, NULL, LEN_REQUEST },
	             { PLAIN_SAY, HALF_ANSWER, 0 },
	             { .act = PLAIN_END } },
	[COMPLETE] = { { PLAIN_AWAIT, NULL, LEN_REQUEST },
	               { PLAIN_SAY, ANSWER, 0 },
	               { .act = PLAIN_END } },
};

struct plans {
	struct leg_plan source, sink;
	struct adversary_step tls_source[8], tls_sink[8];
	struct plain_step plain_source[8], plain_sink[8];
};

static void join_tls(struct adversary_step *to, const struct adversary_step *says,
                     const struct adversary_step *ends)
{
	while (says->act != ACT_END)
		*to++ = *says++;
	while (ends->act != ACT_END)
		*to++ = *ends++;
	to->act = ACT_END;
}

static void join_plain(struct plain_step *to, const struct plain_step *says,
                       const struct plain_step *ends)
{
	while (says->act != PLAIN_END)
		*to++ = *says++;
	while (ends->act != PLAIN_END)
		*to++ = *ends++;
	to->act = PLAIN_END;
}

static void make_plans(const struct row *r, struct plans *p)
{
	static const struct adversary_step go[] = { STEP_GO, STEP_END };
	static const struct plain_step obey[] = { { .act = PLAIN_AWAIT_END },
		                                  { .act = PLAIN_FIN },
		                                  { .act = PLAIN_END } };
	enum where other = r->where == INSIDE && r->is_up ? IDLE : r->where;

	memset(p, 0, sizeof *p);
	join_tls(p->tls_source, (r->is_up ? up_says : down_says)[r->where], tls_ends[r->how]);
	join_plain(p->plain_source, (r->is_up ? up_says_plainly : down_says_plainly)[r->where],
	           plain_ends[r->how]);
	if (!r->is_up && r->where == INSIDE) {
		join_tls(p->tls_sink, up_hears_half, go);
		join_plain(p->plain_sink, up_hears_half_plainly, obey);
	} else {
		join_tls(p->tls_sink, (r->is_up ? down_says : up_says)[other], go);
		join_plain(p->plain_sink, (r->is_up ? down_says_plainly : up_says_plainly)[other],
		           obey);
	}
	p->source = (struct leg_plan){ .kind = r->source,
		                       .version = r->source_version,
		                       .tls = { .steps = p->tls_source },
		                       .plain = p->plain_source,
		                       .profile = "https",
		                       .distrusts_fin = r->distrusts_fin };
	p->sink = (struct leg_plan){ .kind = r->sink,
		                     .version = r->sink_version,
		                     .tls = { .steps = p->tls_sink },
		                     .plain = p->plain_sink,
		                     .profile = "https" };
}

static char expected_of(const struct row *r)
{
	char letter = r->source == HALF_TLS ? tls_expected[r->how][r->where]
	                                    : plain_expected[r->distrusts_fin][r->how][r->where];

	return letter == 'M' && r->sink != HALF_TLS ? 'F' : letter;
}

static size_t said_by_source(const struct row *r)
{
	if (r->where == IDLE)
		return 0;
	if (r->is_up)
		return r->where == INSIDE ? sizeof HALF_REQUEST - 1 : LEN_REQUEST;
	return r->where == INSIDE ? sizeof HALF_ANSWER - 1 : LEN_ANSWER;
}

/* A server up to 1.2 cannot be told that the client ended while its answer is open. */
static bool is_held(const struct row *r)
{
	return r->is_up && r->where == INSIDE && expected_of(r) == 'F' &&
	       r->sink_version == LW_VERSION_TLS1_2;
}

/* What the peer that ended sees of the other's end: a proper one, where nothing was cut; as bare a
 * one as its own silence was. */
static enum seen seen_by_source(const struct row *r, char letter)
{
	if (r->how == RESET)
		return SEEN_NOTHING;
	if (r->how == SILENCE && letter != 'A' && r->source == HALF_TLS)
		return SEEN_BARE;
	if (r->how == FATAL)
		return SEEN_BARE; /* nothing is said behind a fatal alert */
	/* Its own close_notify, up to 1.2, was answered at once. */
	return letter == 'A' || (is_held(r) && r->source_version != LW_VERSION_TLS1_2)
	           ? SEEN_ABORT
	           : SEEN_FINISH;
}

/* What the other says, too. */
static size_t said_by_sink(const struct row *r)
{
	if (r->where == IDLE || (r->where == INSIDE && r->is_up))
		return 0;
	return r->is_up ? LEN_ANSWER : LEN_REQUEST;
}

static bool is_all_heard(const struct scene *s, const struct row *r)
{
	const struct scene_leg *source = r->is_up ? &s->front : &s->back;
	const struct scene_leg *sink = r->is_up ? &s->back : &s->front;

	return scene_heard(sink) == said_by_source(r) && scene_heard(source) == said_by_sink(r) &&
	       (!is_held(r) || s->couple->up.outcome == HELD);
}

/* Only a Unix socket's peer, that does not speak, is waited for. */
static bool waits_for_unix(const struct couple *c)
{
	const struct leg *legs[] = { &c->front, &c->back };
	size_t waits = 0;

	for (size_t i = 0; i < 2; i++) {
		if (!legs[i]->is_done && legs[i]->e->ops->kind != HALF_UNIX)
			return false;
		waits += !legs[i]->is_done && legs[i]->way == WAY_ABORT;
	}
	return c->cause != COUPLE_RUNS && waits > 0;
}

/* Time passes where nothing else is waited for. */
static void run_row(struct scene *s, const struct row *r)
{
	while (!s->is_over) {
		scene_turn(s);
		if (s->is_over)
			break;
		if ((r->how == SILENCE || is_held(r)) && s->couple->cause == COUPLE_RUNS &&
		    is_all_heard(s, r))
			scene_pass_idle(s);
		if (waits_for_unix(s->couple))
			scene_pass_deadline(s);
	}
	scene_run(s);
}

static void test_row(void **state)
{
	static const enum seen seen_by_letter[] = {
		['F'] = SEEN_FINISH, ['M'] = SEEN_BARE, ['A'] = SEEN_ABORT
	};
	const struct row *r = *state;
	const struct scene_leg *source, *sink;
	const struct couple_half_report *half, *other;
	struct plans p;
	struct scene s;
	char letter = expected_of(r);

	make_plans(r, &p);
	scene_open(&s, r->is_up ? &p.source : &p.sink, r->is_up ? &p.sink : &p.source);
	s.options.aborts_with = r->aborts_with;
	scene_start(&s);
	run_row(&s, r);
	sink = r->is_up ? &s.back : &s.front;
	source = r->is_up ? &s.front : &s.back;
	half = r->is_up ? &s.report.up : &s.report.down;
	if (half->was_unmarked)
		assert_int_equal(r->sink, HALF_UNIX);
	else
		assert_int_equal(scene_seen(sink), seen_by_letter[(unsigned char)letter]);
	other = r->is_up ? &s.report.down : &s.report.up;
	if (!other->was_unmarked)
		assert_int_equal(scene_seen(source), seen_by_source(r, letter));
	assert_int_equal(scene_heard(sink), said_by_source(r));
	assert_int_equal(half->moved, said_by_source(r));
	assert_int_equal(half->lost, 0);
	assert_int_equal(half->was_aborted, letter == 'A');
	assert_int_equal(half->was_mirrored, letter == 'M');
	assert_int_equal(half->was_finished, letter == 'F');
	scene_close(&s);
}

/* ---- all rows */

static const char *kind_name(enum half_kind kind, enum lw_version version)
{
	return kind == HALF_TCP ? "tcp" : kind == HALF_UNIX ? "unix" : lw_version_name(version);
}

static void add_row(struct row r)
{
	if (r.source != HALF_TLS && r.how != BOUNDARY && r.how != RESET && r.how != SILENCE)
		return;
	if (r.source == HALF_UNIX && r.how == RESET)
		return;
	assert_true(row_count < ROWS_MAX);
	(void)snprintf(r.name, sizeof r.name, "%s %s, %s -> %s%s%s", how_names[r.how],
	               where_names[r.where], kind_name(r.source, r.source_version),
	               kind_name(r.sink, r.sink_version), r.is_up ? ", up" : ", down",
	               r.distrusts_fin ? ", FIN not trusted" : "");
	rows[row_count++] = r;
}

static const struct {
	enum half_kind kind;
	enum lw_version version;
} made_of[] = {
	{ HALF_TLS, LW_VERSION_TLS1_3 },
	{ HALF_TLS, LW_VERSION_TLS1_2 },
	{ HALF_TCP, LW_VERSION_UNKNOWN },
	{ HALF_UNIX, LW_VERSION_UNKNOWN },
};

enum { KINDS = sizeof made_of / sizeof made_of[0] };

static void add_rows_between(size_t source, size_t sink, bool is_up)
{
	for (enum how how = 0; how < HOWS; how++)
		for (enum where where = 0; where < WHERES; where++)
			for (int distrusts = 0; distrusts < 2; distrusts++) {
				if (distrusts && made_of[source].kind == HALF_TLS)
					continue;
				add_row((struct row){ .is_up = is_up,
				                      .source = made_of[source].kind,
				                      .source_version = made_of[source].version,
				                      .sink = made_of[sink].kind,
				                      .sink_version = made_of[sink].version,
				                      .how = how,
				                      .where = where,
				                      .distrusts_fin = distrusts });
			}
}

int main(int argc, char **argv)
{
	static struct CMUnitTest tests[ROWS_MAX];

	for (size_t source = 0; source < KINDS; source++)
		for (size_t sink = 0; sink < KINDS; sink++)
			for (int is_up = 0; is_up < 2; is_up++)
				add_rows_between(source, sink, is_up);
	for (size_t i = 0; i < row_count; i++)
		tests[i] = (struct CMUnitTest){ .name = rows[i].name,
			                        .test_func = test_row,
			                        .initial_state = &rows[i] };
	if (argc > 1) /* a pattern of names */
		cmocka_set_test_filter(argv[1]);
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return _cmocka_run_group_tests("couple", tests, row_count, NULL, NULL);
}
