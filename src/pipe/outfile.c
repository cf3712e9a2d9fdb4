/* outfile: see outfile.h.  It must not know what is written.  Invariant: until the rename, what
 * stood at the path before stands there untouched.
 */
#include "pipe/outfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool fail(struct outfile *o, const char *path, int error, struct failure *f)
{
	failure_set(f, "cannot write %s: %s", path, strerror(error));
	outfile_drop(o);
	return false;
}

/* As a shell would have made it, or as the file it replaces. */
static mode_t usual_mode(const struct stat *before)
{
	mode_t mask;

	if (before != NULL)
		return before->st_mode & 07777;
	mask = umask(0);
	(void)umask(mask);
	return 0666 & ~mask;
}

static char *beside(const char *path)
{
	size_t n = strlen(path) + sizeof ".XXXXXX";
	char *name = malloc(n);

	if (name != NULL)
		(void)snprintf(name, n, "%s.XXXXXX", path);
	return name;
}

bool outfile_open(struct outfile *o, const char *path, struct failure *f)
{
	struct stat before;
	bool exists = stat(path, &before) == 0;

	*o = (struct outfile){ .fd = -1 };
	o->path = exists ? realpath(path, NULL) : strdup(path);
	if (o->path == NULL)
		return fail(o, path, errno, f);
	if (exists && S_ISDIR(before.st_mode))
		return fail(o, path, EISDIR, f);
	if (exists && !S_ISREG(before.st_mode)) {
		o->fd = open(o->path, O_WRONLY | O_CLOEXEC);
		return o->fd >= 0 || fail(o, path, errno, f);
	}
	o->temporary = beside(o->path);
	if (o->temporary == NULL)
		return fail(o, path, ENOMEM, f);
	o->fd = mkstemp(o->temporary);
	if (o->fd < 0) {
		int error = errno;

		free(o->temporary);
		o->temporary = NULL;
		return fail(o, path, error, f);
	}
	if (fcntl(o->fd, F_SETFD, FD_CLOEXEC) == 0 &&
	    fchmod(o->fd, usual_mode(exists ? &before : NULL)) == 0)
		return true;
	return fail(o, path, errno, f);
}

bool outfile_commit(struct outfile *o, struct failure *f)
{
	int fd = o->fd;

	/* What cannot be synced (a pipe, a device) says EINVAL, and is none the worse. */
	if (fsync(fd) != 0 && errno != EINVAL && errno != EROFS)
		return fail(o, o->path, errno, f);
	o->fd = -1;
	if (close(fd) != 0)
		return fail(o, o->path, errno, f);
	if (o->temporary != NULL && rename(o->temporary, o->path) != 0)
		return fail(o, o->path, errno, f);
	free(o->temporary);
	o->temporary = NULL;
	outfile_drop(o);
	return true;
}

void outfile_drop(struct outfile *o)
{
	if (o->fd >= 0)
		(void)close(o->fd);
	if (o->temporary != NULL)
		(void)unlink(o->temporary);
	free(o->temporary);
	free(o->path);
	*o = (struct outfile){ .fd = -1 };
}
