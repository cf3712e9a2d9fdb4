/*
 * tracker: the one door to every tracker, and the latch of what lost track.
 *
 * One row a kind; each way of reading is a const struct of functions.  A tracker that lost track is
 * asked nothing any more.  The two that read nothing live here.
 */
#include "framing/tracker.h"

#include "closure/cursor.h"

#include <string.h>

/* What the state may take. */
/* XMPP's is the largest: whoever answers an iq must be known by name. */
_Static_assert(sizeof(((struct lw_tracker *)0)->state) <= 152, "the state is bounded");
_Static_assert(sizeof(struct lw_http1) <= 128 && sizeof(struct lw_http2) <= 128 &&
                   sizeof(struct lw_lines) <= 128 && sizeof(struct lw_frames) <= 128 &&
                   sizeof(struct lw_blocks) <= 128 && sizeof(struct lw_literals) <= 128 &&
                   sizeof(struct lw_resp) <= 128,
               "all others' states are smaller");

/* What a way of reading knows of one protocol: a row of its own. */
union protocol {
	const void *none;
	const struct lw_line_row *line;
	const struct lw_frame_row *frame;
	const struct lw_block_row *block;
	const struct lw_literal_row *literal;
};

/* One way of reading.  `requests` and `answers` take all octets, lose track, or change the kind. */
struct ops {
	void (*init)(struct lw_tracker *t, const union protocol *p); /* NULL: nothing to start */
	void (*requests)(struct lw_tracker *t, struct lw_cursor *c);
	void (*answers)(struct lw_tracker *t, struct lw_cursor *c);
	bool (*complete)(const struct lw_tracker *t);
	bool (*ended_by_close)(const struct lw_tracker *t);
	const char *(*why)(const struct lw_tracker *t);
	void (*greeted)(
	    struct lw_tracker *t); /* NULL: where no server greets, or it does so again */
};

static void pass_any(struct lw_tracker *t, struct lw_cursor *c)
{
	struct lw_cursor window;

	(void)t;
	(void)lw_take_window(c, c->left, &window);
}

static bool never(const struct lw_tracker *t)
{
	(void)t;
	return false;
}

static bool always(const struct lw_tracker *t)
{
	(void)t;
	return true;
}

static const char *why_unsure(const struct lw_tracker *t)
{
	(void)t;
	return "nobody follows the messages of this protocol";
}

/* rule: close-delimited-needs-alert */
static const char *why_by_close(const struct lw_tracker *t)
{
	(void)t;
	return "no length: only close_notify completes it";
}

static void init_http1(struct lw_tracker *t, const union protocol *p)
{
	(void)p;
	lw_http1_init(t);
}

static void init_lines(struct lw_tracker *t, const union protocol *p)
{
	lw_lines_init(t, p->line);
}

static void init_frames(struct lw_tracker *t, const union protocol *p)
{
	lw_frames_init(t, p->frame);
}

static void init_blocks(struct lw_tracker *t, const union protocol *p)
{
	lw_blocks_init(t, p->block);
}

static void init_literals(struct lw_tracker *t, const union protocol *p)
{
	lw_literals_init(t, p->literal);
}

static void init_http2(struct lw_tracker *t, const union protocol *p)
{
	(void)p;
	lw_http2_init(t);
}

static const struct ops unsure = { NULL, pass_any, pass_any, never, never, why_unsure, NULL };
static const struct ops by_close = { NULL, pass_any, pass_any, never, always, why_by_close, NULL };
static const struct ops http1 = {
	init_http1,
	lw_http1_requests,
	lw_http1_responses,
	lw_http1_complete,
	lw_http1_ended_by_close,
	lw_http1_why,
	NULL,
};
static const struct ops lines = {
	init_lines, lw_lines_requests, lw_lines_answers, lw_lines_complete,
	never,      lw_lines_why,      lw_lines_greeted,
};
static const struct ops frames = {
	init_frames, lw_frames_requests, lw_frames_answers, lw_frames_complete,
	never,       lw_frames_why,      lw_frames_greeted,
};
static const struct ops blocks = {
	init_blocks, lw_blocks_requests, lw_blocks_answers, lw_blocks_complete,
	never,       lw_blocks_why,      lw_blocks_greeted,
};
static const struct ops literals = {
	init_literals, lw_literals_requests, lw_literals_answers, lw_literals_complete,
	never,         lw_literals_why,      lw_literals_greeted,
};
static const struct ops resp = {
	NULL, lw_resp_requests, lw_resp_answers, lw_resp_complete, never, lw_resp_why, NULL,
};

static const struct ops http2 = {
	init_http2, lw_http2_requests, lw_http2_answers, lw_http2_complete, never, lw_http2_why,
	NULL,
};
static const struct ops xmpp = {
	NULL, lw_xmpp_requests, lw_xmpp_answers, lw_xmpp_complete, never, lw_xmpp_why, NULL,
};

static const struct row {
	const char *name;
	const struct ops *ops;
	union protocol protocol;
} rows[LW_KINDS] = {
	[LW_KIND_UNSURE] = { "unsure", &unsure, { NULL } },
	[LW_KIND_BY_CLOSE] = { "by-close", &by_close, { NULL } },
	[LW_KIND_HTTP1] = { "http1", &http1, { NULL } },
	[LW_KIND_WEBSOCKET] = { "websocket", &http1, { NULL } },
	[LW_KIND_WEBSOCKET_FRAMES] = { "websocket-frames",
	                               &frames,
	                               { .frame = &lw_frame_websocket } },
	[LW_KIND_LINES] = { "lines", &lines, { .line = &lw_line_plain } },
	[LW_KIND_SMTP] = { "smtp", &lines, { .line = &lw_line_smtp } },
	[LW_KIND_FTP] = { "ftp", &lines, { .line = &lw_line_ftp } },
	[LW_KIND_POP3] = { "pop3", &blocks, { .block = &lw_block_pop3 } },
	[LW_KIND_NNTP] = { "nntp", &blocks, { .block = &lw_block_nntp } },
	[LW_KIND_IMAP] = { "imap", &literals, { .literal = &lw_literal_imap } },
	[LW_KIND_SIEVE] = { "sieve", &literals, { .literal = &lw_literal_sieve } },
	[LW_KIND_RESP] = { "resp", &resp, { NULL } },
	[LW_KIND_XMPP] = { "xmpp", &xmpp, { NULL } },
	[LW_KIND_DNS] = { "dns", &frames, { .frame = &lw_frame_dns } },
	[LW_KIND_POSTGRESQL] = { "postgresql", &frames, { .frame = &lw_frame_postgresql } },
	[LW_KIND_LDAP] = { "ldap", &frames, { .frame = &lw_frame_ldap } },
	[LW_KIND_MQTT] = { "mqtt", &frames, { .frame = &lw_frame_mqtt } },
	[LW_KIND_SYSLOG] = { "syslog", &frames, { .frame = &lw_frame_syslog } },
	[LW_KIND_RADIUS] = { "radius", &frames, { .frame = &lw_frame_radius } },
	[LW_KIND_DIAMETER] = { "diameter", &frames, { .frame = &lw_frame_diameter } },
	[LW_KIND_EPP] = { "epp", &frames, { .frame = &lw_frame_epp } },
	[LW_KIND_KERBEROS] = { "kerberos", &frames, { .frame = &lw_frame_kerberos } },
	[LW_KIND_NTS_KE] = { "nts-ke", &frames, { .frame = &lw_frame_nts_ke } },
	[LW_KIND_SNMP] = { "snmp", &frames, { .frame = &lw_frame_snmp } },
	[LW_KIND_COPS] = { "cops", &frames, { .frame = &lw_frame_cops } },
	[LW_KIND_MYSQL] = { "mysql", &frames, { .frame = &lw_frame_mysql } },
	[LW_KIND_HTTP2] = { "http2", &http2, { NULL } },
};

static const struct row *row_of(enum lw_kind kind)
{
	return (unsigned)kind < LW_KINDS ? &rows[kind] : &rows[LW_KIND_UNSURE];
}

void lw_tracker_become(struct lw_tracker *t, enum lw_kind kind)
{
	const struct row *row = row_of(kind);

	memset(&t->state, 0, sizeof t->state);
	t->kind = (enum lw_kind)(row - rows);
	if (row->ops->init != NULL)
		row->ops->init(t, &row->protocol);
}

void lw_tracker_init(struct lw_tracker *t, enum lw_kind kind, enum lw_role role)
{
	t->role = role;
	t->lost = NULL;
	lw_tracker_become(t, kind);
}

void lw_tracker_greeted(struct lw_tracker *t)
{
	const struct ops *ops = row_of(t->kind)->ops;

	if (ops->greeted != NULL)
		ops->greeted(t);
}

static void pass(struct lw_tracker *t, bool requests, const void *bytes, size_t len)
{
	struct lw_cursor c = lw_cursor_over(bytes, len);

	while (c.left > 0 && t->lost == NULL) {
		const struct ops *ops = row_of(t->kind)->ops;

		(requests ? ops->requests : ops->answers)(t, &c);
	}
}

void lw_tracker_sent(struct lw_tracker *t, const void *bytes, size_t len)
{
	pass(t, t->role == LW_ROLE_CLIENT, bytes, len);
}

void lw_tracker_received(struct lw_tracker *t, const void *bytes, size_t len)
{
	pass(t, t->role == LW_ROLE_SERVER, bytes, len);
}

bool lw_tracker_complete(const struct lw_tracker *t)
{
	return t->lost == NULL && row_of(t->kind)->ops->complete(t);
}

bool lw_tracker_ended_by_close(const struct lw_tracker *t)
{
	return t->lost == NULL && row_of(t->kind)->ops->ended_by_close(t);
}

const char *lw_tracker_why(const struct lw_tracker *t)
{
	return t->lost != NULL ? t->lost : row_of(t->kind)->ops->why(t);
}

const char *lw_kind_name(enum lw_kind kind)
{
	return row_of(kind)->name;
}
