/* tls_verify: whether a leg's peer is who it has to be: its chain, revocation, the allow-list, the
 * names it must carry.  All of it is decided inside OpenSSL's verification, so that who is refused
 * gets an alert, and no octet of his gets through.
 *
 * Whoever shows a certificate that was asked for is verified: one that nothing is held against
 * would prove nothing.  On connections that we make the system's roots are believed where none are
 * named; clients are never believed on their word, since those roots vouch for anybody.
 */
#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <string.h>
#include <sys/stat.h>

#include "net/context.h"
#include "relay/tls_inside.h"

static bool has(const char *const *list)
{
	return list != NULL && list[0] != NULL;
}

bool tls_verifies(const struct relay_tls_settings *t, bool is_server)
{
	return t->verify_chain || t->verify_peer || t->allow_list != NULL ||
	       (is_server && t->require_certificate);
}

/* What the settings name, as a set. */
static bool has_roots(const struct relay_tls_settings *t)
{
	return t->ca_file != NULL || t->ca_path != NULL;
}

static bool has_names(const struct relay_tls_settings *t)
{
	return has(t->check_host) || has(t->check_ip) || has(t->check_email);
}

/* The allow-list itself is all the proof there is: its fingerprints stand for the roots. */
static bool trusts_fingerprints(const struct relay_tls_settings *t)
{
	return t->allow_list != NULL && !t->verify_chain && !has_roots(t);
}

/* Settings that would be obeyed by nobody are refused: their author believes to be protected. */
static bool check_settings(const struct tls_making *m)
{
	const struct relay_tls_settings *t = m->settings;
	const bool has_lists = t->crl_file != NULL || t->crl_path != NULL;

	if (!tls_verifies(t, m->is_server)) {
		if (has_names(t))
			return tls_refuse(
			    m, "@checkHost, @checkIP, @checkEmail look at nothing "
			       "without @verifyChain or @verifyPeer; say @verifyChain = yes");
		if (has_lists)
			return tls_refuse(m, "@CRLfile, @CRLpath are looked at by nobody without "
			                     "@verifyChain or @verifyPeer; say @verifyChain = yes");
		return true;
	}
	if (t->verify_peer && !has_roots(t))
		return tls_refuse(m, "@verifyPeer needs the certificates that it accepts; name "
		                     "them with @CAfile or @CApath");
	if (has_roots(t))
		return true;
	if (!trusts_fingerprints(t))
		return !m->is_server ||
		       tls_refuse(m, "clients are to be verified, and nothing says by what; name "
		                     "their roots with @CAfile or @CApath");
	if (has_lists)
		return tls_refuse(m, "@CRLfile, @CRLpath say nothing where no root vouches; name "
		                     "roots with @CAfile or @CApath");
	return !tls_allow_names_subjects(m->own->allow) ||
	       tls_refuse(m, "a subject in @allow says nothing where no root vouches; name roots "
	                     "with @CAfile or @CApath");
}

static bool is_folder(const char *path, int *error)
{
	struct stat status;

	*error = 0;
	if (stat(path, &status) != 0)
		*error = errno;
	else if (!S_ISDIR(status.st_mode))
		*error = ENOTDIR;
	return *error == 0;
}

static bool set_roots(struct tls_making *m)
{
	const struct relay_tls_settings *t = m->settings;
	int error;

	if (!has_roots(t)) {
		if (trusts_fingerprints(t) || SSL_CTX_set_default_verify_paths(m->ctx) == 1)
			return true;
		return tls_refuse(m, "cannot load the system's roots: %s; name some with @CAfile",
		                  context_reason());
	}
	if (t->ca_file != NULL && SSL_CTX_load_verify_file(m->ctx, t->ca_file) != 1)
		return tls_refuse(m, "@CAfile %s: no certificate in PEM could be read: %s",
		                  t->ca_file, context_reason());
	if (t->ca_path == NULL)
		return true;
	if (!is_folder(t->ca_path, &error))
		return tls_refuse(m,
		                  "@CApath %s: %s; name a folder that `openssl rehash` went "
		                  "through",
		                  t->ca_path, strerror(error));
	if (SSL_CTX_load_verify_dir(m->ctx, t->ca_path) == 1)
		return true;
	return tls_refuse(m, "@CApath %s: %s", t->ca_path, context_reason());
}

/*
 * The peer's own certificate has to have a list that is in force and does not name it; so have
 * those above it, but a CA whose lists nobody keeps here is believed all the same (stunnel looks
 * at the first alone).
 */
static int excuse_authorities(int accepted, X509_STORE_CTX *store)
{
	if (accepted == 1 || X509_STORE_CTX_get_error_depth(store) == 0 ||
	    X509_STORE_CTX_get_error(store) != X509_V_ERR_UNABLE_TO_GET_CRL)
		return context_keep_refused(accepted, store);
	X509_STORE_CTX_set_error(store, X509_V_OK);
	return 1;
}

static bool set_revocation(struct tls_making *m)
{
	const struct relay_tls_settings *t = m->settings;
	X509_STORE *store = SSL_CTX_get_cert_store(m->ctx);
	X509_LOOKUP *lookup;
	int error;

	if (t->crl_file == NULL && t->crl_path == NULL)
		return true;
	if (t->crl_file != NULL) {
		lookup = X509_STORE_add_lookup(store, X509_LOOKUP_file());
		if (lookup == NULL ||
		    X509_load_crl_file(lookup, t->crl_file, X509_FILETYPE_PEM) < 1)
			return tls_refuse(
			    m, "@CRLfile %s: no revocation list in PEM could be read: %s",
			    t->crl_file, context_reason());
	}
	if (t->crl_path != NULL) {
		if (!is_folder(t->crl_path, &error))
			return tls_refuse(m,
			                  "@CRLpath %s: %s; name a folder that `openssl rehash` "
			                  "went through",
			                  t->crl_path, strerror(error));
		lookup = X509_STORE_add_lookup(store, X509_LOOKUP_hash_dir());
		if (lookup == NULL ||
		    X509_LOOKUP_add_dir(lookup, t->crl_path, X509_FILETYPE_PEM) != 1)
			return tls_refuse(m, "@CRLpath %s: %s", t->crl_path, context_reason());
	}
	/* The store's own flags, not the SSL's: they go along where a name chooses the context. */
	return X509_STORE_set_flags(store, X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL) ==
	           1 ||
	       tls_refuse(m, "cannot turn revocation lists on: %s", context_reason());
}

/* Clients with several certificates choose by these. */
static bool set_client_authorities(struct tls_making *m)
{
	const struct relay_tls_settings *t = m->settings;
	STACK_OF(X509_NAME) *names = sk_X509_NAME_new_null();

	if (names == NULL ||
	    (t->ca_file != NULL && SSL_add_file_cert_subjects_to_stack(names, t->ca_file) != 1) ||
	    (t->ca_path != NULL && SSL_add_dir_cert_subjects_to_stack(names, t->ca_path) != 1)) {
		sk_X509_NAME_pop_free(names, X509_NAME_free);
		return tls_refuse(m, "cannot read the names in @CAfile, @CApath: %s",
		                  context_reason());
	}
	SSL_CTX_set_client_CA_list(m->ctx, names);
	return true;
}

/* verifyPeer: the certificate stands there itself, not only who issued it. */
static bool is_stored(X509_STORE_CTX *store, const X509 *x509)
{
	STACK_OF(X509) *found = X509_STORE_CTX_get1_certs(store, X509_get_subject_name(x509));
	bool is_there = false;

	for (int i = 0; i < sk_X509_num(found); i++)
		is_there = is_there || X509_cmp(sk_X509_value(found, i), x509) == 0;
	sk_X509_pop_free(found, X509_free);
	return is_there;
}

/* One of all the names will do, of whatever kind. */
static bool carries_a_name(const struct relay_tls_settings *t, X509 *x509)
{
	const unsigned flags = X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS;

	for (const char *const *n = t->check_host; n != NULL && *n != NULL; n++)
		if (X509_check_host(x509, *n, 0, flags, NULL) == 1)
			return true;
	for (const char *const *n = t->check_ip; n != NULL && *n != NULL; n++)
		if (X509_check_ip_asc(x509, *n, 0) == 1)
			return true;
	for (const char *const *n = t->check_email; n != NULL && *n != NULL; n++)
		if (X509_check_email(x509, *n, 0, 0) == 1)
			return true;
	return false;
}

/* What is wrong with a certificate whose chain is right, or X509_V_OK. */
static int objection(const struct tls_own *own, X509_STORE_CTX *store, X509 *x509)
{
	if (own->settings->verify_peer && !is_stored(store, x509))
		return X509_V_ERR_CERT_UNTRUSTED;
	if (own->allow != NULL && !tls_allow_has(own->allow, x509))
		return X509_V_ERR_CERT_REJECTED;
	if (has_names(own->settings) && !carries_a_name(own->settings, x509))
		return X509_V_ERR_HOSTNAME_MISMATCH;
	return X509_V_OK;
}

/*
 * A certificate that the allow-list itself names needs nobody to vouch for it where no roots are
 * named: it is its own root, for this once.
 */
static bool verify_chain(const struct tls_own *own, X509_STORE_CTX *store, X509 *x509)
{
	STACK_OF(X509) * anchors;
	int verified;

	if (!trusts_fingerprints(own->settings))
		return X509_verify_cert(store) == 1;
	if (!tls_allow_has(own->allow, x509)) {
		X509_STORE_CTX_set_error(store, X509_V_ERR_CERT_REJECTED);
		return false;
	}
	anchors = sk_X509_new_null();
	if (anchors == NULL || sk_X509_push(anchors, x509) == 0) {
		sk_X509_free(anchors);
		X509_STORE_CTX_set_error(store, X509_V_ERR_OUT_OF_MEM);
		return false;
	}
	X509_STORE_CTX_set0_trusted_stack(store, anchors);
	X509_STORE_CTX_set_flags(store, X509_V_FLAG_PARTIAL_CHAIN);
	verified = X509_verify_cert(store);
	X509_STORE_CTX_set0_trusted_stack(store, NULL);
	sk_X509_free(anchors);
	return verified == 1;
}

static int verify(X509_STORE_CTX *store, void *context)
{
	const struct tls_own *own = context;
	X509 *x509 = X509_STORE_CTX_get0_cert(store);
	int error;

	if (!verify_chain(own, store, x509))
		return 0;
	error = objection(own, store, x509);
	if (error == X509_V_OK)
		return 1;
	X509_STORE_CTX_set_error(store, error);
	X509_STORE_CTX_set_error_depth(store, 0);
	X509_STORE_CTX_set_current_cert(store, x509);
	(void)context_keep_refused(0, store);
	return 0;
}

bool tls_checks_name(const struct tls_own *own)
{
	const struct relay_tls_settings *t = own->settings;

	return t->verify_chain && !t->verify_peer && !has_names(t);
}

bool tls_set_verification(struct tls_making *m)
{
	const struct relay_tls_settings *t = m->settings;
	const bool is_required = t->require_certificate || t->allow_list != NULL;
	X509_STORE *store = SSL_CTX_get_cert_store(m->ctx);

	if (t->allow_list != NULL) {
		struct failure why;

		m->own->allow = tls_allow_read(t->allow_list, &why);
		if (m->own->allow == NULL)
			return tls_refuse(m, "@allow %s", why.sentence);
	}
	if (!check_settings(m))
		return false;
	if (!tls_verifies(t, m->is_server)) {
		SSL_CTX_set_verify(m->ctx, SSL_VERIFY_NONE, NULL);
		return true;
	}
	SSL_CTX_set_verify(m->ctx,
	                   SSL_VERIFY_PEER | (is_required ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0),
	                   excuse_authorities);
	SSL_CTX_set_cert_verify_callback(m->ctx, verify, m->own);
	if (t->verify_peer && !t->verify_chain &&
	    X509_STORE_set_flags(store, X509_V_FLAG_PARTIAL_CHAIN) != 1)
		return tls_refuse(m, "cannot turn @verifyPeer on: %s", context_reason());
	return set_roots(m) && set_revocation(m) && (!m->is_server || set_client_authorities(m));
}
