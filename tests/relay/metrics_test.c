/* metrics_test: what each counter becomes in the text, added up over workers. */
#include "tests/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "relay/metrics.h"

static const struct metrics_process process = { 1700000000, 3, 1, false, "0.1.0" };

/* The caller frees it. */
static char *print(const struct metrics *const *workers, size_t count,
                   const struct metrics_process *p)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	assert_non_null(out);
	metrics_print(out, workers, count, p);
	assert_int_equal(fclose(out), 0);
	return text;
}

static void assert_says(const char *text, const char *sample)
{
	char line[200];

	(void)snprintf(line, sizeof line, "\nlastword_relay_%s\n", sample);
	if (strstr(text, line) == NULL)
		fail_msg("no line %s", sample);
}

static void every_counter_has_its_sample(void **state)
{
	static struct metrics m;
	static const struct metrics *const workers[] = { &m };
	static const struct {
		atomic_uint_fast64_t *counter;
		const char *sample;
	} rows[] = {
		{ &m.accepted, "accepted_total 7" },
		{ &m.open, "connections_open 7" },
		{ &m.outcomes[OUTCOME_PROBE], "connections_total{outcome=\"probe\"} 7" },
		{ &m.outcomes[OUTCOME_CUT], "connections_total{outcome=\"cut\"} 7" },
		{ &m.outcomes[OUTCOME_FAILED], "connections_total{outcome=\"failed\"} 7" },
		{ &m.bytes_in, "bytes_total{direction=\"in\"} 7" },
		{ &m.bytes_out, "bytes_total{direction=\"out\"} 7" },
		{ &m.bytes_lost, "bytes_lost_total 7" },
		{ &m.endings[METRICS_CLIENT][LW_ENDING_OPEN],
		  "endings_total{leg=\"client\",kind=\"open\"} 7" },
		{ &m.endings[METRICS_CLIENT][LW_ENDING_FAILED],
		  "endings_total{leg=\"client\",kind=\"failed\"} 7" },
		{ &m.endings[METRICS_SERVER][LW_ENDING_TRUNCATED],
		  "endings_total{leg=\"server\",kind=\"truncated\"} 7" },
		{ &m.handshakes[METRICS_CLIENT],
		  "handshakes_total{leg=\"client\",result=\"ok\"} 7" },
		{ &m.resumed[METRICS_SERVER],
		  "handshakes_total{leg=\"server\",result=\"resumed\"} 7" },
		{ &m.handshakes_failed[METRICS_SERVER],
		  "handshakes_total{leg=\"server\",result=\"failed\"} 7" },
		{ &m.laundering_prevented, "laundering_prevented_total 7" },
		{ &m.backend_failures, "backend_failures_total 7" },
		{ &m.accept_errors, "accept_errors_total 7" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		char *text;
		size_t sevens = 0;

		METRICS_ADD(*rows[i].counter, 7);
		text = print(workers, 1, &process);
		assert_says(text, rows[i].sample);
		for (const char *at = text; (at = strstr(at, " 7\n")) != NULL; at++)
			sevens++;
		assert_int_equal(sevens, 1); /* and no other */
		free(text);
		METRICS_ADD(*rows[i].counter, (uint_fast64_t)-7);
	}
}

static void workers_are_added_up(void **state)
{
	static struct metrics m[3];
	static const struct metrics *const workers[] = { &m[0], &m[1], &m[2] };
	char *text;

	(void)state;
	METRICS_ADD(m[0].bytes_in, UINT32_MAX);
	METRICS_ADD(m[1].bytes_in, 1);
	METRICS_ADD(m[2].bytes_in, 1);
	METRICS_ADD(m[2].open, 5);
	METRICS_ADD(m[1].open, 5);
	METRICS_ADD(m[1].open, (uint_fast64_t)-1);
	text = print(workers, 3, &process);
	assert_says(text, "bytes_total{direction=\"in\"} 4294967297");
	assert_says(text, "connections_open 9");
	free(text);
	text = print(workers, 0, &process);
	assert_says(text, "bytes_total{direction=\"in\"} 0");
	free(text);
}

static void a_resumed_handshake_counts_once(void **state)
{
	static struct metrics m;
	static const struct metrics *const workers[] = { &m };
	char *text;

	(void)state;
	METRICS_ADD(m.resumed[METRICS_CLIENT], 1); /* seen before its handshake is counted */
	text = print(workers, 1, &process);
	assert_says(text, "handshakes_total{leg=\"client\",result=\"ok\"} 0");
	assert_says(text, "handshakes_total{leg=\"client\",result=\"resumed\"} 1");
	free(text);
	METRICS_ADD(m.handshakes[METRICS_CLIENT], 3);
	text = print(workers, 1, &process);
	assert_says(text, "handshakes_total{leg=\"client\",result=\"ok\"} 2");
	assert_says(text, "handshakes_total{leg=\"client\",result=\"resumed\"} 1");
	free(text);
}

static void the_process_is_told(void **state)
{
	struct metrics_process p = process;
	char *text = print(NULL, 0, &p);

	(void)state;
	assert_says(text, "reloads_total{result=\"ok\"} 3");
	assert_says(text, "reloads_total{result=\"failed\"} 1");
	assert_says(text, "draining 0");
	assert_says(text, "start_time_seconds 1700000000");
	assert_says(text, "build_info{version=\"0.1.0\"} 1");
	free(text);
	p.is_draining = true;
	text = print(NULL, 0, &p);
	assert_says(text, "draining 1");
	free(text);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_counter_has_its_sample),
		cmocka_unit_test(workers_are_added_up),
		cmocka_unit_test(a_resumed_handshake_counts_once),
		cmocka_unit_test(the_process_is_told),
	};
	return run_cases(tests);
}
