/* metrics: see metrics.h.  Names, types and help are data; a counter is found by its offset, so
 * that adding up is one function.  Counters are read one by one, while workers count on.
 */
#include "relay/metrics.h"

#include <inttypes.h>

#define AT(member) offsetof(struct metrics, member)

struct sums {
	FILE *out;
	const struct metrics *const *workers;
	size_t count;
};

static uint64_t sum(const struct sums *s, size_t offset)
{
	uint64_t total = 0;

	for (size_t i = 0; i < s->count; i++) {
		const char *at = (const char *)s->workers[i] + offset;

		total += atomic_load_explicit((const atomic_uint_fast64_t *)(const void *)at,
		                              memory_order_relaxed);
	}
	return total;
}

static void print_head(FILE *out, const char *name, const char *type, const char *help)
{
	(void)fprintf(out, "# HELP lastword_relay_%s %s\n# TYPE lastword_relay_%s %s\n", name, help,
	              name, type);
}

static void print_value(FILE *out, const char *name, uint64_t value)
{
	(void)fprintf(out, "lastword_relay_%s %" PRIu64 "\n", name, value);
}

/* A metric without labels. */
static void print_plain(const struct sums *s, size_t offset, const char *name, const char *type,
                        const char *help)
{
	print_head(s->out, name, type, help);
	print_value(s->out, name, sum(s, offset));
}

static void print_connections(const struct sums *s)
{
	print_plain(s, AT(accepted), "accepted_total", "counter", "Connections accepted.");
	print_plain(s, AT(open), "connections_open", "gauge", "Connections under way.");
	print_head(s->out, "connections_total", "counter",
	           "Connections that are over, by what became of them.");
	for (unsigned i = 0; i < OUTCOMES; i++)
		(void)fprintf(s->out,
		              "lastword_relay_connections_total{outcome=\"%s\"} %" PRIu64 "\n",
		              outcome_name((enum outcome)i),
		              sum(s, AT(outcomes) + i * sizeof(atomic_uint_fast64_t)));
}

static void print_bytes(const struct sums *s)
{
	print_head(s->out, "bytes_total", "counter",
	           "Bytes delivered: in from clients to servers, out from servers to clients.");
	(void)fprintf(s->out, "lastword_relay_bytes_total{direction=\"in\"} %" PRIu64 "\n",
	              sum(s, AT(bytes_in)));
	(void)fprintf(s->out, "lastword_relay_bytes_total{direction=\"out\"} %" PRIu64 "\n",
	              sum(s, AT(bytes_out)));
	print_plain(s, AT(bytes_lost), "bytes_lost_total", "counter",
	            "Bytes read and, as far as known, not delivered.");
}

static const char *leg_name(unsigned leg)
{
	return leg == METRICS_CLIENT ? "client" : "server";
}

static void print_endings(const struct sums *s)
{
	print_head(s->out, "endings_total", "counter",
	           "How the reading side of each leg ended; open: it had not when all was over.");
	for (unsigned leg = 0; leg < METRICS_LEGS; leg++)
		for (unsigned kind = 0; kind < METRICS_ENDINGS; kind++)
			(void)fprintf(s->out,
			              "lastword_relay_endings_total{leg=\"%s\",kind=\"%s\"} "
			              "%" PRIu64 "\n",
			              leg_name(leg), lw_ending_name((enum lw_ending)kind),
			              sum(s, AT(endings) + (leg * METRICS_ENDINGS + kind) *
			                                       sizeof(atomic_uint_fast64_t)));
}

static void print_handshakes(const struct sums *s)
{
	print_head(s->out, "handshakes_total", "counter",
	           "TLS handshakes: ok in full, resumed from a session, or failed.");
	for (unsigned leg = 0; leg < METRICS_LEGS; leg++) {
		size_t at = leg * sizeof(atomic_uint_fast64_t);
		uint64_t resumed = sum(s, AT(resumed) + at), done = sum(s, AT(handshakes) + at);
		const struct {
			const char *result;
			uint64_t count;
		} rows[] = {
			{ "ok", done > resumed ? done - resumed : 0 }, /* one may just be counted */
			{ "resumed", resumed },
			{ "failed", sum(s, AT(handshakes_failed) + at) },
		};

		for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
			(void)fprintf(s->out,
			              "lastword_relay_handshakes_total{leg=\"%s\",result=\"%s\"} "
			              "%" PRIu64 "\n",
			              leg_name(leg), rows[i].result, rows[i].count);
	}
}

/* A label's value: backslash, quote and newline are escaped. */
static void print_label(FILE *out, const char *value)
{
	for (; *value != '\0'; value++) {
		if (*value == '\n') {
			(void)fputs("\\n", out);
			continue;
		}
		if (*value == '\\' || *value == '"')
			(void)fputc('\\', out);
		(void)fputc(*value, out);
	}
}

static void print_process(FILE *out, const struct metrics_process *p)
{
	print_head(out, "reloads_total", "counter", "Reloads of the configuration.");
	(void)fprintf(out,
	              "lastword_relay_reloads_total{result=\"ok\"} %" PRIu64 "\n"
	              "lastword_relay_reloads_total{result=\"failed\"} %" PRIu64 "\n",
	              p->reloads, p->reloads_failed);
	print_head(out, "draining", "gauge", "1 while no new connections are taken.");
	print_value(out, "draining", p->is_draining);
	print_head(out, "start_time_seconds", "gauge", "When it started, Unix time.");
	print_value(out, "start_time_seconds", p->started_s);
	print_head(out, "build_info", "gauge", "1, labelled with the version.");
	(void)fputs("lastword_relay_build_info{version=\"", out);
	print_label(out, p->version);
	(void)fputs("\"} 1\n", out);
}

void metrics_print(FILE *out, const struct metrics *const *workers, size_t count,
                   const struct metrics_process *process)
{
	const struct sums s = { out, workers, count };

	print_connections(&s);
	print_bytes(&s);
	print_endings(&s);
	print_handshakes(&s);
	print_plain(&s, AT(laundering_prevented), "laundering_prevented_total", "counter",
	            "Endings that were no end and were not passed on as one.");
	print_plain(&s, AT(backend_failures), "backend_failures_total", "counter",
	            "Backends that could not be reached or did not shake hands.");
	print_plain(&s, AT(accept_errors), "accept_errors_total", "counter",
	            "Times that accepting failed, for want of descriptors or memory.");
	print_process(out, process);
}
