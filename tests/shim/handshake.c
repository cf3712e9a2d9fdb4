/* handshake: see handshake.h. */
#include "handshake.h"

#include <openssl/err.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <string.h>

static SSL_SESSION *last_session; /* a client's newest */

static bool said(const char *what)
{
	fprintf(stderr, "shim: %s\n", what);
	ERR_print_errors_fp(stderr);
	return false;
}

static int keep_session(SSL *ssl, SSL_SESSION *session)
{
	(void)ssl;
	SSL_SESSION_free(last_session);
	last_session = session;
	return 1;
}

void shim_drop_session(void)
{
	SSL_SESSION_free(last_session);
	last_session = NULL;
}

/* Without a certificate to trust, every chain is as good as the flags say. */
static int verify_chain(X509_STORE_CTX *store, void *unused)
{
	SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
	const struct shim_flags *flags = SSL_get_app_data(ssl);

	(void)unused;
	if (flags->verify_fail) {
		X509_STORE_CTX_set_error(store, X509_V_ERR_APPLICATION_VERIFICATION);
		return 0;
	}
	if (flags->trust_cert)
		return X509_verify_cert(store);
	X509_STORE_CTX_set_error(store, X509_V_OK);
	return 1;
}

static int select_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_len,
                       const unsigned char *in, unsigned in_len, void *unused)
{
	const struct shim_flags *flags = SSL_get_app_data(ssl);
	const char *expected = flags->expect_advertised_alpn;

	(void)unused;
	if (expected && (strlen(expected) != in_len || memcmp(expected, in, in_len) != 0)) {
		said("the client advertises other ALPN names than expected");
		return SSL_TLSEXT_ERR_ALERT_FATAL;
	}
	if (flags->reject_alpn)
		return SSL_TLSEXT_ERR_ALERT_FATAL;
	if (flags->decline_alpn || !flags->select_alpn)
		return SSL_TLSEXT_ERR_NOACK;
	*out = (const unsigned char *)flags->select_alpn;
	*out_len = (unsigned char)strlen(flags->select_alpn);
	return SSL_TLSEXT_ERR_OK;
}

SSL_CTX *shim_context(const struct shim_flags *flags)
{
	static const unsigned char name[] = "shim";
	SSL_CTX *ctx = SSL_CTX_new(flags->server ? TLS_server_method() : TLS_client_method());

	if (!ctx) {
		said("no context");
		return NULL;
	}
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_BOTH);
	SSL_CTX_set_cert_verify_callback(ctx, verify_chain, NULL);
	SSL_CTX_set_alpn_select_cb(ctx, select_alpn, NULL);
	if (!flags->server)
		SSL_CTX_sess_set_new_cb(ctx, keep_session);
	/* The old versions are asked for by name, and no suite of theirs is above this level. */
	SSL_CTX_set_security_level(ctx, 0);
	if (SSL_CTX_set_session_id_context(ctx, name, sizeof name - 1) == 1 &&
	    (!flags->trust_cert ||
	     SSL_CTX_load_verify_locations(ctx, flags->trust_cert, NULL) == 1))
		return ctx;
	said("the certificate to trust cannot be read");
	SSL_CTX_free(ctx);
	return NULL;
}

static bool set_versions(SSL *ssl, const struct shim_flags *flags)
{
	const struct {
		bool off;
		uint64_t option;
	} rows[] = { { flags->no_tls1, SSL_OP_NO_TLSv1 },
		     { flags->no_tls11, SSL_OP_NO_TLSv1_1 },
		     { flags->no_tls12, SSL_OP_NO_TLSv1_2 },
		     { flags->no_tls13, SSL_OP_NO_TLSv1_3 },
		     { flags->no_ticket, SSL_OP_NO_TICKET } };

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		if (rows[i].off)
			SSL_set_options(ssl, rows[i].option);
	return SSL_set_min_proto_version(ssl, flags->min_version ? (int)flags->min_version
	                                                         : TLS1_VERSION) == 1 &&
	       SSL_set_max_proto_version(ssl, (int)flags->max_version) == 1;
}

static bool set_certificate(SSL *ssl, const struct shim_flags *flags)
{
	const char *key = flags->key_file ? flags->key_file : flags->cert_file;

	if (!flags->cert_file)
		return true;
	return SSL_use_certificate_chain_file(ssl, flags->cert_file) == 1 &&
	       SSL_use_PrivateKey_file(ssl, key, SSL_FILETYPE_PEM) == 1;
}

static bool set_names(SSL *ssl, const struct shim_flags *flags)
{
	const char *alpn = flags->advertise_alpn;

	if (flags->host_name && SSL_set_tlsext_host_name(ssl, flags->host_name) != 1)
		return false;
	if (flags->cipher && SSL_set_cipher_list(ssl, flags->cipher) != 1)
		return false;
	return !alpn ||
	       SSL_set_alpn_protos(ssl, (const unsigned char *)alpn, (unsigned)strlen(alpn)) == 0;
}

static int verify_mode(const struct shim_flags *flags)
{
	if (flags->require_any_client_certificate)
		return SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
	return flags->verify_peer ? SSL_VERIFY_PEER : SSL_VERIFY_NONE;
}

SSL *shim_ssl(SSL_CTX *ctx, const struct shim_flags *flags, bool resumes)
{
	SSL *ssl = SSL_new(ctx);

	if (!ssl)
		return NULL;
	SSL_set_app_data(ssl, (void *)flags);
	SSL_set_verify(ssl, verify_mode(flags), NULL);
	if (flags->server)
		SSL_set_accept_state(ssl);
	else
		SSL_set_connect_state(ssl);
	if (set_versions(ssl, flags) && set_certificate(ssl, flags) && set_names(ssl, flags) &&
	    (!resumes || !last_session || SSL_set_session(ssl, last_session) == 1))
		return ssl;
	said("OpenSSL refuses what a flag asks for");
	SSL_free(ssl);
	return NULL;
}

static bool is_text(const char *expected, const void *got, size_t len)
{
	return strlen(expected) == len && memcmp(expected, got, len) == 0;
}

static bool names_agreed(const SSL *ssl, const struct shim_flags *flags)
{
	const char *expected = flags->server ? flags->select_alpn : flags->expect_alpn;
	const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
	const unsigned char *alpn;
	unsigned len;

	SSL_get0_alpn_selected(ssl, &alpn, &len);
	if (!is_text(expected ? expected : "", alpn ? alpn : (const unsigned char *)"", len))
		return said("another ALPN name was agreed than expected");
	if (flags->expect_server_name && (!name || strcmp(name, flags->expect_server_name) != 0))
		return said("the client names another server than expected");
	return true;
}

bool shim_agreed(const SSL *ssl, const struct shim_flags *flags, bool resumes)
{
	const long result = flags->verify_fail ? X509_V_ERR_APPLICATION_VERIFICATION : X509_V_OK;
	const bool reused = SSL_session_reused(ssl) == 1;

	if (flags->expect_version && SSL_version(ssl) != (int)flags->expect_version)
		return said("another version was agreed than expected");
	if (flags->expect_cipher &&
	    SSL_CIPHER_get_protocol_id(SSL_get_current_cipher(ssl)) != flags->expect_cipher)
		return said("another cipher suite was agreed than expected");
	if (reused != (resumes && !flags->expect_session_miss))
		return said(reused ? "the session was resumed, unexpectedly"
		                   : "the session was not resumed");
	if (flags->expect_verify_result && SSL_get_verify_result(ssl) != result)
		return said("another result of verification than expected");
	if (flags->expect_extended_master_secret && SSL_get_extms_support((SSL *)ssl) != 1)
		return said("no extended master secret");
	return names_agreed(ssl, flags);
}
