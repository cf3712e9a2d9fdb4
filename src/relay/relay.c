/* relay: see relay.h.  The main thread: signals, reload, drain, what the manager and the operator
 * are told.  It touches no connection: workers do.  Invariant: what runs is always one whole
 * setup; a new one that cannot be built changes nothing.
 */
#include "relay/relay.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>
#include <uv.h>

#include "relay/admin.h"
#include "relay/identity.h"
#include "relay/manager.h"
#include "relay/place.h"
#include "relay/worker.h"

enum { SIGNALS = 4, DESCRIPTORS_OF_OURS = 64, DESCRIPTORS_A_WORKER = 16 };
enum { LAST_ENDINGS_MS = 10000 }; /* behind the drain deadline: aborts, and the process's end */

struct relay {
	const struct relay_command *command;
	struct setup *setup;
	struct log *log;
	struct worker **workers;
	unsigned worker_count;
	atomic_size_t open_connections;
	atomic_uint drained;
	atomic_bool is_running; /* all workers are there */
	atomic_bool is_draining;
	char *pid_file; /* that we wrote; a reload may name another */
	int metrics_fd; /* handed over by the manager, or -1 */
	struct admin *admin;
	uint64_t started_s;
	atomic_uint_fast64_t reloads, reloads_failed;
	uv_loop_t loop;
	uv_signal_t signals[SIGNALS];
	uv_timer_t watchdog;
	uv_async_t bell;
};

/* ---- the configuration */

/* As many as the administrator allows; two descriptors a connection. */
static size_t connections_allowed(const struct relay_config *c, unsigned workers)
{
	struct rlimit limit;
	size_t ours = DESCRIPTORS_OF_OURS + workers * (DESCRIPTORS_A_WORKER + c->service_count);

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		return 0;
	if (limit.rlim_cur < limit.rlim_max) {
		limit.rlim_cur = limit.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &limit);
		(void)getrlimit(RLIMIT_NOFILE, &limit);
	}
	if (limit.rlim_cur == RLIM_INFINITY)
		return 0;
	return limit.rlim_cur > ours + 2 ? (limit.rlim_cur - ours) / 2 : 1;
}

static unsigned workers_of(const struct relay_config *c)
{
	long processors = sysconf(_SC_NPROCESSORS_ONLN);

	if (c->workers > 0)
		return c->workers;
	return processors > 0 ? (unsigned)processors : 1;
}

/*
 * No more connections than there are descriptors for: one that was taken and then had none for its
 * backend would fail, where it could have waited.
 */
static bool limit_connections(struct relay_config *c, unsigned workers, struct failure *f)
{
	const size_t wished = c->max_connections;
	const size_t allowed = connections_allowed(c, workers > 0 ? workers : workers_of(c));

	if (wished > 0 && (allowed == 0 || wished <= allowed))
		return true;
	c->max_connections = allowed;
	return wished == 0 ||
	       relay_config_warn(c, f,
	                         "maxConnections: the limit of open files allows %zu, at two "
	                         "descriptors a connection; raise LimitNOFILE",
	                         allowed);
}

static struct relay_config *read_config(const struct relay_command *command, unsigned workers,
                                        struct failure *f)
{
	struct relay_config *c =
	    relay_config_read(command->file, command->flags, command->flag_count, f);

	if (c == NULL || limit_connections(c, workers, f))
		return c;
	relay_config_free(c);
	return NULL;
}

/* ---- metrics and readiness, asked by the admin port's thread */

static void print_metrics(FILE *out, void *context)
{
	struct relay *r = context;
	const struct metrics_process process = { .started_s = r->started_s,
		                                 .reloads = atomic_load(&r->reloads),
		                                 .reloads_failed = atomic_load(&r->reloads_failed),
		                                 .is_draining = atomic_load(&r->is_draining),
		                                 .version = r->command->version };
	const unsigned count = atomic_load(&r->is_running) ? r->worker_count : 0;
	const struct metrics **all = calloc(count + 1, sizeof *all);

	if (all == NULL)
		return;
	for (unsigned i = 0; i < count; i++)
		all[i] = worker_metrics(r->workers[i]);
	metrics_print(out, all, count, &process);
	free(all);
}

static bool is_ready(void *context)
{
	const struct relay *r = context;

	return atomic_load(&r->is_running) && !atomic_load(&r->is_draining);
}

static bool start_admin(struct relay *r, struct failure *f)
{
	const struct relay_config *c = r->setup->config;
	struct admin_options o = { .place = &c->metrics,
		                   .print_metrics = print_metrics,
		                   .is_ready = is_ready,
		                   .context = r };

	if (!c->has_metrics)
		return true;
	o.fd = r->metrics_fd;
	r->admin = admin_start(&o, f);
	return r->admin != NULL;
}

/* ---- reload */

/* Tells what is taken, and works, and still wants to be known. */
static void warn_of(const struct setup *setup, void (*tell)(void *context, const char *warning),
                    void *context)
{
	const char *const *w = setup->config->warnings;

	for (; w != NULL && *w != NULL; w++)
		tell(context, *w);
	for (size_t i = 0; i < setup->config->service_count; i++) {
		const struct setup_service *s = &setup->services[i];
		const char *front = s->front != NULL ? relay_tls_warning(s->front) : NULL;
		const char *back = s->back != NULL ? relay_tls_warning(s->back) : NULL;

		if (front != NULL)
			tell(context, front);
		if (back != NULL)
			tell(context, back);
	}
}

static void log_warning(void *log, const char *warning)
{
	log_event(log, "warning", "reason", warning, NULL);
}

static void print_warning(void *context, const char *warning)
{
	(void)context;
	(void)fprintf(stderr, "lastword: warning: %s\n", warning);
}

static bool is_same_text(const char *a, const char *b)
{
	return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static bool is_same_metrics(const struct relay_config *a, const struct relay_config *b)
{
	return a->has_metrics == b->has_metrics && relay_place_is_same(&a->metrics, &b->metrics);
}

/* What a running relay cannot change. */
static void tell_what_needs_a_restart(struct relay *r, const struct relay_config *old,
                                      const struct relay_config *new)
{
	const struct {
		const char *key;
		bool is_same;
	} rows[] = {
		{ "workers", workers_of(new) == r->worker_count },
		{ "metrics", is_same_metrics(old, new) },
		{ "output", is_same_text(old->log_file, new->log_file) },
		{ "logFormat", old->log_format == new->log_format },
		{ "debug", old->logs_connections == new->logs_connections },
		{ "setuid", is_same_text(old->set_user, new->set_user) },
		{ "setgid", is_same_text(old->set_group, new->set_group) },
		{ "pid", is_same_text(old->pid_file, new->pid_file) },
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		if (!rows[i].is_same)
			log_event(r->log, "restart_needed", "key", rows[i].key, NULL);
}

static void reload(struct relay *r)
{
	struct setup *old = r->setup, *new = NULL;
	struct relay_config *config;
	struct failure f;
	char count[24];

	manager_reloading();
	config = read_config(r->command, r->worker_count, &f);
	if (config != NULL)
		new = setup_new(config, old, r->worker_count, &f);
	if (new == NULL) {
		(void)atomic_fetch_add(&r->reloads_failed, 1);
		log_event(r->log, "reload_failed", "reason", f.sentence, NULL);
		manager_ready("runs on; the last reload failed: see the log");
		return;
	}
	warn_of(new, log_warning, r->log);
	tell_what_needs_a_restart(r, old->config, new->config);
	for (unsigned i = 0; i < r->worker_count; i++)
		worker_adopt(r->workers[i], new);
	setup_unlink_paths(old, new);
	r->setup = new;
	setup_unref(old);
	(void)atomic_fetch_add(&r->reloads, 1);
	(void)snprintf(count, sizeof count, "%zu", new->config->service_count);
	log_event(r->log, "reloaded", "services", count, NULL);
	manager_ready("runs");
}

/* ---- the end */

static void close_handle(uv_handle_t *handle, void *context)
{
	(void)context;
	if (!uv_is_closing(handle))
		uv_close(handle, NULL);
}

/* From a worker's thread. */
static void on_worker_drained(void *context)
{
	struct relay *r = context;

	(void)atomic_fetch_add(&r->drained, 1);
	(void)uv_async_send(&r->bell);
}

static void on_bell(uv_async_t *bell)
{
	struct relay *r = bell->data;

	if (atomic_load(&r->drained) == r->worker_count)
		uv_stop(&r->loop);
}

/* Told twice, it ends at once. */
static void drain(struct relay *r)
{
	bool is_second = atomic_exchange(&r->is_draining, true);
	uint32_t drain_ms = is_second ? 0 : r->setup->config->drain_ms;
	char text[24];

	(void)snprintf(text, sizeof text, "%zu", atomic_load(&r->open_connections));
	log_event(r->log, "draining", "connections", text, NULL);
	manager_stopping("drains", drain_ms + LAST_ENDINGS_MS);
	for (unsigned i = 0; i < r->worker_count; i++)
		worker_drain(r->workers[i], drain_ms);
}

static void reopen_log(struct relay *r)
{
	struct failure f;

	if (!log_reopen(r->log, &f))
		log_event(r->log, "failed", "reason", f.sentence, NULL);
}

static void on_signal(uv_signal_t *handle, int number)
{
	struct relay *r = handle->data;

	if (number == SIGUSR1)
		reopen_log(r);
	else if (number == SIGTERM || number == SIGINT)
		drain(r);
	else if (!atomic_load(&r->is_draining))
		reload(r);
}

/* The manager restarts us where a worker hangs: it is told nothing then. */
static void on_watchdog(uv_timer_t *timer)
{
	struct relay *r = timer->data;
	bool all_alive = true;

	for (unsigned i = 0; i < r->worker_count; i++)
		all_alive &= worker_is_alive(r->workers[i]);
	if (all_alive || atomic_load(&r->is_draining))
		manager_alive();
}

/* ---- the start */

static bool init_loop(struct relay *r)
{
	static const int numbers[SIGNALS] = { SIGHUP, SIGTERM, SIGINT, SIGUSR1 };
	uint64_t watchdog_ms = manager_watchdog_ms();

	if (uv_loop_init(&r->loop) != 0 || uv_async_init(&r->loop, &r->bell, on_bell) != 0 ||
	    uv_timer_init(&r->loop, &r->watchdog) != 0)
		return false;
	r->bell.data = r->watchdog.data = r;
	for (size_t i = 0; i < SIGNALS; i++) {
		if (uv_signal_init(&r->loop, &r->signals[i]) != 0)
			return false;
		r->signals[i].data = r;
		if (uv_signal_start(&r->signals[i], on_signal, numbers[i]) != 0)
			return false;
	}
	return watchdog_ms == 0 || uv_timer_start(&r->watchdog, on_watchdog, 0, watchdog_ms) == 0;
}

static bool start_workers(struct relay *r, struct failure *f)
{
	r->workers = calloc(r->worker_count, sizeof(struct worker *));
	if (r->workers == NULL) {
		failure_set(f, "out of memory");
		return false;
	}
	for (unsigned i = 0; i < r->worker_count; i++) {
		const struct worker_options o = { .index = i,
			                          .setup = r->setup,
			                          .log = r->log,
			                          .open_connections = &r->open_connections,
			                          .drained = on_worker_drained,
			                          .context = r };

		r->workers[i] = worker_start(&o, f);
		if (r->workers[i] == NULL) {
			r->worker_count = i;
			return false;
		}
	}
	atomic_store(&r->is_running, true);
	return true;
}

static void tell_places(struct relay *r)
{
	for (size_t i = 0; i < r->setup->config->service_count; i++)
		for (size_t d = 0; d < r->setup->services[i].door_count; d++)
			(void)printf("%s %s\n", r->setup->services[i].service->name,
			             r->setup->services[i].doors[d].place);
	if (r->admin != NULL)
		(void)printf("metrics %s\n", admin_place(r->admin));
	(void)fflush(stdout);
}

static void tell_start(struct relay *r)
{
	char services[24], workers[24], limit[24];

	(void)snprintf(services, sizeof services, "%zu", r->setup->config->service_count);
	(void)snprintf(workers, sizeof workers, "%u", r->worker_count);
	(void)snprintf(limit, sizeof limit, "%zu", r->setup->config->max_connections);
	warn_of(r->setup, log_warning, r->log);
	log_event(r->log, "started", "services", services, "workers", workers, "max_connections",
	          limit, NULL);
}

static bool write_pid(struct relay *r, const char *path, struct failure *f)
{
	if (!identity_write_pid(path, f))
		return false;
	r->pid_file = strdup(path);
	return true;
}

/* Everything that may fail, in the order in which rights are given up; nobody is taken before. */
static bool start(struct relay *r, struct failure *f)
{
	const struct relay_config *c = r->setup->config;

	if (!init_loop(r)) {
		failure_set(f, "cannot run the event loop: out of memory or descriptors");
		return false;
	}
	if (!start_admin(r, f))
		return false;
	if (c->pid_file != NULL && !write_pid(r, c->pid_file, f))
		return false;
	return identity_become(c->set_user, c->set_group, f) && start_workers(r, f);
}

static uint64_t count_abandoned(const struct relay *r)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < r->worker_count; i++)
		n += atomic_load(&worker_metrics(r->workers[i])->outcomes[OUTCOME_ABANDONED]);
	return n;
}

/* Workers that run must be told before they can be joined. */
static bool end_workers(struct relay *r)
{
	bool are_gone = true;

	for (unsigned i = 0; r->workers != NULL && i < r->worker_count; i++)
		worker_drain(r->workers[i], 0);
	for (unsigned i = 0; r->workers != NULL && i < r->worker_count; i++)
		are_gone &= worker_join(r->workers[i]);
	free(r->workers);
	return are_gone;
}

/* False: a look-up outlives it. */
static bool end(struct relay *r)
{
	bool are_gone;

	if (r->admin != NULL)
		admin_stop(r->admin);
	are_gone = end_workers(r);
	uv_walk(&r->loop, close_handle, NULL);
	(void)uv_run(&r->loop, UV_RUN_DEFAULT);
	(void)uv_loop_close(&r->loop);
	setup_unlink_paths(r->setup, NULL);
	if (r->pid_file != NULL)
		identity_remove_pid(r->pid_file);
	free(r->pid_file);
	return are_gone;
}

/* What nobody asks for is closed, for connections would wait there for ever. */
static void take_metrics_socket(struct relay *r)
{
	const struct relay_config *c = r->setup->config;

	r->metrics_fd = c->has_metrics ? manager_socket(&c->metrics, "metrics") : -1;
	if (manager_close_rest() > 0)
		log_event(r->log, "warning", "reason",
		          "a socket was handed over that no service accepts on", NULL);
}

static enum relay_result run(struct relay *r, struct failure *f, bool *is_outlived)
{
	enum relay_result result = RELAY_FAILED;

	if (start(r, f)) {
		tell_places(r);
		tell_start(r);
		manager_ready("runs");
		(void)uv_run(&r->loop, UV_RUN_DEFAULT);
		result = count_abandoned(r) > 0 ? RELAY_ABANDONED : RELAY_DONE;
		log_event(r->log, "ended", NULL);
	}
	*is_outlived = !end(r);
	return result;
}

static enum relay_result check(struct relay_config *config, struct failure *f)
{
	struct setup *setup = setup_new(config, NULL, 0, f);

	if (setup == NULL)
		return RELAY_USAGE;
	warn_of(setup, print_warning, NULL);
	(void)printf("the configuration is right: %zu service%s\n", setup->config->service_count,
	             setup->config->service_count == 1 ? "" : "s");
	setup_unref(setup);
	return RELAY_DONE;
}

enum relay_result relay_run(const struct relay_command *command, struct failure *f,
                            bool *is_outlived)
{
	struct relay r = { .command = command, .started_s = (uint64_t)time(NULL) };
	struct relay_config *config = read_config(command, 0, f);
	enum relay_result result;

	*is_outlived = false;
	if (config == NULL)
		return RELAY_USAGE;
	if (command->checks_only)
		return check(config, f);
	(void)signal(SIGPIPE, SIG_IGN);
	r.log = log_open(config->log_format, config->log_file, config->logs_connections, f);
	if (r.log == NULL) {
		relay_config_free(config);
		return RELAY_FAILED;
	}
	r.worker_count = workers_of(config);
	r.setup = setup_new(config, NULL, r.worker_count, f);
	result = RELAY_FAILED;
	if (r.setup != NULL) {
		take_metrics_socket(&r);
		result = run(&r, f, is_outlived);
		setup_unref(r.setup);
	}
	log_close(r.log);
	return result;
}
