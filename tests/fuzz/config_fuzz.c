/*
 * config_fuzz: a configuration may hold anything.  Input: the file's text; what includes others is
 * left out, for those could be any file.  What is taken is whole; what is refused is told in a
 * sentence that holds nothing a terminal obeys; and reading is the same every time.
 */
#include <string.h>
#include <unistd.h>

#include "relay/config.h"
#include "tests/fuzz/fuzz.h"

static bool includes(const uint8_t *data, size_t size)
{
	static const char word[] = "include";

	for (size_t at = 0; at + sizeof word - 1 <= size; at++) {
		size_t same = 0;

		while (same < sizeof word - 1 && (data[at + same] | 0x20) == word[same])
			same++;
		if (same == sizeof word - 1)
			return true;
	}
	return false;
}

static void claim_told(const struct failure *f)
{
	fuzz_claim(f->sentence[0] != '\0');
	for (const char *c = f->sentence; *c != '\0'; c++)
		fuzz_claim((unsigned char)*c >= 0x20 && (unsigned char)*c < 0x7f);
}

static void claim_whole(const struct relay_config *c)
{
	fuzz_claim(c->service_count > 0 && c->services != NULL);
	for (size_t i = 0; i < c->service_count; i++) {
		const struct relay_service *s = &c->services[i];
		const bool accepts_tls = s->sni_of != NULL || s->accept.kind == RELAY_TLS;

		fuzz_claim(s->name[0] != '\0' && s->connects > 0 && s->connects <= 64);
		for (size_t b = 0; b < s->connects; b++)
			fuzz_claim(s->connect[b].kind == s->connect[0].kind);
		fuzz_claim(!accepts_tls || s->front.certificates[0] != NULL);
		fuzz_claim(s->sni_of == NULL || (s->sni_of->sni_of == NULL && s->sni_patterns[0]));
		fuzz_claim(s->busy_timeout_ms > 0 && s->close_timeout_ms > 0);
	}
}

/* The name of a file that holds the input, the same for every input; it goes with the process. */
static const char *put(const uint8_t *data, size_t size)
{
	static char path[] = "/tmp/lastword-config-fuzz-XXXXXX", name[32];
	static int fd = -1;

	if (fd < 0) {
		fd = mkstemp(path);
		fuzz_claim(fd >= 0 && unlink(path) == 0);
		(void)snprintf(name, sizeof name, "/dev/fd/%d", fd);
	}
	fuzz_claim(ftruncate(fd, 0) == 0 && pwrite(fd, data, size, 0) == (ssize_t)size);
	return name;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct failure f, again;
	struct relay_config *c, *d;
	const char *name;

	if (includes(data, size))
		return 0;
	name = put(data, size);
	c = relay_config_read(name, NULL, 0, &f);
	d = relay_config_read(name, NULL, 0, &again);
	fuzz_claim((c == NULL) == (d == NULL));
	if (c == NULL)
		claim_told(&f);
	else
		claim_whole(c);
	fuzz_claim(strcmp(f.sentence, again.sentence) == 0);
	relay_config_free(c);
	relay_config_free(d);
	return 0;
}
