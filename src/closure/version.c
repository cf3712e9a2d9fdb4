/*
 * version: the table.  SSL 3.0 to TLS 1.3 are what the engine runs on; DTLS
 * stands here for the codec and for documentation.  The first row serves
 * before the version is known, and is the most careful of them.
 */
#include "closure/version.h"

#define ROWS (sizeof rows / sizeof rows[0])

/* clang-format off */
static const struct lw_version_row rows[] = {
	/*                                            on_peer_close          half   unclean fatal  level  unknown frag   share  empty */
	{ "unknown",  LW_VERSION_UNKNOWN, 0,      LW_ANSWER_AND_DISCARD, false, false, true,  false, false, true,  true,  false },
	{ "SSLv3",    LW_VERSION_SSL3,    0x0300, LW_ANSWER_AND_DISCARD, false, true,  true,  false, false, true,  true,  false },
	{ "TLSv1.0",  LW_VERSION_TLS1_0,  0x0301, LW_ANSWER_AND_DISCARD, false, true,  true,  false, false, true,  true,  false },
	{ "TLSv1.1",  LW_VERSION_TLS1_1,  0x0302, LW_ANSWER_AND_DISCARD, false, false, true,  false, false, true,  true,  false },
	{ "TLSv1.2",  LW_VERSION_TLS1_2,  0x0303, LW_ANSWER_AND_DISCARD, false, false, true,  false, false, true,  true,  true  },
	{ "TLSv1.3",  LW_VERSION_TLS1_3,  0x0304, LW_KEEP_WRITING,       true,  false, true,  true,  true,  false, false, true  },
	{ "DTLSv1.2", LW_VERSION_DTLS1_2, 0xfefd, LW_ANSWER_AND_DISCARD, false, false, true,  false, false, false, false, true  },
	{ "DTLSv1.3", LW_VERSION_DTLS1_3, 0xfefc, LW_KEEP_WRITING,       true,  false, true,  true,  true,  false, false, true  },
};
/* clang-format on */

const struct lw_version_row *lw_version_row(enum lw_version version)
{
	return (size_t)version < ROWS ? &rows[version] : &rows[LW_VERSION_UNKNOWN];
}

enum lw_version lw_version_of_wire(uint16_t wire)
{
	for (size_t i = 1; i < ROWS; i++)
		if (rows[i].wire == wire)
			return rows[i].version;
	return LW_VERSION_UNKNOWN;
}
