/*
 * frame_mysql: the length-prefix row of MySQL and MariaDB, and which packets end an answer.
 *
 * The shape of an answer depends on the command: one packet, result sets, rows alone, the
 * definitions behind a prepared statement, or the dialogue of a login.  Commands wait in a queue of
 * kinds.  Whether an EOF packet stands behind definitions was agreed at the login
 * (CLIENT_DEPRECATE_EOF, which a client may only ask for if the server offers it); where the
 * packets say otherwise track is lost.  A packet of the highest length goes on in the next, and is
 * judged by its first part.  Compression and what else changes the framing lose track.
 */
#include "closure/cursor.h"
#include "framing/frames.h"

#include <string.h>

#define HEADER_BYTES  4u
#define LONGEST       0xffffffu
#define QUEUE         8u
#define EOF_BYTES     5u
#define PREPARE_BYTES 12u
#define LOGIN_BYTES   32u

/* In `open`: the server asked for a file, which ends with an empty packet. */
#define SENDS_FILE 1u

/* What a client asks for at its login. */
#define ASKS_COMPRESSION  (1u << 5 | 1u << 26)
#define ASKS_PROTOCOL_41  (1u << 9)
#define ASKS_TLS          (1u << 11)
#define ASKS_DEPRECATE    (1u << 24)
#define ASKS_METADATA_OFF (1u << 25)

/* What a status says. */
#define HAS_MORE_RESULTS 0x0008u
#define HAS_CURSOR       0x0040u

enum login { LOGIN_TO_COME, LOGIN_GREETED, LOGIN_UNDER_WAY, LOGIN_DONE };

/* How a command is answered; the queue has four bits for it. */
enum kind { KIND_NONE, KIND_ONE, KIND_RESULTS, KIND_ROWS, KIND_PREPARE, KIND_LOGIN, KIND_UNKNOWN };

/* Where the answer to the oldest command stands. */
enum phase { PHASE_FIRST, PHASE_DEFINITIONS, PHASE_EOF, PHASE_ROWS, PHASE_COUNTED };

static const struct command {
	uint8_t code;
	uint8_t kind;
} commands[] = {
	{ 0x01, KIND_NONE },    /* quit */
	{ 0x02, KIND_ONE },     /* init db */
	{ 0x03, KIND_RESULTS }, /* query */
	{ 0x04, KIND_ROWS },    /* field list */
	{ 0x05, KIND_ONE },     /* create db */
	{ 0x06, KIND_ONE },     /* drop db */
	{ 0x07, KIND_ONE },     /* refresh */
	{ 0x08, KIND_ONE },     /* shutdown */
	{ 0x09, KIND_ONE },     /* statistics: a line without a type */
	{ 0x0a, KIND_RESULTS }, /* process info */
	{ 0x0c, KIND_ONE },     /* process kill */
	{ 0x0d, KIND_ONE },     /* debug */
	{ 0x0e, KIND_ONE },     /* ping */
	{ 0x11, KIND_LOGIN },   /* change user */
	{ 0x16, KIND_PREPARE }, /* statement prepare */
	{ 0x17, KIND_RESULTS }, /* statement execute */
	{ 0x18, KIND_NONE },    /* statement send long data */
	{ 0x19, KIND_NONE },    /* statement close */
	{ 0x1a, KIND_ONE },     /* statement reset */
	{ 0x1b, KIND_ONE },     /* set option */
	{ 0x1c, KIND_ROWS },    /* statement fetch */
	{ 0x1f, KIND_ONE },     /* reset connection */
	{ 0xfa, KIND_RESULTS }, /* statement bulk execute */
};

static const char no_mysql[] = "not a MySQL packet";

static uint32_t length_of(const struct lw_frame_side *side)
{
	return side->head[0] | (uint32_t)side->head[1] << 8 | (uint32_t)side->head[2] << 16;
}

static bool take_little(struct lw_cursor *c, size_t width, uint64_t *value)
{
	uint8_t octet;

	*value = 0;
	for (size_t i = 0; i < width; i++) {
		if (!lw_take_u8(c, &octet))
			return false;
		*value |= (uint64_t)octet << 8 * i;
	}
	return true;
}

/* A number with its own length. */
static bool take_number(struct lw_cursor *c, uint64_t *value)
{
	uint8_t first;

	if (!lw_take_u8(c, &first))
		return false;
	*value = first;
	if (first < 0xfb)
		return true;
	return first > 0xfb && first < 0xff &&
	       take_little(c,
	                   first == 0xfc   ? 2
	                   : first == 0xfd ? 3
	                                   : 8,
	                   value);
}

/* The status of an OK packet, or of an EOF packet; what is kept of a packet always reaches to it.
 */
static bool read_status(const struct lw_frame_side *side, bool is_eof, uint64_t *status)
{
	struct lw_cursor c = lw_cursor_over(side->head, side->head_bytes), before;
	uint64_t rows, id, warnings;

	if (!lw_take_window(&c, HEADER_BYTES + 1, &before))
		return false;
	if (is_eof)
		return take_little(&c, 2, &warnings) && take_little(&c, 2, status);
	return take_number(&c, &rows) && take_number(&c, &id) && take_little(&c, 2, status);
}

static enum kind oldest(const struct lw_frames *f)
{
	return (enum kind)(f->more.mysql.kinds & 15);
}

static const char *push(struct lw_frames *f, enum kind kind)
{
	if (kind == KIND_NONE)
		return NULL;
	if (f->owed == QUEUE)
		return "too many requests unanswered";
	f->more.mysql.kinds |= (uint32_t)kind << 4 * f->owed;
	return lw_frames_owe(f, 0);
}

/* The answer, or one of its results, is whole. */
static const char *end_result(struct lw_frames *f, uint64_t status)
{
	f->more.mysql.phase = PHASE_FIRST;
	if ((status & HAS_MORE_RESULTS) != 0)
		return NULL;
	f->more.mysql.kinds >>= 4;
	return lw_frames_settle(f, 0);
}

static const char *log_in(struct lw_frames *f, const struct lw_frame_side *side)
{
	struct lw_cursor c = lw_cursor_over(side->head, side->head_bytes), before;
	uint64_t asks = 0;

	if (length_of(side) < LOGIN_BYTES || !lw_take_window(&c, HEADER_BYTES, &before) ||
	    !take_little(&c, 4, &asks) || (asks & ASKS_PROTOCOL_41) == 0)
		return "a MySQL login of a shape that is not known";
	if (length_of(side) == LOGIN_BYTES && (asks & ASKS_TLS) != 0)
		return "encryption begins inside";
	if ((asks & (ASKS_COMPRESSION | ASKS_METADATA_OFF)) != 0)
		return "MySQL framing that is not followed";
	f->more.mysql.with_eof = (asks & ASKS_DEPRECATE) == 0;
	f->more.mysql.login = LOGIN_UNDER_WAY;
	return push(f, KIND_LOGIN);
}

static enum kind kind_of(uint8_t code)
{
	for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
		if (commands[i].code == code)
			return (enum kind)commands[i].kind;
	return KIND_UNKNOWN;
}

static const char *ask(struct lw_frames *f, const struct lw_frame_side *side)
{
	enum kind kind;

	if (f->more.mysql.login < LOGIN_UNDER_WAY)
		return log_in(f, side);
	if ((f->open & SENDS_FILE) != 0) {
		if (length_of(side) == 0)
			f->open = 0;
		return NULL;
	}
	if (f->owed > 0 && oldest(f) == KIND_LOGIN && side->head[3] != 0)
		return NULL; /* what the server asked for */
	if (f->more.mysql.login != LOGIN_DONE || side->head[3] != 0 || length_of(side) == 0)
		return no_mysql;
	kind = kind_of(side->head[HEADER_BYTES]);
	return kind == KIND_UNKNOWN ? "a MySQL command whose answers cannot be counted"
	                            : push(f, kind);
}

static const char *answer_login(struct lw_frames *f, uint8_t first)
{
	switch (first) {
	case 0x00:
		f->more.mysql.login = LOGIN_DONE;
		return end_result(f, 0);
	case 0xff:
		return end_result(f, 0);
	case 0x01: /* more to say */
	case 0xfe: /* another way to log in */
		return NULL;
	default:
		return no_mysql;
	}
}

/* The number of columns; one octet behind it says whether they are described. */
static const char *begin_columns(struct lw_frames *f, const struct lw_frame_side *side)
{
	struct lw_cursor c = lw_cursor_over(side->head, side->head_bytes), before;
	struct lw_frame_mysql_state *m = &f->more.mysql;
	uint64_t columns;
	uint8_t described = 1;

	if (!lw_take_window(&c, HEADER_BYTES, &before) || !take_number(&c, &columns) ||
	    columns == 0 || columns > UINT16_MAX || c.left > 1)
		return no_mysql;
	if (lw_take_u8(&c, &described) && described > 1)
		return no_mysql;
	m->awaited = described ? (uint32_t)columns : 0;
	m->phase = m->awaited > 0 ? PHASE_DEFINITIONS : m->with_eof ? PHASE_EOF : PHASE_ROWS;
	return NULL;
}

static const char *begin_results(struct lw_frames *f, const struct lw_frame_side *side)
{
	uint64_t status;

	switch (side->head[HEADER_BYTES]) {
	case 0x00:
		return read_status(side, false, &status) ? end_result(f, status) : no_mysql;
	case 0xfb:
		f->open |= SENDS_FILE;
		return NULL;
	default:
		return begin_columns(f, side);
	}
}

/* Parameters and columns, each with an EOF packet if there are any. */
static const char *begin_prepared(struct lw_frames *f, const struct lw_frame_side *side)
{
	struct lw_cursor c = lw_cursor_over(side->head, side->head_bytes), before;
	struct lw_frame_mysql_state *m = &f->more.mysql;
	uint64_t columns, parameters;
	uint32_t eof = m->with_eof ? 1 : 0;

	if (side->head[HEADER_BYTES] != 0x00 || length_of(side) != PREPARE_BYTES ||
	    !lw_take_window(&c, HEADER_BYTES + 5, &before) || !take_little(&c, 2, &columns) ||
	    !take_little(&c, 2, &parameters))
		return no_mysql;
	m->awaited = (uint32_t)columns + (columns > 0 ? eof : 0) + (uint32_t)parameters +
	             (parameters > 0 ? eof : 0);
	m->phase = PHASE_COUNTED;
	return m->awaited > 0 ? NULL : end_result(f, 0);
}

static bool is_eof(const struct lw_frame_side *side)
{
	return side->head[HEADER_BYTES] == 0xfe && length_of(side) == EOF_BYTES;
}

/* A row, or what ends them: EOF, or an OK packet that begins like one. */
static const char *pass_row(struct lw_frames *f, const struct lw_frame_side *side)
{
	uint64_t status;

	if (side->head[HEADER_BYTES] != 0xfe || length_of(side) == LONGEST)
		return NULL;
	if (is_eof(side) != f->more.mysql.with_eof ||
	    !read_status(side, f->more.mysql.with_eof, &status))
		return no_mysql;
	return end_result(f, status);
}

static const char *pass_phase(struct lw_frames *f, const struct lw_frame_side *side)
{
	struct lw_frame_mysql_state *m = &f->more.mysql;
	uint64_t status;

	switch ((enum phase)m->phase) {
	case PHASE_DEFINITIONS:
		if (--m->awaited == 0)
			m->phase = m->with_eof ? PHASE_EOF : PHASE_ROWS;
		return NULL;
	case PHASE_EOF:
		if (!is_eof(side) || !read_status(side, true, &status))
			return no_mysql;
		if ((status & HAS_CURSOR) != 0)
			return end_result(f, status); /* rows are fetched */
		m->phase = PHASE_ROWS;
		return NULL;
	case PHASE_ROWS:
		return pass_row(f, side);
	case PHASE_COUNTED:
		return --m->awaited > 0 ? NULL : end_result(f, 0);
	case PHASE_FIRST:
		break;
	}
	switch (oldest(f)) {
	case KIND_RESULTS:
		return begin_results(f, side);
	case KIND_ROWS:
		return pass_row(f, side);
	case KIND_PREPARE:
		return begin_prepared(f, side);
	case KIND_LOGIN:
		return answer_login(f, side->head[HEADER_BYTES]);
	case KIND_NONE:
	case KIND_ONE:
	case KIND_UNKNOWN:
		break;
	}
	return end_result(f, 0);
}

/* Before the login the server greets, or refuses. */
static const char *greet(struct lw_frames *f, const struct lw_frame_side *side)
{
	uint8_t first = side->head[HEADER_BYTES];

	if (f->more.mysql.login != LOGIN_TO_COME || (first != 0x0a && first != 0xff))
		return no_mysql;
	f->more.mysql.login = LOGIN_GREETED;
	return NULL;
}

static const char *answer(struct lw_frames *f, const struct lw_frame_side *side)
{
	static const uint8_t progress[] = { 0xff, 0xff, 0xff };
	const uint8_t *body = side->head + HEADER_BYTES;

	if (length_of(side) == 0)
		return no_mysql;
	if (f->more.mysql.login < LOGIN_UNDER_WAY)
		return greet(f, side);
	if (f->owed == 0)
		return lw_frames_settle(f, 0);
	if (body[0] != 0xff)
		return pass_phase(f, side);
	if (length_of(side) >= sizeof progress && memcmp(body, progress, sizeof progress) == 0)
		return NULL; /* MariaDB: how far it has come */
	f->open = 0;
	return end_result(f, 0);
}

static const char *pair_mysql(struct lw_frames *f, struct lw_frame_side *side)
{
	bool goes_on = side->continued;

	side->continued = length_of(side) == LONGEST;
	if (goes_on)
		return NULL;
	return side->request ? ask(f, side) : answer(f, side);
}

const struct lw_frame_row lw_frame_mysql = {
	.shape = LW_FRAME_LITTLE,
	.width = 3,
	.added = 1,
	.max = LONGEST,
	.pairing = LW_PAIRING_KNOWN,
	.pair = pair_mysql,
};
