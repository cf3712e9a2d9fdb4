/*
 * blocks: the state of the trackers of POP3 and NNTP, and their face to tracker.c.
 *
 * An answer is a status line, behind some a block of lines up to a lone dot.  Whether there is
 * one depends on the status and on what was asked, so a queue keeps what was
 * asked, a few bits a request.
 */
#ifndef FRAMING_BLOCKS_H
#define FRAMING_BLOCKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "framing/text.h"

struct lw_tracker;
struct lw_cursor;
struct lw_blocks;

/* At most so many requests may be unanswered at once; four bits each. */
#define LW_BLOCKS_QUEUE 64u

/* What a request asks for, as far as its answer depends on it. */
enum lw_asked {
	LW_ASKED_PLAIN,
	LW_ASKED_NONE,      /* nothing: the greeting is due */
	LW_ASKED_LINE,      /* POP3: a status line */
	LW_ASKED_BLOCK,     /* POP3: a block, if the status is good */
	LW_ASKED_SASL,      /* prompts may come first */
	LW_ASKED_GROUP,     /* NNTP */
	LW_ASKED_LISTGROUP, /* NNTP: a block behind the code of GROUP */
	LW_ASKED_POST,      /* NNTP: content behind a first status line */
	LW_ASKED_IHAVE,
	LW_ASKED_TAKETHIS, /* NNTP: content follows at once */
	LW_ASKED_SWITCH    /* what follows is no longer this protocol */
};

/* What one status line says. */
enum lw_block_status {
	LW_STATUS_BAD,     /* nothing of this protocol */
	LW_STATUS_LINE,    /* that was the answer */
	LW_STATUS_BLOCK,   /* a block follows */
	LW_STATUS_CONTENT, /* content is asked for; then there is another answer */
	LW_STATUS_PROMPT   /* a line is asked for; then there is another answer */
};

/* A command: what it asks for alone, and with an argument. */
struct lw_block_command {
	enum lw_asked alone, with_argument;
};

struct lw_block_row {
	struct lw_word_table words;
	const struct lw_block_command *commands; /* one for each word of the table */
	/* Reads the first octets of a status line into `code`: false for what can be none. */
	bool (*read)(struct lw_blocks *b, uint8_t octet);
	/* Judges a whole status line to what was asked. */
	enum lw_block_status (*judge)(uint16_t code, enum lw_asked asked);
	/* The status of a server that ends the session, and needs no command. */
	uint16_t farewell;
};

struct lw_blocks {
	const struct lw_block_row *row;
	uint8_t queue[LW_BLOCKS_QUEUE / 2]; /* a ring */
	uint8_t first, queued;
	struct lw_line request, answer; /* the line under way on either side */
	struct lw_word word;            /* of a command */
	uint16_t code;                  /* of the status line under way */
	bool space, argument;           /* behind the word stands a space; and more */
	bool content;                   /* requests: lines are content up to a lone dot */
	bool prompted;                  /* requests: the next line is an answer to a prompt */
	bool block;                     /* answers: lines are a block up to a lone dot */
	bool asked, answered;           /* at least one whole request; one whole answer */
};

extern const struct lw_block_row lw_block_pop3, lw_block_nntp;

/* For tracker.c. */
void lw_blocks_init(struct lw_tracker *t, const struct lw_block_row *row);
void lw_blocks_greeted(struct lw_tracker *t);
void lw_blocks_requests(struct lw_tracker *t, struct lw_cursor *c);
void lw_blocks_answers(struct lw_tracker *t, struct lw_cursor *c);
bool lw_blocks_complete(const struct lw_tracker *t);
const char *lw_blocks_why(const struct lw_tracker *t);

#endif
