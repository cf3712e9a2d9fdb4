#!/usr/bin/python3
"""client: Python's HTTP clients, one by one, for measure.py.

    client.py HOW CA-FILE < "ID URL" lines        prints "ID whole BYTES" or "ID failed BYTES WHY" for each

HOW: urllib (urlopen and read), urllib-pieces (read by copyfileobj), http.client, requests, pycurl.  pycurl on Debian
is libcurl on GnuTLS.  Each is used as its manual shows it, and nothing looks at what it does not tell by itself."""
import io
import shutil
import ssl
import sys
import urllib.parse

LIMIT_S = 10


class Count(io.RawIOBase):
    """Takes bytes and counts them."""
    bytes = 0

    def write(self, piece):
        self.bytes += len(piece)
        return len(piece)


def by_urllib(url, ca, got):
    import urllib.request
    with urllib.request.urlopen(url, timeout=LIMIT_S, context=ssl.create_default_context(cafile=ca)) as answer:
        got.write(answer.read())


def by_urllib_pieces(url, ca, got):
    import urllib.request
    with urllib.request.urlopen(url, timeout=LIMIT_S, context=ssl.create_default_context(cafile=ca)) as answer:
        shutil.copyfileobj(answer, got, 1000)


def by_http_client(url, ca, got):
    import http.client
    place = urllib.parse.urlsplit(url)
    connection = http.client.HTTPSConnection(place.hostname, place.port, timeout=LIMIT_S,
                                             context=ssl.create_default_context(cafile=ca))
    connection.request("GET", place.path)
    got.write(connection.getresponse().read())


def by_requests(url, ca, got):
    import requests
    got.write(requests.get(url, verify=ca, timeout=LIMIT_S).content)


def by_pycurl(url, ca, got):
    import pycurl
    handle = pycurl.Curl()
    for option, value in ((pycurl.URL, url), (pycurl.CAINFO, ca), (pycurl.TIMEOUT, LIMIT_S), (pycurl.WRITEFUNCTION, got.write)):
        handle.setopt(option, value)
    handle.perform()


HOWS = {"urllib": by_urllib, "urllib-pieces": by_urllib_pieces, "http.client": by_http_client, "requests": by_requests,
        "pycurl": by_pycurl}


def why(problem):
    return " ".join(("%s: %s" % (type(problem).__name__, problem)).split())


def main():
    how, ca = HOWS[sys.argv[1]], sys.argv[2]
    for line in sys.stdin:
        name, url = line.split()
        got = Count()
        try:
            how(url, ca, got)
            print(name, "whole", got.bytes, flush=True)
        except Exception as problem:  # whatever it raises is what it tells
            print(name, "failed", got.bytes, why(problem), flush=True)


if __name__ == "__main__":
    main()
