/*
 * table: the profiles that were built in, against data/protocols.tsv and data/profiles.tsv.
 *
 * The two files are the arguments; every row and every column is compared.
 */
#include "profile/rows.h"
#include "tests/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COLUMNS 13
#define ROWS    200

struct table {
	char lines[ROWS][1024];
	char *cells[ROWS][COLUMNS];
	size_t rows; /* the heading not counted */
};

static struct table protocols, profiles;

static void split(struct table *table, size_t row, size_t columns)
{
	char *at = table->lines[row];

	for (size_t i = 0; i < columns; i++) {
		char *tab = strpbrk(at, "\t\n");

		assert_non_null(tab);
		assert_int_equal(*tab == '\n', i == columns - 1);
		*tab = '\0';
		table->cells[row][i] = at;
		at = tab + 1;
	}
}

static int read_table(struct table *table, const char *path, size_t columns)
{
	FILE *f = fopen(path, "r");
	char heading[1024];

	if (f == NULL || fgets(heading, sizeof heading, f) == NULL)
		return -1;
	while (table->rows < ROWS &&
	       fgets(table->lines[table->rows], sizeof table->lines[0], f) != NULL)
		split(table, table->rows++, columns);
	return fclose(f);
}

static unsigned port_of(const char *cell)
{
	return strcmp(cell, "-") == 0 ? 0 : (unsigned)strtoul(cell, NULL, 10);
}

/* The list, joined again. */
static void assert_list(const char *const *list, const char *cell)
{
	char joined[256] = "";

	for (size_t i = 0; list[i] != NULL; i++) {
		size_t used = strlen(joined);

		(void)snprintf(joined + used, sizeof joined - used, "%s%s", i > 0 ? "," : "",
		               list[i]);
	}
	assert_string_equal(list[0] == NULL ? "-" : joined, cell);
}

static void every_row_is_there_with_every_column(void **state)
{
	const struct lw_profile *p = NULL;

	(void)state;
	assert_int_equal(profiles.rows, protocols.rows);
	for (size_t i = 0; i < protocols.rows; i++) {
		char *const *cell = protocols.cells[i];

		p = lw_profile_next(p);
		assert_non_null(p);
		assert_ptr_equal(p, lw_profile_by_name(cell[0]));
		assert_string_equal(p->name, cell[0]);
		assert_string_equal(p->spec, cell[1]);
		assert_int_equal(p->port, port_of(cell[2]));
		assert_string_equal(lw_starttls_name(p->starttls), cell[3]);
		assert_string_equal(lw_end_of_data_name(p->end_of_data), cell[4]);
		assert_string_equal(lw_first_closer_name(p->first_closer), cell[5]);
		assert_string_equal(lw_on_finish_name(p->on_finish), cell[6]);
		assert_string_equal(lw_answer_name(p->answer), cell[7]);
		assert_string_equal(lw_await_peer_name(p->await_peer), cell[8]);
		assert_string_equal(lw_half_close_name(p->half_close), cell[9]);
		assert_string_equal(lw_reuse_name(p->reuse), cell[10]);
		assert_string_equal(lw_on_truncation_name(p->on_truncation), cell[11]);
		assert_string_equal(p->note, cell[12]);
	}
	assert_null(lw_profile_next(p));
}

static void every_row_is_tied_to_its_further_names(void **state)
{
	(void)state;
	for (size_t i = 0; i < profiles.rows; i++) {
		char *const *cell = profiles.cells[i];
		const struct lw_profile *p = lw_profile_by_name(cell[0]);

		assert_non_null(p);
		assert_string_equal(p->framing, cell[1]);
		assert_string_equal(lw_kind_name(lw_profile_kind(p)), cell[1]);
		assert_int_equal(p->tls_port, port_of(cell[2]));
		assert_list(p->alpn, cell[3]);
		assert_list(p->names, cell[4]);
		for (size_t n = 0; p->names[n] != NULL; n++)
			assert_ptr_equal(lw_profile_by_name(p->names[n]), p);
		for (size_t n = 0; p->alpn[n] != NULL; n++)
			assert_ptr_equal(lw_profile_by_alpn(p->alpn[n], strlen(p->alpn[n])), p);
	}
}

static void finds_what_people_write(void **state)
{
	static const struct {
		const char *written, *name;
		uint16_t tls_port;
	} rows[] = {
		{ "https", "https", 443 },
		{ "HTTPS", "https", 443 },
		{ "wss", "websocket", 443 },
		{ "smtps", "submission", 465 },
		{ "submissions", "submission", 465 },
		{ "imaps", "imap", 993 },
		{ "pop3s", "pop3", 995 },
		{ "ldaps", "ldap", 636 },
		{ "dot", "dot", 853 },
		{ "postgres", "postgresql", 5432 },
		{ "gemini", "gemini", 1965 },
		{ "ftp", "ftp-control", 990 },
		{ "mqtts", "mqtt", 8883 },
		{ "smtp", "smtp", 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		const struct lw_profile *p = lw_profile_by_name(rows[i].written);

		assert_non_null(p);
		assert_string_equal(p->name, rows[i].name);
		assert_int_equal(p->tls_port, rows[i].tls_port);
	}
	assert_null(lw_profile_by_name("htt"));
	assert_null(lw_profile_by_name(""));
	assert_null(lw_profile_by_name(NULL));
}

static void the_usual_protocol_owns_a_port(void **state)
{
	static const struct {
		uint16_t port;
		const char *name;
	} rows[] = {
		{ 443, "https" },   { 465, "submission" },  { 993, "imap" },
		{ 995, "pop3" },    { 636, "ldap" },        { 853, "dot" },
		{ 1965, "gemini" }, { 5432, "postgresql" }, { 25, "smtp" },
		{ 389, "ldap" },    { 21, "ftp-control" },  { 5222, "xmpp" },
		{ 6514, "syslog" }, { 2083, "radius" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		assert_non_null(lw_profile_by_port(rows[i].port));
		assert_string_equal(lw_profile_by_port(rows[i].port)->name, rows[i].name);
	}
	assert_null(lw_profile_by_port(0));
	assert_null(lw_profile_by_port(1));
}

static void an_alpn_id_is_matched_exactly(void **state)
{
	(void)state;
	assert_string_equal(lw_profile_by_alpn("http/1.1", 8)->name, "https");
	assert_string_equal(lw_profile_by_alpn("h2", 2)->name, "http2");
	assert_null(lw_profile_by_alpn("http/1.1", 7));
	assert_null(lw_profile_by_alpn("HTTP/1.1", 8));
	assert_null(lw_profile_by_alpn("", 0));
	assert_null(lw_profile_by_alpn(NULL, 0));
}

/* rule: close-delimited-needs-alert */
static void data_that_ends_by_close_has_no_tracker_that_completes(void **state)
{
	const struct lw_profile *p = NULL;
	unsigned rows = 0;

	(void)state;
	while ((p = lw_profile_next(p)) != NULL) {
		struct lw_tracker t;

		if (p->end_of_data != LW_END_OF_DATA_CLOSE)
			continue;
		rows++;
		lw_tracker_init(&t, lw_profile_kind(p), LW_ROLE_CLIENT);
		lw_tracker_sent(&t, "x\r\n", 3);
		lw_tracker_received(&t, "x\r\n", 3);
		assert_false(lw_tracker_complete(&t));
		assert_true(lw_tracker_ended_by_close(&t));
	}
	assert_int_equal(rows, 5);
}

static void a_row_from_elsewhere_is_unsure_and_the_last(void **state)
{
	struct lw_profile copy = *lw_profile_by_name("https");

	(void)state;
	assert_int_equal(lw_profile_kind(&copy), LW_KIND_UNSURE);
	assert_int_equal(lw_profile_kind(NULL), LW_KIND_UNSURE);
	assert_null(lw_profile_next(&copy));
}

static void names_out_of_range_are_unknown(void **state)
{
	(void)state;
	assert_string_equal(lw_role_name(LW_ROLE_CLIENT), "client");
	assert_string_equal(lw_role_name(LW_ROLE_SERVER), "server");
	assert_string_equal(lw_role_name((enum lw_role)9), "unknown");
	assert_string_equal(lw_on_truncation_name((enum lw_on_truncation)99), "unknown");
}

int main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_row_is_there_with_every_column),
		cmocka_unit_test(every_row_is_tied_to_its_further_names),
		cmocka_unit_test(finds_what_people_write),
		cmocka_unit_test(the_usual_protocol_owns_a_port),
		cmocka_unit_test(an_alpn_id_is_matched_exactly),
		cmocka_unit_test(data_that_ends_by_close_has_no_tracker_that_completes),
		cmocka_unit_test(a_row_from_elsewhere_is_unsure_and_the_last),
		cmocka_unit_test(names_out_of_range_are_unknown),
	};

	if (argc != 3 || read_table(&protocols, argv[1], 13) != 0 ||
	    read_table(&profiles, argv[2], 6) != 0) {
		(void)fprintf(stderr, "usage: %s PROTOCOLS.tsv PROFILES.tsv\n", argv[0]);
		return 2;
	}
	return run_cases(tests);
}
