/* identity: the user and group that the process becomes, and the file that says which it is. */
#ifndef RELAY_IDENTITY_H
#define RELAY_IDENTITY_H

#include <lastword/verdict.h>

#include "net/failure.h"

/*
 * Gives up root's rights: `user` and `group` are names or numbers, NULL: as it is.  A user without
 * a group brings its own one.  All threads.  False with a sentence.
 */
LW_MUST_CHECK bool identity_become(const char *user, const char *group, struct failure *f);

/* Writes our number into the file.  False with a sentence. */
LW_MUST_CHECK bool identity_write_pid(const char *path, struct failure *f);

/* Removes the file, if it has our number still. */
void identity_remove_pid(const char *path);

#endif
