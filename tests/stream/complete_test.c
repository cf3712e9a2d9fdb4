/*
 * complete: what clears lw_complete(), and a profile that declares it by
 * itself, with the framed policy deciding.
 */
#include "rig.h"
#include "tests/unit.h"

#include <lastword/profile.h>
#include <string.h>

#define REQUEST "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
#define ASKED   STEP_WAIT_DATA(sizeof REQUEST - 1)
#define WHOLE   STEP_TEXT("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")
#define SHORT   STEP_TEXT("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nhello")
#define LASTING STEP_TEXT("HTTP/1.1 200 OK\r\n\r\nhello")
#define INTERIM STEP_TEXT("HTTP/1.1 100 Continue\r\n\r\n")

static const struct adversary_script whole_fin = SCRIPT(ASKED, WHOLE, STEP_FIN);
static const struct adversary_script whole_rst = SCRIPT(ASKED, WHOLE, STEP_RST);
static const struct adversary_script whole_cut =
    SCRIPT(ASKED, WHOLE, STEP_CUT_RECORD(9, 7), STEP_FIN);
static const struct adversary_script whole_alert =
    SCRIPT(ASKED, WHOLE, STEP_ALERT(2, 80), STEP_FIN);
static const struct adversary_script ticket_fin =
    SCRIPT(ASKED, WHOLE, STEP_TICKET, STEP_KEY_UPDATE(0), STEP_FIN);
static const struct adversary_script empty_fin = SCRIPT(ASKED, WHOLE, STEP_EMPTY_DATA, STEP_FIN);
static const struct adversary_script more_fin = SCRIPT(ASKED, WHOLE, STEP_TEXT("H"), STEP_FIN);
static const struct adversary_script twice_fin = SCRIPT(ASKED, WHOLE, WHOLE, STEP_FIN);
static const struct adversary_script short_fin = SCRIPT(ASKED, SHORT, STEP_FIN);
static const struct adversary_script short_close =
    SCRIPT(ASKED, SHORT, STEP_CLOSE_NOTIFY, STEP_FIN);
static const struct adversary_script lasting_fin = SCRIPT(ASKED, LASTING, STEP_FIN);
static const struct adversary_script lasting_close =
    SCRIPT(ASKED, LASTING, STEP_CLOSE_NOTIFY, STEP_FIN);
static const struct adversary_script interim_fin = SCRIPT(ASKED, INTERIM, STEP_FIN);
static const struct adversary_script unasked_fin = SCRIPT(STEP_FIN);

/* rules: framed-message-survives, close-delimited-needs-alert */
static const struct {
	const char *name;
	const struct adversary_script *script;
	bool only_13, complete;
	enum lw_status status;
} http[] = {
	{ "whole, FIN", &whole_fin, false, true, LW_END },
	{ "whole, RST", &whole_rst, false, true, LW_END },
	{ "whole, then a cut record", &whole_cut, false, true, LW_TRUNCATED },
	{ "whole, then an alert", &whole_alert, false, true, LW_ABORTED },
	{ "whole, then a ticket and keys", &ticket_fin, true, true, LW_END },
	{ "whole, then an empty record", &empty_fin, false, true, LW_END },
	{ "whole, then a byte more", &more_fin, false, false, LW_TRUNCATED },
	{ "whole, then one that nobody asked for", &twice_fin, false, false, LW_TRUNCATED },
	{ "short, FIN", &short_fin, false, false, LW_TRUNCATED },
	{ "short, close_notify", &short_close, false, false, LW_END },
	{ "without a length, FIN", &lasting_fin, false, false, LW_TRUNCATED },
	{ "without a length, close_notify", &lasting_close, false, false, LW_END },
	{ "an interim response, FIN", &interim_fin, false, false, LW_TRUNCATED },
	{ "nothing, FIN", &unasked_fin, false, false, LW_TRUNCATED },
};

static enum lw_status read_on(struct rig *r)
{
	enum lw_status status = LW_AGAIN;

	for (int i = 0; i < 5 && status == LW_AGAIN; i++)
		status = rig_read(r);
	return status;
}

static void check(unsigned row, enum lw_version version)
{
	const struct rig_options o = { .version = version };
	struct lw_verdict verdict;
	enum lw_status status;
	struct rig r;
	size_t n;

	assert_true(rig_begin(&r, &o, http[row].script));
	assert_int_equal(lw_use_profile(r.stream, lw_profile_by_name("https"), LW_ROLE_CLIENT),
	                 LW_OK);
	lw_complete(r.stream, true); /* the profile decides, not we */
	assert_false(rig_verdict(&r).complete);
	assert_int_equal(lw_write(r.stream, REQUEST, sizeof REQUEST - 1, &n), LW_OK);
	status = read_on(&r);
	verdict = rig_verdict(&r);
	if (status != http[row].status || verdict.complete != http[row].complete)
		fail_msg("%s, %s: status %d, complete %d (%s)", http[row].name,
		         lw_version_name(version), status, verdict.complete,
		         lw_complete_why(r.stream));
	assert_int_equal(lw_use_profile(r.stream, lw_profile_by_name("https"), LW_ROLE_CLIENT),
	                 LW_UNSUPPORTED);
	rig_end(&r);
}

static void http_declares_its_own_messages_complete(void **state)
{
	(void)state;
	for (unsigned row = 0; row < sizeof http / sizeof http[0]; row++) {
		if (!http[row].only_13)
			check(row, LW_VERSION_TLS1_2);
		check(row, LW_VERSION_TLS1_3);
	}
}

static const struct adversary_script two_parts =
    SCRIPT(STEP_DATA(10), STEP_SILENCE, STEP_DATA(1), STEP_RST);
static const struct adversary_script one_part = SCRIPT(STEP_DATA(10), STEP_SILENCE, STEP_RST);

static void a_further_byte_clears_it(void **state)
{
	(void)state;
	for (int further = 0; further < 2; further++) {
		const struct rig_options o = { .version = LW_VERSION_TLS1_3 };
		struct rig r;

		assert_true(rig_begin(&r, &o, further ? &two_parts : &one_part));
		assert_int_equal(rig_read(&r), LW_AGAIN);
		lw_complete(r.stream, true);
		assert_true(rig_verdict(&r).complete);
		adversary_resume(r.adversary);
		assert_int_equal(read_on(&r), further ? LW_TRUNCATED : LW_END);
		assert_int_equal(rig_verdict(&r).complete, !further);
		assert_int_equal(rig_verdict(&r).whole, !further);
		rig_end(&r);
	}
}

static void a_byte_decrypted_but_unread_prevents_it(void **state)
{
	const struct rig_options o = { .version = LW_VERSION_TLS1_3 };
	uint8_t buf[9];
	struct rig r;
	size_t n;

	(void)state;
	assert_true(rig_begin(&r, &o, &one_part));
	rig_spin(&r);
	assert_int_equal(lw_read(r.stream, buf, sizeof buf, &n), LW_OK);
	lw_complete(r.stream, true);
	assert_false(rig_verdict(&r).complete);
	assert_int_equal(lw_read(r.stream, buf, sizeof buf, &n), LW_OK);
	lw_complete(r.stream, true);
	assert_true(rig_verdict(&r).complete);
	lw_complete(r.stream, false);
	assert_false(rig_verdict(&r).complete);
	rig_end(&r);
}

int main(void)
{
	const struct CMUnitTest cases[] = {
		cmocka_unit_test(http_declares_its_own_messages_complete),
		cmocka_unit_test(a_further_byte_clears_it),
		cmocka_unit_test(a_byte_decrypted_but_unread_prevents_it),
	};

	return run_cases(cases);
}
