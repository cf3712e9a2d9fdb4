/* config_stand: see config_stand.h. */
#include "tests/relay/config_stand.h"

#include "tests/unit.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void hide_name(struct failure *f, const char *name)
{
	size_t n = strlen(name);
	char *at;

	while ((at = strstr(f->sentence, name)) != NULL) {
		*at = 'F';
		memmove(at + 1, at + n, strlen(at + n) + 1);
	}
}

struct relay_config *config_of_text(const char *text, const struct relay_flag *flags, size_t count,
                                    struct failure *f)
{
	char name[] = "/tmp/lastword-config-XXXXXX";
	int fd = mkstemp(name);
	ssize_t written = write(fd, text, strlen(text));
	struct relay_config *c;

	assert(fd >= 0 && written == (ssize_t)strlen(text));
	(void)written;
	(void)close(fd);
	c = relay_config_read(name, flags, count, f);
	(void)unlink(name);
	hide_name(f, name);
	return c;
}

static void dump_list(FILE *out, const char *s, const char *leg, const char *name,
                      const char *const *list)
{
	fprintf(out, "%s.%s%s=", s, leg, name);
	for (size_t i = 0; list != NULL && list[i] != NULL; i++)
		fprintf(out, "%s%s", i > 0 ? "," : "", list[i]);
	fputc(';', out);
}

static void dump_text(FILE *out, const char *s, const char *name, const char *text)
{
	fprintf(out, "%s.%s=%s;", s, name, text != NULL ? text : "-");
}

static void dump_leg(FILE *out, const char *s, const char *leg, const struct relay_tls_settings *t)
{
	const struct {
		const char *name, *text;
	} texts[] = {
		{ "ca_file", t->ca_file },
		{ "ca_path", t->ca_path },
		{ "crl_file", t->crl_file },
		{ "crl_path", t->crl_path },
		{ "allow", t->allow_list },
		{ "sni", t->sni },
		{ "alpn", t->alpn },
		{ "ciphers", t->ciphers },
		{ "curves", t->curves },
		{ "ciphersuites", t->ciphersuites },
		{ "starttls", t->starttls != NULL ? starttls_profile(t->starttls) : NULL },
	};
	char name[64];

	dump_list(out, s, leg, "cert", t->certificates);
	dump_list(out, s, leg, "key", t->keys);
	dump_list(out, s, leg, "host", t->check_host);
	dump_list(out, s, leg, "ip", t->check_ip);
	dump_list(out, s, leg, "email", t->check_email);
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
		(void)snprintf(name, sizeof name, "%s%s", leg, texts[i].name);
		dump_text(out, s, name, texts[i].text);
	}
	fprintf(out, "%s.%sverify=%s%s%s;", s, leg, t->verify_chain ? "chain " : "",
	        t->verify_peer ? "peer " : "", t->require_certificate ? "required" : "");
	fprintf(out, "%s.%sversions=%x-%x;", s, leg, (unsigned)t->version_min,
	        (unsigned)t->version_max);
	fprintf(out, "%s.%slevel=%d;%s.%stickets=%d;", s, leg, t->security_level, s, leg,
	        t->tickets);
}

static void dump_service(FILE *out, const struct relay_service *s)
{
	char text[400];

	fprintf(out, "%s.line=%u;", s->name, s->line);
	if (s->sni_of != NULL)
		fprintf(out, "%s.of=%s;", s->name, s->sni_of->name);
	else
		fprintf(out, "%s.accept=%s;", s->name,
		        relay_place_text(&s->accept, text, sizeof text));
	dump_list(out, s->name, "", "names", s->sni_patterns);
	fprintf(out, "%s.connect=", s->name);
	for (size_t i = 0; i < s->connects; i++)
		fprintf(out, "%s%s", i > 0 ? "," : "",
		        relay_place_text(&s->connect[i], text, sizeof text));
	fputc(';', out);
	dump_leg(out, s->name, "front.", &s->front);
	dump_leg(out, s->name, "back.", &s->back);
	dump_text(out, s->name, "profile", s->profile != NULL ? s->profile->name : NULL);
	dump_text(out, s->name, "policy", lw_policy_name(s->policy));
	dump_text(out, s->name, "local", s->local);
	fprintf(out, "%s.fin=%d;%s.report=%d;%s.abort=%d;", s->name, s->trusts_fin, s->name,
	        s->reports_only, s->name, (int)s->aborts_with);
	fprintf(out, "%s.ms=%u,%u,%u,%u;", s->name, s->busy_timeout_ms, s->connect_timeout_ms,
	        s->idle_timeout_ms, s->close_timeout_ms);
	fprintf(out, "%s.pool=%s,%u,%u;", s->name, s->balance == RELAY_PRIORITY ? "prio" : "rr",
	        s->retry_after_ms, s->resolve_ms);
	fprintf(out, "%s.proxy=%d,%d;", s->name, s->proxy_in, (int)s->proxy_out);
	fprintf(out, "%s.keepalive=%d,%u,%u,%u;", s->name, s->keepalive, s->keepalive_idle_s,
	        s->keepalive_interval_s, s->keepalive_count);
	fprintf(out, "%s.max=%zu;", s->name, s->max_connections);
}

char *config_dump(const struct relay_config *c)
{
	char *text = NULL, place[400];
	size_t bytes;
	FILE *out = open_memstream(&text, &bytes);

	assert(out != NULL);
	fprintf(out, ";workers=%u;max=%zu;drain=%u;format=%d;connections=%d;", c->workers,
	        c->max_connections, c->drain_ms, (int)c->log_format, c->logs_connections);
	fprintf(out, "log=%s;pid=%s;user=%s;group=%s;metrics=%s;",
	        c->log_file != NULL ? c->log_file : "-", c->pid_file != NULL ? c->pid_file : "-",
	        c->set_user != NULL ? c->set_user : "-", c->set_group != NULL ? c->set_group : "-",
	        c->has_metrics ? relay_place_text(&c->metrics, place, sizeof place) : "-");
	for (size_t i = 0; i < c->service_count; i++)
		dump_service(out, &c->services[i]);
	(void)fclose(out);
	return text;
}

void config_assert_value(const char *text, const struct relay_flag *flags, size_t count,
                         const char *value)
{
	struct failure f;
	struct relay_config *c = config_of_text(text, flags, count, &f);
	char wanted[400], *dump;

	if (c == NULL)
		fail_msg("%s%s", text, f.sentence);
	dump = config_dump(c);
	(void)snprintf(wanted, sizeof wanted, ";%s;", value);
	if (strstr(dump, wanted) == NULL)
		fail_msg("%sis not %s but\n%s", text, wanted, dump);
	free(dump);
	relay_config_free(c);
}
