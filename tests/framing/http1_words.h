/* http1_words: the steps and reasons that rows on HTTP/1.1 are written in. */
#ifndef TESTS_FRAMING_HTTP1_WORDS_H
#define TESTS_FRAMING_HTTP1_WORDS_H

#include "tests/framing/feed.h"

#define CLIENT     LW_KIND_HTTP1, LW_ROLE_CLIENT
#define SERVER     LW_KIND_HTTP1, LW_ROLE_SERVER
#define GET        OUT("GET / HTTP/1.1\r\nHost: a\r\n\r\n")
#define HEAD       OUT("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n")
#define CONNECT    OUT("CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n")
#define OK         "HTTP/1.1 200 OK\r\n"
#define BY_LENGTH  "Content-Length satisfied"
#define BY_CHUNKS  "last chunk and trailers read"
#define NO_BODY    "a message without a body"
#define NO_LENGTH  "no length: only close_notify completes it"
#define TUNNEL     "a tunnel: only close_notify completes it"
#define UNANSWERED "a request is unanswered"
#define UNASKED    "bytes that answer no request"
#define NOT_HTTP   "not HTTP"
#define BAD_FIELD  "a malformed header line"
#define BAD_LENGTH "a Content-Length that is no single number"
#define BAD_CODING "a malformed Transfer-Encoding"
#define BAD_CHUNK  "a malformed chunk"
#define BOTH       "both Content-Length and Transfer-Encoding"
#define NO_END     "a transfer coding without an end"

#endif
