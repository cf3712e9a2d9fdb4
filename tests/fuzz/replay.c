/*
 * replay: drives a fuzz target without libFuzzer: each file named on the
 * command line, and mutations of it from a fixed seed, so that every run is
 * the same.  One TAP case a file.  A broken claim aborts, and the plan, printed
 * first, tells the runner that cases are missing.
 */
#include <string.h>

#include "tests/fuzz/fuzz.h"

#ifndef MUTATIONS
#define MUTATIONS 2000u
#endif
#define INPUT_BYTES 4096u

/* xorshift64: a fixed sequence, not a good one. */
static uint64_t next_number(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

/* Changes, cuts or repeats; the new length. */
static size_t mutate(uint8_t *bytes, size_t len, uint64_t *state)
{
	size_t at = len ? (size_t)(next_number(state) % len) : 0;
	size_t room = INPUT_BYTES - len;

	switch (next_number(state) % 5) {
	case 0: /* any octet */
		if (len)
			bytes[at] = (uint8_t)next_number(state);
		return len;
	case 1: /* one bit */
		if (len)
			bytes[at] ^= (uint8_t)(1u << (next_number(state) % 8));
		return len;
	case 2: /* cut the tail */
		return at;
	case 3: /* repeat the tail */
		room = room < len - at ? room : len - at;
		memmove(bytes + len, bytes + at, room);
		return len + room;
	default: /* drop an octet */
		if (len == 0)
			return 0;
		memmove(bytes + at, bytes + at + 1, len - at - 1);
		return len - 1;
	}
}

/* Runs the target on a copy of exactly `len` bytes, so that a sanitizer sees a step past its end.
 */
static void run_target(const uint8_t *bytes, size_t len)
{
	uint8_t *copy = malloc(len ? len : 1);

	if (!copy)
		abort();
	memcpy(copy, bytes, len);
	(void)LLVMFuzzerTestOneInput(copy, len);
	free(copy);
}

static void replay(const uint8_t *seed, size_t len)
{
	uint64_t state = 0x9e3779b97f4a7c15u;

	run_target(seed, len);
	for (unsigned i = 0; i < MUTATIONS; i++) {
		uint8_t bytes[INPUT_BYTES];
		size_t now = len;

		memcpy(bytes, seed, len);
		for (uint64_t edits = 1 + next_number(&state) % 4; edits > 0; edits--)
			now = mutate(bytes, now, &state);
		run_target(bytes, now);
	}
}

int main(int argc, char **argv)
{
	int failed = 0;

	printf("1..%d\n", argc - 1);
	fflush(stdout);
	for (int i = 1; i < argc; i++) {
		uint8_t seed[INPUT_BYTES];
		const char *name = strrchr(argv[i], '/');
		FILE *file = fopen(argv[i], "rb");
		size_t len = file ? fread(seed, 1, sizeof(seed), file) : 0;

		if (file)
			replay(seed, len);
		failed |= !file;
		printf("%s %d - %s and %u mutations\n", file ? "ok" : "not ok", i,
		       name ? name + 1 : argv[i], MUTATIONS);
		fflush(stdout);
		if (file)
			fclose(file);
	}
	return failed || argc == 1;
}
