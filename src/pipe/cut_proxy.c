/*
 * cut_proxy: see cut_proxy.h.  A connection is two ends (libuv handles) and two
 * lanes (directions).  A lane is at any moment reading, or writing, or over; all
 * its steps go through advance_lane().  A connection is freed when its last
 * handle has closed, and only then is it told.  A lane that was cut shows its
 * sink nothing more, whatever becomes of its source.
 */
#include "pipe/cut_proxy.h"

#include <errno.h>
#include <linux/sockios.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <uv.h>

#define LANE_BYTES   16384u
#define BACKLOG      128
#define RST_POLL_MS  2u    /* an RST destroys what is still queued: it waits for the queue */
#define RST_PATIENCE 5000u /* polls, then the RST goes out all the same */
#define QUIET_MS     300u  /* behind an alert: its sender waits for an answer before it ends */
#define HANDLES      5     /* of a passage: two ends and three timers */

struct passage;

struct lane {
	struct passage *passage;
	enum cutter_direction direction;
	uv_tcp_t *source, *sink;
	uv_write_t write;
	uv_shutdown_t shutdown;
	uv_timer_t quiet;
	size_t len;     /* bytes in the buffer, the first of which may be under way */
	size_t passing; /* bytes under way to the sink */
	bool source_ended;
	bool is_quiet; /* it may not have ended, but says nothing more */
	bool is_cut;
	bool is_deaf;    /* the sink takes no more; what comes is dropped */
	bool resets;     /* the source was reset: its end passes on as RST */
	bool rst_due;    /* RST follows what is on its way to the sink */
	bool sink_ended; /* FIN is on its way to the sink */
	uint8_t bytes[LANE_BYTES];
};

struct passage {
	struct proxy *proxy;
	struct passage *next, **link; /* among all of the proxy */
	uv_tcp_t client, server;
	uv_timer_t timer;
	unsigned rst_polls;
	uv_connect_t connect;
	const struct addrinfo *trying;
	struct lane lanes[2]; /* by direction */
	struct cutter cutter;
	struct cut_report report;
	int handles_open;
	bool is_closing;
};

struct proxy {
	const struct cut_proxy_options *options;
	uv_loop_t loop;
	uv_tcp_t listener;
	uv_signal_t signals[2];
	struct passage *passages;
	uint64_t count;
};

static void advance_lane(struct lane *lane);
static void try_next_address(struct passage *p);

static void stop_proxy(struct proxy *proxy);

/* ---- the end of a connection */

static void on_passage_closed(uv_handle_t *handle)
{
	struct passage *p = handle->data;
	struct proxy *proxy = p->proxy;

	if (--p->handles_open > 0)
		return;
	proxy->options->tell(proxy->options->ctx, &p->report);
	*p->link = p->next;
	if (p->next)
		p->next->link = p->link;
	free(p);
	if (proxy->options->once)
		stop_proxy(proxy);
}

static void close_passage(struct passage *p)
{
	if (p->is_closing)
		return;
	p->is_closing = true;
	uv_close((uv_handle_t *)&p->client, on_passage_closed);
	if (!uv_is_closing((uv_handle_t *)&p->server)) /* else on_attempt_closed() counts it */
		uv_close((uv_handle_t *)&p->server, on_passage_closed);
	uv_close((uv_handle_t *)&p->timer, on_passage_closed);
	for (int d = 0; d < 2; d++)
		uv_close((uv_handle_t *)&p->lanes[d].quiet, on_passage_closed);
}

/* From now on closing this end sends RST instead of FIN. */
static void arm_rst(uv_tcp_t *end)
{
	const struct linger at_once = { .l_onoff = 1, .l_linger = 0 };
	uv_os_fd_t fd;

	if (uv_fileno((uv_handle_t *)end, &fd) == 0)
		(void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
}

static void reset_passage(struct passage *p)
{
	if (p->is_closing)
		return;
	arm_rst(&p->client);
	arm_rst(&p->server);
	close_passage(p);
}

static int bytes_queued(const uv_tcp_t *end)
{
	uv_os_fd_t fd;
	int queued = 0;

	if (uv_fileno((const uv_handle_t *)end, &fd) != 0 || ioctl(fd, SIOCOUTQ, &queued) != 0)
		return 0;
	return queued;
}

/* What passed before the RST has to be at the peer, or the RST would destroy it. */
static void on_rst_poll(uv_timer_t *timer)
{
	struct passage *p = timer->data;
	bool arrived = true;

	for (int d = 0; d < 2; d++)
		if (p->lanes[d].rst_due &&
		    (p->lanes[d].passing > 0 || bytes_queued(p->lanes[d].sink) > 0))
			arrived = false;
	if (arrived || ++p->rst_polls > RST_PATIENCE)
		reset_passage(p);
}

static void reset_behind_bytes(struct lane *lane)
{
	lane->rst_due = true;
	uv_timer_start(&lane->passage->timer, on_rst_poll, 0, RST_POLL_MS);
}

/* A write failed.  What the sink said before may still wait to be read, so it is read on. */
static void lose_sink(struct lane *lane)
{
	struct lane *other = &lane->passage->lanes[!lane->direction];

	lane->is_deaf = true;
	lane->passing = 0;
	other->resets = true;
	advance_lane(lane);
	advance_lane(other);
}

static void on_shutdown(uv_shutdown_t *request, int status)
{
	struct lane *lane = request->data;
	const struct passage *p = lane->passage;

	if (status < 0 && !lane->passage->is_closing)
		lose_sink(lane);
	else if (p->lanes[0].source_ended && p->lanes[1].source_ended)
		advance_lane(lane);
}

static void end_sink(struct lane *lane)
{
	if (lane->sink_ended)
		return;
	lane->sink_ended = true;
	if (lane->is_deaf)
		return;
	lane->shutdown.data = lane;
	if (uv_shutdown(&lane->shutdown, (uv_stream_t *)lane->sink, on_shutdown) != 0)
		lose_sink(lane);
}

static void end_as_planned(struct lane *lane)
{
	switch (lane->passage->cutter.plan.how) {
	case CUTTER_FIN:
	case CUTTER_INSIDE:
	case CUTTER_DROP_ALERT:
		end_sink(lane);
		break;
	case CUTTER_RST:
		reset_behind_bytes(lane);
		break;
	case CUTTER_STALL:
		break;
	}
}

/* The source ended: so does the sink, in the same way, unless a cut said otherwise. */
static void end_sink_too(struct lane *lane)
{
	if (lane->is_cut || lane->rst_due)
		return;
	if (lane->resets)
		reset_behind_bytes(lane);
	else
		end_sink(lane);
}

/* ---- a lane */

static bool is_over(const struct lane *lane)
{
	return lane->source_ended && lane->passing == 0 &&
	       (!lane->sink_ended || lane->is_deaf ||
	        uv_stream_get_write_queue_size((uv_stream_t *)lane->sink) == 0);
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
	struct passage *p = handle->data;
	struct lane *lane =
	    &p->lanes[handle == (uv_handle_t *)&p->client ? CUTTER_TO_SERVER : CUTTER_TO_CLIENT];

	(void)suggested;
	buf->base = (char *)lane->bytes + lane->len;
	buf->len = LANE_BYTES - lane->len;
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
	struct passage *p = stream->data;
	struct lane *lane =
	    &p->lanes[stream == (uv_stream_t *)&p->client ? CUTTER_TO_SERVER : CUTTER_TO_CLIENT];

	(void)buf;
	if (n == 0)
		return;
	if (n > 0)
		lane->len += (size_t)n;
	else
		lane->source_ended = true;
	if (n < 0 && n != UV_EOF)
		lane->resets = true;
	advance_lane(lane);
}

static void on_written(uv_write_t *request, int status)
{
	struct lane *lane = request->data;

	if (lane->passage->is_closing)
		return;
	if (status < 0) {
		lose_sink(lane);
		return;
	}
	lane->len -= lane->passing;
	memmove(lane->bytes, lane->bytes + lane->passing, lane->len);
	lane->passing = 0;
	advance_lane(lane);
}

/* Lets pass what the cutter allows; true when something is under way. */
static bool pass_bytes(struct lane *lane)
{
	struct cutter_answer answer;
	uv_buf_t buf;

	if (lane->is_deaf) {
		lane->len = 0;
		return false;
	}
	answer = cutter_offer(&lane->passage->cutter, lane->direction, lane->bytes, lane->len,
	                      lane->source_ended || lane->is_quiet);
	if (answer.cut && answer.pass == 0) {
		if (!lane->is_cut) {
			lane->is_cut = true;
			end_as_planned(lane);
		}
		lane->len = 0;
	}
	if (answer.pass == 0)
		return false;
	lane->passing = answer.pass;
	lane->write.data = lane;
	buf = uv_buf_init((char *)lane->bytes, (unsigned)answer.pass);
	if (uv_write(&lane->write, (uv_stream_t *)lane->sink, &buf, 1, on_written) == 0)
		return true;
	lose_sink(lane);
	return false;
}

static void on_quiet(uv_timer_t *timer)
{
	struct passage *p = timer->data;
	struct lane *lane = &p->lanes[timer == &p->lanes[0].quiet ? 0 : 1];

	lane->is_quiet = true;
	advance_lane(lane);
	lane->is_quiet = false;
}

/* Bytes held back by drop-alert are the last if nothing follows for a while. */
static void watch_held_bytes(struct lane *lane)
{
	if (lane->len > 0 && lane->passage->cutter.plan.how == CUTTER_DROP_ALERT)
		uv_timer_start(&lane->quiet, on_quiet, QUIET_MS, 0);
	else
		uv_timer_stop(&lane->quiet);
}

static void read_on(struct lane *lane)
{
	int failed = uv_read_start((uv_stream_t *)lane->source, on_alloc, on_read);

	if (failed != 0 && failed != UV_EALREADY)
		reset_passage(lane->passage);
}

static void advance_lane(struct lane *lane)
{
	struct passage *p = lane->passage;

	if (p->is_closing || lane->passing > 0)
		return;
	if (pass_bytes(lane)) {
		uv_read_stop((uv_stream_t *)lane->source);
		return;
	}
	if (p->is_closing)
		return;
	if (lane->source_ended) {
		uv_read_stop((uv_stream_t *)lane->source);
		end_sink_too(lane);
	} else {
		read_on(lane);
		watch_held_bytes(lane);
	}
	if (is_over(&p->lanes[0]) && is_over(&p->lanes[1]) &&
	    !uv_is_active((uv_handle_t *)&p->timer))
		close_passage(p);
}

/* ---- the beginning of a connection */

static void on_connected(uv_connect_t *request, int status)
{
	struct passage *p = request->data;

	if (p->is_closing)
		return;
	if (status == 0) {
		uv_tcp_nodelay(&p->server, 1);
		p->report.connect_error = 0;
		advance_lane(&p->lanes[CUTTER_TO_SERVER]);
		advance_lane(&p->lanes[CUTTER_TO_CLIENT]);
		return;
	}
	p->report.connect_error = -status;
	try_next_address(p);
}

/* A handle that failed to connect cannot try again: it closes first. */
static void on_attempt_closed(uv_handle_t *handle)
{
	struct passage *p = handle->data;

	if (p->is_closing) {
		on_passage_closed(handle);
		return;
	}
	uv_tcp_init(&p->proxy->loop, &p->server);
	p->server.data = p;
	if (uv_tcp_connect(&p->connect, &p->server, p->trying->ai_addr, on_connected) != 0)
		reset_passage(p);
}

static void try_next_address(struct passage *p)
{
	p->trying = p->trying->ai_next;
	if (p->trying == NULL)
		reset_passage(p);
	else
		uv_close((uv_handle_t *)&p->server, on_attempt_closed);
}

static void begin_lane(struct passage *p, enum cutter_direction direction)
{
	struct lane *lane = &p->lanes[direction];

	lane->passage = p;
	lane->direction = direction;
	lane->source = direction == CUTTER_TO_CLIENT ? &p->server : &p->client;
	lane->sink = direction == CUTTER_TO_CLIENT ? &p->client : &p->server;
	uv_timer_init(&p->proxy->loop, &lane->quiet);
	lane->quiet.data = p;
}

static struct passage *new_passage(struct proxy *proxy)
{
	struct passage *p = calloc(1, sizeof *p);

	if (p == NULL)
		return NULL;
	p->proxy = proxy;
	p->next = proxy->passages;
	p->link = &proxy->passages;
	if (p->next)
		p->next->link = &p->next;
	proxy->passages = p;
	cutter_begin(&p->cutter, &proxy->options->plan);
	p->report = (struct cut_report){ ++proxy->count, &p->cutter, ECONNABORTED };
	begin_lane(p, CUTTER_TO_CLIENT);
	begin_lane(p, CUTTER_TO_SERVER);
	uv_tcp_init(&proxy->loop, &p->client);
	uv_tcp_init(&proxy->loop, &p->server);
	uv_timer_init(&proxy->loop, &p->timer);
	p->client.data = p->server.data = p->timer.data = p->connect.data = p;
	p->handles_open = HANDLES;
	return p;
}

static void on_connection(uv_stream_t *listener, int status)
{
	struct proxy *proxy = listener->data;
	struct passage *p;

	if (status < 0 || (p = new_passage(proxy)) == NULL)
		return;
	if (uv_accept(listener, (uv_stream_t *)&p->client) != 0) {
		close_passage(p);
		return;
	}
	if (proxy->options->once)
		uv_close((uv_handle_t *)&proxy->listener, NULL);
	uv_tcp_nodelay(&p->client, 1);
	p->trying = proxy->options->to;
	if (uv_tcp_connect(&p->connect, &p->server, p->trying->ai_addr, on_connected) != 0)
		reset_passage(p);
}

/* ---- the proxy */

static void close_once(uv_handle_t *handle)
{
	if (!uv_is_closing(handle))
		uv_close(handle, NULL);
}

static void stop_proxy(struct proxy *proxy)
{
	close_once((uv_handle_t *)&proxy->listener);
	close_once((uv_handle_t *)&proxy->signals[0]);
	close_once((uv_handle_t *)&proxy->signals[1]);
	for (struct passage *p = proxy->passages; p != NULL; p = p->next)
		reset_passage(p);
}

static void on_signal(uv_signal_t *handle, int number)
{
	(void)number;
	stop_proxy(handle->data);
}

static int open_proxy(struct proxy *proxy)
{
	static const int numbers[2] = { SIGINT, SIGTERM };
	int failed = 0;

	uv_tcp_init(&proxy->loop, &proxy->listener);
	proxy->listener.data = proxy;
	for (int i = 0; i < 2; i++) {
		uv_signal_init(&proxy->loop, &proxy->signals[i]);
		proxy->signals[i].data = proxy;
		if (failed == 0)
			failed = uv_signal_start(&proxy->signals[i], on_signal, numbers[i]);
	}
	if (failed == 0)
		failed = uv_tcp_open(&proxy->listener, proxy->options->listen_fd);
	if (failed == 0)
		failed = uv_listen((uv_stream_t *)&proxy->listener, BACKLOG, on_connection);
	return failed;
}

bool cut_proxy_run(const struct cut_proxy_options *options)
{
	struct proxy proxy = { .options = options };
	int failed = uv_loop_init(&proxy.loop);

	if (failed == 0) {
		failed = open_proxy(&proxy);
		if (failed != 0)
			stop_proxy(&proxy);
		uv_run(&proxy.loop, UV_RUN_DEFAULT);
		(void)uv_loop_close(&proxy.loop);
	}
	errno = -failed;
	return failed == 0;
}
