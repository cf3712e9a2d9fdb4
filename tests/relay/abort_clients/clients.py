"""clients: real clients, a row each: how one is asked for a document, and what it tells of the end.

A row is a Client; `client.ask(cells, place)` asks for every cell and returns a list of Results.  A client *told* if its
user cannot miss it: an exit status, an exception, an error.  It is silent if the half document was taken for a whole one.
It must not know which ending is right."""
import collections
import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
import tap

HERE = os.path.dirname(os.path.abspath(__file__))
PYTHON = "/usr/bin/python3"  # Debian's, which the packages belong to
HTTP = ("open", "length", "chunks", "complete")
RAW = ("open", "complete")  # who knows no HTTP sees no difference between the others
REQUEST = b"GET / HTTP/1.0\r\n\r\n"

Cell = collections.namedtuple("Cell", "version answer ending port")
Result = collections.namedtuple("Result", "version answer ending end bytes words")  # end: whole, failed
Place = collections.namedtuple("Place", "folder certificate")


class Client:
    def __init__(self, name, version, ask, answers, needs, is_quick=False):
        self.name, self.version, self._ask, self.answers, self.needs, self.is_quick = name, version, ask, answers, needs, is_quick

    def is_there(self):
        return os.path.exists(self.needs)

    def ask(self, cells, place):
        return self._ask([cell for cell in cells if cell.answer in self.answers], place)


def say(*argv, pattern=r"(.*)"):
    """What a program says of its version, or the first match of `pattern` in it."""
    done = tap.run(argv)
    said = (done.stdout + done.stderr).decode(errors="replace")
    return " ".join(re.search(pattern, said).groups())


def url(cell):
    return "https://localhost:%d/" % cell.port


def plain(words):
    """Without what differs from run to run: ports, addresses, times, codes of one thread."""
    words = re.sub(r"(?<=:)\d{5}\b|\b[0-9A-F]{12}0000:|\(_ssl\.c:\d+\)|\.\./\S+:\d+:", "", words)
    words = re.sub(r"127\.0\.0\.1:(->127\.0\.0\.1:)?", "", words)
    return " ".join(words.split())[:100]


def result(cell, is_whole, count, words):
    return Result(cell.version, re.sub("^file-", "", cell.answer), cell.ending, "whole" if is_whole else "failed", count, plain(words))


# ---- programs that take all cells at once: lines "ID URL" in, "ID whole|failed BYTES WHY" out

def lines(argv, env=None):
    def ask(cells, place):
        words = [word.format(ca=place.certificate, here=HERE, folder=place.folder) for word in argv]
        given = "".join("%d %s\n" % (number, url(cell)) for number, cell in enumerate(cells))
        settings = {name: value.format(ca=place.certificate) for name, value in (env or {}).items()}
        done = tap.run(words, input=given, seconds=300, env=tap.environment(**settings))
        found = {}
        for line in done.stdout.decode(errors="replace").splitlines():
            number, end, count, *why = line.split(" ", 3)
            found[int(number)] = result(cells[int(number)], end == "whole", int(count), " ".join(why))
        if len(found) != len(cells):
            raise AssertionError("%s told of %d of %d cells\n%s" % (words, len(found), len(cells), done.stderr.decode(errors="replace")))
        return [found[number] for number in sorted(found)]
    return ask


def go(cells, place):
    program = os.path.join(place.folder, "client")
    if not os.path.exists(program):
        tap.run(["go", "build", "-o", program, os.path.join(HERE, "client.go")], seconds=300,
                env=tap.environment(GOCACHE=os.path.join(place.folder, "go"), GO111MODULE="off", GOFLAGS="-mod=mod",
                                    HOME=place.folder)).check_returncode()
    return lines([program, "{ca}"])(cells, place)


# ---- programs that take one

def last_line(octets):
    found = [line for line in octets.decode(errors="replace").splitlines() if line.strip()]
    return found[-1] if found else ""


def curl(cells, place):
    found = []
    for cell in cells:
        done = tap.run(["curl", "-sS", "--cacert", place.certificate, url(cell)])
        found.append(result(cell, done.returncode == 0, len(done.stdout), last_line(done.stderr)))
    return found


def wget(cells, place):
    path, found = os.path.join(place.folder, "page"), []
    for cell in cells:
        done = tap.run(["wget", "--tries=1", "--no-hsts", "-nv", "--ca-certificate", place.certificate, "-O", path, url(cell)],
                       env=tap.environment(HOME=place.folder))
        words = "exit status %d" % done.returncode if done.returncode else ""
        found.append(result(cell, done.returncode == 0, os.path.getsize(path), words))
    return found


def raw(*argv):
    """Clients without a protocol: the request on standard input, which then stays open."""
    def ask(cells, place):
        found = []
        for cell in cells:
            words = [word.format(ca=place.certificate, port=cell.port) for word in argv]
            with tap.Process(words, stdin=subprocess.PIPE) as client:
                try:
                    client.stdin.write(REQUEST)
                    client.stdin.flush()
                except BrokenPipeError:  # it is over already, and its status tells
                    pass
                status = client.wait(15)
                body = client.out.count(b"half of a document, and ") * len("half of a document, and ")
                found.append(result(cell, status == 0, body, last_line(client.err) if status else ""))
        return found
    return ask


def psql(cells, place):
    found = []
    for cell in cells:
        done = tap.run(["psql", "-X", "-A", "-t", "-c", "select", "host=localhost port=%d user=u dbname=d sslmode=verify-ca "
                        "gssencmode=disable sslrootcert=%s" % (cell.port, place.certificate)])
        found.append(result(cell, done.returncode == 0, len(done.stdout), done.stderr.decode(errors="replace")))
    return found


def chromium(way):
    def ask(cells, place):
        import browser
        home = next(cell for cell in place.cells if (cell.answer, cell.ending) == ("complete", "close"))
        with browser.Chromium(url(home)) as program:
            return [result(cell, end == "whole", count, words)
                    for cell in cells for end, count, words in [getattr(program, way)(url(cell))]]
    return ask


# ---- the rows

def python(how):
    return lines([PYTHON, "{here}/client.py", how, "{ca}"])


def node(how):
    return lines(["node", "{here}/client.js", how], {"NODE_EXTRA_CA_CERTS": "{ca}"})


def java(how):
    return lines(["java", "{here}/Client.java", how, "{ca}"])


def python_version():
    return say(PYTHON, "-c", "import ssl, sys; print(sys.version.split()[0], ssl.OPENSSL_VERSION)", pattern=r"(\S+) (OpenSSL \S+)")


def requests_version():
    return say(PYTHON, "-c", "import requests; print(requests.__version__)") + ", Python " + python_version()


def node_version():
    return say("node", "-p", "process.version.slice(1) + ' OpenSSL ' + process.versions.openssl")


def java_version():
    return say("java", "-version", pattern=r'"(\S+)"')


DIST = "/usr/lib/python3/dist-packages/"
H2 = HTTP + ("h2",)
FILES = ("file-open", "file-length", "file-complete")
ROWS = (
    Client("curl on OpenSSL", lambda: say("curl", "--version", pattern=r"curl (\S+) .*(OpenSSL/\S+)"), curl, H2, "/usr/bin/curl", True),
    Client("pycurl on GnuTLS", lambda: say(PYTHON, "-c", "import pycurl; print(pycurl.version)", pattern=r"(libcurl/\S+) (GnuTLS/\S+)"),
           python("pycurl"), H2, DIST + "curl", True),
    Client("wget", lambda: say("wget", "--version", pattern=r"Wget (\S+)") + " GnuTLS", wget, HTTP, "/usr/bin/wget"),
    Client("Python urllib, http.client", python_version, python("urllib"), HTTP, PYTHON, True),
    Client("Python urllib, read in pieces", python_version, python("urllib-pieces"), HTTP, PYTHON, True),
    Client("Python requests", requests_version, python("requests"), HTTP, DIST + "requests"),
    Client("Node https", node_version, node("https"), HTTP, "/usr/bin/node", True),
    Client("Node fetch()", node_version, node("fetch"), HTTP, "/usr/bin/node", True),
    Client("Java HttpsURLConnection", java_version, java("url"), HTTP, "/usr/bin/java"),
    Client("Java java.net.http", java_version, java("client"), H2, "/usr/bin/java"),
    Client("Go net/http", lambda: say("go", "version", pattern=r"go([\d.]+)"), go, H2, "/usr/bin/go"),
    Client("Chromium fetch()", lambda: say("chromium", "--version", pattern=r"Chromium (\S+)"), chromium("fetch"), H2, "/usr/bin/chromium"),
    Client("Chromium page", lambda: say("chromium", "--version", pattern=r"Chromium (\S+)"), chromium("visit"), HTTP, "/usr/bin/chromium"),
    Client("Chromium download", lambda: say("chromium", "--version", pattern=r"Chromium (\S+)"), chromium("save"), FILES, "/usr/bin/chromium"),
    Client("psql", lambda: say("psql", "--version", pattern=r"(\d\S+)"), psql, ("rows", "all-rows"), "/usr/bin/psql"),
    Client("openssl s_client", lambda: say("openssl", "version", pattern=r"OpenSSL (\S+)"),
           raw("openssl", "s_client", "-quiet", "-verify_quiet", "-verify_return_error", "-CAfile", "{ca}", "-connect", "localhost:{port}"),
           RAW, "/usr/bin/openssl", True),
    Client("gnutls-cli", lambda: say("gnutls-cli", "--version", pattern=r"gnutls-cli (\S+)"),
           raw("gnutls-cli", "--x509cafile", "{ca}", "--port", "{port}", "localhost"), RAW, "/usr/bin/gnutls-cli"),
)
