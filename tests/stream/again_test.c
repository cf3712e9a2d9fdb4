/*
 * again: whatever ended a stream, every call says on every later occasion what
 * it said first, and the verdict stands.
 */
#include "adversary/endings.h"
#include "rig.h"
#include "stream/stream.h"
#include "tests/unit.h"

#include <string.h>

/* A server with a thousand streams pays for each. */
_Static_assert(sizeof(struct lw_stream) <= 1024, "a stream takes at most 1 KiB");

static const enum lw_version all_versions[] = { LW_VERSION_TLS1_0, LW_VERSION_TLS1_1,
	                                        LW_VERSION_TLS1_2, LW_VERSION_TLS1_3 };
#define VERSIONS (sizeof all_versions / sizeof all_versions[0])

static enum lw_status call_read(struct lw_stream *s)
{
	uint8_t octet;
	size_t n;
	const enum lw_status status = lw_read(s, &octet, 1, &n);

	assert_int_equal(n, status == LW_OK);
	return status;
}

static enum lw_status call_read_nothing(struct lw_stream *s)
{
	size_t n;

	return lw_read(s, NULL, 0, &n);
}

static enum lw_status call_write(struct lw_stream *s)
{
	size_t n;
	const enum lw_status status = lw_write(s, "x", 1, &n);

	assert_int_equal(n, status == LW_OK);
	return status;
}

static enum lw_status call_unwrap(struct lw_stream *s)
{
	uint8_t rest[8];
	size_t n;

	return lw_unwrap(s, rest, sizeof rest, &n);
}

static enum lw_status call_forget(struct lw_stream *s)
{
	return lw_forget_session(s);
}

/* The calls that end nothing stand first. */
static const struct {
	const char *name;
	enum lw_status (*call)(struct lw_stream *);
} calls[] = {
	{ "lw_handshake", lw_handshake },
	{ "lw_read", call_read },
	{ "lw_read of nothing", call_read_nothing },
	{ "lw_write", call_write },
	{ "lw_flush", lw_flush },
	{ "lw_forget_session", call_forget },
	{ "lw_finish", lw_finish },
	{ "lw_unwrap", call_unwrap },
	{ "lw_close", lw_close },
	{ "lw_abort", lw_abort },
};
enum { CALLS = sizeof calls / sizeof calls[0], HARMLESS = 6 };

/* How the stream itself is ended, after the peer's ending was read. */
enum how { NOT_AT_ALL, BY_CLOSE, BY_ABORT, BY_FINISH_AND_CLOSE, BY_UNWRAP, HOWS };

static const char *const how_names[] = { "left alone", "closed", "aborted", "finished and closed",
	                                 "unwrapped" };

static enum lw_status unwrap(struct rig *r)
{
	enum lw_status status = LW_AGAIN;

	for (int i = 0; i < 20 && status == LW_AGAIN; i++) {
		status = call_unwrap(r->stream);
		rig_spin(r);
	}
	return status;
}

static enum lw_status end(struct rig *r, enum how how)
{
	switch (how) {
	case BY_CLOSE:
		return rig_close(r);
	case BY_ABORT:
		return rig_abort(r);
	case BY_FINISH_AND_CLOSE:
		(void)!rig_finish(r);
		return rig_close(r);
	case BY_UNWRAP:
		return unwrap(r);
	case NOT_AT_ALL:
	case HOWS:
	default:
		return LW_OK;
	}
}

static unsigned check_calls(struct rig *r, enum how how, const char *ending)
{
	const unsigned count = how == NOT_AT_ALL ? HARMLESS : CALLS;
	struct lw_verdict before, after;
	enum lw_status first[CALLS];
	unsigned wrong = 0;

	for (unsigned i = 0; i < count; i++)
		first[i] = calls[i].call(r->stream);
	before = rig_verdict(r);
	for (int round = 0; round < 3; round++) {
		for (unsigned i = 0; i < count; i++) {
			const enum lw_status status = calls[i].call(r->stream);

			if (status == first[i])
				continue;
			print_message("# %s, %s, %s: %s said %d, then %d\n", ending,
			              lw_version_name(before.version), how_names[how],
			              calls[i].name, first[i], status);
			wrong++;
		}
		lw_complete(r->stream, true);
		lw_transport_ended(r->stream, LW_TRANSPORT_RESET);
	}
	after = rig_verdict(r);
	after.bytes_written = before.bytes_written; /* a write side that is open goes on */
	if (memcmp(&before, &after, sizeof before) != 0) {
		print_message("# %s, %s, %s: the verdict changed\n", ending,
		              lw_version_name(before.version), how_names[how]);
		wrong++;
	}
	return wrong;
}

static void every_call_says_the_same_again(void **state)
{
	unsigned wrong = 0;

	(void)state;
	for (unsigned v = 0; v < VERSIONS; v++) {
		for (unsigned i = 0; ending_at(i) != NULL; i++) {
			for (enum how how = NOT_AT_ALL; how < HOWS; how++) {
				const struct rig_options o = { .version = all_versions[v] };
				enum lw_status status;
				struct rig r;

				assert_true(rig_begin(&r, &o, &ending_at(i)->script));
				status = rig_read(&r);
				if (how != NOT_AT_ALL)
					status = end(&r, how);
				if (status != LW_AGAIN) /* what is open may yet change */
					wrong += check_calls(&r, how, ending_at(i)->name);
				rig_end(&r);
			}
		}
	}
	assert_int_equal(wrong, 0);
}

/* What close said once it was over, and that nothing is waited for then. */
static void a_stream_that_is_over_waits_for_nothing(void **state)
{
	(void)state;
	for (unsigned v = 0; v < VERSIONS; v++) {
		for (unsigned i = 0; ending_at(i) != NULL; i++) {
			const struct rig_options o = { .version = all_versions[v] };
			enum lw_status status;
			struct rig r;

			assert_true(rig_begin(&r, &o, &ending_at(i)->script));
			(void)!rig_read(&r);
			status = rig_close(&r);
			assert_int_not_equal(status, LW_AGAIN);
			assert_int_equal(lw_close(r.stream), status);
			assert_int_equal(call_read(r.stream), status);
			assert_int_equal(lw_events(r.stream, LW_INTEREST_READ | LW_INTEREST_WRITE),
			                 0);
			assert_int_equal(lw_timeout_ms(r.stream, r.now_ms + (1u << 30)), -1);
			assert_int_equal(lw_close(r.stream), status);
			rig_end(&r);
		}
	}
}

int main(void)
{
	const struct CMUnitTest cases[] = {
		cmocka_unit_test(every_call_says_the_same_again),
		cmocka_unit_test(a_stream_that_is_over_waits_for_nothing),
	};

	return run_cases(cases);
}
