/*
 * A peer closes TLS in the middle of a message and goes on in the clear, in the
 * same segment: CVE-2026-45185 fell back to plaintext there.  What follows the
 * alert is never data of the stream, is read by no call, and completes no
 * message; it stands in the transport until the application unwraps and reads
 * it there, or closes.
 */
#include "rig.h"
#include "tests/unit.h"

#include <lastword/profile.h>
#include <string.h>
#include <sys/socket.h>

#define CLEAR "\r\n.\r\nMAIL FROM:<mallory>\r\n" /* it would end the message, and begin another */

static const enum lw_version versions[] = { LW_VERSION_TLS1_0, LW_VERSION_TLS1_1, LW_VERSION_TLS1_2,
	                                    LW_VERSION_TLS1_3 };
enum { VERSIONS = sizeof versions / sizeof versions[0] };

#define RESPONSE "HTTP/1.1 200 OK\r\nContent-Length: 30\r\n\r\nhalf"
#define BDAT     "EHLO me\r\nMAIL FROM:<a>\r\nRCPT TO:<b>\r\nBDAT 100\r\nhalf"
#define LDAP     "\x30\x40\x02\x01\x02half"

static const struct {
	const char *profile;
	enum lw_role role;
	const char *sent; /* by us, before */
	struct adversary_script script;
	size_t bytes; /* of it that were under TLS */
} rows[] = {
	{ "smtp", LW_ROLE_SERVER, NULL,
	  SCRIPT(STEP_TEXT(BDAT), STEP_CLOSE_NOTIFY, STEP_PLAINTEXT(CLEAR), STEP_SILENCE),
	  sizeof BDAT - 1 },
	{ "https", LW_ROLE_CLIENT, "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
	  SCRIPT(STEP_TEXT(RESPONSE), STEP_CLOSE_NOTIFY, STEP_PLAINTEXT(CLEAR), STEP_SILENCE),
	  sizeof RESPONSE - 1 },
	{ "ldap", LW_ROLE_SERVER, NULL,
	  SCRIPT(STEP_TEXT(LDAP), STEP_CLOSE_NOTIFY, STEP_PLAINTEXT(CLEAR), STEP_SILENCE),
	  sizeof LDAP - 1 },
};
enum { ROWS = sizeof rows / sizeof rows[0] };

static void begin(struct rig *r, unsigned row, const struct rig_options *o)
{
	size_t n;

	assert_true(rig_begin(r, o, &rows[row].script));
	assert_int_equal(
	    lw_use_profile(r->stream, lw_profile_by_name(rows[row].profile), rows[row].role),
	    LW_OK);
	if (rows[row].sent)
		assert_int_equal(lw_write(r->stream, rows[row].sent, strlen(rows[row].sent), &n),
		                 LW_OK);
}

/* What the transport still holds; nothing is taken. */
static size_t clear_bytes(const struct rig *r)
{
	char text[100];

	if (!r->options.socket)
		return BIO_ctrl_pending(r->in);
	return (size_t)recv(r->fd, text, sizeof text, MSG_DONTWAIT | MSG_PEEK);
}

/* Every call that could read, over and over: none does. */
static void check_nothing_reads_it(struct rig *r, unsigned row)
{
	struct lw_verdict verdict;
	char buf[100];
	size_t n;

	for (int again = 0; again < 3; again++) {
		assert_int_equal(lw_read(r->stream, buf, sizeof buf, &n), LW_END);
		assert_int_equal(n, 0);
		(void)!lw_flush(r->stream);
		(void)!lw_handshake(r->stream);
		(void)!lw_write(r->stream, "", 0, &n);
		assert_int_equal(lw_events(r->stream, LW_INTEREST_READ) & LW_EVENT_READABLE, 0);
		rig_spin(r);
		assert_int_equal(clear_bytes(r), sizeof CLEAR - 1);
	}
	verdict = rig_verdict(r);
	assert_int_equal(verdict.read, LW_ENDING_CLOSED);
	assert_int_equal(verdict.bytes_read, rows[row].bytes);
	assert_int_equal(verdict.bytes_ignored, 0);
	assert_false(verdict.complete);
	assert_int_equal(SSL_has_pending(r->ssl), 0);
}

static void check(unsigned row, const struct rig_options *o)
{
	char buf[100] = "";
	struct rig r;
	size_t n, got = 0;

	begin(&r, row, o);
	rig_spin(&r); /* all of it has come before the first read */
	while (lw_read(r.stream, buf + got, sizeof buf - got, &n) == LW_OK)
		got += n;
	assert_int_equal(got, rows[row].bytes);
	assert_memory_equal(buf + got - 4, "half", 4);
	check_nothing_reads_it(&r, row);
	/* the explicit step */
	for (int i = 0; i < 3 && lw_unwrap(r.stream, buf, sizeof buf, &n) != LW_OK; i++)
		rig_spin(&r);
	assert_string_equal(lw_unwrap_why(r.stream), "");
	assert_int_equal(lw_unwrap(r.stream, buf, sizeof buf, &n), LW_OK);
	assert_int_equal(n, 0);
	check_nothing_reads_it(&r, row);
	rig_end(&r);

	/* or the end: nobody gets it */
	begin(&r, row, o);
	assert_int_equal(rig_close(&r) == LW_OK, false);
	assert_int_equal(rig_verdict(&r).bytes_read, 0);
	assert_false(rig_verdict(&r).complete);
	rig_end(&r);
}

/* rules: ignore-after-closure, end-of-data-on-close-notify */
static void it_waits_for_an_explicit_step(void **state)
{
	(void)state;
	for (unsigned row = 0; row < ROWS; row++)
		for (unsigned i = 0; i < VERSIONS * 4; i++)
			check(row,
			      &(struct rig_options){ .version = versions[i / 4],
			                             .serves = rows[row].role == LW_ROLE_SERVER,
			                             .socket = i & 1,
			                             .read_ahead = i & 2 });
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_waits_for_an_explicit_step),
	};
	return run_cases(tests);
}
