"""matrix_ends: the two sides of a cell: sources that end as they are told, and strict readers that say what they saw.
It must not know what is right: `matrix_test.py` does.

What a reader saw is a Seen: `how` is whole (close_notify; on a plain socket an end of file), fin (an end without
close_notify), alert, reset or silent (its own deadline), and `data` is all that came before."""
import collections
import fcntl
import json
import os
import re
import select
import socket
import ssl
import struct
import sys
import termios
import threading

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from rig import LASTWORD, servers, tap

Seen = collections.namedtuple("Seen", "how data status said", defaults=(None, ""))

RECORD = 16384
TICKETS = {"1.2": 0, "1.3": 2}  # records of nginx that come before the page, and that count for `lastword cut`
PAGE_RECORDS = 4  # of nginx's page with its head
GET = b"GET / HTTP/1.0\r\n\r\n"
HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(servers.PAGE)
POST = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % len(servers.PAGE) + servers.PAGE
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
CUTS = {"fin": "fin", "inside": "inside", "rst": "rst", "silence": "stall"}  # our words to those of `lastword cut`
ENDINGS = {"fin": "none-at-boundary", "inside": "inside-record", "rst": "reset", "alert": "fatal-alert", "silence": "silence",
           "proper": "close-notify"}  # and to those of the adversary
READS = {"closed": "whole", "truncated": "fin", "reset": "reset", "aborted": "alert", "expired": "silent"}


def said_by(side, place):
    """What a source says before it ends: the server's answer or the client's request, none, in part, or whole."""
    whole = HEAD + servers.PAGE if side == "back" else GET
    part = whole[:2 * RECORD] if side == "back" else POST[:RECORD]
    return {"idle": b"", "mid": part, "complete": whole}[place]


def version_of(version):
    return ssl.TLSVersion["TLSv" + version.replace(".", "_")]


def is_whole(request):
    head, blank, body = bytes(request).partition(b"\r\n\r\n")
    length = re.search(rb"Content-Length: (\d+)", head)
    return bool(blank) and len(body) >= (int(length[1]) if length else 0)


def read_to_end(connection, data, on_piece=lambda: None):
    """Reads as a strict program does; how it ended."""
    while True:
        try:
            piece = connection.recv(65536)
        except ConnectionResetError:
            return "reset"
        except TimeoutError:
            return "silent"
        except ssl.SSLError as problem:
            return "alert" if "ALERT" in str(problem) else "fin" if "EOF" in str(problem) else "broken: %r" % problem
        if not piece:
            return "whole"
        data += piece
        on_piece()


# ---- plain sources

def wait_acknowledged(connection):
    """Until the peer's system has everything: an RST would destroy the rest."""
    left = struct.pack("i", 1)
    while struct.unpack("i", left)[0]:
        left = fcntl.ioctl(connection, termios.TIOCOUTQ, struct.pack("i", 0))
        select.select([], [], [], 0.001)


def end_plain(connection, ending):
    """Ends as told, and reads on until the peer has ended, too."""
    if ending == "rst":
        if connection.family != socket.AF_UNIX:  # there it is a close with something unread
            wait_acknowledged(connection)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()
        return
    if ending in ("fin", "untrusted"):
        connection.shutdown(socket.SHUT_WR)
    read_to_end(connection, bytearray())


# ---- servers

class Server:
    """A server for one connection after the other, in a thread; `meet(connection)` is what it does with each."""

    def __init__(self, scene, kind, certificate, version):
        self.context, self.seen, self.done, self.connection = None, None, threading.Event(), None
        if kind == "unix":
            self.place = "unix:" + os.path.join(tap.temp_dir(scene), "s")
            self.listener = socket.socket(socket.AF_UNIX)
            self.listener.bind(self.place[5:])
            self.listener.listen(8)
        else:
            self.listener = socket.create_server(("127.0.0.1", 0))
            self.place = "%s:127.0.0.1:%d" % (kind, self.listener.getsockname()[1])
        if kind == "tls":
            self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.context.load_cert_chain(certificate.certificate, certificate.key)
            self.context.options &= ~ssl.OP_IGNORE_UNEXPECTED_EOF  # Python sets it, and takes any FIN for an end
            self.context.minimum_version = self.context.maximum_version = version_of(version)
        scene.addCleanup(self.listener.close)
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                raw, _ = self.listener.accept()
            except OSError:
                return
            raw.settimeout(self.limit)
            try:
                with raw if self.context is None else self.context.wrap_socket(raw, True, suppress_ragged_eofs=False) as connection:
                    self.meet(connection)
            except OSError as problem:
                self.finish(Seen("broken: %r" % problem, b""))

    def finish(self, seen):
        if self.seen is None:
            self.seen = seen
            self.done.set()

    def wait(self, seconds=20):
        """What it saw of its first connection."""
        if not self.done.wait(seconds):
            raise AssertionError("the server at %s saw no end" % self.place)
        return self.seen


class Reader(Server):
    """Reads to the end, and answers a whole request."""

    def __init__(self, scene, kind, certificate, version, limit=15):
        self.limit, self.has_answered = limit, False
        super().__init__(scene, kind, certificate, version)

    def meet(self, connection):
        data, self.connection, was_reset = bytearray(), connection, []

        def answer():
            if is_whole(data) and not self.has_answered:
                self.has_answered = True
                try:
                    connection.sendall(ANSWER)
                except ConnectionError:  # it is told once: what is read then ends as if by FIN
                    was_reset.append(True)
        how = read_to_end(connection, data, answer)
        how = "reset" if was_reset and self.context is None else how
        if how == "whole" and self.context is not None:
            connection.unwrap().close()
        self.finish(Seen(how, bytes(data)))

    def wait_speaking(self):
        """As wait(), and says something now and then: a Unix socket has to, or nobody can reset it."""
        while not self.done.wait(0.02):
            try:
                if self.connection is not None:
                    self.connection.sendall(b"x")
            except OSError:  # it is over
                pass
        return self.wait()


class Answerer(Server):
    """Answers a request that its client has ended (in TLS 1.2: a whole one, for there nobody is told) with a page and its length."""
    limit = 15

    def __init__(self, scene, certificate, version, page):
        self.page, self.waits_for_end = page, version != "1.2"
        super().__init__(scene, "tls", certificate, version)

    def meet(self, connection):
        data, how = bytearray(), None
        if self.waits_for_end:
            how = read_to_end(connection, data)
        while how is None and not is_whole(data):
            data += connection.recv(4096)
        connection.sendall(b"HTTP/1.0 200 OK\r\nContent-Length: %d\r\n\r\n" % len(self.page) + self.page)
        self.finish(Seen(how or read_to_end(connection, data), bytes(data)))
        connection.unwrap().close()


class Source(Server):
    """Waits for a request where it has something to say, says it, and ends."""
    limit = 15

    def __init__(self, scene, kind, certificate, version, place, ending):
        self.says, self.ending, self.kind = said_by("back", place), ending, kind
        super().__init__(scene, kind, certificate, version)

    def meet(self, connection):
        if self.says:
            connection.recv(1 if self.kind == "unix" and self.ending == "rst" else 4096)
        connection.sendall(self.says)
        end_plain(connection, self.ending)


def adversary(scene, side, version, place, ending, port=None):
    """The adversary: a server (its place), or, given a port, a client (its process)."""
    path = servers.write(tap.temp_dir(scene), "says", said_by(side, place))
    flags = ["-v", version, "-f", path, "-l", "20000", "-n", "1" if port else "2"]
    flags += ["-p", port] if port else ["-w", len(GET)] if place != "idle" else []
    process = tap.start(scene, [tap.built("tests/adversary/adversary_peer"), *flags, ENDINGS[ending]], line=r"^port (\d+)$")
    return process if port else "tls:127.0.0.1:%s" % process.said[1]


def cut(scene, port, how, after, *options):
    """`lastword cut` in front of a port; its own port."""
    process = tap.start(scene, [LASTWORD, "cut", "--to", "127.0.0.1:%d" % port, "--how", CUTS[how], "--after", "%dr" % after,
                                *options], line=r"^127\.0\.0\.1:(\d+)$")
    return int(process.said[1])


# ---- clients

def connect(scene, port, version, request, *options):
    """`lastword connect`; strict, and following no messages, so that it never closes first, unless told otherwise."""
    path = os.path.join(tap.temp_dir(scene), "verdict.json")
    done = tap.run([LASTWORD, "connect", "-k", "--policy", "strict", "--profile", "none", "--tls", version, "--verdict", path,
                    *options, "127.0.0.1:%d" % port], input=request)
    if not os.path.exists(path):
        return Seen("never connected", done.stdout, done.returncode, done.stderr.decode())
    with open(path, encoding="utf-8") as file:
        verdict = json.load(file)
    if verdict["alert_received"] == "close_notify":
        return Seen("whole", done.stdout, done.returncode, done.stderr.decode())
    return Seen(READS[verdict["read"]], done.stdout, done.returncode, done.stderr.decode())


def plain_client(port, request):
    """A client in the clear that says all it has to say and reads to the end."""
    data = bytearray()
    with socket.create_connection(("127.0.0.1", port), timeout=15) as connection:
        connection.sendall(request)
        return Seen(read_to_end(connection, data), bytes(data))


def strict_client(port, version):
    """A connection of Python's to it, of that version."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.options &= ~ssl.OP_IGNORE_UNEXPECTED_EOF
    context.maximum_version = version_of(version)
    return context.wrap_socket(socket.create_connection(("127.0.0.1", port), timeout=15), suppress_ragged_eofs=False)


def tls_reset(port, version):
    """A TLS client that resets the connection when it has had its answer."""
    with strict_client(port, version) as connection:
        connection.sendall(GET)
        while not connection.recv(4096).endswith(ANSWER[-2:]):
            pass
        end_plain(connection, "rst")


def plain_source(port, place, ending):
    """A client in the clear that ends as told."""
    with socket.create_connection(("127.0.0.1", port), timeout=15) as connection:
        connection.sendall(said_by("front", place))
        end_plain(connection, ending)
