/* verifier: see verifier.h. */
#include "stream/verifier.h"

#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

/* The longest record of any version: 2^14 bytes and what sealing may add. */
#define RECORD_BYTES_MAX (LW_RECORD_HEADER + 16384u + 2048u)

struct lw_verifier {
	const struct lw_opener *opener;
	struct lw_boundary boundary;
	struct lw_alert_joint joint;
	uint8_t *record; /* the one that is coming in, or that is being heard */
	size_t record_bytes;
	uint8_t *alerts; /* within `record`: alerts not yet told */
	size_t alerts_bytes;
	size_t alerts_used;
	alignas(max_align_t) unsigned char state[];
};

struct lw_verifier *lw_verifier_new(const struct lw_opener *opener, void *context)
{
	struct lw_verifier *v = calloc(1, sizeof *v + opener->state_bytes);

	if (!v)
		return NULL;
	v->opener = opener;
	if (opener->take(context, v->state))
		return v;
	lw_verifier_free(v);
	return NULL;
}

static void drop_record(struct lw_verifier *v)
{
	free(v->record);
	v->record = NULL;
	v->record_bytes = 0;
	v->alerts_bytes = v->alerts_used = 0;
}

void lw_verifier_free(struct lw_verifier *v)
{
	if (!v)
		return;
	drop_record(v);
	explicit_bzero(v->state, v->opener->state_bytes);
	free(v);
}

const struct lw_boundary *lw_verifier_boundary(const struct lw_verifier *v)
{
	return &v->boundary;
}

/* Makes room for a record whose header is whole. */
static bool begin_record(struct lw_verifier *v)
{
	const size_t all = LW_RECORD_HEADER + lw_boundary_need(&v->boundary);

	if (all > RECORD_BYTES_MAX)
		return false;
	v->record = calloc(1, all);
	if (!v->record)
		return false;
	memcpy(v->record, v->boundary.header, LW_RECORD_HEADER);
	v->record_bytes = LW_RECORD_HEADER;
	return true;
}

/* Lets what belongs to the record under way pass; false: it cannot be kept. */
static bool take_bytes(struct lw_verifier *v, const uint8_t *bytes, size_t len, size_t *used)
{
	const size_t need = lw_boundary_need(&v->boundary);
	const size_t n = len - *used < need ? len - *used : need;
	const bool in_header = v->boundary.header_bytes < LW_RECORD_HEADER;

	if (!in_header) {
		memcpy(v->record + v->record_bytes, bytes + *used, n);
		v->record_bytes += n;
	}
	lw_boundary_pass(&v->boundary, bytes + *used, n);
	*used += n;
	if (in_header && v->boundary.header_bytes == LW_RECORD_HEADER)
		return begin_record(v);
	/* A record without a body has passed with its header, and is none that was sealed. */
	return !in_header || n < need;
}

/* The alert that waits, as an event; LW_HEARD_NOTHING: there is none. */
static enum lw_heard next_alert(struct lw_verifier *v, const struct lw_version_row *row,
                                struct lw_engine_event *event)
{
	struct lw_alert alert;

	switch (
	    lw_alert_take(row, &v->joint, v->alerts, v->alerts_bytes, &v->alerts_used, &alert)) {
	case LW_ALERT_ONE:
		*event = (struct lw_engine_event){ .kind = LW_EV_ALERT,
			                           .level = alert.level,
			                           .description = alert.description };
		return LW_HEARD_EVENT;
	case LW_ALERT_BROKEN:
		return LW_HEARD_GARBAGE;
	case LW_ALERT_NONE:
	default:
		drop_record(v);
		return LW_HEARD_NOTHING;
	}
}

/* Opens the record that is whole now. */
static enum lw_heard open_record(struct lw_verifier *v, const struct lw_version_row *row,
                                 struct lw_engine_event *event, uint64_t *data_bytes)
{
	uint8_t type = 0, *contents = NULL;
	size_t n = 0;

	if (!v->opener->open(v->state, v->record, v->record_bytes, &type, &contents, &n))
		return LW_HEARD_GARBAGE;
	if (type == LW_RECORD_ALERT) {
		v->alerts = contents;
		v->alerts_bytes = n;
		v->alerts_used = 0;
		return next_alert(v, row, event);
	}
	drop_record(v);
	if (type != LW_RECORD_APPLICATION_DATA || n == 0)
		return LW_HEARD_NOTHING;
	*data_bytes += n;
	*event = (struct lw_engine_event){ .kind = LW_EV_DATA };
	return LW_HEARD_EVENT;
}

enum lw_heard lw_verifier_hear(struct lw_verifier *v, const struct lw_version_row *row,
                               const uint8_t *bytes, size_t len, size_t *used,
                               struct lw_engine_event *event, uint64_t *data_bytes)
{
	enum lw_heard heard = LW_HEARD_NOTHING;

	if (v->alerts_bytes > 0)
		heard = next_alert(v, row, event);
	while (heard == LW_HEARD_NOTHING && *used < len) {
		if (!take_bytes(v, bytes, len, used))
			return LW_HEARD_GARBAGE;
		if (v->record && lw_boundary_place(&v->boundary) == LW_PLACE_BOUNDARY)
			heard = open_record(v, row, event, data_bytes);
	}
	return heard;
}
