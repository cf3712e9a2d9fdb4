/* manager: the service manager (systemd) at both ends: sockets it hands over, what it is told.
 * Without one, nothing happens.
 */
#ifndef RELAY_MANAGER_H
#define RELAY_MANAGER_H

#include "relay/config.h"

/*
 * The listening socket that was handed over for a place: by its address, or else by the name
 * (FileDescriptorName=) of the service.  -1: none.  Each is given once; the caller owns it.
 */
LW_MUST_CHECK int manager_socket(const struct relay_place *p, const char *service);

/* Sockets handed over that nobody took; their number, and they are closed. */
size_t manager_close_rest(void);

void manager_ready(const char *status); /* READY=1, and when a reload is over */
void manager_reloading(void);
/* We end, and may take so long: the manager does not kill us before that, whatever its unit says.
 */
void manager_stopping(const char *status, uint64_t within_ms);
void manager_status(const char *status);

/* How often WATCHDOG=1 is wanted, in milliseconds; 0: never. */
uint64_t manager_watchdog_ms(void);
void manager_alive(void);

#endif
