/* draft: what lines say, before it is known which leg they mean and what was left to defaults; and
 * the setters of the table of keys, which turn a line's text into it.
 */
#ifndef RELAY_DRAFT_H
#define RELAY_DRAFT_H

#include "relay/config.h"
#include "relay/lines.h"

enum { DRAFT_UNSAID = -1 }; /* of a claim, which else is 0 or 1 */

/* A place as it was written. */
struct draft_place {
	struct relay_place place;
	bool is_bare; /* stunnel's form: `client` decides whether TLS is spoken there */
	const struct relay_line *line; /* NULL: there is none */
	struct draft_place *next;
};

struct draft_places {
	struct draft_place *first, *last;
	size_t count;
};

struct draft_leg {
	struct relay_list certificates, keys, check_host, check_ip, check_email;
	struct relay_list sni; /* "SERVICE:PATTERN" where TLS is accepted, a name where it is made
	                        */
	const char *ca_file, *ca_path, *crl_file, *crl_path, *allow_list, *alpn, *ciphers,
	    *ciphersuites, *curves;
	int verify_chain, verify_peer, require_certificate, tickets; /* claims */
	int verify;                                                  /* stunnel's level, or -1 */
	int version_min, version_max;                                /* TLS1_2_VERSION ...; 0 */
	unsigned versions_off; /* by `options`: a bit a version, from TLS 1.0 */
	int security_level;
	const struct starttls_row *starttls;
};

struct relay_draft {
	struct relay_arena *arena;
	struct relay_list *warnings; /* NULL: they were told */
	const struct relay_section *section;
	const struct relay_line *said[RELAY_KEYS_MAX]; /* the last line of each key, or NULL */

	/* Of a service. */
	struct draft_places accept, connect;
	int client; /* a claim */
	struct draft_leg plain, backend;
	bool protocol_is_proxy;
	const struct lw_profile *profile;
	int policy, aborts_with, balance, proxy_out, proxy_in; /* words, by number */
	int trusts_fin, reports_only, keepalive;               /* claims */
	uint32_t busy_ms, connect_ms, idle_ms, close_ms;
	uint32_t retry_ms, resolve_ms;
	const char *local;
	unsigned keepalive_idle_s, keepalive_interval_s, keepalive_count;
	unsigned max_connections;

	/* Of the process. */
	unsigned workers;
	uint32_t drain_ms;
	struct draft_places metrics;
	int log_format;
	int level; /* of syslog */
	const char *log_file, *pid_file, *set_user, *set_group;
};

/* Nothing said: defaults. */
void relay_draft_begin(struct relay_draft *d, struct relay_arena *a);

/* Sets all of the table's keys from the lines of the scopes that count.  False with a sentence. */
LW_MUST_CHECK bool relay_draft_fill(struct relay_draft *d, const struct relay_lines *lines,
                                    const struct relay_section *section,
                                    struct relay_list *warnings, struct failure *f);

/* The line that said a key, or NULL. */
const struct relay_line *relay_draft_said(const struct relay_draft *d, const char *key);

/* Whether it stands in the service's own section, and is no default for many. */
bool relay_draft_owns(const struct relay_draft *d, const struct relay_line *line);

/* The line that said a key, if it is the service's own. */
const struct relay_line *relay_draft_own(const struct relay_draft *d, const char *key);

/* Where the value of a line goes. */
void *relay_draft_field(struct relay_draft *d, const struct relay_line *line);

/* Keeps "FILE:12: key: SENTENCE" for the start.  False with a sentence: out of memory. */
LW_MUST_CHECK bool relay_draft_warn(struct relay_draft *d, const struct relay_line *line,
                                    struct failure *f, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* ---- setters: see struct relay_key */

#define RELAY_SETTER(name)                                                                         \
	bool name(struct relay_draft *d, const struct relay_line *line, struct failure *f)

RELAY_SETTER(relay_set_claim);   /* yes, no: an int */
RELAY_SETTER(relay_set_text);    /* not empty */
RELAY_SETTER(relay_set_path);    /* may be empty: none */
RELAY_SETTER(relay_set_list);    /* one more text */
RELAY_SETTER(relay_set_names);   /* one more text, which may be empty */
RELAY_SETTER(relay_set_number);  /* unsigned, from least to most */
RELAY_SETTER(relay_set_seconds); /* uint32_t, milliseconds */
RELAY_SETTER(relay_set_close);   /* the same, where 0 was meant well */
RELAY_SETTER(relay_set_word);    /* one of the words of `argument`: an int, its number */
RELAY_SETTER(relay_set_address); /* an IP address as text */
RELAY_SETTER(relay_set_ips);     /* one more of them */
RELAY_SETTER(relay_set_accept);
RELAY_SETTER(relay_set_connect);
RELAY_SETTER(relay_set_metrics);
RELAY_SETTER(relay_set_profile);
RELAY_SETTER(relay_set_socket);
RELAY_SETTER(relay_set_level);
RELAY_SETTER(relay_set_log);

RELAY_SETTER(relay_set_protocol); /* a row of net/starttls.h, or `proxy` */
RELAY_SETTER(relay_set_version);  /* TLS1_2_VERSION ...; 0 for all */
RELAY_SETTER(relay_set_versions); /* least and latest at once, of the plain names */
RELAY_SETTER(relay_set_options);
RELAY_SETTER(relay_set_alpn);

/* Keys of stunnel's that do nothing here; the row's help says why. */
RELAY_SETTER(relay_set_nothing); /* without a word */
RELAY_SETTER(relay_set_warning); /* the operator loses something */
RELAY_SETTER(relay_set_warning_if_on);
RELAY_SETTER(relay_set_warning_if_off);
RELAY_SETTER(relay_set_refusal); /* it would change what the relay does */
RELAY_SETTER(relay_set_refusal_if_on);

#endif
