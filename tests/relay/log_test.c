/* log_test: what a line says, byte for byte, in both formats; and what happens to lines where they
 * cannot be written.  The hostile rows are values as a peer may send them.
 */
#include "tests/report/schema.h"
#include "tests/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "relay/log.h"
#include "relay/log_line.h"

static const struct log_record cut = {
	.outcome = OUTCOME_CUT,
	.action = ACTION_ABORTED,
	.listener = "web",
	.client = "127.0.0.1:5555",
	.server = "127.0.0.1:443",
	.front_tls = "1.3",
	.sni = "example.org",
	.profile = "https",
	.bytes_in = 412,
	.bytes_out = 196563,
	.duration_s = 1.2041,
	.client_end = "open",
	.server_end = "truncated",
	.is_complete = 0,
};

static const struct log_record full = {
	.outcome = OUTCOME_ABORTED,
	.action = ACTION_MIRRORED,
	.listener = "mail",
	.client = "[::1]:5",
	.server = "/run/mail server",
	.front_tls = "1.2",
	.back_tls = "1.3",
	.sni = "",
	.alpn = "h2",
	.client_certificate = "CN=somebody,O=here",
	.profile = "imap",
	.bytes_in = UINT64_MAX,
	.bytes_out = 0,
	.bytes_lost = 7,
	.duration_s = 86400,
	.client_end = "aborted",
	.server_end = "closed",
	.alert_received = "bad_certificate",
	.alert_sent = "internal_error",
	.is_complete = -1,
	.reason = "it said \"no\"",
};

/* ---- a folder, a log in it, and what stands there */

struct scene {
	char folder[32], path[48];
	struct log *log;
	char text[1000000];
	struct failure f;
};

static struct scene scene;

static int enter(void **state)
{
	(void)state;
	memset(&scene, 0, sizeof scene);
	(void)snprintf(scene.folder, sizeof scene.folder, "/tmp/lastword-log.XXXXXX");
	if (mkdtemp(scene.folder) == NULL)
		return -1;
	(void)snprintf(scene.path, sizeof scene.path, "%s/log", scene.folder);
	return 0;
}

static int leave(void **state)
{
	char old[64];

	(void)state;
	log_close(scene.log);
	(void)snprintf(old, sizeof old, "%s.1", scene.path);
	(void)unlink(scene.path);
	(void)unlink(old);
	return rmdir(scene.folder);
}

static void open_log(enum relay_log_format format, bool logs_connections)
{
	log_close(scene.log);
	(void)unlink(scene.path);
	scene.log = log_open(format, scene.path, logs_connections, &scene.f);
	assert_non_null(scene.log);
}

/* All that came out of `fd`, up to its end or until it has no more. */
static const char *read_all(int fd)
{
	size_t n = 0;
	ssize_t got;

	while ((got = read(fd, scene.text + n, sizeof scene.text - 1 - n)) > 0)
		n += (size_t)got;
	scene.text[n] = '\0';
	return scene.text;
}

static const char *said(void)
{
	int fd = open(scene.path, O_RDONLY);

	assert_true(fd >= 0);
	(void)read_all(fd);
	assert_int_equal(close(fd), 0);
	return scene.text;
}

/* Takes " time=..." off the one line, and holds it against the clock. */
static void take_time(char *line)
{
	static const char pattern[] = " time=0000-00-00T00:00:00.000Z\n";
	size_t n = strlen(line), tail = sizeof pattern - 1;
	char now[32];
	time_t clock = time(NULL);
	struct tm day;

	assert_true(n > tail);
	for (size_t i = 0; i < tail; i++)
		if (pattern[i] == '0')
			assert_in_range(line[n - tail + i], '0', '9');
		else
			assert_int_equal(line[n - tail + i], pattern[i]);
	/* the hour and the day, of now or of what was now at most a minute ago */
	assert_non_null(gmtime_r(&clock, &day));
	(void)strftime(now, sizeof now, "%Y-%m-%dT%H", &day);
	if (strncmp(line + n - tail + 6, now, strlen(now)) != 0) {
		clock -= 60;
		assert_non_null(gmtime_r(&clock, &day));
		(void)strftime(now, sizeof now, "%Y-%m-%dT%H", &day);
		assert_memory_equal(line + n - tail + 6, now, strlen(now));
	}
	line[n - tail] = '\0';
}

/* ---- what a line says */

static void a_connection_is_a_line_with_its_outcome_first(void **state)
{
	static const struct {
		const struct log_record *record;
		const char *line;
	} rows[] = {
		{ &cut,
		  "cut action=aborted listener=web client=127.0.0.1:5555 server=127.0.0.1:443 "
		  "tls=1.3 sni=example.org profile=https in=412 out=196563 lost=0 dur=1.204 "
		  "client_end=open server_end=truncated complete=no" },
		{ &full,
		  "aborted action=mirrored listener=mail client=[::1]:5 "
		  "server=\"/run/mail server\" tls=1.2 server_tls=1.3 sni=\"\" alpn=h2 "
		  "cert=\"CN=somebody,O=here\" profile=imap in=18446744073709551615 out=0 lost=7 "
		  "dur=86400.000 client_end=aborted server_end=closed complete=unknown "
		  "alert_in=bad_certificate alert_out=internal_error "
		  "reason=\"it said \\\"no\\\"\"" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		open_log(RELAY_LOGFMT, true);
		log_connection(scene.log, rows[i].record);
		(void)said();
		take_time(scene.text);
		assert_string_equal(scene.text, rows[i].line);
	}
}

static void json_says_the_same(void **state)
{
	static const struct {
		const struct log_record *record;
		const char *line;
	} rows[] = {
		{ &cut,
		  "{\"outcome\":\"cut\",\"action\":\"aborted\",\"listener\":\"web\","
		  "\"client\":\"127.0.0.1:5555\",\"server\":\"127.0.0.1:443\",\"tls\":\"1.3\","
		  "\"sni\":\"example.org\",\"profile\":\"https\",\"in\":412,\"out\":196563,"
		  "\"lost\":0,\"dur\":1.204,\"client_end\":\"open\","
		  "\"server_end\":\"truncated\",\"complete\":false,\"time\":\"" },
		{ &full,
		  "{\"outcome\":\"aborted\",\"action\":\"mirrored\",\"listener\":\"mail\","
		  "\"client\":\"[::1]:5\",\"server\":\"/run/mail server\",\"tls\":\"1.2\","
		  "\"server_tls\":\"1.3\",\"sni\":\"\",\"alpn\":\"h2\","
		  "\"cert\":\"CN=somebody,O=here\",\"profile\":\"imap\",\"in\":9223372036854775807,"
		  "\"out\":0,\"lost\":7,\"dur\":86400.0,\"client_end\":\"aborted\","
		  "\"server_end\":\"closed\",\"complete\":null,\"alert_in\":\"bad_certificate\","
		  "\"alert_out\":\"internal_error\",\"reason\":\"it said \\\"no\\\"\","
		  "\"time\":\"" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		size_t n = strlen(rows[i].line);

		open_log(RELAY_JSON, true);
		log_connection(scene.log, rows[i].record);
		assert_true(strlen(said()) == n + sizeof "2026-01-02T03:04:05.678Z\"}\n" - 1);
		scene.text[n] = '\0';
		assert_string_equal(scene.text, rows[i].line);
	}
}

static json_t *the_json(void)
{
	json_error_t error;
	json_t *line = json_loads(said(), JSON_REJECT_DUPLICATES, &error);

	assert_non_null(line);
	assert_ptr_equal(strchr(scene.text, '\n'), scene.text + strlen(scene.text) - 1);
	return line;
}

static void every_json_line_fits_the_schema(void **state)
{
	json_t *schema = schema_load(SCHEMA_FILE), *line;

	(void)state;
	for (unsigned o = OUTCOME_WHOLE; o < OUTCOMES; o++)
		for (unsigned a = 0; a < ACTIONS; a++)
			for (int complete = -1; complete <= 1; complete++) {
				struct log_record r = o % 2 ? cut : full;

				r.outcome = (enum outcome)o;
				r.action = (enum action)a;
				r.is_complete = complete;
				r.client_end = lw_ending_name((enum lw_ending)(o % 8));
				open_log(RELAY_JSON, true);
				log_connection(scene.log, &r);
				line = the_json();
				assert_true(schema_fits(schema, line));
				json_decref(line);
			}
	open_log(RELAY_JSON, true);
	log_event(scene.log, "reloaded", "services", "2", NULL);
	line = the_json();
	assert_true(schema_fits(schema, line));
	assert_int_equal(json_object_set_new(line, "outcome", json_string("cut")), 0);
	assert_true(schema_fits(schema, line)); /* an event may name an outcome */
	assert_int_equal(json_object_del(line, "event"), 0);
	assert_false(schema_fits(schema, line));
	json_decref(line);
	json_decref(schema);
}

static void an_event_is_a_line_too(void **state)
{
	(void)state;
	open_log(RELAY_LOGFMT, false);
	log_event(scene.log, "reloaded", "services", "2", "nothing", NULL, "why", "new keys", NULL);
	(void)said();
	take_time(scene.text);
	assert_string_equal(scene.text, "reloaded services=2 why=\"new keys\"");
	open_log(RELAY_LOGFMT, false);
	log_event(scene.log, "started", NULL);
	(void)said();
	take_time(scene.text);
	assert_string_equal(scene.text, "started");
}

static void only_what_went_wrong_is_logged_where_so_wanted(void **state)
{
	(void)state;
	for (unsigned all = 0; all < 2; all++)
		for (unsigned o = 0; o < OUTCOMES; o++) {
			struct log_record r = cut;
			bool wanted = o != OUTCOME_PROBE && (all || o >= OUTCOME_REPORTED);

			r.outcome = (enum outcome)o;
			open_log(RELAY_LOGFMT, all);
			log_connection(scene.log, &r);
			assert_int_equal(said()[0] != '\0', wanted);
			if (wanted)
				assert_memory_equal(scene.text, outcome_name(r.outcome),
				                    strlen(outcome_name(r.outcome)));
		}
	assert_string_equal(outcome_name(OUTCOMES), "unknown");
	assert_string_equal(action_name(ACTIONS), "unknown");
}

/* ---- what peers may say */

/* The value of ` name=` in a logfmt line, unquoted; NULL where there is none. */
static const char *logfmt_value(const char *line, const char *name, char *value)
{
	char key[40];
	const char *at, *start;
	unsigned code;

	start = value;
	(void)snprintf(key, sizeof key, " %s=", name);
	at = strstr(line, key);
	if (at == NULL)
		return NULL;
	at += strlen(key);
	if (*at != '"') {
		while (strchr(" \n", *at) == NULL)
			*value++ = *at++;
		*value = '\0';
		return start;
	}
	for (at++; *at != '"'; at++) {
		if (*at != '\\') {
			*value++ = *at;
			continue;
		}
		at++;
		if (*at == 'x') {
			assert_int_equal(sscanf(at + 1, "%2x", &code), 1);
			*value++ = (char)code;
			at += 2;
		} else {
			*value++ = (char)(*at == 'n'   ? '\n'
			                  : *at == 'r' ? '\r'
			                  : *at == 't' ? '\t'
			                               : *at);
		}
	}
	*value = '\0';
	return start;
}

static void assert_tame(const char *line)
{
	size_t n = strlen(line);

	assert_true(n > 0 && n <= LOG_LINE_BYTES);
	for (size_t i = 0; i + 1 < n; i++)
		assert_in_range((unsigned char)line[i], 0x20, 0x7e);
	assert_int_equal(line[n - 1], '\n');
}

static void no_octet_of_a_peer_reaches_a_terminal(void **state)
{
	char octets[] = "a?b", value[16];
	struct log_record r = cut;

	(void)state;
	r.sni = octets;
	for (unsigned octet = 1; octet < 256; octet++) {
		octets[1] = (char)octet;
		open_log(RELAY_LOGFMT, true);
		log_connection(scene.log, &r);
		assert_tame(said());
		assert_string_equal(logfmt_value(scene.text, "sni", value), octets);
		assert_string_equal(logfmt_value(scene.text, "profile", value), "https");
		open_log(RELAY_JSON, true);
		log_connection(scene.log, &r);
		assert_tame(said());
	}
}

static void json_keeps_utf8_and_shows_other_octets_as_codes(void **state)
{
	static const struct {
		const char *sent, *told;
	} rows[] = {
		{ "M\xc3\xbcller", "M\xc3\xbcller" },
		{ "\xc2\x9b"
		  "2J",
		  "\xc2\x9b"
		  "2J" },
		{ "\x1b[2J\r\n", "\x1b[2J\r\n" },
		{ "a\xff\x7f", "a\\xff\\x7f" },
		{ "\xc3", "\\xc3" },
	};
	struct log_record r = cut;

	(void)state;
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		json_t *line;

		r.client_certificate = rows[i].sent;
		open_log(RELAY_JSON, true);
		log_connection(scene.log, &r);
		assert_tame(said());
		line = the_json();
		assert_string_equal(json_string_value(json_object_get(line, "cert")), rows[i].told);
		json_decref(line);
	}
}

static void a_line_fits_into_a_pipe_however_much_a_peer_says(void **state)
{
	static const char octets[] = { 'a', '"', '\\', 1, (char)0xff, '\n' };
	static char much[20001], value[LOG_LINE_BYTES];
	struct log_record r = full;

	(void)state;
	for (size_t i = 0; i < sizeof octets; i++) {
		json_t *line;

		memset(much, octets[i], sizeof much - 1);
		r.listener = r.client = r.server = r.front_tls = r.back_tls = r.sni = much;
		r.alpn = r.client_certificate = r.profile = r.client_end = r.server_end = much;
		r.alert_received = r.alert_sent = r.reason = much;
		open_log(RELAY_LOGFMT, true);
		log_connection(scene.log, &r);
		assert_tame(said());
		assert_string_equal(logfmt_value(scene.text, "lost", value), "7");
		assert_non_null(logfmt_value(scene.text, "reason", value));
		assert_string_equal(value + strlen(value) - 3, "...");
		assert_non_null(logfmt_value(scene.text, "time", value));
		open_log(RELAY_JSON, true);
		log_connection(scene.log, &r);
		assert_tame(said());
		line = the_json();
		assert_int_equal(json_object_size(line), 22);
		json_decref(line);
	}
}

/* One long value costs the others nothing. */
static void a_sentence_is_shown_whole(void **state)
{
	static char sentence[640], value[LOG_LINE_BYTES];

	(void)state;
	memset(sentence, 'x', sizeof sentence - 1);
	open_log(RELAY_LOGFMT, true);
	log_event(scene.log, "reload_failed", "reason", sentence, NULL);
	assert_string_equal(logfmt_value(said(), "reason", value), sentence);
}

static void the_most_fields_always_fit(void **state)
{
	static struct log_field fields[LOG_FIELDS];
	static char much[5000];
	char line[LOG_LINE_BYTES];

	(void)state;
	memset(much, '\x01', sizeof much - 1);
	for (size_t i = 0; i < LOG_FIELDS; i++)
		fields[i] = (struct log_field){ i ? "a_name_of_usual_length" : "event", LOG_TEXT,
			                        .text = i ? much : "full" };
	assert_true(log_line_make(RELAY_LOGFMT, fields, LOG_FIELDS, line) > 0);
	assert_true(log_line_make(RELAY_JSON, fields, LOG_FIELDS, line) > 0);
}

/* ---- where lines go */

static void a_file_is_appended_to_and_opened_afresh(void **state)
{
	char old[64];
	struct stat is;

	(void)state;
	open_log(RELAY_LOGFMT, true);
	log_event(scene.log, "one", NULL);
	log_close(scene.log);
	scene.log = log_open(RELAY_LOGFMT, scene.path, true, &scene.f);
	assert_non_null(scene.log);
	log_event(scene.log, "two", NULL);
	assert_memory_equal(said(), "one ", 4);
	assert_memory_equal(strchr(scene.text, '\n'), "\ntwo ", 5);
	assert_int_equal(stat(scene.path, &is), 0);
	assert_int_equal(is.st_mode & 07, 0); /* nobody else's business */

	(void)snprintf(old, sizeof old, "%s.1", scene.path);
	assert_int_equal(rename(scene.path, old), 0);
	log_event(scene.log, "three", NULL);
	assert_true(log_reopen(scene.log, &scene.f));
	log_event(scene.log, "four", NULL);
	assert_memory_equal(said(), "four ", 5);
	assert_null(strchr(strchr(scene.text, '\n') + 1, '\n'));
}

static void a_log_that_cannot_be_reopened_stays(void **state)
{
	(void)state;
	open_log(RELAY_LOGFMT, true);
	assert_int_equal(unlink(scene.path), 0);
	assert_int_equal(mkdir(scene.path, 0700), 0);
	assert_false(log_reopen(scene.log, &scene.f));
	assert_non_null(strstr(scene.f.sentence, scene.path));
	log_event(scene.log, "still", NULL);
	assert_int_equal(rmdir(scene.path), 0);
}

static void a_file_that_cannot_be_opened_is_a_sentence(void **state)
{
	(void)state;
	assert_null(log_open(RELAY_LOGFMT, "/nonexistent/log", true, &scene.f));
	assert_non_null(strstr(scene.f.sentence, "cannot open the log /nonexistent/log: No such"));
}

/* Puts `fd` in the place of standard error while the log is opened. */
static void open_on_standard_error(int fd, enum relay_log_format format)
{
	int kept = dup(STDERR_FILENO);

	assert_true(kept >= 0 && dup2(fd, STDERR_FILENO) >= 0);
	log_close(scene.log);
	scene.log = log_open(format, NULL, true, &scene.f);
	assert_true(dup2(kept, STDERR_FILENO) >= 0);
	assert_int_equal(close(kept), 0);
	assert_non_null(scene.log);
}

/* Says lines into something full until many are lost, empties it, and looks what is told. */
static void fill_and_empty(int read_end)
{
	const char *told;
	int lines = 0;
	unsigned lost = 0;

	for (int i = 0; i < 3000; i++)
		log_event(scene.log, "line", "text", "0123456789012345678901234567890123456789",
		          NULL);
	(void)fcntl(read_end, F_SETFL, O_NONBLOCK);
	(void)read_all(read_end);
	for (const char *at = scene.text; *at != '\0'; at = strchr(at, '\n') + 1, lines++)
		assert_memory_equal(at, "line text=0123", 14);
	assert_true(lines > 10 && lines < 3000);
	log_event(scene.log, "after", NULL);
	told = read_all(read_end);
	assert_int_equal(sscanf(told, "log_lost lines=%u", &lost), 1);
	assert_int_equal(lost + (unsigned)lines, 3000);
	assert_non_null(strstr(told, "\nafter "));
	log_event(scene.log, "later", NULL);
	assert_memory_equal(read_all(read_end), "later ", 6);
}

static void a_full_pipe_costs_lines_and_no_time(void **state)
{
	int ends[2];

	(void)state;
	assert_int_equal(pipe(ends), 0);
	open_on_standard_error(ends[1], RELAY_LOGFMT);
	assert_int_equal(fcntl(ends[1], F_GETFL) & O_NONBLOCK, 0); /* others write there too */
	fill_and_empty(ends[0]);
	(void)close(ends[0]);
	(void)close(ends[1]);
}

/* Where a pipe cannot be opened anew, it is asked before each line. */
static void a_pipe_of_somebody_else_costs_no_time_either(void **state)
{
	bool is_root = geteuid() == 0;
	int ends[2];

	(void)state;
	assert_int_equal(pipe(ends), 0);
	assert_int_equal(fchmod(ends[1], 0), 0);
	if (is_root)
		assert_int_equal(seteuid(65534), 0);
	open_on_standard_error(ends[1], RELAY_LOGFMT);
	if (is_root)
		assert_int_equal(seteuid(0), 0);
	fill_and_empty(ends[0]);
	(void)close(ends[0]);
	(void)close(ends[1]);
}

static void a_full_fifo_likewise(void **state)
{
	int reader;

	(void)state;
	assert_int_equal(mkfifo(scene.path, 0600), 0);
	assert_null(log_open(RELAY_LOGFMT, scene.path, true, &scene.f)); /* nobody reads */
	reader = open(scene.path, O_RDONLY | O_NONBLOCK);
	assert_true(reader >= 0);
	scene.log = log_open(RELAY_LOGFMT, scene.path, true, &scene.f);
	assert_non_null(scene.log);
	fill_and_empty(reader);
	(void)close(reader);
}

static void a_full_socket_likewise(void **state)
{
	int ends[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	open_on_standard_error(ends[1], RELAY_LOGFMT);
	fill_and_empty(ends[0]);
	(void)close(ends[0]);
	(void)close(ends[1]);
}

static void the_journal_has_a_time_of_its_own(void **state)
{
	char stream[64];
	struct stat is;
	int ends[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	(void)fcntl(ends[0], F_SETFL, O_NONBLOCK);
	assert_int_equal(fstat(ends[1], &is), 0);
	(void)snprintf(stream, sizeof stream, "%ju:%ju", (uintmax_t)is.st_dev,
	               (uintmax_t)is.st_ino);
	assert_int_equal(setenv("JOURNAL_STREAM", stream, 1), 0);
	open_on_standard_error(ends[1], RELAY_LOGFMT);
	log_event(scene.log, "started", "services", "1", NULL);
	assert_string_equal(read_all(ends[0]), "started services=1\n");
	open_on_standard_error(ends[1], RELAY_JSON);
	log_event(scene.log, "started", NULL);
	assert_non_null(strstr(read_all(ends[0]), "\"time\":\"2"));

	/* of another stream: the variable was inherited from somebody else's */
	assert_int_equal(setenv("JOURNAL_STREAM", "1:1", 1), 0);
	open_on_standard_error(ends[1], RELAY_LOGFMT);
	log_event(scene.log, "started", NULL);
	assert_non_null(strstr(read_all(ends[0]), " time="));
	assert_int_equal(unsetenv("JOURNAL_STREAM"), 0);
	(void)close(ends[0]);
	(void)close(ends[1]);
}

/* A disk that fills up takes part of a line; what comes next stands on a line of its own. */
static void a_torn_line_is_told_on_a_line_of_its_own(void **state)
{
	struct rlimit usual, small;
	const char *torn;

	(void)state;
	open_log(RELAY_LOGFMT, true);
	(void)signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &usual), 0);
	small = usual;
	small.rlim_cur = 100;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	log_event(scene.log, "one", "text", "01234567890123456789", NULL);
	log_event(scene.log, "two", "text", "01234567890123456789", NULL);
	log_event(scene.log, "three", NULL);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &usual), 0);
	log_event(scene.log, "four", NULL);
	torn = strchr(said(), '\n') + 1;
	assert_memory_equal(torn, "two ", 4);
	torn = strchr(torn, '\n') + 1;
	assert_int_equal(torn - scene.text, 101);
	assert_memory_equal(torn, "log_lost lines=2 ", 17);
	assert_memory_equal(strchr(torn, '\n'), "\nfour ", 6);
}

static void what_is_lost_last_is_told_when_closing(void **state)
{
	struct rlimit usual, small;

	(void)state;
	open_log(RELAY_LOGFMT, true);
	(void)signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &usual), 0);
	small = usual;
	small.rlim_cur = 0;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	log_event(scene.log, "one", NULL);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &usual), 0);
	log_close(scene.log);
	scene.log = NULL;
	assert_memory_equal(said(), "log_lost lines=1 ", 17);
}

enum { WRITERS = 4, LINES = 400 };

static void *write_lines(void *context)
{
	struct log_record r = cut;

	r.sni = context;
	for (int i = 0; i < LINES; i++)
		log_connection(scene.log, &r);
	return NULL;
}

static void lines_of_many_threads_stay_whole(void **state)
{
	static char names[WRITERS][200];
	pthread_t threads[WRITERS];
	int lines = 0;

	(void)state;
	open_log(RELAY_LOGFMT, true);
	for (size_t i = 0; i < WRITERS; i++) {
		memset(names[i], 'a' + (int)i, 20 * (i + 1));
		assert_int_equal(pthread_create(&threads[i], NULL, write_lines, names[i]), 0);
	}
	for (int i = 0; i < 20; i++) /* while a file is opened afresh */
		assert_true(log_reopen(scene.log, &scene.f));
	for (size_t i = 0; i < WRITERS; i++)
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	(void)said();
	for (char *at = scene.text, *end; (end = strchr(at, '\n')) != NULL; at = end + 1, lines++) {
		assert_memory_equal(at, "cut action=aborted listener=web ", 32);
		assert_memory_equal(end - 30, " time=", 6);
	}
	assert_int_equal(lines, WRITERS * LINES);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, enter, leave)
	static const struct CMUnitTest tests[] = {
		CASE(a_connection_is_a_line_with_its_outcome_first),
		CASE(json_says_the_same),
		CASE(every_json_line_fits_the_schema),
		CASE(an_event_is_a_line_too),
		CASE(only_what_went_wrong_is_logged_where_so_wanted),
		CASE(no_octet_of_a_peer_reaches_a_terminal),
		CASE(json_keeps_utf8_and_shows_other_octets_as_codes),
		CASE(a_line_fits_into_a_pipe_however_much_a_peer_says),
		CASE(a_sentence_is_shown_whole),
		CASE(the_most_fields_always_fit),
		CASE(a_file_is_appended_to_and_opened_afresh),
		CASE(a_log_that_cannot_be_reopened_stays),
		CASE(a_file_that_cannot_be_opened_is_a_sentence),
		CASE(a_full_pipe_costs_lines_and_no_time),
		CASE(a_pipe_of_somebody_else_costs_no_time_either),
		CASE(a_full_fifo_likewise),
		CASE(a_full_socket_likewise),
		CASE(the_journal_has_a_time_of_its_own),
		CASE(a_torn_line_is_told_on_a_line_of_its_own),
		CASE(what_is_lost_last_is_told_when_closing),
		CASE(lines_of_many_threads_stay_whole),
	};
	return run_cases(tests);
}
