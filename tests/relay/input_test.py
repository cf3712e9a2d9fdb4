#!/usr/bin/python3
"""input: what no peer should send: each costs little, is told in one line with its reason, and harms nobody else.

The relay has one worker.  While bad input comes, a bystander asks and is answered, over and over, through the same worker; the
relay's processor time and memory are looked at before and behind."""
import contextlib
import os
import socket
import ssl
import sys
import threading
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import matrix_ends as ends
from authority import Authority
from limits_test import is_instrumented, resident
from rig import Relay, servers, tap

SLOWER = 8 if is_instrumented() else 1
FLOOD = 10000
FLOOD_MS = 150 * SLOWER  # of processor time, for a flood that is refused, and for a connection that comes to nothing
OCTETS, OCTET_MS = 20000, 1500 * SLOWER  # each in a record: work that cannot be refused
MEMORY = 4 << 20  # that may be added


def processor_ms(pid):
    """What the process has used so far."""
    with open("/proc/%d/stat" % pid, encoding="ascii") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) * 1000 // os.sysconf("SC_CLK_TCK")


def echo(connection):
    while True:
        piece = connection.recv(65536)
        if not piece:
            return
        connection.sendall(piece)


class Bystander(threading.Thread):
    """Asks and is answered until it is told to stop; then ends properly.  .answers; .problem is what went wrong."""

    def __init__(self, connection):
        super().__init__(daemon=True)
        self.connection, self.answers, self.problem = connection, 0, None
        self.stop, self.has_begun = threading.Event(), threading.Event()
        self.start()

    def run(self):
        try:
            while not self.stop.is_set():
                self.connection.sendall(b"hello\n")
                said = b""
                while len(said) < 6:
                    said += self.connection.recv(6) or b"it ended here"
                assert said == b"hello\n", said
                self.answers += 1
                self.has_begun.set()
                self.stop.wait(0.01)
            if isinstance(self.connection, ssl.SSLSocket):
                self.connection = self.connection.unwrap()
        except Exception as problem:  # told by the test
            self.problem = problem
        self.has_begun.set()
        self.connection.close()


class Case(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        shared = servers.Shared(cls)
        cls.folder = tap.temp_dir(shared)
        os.chmod(cls.folder, 0o755)
        cls.certificate = servers.Certificate(cls.folder)
        cls.echo = servers.Raw(shared, echo)
        cls.nginx = servers.nginx(shared, cls.certificate)

    def relay(self, *flags, front="tls", connect=None):
        own = ("--cert", self.certificate.certificate, "--key", self.certificate.key) if front == "tls" else ()
        return Relay(self, "--accept", front + ":127.0.0.1:0", "--connect", connect or "tcp:127.0.0.1:%d" % self.echo.port, *own,
                     "--TIMEOUTbusy", 1, "--TIMEOUTclose", 5, "--metrics", "unix:" + os.path.join(tap.temp_dir(self), "metrics"), *flags)

    def relay_of_two(self, connect, *keys):
        """A relay whose service `good` is as in relay(), and `bad` speaks TLS to another server."""
        return Relay(self, config="\n".join((
            "workers = 1", "[good]", "accept = tls:127.0.0.1:0", "connect = tcp:127.0.0.1:%d" % self.echo.port,
            "cert = " + self.certificate.certificate, "key = " + self.certificate.key,
            "[bad]", "accept = tcp:127.0.0.1:0", "connect = " + connect, *keys, "")))

    @contextlib.contextmanager
    def watched(self, relay, busy_ms=FLOOD_MS, bystander=None, memory=MEMORY):
        """Bad input comes inside of it.  A bystander is served throughout, and the relay's costs are bounded; what the bystander
        costs itself is taken off, at what it costs alone."""
        bystander = bystander or Bystander(ends.strict_client(relay.port(), "1.3"))
        bystander.has_begun.wait(10)
        size, before, asked = resident(relay.pid), processor_ms(relay.pid), bystander.answers
        yield
        count = bystander.answers - asked
        cost, grown = processor_ms(relay.pid) - before, resident(relay.pid) - size
        served = bystander.answers
        bystander.stop.set()
        bystander.join(20)
        self.assertIsNone(bystander.problem)
        self.assertGreater(bystander.answers, served - 1)
        self.assertLess(cost, busy_ms + count * SLOWER * 0.3, "%d answers to the bystander meanwhile" % count)
        if not is_instrumented():
            self.assertLess(grown, memory)

    def line(self, relay, outcome, reason, number=1):
        """The line of the bad connection, which is the only one of its kind; the bystander has its own."""
        relay.wait_connection(number + 1)
        bad = [line for line in relay.lines() if "action" in line and line.outcome not in ("whole", "tolerated")]
        self.assertEqual([line.outcome for line in bad], [outcome] * number, [line.text for line in bad])
        for line in bad:
            self.assertRegex(line.get("reason", ""), reason, line.text)
        return bad[0]


def raw(port, data=b"", is_end=False):
    """A connection on which `data` was said."""
    connection = socket.create_connection(("127.0.0.1", port), timeout=15)
    connection.sendall(data)
    if is_end:
        connection.shutdown(socket.SHUT_WR)
    return connection


def client_hello():
    """What a TLS client says first."""
    context, out = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), ssl.MemoryBIO()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with contextlib.suppress(ssl.SSLWantReadError):
        context.wrap_bio(ssl.MemoryBIO(), out).do_handshake()
    return out.read()


class BeforeTls(Case):
    """What comes instead of a handshake."""

    def check(self, data, reason, is_end=False, outcome="refused"):
        relay = self.relay()
        with self.watched(relay):
            with raw(relay.port(), data, is_end) as connection:
                seen = ends.read_to_end(connection, bytearray())
            relay.wait_connection()
        self.assertIn(seen, ("whole", "reset"))
        return self.line(relay, outcome, reason)

    def test_plain_http(self):
        relay = self.relay()
        with self.watched(relay):
            done = tap.run(["curl", "-sS", "--max-time", "20", "http://127.0.0.1:%d/" % relay.port()])
            relay.wait_connection()
        self.assertNotEqual(done.returncode, 0)
        self.line(relay, "refused", "plain HTTP")

    def test_something_that_is_no_tls(self):
        self.check(b"SSH-2.0-OpenSSH_9.2\r\n", "no TLS")

    def test_half_a_client_hello_and_silence(self):
        hello = client_hello()
        line = self.check(hello[:len(hello) // 2], "did not finish its handshake within 1 s")
        self.assertLess(float(line["dur"]), 5)

    def test_half_a_client_hello_and_an_end(self):
        hello = client_hello()
        self.check(hello[:len(hello) // 2], "ended .* handshake", is_end=True)

    def test_a_client_hello_octet_by_octet(self):
        """It is one, after all."""
        relay = self.relay()
        with self.watched(relay), raw(relay.port()) as connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for octet in client_hello():
                connection.sendall(bytes([octet]))
            self.assertEqual(connection.recv(1), b"\x16")  # the ServerHello

    def test_a_handshake_that_is_garbage(self):
        hello = client_hello()
        self.check(hello[:11] + os.urandom(len(hello) - 11), "handshake")

    def test_nothing(self):
        """A probe: counted, and not told."""
        for is_end, name in ((True, "and an end"), (False, "and silence")):
            with self.subTest(name):
                relay = self.relay()
                with self.watched(relay), raw(relay.port(), b"", is_end) as connection:
                    ends.read_to_end(connection, bytearray())
                relay.wait_connection()
                self.assertEqual(relay.count('connections_total{outcome="probe"}'), 1)
                self.assertEqual([line.outcome for line in relay.lines() if "action" in line], ["whole"])

    def test_many_at_a_time(self):
        """A hundred half handshakes, while one is served."""
        relay, hello, count = self.relay(), client_hello(), 100
        with self.watched(relay, busy_ms=10 * FLOOD_MS, memory=3 * MEMORY), contextlib.ExitStack() as stack:
            for connection in [stack.enter_context(raw(relay.port(), hello[:len(hello) // 2])) for _ in range(count)]:
                ends.read_to_end(connection, bytearray())
            relay.wait_connection(count)
        self.line(relay, "refused", "within 1 s", count)


class TlsToAPlainPort(Case):
    def test_is_the_servers_to_refuse(self):
        """The relay changes no byte: nginx hears a ClientHello where it waits for a request."""
        relay = self.relay("--CAfile", self.certificate.certificate, "--profile", "https", front="tcp", connect="tls:127.0.0.1:%d" % self.nginx)
        before = processor_ms(relay.pid)
        done = tap.run(["openssl", "s_client", "-connect", "127.0.0.1:%d" % relay.port()])
        self.assertNotEqual(done.returncode, 0)
        line = relay.wait_connection()
        self.assertEqual((line["complete"], line["lost"], len([line for line in relay.lines() if "action" in line])), ("no", "0", 1), line.text)
        self.assertLess(processor_ms(relay.pid) - before, FLOOD_MS)
        done = tap.run(["curl", "-sS", "--max-time", "20", "http://127.0.0.1:%d/" % relay.port()])
        self.assertEqual((done.returncode, done.stdout), (0, servers.PAGE), done.stderr)


class Floods(Case):
    """Ten thousand of what carries no data: refused by a fatal alert after some dozens."""

    def check(self, version, what, alert):
        relay = self.relay()
        with self.watched(relay):
            done = tap.run([tap.built("tests/relay/flood_peer"), version, relay.port(), what, FLOOD], seconds=50)
            relay.wait_connection()
        self.assertRegex(done.stdout.decode(), r"over: bytes 0 alert %d " % alert)
        line = self.line(relay, "cut", r"^client: The connection failed after 0 bytes.* we aborted with the alert ")
        if what != "empty-records":  # which OpenSSL counts itself
            self.assertRegex(line["reason"], r"\(the peer sent \d+ (?:warnings|records without data)\)")
        self.assertEqual((line["client_end"], line["in"], line["lost"]), ("failed", "0", "0"), line.text)

    def test_of_warnings(self):
        for version in ("1.2", "1.3"):
            with self.subTest(version):
                self.check(version, "warnings", 10)

    def test_of_empty_records(self):
        for version in ("1.2", "1.3"):
            with self.subTest(version):
                self.check(version, "empty-records", 10)

    def test_of_renegotiations(self):
        self.check("1.2", "renegotiations", 22)

    def test_of_key_updates(self):
        self.check("1.3", "key-updates", 22)

    def test_of_key_updates_that_ask_for_more(self):
        self.check("1.3", "key-updates-asked", 22)

    def test_from_a_server(self):
        """Its client is told; others are served by another server."""
        for version, what in (("1.2", "warnings"), ("1.3", "key-updates"), ("1.3", "tickets")):
            with self.subTest(version=version, what=what):
                flood = tap.start(self, [tap.built("tests/relay/flood_peer"), version, 0, what, FLOOD], line=r"^port (\d+)$")
                relay = self.relay_of_two("tls:127.0.0.1:%s" % flood.said[1], "verifyChain = no")
                with self.watched(relay, bystander=Bystander(ends.strict_client(relay.port("good"), "1.3"))):
                    with raw(relay.port("bad")) as connection:
                        self.assertEqual(ends.read_to_end(connection, bytearray()), "reset")
                    relay.wait_connection()
                self.assertEqual(self.line(relay, "cut", r"^server: .*\(the peer sent \d+ ")["server_end"], "failed")


class ExpiredCertificate(Case):
    def test_of_a_server(self):
        """Its clients are told that all failed, as often as they come, and the line says which certificate and why."""
        authority, count = Authority(tap.temp_dir(self)), 20
        past = authority.issue("past", "DNS:localhost", ("20200101000000Z", "20200201000000Z"))
        port = servers.s_server(self, past, "-quiet")
        relay = self.relay_of_two("tls:localhost:%d" % port, "CAfile = " + authority.certificate)
        with self.watched(relay, busy_ms=count * FLOOD_MS / 2, bystander=Bystander(ends.strict_client(relay.port("good"), "1.3"))):
            for _ in range(count):
                with contextlib.suppress(ConnectionResetError), raw(relay.port("bad")) as connection:
                    self.assertEqual(ends.read_to_end(connection, bytearray()), "reset")
            relay.wait_connection(count)
        self.line(relay, "failed", "expired", count)


class SmallRecords(Case):
    """An octet a record is data like any other: it arrives, at a cost that its sender shares."""

    def check(self, version):
        relay = self.relay()
        with self.watched(relay, busy_ms=OCTET_MS):
            flood = tap.run([tap.built("tests/relay/flood_peer"), version, relay.port(), "octets", OCTETS], seconds=50)
            line = relay.wait_connection()
        self.assertEqual((flood.returncode, flood.stdout.split(b"over: ")[1]), (0, b"bytes %d alert 0 fin\n" % OCTETS))
        self.assertEqual((line.outcome, line["in"], line["out"], line["lost"]), ("whole", str(OCTETS), str(OCTETS), "0"), line.text)

    def test_of_1_2(self):
        self.check("1.2")

    def test_of_1_3(self):
        self.check("1.3")


if __name__ == "__main__":
    tap.main()
