/*
 * flags: the command line of the shim protocol as a struct, from one const table.
 *
 * A flag counts for the first connection and for those that resume it, unless it is
 * written "-on-initial-..." or "-on-resume-...".  What the table does not have is
 * refused, never ignored: a suite must not take an unmet demand for a met one.
 */
#ifndef SHIM_FLAGS_H
#define SHIM_FLAGS_H

#include <stdbool.h>
#include <stdint.h>

struct shim_flags {
	/* to the runner */
	uint64_t port, shim_id, resume_count;
	bool has_shim_id, ipv6, server, is_handshaker_supported;
	/* the handshake */
	uint64_t min_version, max_version, expect_version, expect_cipher;
	bool no_tls1, no_tls11, no_tls12, no_tls13, no_ticket;
	bool verify_peer, verify_fail, require_any_client_certificate, expect_verify_result;
	bool decline_alpn, reject_alpn, expect_session_miss, expect_extended_master_secret;
	bool implicit_handshake, handshake_twice, no_op_extra_handshake;
	const char *cert_file, *key_file, *trust_cert, *cipher;
	const char *host_name, *expect_server_name;
	const char *advertise_alpn, *expect_advertised_alpn, *select_alpn, *expect_alpn;
	/* what follows it */
	uint64_t read_size, export_keying_material;
	bool async, shim_writes_first, shim_shuts_down, check_close_notify, send_alert;
	bool partial_write, write_different_record_sizes, read_with_unfinished_write, key_update;
	bool use_export_context;
	const char *export_label, *export_context;
};

enum shim_parse { SHIM_PARSED, SHIM_UNKNOWN, SHIM_MALFORMED };

/*
 * Fills `initial` and `resume`, zeroed by the caller; text stays in argv.  Anything but
 * SHIM_PARSED: `*bad` is the argument.
 */
enum shim_parse shim_parse(int argc, char **argv, struct shim_flags *initial,
                           struct shim_flags *resume, const char **bad);

#endif
