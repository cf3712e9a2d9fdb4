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
struct lw_frames;
struct lw_frame_side;

/* So many first octets of a frame are kept, for its length and its kind. */
#define LW_FRAME_HEAD 25u

/* So many requests that were abandoned may be open at once and still be told from others. */
#define LW_FRAME_ABANDONED 4u

/* How the length is written. */
enum lw_frame_shape {
	LW_FRAME_BIG,      /* `width` octets, the first the highest */
	LW_FRAME_LITTLE,   /* `width` octets, the first the lowest */
	LW_FRAME_VARINT,   /* seven bits an octet, the first the lowest, at most four octets */
	LW_FRAME_BER,      /* definite: one octet to 127, else how many follow */
	LW_FRAME_DECIMAL,  /* digits without a leading zero, then a space */
	LW_FRAME_WEBSOCKET /* RFC 6455 section 5.2, masking key included */
};

/* What is known about answers. */
enum lw_frame_pairing {
	LW_PAIRING_UNKNOWN, /* nothing: a client is never complete */
	LW_PAIRING_KNOWN,   /* the row's `pair` counts what is owed */
	LW_PAIRING_ONE_WAY, /* requests have no answers */
	LW_PAIRING_ENDS     /* a side ends with a last frame of its own; only then is it whole */
};

/* What is known about one protocol with lengths. */
struct lw_frame_row {
	enum lw_frame_shape shape;
	uint8_t offset;     /* octets before the length */
	uint8_t width;      /* octets of the length, if fixed */
	int8_t added;       /* frame octets behind the length, beyond what it counts */
	bool untyped_start; /* requests have no octet before the length until `started` */
	bool greets;        /* the server speaks first */
	bool abandons;      /* requests may be abandoned */
	uint8_t first;      /* the only octet a frame may start with; 0: any */
	uint64_t max;       /* the highest length that is believed */
	enum lw_frame_pairing pairing;
	/* Judges a whole frame: counts what is owed; a sentence part when that is beyond knowing.
	 */
	const char *(*pair)(struct lw_frames *f, struct lw_frame_side *side);
	/* Reads each octet of a request, for what stands beyond the head.  NULL: not needed. */
	void (*walk)(struct lw_frames *f, uint8_t octet);
};

/* One direction: a frame under way, or the place between two. */
struct lw_frame_side {
	uint64_t left;               /* octets of the frame still to come, once sized */
	uint8_t head[LW_FRAME_HEAD]; /* its first octets */
	uint8_t head_bytes;          /* how many are kept; 0 between two frames */
	bool sized;                  /* its length is known */
	bool request;                /* this side carries requests */
	bool seen;                   /* at least one whole frame */
	bool continued;              /* the last frame said that its message goes on */
	bool ended;                  /* the side's own last frame has passed */
};

/* Where answers to MySQL commands stand; see frame_mysql.c. */
struct lw_frame_mysql_state {
	uint32_t kinds;   /* four bits a command unanswered, the oldest lowest */
	uint32_t awaited; /* packets to come before the next phase */
	uint8_t login;    /* enum login, */
	uint8_t phase;    /* and enum phase, of frame_mysql.c */
	bool with_eof;    /* definitions of columns are followed by an EOF packet */
};

struct lw_frames {
	const struct lw_frame_row *row;
	struct lw_frame_side requests;
	struct lw_frame_side answers;
	uint64_t
	    keys; /* the sum of the keys of what is owed: zero when each was answered by its own */
	union {
		uint32_t abandoned[LW_FRAME_ABANDONED]; /* keys' numbers; 0: free */
		struct lw_frame_mysql_state mysql;
	} more;
	uint32_t owed;   /* requests unanswered */
	uint16_t walked; /* for `walk`: what it read, */
	uint8_t walk;    /* where it stands, */
	uint8_t label;   /* and octets to skip */
	uint8_t open;    /* a row's own bits: a request of several frames is under way */
	uint8_t told;    /* a row's own bits: what else was said */
	bool started;    /* the request that starts it all has passed */
	bool bare;       /* the next answer is one octet without a length */
};

extern const struct lw_frame_row lw_frame_dns, lw_frame_postgresql, lw_frame_ldap, lw_frame_mqtt,
    lw_frame_syslog, lw_frame_radius, lw_frame_diameter, lw_frame_epp, lw_frame_kerberos,
    lw_frame_nts_ke, lw_frame_snmp, lw_frame_cops, lw_frame_mysql, lw_frame_websocket;

/*
 * For rows: one more request is unanswered, or one less; a sentence part when that cannot be.  What
 * answers must have the key of what asked; 0 where nothing tells them apart.  Sums of keys that
 * differ are equal once in 2^64.
 */
const char *lw_frames_owe(struct lw_frames *f, uint32_t key);
const char *lw_frames_settle(struct lw_frames *f, uint32_t key);

/* For rows: a request that may be answered or not, from now on. */
const char *lw_frames_abandon(struct lw_frames *f, uint32_t key);

/* For tracker.c. */
void lw_frames_init(struct lw_tracker *t, const struct lw_frame_row *row);
void lw_frames_greeted(struct lw_tracker *t);
void lw_frames_requests(struct lw_tracker *t, struct lw_cursor *c);
void lw_frames_answers(struct lw_tracker *t, struct lw_cursor *c);
bool lw_frames_complete(const struct lw_tracker *t);
const char *lw_frames_why(const struct lw_tracker *t);

#endif
