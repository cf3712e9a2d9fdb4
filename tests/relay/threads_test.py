#!/usr/bin/python3
"""threads_test: four workers under load, while the configuration changes, the log is opened anew, metrics are read and all is drained: no
connection is lost, and each leaves one line.  `./dev tsan` runs it under ThreadSanitizer, which ends the relay with another status."""
import concurrent.futures
import os
import signal
import socket
import ssl
import sys
import threading
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from operation_test import metric, metrics
from rig import Relay, servers, tap

DEADLINE = 60
CLIENTS = 6
RELOADS = 8
BETWEEN = 5  # connections of each client
BODY = bytes(range(256)) * 400


def backend(case):
    """Says BODY to whoever says something, and ends; its port."""
    def talk(connection):
        connection.settimeout(DEADLINE)
        if connection.recv(100):
            connection.sendall(BODY)
    return servers.Raw(case, talk).port


class Threads(unittest.TestCase):
    CONFIG = """
        workers = 4
        metrics = unix:%(folder)s/metrics
        output = %(folder)s/log
        drain = 30
        retryAfter = 0
        connect = 127.0.0.1:%(one)d
        connect = localhost:%(two)d
        failover = rr
        cert = %(cert)s
        key = %(key)s
        [web]
        accept = tls:127.0.0.1:0
        alpn = http/1.1
        [named]
        sni = web:*.example
        cert = %(cert)s
        [plain]
        accept = tcp:127.0.0.1:0
        %(more)s
        """

    def setUp(self):
        self.folder = tap.temp_dir(self)
        self.certificate = servers.Certificate(self.folder, names="DNS:localhost,DNS:name.example")
        os.chmod(self.certificate.key, 0o600)
        self.values = {"folder": self.folder, "one": backend(self), "two": backend(self), "cert": self.certificate.certificate,
                       "key": self.certificate.key}
        self.over, self.fetched, self.news = threading.Event(), [0] * CLIENTS, threading.Condition()

    def config(self, more=""):
        return "\n".join(line.strip() for line in (self.CONFIG % dict(self.values, more=more)).splitlines())

    def fetch(self, port, name):
        """One connection, to its proper end."""
        with socket.create_connection(("127.0.0.1", port), DEADLINE) as raw:
            if name is None:
                return self.talk(raw)
            context = ssl.create_default_context(cafile=self.certificate.certificate)
            with context.wrap_socket(raw, server_hostname=name, suppress_ragged_eofs=False) as client:
                self.talk(client)
                client.unwrap()
        return None

    def talk(self, client):
        client.sendall(b"go\n")
        said = b""
        while piece := client.recv(65536):
            said += piece
        self.assertEqual(said, BODY)

    def fetch_on(self, number, port, name):
        try:
            while not self.over.is_set():
                self.fetch(port, name)
                with self.news:
                    self.fetched[number] += 1
                    self.news.notify_all()
        except BaseException:
            self.over.set()
            with self.news:
                self.news.notify_all()
            raise

    def wait_for_clients(self):
        """Until each has had some more connections."""
        with self.news:
            wanted = [count + BETWEEN for count in self.fetched]
            self.news.wait_for(lambda: self.over.is_set() or all(map(int.__ge__, self.fetched, wanted)), DEADLINE)

    def read_metrics(self, relay):
        count = 0
        while not self.over.is_set():
            self.assertIn("lastword_relay_accepted_total", metrics(relay))
            count += 1
        return count

    def log(self):
        """All lines, of the log that was moved away and of the new one."""
        text = ""
        for name in ("log.1", "log"):
            path = os.path.join(self.folder, name)
            if os.path.exists(path):  # it is made anew when the relay comes to it
                with open(path, encoding="utf-8") as file:
                    text += file.read()
        return text.splitlines()

    def disturb(self, relay):
        """Reloads again and again, with another service or without; between two the log is moved away."""
        os.rename(os.path.join(self.folder, "log"), os.path.join(self.folder, "log.1"))
        relay.signal(signal.SIGUSR1)
        more = "[more]\naccept = tcp:127.0.0.1:0\n"
        for i in range(RELOADS):
            self.wait_for_clients()
            with open(relay.path, "w", encoding="utf-8") as file:
                file.write(self.config(more if i % 2 == 0 else ""))
            relay.signal(signal.SIGHUP)
            self.wait_log(lambda lines, i=i: len([line for line in lines if line.startswith("reloaded ")]) > i)

    def wait_log(self, claim):
        for _ in range(DEADLINE * 20):
            if claim(self.log()):
                return
            threading.Event().wait(0.05)
        self.fail("\n".join(self.log()[-20:]))

    def test_no_connection_is_lost(self):
        relay = Relay(self, config=self.config(), line="^metrics ")
        web, plain = relay.port("web"), relay.port("plain")
        with concurrent.futures.ThreadPoolExecutor(CLIENTS + 1) as pool:
            rows = [(web, "localhost"), (web, "name.example"), (plain, None)] * (CLIENTS // 3)
            clients = [pool.submit(self.fetch_on, number, *row) for number, row in enumerate(rows)]
            reader = pool.submit(self.read_metrics, relay)
            try:
                self.disturb(relay)
            finally:
                self.over.set()
            for client in clients:
                client.result(DEADLINE)
            self.assertGreater(reader.result(DEADLINE), 0)
        self.assertGreaterEqual(min(self.fetched), RELOADS * BETWEEN)
        self.assertEqual(relay.end(DEADLINE), 0, relay.process.err.decode())
        lines = [line for line in self.log() if " action=" in line]
        self.assertEqual([line for line in lines if not line.startswith("whole ")], [])
        self.assertEqual(len(lines), sum(self.fetched))
        self.assertEqual({line for line in self.log() if line.startswith("log_lost")}, set())

    def test_a_drain_under_load_ends_what_is_under_way_properly(self):
        relay = Relay(self, config=self.config().replace("output = %s/log\n" % self.folder, ""))
        web, gate = relay.port("web"), threading.Barrier(CLIENTS + 1)

        def fetch_slowly():
            context = ssl.create_default_context(cafile=self.certificate.certificate)
            with socket.create_connection(("127.0.0.1", web), DEADLINE) as raw:
                with context.wrap_socket(raw, server_hostname="localhost", suppress_ragged_eofs=False) as client:
                    client.sendall(b"go\n")
                    said = client.recv(100)
                    gate.wait(DEADLINE)
                    gate.wait(DEADLINE)  # it drains by now
                    while piece := client.recv(65536):
                        said += piece
            return said == BODY
        with concurrent.futures.ThreadPoolExecutor(CLIENTS) as pool:
            clients = [pool.submit(fetch_slowly) for _ in range(CLIENTS)]
            gate.wait(DEADLINE)
            self.assertEqual(metric(relay, "connections_open"), CLIENTS)
            relay.signal(signal.SIGTERM)
            relay.wait("^draining ")
            gate.wait(DEADLINE)
            self.assertEqual([client.result(DEADLINE) for client in clients], [True] * CLIENTS)
        self.assertEqual(relay.process.wait(DEADLINE), 0, relay.process.err.decode())


if __name__ == "__main__":
    tap.main(seconds=180)
