/* pem: see pem.h. */
#include "pem.h"

#include "net/certificate.h"

static struct certificate_pem pem;
static bool has_pem;

static bool make(void)
{
	struct certificate *certificate;

	if (has_pem)
		return true;
	certificate = certificate_new(NULL, NULL);
	has_pem = certificate != NULL && certificate_print(certificate, &pem);
	certificate_free(certificate);
	return has_pem;
}

const char *pem_certificate(void)
{
	return make() ? pem.certificate : NULL;
}

const char *pem_key(void)
{
	return make() ? pem.key : NULL;
}
