/* pem: a throw-away certificate for tests that must not include OpenSSL's headers. */
#ifndef TESTS_ADAPTER_PEM_H
#define TESTS_ADAPTER_PEM_H

/* The same in every call of a process; NULL: none could be made. */
const char *pem_certificate(void);
const char *pem_key(void);

#endif
