/* keylog: the secrets of one connection, from key-log lines (the NSS format of SSLKEYLOGFILE and
 * SSL_CTX_set_keylog_callback()).  Parsing only: it derives nothing.
 */
#ifndef RECORD_KEYLOG_H
#define RECORD_KEYLOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { KEYLOG_RANDOM_BYTES = 32, KEYLOG_SECRET_BYTES = 48 };

enum keylog_label {
	KEYLOG_MASTER, /* CLIENT_RANDOM: the master secret, to TLS 1.2 */
	KEYLOG_CLIENT_HANDSHAKE,
	KEYLOG_SERVER_HANDSHAKE,
	KEYLOG_CLIENT_TRAFFIC,
	KEYLOG_SERVER_TRAFFIC,
	KEYLOG_LABELS
};

struct keylog_secret {
	uint8_t bytes[KEYLOG_SECRET_BYTES];
	size_t len; /* 0: not known */
};

struct keylog {
	uint8_t client_random[KEYLOG_RANDOM_BYTES];
	bool has_random;
	struct keylog_secret secrets[KEYLOG_LABELS];
};

/*
 * Takes the secret of one line, with or without its newline.  The first line's client random is
 * the connection's, unless `has_random` was set before.  False: a comment, another connection, a
 * label that is not used here, or malformed; nothing changed.
 */
bool keylog_add(struct keylog *k, const char *line);

/* Overwrites every secret. */
void keylog_wipe(struct keylog *k);

#endif
