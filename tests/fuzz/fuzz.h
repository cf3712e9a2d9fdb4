/*
 * fuzz: what a fuzz target and its two drivers share.
 *
 * A target reads its input as a little script and aborts when a claim is
 * broken.  libFuzzer drives it for `./dev fuzz`; replay.c drives it in every
 * test run, over the corpus and a fixed number of mutations of it.
 */
#ifndef FUZZ_FUZZ_H
#define FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Aborts with the claim that was broken. */
#define fuzz_claim(claim)                                                                          \
	do {                                                                                       \
		if (!(claim)) {                                                                    \
			fprintf(stderr, "%s:%d: broken: %s\n", __FILE__, __LINE__, #claim);        \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

#endif
