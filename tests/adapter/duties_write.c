/* duties_write: what is written leaves whole and in order, whatever else is to leave. */
#include "duties.h"

#include <string.h>

static const struct adversary_script reads_late =
    SCRIPT(STEP_STOP_READING, STEP_SILENCE, STEP_READ_ON, STEP_GO);

static void a_half_out_record_leaves_whole_before_close_notify(const struct place *p)
{
	const struct stand_options o = OPTIONS(p, .buffer_bytes = 5000);
	const struct adversary_tally *seen;
	struct stand s;
	uint64_t taken;

	assert_true(stand_begin(&s, &o, &reads_late));
	taken = stand_fill(&s);
	assert_true(taken > 0);
	assert_int_equal(lw_events(s.stream, 0) & LW_EVENT_WRITABLE, LW_EVENT_WRITABLE);
	assert_int_equal(lw_close(s.stream), LW_AGAIN);
	assert_int_equal(stand_verdict(&s).write, LW_ENDING_OPEN);
	adversary_resume(s.adversary);
	assert_int_equal(stand_close(&s), LW_END);
	seen = adversary_subject(s.adversary);
	assert_false(seen->unreadable);
	assert_int_equal(seen->data_bytes, taken);
	assert_false(seen->data_differs);
	assert_int_equal(seen->close_notifies, 1);
	assert_int_equal(seen->after_closure, 0);
	assert_int_equal(stand_verdict(&s).bytes_written, taken);
	stand_end(&s);
}

/* rules: error-alerts-sent-fatal, send-fatal-if-possible */
static void a_half_out_record_leaves_whole_before_a_fatal_alert(const struct place *p)
{
	const struct stand_options o = OPTIONS(p, .buffer_bytes = 5000);
	const struct adversary_tally *seen;
	struct stand s;
	uint64_t taken;

	assert_true(stand_begin(&s, &o, &reads_late));
	taken = stand_fill(&s);
	assert_int_equal(lw_abort(s.stream), LW_AGAIN);
	adversary_resume(s.adversary);
	assert_int_equal(stand_abort(&s), LW_ABORTED);
	seen = adversary_subject(s.adversary);
	assert_false(seen->unreadable);
	assert_int_equal(seen->data_bytes, taken);
	assert_int_equal(seen->fatals, 1);
	assert_int_equal(seen->close_notifies, 0);
	assert_int_equal(seen->after_closure, 0);
	stand_end(&s);
}

/* Piece by piece, so that the library is asked at every place of a record. */
static void a_transport_that_takes_little_loses_nothing(const struct place *p)
{
	const struct stand_options o = OPTIONS(p, .buffer_bytes = 300, .piece_bytes = 7);
	uint8_t block[3000];
	uint64_t taken = 0;
	struct stand s;

	assert_true(stand_begin(&s, &o, &(struct adversary_script)SCRIPT(STEP_GO)));
	while (taken < 20000) {
		size_t n;

		for (size_t i = 0; i < sizeof block; i++)
			block[i] = adversary_pattern(taken + i);
		(void)!lw_write(s.stream, block, sizeof block, &n);
		taken += n;
		stand_spin(&s);
	}
	assert_int_equal(stand_close(&s), LW_END);
	assert_int_equal(adversary_subject(s.adversary)->data_bytes, taken);
	assert_false(adversary_subject(s.adversary)->data_differs);
	assert_int_equal(stand_verdict(&s).write, LW_ENDING_CLOSED);
	stand_end(&s);
}

static void a_write_is_records_of_16_kib_at_most(const struct place *p)
{
	static uint8_t block[100000];
	const struct stand_options o = OPTIONS(p, .socket = false);
	unsigned before, records;
	struct stand s;
	size_t n;

	assert_true(stand_begin(&s, &o, &(struct adversary_script)SCRIPT(STEP_GO)));
	before = adversary_subject(s.adversary)->records;
	for (size_t i = 0; i < sizeof block; i++)
		block[i] = adversary_pattern(i);
	assert_int_equal(lw_write(s.stream, block, sizeof block, &n), LW_OK);
	assert_in_range(n, 1, sizeof block);
	assert_int_equal(lw_flush(s.stream), LW_OK);
	stand_spin(&s);
	assert_int_equal(adversary_subject(s.adversary)->data_bytes, n);
	records = (unsigned)((n + LW_ADAPTER_WRITE_MAX - 1) / LW_ADAPTER_WRITE_MAX);
	/* Up to 1.0 some begin each with a record of one byte, or of none. */
	assert_in_range(adversary_subject(s.adversary)->records - before, records, 2 * records);
	assert_int_equal(stand_close(&s), LW_END);
	stand_end(&s);
}

static const struct adversary_script asks_for_keys_early =
    SCRIPT(STEP_STOP_READING, STEP_SILENCE, STEP_KEY_UPDATE(1), STEP_DATA(1000), STEP_SILENCE,
           STEP_READ_ON, STEP_GO);

/* The library would answer at once; what is half out goes first. */
/* rule: key-update-enforced */
static void a_key_update_does_not_break_a_half_out_record(const struct place *p)
{
	const struct stand_options o = OPTIONS(p, .buffer_bytes = 5000);
	const struct adversary_tally *seen;
	struct stand s;
	uint64_t taken;

	assert_true(stand_begin(&s, &o, &asks_for_keys_early));
	taken = stand_fill(&s);
	adversary_resume(s.adversary);
	assert_int_equal(stand_read(&s), LW_AGAIN);
	assert_int_equal(s.bytes, 1000);
	adversary_resume(s.adversary);
	assert_int_equal(stand_close(&s), LW_END);
	seen = adversary_subject(s.adversary);
	assert_false(seen->unreadable);
	assert_int_equal(seen->data_bytes, taken);
	assert_false(seen->data_differs);
	assert_int_equal(seen->close_notifies, 1);
	stand_end(&s);
}

static const struct adversary_script asks_for_keys_first =
    SCRIPT(STEP_KEY_UPDATE(1), STEP_DATA(1000), STEP_GO);

static void what_is_written_behind_a_key_update_arrives(const struct place *p)
{
	const struct stand_options o = OPTIONS(p, .buffer_bytes = 300);
	const struct adversary_tally *seen;
	uint8_t block[3000];
	uint64_t taken = 0;
	struct stand s;

	assert_true(stand_begin(&s, &o, &asks_for_keys_first));
	assert_int_equal(stand_read(&s), LW_AGAIN);
	assert_int_equal(s.bytes, 1000);
	while (taken < 10000) {
		size_t n;

		for (size_t i = 0; i < sizeof block; i++)
			block[i] = adversary_pattern(taken + i);
		(void)!lw_write(s.stream, block, sizeof block, &n);
		taken += n;
		stand_spin(&s);
	}
	assert_int_equal(stand_close(&s), LW_END);
	seen = adversary_subject(s.adversary);
	assert_false(seen->unreadable);
	assert_int_equal(seen->data_bytes, taken);
	assert_false(seen->data_differs);
	stand_end(&s);
}

const struct duty writing_duties[] = {
	DUTY(a_half_out_record_leaves_whole_before_close_notify, FROM_10),
	DUTY(a_half_out_record_leaves_whole_before_a_fatal_alert, FROM_10),
	DUTY(a_transport_that_takes_little_loses_nothing, FROM_10),
	DUTY(a_write_is_records_of_16_kib_at_most, FROM_10),
	DUTY(a_key_update_does_not_break_a_half_out_record, IN_13),
	DUTY(what_is_written_behind_a_key_update_arrives, IN_13),
	NO_MORE_DUTIES,
};
