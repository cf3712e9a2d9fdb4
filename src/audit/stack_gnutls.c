/*
 * stack_gnutls: GnuTLS as most programs drive it: gnutls_record_recv() until it gives no data,
 * warnings passed over as its manual says; gnutls_bye() until it has seen the peer's closure.
 */
#include "audit/stack.h"

#include <errno.h>
#include <gnutls/gnutls.h>
#include <lastword/gnutls.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { STORE_MAX = 16, TICKETS_BY_ITSELF = 2 };

struct entry {
	gnutls_datum_t key, data;
};

struct stack_context {
	gnutls_certificate_credentials_t credentials;
	gnutls_priority_t priorities;
	gnutls_datum_t ticket_key;
	struct stack_setup setup;
	struct entry store[STORE_MAX]; /* a server's sessions, the oldest overwritten */
	unsigned stored;
};

struct stack_connection {
	gnutls_session_t session;
	const struct stack_context *context;
	struct lw_transport transport;
	bool own_transport;
	const char *reason;
};

struct stack_session {
	gnutls_datum_t data;
};

static const char *installed(void)
{
	static char text[32];

	snprintf(text, sizeof text, "GnuTLS %s", gnutls_check_version(NULL));
	return text;
}

/* In the order of enum lw_version; the old ones are off but for LEGACY. */
static const char *const priorities[] = {
	[LW_VERSION_TLS1_0] = "LEGACY:%UNSAFE_RENEGOTIATION:-VERS-ALL:+VERS-TLS1.0",
	[LW_VERSION_TLS1_1] = "LEGACY:%UNSAFE_RENEGOTIATION:-VERS-ALL:+VERS-TLS1.1",
	[LW_VERSION_TLS1_2] = "NORMAL:-VERS-ALL:+VERS-TLS1.2",
	[LW_VERSION_TLS1_3] = "NORMAL:-VERS-ALL:+VERS-TLS1.3",
};

static bool speaks(enum lw_version version)
{
	gnutls_priority_t found;

	if (version < LW_VERSION_TLS1_0 || version > LW_VERSION_TLS1_3)
		return false;
	if (gnutls_priority_init(&found, priorities[version], NULL) != GNUTLS_E_SUCCESS)
		return false;
	gnutls_priority_deinit(found);
	return true;
}

/* An application's transport as functions */

static int error_of(enum lw_io io, int os_error)
{
	if (io == LW_IO_RESET)
		return ECONNRESET;
	return io == LW_IO_ERROR ? os_error : EAGAIN;
}

static ssize_t transport_pull(gnutls_transport_ptr_t context, void *buf, size_t cap)
{
	const struct lw_transport *t = context;
	int os_error = 0;
	size_t n;
	const enum lw_io io = t->recv(t->context, buf, cap, &n, &os_error);

	if (io == LW_IO_OK || io == LW_IO_FIN)
		return io == LW_IO_OK ? (ssize_t)n : 0;
	errno = error_of(io, os_error);
	return -1;
}

static ssize_t transport_push(gnutls_transport_ptr_t context, const void *buf, size_t len)
{
	const struct lw_transport *t = context;
	int os_error = 0;
	size_t n;
	const enum lw_io io = t->send(t->context, buf, len, &n, &os_error);

	if (io == LW_IO_OK)
		return (ssize_t)n;
	errno = error_of(io, os_error);
	return -1;
}

static void use_transport(struct stack_connection *c, const struct lw_transport *transport)
{
	c->transport = *transport;
	c->own_transport = true;
	gnutls_transport_set_ptr(c->session, &c->transport);
	gnutls_transport_set_pull_function(c->session, transport_pull);
	gnutls_transport_set_push_function(c->session, transport_push);
}

/* A server's sessions, where they are no tickets */

static bool copy_datum(gnutls_datum_t *to, const gnutls_datum_t *from)
{
	to->data = gnutls_malloc(from->size);
	if (to->data == NULL)
		return false;
	memcpy(to->data, from->data, from->size);
	to->size = from->size;
	return true;
}

static void free_datum(gnutls_datum_t *datum)
{
	if (datum->data != NULL)
		gnutls_memset(datum->data, 0, datum->size); /* a session's, a key's */
	gnutls_free(datum->data);
	datum->data = NULL;
	datum->size = 0;
}

static void free_entry(struct entry *entry)
{
	free_datum(&entry->key);
	free_datum(&entry->data);
}

static struct entry *find_entry(struct stack_context *context, const gnutls_datum_t *key)
{
	for (unsigned i = 0; i < STORE_MAX; i++) {
		struct entry *entry = &context->store[i];

		if (entry->key.data != NULL && entry->key.size == key->size &&
		    memcmp(entry->key.data, key->data, key->size) == 0)
			return entry;
	}
	return NULL;
}

static int store(void *context, gnutls_datum_t key, gnutls_datum_t data)
{
	struct stack_context *c = context;
	struct entry *entry = &c->store[c->stored++ % STORE_MAX];

	free_entry(entry);
	return copy_datum(&entry->key, &key) && copy_datum(&entry->data, &data) ? 0 : -1;
}

static gnutls_datum_t retrieve(void *context, gnutls_datum_t key)
{
	const struct entry *entry = find_entry(context, &key);
	gnutls_datum_t copy = { NULL, 0 };

	if (entry != NULL)
		(void)copy_datum(&copy, &entry->data);
	return copy;
}

static int drop(void *context, gnutls_datum_t key)
{
	struct entry *entry = find_entry(context, &key);

	if (entry == NULL)
		return -1;
	free_entry(entry);
	return 0;
}

/* Contexts */

static void context_free(struct stack_context *context)
{
	if (context == NULL)
		return;
	for (unsigned i = 0; i < STORE_MAX; i++)
		free_entry(&context->store[i]);
	if (context->priorities != NULL)
		gnutls_priority_deinit(context->priorities);
	if (context->credentials != NULL)
		gnutls_certificate_free_credentials(context->credentials);
	free_datum(&context->ticket_key);
	free(context);
}

/* The library's struct for text has no const, and the call no use for writing. */
static gnutls_datum_t datum_of(const char *text)
{
	return (gnutls_datum_t){ (unsigned char *)text, (unsigned)strlen(text) };
}

static bool present(gnutls_certificate_credentials_t credentials, const struct stack_setup *setup)
{
	const gnutls_datum_t certificate = datum_of(setup->certificate_pem);
	const gnutls_datum_t key = datum_of(setup->key_pem);

	return gnutls_certificate_set_x509_key_mem(credentials, &certificate, &key,
	                                           GNUTLS_X509_FMT_PEM) == GNUTLS_E_SUCCESS;
}

static bool fill(struct stack_context *context)
{
	const struct stack_setup *setup = &context->setup;

	if (gnutls_certificate_allocate_credentials(&context->credentials) != GNUTLS_E_SUCCESS)
		return false;
	if (gnutls_priority_init(&context->priorities, priorities[setup->version], NULL) !=
	    GNUTLS_E_SUCCESS)
		return false;
	if (!setup->server)
		return true;
	return present(context->credentials, setup) &&
	       gnutls_session_ticket_key_generate(&context->ticket_key) == GNUTLS_E_SUCCESS;
}

static struct stack_context *context_new(const struct stack_setup *setup)
{
	struct stack_context *context = speaks(setup->version) ? calloc(1, sizeof *context) : NULL;

	if (context == NULL)
		return NULL;
	context->setup = *setup;
	if (fill(context))
		return context;
	context_free(context);
	return NULL;
}

/* Connections */

static void connection_free(struct stack_connection *c)
{
	if (c == NULL)
		return;
	if (c->session != NULL)
		gnutls_deinit(c->session);
	free(c);
}

/* In 1.3 a session is a ticket's. */
static bool keeps_sessions(const struct stack_setup *setup)
{
	return setup->stateful_tickets && setup->version < LW_VERSION_TLS1_3;
}

static bool allow_resumption(struct stack_connection *c, struct stack_context *context)
{
	const struct stack_setup *setup = &context->setup;

	if (setup->tickets == 0)
		return true;
	if (!keeps_sessions(setup))
		return gnutls_session_ticket_enable_server(c->session, &context->ticket_key) ==
		       GNUTLS_E_SUCCESS;
	gnutls_db_set_ptr(c->session, context);
	gnutls_db_set_store_function(c->session, store);
	gnutls_db_set_retrieve_function(c->session, retrieve);
	gnutls_db_set_remove_function(c->session, drop);
	return true;
}

static unsigned flags_of(const struct stack_setup *setup)
{
	unsigned flags = GNUTLS_NONBLOCK | GNUTLS_NO_SIGNAL;

	flags |= setup->server ? GNUTLS_SERVER : GNUTLS_CLIENT;
	/* Its own number of tickets, or what is asked for; see shake_hands(). */
	if (setup->tickets < TICKETS_BY_ITSELF)
		flags |= GNUTLS_NO_AUTO_SEND_TICKET;
	return flags;
}

static bool fill_connection(struct stack_connection *c, struct stack_context *context,
                            const struct stack_place *place)
{
	if (gnutls_init(&c->session, flags_of(&context->setup)) != GNUTLS_E_SUCCESS) {
		c->session = NULL;
		return false;
	}
	if (gnutls_priority_set(c->session, context->priorities) != GNUTLS_E_SUCCESS ||
	    gnutls_credentials_set(c->session, GNUTLS_CRD_CERTIFICATE, context->credentials) !=
	        GNUTLS_E_SUCCESS)
		return false;
	if (place->fd >= 0)
		gnutls_transport_set_int(c->session, place->fd);
	else
		use_transport(c, place->transport);
	if (context->setup.server)
		return allow_resumption(c, context);
	return place->resume == NULL ||
	       gnutls_session_set_data(c->session, place->resume->data.data,
	                               place->resume->data.size) == GNUTLS_E_SUCCESS;
}

static struct stack_connection *connection_new(struct stack_context *context,
                                               const struct stack_place *place)
{
	struct stack_connection *c = calloc(1, sizeof *c);

	if (c == NULL)
		return NULL;
	c->context = context;
	c->reason = "";
	if (fill_connection(c, context, place))
		return c;
	connection_free(c);
	return NULL;
}

static bool is_passing(ssize_t did)
{
	return did == GNUTLS_E_WARNING_ALERT_RECEIVED;
}

static enum stack_did class_of(struct stack_connection *c, ssize_t did)
{
	c->reason = "";
	if (did >= 0)
		return STACK_OK;
	if (!gnutls_error_is_fatal((int)did))
		return STACK_WAITS;
	c->reason = gnutls_strerror((int)did);
	switch (did) {
	case GNUTLS_E_PREMATURE_TERMINATION:
		return STACK_TRUNCATED;
	case GNUTLS_E_FATAL_ALERT_RECEIVED:
		return STACK_ABORTED;
	default:
		return STACK_ERROR;
	}
}

/* Tickets beyond those of the handshake itself. */
static void send_tickets(const struct stack_connection *c)
{
	const struct stack_setup *setup = &c->context->setup;
	unsigned left = setup->tickets;

	if (!setup->server || setup->version != LW_VERSION_TLS1_3 || left == 0)
		return;
	if (left >= TICKETS_BY_ITSELF)
		left -= TICKETS_BY_ITSELF;
	if (left > 0)
		(void)gnutls_session_ticket_send(c->session, left, 0);
}

static enum stack_did shake_hands(struct stack_connection *c)
{
	int did;

	do
		did = gnutls_handshake(c->session);
	while (is_passing(did));
	if (did == GNUTLS_E_SUCCESS)
		send_tickets(c);
	return class_of(c, did);
}

static enum stack_did read_some(struct stack_connection *c, void *buf, size_t cap, size_t *n)
{
	ssize_t did;

	do
		did = gnutls_record_recv(c->session, buf, cap);
	while (is_passing(did));
	*n = did > 0 ? (size_t)did : 0;
	return did == 0 ? STACK_END : class_of(c, did);
}

static enum stack_did write_some(struct stack_connection *c, const void *buf, size_t len, size_t *n)
{
	const ssize_t did = gnutls_record_send(c->session, buf, len);

	*n = did > 0 ? (size_t)did : 0;
	return class_of(c, did);
}

static enum stack_did shut_down(struct stack_connection *c)
{
	return class_of(c, gnutls_bye(c->session, GNUTLS_SHUT_RDWR));
}

static enum stack_did finish(struct stack_connection *c)
{
	return class_of(c, gnutls_bye(c->session, GNUTLS_SHUT_WR));
}

static const char *reason(const struct stack_connection *c)
{
	return c->reason;
}

static struct lw_stream *attach(struct stack_connection *c, const struct lw_options *options,
                                const char **why)
{
	const struct lw_gnutls_functions functions = { .pull_ptr = &c->transport,
		                                       .push_ptr = &c->transport,
		                                       .pull = transport_pull,
		                                       .push = transport_push };

	return c->own_transport ? lw_gnutls_attach_transport(c->session, &functions, options, why)
	                        : lw_gnutls_attach(c->session, options, why);
}

static void give_away(struct stack_connection *c)
{
	c->session = NULL;
}

/* Sessions */

static bool has_session(gnutls_session_t session)
{
	const bool has_ticket = gnutls_session_get_flags(session) & GNUTLS_SFLAGS_SESSION_TICKET;
	gnutls_datum_t id = { NULL, 0 };

	if (has_ticket || gnutls_protocol_get_version(session) == GNUTLS_TLS1_3)
		return has_ticket;
	return gnutls_session_get_id2(session, &id) == GNUTLS_E_SUCCESS && id.size > 0;
}

static struct stack_session *session(struct stack_connection *c)
{
	struct stack_session *session = has_session(c->session) ? calloc(1, sizeof *session) : NULL;

	if (session == NULL)
		return NULL;
	if (gnutls_session_get_data2(c->session, &session->data) == GNUTLS_E_SUCCESS)
		return session;
	free(session);
	return NULL;
}

static void session_free(struct stack_session *session)
{
	if (session == NULL)
		return;
	free_datum(&session->data);
	free(session);
}

static bool is_resumed(const struct stack_connection *c)
{
	return gnutls_session_is_resumed(c->session) != 0;
}

const struct stack gnutls_stack = {
	.name = "gnutls",
	.reading = "gnutls_record_recv",
	.installed = installed,
	.speaks = speaks,
	.context_new = context_new,
	.context_free = context_free,
	.connection_new = connection_new,
	.connection_free = connection_free,
	.handshake = shake_hands,
	.read = read_some,
	.write = write_some,
	.shutdown = shut_down,
	.finish = finish,
	.reason = reason,
	.attach = attach,
	.give_away = give_away,
	.session = session,
	.session_free = session_free,
	.is_resumed = is_resumed,
};
