"""sessions: real clients and servers talk through a recording proxy, and a tracker follows what they said.

    recorder = sessions.Recorder(case, port_of_slapd)  # a proxy before the server
    tap.run(["ldapsearch", "-H", "ldap://127.0.0.1:%d" % recorder.port, ...])
    followed = sessions.follow("ldap", "client", recorder.session())
    case.assertEqual(sessions.shape(followed), "c S c S C")  # complete at the end of each run of the server's, and only there

What a client and a server say in turn is a list of runs: a direction, "C" or "S", and all its bytes up to the other's
turn, in the order in which they passed.  It must not know any protocol.  Invariants: every byte is recorded before it is passed on, so
the order of turns is the order of causes; nothing waits without a deadline.
"""
import os
import selectors
import socket
import struct
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import tap

DEADLINE = 20


class Shared:
    """Stands for all cases of a class where `tap` wants one: what is started for it ends with the class."""

    def __init__(self, cls):
        self.addCleanup = cls.addClassCleanup


class Connection:
    """One connection through the proxy: its runs, and whether it is over."""

    def __init__(self, client, server):
        self.client, self.server = client, server
        self.runs, self.news, self.is_over = [], threading.Condition(), False
        threading.Thread(target=self._pass, daemon=True).start()

    def _note(self, direction, piece):
        with self.news:
            if not self.runs or self.runs[-1][0] != direction:
                self.runs.append((direction, bytearray()))
            self.runs[-1][1].extend(piece)
            self.news.notify_all()

    def _pass(self):
        ways = {self.client: ("C", self.server), self.server: ("S", self.client)}
        with selectors.DefaultSelector() as ready:
            for source in ways:
                ready.register(source, selectors.EVENT_READ)
            while ready.get_map():
                for key, _ in ready.select():
                    direction, sink = ways[key.fileobj]
                    if not self._pass_some(key.fileobj, direction, sink):
                        ready.unregister(key.fileobj)
        self.client.close()
        self.server.close()
        with self.news:
            self.is_over = True
            self.news.notify_all()

    def _pass_some(self, source, direction, sink):
        try:
            piece = source.recv(65536)
            if piece:
                self._note(direction, piece)
                sink.sendall(piece)
            else:
                sink.shutdown(socket.SHUT_WR)
        except OSError:  # the sink is gone; what was said stays said
            return False
        return bool(piece)

    def wait_for(self, claim, what):
        with self.news:
            if not self.news.wait_for(lambda: claim(self), DEADLINE):
                raise AssertionError("the session does not come to %s: %s" % (what, self.runs))


class Recorder:
    """A proxy on a port of its own before the server at `target`, a port."""

    def __init__(self, case, target):
        self.target, self.connections, self.news = target, [], threading.Condition()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.thread = threading.Thread(target=self._accept, daemon=True)
        self.thread.start()
        case.addCleanup(self.end)

    def _accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(("127.0.0.1", self.target), DEADLINE)
            except OSError:
                client.close()
                continue
            server.settimeout(None)
            for end in (client, server):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self.news:
                self.connections.append(Connection(client, server))
                self.news.notify_all()

    def connection(self, number=0):
        """The connection with that number, waited for."""
        with self.news:
            if not self.news.wait_for(lambda: len(self.connections) > number, DEADLINE):
                raise AssertionError("no connection %d to port %d" % (number, self.port))
            return self.connections[number]

    def session(self, number=0):
        """The runs of a connection, once it is over."""
        connection = self.connection(number)
        connection.wait_for(lambda c: c.is_over, "an end")
        return [(direction, bytes(run)) for direction, run in connection.runs]

    def end(self):
        try:
            self.listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.listener.close()


class Talk:
    """A client of the test's own, on a connection to `port`: says bytes, and hears until others have come."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), DEADLINE)

    def say(self, said, *heard):
        self.socket.sendall(said)
        self.hear(*heard)

    def hear(self, *heard):
        """Reads until all of `heard` has come, each behind the one before."""
        got = b""
        while True:
            at = 0
            for word in heard:
                at = got.find(word, at) + len(word) if at >= 0 and word in got[at:] else -1
            if at >= 0:
                return
            piece = self.socket.recv(65536)
            if not piece:
                raise AssertionError("the session ended before %r: %r" % (heard, got))
            got += piece

    def __enter__(self):
        return self

    def __exit__(self, *_):
        """Says no more, and hears all that still comes."""
        try:
            self.socket.shutdown(socket.SHUT_WR)
            while self.socket.recv(65536):
                pass
        except OSError:  # the server was first
            pass
        self.socket.close()


class Run:
    """What the tracker said of a run: `octets` long, complete behind the offsets `at`, and why at its end."""

    def __init__(self, line):
        self.direction, octets, at, self.why = line.split("\t")
        self.octets = int(octets)
        self.at = [] if at == "-" else [int(offset) for offset in at.split(",")]

    def __repr__(self):
        return "%s %d at %s: %s" % (self.direction, self.octets, self.at, self.why)


def follow(kind, role, runs, *more):
    """What the tracker `kind` says of a session, a Run each."""
    recording = b"".join(direction.encode() + struct.pack(">I", len(run)) + run for direction, run in runs)
    done = tap.run([tap.built("tests/framing/follow"), kind, role, *more], input=recording)
    if done.returncode != 0:
        raise AssertionError(done.stderr.decode() + done.stdout.decode())
    return [Run(line) for line in done.stdout.decode().splitlines()]


def shape(followed):
    """A word a run: its direction, capital if it is complete behind its last octet, and a plus if anywhere before as well."""
    words = []
    for run in followed:
        word = run.direction.lower()
        if run.at and run.at[-1] == run.octets:
            word = word.upper()
        words.append(word + ("+" if [at for at in run.at if at != run.octets] else ""))
    return " ".join(words)
