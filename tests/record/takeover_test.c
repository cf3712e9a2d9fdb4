/* takeover_test: live OpenSSL sessions in memory, every version and kind of suite.  What OpenSSL
 * seals we open, what we seal OpenSSL reads, in both directions, behind data that OpenSSL sent.
 */
#include "tests/unit.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <string.h>

#include "closure/boundary.h"
#include "net/certificate.h"
#include "record/takeover.h"

struct row {
	const char *name;
	int version;
	const char *suite;
	bool mac_then_encrypt;
};

static const struct row rows[] = {
	{ "1.0 AES-128-CBC SHA1", TLS1_VERSION, "ECDHE-ECDSA-AES128-SHA", false },
	{ "1.0 AES-256-CBC SHA1, MAC first", TLS1_VERSION, "ECDHE-ECDSA-AES256-SHA", true },
	{ "1.1 AES-128-CBC SHA1", TLS1_1_VERSION, "ECDHE-ECDSA-AES128-SHA", false },
	{ "1.1 AES-256-CBC SHA1, MAC first", TLS1_1_VERSION, "ECDHE-ECDSA-AES256-SHA", true },
	{ "1.2 AES-128-CBC SHA1", TLS1_2_VERSION, "ECDHE-ECDSA-AES128-SHA", false },
	{ "1.2 AES-128-CBC SHA256", TLS1_2_VERSION, "ECDHE-ECDSA-AES128-SHA256", false },
	{ "1.2 AES-256-CBC SHA384", TLS1_2_VERSION, "ECDHE-ECDSA-AES256-SHA384", false },
	{ "1.2 AES-256-CBC SHA384, MAC first", TLS1_2_VERSION, "ECDHE-ECDSA-AES256-SHA384", true },
	{ "1.2 AES-128-GCM", TLS1_2_VERSION, "ECDHE-ECDSA-AES128-GCM-SHA256", false },
	{ "1.2 AES-256-GCM", TLS1_2_VERSION, "ECDHE-ECDSA-AES256-GCM-SHA384", false },
	{ "1.2 ChaCha20-Poly1305", TLS1_2_VERSION, "ECDHE-ECDSA-CHACHA20-POLY1305", false },
	{ "1.3 AES-128-GCM", TLS1_3_VERSION, "TLS_AES_128_GCM_SHA256", false },
	{ "1.3 AES-256-GCM", TLS1_3_VERSION, "TLS_AES_256_GCM_SHA384", false },
	{ "1.3 ChaCha20-Poly1305", TLS1_3_VERSION, "TLS_CHACHA20_POLY1305_SHA256", false },
};

struct session {
	SSL_CTX *ctx[2];
	SSL *ssl[2]; /* by enum takeover_side */
	struct keylog keylog;
	struct takeover *takeover;
	uint8_t data[2][70000]; /* application data that the takeover saw */
	size_t data_bytes[2];
	unsigned alerts[2];
	unsigned ticket_records[2];
};

static void keep_secret(const SSL *ssl, const char *line)
{
	(void)keylog_add(SSL_get_app_data(ssl), line);
}

static void set_up(SSL_CTX *ctx, const struct row *row)
{
	SSL_CTX_set_security_level(ctx, 0);
	assert_int_equal(SSL_CTX_set_min_proto_version(ctx, row->version), 1);
	assert_int_equal(SSL_CTX_set_max_proto_version(ctx, row->version), 1);
	if (row->version == TLS1_3_VERSION)
		assert_int_equal(SSL_CTX_set_ciphersuites(ctx, row->suite), 1);
	else
		assert_int_equal(SSL_CTX_set_cipher_list(ctx, row->suite), 1);
	if (row->mac_then_encrypt)
		(void)SSL_CTX_set_options(ctx, SSL_OP_NO_ENCRYPT_THEN_MAC);
	SSL_CTX_set_keylog_callback(ctx, keep_secret);
}

static void begin(struct session *s, const struct row *row)
{
	struct certificate *c = certificate_new(NULL, NULL);
	memset(s, 0, sizeof *s);
	s->takeover = takeover_new(&s->keylog, LW_VERSION_UNKNOWN);
	s->ctx[TAKEOVER_CLIENT] = SSL_CTX_new(TLS_client_method());
	s->ctx[TAKEOVER_SERVER] = SSL_CTX_new(TLS_server_method());
	assert_true(certificate_present(c, s->ctx[TAKEOVER_SERVER]));
	certificate_free(c);
	for (int i = 0; i < 2; i++) {
		set_up(s->ctx[i], row);
		s->ssl[i] = SSL_new(s->ctx[i]);
		SSL_set_bio(s->ssl[i], BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
		SSL_set_app_data(s->ssl[i], &s->keylog);
	}
	SSL_set_connect_state(s->ssl[TAKEOVER_CLIENT]);
	SSL_set_accept_state(s->ssl[TAKEOVER_SERVER]);
}

static void end(struct session *s)
{
	takeover_free(s->takeover);
	for (int i = 0; i < 2; i++) {
		SSL_free(s->ssl[i]);
		SSL_CTX_free(s->ctx[i]);
	}
}

static void keep(struct session *s, enum takeover_side from, const struct record_content *c)
{
	if (c->type == LW_RECORD_ALERT)
		s->alerts[from]++;
	if (c->type == LW_RECORD_HANDSHAKE && c->sealed && c->bytes[0] == 4)
		s->ticket_records[from]++;
	if (c->type != LW_RECORD_APPLICATION_DATA)
		return;
	assert_true(c->sealed);
	memcpy(s->data[from] + s->data_bytes[from], c->bytes, c->len);
	s->data_bytes[from] += c->len;
}

/* Moves what `from` sent to its peer, and shows it to the takeover once the peer has seen it. */
static bool carry(struct session *s, enum takeover_side from)
{
	static uint8_t wire[200000];
	enum takeover_side to = from == TAKEOVER_CLIENT ? TAKEOVER_SERVER : TAKEOVER_CLIENT;
	int n = BIO_read(SSL_get_wbio(s->ssl[from]), wire, sizeof wire);
	if (n <= 0)
		return false;
	assert_int_equal(BIO_write(SSL_get_rbio(s->ssl[to]), wire, n), n);
	(void)SSL_do_handshake(s->ssl[to]);
	for (size_t at = 0, used; at < (size_t)n; at += used) {
		struct record_content content;
		used = 0;
		assert_int_equal(
		    takeover_open(s->takeover, from, wire + at, (size_t)n - at, &used, &content),
		    TAKEOVER_OPENED);
		keep(s, from, &content);
	}
	return true;
}

static void shake_hands(struct session *s)
{
	(void)SSL_do_handshake(s->ssl[TAKEOVER_CLIENT]);
	while (carry(s, TAKEOVER_CLIENT) || carry(s, TAKEOVER_SERVER))
		continue;
	assert_true(SSL_is_init_finished(s->ssl[TAKEOVER_CLIENT]));
	assert_true(SSL_is_init_finished(s->ssl[TAKEOVER_SERVER]));
}

static void fill(uint8_t *out, size_t len, unsigned seed)
{
	for (size_t i = 0; i < len; i++)
		out[i] = (uint8_t)(i * 13 + seed);
}

/* OpenSSL seals, we open. */
static void check_opening(struct session *s, enum takeover_side from, size_t len)
{
	static uint8_t sent[40000];
	size_t before = s->data_bytes[from];
	fill(sent, len, (unsigned)len);
	assert_int_equal(SSL_write(s->ssl[from], sent, (int)len), (int)len);
	assert_true(carry(s, from));
	assert_int_equal(s->data_bytes[from] - before, len);
	assert_memory_equal(s->data[from] + before, sent, len);
}

static SSL *peer_of(struct session *s, enum takeover_side side)
{
	return s->ssl[side == TAKEOVER_CLIENT ? TAKEOVER_SERVER : TAKEOVER_CLIENT];
}

/* Reads all that OpenSSL has waiting, and drops it. */
static void empty(SSL *ssl)
{
	static uint8_t buf[40000];
	while (SSL_read(ssl, buf, sizeof buf) > 0)
		continue;
}

/* We seal, OpenSSL reads. */
static void check_sealing(struct session *s, enum takeover_side as, size_t len, size_t padding)
{
	static uint8_t sent[RECORD_CONTENT_MAX], got[RECORD_CONTENT_MAX + 1], record[RECORD_MAX];
	SSL *reader = peer_of(s, as);
	fill(sent, len, 99);
	size_t n =
	    takeover_seal(s->takeover, as, LW_RECORD_APPLICATION_DATA, sent, len, padding, record);
	assert_true(n > len);
	assert_int_equal(BIO_write(SSL_get_rbio(reader), record, (int)n), (int)n);
	int read = SSL_read(reader, got, sizeof got);
	if (len == 0) {
		assert_int_equal(SSL_get_error(reader, read), SSL_ERROR_WANT_READ);
		return;
	}
	assert_int_equal(read, (int)len);
	assert_memory_equal(got, sent, len);
}

static void check_close(struct session *s, enum takeover_side as)
{
	uint8_t record[RECORD_MAX], octet;
	SSL *reader = peer_of(s, as);
	size_t n = takeover_seal(s->takeover, as, LW_RECORD_ALERT, "\1\0", 2, 0, record);
	/* rule: inner-type-hidden */
	bool hidden = takeover_version(s->takeover) == LW_VERSION_TLS1_3;
	assert_int_equal(record[0], hidden ? LW_RECORD_APPLICATION_DATA : LW_RECORD_ALERT);
	assert_int_equal(BIO_write(SSL_get_rbio(reader), record, (int)n), (int)n);
	assert_int_equal(SSL_read(reader, &octet, 1), 0);
	assert_int_equal(SSL_get_error(reader, 0), SSL_ERROR_ZERO_RETURN);
}

static void test_opens_and_seals_both_ways(void **state)
{
	static struct session s;
	const struct row *row = *state;
	begin(&s, row);
	shake_hands(&s);
	assert_int_equal(takeover_version(s.takeover),
	                 LW_VERSION_TLS1_0 + (row->version - TLS1_VERSION));
	assert_int_equal(s.ticket_records[TAKEOVER_SERVER] > 0, row->version == TLS1_3_VERSION);
	static const size_t lengths[] = { 1, 15, 16, 17, 1000, 16384, 20000 };
	for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
		check_opening(&s, TAKEOVER_CLIENT, lengths[i]);
		check_opening(&s, TAKEOVER_SERVER, lengths[i]);
	}
	empty(s.ssl[TAKEOVER_CLIENT]);
	empty(s.ssl[TAKEOVER_SERVER]);
	for (size_t len = 0; len < 70; len++) {
		check_sealing(&s, TAKEOVER_CLIENT, len, 0);
		check_sealing(&s, TAKEOVER_SERVER, len, len);
	}
	check_sealing(&s, TAKEOVER_CLIENT, RECORD_CONTENT_MAX, 0);
	check_sealing(&s, TAKEOVER_SERVER, RECORD_CONTENT_MAX, 0);
	check_close(&s, TAKEOVER_CLIENT);
	check_close(&s, TAKEOVER_SERVER);
	end(&s);
}

static void test_follows_key_update_both_ways(void **state)
{
	static struct session s;
	uint8_t record[RECORD_MAX];
	(void)state;
	begin(&s, &rows[sizeof rows / sizeof rows[0] - 2]);
	shake_hands(&s);
	for (int round = 0; round < 3; round++) {
		assert_int_equal(SSL_key_update(s.ssl[TAKEOVER_SERVER], SSL_KEY_UPDATE_REQUESTED),
		                 1);
		check_opening(&s, TAKEOVER_SERVER, 100);
		empty(s.ssl[TAKEOVER_CLIENT]);
		check_opening(&s, TAKEOVER_CLIENT, 100); /* behind the KeyUpdate asked for */
		empty(s.ssl[TAKEOVER_SERVER]);
	}
	size_t n = takeover_seal(s.takeover, TAKEOVER_CLIENT, LW_RECORD_HANDSHAKE, "\x18\0\0\1\0",
	                         5, 0, record);
	assert_int_equal(BIO_write(SSL_get_rbio(s.ssl[TAKEOVER_SERVER]), record, (int)n), (int)n);
	assert_true(takeover_update(s.takeover, TAKEOVER_CLIENT));
	check_sealing(&s, TAKEOVER_CLIENT, 100, 0);
	end(&s);
}

static size_t last_flight(struct session *s, enum takeover_side from, uint8_t *wire, size_t cap)
{
	int n = BIO_read(SSL_get_wbio(s->ssl[from]), wire, (int)cap);
	return n > 0 ? (size_t)n : 0;
}

/* Opens all but the last record (1.0 sends an empty one first); where the last one starts. */
static size_t open_all_but_last(struct session *s, const uint8_t *wire, size_t n)
{
	struct record_content content;
	size_t at = 0, used;
	while (at + LW_RECORD_HEADER + ((size_t)wire[at + 3] << 8 | wire[at + 4]) < n) {
		assert_int_equal(
		    takeover_open(s->takeover, TAKEOVER_CLIENT, wire + at, n - at, &used, &content),
		    TAKEOVER_OPENED);
		at += used;
	}
	return at;
}

static void test_tells_a_broken_record(void **state)
{
	static struct session s;
	static uint8_t wire[1000];
	struct record_content content;
	size_t used = 0;
	begin(&s, *state);
	shake_hands(&s);
	assert_int_equal(SSL_write(s.ssl[TAKEOVER_CLIENT], "hello", 5), 5);
	size_t n = last_flight(&s, TAKEOVER_CLIENT, wire, sizeof wire);
	size_t at = open_all_but_last(&s, wire, n);
	for (size_t i = at + LW_RECORD_HEADER; i < n; i++) {
		wire[i] ^= 0x40;
		assert_int_equal(
		    takeover_open(s.takeover, TAKEOVER_CLIENT, wire + at, n - at, &used, &content),
		    TAKEOVER_BROKEN);
		wire[i] ^= 0x40;
	}
	/* It is whole again, and the count did not move. */
	assert_int_equal(
	    takeover_open(s.takeover, TAKEOVER_CLIENT, wire + at, n - at, &used, &content),
	    TAKEOVER_OPENED);
	assert_int_equal(content.len, 5);
	assert_int_equal(used, n - at);
	end(&s);
}

static void test_waits_for_octets_and_for_keys(void **state)
{
	static struct session s;
	static uint8_t wire[1000];
	struct record_content content;
	struct keylog saved;
	size_t used = 0;
	begin(&s, *state);
	shake_hands(&s);
	SSL *client = s.ssl[TAKEOVER_CLIENT];
	SSL_set_app_data(client, &s.keylog);
	assert_int_equal(SSL_write(client, "hello", 5), 5);
	size_t n = last_flight(&s, TAKEOVER_CLIENT, wire, sizeof wire);
	size_t first = 5u + ((size_t)wire[3] << 8) + wire[4];
	for (size_t len = 0; len < first; len++)
		assert_int_equal(
		    takeover_open(s.takeover, TAKEOVER_CLIENT, wire, len, &used, &content),
		    TAKEOVER_NEED_BYTES);
	assert_int_equal(takeover_open(s.takeover, TAKEOVER_CLIENT, wire, n, &used, &content),
	                 TAKEOVER_OPENED);
	assert_int_equal(used, first);
	end(&s);

	/* Without its key log a connection stops being readable where the keys begin. */
	begin(&s, *state);
	memset(&saved, 0, sizeof saved);
	takeover_free(s.takeover);
	s.takeover = takeover_new(&saved, LW_VERSION_UNKNOWN);
	(void)SSL_do_handshake(client = s.ssl[TAKEOVER_CLIENT]);
	enum takeover_result result = TAKEOVER_OPENED;
	enum takeover_side from = TAKEOVER_CLIENT;
	for (int turn = 0; turn < 6 && result == TAKEOVER_OPENED; turn++) {
		static uint8_t flight[8000];
		n = last_flight(&s, from, flight, sizeof flight);
		for (size_t at = 0; at < n && result == TAKEOVER_OPENED; at += used)
			result =
			    takeover_open(s.takeover, from, flight + at, n - at, &used, &content);
		SSL *to = peer_of(&s, from);
		assert_int_equal(BIO_write(SSL_get_rbio(to), flight, (int)n), (int)n);
		(void)SSL_do_handshake(to);
		from = from == TAKEOVER_CLIENT ? TAKEOVER_SERVER : TAKEOVER_CLIENT;
	}
	assert_int_equal(result, TAKEOVER_NEED_KEYS);
	end(&s);
}

/* Records under the next keys are refused as long as no KeyUpdate announced them.
 * rule: key-update-enforced */
static void test_keys_change_only_behind_key_update(void **state)
{
	static struct session s;
	uint8_t record[RECORD_MAX], octet;
	SSL *server;
	(void)state;
	begin(&s, &rows[sizeof rows / sizeof rows[0] - 2]);
	shake_hands(&s);
	server = s.ssl[TAKEOVER_SERVER];
	assert_true(takeover_update(s.takeover, TAKEOVER_CLIENT));
	size_t n = takeover_seal(s.takeover, TAKEOVER_CLIENT, LW_RECORD_APPLICATION_DATA, "x", 1, 0,
	                         record);
	assert_int_equal(BIO_write(SSL_get_rbio(server), record, (int)n), (int)n);
	assert_int_equal(SSL_read(server, &octet, 1), -1);
	assert_int_equal(ERR_GET_REASON(ERR_peek_error()),
	                 SSL_R_DECRYPTION_FAILED_OR_BAD_RECORD_MAC);
	ERR_clear_error();
	end(&s);
}

/* The server refuses the client's first key share: two hellos each. */
static void test_follows_a_retry(void **state)
{
	static struct session s;
	uint8_t record[RECORD_MAX];
	(void)state;
	begin(&s, &rows[sizeof rows / sizeof rows[0] - 2]);
	assert_int_equal(SSL_set1_groups_list(s.ssl[TAKEOVER_CLIENT], "X25519:P-384"), 1);
	assert_int_equal(SSL_set1_groups_list(s.ssl[TAKEOVER_SERVER], "P-384"), 1);
	(void)SSL_do_handshake(s.ssl[TAKEOVER_CLIENT]);
	assert_true(carry(&s, TAKEOVER_CLIENT));
	assert_true(carry(&s, TAKEOVER_SERVER));
	/* The retry brings no keys: an alert now is one in the clear. */
	assert_int_equal(
	    takeover_seal(s.takeover, TAKEOVER_SERVER, LW_RECORD_ALERT, "\2\x28", 2, 0, record), 7);
	while (carry(&s, TAKEOVER_CLIENT) || carry(&s, TAKEOVER_SERVER))
		continue;
	assert_true(SSL_is_init_finished(s.ssl[TAKEOVER_SERVER]));
	check_opening(&s, TAKEOVER_CLIENT, 100);
	check_opening(&s, TAKEOVER_SERVER, 100);
	end(&s);
}

int main(void)
{
	enum { ROWS = sizeof rows / sizeof rows[0] };
	static char names[3][ROWS][96];
	static struct CMUnitTest tests[3 * ROWS + 3];
	static const struct {
		const char *claim;
		CMUnitTestFunction run;
	} claims[] = {
		{ "opens and seals both ways", test_opens_and_seals_both_ways },
		{ "tells a broken record", test_tells_a_broken_record },
		{ "waits for octets and for keys", test_waits_for_octets_and_for_keys },
	};
	size_t n = 0;
	for (size_t c = 0; c < 3; c++) {
		for (size_t i = 0; i < ROWS; i++) {
			(void)snprintf(names[c][i], sizeof names[c][i], "%s: %s", rows[i].name,
			               claims[c].claim);
			tests[n++] =
			    (struct CMUnitTest){ .name = names[c][i],
				                 .test_func = claims[c].run,
				                 .initial_state = (void *)(uintptr_t)&rows[i] };
		}
	}
	tests[n++] = (struct CMUnitTest)cmocka_unit_test(test_follows_key_update_both_ways);
	tests[n++] = (struct CMUnitTest)cmocka_unit_test(test_follows_a_retry);
	tests[n++] = (struct CMUnitTest)cmocka_unit_test(test_keys_change_only_behind_key_update);
	return run_cases(tests);
}
