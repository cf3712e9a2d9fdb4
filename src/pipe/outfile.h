/* outfile: a file that appears only when it is whole: written beside its place, renamed into it at
 * the end, or gone without a trace.
 */
#ifndef PIPE_OUTFILE_H
#define PIPE_OUTFILE_H

#include <lastword/verdict.h>

#include "net/failure.h"

struct outfile {
	int fd;
	char *path;      /* where it is to appear; links followed */
	char *temporary; /* NULL: written in place, since it is no regular file */
};

/* Opens a temporary file beside `path`.  A device or a pipe is written in place. */
LW_MUST_CHECK bool outfile_open(struct outfile *o, const char *path, struct failure *f);

/* Makes it appear: flushed to the disk, closed, renamed.  On failure nothing is left. */
LW_MUST_CHECK bool outfile_commit(struct outfile *o, struct failure *f);

/* Closes and removes it.  May follow any of the calls above, and itself. */
void outfile_drop(struct outfile *o);

#endif
