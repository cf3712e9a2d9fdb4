/*
 * explain: says what a rule, a profile, an alert, an ending, an exit status or
 * a log line means, whether it is harmless and what to change.  Finding is in
 * topics; here are words in, text out.
 */
#include "cli/topics.h"
#include "cli/verb.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define COLUMNS    80u
#define PLACES_MAX 8u /* places of one rule that are shown */

struct settings {
	char *query; /* all words, with a space between */
};

static const char doc[] =
    "Says what a rule, a protocol, an alert, an ending, an exit status of a verb or a line from a "
    "log means: what happened, whether it is harmless, what to change."
    "\v"
    "A log line may be pasted as it is, with addresses, numbers and prefixes around it; put it in "
    "quotes.  Without a WORD: what can be explained.\n\n"
    "Examples: lastword explain answer-at-once; lastword explain alert 50; lastword explain "
    "'curl: (56) GnuTLS recv error (-110)'";

static void add_word(struct settings *s, const char *word, struct argp_state *state)
{
	size_t len = strlen(s->query), more = strlen(word);
	char *query = realloc(s->query, len + more + 2);

	if (query == NULL)
		argp_error(state, "out of memory");
	if (len > 0)
		query[len++] = ' ';
	memcpy(query + len, word, more + 1);
	s->query = query;
}

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	if (key != ARGP_KEY_ARG)
		return ARGP_ERR_UNKNOWN;
	add_word(state->input, arg, state);
	return 0;
}

static const struct argp argp = { .parser = parse_option, .args_doc = "[WORD...]", .doc = doc };

/* Prints words in lines of COLUMNS, the following ones indented; the cursor stands at `column`. */
static void print_wrapped(const char *text, size_t column, size_t indent)
{
	bool first = true;

	while (*text != '\0') {
		size_t len = strcspn(text, " ");

		if (!first && column + 1 + len > COLUMNS) {
			printf("\n%*s", (int)indent, "");
			column = indent;
		} else if (!first) {
			putchar(' ');
			column++;
		}
		printf("%.*s", (int)len, text);
		column += len;
		text += len + strspn(text + len, " ");
		first = false;
	}
	putchar('\n');
}

static void print_field(const char *label, const char *text)
{
	if (text == NULL || *text == '\0')
		return;
	printf("  %-15s ", label);
	print_wrapped(text, 18, 18);
}

static void print_places(const char *label, const struct explain_place *places)
{
	size_t shown = 0, more = 0;

	for (; places->file != NULL; places++) {
		if (shown == PLACES_MAX) {
			more++;
			continue;
		}
		printf("  %-15s %s:%d\n", shown == 0 ? label : "", places->file, places->line);
		if (places->text != NULL)
			printf("  %-15s     %s\n", "", places->text);
		shown++;
	}
	if (more > 0)
		printf("  %-15s and %zu more\n", "", more);
}

static void print_rule(const struct explain_rule *rule)
{
	char says[256];

	printf("rule %s\n", rule->id);
	print_field("rule", rule->rule);
	snprintf(says, sizeof says, "%s, binds: %s; %s", rule->level, rule->binds, rule->versions);
	print_field("level", says);
	print_field("source", rule->source);
	print_field("to be seen", rule->observe);
	print_places("code", rule->code);
	print_field("no code", rule->uncoded);
	print_places("test", rule->tests);
	print_field("no test", rule->untested);
}

static void print_ports(const struct lw_profile *profile)
{
	char ports[64];

	if (profile->tls_port != 0)
		snprintf(ports, sizeof ports, "%u with TLS from the first byte", profile->tls_port);
	else if (profile->port != 0)
		snprintf(ports, sizeof ports, "%u", profile->port);
	else
		return;
	print_field("port", ports);
}

static void print_profile(const struct lw_profile *profile)
{
	static const char *const ends[] = { "messages tell their own end",
		                            "only the end of the connection tells",
		                            "it depends on the message" };

	printf("profile %s\n", profile->name);
	print_field("in short", profile->note);
	print_field("source", profile->spec);
	print_ports(profile);
	print_field("STARTTLS", lw_starttls_name(profile->starttls));
	if ((size_t)profile->end_of_data < sizeof ends / sizeof *ends)
		print_field("end of data", ends[profile->end_of_data]);
	print_field("closes first", lw_first_closer_name(profile->first_closer));
	print_field("on finishing", lw_on_finish_name(profile->on_finish));
	print_field("answer", lw_answer_name(profile->answer));
	print_field("wait for peer", lw_await_peer_name(profile->await_peer));
	print_field("half-close", lw_half_close_name(profile->half_close));
	print_field("goes on clear", lw_reuse_name(profile->reuse));
	print_field("on truncation", lw_on_truncation_name(profile->on_truncation));
	print_field("framing", profile->framing);
}

static void print_entry(const struct topic *topic)
{
	const struct explain_entry *entry = topic->entry;

	if (entry->kind != EXPLAIN_LINE)
		printf("%s ", topic_kind(topic));
	puts(entry->name);
	print_field("what happened", entry->happened);
	print_field("harmless?", entry->harmless);
	print_field("what to change", entry->change);
	print_field("ending", entry->ending);
	print_field("rules", entry->rules);
	print_field("source", entry->source);
}

static void print_topic(const struct topic *topic)
{
	if (topic->rule != NULL)
		print_rule(topic->rule);
	else if (topic->profile != NULL)
		print_profile(topic->profile);
	else
		print_entry(topic);
}

/* The first id of "a, b", to go on from. */
static void print_next(const struct topic *topic)
{
	const char *rules = topic->entry != NULL ? topic->entry->rules : NULL;

	if (rules != NULL)
		printf("\nnext: lastword explain %.*s\n", (int)strcspn(rules, ","), rules);
}

static void print_hints(const char *head, const struct topics *topics, size_t from)
{
	for (size_t i = from; i < topics->count; i++)
		printf("%s  %s: %s\n", i == from ? head : "", topic_kind(&topics->found[i]),
		       topic_name(&topics->found[i]));
}

static int answer(const char *query)
{
	struct topics topics;

	topics_find(query, &topics);
	switch (topics.how) {
	case TOPICS_NAMED:
		for (size_t i = 0; i < topics.count; i++) {
			if (i > 0)
				putchar('\n');
			print_topic(&topics.found[i]);
		}
		return CLI_EXIT_WHOLE;
	case TOPICS_MATCHED:
		print_topic(&topics.found[0]);
		print_hints("\nThe line also holds:\n", &topics, 1);
		print_next(&topics.found[0]);
		return CLI_EXIT_WHOLE;
	case TOPICS_NEAREST:
		cli_complain("nothing is known that fits; the nearest:");
		print_hints("", &topics, 0);
		return CLI_EXIT_FINDINGS;
	case TOPICS_NOTHING:
		break;
	}
	cli_complain("there is no word in that; next: lastword explain");
	return CLI_EXIT_FINDINGS;
}

/* Lists names in lines; the caller gives them one by one. */
struct listing {
	size_t column;
};

static void list_name(struct listing *listing, const char *name, size_t len)
{
	if (listing->column == 0 || listing->column + 3 + len > COLUMNS) {
		printf("%s  %.*s", listing->column == 0 ? "" : ",\n", (int)len, name);
		listing->column = 2 + len;
	} else {
		printf(", %.*s", (int)len, name);
		listing->column += 2 + len;
	}
}

static void list_entries(const char *head, enum explain_kind kind)
{
	struct listing listing = { 0 };

	puts(head);
	for (size_t i = 0; i < explain_entry_count; i++)
		if (explain_entries[i].kind == kind)
			list_name(&listing, explain_entries[i].name,
			          strlen(explain_entries[i].name));
	puts("\n");
}

/* The programs whose log lines are known: what stands before the colon, each once. */
static void list_programs(void)
{
	struct listing listing = { 0 };
	const char *last = "";

	puts("Log lines, pasted as they are, of:");
	for (size_t i = 0; i < explain_entry_count; i++) {
		const char *name = explain_entries[i].name;
		size_t len = strcspn(name, ":");

		if (explain_entries[i].kind != EXPLAIN_LINE ||
		    (strncmp(last, name, len) == 0 && last[len] == ':'))
			continue;
		list_name(&listing, name, len);
		last = name;
	}
	puts("\n");
}

static int list_all(void)
{
	struct listing rules = { 0 }, profiles = { 0 };

	list_programs();
	list_entries("Alerts, by name or number:", EXPLAIN_ALERT);
	list_entries("Endings:", EXPLAIN_ENDING);
	list_entries("Exit statuses:", EXPLAIN_EXIT);
	puts("Profiles:");
	for (const struct lw_profile *p = lw_profile_next(NULL); p; p = lw_profile_next(p))
		list_name(&profiles, p->name, strlen(p->name));
	puts("\n\nRules:");
	for (size_t i = 0; i < explain_rule_count; i++)
		list_name(&rules, explain_rules[i].id, strlen(explain_rules[i].id));
	putchar('\n');
	return CLI_EXIT_WHOLE;
}

/* The names that are one word each. */
static void print_words(void)
{
	for (size_t i = 0; i < explain_rule_count; i++)
		printf("%s ", explain_rules[i].id);
	for (const struct lw_profile *p = lw_profile_next(NULL); p; p = lw_profile_next(p))
		printf("%s ", p->name);
	for (size_t i = 0; i < explain_entry_count; i++) {
		const char *second = strchr(explain_entries[i].name, ' ');

		if (explain_entries[i].kind == EXPLAIN_ENDING)
			printf("%s ", explain_entries[i].name);
		if (explain_entries[i].kind == EXPLAIN_ALERT && second != NULL)
			printf("%s ", second + 1);
	}
}

/* "-110" is a word here, not an option: a "--" is put before the first such argument. */
static char **with_dashes(int *argc, char **argv)
{
	static char dashes[] = "--";
	char **words = calloc((size_t)*argc + 2, sizeof *words);
	int count = 0;
	bool done = false;

	for (int i = 0; words != NULL && i < *argc; i++) {
		done = done || strcmp(argv[i], "--") == 0;
		if (!done && argv[i][0] == '-' && isdigit((unsigned char)argv[i][1])) {
			words[count++] = dashes;
			done = true;
		}
		words[count++] = argv[i];
	}
	*argc = count;
	return words;
}

static int run(const struct verb *verb, int argc, char **argv)
{
	struct settings s = { .query = calloc(1, 1) };
	char **words = with_dashes(&argc, argv);
	int status = CLI_EXIT_UNREACHED;

	if (s.query == NULL || words == NULL) {
		cli_complain("out of memory");
	} else {
		cli_parse(verb, argc, words, &s);
		status = s.query[0] == '\0' ? list_all() : answer(s.query);
	}
	free(words);
	free(s.query);
	return status;
}

const struct verb explain_verb = { .name = "explain",
	                           .line = "says what a rule, an alert or a log line means",
	                           .argp = &argp,
	                           .run = run,
	                           .print_words = print_words };
