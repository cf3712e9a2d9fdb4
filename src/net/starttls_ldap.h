/* starttls_ldap: one LDAP request before TLS, and its answer.  Pure.  Source: RFC 4511. */
#ifndef NET_STARTTLS_LDAP_H
#define NET_STARTTLS_LDAP_H

#include <lastword/verdict.h>

enum { STARTTLS_LDAP_ANSWER = 64 };

enum starttls_ldap {
	STARTTLS_LDAP_MORE,   /* the message goes on */
	STARTTLS_LDAP_BAD,    /* it is none */
	STARTTLS_LDAP_OTHER,  /* anything but StartTLS, answered so */
	STARTTLS_LDAP_STARTS, /* StartTLS, and it is granted */
	STARTTLS_LDAP_QUITS   /* unbind */
};

/* `bytes` begins with a message and holds nothing behind it.  Writes the answer, perhaps none. */
enum starttls_ldap starttls_ldap_judge(const void *bytes, size_t n,
                                       uint8_t answer[STARTTLS_LDAP_ANSWER], size_t *answer_bytes);

#endif
