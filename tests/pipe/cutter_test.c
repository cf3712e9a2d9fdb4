/*
 * cutter: where each plan cuts a TLS 1.2 and a TLS 1.3 connection, to the byte, and
 * that it is the same place however the bytes arrive.  The connections are record
 * headers around a real ServerHello; contents are nothing that a cutter reads.
 */
#include "pipe/cutter.h"
#include "tests/unit.h"

#include <stdlib.h>
#include <string.h>

#define TO_CLIENT CUTTER_TO_CLIENT
#define TO_SERVER CUTTER_TO_SERVER

struct record {
	enum cutter_direction direction;
	uint8_t type;  /* 0: no record, but clear text that is nearly a ClientHello */
	uint16_t body; /* 0: the ServerHello of the version */
};

/* Numbered per direction; the table below names them by number. */
static const struct record tls12[] = {
	{ TO_SERVER, 22, 100 }, /* ClientHello */
	{ TO_CLIENT, 22, 0 },   /* 1 */
	{ TO_CLIENT, 22, 300 }, /* 2 */
	{ TO_SERVER, 22, 70 },  { TO_SERVER, 20, 1 },  { TO_SERVER, 22, 40 },
	{ TO_CLIENT, 22, 200 },                                                /* 3 */
	{ TO_CLIENT, 20, 1 },                                                  /* 4 */
	{ TO_CLIENT, 22, 40 },                                                 /* 5 */
	{ TO_SERVER, 23, 50 },  { TO_SERVER, 23, 51 }, { TO_CLIENT, 23, 400 }, /* 6 */
	{ TO_CLIENT, 23, 401 },                                                /* 7 */
	{ TO_CLIENT, 21, 26 },                                                 /* 8: a warning */
	{ TO_CLIENT, 23, 200 },                                                /* 9 */
	{ TO_CLIENT, 21, 26 }, /* 10: close_notify */
	{ TO_SERVER, 21, 26 },
};

static const struct record tls13[] = {
	{ TO_SERVER, 22, 100 }, /* ClientHello */
	{ TO_CLIENT, 22, 0 },   /* 1 */
	{ TO_CLIENT, 20, 1 },   /* 2 */
	{ TO_CLIENT, 23, 300 }, /* 3: certificate */
	{ TO_CLIENT, 23, 53 },  /* 4: Finished */
	{ TO_SERVER, 20, 1 },   { TO_SERVER, 23, 53 },  { TO_SERVER, 23, 60 },
	{ TO_SERVER, 23, 61 },  { TO_CLIENT, 23, 234 }, /* 5: ticket */
	{ TO_CLIENT, 23, 417 },                         /* 6 */
	{ TO_CLIENT, 23, 19 },  /* 7: two octets of data, or an alert that is not the last */
	{ TO_CLIENT, 23, 217 }, /* 8 */
	{ TO_CLIENT, 23, 19 },  /* 9: close_notify */
	{ TO_SERVER, 23, 19 },
};

/* STARTTLS: some lines in the clear come first. */
static const struct record starttls12[] = {
	{ TO_CLIENT, 0, 30 },   { TO_SERVER, 0, 20 },   { TO_CLIENT, 0, 44 }, /* 1, 2 */
	{ TO_SERVER, 22, 100 }, { TO_CLIENT, 22, 0 },                         /* 3 */
	{ TO_SERVER, 20, 1 },   { TO_SERVER, 22, 40 },  { TO_CLIENT, 20, 1 }, /* 4 */
	{ TO_CLIENT, 22, 40 },                                                /* 5 */
	{ TO_SERVER, 23, 51 },  { TO_CLIENT, 23, 400 },                       /* 6 */
	{ TO_CLIENT, 23, 401 },                                               /* 7 */
	{ TO_CLIENT, 21, 26 },                                                /* 8: close_notify */
};

/* As tls13, but the server ends without a word. */
static const struct record tls13_no_alert[] = {
	{ TO_SERVER, 22, 100 }, { TO_CLIENT, 22, 0 },  { TO_CLIENT, 23, 53 },
	{ TO_SERVER, 23, 53 },  { TO_SERVER, 23, 60 }, { TO_CLIENT, 23, 32 },
	{ TO_CLIENT, 23, 217 },
};

/* The handshake fails: the alert is in the clear, and no word about data. */
static const struct record tls12_refused[] = {
	{ TO_SERVER, 22, 100 },
	{ TO_CLIENT, 22, 0 },
	{ TO_CLIENT, 22, 300 },
	{ TO_CLIENT, 21, 2 },
};

struct stream {
	const struct record *records;
	size_t count;
	enum lw_version version;
};

#define STREAM(records, version)                                                                   \
	{                                                                                          \
		records, sizeof(records) / sizeof(records)[0], version                             \
	}
static const struct stream streams[] = {
	STREAM(tls12, LW_VERSION_TLS1_2),          STREAM(tls13, LW_VERSION_TLS1_3),
	STREAM(tls13_no_alert, LW_VERSION_TLS1_3), STREAM(tls12_refused, LW_VERSION_TLS1_2),
	STREAM(starttls12, LW_VERSION_TLS1_2),
};
enum { S12, S13, S13_NO_ALERT, S12_REFUSED, S12_STARTTLS, STREAMS };

/* A ServerHello; in 1.3 the version stands in an extension behind another one. */
static size_t put_server_hello(uint8_t *to, enum lw_version version)
{
	static const uint8_t head[] = { 2, 0, 0, 0, 3, 3 };
	static const uint8_t extensions[] = { 0, 12, 0x12, 0x34, 0, 2, 3, 3, 0, 43, 0, 2, 3, 4 };
	size_t len = sizeof head;

	memcpy(to, head, len);
	memset(to + len, 0xaa, 32);
	len += 32;
	to[len++] = 0; /* no session id */
	memset(to + len, 0, 3);
	len += 3;
	if (version == LW_VERSION_TLS1_3) {
		memcpy(to + len, extensions, sizeof extensions);
		len += sizeof extensions;
	}
	to[3] = (uint8_t)(len - 4);
	return len;
}

static size_t put_clear(uint8_t *to, size_t len)
{
	static const uint8_t nearly[] = { 22, 3, 1, 0, 50, 2 };

	for (size_t i = 0; i < len; i++)
		to[i] = nearly[i % sizeof nearly];
	return len;
}

static size_t put_record(uint8_t *to, const struct record *r, enum lw_version version)
{
	size_t body = r->body;

	if (r->type == 0)
		return put_clear(to, body);

	memset(to, 23, LW_RECORD_HEADER + r->body); /* bodies look like headers */
	if (body == 0)
		body = put_server_hello(to + LW_RECORD_HEADER, version);
	to[0] = r->type;
	to[1] = to[2] = 3;
	to[3] = (uint8_t)(body >> 8);
	to[4] = (uint8_t)body;
	if (r->type == 22 && r->direction == TO_SERVER)
		to[LW_RECORD_HEADER] = 1; /* ClientHello; behind the first it is not looked at */
	return LW_RECORD_HEADER + body;
}

struct outcome {
	uint64_t passed[2];
	bool cut[2];
};

/* One direction's bytes under way: what has arrived and not passed. */
struct wire {
	uint8_t bytes[4096];
	size_t len;
	size_t passed;
};

/* Brings a chunk and lets pass what may. */
static void bring(struct cutter *c, struct wire *w, enum cutter_direction direction,
                  const uint8_t *chunk, size_t len, bool is_last, struct outcome *out)
{
	struct cutter_answer answer;

	if (out->cut[direction])
		return;
	assert_true(w->len + len <= sizeof w->bytes);
	if (len > 0)
		memcpy(w->bytes + w->len, chunk, len);
	w->len += len;
	answer = cutter_offer(c, direction, w->bytes, w->len, is_last);
	assert_true(answer.pass <= w->len);
	memmove(w->bytes, w->bytes + answer.pass, w->len - answer.pass);
	w->len -= answer.pass;
	out->passed[direction] += answer.pass;
	out->cut[direction] = answer.cut;
	assert_true(answer.cut || w->len < 300);
	assert_true(!is_last || answer.cut || w->len == 0);
}

/* Plays a stream; each flight (what one side says before the other does) in chunks of `chunk`. */
static struct outcome play(const struct stream *s, const struct cutter_plan *plan, size_t chunk)
{
	struct outcome out = { { 0, 0 }, { false, false } };
	static struct wire wires[2];
	struct cutter c;
	uint8_t flight[4096];

	memset(wires, 0, sizeof wires);
	cutter_begin(&c, plan);
	for (size_t i = 0; i < s->count;) {
		enum cutter_direction direction = s->records[i].direction;
		size_t len = 0;

		for (; i < s->count && s->records[i].direction == direction; i++)
			len += put_record(flight + len, &s->records[i], s->version);
		for (size_t at = 0; at < len; at += chunk)
			bring(&c, &wires[direction], direction, flight + at,
			      len - at < chunk ? len - at : chunk, false, &out);
	}
	bring(&c, &wires[TO_CLIENT], TO_CLIENT, NULL, 0, true, &out);
	bring(&c, &wires[TO_SERVER], TO_SERVER, NULL, 0, true, &out);
	return out;
}

/* Bytes of the first `records` records of a direction. */
static uint64_t bytes_of(const struct stream *s, enum cutter_direction direction, unsigned records)
{
	uint8_t scratch[4096];
	uint64_t bytes = 0;

	for (size_t i = 0; i < s->count && records > 0; i++)
		if (s->records[i].direction == direction) {
			bytes += put_record(scratch, &s->records[i], s->version);
			records--;
		}
	return bytes;
}

#define ALL 99u

struct row {
	unsigned stream;
	enum cutter_how how;
	uint64_t after;
	enum cutter_unit unit;
	enum cutter_direction direction;
	unsigned records; /* that pass whole, or ALL */
	unsigned extra;   /* bytes that pass of the next */
	bool cut;
};

#define R CUTTER_RECORDS
#define B CUTTER_BYTES

/* clang-format off */
static const struct row rows[] = {
	/* TLS 1.2: application data alone counts */
	{ S12, CUTTER_FIN, 0, R, TO_CLIENT, 5, 0, true },
	{ S12, CUTTER_FIN, 1, R, TO_CLIENT, 6, 0, true },
	{ S12, CUTTER_RST, 2, R, TO_CLIENT, 7, 0, true },
	{ S12, CUTTER_STALL, 3, R, TO_CLIENT, 9, 0, true },
	{ S12, CUTTER_FIN, 4, R, TO_CLIENT, ALL, 0, false },
	{ S12, CUTTER_FIN, 0, B, TO_CLIENT, 5, 0, true },
	{ S12, CUTTER_FIN, 1, B, TO_CLIENT, 5, 1, true },
	{ S12, CUTTER_FIN, 405, B, TO_CLIENT, 6, 0, true },
	{ S12, CUTTER_FIN, 812, B, TO_CLIENT, 8, 1, true },
	{ S12, CUTTER_INSIDE, 0, R, TO_CLIENT, 5, 202, true },
	{ S12, CUTTER_INSIDE, 2, R, TO_CLIENT, 7, 15, true },
	{ S12, CUTTER_INSIDE, 3, R, TO_CLIENT, 9, 15, true },
	{ S12, CUTTER_INSIDE, 7, B, TO_CLIENT, 5, 7, true },
	{ S12, CUTTER_INSIDE, 405, B, TO_CLIENT, 6, 203, true },
	{ S12, CUTTER_DROP_ALERT, 0, R, TO_CLIENT, 9, 0, true },
	{ S12, CUTTER_DROP_ALERT, 3, R, TO_CLIENT, 9, 0, true },
	{ S12, CUTTER_DROP_ALERT, 4, R, TO_CLIENT, ALL, 0, false },
	{ S12, CUTTER_FIN, 0, R, TO_SERVER, 4, 0, true },
	{ S12, CUTTER_FIN, 2, R, TO_SERVER, 6, 0, true },
	{ S12, CUTTER_DROP_ALERT, 0, R, TO_SERVER, 6, 0, true },
	/* TLS 1.3: every protected record behind the handshake counts */
	{ S13, CUTTER_FIN, 0, R, TO_CLIENT, 4, 0, true },
	{ S13, CUTTER_RST, 1, R, TO_CLIENT, 5, 0, true },
	{ S13, CUTTER_FIN, 5, R, TO_CLIENT, ALL, 0, true },
	{ S13, CUTTER_FIN, 6, R, TO_CLIENT, ALL, 0, false },
	{ S13, CUTTER_STALL, 240, B, TO_CLIENT, 5, 1, true },
	{ S13, CUTTER_INSIDE, 4, R, TO_CLIENT, 8, 12, true },
	{ S13, CUTTER_INSIDE, 5, R, TO_CLIENT, ALL, 0, false },
	{ S13, CUTTER_DROP_ALERT, 0, R, TO_CLIENT, 8, 0, true },
	{ S13, CUTTER_DROP_ALERT, 4, R, TO_CLIENT, 8, 0, true },
	{ S13, CUTTER_FIN, 0, R, TO_SERVER, 3, 0, true },
	{ S13, CUTTER_FIN, 1, R, TO_SERVER, 4, 0, true },
	{ S13, CUTTER_DROP_ALERT, 0, R, TO_SERVER, 5, 0, true },
	{ S12_REFUSED, CUTTER_DROP_ALERT, 0, R, TO_CLIENT, ALL, 0, false },
	{ S12_REFUSED, CUTTER_FIN, 0, R, TO_CLIENT, ALL, 0, false },
	/* in the clear nothing counts */
	{ S12_STARTTLS, CUTTER_FIN, 0, R, TO_CLIENT, 5, 0, true },
	{ S12_STARTTLS, CUTTER_FIN, 1, B, TO_CLIENT, 5, 1, true },
	{ S12_STARTTLS, CUTTER_INSIDE, 1, R, TO_CLIENT, 6, 203, true },
	{ S12_STARTTLS, CUTTER_DROP_ALERT, 0, R, TO_CLIENT, 7, 0, true },
	{ S12_STARTTLS, CUTTER_FIN, 0, R, TO_SERVER, 4, 0, true },
	/* a large last record is no alert */
	{ S13_NO_ALERT, CUTTER_DROP_ALERT, 0, R, TO_CLIENT, ALL, 0, false },
	{ S13_NO_ALERT, CUTTER_FIN, 1, R, TO_CLIENT, 3, 0, true },
};
/* clang-format on */

static struct cutter_plan plan_of(const struct row *row)
{
	struct cutter_plan plan = { .how = row->how, .unit = row->unit, .after = row->after };

	plan.cuts[row->direction] = true;
	return plan;
}

static void every_plan_cuts_where_the_table_says(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		const struct row *row = &rows[i];
		const struct stream *s = &streams[row->stream];
		struct cutter_plan plan = plan_of(row);
		struct outcome out = play(s, &plan, SIZE_MAX / 2);
		enum cutter_direction other = row->direction == TO_CLIENT ? TO_SERVER : TO_CLIENT;

		if (out.cut[row->direction] != row->cut ||
		    out.passed[row->direction] !=
		        bytes_of(s, row->direction, row->records) + row->extra)
			print_error("row %zu: cut %d after %llu\n", i, out.cut[row->direction],
			            (unsigned long long)out.passed[row->direction]);
		assert_int_equal(out.cut[row->direction], row->cut);
		assert_int_equal(out.passed[row->direction],
		                 bytes_of(s, row->direction, row->records) + row->extra);
		assert_false(out.cut[other]);
		assert_int_equal(out.passed[other], bytes_of(s, other, ALL));
	}
}

static void assert_same_in_any_chunks(const struct stream *s, const struct cutter_plan *plan)
{
	static const size_t chunks[] = { 1, 2, 3, 5, 6, 7, 24, 100, 405, 1000 };
	struct outcome whole = play(s, plan, SIZE_MAX / 2);

	for (size_t i = 0; i < sizeof chunks / sizeof chunks[0]; i++) {
		struct outcome out = play(s, plan, chunks[i]);

		for (int d = 0; d < 2; d++) {
			assert_int_equal(out.passed[d], whole.passed[d]);
			assert_int_equal(out.cut[d], whole.cut[d]);
		}
	}
}

static void the_same_bytes_in_any_chunks_give_the_same_cut(void **state)
{
	(void)state;
	for (unsigned s = 0; s < STREAMS; s++)
		for (int how = CUTTER_FIN; how <= CUTTER_DROP_ALERT; how++) {
			struct cutter_plan plan = { .how = (enum cutter_how)how,
				                    .cuts = { true, true } };

			for (plan.after = 0; plan.after < 8; plan.after++)
				assert_same_in_any_chunks(&streams[s], &plan);
			plan.unit = CUTTER_BYTES;
			for (plan.after = 0; plan.after < 1300; plan.after += 37)
				assert_same_in_any_chunks(&streams[s], &plan);
		}
}

static void another_version_passes_whole(void **state)
{
	struct cutter_plan plan = { .cuts = { true, true }, .version = LW_VERSION_TLS1_2 };
	struct outcome out = play(&streams[S13], &plan, 10);

	(void)state;
	assert_false(out.cut[TO_CLIENT] || out.cut[TO_SERVER]);
	assert_int_equal(out.passed[TO_CLIENT], bytes_of(&streams[S13], TO_CLIENT, ALL));
	assert_true(play(&streams[S12], &plan, 10).cut[TO_CLIENT]);
	plan.version = LW_VERSION_TLS1_3;
	assert_true(play(&streams[S13], &plan, 10).cut[TO_CLIENT]);
	assert_false(play(&streams[S12], &plan, 10).cut[TO_CLIENT]);
}

static void what_is_no_tls_passes_whole(void **state)
{
	static const char text[] =
	    "HTTP/1.0 200 OK\r\n\r\nThe page, in the clear, as long as this.";
	struct cutter_plan plan = { .cuts = { true, true } };
	struct cutter c;

	(void)state;
	for (int direction = 0; direction < 2; direction++) {
		struct cutter_answer answer;

		cutter_begin(&c, &plan);
		answer =
		    cutter_offer(&c, (enum cutter_direction)direction, text, sizeof text, true);
		assert_int_equal(answer.pass, sizeof text);
		assert_false(answer.cut);
		assert_int_equal(cutter_version(&c), LW_VERSION_UNKNOWN);
	}
}

static void nothing_passes_after_a_cut(void **state)
{
	struct cutter_plan plan = { .cuts = { true, false } };
	struct outcome out = { { 0, 0 }, { false, false } };
	static struct wire w[2];
	struct cutter c;
	uint8_t bytes[4096];

	(void)state;
	cutter_begin(&c, &plan);
	for (size_t i = 0; i < streams[S12].count; i++) {
		const struct record *r = &tls12[i];
		size_t len = put_record(bytes, r, LW_VERSION_TLS1_2);

		bring(&c, &w[r->direction], r->direction, bytes, len, false, &out);
	}
	assert_true(out.cut[TO_CLIENT]);
	for (int last = 0; last < 2; last++) {
		struct cutter_answer answer = cutter_offer(&c, TO_CLIENT, bytes, 100, last);

		assert_int_equal(answer.pass, 0);
		assert_true(answer.cut);
	}
}

static void a_broken_hello_names_no_version(void **state)
{
	uint8_t hello[128], broken[128];
	size_t len = put_server_hello(hello, LW_VERSION_TLS1_3);

	(void)state;
	assert_int_equal(hello_version(hello, len), LW_VERSION_TLS1_3);
	for (size_t cut = 0; cut < 42; cut++) /* up to the compression method */
		assert_int_equal(hello_version(hello, cut), LW_VERSION_UNKNOWN);
	memcpy(broken, hello, len);
	broken[0] = 1;
	assert_int_equal(hello_version(broken, len), LW_VERSION_UNKNOWN);
	memcpy(broken, hello, len);
	broken[38] = 255; /* a session id longer than the message */
	assert_int_equal(hello_version(broken, len), LW_VERSION_UNKNOWN);
	memcpy(broken, hello, len);
	broken[len - 1] = 0x7f; /* a draft, say */
	assert_int_equal(hello_version(broken, len), LW_VERSION_UNKNOWN);
}

static void a_hello_longer_than_is_kept_ends_the_search(void **state)
{
	struct hello h = { .len = 0 };
	uint8_t octets[HELLO_MAX];

	(void)state;
	memset(octets, 0xff, sizeof octets);
	octets[0] = 2;
	for (int i = 0; i < 3; i++)
		hello_pass(&h, octets, sizeof octets);
	assert_true(h.done);
	assert_int_equal(h.version, LW_VERSION_UNKNOWN);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_plan_cuts_where_the_table_says),
		cmocka_unit_test(the_same_bytes_in_any_chunks_give_the_same_cut),
		cmocka_unit_test(another_version_passes_whole),
		cmocka_unit_test(what_is_no_tls_passes_whole),
		cmocka_unit_test(nothing_passes_after_a_cut),
		cmocka_unit_test(a_broken_hello_names_no_version),
		cmocka_unit_test(a_hello_longer_than_is_kept_ends_the_search),
	};
	return run_cases(tests);
}
