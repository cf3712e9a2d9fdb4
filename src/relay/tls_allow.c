/* tls_allow: see tls_allow.h.  Every entry is 32 octets: the fingerprint of a certificate, or that
 * of a subject's text; they are kept in order and found by halving.  What a file may hold is
 * bounded.
 */
#include "relay/tls_allow.h"

#include <ctype.h>
#include <errno.h>
#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LINE_MAX_BYTES = 1024, ENTRIES_MAX = 1 << 16 };

struct entry {
	unsigned char is_subject;
	unsigned char digest[SHA256_DIGEST_LENGTH];
};

struct tls_allow {
	struct entry *entries;
	size_t count, cap;
	bool names_subjects;
};

static int compare(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct entry));
}

static int digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* "AB:CD:..." or "abcd...": exactly 32 octets and nothing else. */
static bool read_fingerprint(const char *text, struct entry *e)
{
	size_t n = 0;

	while (n < sizeof e->digest) {
		const int high = digit(text[0]);
		const int low = high < 0 ? -1 : digit(text[1]);

		if (low < 0)
			return false;
		e->digest[n++] = (unsigned char)(high << 4 | low);
		text += 2;
		if (*text == ':' && n < sizeof e->digest)
			text++;
	}
	e->is_subject = 0;
	return *text == '\0';
}

static bool read_subject(const char *text, struct entry *e)
{
	const char *equals = strchr(text, '=');
	unsigned n = 0;

	if (equals == NULL || equals == text)
		return false;
	e->is_subject = 1;
	return EVP_Digest(text, strlen(text), e->digest, &n, EVP_sha256(), NULL) == 1;
}

static struct entry *add(struct tls_allow *a)
{
	const size_t cap = a->cap > 0 ? 2 * a->cap : 16;
	struct entry *more;

	if (a->count == a->cap) {
		more = realloc(a->entries, cap * sizeof *more);
		if (more == NULL)
			return NULL;
		a->entries = more;
		a->cap = cap;
	}
	return &a->entries[a->count];
}

/* Without the space around it and its comment, which begins the line: '#' may stand in a subject.
 */
static char *trim(char *line)
{
	size_t n;

	while (isspace((unsigned char)*line))
		line++;
	if (*line == '#')
		*line = '\0';
	for (n = strlen(line); n > 0 && isspace((unsigned char)line[n - 1]); n--)
		line[n - 1] = '\0';
	return line;
}

static bool take_line(struct tls_allow *a, char *line, const char *path, unsigned number,
                      struct failure *f)
{
	const char *text = trim(line);
	struct entry *e;

	if (*text == '\0')
		return true;
	e = a->count < ENTRIES_MAX ? add(a) : NULL;
	if (e == NULL) {
		failure_set(f, "%s:%u: %s", path, number,
		            a->count < ENTRIES_MAX ? "out of memory"
		                                   : "more than 65536 clients; let a CA of your "
		                                     "own vouch for them");
		return false;
	}
	memset(e, 0, sizeof *e);
	if (!read_fingerprint(text, e)) {
		if (!read_subject(text, e)) {
			failure_set(f,
			            "%s:%u: neither the SHA-256 fingerprint of a certificate (64 "
			            "digits in hex) nor a subject (CN=NAME,...)",
			            path, number);
			return false;
		}
		a->names_subjects = true;
	}
	a->count++;
	return true;
}

static bool read_lines(struct tls_allow *a, FILE *file, const char *path, struct failure *f)
{
	char line[LINE_MAX_BYTES];
	unsigned number = 0;

	errno = 0;
	while (fgets(line, sizeof line, file) != NULL) {
		const size_t n = strlen(line);

		number++;
		if (n == sizeof line - 1 && line[n - 1] != '\n') {
			failure_set(f, "%s:%u: a line of more than %d characters", path, number,
			            LINE_MAX_BYTES - 2);
			return false;
		}
		if (!take_line(a, line, path, number, f))
			return false;
	}
	if (ferror(file) != 0) {
		failure_set(f, "%s: %s", path, strerror(errno));
		return false;
	}
	if (a->count == 0)
		failure_set(f, "%s: it names nobody; leave allow out to let everybody in", path);
	return a->count > 0;
}

struct tls_allow *tls_allow_read(const char *path, struct failure *f)
{
	struct tls_allow *a = calloc(1, sizeof *a);
	FILE *file = fopen(path, "re");
	const int error = errno;
	bool is_read;

	if (a == NULL || file == NULL) {
		failure_set(f, "%s: %s", path, a == NULL ? "out of memory" : strerror(error));
		if (file != NULL)
			(void)fclose(file);
		free(a);
		return NULL;
	}
	is_read = read_lines(a, file, path, f);
	(void)fclose(file);
	if (is_read) {
		qsort(a->entries, a->count, sizeof *a->entries, compare);
		return a;
	}
	tls_allow_free(a);
	return NULL;
}

bool tls_allow_names_subjects(const struct tls_allow *a)
{
	return a->names_subjects;
}

static bool has_entry(const struct tls_allow *a, const struct entry *e)
{
	return bsearch(e, a->entries, a->count, sizeof *e, compare) != NULL;
}

/* The subject is compared as the text that tls_allow_subject() gives. */
static bool has_subject(const struct tls_allow *a, const X509 *x509)
{
	char text[LINE_MAX_BYTES];
	struct entry e;

	return a->names_subjects && tls_allow_subject(x509, text, sizeof text) &&
	       read_subject(text, &e) && has_entry(a, &e);
}

bool tls_allow_subject(const X509 *x509, char *buf, size_t cap)
{
	BIO *bio = BIO_new(BIO_s_mem());
	size_t n = 0;
	bool is_whole;

	is_whole = bio != NULL &&
	           X509_NAME_print_ex(bio, X509_get_subject_name(x509), 0, XN_FLAG_RFC2253) >= 0 &&
	           BIO_read_ex(bio, buf, cap - 1, &n) == 1 && BIO_pending(bio) == 0;
	buf[n] = '\0';
	BIO_free(bio);
	return is_whole;
}

bool tls_allow_has(const struct tls_allow *a, const X509 *x509)
{
	struct entry e = { 0 };
	unsigned n = 0;

	return (X509_digest(x509, EVP_sha256(), e.digest, &n) == 1 && has_entry(a, &e)) ||
	       has_subject(a, x509);
}

void tls_allow_free(struct tls_allow *a)
{
	if (a == NULL)
		return;
	free(a->entries);
	free(a);
}
