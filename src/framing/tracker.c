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
_Static_assert(sizeof(((struct lw_tracker *)0)->state) <= 128, "the state is bounded");

/* One way of reading.  `requests` and `answers` take all octets, lose track, or change the kind. */
struct ops {
	void (*requests)(struct lw_tracker *t, struct lw_cursor *c);
	void (*answers)(struct lw_tracker *t, struct lw_cursor *c);
	bool (*complete)(const struct lw_tracker *t);
	bool (*ended_by_close)(const struct lw_tracker *t);
	const char *(*why)(const struct lw_tracker *t);
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

static const struct ops unsure = { pass_any, pass_any, never, never, why_unsure };
static const struct ops by_close = { pass_any, pass_any, never, always, why_by_close };
static const struct ops http1 = { lw_http1_requests, lw_http1_responses, lw_http1_complete,
	                          lw_http1_ended_by_close, lw_http1_why };
static const struct ops lines = { lw_lines_requests, lw_lines_answers, lw_lines_complete, never,
	                          lw_lines_why };
static const struct ops frames = { lw_frames_requests, lw_frames_answers, lw_frames_complete, never,
	                           lw_frames_why };

static const struct row {
	const char *name;
	const struct ops *ops;
	const struct lw_line_row *line;
	const struct lw_frame_row *frame;
} rows[LW_KINDS] = {
	[LW_KIND_UNSURE] = { "unsure", &unsure, NULL, NULL },
	[LW_KIND_BY_CLOSE] = { "by-close", &by_close, NULL, NULL },
	[LW_KIND_HTTP1] = { "http1", &http1, NULL, NULL },
	[LW_KIND_WEBSOCKET] = { "websocket", &http1, NULL, NULL },
	[LW_KIND_WEBSOCKET_FRAMES] = { "websocket-frames", &frames, NULL, &lw_frame_websocket },
	[LW_KIND_LINES] = { "lines", &lines, &lw_line_plain, NULL },
	[LW_KIND_SMTP] = { "smtp", &lines, &lw_line_smtp, NULL },
	[LW_KIND_FTP] = { "ftp", &lines, &lw_line_ftp, NULL },
	[LW_KIND_DNS] = { "dns", &frames, NULL, &lw_frame_dns },
	[LW_KIND_POSTGRESQL] = { "postgresql", &frames, NULL, &lw_frame_postgresql },
	[LW_KIND_LDAP] = { "ldap", &frames, NULL, &lw_frame_ldap },
	[LW_KIND_MQTT] = { "mqtt", &frames, NULL, &lw_frame_mqtt },
	[LW_KIND_SYSLOG] = { "syslog", &frames, NULL, &lw_frame_syslog },
	[LW_KIND_RADIUS] = { "radius", &frames, NULL, &lw_frame_radius },
	[LW_KIND_DIAMETER] = { "diameter", &frames, NULL, &lw_frame_diameter },
	[LW_KIND_EPP] = { "epp", &frames, NULL, &lw_frame_epp },
	[LW_KIND_KERBEROS] = { "kerberos", &frames, NULL, &lw_frame_kerberos },
	[LW_KIND_NTS_KE] = { "nts-ke", &frames, NULL, &lw_frame_nts_ke },
	[LW_KIND_SNMP] = { "snmp", &frames, NULL, &lw_frame_snmp },
	[LW_KIND_COPS] = { "cops", &frames, NULL, &lw_frame_cops },
	[LW_KIND_MYSQL] = { "mysql", &frames, NULL, &lw_frame_mysql },
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
	if (row->line != NULL)
		lw_lines_init(t, row->line);
	else if (row->frame != NULL)
		lw_frames_init(t, row->frame);
	else if (row->ops == &http1)
		lw_http1_init(t);
}

void lw_tracker_init(struct lw_tracker *t, enum lw_kind kind, enum lw_role role)
{
	t->role = role;
	t->lost = NULL;
	lw_tracker_become(t, kind);
}

void lw_tracker_greeted(struct lw_tracker *t)
{
	const struct row *row = row_of(t->kind);

	if (row->line != NULL)
		t->state.lines.owed = 0;
	else if (row->frame != NULL)
		t->state.frames.owed = 0;
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
