/* tls_names: which service a connection belongs to, by the server name in its ClientHello.
 *
 * The choice is made in OpenSSL's ClientHello callback and nowhere later: sessions are looked up,
 * versions chosen and extensions obeyed behind it.  (In the server-name callback a ticket would
 * already have been accepted by the rules of the listener's own context: a way around the
 * verification of clients.)  SSL_set_SSL_CTX() takes certificates, ciphers, stores, ALPN and the
 * session id context along; the rest was copied into the SSL when it was made, and is set again
 * here.  Only ticket keys stay those of the listener's own context, and a ticket proves
 * nothing in a service whose session id context it does not carry.
 *
 * After a HelloRetryRequest OpenSSL asks the context that was chosen, which has no callback: the
 * first choice stands, whatever the second ClientHello says.
 */
#include <string.h>
#include <strings.h>

#include "closure/cursor.h"
#include "relay/tls_inside.h"

/* rule of RFC 6066, 3: a list with a name of type 0; a name longer than DNS allows fits nothing. */
static bool name_of(SSL *ssl, char *name, size_t cap)
{
	const unsigned char *bytes;
	struct lw_cursor c, list, host;
	uint16_t n;
	uint8_t type;
	size_t len;

	if (SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_server_name, &bytes, &len) != 1)
		return false;
	c = lw_cursor_over(bytes, len);
	if (!lw_take_u16(&c, &n) || !lw_take_window(&c, n, &list) || c.left > 0 ||
	    !lw_take_u8(&list, &type) || type != TLSEXT_NAMETYPE_host_name ||
	    !lw_take_u16(&list, &n) || !lw_take_window(&list, n, &host) || host.left >= cap ||
	    host.left == 0)
		return false;
	memcpy(name, host.at, host.left);
	name[host.left] = '\0';
	return strlen(name) == host.left;
}

static bool is_wildcard(const char *pattern)
{
	return pattern[0] == '*' && pattern[1] == '.';
}

/* '*' stands for one label, never for a part of one or for none. */
static bool fits(const char *pattern, const char *name)
{
	const char *dot = strchr(name, '.');

	if (!is_wildcard(pattern))
		return strcasecmp(pattern, name) == 0;
	return dot != NULL && dot > name && strcasecmp(pattern + 1, dot) == 0;
}

/* A name written out comes before every wildcard. */
static const struct relay_tls_name *choose(const struct tls_own *own, const char *name)
{
	const struct relay_tls_name *found = NULL;

	for (size_t i = 0; i < own->name_count; i++) {
		const struct relay_tls_name *n = &own->names[i];

		if (!fits(n->pattern, name))
			continue;
		if (!is_wildcard(n->pattern))
			return n;
		if (found == NULL)
			found = n;
	}
	return found;
}

static bool hand_over(SSL *ssl, SSL_CTX *ctx)
{
	const uint64_t options = SSL_CTX_get_options(ctx);

	if (SSL_get_SSL_CTX(ssl) == ctx)
		return true;
	if (SSL_set_SSL_CTX(ssl, ctx) != ctx)
		return false;
	(void)SSL_clear_options(ssl, SSL_get_options(ssl) & ~options);
	(void)SSL_set_options(ssl, options);
	SSL_set_verify(ssl, SSL_CTX_get_verify_mode(ctx), SSL_CTX_get_verify_callback(ctx));
	return SSL_set1_groups_list(ssl, tls_curves(tls_own(ctx)->settings)) == 1 &&
	       SSL_set_num_tickets(ssl, SSL_CTX_get_num_tickets(ctx)) == 1 &&
	       SSL_set_min_proto_version(ssl, SSL_CTX_get_min_proto_version(ctx)) == 1 &&
	       SSL_set_max_proto_version(ssl, SSL_CTX_get_max_proto_version(ctx)) == 1;
}

static int on_client_hello(SSL *ssl, int *alert, void *context)
{
	const struct tls_own *own = context;
	const struct relay_tls_name *chosen = NULL;
	char name[256];

	if (name_of(ssl, name, sizeof name))
		chosen = choose(own, name);
	if (chosen == NULL || hand_over(ssl, chosen->ctx))
		return SSL_CLIENT_HELLO_SUCCESS;
	*alert = SSL_AD_INTERNAL_ERROR;
	return SSL_CLIENT_HELLO_ERROR;
}

/* Acknowledged, a name goes into the session, so that it is known after TLS 1.2 resumed it, too. */
static int keep_name(SSL *ssl, int *alert, void *context)
{
	(void)ssl, (void)alert, (void)context;
	return SSL_TLSEXT_ERR_OK;
}

void tls_keep_names(SSL_CTX *ctx)
{
	(void)SSL_CTX_set_tlsext_servername_callback(ctx, keep_name);
}

void relay_tls_set_names(SSL_CTX *ctx, const struct relay_tls_name *names, size_t count)
{
	struct tls_own *own = tls_own(ctx);

	own->names = names;
	own->name_count = count;
	for (size_t i = 0; i < count; i++) {
		struct tls_own *chosen = tls_own(names[i].ctx);

		chosen->is_named = true;
		chosen->index = names[i].service;
	}
	SSL_CTX_set_client_hello_cb(ctx, count > 0 ? on_client_hello : NULL, own);
}

size_t relay_tls_service(const SSL *ssl, size_t usual)
{
	const struct tls_own *own = tls_own(SSL_get_SSL_CTX(ssl));

	return own->is_named ? own->index : usual;
}
