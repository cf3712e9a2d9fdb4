/*
 * cut_proxy: passes TCP connections to one target and cuts each as a cutter
 * decides, on a libuv loop of its own.
 *
 * Every connection holds two buffers of 16 KiB and reads only while its sink has
 * taken what came before, so memory is bounded and back-pressure reaches the
 * sender.  What passes is not changed by a single octet.  After a cut the
 * direction's further bytes are read and thrown away, as a path that drops them
 * would; the other direction goes on.
 */
#ifndef PIPE_CUT_PROXY_H
#define PIPE_CUT_PROXY_H

#include "pipe/cutter.h"

#include <netdb.h>

/* How one connection went; told when it is over. */
struct cut_report {
	uint64_t number; /* from 1 */
	const struct cutter *cutter;
	int connect_error; /* errno of the last address of the target, 0: connected */
};

struct cut_proxy_options {
	int listen_fd;             /* listening, non-blocking; the proxy owns it */
	const struct addrinfo *to; /* tried in turn for each connection */
	struct cutter_plan plan;
	bool once; /* ends after one connection */
	void (*tell)(void *ctx, const struct cut_report *report);
	void *ctx;
};

/*
 * Runs until SIGINT or SIGTERM (or one connection is over); connections under
 * way are then ended and told.  False: the loop could not be set up, errno says
 * why.
 */
LW_MUST_CHECK bool cut_proxy_run(const struct cut_proxy_options *options);

#endif
