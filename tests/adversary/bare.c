/* bare: see bare.h.  The subject is driven as most programs do: SSL_read() until it ends. */
#include "bare.h"

#include <openssl/err.h>

static bool set_up(struct bare *b, const struct adversary_options *o)
{
	bool serves = o->role == ADVERSARY_CLIENT;
	b->ctx = SSL_CTX_new(serves ? TLS_server_method() : TLS_client_method());
	if (!adversary_set_version(b->ctx, o->version == LW_VERSION_UNKNOWN ? LW_VERSION_TLS1_3
	                                                                    : o->version))
		return false;
	if (serves) {
		struct certificate *c = certificate_new(NULL, NULL);
		bool presented = c != NULL && certificate_present(c, b->ctx);
		certificate_free(c);
		if (!presented)
			return false;
	}
	b->ssl = SSL_new(b->ctx);
	BIO *in = BIO_new(BIO_s_mem());
	BIO_set_mem_eof_return(in, -1);
	SSL_set_bio(b->ssl, in, BIO_new(BIO_s_mem()));
	if (serves)
		SSL_set_accept_state(b->ssl);
	else
		SSL_set_connect_state(b->ssl);
	return true;
}

bool bare_begin(struct bare *b, const struct adversary_options *options,
                const struct adversary_script *script)
{
	*b = (struct bare){ .status = ADVERSARY_WAITING };
	if (!set_up(b, options))
		return false;
	b->adversary = adversary_new(options, script);
	return b->adversary != NULL;
}

static enum bare_end read_once(struct bare *b, bool *moved)
{
	uint8_t buf[5000];
	ERR_clear_error();
	int n = SSL_read(b->ssl, buf, sizeof buf);
	*moved = n > 0;
	for (int i = 0; i < n; i++) {
		if (buf[i] != adversary_pattern(b->data_bytes++))
			b->data_differs = true;
	}
	switch (n > 0 ? SSL_ERROR_WANT_READ : SSL_get_error(b->ssl, n)) {
	case SSL_ERROR_WANT_READ:
		return BARE_WAITING;
	case SSL_ERROR_ZERO_RETURN:
		return BARE_CLOSED;
	case SSL_ERROR_SYSCALL:
		return BARE_SYSCALL;
	default:
		return BARE_ERROR;
	}
}

static bool run_subject(struct bare *b)
{
	bool moved = false, more;
	if (b->end != BARE_WAITING)
		return false;
	do {
		b->end = read_once(b, &more);
		moved = moved || more;
	} while (more);
	if (b->end != BARE_WAITING)
		b->second = read_once(b, &more);
	return moved || b->end != BARE_WAITING;
}

void bare_run(struct bare *b)
{
	BIO *in = SSL_get_rbio(b->ssl), *out = SSL_get_wbio(b->ssl);
	bool moved;
	do {
		enum adversary_action action;
		moved = run_subject(b);
		size_t waiting = BIO_ctrl_pending(out), had = BIO_ctrl_pending(in);
		b->status = adversary_run_memory(b->adversary, in, out, &action);
		moved = moved || waiting > 0 || BIO_ctrl_pending(in) != had;
		if (action != ADVERSARY_NONE) {
			b->transport_ended = true;
			BIO_set_mem_eof_return(in, 0);
			moved = true;
		}
	} while (moved);
	ERR_clear_error();
}

void bare_free(struct bare *b)
{
	adversary_free(b->adversary);
	SSL_free(b->ssl);
	SSL_CTX_free(b->ctx);
}
