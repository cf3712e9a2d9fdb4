/*
 * block_rows: what POP3 and NNTP ask, and how their status lines are read.
 *
 * POP3 (RFC 1939): the command decides whether a good status has a block; a command that is not
 * known may only fail.  NNTP (RFC 3977 section 3.2): the code decides, but for 211; codes that are
 * not known lose track.
 */
#include "framing/blocks.h"

/* POP3, RFC 1939, with RFC 2449 (CAPA), 5034 (AUTH), 6856 (UTF8, LANG). */
static const char *const pop3_words[] = { "",     "USER", "PASS", "APOP", "QUIT", "STAT",
	                                  "DELE", "NOOP", "RSET", "UTF8", "LIST", "UIDL",
	                                  "LANG", "RETR", "TOP",  "CAPA", "AUTH", "STLS" };
static const struct lw_block_command pop3_commands[] = {
	{ LW_ASKED_PLAIN, LW_ASKED_PLAIN },   /* one that is not known */
	{ LW_ASKED_LINE, LW_ASKED_LINE },     /* USER */
	{ LW_ASKED_LINE, LW_ASKED_LINE },     /* PASS */
	{ LW_ASKED_LINE, LW_ASKED_LINE },     /* APOP */
	{ LW_ASKED_LINE, LW_ASKED_LINE },     /* QUIT */
	{ LW_ASKED_LINE, LW_ASKED_LINE },     /* STAT */
	{ LW_ASKED_LINE, LW_ASKED_LINE },     /* DELE */
	{ LW_ASKED_LINE, LW_ASKED_LINE },     /* NOOP */
	{ LW_ASKED_LINE, LW_ASKED_LINE },     /* RSET */
	{ LW_ASKED_LINE, LW_ASKED_LINE },     /* UTF8 */
	{ LW_ASKED_BLOCK, LW_ASKED_LINE },    /* LIST */
	{ LW_ASKED_BLOCK, LW_ASKED_LINE },    /* UIDL */
	{ LW_ASKED_BLOCK, LW_ASKED_LINE },    /* LANG */
	{ LW_ASKED_PLAIN, LW_ASKED_BLOCK },   /* RETR */
	{ LW_ASKED_PLAIN, LW_ASKED_BLOCK },   /* TOP */
	{ LW_ASKED_BLOCK, LW_ASKED_PLAIN },   /* CAPA */
	{ LW_ASKED_PLAIN, LW_ASKED_SASL },    /* AUTH; alone, some list mechanisms */
	{ LW_ASKED_SWITCH, LW_ASKED_SWITCH }, /* STLS */
};
_Static_assert(sizeof pop3_words / sizeof *pop3_words ==
                   sizeof pop3_commands / sizeof *pop3_commands,
               "a row a word");

enum pop3_code { POP3_PROMPT = 1, POP3_GOOD, POP3_FAILED };

/* "+OK", "-ERR" or "+", and then a space or the end of the line. */
static bool read_pop3(struct lw_blocks *b, uint8_t octet)
{
	static const char *const words[] = { "+OK", "-ERR" };
	bool good = b->code != POP3_FAILED;
	const char *word = words[good ? 0 : 1];
	uint8_t length = good ? 3 : 4;
	bool ends = octet == ' ' || octet == '\r' || octet == '\n';

	if (b->answer.at == 0) {
		b->code = octet == '+' ? POP3_GOOD : POP3_FAILED;
		return octet == '+' || octet == '-';
	}
	if (b->answer.at > length || b->code == POP3_PROMPT)
		return true;
	if (b->answer.at == length)
		return ends;
	if (good && b->answer.at == 1 && ends)
		b->code = POP3_PROMPT;
	return b->code == POP3_PROMPT || (uint8_t)word[b->answer.at] == octet;
}

static enum lw_block_status judge_pop3(uint16_t code, enum lw_asked asked)
{
	if (code == POP3_PROMPT)
		return asked == LW_ASKED_SASL ? LW_STATUS_PROMPT : LW_STATUS_BAD;
	if (code == POP3_FAILED)
		return LW_STATUS_LINE;
	switch (asked) {
	case LW_ASKED_NONE:
	case LW_ASKED_LINE:
	case LW_ASKED_SASL:
		return LW_STATUS_LINE;
	case LW_ASKED_BLOCK:
		return LW_STATUS_BLOCK;
	case LW_ASKED_PLAIN:
	case LW_ASKED_GROUP:
	case LW_ASKED_LISTGROUP:
	case LW_ASKED_POST:
	case LW_ASKED_IHAVE:
	case LW_ASKED_TAKETHIS:
	case LW_ASKED_SWITCH:
		break;
	}
	return LW_STATUS_BAD;
}

const struct lw_block_row lw_block_pop3 = {
	.words = LW_WORD_TABLE(pop3_words, true),
	.commands = pop3_commands,
	.read = read_pop3,
	.judge = judge_pop3,
	.farewell = POP3_FAILED,
};

/* NNTP, RFC 3977, with RFC 4642 (STARTTLS), 4643 (AUTHINFO), 4644 (streaming), 8054 (COMPRESS). */
static const char *const nntp_words[] = { "",         "GROUP",    "LISTGROUP", "POST",    "IHAVE",
	                                  "TAKETHIS", "AUTHINFO", "STARTTLS",  "COMPRESS" };
static const struct lw_block_command nntp_commands[] = {
	{ LW_ASKED_PLAIN, LW_ASKED_PLAIN },         { LW_ASKED_GROUP, LW_ASKED_GROUP },
	{ LW_ASKED_LISTGROUP, LW_ASKED_LISTGROUP }, { LW_ASKED_POST, LW_ASKED_POST },
	{ LW_ASKED_IHAVE, LW_ASKED_IHAVE },         { LW_ASKED_PLAIN, LW_ASKED_TAKETHIS },
	{ LW_ASKED_PLAIN, LW_ASKED_SASL },          { LW_ASKED_SWITCH, LW_ASKED_SWITCH },
	{ LW_ASKED_SWITCH, LW_ASKED_SWITCH },
};
_Static_assert(sizeof nntp_words / sizeof *nntp_words ==
                   sizeof nntp_commands / sizeof *nntp_commands,
               "a row a word");

#define CODE_DIGITS 3u

static bool read_nntp(struct lw_blocks *b, uint8_t octet)
{
	if (b->answer.at == 0)
		b->code = 0;
	if (b->answer.at < CODE_DIGITS) {
		b->code = (uint16_t)(b->code * 10 + octet - '0');
		return octet >= '0' && octet <= '9';
	}
	return b->answer.at > CODE_DIGITS || octet == ' ' || octet == '\r' || octet == '\n';
}

/* RFC 3977 appendix C and its extensions: codes that are no failures, with what they need. */
static const struct nntp_code {
	uint16_t code;
	enum lw_asked asked; /* LW_ASKED_PLAIN: anything that is not named at the code */
	enum lw_block_status status;
} nntp_codes[] = {
	{ 100, LW_ASKED_PLAIN, LW_STATUS_BLOCK }, /* help */
	{ 101, LW_ASKED_PLAIN, LW_STATUS_BLOCK }, /* capabilities */
	{ 111, LW_ASKED_PLAIN, LW_STATUS_LINE },  /* date */
	{ 200, LW_ASKED_NONE, LW_STATUS_LINE },   /* greetings */
	{ 201, LW_ASKED_NONE, LW_STATUS_LINE },
	{ 200, LW_ASKED_PLAIN, LW_STATUS_LINE }, /* MODE READER */
	{ 201, LW_ASKED_PLAIN, LW_STATUS_LINE },
	{ 202, LW_ASKED_PLAIN, LW_STATUS_LINE }, /* SLAVE */
	{ 203, LW_ASKED_PLAIN, LW_STATUS_LINE }, /* MODE STREAM */
	{ 205, LW_ASKED_PLAIN, LW_STATUS_LINE }, /* QUIT */
	{ 211, LW_ASKED_GROUP, LW_STATUS_LINE },
	{ 211, LW_ASKED_LISTGROUP, LW_STATUS_BLOCK },
	{ 215, LW_ASKED_PLAIN, LW_STATUS_BLOCK }, /* LIST */
	{ 220, LW_ASKED_PLAIN, LW_STATUS_BLOCK }, /* ARTICLE */
	{ 221, LW_ASKED_PLAIN, LW_STATUS_BLOCK }, /* HEAD, XHDR, XPAT */
	{ 222, LW_ASKED_PLAIN, LW_STATUS_BLOCK }, /* BODY */
	{ 223, LW_ASKED_PLAIN, LW_STATUS_LINE },  /* STAT, NEXT, LAST */
	{ 224, LW_ASKED_PLAIN, LW_STATUS_BLOCK }, /* OVER, XOVER */
	{ 225, LW_ASKED_PLAIN, LW_STATUS_BLOCK }, /* HDR */
	{ 230, LW_ASKED_PLAIN, LW_STATUS_BLOCK }, /* NEWNEWS */
	{ 231, LW_ASKED_PLAIN, LW_STATUS_BLOCK }, /* NEWGROUPS */
	{ 235, LW_ASKED_IHAVE, LW_STATUS_LINE },
	{ 238, LW_ASKED_PLAIN, LW_STATUS_LINE }, /* CHECK */
	{ 239, LW_ASKED_TAKETHIS, LW_STATUS_LINE },
	{ 240, LW_ASKED_POST, LW_STATUS_LINE },
	{ 281, LW_ASKED_SASL, LW_STATUS_LINE }, /* AUTHINFO */
	{ 283, LW_ASKED_SASL, LW_STATUS_LINE },
	{ 335, LW_ASKED_IHAVE, LW_STATUS_CONTENT },
	{ 340, LW_ASKED_POST, LW_STATUS_CONTENT },
	{ 381, LW_ASKED_SASL, LW_STATUS_LINE }, /* AUTHINFO PASS comes next */
	{ 383, LW_ASKED_SASL, LW_STATUS_PROMPT },
};

/* A refused TAKETHIS: only with these has the server read the content as content. */
static bool is_taken(uint16_t code)
{
	return code == 439 || code == 400;
}

static enum lw_block_status judge_nntp(uint16_t code, enum lw_asked asked)
{
	if (code >= 400 && code < 600)
		return asked != LW_ASKED_TAKETHIS || is_taken(code) ? LW_STATUS_LINE
		                                                    : LW_STATUS_BAD;
	for (size_t i = 0; i < sizeof nntp_codes / sizeof *nntp_codes; i++)
		if (nntp_codes[i].code == code && nntp_codes[i].asked == asked)
			return nntp_codes[i].status;
	return LW_STATUS_BAD;
}

const struct lw_block_row lw_block_nntp = {
	.words = LW_WORD_TABLE(nntp_words, true),
	.commands = nntp_commands,
	.read = read_nntp,
	.judge = judge_nntp,
	.farewell = 400,
};
