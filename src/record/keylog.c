/* keylog: one line is LABEL SP 64 hex digits SP hex digits.  Anything else is refused whole. */
#include "record/keylog.h"

#include <string.h>

static const char *const labels[KEYLOG_LABELS] = {
	[KEYLOG_MASTER] = "CLIENT_RANDOM",
	[KEYLOG_CLIENT_HANDSHAKE] = "CLIENT_HANDSHAKE_TRAFFIC_SECRET",
	[KEYLOG_SERVER_HANDSHAKE] = "SERVER_HANDSHAKE_TRAFFIC_SECRET",
	[KEYLOG_CLIENT_TRAFFIC] = "CLIENT_TRAFFIC_SECRET_0",
	[KEYLOG_SERVER_TRAFFIC] = "SERVER_TRAFFIC_SECRET_0",
};

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* Reads hex pairs up to the first character that is no digit; the length, 0 if odd or too long. */
static size_t take_hex(const char **at, uint8_t *out, size_t cap)
{
	size_t len = 0;
	while (hex_digit((*at)[0]) >= 0) {
		if (len == cap || hex_digit((*at)[1]) < 0)
			return 0;
		out[len++] = (uint8_t)(hex_digit((*at)[0]) << 4 | hex_digit((*at)[1]));
		*at += 2;
	}
	return len;
}

static bool take_label(const char **at, enum keylog_label *label)
{
	for (unsigned i = 0; i < KEYLOG_LABELS; i++) {
		size_t len = strlen(labels[i]);
		if (strncmp(*at, labels[i], len) == 0 && (*at)[len] == ' ') {
			*at += len + 1;
			*label = (enum keylog_label)i;
			return true;
		}
	}
	return false;
}

bool keylog_add(struct keylog *k, const char *line)
{
	enum keylog_label label;
	uint8_t random[KEYLOG_RANDOM_BYTES];
	struct keylog_secret secret = { .len = 0 };

	if (!take_label(&line, &label) || take_hex(&line, random, sizeof random) != sizeof random ||
	    *line != ' ')
		return false;
	if (k->has_random && memcmp(k->client_random, random, sizeof random) != 0)
		return false;
	line++;
	secret.len = take_hex(&line, secret.bytes, sizeof secret.bytes);
	bool good = secret.len > 0 && (*line == '\0' || *line == '\n' || *line == '\r');
	if (good) {
		k->secrets[label] = secret;
		memcpy(k->client_random, random, sizeof random);
		k->has_random = true;
	}
	explicit_bzero(&secret, sizeof secret);
	return good;
}

void keylog_wipe(struct keylog *k)
{
	explicit_bzero(k, sizeof *k);
}
