/*
 * frames: the state of the trackers of length-prefixed protocols, and their face to tracker.c.
 *
 * A row says where the length stands and what it counts, and how requests and
 * answers pair, if anything says so.
 */
#ifndef FRAMING_FRAMES_H
#define FRAMING_FRAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct lw_tracker;
struct lw_cursor;
struct lw_frame_row;

/* So many first octets of a frame are kept, for its length and its kind. */
#define LW_FRAME_HEAD 16u

struct lw_frame_side {
	uint64_t left; /* octets of the frame still to come, once its length is known */
	uint8_t head[LW_FRAME_HEAD]; /* its first octets */
	uint8_t head_bytes;          /* how many of them were seen, saturating */
	bool sized;                  /* its length is known */
	bool continued;              /* the last frame announced that its message goes on */
	bool seen;                   /* at least one whole message */
	uint16_t walked;             /* two octets for a row that reads further than the head */
	uint8_t walk;                /* where that reading stands */
	uint8_t label;
};

struct lw_frames {
	const struct lw_frame_row *row;
	struct lw_frame_side requests;
	struct lw_frame_side answers;
	uint32_t owed; /* requests unanswered */
	uint8_t open;  /* a row's own bits: a request of several messages is under way */
};

void lw_frames_init(struct lw_tracker *t, const struct lw_frame_row *row);
void lw_frames_requests(struct lw_tracker *t, struct lw_cursor *c);
void lw_frames_answers(struct lw_tracker *t, struct lw_cursor *c);
bool lw_frames_complete(const struct lw_tracker *t);
const char *lw_frames_why(const struct lw_tracker *t);

#endif
