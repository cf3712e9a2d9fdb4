/* flags: see flags.h. */
#include "flags.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

enum kind { SWITCH, NUMBER, TEXT };

struct row {
	const char *name;
	enum kind kind;
	size_t offset;
};

#define ROW(name, kind, field)                                                                     \
	{                                                                                          \
		name, kind, offsetof(struct shim_flags, field)                                     \
	}

/* clang-format off */
static const struct row rows[] = {
	ROW("port",                           NUMBER, port),
	ROW("shim-id",                        NUMBER, shim_id),
	ROW("ipv6",                           SWITCH, ipv6),
	ROW("server",                         SWITCH, server),
	ROW("resume-count",                   NUMBER, resume_count),
	ROW("is-handshaker-supported",        SWITCH, is_handshaker_supported),
	ROW("min-version",                    NUMBER, min_version),
	ROW("max-version",                    NUMBER, max_version),
	ROW("expect-version",                 NUMBER, expect_version),
	ROW("no-tls1",                        SWITCH, no_tls1),
	ROW("no-tls11",                       SWITCH, no_tls11),
	ROW("no-tls12",                       SWITCH, no_tls12),
	ROW("no-tls13",                       SWITCH, no_tls13),
	ROW("no-ticket",                      SWITCH, no_ticket),
	ROW("cipher",                         TEXT,   cipher),
	ROW("expect-cipher",                  NUMBER, expect_cipher),
	ROW("cert-file",                      TEXT,   cert_file),
	ROW("key-file",                       TEXT,   key_file),
	ROW("trust-cert",                     TEXT,   trust_cert),
	ROW("verify-peer",                    SWITCH, verify_peer),
	ROW("verify-fail",                    SWITCH, verify_fail),
	ROW("expect-verify-result",           SWITCH, expect_verify_result),
	ROW("require-any-client-certificate", SWITCH, require_any_client_certificate),
	ROW("host-name",                      TEXT,   host_name),
	ROW("expect-server-name",             TEXT,   expect_server_name),
	ROW("advertise-alpn",                 TEXT,   advertise_alpn),
	ROW("expect-advertised-alpn",         TEXT,   expect_advertised_alpn),
	ROW("select-alpn",                    TEXT,   select_alpn),
	ROW("decline-alpn",                   SWITCH, decline_alpn),
	ROW("reject-alpn",                    SWITCH, reject_alpn),
	ROW("expect-alpn",                    TEXT,   expect_alpn),
	ROW("expect-session-miss",            SWITCH, expect_session_miss),
	ROW("expect-extended-master-secret",  SWITCH, expect_extended_master_secret),
	ROW("implicit-handshake",             SWITCH, implicit_handshake),
	ROW("handshake-twice",                SWITCH, handshake_twice),
	ROW("no-op-extra-handshake",          SWITCH, no_op_extra_handshake),
	ROW("async",                          SWITCH, async),
	ROW("read-size",                      NUMBER, read_size),
	ROW("partial-write",                  SWITCH, partial_write),
	ROW("write-different-record-sizes",   SWITCH, write_different_record_sizes),
	ROW("read-with-unfinished-write",     SWITCH, read_with_unfinished_write),
	ROW("key-update",                     SWITCH, key_update),
	ROW("export-keying-material",         NUMBER, export_keying_material),
	ROW("export-label",                   TEXT,   export_label),
	ROW("export-context",                 TEXT,   export_context),
	ROW("use-export-context",             SWITCH, use_export_context),
	ROW("shim-writes-first",              SWITCH, shim_writes_first),
	ROW("shim-shuts-down",                SWITCH, shim_shuts_down),
	ROW("check-close-notify",             SWITCH, check_close_notify),
	ROW("send-alert",                     SWITCH, send_alert),
};
/* clang-format on */

static const struct row *find_row(const char *name)
{
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		if (strcmp(rows[i].name, name) == 0)
			return &rows[i];
	return NULL;
}

/* The text behind `prefix`, or NULL. */
static const char *behind(const char *text, const char *prefix)
{
	const size_t len = strlen(prefix);

	return strncmp(text, prefix, len) == 0 ? text + len : NULL;
}

static bool number_of(const char *text, uint64_t *number)
{
	char *end;

	if (*text < '0' || *text > '9')
		return false;
	errno = 0;
	*number = strtoull(text, &end, 10);
	return errno == 0 && *end == '\0';
}

static bool set_field(struct shim_flags *flags, const struct row *row, const char *text)
{
	void *field = (char *)flags + row->offset;
	uint64_t number = 0;

	switch (row->kind) {
	case SWITCH:
		memcpy(field, &(bool){ true }, sizeof(bool));
		return true;
	case TEXT:
		memcpy(field, &text, sizeof text);
		return true;
	case NUMBER:
	default:
		if (!number_of(text, &number))
			return false;
		memcpy(field, &number, sizeof number);
		flags->has_shim_id |= row->offset == offsetof(struct shim_flags, shim_id);
		return true;
	}
}

enum shim_parse shim_parse(int argc, char **argv, struct shim_flags *initial,
                           struct shim_flags *resume, const char **bad)
{
	for (int i = 1; i < argc; i++) {
		const char *only_initial = behind(argv[i], "-on-initial-");
		const char *only_resume = behind(argv[i], "-on-resume-");
		const char *name = only_initial  ? only_initial
		                   : only_resume ? only_resume
		                                 : behind(argv[i], "-");
		const struct row *row = name ? find_row(name) : NULL;
		const char *text = "";

		*bad = argv[i];
		if (!row)
			return SHIM_UNKNOWN;
		if (row->kind != SWITCH && ++i == argc)
			return SHIM_MALFORMED;
		if (row->kind != SWITCH)
			text = argv[i];
		if (!only_resume && !set_field(initial, row, text))
			return SHIM_MALFORMED;
		if (!only_initial && !set_field(resume, row, text))
			return SHIM_MALFORMED;
	}
	return SHIM_PARSED;
}
