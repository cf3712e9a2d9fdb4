/* record: sealing and opening.  Three kinds of protection, a row of functions each: CBC with HMAC
 * (either order), AEAD of TLS 1.2, AEAD of TLS 1.3.  Invariant: the count moves only when a record
 * was sealed or opened.
 */
#include "record/record.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <string.h>

#include "closure/cursor.h"

enum { TAG = 16, GCM_EXPLICIT = 8, AAD_MAX = 13, HEADER = LW_RECORD_HEADER };

struct protection {
	/* The length of the body written to `body`, 0 on failure. */
	size_t (*seal)(struct record_half *h, uint8_t type, const uint8_t *content, size_t len,
	               uint8_t *body);
	/* The body opened into `buffer`; the type is set before, and may be changed. */
	bool (*open)(struct record_half *h, const uint8_t *header, struct lw_cursor body,
	             uint8_t *buffer, struct record_content *out);
};

static void put_u16(uint8_t *out, size_t value)
{
	out[0] = (uint8_t)(value >> 8);
	out[1] = (uint8_t)value;
}

static void put_u64(uint8_t *out, uint64_t value)
{
	for (unsigned i = 0; i < 8; i++)
		out[i] = (uint8_t)(value >> (56 - 8 * i));
}

/* The version octets of a record's header; before the version is known, those of TLS 1.0. */
static void put_header(const struct record_half *h, uint8_t type, size_t len, uint8_t *out)
{
	static const uint8_t minor[] = {
		[LW_VERSION_UNKNOWN] = 1, [LW_VERSION_TLS1_0] = 1, [LW_VERSION_TLS1_1] = 2,
		[LW_VERSION_TLS1_2] = 3,  [LW_VERSION_TLS1_3] = 3,
	};
	out[0] = type;
	out[1] = 3;
	out[2] = h->version < sizeof minor ? minor[h->version] : 3;
	put_u16(out + 3, len);
}

/* What a MAC or an AEAD of 1.0 to 1.2 covers beside the content: count and header. */
static void put_covered(const struct record_half *h, uint8_t type, size_t len, uint8_t *out)
{
	put_u64(out, h->sequence);
	put_header(h, type, len, out + 8);
}

/* ---- CBC ---- */

/* HMAC over count, header and `len` bytes; the length of the MAC, 0 on failure. */
static size_t compute_mac(const struct record_half *h, uint8_t type, const uint8_t *bytes,
                          size_t len, uint8_t *mac)
{
	uint8_t covered[AAD_MAX + RECORD_BODY_MAX];
	unsigned mac_len = 0;
	const EVP_MD *digest = EVP_get_digestbyname(h->suite->mac);
	if (len > RECORD_BODY_MAX || digest == NULL)
		return 0;
	put_covered(h, type, len, covered);
	memcpy(covered + AAD_MAX, bytes, len);
	if (HMAC(digest, h->mac_key, EVP_MD_get_size(digest), covered, AAD_MAX + len, mac,
	         &mac_len) == NULL)
		return 0;
	return mac_len;
}

static bool run_cbc(const struct record_half *h, const uint8_t *iv, bool encrypts,
                    const uint8_t *in, size_t len, uint8_t *out)
{
	EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
	int n = 0;
	bool done = context != NULL &&
	            EVP_CipherInit_ex(context, EVP_get_cipherbyname(h->suite->cipher), NULL, h->key,
	                              iv, encrypts) == 1 &&
	            EVP_CIPHER_CTX_set_padding(context, 0) == 1 &&
	            EVP_CipherUpdate(context, out, &n, in, (int)len) == 1 && n == (int)len;
	EVP_CIPHER_CTX_free(context);
	return done;
}

static bool has_explicit_iv(const struct record_half *h)
{
	return h->version >= LW_VERSION_TLS1_1;
}

static size_t seal_cbc(struct record_half *h, uint8_t type, const uint8_t *content, size_t len,
                       uint8_t *body)
{
	uint8_t plain[RECORD_BODY_MAX], mac[EVP_MAX_MD_SIZE];
	size_t n = len, mac_len = 0, iv_len = has_explicit_iv(h) ? RECORD_BLOCK : 0;

	memcpy(plain, content, len);
	if (!h->encrypt_then_mac) {
		mac_len = compute_mac(h, type, content, len, plain + n);
		if (mac_len == 0)
			return 0;
		n += mac_len;
	}
	size_t pad = RECORD_BLOCK - n % RECORD_BLOCK; /* with its length octet */
	memset(plain + n, (int)(pad - 1), pad);
	n += pad;
	if (iv_len > 0 && RAND_bytes(h->iv, RECORD_BLOCK) != 1)
		return 0;
	memcpy(body, h->iv, iv_len);
	if (!run_cbc(h, h->iv, true, plain, n, body + iv_len))
		return 0;
	memcpy(h->iv, body + iv_len + n - RECORD_BLOCK, RECORD_BLOCK);
	n += iv_len;
	if (h->encrypt_then_mac) {
		mac_len = compute_mac(h, type, body, n, mac);
		if (mac_len == 0)
			return 0;
		memcpy(body + n, mac, mac_len);
		n += mac_len;
	}
	return n;
}

/* Checks and takes off the padding of `*len` bytes. */
static bool strip_padding(const uint8_t *plain, size_t *len)
{
	size_t pad = (size_t)plain[*len - 1] + 1;
	if (pad > *len)
		return false;
	for (size_t i = *len - pad; i < *len; i++) {
		if (plain[i] != pad - 1)
			return false;
	}
	*len -= pad;
	return true;
}

static bool open_cbc(struct record_half *h, const uint8_t *header, struct lw_cursor body,
                     uint8_t *buffer, struct record_content *out)
{
	uint8_t mac[EVP_MAX_MD_SIZE];
	const EVP_MD *digest = EVP_get_digestbyname(h->suite->mac);
	size_t mac_len = (size_t)EVP_MD_get_size(digest);
	struct lw_cursor iv = lw_cursor_over(h->iv, RECORD_BLOCK), cipher, tag;

	if (h->encrypt_then_mac) {
		if (body.left < mac_len || !lw_take_window(&body, body.left - mac_len, &cipher) ||
		    !lw_take_window(&body, mac_len, &tag) ||
		    compute_mac(h, header[0], cipher.at, cipher.left, mac) != mac_len ||
		    memcmp(mac, tag.at, mac_len) != 0)
			return false;
		body = cipher;
	}
	if ((has_explicit_iv(h) && !lw_take_window(&body, RECORD_BLOCK, &iv)) || body.left == 0 ||
	    body.left % RECORD_BLOCK != 0 || !run_cbc(h, iv.at, false, body.at, body.left, buffer))
		return false;
	size_t len = body.left;
	if (!strip_padding(buffer, &len))
		return false;
	if (!h->encrypt_then_mac) {
		if (len < mac_len)
			return false;
		len -= mac_len;
		if (compute_mac(h, header[0], buffer, len, mac) != mac_len ||
		    memcmp(mac, buffer + len, mac_len) != 0)
			return false;
	}
	memcpy(h->iv, body.at + body.left - RECORD_BLOCK, RECORD_BLOCK);
	out->len = len;
	return true;
}

/* ---- AEAD ---- */

static void make_nonce(const struct record_half *h, uint8_t *nonce)
{
	put_u64(nonce + 4, h->sequence);
	memset(nonce, 0, 4);
	for (unsigned i = 0; i < RECORD_NONCE; i++)
		nonce[i] ^= h->iv[i];
}

/* Seals `len` bytes and appends the tag, or opens `len` bytes and checks the tag behind them. */
static bool run_aead(const struct record_half *h, const uint8_t *nonce, bool seals,
                     const uint8_t *aad, size_t aad_len, const uint8_t *in, size_t len,
                     uint8_t *out)
{
	EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
	uint8_t tag[TAG];
	int n = 0;

	if (!seals)
		memcpy(tag, in + len, TAG);
	bool done = context != NULL &&
	            EVP_CipherInit_ex(context, EVP_get_cipherbyname(h->suite->cipher), NULL, h->key,
	                              nonce, seals) == 1 &&
	            (seals || EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, TAG, tag) == 1) &&
	            EVP_CipherUpdate(context, NULL, &n, aad, (int)aad_len) == 1 &&
	            (len == 0 || EVP_CipherUpdate(context, out, &n, in, (int)len) == 1) &&
	            EVP_CipherFinal_ex(context, out + len, &n) == 1 &&
	            (!seals || EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, TAG, tag) == 1);
	EVP_CIPHER_CTX_free(context);
	if (done && seals)
		memcpy(out + len, tag, TAG);
	return done;
}

static size_t explicit_nonce_bytes(const struct record_half *h)
{
	return h->suite->kind == SUITE_GCM ? GCM_EXPLICIT : 0;
}

/* The count serves as explicit nonce: OpenSSL's own starts at random, so none comes twice. */
static size_t seal_aead_12(struct record_half *h, uint8_t type, const uint8_t *content, size_t len,
                           uint8_t *body)
{
	uint8_t nonce[RECORD_NONCE], covered[AAD_MAX];
	size_t skip = explicit_nonce_bytes(h);

	if (skip > 0) {
		memcpy(nonce, h->iv, 4);
		put_u64(nonce + 4, h->sequence);
		memcpy(body, nonce + 4, skip);
	} else {
		make_nonce(h, nonce);
	}
	put_covered(h, type, len, covered);
	if (!run_aead(h, nonce, true, covered, AAD_MAX, content, len, body + skip))
		return 0;
	return skip + len + TAG;
}

static bool open_aead_12(struct record_half *h, const uint8_t *header, struct lw_cursor body,
                         uint8_t *buffer, struct record_content *out)
{
	uint8_t nonce[RECORD_NONCE], covered[AAD_MAX];
	struct lw_cursor explicit_nonce;

	make_nonce(h, nonce);
	if (!lw_take_window(&body, explicit_nonce_bytes(h), &explicit_nonce) || body.left < TAG)
		return false;
	if (explicit_nonce.left > 0) {
		memcpy(nonce, h->iv, 4);
		memcpy(nonce + 4, explicit_nonce.at, explicit_nonce.left);
	}
	out->len = body.left - TAG;
	put_covered(h, header[0], out->len, covered);
	return run_aead(h, nonce, false, covered, AAD_MAX, body.at, out->len, buffer);
}

/* The content comes with its inner type and padding behind it already. */
static size_t seal_aead_13(struct record_half *h, uint8_t type, const uint8_t *content, size_t len,
                           uint8_t *body)
{
	uint8_t nonce[RECORD_NONCE], header[HEADER];

	(void)type; /* the outer one is always application data */
	make_nonce(h, nonce);
	put_header(h, LW_RECORD_APPLICATION_DATA, len + TAG, header);
	if (!run_aead(h, nonce, true, header, HEADER, content, len, body))
		return 0;
	return len + TAG;
}

static bool open_aead_13(struct record_half *h, const uint8_t *header, struct lw_cursor body,
                         uint8_t *buffer, struct record_content *out)
{
	uint8_t nonce[RECORD_NONCE];

	make_nonce(h, nonce);
	if (body.left < TAG ||
	    !run_aead(h, nonce, false, header, HEADER, body.at, body.left - TAG, buffer))
		return false;
	size_t len = body.left - TAG;
	while (len > 0 && buffer[len - 1] == 0) /* rule: inner-type-hidden */
		len--;
	if (len == 0)
		return false;
	out->type = buffer[len - 1];
	out->len = len - 1;
	return true;
}

/* ---- the choice ---- */

static const struct protection protections[] = {
	[SUITE_CBC] = { seal_cbc, open_cbc },
	[SUITE_GCM] = { seal_aead_12, open_aead_12 },
	[SUITE_CHACHA] = { seal_aead_12, open_aead_12 },
};
static const struct protection protection_13 = { seal_aead_13, open_aead_13 };

static const struct protection *choose_protection(const struct record_half *h)
{
	return h->version == LW_VERSION_TLS1_3 ? &protection_13 : &protections[h->suite->kind];
}

size_t record_seal(struct record_half *h, uint8_t type, const void *content, size_t len,
                   size_t padding, uint8_t *out)
{
	uint8_t inner[RECORD_CONTENT_MAX + 1];
	size_t body_len = len;
	bool is_13 = h->suite != NULL && h->version == LW_VERSION_TLS1_3;

	if (len > RECORD_CONTENT_MAX || (is_13 && padding > RECORD_CONTENT_MAX - len))
		return 0;
	memcpy(inner, content, len);
	if (is_13) {
		inner[len] = type;
		memset(inner + len + 1, 0, padding);
		len += 1 + padding;
		type = LW_RECORD_APPLICATION_DATA;
	}
	if (h->suite == NULL)
		memcpy(out + HEADER, content, len);
	else
		body_len = choose_protection(h)->seal(h, type, inner, len, out + HEADER);
	if (h->suite != NULL && body_len == 0)
		return 0;
	put_header(h, type, body_len, out);
	h->sequence++;
	return HEADER + body_len;
}

bool record_open(struct record_half *h, const uint8_t *record, size_t len, uint8_t *buffer,
                 struct record_content *out)
{
	struct lw_cursor c = lw_cursor_over(record, len), header, fields;
	uint8_t type;
	uint16_t version, body_len;

	if (len > RECORD_MAX || !lw_take_window(&c, HEADER, &header))
		return false;
	fields = header;
	if (!lw_take_u8(&fields, &type) || !lw_take_u16(&fields, &version) ||
	    !lw_take_u16(&fields, &body_len) || body_len != c.left)
		return false;
	*out = (struct record_content){ .type = type, .sealed = h->suite != NULL, .bytes = buffer };
	if (h->suite != NULL) {
		if (!choose_protection(h)->open(h, header.at, c, buffer, out))
			return false;
	} else {
		memcpy(buffer, c.at, c.left);
		out->len = c.left;
	}
	h->sequence++;
	return true;
}
