/* pair_test: two adversaries against each other, every version and kind of suite, both roles.  What
 * the one says that it did is what the other saw, in order.
 */
#include "tests/unit.h"

#include <stdio.h>
#include <string.h>

#include "adversary/adversary.h"
#include "adversary/endings.h"

static const struct row {
	const char *name;
	struct adversary_options options;
} rows[] = {
	{ "1.0 CBC", { .version = LW_VERSION_TLS1_0, .ciphers = "ECDHE-ECDSA-AES128-SHA" } },
	{ "1.0 CBC, MAC first",
	  { .version = LW_VERSION_TLS1_0,
	    .ciphers = "ECDHE-ECDSA-AES256-SHA",
	    .no_encrypt_then_mac = true } },
	{ "1.1 CBC", { .version = LW_VERSION_TLS1_1, .ciphers = "ECDHE-ECDSA-AES256-SHA" } },
	{ "1.2 CBC", { .version = LW_VERSION_TLS1_2, .ciphers = "ECDHE-ECDSA-AES128-SHA256" } },
	{ "1.2 CBC, MAC first",
	  { .version = LW_VERSION_TLS1_2,
	    .ciphers = "ECDHE-ECDSA-AES256-SHA384",
	    .no_encrypt_then_mac = true } },
	{ "1.2 GCM", { .version = LW_VERSION_TLS1_2, .ciphers = "ECDHE-ECDSA-AES128-GCM-SHA256" } },
	{ "1.2 ChaCha20",
	  { .version = LW_VERSION_TLS1_2, .ciphers = "ECDHE-ECDSA-CHACHA20-POLY1305" } },
	{ "1.3 GCM", { .version = LW_VERSION_TLS1_3, .suites = "TLS_AES_256_GCM_SHA384" } },
	{ "1.3 ChaCha20, tickets",
	  { .version = LW_VERSION_TLS1_3,
	    .suites = "TLS_CHACHA20_POLY1305_SHA256",
	    .tickets = 2 } },
};

static const struct adversary_step steps[] = {
	STEP_DATA_IN(1000, 400),  STEP_ALERT(1, 90), STEP_DATA(20000), STEP_SPLIT_ALERT(1, 0),
	STEP_RAW_ALERT("\2\x28"), STEP_DATA(1),      STEP_FIN,         STEP_END,
};
static const struct adversary_script speaks = { .steps = steps };
static const struct adversary_step watching_steps[] = { STEP_WAIT_END, STEP_FIN, STEP_END };
static const struct adversary_script watches = { .steps = watching_steps };

struct wire {
	BIO *queue[2]; /* what each adversary is to hear */
};

static void run_pair(struct adversary *a[2], enum adversary_status status[2])
{
	struct wire w = { { BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()) } };
	for (unsigned turn = 0; turn < 40; turn++) {
		unsigned i = turn % 2;
		enum adversary_action action;
		status[i] = adversary_run_memory(a[i], w.queue[1 - i], w.queue[i], &action);
		if (action == ADVERSARY_NONE)
			continue;
		/* The other hears all that was said, then the end. */
		status[1 - i] = adversary_run_memory(a[1 - i], w.queue[i], w.queue[1 - i],
		                                     &(enum adversary_action){ ADVERSARY_NONE });
		adversary_give_end(a[1 - i], action == ADVERSARY_FIN ? ADVERSARY_ENDED_FIN
		                                                     : ADVERSARY_ENDED_RST);
	}
	BIO_free(w.queue[0]);
	BIO_free(w.queue[1]);
}

static bool is_seen_by_the_other(const struct exchange_event *e)
{
	return e->what == EXCHANGE_DATA || e->what == EXCHANGE_ALERT || e->what == EXCHANGE_FIN;
}

static const struct exchange_event *next_event(const struct exchange *x, unsigned *at,
                                               enum exchange_side side)
{
	while (*at < x->count) {
		const struct exchange_event *e = &x->events[(*at)++];
		if (e->side == side && is_seen_by_the_other(e))
			return e;
	}
	return NULL;
}

/* The right side of the speaker's list is the left side of the watcher's. */
static void compare(const struct adversary *speaker, const struct adversary *watcher)
{
	const struct exchange *said = adversary_exchange(speaker),
			      *seen = adversary_exchange(watcher);
	unsigned at[2] = { 0, 0 }, compared = 0;
	const struct exchange_event *one, *other;
	while ((one = next_event(said, &at[0], EXCHANGE_RIGHT)) != NULL) {
		other = next_event(seen, &at[1], EXCHANGE_LEFT);
		assert_non_null(other);
		assert_int_equal(one->what, other->what);
		assert_int_equal(one->bytes, other->bytes);
		assert_int_equal(one->times, other->times);
		assert_int_equal(one->level, other->level);
		assert_int_equal(one->description, other->description);
		compared++;
	}
	assert_null(next_event(seen, &at[1], EXCHANGE_LEFT));
	assert_true(compared >= 8);
}

static void check_tally(const struct adversary *watcher)
{
	const struct adversary_tally *t = adversary_subject(watcher);
	assert_int_equal(t->data_bytes, 21001);
	assert_false(t->data_differs);
	assert_int_equal(t->alerts, 3);
	assert_int_equal(t->close_notifies, 1);
	assert_int_equal(t->fatals, 1);
	assert_int_equal(t->last_description, 40);
	assert_int_equal(t->after_closure, 2);
	assert_true(t->fin);
	assert_false(t->cut_inside);
	assert_false(t->unreadable);
}

static void test_pair(void **state)
{
	const struct row *row = *state;
	for (unsigned speaking = 0; speaking < 2; speaking++) {
		struct adversary *a[2]; /* a server and a client */
		enum adversary_status status[2];
		for (unsigned role = 0; role < 2; role++) {
			struct adversary_options options = row->options;
			options.role = (enum adversary_role)role;
			a[role] = adversary_new(&options, role == speaking ? &speaks : &watches);
			assert_non_null(a[role]);
		}
		run_pair(a, status);
		assert_int_equal(adversary_version(a[0]), row->options.version);
		assert_int_equal(adversary_bytes_sent(a[speaking]), 21001);
		assert_int_equal(adversary_advance(a[0]), ADVERSARY_DONE);
		assert_int_equal(adversary_advance(a[1]), ADVERSARY_DONE);
		compare(a[speaking], a[1 - speaking]);
		check_tally(a[1 - speaking]);
		adversary_free(a[0]);
		adversary_free(a[1]);
	}
}

int main(void)
{
	enum { ROWS = sizeof rows / sizeof rows[0] };
	static struct CMUnitTest tests[ROWS];
	for (size_t i = 0; i < ROWS; i++)
		tests[i] = (struct CMUnitTest){ .name = rows[i].name,
			                        .test_func = test_pair,
			                        .initial_state = (void *)(uintptr_t)&rows[i] };
	return run_cases(tests);
}
