/* tls_explain: why a handshake failed, in the words of the relay's configuration.  Order matters:
 * what we refused comes first, since the peer's answer to that says less; that it went away comes
 * last.
 */
#include <openssl/x509v3.h>
#include <string.h>

#include "net/context.h"
#include "relay/tls_inside.h"

static const char *who(const SSL *ssl)
{
	return SSL_is_server(ssl) == 1 ? "the client" : "the server";
}

static const char *words_of(long result)
{
	switch (result) {
	case X509_V_ERR_CERT_REJECTED:
		return "it does not stand in the list of allow";
	case X509_V_ERR_CERT_UNTRUSTED:
		return "it does not stand in CAfile or CApath itself, as verifyPeer wants";
	case X509_V_ERR_HOSTNAME_MISMATCH:
	case X509_V_ERR_IP_ADDRESS_MISMATCH:
	case X509_V_ERR_EMAIL_MISMATCH:
		return "it is for another name; the right ones are said with checkHost or checkIP";
	case X509_V_ERR_UNABLE_TO_GET_CRL:
		return "its issuer has no list in CRLfile or CRLpath";
	case X509_V_ERR_CRL_HAS_EXPIRED:
		return "a list in CRLfile or CRLpath has expired; get a new one and reload";
	case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
	case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
	case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
		return "no root here vouches for it; CAfile and CApath name roots";
	default:
		return X509_verify_cert_error_string(result);
	}
}

static void explain_certificate(const SSL *ssl, long result, struct failure *f)
{
	const X509 *x509 = context_refused_certificate(ssl);
	char subject[200] = "";

	if (x509 != NULL)
		(void)tls_allow_subject(x509, subject, sizeof subject);
	failure_set(f, "%s's certificate%s%s%s was refused: %s", who(ssl),
	            subject[0] != '\0' ? " (" : "", subject, subject[0] != '\0' ? ")" : "",
	            words_of(result));
}

/* What our alert meant. */
static const struct {
	uint8_t description;
	const char *words;
} sent[] = {
	{ SSL_AD_CERTIFICATE_REQUIRED, "showed no certificate" },
	{ SSL_AD_HANDSHAKE_FAILURE, "has no cipher, curve or signature in common with us" },
	{ SSL_AD_PROTOCOL_VERSION,
	  "speaks none of our versions; sslVersionMin and sslVersionMax say which" },
	{ SSL_AD_NO_APPLICATION_PROTOCOL, "speaks none of the protocols of alpn" },
	{ SSL_AD_INAPPROPRIATE_FALLBACK, "fell back to an older version by itself" },
	{ SSL_AD_INSUFFICIENT_SECURITY, "offers less than our securityLevel demands" },
};

/* What the peer's alert means. */
static const struct {
	uint8_t description;
	const char *words;
} received[] = {
	{ SSL_AD_UNKNOWN_CA, "it does not trust our certificate" },
	{ SSL_AD_BAD_CERTIFICATE, "it does not accept our certificate" },
	{ SSL_AD_CERTIFICATE_UNKNOWN, "it does not accept our certificate" },
	{ SSL_AD_CERTIFICATE_EXPIRED, "our certificate has expired, it says" },
	{ SSL_AD_CERTIFICATE_REVOKED, "our certificate was revoked, it says" },
	{ SSL_AD_CERTIFICATE_REQUIRED, "it wants a certificate of ours; name one with cert" },
	{ SSL_AD_PROTOCOL_VERSION, "it speaks none of our versions" },
	{ SSL_AD_HANDSHAKE_FAILURE, "no cipher in common, or it wants a certificate of ours" },
	{ SSL_AD_NO_APPLICATION_PROTOCOL, "it speaks none of the protocols of alpn" },
	{ SSL_AD_UNRECOGNIZED_NAME, "it does not know the name; say another with sni" },
};

/* TLS 1.2 has no alert of its own for it: the cipher was chosen, and no certificate came. */
static bool missed_certificate(const SSL *ssl, uint8_t description)
{
	return description == SSL_AD_HANDSHAKE_FAILURE && SSL_is_server(ssl) == 1 &&
	       (SSL_get_verify_mode(ssl) & SSL_VERIFY_FAIL_IF_NO_PEER_CERT) != 0 &&
	       SSL_get_pending_cipher(ssl) != NULL && SSL_get0_peer_certificate(ssl) == NULL;
}

static void explain_sent(const SSL *ssl, uint8_t description, struct failure *f)
{
	if (missed_certificate(ssl, description))
		description = SSL_AD_CERTIFICATE_REQUIRED;
	for (size_t i = 0; i < sizeof sent / sizeof *sent; i++)
		if (sent[i].description == description) {
			failure_set(f, "%s %s", who(ssl), sent[i].words);
			return;
		}
	failure_set(f, "what %s sent is no proper handshake; we answered with the alert %s",
	            who(ssl), lw_alert_name(description));
}

static void explain_received(const SSL *ssl, uint8_t description, struct failure *f)
{
	const char *words = NULL;

	for (size_t i = 0; i < sizeof received / sizeof *received; i++)
		if (received[i].description == description)
			words = received[i].words;
	failure_set(f, "%s refused the handshake with the alert %s%s%s%s", who(ssl),
	            lw_alert_name(description), words != NULL ? " (" : "",
	            words != NULL ? words : "", words != NULL ? ")" : "");
}

void relay_tls_explain(const SSL *ssl, const struct lw_verdict *v, struct failure *f)
{
	const long result = SSL_get_verify_result(ssl);

	if (result != X509_V_OK && SSL_get_verify_mode(ssl) != SSL_VERIFY_NONE)
		explain_certificate(ssl, result, f);
	else if (v->alert_received.present)
		explain_received(ssl, v->alert_received.description, f);
	else if (v->alert_sent.present && v->alert_sent.description != SSL_AD_CLOSE_NOTIFY)
		explain_sent(ssl, v->alert_sent.description, f);
	else if (v->read == LW_ENDING_RESET || v->write == LW_ENDING_RESET)
		failure_set(f, "%s reset the connection in the handshake", who(ssl));
	else
		failure_set(f, "%s ended the connection in the handshake", who(ssl));
}
