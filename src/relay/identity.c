/* identity: see identity.h.  Invariant: who becomes a user has no group of root's afterwards. */
#define _DEFAULT_SOURCE /* setgroups */
#include "relay/identity.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- user and group */

/* A number, as stunnel allows; root's is none to become. */
static bool take_number(const char *text, unsigned long *number)
{
	char *end;

	errno = 0;
	*number = strtoul(text, &end, 10);
	return text[0] >= '0' && text[0] <= '9' && *end == '\0' && errno == 0 && *number > 0 &&
	       *number < UINT32_MAX;
}

static bool complain(struct failure *f, const char *key, const char *what, const char *name)
{
	failure_set(f,
	            "%s: cannot become the %s %s: there is none of that name, or it is root's; "
	            "check the spelling",
	            key, what, name);
	return false;
}

static bool find_group(const char *name, gid_t *gid, struct failure *f)
{
	const struct group *g = getgrnam(name);
	unsigned long number = 0;

	if (g == NULL && !take_number(name, &number))
		return complain(f, "setgid", "group", name);
	*gid = g != NULL ? g->gr_gid : (gid_t)number;
	return *gid != 0 || complain(f, "setgid", "group", name);
}

/* `*gid` becomes the user's own group, where there is a user of that number. */
static bool find_user(const char *name, uid_t *uid, gid_t *gid, struct failure *f)
{
	const struct passwd *p = getpwnam(name);
	unsigned long number = 0;

	if (p == NULL && !take_number(name, &number))
		return complain(f, "setuid", "user", name);
	if (p == NULL)
		p = getpwuid((uid_t)number);
	*uid = p != NULL ? p->pw_uid : (uid_t)number;
	if (p != NULL)
		*gid = p->pw_gid;
	return *uid != 0 || complain(f, "setuid", "user", name);
}

static bool fail(struct failure *f, const char *key, const char *what, const char *name)
{
	failure_set(f, "%s: cannot become the %s %s: %s; start as root, or leave the line out", key,
	            what, name, strerror(errno));
	return false;
}

bool identity_become(const char *user, const char *group, struct failure *f)
{
	const bool is_root = geteuid() == 0;
	uid_t uid = 0;
	gid_t gid = 0;

	if ((user != NULL && !find_user(user, &uid, &gid, f)) ||
	    (group != NULL && !find_group(group, &gid, f)))
		return false;
	if (group != NULL && (setgroups(1, &gid) != 0 || setgid(gid) != 0))
		return fail(f, "setgid", "group", group);
	if (group == NULL && user != NULL && is_root && gid == 0) {
		failure_set(f, "setuid: the user %s has no group but root's; write setgid, too",
		            user);
		return false;
	}
	if (group == NULL && user != NULL && is_root &&
	    (setgroups(1, &gid) != 0 || setgid(gid) != 0))
		return fail(f, "setuid", "user", user);
	return user == NULL || setuid(uid) == 0 || fail(f, "setuid", "user", user);
}

/* ---- the file */

bool identity_write_pid(const char *path, struct failure *f)
{
	FILE *out = fopen(path, "w");
	bool is_written = out != NULL && fprintf(out, "%ld\n", (long)getpid()) > 0;

	if (out != NULL && fclose(out) != 0)
		is_written = false;
	if (!is_written)
		failure_set(f, "pid: cannot write %s: %s; check its folder", path, strerror(errno));
	return is_written;
}

void identity_remove_pid(const char *path)
{
	FILE *in = fopen(path, "r");
	long number = 0;

	if (in == NULL)
		return;
	if (fscanf(in, "%ld", &number) == 1 && number == (long)getpid())
		(void)unlink(path);
	(void)fclose(in);
}
