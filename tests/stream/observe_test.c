/*
 * observe: an application that goes on using SSL_read(), SSL_write() and
 * SSL_shutdown() gets from them what it would get anyway, and the verdict is
 * that of a stream that was attached.
 */
#include "adversary/endings.h"
#include "duet.h"
#include "rig.h"
#include "tests/unit.h"

#include <errno.h>
#include <openssl/err.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

static const enum lw_version all_versions[] = { LW_VERSION_TLS1_0, LW_VERSION_TLS1_1,
	                                        LW_VERSION_TLS1_2, LW_VERSION_TLS1_3 };
#define VERSIONS (sizeof all_versions / sizeof all_versions[0])

/* All that an application sees of OpenSSL. */
struct seen {
	uint64_t bytes;
	bool established, differs;
	int read_error, reason, os_error; /* of the first read that stopped */
	int again_error;                  /* of one more read */
	int write_error;
	int shutdown[2]; /* what SSL_shutdown() gave, twice */
	int flags;       /* SSL_get_shutdown() at the end */
};

static bool is_readable(const struct rig *r)
{
	struct pollfd p = { .fd = r->fd, .events = POLLIN };

	return r->fd >= 0 ? poll(&p, 1, 5) > 0 : BIO_ctrl_pending(r->in) > 0;
}

static void read_until_it_stops(struct rig *r, struct seen *seen)
{
	uint8_t buf[700];
	int idle = 0;

	while (idle < 2) {
		int did;

		ERR_clear_error();
		errno = 0;
		did = SSL_read(r->ssl, buf, sizeof buf);
		for (int i = 0; i < did; i++)
			seen->differs |= buf[i] != adversary_pattern(seen->bytes + (unsigned)i);
		if (did > 0) {
			seen->bytes += (unsigned)did;
			continue;
		}
		seen->read_error = SSL_get_error(r->ssl, did);
		seen->reason = ERR_GET_REASON(ERR_peek_error());
		seen->os_error = seen->read_error == SSL_ERROR_SYSCALL ? errno : 0;
		if (seen->read_error != SSL_ERROR_WANT_READ)
			return;
		rig_spin(r);
		/* In memory the end of the transport is seen by one more read. */
		idle = is_readable(r) ? 0 : idle + 1;
	}
}

static void use_openssl(struct rig *r, struct seen *seen)
{
	uint8_t buf[64] = { 0 };
	int did;

	*seen = (struct seen){ .established = SSL_is_init_finished(r->ssl) };
	if (!seen->established)
		return;
	read_until_it_stops(r, seen);
	ERR_clear_error();
	did = SSL_read(r->ssl, buf, sizeof buf);
	seen->again_error = SSL_get_error(r->ssl, did);
	ERR_clear_error();
	for (int i = 0; i < 2; i++) {
		seen->shutdown[i] = SSL_shutdown(r->ssl);
		ERR_clear_error();
		rig_spin(r);
	}
	did = SSL_write(r->ssl, buf, 1);
	seen->write_error = SSL_get_error(r->ssl, did);
	ERR_clear_error();
	rig_spin(r);
	seen->flags = SSL_get_shutdown(r->ssl);
}

static bool is_same(const struct seen *a, const struct seen *b)
{
	return a->bytes == b->bytes && a->established == b->established &&
	       a->differs == b->differs && a->read_error == b->read_error &&
	       a->reason == b->reason && a->os_error == b->os_error &&
	       a->again_error == b->again_error && a->write_error == b->write_error &&
	       a->shutdown[0] == b->shutdown[0] && a->shutdown[1] == b->shutdown[1] &&
	       a->flags == b->flags;
}

static struct seen run_openssl(const struct rig_options *o, const struct ending *e,
                               struct lw_verdict *verdict)
{
	struct seen seen = { 0 };
	struct rig r;

	assert_true(rig_begin(&r, o, &e->script));
	use_openssl(&r, &seen);
	if (r.stream)
		*verdict = rig_verdict(&r);
	rig_end(&r);
	return seen;
}

/* The same application on a stream: it reads to the end and closes. */
static struct lw_verdict run_attached(struct rig_options o, const struct ending *e)
{
	struct lw_verdict verdict;
	struct rig r;

	o.attach = RIG_BEFORE;
	assert_true(rig_begin(&r, &o, &e->script));
	(void)!rig_read(&r);
	verdict = rig_verdict(&r);
	rig_end(&r);
	return verdict;
}

static bool is_same_alert(struct lw_alert a, struct lw_alert b)
{
	return a.present == b.present && a.level == b.level && a.description == b.description;
}

static bool agrees(const struct lw_verdict *seen, const struct lw_verdict *attached)
{
	return seen->version == attached->version && seen->read == attached->read &&
	       seen->at == attached->at && seen->missing == attached->missing &&
	       seen->whole == attached->whole && seen->complete == attached->complete &&
	       seen->tolerated == attached->tolerated && seen->session == attached->session &&
	       seen->warnings == attached->warnings && seen->os_error == attached->os_error &&
	       is_same_alert(seen->alert_received, attached->alert_received);
}

static unsigned check_row(const struct rig_options *o, const struct ending *e)
{
	struct rig_options bare = *o;
	struct lw_verdict observed = { .version = LW_VERSION_UNKNOWN }, attached;
	struct seen with, without;

	bare.attach = RIG_BARE;
	without = run_openssl(&bare, e, NULL);
	with = run_openssl(o, e, &observed);
	attached = run_attached(*o, e);
	if (is_same(&with, &without) && agrees(&observed, &attached))
		return 0;
	print_message("# %s, %s, %s: %s\n", e->name, lw_version_name(o->version),
	              o->socket ? "socket" : "memory",
	              is_same(&with, &without) ? "the verdict differs" : "OpenSSL differs");
	print_message("#   bare     %d/%d again %d shutdown %d %d write %d flags %d bytes %d\n",
	              without.read_error, without.reason, without.again_error, without.shutdown[0],
	              without.shutdown[1], without.write_error, without.flags, (int)without.bytes);
	print_message("#   observed %d/%d again %d shutdown %d %d write %d flags %d bytes %d\n",
	              with.read_error, with.reason, with.again_error, with.shutdown[0],
	              with.shutdown[1], with.write_error, with.flags, (int)with.bytes);
	print_message(
	    "#   observed %s at %s whole %d session %d; attached %s at %s whole %d session %d\n",
	    lw_ending_name(observed.read), lw_place_name(observed.at), observed.whole,
	    observed.session, lw_ending_name(attached.read), lw_place_name(attached.at),
	    attached.whole, attached.session);
	return 1;
}

static void check_rows(bool socket, bool serves)
{
	unsigned wrong = 0;

	for (unsigned v = 0; v < VERSIONS; v++) {
		for (unsigned i = 0; ending_at(i) != NULL; i++) {
			const struct rig_options o = { .version = all_versions[v],
				                       .attach = RIG_OBSERVE,
				                       .serves = serves,
				                       .socket = socket };

			wrong += check_row(&o, ending_at(i));
		}
	}
	assert_int_equal(wrong, 0);
}

static void every_ending_in_memory(void **state)
{
	(void)state;
	check_rows(false, false);
	check_rows(false, true);
}

static void every_ending_on_a_socket(void **state)
{
	(void)state;
	check_rows(true, false);
	check_rows(true, true);
}

static const struct adversary_script fin = SCRIPT(STEP_DATA(1000), STEP_FIN);

/* OpenSSL answers a bare FIN with a fatal alert; that ended nothing of ours. */
static void the_alert_that_answers_a_fin_is_not_ours(void **state)
{
	(void)state;
	for (unsigned v = 0; v < VERSIONS; v++) {
		const struct rig_options o = { .version = all_versions[v],
			                       .attach = RIG_OBSERVE,
			                       .socket = true };
		struct seen seen = { 0 };
		struct rig r;

		assert_true(rig_begin(&r, &o, &fin));
		read_until_it_stops(&r, &seen);
		rig_spin(&r);
		assert_int_equal(adversary_subject(r.adversary)->fatals, 1);
		assert_int_equal(rig_verdict(&r).read, LW_ENDING_TRUNCATED);
		assert_int_equal(rig_verdict(&r).write, LW_ENDING_OPEN);
		assert_false(rig_verdict(&r).alert_sent.present);
		rig_end(&r);
	}
}

/* An application that takes every FIN for an end can still close. */
static void a_close_notify_after_a_fin_is_counted(void **state)
{
	(void)state;
	for (unsigned v = 0; v < VERSIONS; v++) {
		const struct rig_options o = { .version = all_versions[v],
			                       .attach = RIG_OBSERVE,
			                       .socket = true };
		struct seen seen = { 0 };
		struct rig r;

		assert_true(rig_begin(&r, &o, &fin));
		SSL_set_options(r.ssl, SSL_OP_IGNORE_UNEXPECTED_EOF);
		read_until_it_stops(&r, &seen);
		assert_int_equal(seen.read_error, SSL_ERROR_ZERO_RETURN);
		assert_true(SSL_shutdown(r.ssl) >= 0);
		rig_spin(&r);
		assert_int_equal(adversary_subject(r.adversary)->close_notifies, 1);
		assert_int_equal(rig_verdict(&r).read, LW_ENDING_TRUNCATED);
		assert_int_equal(rig_verdict(&r).write, LW_ENDING_CLOSED);
		assert_int_equal(rig_verdict(&r).alert_sent.description, 0);
		rig_end(&r);
	}
}

/* OpenSSL counts close_notify among the warnings. */
static void a_closure_that_is_a_warning_too_many_ends_both_sides_as_it_does(void **state)
{
	(void)state;
	for (unsigned v = 0; v < VERSIONS; v++) {
		for (int observed = 0; observed < 2; observed++) {
			const struct rig_options o = { .version = all_versions[v],
				                       .attach =
				                           observed ? RIG_OBSERVE : RIG_BEFORE };
			struct seen seen = { 0 };
			struct rig r;

			assert_true(rig_begin(&r, &o, &ending_find("four-warnings")->script));
			if (observed)
				read_until_it_stops(&r, &seen);
			else
				assert_int_equal(rig_read(&r), LW_END);
			assert_int_equal(rig_verdict(&r).read, LW_ENDING_CLOSED);
			assert_int_equal(rig_verdict(&r).write, LW_ENDING_ABORTED);
			assert_int_equal(rig_verdict(&r).alert_sent.level, 2);
			assert_int_equal(rig_verdict(&r).alert_sent.description, 10);
			rig_end(&r);
		}
	}
}

static const struct adversary_script ticket_fin =
    SCRIPT(STEP_DATA(10), STEP_SILENCE, STEP_TICKET, STEP_FIN);
static const struct adversary_script ticket_rst =
    SCRIPT(STEP_DATA(10), STEP_SILENCE, STEP_TICKET, STEP_TICKET, STEP_RST);
static const struct adversary_script update_fin =
    SCRIPT(STEP_DATA(10), STEP_SILENCE, STEP_KEY_UPDATE(0), STEP_FIN);
static const struct adversary_script update_data =
    SCRIPT(STEP_DATA(10), STEP_SILENCE, STEP_KEY_UPDATE(1), STEP_DATA(1), STEP_FIN);
static const struct adversary_script warning_fin =
    SCRIPT(STEP_DATA(10), STEP_SILENCE, STEP_ALERT(1, 90), STEP_FIN);
static const struct adversary_script only_fin = SCRIPT(STEP_DATA(10), STEP_SILENCE, STEP_FIN);
static const struct adversary_script data_fin =
    SCRIPT(STEP_DATA(10), STEP_SILENCE, STEP_DATA(1), STEP_FIN);
static const struct adversary_script data_ticket_rst =
    SCRIPT(STEP_DATA(10), STEP_SILENCE, STEP_DATA(1), STEP_TICKET, STEP_RST);

/* rule: framed-message-survives */
static const struct {
	const struct adversary_script *script;
	enum lw_version version;
	bool serves, complete;
} completeness[] = {
	{ &only_fin, LW_VERSION_TLS1_0, false, true },
	{ &only_fin, LW_VERSION_TLS1_2, false, true },
	{ &only_fin, LW_VERSION_TLS1_3, false, true },
	{ &only_fin, LW_VERSION_TLS1_3, true, true },
	{ &data_fin, LW_VERSION_TLS1_0, false, false },
	{ &data_fin, LW_VERSION_TLS1_2, false, false },
	{ &data_fin, LW_VERSION_TLS1_3, false, false },
	{ &warning_fin, LW_VERSION_TLS1_2, false, true },
	{ &warning_fin, LW_VERSION_TLS1_3, false, true },
	{ &ticket_fin, LW_VERSION_TLS1_3, false, true },
	{ &ticket_rst, LW_VERSION_TLS1_3, false, true },
	{ &update_fin, LW_VERSION_TLS1_3, false, true },
	{ &update_fin, LW_VERSION_TLS1_3, true, true },
	{ &update_data, LW_VERSION_TLS1_3, false, false },
	{ &update_data, LW_VERSION_TLS1_3, true, false },
	{ &data_ticket_rst, LW_VERSION_TLS1_3, false, false },
};

static void completeness_is_cleared_by_data_alone(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2 * sizeof completeness / sizeof completeness[0]; i++) {
		const struct rig_options o = { .version = completeness[i / 2].version,
			                       .serves = completeness[i / 2].serves,
			                       .attach = RIG_OBSERVE,
			                       .socket = i % 2 };
		struct lw_verdict verdict;
		struct seen seen = { .bytes = 0 };
		struct rig r;

		assert_true(rig_begin(&r, &o, completeness[i / 2].script));
		read_until_it_stops(&r, &seen);
		assert_int_equal(seen.bytes, 10);
		assert_false(rig_verdict(&r).complete);
		lw_complete(r.stream, true);
		assert_true(rig_verdict(&r).complete);
		adversary_resume(r.adversary);
		rig_spin(&r);
		read_until_it_stops(&r, &seen);
		ERR_clear_error();
		(void)SSL_write(r.ssl, "x", 1); /* an answer to KeyUpdate goes with it */
		ERR_clear_error();
		verdict = rig_verdict(&r);
		assert_int_equal(verdict.complete, completeness[i / 2].complete);
		assert_int_equal(verdict.tolerated, completeness[i / 2].complete);
		assert_int_equal(verdict.whole, completeness[i / 2].complete);
		rig_end(&r);
	}
}

static void data_not_yet_read_is_not_complete(void **state)
{
	const struct rig_options o = { .version = LW_VERSION_TLS1_3, .attach = RIG_OBSERVE };
	uint8_t octet;
	struct rig r;

	(void)state;
	assert_true(rig_begin(&r, &o, &only_fin));
	rig_spin(&r);
	assert_int_equal(SSL_read(r.ssl, &octet, 1), 1);
	lw_complete(r.stream, true);
	assert_false(rig_verdict(&r).complete);
	rig_end(&r);
}

static const struct adversary_script two_records =
    SCRIPT(STEP_DATA_IN(20, 10), STEP_SILENCE, STEP_RST);

/* Records that OpenSSL had read ahead pass uncounted. */
static void nothing_is_complete_where_records_cannot_be_counted(void **state)
{
	const struct rig_options o = { .version = LW_VERSION_TLS1_3,
		                       .attach = RIG_BARE,
		                       .read_ahead = true };
	uint8_t buf[10];
	struct rig r;

	(void)state;
	assert_true(rig_begin(&r, &o, &two_records));
	rig_spin(&r);
	assert_int_equal(SSL_read(r.ssl, buf, sizeof buf), 10);
	r.stream = lw_openssl_observe(r.ssl, NULL, NULL);
	assert_non_null(r.stream);
	lw_complete(r.stream, true);
	assert_int_equal(SSL_read(r.ssl, buf, sizeof buf), 10);
	assert_false(rig_verdict(&r).complete);
	rig_end(&r);
}

static void other_calls_are_refused_and_change_nothing(void **state)
{
	const struct rig_options o = { .version = LW_VERSION_TLS1_3, .attach = RIG_OBSERVE };
	struct lw_verdict before, after;
	uint8_t octet = 0;
	struct rig r;
	size_t n;

	(void)state;
	assert_true(rig_begin(&r, &o, &only_fin));
	for (int closed = 0; closed < 2; closed++) {
		before = rig_verdict(&r);
		assert_int_equal(lw_handshake(r.stream), LW_UNSUPPORTED);
		assert_int_equal(lw_read(r.stream, &octet, 1, &n), LW_UNSUPPORTED);
		assert_int_equal(lw_write(r.stream, &octet, 1, &n), LW_UNSUPPORTED);
		assert_int_equal(lw_flush(r.stream), LW_UNSUPPORTED);
		assert_int_equal(lw_finish(r.stream), LW_UNSUPPORTED);
		assert_int_equal(lw_close(r.stream), LW_UNSUPPORTED);
		assert_int_equal(lw_abort(r.stream), LW_UNSUPPORTED);
		assert_int_equal(lw_unwrap(r.stream, NULL, 0, &n), LW_UNSUPPORTED);
		assert_int_equal(lw_wait(r.stream, LW_INTEREST_READ, 0), LW_UNSUPPORTED);
		assert_int_equal(lw_events(r.stream, LW_INTEREST_READ | LW_INTEREST_WRITE), 0);
		assert_int_equal(lw_timeout_ms(r.stream, 1), -1);
		assert_int_equal(lw_timeout_ms(r.stream, UINT64_MAX), -1);
		after = rig_verdict(&r);
		assert_memory_equal(&before, &after, sizeof before);
		assert_true(SSL_shutdown(r.ssl) <= 0); /* the second waits for the peer */
	}
	rig_end(&r);
}

static const struct adversary_script answers = SCRIPT(STEP_DATA(10), STEP_GO);

static void a_proper_close_by_the_application_is_closed_both_ways(void **state)
{
	(void)state;
	for (unsigned v = 0; v < VERSIONS; v++) {
		const struct rig_options o = { .version = all_versions[v],
			                       .attach = RIG_OBSERVE,
			                       .socket = true };
		struct seen seen = { .bytes = 0 };
		struct rig r;

		assert_true(rig_begin(&r, &o, &answers));
		read_until_it_stops(&r, &seen);
		assert_int_equal(SSL_shutdown(r.ssl), 0);
		assert_int_equal(rig_verdict(&r).write, LW_ENDING_CLOSED);
		assert_int_equal(rig_verdict(&r).read, LW_ENDING_OPEN);
		rig_spin(&r);
		assert_int_equal(SSL_shutdown(r.ssl), 1);
		assert_int_equal(rig_verdict(&r).read, LW_ENDING_CLOSED);
		assert_int_equal(rig_verdict(&r).closed_first, LW_CLOSED_FIRST_WE);
		assert_int_equal(rig_verdict(&r).session, LW_SESSION_MAY_RESUME);
		assert_int_equal(rig_verdict(&r).bytes_read, 0);
		rig_end(&r);
	}
}

int main(void)
{
	const struct CMUnitTest cases[] = {
		cmocka_unit_test(every_ending_in_memory),
		cmocka_unit_test(every_ending_on_a_socket),
		cmocka_unit_test(the_alert_that_answers_a_fin_is_not_ours),
		cmocka_unit_test(a_close_notify_after_a_fin_is_counted),
		cmocka_unit_test(a_closure_that_is_a_warning_too_many_ends_both_sides_as_it_does),
		cmocka_unit_test(completeness_is_cleared_by_data_alone),
		cmocka_unit_test(data_not_yet_read_is_not_complete),
		cmocka_unit_test(nothing_is_complete_where_records_cannot_be_counted),
		cmocka_unit_test(other_calls_are_refused_and_change_nothing),
		cmocka_unit_test(a_proper_close_by_the_application_is_closed_both_ways),
	};

	(void)signal(SIGPIPE, SIG_IGN); /* which OpenSSL raises, observed or not */
	return run_cases(cases);
}
