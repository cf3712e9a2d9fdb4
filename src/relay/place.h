/* place: "[tls:|tcp:][HOST:]PORT", "unix:PATH" and stunnel's forms of them, as parts. */
#ifndef RELAY_PLACE_H
#define RELAY_PLACE_H

#include "relay/config.h"

/* How a place was written. */
enum relay_place_form {
	PLACE_NAMED,     /* tls:, tcp:, unix: */
	PLACE_BARE,      /* [HOST:]PORT */
	PLACE_BARE_PATH, /* /path */
	PLACE_BAD        /* f holds a clause */
};

/*
 * `usual_host` stands where no host was written: "" for everywhere.  Of a bare place the kind is
 * RELAY_TCP or RELAY_UNIX.  A port may be a service's name.
 */
LW_MUST_CHECK enum relay_place_form relay_place_read(const char *text, const char *usual_host,
                                                     struct relay_place *p, struct failure *f);

bool relay_place_is_same(const struct relay_place *a, const struct relay_place *b);

#endif
