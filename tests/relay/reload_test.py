#!/usr/bin/python3
"""reload and drain: a whole new configuration or the old one, and no connection lost either way."""
import concurrent.futures
import os
import signal
import socket
import ssl
import sys
import threading
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import rig
from rig import Relay, servers, tap

CONFIG = """
workers = 2
TIMEOUTdrain = %(drain)d
[web]
accept = tls:127.0.0.1:0
connect = tcp:127.0.0.1:%(port)d
cert = %(cert)s
key = %(key)s
"""


class Backend:
    """Says its name and a large body to whoever asks with a line; `gate` holds the second half back until it is set."""

    def __init__(self, case, name, size=200000):
        self.name, self.size, self.gate = name, size, threading.Event()
        self.gate.set()
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self.port = self.listener.getsockname()[1]
        case.addCleanup(self.listener.close)
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def body(self):
        return self.name.encode() + b"." * (self.size - len(self.name))

    def serve(self, connection):
        with connection:
            connection.settimeout(30)
            if not connection.recv(100):
                return
            body = self.body()
            try:
                connection.sendall(body[:self.size // 2])
                self.gate.wait(30)
                connection.sendall(body[self.size // 2:])
            except OSError:  # the relay has reset it
                pass


class Reload(unittest.TestCase):
    def setUp(self):
        self.folder = tap.temp_dir(self)
        self.certificate = servers.Certificate(self.folder)
        self.one, self.two = Backend(self, "one"), Backend(self, "two")

    def config(self, backend=None, drain=20, cert=None):
        return CONFIG % {"drain": drain, "port": (backend or self.one).port, "cert": cert or self.certificate.certificate,
                         "key": self.certificate.key}

    def connect(self, port, ca=None):
        context = ssl.create_default_context(cafile=ca or self.certificate.certificate)
        context.options &= ~ssl.OP_IGNORE_UNEXPECTED_EOF  # Python sets it, and takes any FIN for an end
        raw = socket.create_connection(("127.0.0.1", port), timeout=30)
        return context.wrap_socket(raw, server_hostname="localhost", suppress_ragged_eofs=False)

    @staticmethod
    def read(connection):
        """Up to a proper end; anything else is an exception."""
        pieces = []
        while True:
            piece = connection.recv(65536)
            if not piece:
                return b"".join(pieces)
            pieces.append(piece)

    def fetch(self, port):
        with self.connect(port) as connection:
            connection.sendall(b"go\n")
            return self.read(connection)

    def test_new_connections_go_to_the_new_backend(self):
        relay = Relay(self, config=self.config())
        port = relay.port("web")
        self.assertEqual(self.fetch(port), self.one.body())
        relay.rewrite(self.config(self.two))
        relay.wait(r"^reloaded services=1")
        self.assertEqual(self.fetch(port), self.two.body())

    def test_a_connection_under_way_stays_with_the_old_one(self):
        relay = Relay(self, config=self.config())
        self.one.gate.clear()
        with self.connect(relay.port("web")) as connection:
            connection.sendall(b"go\n")
            first = connection.recv(1000)
            relay.rewrite(self.config(self.two))
            relay.wait(r"^reloaded ")
            self.one.gate.set()
            self.assertEqual(first + self.read(connection), self.one.body())

    def test_a_broken_certificate_changes_nothing(self):
        relay = Relay(self, config=self.config())
        broken = servers.write(self.folder, "broken.pem", "this is no certificate\n")
        relay.rewrite(self.config(self.two, cert=broken))
        line = relay.wait(r"^reload_failed ")
        self.assertIn("broken.pem", line["reason"])
        self.assertEqual(self.fetch(relay.port("web")), self.one.body())

    def test_an_unknown_key_changes_nothing_and_has_its_line(self):
        relay = Relay(self, config=self.config())
        relay.rewrite(self.config(self.two) + "acept = 1\n")
        line = relay.wait(r"^reload_failed ")
        self.assertRegex(line["reason"], r"relay\.conf:9: .*acept")
        self.assertEqual(self.fetch(relay.port("web")), self.one.body())

    def test_a_new_certificate_is_presented(self):
        relay = Relay(self, config=self.config())
        other = servers.Certificate(self.folder, name="other")
        config = self.config(cert=other.certificate).replace(self.certificate.key, other.key)
        relay.rewrite(config)
        relay.wait(r"^reloaded ")
        with self.connect(relay.port("web"), ca=other.certificate) as connection:
            connection.sendall(b"go\n")
            self.assertEqual(self.read(connection), self.one.body())

    def test_no_connection_is_lost_in_ten_reloads(self):
        relay = Relay(self, config=self.config())
        port, over = relay.port("web"), threading.Event()

        def fetch_on():
            count = 0
            while not over.is_set() and count < 2000:
                self.assertIn(self.fetch(port), (self.one.body(), self.two.body()))
                count += 1
            return count

        with concurrent.futures.ThreadPoolExecutor(4) as clients:
            futures = [clients.submit(fetch_on) for _ in range(4)]
            try:
                for i in range(10):
                    relay.rewrite(self.config((self.two, self.one)[i % 2]))
                    relay.process.wait_line(r"(?:^reloaded (?:.*\n)*?.*){%d}" % (i + 1))
            finally:
                over.set()
            counts = [future.result(timeout=30) for future in futures]
        self.assertGreater(min(counts), 0)

    def test_a_drain_lets_a_download_finish(self):
        relay = Relay(self, config=self.config())
        port = relay.port("web")
        self.one.gate.clear()
        with self.connect(port) as connection:
            connection.sendall(b"go\n")
            first = connection.recv(1000)
            relay.signal(signal.SIGTERM)
            relay.wait(r"^draining connections=1")
            self.wait_refused(port)
            self.one.gate.set()
            self.assertEqual(first + self.read(connection), self.one.body())
        self.assertEqual(relay.process.wait(20), 0)

    def wait_refused(self, port):
        for _ in range(200):
            if not tap.is_listening(port):
                return
            threading.Event().wait(0.02)
        self.fail("it still listens")

    def test_the_drain_deadline_cuts_and_never_looks_like_an_end(self):
        relay = Relay(self, config=self.config(drain=1))
        self.one.gate.clear()
        with self.connect(relay.port("web")) as connection:
            connection.sendall(b"go\n")
            self.assertTrue(connection.recv(1000))
            relay.signal(signal.SIGTERM)
            with self.assertRaises(OSError):  # an alert or a reset
                self.read(connection)
        self.assertEqual(relay.process.wait(20), 1)
        self.assertEqual(relay.wait_connection().outcome, "abandoned")

    def test_a_client_that_reads_nothing_does_not_hold_the_end_up(self):
        large = Backend(self, "large", size=50000000)
        relay = Relay(self, config=self.config(large, drain=1))
        with self.connect(relay.port("web")) as connection:
            connection.sendall(b"go\n")
            self.assertTrue(connection.recv(1000))
            relay.signal(signal.SIGTERM)
            self.assertEqual(relay.process.wait(15), 1)
        line = relay.wait_connection()
        self.assertEqual(line.outcome, "abandoned")
        self.assertGreater(int(line["lost"]), 0)

    def test_an_idle_http_connection_is_closed_properly(self):
        certificate = servers.Certificate(self.folder, name="nginx")
        nginx = servers.nginx(self, certificate)
        relay = Relay(self, "--accept", "tls:127.0.0.1:0", "--cert", self.certificate.certificate, "--key", self.certificate.key,
                      "--connect", "tls:localhost:%d" % nginx, "--backendCAfile", certificate.certificate, "--profile", "https")
        with self.connect(relay.port()) as connection:
            connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            page = b""
            while not page.endswith(servers.PAGE):
                page += connection.recv(65536)
            relay.signal(signal.SIGTERM)
            self.assertEqual(self.read(connection), b"")
        self.assertEqual(relay.process.wait(20), 0)


if __name__ == "__main__":
    tap.main()
