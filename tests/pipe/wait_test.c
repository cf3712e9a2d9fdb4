/*
 * wait_test: a wait is over when its deadline is, also when that has passed before it begins; what
 * is ready before is told as ready.
 */
#include "pipe/wait.h"
#include "tests/unit.h"

#include <string.h>
#include <unistd.h>

enum { HANGS_AFTER_S = 10 }; /* the alarm ends the program */

static enum wait_result wait_on_pipe(const char *said, uint64_t until_ms)
{
	const bool interrupted = false;
	enum wait_result result;
	uv_loop_t loop;
	int fds[2];

	assert_int_equal(uv_loop_init(&loop), 0);
	assert_int_equal(pipe(fds), 0);
	assert_int_equal(write(fds[1], said, strlen(said)), (ssize_t)strlen(said));
	alarm(HANGS_AFTER_S);
	result = wait_descriptor(&loop, fds[0], LW_EVENT_READABLE, until_ms, &interrupted);
	alarm(0);
	(void)close(fds[0]);
	(void)close(fds[1]);
	assert_int_equal(uv_loop_close(&loop), 0);
	return result;
}

static void a_deadline_that_has_passed_is_over(void **state)
{
	(void)state;
	assert_int_equal(wait_on_pipe("", wait_now_ms() - 1), WAIT_EXPIRED);
	assert_int_equal(wait_on_pipe("", wait_now_ms()), WAIT_EXPIRED);
}

static void a_deadline_ends_the_wait(void **state)
{
	(void)state;
	assert_int_equal(wait_on_pipe("", wait_now_ms() + 5), WAIT_EXPIRED);
}

static void what_is_ready_needs_no_deadline(void **state)
{
	(void)state;
	assert_int_equal(wait_on_pipe("x", WAIT_FOR_EVER), WAIT_READY);
	assert_int_equal(wait_on_pipe("x", wait_now_ms() + 10000), WAIT_READY);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_deadline_that_has_passed_is_over),
		cmocka_unit_test(a_deadline_ends_the_wait),
		cmocka_unit_test(what_is_ready_needs_no_deadline),
	};
	return run_cases(tests);
}
