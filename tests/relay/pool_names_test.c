/* pool_names_test: what addresses a backend's name has, who waits for them, and who may leave
 * meanwhile.
 */
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

#include "tests/relay/pool_stand.h"

/* ---- addresses */

static void a_path_becomes_an_address(void **state)
{
	struct stand *s = stand_new("/run/backend", RELAY_ROUND_ROBIN);
	const struct sockaddr_un *name;

	(void)state;
	assert_int_equal(begin_turn(s), POOL_CHOSEN);
	assert_int_equal(s->choice.list->ai_family, AF_UNIX);
	assert_int_equal(s->choice.list->ai_socktype, SOCK_STREAM);
	assert_int_equal(s->choice.list->ai_protocol, 0);
	assert_null(s->choice.list->ai_next);
	name = (const struct sockaddr_un *)s->choice.list->ai_addr;
	assert_int_equal(name->sun_family, AF_UNIX);
	assert_string_equal(name->sun_path, "/run/backend");
	pool_list_free(s->choice.list);
	stand_free(s);
}

static void a_numeric_address_that_cannot_be_is_told(void **state)
{
	struct stand *s = stand_new("fe80::1%nowhere", RELAY_ROUND_ROBIN);

	(void)state;
	assert_string_equal(connect_once(s), "none");
	assert_non_null(strstr(s->f.sentence, "cannot use the address fe80::1%nowhere: "));
	stand_free(s);
}

static void a_name_is_looked_up_once_for_all_who_wait(void **state)
{
	struct stand *s = stand_new("a.test", RELAY_ROUND_ROBIN);
	struct pool_turn second = { 0 };
	struct pool_wait other = { .ready = count_call, .context = s };

	(void)state;
	assert_int_equal(begin_turn(s), POOL_WAIT);
	assert_int_equal(pool_next(s->pool, &second, &s->choice, &other, &s->f), POOL_WAIT);
	assert_int_equal(s->woken, 0);
	settle(s);
	assert_int_equal(s->woken, 2);
	assert_int_equal(go_on(s), POOL_CHOSEN);
	assert_string_equal(take_addresses(s), "192.0.2.1");
	assert_int_equal(pool_next(s->pool, &second, &s->choice, &other, &s->f), POOL_CHOSEN);
	assert_string_equal(take_addresses(s), "192.0.2.1");
	assert_string_equal(connect_once(s), "192.0.2.1");
	settle(s);
	assert_int_equal(asked(), 1);
	assert_int_equal(s->woken, 2);
	stand_free(s);
}

static void a_choice_is_a_copy_with_the_port(void **state)
{
	struct stand *s = stand_new("a.test", RELAY_ROUND_ROBIN);
	struct addrinfo *list;

	(void)state;
	assert_string_equal(connect_once(s), "wait");
	settle(s);
	assert_int_equal(go_on(s), POOL_CHOSEN);
	list = s->choice.list;
	stand_free(s);
	assert_int_equal(ntohs(((struct sockaddr_in *)list->ai_addr)->sin_port), 8080);
	assert_int_equal(list->ai_protocol, IPPROTO_TCP);
	pool_list_free(list);
}

static void round_robin_begins_with_the_next_address(void **state)
{
	struct stand *s = stand_new("a.test", RELAY_ROUND_ROBIN);

	(void)state;
	resolve_to("192.0.2.1 2001:db8::2 192.0.2.3", 0);
	assert_string_equal(connect_once(s), "wait");
	settle(s);
	assert_string_equal(connect_once(s), "192.0.2.1 2001:db8::2 192.0.2.3");
	assert_string_equal(connect_once(s), "2001:db8::2 192.0.2.3 192.0.2.1");
	assert_string_equal(connect_once(s), "192.0.2.3 192.0.2.1 2001:db8::2");
	assert_string_equal(connect_once(s), "192.0.2.1 2001:db8::2 192.0.2.3");
	stand_free(s);
}

static void priority_keeps_the_order_of_addresses(void **state)
{
	struct stand *s = stand_new("a.test", RELAY_PRIORITY);

	(void)state;
	resolve_to("192.0.2.1 192.0.2.2", 0);
	assert_string_equal(connect_once(s), "wait");
	settle(s);
	assert_string_equal(connect_once(s), "192.0.2.1 192.0.2.2");
	assert_string_equal(connect_once(s), "192.0.2.1 192.0.2.2");
	stand_free(s);
}

static void addresses_of_a_name_are_bounded(void **state)
{
	struct stand *s = stand_new("a.test", RELAY_PRIORITY);
	char text[2048];
	size_t n = 0, count = 0;

	(void)state;
	for (unsigned i = 0; i < POOL_ADDRESSES + 9; i++)
		n += (size_t)snprintf(text + n, sizeof text - n, "192.0.2.%u ", i + 1);
	resolve_to(text, 0);
	assert_string_equal(connect_once(s), "wait");
	settle(s);
	assert_int_equal(go_on(s), POOL_CHOSEN);
	for (const struct addrinfo *a = s->choice.list; a != NULL; a = a->ai_next)
		count++;
	assert_int_equal(count, POOL_ADDRESSES);
	pool_list_free(s->choice.list);
	stand_free(s);
}

static void old_addresses_serve_until_the_new_ones_are_there(void **state)
{
	struct stand *s = stand_new("a.test", RELAY_PRIORITY);

	(void)state;
	assert_string_equal(connect_once(s), "wait");
	settle(s);
	resolve_to("192.0.2.7 192.0.2.8", 0);
	s->now_ms += RESOLVE_MS - 1;
	assert_string_equal(connect_once(s), "192.0.2.1");
	settle(s);
	assert_int_equal(asked(), 1);
	hold("a.test");
	s->now_ms += 1;
	assert_string_equal(connect_once(s), "192.0.2.1");
	assert_string_equal(connect_once(s), "192.0.2.1");
	hold(NULL);
	settle(s);
	assert_int_equal(asked(), 2);
	assert_string_equal(connect_once(s), "192.0.2.7 192.0.2.8");
	stand_free(s);
}

static void old_addresses_stay_if_the_name_is_lost(void **state)
{
	struct stand *s = stand_new("a.test 192.0.2.99", RELAY_PRIORITY);

	(void)state;
	assert_string_equal(connect_once(s), "wait");
	settle(s);
	resolve_to("", EAI_AGAIN);
	s->now_ms += RESOLVE_MS;
	assert_string_equal(connect_once(s), "192.0.2.1");
	settle(s);
	assert_int_equal(asked(), 2);
	assert_string_equal(connect_once(s), "192.0.2.1"); /* and it has not failed */
	settle(s);
	assert_int_equal(asked(), 2);
	resolve_to("192.0.2.9", 0);
	s->now_ms += RETRY_MS; /* a failed look-up is tried again soon */
	assert_string_equal(connect_once(s), "192.0.2.1");
	settle(s);
	assert_string_equal(connect_once(s), "192.0.2.9");
	stand_free(s);
}

static void a_backend_that_fails_has_its_name_looked_up_sooner(void **state)
{
	struct stand *s = stand_new("a.test", RELAY_PRIORITY);

	(void)state;
	assert_string_equal(connect_once(s), "wait");
	settle(s);
	assert_string_equal(connect_once(s), "192.0.2.1");
	resolve_to("192.0.2.5", 0);
	pool_failed(s->pool, 0);
	assert_string_equal(connect_once(s), "192.0.2.1");
	settle(s);
	assert_int_equal(asked(), 1);
	s->now_ms += RETRY_MS;
	assert_string_equal(connect_once(s), "192.0.2.1");
	settle(s);
	assert_string_equal(connect_once(s), "192.0.2.5");
	stand_free(s);
}

/* ---- names that keep one waiting */

static void round_robin_does_not_wait_while_another_is_there(void **state)
{
	struct stand *s = stand_new("a.test 192.0.2.50", RELAY_ROUND_ROBIN);

	(void)state;
	assert_string_equal(connect_once(s), "192.0.2.50");
	assert_int_equal(go_on(s), POOL_WAIT);
	settle(s);
	assert_int_equal(s->woken, 1);
	assert_int_equal(go_on(s), POOL_CHOSEN);
	assert_string_equal(take_addresses(s), "192.0.2.1");
	stand_free(s);
}

static void priority_waits_for_what_comes_first(void **state)
{
	struct stand *s = stand_new("a.test 192.0.2.50", RELAY_PRIORITY);

	(void)state;
	assert_string_equal(connect_once(s), "wait");
	settle(s);
	assert_int_equal(go_on(s), POOL_CHOSEN);
	assert_string_equal(take_addresses(s), "192.0.2.1");
	stand_free(s);
}

static void one_that_failed_is_not_better_than_a_name_to_come(void **state)
{
	struct stand *s = stand_new("192.0.2.50 a.test", RELAY_ROUND_ROBIN);

	(void)state;
	pool_failed(s->pool, 0);
	assert_string_equal(connect_once(s), "wait");
	resolve_to("", EAI_NONAME);
	pool_forget(s->pool, &s->wait);
	settle(s);
	stand_free(s);
}

static void a_name_that_is_not_found_is_no_backend(void **state)
{
	struct stand *s = stand_new("a.test 192.0.2.50", RELAY_PRIORITY);

	(void)state;
	resolve_to("", EAI_NONAME);
	assert_string_equal(connect_once(s), "wait");
	settle(s);
	assert_int_equal(go_on(s), POOL_CHOSEN);
	assert_string_equal(take_addresses(s), "192.0.2.50");
	assert_int_equal(go_on(s), POOL_NONE);
	assert_non_null(strstr(s->f.sentence, "cannot find a.test: "));
	assert_string_equal(connect_once(s), "192.0.2.50"); /* passed over, without waiting */
	settle(s);
	assert_int_equal(asked(), 1);
	s->now_ms += RETRY_MS;
	resolve_to("192.0.2.3", 0);
	assert_string_equal(connect_once(s), "wait");
	settle(s);
	assert_int_equal(go_on(s), POOL_CHOSEN);
	assert_string_equal(take_addresses(s), "192.0.2.3");
	stand_free(s);
}

static void the_only_name_is_looked_up_for_each_turn_once(void **state)
{
	struct stand *s = stand_new("a.test", RELAY_ROUND_ROBIN);

	(void)state;
	resolve_to("", EAI_AGAIN);
	for (unsigned i = 1; i <= 3; i++) {
		assert_string_equal(connect_once(s), "wait");
		settle(s);
		assert_int_equal(go_on(s), POOL_NONE);
		assert_non_null(
		    strstr(s->f.sentence, "cannot look up a.test: the name server did not"));
		assert_int_equal(go_on(s), POOL_NONE);
		assert_int_equal(asked(), i);
	}
	stand_free(s);
}

static void an_empty_answer_is_no_address(void **state)
{
	struct stand *s = stand_new("a.test", RELAY_ROUND_ROBIN);

	(void)state;
	resolve_to("", 0);
	assert_string_equal(connect_once(s), "wait");
	settle(s);
	assert_int_equal(go_on(s), POOL_NONE);
	assert_non_null(strstr(s->f.sentence, "cannot find a.test: "));
	stand_free(s);
}

static void a_name_that_cannot_be_asked_for_is_told_at_once(void **state)
{
	struct stand *s = stand_new("bad\xff", RELAY_ROUND_ROBIN);

	(void)state;
	assert_string_equal(connect_once(s), "none");
	assert_non_null(strstr(s->f.sentence, "cannot find bad?: "));
	assert_int_equal(s->woken, 0);
	stand_free(s);
}

/* What others ask for meanwhile keeps nobody: a turn waits for its own look-up or an older one. */
static void a_turn_does_not_wait_for_look_ups_of_others(void **state)
{
	struct stand *s = stand_new("a.test", RELAY_ROUND_ROBIN);
	struct pool_turn later = { 0 };
	struct pool_wait other = { .ready = count_call, .context = s };

	(void)state;
	resolve_to("", EAI_AGAIN);
	assert_string_equal(connect_once(s), "wait");
	settle(s);
	hold("a.test");
	assert_int_equal(pool_next(s->pool, &later, &s->choice, &other, &s->f), POOL_WAIT);
	assert_int_equal(go_on(s), POOL_NONE);
	assert_non_null(strstr(s->f.sentence, "cannot look up a.test: "));
	hold(NULL);
	settle(s);
	stand_free(s);
}

/* Two names, one answered: who waited for both goes on with the one. */
static void any_answer_wakes(void **state)
{
	struct stand *s = stand_new("a.test b.test", RELAY_ROUND_ROBIN);

	(void)state;
	hold("a.test");
	assert_string_equal(connect_once(s), "wait");
	while (s->woken == 0)
		(void)uv_run(&s->loop, UV_RUN_ONCE);
	assert_int_equal(go_on(s), POOL_CHOSEN);
	assert_int_equal(s->choice.backend, 1);
	(void)take_addresses(s);
	assert_int_equal(go_on(s), POOL_WAIT); /* the other is still to come */
	hold(NULL);
	settle(s);
	assert_int_equal(go_on(s), POOL_CHOSEN);
	assert_int_equal(s->choice.backend, 0);
	(void)take_addresses(s);
	assert_int_equal(asked(), 2);
	stand_free(s);
}

/* ---- leaving */

static void who_forgets_is_not_called(void **state)
{
	struct stand *s = stand_new("a.test", RELAY_ROUND_ROBIN);

	(void)state;
	assert_string_equal(connect_once(s), "wait");
	pool_forget(s->pool, &s->wait);
	pool_forget(s->pool, &s->wait);
	settle(s);
	assert_int_equal(s->woken, 0);
	stand_free(s);
}

struct leaver {
	struct stand *stand;
	struct pool_wait wait, *other;
	bool ends_pool;
};

static void leave(void *context)
{
	struct leaver *l = context;

	l->stand->woken++;
	if (l->other != NULL)
		pool_forget(l->stand->pool, l->other);
	if (!l->ends_pool)
		return;
	pool_free(l->stand->pool);
	l->stand->pool = NULL;
}

/* Whoever is called first lets the other forget: it is then not called, in whatever order. */
static void one_may_forget_for_another_while_called(void **state)
{
	struct stand *s = stand_new("a.test", RELAY_ROUND_ROBIN);
	struct leaver pair[2];

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct pool_turn turn = { 0 };

		pair[i] = (struct leaver){ .stand = s, .other = &pair[1 - i].wait };
		pair[i].wait = (struct pool_wait){ .ready = leave, .context = &pair[i] };
		assert_int_equal(pool_next(s->pool, &turn, &s->choice, &pair[i].wait, &s->f),
		                 POOL_WAIT);
	}
	settle(s);
	assert_int_equal(s->woken, 1);
	stand_free(s);
}

static void the_pool_may_end_while_it_calls(void **state)
{
	struct stand *s = stand_new("a.test", RELAY_ROUND_ROBIN);
	struct leaver l = { .stand = s, .ends_pool = true };
	struct pool_turn turn = { 0 };

	(void)state;
	l.wait = (struct pool_wait){ .ready = leave, .context = &l };
	assert_int_equal(pool_next(s->pool, &turn, &s->choice, &l.wait, &s->f), POOL_WAIT);
	settle(s);
	assert_int_equal(s->woken, 1);
	assert_null(s->pool);
	stand_free(s);
}

static void the_pool_may_end_while_names_are_looked_up(void **state)
{
	struct stand *s = stand_new("a.test b.test c.test d.test e.test f.test",
	                            RELAY_ROUND_ROBIN); /* more than libuv has threads */

	(void)state;
	hold("a.test");
	assert_string_equal(connect_once(s), "wait");
	pool_forget(s->pool, &s->wait);
	pool_free(s->pool);
	s->pool = NULL;
	memset(s->places, 0xee, sizeof s->places); /* the service may be gone, too */
	stand_free(s);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_path_becomes_an_address),
		cmocka_unit_test(a_numeric_address_that_cannot_be_is_told),
		cmocka_unit_test(a_name_is_looked_up_once_for_all_who_wait),
		cmocka_unit_test(a_choice_is_a_copy_with_the_port),
		cmocka_unit_test(round_robin_begins_with_the_next_address),
		cmocka_unit_test(priority_keeps_the_order_of_addresses),
		cmocka_unit_test(addresses_of_a_name_are_bounded),
		cmocka_unit_test(old_addresses_serve_until_the_new_ones_are_there),
		cmocka_unit_test(old_addresses_stay_if_the_name_is_lost),
		cmocka_unit_test(a_backend_that_fails_has_its_name_looked_up_sooner),
		cmocka_unit_test(round_robin_does_not_wait_while_another_is_there),
		cmocka_unit_test(priority_waits_for_what_comes_first),
		cmocka_unit_test(one_that_failed_is_not_better_than_a_name_to_come),
		cmocka_unit_test(a_name_that_is_not_found_is_no_backend),
		cmocka_unit_test(the_only_name_is_looked_up_for_each_turn_once),
		cmocka_unit_test(an_empty_answer_is_no_address),
		cmocka_unit_test(a_name_that_cannot_be_asked_for_is_told_at_once),
		cmocka_unit_test(a_turn_does_not_wait_for_look_ups_of_others),
		cmocka_unit_test(any_answer_wakes),
		cmocka_unit_test(who_forgets_is_not_called),
		cmocka_unit_test(one_may_forget_for_another_while_called),
		cmocka_unit_test(the_pool_may_end_while_it_calls),
		cmocka_unit_test(the_pool_may_end_while_names_are_looked_up),
	};
	return run_cases(tests);
}
