/* handshake: see handshake.h.  It must not do I/O.  Order matters: the most telling fact comes
 * first, so a certificate that was refused is told as such although we also sent an alert.
 */
#include "net/handshake.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>

#include "net/context.h"

#define OR_K "or -k to accept any certificate"

/* What OpenSSL's verify result means to a person, and what to do. */
static const struct {
	long result;
	const char *words, *next;
} verify_rows[] = {
	{ X509_V_ERR_CERT_HAS_EXPIRED, "the certificate has expired",
	  "the server needs a new one; -k to accept it all the same" },
	{ X509_V_ERR_CERT_NOT_YET_VALID, "the certificate is not valid yet",
	  "check this machine's clock; -k to accept it all the same" },
	{ X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT,
	  "the certificate is self-signed, so nobody vouches "
	  "for it",
	  "give it with --cacert FILE, " OR_K },
	{ X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN, "the certificate's root is not trusted here",
	  "give the root with --cacert FILE, " OR_K },
	{ X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY,
	  "the certificate's issuer is not trusted here",
	  "give the root with --cacert FILE, " OR_K },
	{ X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE,
	  "the certificate's issuer is not trusted here",
	  "give the root with --cacert FILE, " OR_K },
	{ X509_V_ERR_CERT_REVOKED, "the certificate was revoked", "do not go on" },
	{ X509_V_ERR_HOSTNAME_MISMATCH, "the certificate is for another name",
	  "give the name with --servername, " OR_K },
	{ X509_V_ERR_IP_ADDRESS_MISMATCH, "the certificate is not for this address",
	  "give the name with --servername, " OR_K },
};

/* The names a certificate carries, for the sentence: "a.example, b.example". */
static void list_names(const SSL *ssl, char *buf, size_t cap)
{
	const X509 *certificate = context_refused_certificate(ssl);
	GENERAL_NAMES *names = NULL;
	size_t at = 0;

	buf[0] = '\0';
	if (certificate == NULL)
		return;
	names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
	for (int i = 0; i < sk_GENERAL_NAME_num(names) && at < cap; i++) {
		const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);

		if (name->type != GEN_DNS)
			continue;
		at += (size_t)snprintf(buf + at, cap - at, "%s%.*s", at > 0 ? ", " : "",
		                       ASN1_STRING_length(name->d.dNSName),
		                       (const char *)ASN1_STRING_get0_data(name->d.dNSName));
	}
	GENERAL_NAMES_free(names);
}

static void explain_verify(const struct handshake_end *end, long result, struct failure *f)
{
	const char *words = X509_verify_cert_error_string(result);
	const char *next = "give a root with --cacert FILE, " OR_K;
	char names[200] = "";

	for (size_t i = 0; i < sizeof verify_rows / sizeof *verify_rows; i++) {
		if (verify_rows[i].result != result)
			continue;
		words = verify_rows[i].words;
		next = verify_rows[i].next;
	}
	if (result == X509_V_ERR_HOSTNAME_MISMATCH || result == X509_V_ERR_IP_ADDRESS_MISMATCH)
		list_names(end->ssl, names, sizeof names);
	failure_set(f, "the certificate of %s was not accepted for %s: %s%s%s%s; %s", end->peer,
	            end->name, words, names[0] != '\0' ? " (it names " : "", names,
	            names[0] != '\0' ? ")" : "", next);
}

bool handshake_is_no_tls(const unsigned char *first, size_t n)
{
	enum { ALERT = 21, HANDSHAKE = 22, MAJOR = 3 };

	if (n == 0)
		return false;
	return (first[0] != ALERT && first[0] != HANDSHAKE) || (n > 1 && first[1] != MAJOR);
}

/* What speaks there, by its first octets, as far as that helps. */
static void explain_no_tls(const struct handshake_end *end, struct failure *f)
{
	static const struct {
		const char *prefix, *what;
	} rows[] = {
		{ "HTTP/", "it answers plain HTTP; is there another port for https?" },
		{ "SSH-", "it speaks SSH" },
		{ "220", "it greets like SMTP or FTP; try --starttls smtp or --starttls ftp" },
		{ "* OK", "it greets like IMAP; try --starttls imap" },
		{ "+OK", "it greets like POP3; try --starttls pop3" },
		{ "<", "it speaks XML; try --starttls xmpp, or is there another port for https?" },
	};
	const char *what = "check the port, or whether it needs --starttls";

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		size_t n = strlen(rows[i].prefix);

		if (n <= end->first_bytes && memcmp(end->first, rows[i].prefix, n) == 0)
			what = rows[i].what;
	}
	failure_set(f, "the peer at %s speaks no TLS: %s", end->peer, what);
}

static void explain_alert(const struct handshake_end *end, struct failure *f)
{
	static const struct {
		uint8_t description;
		const char *next;
	} rows[] = {
		{ SSL_AD_HANDSHAKE_FAILURE,
		  "no cipher in common, or it wants --cert; try --tls 1.0-1.3" },
		{ SSL_AD_PROTOCOL_VERSION, "it speaks none of our versions; try --tls 1.0-1.3" },
		{ SSL_AD_UNRECOGNIZED_NAME, "it does not know that name; try --servername" },
		{ SSL_AD_NO_APPLICATION_PROTOCOL,
		  "it speaks none of those protocols; check --alpn" },
		{ SSL_AD_CERTIFICATE_REQUIRED,
		  "it wants a certificate of ours; give --cert and --key" },
		{ SSL_AD_UNKNOWN_CA, "it does not trust our certificate; check --cert" },
		{ SSL_AD_BAD_CERTIFICATE, "it does not accept our certificate; check --cert" },
	};
	uint8_t description = end->verdict->alert_received.description;
	const char *next = "see the server's log";

	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		if (rows[i].description == description)
			next = rows[i].next;
	if (description == SSL_AD_CLOSE_NOTIFY)
		failure_set(f, "%s closed TLS (close_notify) before the handshake was done; %s",
		            end->peer, next);
	else
		failure_set(f, "%s refused the handshake with the alert %s; %s", end->peer,
		            lw_alert_name(description), next);
}

/* The transport's part, and what is left when nothing more telling is known. */
static void explain_rest(const struct handshake_end *end, struct failure *f)
{
	const char *reason = ERR_reason_error_string(ERR_peek_last_error());
	const struct lw_verdict *v = end->verdict;

	if (end->timed_out)
		failure_set(f,
		            "the handshake with %s timed out after %g s; is it a TLS port? raise "
		            "--connect-timeout if it is slow",
		            end->peer, end->timeout_ms / 1000.0);
	else if (v->read == LW_ENDING_RESET || v->write == LW_ENDING_RESET)
		failure_set(f,
		            "%s reset the connection in the handshake; see the server's log, or "
		            "check the port",
		            end->peer);
	else if (v->read == LW_ENDING_TRUNCATED)
		failure_set(f,
		            "%s ended the connection in the handshake; see the server's log, or "
		            "check the port",
		            end->peer);
	else if (v->alert_sent.present && v->alert_sent.description == SSL_AD_PROTOCOL_VERSION)
		failure_set(f, "%s speaks none of our versions; try --tls 1.0-1.3", end->peer);
	else if (reason != NULL)
		failure_set(f, "the handshake with %s failed: %s", end->peer, reason);
	else if (v->alert_sent.present)
		failure_set(f, "the handshake with %s failed, and we sent the alert %s", end->peer,
		            lw_alert_name(v->alert_sent.description));
	else
		failure_set(f, "the handshake with %s failed", end->peer);
}

/* What OpenSSL says when it was handed something else than a record, and nobody kept the octets. */
static bool library_met_no_tls(void)
{
	int reason = ERR_GET_REASON(ERR_peek_last_error());

	return ERR_GET_LIB(ERR_peek_last_error()) == ERR_LIB_SSL &&
	       (reason == SSL_R_WRONG_VERSION_NUMBER || reason == SSL_R_HTTP_REQUEST);
}

void handshake_explain(const struct handshake_end *end, struct failure *f)
{
	long result = SSL_get_verify_result(end->ssl);

	if (result != X509_V_OK && SSL_get_verify_mode(end->ssl) != SSL_VERIFY_NONE)
		explain_verify(end, result, f);
	else if (handshake_is_no_tls(end->first, end->first_bytes) || library_met_no_tls())
		explain_no_tls(end, f);
	else if (end->verdict->alert_received.present)
		explain_alert(end, f);
	else
		explain_rest(end, f);
}
