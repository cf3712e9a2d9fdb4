/*
 * boundary: follows the record headers of one direction, in the clear in every
 * version, and knows at each byte whether a record is whole.
 *
 * It sees headers and lengths, never contents, and does not judge types or
 * versions: any five octets are a header.  State is 24 bytes; it never looks
 * back and keeps no payload.
 */
#ifndef CLOSURE_BOUNDARY_H
#define CLOSURE_BOUNDARY_H

#include <lastword/verdict.h>

#define LW_RECORD_HEADER             5u
#define LW_RECORD_CHANGE_CIPHER_SPEC 20u
#define LW_RECORD_ALERT              21u
#define LW_RECORD_HANDSHAKE          22u
#define LW_RECORD_APPLICATION_DATA   23u

struct lw_boundary {
	uint64_t records;     /* records that passed whole */
	uint32_t body_left;   /* bytes of the body still to come */
	uint8_t header_bytes; /* bytes of the header seen, 0 to 5; 5 while in the body */
	uint8_t header[LW_RECORD_HEADER];
};

/* Lets `len` bytes pass. */
void lw_boundary_pass(struct lw_boundary *b, const void *bytes, size_t len);

/*
 * How many bytes belong to what is under way: the rest of a header, or the
 * rest of a body; never 0.  Who reads no more than this never reads past the
 * end of a record.
 */
size_t lw_boundary_need(const struct lw_boundary *b);

/* Boundary, or inside a record. */
enum lw_place lw_boundary_place(const struct lw_boundary *b);

/* Bytes of the cut record that are missing, as far as its header tells; 0 inside a header. */
uint32_t lw_boundary_missing(const struct lw_boundary *b);

/* The content type octet of the record under way, or of the last one; 0 before any. */
uint8_t lw_boundary_type(const struct lw_boundary *b);

#endif
