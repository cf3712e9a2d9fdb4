/* values_tls: the setters of what concerns TLS and the dialogue before it; see draft.h. */
#include <ctype.h>
#include <openssl/tls1.h>
#include <string.h>
#include <strings.h>

#include "net/context.h"
#include "net/letters.h"
#include "relay/draft.h"

RELAY_SETTER(relay_set_protocol)
{
	const struct starttls_row **row = relay_draft_field(d, line);
	char name[32];
	size_t n = strlen(line->value);

	if (row == &d->plain.starttls)
		d->protocol_is_proxy = false;
	*row = NULL;
	if (strcasecmp(line->value, "proxy") == 0) {
		d->protocol_is_proxy = true;
		return true;
	}
	for (size_t i = 0; i <= n && i < sizeof name; i++)
		name[i] = (char)tolower((unsigned char)line->value[i]);
	if (n < sizeof name)
		*row = starttls_find(strcmp(name, "pgsql") == 0 ? "postgres" : name);
	if (*row != NULL)
		return true;
	return relay_line_refuse(line, f,
	                         "that dialogue is not spoken here; write one of smtp, "
	                         "imap, pop3, ldap, ftp, xmpp, postgres, proxy");
}

static const struct {
	const char *name;
	int version; /* -1: spoken no more */
} versions[] = {
	{ "all", 0 },
	{ "SSLv2", -1 },
	{ "SSLv3", -1 },
	{ "TLSv1", TLS1_VERSION },
	{ "TLSv1.0", TLS1_VERSION },
	{ "TLSv1.1", TLS1_1_VERSION },
	{ "TLSv1.2", TLS1_2_VERSION },
	{ "TLSv1.3", TLS1_3_VERSION },
	{ "1.0", TLS1_VERSION },
	{ "1.1", TLS1_1_VERSION },
	{ "1.2", TLS1_2_VERSION },
	{ "1.3", TLS1_3_VERSION },
};

RELAY_SETTER(relay_set_version)
{
	int *version = relay_draft_field(d, line);

	for (size_t i = 0; i < sizeof versions / sizeof *versions; i++) {
		if (strcasecmp(versions[i].name, line->value) != 0)
			continue;
		*version = versions[i].version;
		if (*version == -1)
			return relay_line_refuse(line, f,
			                         "that version is spoken nowhere any "
			                         "more; write TLSv1.2 or TLSv1.3");
		return true;
	}
	return relay_line_refuse(line, f, "write one of TLSv1.3, TLSv1.2, TLSv1.1, TLSv1 and all");
}

RELAY_SETTER(relay_set_versions)
{
	if (!relay_set_version(d, line, f))
		return false;
	d->plain.version_max = d->plain.version_min;
	return true;
}

RELAY_SETTER(relay_set_alpn)
{
	unsigned char wire[512];

	if (context_alpn_wire(line->value, wire, sizeof wire) == 0)
		return relay_line_refuse(line, f,
		                         "write names of 1 to 255 characters with commas "
		                         "between, as h2,http/1.1");
	return relay_set_text(d, line, f);
}

enum { EFFECT_NONE, EFFECT_WARNED, EFFECT_TICKETS, EFFECT_VERSION };

/* OpenSSL's options, by what they are to the relay; a version's is its number from TLS 1.0. */
static const struct {
	const char *name;
	int effect, version;
} options[] = {
	{ "NO_TLSv1", EFFECT_VERSION, 0 },
	{ "NO_TLSv1.1", EFFECT_VERSION, 1 },
	{ "NO_TLSv1_1", EFFECT_VERSION, 1 },
	{ "NO_TLSv1.2", EFFECT_VERSION, 2 },
	{ "NO_TLSv1_2", EFFECT_VERSION, 2 },
	{ "NO_TLSv1.3", EFFECT_VERSION, 3 },
	{ "NO_TLSv1_3", EFFECT_VERSION, 3 },
	{ "NO_TICKET", EFFECT_TICKETS, 0 },
	{ "ALL", EFFECT_NONE, 0 },
	{ "CIPHER_SERVER_PREFERENCE", EFFECT_NONE, 0 },
	{ "CRYPTOPRO_TLSEXT_BUG", EFFECT_NONE, 0 },
	{ "DONT_INSERT_EMPTY_FRAGMENTS", EFFECT_NONE, 0 },
	{ "EPHEMERAL_RSA", EFFECT_NONE, 0 },
	{ "MICROSOFT_BIG_SSLV3_BUFFER", EFFECT_NONE, 0 },
	{ "MICROSOFT_SESS_ID_BUG", EFFECT_NONE, 0 },
	{ "MSIE_SSLV2_RSA_PADDING", EFFECT_NONE, 0 },
	{ "NETSCAPE_CA_DN_BUG", EFFECT_NONE, 0 },
	{ "NETSCAPE_CHALLENGE_BUG", EFFECT_NONE, 0 },
	{ "NETSCAPE_DEMO_CIPHER_CHANGE_BUG", EFFECT_NONE, 0 },
	{ "NETSCAPE_REUSE_CIPHER_CHANGE_BUG", EFFECT_NONE, 0 },
	{ "NO_COMPRESSION", EFFECT_NONE, 0 },
	{ "NO_RENEGOTIATION", EFFECT_NONE, 0 },
	{ "NO_SESSION_RESUMPTION_ON_RENEGOTIATION", EFFECT_NONE, 0 },
	{ "NO_SSLv2", EFFECT_NONE, 0 },
	{ "NO_SSLv3", EFFECT_NONE, 0 },
	{ "PKCS1_CHECK_1", EFFECT_NONE, 0 },
	{ "PKCS1_CHECK_2", EFFECT_NONE, 0 },
	{ "PRIORITIZE_CHACHA", EFFECT_NONE, 0 },
	{ "SINGLE_DH_USE", EFFECT_NONE, 0 },
	{ "SINGLE_ECDH_USE", EFFECT_NONE, 0 },
	{ "SSLEAY_080_CLIENT_DH_BUG", EFFECT_NONE, 0 },
	{ "SSLREF2_REUSE_CERT_TYPE_BUG", EFFECT_NONE, 0 },
	{ "TLS_BLOCK_PADDING_BUG", EFFECT_NONE, 0 },
	{ "TLS_D5_BUG", EFFECT_NONE, 0 },
	{ "TLS_ROLLBACK_BUG", EFFECT_NONE, 0 },
	{ "ALLOW_CLIENT_RENEGOTIATION", EFFECT_WARNED, 0 },
	{ "ALLOW_NO_DHE_KEX", EFFECT_WARNED, 0 },
	{ "ALLOW_UNSAFE_LEGACY_RENEGOTIATION", EFFECT_WARNED, 0 },
	{ "CISCO_ANYCONNECT", EFFECT_WARNED, 0 },
	{ "CLEANSE_PLAINTEXT", EFFECT_WARNED, 0 },
	{ "COOKIE_EXCHANGE", EFFECT_WARNED, 0 },
	{ "DISABLE_TLSEXT_CA_NAMES", EFFECT_WARNED, 0 },
	{ "ENABLE_KTLS", EFFECT_WARNED, 0 },
	{ "ENABLE_MIDDLEBOX_COMPAT", EFFECT_WARNED, 0 },
	{ "IGNORE_UNEXPECTED_EOF", EFFECT_WARNED, 0 },
	{ "LEGACY_SERVER_CONNECT", EFFECT_WARNED, 0 },
	{ "NO_ANTI_REPLAY", EFFECT_WARNED, 0 },
	{ "NO_ENCRYPT_THEN_MAC", EFFECT_WARNED, 0 },
	{ "NO_EXTENDED_MASTER_SECRET", EFFECT_WARNED, 0 },
	{ "NO_QUERY_MTU", EFFECT_WARNED, 0 },
};

static bool refuse_option(const struct relay_line *line, const char *name, struct failure *f)
{
	size_t nearest = 0, i;
	unsigned least = 4;

	for (i = 0; i < sizeof options / sizeof *options; i++) {
		unsigned between = letters_between(options[i].name, name);

		nearest = between < least ? i : nearest;
		least = between < least ? between : least;
	}
	if (least < 4)
		return relay_line_refuse(line, f, "OpenSSL has no such option; did you mean %s?",
		                         options[nearest].name);
	return relay_line_refuse(line, f, "no such option is known here; leave it out");
}

RELAY_SETTER(relay_set_options)
{
	bool undoes = line->value[0] == '-';
	const char *name = line->value + undoes;
	size_t i = 0;

	while (i < sizeof options / sizeof *options && strcasecmp(options[i].name, name) != 0)
		i++;
	if (i == sizeof options / sizeof *options)
		return refuse_option(line, name, f);
	if (options[i].effect == EFFECT_TICKETS)
		d->plain.tickets = undoes ? 1 : 0;
	if (options[i].effect == EFFECT_VERSION && undoes)
		d->plain.versions_off &= ~(1u << options[i].version);
	if (options[i].effect == EFFECT_VERSION && !undoes)
		d->plain.versions_off |= 1u << options[i].version;
	if (options[i].effect == EFFECT_WARNED && !undoes)
		return relay_draft_warn(d, line, f, "%s changes nothing here", name);
	if (undoes && strncasecmp(name, "NO_SSLv", 7) == 0)
		return relay_draft_warn(d, line, f, "SSL is spoken nowhere any more");
	return true;
}
