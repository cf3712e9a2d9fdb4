/* duties_fault: a transport that fails once, at any call. */
#include "duties.h"

static const struct adversary_script answers =
    SCRIPT(STEP_WAIT_DATA(64), STEP_DATA_IN(1000, 400), STEP_CLOSE_NOTIFY, STEP_FIN);

struct fault_row {
	bool shortens;
	enum lw_io how;
	int os_error;
};

static const struct fault_row faults[] = {
	{ true, LW_IO_OK, 0 },     { false, LW_IO_AGAIN, 0 }, { false, LW_IO_RESET, 0 },
	{ false, LW_IO_ERROR, 5 }, { false, LW_IO_FIN, 0 },
};

/* Bounded; gives what the reader was told. */
static enum lw_status ask_and_read(struct stand *s)
{
	enum lw_status status = LW_AGAIN;
	uint8_t request[64];
	size_t n = 0;

	for (size_t i = 0; i < sizeof request; i++)
		request[i] = adversary_pattern(i);
	for (int i = 0; i < 100 && status == LW_AGAIN; i++) {
		status = lw_write(s->stream, request, sizeof request, &n);
		stand_spin(s);
	}
	for (int i = 0; i < 100 && lw_flush(s->stream) == LW_AGAIN; i++)
		stand_spin(s);
	return stand_read(s);
}

static bool is_told_truly(const struct stand *s, const struct fault_row *row, enum lw_status read,
                          const struct lw_verdict *v)
{
	const bool passing = row->shortens || row->how == LW_IO_AGAIN;

	if (s->differs || s->bytes != v->bytes_read)
		return false;
	if (read == LW_END) /* all of it, and the peer's word for it */
		return s->bytes == 1000 && v->read == LW_ENDING_CLOSED;
	return !passing && !v->whole &&
	       (read == LW_TRUNCATED || read == LW_ERROR || read == LW_AGAIN);
}

/* Each call fails once: nothing is told wrong, nothing hangs, and what passes over is no fault. */
static void every_call_of_the_transport_may_fail_once(const struct place *p)
{
	for (unsigned f = 0; f < 2 * sizeof faults / sizeof faults[0]; f++) {
		const struct fault_row *row = &faults[f / 2];
		bool fired = true;

		if (f % 2 == 1 && row->how == LW_IO_FIN) /* no sending gives that */
			continue;
		for (unsigned nth = 0; fired; nth++) {
			const struct stand_options o =
			    OPTIONS(p, .fault = { .armed = true,
			                          .sends = f % 2,
			                          .nth = nth,
			                          .shortens = row->shortens,
			                          .how = row->how,
			                          .os_error = row->os_error });
			struct lw_verdict v;
			enum lw_status read, closed;
			struct stand s;

			assert_true(stand_begin(&s, &o, &answers));
			read = ask_and_read(&s);
			closed = stand_close(&s);
			v = stand_verdict(&s);
			fired = s.options.fault.fired;
			if (closed == LW_AGAIN || !is_told_truly(&s, row, read, &v)) {
				char told[256];

				print_message("# %s call %u, fault %u: %d, %s\n",
				              f % 2 ? "send" : "recv", nth, f / 2, (int)read,
				              lw_verdict_sentence(&v, told, sizeof told));
				assert_int_equal(nth, -1);
			}
			stand_end(&s);
		}
	}
}

const struct duty fault_duties[] = {
	DUTY(every_call_of_the_transport_may_fail_once, FROM_10),
	NO_MORE_DUTIES,
};
