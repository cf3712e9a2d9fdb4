/*
 * gnutls_opener: opens the peer's records with the keys that GnuTLS exports of a session, once the
 * session has gone.  TLS 1.2 and 1.3 with an AEAD; it includes nothing but installed headers.
 *
 * It keeps cipher, key, initialization vector and record number, which their owner wipes.
 * After a KeyUpdate of the peer nothing can be opened any more: the secret that the next key comes
 * from is not exported.
 */
#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <lastword/adapter.h>
#include <string.h>

#define HEADER      5u
#define NUMBER      8u
#define NONCE       12u
#define SALT        4u /* of 1.2's nonces; the other 8 bytes stand in the record */
#define HANDSHAKE   22u
#define APPLICATION 23u
#define KEY_UPDATE  24u

struct kept {
	gnutls_cipher_algorithm_t cipher;
	uint8_t key[32];
	uint8_t iv[NONCE];
	uint8_t number[NUMBER]; /* of the next record */
	uint8_t key_bytes;
	uint8_t tag_bytes;
	bool is_13;
	bool explicit_nonce;
	bool spent; /* the keys have changed */
};

extern const struct lw_opener lw_gnutls_opener;

static bool is_aead(gnutls_cipher_algorithm_t cipher)
{
	switch ((int)cipher) {
	case GNUTLS_CIPHER_AES_128_GCM:
	case GNUTLS_CIPHER_AES_256_GCM:
	case GNUTLS_CIPHER_AES_128_CCM:
	case GNUTLS_CIPHER_AES_256_CCM:
	case GNUTLS_CIPHER_AES_128_CCM_8:
	case GNUTLS_CIPHER_AES_256_CCM_8:
	case GNUTLS_CIPHER_CHACHA20_POLY1305:
		return true;
	default:
		return false;
	}
}

/* The adapter's context begins with the session. */
static bool take(void *context, void *state)
{
	gnutls_session_t session;
	gnutls_datum_t mac, iv, key;
	struct kept *k = state;
	gnutls_protocol_t version;

	memcpy(&session, context, sizeof session);
	version = gnutls_protocol_get_version(session);
	k->cipher = gnutls_cipher_get(session);
	k->is_13 = version == GNUTLS_TLS1_3;
	k->explicit_nonce = !k->is_13 && k->cipher != GNUTLS_CIPHER_CHACHA20_POLY1305;
	if ((version != GNUTLS_TLS1_2 && !k->is_13) || !is_aead(k->cipher))
		return false;
	if (gnutls_record_get_state(session, 1, &mac, &iv, &key, k->number) != 0)
		return false;
	if (key.size > sizeof k->key || iv.size < (k->explicit_nonce ? SALT : NONCE) ||
	    iv.size > NONCE)
		return false;
	memcpy(k->key, key.data, key.size);
	memcpy(k->iv, iv.data, iv.size);
	k->key_bytes = (uint8_t)key.size;
	k->tag_bytes = (uint8_t)gnutls_cipher_get_tag_size(k->cipher);
	return true;
}

static void make_nonce(const struct kept *k, const uint8_t *explicit_part, uint8_t nonce[NONCE])
{
	memcpy(nonce, k->iv, NONCE);
	if (k->explicit_nonce) {
		memcpy(nonce + SALT, explicit_part, NUMBER);
		return;
	}
	for (unsigned i = 0; i < NUMBER; i++)
		nonce[NONCE - NUMBER + i] ^= k->number[i];
}

/* What is authenticated beside the contents: 1.3's is the header as it stands. */
static size_t make_aad(const struct kept *k, const uint8_t *record, size_t plain_bytes,
                       uint8_t aad[NUMBER + HEADER])
{
	if (k->is_13) {
		memcpy(aad, record, HEADER);
		return HEADER;
	}
	memcpy(aad, k->number, NUMBER);
	memcpy(aad + NUMBER, record, HEADER - 2);
	aad[NUMBER + 3] = (uint8_t)(plain_bytes >> 8);
	aad[NUMBER + 4] = (uint8_t)plain_bytes;
	return NUMBER + HEADER;
}

static void count_up(uint8_t number[NUMBER])
{
	for (unsigned i = NUMBER; i-- > 0;)
		if (++number[i] != 0)
			return;
}

/* `body` is opened in place; `*n` bytes of it are plain. */
static bool decrypt(const struct kept *k, const uint8_t *record, const uint8_t *nonce,
                    uint8_t *body, size_t len, size_t *n)
{
	gnutls_datum_t key = { .size = k->key_bytes };
	uint8_t aad[NUMBER + HEADER], bytes[sizeof k->key];
	gnutls_aead_cipher_hd_t cipher;
	size_t aad_bytes;
	int error;

	memcpy(bytes, k->key, sizeof bytes);
	key.data = bytes;
	error = gnutls_aead_cipher_init(&cipher, k->cipher, &key);
	gnutls_memset(bytes, 0, sizeof bytes);
	if (error != 0)
		return false;
	aad_bytes = make_aad(k, record, len - k->tag_bytes, aad);
	*n = len - k->tag_bytes;
	error = gnutls_aead_cipher_decrypt(cipher, nonce, NONCE, aad, aad_bytes, k->tag_bytes, body,
	                                   len, body, n);
	gnutls_aead_cipher_deinit(cipher);
	return error == 0;
}

/* 1.3 hides the type behind the contents, and zeros behind the type. */
static bool find_type(const uint8_t *contents, size_t *n, uint8_t *type)
{
	while (*n > 0 && contents[*n - 1] == 0)
		--*n;
	if (*n == 0)
		return false;
	*type = contents[--*n];
	return true;
}

static bool open_record(void *state, uint8_t *record, size_t len, uint8_t *type, uint8_t **contents,
                        size_t *n)
{
	struct kept *k = state;
	const size_t front = HEADER + (k->explicit_nonce ? NUMBER : 0);
	uint8_t nonce[NONCE];

	if (k->spent || len < front + k->tag_bytes || (k->is_13 && record[0] != APPLICATION))
		return false;
	make_nonce(k, record + HEADER, nonce);
	*contents = record + front;
	*type = record[0];
	if (!decrypt(k, record, nonce, *contents, len - front, n))
		return false;
	count_up(k->number);
	if (k->is_13 && !find_type(*contents, n, type))
		return false;
	/* Before a KeyUpdate another message may stand; then the next record fails to open. */
	k->spent = *type == HANDSHAKE && (!k->is_13 || (*n > 0 && (*contents)[0] == KEY_UPDATE));
	return true;
}

const struct lw_opener lw_gnutls_opener = { sizeof(struct kept), take, open_record };
