/* keys: see keys.h.  A key is a row, and only that: its name, what it takes, what it is for, who
 * turns its text into a value and where that goes.  Defaults stand in draft.c.
 */
#include "relay/keys.h"

#include <string.h>
#include <strings.h>

#include "net/letters.h"
#include "relay/draft.h"

#define AT(field) offsetof(struct relay_draft, field)

/* Rows of a service's keys, of lists, of spans of time, and of what concerns the process. */
#define ONE(name, argument, set, field, help)                                                      \
	{                                                                                          \
		name, argument, help, KEY_SERVICE, KEY_LAST, set, AT(field), 0, 0                  \
	}
#define LIST(name, argument, set, field, help)                                                     \
	{                                                                                          \
		name, argument, help, KEY_SERVICE, KEY_LIST, set, AT(field), 0, 0                  \
	}
#define SUM(name, argument, set, help)                                                             \
	{                                                                                          \
		name, argument, help, KEY_SERVICE, KEY_SUM, set, 0, 0, 0                           \
	}
#define TIME(name, scope, field, least, help)                                                      \
	{                                                                                          \
		name, "SECONDS", help, scope, KEY_LAST, relay_set_seconds, AT(field), least,       \
		    4000000                                                                        \
	}
#define PROCESS(name, argument, set, field, help)                                                  \
	{                                                                                          \
		name, argument, help, KEY_GLOBAL, KEY_LAST, set, AT(field), 0, 0                   \
	}
/* A key of stunnel's that does nothing here; what it says of that is its help. */
#define OTHER(name, set, help)                                                                     \
	{                                                                                          \
		name, NULL, help, KEY_EITHER, KEY_SUM, set, 0, 0, 0                                \
	}
#define END                                                                                        \
	{                                                                                          \
		NULL, NULL, NULL, KEY_GLOBAL, KEY_LAST, NULL, 0, 0, 0                              \
	}

/* clang-format off */
static const struct relay_key legs[] = {
	ONE("accept", "ADDR", relay_set_accept, accept, "Listen on [tls:|tcp:][HOST:]PORT or unix:PATH"),
	LIST("connect", "ADDR", relay_set_connect, connect,
	     "Pass on to [tls:|tcp:][HOST:]PORT or unix:PATH; several make a pool"),
	ONE("client", "yes|no", relay_set_claim, client,
	    "Addresses without tls: or tcp: accept plain and connect TLS, instead of the other way round"),
	LIST("sni", "NAME", relay_set_names, plain.sni,
	     "Where TLS is accepted SERVICE:PATTERN: reached through that service by server name; else the name to send"),
	ONE("protocol", "NAME", relay_set_protocol, plain.starttls,
	    "TLS begins by STARTTLS: smtp, imap, pop3, ldap, ftp, xmpp, postgres; proxy: as --proxyOut v1"),
	ONE("alpn", "NAMES", relay_set_alpn, plain.alpn, "Application protocols, with commas between"),
	ONE("proxyIn", "no|yes|v1|v2", relay_set_word, proxy_in, "Connections begin with a PROXY header, of either version"),
	ONE("proxyOut", "no|v1|v2", relay_set_word, proxy_out, "Connections that are made begin with a PROXY header"),
	ONE("local", "IP", relay_set_address, local, "Connect from this address"),
	ONE("keepalive", "yes|no", relay_set_claim, keepalive, "TCP keepalive on both legs (default yes)"),
	SUM("socket", "L:OPTION=VALUE", relay_set_socket,
	    "SO_KEEPALIVE, TCP_KEEPIDLE, TCP_KEEPINTVL, TCP_KEEPCNT of both legs; L is a, l or r"),
	END
};

static const struct relay_key identity[] = {
	LIST("cert", "FILE", relay_set_list, plain.certificates, "Certificate chain (PEM); one more for each kind of key"),
	LIST("key", "FILE", relay_set_list, plain.keys, "Private key (PEM), unless it is in the chain's file"),
	ONE("CAfile", "FILE", relay_set_text, plain.ca_file, "Roots that the peer is verified by"),
	ONE("CApath", "FOLDER", relay_set_text, plain.ca_path, "The same as a folder of hashed names"),
	ONE("CRLfile", "FILE", relay_set_text, plain.crl_file, "Revocation lists; the issuer of the peer needs one"),
	ONE("CRLpath", "FOLDER", relay_set_text, plain.crl_path, "The same as a folder of hashed names"),
	ONE("verifyChain", "yes|no", relay_set_claim, plain.verify_chain,
	    "Verify the peer's chain (default: yes of servers, no of clients)"),
	ONE("verifyPeer", "yes|no", relay_set_claim, plain.verify_peer,
	    "Accept only certificates that stand in CAfile or CApath themselves"),
	ONE("verify", "0|1|2|3|4", relay_set_word, plain.verify,
	    "stunnel's levels: 2 as verifyChain, 4 as verifyPeer, 3 both; 1 takes clients without a certificate, too"),
	ONE("requireCert", "yes|no", relay_set_claim, plain.require_certificate,
	    "Refuse clients without a certificate (default: yes where they are verified)"),
	LIST("checkHost", "NAME", relay_set_list, plain.check_host,
	     "The certificate carries one of these names (default of servers: the host of connect)"),
	LIST("checkIP", "IP", relay_set_ips, plain.check_ip, "The certificate carries one of these addresses"),
	LIST("checkEmail", "ADDRESS", relay_set_list, plain.check_email, "The certificate carries one of these mail addresses"),
	ONE("allow", "FILE", relay_set_text, plain.allow_list,
	    "Only these peers: SHA-256 fingerprints or subjects, a line each"),
	END
};

static const struct relay_key tls[] = {
	ONE("sslVersion", "VERSION", relay_set_versions, plain.version_min, "This version alone: TLSv1.2, TLSv1.3, ..."),
	ONE("sslVersionMin", "VERSION", relay_set_version, plain.version_min, "The least version (default TLSv1.2)"),
	ONE("sslVersionMax", "VERSION", relay_set_version, plain.version_max, "The latest version"),
	ONE("ciphers", "LIST", relay_set_text, plain.ciphers, "Ciphers up to TLS 1.2, in OpenSSL's words"),
	ONE("ciphersuites", "LIST", relay_set_text, plain.ciphersuites, "Cipher suites of TLS 1.3, with colons between"),
	ONE("curves", "LIST", relay_set_text, plain.curves, "Groups for the key exchange, with colons between"),
	{ "securityLevel", "LEVEL", "OpenSSL's security level, 0 to 5", KEY_SERVICE, KEY_LAST, relay_set_number,
	  AT(plain.security_level), 0, 5 },
	SUM("options", "NAME", relay_set_options, "NO_TLSv1, NO_TLSv1.1, NO_TLSv1.2, NO_TLSv1.3, NO_TICKET; - in front undoes"),
	ONE("tickets", "yes|no", relay_set_claim, plain.tickets, "Clients may resume sessions by tickets (default yes)"),
	ONE("sessionResume", "yes|no", relay_set_claim, plain.tickets, "As tickets, in stunnel's word"),
	END
};

static const struct relay_key backend[] = {
	LIST("backendCert", "FILE", relay_set_list, backend.certificates, "As cert"),
	LIST("backendKey", "FILE", relay_set_list, backend.keys, "As key"),
	ONE("backendCAfile", "FILE", relay_set_text, backend.ca_file, "As CAfile (default: the system's roots)"),
	ONE("backendCApath", "FOLDER", relay_set_text, backend.ca_path, "As CApath"),
	ONE("backendCRLfile", "FILE", relay_set_text, backend.crl_file, "As CRLfile"),
	ONE("backendCRLpath", "FOLDER", relay_set_text, backend.crl_path, "As CRLpath"),
	ONE("backendVerifyChain", "yes|no", relay_set_claim, backend.verify_chain, "As verifyChain"),
	ONE("backendVerifyPeer", "yes|no", relay_set_claim, backend.verify_peer, "As verifyPeer"),
	LIST("backendCheckHost", "NAME", relay_set_list, backend.check_host, "As checkHost"),
	LIST("backendCheckIP", "IP", relay_set_ips, backend.check_ip, "As checkIP"),
	LIST("backendSni", "NAME", relay_set_names, backend.sni, "The server name to send; empty: none"),
	ONE("backendProtocol", "NAME", relay_set_protocol, backend.starttls, "As protocol"),
	ONE("backendAlpn", "NAMES", relay_set_alpn, backend.alpn, "As alpn"),
	ONE("backendSslVersionMin", "VERSION", relay_set_version, backend.version_min, "As sslVersionMin"),
	ONE("backendSslVersionMax", "VERSION", relay_set_version, backend.version_max, "As sslVersionMax"),
	ONE("backendCiphers", "LIST", relay_set_text, backend.ciphers, "As ciphers"),
	ONE("backendCiphersuites", "LIST", relay_set_text, backend.ciphersuites, "As ciphersuites"),
	ONE("backendCurves", "LIST", relay_set_text, backend.curves, "As curves"),
	END
};

static const struct relay_key endings[] = {
	ONE("profile", "NAME", relay_set_profile, profile,
	    "The application protocol, which tells where messages end (default auto: by protocol, ALPN or port)"),
	ONE("policy", "framed|strict|lax", relay_set_word, policy,
	    "When a missing close_notify is cut: unless a message is complete (default), always, never at a record's boundary"),
	ONE("trustFin", "yes|no", relay_set_claim, trusts_fin,
	    "The FIN of a plain leg is an end (default yes), or one only behind a complete message"),
	ONE("reportOnly", "yes|no", relay_set_claim, reports_only, "Pass every ending on as an end, and log what would have been cut"),
	ONE("abortWith", "alert|alert-reset|reset", relay_set_word, aborts_with,
	    "How a TLS peer is told: a fatal alert and FIN, the alert and RST, RST alone"),
	END
};

static const struct relay_key deadlines[] = {
	TIME("TIMEOUTbusy", KEY_SERVICE, busy_ms, 1, "For PROXY header, STARTTLS and handshake (default 300)"),
	TIME("TIMEOUTconnect", KEY_SERVICE, connect_ms, 1, "To connect to an address (default 10)"),
	TIME("TIMEOUTidle", KEY_SERVICE, idle_ms, 1, "Without a byte either way (default 43200)"),
	{ "TIMEOUTclose", "SECONDS", "To deliver, and to hear the peers' endings, once all is to end (default 60)",
	  KEY_SERVICE, KEY_LAST, relay_set_close, AT(close_ms), 0, 4000000 },
	TIME("drain", KEY_GLOBAL, drain_ms, 0, "On SIGTERM, for connections to come to their end (default 30)"),
	END
};

static const struct relay_key pools[] = {
	ONE("failover", "rr|prio", relay_set_word, balance, "Backends by turns, or in the order written (default prio)"),
	TIME("retryAfter", KEY_SERVICE, retry_ms, 0, "How long a backend that failed is passed over (default 10)"),
	TIME("resolve", KEY_SERVICE, resolve_ms, 1, "How long a backend's addresses are believed (default 60)"),
	END
};

static const struct relay_key process[] = {
	{ "workers", "N", "Threads (default 0: one a processor)", KEY_GLOBAL, KEY_LAST, relay_set_number, AT(workers), 0, 256 },
	{ "maxConnections", "N", "At most so many at a time, of the process or of the service (default: what open files allow)",
	  KEY_EITHER, KEY_LAST, relay_set_number, AT(max_connections), 0, 10000000 },
	PROCESS("metrics", "ADDR", relay_set_metrics, metrics, "Serve /metrics and /ready on a loopback [HOST:]PORT or unix:PATH"),
	PROCESS("pid", "FILE", relay_set_path, pid_file, "Write the process id there"),
	PROCESS("setuid", "USER", relay_set_path, set_user, "Become this user once it listens"),
	PROCESS("setgid", "GROUP", relay_set_path, set_group, "Become this group once it listens"),
	PROCESS("output", "FILE", relay_set_path, log_file, "Append the log there (default: standard error)"),
	PROCESS("logFormat", "logfmt|json", relay_set_word, log_format, "How a line of the log is written (default logfmt)"),
	{ "debug", "LEVEL", "From notice or 5 on (the default) every connection is logged, below only what went wrong",
	  KEY_EITHER, KEY_LAST, relay_set_level, AT(level), 0, 7 },
	END
};

static const struct relay_key others[] = {
	OTHER("foreground", relay_set_warning_if_off, "the relay stays in the foreground; let the service manager start it"),
	OTHER("syslog", relay_set_warning_if_on, "the log goes to standard error, which the service manager keeps, or to output"),
	OTHER("log", relay_set_log, "the log is appended to"),
	OTHER("service", relay_set_nothing, "a name for syslog and inetd"),
	OTHER("logId", relay_set_nothing, "lines of the log tell addresses and ports"),
	OTHER("delay", relay_set_nothing, "names are always looked up when they are needed"),
	OTHER("retry", relay_set_nothing, "concerns exec"),
	OTHER("pty", relay_set_nothing, "concerns exec"),
	OTHER("execArgs", relay_set_nothing, "concerns exec"),
	OTHER("stack", relay_set_nothing, "no connection has a stack of its own"),
	OTHER("TIMEOUTocsp", relay_set_nothing, "concerns OCSP"),
	OTHER("OCSPflag", relay_set_nothing, "concerns OCSP"),
	OTHER("OCSPnonce", relay_set_nothing, "concerns OCSP"),
	OTHER("RNDbytes", relay_set_nothing, "OpenSSL seeds itself"),
	OTHER("RNDfile", relay_set_nothing, "OpenSSL seeds itself"),
	OTHER("RNDoverwrite", relay_set_nothing, "OpenSSL seeds itself"),
	OTHER("EGD", relay_set_nothing, "OpenSSL seeds itself"),
	OTHER("sessionCacheSize", relay_set_nothing, "sessions are resumed by tickets, without a cache"),
	OTHER("sessionCacheTimeout", relay_set_nothing, "sessions are resumed by tickets, without a cache"),
	OTHER("session", relay_set_nothing, "sessions are resumed by tickets, without a cache"),
	OTHER("iconActive", relay_set_nothing, "of Windows"),
	OTHER("iconError", relay_set_nothing, "of Windows"),
	OTHER("iconIdle", relay_set_nothing, "of Windows"),
	OTHER("taskbar", relay_set_nothing, "of Windows"),
	OTHER("protocolHost", relay_set_warning, "the dialogue names the host of connect"),
	OTHER("reset", relay_set_warning_if_off, "a cut is always told; abortWith says how"),
	OTHER("renegotiation", relay_set_warning_if_on, "nobody renegotiates here"),
	OTHER("compression", relay_set_warning_if_on, "TLS does not compress here; compression gives secrets away"),
	OTHER("sessiond", relay_set_warning, "sessions are not shared with other machines"),
	OTHER("ticketKeySecret", relay_set_warning, "ticket keys are made anew; sessions are not shared with other machines"),
	OTHER("ticketMacSecret", relay_set_warning, "ticket keys are made anew; sessions are not shared with other machines"),
	OTHER("chroot", relay_set_warning, "paths are taken as they stand; RootDirectory= of the service manager does this"),
	OTHER("OCSP", relay_set_warning, "nobody is asked about revocation; CRLfile and CRLpath are looked at"),
	OTHER("OCSPaia", relay_set_warning_if_on, "nobody is asked about revocation; CRLfile and CRLpath are looked at"),
	OTHER("OCSPrequire", relay_set_warning_if_on, "nobody is asked about revocation; CRLfile and CRLpath are looked at"),
	OTHER("engine", relay_set_warning, "keys come from files"),
	OTHER("engineCtrl", relay_set_warning, "keys come from files"),
	OTHER("engineDefault", relay_set_warning, "keys come from files"),
	OTHER("engineId", relay_set_warning, "keys come from files"),
	OTHER("engineNum", relay_set_warning, "keys come from files"),
	OTHER("CAengine", relay_set_refusal, "roots come from files; write CAfile"),
	OTHER("fips", relay_set_refusal_if_on, "the library's own configuration turns FIPS mode on (see fips_config(5)); leave the key out"),
	OTHER("libwrap", relay_set_refusal_if_on, "hosts.allow is not read; let the firewall or IPAddressAllow= do it, and leave the key out"),
	OTHER("ident", relay_set_refusal, "nobody is asked who the client is; use verifyChain and allow"),
	OTHER("exec", relay_set_refusal, "no program is run; let a socket unit of systemd run it, and connect to that"),
	OTHER("transparent", relay_set_refusal_if_on, "connections come from this machine; proxyOut = v2 tells the client's address"),
	OTHER("redirect", relay_set_refusal, "clients that are not verified are refused; leave it out"),
	OTHER("config", relay_set_refusal, "OpenSSL's commands are not taken; use openssl.cnf, or the key for what it does"),
	OTHER("PSKidentity", relay_set_refusal, "pre-shared keys are not spoken; use certificates and allow"),
	OTHER("PSKsecrets", relay_set_refusal, "pre-shared keys are not spoken; use certificates and allow"),
	OTHER("protocolAuthentication", relay_set_refusal, "nobody is logged in on a client's behalf"),
	OTHER("protocolDomain", relay_set_refusal, "nobody is logged in on a client's behalf"),
	OTHER("protocolHeader", relay_set_refusal, "nobody is logged in on a client's behalf"),
	OTHER("protocolPassword", relay_set_refusal, "nobody is logged in on a client's behalf"),
	OTHER("protocolUsername", relay_set_refusal, "nobody is logged in on a client's behalf"),
	{ "TIMEOUTdrain", NULL, "drain, by another name", KEY_GLOBAL, KEY_LAST, relay_set_seconds, AT(drain_ms), 0, 4000000 },
	END
};
/* clang-format on */

const struct relay_key_group relay_key_groups[] = {
	{ "Legs", legs },
	{ "Certificates, and who is believed", identity },
	{ "TLS", tls },
	{ "The connecting leg, where both legs speak TLS", backend },
	{ "Endings", endings },
	{ "Deadlines", deadlines },
	{ "Several backends", pools },
	{ "The process and its log", process },
	{ "Keys of stunnel's that do nothing here", others },
	{ NULL, NULL },
};

const struct relay_key *relay_key_at(size_t index)
{
	for (const struct relay_key_group *g = relay_key_groups; g->title != NULL; g++)
		for (const struct relay_key *k = g->keys; k->name != NULL; k++)
			if (index-- == 0)
				return k;
	return NULL;
}

const struct relay_key *relay_key_find(const char *name)
{
	for (const struct relay_key_group *g = relay_key_groups; g->title != NULL; g++)
		for (const struct relay_key *k = g->keys; k->name != NULL; k++)
			if (strcasecmp(k->name, name) == 0)
				return k;
	return NULL;
}

size_t relay_key_index(const struct relay_key *key)
{
	size_t i = 0;

	for (const struct relay_key_group *g = relay_key_groups; g->title != NULL; g++)
		for (const struct relay_key *k = g->keys; k->name != NULL; k++, i++)
			if (k == key)
				return i;
	return i;
}

static void lower(char *out, size_t cap, const char *text)
{
	size_t n = 0;

	for (; text[n] != '\0' && n + 1 < cap; n++)
		out[n] = text[n] >= 'A' && text[n] <= 'Z' ? (char)(text[n] - 'A' + 'a') : text[n];
	out[n] = '\0';
}

const struct relay_key *relay_key_nearest(const char *name)
{
	char wanted[LETTERS_MAX + 2], known[LETTERS_MAX + 2];
	const struct relay_key *nearest = NULL, *k;
	unsigned least = (unsigned)(strlen(name) < 6 ? 1 : 2) + 1;

	lower(wanted, sizeof wanted, name);
	for (size_t i = 0; (k = relay_key_at(i)) != NULL; i++) {
		unsigned between;

		lower(known, sizeof known, k->name);
		between = letters_between(wanted, known);
		if (between >= least)
			continue;
		least = between;
		nearest = k;
	}
	return nearest;
}

bool relay_key_is_claim(const struct relay_key *key)
{
	return key->set == relay_set_claim;
}
