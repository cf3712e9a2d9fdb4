/* starttls_ldap: see starttls_ldap.h.  A message is SEQUENCE { INTEGER id, the operation, ... }; it
 * is looked at when all of it is there, and its lengths may come in any form of up to four octets.
 */
#include "net/starttls_ldap.h"

#include <string.h>

#include "closure/cursor.h"

enum {
	BER_INTEGER = 0x02,
	BER_OCTETS = 0x04,
	BER_ENUMERATED = 0x0a,
	BER_SEQUENCE = 0x30,
	LDAP_NAME = 0x80,
	LDAP_EXTENDED = 0x77,
	LDAP_UNBIND = 0x42,
	LDAP_SUCCESS = 0,
	LDAP_PROTOCOL_ERROR = 2,
	LDAP_CONFIDENTIALITY_REQUIRED = 13,
	LONGEST_HEAD = 6 /* tag and length */
};

/* What a client may ask for, and the tag of the answer; 0: none. */
static const struct {
	uint8_t operation, answer;
} operations[] = {
	{ LDAP_EXTENDED, 0x78 },
	{ LDAP_UNBIND, 0 },
	{ 0x60, 0x61 }, /* bind */
	{ 0x63, 0x65 }, /* search: its end */
	{ 0x66, 0x67 }, /* modify */
	{ 0x68, 0x69 }, /* add */
	{ 0x4a, 0x6b }, /* delete */
	{ 0x6c, 0x6d }, /* rename */
	{ 0x6e, 0x6f }, /* compare */
	{ 0x50, 0 },    /* abandon */
};

static bool take_length(struct lw_cursor *c, uint64_t *length)
{
	uint8_t first;

	if (!lw_take_u8(c, &first))
		return false;
	*length = first;
	return first < 0x80 || (first <= 0x84 && lw_take_uint(c, first & 0x7fu, length));
}

static bool take_element(struct lw_cursor *c, uint8_t *tag, struct lw_cursor *contents)
{
	uint64_t length;

	return lw_take_u8(c, tag) && take_length(c, &length) &&
	       lw_take_window(c, (size_t)length, contents);
}

static bool is_start_tls(struct lw_cursor request)
{
	static const char oid[] = "1.3.6.1.4.1.1466.20037";
	struct lw_cursor name;
	uint8_t tag;

	return take_element(&request, &tag, &name) && tag == LDAP_NAME && request.left == 0 &&
	       name.left == sizeof oid - 1 && memcmp(name.at, oid, name.left) == 0;
}

/* `id` is copied from the request, 1 to 4 octets.  The bytes. */
static size_t write_answer(uint8_t *bytes, struct lw_cursor id, uint8_t tag, uint8_t code)
{
	static const char why[] = "StartTLS comes first";
	uint8_t told = code == LDAP_SUCCESS ? 0 : sizeof why - 1;
	const uint8_t result[] = { BER_ENUMERATED, 1, code, BER_OCTETS, 0, BER_OCTETS, told };
	size_t n = 0;

	bytes[n++] = BER_SEQUENCE;
	bytes[n++] = (uint8_t)(2 + id.left + 2 + sizeof result + told);
	bytes[n++] = BER_INTEGER;
	bytes[n++] = (uint8_t)id.left;
	memcpy(bytes + n, id.at, id.left);
	n += id.left;
	bytes[n++] = tag;
	bytes[n++] = (uint8_t)(sizeof result + told);
	memcpy(bytes + n, result, sizeof result);
	memcpy(bytes + n + sizeof result, why, told);
	return n + sizeof result + told;
}

static enum starttls_ldap judge_operation(struct lw_cursor id, uint8_t operation,
                                          struct lw_cursor contents, uint8_t *answer,
                                          size_t *answer_bytes)
{
	bool is_extended = operation == LDAP_EXTENDED;
	bool starts = is_extended && is_start_tls(contents);
	uint8_t code = starts        ? LDAP_SUCCESS
	               : is_extended ? LDAP_PROTOCOL_ERROR
	                             : LDAP_CONFIDENTIALITY_REQUIRED;

	for (size_t i = 0; i < sizeof operations / sizeof operations[0]; i++) {
		if (operations[i].operation != operation)
			continue;
		if (operations[i].answer != 0)
			*answer_bytes = write_answer(answer, id, operations[i].answer, code);
		if (operation == LDAP_UNBIND)
			return STARTTLS_LDAP_QUITS;
		return starts ? STARTTLS_LDAP_STARTS : STARTTLS_LDAP_OTHER;
	}
	return STARTTLS_LDAP_BAD;
}

/* Whether what is there can be no beginning of a message. */
static bool is_bad_head(const uint8_t *bytes, size_t n)
{
	return (n > 0 && bytes[0] != BER_SEQUENCE) ||
	       (n > 1 && (bytes[1] == 0x80 || bytes[1] > 0x84));
}

enum starttls_ldap starttls_ldap_judge(const void *bytes, size_t n,
                                       uint8_t answer[STARTTLS_LDAP_ANSWER], size_t *answer_bytes)
{
	struct lw_cursor c = lw_cursor_over(bytes, n), message, id, contents;
	uint64_t length;
	uint8_t tag, operation;

	*answer_bytes = 0;
	if (is_bad_head(bytes, n < LONGEST_HEAD ? n : LONGEST_HEAD))
		return STARTTLS_LDAP_BAD;
	if (!lw_take_u8(&c, &tag) || !take_length(&c, &length))
		return STARTTLS_LDAP_MORE;
	if (!lw_take_window(&c, (size_t)length, &message))
		return STARTTLS_LDAP_MORE;
	if (!take_element(&message, &tag, &id) || tag != BER_INTEGER || id.left < 1 ||
	    id.left > 4 || !take_element(&message, &operation, &contents))
		return STARTTLS_LDAP_BAD;
	return judge_operation(id, operation, contents, answer, answer_bytes);
}
