/*
 * curl_observe: libcurl fetches, and Lastword only watches how the connection ends.
 *
 *     cc curl_observe.c -o curl_observe $(pkg-config --cflags --libs lastword-openssl libcurl)
 *     ./curl_observe https://example.org/ roots.pem >page && echo whole
 *
 * libcurl keeps calling OpenSSL as ever.  Where a message has no length only its close_notify
 * proves that it is whole, and whether that came, the verdict knows. Exit status: 0 whole; 1 cut or
 * failed, and standard error says how.
 */
#include <curl/curl.h>
#include <lastword/openssl.h>
#include <stdio.h>

struct watch {
	CURL *curl;
	struct lw_stream *stream;
};

/* The handshake is done and nothing has been asked yet: curl calls this for every connection. */
static int observe(void *context, char *peer, char *here, int peer_port, int our_port)
{
	struct watch *w = context;
	struct curl_tlssessioninfo *tls = NULL;

	(void)peer, (void)here, (void)peer_port, (void)our_port;
	if (curl_easy_getinfo(w->curl, CURLINFO_TLS_SSL_PTR, &tls) != CURLE_OK || !tls ||
	    tls->backend != CURLSSLBACKEND_OPENSSL)
		return CURL_PREREQFUNC_ABORT;
	lw_free(w->stream);
	w->stream = lw_openssl_observe(tls->internals, NULL, NULL);
	return w->stream ? CURL_PREREQFUNC_OK : CURL_PREREQFUNC_ABORT;
}

/* Content-Length, where curl compares; or else the authenticated end. */
static bool is_whole(CURL *curl, CURLcode did, const struct lw_verdict *verdict)
{
	curl_off_t length = -1;

	if (did != CURLE_OK)
		return false;
	if (curl_easy_getinfo(curl, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length) == CURLE_OK &&
	    length >= 0)
		return true;
	return verdict->read == LW_ENDING_CLOSED;
}

static bool fetch(CURL *curl, const char *url, const char *roots)
{
	struct watch w = { curl, NULL };
	struct lw_verdict verdict;
	bool whole = false;
	char text[256];
	CURLcode did;

	curl_easy_setopt(curl, CURLOPT_URL, url);
	curl_easy_setopt(curl, CURLOPT_CAINFO, roots);
	curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_0);
	curl_easy_setopt(curl, CURLOPT_PREREQFUNCTION, observe);
	curl_easy_setopt(curl, CURLOPT_PREREQDATA, &w);
	did = curl_easy_perform(curl);
	if (did != CURLE_OK)
		fprintf(stderr, "curl_observe: curl says: %s\n", curl_easy_strerror(did));
	if (w.stream) {
		lw_verdict(w.stream, &verdict);
		fprintf(stderr, "curl_observe: %s\n",
		        lw_verdict_sentence(&verdict, text, sizeof(text)));
		whole = is_whole(curl, did, &verdict);
	}
	curl_easy_cleanup(curl);
	lw_free(w.stream); /* also where curl has freed the SSL object before */
	return whole;
}

int main(int argc, char **argv)
{
	CURL *curl = curl_easy_init();

	if (argc != 3 || !curl) {
		fprintf(stderr, "usage: curl_observe URL ROOTS\n");
		return 2;
	}
	return fetch(curl, argv[1], argv[2]) && fflush(stdout) == 0 ? 0 : 1;
}
