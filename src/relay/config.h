/* config: what the operator wrote, as one tree of plain values that never changes once it is read.
 * Names are stunnel's where stunnel has one.  It opens nothing but its own files: sockets,
 * certificates and names are looked at by those who use them (setup.h).
 *
 * A file is INI: lines before the first [section] are global, and stand for every service that
 * does not say otherwise; each section is a service; without any section the lines are one
 * service.  Flags of the command line are lines that come behind the file's global ones.
 */
#ifndef RELAY_CONFIG_H
#define RELAY_CONFIG_H

#include <lastword/profile.h>
#include <sys/un.h>

#include "net/address.h"
#include "net/failure.h"
#include "net/starttls.h"
#include "pipe/couple.h"

enum relay_leg { RELAY_TLS, RELAY_TCP, RELAY_UNIX };

/* Where a leg listens or connects. */
struct relay_place {
	enum relay_leg kind;
	struct address address; /* RELAY_TLS, RELAY_TCP; host "" to listen everywhere */
	char path[sizeof((struct sockaddr_un *)0)->sun_path]; /* RELAY_UNIX */
	unsigned line;                                        /* where it stands */
};

enum relay_proxy { RELAY_PROXY_NONE, RELAY_PROXY_V1, RELAY_PROXY_V2 };
enum relay_balance { RELAY_ROUND_ROBIN, RELAY_PRIORITY }; /* failover = rr, prio */
enum relay_log_format { RELAY_LOGFMT, RELAY_JSON };

/* Of one TLS leg.  Strings are NULL where nothing was written; lists end with NULL. */
struct relay_tls_settings {
	const char *const *certificates; /* PEM chains; the i-th key belongs to the i-th of them */
	const char *const *keys;         /* NULL entry or end of list: in the certificate's file */
	const char *ca_file, *ca_path;   /* neither: the system's roots, where roots are needed */
	const char *crl_file, *crl_path;
	bool verify_chain; /* the peer's chain; default: yes on connections we make */
	bool verify_peer;  /* only certificates that stand in ca_file or ca_path themselves; without
	                      verify_chain and check_..., that is all there is to check */
	bool require_certificate;      /* of the client */
	const char *const *check_host; /* one of them; none: on connections we make, `sni`, else
	                                  the host of `connect` */
	const char *const *check_ip;
	const char *const *check_email;
	const char
	    *allow_list;  /* a file: SHA-256 fingerprints or subjects of clients, a line each */
	const char *sni;  /* connecting: the name sent instead of the host; "": none */
	const char *alpn; /* names with commas between */
	const char *ciphers, *ciphersuites, *curves;
	int version_min, version_max; /* TLS1_2_VERSION ...; 0: the default, 1.2 and the latest */
	int security_level;           /* -1: OpenSSL's */
	bool tickets;                 /* sessions may be resumed; default yes */
	const struct starttls_row *starttls; /* protocol; NULL: TLS from the first byte */
	unsigned line;                       /* of the section; 0: there is none */
};

struct relay_service {
	const char *name;                  /* its [section]; "relay" without one */
	const char *file;                  /* where its section stands; NULL: flags only */
	unsigned line;                     /* 0: there is no section */
	struct relay_place accept;         /* not for a name-based service: see `sni_of` */
	const struct relay_place *connect; /* `connects` of them, all of one kind */
	size_t connects;
	const struct relay_service *sni_of;    /* sni = SERVICE:PATTERN in stunnel: reached through
	                                          that    service by server name; else NULL */
	const char *const *sni_patterns;       /* "example.org", "*.example.org" */
	struct relay_tls_settings front, back; /* of the accepting and the connecting leg */

	const struct lw_profile
	    *profile; /* written, or of `protocol`; NULL: by ALPN, else by port */
	enum lw_policy policy;
	bool
	    trusts_fin; /* a plain leg's FIN counts as closed; else only after a complete message */
	bool reports_only;
	enum couple_abort aborts_with;

	uint32_t busy_timeout_ms;    /* TIMEOUTbusy: PROXY header, STARTTLS, handshake */
	uint32_t connect_timeout_ms; /* TIMEOUTconnect: each backend address */
	uint32_t idle_timeout_ms;    /* TIMEOUTidle: nothing moved either way */
	uint32_t close_timeout_ms;   /* TIMEOUTclose: from the first ending that ends all */

	enum relay_balance balance;
	unsigned retry_after_ms; /* a backend that failed is passed over for so long */
	uint32_t resolve_ms;     /* names are looked up again after so long */
	const char *local;       /* bind connections to this address, or NULL */

	enum relay_proxy proxy_out;
	bool proxy_in;  /* every connection begins with a PROXY header, v1 or v2 */
	bool keepalive; /* TCP keepalive, both legs */
	unsigned keepalive_idle_s, keepalive_interval_s, keepalive_count; /* 0: the system's */
	size_t max_connections; /* 0: no limit of its own */
};

struct relay_config {
	const char *file; /* NULL: flags only */
	struct relay_service *services;
	size_t service_count;

	unsigned workers;           /* threads; 0 was written: one a processor */
	size_t max_connections;     /* of the process; 0: what open files allow */
	uint32_t drain_ms;          /* SIGTERM: connections may go on for so long */
	struct relay_place metrics; /* loopback or Unix; kind RELAY_TCP or RELAY_UNIX */
	bool has_metrics;
	enum relay_log_format log_format;
	const char *log_file;  /* NULL: standard error */
	bool logs_connections; /* debug >= 5 (notice), the default; below it only what went wrong */
	const char *pid_file;
	const char *set_user, *set_group; /* after listening */

	/* What was taken for compatibility and does nothing, a sentence each, for the start. */
	const char *const *warnings;

	struct relay_arena *arena; /* owns all strings and lists above */
};

/* A line of the command line: "--cert FILE". */
struct relay_flag {
	const char *name, *value;
};

/*
 * Reads `file` (NULL: none) and the flags.  NULL with a sentence that names file, line and next
 * step.  The caller frees it.
 */
LW_MUST_CHECK struct relay_config *relay_config_read(const char *file,
                                                     const struct relay_flag *flags,
                                                     size_t flag_count, struct failure *f);

/* Adds to `warnings`.  False with a sentence: out of memory. */
LW_MUST_CHECK bool relay_config_warn(struct relay_config *c, struct failure *f, const char *format,
                                     ...) __attribute__((format(printf, 3, 4)));

void relay_config_free(struct relay_config *c);

/* "tls:127.0.0.1:8443", "unix:/run/x"; writes at most `cap` bytes, and returns `buf`. */
const char *relay_place_text(const struct relay_place *p, char *buf, size_t cap);

#endif
