/* log: see log.h.  It must not know why a connection ended.  No lock: the descriptor's number never
 * changes (a file opened afresh takes its place), each line is one write to a description of our
 * own that does not block, and what could not be written is an atomic count.
 */
#include "relay/log.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "relay/log_line.h"

/* How a descriptor is kept from blocking us. */
enum way {
	WAY_FREE,   /* by itself: a file, or a description that we made non-blocking */
	WAY_SOCKET, /* by a flag of each call */
	WAY_POLLED  /* by asking first; somebody else who writes there may still cost us time */
};

struct log {
	int fd;
	enum way way;
	enum relay_log_format format;
	bool logs_connections;
	bool tells_time;
	char *file; /* NULL: standard error */
	atomic_uint_fast64_t lost;
	atomic_bool is_torn; /* part of a line was written, and no newline */
};

const char *outcome_name(enum outcome o)
{
	static const char *const names[OUTCOMES] = { "probe",   "whole",   "tolerated", "reported",
		                                     "cut",     "aborted", "expired",   "abandoned",
		                                     "refused", "failed" };

	return o < OUTCOMES ? names[o] : "unknown";
}

const char *action_name(enum action a)
{
	static const char *const names[ACTIONS] = { "finished", "mirrored", "aborted", "passed" };

	return a < ACTIONS ? names[a] : "unknown";
}

/* ---- opening */

static int open_file(const char *file, struct failure *f)
{
	int fd =
	    open(file, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0640);

	if (fd < 0)
		failure_set(f, "cannot open the log %s: %s; check its folder and its owner", file,
		            strerror(errno));
	return fd;
}

/* systemd: JOURNAL_STREAM is device and inode of what the journal reads. */
static bool is_journal(const struct stat *is)
{
	const char *stream = getenv("JOURNAL_STREAM");
	char here[64];

	(void)snprintf(here, sizeof here, "%ju:%ju", (uintmax_t)is->st_dev, (uintmax_t)is->st_ino);
	return stream != NULL && strcmp(stream, here) == 0;
}

/*
 * Standard error belongs to others too, so its flags stay as they are.  What is no regular file is
 * opened anew: a description of our own on the same pipe or terminal.
 */
static bool open_standard_error(struct log *log)
{
	struct stat is;

	if (fstat(STDERR_FILENO, &is) != 0)
		return false;
	log->way = S_ISSOCK(is.st_mode) ? WAY_SOCKET : WAY_FREE;
	log->tells_time = log->format == RELAY_JSON || !is_journal(&is);
	log->fd = -1;
	if (!S_ISSOCK(is.st_mode) && !S_ISREG(is.st_mode)) {
		log->fd = open("/proc/self/fd/2",
		               O_WRONLY | O_APPEND | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
		if (log->fd < 0)
			log->way = WAY_POLLED;
	}
	if (log->fd < 0)
		log->fd = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
	return log->fd >= 0;
}

struct log *log_open(enum relay_log_format format, const char *file, bool logs_connections,
                     struct failure *f)
{
	struct log *log = calloc(1, sizeof *log);

	if (log == NULL) {
		failure_set(f, "out of memory");
		return NULL;
	}
	log->format = format;
	log->logs_connections = logs_connections;
	log->tells_time = true;
	log->fd = -1;
	if (file == NULL) {
		if (open_standard_error(log))
			return log;
		failure_set(f, "cannot log to standard error: %s; name a file (output)",
		            strerror(errno));
	} else if ((log->file = strdup(file)) == NULL) {
		failure_set(f, "out of memory");
	} else if ((log->fd = open_file(file, f)) >= 0) {
		return log;
	}
	log_close(log);
	return NULL;
}

bool log_reopen(struct log *log, struct failure *f)
{
	bool done;
	int fd;

	if (log->file == NULL)
		return true;
	fd = open_file(log->file, f);
	if (fd < 0)
		return false;
	done = dup2(fd, log->fd) >= 0; /* at once, as writers see it */
	if (done)
		(void)fcntl(log->fd, F_SETFD, FD_CLOEXEC);
	else
		failure_set(f, "cannot reopen the log %s: %s", log->file, strerror(errno));
	(void)close(fd);
	return done;
}

/* ---- writing */

static ssize_t write_once(struct log *log, const char *bytes, size_t n)
{
	struct pollfd ask = { .fd = log->fd, .events = POLLOUT };

	if (log->way == WAY_SOCKET)
		return send(log->fd, bytes, n, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (log->way == WAY_POLLED && poll(&ask, 1, 0) != 1) {
		errno = EAGAIN;
		return -1;
	}
	return write(log->fd, bytes, n);
}

/* Whether the line was taken whole. */
static bool write_line(struct log *log, const char *line, size_t n)
{
	ssize_t written;

	do
		written = write_once(log, line, n);
	while (written < 0 && errno == EINTR);
	if (written > 0 && (size_t)written < n)
		atomic_store(&log->is_torn, true);
	return written >= 0 && (size_t)written == n;
}

/* RFC 3339, UTC, milliseconds. */
static const char *time_text(char *text, size_t cap)
{
	struct timespec now;
	struct tm day;
	size_t n;

	if (clock_gettime(CLOCK_REALTIME, &now) != 0 || gmtime_r(&now.tv_sec, &day) == NULL)
		return NULL;
	n = strftime(text, cap, "%Y-%m-%dT%H:%M:%S", &day);
	(void)snprintf(text + n, cap - n, ".%03ldZ", now.tv_nsec / 1000000);
	return text;
}

/* `fields` has room for one more, the time.  The bytes of the line, or 0. */
static size_t make_line(const struct log *log, struct log_field *fields, size_t count, char *line)
{
	char now[48];

	fields[count] = (struct log_field){ "time", LOG_TEXT, .text = NULL };
	if (log->tells_time)
		fields[count].text = time_text(now, sizeof now);
	return log_line_make(log->format, fields, count + 1, line);
}

/* Says how many lines are missing before this one, on a line of its own even behind a torn one. */
static void tell_lost(struct log *log)
{
	uint_fast64_t lost = atomic_exchange(&log->lost, 0);
	struct log_field fields[3] = {
		{ "event", LOG_TEXT, .text = "log_lost" },
		{ "lines", LOG_COUNT, .count = lost },
	};
	char line[1 + LOG_LINE_BYTES] = "\n";
	bool was_torn;
	size_t n;

	if (lost == 0)
		return;
	n = make_line(log, fields, 2, line + 1);
	was_torn = atomic_exchange(&log->is_torn, false);
	if (n > 0 && write_line(log, was_torn ? line : line + 1, was_torn ? n + 1 : n))
		return;
	(void)atomic_fetch_add(&log->lost, lost);
	if (was_torn)
		atomic_store(&log->is_torn, true);
}

static void emit(struct log *log, struct log_field *fields, size_t count)
{
	char line[LOG_LINE_BYTES];
	size_t n = make_line(log, fields, count, line);

	if (atomic_load(&log->lost) > 0)
		tell_lost(log);
	if (n == 0 || !write_line(log, line, n))
		(void)atomic_fetch_add(&log->lost, 1);
}

/* ---- what is said */

static bool is_wanted(const struct log *log, enum outcome o)
{
	return o != OUTCOME_PROBE && (log->logs_connections || o >= OUTCOME_REPORTED);
}

void log_connection(struct log *log, const struct log_record *r)
{
	struct log_field fields[] = {
		{ "outcome", LOG_TEXT, .text = outcome_name(r->outcome) },
		{ "action", LOG_TEXT, .text = action_name(r->action) },
		{ "listener", LOG_TEXT, .text = r->listener },
		{ "client", LOG_TEXT, .text = r->client },
		{ "server", LOG_TEXT, .text = r->server },
		{ "tls", LOG_TEXT, .text = r->front_tls },
		{ "server_tls", LOG_TEXT, .text = r->back_tls },
		{ "sni", LOG_TEXT, .text = r->sni },
		{ "alpn", LOG_TEXT, .text = r->alpn },
		{ "cert", LOG_TEXT, .text = r->client_certificate },
		{ "profile", LOG_TEXT, .text = r->profile },
		{ "in", LOG_COUNT, .count = r->bytes_in },
		{ "out", LOG_COUNT, .count = r->bytes_out },
		{ "lost", LOG_COUNT, .count = r->bytes_lost },
		{ "dur", LOG_SECONDS, .seconds = r->duration_s },
		{ "client_end", LOG_TEXT, .text = r->client_end },
		{ "server_end", LOG_TEXT, .text = r->server_end },
		{ "complete", LOG_TRUTH, .truth = r->is_complete },
		{ "alert_in", LOG_TEXT, .text = r->alert_received },
		{ "alert_out", LOG_TEXT, .text = r->alert_sent },
		{ "reason", LOG_TEXT, .text = r->reason },
		{ 0 }, /* the time */
	};

	if (is_wanted(log, r->outcome))
		emit(log, fields, sizeof fields / sizeof fields[0] - 1);
}

void log_event(struct log *log, const char *event, ...)
{
	struct log_field fields[LOG_FIELDS] = { { "event", LOG_TEXT, .text = event } };
	size_t count = 1;
	const char *key;
	va_list pairs;

	va_start(pairs, event);
	while (count < LOG_FIELDS - 1 && (key = va_arg(pairs, const char *)) != NULL)
		fields[count++] =
		    (struct log_field){ key, LOG_TEXT, .text = va_arg(pairs, const char *) };
	va_end(pairs);
	emit(log, fields, count);
}

void log_close(struct log *log)
{
	if (log == NULL)
		return;
	if (log->fd >= 0) {
		tell_lost(log);
		(void)close(log->fd);
	}
	free(log->file);
	free(log);
}
