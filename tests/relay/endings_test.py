#!/usr/bin/python3
"""endings: the keys that change what becomes of an ending, TLS 1.2 where one direction is over first, and clients that are not
ours: each through the relay, between real servers and clients."""
import contextlib
import itertools
import os
import socket
import ssl
import sys
import threading
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import matrix_ends as ends
from matrix_stand import VERSIONS, Cell, Scene, Stand, name_of, result, run_all, tell
from rig import Relay, servers, tap


class Case(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.stand = Stand(cls)

    def each(self, cells, check, *flags, **how):
        """Meets cells, many at a time, and calls check(cell, what became of it, what to say of that) for each."""
        cells = list(cells)
        met = run_all(lambda cell: self.stand.meet(cell, *flags, **how), cells)
        for cell in cells:
            with self.subTest(cell=name_of(cell)):
                check(cell, result(met, cell), tell(result(met, cell)))


class ReportOnly(Case):
    """What would have been cut is passed on as an end, and told."""

    def passes(self, cell, met, told):
        self.assertEqual(met.seen.how, "whole", told)
        self.assertIn(met.seen.status, (None, 0), told)
        self.assertEqual((met.line.outcome, met.line["action"], met.line["lost"], met.prevented), ("reported", "passed", "0", 0), told)
        self.assertIn(met.line["client_end" if cell.side == "front" else "server_end"], ("truncated", "reset", "aborted"), told)

    def test_of_a_server(self):
        self.each((Cell("back", ending, pair, version, "mid")
                   for ending in ("fin", "inside", "rst", "alert") for pair in ("tls-tls", "tcp-tls") for version in VERSIONS),
                  self.passes, "--reportOnly", "yes")

    def test_of_a_plain_server(self):
        self.each((Cell("back", ending, pair, version, "mid")
                   for ending in ("untrusted", "rst") for pair in ("tls-tcp", "tls-unix") for version in VERSIONS),
                  self.passes, "--reportOnly", "yes")

    def test_of_a_client(self):
        """Not to a server of TLS 1.2: that cannot be told before its answer is over."""
        self.each((Cell("front", ending, pair, "1.3", "mid")
                   for ending in ("fin", "inside", "rst", "alert") for pair in ("tls-tcp", "tls-unix", "tls-tls")),
                  self.passes, "--reportOnly", "yes")

    def test_silence_ends_properly(self):
        def ends_properly(cell, met, told):
            self.assertEqual((met.seen.how, met.seen.status), ("whole", 0), told)
            self.assertEqual(met.line.outcome, "reported" if cell.place == "mid" else "expired", told)
        self.each((Cell("back", "silence", "tls-tcp", version, place) for version in VERSIONS for place in ("mid", "complete")),
                  ends_properly, "--reportOnly", "yes")


class Policy(Case):
    """strict wants close_notify behind complete messages, too; lax takes FIN at every record's boundary."""
    EXPECTED = {  # policy, ending, place: what a TLS client sees, outcome, action
        ("strict", "fin", "complete"): ("alert", "cut", "aborted"),
        ("strict", "rst", "complete"): ("alert", "cut", "aborted"),
        ("strict", "inside", "complete"): ("alert", "cut", "aborted"),
        ("lax", "fin", "mid"): ("fin", "tolerated", "mirrored"),
        ("lax", "inside", "mid"): ("alert", "cut", "aborted"),
        ("lax", "rst", "mid"): ("alert", "cut", "aborted"),
        ("lax", "rst", "complete"): ("fin", "tolerated", "mirrored"),
    }

    def check(self, policy):
        def is_as_expected(cell, met, told):
            self.assertEqual((met.seen.how, met.line.outcome, met.line["action"]), self.EXPECTED[policy, cell.ending, cell.place], told)
            self.assertEqual(met.line["lost"], "0", told)
        self.each((Cell("back", ending, "tls-tls", version, place)
                   for (of, ending, place), version in itertools.product(self.EXPECTED, VERSIONS) if of == policy),
                  is_as_expected, "--policy", policy)

    def test_strict(self):
        self.check("strict")

    def test_lax(self):
        self.check("lax")

    def test_without_a_profile_only_close_notify_is_an_end(self):
        def is_cut(_, met, told):
            self.assertEqual((met.seen.how, met.line["action"], met.line["complete"]), ("alert", "aborted", "unknown"), told)
        self.each((Cell("back", ending, "tls-tls", version, "complete") for ending in ("fin", "rst", "silence") for version in VERSIONS),
                  is_cut, "--profile", "auto")


class AbortWith(Case):
    """A client is told by what the key says, behind all that came."""

    def check(self, way, how):
        def is_told(_, met, told):
            self.assertEqual((met.seen.how, met.seen.status, len(met.seen.data)), (how, 1, 2 * ends.RECORD), told)
            self.assertEqual((met.line.outcome, met.line["action"], met.line["lost"], met.prevented), ("cut", "aborted", "0", 1), told)
        self.each((Cell("back", ending, pair, version, "mid") for version in VERSIONS
                   for pair, ending in (("tls-tls", "fin"), ("tls-tls", "rst"), ("tls-tcp", "rst"), ("tls-unix", "rst"))),
                  is_told, "--abortWith", way)

    def test_alert(self):
        self.check("alert", "alert")

    def test_alert_and_reset(self):
        self.check("alert-reset", "alert")

    def test_reset(self):
        self.check("reset", "reset")


class UnixSocket(Case):
    def test_a_server_that_says_nothing_sees_an_end_at_the_deadline_and_the_line_says_so(self):
        def is_unmarked(_, met, told):
            self.assertEqual(met.seen.how, "whole", told)
            self.assertEqual((met.line.outcome, met.line["action"], met.prevented), ("cut", "aborted", 0), told)
            self.assertIn("Unix socket", met.line["reason"], told)
        self.each((Cell("front", "fin", "tls-unix", version, "mid") for version in VERSIONS),
                  is_unmarked, "--TIMEOUTclose", "1", speaks=False)


class OneDirectionFirst(Case):
    """A direction is over, and the other goes on; in TLS 1.2 there is no such thing."""

    def relay(self, front, where, *flags):
        tls = ("--cert", self.stand.certificate.certificate, "--key", self.stand.certificate.key) if front == "tls" else ()
        return Relay(self, "--accept", front + ":127.0.0.1:0", "--connect", where, *tls, "--TIMEOUTclose", 5, "--TIMEOUTidle", 20, *flags)

    def test_a_plain_client_that_has_said_all_gets_all_of_the_answer(self):
        for version in VERSIONS:
            with self.subTest(version=version), Scene() as scene:
                server = ends.Answerer(scene, self.stand.certificate, version, servers.LARGE)
                relay = self.relay("tcp", server.place, "--CAfile", self.stand.certificate.certificate, "--profile", "https")
                data = bytearray()
                with socket.create_connection(("127.0.0.1", relay.port()), timeout=15) as client:
                    client.sendall(ends.GET)
                    client.shutdown(socket.SHUT_WR)
                    self.assertEqual(ends.read_to_end(client, data), "whole")
                self.assertTrue(data.endswith(servers.LARGE))
                self.assertEqual(server.wait().how, "whole")
                line = relay.wait_connection()
                self.assertEqual((line.outcome, line["action"], line["lost"]), ("whole", "finished", "0"), line.text)

    def test_an_answer_that_only_its_end_ends_is_whole(self):
        """HTTP/1.0 without a length, from a plain server: its FIN is close_notify to the client."""
        server = servers.Raw(self, lambda connection: (connection.recv(4096), connection.sendall(b"HTTP/1.0 200 OK\r\n\r\n" + servers.LARGE)))
        for version in VERSIONS:
            with self.subTest(version=version), Scene() as scene:
                relay = self.relay("tls", "tcp:127.0.0.1:%d" % server.port, "--profile", "https")
                seen = ends.connect(scene, relay.port(), version, ends.GET)
                self.assertEqual((seen.how, seen.status), ("whole", 0), seen.said)
                self.assertTrue(seen.data.endswith(servers.LARGE))
                line = relay.wait_connection()
                self.assertEqual((line.outcome, line["action"], line["lost"]), ("whole", "finished", "0"), line.text)

    def test_a_client_of_1_2_that_closes_first_ends_both(self):
        """It is answered at once, and gives up what is still to come; the server sees that nobody takes it."""
        go_on = threading.Event()
        server = servers.Raw(self, lambda connection: (connection.recv(4096), connection.sendall(ends.HEAD + servers.PAGE[:10000]), go_on.wait(10),
                                                       connection.sendall(servers.LARGE)))
        relay = self.relay("tls", "tcp:127.0.0.1:%d" % server.port, "--profile", "https")
        with ends.strict_client(relay.port(), "1.2") as client:
            client.sendall(ends.GET)
            client.recv(100)
            with contextlib.suppress(ssl.SSLError):  # what is under way comes before the answer
                client.unwrap()
            go_on.set()
        line = relay.wait_connection()
        self.assertEqual((line["client_end"], line.outcome), ("closed", "cut"), line.text)
        self.assertGreater(int(line["lost"]), 0)

    def test_a_client_of_1_3_that_has_said_all_gets_all_of_the_answer(self):
        server = servers.Raw(self, lambda connection: (ends.read_to_end(connection, bytearray()), connection.sendall(servers.LARGE)))
        relay = self.relay("tls", "tcp:127.0.0.1:%d" % server.port)
        with Scene() as scene:
            seen = ends.connect(scene, relay.port(), "1.3", b"all", "--half-close")
        self.assertEqual((seen.how, seen.status, len(seen.data)), ("whole", 0, len(servers.LARGE)), seen.said)
        line = relay.wait_connection()
        self.assertEqual((line.outcome, line["client_end"], line["server_end"], line["lost"]), ("whole", "closed", "closed", "0"), line.text)


class Clients(Case):
    """Clients that are not ours exit through the relay as they do without it."""
    CLIENTS = {
        "curl": lambda port, version: ["curl", "-sS", "-k", "--http1.0", "--max-time", "20", "--tls-max", version, "https://127.0.0.1:%d/" % port],
        "wget": lambda port, version: ["wget", "-O", "-", "--tries=1", "--no-check-certificate", "--timeout=20",
                                       "--ciphers=NORMAL:-VERS-ALL:+VERS-TLS" + version, "https://127.0.0.1:%d/" % port],
        "s_client": lambda port, version: ["openssl", "s_client", "-quiet", "-tls" + version.replace(".", "_"), "-connect", "127.0.0.1:%d" % port],
    }

    def run_client(self, key):
        name, cell, is_direct = key
        with Scene() as scene:
            where, is_ours = self.stand.tls_server(scene, cell.ending, cell.version, cell.place)
            port = int(where.rsplit(":", 1)[1]) if is_direct else self.stand.begin_relay(scene, cell, where, is_ours).port()
            return tap.run(self.CLIENTS[name](port, cell.version), input=ends.GET)

    def test_exit_as_without_the_relay(self):
        cells = [Cell("back", ending, "tls-tls", version, place)
                 for ending in ("fin", "inside", "rst", "alert") for version in VERSIONS for place in ("mid", "complete")]
        cells += [Cell("back", "proper", "tls-tls", version, "complete") for version in VERSIONS]
        done = run_all(self.run_client, list(itertools.product(self.CLIENTS, cells, (False, True))))
        for name, cell in itertools.product(self.CLIENTS, cells):
            through, direct = (result(done, (name, cell, is_direct)) for is_direct in (False, True))
            with self.subTest(client=name, cell=name_of(cell)):
                self.assertEqual(through.returncode == 0, direct.returncode == 0, (through.stderr, direct.stderr))
                if cell.place == "mid" or cell.ending == "proper":
                    self.assertEqual(through.returncode == 0, cell.ending == "proper", through.stderr)


if __name__ == "__main__":
    tap.main()
