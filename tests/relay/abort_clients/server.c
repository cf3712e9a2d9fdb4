/* server: answers of HTTP and PostgreSQL, whole or cut in their midst, each ended in every way that
 * a relay could choose, for clients that know nothing of it.
 *
 *     server CERTIFICATE SECONDS
 *
 * It writes its certificate there and listens on a free port of 127.0.0.1 for each cell: a line
 * "cell VERSION ANSWER ENDING PORT" each, then "ready".  Any number of connections are served at a
 * time.  "asked VERSION ANSWER ENDING" is said each time that an answer was sent and acknowledged,
 * which is always so before its ending begins.  It ends after SECONDS at the latest, or by a
 * signal.  Exit status 1: it could not start; 2: usage.
 */
#include <errno.h>
#include <linux/sockios.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "adversary/loopback.h"

/* ---- the rows ---- */

enum { WARNING = 1, FATAL = 2 };
enum {
	UNEXPECTED_MESSAGE = 10,
	BAD_RECORD_MAC = 20,
	RECORD_OVERFLOW = 22, /* what OpenSSL seals for lw_abort() */
	INTERNAL_ERROR = 80,
	USER_CANCELED = 90
};

enum { PIECE = 2000 }; /* bytes of a body in a record */

/* A page of words, so that a browser shows it. */
static char page[PIECE];

static void write_page(void)
{
	static const char words[] = "half of a document, and ";
	for (size_t i = 0; i < sizeof page; i++)
		page[i] = words[i % (sizeof words - 1)];
}

#define HALF STEP_BYTES(page, PIECE)
/* Stands where the server looks whether it may go on: something was asked, or all has arrived. */
#define PAUSE STEP_SILENCE

struct answer {
	const char *name;
	const char *alpn;
	bool starts_in_clear; /* PostgreSQL's SSLRequest comes first */
	unsigned questions;   /* pauses that wait for the client's words */
	const struct adversary_step *steps;
};

#define HEAD "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nAccess-Control-Allow-Origin: *\r\n"
/* For a browser, which saves it instead of showing it. */
#define FILE_HEAD "Content-Disposition: attachment; filename=half\r\n"

/* PostgreSQL's messages: AuthenticationOk, what it must say of itself, ReadyForQuery. */
#define PG_GREETING                                                                                \
	"R\0\0\0\10\0\0\0\0"                                                                       \
	"S\0\0\0\30server_version\00015.0\0"                                                       \
	"S\0\0\0\31client_encoding\0UTF8\0"                                                        \
	"S\0\0\0\43standard_conforming_strings\0on\0"                                              \
	"K\0\0\0\14\0\0\0\1\0\0\0\2"                                                               \
	"Z\0\0\0\5I"
/* RowDescription of a column of text, and rows of it. */
#define PG_COLUMNS                                                                                 \
	"T\0\0\0\34\0\1"                                                                           \
	"row\0\0\0\0\0\0\0\0\0\0\31\377\377\377\377\377\377\0\0"
#define PG_ROW "D\0\0\0\21\0\1\0\0\0\7one row"
#define PG_END                                                                                     \
	"C\0\0\0\15SELECT 2\0"                                                                     \
	"Z\0\0\0\5I"

/* HTTP/2: SETTINGS, its acknowledgement, HEADERS of stream 1 with ":status: 200" and
 * "access-control-allow-origin: *", DATA whose last frame is still to come. */
#define H2_SETTINGS "\0\0\0\4\0\0\0\0\0\0\0\0\4\1\0\0\0\0"
#define H2_HEADERS                                                                                 \
	"\0\0\5\1\4\0\0\0\1"                                                                       \
	"\210"                                                                                     \
	"\17\5\1*"
#define H2_DATA "\0\0\12\0\0\0\0\0\1half a doc"

static const struct answer answers[] = {
	{ "length", NULL, false, 1,
	  STEPS(PAUSE, STEP_TEXT(HEAD "Content-Length: 8000\r\n\r\n"), HALF, HALF) },
	{ "chunks", NULL, false, 1,
	  STEPS(PAUSE, STEP_TEXT(HEAD "Transfer-Encoding: chunked\r\n\r\n"), STEP_TEXT("7d0\r\n"),
	        HALF, STEP_TEXT("\r\n7d0\r\n"), HALF, STEP_TEXT("\r\n")) },
	{ "open", NULL, false, 1,
	  STEPS(PAUSE, STEP_TEXT(HEAD "Connection: close\r\n\r\n"), HALF, HALF) },
	{ "complete", NULL, false, 1,
	  STEPS(PAUSE, STEP_TEXT(HEAD "Content-Length: 4000\r\n\r\n"), HALF, HALF) },
	{ "file-length", NULL, false, 1,
	  STEPS(PAUSE, STEP_TEXT(HEAD FILE_HEAD "Content-Length: 8000\r\n\r\n"), HALF, HALF) },
	{ "file-open", NULL, false, 1,
	  STEPS(PAUSE, STEP_TEXT(HEAD FILE_HEAD "Connection: close\r\n\r\n"), HALF, HALF) },
	{ "file-complete", NULL, false, 1,
	  STEPS(PAUSE, STEP_TEXT(HEAD FILE_HEAD "Content-Length: 4000\r\n\r\n"), HALF, HALF) },
	{ "h2", "h2", false, 2,
	  STEPS(PAUSE, STEP_TEXT(H2_SETTINGS), PAUSE, STEP_TEXT(H2_HEADERS), STEP_TEXT(H2_DATA)) },
	{ "rows", NULL, true, 2,
	  STEPS(PAUSE, STEP_TEXT(PG_GREETING), PAUSE, STEP_TEXT(PG_COLUMNS), STEP_TEXT(PG_ROW),
	        STEP_TEXT(PG_ROW)) },
	{ "all-rows", NULL, true, 2,
	  STEPS(PAUSE, STEP_TEXT(PG_GREETING), PAUSE, STEP_TEXT(PG_COLUMNS), STEP_TEXT(PG_ROW),
	        STEP_TEXT(PG_ROW), STEP_TEXT(PG_END)) },
};

struct ending_row {
	const char *name;
	const struct adversary_step *steps;
};

#define ALERT_FIN(description) STEPS(STEP_ALERT(FATAL, description), STEP_FIN)

static const struct ending_row ending_rows[] = {
	{ "close", STEPS(STEP_CLOSE_NOTIFY, STEP_FIN) },
	{ "fin", STEPS(STEP_FIN) },
	{ "alert-fin", ALERT_FIN(RECORD_OVERFLOW) },
	{ "alert-rst", STEPS(STEP_ALERT(FATAL, RECORD_OVERFLOW), PAUSE, STEP_RST) },
	{ "rst", STEPS(STEP_RST) },
	{ "unexpected-message-fin", ALERT_FIN(UNEXPECTED_MESSAGE) },
	{ "bad-record-mac-fin", ALERT_FIN(BAD_RECORD_MAC) },
	{ "internal-error-fin", ALERT_FIN(INTERNAL_ERROR) },
	{ "user-canceled-fin", ALERT_FIN(USER_CANCELED) },
};

static const struct {
	const char *name;
	enum lw_version version;
} versions[] = { { "1.2", LW_VERSION_TLS1_2 }, { "1.3", LW_VERSION_TLS1_3 } };

#define COUNT_OF(rows) (sizeof(rows) / sizeof((rows)[0]))

enum {
	CELLS = COUNT_OF(versions) * COUNT_OF(answers) * COUNT_OF(ending_rows),
	MEETINGS = 64,
	STEPS_MAX = 24,
	LIMIT_MS = 20000, /* of a connection */
	GLANCE_MS = 2     /* between looks at what is acknowledged: no event tells */
};

/* ---- cells ---- */

struct cell {
	const char *version;
	const struct answer *answer;
	const char *ending;
	struct adversary_options options;
	struct adversary_step steps[STEPS_MAX];
	struct adversary_script script;
	unsigned pauses; /* of the script */
	int listener;
};

static unsigned append(struct adversary_step *to, unsigned n, const struct adversary_step *from)
{
	for (; from->act != ACT_END && n + 1 < STEPS_MAX; from++)
		to[n++] = *from;
	to[n] = (struct adversary_step)STEP_END;
	return n;
}

static bool open_cell(struct cell *c, size_t version, const struct answer *answer,
                      const struct ending_row *ending, const struct certificate *certificate)
{
	const struct adversary_step pause = PAUSE;
	uint16_t port;

	c->version = versions[version].name;
	c->answer = answer;
	c->ending = ending->name;
	c->options.version = versions[version].version;
	c->options.alpn = answer->alpn;
	c->options.certificate = certificate;
	c->script.steps = c->steps;
	unsigned n = append(c->steps, 0, answer->steps);
	n = append(c->steps, n, (const struct adversary_step[]){ pause, STEP_END });
	n = append(c->steps, n, ending->steps);
	for (unsigned i = 0; i < n; i++)
		c->pauses += c->steps[i].act == pause.act;
	c->listener = loopback_listen(&port);
	if (c->listener >= 0)
		(void)printf("cell %s %s %s %u\n", c->version, answer->name, ending->name, port);
	return c->listener >= 0;
}

static bool open_cells(struct cell *cells, const struct certificate *certificate)
{
	for (size_t i = 0; i < CELLS; i++) {
		size_t rest = i / COUNT_OF(ending_rows);
		if (!open_cell(&cells[i], rest / COUNT_OF(answers),
		               &answers[rest % COUNT_OF(answers)],
		               &ending_rows[i % COUNT_OF(ending_rows)], certificate))
			return false;
	}
	(void)printf("ready\n");
	(void)fflush(stdout);
	return true;
}

/* ---- one connection ---- */

struct meeting {
	const struct cell *cell;     /* NULL: free */
	struct adversary *adversary; /* NULL: what comes first in the clear is not over */
	int fd;
	int64_t since_ms;
	unsigned pauses;
	uint64_t heard_bytes; /* of the client, when the last pause began */
	bool stands;          /* at a pause */
};

static void part(struct meeting *m)
{
	if (m->adversary != NULL)
		adversary_free(m->adversary);
	else if (m->cell != NULL && m->fd >= 0)
		(void)close(m->fd);
	*m = (struct meeting){ .fd = -1 };
}

static void begin_tls(struct meeting *m)
{
	struct adversary_options options = m->cell->options;
	options.transport = ADVERSARY_SOCKET;
	options.fd = m->fd;
	m->adversary = adversary_new(&options, &m->cell->script);
	if (m->adversary == NULL) {
		m->fd = -1; /* it owned the descriptor */
		part(m);
	}
}

static void take(struct meeting *m, const struct cell *cell, int64_t now_ms)
{
	*m = (struct meeting){ .cell = cell, .since_ms = now_ms, .fd = -1 };
	m->fd = loopback_accept(cell->listener, 0);
	if (m->fd < 0)
		part(m);
	else if (!cell->answer->starts_in_clear)
		begin_tls(m);
}

/* SSLRequest: eight octets, answered with one. */
static void hear_in_clear(struct meeting *m)
{
	static const uint8_t request[8] = { 0, 0, 0, 8, 4, 210, 22, 47 };
	uint8_t octets[sizeof request];
	ssize_t n = recv(m->fd, octets, sizeof octets, MSG_DONTWAIT | MSG_PEEK);

	if (n < 0 && errno == EAGAIN)
		return;
	if (n > 0 && (size_t)n < sizeof octets)
		return;
	if (n <= 0 || memcmp(octets, request, sizeof request) != 0 ||
	    recv(m->fd, octets, sizeof octets, MSG_DONTWAIT) != n ||
	    send(m->fd, "S", 1, MSG_NOSIGNAL) != 1)
		part(m);
	else
		begin_tls(m);
}

/* At a pause: the client has asked, or has acknowledged everything. */
static bool may_go_on(const struct meeting *m)
{
	int unacknowledged = 0;

	if (m->pauses <= m->cell->answer->questions)
		return adversary_subject(m->adversary)->data_bytes > m->heard_bytes;
	return ioctl(m->fd, SIOCOUTQ, &unacknowledged) != 0 || unacknowledged == 0;
}

static void begin_pause(struct meeting *m)
{
	m->stands = true;
	m->pauses++;
}

static void end_pause(struct meeting *m)
{
	m->stands = false;
	m->heard_bytes = adversary_subject(m->adversary)->data_bytes;
	if (m->pauses == m->cell->answer->questions + 1) {
		(void)printf("asked %s %s %s\n", m->cell->version, m->cell->answer->name,
		             m->cell->ending);
		(void)fflush(stdout);
	}
	adversary_resume(m->adversary);
}

static void go_on(struct meeting *m, int64_t now_ms)
{
	if (m->adversary == NULL)
		hear_in_clear(m);
	while (m->adversary != NULL) {
		enum adversary_status status = adversary_run(m->adversary);
		if (status != ADVERSARY_WAITING || now_ms - m->since_ms >= LIMIT_MS) {
			part(m);
			return;
		}
		if (!adversary_is_idle(m->adversary) ||
		    (!m->stands && m->pauses == m->cell->pauses))
			return; /* under way, or over but for the client's end */
		if (!m->stands)
			begin_pause(m);
		if (!may_go_on(m))
			return;
		end_pause(m);
	}
}

/* ---- all of them ---- */

static int64_t clock_ms(void)
{
	struct timespec now;
	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static struct meeting *find_free(struct meeting *meetings)
{
	for (size_t i = 0; i < MEETINGS; i++) {
		if (meetings[i].cell == NULL)
			return &meetings[i];
	}
	return NULL;
}

static int wait_for(const struct meeting *m, struct pollfd *wait)
{
	wait->fd = m->cell != NULL ? m->fd : -1;
	wait->events = m->adversary != NULL ? adversary_poll_events(m->adversary) : POLLIN;
	if (m->cell == NULL || wait->events == 0)
		wait->fd = -1;
	return m->stands && m->pauses > m->cell->answer->questions ? GLANCE_MS : 1000;
}

static void serve(const struct cell *cells, struct meeting *meetings, int64_t until_ms)
{
	struct pollfd waits[CELLS + MEETINGS];
	int64_t now_ms;

	for (size_t i = 0; i < CELLS; i++)
		waits[i] = (struct pollfd){ .fd = cells[i].listener, .events = POLLIN };
	while ((now_ms = clock_ms()) < until_ms) {
		int limit_ms = 1000;
		for (size_t i = 0; i < MEETINGS; i++) {
			int ms = wait_for(&meetings[i], &waits[CELLS + i]);
			limit_ms = ms < limit_ms ? ms : limit_ms;
		}
		if (poll(waits, CELLS + MEETINGS, limit_ms) < 0)
			return;
		for (size_t i = 0; i < CELLS; i++) {
			struct meeting *m = waits[i].revents != 0 ? find_free(meetings) : NULL;
			if (m != NULL)
				take(m, &cells[i], now_ms);
		}
		for (size_t i = 0; i < MEETINGS; i++) {
			if (meetings[i].cell != NULL)
				go_on(&meetings[i], now_ms);
		}
	}
}

int main(int argc, char **argv)
{
	static struct cell cells[CELLS];
	static struct meeting meetings[MEETINGS];
	int seconds = argc == 3 ? atoi(argv[2]) : 0;

	if (seconds <= 0) {
		(void)fprintf(stderr,
		              "server: see the top of tests/relay/abort_clients/server.c\n");
		return 2;
	}
	write_page();
	struct certificate *certificate = certificate_new(NULL, NULL);
	bool good = certificate != NULL && certificate_write(certificate, argv[1], NULL) &&
	            open_cells(cells, certificate);
	if (good)
		serve(cells, meetings, clock_ms() + (int64_t)seconds * 1000);
	for (size_t i = 0; i < MEETINGS; i++)
		part(&meetings[i]);
	certificate_free(certificate);
	return good ? 0 : 1;
}
